//! One test for each `SetupError`, in the order of the enum.
//!
//! Invariant: a fault of the application harms nothing, and each error names the section of its rule.

use crate::support::errors::*;
use crate::support::*;
use SetupError as E;
use bytes::BytesMut;
use sansocket::{
    ClientRequest, Config, Deflate, Extension, Headers, Response, Settings, SetupError, Tunnel,
    seed,
};

#[test]
fn no_variant_is_forgotten() {
    let source = include_str!("../../src/handshake/setup_error.rs");
    each_variant_has_a_test("SetupError", source, include_str!("setup_errors.rs"));
}

// ---- URIs ----

fn fails_as_uri(error: SetupError, uris: &[&str]) {
    cites(&error);
    for uri in uris {
        assert_eq!(ClientRequest::new(uri).err(), Some(error), "{uri}");
        assert_eq!(uri.parse::<ClientRequest>().err(), Some(error), "{uri}");
    }
}

// ---- fields ----

/// All of these calls fail with this error.
fn fails(error: SetupError, results: impl IntoIterator<Item = Result<(), SetupError>>) {
    cites(&error);
    for (index, result) in results.into_iter().enumerate() {
        assert_eq!(result, Err(error), "place {index}");
    }
}

/// Adds a header to each of the three heads that are written.
fn header(name: &str, value: &str) -> [Result<(), SetupError>; 3] {
    let mut served = serve(REQUEST.as_bytes(), Cuts::AtOnce, &Config::default());
    [
        client_request().header(name, value).map(drop),
        Response::new(401).header(name, value).map(drop),
        served.request_mut().add_header(name, value),
    ]
}

#[test]
fn name() {
    for (name, at) in [
        ("", 0),
        ("a b", 1),
        ("a:", 1),
        ("aa\r\n", 2),
        ("\u{e9}", 0),
        ("a\0", 1),
    ] {
        fails(E::Name { at }, header(name, "x"));
        fails(E::Name { at }, [Headers::new().push(name, "x")]);
    }
}

#[test]
fn value() {
    for (value, found, at) in [
        ("\r\nX: y", b'\r', 0),
        ("token\n", b'\n', 5),
        ("\u{e9}\r", b'\r', 2),
        ("\t\0", 0, 1),
        ("\x1b", 0x1b, 0),
        ("\x7f", 0x7f, 0),
    ] {
        let error = E::Value { found, at };
        fails(error, header("X", value));
        fails(error, [Headers::new().push("X", value)]);
        fails(error, [client_request().origin(value).map(drop)]);
    }
}

#[test]
fn reserved() {
    for name in [
        "Connection",
        "content-length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
    ] {
        fails(E::Reserved, header(name, "x"));
    }
    fails(
        E::Reserved,
        [client_request().header("ORIGIN", "x").map(drop)],
    );
}

#[test]
fn subprotocol() {
    for name in ["", "a b", "a,b", "a\r\n"] {
        fails(
            E::Subprotocol,
            [client_request().subprotocol(name).map(drop)],
        );
    }
    let twice = client_request().subprotocol("a").unwrap().subprotocol("a");
    fails(E::Subprotocol, [twice.map(drop)]);
}

#[test]
fn extension() {
    for token in ["", "a b", "a;b", "a\r\n", "\"a\""] {
        let one = || Extension::new("x").unwrap();
        let results = [
            Extension::new(token).map(drop),
            one().param(token, None).map(drop),
            one().param("p", Some(token)).map(drop),
        ];
        fails(E::Extension, results);
    }
    // Elements that are not answers of permessage-deflate.
    let agreed = |name| Extension::new(name).unwrap();
    for extension in [
        agreed("x-deflate"),
        agreed("permessage-deflate").param("x", None).unwrap(),
        agreed("permessage-deflate")
            .param("client_max_window_bits", None)
            .unwrap(),
        agreed("permessage-deflate")
            .param("server_max_window_bits", Some("7"))
            .unwrap(),
    ] {
        let with = |role| {
            let ws = connection(role, Settings::default());
            ws.with_deflate(&Deflate::default(), &extension).map(drop)
        };
        fails(E::Extension, ROLES.map(with));
    }
}

#[test]
fn not_offered() {
    let head = with_line(REQUEST, "Sec-WebSocket-Extensions: a");
    let mut served = serve(head.as_bytes(), Cuts::AtOnce, &Config::default());
    let request = served.request_mut();
    let [a, b] = ["a", "b"].map(|name| Extension::new(name).unwrap());
    let other = request.select_extension(b);
    request.select_extension(a.clone()).unwrap();
    let twice = request.select_extension(a);
    fails(E::NotOffered, [other, twice]);
}

#[test]
fn scheme() {
    fails_as_uri(
        E::Scheme,
        &["", "//a", "http://a", "wsx://a", " ws://a", "example.com"],
    );
}

#[test]
fn syntax() {
    fails_as_uri(E::Syntax, &["ws:", "ws:/a", "ws:a"]);
}

#[test]
fn host() {
    let hosts = [
        "ws://",
        "ws:///x",
        "ws://:80",
        "ws://[::1",
        "ws://[x]",
        "ws://::1",
        "ws://a b",
    ];
    fails_as_uri(E::Host, &hosts);
    fails_as_uri(
        E::Host,
        &["ws://a\r\nX: y", "ws://a\0", "ws://[::1]x", "ws://a\\b"],
    );
}

#[test]
fn port() {
    fails_as_uri(
        E::Port,
        &["ws://a:x", "ws://a:65536", "ws://a:-1", "ws://a:+1"],
    );
}

#[test]
fn fragment() {
    fails_as_uri(E::Fragment, &["ws://a/#", "ws://a#b", "ws://a/?q#b"]);
}

#[test]
fn character() {
    for (uri, found, at) in [
        ("ws://a/ b", ' ', 7),
        ("ws://a/\r\n", '\r', 7),
        ("ws://a/{", '{', 7),
        ("ws://a/^", '^', 7),
        ("ws://a/\\", '\\', 7),
        ("ws://a/?\0", '\0', 8),
        ("ws://a/\t", '\t', 7),
        ("ws://user name@a/", ' ', 9),
        ("ws://u\r\n@a/", '\r', 6),
        ("ws://a/<", '<', 7),
        ("wss://example.com:8080/é?\"", '"', 26),
    ] {
        fails_as_uri(E::Character { found, at }, &[uri]);
    }
}

#[test]
fn credentials() {
    let request = client_request;
    for (user, password) in [("a:b", ""), ("a\r\nX: y", ""), ("a", "b\n"), ("", "\0")] {
        let added = request().basic_auth(user, password).map(drop);
        let mut out = BytesMut::new();
        let both = Some((user, password));
        let tunnel = Tunnel::new(&request(), both, &Config::default(), &mut out);
        fails(E::Credentials, [added, tunnel.map(drop)]);
        assert!(out.is_empty());
    }
    for token in ["", "=", "a b", "a=b", "a,b", "a\r\nX: y", "\u{e9}", "a\"b"] {
        fails(E::Credentials, [request().bearer(token).map(drop)]);
    }
}

#[test]
fn not_redirect() {
    let to = |status, locations: &[&str]| {
        let mut response = Response::new(status);
        for location in locations {
            response.headers.push("Location", location).unwrap();
        }
        client_request().redirected(&response).map(drop)
    };
    for status in [200, 300, 304, 305, 306, 309, 401, 503] {
        fails(E::NotRedirect, [to(status, &["/"])]);
    }
    for status in [301, 302, 303, 307, 308] {
        assert_eq!(to(status, &["/"]), Ok(()));
        fails(E::NotRedirect, [to(status, &[]), to(status, &["/", "/"])]);
    }
}

#[test]
fn insecure() {
    let request = ClientRequest::new("wss://a.test/").unwrap();
    for location in [
        "ws://a.test/",
        "http://a.test/",
        "HTTP://b.test",
        "ws://a.test:443/",
    ] {
        let response = Response::new(301).header("Location", location).unwrap();
        fails(E::Insecure, [request.redirected(&response).map(drop)]);
    }
}

#[test]
fn entropy() {
    cites(&E::Entropy);
    // The system that runs this test has entropy.
    assert_ne!(seed().unwrap(), seed().unwrap());
}
