//! Names of people and rooms.
//!
//! Invariant: a name has nothing that is invisible, turns text around or is markup.

use crate::limits;
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::sync::Arc;

/// The name of a person or a room. A clone shares it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Name(Arc<str>);

impl Name {
    pub(crate) fn of_person(name: &str) -> Option<Self> {
        Self::checked(name, limits::NAME)
    }

    pub(crate) fn of_room(name: &str) -> Option<Self> {
        Self::checked(name, limits::ROOM_NAME)
    }

    /// Bytes are counted first: the characters of a long name are not looked at.
    fn checked(name: &str, most: usize) -> Option<Self> {
        let is_short = name.len() <= most * 4 && name.chars().count() <= most;
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '\'' | ' ');
        let is_name = is_short
            && !name.is_empty()
            && name.trim() == name
            && name.chars().any(char::is_alphanumeric)
            && name.chars().all(inside);
        is_name.then(|| Self(name.into()))
    }

    /// The same for all names that differ only in upper and lower case.
    pub(crate) fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in [
            "Ada",
            "O'Brien",
            "日本語",
            "Jürgen K.",
            "a-b_c",
            &"ü".repeat(32),
        ] {
            assert!(Name::of_person(good).is_some(), "{good}");
        }
        let long = "x".repeat(33);
        for bad in [
            "",
            " ",
            "...",
            " Ada",
            "Ada ",
            "<b>",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\nb",
            "a&b",
            "a\"b",
            &long,
        ] {
            assert!(Name::of_person(bad).is_none(), "{bad}");
        }
        assert!(Name::of_room(&long).is_some());
        assert!(Name::of_room(&"x".repeat(1 << 20)).is_none());
        assert_eq!(Name::of_person("ÄDA").unwrap().folded(), "äda");
    }
}
