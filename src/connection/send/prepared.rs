//! A message that is encoded once for any number of connections. Its law: a frame in it is made at
//! most once, and has the octets that an ordinary send would have made.

#[cfg(feature = "deflate")]
use crate::deflate::{Compression, PerClass};
use crate::frame::{Header, Opcode};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};
use core::fmt;

/// A message for many connections: it is framed once, and compressed once.
///
/// Make one, then give it to each connection by
/// [`send_prepared`](crate::Connection::send_prepared), which appends the frame, or by
/// [`share_prepared`](crate::Connection::share_prepared), which does not even copy it:
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Config, Connection, Prepared};
///
/// let mut room = [(); 3].map(|()| (Connection::server(&Config::default()), BytesMut::new()));
/// let news = Prepared::text("Hello");
/// for (ws, out) in &mut room {
///     // Sending fails only where the connection is closing, or is in the middle of a message.
///     let _ = ws.send_prepared(&news, out);
/// }
/// assert!(room.iter().all(|(_, out)| out[..] == *b"\x81\x05Hello"));
/// ```
///
/// It is right for every connection, whatever that has agreed on, and whatever else is sent
/// there. The peer receives what [`send_text`](crate::Connection::send_text) or
/// [`send_binary`](crate::Connection::send_binary) would have sent, compressed or not by the same
/// rules. What it saves depends on the connection:
///
/// | connection | its frame is |
/// |---|---|
/// | a server that does not compress this message | shared by all of these |
/// | a server with `server_no_context_takeover` | shared by all that compress alike |
/// | a server that compresses with context takeover | its own, as its window is |
/// | a client | its own, as its masking keys are |
///
/// Connections compress alike if they have the same window and, in their
/// [`DeflateConfig`](crate::DeflateConfig), the same `level` and `mem_level`; windows of 8 and 9
/// bits count as one. Those that share a `Deflate` are of seven kinds at most. The first of its
/// kind compresses the message, the others find it done.
///
/// # Memory
///
/// It holds its plain frame, and a compressed one for each kind of connection that it was sent to,
/// where compression makes it smaller. A clone shares them all, on any thread, as do the `Bytes`
/// handed out: what is held is freed with the last of them.
#[derive(Clone)]
pub struct Prepared {
    message: Arc<Message>,
}

struct Message {
    opcode: Opcode,
    /// The whole frame; its payload is the message.
    plain: Bytes,
    payload_len: usize,
    /// `None` where the message does not shrink.
    #[cfg(feature = "deflate")]
    compressed: PerClass<Option<Bytes>>,
}

impl Prepared {
    /// A text message (RFC 6455, section 5.6).
    ///
    /// ```
    /// use sansocket::Prepared;
    ///
    /// let news = Prepared::text("Grüße");
    /// assert!(news.is_text());
    /// assert_eq!(news.payload(), "Grüße".as_bytes());
    /// ```
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text.as_bytes())
    }

    /// A binary message (RFC 6455, section 5.6).
    ///
    /// ```
    /// use sansocket::Prepared;
    ///
    /// let tick = Prepared::binary(&[1, 2, 3]);
    /// assert!(!tick.is_text());
    /// assert_eq!(tick.payload(), [1, 2, 3]);
    /// ```
    #[must_use]
    pub fn binary(data: &[u8]) -> Self {
        Self::new(Opcode::Binary, data)
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        let message = Message {
            opcode,
            plain: server_frame(opcode, false, payload),
            payload_len: payload.len(),
            #[cfg(feature = "deflate")]
            compressed: PerClass::new(),
        };
        Self {
            message: Arc::new(message),
        }
    }

    /// Whether it is text; otherwise it is binary.
    ///
    /// ```
    /// # use sansocket::Prepared;
    /// assert!(Prepared::text("").is_text());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_text(&self) -> bool {
        self.message.opcode == Opcode::Text
    }

    /// The message itself, neither framed nor compressed.
    ///
    /// ```
    /// # use sansocket::Prepared;
    /// assert_eq!(Prepared::text("Hello").payload(), b"Hello");
    /// ```
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &[u8] {
        let (plain, len) = (&self.message.plain, self.message.payload_len);
        plain.get(plain.len() - len..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn opcode(&self) -> Opcode {
        self.message.opcode
    }

    #[inline]
    pub(crate) fn payload_len(&self) -> usize {
        self.message.payload_len
    }

    /// The frame of a server that does not compress it.
    #[inline]
    pub(crate) fn plain(&self) -> &Bytes {
        &self.message.plain
    }

    /// The frame of a server that compresses it so, plain if that is the shorter one; `None` with
    /// context takeover, where no two frames are alike.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&self, compression: &Compression) -> Option<&Bytes> {
        let frames = &self.message.compressed;
        let compressed = frames.get_or_make(compression.class()?, || {
            let mut made = BytesMut::new();
            compression.compress_alone(self.payload(), &mut made);
            let is_shorter = made.len() < self.payload_len();
            is_shorter.then(|| server_frame(self.opcode(), true, &made))
        });
        Some(compressed.as_ref().unwrap_or_else(|| self.plain()))
    }
}

/// Says how long it is and not what it is, which may be long or secret.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("is_text", &self.is_text())
            .field("payload_len", &self.payload_len())
            .finish_non_exhaustive()
    }
}

/// A whole message as one frame of a server, which is not masked.
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
    // `Bytes` out of a `Vec` would allocate when it is shared for the first time.
    Bytes::from_owner(frame)
}
