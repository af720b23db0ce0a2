//! Logins: a name, and a token that says whose it is.
//!
//! Invariant: a token is good only as the server made it, and only until its time is over.

use crate::name::Name;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a token is good, in days.
pub(crate) const DAYS: u64 = 30;

/// Makes and checks tokens.
pub(crate) struct Tokens(Hmac<Sha256>);

/// Who has logged in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: Name,
    /// Tells this login from all others: whoever knows it may have the name again.
    pub(crate) owner: String,
}

impl Tokens {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("a key may have any length"))
    }

    /// `name.owner.until.signature`, the name in Base64.
    pub(crate) fn make(&self, person: &Person) -> String {
        self.make_until(person, now() + DAYS * 24 * 3600)
    }

    fn make_until(&self, person: &Person, until: u64) -> String {
        let name = BASE64.encode(person.name.as_bytes());
        let signed = format!("{name}.{}.{until}", person.owner);
        let signature = self.0.clone().chain_update(&signed).finalize();
        format!("{signed}.{}", BASE64.encode(signature.into_bytes()))
    }

    /// Whose token it is, if it is good.
    pub(crate) fn check(&self, token: &str) -> Option<Person> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        // Takes a time that does not tell where they differ.
        let mac = self.0.clone().chain_update(signed);
        mac.verify_slice(&signature).ok()?;
        let mut parts = signed.split('.');
        let name = BASE64.decode(parts.next()?).ok()?;
        let owner = parts.next()?.to_owned();
        let until: u64 = parts.next()?.parse().ok()?;
        let name = Name::of_person(std::str::from_utf8(&name).ok()?)?;
        (now() < until).then_some(Person { name, owner })
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Person {
        let name = Name::of_person(name).unwrap();
        let owner = "0123456789abcdef".into();
        Person { name, owner }
    }

    #[test]
    fn only_what_was_made_here_is_good() {
        let tokens = Tokens::new(&[7; 32]);
        let ada = tokens.make(&person("Ada B. Ü"));
        assert!(tokens.check(&ada) == Some(person("Ada B. Ü")));
        assert!(Tokens::new(&[8; 32]).check(&ada).is_none());
        for index in 0..ada.len() {
            let mut other = ada.clone().into_bytes();
            other[index] ^= 1;
            let other = String::from_utf8(other).unwrap();
            assert!(tokens.check(&other).is_none(), "{other}");
        }
        let (_, after_name) = ada.split_once('.').unwrap();
        let bob = format!("{}.{after_name}", BASE64.encode("Bob"));
        for forged in ["", ".", "...", &ada[1..], &bob, &format!("{ada}.{ada}")] {
            assert!(tokens.check(forged).is_none(), "{forged}");
        }
    }

    #[test]
    fn a_token_ends() {
        let tokens = Tokens::new(&[7; 32]);
        assert!(
            tokens
                .check(&tokens.make_until(&person("Ada"), now()))
                .is_none()
        );
        assert!(
            tokens
                .check(&tokens.make_until(&person("Ada"), now() + 60))
                .is_some()
        );
    }
}
