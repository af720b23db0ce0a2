//! Classes of connections that compress in the same way, and one value for each class.
//!
//! Invariant: two compressors of one class make the same bytes of the same message, and the value
//! for a class is made once.

extern crate std;

use super::params::Window;
use alloc::boxed::Box;
use std::sync::OnceLock;

/// Everything that determines the compressed form of a message on its own.
///
/// There are 7 * 9 * 9 of them, and 7 for one set of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    window: Window,
    /// The level and the level of memory, in 4 bits each.
    effort: u8,
}

impl Class {
    /// Levels below 1 and above 9 count as the nearest of these.
    pub(super) fn new(window: Window, level: u8, mem_level: u8) -> Self {
        Self {
            // The codec does not accept less than 9 bits. With 9 it refers back at most
            // 512 - 262 bytes, so that a peer with 8 bits, 256 bytes, can follow.
            window: window.max(Window::Bits9),
            effort: (level.clamp(1, 9) << 4) | mem_level.clamp(1, 9),
        }
    }

    pub(super) const fn window_bits(self) -> u8 {
        self.window.bits()
    }

    pub(super) const fn level(self) -> u8 {
        self.effort >> 4
    }

    pub(super) const fn mem_level(self) -> u8 {
        self.effort & 0x0f
    }
}

/// One value for each class that has asked for it.
///
/// A list that only grows: reading it takes no lock, and an entry stays where it is. A caller that
/// asks for a value that is being made waits for it; other classes do not.
pub(super) struct PerClass<T>(OnceLock<Box<Entry<T>>>);

struct Entry<T> {
    class: Class,
    value: OnceLock<T>,
    next: PerClass<T>,
}

impl<T> PerClass<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value for this class, which `make` makes the first time.
    pub(super) fn get_or_make(&self, class: Class, make: impl FnOnce() -> T) -> &T {
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
