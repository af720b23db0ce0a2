//! Compressed messages (RFC 7692, section 7.2.2), beside a decoder that is written from RFC 1951 alone.
//!
//! Invariant: the same message, or both say that it is none; only a limit may end it before.

use crate::reading::connection;
use crate::script::Script;
use crate::support::deflate::{Oracle, Params, deflate};
use crate::wire::frame;
use bytes::BytesMut;
use sansocket::{Event, Input, ProtocolError, Role};

/// The longest message here; the decoder is slow.
const MAX: usize = 1 << 18;

/// The payloads of messages, one after the other: `[length, payload]…`.
pub fn inflate(data: &[u8]) {
    let (mut script, mut list) = Script::split(data);
    let params = Params {
        server_no_context_takeover: script.flag(),
        ..Params::default()
    };
    let shared = deflate(|d| d.max_pooled = script.one_of(&[16, 0]));
    let mut ws = connection(Role::Client, Some((&params, &shared)));
    ws.settings().max_message_size = MAX as u64;
    let mut oracle = Oracle::new(1 << 15);
    // What final blocks may cost: 64 bytes each.
    let mut credit = 64 * 64;
    while let [len, rest @ ..] = list {
        let len = match *len {
            // The last message has the rest.
            255 => rest.len(),
            len => usize::from(len).min(rest.len()),
        };
        let (payload, rest) = rest.split_at(len);
        list = rest;
        let mut wire = Vec::new();
        if script.flag() {
            let (start, end) = payload.split_at(script.cut(len));
            frame(Role::Client, 0x42, start, &mut wire);
            frame(Role::Client, 0x80, end, &mut wire);
        } else {
            frame(Role::Client, 0xc2, payload, &mut wire);
        }
        let expected = oracle.message(payload, !params.server_no_context_takeover);
        let (mut input, mut out) = (Input(&mut wire), BytesMut::new());
        let event = ws.receive(&mut input, &mut out);
        match (event, expected) {
            (Some(Event::Binary(message)), Ok(expected)) => {
                assert_eq!(*message, *expected);
                credit += 64 + len;
                let finals = oracle.blocks().bfinal;
                assert!(64 * finals <= credit, "{finals} final blocks");
            }
            (Some(Event::Failed(error)), expected) => {
                match (error, expected) {
                    (ProtocolError::TooManyFinalBlocks, _) => {
                        assert!(oracle.blocks().bfinal > 64, "one for each 64 bytes, and 64");
                    }
                    (ProtocolError::MessageTooBig { .. }, Ok(message)) => {
                        assert!(message.len() > MAX);
                    }
                    (ProtocolError::MessageTooBig { .. }, Err(_)) => {}
                    (
                        ProtocolError::CompressedDataInvalid | ProtocolError::CompressedDataCut,
                        Err(_),
                    ) => {}
                    (error, expected) => panic!("{error:?}, but {} bytes", expected.is_ok()),
                }
                return;
            }
            (event, expected) => panic!("{event:?}, but {expected:?}"),
        }
        assert!(input.0.is_empty(), "all is taken");
    }
}
