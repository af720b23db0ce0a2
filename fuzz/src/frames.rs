//! Headers of frames and masks (RFC 6455, sections 5.2 and 5.3).
//!
//! Invariant: what a header says, or breaks, depends on its bytes only, never on where they are cut.

use crate::script::Script;
use crate::support::xor;
use bytes::BytesMut;
use sansocket::Role;
use sansocket::frame::{Header, Mask, Opcode};

const OPCODES: [Opcode; 6] = [
    Opcode::Text,
    Opcode::Binary,
    Opcode::Continuation,
    Opcode::Close,
    Opcode::Ping,
    Opcode::Pong,
];

/// Headers are read from the bytes, and made from them.
pub fn frames(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let role = script.one_of(&[Role::Server, Role::Client]);
    let rsv1 = script.flag();
    reads(bytes, role, rsv1);
    writes(&mut script, bytes);
    masks(&mut script, bytes);
}

fn reads(bytes: &[u8], role: Role, rsv1: bool) {
    let all = Header::parse(bytes, role, rsv1);
    let mut judged = false;
    for len in 0..=bytes.len().min(15) {
        let cut = Header::parse(&bytes[..len], role, rsv1);
        assert!(!judged || cut == all, "a verdict is never taken back");
        judged = cut != Ok(None);
        assert!(
            !judged || cut == all,
            "the rest of the bytes changes nothing"
        );
    }
    assert!(
        judged || bytes.len() < 14,
        "14 bytes are enough for a verdict"
    );
    if let Ok(Some((header, len))) = all {
        assert_eq!(header.masking_key.is_some(), role == Role::Server);
        let mut again = BytesMut::new();
        header.encode(&mut again);
        assert_eq!(again, bytes[..len], "one form for each header");
    }
}

/// What we write, the other role reads.
fn writes(script: &mut Script<'_>, bytes: &[u8]) {
    let opcode = script.one_of(&OPCODES);
    let is_control = opcode.is_control();
    let mut number = [0; 8];
    let known = bytes.len().min(8);
    number[8 - known..].copy_from_slice(&bytes[..known]);
    let bits = [7, 8, 16, 17, 32, 63][script.below(6)];
    let len = u64::from_be_bytes(number) & ((1 << bits) - 1);
    let key = bytes.first_chunk::<4>().filter(|_| script.flag()).copied();
    let header = Header {
        fin: is_control || script.flag(),
        rsv1: matches!(opcode, Opcode::Text | Opcode::Binary) && script.flag(),
        opcode,
        masking_key: key,
        payload_len: if is_control { len.min(125) } else { len },
    };
    let mut out = BytesMut::new();
    header.encode(&mut out);
    assert!(out.len() <= 14);
    let reader = if key.is_some() {
        Role::Server
    } else {
        Role::Client
    };
    assert_eq!(
        Header::parse(&out, reader, true),
        Ok(Some((header, out.len())))
    );
}

fn masks(script: &mut Script<'_>, bytes: &[u8]) {
    let key = [(); 4].map(|()| script.byte());
    let expected = xor(bytes, key);
    let (mut data, mut mask) = (bytes.to_vec(), Mask::new(key));
    let mut rest = &mut data[..];
    while !rest.is_empty() {
        let (part, after) = rest.split_at_mut(script.cut(rest.len()).max(1));
        mask.apply(part);
        rest = after;
    }
    assert_eq!(data, expected, "a mask may be cut anywhere");
    Mask::new(key).apply(&mut data);
    assert_eq!(data, bytes, "twice is nothing");
}
