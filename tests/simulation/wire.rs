//! What one end has written, read by hand.
//!
//! Invariant: it shares no code with the crate (RFC 6455, section 5.2).

use sansocket::Role;

/// What the judge wants to know about the bytes of one direction.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// The code of the Close; 1005 if it has none.
    pub(crate) close: Option<u16>,
}

impl Wire {
    /// Reads frames up to the first that is not complete, and holds them against the rules.
    pub(crate) fn read(mut bytes: &[u8], sender: Role) -> Self {
        let mut wire = Self::default();
        let mut is_under_way = false;
        while let Some((first, len, key, rest)) = header(bytes, sender) {
            assert!(
                matches!(first & 0x3f, 0..=2 | 8..=10),
                "an opcode: {first:#x}"
            );
            let is_final = first & 0x80 != 0;
            assert!(
                wire.close.is_none() || first == 0x8a,
                "after the Close there is nothing but Pongs: {first:#x}"
            );
            match first & 0x0f {
                0 => {
                    assert!(is_under_way && first & 0x40 == 0, "a fragment");
                    is_under_way = !is_final;
                }
                1 | 2 => {
                    assert!(!is_under_way, "the fragments of two messages never mix");
                    is_under_way = !is_final;
                }
                _ => assert!(len <= 125 && first & 0xc0 == 0x80, "a control frame"),
            }
            let Some((payload, rest)) = rest.split_at_checked(len) else {
                break;
            };
            if first == 0x88 {
                let code = match payload {
                    [] => 1005,
                    [a, b, ..] => u16::from_be_bytes([a ^ key[0], b ^ key[1]]),
                    [_] => panic!("half a code"),
                };
                wire.close = Some(code);
            }
            bytes = rest;
        }
        wire
    }
}

/// The first byte of a frame, the length of its payload, its key and what follows.
fn header(bytes: &[u8], sender: Role) -> Option<(u8, usize, [u8; 4], &[u8])> {
    let ([first, second], rest) = bytes.split_first_chunk()?;
    let is_masked = second & 0x80 != 0;
    assert_eq!(is_masked, sender == Role::Client, "masked by clients only");
    let (len, rest) = match second & 0x7f {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u16::from_be_bytes(*len).into(), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*len) as usize, rest)
        }
        len => (len.into(), rest),
    };
    let (key, rest) = match sender {
        Role::Client => rest.split_first_chunk()?,
        Role::Server => (&[0; 4], rest),
    };
    Some((*first, len, *key, rest))
}
