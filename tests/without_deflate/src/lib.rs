//! Tests of the library without the feature `deflate`. Their law: an offer is declined, RSV1 is an
//! error, and a connection is no larger for what is not there.
#![cfg(test)]

use bytes::BytesMut;
use sansocket::{
    Connection, Event, HandshakeConfig, Input, Prepared, ProtocolError, ServerHandshake,
};

/// A server's connection with a client that has offered permessage-deflate, and the response.
fn connection() -> (Connection, String) {
    let mut request = *b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let mut out = BytesMut::new();
    let mut handshake = ServerHandshake::new(&HandshakeConfig::default());
    let request = handshake.receive(&mut Input::new(&mut request), &mut out);
    let ws = request
        .unwrap()
        .expect("a whole request")
        .accept()
        .send(&mut out);
    (ws, String::from_utf8(out.to_vec()).unwrap())
}

#[test]
fn an_offer_is_declined() {
    let (_, response) = connection();
    assert!(response.starts_with("HTTP/1.1 101 "));
    assert!(!response.contains("Extensions"));
}

#[test]
fn a_compressed_message_is_an_error() {
    let (mut ws, _) = connection();
    let mut frame = [0xc1, 0x81, 0, 0, 0, 0, 0];
    let mut out = BytesMut::new();
    let event = ws.receive(&mut Input::new(&mut frame), &mut out);
    assert_eq!(event, Some(Event::Failed(ProtocolError::ReservedBit)));
}

#[test]
fn what_is_sent_is_plain() {
    let (mut ws, _) = connection();
    let mut out = BytesMut::new();
    ws.send_text(&"a".repeat(1_000), &mut out).unwrap();
    assert_eq!((out[0], out.len()), (0x81, 1_004));
}

#[test]
fn what_is_prepared_is_plain() {
    let (mut ws, _) = connection();
    let prepared = Prepared::text(&"a".repeat(1_000));
    let mut out = BytesMut::new();
    ws.send_prepared(&prepared, &mut out).unwrap();
    assert_eq!((out[0], out.len()), (0x81, 1_004));
    assert_eq!(ws.share_prepared(&prepared).unwrap(), out);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_connection_is_smaller() {
    assert!(size_of::<Connection>() <= 160);
}
