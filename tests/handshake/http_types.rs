//! Heads in the types of the crate `http`, as hyper, axum, h2 and h3 have them.
//!
//! Invariant: the verdict is that of the list that they hold.

use crate::support::*;
use HandshakeError as E;
use http::{HeaderMap, HeaderValue, Uri, Version, header};
use sansocket::{
    Backoff, ClientRequest, Config, Deflate, End, FieldFault, HandshakeError, Headers, Offer,
    Request, Response, SetupError,
};
use std::time::Duration;

fn client() -> ClientRequest {
    let request = ClientRequest::new("wss://example.com/chat?q=%20").unwrap();
    let request = request.subprotocol("chat").unwrap();
    request.header("Cookie", "a=b").unwrap()
}

#[test]
fn both_sides_meet_in_these_types() {
    let config = config(|c| c.deflate = Some(Deflate::default()));
    type Make = fn(&ClientRequest, &Config, [u8; 32]) -> Offer;
    for (make, protocol, version, status) in [
        (Offer::upgrade as Make, None, Version::HTTP_11, 101),
        (
            Offer::extended_connect,
            Some("websocket"),
            Version::HTTP_2,
            200,
        ),
    ] {
        let offer = make(&client(), &config, [7; 32]);
        let sent: http::Request<Vec<u8>> = offer.to_http().unwrap();
        assert_eq!(sent.version(), version);
        let full = "https://example.com/chat?q=%20";
        let uri = if protocol.is_some() {
            full
        } else {
            "/chat?q=%20"
        };
        assert_eq!(sent.uri().to_string(), uri);
        assert_eq!(sent.headers().contains_key("host"), protocol.is_none());

        let mut request = Request::from_http(&sent, protocol, &config);
        assert_eq!(request.error(), None);
        assert_eq!((request.host(), request.path()), ("example.com", "/chat"));
        assert_eq!(request.scheme(), protocol.map(|_| "https"));
        assert_eq!(request.headers().get("cookie"), Some("a=b"));
        request.select_subprotocol(&["chat"]);
        let (response, server) = request.answer().unwrap();
        let response: http::Response<Vec<u8>> = response.into();
        assert_eq!(response.status(), status);
        assert!(response.body().is_empty() && !response.headers().contains_key("content-type"));
        let upgrades = response.headers().get(header::CONNECTION);
        assert_eq!(upgrades.is_some(), protocol.is_none());

        let status = response.status().as_u16();
        let (opened, client) = offer.check(status, response.headers()).unwrap();
        assert_eq!(opened.subprotocol(), Some("chat"));
        assert!(client.has_deflate() && server.has_deflate());
    }
}

/// A request for an upgrade.
fn upgrade() -> http::Request<()> {
    let offer = Offer::upgrade(&client(), &Config::default(), [7; 32]);
    offer.to_http().unwrap()
}

#[track_caller]
fn refused(request: &http::Request<()>, protocol: Option<&str>) -> HandshakeError {
    let request = Request::from_http(request, protocol, &Config::default());
    let error = request.error().expect("it is refused").clone();
    assert_eq!(request.answer().unwrap_err(), error);
    error
}

#[test]
fn the_version_says_how_a_websocket_is_opened() {
    let mut request = upgrade();
    *request.version_mut() = Version::HTTP_10;
    let http_1_0 = E::HttpVersion { major: 1, minor: 0 };
    assert_eq!(refused(&request, None), http_1_0);

    // A proxy's target of HTTP/1.1 names a scheme, too.
    let mut request = upgrade();
    *request.uri_mut() = Uri::from_static("http://target.test/chat");
    let read = Request::from_http(&request, None, &Config::default());
    assert_eq!((read.error(), read.host()), (None, "target.test"));
    assert_eq!(read.scheme(), None);
    assert_eq!(
        refused(&request, Some("websocket")),
        E::PseudoHeader(":scheme".into())
    );

    // A page over HTTP/2; the fields of an upgrade are not allowed there.
    *request.version_mut() = Version::HTTP_2;
    assert_eq!(refused(&request, None), E::Field("upgrade".into()));
    for name in ["upgrade", "connection", "host"] {
        request.headers_mut().remove(name);
    }
    let error = refused(&request, None);
    assert_eq!(error, E::NotExtendedConnect);
    let response: http::Response<Vec<u8>> = Response::from(&error).into();
    assert_eq!(response.status(), 400);
    assert!(!response.headers().contains_key("upgrade"));
    assert_eq!(
        refused(&request, Some("websocket")),
        E::PseudoHeader(":method".into())
    );
    *request.method_mut() = http::Method::CONNECT;
    assert_eq!(
        refused(&request, Some("connect-udp")),
        E::Protocol("connect-udp".into())
    );
    let read = Request::from_http(&request, Some("websocket"), &Config::default());
    assert_eq!(read.answer().unwrap().0.status, 200);
}

/// An attack: what is an upgrade over HTTP/1.1 must not pass for one over HTTP/2 or HTTP/3, where an
/// implementation that does not ask for a scheme hands it over as it came.
#[test]
fn without_a_scheme_only_http_1_1_opens() {
    let mut request = upgrade();
    assert_eq!(request.uri().scheme(), None);
    let read = Request::from_http(&request, None, &Config::default());
    assert_eq!(read.answer().unwrap().0.status, 101);
    for version in [Version::HTTP_2, Version::HTTP_3] {
        *request.version_mut() = version;
        for protocol in [None, Some("websocket")] {
            let error = refused(&request, protocol);
            assert_eq!(error, E::PseudoHeader(":scheme".into()));
        }
        // A plain CONNECT has none.
        let plain = http::Request::connect("example.com:443").version(version);
        let error = refused(&plain.body(()).unwrap(), None);
        assert_eq!(error, E::Method("CONNECT".into()));
    }
}

#[test]
fn each_value_of_a_field_is_seen() {
    let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
    let mut request = upgrade();
    request.headers_mut().append(header::SEC_WEBSOCKET_KEY, key);
    assert_eq!(refused(&request, None), E::Key(FieldFault::Repeated(2)));
    let mut request = upgrade();
    let host = HeaderValue::from_static("other.test");
    request.headers_mut().append(header::HOST, host);
    assert_eq!(refused(&request, None), E::Host(FieldFault::Repeated(2)));
    let mut request = upgrade();
    let origin = HeaderValue::from_bytes(b"http://\xff").unwrap();
    request.headers_mut().insert(header::ORIGIN, origin);
    assert_eq!(
        refused(&request, None),
        E::Origin(FieldFault::Byte { found: 0xff, at: 7 })
    );
}

#[test]
fn a_refusal_is_a_response_as_another_server_sends_it() {
    let error = refused(
        &http::Request::get("/")
            .header("host", "a")
            .body(())
            .unwrap(),
        None,
    );
    let response: http::Response<Vec<u8>> = Response::from(&error).into();
    let headers = response.headers();
    assert_eq!(response.status(), 426);
    assert_eq!(headers["upgrade"], "websocket");
    assert_eq!(headers["connection"], "Upgrade");
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.body(), format!("{error}\n").as_bytes());

    // Whoever sends it says where it ends, and whether the transport is used again.
    let mut response = Response::new(200).body("<p>");
    for (name, value) in [
        ("Content-Length", "7"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Keep-Alive", "x"),
        ("Content-Type", "text/html"),
        ("Set-Cookie", "a"),
        ("Set-Cookie", "b"),
    ] {
        response.headers.push(name, value).unwrap();
    }
    let mut sent: http::Response<String> = http::Response::new(String::new());
    let bytes: http::Response<Vec<u8>> = response.into();
    *sent.headers_mut() = bytes.headers().clone();
    let names: Vec<_> = sent
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(sent.headers()["content-type"], "text/html");
    assert_eq!(sent.headers().get_all("set-cookie").iter().count(), 2);

    // A status that HTTP does not have.
    for (status, sent) in [(0, 500), (99, 500), (1_000, 500), (999, 999)] {
        let mut response = Response::new(200);
        response.status = status;
        let response: http::Response<Vec<u8>> = response.into();
        assert_eq!(response.status(), sent);
    }
}

#[test]
fn a_refusal_that_another_client_received_tells_when_to_come_back() {
    let response = http::Response::builder()
        .status(503)
        .header("Retry-After", "7");
    let response = response.body("busy").unwrap();
    let seven = Duration::from_secs(7);
    let wait = |refused: HandshakeError| {
        let mut backoff = Backoff::new([7; 32]);
        backoff.after(&End::Refused(refused), Duration::ZERO)
    };
    // Converted, with its body; or as the check of an offer returns it.
    let converted = Response::from(&response);
    assert_eq!(
        (&*converted.body, converted.is_complete),
        (&b"busy"[..], true)
    );
    assert!(wait(E::Refused(Box::new(converted))).unwrap() >= seven);
    let offer = Offer::upgrade(&client(), &Config::default(), [7; 32]);
    let refused = offer.check(response.status().as_u16(), response.headers());
    assert!(wait(refused.unwrap_err()).unwrap() >= seven);
    // A refusal for good.
    let forbidden = http::Response::builder().status(403).body("").unwrap();
    assert_eq!(wait(E::Refused(Box::new((&forbidden).into()))), None);
}

#[test]
fn lists_of_headers_are_the_same_in_both_types() {
    let mut map = HeaderMap::new();
    map.append("a", HeaderValue::from_static("1"));
    map.append("a", HeaderValue::from_bytes(b"\xe9\t2").unwrap());
    map.append("b", HeaderValue::from_static(""));
    let headers = Headers::from(&map);
    assert_eq!(headers.iter().count(), 3);
    assert_eq!(HeaderMap::from(&headers), map);
    let offer = Offer::extended_connect(&client(), &Config::default(), [7; 32]);
    let map = HeaderMap::from(offer.headers());
    assert_eq!(map.len(), 3, "no pseudo-headers: {map:?}");
    let mut long = Headers::new();
    long.push(&"a".repeat(1 << 16), "x").unwrap();
    assert!(
        HeaderMap::from(&long).is_empty(),
        "the crate takes no such name"
    );
}

#[test]
fn uris_are_those_of_websockets() {
    let request = ClientRequest::try_from(&Uri::from_static("wss://example.com/a?b"));
    assert_eq!(request.unwrap().uri(), "wss://example.com/a?b");
    for (uri, error) in [
        ("https://example.com/", SetupError::Scheme),
        ("/a", SetupError::Scheme),
        ("example.com:80", SetupError::Scheme),
    ] {
        let request = ClientRequest::try_from(&Uri::from_static(uri));
        assert_eq!(request.unwrap_err(), error, "{uri}");
    }
    // What that crate does not take is an error, and no panic.
    for uri in [
        format!("ws://a/{}", "b".repeat(1 << 16)),
        "ws://a%41/".to_owned(),
    ] {
        let request = ClientRequest::new(&uri).unwrap();
        let offer = Offer::extended_connect(&request, &Config::default(), [7; 32]);
        assert!(offer.to_http::<()>().is_err(), "{}", uri.len());
    }
}

/// That crate has a limit, and methods that panic above it.
#[test]
fn more_names_than_the_crate_takes_are_left_out() {
    let mut response = Response::new(426).body("why");
    for number in 0..40_000 {
        response.headers.push(&format!("a{number}"), "").unwrap();
    }
    let map = HeaderMap::from(&response.headers);
    assert!(map.len() >= 20_000 && map.contains_key("a0") && !map.contains_key("a39999"));
    let converted: http::Response<Vec<u8>> = response.into();
    assert_eq!(converted.status(), 426);
}
