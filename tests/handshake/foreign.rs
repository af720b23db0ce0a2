//! Opening handshakes of which other software reads and writes the heads: HTTP/1.1, HTTP/2 and HTTP/3.
//!
//! Invariant: whoever reads a head, the verdict is the same.

use crate::support::handshake::handed_over;
use crate::support::strategies::cases;
use crate::support::*;
use HandshakeError as E;
use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    ClientRequest, Config, Connection, Deflate, Event, Extension, FieldFault, HandshakeError,
    Headers, Input, Offer, OriginPolicy, Request, Response, SetupError,
};

type List<'a> = Vec<(&'a str, &'a str)>;

type Make = fn(&ClientRequest, &Config, [u8; 32]) -> Offer;

/// A request for an upgrade, as another HTTP/1.1 implementation has read it.
const UPGRADE: [(&str, &str); 7] = [
    (":method", "GET"),
    (":path", "/chat"),
    ("Host", "example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

const CONNECT: [(&str, &str); 6] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":authority", "example.com"),
    (":path", "/chat"),
    ("sec-websocket-version", "13"),
];

fn read(list: &[(&str, &str)]) -> Request {
    Request::read(list.iter().copied(), &Config::default())
}

/// The error of a list, which `answer` returns as well.
#[track_caller]
fn error(list: &[(&str, &str)]) -> HandshakeError {
    let request = read(list);
    let error = request.error().expect("it is refused").clone();
    assert_eq!(request.answer().unwrap_err(), error);
    error
}

/// The list with one value replaced.
fn with<'a>(list: &[(&'a str, &'a str)], name: &str, value: &'a str) -> List<'a> {
    assert!(list.iter().any(|(other, _)| *other == name));
    let replace = |&(other, old)| (other, if other == name { value } else { old });
    list.iter().map(replace).collect()
}

/// The list without a field.
fn without<'a>(list: &[(&'a str, &'a str)], name: &str) -> List<'a> {
    let others = list.iter().filter(|(other, _)| *other != name);
    others.copied().collect()
}

/// The list with one more at the end.
fn and<'a>(list: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> List<'a> {
    [list, &[(name, value)]].concat()
}

fn pseudo(name: &str) -> HandshakeError {
    E::PseudoHeader(name.into())
}

// ---- pseudo-headers ----

#[test]
fn pseudo_headers_are_there_once_known_and_first() {
    assert_eq!(read(&UPGRADE).error(), None);
    assert_eq!(read(&CONNECT).error(), None);
    for list in [&UPGRADE[..], &CONNECT] {
        let count = list
            .iter()
            .filter(|(name, _)| name.starts_with(':'))
            .count();
        for at in 0..count {
            let (name, value) = list[at];
            // Missing. Without `:protocol` it is a plain CONNECT, which has no scheme.
            let wrong = if name == ":protocol" { ":scheme" } else { name };
            assert_eq!(error(&without(list, name)), pseudo(wrong), "without {name}");
            // Twice, the same and another.
            for other in [value, "other"] {
                let mut list = list.to_vec();
                list.insert(count, (name, other));
                assert_eq!(error(&list), pseudo(name), "two of {name}");
            }
            // After a field.
            let late = and(&without(list, name), name, value);
            assert_eq!(error(&late), pseudo(name), "a late {name}");
            assert_eq!(
                error(&with(list, name, "")),
                pseudo(name),
                "an empty {name}"
            );
        }
        for unknown in [":status", ":x", ":", ":Method", ":method:", ": method"] {
            let mut list = list.to_vec();
            list.insert(1, (unknown, "200"));
            assert_eq!(error(&list), pseudo(unknown));
        }
        // In any order among themselves.
        let mut list = list.to_vec();
        list[..count].reverse();
        assert_eq!(read(&list).error(), None);
    }
}

#[test]
fn pseudo_headers_have_valid_values() {
    let not_text: [(&[u8], &[u8]); 1] = [(b":method", b"\xff")];
    let request = Request::read(not_text, &Config::default());
    assert_eq!(request.error(), Some(&pseudo(":method")));

    for (name, value, wrong) in [
        (":method", "CONN ECT", ":method"),
        (":method", "GET", ":method"),
        (":method", "connect", ":method"),
        (":protocol", "web socket", ":protocol"),
        (":protocol", "websocket, x", ":protocol"),
        (":scheme", "wss", ":scheme"),
        (":scheme", "HTTPS", ":scheme"),
        (":authority", "user@example.com", ":authority"),
        (":authority", "a b", ":authority"),
        (":authority", "a:99999", ":authority"),
        (":authority", "\u{e9}", ":authority"),
        (":path", "/a\r\nX: y", ":path"),
        (":path", "/\0", ":path"),
        (":method", "CONNECT ", ":method"),
        (":scheme", " https", ":scheme"),
        (":authority", "example.com ", ":authority"),
    ] {
        assert_eq!(
            error(&with(&CONNECT, name, value)),
            pseudo(wrong),
            "{value}"
        );
    }
    for list in [&UPGRADE[..], &CONNECT] {
        for (path, found, at) in [
            ("*", b'*', 0),
            ("chat", b'c', 0),
            ("/a#b", b'#', 2),
            ("/a b", b' ', 2),
            (" /a", b' ', 0),
            ("/a ", b' ', 2),
            ("http://other.test/", b'h', 0),
            ("/\u{e9}", 0xc3, 1),
        ] {
            let target = E::Target { found, at };
            assert_eq!(error(&with(list, ":path", path)), target, "{path}");
        }
    }
}

#[test]
fn a_plain_connect_is_a_tunnel_and_nothing_else() {
    let plain = [(":method", "CONNECT"), (":authority", "example.com:443")];
    let request = read(&plain);
    assert_eq!(request.error(), Some(&E::Method("CONNECT".into())));
    assert_eq!(request.target(), "example.com:443");
    assert_eq!(error(&and(&plain, ":path", "/")), pseudo(":path"));
    assert_eq!(error(&and(&plain, ":scheme", "https")), pseudo(":scheme"));
    for authority in ["example.com", "/"] {
        let list = with(&plain, ":authority", authority);
        assert_eq!(error(&list), pseudo(":authority"), "without a port");
    }
}

// ---- fields ----

#[test]
fn no_field_breaks_out_of_its_line() {
    for list in [&UPGRADE[..], &CONNECT] {
        for name in ["", " ", "a b", "a:", "a\r\nb", "\u{e9}", "a\0"] {
            assert_eq!(error(&and(list, name, "x")), E::Field(name.into()));
        }
        for value in ["a\r\nb: c", "a\nb", "a\rb", "\0", "\x7f"] {
            assert_eq!(error(&and(list, "a", value)), E::Field("a".into()));
        }
        assert_eq!(read(&and(list, "a", "\u{e9}\tb")).error(), None);
    }
}

#[test]
fn fields_of_one_connection_are_for_http_1_1() {
    let fields = [
        ("connection", "x"),
        ("upgrade", "websocket"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "x"),
        ("proxy-connection", "x"),
        ("te", "gzip"),
    ];
    for (name, value) in fields {
        let field = E::Field(name.into());
        assert_eq!(error(&and(&CONNECT, name, value)), field);
        let offer = offer(Offer::extended_connect);
        assert_eq!(offer.check(200, [(name, value)]).unwrap_err(), field);
    }
    assert_eq!(read(&and(&CONNECT, "te", "trailers")).error(), None);
    // RFC 9113, section 8.2.1: there, names are in lower case.
    assert_eq!(
        error(&and(&CONNECT, "Accept", "x")),
        E::Field("Accept".into())
    );
    // What the application adds cannot do it either.
    let request = ClientRequest::new("ws://example.com/").unwrap();
    for (name, value) in fields {
        let added = request.clone().header(name, value);
        assert_eq!(added.unwrap_err(), SetupError::Reserved, "{name}");
        assert_eq!(
            read(&CONNECT).add_header(name, value),
            Err(SetupError::Reserved)
        );
    }
}

#[test]
fn a_host_is_named_once() {
    let value = |value: &str| E::Host(FieldFault::Value(value.into()));
    let missing = E::Host(FieldFault::Missing);
    assert_eq!(error(&without(&UPGRADE, "Host")), missing);
    let twice = E::Host(FieldFault::Repeated(2));
    assert_eq!(error(&and(&UPGRADE, "host", "example.com")), twice);
    assert_eq!(error(&with(&UPGRADE, "Host", "a/b")), value("a/b"));
    // HTTP/1.1: the target counts.
    let absolute = [&[(":authority", "target.test")], &UPGRADE[..]].concat();
    assert_eq!(read(&absolute).host(), "target.test");
    let alone = without(&absolute, "Host");
    assert_eq!(
        (read(&alone).host(), read(&alone).error()),
        ("target.test", None)
    );
    // HTTP/2: they are the same.
    assert_eq!(read(&and(&CONNECT, "host", "EXAMPLE.com")).error(), None);
    for host in ["other.test", "example.com:443", ""] {
        assert_eq!(error(&and(&CONNECT, "host", host)), value(host));
    }
}

#[test]
fn a_key_and_its_answer_mean_nothing_over_http_2() {
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "x", ""] {
        let list = and(&CONNECT, "sec-websocket-key", key);
        let (response, _) = read(&and(&list, "sec-websocket-key", key))
            .answer()
            .unwrap();
        assert_eq!(response.headers, Headers::new());
    }
    for accept in ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ""] {
        let offer = offer(Offer::extended_connect);
        let (_, ws) = offer
            .check(200, [("sec-websocket-accept", accept)])
            .unwrap();
        assert!(ws.is_open());
    }
    // Over HTTP/1.1 they must be right.
    let missing = E::Key(FieldFault::Missing);
    assert_eq!(error(&without(&UPGRADE, "Sec-WebSocket-Key")), missing);
    let offer = offer(Offer::upgrade);
    let refused = offer.check(101, [("upgrade", "websocket"), ("connection", "upgrade")]);
    assert_eq!(refused.unwrap_err(), E::Accept(FieldFault::Missing));
}

#[test]
fn what_is_kept_of_a_list_is_limited() {
    let size = |list: &[(&str, &str)]| list.iter().map(|(n, v)| n.len() + v.len() + 4).sum();
    let read = |max_head_size, max_headers| {
        let config = config(|c| (c.max_head_size, c.max_headers) = (max_head_size, max_headers));
        Request::read(UPGRADE, &config).error().cloned()
    };
    let max = size(&UPGRADE);
    assert_eq!(read(max, 5), None);
    assert_eq!(read(max - 1, 5), Some(E::HeadTooLarge { max: max - 1 }));
    assert_eq!(read(max, 4), Some(E::TooManyHeaders { max: 4 }));
    // A list without an end is left.
    let endless = std::iter::repeat(("a", "b"));
    let request = Request::read(endless.clone(), &Config::default());
    assert_eq!(request.error(), Some(&E::TooManyHeaders { max: 128 }));
    assert_eq!(request.headers().iter().count(), 128);
    let refused = offer(Offer::upgrade).check(101, endless).unwrap_err();
    assert_eq!(refused, E::TooManyHeaders { max: 128 });
}

// ---- the client ----

fn offer(make: Make) -> Offer {
    let request = ClientRequest::new("wss://example.com/chat?q").unwrap();
    make(&request, &Config::default(), [7; 32])
}

#[test]
fn a_status_that_does_not_open_is_a_refusal() {
    let opening: [(Make, &[u16]); 2] = [
        (Offer::upgrade, &[101]),
        (Offer::extended_connect, &[200, 204, 299]),
    ];
    for (make, statuses) in opening {
        for status in [
            0,
            100,
            101,
            103,
            199,
            200,
            204,
            299,
            300,
            403,
            503,
            u16::MAX,
        ] {
            let refused = offer(make).check(status, [(":status", "x"), ("retry-after", "7")]);
            let error = refused.map(|(response, _)| assert_eq!(response.status, status));
            match error {
                Err(E::Refused(response)) => {
                    assert!(!statuses.contains(&status) && !response.is_complete);
                    assert_eq!(response.status, status);
                    assert_eq!(response.headers.get("retry-after"), Some("7"));
                }
                Err(error) => assert_eq!((error, status), (E::Upgrade(FieldFault::Missing), 101)),
                Ok(()) => assert!(statuses.contains(&status)),
            }
        }
        for name in [":method", ":path", ":x"] {
            let refused = offer(make).check(statuses[0], [(name, "x")]);
            assert_eq!(refused.unwrap_err(), pseudo(name));
        }
    }
}

#[test]
fn the_status_in_a_list_is_there_once_and_first() {
    for list in [
        &[(":status", "200"), (":status", "200")][..],
        &[("a", "b"), (":status", "200")],
        &[(":status", "")],
        &[(":status", "200\r\n")],
    ] {
        for make in [Offer::upgrade as Make, Offer::extended_connect] {
            let refused = offer(make).check(200, list.iter().copied());
            assert_eq!(refused.unwrap_err(), pseudo(":status"), "{list:?}");
        }
    }
}

#[test]
fn nothing_that_was_not_offered_is_agreed_on() {
    for (name, value, error) in [
        (
            "sec-websocket-protocol",
            "x",
            E::SubprotocolNotOffered("x".into()),
        ),
        (
            "sec-websocket-protocol",
            "a b",
            E::Subprotocol(FieldFault::Byte { found: b' ', at: 1 }),
        ),
        (
            "sec-websocket-extensions",
            "",
            E::Extensions(FieldFault::Empty),
        ),
        (
            "sec-websocket-extensions",
            "x",
            E::ExtensionNotOffered("x".into()),
        ),
        (
            "sec-websocket-extensions",
            ";",
            E::Extensions(FieldFault::Byte { found: b';', at: 0 }),
        ),
    ] {
        let refused = offer(Offer::extended_connect).check(200, [(name, value)]);
        assert_eq!(refused.unwrap_err(), error);
    }
}

#[test]
fn an_offer_has_a_key_of_its_own() {
    let request = ClientRequest::new("ws://example.com/").unwrap();
    let key = |seed| {
        let offer = Offer::upgrade(&request, &Config::default(), seed);
        assert!(!format!("{offer:?}").contains("=="), "a print shows no key");
        offer.headers().get("sec-websocket-key").unwrap().to_owned()
    };
    assert_ne!(key([1; 32]), key([2; 32]));
    let offer = offer(Offer::extended_connect);
    assert_eq!(offer.headers().get("sec-websocket-key"), None);
}

// ---- both ----

/// A message from one to the other.
#[track_caller]
fn say(from: &mut Connection, to: &mut Connection) {
    let (text, mut out) = ("hello ".repeat(100), BytesMut::new());
    from.send(&*text, &mut out).unwrap();
    assert_eq!(out.len() < 200, from.has_deflate(), "it is compressed");
    let mut input = Input(&mut out);
    let event = to.receive(&mut input, &mut BytesMut::new());
    assert!(matches!(event, Some(Event::Text(got)) if got == *text));
}

#[test]
fn an_offer_that_is_answered_opens_both_sides() {
    let config = config(|c| c.deflate = Some(Deflate::default()));
    let request = ClientRequest::new("wss://Example.com/chat?q=1").unwrap();
    let request = request.subprotocol("b").unwrap().subprotocol("a").unwrap();
    let request = request.origin("https://example.com").unwrap();
    let request = request.extension(Extension::new("x").unwrap(), true);
    let request = request.header("Cookie", "a=b").unwrap();
    for (make, status) in [
        (Offer::upgrade as Make, 101),
        (Offer::extended_connect, 200),
    ] {
        let offer: Offer = make(&request, &config, [7; 32]);
        let mut asked = Request::read(offer.headers(), &config);
        assert_eq!(asked.error(), None);
        assert_eq!((asked.host(), asked.target()), ("example.com", "/chat?q=1"));
        assert_eq!(asked.origin(), Some("https://example.com"));
        assert_eq!(asked.headers().get("cookie"), Some("a=b"));
        assert_eq!(asked.select_subprotocol(&["a", "b"]), Some("b"));
        asked
            .select_extension(Extension::new("x").unwrap())
            .unwrap();
        asked.add_header("Set-Cookie", "c=d").unwrap();
        let (response, mut server) = asked.answer().unwrap();
        assert_eq!(response.status, status);
        let is_lower = |(name, _)| !str::contains(name, char::is_uppercase);
        assert!(
            response
                .headers
                .iter()
                .chain(offer.headers().iter())
                .all(is_lower)
        );
        let (opened, mut client) = offer.check(response.status, &response.headers).unwrap();
        assert_eq!(opened.subprotocol(), Some("b"));
        assert_eq!(opened.extensions().count(), 2);
        assert_eq!(opened.headers.get("set-cookie"), Some("c=d"));
        say(&mut server, &mut client);
        say(&mut client, &mut server);
    }
}

#[test]
fn a_header_map_is_a_list_as_it_is() {
    let mut map = http::HeaderMap::new();
    for (name, value) in &UPGRADE[2..] {
        let name: http::HeaderName = name.parse().unwrap();
        map.insert(name, value.parse().unwrap());
    }
    // Its iterator is no `Clone`.
    let bytes = |(name, value): (&'static str, &'static str)| (name.as_bytes(), value.as_bytes());
    let fields = map
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_bytes()));
    let list = UPGRADE[..2].iter().copied().map(bytes).chain(fields);
    let (response, _) = Request::read(list, &Config::default()).answer().unwrap();

    let mut map = http::HeaderMap::new();
    for (name, value) in &response.headers {
        let name: http::HeaderName = name.parse().unwrap();
        map.insert(name, http::HeaderValue::from_bytes(value).unwrap());
    }
    let refused = offer(Offer::upgrade).check(101, &map).unwrap_err();
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(refused, E::Accept(FieldFault::Value(accept.into())));
}

// ---- one verdict ----

/// A list as the head of a request of HTTP/1.1.
fn head(list: &[(&str, &str)]) -> String {
    let mut head = format!("{} {} HTTP/1.1\r\n", list[0].1, list[1].1);
    for (name, value) in &list[2..] {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// What a server of ours says of the list, over HTTP/1.1 and as a list.
#[track_caller]
fn has_one_verdict(list: &[(&str, &str)], config: &Config) -> Option<HandshakeError> {
    let (_, over_http_1_1, _) = handed_over(head(list).as_bytes(), config);
    let request = Request::read(list.iter().copied(), config);
    assert_eq!(request.error(), over_http_1_1.as_ref(), "{list:?}");
    over_http_1_1
}

#[test]
fn an_endpoint_and_a_list_have_one_verdict() {
    let config = config(|c| c.origins = OriginPolicy::list(["https://app.test"]));
    let mut errors = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":method", "HEAD"),
        (":path", "/#"),
        ("Upgrade", "h2c"),
        ("Connection", "close"),
        ("Sec-WebSocket-Key", "x"),
        ("Sec-WebSocket-Version", "12"),
        ("Sec-WebSocket-Version", "x"),
        ("Host", "a b"),
    ] {
        errors.extend(has_one_verdict(&with(&UPGRADE, name, value), &config));
    }
    for (name, value) in [
        ("Origin", "https://other.test"),
        ("Origin", "https://app.test"),
        ("Content-Length", "1"),
        ("Content-Length", "0"),
        ("Content-Length", "+0"),
        ("Transfer-Encoding", "chunked"),
        ("Sec-WebSocket-Protocol", "a, a"),
        ("Sec-WebSocket-Extensions", ";"),
        ("Sec-WebSocket-Extensions", ""),
        ("Sec-WebSocket-Protocol", ""),
        ("Host", "example.com"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        errors.extend(has_one_verdict(&and(&UPGRADE, name, value), &config));
    }
    assert_eq!(errors.len(), 17, "the others pass: {errors:?}");
    for (name, _) in &UPGRADE[2..] {
        let error = has_one_verdict(&without(&UPGRADE, name), &config);
        assert!(error.is_some(), "without {name}");
    }
}

proptest! {
    #![proptest_config(cases(500))]

    /// Any fields, in any order: also those that the handshake reads, twice and cut short.
    #[test]
    fn any_list_has_one_verdict(
        fields in prop::collection::vec((0..12_usize, 0..9_usize, any::<bool>()), 0..12),
        start in 0..12_usize,
    ) {
        const NAMES: [&str; 12] = [
            "Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
            "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin", "Content-Length",
            "Transfer-Encoding", "Cookie", "TE",
        ];
        const VALUES: [&str; 9] = [
            "example.com", "websocket", "keep-alive, Upgrade", "dGhlIHNhbXBsZSBub25jZQ==", "13",
            "chat", "x; y=1, z", "0", "",
        ];
        let mut list = UPGRADE[..2].to_vec();
        list.extend(UPGRADE[2..].iter().skip(start));
        let lower: Vec<_> = NAMES.iter().map(|name| name.to_lowercase()).collect();
        for (name, value, is_lower) in &fields {
            let name = if *is_lower { &lower[*name] } else { NAMES[*name] };
            list.push((name, VALUES[*value]));
        }
        has_one_verdict(&list, &Config::default());
    }

    /// Any list, of bytes: it is refused, or it is a handshake.
    #[test]
    fn any_list_is_judged(
        list in prop::collection::vec((0..9_usize, "[ -~\r\n\u{e9}]{0,12}"), 0..9),
    ) {
        const NAMES: [&str; 9] = [
            ":method", ":scheme", ":authority", ":path", ":protocol", "host", "upgrade", "a",
            ":x",
        ];
        let list: Vec<_> = list.iter().map(|(name, value)| (NAMES[*name], &**value)).collect();
        let request = read(&list);
        let error = request.error().expect("it has no version");
        let response = Response::from(error);
        prop_assert!(matches!(response.status, 400 | 405 | 426 | 501), "{error}");
        let shown = format!("{request:?} {error}");
        prop_assert!(!shown.contains(['\r', '\n']), "{shown}");
        prop_assert!(offer(Offer::upgrade).check(101, list).is_err());
    }

    /// No text of the application gets into a line that it was not given to.
    #[test]
    fn what_is_sent_splits_nothing(name in "[ -~\r\n]{0,6}", value in "[ -~\t\r\n\0]{0,9}") {
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let added = [
            request.clone().header(&name, &value),
            request.clone().header("X", &value),
            request.clone().origin(&value),
            request.clone().subprotocol(&value),
            ClientRequest::new(&format!("ws://example.com/{value}")),
            ClientRequest::new(&format!("ws://example.com/?{value}")),
            ClientRequest::new(&format!("ws://{value}/")),
        ];
        for request in added.into_iter().flatten() {
            for make in [Offer::upgrade, Offer::extended_connect] {
                let offer = make(&request, &Config::default(), [7; 32]);
                let has_break = |(name, value): (&str, &[u8])| {
                    name.contains(['\r', '\n', '\0']) || value.iter().any(|b| b"\r\n\0".contains(b))
                };
                prop_assert!(!offer.headers().iter().any(has_break));
            }
        }
        let mut request = read(&CONNECT);
        if request.add_header(&name, &value).is_ok() {
            let (response, _) = request.answer().unwrap();
            prop_assert!(!value.contains(['\r', '\n', '\0']));
            prop_assert_eq!(response.headers.iter().count(), 1);
        }
    }
}
