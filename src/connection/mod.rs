//! An open or closing WebSocket: frames and messages, without HTTP and without time.
//!
//! Invariant: this room uses `frame` and `deflate` only.

mod closing;
mod error;
mod payload;
mod receive;
mod received;
mod send;
mod session;
mod settings;

pub use error::SendError;
pub use payload::{Binary, Piece, Text};
pub use send::{Data, Prepared};
pub use session::Session;
pub use settings::{Deliver, Settings};

pub(crate) use closing::{ClosingState, Outcome};
pub(crate) use received::Received;

use crate::frame::MaskingKeys;
use core::ops::{Deref, DerefMut};

/// A WebSocket without opening handshake and without time, in either role.
///
/// Use it if something else has done the handshake and keeps the time; otherwise an
/// [`Endpoint`](crate::Endpoint) does both. It does no I/O and holds no buffer for it: read, hand
/// over what was read, drain the events, write what is in `out`. It derefs to [`Session`], which
/// sends.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Connection, End, Event, Input, ProtocolError, Settings};
///
/// let mut ws = Connection::server(Settings::default());
/// let mut out = BytesMut::new(); // what is to be written
///
/// // What was read: a masked text frame.
/// let mut read = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let mut input = Input(&mut read);
/// while let Some(event) = ws.receive(&mut input, &mut out) {
///     match event {
///         Event::Text(text) => ws.send(&text, &mut out)?,
///         Event::Binary(data) => ws.send(&data, &mut out)?,
///         _ => {} // Pings and Closes are answered already
///     }
/// }
/// assert_eq!(&out[..], b"\x81\x05Hello");
/// assert!(!ws.must_close_transport());
///
/// // A read that returned no bytes, although nobody had sent a Close.
/// ws.receive_eof();
/// assert!(matches!(ws.end(), Some(End::Failed(ProtocolError::TransportEnded))));
/// # Ok::<(), sansocket::SendError>(())
/// ```
///
/// Write what is in `out` before you read on. An idle connection owns no heap memory.
#[derive(Debug)]
pub struct Connection(pub(crate) Session);

impl Connection {
    /// A server's end of a connection whose opening handshake is complete.
    ///
    /// What was read after the handshake is the first [`Input`](crate::Input).
    #[must_use]
    pub const fn server(settings: Settings) -> Self {
        Self(Session::server(settings, true))
    }

    /// A client's end of a connection whose opening handshake is complete, with masking keys
    /// derived from `seed`.
    ///
    /// The seed must be fresh and unpredictable (RFC 6455, section 10.3): take it from the operating
    /// system (`seed()`) or from the device's source of entropy, and never use it twice.
    #[must_use]
    pub const fn client(settings: Settings, seed: [u8; 32]) -> Self {
        Self(Session::client(settings, MaskingKeys::new(seed), true))
    }

    /// Reports that the transport has ended: it was closed or reset, by either side.
    ///
    /// Call it when a read returns no bytes, when reading or writing fails, and when you close the
    /// transport yourself. Afterwards [`end`](Self::end) says how it ended.
    pub fn receive_eof(&mut self) {
        self.0.receive_eof();
    }

    /// Whether to close the transport once `out` has been written (RFC 6455, section 7.1.1).
    ///
    /// A server closes first; a client waits for that, for a few seconds. Close in steps, so that
    /// the last bytes are not lost to a reset: shut down writing, read to the end, then close.
    #[must_use]
    pub fn must_close_transport(&self) -> bool {
        self.0.must_close_transport()
    }
}

impl Deref for Connection {
    type Target = Session;

    #[inline]
    fn deref(&self) -> &Session {
        &self.0
    }
}

impl DerefMut for Connection {
    #[inline]
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.0
    }
}
