//! Checks text as it arrives (RFC 6455, section 8.1; RFC 3629). Its law: every octet is looked
//! at once, and the first one that cannot be part of valid UTF-8 is an error at once.

use alloc::string::String;
use ascii::AsciiStr;

/// The octets were not valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

/// The vectors of the UTF-8 validator begin at this size, in octets: what is shorter it checks
/// nearly octet by octet. Most short messages are ASCII, which is seen sooner.
const SHORT: usize = 64;

/// Checks octets that are there as a whole.
#[inline]
pub(crate) fn check(octets: &[u8]) -> Result<&str, InvalidUtf8> {
    if octets.len() < SHORT
        && let Ok(text) = AsciiStr::from_ascii(octets)
    {
        return Ok(text.as_str());
    }
    simdutf8::basic::from_utf8(octets).map_err(|_| InvalidUtf8)
}

/// The beginning of a character whose other octets have not arrived yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartialChar {
    octets: [u8; 4],
    len: u8,
}

impl PartialChar {
    /// Appends `piece` to `text` but for a character that it cuts off, which is kept.
    pub(crate) fn append(
        &mut self,
        mut piece: &[u8],
        text: &mut String,
    ) -> Result<(), InvalidUtf8> {
        while self.len > 0 {
            let Some((&octet, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            text.extend(self.push(octet)?);
        }
        text.push_str(self.cut(piece)?);
        Ok(())
    }

    /// What is whole of a piece that begins where a character does; one that it cuts off is kept.
    pub(crate) fn cut<'p>(&mut self, piece: &'p [u8]) -> Result<&'p str, InvalidUtf8> {
        let (whole, cut_off) = piece.split_at(piece.len() - cut_off(piece));
        let whole = check(whole)?;
        for &octet in cut_off {
            self.push(octet)?;
        }
        Ok(whole)
    }

    /// The octets that are kept.
    pub(crate) fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many octets are kept.
    pub(crate) const fn len(self) -> usize {
        self.len as usize
    }

    /// The text ends here: not inside a character, if it is valid.
    pub(crate) fn finish(self) -> Result<(), InvalidUtf8> {
        if self.len == 0 {
            Ok(())
        } else {
            Err(InvalidUtf8)
        }
    }

    /// Adds an octet, and returns the character if that makes it whole.
    fn push(&mut self, octet: u8) -> Result<Option<char>, InvalidUtf8> {
        // A character has at most 4 octets, and the fourth ends it one way or the other.
        let end = usize::from(self.len);
        let (Some(place), Some(so_far)) = (self.octets.get_mut(end), end.checked_add(1)) else {
            return Err(InvalidUtf8);
        };
        *place = octet;
        self.len += 1;
        match core::str::from_utf8(self.octets.get(..so_far).unwrap_or_default()) {
            Ok(character) => {
                self.len = 0;
                Ok(character.chars().next())
            }
            Err(error) if error.error_len().is_none() => Ok(None),
            Err(_) => Err(InvalidUtf8),
        }
    }
}

/// How many octets at the end of `piece` begin a character that goes on behind it.
fn cut_off(piece: &[u8]) -> usize {
    for (behind, &octet) in piece.iter().rev().take(3).enumerate() {
        let needed = match octet {
            0x80..0xc0 => continue,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
            ..0x80 => 1,
        };
        let there = behind + 1;
        return if needed > there { there } else { 0 };
    }
    0
}
