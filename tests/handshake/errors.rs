//! One test for each `HandshakeError`, in the order of the enum.
//!
//! Invariant: a request that is refused gets one complete answer (RFC 6455, section 4.2.2), and each error
//! names the section of its rule.

use crate::support::errors::*;
use crate::support::handshake::{Kind, handed_over};
use crate::support::*;
use HandshakeError as E;
use bytes::BytesMut;
use sansocket::{
    Config, End, Endpoint, Event, Extension, FieldFault, HandshakeError, Input, LineFault, Offer,
    OriginPolicy, Request, Response, Role, SendError, Tunnel,
};
use std::time::Duration;

#[test]
fn no_variant_is_forgotten() {
    let source = include_str!("../../src/handshake/error.rs");
    each_variant_has_a_test("HandshakeError", source, include_str!("errors.rs"));
}

// ---- requests ----

/// It is HTTP: the application may answer it, or leave it to the default answer.
fn rejected(head: &str, error: HandshakeError, status: u16) {
    let default = Config::default();
    rejected_by(&default, head, &error, status);
    rejected_as(&default, head, &error, Kind::Http);
}

/// Two servers may read it in two ways, or it is too long to be read: it is refused at once.
fn unreadable(head: &str, error: HandshakeError, status: u16) {
    let default = Config::default();
    rejected_by(&default, head, &error, status);
    rejected_as(&default, head, &error, Kind::Refused);
}

/// The request is refused with a complete response, in any cuts, and what is after it is
/// dropped.
fn rejected_by(config: &Config, head: &str, error: &HandshakeError, status: u16) {
    assert_eq!(error.status(), status);
    cites(error);
    let bytes = [head, REQUEST].concat();
    let mut outputs = Vec::new();
    for cuts in Cuts::ALL {
        let mut served = serve(bytes.as_bytes(), cuts, config);
        assert_eq!(served.error().as_ref(), Some(error), "{head}");
        assert!(served.rest.is_empty(), "dropped: {:?}", served.rest);
        outputs.push(served.out);
        assert_eq!(refused_at_eof(&mut served.endpoint), *error);
    }
    assert!(outputs.iter().all(|out| *out == outputs[0]));

    let response = std::str::from_utf8(&outputs[0]).unwrap();
    let (head_of_response, body) = response.split_once("\r\n\r\n").unwrap();
    is_refusal(head_of_response, status);
    let told = format!("{error}\n");
    let len = value_of(head_of_response, "Content-Length").unwrap();
    assert_eq!(len, told.len().to_string());
    assert_eq!(body, if head.starts_with("HEAD ") { "" } else { &told });
    if matches!(error, E::VersionMalformed(_) | E::VersionUnsupported { .. }) {
        assert_eq!(
            value_of(head_of_response, "Sec-WebSocket-Version"),
            Some("13")
        );
    }
}

/// The request is handed over in this way, and every way to answer it gives the same response.
fn rejected_as(config: &Config, head: &str, error: &HandshakeError, kind: Kind) {
    let bytes = [head, REQUEST].concat();
    let response = serve(bytes.as_bytes(), Cuts::AtOnce, config).out;
    let (found, reason, out) = handed_over(bytes.as_bytes(), config);
    assert_eq!((found, reason.as_ref()), (kind, Some(error)), "{head}");
    if kind == Kind::Refused {
        assert_eq!(out, response);
        return;
    }
    assert!(out.is_empty(), "nothing is written before");
    let accepted = answered(&bytes, config, |endpoint, request, out| {
        endpoint.accept(request, out)
    });
    assert_eq!(accepted, response);
    let responded = answered(&bytes, config, |endpoint, _, out| {
        endpoint.respond(Response::from(error), out)
    });
    assert_eq!(responded, response);
}

/// What is written if the request is answered in this way.
fn answered(
    bytes: &str,
    config: &Config,
    answer: impl FnOnce(&mut Endpoint, Request, &mut BytesMut) -> Result<(), SendError>,
) -> String {
    let mut endpoint = Endpoint::server(config, Duration::ZERO);
    let (mut bytes, mut out) = (bytes.as_bytes().to_vec(), BytesMut::new());
    let mut input = Input(&mut bytes);
    let event = endpoint.receive(&mut input, Duration::ZERO, &mut out);
    let Some(Event::Http(request)) = event else {
        panic!("{event:?}")
    };
    answer(&mut endpoint, request, &mut out).unwrap();
    assert!(!endpoint.is_open());
    String::from_utf8(out.to_vec()).unwrap()
}

/// The head of a response with this status that opens nothing.
fn is_refusal(head: &str, status: u16) {
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    let connection = value_of(head, "Connection").unwrap();
    assert!(
        connection.split(", ").any(|token| token == "close"),
        "{head}"
    );
    if status == 426 {
        assert_eq!(value_of(head, "Upgrade"), Some("websocket"));
        assert_eq!(value_of(head, "Sec-WebSocket-Version"), Some("13"));
    }
    if status == 405 {
        assert_eq!(value_of(head, "Allow"), Some("GET"));
    }
}

/// The value of the one field of this name.
fn value_of<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let prefix = format!("{name}: ");
    let mut values = head.lines().filter_map(|line| line.strip_prefix(&*prefix));
    let value = values.next();
    assert_eq!(values.next(), None, "{name} is there once");
    value
}

/// An extended CONNECT that a server accepts.
const CONNECT: [(&str, &str); 6] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":authority", "example.com"),
    (":path", "/chat"),
    ("sec-websocket-version", "13"),
];

const NOTHING: [(&str, &str); 0] = [];

/// The list of header fields is refused with this error, which its response tells.
#[track_caller]
fn refused_list(request: &Request, error: &HandshakeError, status: u16) {
    assert_eq!((request.error(), error.status()), (Some(error), status));
    cites(error);
    let response = Response::from(error);
    assert_eq!(response.status, status);
    assert_eq!(response.body, format!("{error}\n").as_bytes());
}

fn without(line_start: &str) -> String {
    let lines = REQUEST.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with(line_start)).collect()
}

// ---- responses ----

/// The response ends the handshake with this error, in any cuts; nothing is written.
fn fails(response: &str, error: &HandshakeError) {
    cites(error);
    for cuts in Cuts::ALL {
        let after = frame(Role::Client, 0x81, b"early");
        let config = Config::default();
        let mut asked = ask(&client_request(), response, &after, cuts, &config);
        assert_eq!(asked.error().as_ref(), Some(error), "{response}");
        assert!(asked.rest.is_empty() && asked.out.is_empty());
        assert_eq!(asked.eof(), *error, "the end changes nothing");
    }
}

// ---- requests and responses ----

#[test]
fn malformed() {
    use LineFault::{Control, RequestLine, SpaceBeforeColon, StatusLine};
    let malformed = |line, at, fault| E::Malformed { line, at, fault };
    for (line, at) in [
        ("GET\r\n\r\n", 3),
        ("GET /chat\r\n\r\n", 9),
        ("GET /a b HTTP/1.1\r\n\r\n", 8),
        ("GET  HTTP/1.1\r\n\r\n", 4),
        (" /chat HTTP/1.1\r\n\r\n", 0),
        ("GET /chat HTTP/11\r\n\r\n", 10),
        ("GE(T /chat HTTP/1.1\r\n\r\n", 2),
    ] {
        unreadable(line, malformed(1, at, RequestLine), 400);
    }
    unreadable("\x16\x03\x01", malformed(1, 0, Control(0x16)), 400);
    let head = replaced(REQUEST, "Upgrade: ", "Upgrade ");
    unreadable(&head, malformed(3, 7, LineFault::Name(b' ')), 400);

    for (head, line, at, fault) in [
        ("HTTP/1.1\r\n\r\n", 1, 8, StatusLine),
        ("HTTP/1.1 1O1 x\r\n\r\n", 1, 9, StatusLine),
        ("HTTP/1.1 99 x\r\n\r\n", 1, 9, StatusLine),
        ("HTTP/1.1 1000 x\r\n\r\n", 1, 9, StatusLine),
        ("HTTP/1.1  101 x\r\n\r\n", 1, 9, StatusLine),
        ("http/1.1 101 x\r\n\r\n", 1, 0, StatusLine),
        ("HTTP/1.1 101 x\n", 1, 14, LineFault::BareLf),
        ("HTTP/1.1 101 x\r\nA : b\r\n\r\n", 2, 1, SpaceBeforeColon),
    ] {
        fails(head, &malformed(line, at, fault));
    }
}

#[test]
fn target_too_long() {
    let head = replaced(REQUEST, "/chat", &format!("/{}", "a".repeat(16 << 10)));
    unreadable(&head, E::TargetTooLong { max: 16 << 10 }, 414);
}

#[test]
fn head_too_large() {
    let error = E::HeadTooLarge { max: 16 << 10 };
    let line = format!("X: {}", "a".repeat(16 << 10));
    fails(&with_line(RESPONSE, &line), &error);
    let endless = "HTTP/1.1 101 ".to_owned() + &"a".repeat(16 << 10);
    fails(&endless, &error);
    unreadable(&with_line(REQUEST, &line), error, 431);
}

#[test]
fn too_many_headers() {
    let error = E::TooManyHeaders { max: 128 };
    let lines = ["X: a"; 200].join("\r\n");
    fails(&with_line(RESPONSE, &lines), &error);
    unreadable(&with_line(REQUEST, &lines), error, 431);
}

#[test]
fn http_version() {
    let error = |major, minor| E::HttpVersion { major, minor };
    for (version, major, minor) in [
        ("HTTP/1.0", 1, 0),
        ("HTTP/0.9", 0, 9),
        ("HTTP/2.0", 2, 0),
        ("HTTP/2.1", 2, 1),
    ] {
        let head = replaced(REQUEST, "HTTP/1.1", version);
        // An application may have a page for older clients.
        match major {
            1 => rejected(&head, error(major, minor), 505),
            _ => unreadable(&head, error(major, minor), 505),
        }
        let response = replaced(RESPONSE, "HTTP/1.1", version);
        fails(&response, &error(major, minor));
    }
}

#[test]
fn method() {
    for method in ["POST", "HEAD", "get", "OPTIONS"] {
        let head = replaced(REQUEST, "GET", method);
        rejected(&head, E::Method(method.into()), 405);
    }
    for (line, method) in [
        ("CONNECT example.com:80 HTTP/1.1", "CONNECT"),
        ("OPTIONS * HTTP/1.1", "OPTIONS"),
        ("DELETE http://example.com/ HTTP/1.1", "DELETE"),
    ] {
        let head = replaced(REQUEST, "GET /chat HTTP/1.1", line);
        rejected(&head, E::Method(method.into()), 405);
    }
}

#[test]
fn target() {
    for (target, found, at) in [
        ("chat", b'c', 0),
        ("*", b'*', 0),
        ("ftp://example.com/", b'f', 0),
        ("http:///", b'/', 7),
        ("http://", b' ', 7),
        ("wss://user@example.com/", b'u', 6),
        ("/a#b", b'#', 2),
        ("/alban\u{f8}", 0xc3, 6),
    ] {
        let head = replaced(REQUEST, "/chat", target);
        unreadable(&head, E::Target { found, at }, 400);
    }
    // RFC 9112, section 3.2: some methods have forms of their own.
    for (line, found) in [
        ("CONNECT /chat", b'/'),
        ("CONNECT example.com", b'e'),
        ("PUT *", b'*'),
        ("GET example.com:80", b'e'),
    ] {
        let head = replaced(REQUEST, "GET /chat", line);
        unreadable(&head, E::Target { found, at: 0 }, 400);
    }
}

fn value(value: &str) -> FieldFault {
    FieldFault::Value(value.into())
}

const TWICE: FieldFault = FieldFault::Repeated(2);

#[test]
fn pseudo_header() {
    for name in [":method", ":protocol", ":scheme", ":authority", ":path"] {
        let list = CONNECT.iter().filter(|(other, _)| *other != name);
        let found = Request::read(list.copied(), &Config::default());
        // A CONNECT that names no protocol is a plain one, which has no scheme.
        let wrong = if name == ":protocol" { ":scheme" } else { name };
        refused_list(&found, &E::PseudoHeader(wrong.into()), 400);
    }
}

#[test]
fn field() {
    let list = CONNECT.iter().chain([&("Origin", "https://example.com")]);
    let found = Request::read(list.copied(), &Config::default());
    refused_list(&found, &E::Field("Origin".into()), 400);
}

#[test]
fn host() {
    unreadable(&without("Host"), E::Host(FieldFault::Missing), 400);
    let twice = with_line(REQUEST, "Host: example.com");
    unreadable(&twice, E::Host(TWICE), 400);
    for host in [
        "",
        "a b",
        "a/b",
        "user@example.com",
        "a:b",
        "a:99999",
        "[::1",
        "a, b",
        "a%4",
        "a<b>",
        "a\\b",
        "\u{e9}.test",
        "\u{ff41}",
    ] {
        let head = replaced(REQUEST, "Host: example.com", &format!("Host: {host}"));
        unreadable(&head, E::Host(value(host)), 400);
    }
}

#[test]
fn content_length() {
    rejected(
        &with_line(REQUEST, "Content-Length: 1"),
        E::ContentLength(value("1")),
        400,
    );
    // The end of the content is unknown.
    for length in ["00", "-0", "0, 0", ""] {
        let head = with_line(REQUEST, &format!("Content-Length: {length}"));
        unreadable(&head, E::ContentLength(value(length)), 400);
    }
    let twice = with_line(REQUEST, "Content-Length: 0\r\nContent-Length: 0");
    unreadable(&twice, E::ContentLength(TWICE), 400);
}

#[test]
fn transfer_encoding() {
    for coding in ["chunked", "identity", ""] {
        let line = format!("Transfer-Encoding: {coding}");
        let error = E::TransferEncoding(value(coding));
        rejected(&with_line(REQUEST, &line), error, 400);
    }
    let both = with_line(REQUEST, "Content-Length: 0\r\nTransfer-Encoding: chunked");
    unreadable(&both, E::TransferEncoding(value("chunked")), 400);
}

#[test]
fn not_upgrade() {
    let error = |upgrade, connection| E::NotUpgrade {
        upgrade,
        connection,
    };
    rejected(&without("Upgrade"), error(false, true), 426);
    rejected(&without("Connection"), error(true, false), 426);
    let head = replaced(REQUEST, "Upgrade: websocket", "Upgrade: h2c");
    rejected(&head, error(false, true), 426);
    let head = replaced(&head, "Connection: Upgrade", "Connection: close");
    rejected(&head, error(false, false), 426);
}

#[test]
fn not_extended_connect() {
    let list = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "example.com"),
        (":path", "/"),
    ];
    let found = Request::read(list, &Config::default());
    refused_list(&found, &E::NotExtendedConnect, 400);
}

#[test]
fn protocol() {
    let list = CONNECT.iter().map(|(name, value)| match *name {
        ":protocol" => (*name, "connect-udp"),
        _ => (*name, *value),
    });
    let found = Request::read(list, &Config::default());
    refused_list(&found, &E::Protocol("connect-udp".into()), 501);
}

#[test]
fn key() {
    rejected(
        &without("Sec-WebSocket-Key"),
        E::Key(FieldFault::Missing),
        400,
    );
    let twice = with_line(REQUEST, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
    rejected(&twice, E::Key(TWICE), 400);
    let short = replaced(REQUEST, "dGhlIHNhbXBsZSBub25jZQ==", "c2VzYW1l");
    rejected(&short, E::Key(FieldFault::Length(8)), 400);
}

#[test]
fn version_malformed() {
    let missing = E::VersionMalformed(FieldFault::Missing);
    rejected(&without("Sec-WebSocket-Version"), missing, 400);
    let twice = with_line(REQUEST, "Sec-WebSocket-Version: 13");
    rejected(&twice, E::VersionMalformed(TWICE), 400);
    let words = replaced(REQUEST, "Version: 13", "Version: thirteen");
    rejected(&words, E::VersionMalformed(value("thirteen")), 400);
}

#[test]
fn version_unsupported() {
    for version in [0, 8, 12, 14, 255] {
        let head = replaced(REQUEST, "Version: 13", &format!("Version: {version}"));
        let error = E::VersionUnsupported {
            found: version,
            is_upgrade: true,
        };
        rejected(&head, error, 426);
    }
}

#[test]
fn origin() {
    let line = "Origin: http://example.com\r\nOrigin: http://example.com";
    rejected(&with_line(REQUEST, line), E::Origin(TWICE), 400);
}

#[test]
fn origin_forbidden() {
    let head = with_line(REQUEST, "Origin: https://evil.test");
    let error = |origin: &str| E::OriginForbidden {
        origin: origin.into(),
        host: "example.com".into(),
    };
    rejected(&head, error("https://evil.test"), 403);
    let list = config(|all| all.origins = OriginPolicy::list(["https://app.test"]));
    rejected_by(&list, &head, &error("https://evil.test"), 403);
    let https = config(|all| all.origins = OriginPolicy::any().https_only());
    let head = with_line(REQUEST, "Origin: http://example.com");
    rejected_by(&https, &head, &error("http://example.com"), 403);
}

#[test]
fn subprotocol() {
    let byte = |found, at| E::Subprotocol(FieldFault::Byte { found, at });
    for (list, found, at) in [
        ("a b", b' ', 1),
        ("b, a/b", b'/', 4),
        ("\"a\"", b'"', 0),
        ("\u{e9}", 0xc3, 0),
    ] {
        let line = format!("Sec-WebSocket-Protocol: {list}");
        rejected(&with_line(REQUEST, &line), byte(found, at), 400);
    }
    for list in ["a, a", "a\r\nSec-WebSocket-Protocol: a"] {
        let line = format!("Sec-WebSocket-Protocol: {list}");
        let error = E::Subprotocol(FieldFault::Duplicate);
        rejected(&with_line(REQUEST, &line), error, 400);
    }
    for (list, found, at) in [("a, b", b',', 1), (",", b',', 0), ("a/b", b'/', 1)] {
        let line = format!("Sec-WebSocket-Protocol: {list}");
        fails(&with_line(RESPONSE, &line), &byte(found, at));
    }
    let twice = "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a";
    fails(&with_line(RESPONSE, twice), &E::Subprotocol(TWICE));
}

#[test]
fn extensions() {
    let byte = |found, at| FieldFault::Byte { found, at };
    for (list, fault) in [
        (";", byte(b';', 0)),
        ("a;", FieldFault::Cut),
        ("a; =b", byte(b'=', 3)),
        ("a; b=", FieldFault::Cut),
        ("a; b=\"", FieldFault::Cut),
        ("a; b=\"\"", byte(b'"', 6)),
        ("a; b=\"c d\"", byte(b' ', 7)),
        ("a; b=\"c\\", FieldFault::Cut),
        ("a b", byte(b'b', 2)),
        ("a, \u{e9}", byte(0xc3, 3)),
    ] {
        let line = format!("Sec-WebSocket-Extensions: {list}");
        let error = E::Extensions(fault);
        fails(&with_line(RESPONSE, &line), &error);
        rejected(&with_line(REQUEST, &line), error, 400);
    }
    for list in ["", ",", " , ,"] {
        let line = format!("Sec-WebSocket-Extensions: {list}");
        let error = E::Extensions(FieldFault::Empty);
        fails(&with_line(RESPONSE, &line), &error);
    }
}

// ---- responses only ----

#[test]
fn refused() {
    let response = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\
        Content-Length: 4\r\n\r\nlog in";
    for cuts in Cuts::ALL {
        let config = Config::default();
        let mut asked = ask(&client_request(), response, b"", cuts, &config);
        let Some(E::Refused(refusal)) = asked.error() else {
            panic!("{asked:?}");
        };
        assert_eq!(refusal.status, 401);
        assert_eq!(refusal.headers.get("www-authenticate"), Some("Bearer"));
        assert_eq!((&*refusal.body, refusal.is_complete), (&b"log "[..], true));
        let error = E::Refused(refusal);
        assert_eq!(error.to_string(), "the server refused with HTTP status 401");
        assert_eq!(asked.eof(), error);
    }
}

#[test]
fn proxy_refused() {
    let response = "HTTP/1.1 407 Proxy Authentication Required\r\n\
        Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 4\r\n\r\nlog in";
    for cuts in Cuts::ALL {
        let (config, mut out) = (Config::default(), BytesMut::new());
        let mut tunnel = Tunnel::new(&client_request(), None, &config, &mut out).unwrap();
        let results = cuts.cut(response.as_bytes()).into_iter().map(|mut piece| {
            let mut input = Input(&mut piece);
            let result = tunnel.receive(&mut input);
            assert!(input.0.is_empty(), "every byte is taken");
            result
        });
        let refused = results.filter_map(Result::err).next();
        let Some(E::ProxyRefused(refusal)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((refusal.status, &*refusal.body), (407, &b"log "[..]));
        let asks = refusal.headers.get("proxy-authenticate");
        assert_eq!(asks, Some("Basic realm=\"x\""));
        let error = E::ProxyRefused(refusal);
        assert_eq!(error.status(), 502);
        cites(&error);
    }
}

#[test]
fn too_many_interim_responses() {
    let early = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let error = E::TooManyInterimResponses { max: 8 };
    fails(&(early.repeat(9) + RESPONSE), &error);
}

#[test]
fn upgrade() {
    for (line, fault) in [
        ("", FieldFault::Missing),
        ("Upgrade: h2c\r\n", value("h2c")),
        ("Upgrade: websocket, h2c\r\n", value("websocket, h2c")),
        ("Upgrade: websocket\r\nUpgrade: websocket\r\n", TWICE),
    ] {
        let response = replaced(RESPONSE, "Upgrade: websocket\r\n", line);
        fails(&response, &E::Upgrade(fault));
    }
}

#[test]
fn connection() {
    for (line, fault) in [
        ("", FieldFault::Missing),
        ("Connection: close\r\n", value("close")),
        ("Connection: NotUpgrade\r\n", value("NotUpgrade")),
    ] {
        let response = replaced(RESPONSE, "Connection: Upgrade\r\n", line);
        fails(&response, &E::Connection(fault));
    }
}

#[test]
fn accept() {
    let missing = replaced(RESPONSE, "Sec-WebSocket-Accept: ACCEPT\r\n", "");
    fails(&missing, &E::Accept(FieldFault::Missing));
    for wrong in ["", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="] {
        let response = replaced(RESPONSE, "ACCEPT", wrong);
        fails(&response, &E::Accept(value(wrong)));
    }
    let twice = with_line(RESPONSE, "Sec-WebSocket-Accept: ACCEPT");
    fails(&twice, &E::Accept(TWICE));
}

#[test]
fn subprotocol_not_offered() {
    let response = with_line(RESPONSE, "Sec-WebSocket-Protocol: chat");
    fails(&response, &E::SubprotocolNotOffered("chat".into()));
}

#[test]
fn subprotocol_missing() {
    cites(&E::SubprotocolMissing);
    let request = client_request().subprotocol("chat").unwrap();
    let request = request.require_subprotocol();
    for cuts in Cuts::ALL {
        let config = Config::default();
        let mut asked = ask(&request, RESPONSE, b"", cuts, &config);
        assert_eq!(asked.error(), Some(E::SubprotocolMissing));
        assert_eq!(asked.eof(), E::SubprotocolMissing);
        let chosen = with_line(RESPONSE, "Sec-WebSocket-Protocol: chat");
        let asked = ask(&request, &chosen, b"", cuts, &config);
        assert_eq!(asked.opened().subprotocol(), Some("chat"));
    }
}

#[test]
fn extension_not_offered() {
    for list in ["permessage-deflate", "permessage-deflate; x=\"y\""] {
        let line = format!("Sec-WebSocket-Extensions: {list}");
        let error = E::ExtensionNotOffered("permessage-deflate".into());
        fails(&with_line(RESPONSE, &line), &error);
    }
}

#[test]
fn extension_missing() {
    let error = E::ExtensionMissing("x".into());
    cites(&error);
    assert_eq!(error.status(), 502);
    let request = client_request().extension(Extension::new("x").unwrap(), true);
    let offer = || Offer::extended_connect(&request, &Config::default(), [7; 32]);
    assert_eq!(offer().check(200, NOTHING).unwrap_err(), error);
    let accepted = offer().check(200, [("sec-websocket-extensions", "x; y")]);
    assert!(accepted.unwrap().1.is_open());
}

#[test]
fn transport_ended() {
    let (config, now) = (Config::default(), Duration::ZERO);
    for response in [
        "",
        "HTTP/1.1 10",
        "HTTP/1.1 101 x\r\n",
        "HTTP/1.1 100 x\r\n\r\n",
    ] {
        let mut asked = ask(&client_request(), response, b"", Cuts::AtOnce, &config);
        assert!(asked.result.is_none());
        let received = response.len();
        let error = E::TransportEnded { received };
        cites(&error);
        assert_eq!(asked.eof(), error);
        let mut late = RESPONSE.as_bytes().to_vec();
        let mut input = Input(&mut late);
        assert_eq!(
            asked.endpoint.receive(&mut input, now, &mut asked.out),
            None
        );
        assert!(asked.out.is_empty() && !asked.endpoint.is_open());
        assert_eq!(asked.endpoint.end(), Some(End::Refused(error)));
    }
    for request in ["", "GET", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut served = serve(request.as_bytes(), Cuts::AtOnce, &config);
        assert!(served.result.is_none());
        let received = request.len();
        let error = E::TransportEnded { received };
        assert_eq!(refused_at_eof(&mut served.endpoint), error);
        let mut late = REQUEST.as_bytes().to_vec();
        let mut input = Input(&mut late);
        assert_eq!(
            served.endpoint.receive(&mut input, now, &mut served.out),
            None
        );
        assert!(served.out.is_empty() && !served.endpoint.is_open());
    }
}
