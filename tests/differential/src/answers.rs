//! Heads of responses: our client beside plain rules over `httparse`.
//!
//! Invariant: the rules are written from the RFCs, and share no code with the crate.

use crate::heads::{Choices, made};
use crate::plain::{self, Judged};
use bytes::BytesMut;
use fastrand::Rng;
use sansocket::{
    ClientRequest, Config, End, Endpoint, Event, Extension, HandshakeError, Input, Tick,
};
use std::ops::Range;
use std::time::Duration;
use tungstenite::handshake::derive_accept_key;

const VERSIONS: Choices = &[
    "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1",
];
const STATUSES: Choices = &[
    "101", "101", "101", "101", "200", "404", "302", "99", "1010", "abc", "",
];
const REASONS: Choices = &["Switching Protocols", "", "\u{e9}", "a b c"];
/// `ACCEPT` stands for the answer to the key.
const FIELDS: &[(&str, Choices)] = &[
    (
        "Upgrade",
        &["websocket", "WebSocket", "websocket, h2c", "h2c", "", "-"],
    ),
    (
        "Connection",
        &["Upgrade", "keep-alive, upgrade", "close", "", "-"],
    ),
    (
        "Sec-WebSocket-Accept",
        &[
            "ACCEPT",
            " ACCEPT ",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "",
            "-",
        ],
    ),
    (
        "Sec-WebSocket-Protocol",
        &["-", "chat", "", "Chat", "mqtt", "chat, mqtt", "a b"],
    ),
    (
        "Sec-WebSocket-Extensions",
        &[
            "-",
            "foo",
            "foo; a=b",
            "foo, foo",
            "bar",
            "permessage-deflate",
            "",
            ",",
            "foo;",
        ],
    ),
    ("Content-Length", &["-", "-", "0", "3"]),
    ("Set-Cookie", &["-", "a=b", "\u{e9}"]),
];

/// A client that waits for its response, and the answer to its key.
fn client() -> (Endpoint, String) {
    let request = ClientRequest::new("ws://a.test/").expect("a URI");
    let request = request.subprotocol("chat").expect("a token");
    let request = request.extension(Extension::new("foo").expect("a token"), false);
    let (config, mut out) = (Config::default(), BytesMut::new());
    let client = Endpoint::client(&request, &config, [7; 32], Duration::ZERO, &mut out);
    let text = String::from_utf8(out.to_vec()).expect("ASCII");
    let (_, after) = text.split_once("Sec-WebSocket-Key: ").expect("a key");
    (client, derive_accept_key(&after.as_bytes()[..24]))
}

fn ours(mut client: Endpoint, head: &[u8], longest: usize) -> Judged {
    let (mut bytes, mut out) = (head.to_vec(), BytesMut::new());
    for piece in bytes.chunks_mut(longest) {
        match client.receive(&mut Input(piece), Duration::ZERO, &mut out) {
            None => {}
            Some(Event::Opened(_)) => return Judged::Taken,
            Some(Event::Refused(error)) => return Judged::Refused(Some(*error)),
            Some(event) => panic!("{event:?} in an opening handshake"),
        }
    }
    // The end of the transport may end a refusal.
    client.receive_eof();
    match client.tick(Duration::ZERO, &mut out) {
        Tick::Done(End::Refused(HandshakeError::TransportEnded { .. })) => Judged::Waits,
        Tick::Done(End::Refused(error)) => Judged::Refused(Some(error)),
        other => panic!("{other:?} after the end of the transport"),
    }
}

/// Compares responses. Returns how many opened.
pub fn run(seeds: Range<u64>) -> u64 {
    let mut taken = 0;
    for seed in seeds {
        let mut random = Rng::with_seed(seed);
        let head = made(&mut random, [VERSIONS, STATUSES, REASONS], FIELDS);
        let (at_once, accept) = client();
        let head = String::from_utf8_lossy(&head)
            .replace("ACCEPT", &accept)
            .into_bytes();
        let simple = |judged: Judged| match judged {
            Judged::Refused(_) => Judged::Refused(None),
            other => other,
        };
        let judged = simple(ours(at_once, &head, head.len().max(1)));
        let cut = simple(ours(client().0, &head, random.usize(1..20)));
        let text = String::from_utf8_lossy(&head);
        assert_eq!(judged, cut, "seed {seed}: however it is cut: {text:?}");
        assert_eq!(
            judged,
            plain::response(&head, &accept),
            "seed {seed}: {text:?}"
        );
        taken += u64::from(judged == Judged::Taken);
    }
    taken
}
