//! A message that is encoded once for any number of connections.
//!
//! Invariant: a frame in it is made at most once, and has the bytes that an ordinary send would have
//! made.

use crate::deflate::{Cached, Compression, Frames};
use crate::frame::{Header, Opcode};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};
use core::fmt;

/// A message for many connections: it is framed once, and compressed once.
///
/// Make one, then give it to each connection by [`Session::send`](crate::Session::send), which
/// appends the frame, or by [`Session::share`](crate::Session::share), which does not even copy it:
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Connection, Prepared, Settings};
///
/// let mut room = [(); 3].map(|()| (Connection::server(Settings::default()), BytesMut::new()));
/// let news = Prepared::new("Hello");
/// for (ws, out) in &mut room {
///     // Sending fails only where the connection is closing, or is in the middle of a message.
///     let _ = ws.send(&news, out);
/// }
/// assert!(room.iter().all(|(_, out)| out[..] == *b"\x81\x05Hello"));
/// ```
///
/// It suits every connection, whatever was negotiated there, and whatever else is sent. The peer
/// receives what `send` of the same text or bytes would have sent, compressed or not by the same
/// rules. What it saves depends on the connection:
///
/// | connection | its frame is |
/// |---|---|
/// | a server that does not compress this message | shared by all of these |
/// | a server with `server_no_context_takeover` | shared by all that compress alike |
/// | a server that compresses with context takeover | its own, as its window is |
/// | a client | its own, as its masking keys are |
///
/// Connections compress alike if they have the same window and, in their `Deflate`, the same
/// `level` and `mem_level`; windows of 8 and 9 bits count as one. The first connection of a kind
/// compresses the message for all of them.
///
/// # Memory
///
/// It holds its plain frame, and a compressed one for each kind of connection that it was sent to,
/// where compression makes it smaller. A clone shares them all, on any thread, as do the `Bytes`
/// handed out: what is held is freed with the last of them.
#[derive(Clone)]
pub struct Prepared(Arc<Parts>);

struct Parts {
    /// The complete frame; its payload is the message.
    plain: Bytes,
    header_len: usize,
    opcode: Opcode,
    compressed: Frames,
}

impl Prepared {
    /// A message of this type; text is UTF-8.
    pub(super) fn framed(opcode: Opcode, payload: &[u8]) -> Self {
        let plain = server_frame(opcode, false, payload);
        Self(Arc::new(Parts {
            header_len: plain.len() - payload.len(),
            plain,
            opcode,
            compressed: Frames::new(),
        }))
    }

    #[inline]
    pub(super) fn opcode(&self) -> Opcode {
        self.0.opcode
    }

    #[inline]
    pub(super) fn payload(&self) -> &[u8] {
        let (_, payload) = self.0.plain.split_at(self.0.header_len);
        payload
    }

    /// The length of the message, in bytes, neither framed nor compressed.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.payload().len()
    }

    /// Whether the message has no bytes.
    ///
    /// ```
    /// # use sansocket::Prepared;
    /// let news = Prepared::new("Hello");
    /// assert!(news.len() == 5 && !news.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frame of a server that does not compress it.
    #[inline]
    pub(super) fn plain(&self) -> &Bytes {
        &self.0.plain
    }

    /// The frame of a server that compresses it in this way.
    pub(super) fn compressed(&self, compression: &Compression) -> Cached<'_> {
        self.0
            .compressed
            .compressed(compression, self.payload(), |compressed| {
                server_frame(self.0.opcode, true, compressed)
            })
    }
}

/// Shows the length, not the message, which may be long or secret.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({:?}, {} bytes)", self.opcode(), self.len())
    }
}

/// A complete message as one frame of a server, which is not masked.
fn server_frame(opcode: Opcode, rsv1: bool, payload: &[u8]) -> Bytes {
    let header = Header {
        fin: true,
        rsv1,
        opcode,
        masking_key: None,
        payload_len: payload.len() as u64,
    };
    let mut head = BytesMut::with_capacity(Header::MAX_LEN);
    header.encode(&mut head);
    let frame: Box<[u8]> = [&head[..], payload].concat().into();
    // `Bytes` made of a `Vec` would allocate when it is shared for the first time.
    Bytes::from_owner(frame)
}
