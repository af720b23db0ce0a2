//! Responses as hostile servers send them (RFC 6455, section 4.1).
//!
//! Invariant: each test says what went wrong elsewhere. Single errors have their tests in
//! `errors.rs`, limits in `tests/connection/limits.rs`.

use crate::support::handshake::Driven;
use crate::support::*;
use sansocket::{
    ClientRequest, Config, Event, Extension, FieldFault, HandshakeError, LineFault, ProtocolError,
    Response, Role,
};

fn offering() -> ClientRequest {
    let request = client_request()
        .subprotocol("chat")
        .unwrap()
        .subprotocol("super")
        .unwrap();
    request.extension(Extension::new("x-a").unwrap(), false)
}

/// Why a client that offers `chat`, `super` and `x-a` rejects the response.
fn response_error(response: &str) -> Option<HandshakeError> {
    let mut all = Cuts::ALL.map(|cuts| {
        let asked = ask(&offering(), response, b"", cuts, &Config::default());
        assert!(asked.result.is_some(), "{response}");
        asked.error()
    });
    let first = all[0].take();
    assert!(all[1..].iter().all(|error| *error == first));
    first
}

#[test]
fn a_bad_101_opens_nothing() {
    // Elsewhere the client checked only the status, or not all of these.
    use FieldFault::{Byte, Cut, Duplicate, Empty, Missing};
    use HandshakeError as E;
    use LineFault::{BareLf, Control, Folded, SpaceBeforeColon};
    const TWICE: FieldFault = FieldFault::Repeated(2);
    let value = |value: &str| FieldFault::Value(value.into());
    let malformed = |line, at, fault| E::Malformed { line, at, fault };
    for (from, to, error) in [
        ("ACCEPT", "", E::Accept(value(""))),
        (
            "ACCEPT",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            E::Accept(value("AAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        ),
        (
            "Accept: ACCEPT",
            "Accept: ACCEPT\r\nSec-WebSocket-Accept: ACCEPT",
            E::Accept(TWICE),
        ),
        (
            "Accept: ACCEPT",
            "Accept: ACCEPT\r\nsec-websocket-accept: x",
            E::Accept(TWICE),
        ),
        ("Sec-WebSocket-Accept: ACCEPT\r\n", "", E::Accept(Missing)),
        ("Upgrade: websocket\r\n", "", E::Upgrade(Missing)),
        (
            "Upgrade: websocket",
            "Upgrade: h2c",
            E::Upgrade(value("h2c")),
        ),
        (
            "Upgrade: websocket",
            "Upgrade: websocket, h2c",
            E::Upgrade(value("websocket, h2c")),
        ),
        (
            "Upgrade: websocket",
            "Upgrade: websocket\r\nUpgrade: h2c",
            E::Upgrade(TWICE),
        ),
        ("Connection: Upgrade\r\n", "", E::Connection(Missing)),
        (
            "Connection: Upgrade",
            "Connection: NotUpgrade",
            E::Connection(value("NotUpgrade")),
        ),
        (
            "Connection: Upgrade",
            "Connection: keep-alive",
            E::Connection(value("keep-alive")),
        ),
        (
            "HTTP/1.1",
            "HTTP/1.0",
            E::HttpVersion { major: 1, minor: 0 },
        ),
        ("\r\nUpgrade", "\r\n Upgrade", malformed(2, 0, Folded)),
        ("Upgrade:", "Upgrade :", malformed(2, 7, SpaceBeforeColon)),
        ("\r\nUpgrade", "\nUpgrade", malformed(1, 32, BareLf)),
        ("websocket", "web\0socket", malformed(2, 12, Control(0))),
    ] {
        assert_eq!(
            response_error(&replaced(RESPONSE, from, to)),
            Some(error),
            "{to}"
        );
    }
    for wrong in ["ACCEPTx", "ACCEPT, ACCEPT"] {
        let error = response_error(&replaced(RESPONSE, "ACCEPT", wrong));
        assert!(
            matches!(error, Some(E::Accept(FieldFault::Value(_)))),
            "{error:?}"
        );
    }
    let not_offered = |name: &str| E::SubprotocolNotOffered(name.into());
    for (value, error) in [
        ("other", not_offered("other")),
        ("Chat", not_offered("Chat")),
        ("chat, super", E::Subprotocol(Byte { found: b',', at: 4 })),
        (
            "chat\r\nSec-WebSocket-Protocol: chat",
            E::Subprotocol(TWICE),
        ),
    ] {
        let line = format!("Sec-WebSocket-Protocol: {value}");
        let response = with_line(RESPONSE, &line);
        assert_eq!(response_error(&response), Some(error), "{line}");
    }
    let not_offered = |name: &str| E::ExtensionNotOffered(name.into());
    for (value, error) in [
        ("x-b", not_offered("x-b")),
        ("x-a, x-a", E::Extensions(Duplicate)),
        (
            "x-a\r\nSec-WebSocket-Extensions: x-a",
            E::Extensions(Duplicate),
        ),
        ("permessage-deflate", not_offered("permessage-deflate")),
        ("x-a;", E::Extensions(Cut)),
        ("", E::Extensions(Empty)),
    ] {
        let line = format!("Sec-WebSocket-Extensions: {value}");
        let response = with_line(RESPONSE, &line);
        assert_eq!(response_error(&response), Some(error), "{line}");
    }
}

#[test]
fn honest_variations_of_a_response_are_accepted() {
    // Elsewhere `Connection` had to be "Upgrade" exactly.
    for (from, to) in [
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "connection:upgrade"),
        ("Upgrade: websocket", "Upgrade: WebSocket"),
        ("101 Switching Protocols", "101"),
        ("101 Switching Protocols", "101 "),
        (
            "101 Switching Protocols",
            "101 Web Socket Protocol Handshake",
        ),
        ("ACCEPT", "ACCEPT\r\nSec-WebSocket-Protocol: super"),
        ("ACCEPT", "ACCEPT\r\nSec-WebSocket-Extensions: x-a; p=1"),
        ("ACCEPT", "ACCEPT\r\nContent-Length: 0"),
        ("HTTP/1.1 101", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101"),
    ] {
        assert_eq!(response_error(&replaced(RESPONSE, from, to)), None, "{to}");
    }
}

#[test]
fn a_required_subprotocol_or_extension_must_be_accepted() {
    let config = Config::default();
    let request = offering().require_subprotocol();
    let asked = ask(&request, RESPONSE, b"", Cuts::AtOnce, &config);
    assert_eq!(asked.error(), Some(HandshakeError::SubprotocolMissing));

    let long = "x".repeat(200);
    for name in ["x-b", &long] {
        let request = offering().extension(Extension::new(name).unwrap(), true);
        let asked = ask(&request, RESPONSE, b"", Cuts::AtOnce, &config);
        assert_eq!(asked.opened().status, 101);
        assert!(!asked.endpoint.is_open());
        let sent = sent_frames(&asked.out, Role::Client);
        assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1010)));
        let reason = if name == "x-b" { name } else { "" };
        assert_eq!(
            &sent[0].payload[2..],
            reason.as_bytes(),
            "complete or not at all"
        );
    }
}

#[test]
fn bytes_after_a_101_belong_to_the_connection() {
    // Elsewhere a message in the same read as the response was lost.
    let early = frames(Role::Client, &[(0x81, b"early"), (0x89, b"bird")]);
    for cuts in Cuts::ALL {
        let asked = ask(
            &client_request(),
            RESPONSE,
            &early,
            cuts,
            &Config::default(),
        );
        assert_eq!(asked.rest, early);
        let mut driven = Driven::new(asked.endpoint);
        driven.feed(&asked.rest);
        assert_eq!(driven.events, [text("early"), ping(b"bird")]);
    }
}

#[test]
fn a_masked_frame_right_after_the_101_fails() {
    let (masked, config) = (frame(Role::Server, 0x81, b"x"), Config::default());
    let asked = ask(&client_request(), RESPONSE, &masked, Cuts::AtOnce, &config);
    let mut driven = Driven::new(asked.endpoint);
    driven.feed(&asked.rest);
    assert_eq!(driven.events, [Event::Failed(ProtocolError::FrameMasked)]);
}

pub(crate) fn refusal(response: &str) -> Response {
    let mut all = Cuts::ALL.map(|cuts| {
        let mut asked = ask(&client_request(), response, b"", cuts, &Config::default());
        let error = asked.eof();
        assert!(asked.out.is_empty(), "nothing is sent");
        match error {
            HandshakeError::Refused(refusal) => Some(*refusal),
            other => panic!("{other} for {response}"),
        }
    });
    let first = all[0].take();
    assert!(all[1..].iter().all(|refusal| *refusal == first));
    first.unwrap()
}

#[test]
fn a_redirect_is_reported_and_not_followed() {
    // Elsewhere it was followed, with the credentials, to whatever host it named.
    for status in [301, 302, 303, 307, 308] {
        let response = format!(
            "HTTP/1.1 {status} x\r\nLocation: ws://evil.test/\r\nContent-Length: 0\r\n\r\n"
        );
        let refusal = refusal(&response);
        let location = refusal.headers.get("location");
        assert_eq!(
            (refusal.status, location),
            (status, Some("ws://evil.test/"))
        );
        let told = HandshakeError::Refused(refusal.into()).to_string();
        assert!(told.contains("redirect to ws://evil.test/"), "{told}");
    }
    let no_redirect = refusal("HTTP/1.1 401 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    let told = HandshakeError::Refused(no_redirect.into()).to_string();
    assert!(!told.contains("/x"), "{told}");
    // A log of the error has no terminal commands in it.
    let evil = "HTTP/1.1 302 x\r\nLocation: a\u{9b}2J\r\nContent-Length: 0\r\n\r\n";
    let mut asked = ask(
        &client_request(),
        evil,
        b"",
        Cuts::AtOnce,
        &Config::default(),
    );
    assert!(!asked.eof().to_string().contains('\u{9b}'));
}

#[test]
fn the_body_of_a_refusal_is_read_to_its_end() {
    // Elsewhere the body ended with what had arrived together with the head.
    for (response, body, is_complete) in [
        ("Content-Length: 5\r\n\r\nHello", "Hello", true),
        ("Content-Length: 5\r\n\r\nHello World", "Hello", true),
        ("Content-Length: 5\r\n\r\nHel", "Hel", false),
        ("Content-Length: 0\r\n\r\nx", "", true),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\nHel\r\n2\r\nlo\r\n0\r\n\r\n",
            "Hello",
            true,
        ),
        (
            "Transfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nHello\r\n0\r\nX: y\r\n\r\nmore",
            "Hello",
            true,
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n",
            "Hello",
            false,
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r",
            "Hello",
            false,
        ),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nHel", "Hel", false),
        ("Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "", false),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\nHelXX2\r\nlo\r\n",
            "Hel",
            false,
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx",
            "",
            false,
        ),
        ("X: y\r\n\r\nto the end", "to the end", true),
        ("X: y\r\n\r\n", "", true),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n\r\nHello",
            "",
            false,
        ),
        ("Content-Length: +5\r\n\r\nHello", "", false),
        (
            "Content-Length: 99999999999999999999\r\n\r\nHello",
            "",
            false,
        ),
    ] {
        let refusal = refusal(&format!("HTTP/1.1 503 x\r\n{response}"));
        assert_eq!(refusal.body, body.as_bytes(), "{response}");
        assert_eq!(refusal.is_complete, is_complete, "{response}");
    }
    for status in [204, 304] {
        let none = refusal(&format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n"));
        assert!(
            none.body.is_empty() && none.is_complete,
            "{status} has no body"
        );
    }
}

#[test]
fn a_refusal_is_reported_once_its_body_is_complete() {
    // The server may keep the transport open: its end is not awaited.
    for response in [
        "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 x\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 204 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 404 x\r\nContent-Length: 0\r\n\r\n",
    ] {
        for cuts in Cuts::ALL {
            let asked = ask(&client_request(), response, b"", cuts, &Config::default());
            let error = asked.error();
            assert!(
                matches!(error, Some(HandshakeError::Refused(r)) if r.is_complete),
                "{response}"
            );
        }
    }
}

#[test]
fn the_line_before_a_chunk_has_a_limit() {
    // Elsewhere the bytes between chunks were not limited.
    for endless in [format!("5;{}", "x".repeat(100_000)), "0".repeat(100_000)] {
        let response = format!("HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n{endless}");
        for cuts in [Cuts::AtOnce, Cuts::Bytes] {
            let asked = ask(&client_request(), &response, b"", cuts, &Config::default());
            assert!(matches!(asked.error(), Some(HandshakeError::Refused(r)) if !r.is_complete));
        }
    }
}

#[test]
fn trailer_fields_are_not_awaited() {
    // Each line is short, but there could always be one more.
    let response = "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".to_owned()
        + &"X: y\r\n".repeat(50_000);
    let (request, config) = (client_request(), Config::default());
    let asked = ask(&request, &response, b"", Cuts::AtOnce, &config);
    assert!(matches!(asked.error(), Some(HandshakeError::Refused(r)) if r.is_complete));
}
