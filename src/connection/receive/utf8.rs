//! Checks text as it arrives (RFC 6455, section 8.1; RFC 3629).
//!
//! Invariant: every byte is looked at once, and the first one that cannot be part of valid UTF-8 is
//! an error at once.

use alloc::string::String;
use arrayvec::ArrayVec;
use ascii::AsciiStr;

/// The bytes were not valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidUtf8;

/// From this many bytes on the UTF-8 validator uses vectors; below, it works nearly byte by byte.
/// Most short messages are ASCII, which is faster to check.
const SHORT: usize = 64;

/// Checks text that is complete.
#[inline]
pub(super) fn check(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    if bytes.len() < SHORT
        && let Ok(text) = AsciiStr::from_ascii(bytes)
    {
        return Ok(text.as_str());
    }
    simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8)
}

/// The start of a character whose other bytes have not arrived yet.
#[derive(Clone, Default)]
pub(super) struct PartialChar(ArrayVec<u8, 4>);

impl PartialChar {
    /// Appends `piece` to `text`, except a character that it cuts, which is kept.
    pub(super) fn append(
        &mut self,
        mut piece: &[u8],
        text: &mut String,
    ) -> Result<(), InvalidUtf8> {
        while !self.is_empty() {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            text.extend(self.push(byte)?);
        }
        text.push_str(self.cut(piece)?);
        Ok(())
    }

    /// The complete characters of a piece that starts where a character does; one that it cuts is
    /// kept.
    pub(super) fn cut<'p>(&mut self, piece: &'p [u8]) -> Result<&'p str, InvalidUtf8> {
        let (complete, cut) = piece.split_at(piece.len() - cut_len(piece));
        let complete = check(complete)?;
        for &byte in cut {
            self.push(byte)?;
        }
        Ok(complete)
    }

    /// The bytes that are kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number of bytes that are kept.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that the text does not end inside a character.
    pub(super) const fn finish(&self) -> Result<(), InvalidUtf8> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(InvalidUtf8)
        }
    }

    /// Adds a byte, and returns the character if that makes it complete.
    fn push(&mut self, byte: u8) -> Result<Option<char>, InvalidUtf8> {
        // A character has at most 4 bytes, and the fourth ends it one way or the other.
        self.0.try_push(byte).map_err(|_| InvalidUtf8)?;
        match core::str::from_utf8(&self.0) {
            Ok(character) => {
                let character = character.chars().next();
                self.0.clear();
                Ok(character)
            }
            Err(error) if error.error_len().is_none() => Ok(None),
            Err(_) => Err(InvalidUtf8),
        }
    }
}

/// The number of bytes at the end of `piece` that belong to a character which continues after it.
fn cut_len(piece: &[u8]) -> usize {
    for (after, &byte) in piece.iter().rev().take(3).enumerate() {
        let needed = match byte {
            0x80..0xc0 => continue,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
            ..0x80 => 1,
        };
        let here = after + 1;
        return if needed > here { here } else { 0 };
    }
    0
}
