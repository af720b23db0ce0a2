//! What `Debug` and the texts of errors show of a head.
//!
//! Invariant: the value of a field is shown only if its name is known to be harmless, and a URI never
//! with its userinfo or query.

use alloc::string::String;
use core::fmt;

/// Fields that hold no secret in any honest use. An application may name its own fields as it likes,
/// so all others are hidden: a list of those that do hold secrets would never be complete.
const HARMLESS: [&str; 24] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "retry-after",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-websocket-version",
    "server",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
];

/// The value of the field of this name, or only its length.
pub(super) struct Value<'v>(pub(super) &'v str, pub(super) &'v [u8]);

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, value) = *self;
        if !HARMLESS
            .iter()
            .any(|shown| shown.eq_ignore_ascii_case(name))
        {
            return Hidden(value).fmt(f);
        }
        // Whoever writes more than an origin into `Origin` may write a secret.
        let text = String::from_utf8_lossy(value);
        let is_origin = name.eq_ignore_ascii_case("origin");
        let text = if is_origin {
            without_secrets(&text)
        } else {
            &text
        };
        write!(f, "{text:?}")
    }
}

/// A value of which only the length is shown.
pub(super) struct Hidden<T>(pub(super) T);

impl<T: AsRef<[u8]>> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.as_ref().len())
    }
}

/// Values of which only the lengths are shown.
pub(super) struct AllHidden<'v, T>(pub(super) &'v [T]);

impl<T: AsRef<[u8]>> fmt::Debug for AllHidden<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(Hidden)).finish()
    }
}

/// The part of a URI or origin before its query: a text that has no secret, unless the path does.
///
/// With an `@` anywhere nothing is shown: in a malformed URI userinfo cannot be told from the rest.
pub(super) fn without_secrets(uri: &str) -> &str {
    if uri.contains('@') {
        return "…";
    }
    uri.split(['?', '#']).next().unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn the_list_is_in_order() {
        assert!(HARMLESS.is_sorted());
    }

    #[test]
    fn only_known_values_are_shown() {
        for (name, value, shown) in [
            ("User-Agent", "a \"b\"", r#""a \"b\"""#),
            ("X-Api-Key", "sesame", "(6 bytes)"),
            ("COOKIE", "sesame", "(6 bytes)"),
            ("Sec-WebSocket-Protocol", "a, sesame", "(9 bytes)"),
            ("origin", "https://me:sesame@a", "\"…\""),
            ("Origin", "https://a:1", "\"https://a:1\""),
        ] {
            let value = Value(name, value.as_bytes());
            assert_eq!(format!("{value:?}"), shown);
        }
    }

    #[test]
    fn a_uri_is_shown_without_what_may_be_secret() {
        for (uri, shown) in [
            ("wss://a/b?c#d", "wss://a/b"),
            ("/b#c?d", "/b"),
            ("wss://me:pw@a/b", "…"),
            ("wss://me:p?w@a/b", "…"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(uri), shown, "{uri}");
        }
    }
}
