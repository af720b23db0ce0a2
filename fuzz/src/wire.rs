//! The bytes of a peer: as they are, or put into frames.
//!
//! Invariant: nothing is judged here; what cannot be read ends the reading.

use crate::support::xor;
use sansocket::Role;

/// The frames of a peer of `receiver`, from a list `[first byte, length, payload]…`: mutations of it stay frames.
pub(crate) fn framed(receiver: Role, mut list: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    while let [first, len, rest @ ..] = list {
        // From 200 on a few hundred bytes, and those of the longer forms.
        let len = match *len {
            len @ ..200 => usize::from(len),
            len => usize::from(len - 199) * 1_187,
        };
        // What the list is too short for is made up, so that a short input has long messages.
        let (payload, rest) = rest.split_at(rest.len().min(len));
        let mut payload = payload.to_vec();
        payload.resize(len, b'x');
        frame(receiver, *first, &payload, &mut wire);
        list = rest;
    }
    wire
}

/// A frame as a peer of `receiver` sends it.
pub(crate) fn frame(receiver: Role, first: u8, payload: &[u8], wire: &mut Vec<u8>) {
    let masked = if receiver == Role::Server { 0x80 } else { 0 };
    wire.push(first);
    match payload.len() {
        len @ ..126 => wire.push(masked | len as u8),
        len @ ..0x1_0000 => {
            wire.push(masked | 126);
            wire.extend((len as u16).to_be_bytes());
        }
        len => {
            wire.push(masked | 127);
            wire.extend((len as u64).to_be_bytes());
        }
    }
    match receiver {
        Role::Server => {
            let key = [wire.len() as u8, 0x5a, payload.len() as u8, 0xc3];
            wire.extend(key);
            wire.extend(xor(payload, key));
        }
        Role::Client => wire.extend(payload),
    }
}

/// Where each message is under way: from the end of its first header to its last byte.
pub(crate) fn spans(receiver: Role, wire: &[u8]) -> Vec<(usize, usize)> {
    let (mut spans, mut at, mut is_open) = (Vec::new(), 0, false);
    while let Some([first, second]) = wire.get(at..).and_then(|rest| rest.first_chunk()) {
        let digits = [2, 8].get(usize::from(second & 0x7f).wrapping_sub(126));
        let digits = digits.copied().unwrap_or(0);
        let len = match wire.get(at + 2..at + 2 + digits) {
            Some([]) => u64::from(second & 0x7f),
            Some(len) => len.iter().fold(0, |len, b| len << 8 | u64::from(*b)),
            None => break,
        };
        let key = if receiver == Role::Server { 4 } else { 0 };
        let start = at + 2 + digits + key;
        let opcode = first & 15;
        if matches!(opcode, 1 | 2) && !is_open {
            spans.push((start, usize::MAX));
            is_open = true;
        }
        let Some(end) = usize::try_from(len)
            .ok()
            .and_then(|len| start.checked_add(len))
        else {
            break;
        };
        if end > wire.len() {
            break;
        }
        at = end;
        if opcode < 8 && first & 0x80 != 0 && is_open {
            is_open = false;
            if let Some((_, last)) = spans.last_mut() {
                *last = at;
            }
        }
    }
    spans
}
