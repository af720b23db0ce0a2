//! Tests of the library without the feature `deflate`.
//!
//! Invariant: an offer is declined, RSV1 is an error, and a connection has no room for what is not
//! there.
#![cfg(test)]

use bytes::BytesMut;
use sansocket::{Config, Connection, Endpoint, Event, Input, Prepared, ProtocolError, Settings};
use std::time::Duration;

/// A server's connection with a client that has offered permessage-deflate, and the response.
fn connection() -> (Connection, String) {
    let mut request = *b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let (mut out, now) = (BytesMut::new(), Duration::ZERO);
    let mut endpoint = Endpoint::server(&Config::default(), now);
    let event = endpoint.receive(&mut Input(&mut request), now, &mut out);
    let Some(Event::Request(request)) = event else {
        panic!("{event:?}");
    };
    let extension = request.extensions().next().expect("offered");
    assert_eq!(extension.name(), "permessage-deflate");
    endpoint.accept(request, &mut out).unwrap();
    let ws = endpoint.into_connection().expect("it is open");
    (ws, String::from_utf8(out.to_vec()).unwrap())
}

#[test]
fn an_offer_is_declined() {
    let (ws, response) = connection();
    assert!(response.starts_with("HTTP/1.1 101 "));
    assert!(!response.contains("Extensions"));
    assert!(ws.is_open() && !ws.has_deflate());
}

#[test]
fn a_compressed_message_is_an_error() {
    let (mut ws, _) = connection();
    let mut frame = [0xc1, 0x81, 0, 0, 0, 0, 0];
    let mut out = BytesMut::new();
    let event = ws.receive(&mut Input(&mut frame), &mut out);
    assert_eq!(event, Some(Event::Failed(ProtocolError::ReservedBit { first: 0xc1 })));
}

#[test]
fn messages_are_sent_uncompressed() {
    // The setting exists, and changes nothing.
    assert!(Settings::default().compress);
    let (mut ws, _) = connection();
    for compress in [true, false] {
        ws.settings().compress = compress;
        let (text, mut out) = ("a".repeat(1_000), BytesMut::new());
        ws.send(&text, &mut out).unwrap();
        assert_eq!((out[0], out.len()), (0x81, 1_004));
        out.clear();
        ws.send_piece(&text, false, &mut out).unwrap();
        assert_eq!((out[0], out.len()), (0x01, 1_004));
        ws.send_piece("", true, &mut out).unwrap();
        assert_eq!(out[1_004..], [0x80, 0]);
    }
}

#[test]
fn prepared_messages_are_uncompressed() {
    let (mut ws, _) = connection();
    let prepared = Prepared::new(&"a".repeat(1_000));
    let mut out = BytesMut::new();
    ws.send(&prepared, &mut out).unwrap();
    assert_eq!((out[0], out.len()), (0x81, 1_004));
    assert_eq!(ws.share(&prepared).unwrap(), out);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_connection_is_smaller() {
    // With the feature it has at most 208 bytes, 16 of them for each of its two directions.
    assert!(size_of::<Connection>() <= 208 - 2 * 16);
}
