//! Everything that the application or a peer supplies passes one gate before it is written: each place of a
//! head gets every byte and every trick, and another parser reads the result.
//!
//! Invariant: the result is an error, or exactly the intended lines.

use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    ClientRequest, CloseCode, Config, Deflate, Endpoint, Event, Extension, HandshakeError, Headers,
    Input, Offer, OriginPolicy, Request, Response, Role,
};
use std::time::Duration;

// ---- what is supplied ----

/// Tricks: starts a line, ends a head, becomes something else after a mapping, or can be read in two ways.
const TRICKS: &[&str] = &[
    "",
    " ",
    "\t",
    " a",
    "a ",
    "\ta\t",
    "a: b",
    ": ",
    ":",
    "a\r\nX: y",
    "a\nX: y",
    "a\rX: y",
    "a\r\n y",
    "\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a HTTP/1.1\r\nX: y",
    "a HTTP/1.1",
    "a\0b",
    "a\u{7f}b",
    "a\u{85}b",
    "a\u{2028}b",
    "\u{feff}a",
    "a\u{200b}b",
    "a\u{202e}b",
    "\u{e9}",
    "\u{e9}\r\nX: y",
    "\u{e9}@b",
    "\u{65e5}\u{672c}",
    "\u{ad}",
    "\u{3000}",
    "a\u{3002}b",
    "a\u{ff0e}b",
    "a\u{ff0f}b",
    "a\u{ff1a}80",
    "a\u{ff20}b",
    "a\u{ff1f}b",
    "a\u{ff03}b",
    "a\u{ff05}0d",
    "a\u{ff3c}b",
    "\u{ff0d}\u{ff0a}",
    "\u{560d}\u{560a}X: y", // CR and LF, if only the low bytes are kept
    "\u{10d}\u{10a}",
    "%",
    "%4",
    "%zz",
    "%0d%0aX:%20y",
    "%00",
    "a,b",
    "a, b",
    ",",
    "a;b=c",
    "a; b=\"c\"",
    "\"a\"",
    "\"",
    "\\",
    "a=b",
    "a@b",
    "a:b@c:1",
    "//a",
    "a//b",
    "/../a",
    "a?b?c",
    "a?",
    "#",
    "a#b",
    "[::1]",
    "[::1%25e]",
    "::1",
    "a:80",
    "a:443",
    "a:0",
    "a:65536",
    "a:080",
    "a:",
    "A",
    "xn--a",
    "..",
    "*",
    "null",
    "Host",
    "host",
    "Connection",
    "Content-Length",
    "TRANSFER-ENCODING",
    "Upgrade",
    "Origin",
    "Sec-WebSocket-Key",
    "sec-websocket-accept",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "permessage-deflate",
];

/// Every character of one byte (and of two, up to U+00FF) in every place, every trick, and long ones.
fn supplied() -> Vec<String> {
    let mut all: Vec<String> = TRICKS.iter().map(|trick| (*trick).into()).collect();
    for c in (0..=0xff).map(char::from) {
        all.extend([
            format!("{c}"),
            format!("{c}a"),
            format!("a{c}"),
            format!("a{c}b"),
        ]);
    }
    all.push("x".repeat(70_000));
    all.push(format!("{}\r\nX: y", "x".repeat(70_000)));
    all
}

// ---- what is written ----

/// A head and what follows it.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    first_line: String,
    fields: Vec<(String, Vec<u8>)>,
    after: Vec<u8>,
}

/// A reader by hand, as strict as RFC 9112 and RFC 9110.
#[track_caller]
fn strict(bytes: &[u8]) -> Written {
    let shown = || bytes.escape_ascii().to_string();
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
    let (head, after) = bytes.split_at(end.unwrap_or_else(|| panic!("no end: {}", shown())));
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest = head.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\r' => {
                assert_eq!(rest.next(), Some(&b'\n'), "a bare CR: {}", shown());
                lines.push(Vec::new());
            }
            b'\t' | b' '..=b'~' | 0x80.. => lines.last_mut().unwrap().push(byte),
            _ => panic!("a control byte: {}", shown()),
        }
    }
    let first_line = String::from_utf8(lines.remove(0)).unwrap();
    assert!(
        first_line.bytes().all(|b| (b' '..=b'~').contains(&b)),
        "{first_line}"
    );
    let fields = lines.iter().map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').expect("a colon");
        let name = String::from_utf8(line[..colon].to_vec()).unwrap();
        let is_tchar = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        assert!(!name.is_empty() && name.chars().all(is_tchar), "{name:?}");
        (name, without_ows(&line[colon + 1..]).to_vec())
    });
    Written {
        first_line,
        fields: fields.collect(),
        after: after[4..].to_vec(),
    }
}

/// RFC 9110, section 5.5: whitespace around a value does not belong to it.
fn without_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn field(name: &str, value: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.into(), without_ows(value.as_ref()).to_vec())
}

/// RFC 6455, section 11.1.1.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte.is_ascii() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

// ---- a client's request ----

/// What the lines of a request depend on.
#[derive(Clone, Default)]
struct Asked {
    uri: Option<(String, String)>,
    origin: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<String>,
    added: Vec<(String, String)>,
}

impl Asked {
    /// Compares the request on the wire, without its key, with the expected lines.
    #[track_caller]
    fn check(&self, request: &ClientRequest) {
        let mut out = BytesMut::new();
        let config = Config::default();
        let _ = Endpoint::client(request, &config, [9; 32], Duration::ZERO, &mut out);
        let mut written = strict(&out);
        assert!(written.after.is_empty(), "one request");
        let key = written.fields.remove(3);
        assert_eq!((&*key.0, key.1.len()), ("Sec-WebSocket-Key", 24));

        let uri = self.uri.clone();
        let (host, target) = uri.unwrap_or_else(|| ("example.com".into(), "/chat".into()));
        let mut fields = vec![
            field("Host", host),
            field("Upgrade", "websocket"),
            field("Connection", "Upgrade"),
            field("Sec-WebSocket-Version", "13"),
        ];
        fields.extend(self.origin.iter().map(|origin| field("Origin", origin)));
        for (name, list) in [
            ("Sec-WebSocket-Protocol", &self.subprotocols),
            ("Sec-WebSocket-Extensions", &self.extensions),
        ] {
            if !list.is_empty() {
                fields.push(field(name, list.join(", ")));
            }
        }
        fields.extend(self.added.iter().map(|(name, value)| field(name, value)));
        assert_eq!(written.first_line, format!("GET {target} HTTP/1.1"));
        assert_eq!(written.fields, fields);

        // The same for another HTTP implementation: names in lower case, and pseudo-headers.
        let lower = fields
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let lower: Vec<_> = lower.collect();
        let (seed, authority) = ([9; 32], &fields[0].1);
        for (offer, pseudo, own) in [
            (
                Offer::upgrade(request, &config, seed),
                vec![(":method", &b"GET"[..])],
                0,
            ),
            (
                Offer::extended_connect(request, &config, seed),
                vec![
                    (":method", &b"CONNECT"[..]),
                    (":protocol", b"websocket"),
                    (":scheme", b"http"),
                    (":authority", authority),
                ],
                3,
            ),
        ] {
            let (before, listed): (Vec<_>, Vec<_>) = offer
                .headers()
                .iter()
                .partition(|(name, _)| name.starts_with(':'));
            assert_eq!(
                before,
                [&pseudo[..], &[(":path", target.as_bytes())]].concat()
            );
            let listed = listed
                .iter()
                .filter(|(name, _)| *name != "sec-websocket-key");
            let listed: Vec<_> = listed.map(|(name, value)| field(name, value)).collect();
            assert_eq!(listed, lower[own..]);
        }
    }
}

/// A place of a request: puts a value there, and returns the expected lines; `None` is an error.
type Place = fn(ClientRequest, &mut Asked, &str) -> Option<ClientRequest>;

const PLACES: [Place; 7] = [
    |request, asked, name| {
        asked.added.push((name.into(), "x".into()));
        request.header(name, "x").ok()
    },
    |request, asked, value| {
        asked.added.push(("X".into(), value.into()));
        request.header("X", value).ok()
    },
    |request, asked, origin| {
        asked.origin = Some(origin.into());
        request.origin(origin).ok()
    },
    |request, asked, name| {
        asked.subprotocols.push(name.into());
        request.subprotocol(name).ok()
    },
    |request, asked, name| {
        asked.extensions.push(name.into());
        Some(request.extension(Extension::new(name).ok()?, false))
    },
    |request, asked, name| {
        asked.extensions.push(format!("x; {name}"));
        Some(request.extension(Extension::new("x").unwrap().param(name, None).ok()?, false))
    },
    |request, asked, value| {
        asked.extensions.push(format!("x; y={value}"));
        Some(request.extension(
            Extension::new("x").unwrap().param("y", Some(value)).ok()?,
            true,
        ))
    },
];

#[test]
fn a_request_has_only_the_intended_lines() {
    let supplied = supplied();
    for (index, place) in PLACES.iter().enumerate() {
        let mut accepted = 0;
        for value in &supplied {
            let mut asked = Asked::default();
            if let Some(request) = place(client_request(), &mut asked, value) {
                asked.check(&request);
                accepted += 1;
            }
        }
        // Valid values are accepted, and invalid ones are errors.
        assert!(
            (100..supplied.len() - 100).contains(&accepted),
            "{index}: {accepted}"
        );
    }
}

#[test]
fn several_places_together_have_only_the_intended_lines() {
    let (supplied, mut random) = (supplied(), Random(1));
    for _ in 0..2_000 {
        let (mut request, mut asked) = (client_request(), Asked::default());
        for _ in 0..random.below(10) {
            let value = &supplied[random.below(supplied.len() - 2)];
            let (place, mut more) = (PLACES[random.below(PLACES.len())], asked.clone());
            if let Some(next) = place(request.clone(), &mut more, value) {
                (request, asked) = (next, more);
            }
        }
        asked.check(&request);
    }
}

/// The `Host` and the target of a URI (RFC 3986, section 3), if it is valid.
fn of_uri(uri: &str) -> (String, String) {
    let rest = uri.split_once("://").unwrap().1;
    let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap().to_lowercase();
    // What is after the brackets or the name.
    let after = host.find(']').unwrap_or(0);
    let port = host[after..].find(':').map(|colon| after + colon);
    let (name, port) = host.split_at(port.unwrap_or(host.len()));
    let host = match port.trim_start_matches(':').trim_start_matches('0') {
        "" if port.len() > 1 => format!("{name}:0"),
        "" | "80" => name.to_owned(),
        port => format!("{name}:{port}"),
    };
    let resource = match resource.split_once('?') {
        Some((path, "")) => path, // RFC 6455, section 3
        _ => resource,
    };
    let slash = if resource.starts_with('/') { "" } else { "/" };
    (host, percent_encoded(&format!("{slash}{resource}")))
}

#[test]
fn a_uri_is_a_host_and_a_target_or_an_error() {
    let places = [
        "ws://{}/",
        "ws://{}",
        "ws://a{}b/x",
        "ws://{}:81/",
        "ws://[{}]/",
        "ws://a:{}/",
        "ws://{}@a/",
        "ws://me:{}@a/",
        "ws://a/{}",
        "ws://a/x{}y/z",
        "ws://a?{}",
        "ws://a/?{}",
        "ws://\u{e9}{}/",
        "ws://{}\u{e9}.test/",
        "ws://a.\u{e9}:{}/",
        "ws://a/\u{e9}{}",
    ];
    let is_host_char = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=%".contains(c);
    for place in places {
        let mut accepted = 0;
        for value in &supplied() {
            let uri = place.replace("{}", value);
            let Ok(request) = ClientRequest::new(&uri) else {
                continue;
            };
            accepted += 1;
            let (host, target) = of_uri(&uri);
            let is_mapped = !host.is_ascii();
            assert!(!is_mapped || cfg!(feature = "idna"), "{uri:?}");
            let host = if is_mapped {
                request.authority().to_owned()
            } else {
                host
            };
            // A zone is used to connect, and no server learns it.
            let (host, zone) = match host.split_once("%25") {
                Some((address, rest)) if host.starts_with('[') => {
                    let (zone, port) = rest.split_once(']').unwrap();
                    (format!("{address}]{port}"), format!("%{zone}"))
                }
                _ => (host, String::new()),
            };
            // The client connects to what `Host` names.
            let (name, port) = match host.strip_prefix('[') {
                Some(rest) => rest.split_once(']').unwrap(),
                None => host.split_at(host.find(':').unwrap_or(host.len())),
            };
            assert_eq!(request.host(), format!("{name}{zone}"), "{uri:?}");
            let is_address = name.parse::<std::net::Ipv6Addr>().is_ok();
            assert!(
                !name.is_empty() && (is_address || name.chars().all(is_host_char)),
                "{uri:?}"
            );
            assert_eq!(
                port.strip_prefix(':').unwrap_or("80"),
                request.port().to_string(),
                "{uri:?}"
            );
            let uri = Some((host, target));
            Asked {
                uri,
                ..Asked::default()
            }
            .check(&request);
        }
        let needs_idna = !place.split('/').nth(2).unwrap().is_ascii();
        let is_possible = !needs_idna || cfg!(feature = "idna");
        assert!(accepted > 0 || !is_possible, "{place}");
    }
}

#[test]
fn a_required_extension_that_is_missing_is_named_in_the_close() {
    for value in supplied() {
        let Ok(extension) = Extension::new(&value) else {
            continue;
        };
        let request = client_request().extension(extension, true);
        let asked = ask(&request, RESPONSE, b"", Cuts::AtOnce, &Config::default());
        let sent = sent_frames(&asked.out, Role::Client);
        let reason = if value.len() <= 123 { &*value } else { "" };
        let payload = [&1010_u16.to_be_bytes(), reason.as_bytes()].concat();
        assert_eq!(
            sent,
            [Sent {
                fin: true,
                opcode: 8,
                payload
            }]
        );
    }
}

// ---- a server's response ----

/// A request with these lines, which is not answered yet; `None` if it is refused.
#[track_caller]
fn asked(lines: &[u8]) -> (Option<Request>, Endpoint, BytesMut) {
    let head = REQUEST.strip_suffix("\r\n").unwrap().as_bytes();
    let mut bytes = [head, lines, b"\r\n"].concat();
    let config = config(|c| {
        c.origins = OriginPolicy::list(["https://a"]);
        c.max_head_size = 1 << 20;
    });
    let (mut ws, mut out) = (Endpoint::server(&config, Duration::ZERO), BytesMut::new());
    let mut input = Input(&mut bytes);
    let event = ws.receive(&mut input, Duration::ZERO, &mut out);
    if let Some(Event::Request(request)) = event {
        return (Some(request), ws, out);
    }
    if let Some(Event::Http(_)) = event {
        // The default answer.
        let event = ws.receive(&mut input, Duration::ZERO, &mut out);
        assert!(matches!(event, Some(Event::Refused(_))), "{event:?}");
    }
    (None, ws, out)
}

/// The lines of a response that opens, without its first three fields.
#[track_caller]
fn opened(request: Request, mut ws: Endpoint, mut out: BytesMut) -> Vec<(String, Vec<u8>)> {
    ws.accept(request, &mut out).unwrap();
    let mut written = strict(&out);
    assert_eq!(written.first_line, "HTTP/1.1 101 Switching Protocols");
    assert!(written.after.is_empty());
    let rest = written.fields.split_off(3);
    let expected = [
        field("Upgrade", "websocket"),
        field("Connection", "Upgrade"),
        field("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];
    assert_eq!(written.fields, expected);
    rest
}

/// The lines of a response that refuses, without those of the core; and its body, which is measured.
#[track_caller]
fn refused(out: &[u8], status: u16) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    let written = strict(out);
    assert!(
        written
            .first_line
            .starts_with(&format!("HTTP/1.1 {status} ")),
        "{written:?}"
    );
    let of_core = ["Connection", "Content-Length", "Content-Type"];
    let of_upgrade = ["Upgrade", "Sec-WebSocket-Version", "Allow"];
    let (own, rest): (Vec<_>, Vec<_>) = written.fields.into_iter().partition(|(name, _)| {
        of_core.contains(&&**name) || (status / 100 == 4 && of_upgrade.contains(&&**name))
    });
    for name in of_core {
        let lines = own.iter().filter(|(other, _)| other == name).count();
        assert!(lines == 1 || (lines == 0 && name != "Connection"), "{name}");
    }
    let len = own.iter().find(|(name, _)| name == "Content-Length");
    let len = len.map_or(0, |(_, len)| String::from_utf8_lossy(len).parse().unwrap());
    assert_eq!(written.after.len(), len);
    (rest, written.after)
}

#[test]
fn a_response_that_opens_has_only_the_intended_lines() {
    for value in supplied() {
        for (name, content) in [(&*value, "x"), ("X", &*value)] {
            let (request, ws, out) = asked(b"");
            let mut request = request.unwrap();
            let expected = match request.add_header(name, content) {
                Ok(()) => vec![field(name, content)],
                Err(_) => vec![],
            };
            assert_eq!(opened(request, ws, out), expected);
        }
        // What the application supports is chosen only if the client offered it.
        let (request, ws, out) = asked(b"Sec-WebSocket-Protocol: a, b\r\n");
        let mut request = request.unwrap();
        let chosen = request.select_subprotocol(&[&value]).map(String::from);
        let expected = chosen.map(|name| field("Sec-WebSocket-Protocol", name));
        assert_eq!(opened(request, ws, out), Vec::from_iter(expected));
        // The same for an extension.
        let (request, ws, out) = asked(b"Sec-WebSocket-Extensions: x\r\n");
        let (mut request, x) = (request.unwrap(), Extension::new("x").unwrap());
        let mut expected = vec![];
        if let Ok(extension) = x.param("y", Some(&value)) {
            request.select_extension(extension).unwrap();
            expected.push(field("Sec-WebSocket-Extensions", format!("x; y={value}")));
        }
        assert_eq!(opened(request, ws, out), expected);
    }
}

#[test]
fn a_response_that_refuses_has_only_the_intended_lines() {
    for value in supplied() {
        for (name, content) in [(&*value, "x"), ("X", &*value)] {
            let mut expected = vec![];
            let mut response = Response::new(503);
            if let Ok(more) = response.clone().header(name, content) {
                response = more;
                expected.push(field(name, content));
            }
            // By hand even the fields that the core writes itself, which are left out.
            let mut headers = Headers::new();
            if headers.push(name, content).is_ok() && expected.is_empty() {
                response.headers = headers;
                if name.eq_ignore_ascii_case("sec-websocket-version") {
                    expected.push(field(name, content)); // RFC 6455, section 4.4
                }
            }
            let (_, mut ws, mut out) = asked(b"");
            ws.respond(response.body(&*value), &mut out).unwrap();
            assert_eq!(refused(&out, 503), (expected, value.clone().into_bytes()));
        }
    }
    for status in 0..=u16::MAX {
        let mut response = Response::new(200).body("\r\n\r\nHTTP/1.1 200 OK\r\n");
        response.status = status;
        let (_, mut ws, mut out) = asked(b"");
        ws.respond(response, &mut out).unwrap();
        let written = if (200..600).contains(&status) {
            status
        } else {
            500
        };
        let (rest, _) = refused(&out, written);
        assert!(rest.is_empty(), "{status}");
    }
}

// ---- what a peer supplied ----

/// The same as bytes, which need not be text, without line ends, which no value can have.
fn sent_values() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = supplied().into_iter().map(String::into_bytes).collect();
    for byte in 0..=255 {
        all.extend([
            vec![byte],
            vec![byte, b'a'],
            vec![b'a', byte],
            vec![b'a', byte, b'b'],
        ]);
    }
    all
}

#[test]
fn a_clients_offer_is_written_only_if_it_is_valid() {
    let (mut opened_with, mut refusals) = (0, 0);
    for value in sent_values() {
        for (before, after) in [
            ("Sec-WebSocket-Protocol: ", ""),
            ("Sec-WebSocket-Protocol: a, ", ""),
            ("Sec-WebSocket-Extensions: ", ""),
            ("Sec-WebSocket-Extensions: x; ", "=1"),
            ("Sec-WebSocket-Extensions: x; y=", ""),
            ("Sec-WebSocket-Extensions: x; y=\"", "\""),
            ("Sec-WebSocket-Extensions: x; y=\"\\", "\", b"),
            ("Origin: ", ""),
            ("Origin: https://", ""),
            ("X: ", ""),
            ("Host: ", ""),
            ("X: y\r\n", ": z"),
        ] {
            let line = [before.as_bytes(), &value, after.as_bytes(), b"\r\n"].concat();
            let (request, ws, out) = asked(&line);
            let Some(mut request) = request else {
                let status = String::from_utf8_lossy(&out[9..12]).parse().unwrap();
                let (rest, body) = refused(&out, status);
                assert_eq!(rest, []);
                assert!((400..500).contains(&status), "{status}");
                // The body names the refused value, escaped.
                let text = String::from_utf8(body).unwrap();
                let line = text.strip_suffix('\n').unwrap();
                assert!(!line.chars().any(char::is_control), "{line:?}");
                refusals += 1;
                continue;
            };
            // Everything that was offered comes back.
            let mut expected = vec![];
            if let Some(name) = request.subprotocols().last().map(String::from) {
                request.select_subprotocol(&[&name]).unwrap();
                expected.push(field("Sec-WebSocket-Protocol", name));
            }
            for extension in request.extensions().collect::<Vec<_>>() {
                if request.select_extension(extension.clone()).is_ok() {
                    expected.push(field("Sec-WebSocket-Extensions", extension.to_string()));
                }
            }
            opened_with += expected.len();
            assert_eq!(opened(request, ws, out), expected);
        }
    }
    assert!(
        opened_with > 1_000 && refusals > 1_000,
        "{opened_with} {refusals}"
    );
}

#[test]
fn the_first_line_of_a_request_is_shown_escaped() {
    for value in sent_values() {
        for (before, after) in [
            ("", " / HTTP/1.1"),
            ("GET /", " HTTP/1.1"),
            ("GET http://", "/ HTTP/1.1"),
            ("GET / HTTP/", ""),
        ] {
            let rest = REQUEST.split_once(" HTTP/1.1").unwrap().1.as_bytes();
            let mut bytes = [before.as_bytes(), &value, after.as_bytes(), rest].concat();
            let (mut ws, mut out) = (
                Endpoint::server(&Config::default(), Duration::ZERO),
                BytesMut::new(),
            );
            let mut input = Input(&mut bytes);
            while let Some(event) = ws.receive(&mut input, Duration::ZERO, &mut out) {
                if let Event::Request(_) = event {
                    break;
                }
            }
            if !out.is_empty() {
                let status = String::from_utf8_lossy(&out[9..12]).parse().unwrap();
                let (rest, body) = refused(&out, status);
                assert_eq!(rest, []);
                let text = String::from_utf8(body).unwrap();
                assert!(
                    !text.trim_end_matches('\n').chars().any(char::is_control),
                    "{text:?}"
                );
            }
        }
    }
}

#[test]
fn a_received_response_is_passed_on_with_only_its_lines() {
    let mut sent_on = 0;
    for value in sent_values() {
        for (before, after) in [
            ("X: ", ""),
            ("", ": x"),
            ("Connection: ", ""),
            ("X: y\r\n", ":"),
        ] {
            let head = [b"HTTP/1.1 502 x\r\n", before.as_bytes(), &value].concat();
            let bytes = [
                &head[..],
                after.as_bytes(),
                b"\r\nContent-Length: 4\r\n\r\nbody",
            ]
            .concat();
            let (ws, _) =
                client_handshake(&client_request(), &config(|c| c.max_head_size = 1 << 20));
            let Some(HandshakeError::Refused(response)) = receive_response(ws, &[bytes]).error()
            else {
                continue;
            };
            let (_, mut ws, mut out) = asked(b"");
            let is_own = |name: &str| {
                let names = [
                    "connection",
                    "content-length",
                    "host",
                    "sec-websocket-accept",
                    "sec-websocket-extensions",
                    "sec-websocket-key",
                    "sec-websocket-protocol",
                    "transfer-encoding",
                    "upgrade",
                ];
                names.iter().any(|own| own.eq_ignore_ascii_case(name))
            };
            let fields = response.headers.iter().filter(|(name, _)| !is_own(name));
            let expected: Vec<_> = fields.map(|(name, value)| field(name, value)).collect();
            ws.respond((*response).clone(), &mut out).unwrap();
            let (rest, body) = refused(&out, 502);
            assert_eq!(rest, expected);
            assert_eq!(body, response.body);
            sent_on += 1;
        }
    }
    assert!(sent_on > 1_000, "{sent_on}");
}

// ---- Close frames, and offers of permessage-deflate ----

#[test]
fn a_close_frame_has_only_its_code_and_reason() {
    for role in ROLES {
        for reason in supplied() {
            let mut run = Run::new(role);
            let closed = run.ws.close(CloseCode::NORMAL, &reason, &mut run.out);
            assert_eq!(closed.is_ok(), reason.len() <= 123);
            let payload = [&1000_u16.to_be_bytes(), reason.as_bytes()].concat();
            let close = Sent {
                fin: true,
                opcode: 8,
                payload,
            };
            assert_eq!(
                run.sent(),
                Vec::from_iter(closed.is_ok().then(|| close.clone()))
            );
            if closed.is_ok() {
                // The answer is the same.
                let mut run = Run::new(role);
                run.feed(&frame(role, 0x88, &close.payload));
                assert_eq!(run.sent(), [close]);
            }
        }
        for code in 0..=u16::MAX {
            let mut run = Run::new(role);
            let closed = run.ws.close(CloseCode(code), "", &mut run.out);
            let expected = closed.is_ok().then_some(Some(code));
            let sent: Vec<_> = run.sent().iter().map(Sent::close_code).collect();
            assert_eq!(sent, Vec::from_iter(expected));
            let is_registered = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            let is_for_clients = code == 1010 && role == Role::Server;
            assert_eq!(closed.is_ok(), is_registered && !is_for_clients, "{code}");
        }
    }
}

#[test]
fn an_offer_of_deflate_is_a_list_of_tokens() {
    for bits in 0..=u8::MAX {
        let mut deflate = Deflate::default();
        deflate.server_max_window_bits = Some(bits);
        deflate.client_max_window_bits = Some(bits);
        deflate.server_no_context_takeover = bits % 2 == 0;
        let config = config(|c| c.deflate = Some(deflate));
        let mut out = BytesMut::new();
        let _ = Endpoint::client(
            &client_request(),
            &config,
            [9; 32],
            Duration::ZERO,
            &mut out,
        );
        let written = strict(&out);
        let (name, value) = written.fields.last().unwrap();
        assert_eq!(name, "Sec-WebSocket-Extensions");
        let list: Vec<_> = Extension::parse_list([value]).unwrap().collect();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].to_string().as_bytes(), value);
        for (name, value) in list[0].params().filter(|(_, value)| value.is_some()) {
            let bits: u8 = value.unwrap().parse().unwrap();
            assert!((8..=15).contains(&bits), "{name}");
        }
    }
}
