//! What a server answers (RFC 9110, section 15): statuses, content, and fields that are its own.

use crate::requests::served;
use crate::responses::refusal;
use crate::support::*;
use bytes::BytesMut;
use sansocket::{Config, Endpoint, Event, Extension, HandshakeError, Input, Response, SetupError};
use std::time::Duration;

// ---- what the application writes (RFC 9112, section 11.1) ----

/// What a server writes if it answers this request with this response.
#[track_caller]
fn response_to(head: &str, response: Response) -> String {
    let mut endpoint = Endpoint::server(&Config::default(), Duration::ZERO);
    let (mut bytes, mut out) = (head.as_bytes().to_vec(), BytesMut::new());
    let mut input = Input(&mut bytes);
    let event = endpoint.receive(&mut input, Duration::ZERO, &mut out);
    assert!(
        matches!(event, Some(Event::Request(_) | Event::Http(_))),
        "{event:?}"
    );
    assert!(out.is_empty(), "nothing is written before");
    endpoint.respond(response, &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn a_refusal_may_have_any_final_status_and_has_the_right_length() {
    // Content that must not be there is read as the next response.
    for status in 200..=599 {
        let response = response_to(REQUEST, Response::new(status).body("words"));
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")));
        match status {
            204 | 304 => assert!(body.is_empty() && !head.contains("Content-")),
            205 => assert!(body.is_empty() && head.contains("Content-Length: 0")),
            _ => assert!(body == "words" && head.contains("Content-Length: 5")),
        }
        let refusal = refusal(&response);
        assert_eq!((refusal.status, &*refusal.body), (status, body.as_bytes()));
        assert!(refusal.is_complete);
    }
}

#[test]
fn a_status_that_is_no_answer_is_500() {
    // Elsewhere the client waited for more after a 1xx, or took a 101 for an open WebSocket.
    for status in [0, 100, 101, 199, 600, 1000, u16::MAX] {
        assert_eq!(Response::new(status).status, 500);
        let mut response = Response::new(200);
        response.status = status;
        let written = response_to(REQUEST, response);
        assert!(written.starts_with("HTTP/1.1 500 "), "{written}");
    }
}

#[test]
fn an_answer_to_head_has_no_content() {
    // RFC 9110, section 9.3.2: elsewhere the content was read as the next response.
    for status in 200..=599 {
        let get = response_to(REQUEST, Response::new(status).body("words"));
        let head = replaced(REQUEST, "GET ", "HEAD ");
        let head = response_to(&head, Response::new(status).body("words"));
        let end = get.find("\r\n\r\n").unwrap() + 4;
        assert_eq!(head, get[..end], "the same head, and nothing after it");
    }
    let served = served(&replaced(REQUEST, "GET ", "HEAD "));
    assert_eq!(served.error(), Some(HandshakeError::Method("HEAD".into())));
    assert!(served.out.ends_with(b"\r\n\r\n"), "the default answer");
}

/// The fields that the handshake writes itself.
const RESERVED: [&str; 11] = [
    "Connection",
    "Content-Length",
    "Host",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Transfer-Encoding",
    "Upgrade",
    "uPGRADE",
];

#[test]
fn the_fields_of_the_protocol_cannot_be_written_by_hand() {
    // Elsewhere a second Content-Length or Upgrade could be slipped in.
    let mut served = served(REQUEST);
    let reserved = SetupError::Reserved;
    for name in RESERVED {
        let error = client_request().header(name, "x").unwrap_err();
        assert_eq!(error, reserved, "{name}");
        let error = served.request_mut().add_header(name, "x");
        assert_eq!(error, Err(reserved), "{name}");
        let error = Response::new(403).header(name, "x").unwrap_err();
        assert_eq!(error, reserved, "{name}");
    }
    // A received response may have them all, and is passed on without them.
    for status in [200, 403, 426] {
        let plain = Response::new(status).header("X", "y").unwrap();
        let mut received = Response::new(status);
        for name in RESERVED {
            // RFC 6455, section 4.4: a status other than 426 may name the version, too.
            if status == 426 || name != "Sec-WebSocket-Version" {
                received.headers.push(name, "999").unwrap();
            }
        }
        received.headers.push("X", "y").unwrap();
        let written = response_to(REQUEST, received.body("words"));
        assert_eq!(written, response_to(REQUEST, plain.body("words")));
        assert!(!written.contains("999"), "{written}");
    }
}

#[test]
fn a_server_chooses_only_what_was_offered() {
    let head = with_line(
        REQUEST,
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x-a",
    );
    let mut served = served(&head);
    let request = served.request_mut();
    for name in ["CHAT", "Chat", "chat2", "superchat", "chat\r\n", ""] {
        assert_eq!(request.select_subprotocol(&[name]), None);
    }
    assert_eq!(request.select_subprotocol(&[""; 0]), None);
    let extension = |name| Extension::new(name).unwrap();
    for name in ["X-A", "x-b"] {
        let error = request.select_extension(extension(name)).unwrap_err();
        assert_eq!(error, SetupError::NotOffered);
    }
    assert_eq!(request.select_subprotocol(&["other", "chat"]), Some("chat"));
    request.select_extension(extension("x-a")).unwrap();
    served.accept();
    let head = String::from_utf8(served.out.to_vec()).unwrap();
    assert!(
        head.contains("\r\nSec-WebSocket-Protocol: chat\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nSec-WebSocket-Extensions: x-a\r\n"),
        "{head}"
    );
}
