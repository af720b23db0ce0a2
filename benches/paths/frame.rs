//! What a peer sends.
//!
//! Invariant: it can be read again and again.

use sansocket::Role;

/// A frame for an endpoint in this role.
pub(crate) fn frame(role: Role, first: u8, size: usize) -> Vec<u8> {
    let masked = if role == Role::Server { 0x80 } else { 0 };
    let mut frame = vec![first];
    match size {
        0..126 => frame.push(masked | size as u8),
        _ => frame.extend([masked | 126, (size >> 8) as u8, size as u8]),
    }
    if masked > 0 {
        // The masking key is zero, so that the frame can be read again.
        frame.extend([0; 4]);
    }
    frame.resize(frame.len() + size, b'x');
    frame
}
