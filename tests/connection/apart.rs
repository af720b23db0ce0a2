//! Messages whose payload stays where it is (`Session::send_apart`).
//!
//! Invariant: what is written is, byte for byte, what an ordinary send appends, and the connection
//! continues in the same way.

use crate::support::strategies::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    CloseCode, Config, Connection, Data, Deflate, Endpoint, Event, Extension, Input, SendError,
    Session, Settings, Tick,
};
use std::time::Duration;

/// Sends a text or a binary message; returns what is to be written after `out`.
fn apart<'a>(
    ws: &mut Session,
    is_text: bool,
    data: &'a [u8],
    out: &mut BytesMut,
) -> Result<&'a [u8], SendError> {
    let rest = match is_text {
        true => ws.send_apart(str(data), out)?,
        false => ws.send_apart(data, out)?,
    };
    assert!(rest.is_empty() || rest.as_ptr() == data.as_ptr(), "no copy");
    Ok(rest)
}

fn str(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap()
}

fn connections(role: sansocket::Role, deflate: Option<&Extension>) -> [Connection; 2] {
    [(); 2].map(|()| {
        let ws = connection(role, Settings::default());
        match deflate {
            Some(agreed) => ws.with_deflate(&Deflate::default(), agreed).unwrap(),
            None => ws,
        }
    })
}

/// The agreed extension, with or without context takeover.
fn agreed(forgets: bool) -> Extension {
    let mut agreed = Extension::new("permessage-deflate").unwrap();
    if forgets {
        for name in ["server_no_context_takeover", "client_no_context_takeover"] {
            agreed = agreed.param(name, None).unwrap();
        }
    }
    agreed
}

fn lens() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..300_usize,
        1 => prop::sample::select(vec![125, 126, 127, 128, 65_535, 65_536, 100_000]),
    ]
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn payload_and_output_are_what_an_ordinary_send_appends(
        role in prop::sample::select(&ROLES[..]),
        deflate in prop::option::of(any::<bool>()),
        messages in prop::collection::vec((any::<bool>(), lens(), any::<bool>()), 1..12),
    ) {
        let deflate = deflate.map(agreed);
        let [mut one, mut other] = connections(role, deflate.as_ref());
        for (is_text, len, compress) in messages {
            one.settings().compress = compress;
            other.settings().compress = compress;
            let data: Vec<u8> = (0..len).map(|i| b'a' + (i % 23 * i % 23) as u8).collect();
            let mut expected = BytesMut::from("before");
            match is_text {
                true => one.send(str(&data), &mut expected).unwrap(),
                false => one.send(&data, &mut expected).unwrap(),
            }
            let mut out = BytesMut::from("before");
            let rest = apart(&mut other, is_text, &data, &mut out).unwrap();
            out.extend_from_slice(rest);
            prop_assert!(out == expected);
        }
    }
}

#[test]
fn a_large_payload_of_a_server_is_never_in_the_output() {
    let [mut ws, _] = connections(sansocket::Role::Server, None);
    let mut out = BytesMut::new();
    let data = vec![b'x'; 100_000];
    for is_text in [false, true] {
        out.clear();
        let rest = apart(&mut ws, is_text, &data, &mut out).unwrap();
        assert_eq!((rest.len(), out.len()), (100_000, 10));
    }
}

#[test]
fn a_payload_that_cannot_go_as_it_is_is_in_the_output() {
    // A client's is masked, a compressed one is another.
    let plain = agreed(false);
    for (role, deflate) in [
        (sansocket::Role::Client, None),
        (sansocket::Role::Client, Some(&plain)),
        (sansocket::Role::Server, Some(&plain)),
    ] {
        let [mut ws, _] = connections(role, deflate);
        let mut out = BytesMut::new();
        let data = vec![b'x'; 100_000];
        assert_eq!(apart(&mut ws, true, &data, &mut out), Ok(&[][..]));
        assert!(!out.is_empty());
    }
}

#[test]
fn a_refused_send_leaves_nothing() {
    for role in ROLES {
        let [mut ws, _] = connections(role, None);
        let mut out = BytesMut::new();
        let data = b"data";
        ws.send_piece("begun", false, &mut out).unwrap();
        out.clear();
        for is_text in [false, true] {
            let unfinished = Err(SendError::MessageUnfinished);
            assert_eq!(apart(&mut ws, is_text, data, &mut out), unfinished);
        }
        ws.close(CloseCode::NORMAL, "", &mut out).unwrap();
        out.clear();
        for is_text in [false, true] {
            let closed = Err(SendError::Closed);
            assert_eq!(apart(&mut ws, is_text, data, &mut out), closed);
        }
        assert!(out.is_empty(), "nothing is appended");
    }
    let mut out = BytesMut::new();
    let mut ws = Endpoint::server(&Config::default(), Duration::ZERO);
    let not_yet = Err(SendError::NotYetOpen);
    assert_eq!(apart(&mut ws, false, b"data", &mut out), not_yet);
    assert!(out.is_empty(), "nothing is appended");
}

#[test]
fn an_endpoint_knows_how_much_of_the_payload_was_written() {
    let ws = connection(sansocket::Role::Server, Settings::default());
    let mut endpoint = Endpoint::open(ws, &Config::default(), Duration::ZERO);
    let data = vec![7; 70_000];
    let mut expected = BytesMut::new();
    let [mut ordinary, _] = connections(sansocket::Role::Server, None);
    ordinary.send(&data, &mut expected).unwrap();
    for most in [1, 3, 9, 10, 11, 5_000, 70_009, 70_010] {
        let mut out = BytesMut::new();
        let mut rest = endpoint.send_apart(Data::from(&data), &mut out).unwrap();
        let mut written = Vec::new();
        while !out.is_empty() || !rest.is_empty() {
            let all = [&out[..], rest].concat();
            let n = most.min(all.len());
            written.extend_from_slice(&all[..n]);
            rest = &rest[endpoint.wrote(n, Duration::ZERO, &mut out)..];
        }
        assert!(written == expected, "{most} bytes a write");
    }
}

/// The part of the payload that the transport does not take goes into the output, as in the examples.
#[test]
fn a_payload_that_was_moved_into_the_output_is_not_waited_for() {
    let ws = connection(sansocket::Role::Server, Settings::default());
    let (mut endpoint, mut out) = (
        Endpoint::open(ws, &Config::default(), Duration::ZERO),
        BytesMut::new(),
    );
    for written in [0, 1, 5, 102] {
        let payload = endpoint.send_apart(&[7; 100], &mut out).unwrap();
        let payload = &payload[endpoint.wrote(written, Duration::ZERO, &mut out)..];
        out.extend_from_slice(payload);
        assert_eq!(endpoint.wrote(out.len(), Duration::ZERO, &mut out), 0);
    }
    let mut close = frame(sansocket::Role::Server, 0x88, b"\x03\xe8");
    let event = endpoint.receive(&mut Input(&mut close), Duration::ZERO, &mut out);
    assert!(matches!(event, Some(Event::Close { .. })));
    endpoint.wrote(out.len(), Duration::ZERO, &mut out);
    let close = Duration::from_secs(5);
    assert_eq!(
        endpoint.tick(Duration::ZERO, &mut out),
        Tick::ShutDown(Some(close))
    );
}
