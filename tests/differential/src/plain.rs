//! The rules for an opening handshake, plainly.
//!
//! Invariant: written from the RFCs, over what `httparse` reads; no code is shared with the crate.

use sansocket::HandshakeError;
use std::net::Ipv6Addr;

/// What a server does with a head: takes it, refuses it, or waits for more.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    Taken,
    Refused(Option<HandshakeError>),
    Waits,
}

/// RFC 6455, section 4.2.1, over what `httparse` reads; RFC 9112 where that is lenient.
pub fn plain(head: &[u8]) -> Judged {
    const REFUSED: Judged = Judged::Refused(None);
    // RFC 9112, section 2.2: a line ends with CR LF; section 5.2: none is folded.
    let end = head.windows(4).position(|part| part == b"\r\n\r\n");
    let text = &head[..end.map_or(head.len(), |end| end + 4)];
    let is_bad = |at: usize| match text[at] {
        b'\r' => text.get(at + 1).is_some_and(|byte| *byte != b'\n'),
        b'\n' => at == 0 || text[at - 1] != b'\r',
        b'\t' => false,
        byte => byte.is_ascii_control(),
    };
    if (0..text.len()).any(is_bad) {
        return REFUSED;
    }
    if end.is_none() {
        return Judged::Waits;
    }
    // RFC 9110, section 2.5: a higher minor version is taken as the highest that is known.
    let mut text = text.to_vec();
    let line = text
        .windows(2)
        .position(|part| part == b"\r\n")
        .unwrap_or(0);
    if let [
        ..,
        b' ',
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        b'1',
        b'.',
        minor @ b'2'..=b'9',
    ] = &mut text[..line]
    {
        *minor = b'1';
    }
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(_)) = request.parse(&text) else {
        // Empty lines only are none yet.
        return if text.iter().all(|byte| b"\r\n".contains(byte)) {
            Judged::Waits
        } else {
            REFUSED
        };
    };
    let all = |name: &str| {
        let fields = request
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        fields
            .map(|field| field.value.trim_ascii())
            .collect::<Vec<_>>()
    };
    let list = |name: &str| {
        let lines = all(name)
            .into_iter()
            .flat_map(|line| line.split(|byte| *byte == b','));
        let elements = lines
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty());
        elements.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let has = |name: &str, token: &str| {
        list(name)
            .iter()
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    };
    let target = request.path.unwrap_or_default();
    let authority = ["http://", "https://", "ws://", "wss://"]
        .iter()
        .find_map(|scheme| {
            let start = target.get(..scheme.len())?;
            let rest = &target[scheme.len()..];
            start
                .eq_ignore_ascii_case(scheme)
                .then(|| rest.split(['/', '?']).next().unwrap_or_default())
        });
    let is_target = target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && (target.starts_with('/') || authority.is_some_and(|host| is_host(host.as_bytes())));
    let one_host = matches!(&all("Host")[..], [host] if is_host(host));
    let key = all("Sec-WebSocket-Key");
    let is_key = matches!(&key[..], [key] if key.len() == 24 && key.ends_with(b"==")
        && key[..22].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)));
    let mut subprotocols = list("Sec-WebSocket-Protocol");
    let offered = subprotocols.len();
    let are_tokens = subprotocols.iter().all(|name| is_token(name));
    subprotocols.sort();
    subprotocols.dedup();
    let origins = all("Origin");
    let good = request.method == Some("GET")
        && request.version == Some(1)
        && is_target
        && one_host
        && has("Upgrade", "websocket")
        && has("Connection", "upgrade")
        && is_key
        && all("Sec-WebSocket-Version") == [b"13"]
        && origins.len() < 2
        && origins
            .iter()
            .all(|origin| origin.is_ascii() || std::str::from_utf8(origin).is_ok())
        && are_tokens
        && subprotocols.len() == offered
        && all("Sec-WebSocket-Extensions")
            .iter()
            .all(|line| are_extensions(line))
        && matches!(&all("Content-Length")[..], [] | [b"0"])
        && all("Transfer-Encoding").is_empty();
    if good { Judged::Taken } else { REFUSED }
}

fn is_token(name: &[u8]) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_sign)
}

/// RFC 3986, sections 3.2.2 and 3.2.3, without userinfo.
fn is_host(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("literal", port),
        _ => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            digits.bytes().all(|byte| byte.is_ascii_digit())
                && (digits.is_empty() || digits.parse::<u16>().is_ok())
        });
    let mut bytes = name.bytes();
    let mut is_name = !name.is_empty();
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        is_name &= match byte {
            b'%' => digit() && digit(),
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
    }
    is_name && is_port
}

/// RFC 6455, section 9.1; an empty element is none.
fn are_extensions(line: &[u8]) -> bool {
    // A quoted value is a token when it is unquoted, so it has no comma and no semicolon.
    line.split(|byte| *byte == b',').all(|element| {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        if name.is_empty() {
            return element.trim_ascii().is_empty();
        }
        is_token(name)
            && parts.all(|part| match part.iter().position(|byte| *byte == b'=') {
                None => is_token(part),
                Some(at) => {
                    is_token(part[..at].trim_ascii()) && is_param(part[at + 1..].trim_ascii())
                }
            })
    })
}

fn is_param(value: &[u8]) -> bool {
    match value {
        [b'"', quoted @ .., b'"'] => {
            let (mut rest, mut is_good) = (quoted, !quoted.is_empty());
            while let [first, after @ ..] = rest {
                let (byte, after) = match (first, after) {
                    (b'\\', [next, after @ ..]) => (*next, after),
                    (byte, after) => (*byte, after),
                };
                is_good &= is_token(&[byte]);
                rest = after;
            }
            is_good
        }
        value => is_token(value),
    }
}
