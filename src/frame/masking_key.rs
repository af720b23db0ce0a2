//! Masking keys made of a seed (RFC 6455, sections 5.3 and 10.3).
//!
//! Invariant: no key is used twice, and neither earlier keys nor the state reveal anything about
//! other keys.

use chacha20::cipher::{KeyIvInit, StreamCipherCore};
use chacha20::variants::Ietf;
use chacha20::{ChaChaCore, R8};
use core::fmt;

/// An endless sequence of unpredictable bytes, made from a seed by the ChaCha8 stream cipher.
///
/// Each 64 bytes of key stream are used half as the next cipher key and half as output, so
/// that what was given out cannot be computed again from the state ("fast key erasure").
#[derive(Clone)]
pub(crate) struct MaskingKeys {
    cipher_key: [u8; 32],
    output: [u8; 32],
    used: u8,
}

impl MaskingKeys {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self {
            cipher_key: seed,
            output: [0; 32],
            used: 32,
        }
    }

    /// The key for the next frame.
    #[inline]
    pub(crate) fn next_key(&mut self) -> [u8; 4] {
        loop {
            let fresh = self.output.get(usize::from(self.used)..);
            if let Some(key) = fresh.and_then(<[u8]>::first_chunk::<4>) {
                self.used += 4;
                return *key;
            }
            self.refill();
        }
    }

    /// 16 bytes: the nonce of an opening handshake (RFC 6455, section 4.1).
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        for part in nonce.as_chunks_mut::<4>().0 {
            *part = self.next_key();
        }
        nonce
    }

    #[cold]
    fn refill(&mut self) {
        let mut cipher = ChaChaCore::<R8, Ietf>::new(&self.cipher_key.into(), &[0; 12].into());
        let mut block = [0; 64].into();
        cipher.write_keystream_block(&mut block);
        let (cipher_key, output) = block.split_at(32);
        self.cipher_key.copy_from_slice(cipher_key);
        self.output.copy_from_slice(output);
        self.used = 0;
    }
}

impl fmt::Debug for MaskingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskingKeys(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn keys_do_not_repeat_and_depend_on_the_seed() {
        let mut keys = MaskingKeys::new([7; 32]);
        let row: BTreeSet<_> = (0..2_000).map(|_| keys.next_key()).collect();
        // 2,000 of 2^32 keys: a collision by chance has probability 1 in 2,000, and this
        // seed has none.
        assert_eq!(row.len(), 2_000);
        assert_ne!(
            MaskingKeys::new([7; 32]).next_key(),
            MaskingKeys::new([8; 32]).next_key()
        );
        assert_eq!(
            MaskingKeys::new([7; 32]).nonce(),
            MaskingKeys::new([7; 32]).nonce()
        );
    }

    #[test]
    fn a_debug_print_shows_no_key() {
        let mut keys = MaskingKeys::new([7; 32]);
        keys.next_key();
        assert_eq!(alloc::format!("{keys:?}"), "MaskingKeys(secret)");
    }
}
