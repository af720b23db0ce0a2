//! permessage-deflate (RFC 7692): compresses and inflates the payloads of messages.
//!
//! Invariant: a state exists only while it is needed, and what a peer's bytes inflate to is bounded
//! before it is written.
//!
//! The codec is `zlib-rs`. It keeps no context that this module could not rebuild: between messages
//! a receiver must remember the window alone, see `History`.
//!
//! Without the feature `deflate`, `off` stands in: types of the same shape, of no size, with
//! methods that the compiler removes. So `connection/` is one code for both.

mod cached;
mod sink;

#[cfg(feature = "deflate")]
mod class;
#[cfg(feature = "deflate")]
mod compress;
#[cfg(feature = "deflate")]
mod compressor;
#[cfg(feature = "deflate")]
mod direction;
#[cfg(feature = "deflate")]
mod frames;
#[cfg(feature = "deflate")]
mod history;
#[cfg(feature = "deflate")]
mod inflate;
#[cfg(feature = "deflate")]
mod inflater;
#[cfg(feature = "deflate")]
mod params;
#[cfg(feature = "deflate")]
mod pool;
#[cfg(feature = "deflate")]
mod settings;

#[cfg(not(feature = "deflate"))]
mod off;

pub(crate) use cached::Cached;
pub(crate) use sink::Sink;

#[cfg(feature = "deflate")]
pub use settings::Deflate;
#[cfg(feature = "deflate")]
pub(crate) use {
    compress::Compression,
    frames::Frames,
    inflate::Inflation,
    params::{Params, Window},
};

#[cfg(not(feature = "deflate"))]
pub(crate) use off::{Compression, Deflate, Frames, Inflation, Params};
