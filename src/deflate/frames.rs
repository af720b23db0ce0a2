//! The compressed frames of a message for many connections.
//!
//! Invariant: a frame is made at most once for each class of connections, and is kept only if it is
//! shorter than the plain one.

use super::cached::Cached;
use super::class::PerClass;
use super::compress::Compression;
use bytes::{Bytes, BytesMut};

/// The compressed frames that have been made so far.
pub(crate) struct Frames(PerClass<Option<Bytes>>);

impl Frames {
    pub(crate) fn new() -> Self {
        Self(PerClass::new())
    }

    /// What a server with this compression sends for the message.
    ///
    /// `payload` must be the same at each call; `frame` makes the frame of its compressed form, and
    /// is called at most once for connections of one class.
    pub(crate) fn compressed(
        &self,
        compression: &Compression,
        payload: &[u8],
        frame: impl FnOnce(&[u8]) -> Bytes,
    ) -> Cached<'_> {
        let Some(class) = compression.class() else {
            return Cached::Own;
        };
        let compressed = self.0.get_or_make(class, || {
            let mut made = BytesMut::new();
            compression.compress_alone(payload, &mut made);
            (made.len() < payload.len()).then(|| frame(&made))
        });
        match compressed {
            Some(frame) => Cached::Compressed(frame),
            None => Cached::Plain,
        }
    }
}
