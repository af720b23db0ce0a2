//! Text to compress.
//!
//! Invariant: the same length is the same text.

use std::fmt::Write;

/// Text that compresses like what applications send.
pub(crate) fn json(size: usize) -> String {
    let mut text = String::from("[");
    let mut number = 1_u32;
    while text.len() < size {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = write!(text, r#"{{"id":{number},"price":{}}},"#, number >> 20);
    }
    text.truncate(size);
    text
}
