//! The core, fed at once and in cuts.
//!
//! Invariant: the cuts change nothing, or the program fails.

use crate::sessions::Session;
use crate::verdict::{End, Message, Verdict};
use bytes::BytesMut;
use fastrand::Rng;
use sansocket::{Connection, Deflate, Event, Extension, Input, ProtocolError, Role, Settings};

/// The verdict, and the rule if one was broken.
pub fn run(session: &Session, random: &mut Rng) -> (Verdict, Option<ProtocolError>) {
    let at_once = feed(session, None);
    let cut = feed(session, Some(random));
    assert_eq!(at_once, cut, "however the bytes are cut");
    at_once
}

fn feed(session: &Session, mut cuts: Option<&mut Rng>) -> (Verdict, Option<ProtocolError>) {
    let mut ws = match session.role {
        Role::Server => Connection::server(Settings::default()),
        Role::Client => Connection::client(Settings::default(), [7; 32]),
    };
    if session.has_deflate {
        let agreed = Extension::new(Deflate::NAME).expect("a token");
        ws = ws
            .with_deflate(&Deflate::default(), &agreed)
            .expect("an answer");
    }
    let mut bytes = session.bytes.clone();
    let (mut rest, mut out) = (&mut bytes[..], BytesMut::new());
    let mut verdict = Verdict {
        messages: Vec::new(),
        end: End::Open,
    };
    let mut broken = None;
    loop {
        let left = rest.len();
        let len = cuts
            .as_mut()
            .map_or(left, |random| random.usize(0..=left.min(300)));
        let (piece, after) = rest.split_at_mut(len);
        let mut input = Input(piece);
        while let Some(event) = ws.receive(&mut input, &mut out) {
            assert_eq!(verdict.end, End::Open, "{event:?} after the end");
            match event {
                Event::Text(text) => {
                    verdict.messages.push(Message::new(true, text.as_bytes()));
                }
                Event::Binary(data) => verdict.messages.push(Message::new(false, &data)),
                Event::Close { code, .. } => verdict.end = End::Closed(code.0),
                Event::Failed(error) => {
                    verdict.end = End::Failed(error.close_code().0);
                    broken = Some(error);
                }
                _ => {}
            }
        }
        rest = after;
        if rest.is_empty() {
            return (verdict, broken);
        }
    }
}
