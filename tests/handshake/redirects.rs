//! Redirects as values, and the credentials that go along.
//!
//! Invariant: no redirect leads from TLS to none, and none takes a secret to another origin.

use crate::support::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sansocket::{ClientRequest, Config, Extension, Offer, Response, SetupError};

fn redirected(from: &str, to: &str) -> Result<ClientRequest, SetupError> {
    let response = Response::new(302).header("Location", to).unwrap();
    ClientRequest::new(from).unwrap().redirected(&response)
}

#[track_caller]
fn leads(from: &str, to: &str, expected: &str) {
    let request = redirected(from, to).unwrap();
    assert_eq!(request.uri(), expected, "{to:?}");
}

/// RFC 3986, section 5.4, but for what a WebSocket URI cannot have.
#[test]
fn a_location_is_resolved() {
    let base = "ws://a/b/c/d;p?q";
    for (to, expected) in [
        ("ws://g/", "ws://g/"),
        ("http://g/", "ws://g/"),
        ("https://g", "wss://g/"),
        ("WSS://G:443/x", "wss://g/x"),
        ("g", "ws://a/b/c/g"),
        ("./g", "ws://a/b/c/g"),
        ("g/", "ws://a/b/c/g/"),
        ("/g", "ws://a/g"),
        ("//g", "ws://g/"),
        ("?y", "ws://a/b/c/d;p?y"),
        ("g?y", "ws://a/b/c/g?y"),
        ("#s", "ws://a/b/c/d;p?q"),
        ("g#s", "ws://a/b/c/g"),
        ("g?y#s", "ws://a/b/c/g?y"),
        (";x", "ws://a/b/c/;x"),
        ("g;x", "ws://a/b/c/g;x"),
        ("", "ws://a/b/c/d;p?q"),
        (".", "ws://a/b/c/"),
        ("./", "ws://a/b/c/"),
        ("..", "ws://a/b/"),
        ("../", "ws://a/b/"),
        ("../g", "ws://a/b/g"),
        ("../..", "ws://a/"),
        ("../../", "ws://a/"),
        ("../../g", "ws://a/g"),
        ("../../../g", "ws://a/g"),
        ("../../../../g", "ws://a/g"),
        ("/./g", "ws://a/g"),
        ("/../g", "ws://a/g"),
        ("g.", "ws://a/b/c/g."),
        (".g", "ws://a/b/c/.g"),
        ("g..", "ws://a/b/c/g.."),
        ("..g", "ws://a/b/c/..g"),
        ("./../g", "ws://a/b/g"),
        ("./g/.", "ws://a/b/c/g/"),
        ("g/./h", "ws://a/b/c/g/h"),
        ("g/../h", "ws://a/b/c/h"),
        ("g;x=1/./y", "ws://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "ws://a/b/c/y"),
        ("g?y/./x", "ws://a/b/c/g?y/./x"),
        ("g?y/../x", "ws://a/b/c/g?y/../x"),
        ("/a//b", "ws://a/a//b"),
        ("/x:y", "ws://a/x:y"),
        ("x/y:z", "ws://a/b/c/x/y:z"),
        ("/\u{e9}", "ws://a/%C3%A9"),
        (" /g ", "ws://a/g"),
    ] {
        leads(base, to, expected);
    }
    leads("ws://a", "g", "ws://a/g");
    leads("ws://a?q", "", "ws://a/?q");
    leads(
        "ws://[fe80::1%25eth0]:81/x",
        "y",
        "ws://[fe80::1%25eth0]:81/y",
    );
}

#[test]
fn what_is_no_place_for_a_websocket_is_an_error() {
    for (to, error) in [
        ("ftp://a/", SetupError::Scheme),
        ("mailto:a", SetupError::Scheme),
        ("javascript:alert(1)", SetupError::Scheme),
        ("ws:a", SetupError::Syntax),
        ("http:/a", SetupError::Syntax),
        ("//", SetupError::Host),
        ("//a b/", SetupError::Host),
        ("//a:99999/", SetupError::Port),
    ] {
        assert_eq!(redirected("ws://a/", to).unwrap_err(), error, "{to}");
    }
    let bad = redirected("ws://a/", "/b c").unwrap_err();
    assert!(matches!(bad, SetupError::Character { found: ' ', .. }));
}

fn secret() -> ClientRequest {
    let request = ClientRequest::new("wss://me:pw@a.test/login").unwrap();
    let request = request.basic_auth("me", "pw").unwrap();
    let request = request.header("Cookie", "id=7").unwrap();
    let request = request.header("X-Api-Key", "7").unwrap();
    let request = request.subprotocol("chat").unwrap().require_subprotocol();
    let request = request.origin("https://page.test").unwrap();
    request.extension(Extension::new("x").unwrap(), true)
}

fn sent(request: &ClientRequest) -> Vec<String> {
    let offer = Offer::extended_connect(request, &Config::default(), [7; 32]);
    let fields = offer
        .headers()
        .iter()
        .filter(|(name, _)| !name.starts_with(':'));
    fields.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn credentials_stay_with_their_origin() {
    let all = [
        "sec-websocket-version",
        "origin",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "authorization",
        "cookie",
        "x-api-key",
    ];
    assert_eq!(sent(&secret()), all);
    for (to, is_same) in [
        ("/chat", true),
        ("wss://a.test/chat", true),
        ("https://A.test:443/chat", true),
        ("https://me:other@a.test/chat", true),
        ("wss://b.test/chat", false),
        ("//a.test.b.test/chat", false),
        ("wss://a.test:444/chat", false),
        ("wss://me:pw@b.test/chat", false),
        ("wss://a.test@b.test/chat", false),
    ] {
        let response = Response::new(307).header("Location", to).unwrap();
        let next = secret().redirected(&response).unwrap();
        let expected = if is_same { &all[..] } else { &all[..4] };
        assert_eq!(sent(&next), expected, "{to}");
        // A server does not say with which userinfo to come.
        assert_eq!(next.userinfo(), is_same.then_some("me:pw"), "{to}");
    }
    // From ws to wss is another origin, and allowed.
    let request = ClientRequest::new("ws://a.test/")
        .unwrap()
        .bearer("x")
        .unwrap();
    let response = Response::new(301)
        .header("Location", "https://a.test/")
        .unwrap();
    let next = request.redirected(&response).unwrap();
    assert!(next.is_secure() && sent(&next).len() == 1);
}

#[test]
fn credentials_are_one_field_that_the_last_call_sets() {
    let value = |request: &ClientRequest| {
        let offer = Offer::upgrade(request, &Config::default(), [7; 32]);
        offer.headers().get("authorization").map(str::to_owned)
    };
    let basic = |text: &str| Some(format!("Basic {}", STANDARD.encode(text)));
    let request = client_request()
        .basic_auth("Aladdin", "open sesame")
        .unwrap();
    assert_eq!(
        value(&request),
        Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".into())
    );
    let request = request.basic_auth("", ":\u{e9}").unwrap();
    assert_eq!(value(&request), basic("::\u{e9}"));
    let request = request.bearer("mF_9.B5f-4.1JqM~+/==").unwrap();
    assert_eq!(value(&request), Some("Bearer mF_9.B5f-4.1JqM~+/==".into()));
    assert_eq!(
        sent(&request)
            .iter()
            .filter(|name| *name == "authorization")
            .count(),
        1
    );
    let request = client_request()
        .header("authorization", "x")
        .unwrap()
        .bearer("y")
        .unwrap();
    assert_eq!(value(&request), Some("Bearer y".into()));
    assert!(
        !format!("{request:?}").contains("Bearer"),
        "a print shows none"
    );
}
