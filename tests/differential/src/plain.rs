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

const REFUSED: Judged = Judged::Refused(None);

/// The head, and what is after it. RFC 9112, section 2.2: a line ends with CR LF, and empty ones before the first are skipped;
/// section 5.2: none is folded.
fn lines(mut bytes: &[u8]) -> Result<(Vec<u8>, &[u8]), Judged> {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
    let (head, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 4));
    let is_bad = |at: usize| match head[at] {
        b'\r' => head.get(at + 1).is_some_and(|byte| *byte != b'\n'),
        b'\n' => at == 0 || head[at - 1] != b'\r',
        b'\t' => false,
        byte => byte.is_ascii_control(),
    };
    if (0..head.len()).any(is_bad) {
        return Err(REFUSED);
    }
    if end.is_none() {
        return Err(Judged::Waits);
    }
    Ok((head.to_vec(), rest))
}

/// The fields of a head.
struct Fields<'h>(&'h [httparse::Header<'h>]);

impl<'h> Fields<'h> {
    fn all(&self, name: &str) -> Vec<&'h [u8]> {
        let fields = self
            .0
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value.trim_ascii()).collect()
    }

    /// All lines of a list.
    fn list(&self, name: &str) -> Vec<&'h [u8]> {
        let lines = self.all(name).into_iter();
        let elements = lines
            .flat_map(|line| line.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii);
        elements.filter(|element| !element.is_empty()).collect()
    }

    fn has(&self, name: &str, token: &str) -> bool {
        let list = self.list(name);
        list.iter()
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// RFC 6455, section 4.2.1, over what `httparse` reads; RFC 9112 where that is lenient.
pub fn request(bytes: &[u8]) -> Judged {
    let mut head = match lines(bytes) {
        Ok((head, _)) => head,
        Err(judged) => return judged,
    };
    // RFC 9110, section 2.5: a higher minor version is taken as the highest that is known.
    let line = head
        .windows(2)
        .position(|part| part == b"\r\n")
        .unwrap_or(0);
    if let Some((before, [minor @ b'2'..=b'9'])) = head[..line].split_last_chunk_mut::<1>()
        && before.ends_with(b" HTTP/1.")
    {
        *minor = b'1';
    }
    let mut parsed = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut parsed);
    let Ok(httparse::Status::Complete(_)) = request.parse(&head) else {
        return REFUSED;
    };
    let fields = Fields(request.headers);
    let target = request.path.unwrap_or_default();
    let schemes = ["http://", "https://", "ws://", "wss://"];
    let authority = schemes.iter().find_map(|scheme| {
        let start = target.get(..scheme.len())?;
        let rest = &target[scheme.len()..];
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        start.eq_ignore_ascii_case(scheme).then_some(authority)
    });
    let is_target = target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && (target.starts_with('/') || authority.is_some_and(|host| is_host(host.as_bytes())));
    let mut subprotocols = fields.list("Sec-WebSocket-Protocol");
    let offered = subprotocols.len();
    let are_tokens = subprotocols.iter().all(|name| is_token(name));
    subprotocols.sort();
    subprotocols.dedup();
    let origins = fields.all("Origin");
    let good = request.method == Some("GET")
        && request.version == Some(1)
        && is_target
        && matches!(&fields.all("Host")[..], [host] if is_host(host))
        && fields.has("Upgrade", "websocket")
        && fields.has("Connection", "upgrade")
        && matches!(&fields.all("Sec-WebSocket-Key")[..], [key] if is_key(key))
        && fields.all("Sec-WebSocket-Version") == [b"13"]
        && origins.len() < 2
        && origins
            .iter()
            .all(|origin| std::str::from_utf8(origin).is_ok())
        && are_tokens
        && subprotocols.len() == offered
        && fields
            .all("Sec-WebSocket-Extensions")
            .iter()
            .all(|line| are_extensions(line))
        && matches!(&fields.all("Content-Length")[..], [] | [b"0"])
        && fields.all("Transfer-Encoding").is_empty();
    if good { Judged::Taken } else { REFUSED }
}

/// RFC 6455, section 4.1, for a client that offers the subprotocol `chat` and the extension `foo`.
pub fn response(bytes: &[u8], accept: &str) -> Judged {
    let (mut head, rest) = match lines(bytes) {
        Ok(both) => both,
        Err(judged) => return judged,
    };
    // RFC 9110, section 2.5, as in a request.
    if let Some((
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            minor @ b'2'..=b'9',
        ],
        _,
    )) = head.split_first_chunk_mut()
    {
        *minor = b'1';
    }
    let mut parsed = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut parsed);
    let Ok(httparse::Status::Complete(_)) = response.parse(&head) else {
        return REFUSED;
    };
    if let (Some(100 | 102..200), Some(1)) = (response.code, response.version) {
        // RFC 9110, section 15.2: another one follows.
        return self::response(rest, accept);
    }
    let fields = Fields(response.headers);
    let mut chosen = fields.all("Sec-WebSocket-Protocol");
    // Some servers always send the field.
    chosen.retain(|value| !value.is_empty());
    let lines = fields.all("Sec-WebSocket-Extensions");
    let extensions = fields.list("Sec-WebSocket-Extensions");
    let name = |element: &[u8]| {
        element
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii()
            .to_vec()
    };
    let are_good = lines.iter().all(|line| are_extensions(line))
        && (lines.is_empty() || !extensions.is_empty())
        && extensions.len() < 2
        && extensions.iter().all(|element| name(element) == b"foo");
    let good = response.code == Some(101)
        && response.version == Some(1)
        && matches!(&fields.all("Upgrade")[..], [value] if value.eq_ignore_ascii_case(b"websocket"))
        && fields.has("Connection", "upgrade")
        && fields.all("Sec-WebSocket-Accept") == [accept.as_bytes()]
        && matches!(&chosen[..], [] | [b"chat"])
        && are_good;
    if good { Judged::Taken } else { REFUSED }
}

/// 16 bytes in base64 (RFC 6455, section 4.1).
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit)
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
