//! Random settings and payloads, and both ways to receive.
//!
//! Invariant: the same seed gives the same run.
#![allow(unreachable_pub, reason = "a module of tests")]

use super::support::{Random, settings};
use bytes::BytesMut;
use sansocket::{Connection, Deliver, Event, Input, Settings};
use std::ops::Range;

/// The seeds of `default` rounds, or what the environment says: `SANSOCKET_ROUNDS`, from `SANSOCKET_SEED` on.
pub fn rounds(default: u64) -> Range<u64> {
    let named = |name| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let first: u64 = named("SANSOCKET_SEED").unwrap_or(0);
    first..first + named("SANSOCKET_ROUNDS").unwrap_or(default)
}

/// Random settings; with `limits`, some limits are near the sizes of messages.
pub fn any_settings(random: &mut Random, limits: bool) -> Settings {
    settings(|s| {
        s.deliver = [Deliver::Complete, Deliver::InPlace, Deliver::Pieces][random.below(3)];
        if limits && random.below(8) == 0 {
            s.max_message_size = random.below(300) as u64;
            s.max_fragments = random.below(5) as u32;
        }
        s.compress = random.below(2) == 0;
        s.answer_pings = random.below(2) == 0;
        s.answer_close = random.below(2) == 0;
    })
}

/// A random payload, seldom a long one.
pub fn payload(random: &mut Random, is_text: bool) -> Vec<u8> {
    const PARTS: [&str; 6] = ["a", "seven b", "ß", "€", "𝄞", "日本語 and some more"];
    let len = match random.below(40) {
        0 => 65_530 + random.below(12),
        1 => 16_380 + random.below(9),
        2 => 120 + random.below(12),
        3..8 => random.below(700),
        _ => random.below(24),
    };
    if !is_text {
        return (0..len).map(|_| random.below(256) as u8).collect();
    }
    let mut text = String::new();
    while text.len() < len {
        text.push_str(PARTS[random.below(PARTS.len())]);
    }
    text.into_bytes()
}

/// The next event, by either way to receive; taken bytes leave the buffer.
pub fn receive_either(
    ws: &mut Connection,
    random: &mut Random,
    buffer: &mut BytesMut,
    out: &mut BytesMut,
) -> Option<Event<'static>> {
    if random.below(2) == 0 {
        return ws.receive_owned(buffer, out);
    }
    let before = buffer.len();
    let mut input = Input(buffer);
    let event = ws.receive(&mut input, out).map(Event::into_owned);
    let left = input.0.len();
    let _ = buffer.split_to(before - left);
    event
}
