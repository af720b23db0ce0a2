//! What the application writes into heads (RFC 9112, section 11.1), and what `Debug` prints of them.

use crate::requests::served;
use crate::responses::refusal;
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    ClientRequest, Config, Endpoint, Event, Extension, HandshakeError, Headers, Input, Response,
    Role, SetupError,
};
use std::time::Duration;

// ---- what the application writes (RFC 9112, section 11.1) ----

/// Each would start a new line, or end one early for some parser.
const BREAKS: [&str; 6] = ["a\r\nX: y", "a\n", "a\r", "a\0", "\r\n\r\n", "\x0b"];

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

#[test]
fn the_application_cannot_split_a_request() {
    // Elsewhere a host, path, header or subprotocol with a line break in it became a header.
    for bad in BREAKS {
        assert_eq!(
            client_request().header(bad, "x").unwrap_err(),
            SetupError::Name
        );
        assert_eq!(
            client_request().header("X", bad).unwrap_err(),
            SetupError::Value
        );
        assert_eq!(client_request().origin(bad).unwrap_err(), SetupError::Value);
        assert_eq!(
            client_request().subprotocol(bad).unwrap_err(),
            SetupError::Subprotocol
        );
        assert_eq!(Extension::new(bad).unwrap_err(), SetupError::Extension);
        let extension = Extension::new("x").unwrap();
        assert!(extension.clone().param(bad, None).is_err());
        assert!(extension.param("p", Some(bad)).is_err());
        for uri in [
            "ws://a{}/",
            "ws://{}",
            "ws://a/{}",
            "ws://a/?{}",
            "ws://{}@a/",
            "ws://a:{}/",
        ] {
            let uri = uri.replace("{}", bad);
            assert!(ClientRequest::new(&uri).is_err(), "{uri:?}");
            assert!(uri.parse::<ClientRequest>().is_err(), "{uri:?}");
        }
    }
}

#[test]
fn the_application_cannot_split_a_response() {
    // Elsewhere a user name in a cookie or a refusal wrote headers, or a second response.
    let head = with_line(
        REQUEST,
        "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: a",
    );
    let mut served = served(&head);
    let request = served.request_mut();
    let reject = || Response::new(403);
    for bad in BREAKS {
        assert_eq!(request.add_header(bad, "x"), Err(SetupError::Name));
        assert_eq!(request.add_header("X", bad), Err(SetupError::Value));
        assert_eq!(request.select_subprotocol(&[bad]), None);
        assert_eq!(reject().header(bad, "x").unwrap_err(), SetupError::Name);
        assert_eq!(reject().header("X", bad).unwrap_err(), SetupError::Value);
        let mut headers = Headers::new();
        assert_eq!(headers.push(bad, "x"), Err(SetupError::Name));
        assert_eq!(headers.push("X", bad), Err(SetupError::Value));
        assert_eq!(headers, Headers::new());
    }
    // The refused calls left nothing in the head.
    served.accept();
    let head = String::from_utf8(served.out.to_vec()).unwrap();
    assert!(
        !head.contains("\r\nX") && !head.contains("-Protocol"),
        "{head}"
    );
    // A body has a length, so it may hold anything.
    let body = "\r\n\r\nHTTP/1.1 200 OK\r\n";
    let response = response_to(REQUEST, reject().body(body));
    let (head, written) = response.split_once("\r\n\r\n").unwrap();
    assert_eq!(written, body);
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
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

// ---- what is printed ----

#[test]
fn nothing_prints_the_secrets() {
    // Elsewhere tokens were logged.
    let secrets = [
        ("Authorization", "Bearer t0ken"),
        ("Proxy-Authorization", "Basic cr3dent1als"),
        ("Cookie", "session=s3cr3t"),
    ];
    let (mut head, mut request) = (REQUEST.to_owned(), client_request());
    for (name, value) in secrets {
        head = with_line(&head, &format!("{name}: {value}"));
        request = request.header(name, value).unwrap();
    }
    let mut served = served(&head);
    let mut printed = vec![
        format!("{request:?}"),
        format!("{:?}", served.request()),
        format!("{:?}", served.request().headers()),
        format!("{:?}", served.endpoint),
    ];
    let line = "Set-Cookie: session=s3cr3t\r\nContent-Length: 9";
    let response = format!("HTTP/1.1 401 x\r\n{line}\r\n\r\nswordfish");
    let (config, after) = (Config::default(), frame(Role::Client, 0x81, b"swordfish"));
    let mut refused = ask(&request, &response, b"", Cuts::Whole, &config);
    printed.push(format!("{:?}", refused.endpoint));
    printed.push(format!("{:?} {}", refused.error(), refused.eof()));
    let opening = with_line(RESPONSE, "Set-Cookie: session=s3cr3t");
    let opened = ask(&request, &opening, &after, Cuts::Whole, &config);
    printed.push(format!("{:?} {:?}", opened.opened(), opened.endpoint));
    served.respond(
        Response::new(200)
            .header("Set-Cookie", "session=s3cr3t")
            .unwrap()
            .body("swordfish"),
    );
    printed.push(format!("{:?}", served.endpoint));
    let with_query = ClientRequest::new("ws://us3r:pa55@example.com/?key=qu3ry").unwrap();
    printed.push(format!("{with_query:?}"));
    for printed in printed {
        for secret in [
            "t0ken",
            "cr3dent1als",
            "s3cr3t",
            "swordfish",
            "qu3ry",
            "pa55",
        ] {
            assert!(!printed.contains(secret), "{secret} is in {printed}");
        }
    }
}
