//! What connections compress alike. Its law: two compressors of one class make the same octets of
//! the same message, and what is kept for a class is made once.

extern crate std;

use super::params::WindowBits;
use super::settings::DeflateConfig;
use alloc::boxed::Box;
use std::sync::OnceLock;

/// All that the octets depend on which a message by itself is compressed to.
///
/// There are 7 * 9 * 9 of them, and 7 for one set of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(super) window_bits: u8,
    pub(super) level: u8,
    pub(super) mem_level: u8,
}

impl Class {
    pub(super) fn new(config: &DeflateConfig, window: WindowBits) -> Self {
        Self {
            // Less than 9 bits the codec does not take; with 9 it refers back no further than
            // 512 - 262 octets, so that a peer with 8 bits, 256 octets, can follow.
            window_bits: window.get().max(9),
            level: config.level.clamp(1, 9),
            mem_level: config.mem_level.clamp(1, 9),
        }
    }
}

/// One value for each class that has asked for it.
///
/// A list that only grows: who reads it takes no lock, and what was found in it stays where it is.
/// Whoever asks for a value that is being made waits for it; other classes do not.
#[derive(Debug)]
pub(crate) struct PerClass<T>(OnceLock<Box<Entry<T>>>);

#[derive(Debug)]
struct Entry<T> {
    class: Class,
    value: OnceLock<T>,
    next: PerClass<T>,
}

impl<T> PerClass<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value for this class, which `make` makes the first time.
    pub(crate) fn get_or_make(&self, class: Class, make: impl FnOnce() -> T) -> &T {
        let mut place = self;
        loop {
            let entry = place.0.get_or_init(|| {
                Box::new(Entry {
                    class,
                    value: OnceLock::new(),
                    next: Self::new(),
                })
            });
            // Another thread may have put another class here.
            if entry.class == class {
                return entry.value.get_or_init(make);
            }
            place = &entry.next;
        }
    }
}
