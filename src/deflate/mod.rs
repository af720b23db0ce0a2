//! permessage-deflate (RFC 7692): compresses and inflates the payloads of messages. Its law: a
//! state exists only while it is needed, and what a peer's octets inflate to is bounded before it
//! is written.
//!
//! The codec is `zlib-rs`. It keeps no context that this module could not rebuild: what a
//! receiver must remember between messages is the window alone, see [`inflate`].

mod classes;
mod compress;
mod inflate;
mod params;
mod pool;
mod settings;

pub use params::{DeflateParams, WindowBits};
pub use settings::{Deflate, DeflateConfig};

pub(crate) use classes::PerClass;
pub(crate) use compress::Compression;
pub(crate) use inflate::{Inflation, Sink};

use alloc::boxed::Box;
use params::Terms;

/// One direction of a connection, which owns no heap memory before its first compressed message.
#[derive(Debug)]
enum Direction<T> {
    /// permessage-deflate was not agreed on.
    Off,
    /// Agreed on, and not used yet.
    Agreed(Deflate, Terms),
    Begun(Box<T>),
}

impl<T> Direction<T> {
    #[inline]
    const fn is_agreed(&self) -> bool {
        !matches!(self, Self::Off)
    }

    const fn get(&self) -> Option<&T> {
        match self {
            Self::Begun(state) => Some(state),
            Self::Off | Self::Agreed(..) => None,
        }
    }

    /// The state, which `new` makes the first time; `None` if there is nothing to use it for.
    fn begin(&mut self, new: impl FnOnce(Deflate, Terms) -> T) -> Option<&mut T> {
        if let Self::Agreed(deflate, terms) = self {
            *self = Self::Begun(Box::new(new(deflate.clone(), *terms)));
        }
        match self {
            Self::Begun(state) => Some(state),
            Self::Off | Self::Agreed(..) => None,
        }
    }
}
