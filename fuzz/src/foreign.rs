//! Heads that other software has read: header lists of requests and of answers.
//!
//! Invariant: whoever reads a head, the verdict is the same (RFC 6455, section 4; RFC 8441; RFC 9220).

use crate::heads::{any_config, any_request, is_token, is_value, list};
use crate::opening::{answered, start};
use crate::script::Script;
use bytes::BytesMut;
use sansocket::{Config, Endpoint, Event, HandshakeError, Input, Offer, Request, Role};
use std::time::Duration;

type List<'b> = Vec<(&'b [u8], &'b [u8])>;

/// `name:value` lines.
pub fn foreign(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let config = any_config(&mut script);
    if script.flag() {
        return answer(&mut script, bytes, &config);
    }
    let list = list(bytes);
    let request = Request::read(list.iter().copied(), &config);
    let (error, told) = (request.error().cloned(), crate::opening::told(&request));
    match request.answer() {
        Ok((response, connection)) => {
            assert!(error.is_none() && connection.is_open());
            assert_eq!(connection.role(), Role::Server);
            assert!(matches!(response.status, 101 | 200));
            for (name, value) in response.headers.iter() {
                assert!(is_token(name.as_bytes()) && is_value(value));
                assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()));
            }
        }
        Err(found) => assert_eq!(Some(found), error),
    }
    if let Some(HandshakeError::HeadTooLarge { .. }) = error {
        // A list counts its pseudo-headers, which are a little longer than a request line.
        return;
    }
    let Some(mut head) = http1(&list) else {
        return;
    };
    let mut server = Endpoint::server(&config, Duration::ZERO);
    let event = server.receive(&mut Input(&mut head), Duration::ZERO, &mut BytesMut::new());
    match event.expect("the head is complete") {
        Event::Request(request) | Event::Http(request) => {
            assert_eq!(
                crate::opening::told(&request),
                told,
                "over HTTP/1.1, and as a list"
            );
        }
        Event::Refused(found) => {
            assert_eq!(
                Some(&*found),
                error.as_ref(),
                "over HTTP/1.1, and as a list"
            );
        }
        event => panic!("{event:?} in an opening handshake"),
    }
}

/// The same request as a head of HTTP/1.1; `None` if it cannot be one, or if it breaks a rule of HTTP/1.1 alone. A CONNECT
/// with a path is none: lists have rules of their own for it.
fn http1(list: &List<'_>) -> Option<Vec<u8>> {
    let [(b":method", method), (b":path", path), fields @ ..] = &list[..] else {
        return None;
    };
    let is_line = is_token(method)
        && *method != b"CONNECT"
        && !path.is_empty()
        && path.iter().all(u8::is_ascii_graphic);
    let are_fields = |(name, value): &(&[u8], &[u8])| is_token(name) && is_value(value);
    if !is_line || !fields.iter().all(are_fields) {
        return None;
    }
    let mut head = [method, &b" "[..], path, b" HTTP/1.1\r\n"].concat();
    for (name, value) in fields {
        head.extend([name, &b": "[..], value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    Some(head)
}

/// An answer: a status, and a list.
fn answer(script: &mut Script<'_>, bytes: &[u8], config: &Config) {
    let request = any_request(script);
    let status = script.one_of(&[101, 200, 302, 404]);
    let make = script.one_of(&[
        Offer::upgrade as fn(&_, &_, _) -> _,
        Offer::extended_connect,
    ]);
    let offer: Offer = make(&request, config, [9; 32]);
    let is_upgrade = !offer.headers().iter().any(|(name, _)| name == ":protocol");
    let mut out = BytesMut::new();
    let mut client = start(&request, config, &mut out);
    let bytes = answered(bytes, &out);
    let list = list(&bytes);
    let checked = offer.check(status, list.iter().copied());
    if let Ok((response, connection)) = &checked {
        assert!(connection.is_open() && connection.role() == Role::Client);
        assert_eq!(response.status, if is_upgrade { 101 } else { 200 });
        let chosen = response.subprotocol();
        assert!(chosen.is_none_or(|name| matches!(name, "chat" | "mqtt")));
    }
    let are_fields = |(name, value): &(&[u8], &[u8])| is_token(name) && is_value(value);
    if !is_upgrade || !list.iter().all(are_fields) {
        return;
    }
    let mut head = format!("HTTP/1.1 {status} \r\n").into_bytes();
    for (name, value) in &list {
        head.extend([name, &b": "[..], value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    if head.len() > config.max_head_size {
        // A status line counts, too.
        return;
    }
    let event = client.receive(&mut Input(&mut head), Duration::ZERO, &mut BytesMut::new());
    assert_eq!(
        matches!(event, Some(Event::Opened(_))),
        checked.is_ok(),
        "over HTTP/1.1, and as a list: {event:?}, {checked:?}"
    );
}
