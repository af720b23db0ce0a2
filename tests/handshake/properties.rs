//! Laws for all heads (RFC 6455, section 4).
//!
//! Invariant: how bytes are cut into reads never changes anything, and no bytes make anything panic.

use crate::support::strategies::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sansocket::{Config, Endpoint, Event, Extension, HandshakeError, Input, Request, Response};
use std::time::Duration;

/// A valid head in which bytes are replaced, and lines doubled, moved or left out.
fn heads(good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let other_lines = vec![
        "Origin: http://example.com\r\n",
        "Origin: null\r\n",
        "Sec-WebSocket-Protocol: a, b,,c\r\n",
        "Sec-WebSocket-Protocol: ,\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; a=\"b\\c\"; d\r\n",
        "Sec-WebSocket-Extensions: x; y=\"\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 7\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: keep-alive, Upgrade\r\n",
        "X:\r\n",
        "\r\n",
        "folded: a\r\n b\r\n",
        "bare: a\nb\r\n",
    ];
    let lines = vec((any::<Index>(), select(other_lines)), 0..3);
    let lost = prop::option::weighted(0.2, any::<Index>());
    let bytes = prop_oneof![2 => vec((any::<Index>(), any::<u8>()), 0..1), 1 => vec((any::<Index>(), any::<u8>()), 0..3)];
    let after = vec(any::<u8>(), 0..30);
    (lines, lost, bytes, after).prop_map(move |(more, lost, bytes, after)| {
        let mut lines: Vec<&str> = good.split_inclusive("\r\n").collect();
        if let Some(lost) = lost {
            lines.remove(lost.index(lines.len()));
        }
        for (place, line) in more {
            lines.insert(1 + place.index(lines.len() - 1), line);
        }
        let mut head = lines.concat().into_bytes();
        for (place, byte) in bytes {
            let at = place.index(head.len());
            head[at] = byte;
        }
        head.extend(after);
        head
    })
}

fn small_limits() -> Config {
    config(|c| {
        c.max_head_size = 400;
        c.max_headers = 8;
        c.max_interim_responses = 1;
        c.max_body_size = 20;
    })
}

/// Everything that a request says.
fn described(request: &Request) -> String {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let line = (
        request.method(),
        request.target(),
        request.path(),
        request.query(),
    );
    let said = (request.host(), request.origin());
    let subprotocols: Vec<_> = request.subprotocols().collect();
    let offered = (subprotocols, Vec::from_iter(request.extensions()));
    format!(
        "{line:?} {said:?} {offered:?} {:?} {headers:?}",
        request.error()
    )
}

/// What a server makes of these bytes, if it accepts every valid request: its events, its
/// output, and what was left for the connection.
fn served(pieces: &[Vec<u8>]) -> (Vec<String>, BytesMut, Vec<u8>) {
    let mut endpoint = Endpoint::server(&small_limits(), Duration::ZERO);
    let (mut seen, mut out, mut rest) = (Vec::new(), BytesMut::new(), Vec::new());
    for mut piece in pieces.iter().cloned() {
        let mut input = Input(&mut piece);
        while !endpoint.is_open()
            && let Some(event) = endpoint.receive(&mut input, Duration::ZERO, &mut out)
        {
            match event {
                Event::Request(request) => {
                    assert!(seen.is_empty());
                    seen.push(described(&request));
                    endpoint.accept(request, &mut out).unwrap();
                }
                Event::Http(request) => {
                    assert!(seen.is_empty() && request.error().is_some());
                    seen.push(described(&request));
                }
                Event::Refused(error) => {
                    assert!(seen.len() < 2);
                    seen.push(format!("{error:?}"));
                }
                other => panic!("{other:?} in an opening handshake"),
            }
        }
        assert!(
            endpoint.is_open() || input.0.is_empty(),
            "every byte is taken"
        );
        rest.extend_from_slice(input.0);
    }
    (seen, out, rest)
}

/// What a client makes of these bytes, and of the end of its transport.
fn asked(pieces: &[Vec<u8>]) -> (Result<Response, HandshakeError>, BytesMut, Vec<u8>) {
    let request = client_request().subprotocol("a").unwrap();
    let request = request.extension(Extension::new("x").unwrap(), false);
    let (endpoint, _) = client_handshake(&request, &small_limits());
    let mut asked = receive_response(endpoint, pieces);
    let result = match asked.result.take() {
        Some(result) => result,
        None => Err(asked.eof()),
    };
    (result, asked.out, asked.rest)
}

/// A 101 for the key of the seed that the tests use.
const OPENING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT_OF_THE_SEED\r\n\r\n";
const REFUSING: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden";
const CHUNKED: &str = "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nabc\r\nf;x\r\n0123456789abcde\r\n0\r\nX: y\r\n\r\n";
const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx";

fn responses() -> impl Strategy<Value = Vec<u8>> {
    let (_, key) = client_handshake(&client_request(), &small_limits());
    let accept = accept_key(&key);
    let opening = heads(OPENING).prop_map(move |head| {
        // A byte of the mark may have been replaced; then the answer is wrong.
        let mark = b"ACCEPT_OF_THE_SEED";
        match head.windows(mark.len()).position(|part| part == mark) {
            Some(at) => [&head[..at], accept.as_bytes(), &head[at + mark.len()..]].concat(),
            None => head,
        }
    });
    prop_oneof![
        opening.boxed(),
        heads(REFUSING).boxed(),
        heads(CHUNKED).boxed(),
        heads(INTERIM).boxed(),
    ]
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn cuts_never_change_what_a_server_makes_of_a_request(head in heads(REQUEST), cuts in cuts()) {
        let full = served(std::slice::from_ref(&head));
        prop_assert_eq!(full, served(&cut(&head, &cuts)));
    }

    #[test]
    fn cuts_never_change_what_a_client_makes_of_a_response(head in responses(), cuts in cuts()) {
        let full = asked(std::slice::from_ref(&head));
        prop_assert_eq!(full, asked(&cut(&head, &cuts)));
    }

    #[test]
    fn arbitrary_heads_never_panic(bytes in vec(any::<u8>(), 0..300), cuts in cuts()) {
        let full = std::slice::from_ref(&bytes);
        prop_assert_eq!(served(full), served(&cut(&bytes, &cuts)));
        prop_assert_eq!(asked(full), asked(&cut(&bytes, &cuts)));
    }
}

/// Otherwise the laws above would be tested with bad heads only.
#[test]
fn the_valid_heads_are_accepted() {
    assert!(served(&[REQUEST.into()]).1.starts_with(b"HTTP/1.1 101 "));
    let (_, key) = client_handshake(&client_request(), &small_limits());
    let accept = accept_key(&key);
    let opening = OPENING.replace("ACCEPT_OF_THE_SEED", &accept);
    assert!(asked(&[opening.into()]).0.is_ok());
    for response in [REFUSING, CHUNKED] {
        let Err(HandshakeError::Refused(refusal)) = asked(&[response.into()]).0 else {
            panic!("it refuses: {response}");
        };
        assert!(refusal.is_complete, "{refusal:?}");
    }
    let over = asked(&[INTERIM.into()]).0;
    assert!(
        matches!(over, Err(HandshakeError::TooManyInterimResponses { .. })),
        "{over:?}"
    );
}
