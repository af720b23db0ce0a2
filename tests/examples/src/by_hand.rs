//! A WebSocket by hand, over a stream of HTTP/2 or HTTP/3.
//!
//! Invariant: what is received is read in order, and nothing of it is skipped.

use crate::peer::Frame;
use crate::support::{frame, xor};
use bytes::{Bytes, BytesMut};
use sansocket::Role;

#[allow(async_fn_in_trait, reason = "no test needs them to be Send")]
pub trait ByHand {
    /// The role of the program.
    fn receiver(&self) -> Role;

    /// Received, and not used yet.
    fn received(&mut self) -> &mut BytesMut;

    /// Sends bytes as there is room.
    async fn write(&mut self, bytes: impl Into<Bytes>);

    /// Receives more; false at the end of the stream.
    async fn read_on(&mut self) -> bool;

    /// Sends a frame with this first byte.
    async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.write(frame(self.receiver(), first, payload)).await;
    }

    /// The next `len` bytes.
    async fn exactly(&mut self, len: usize) -> Vec<u8> {
        while self.received().len() < len {
            assert!(self.read_on().await, "more bytes");
        }
        self.received().split_to(len).to_vec()
    }

    /// The next frame.
    async fn next(&mut self) -> Frame {
        let header = self.exactly(2).await;
        let len = match header[1] & 0x7f {
            126 => u16::from_be_bytes(self.exactly(2).await.try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.exactly(8).await.try_into().unwrap()) as usize,
            len => len.into(),
        };
        if header[1] & 0x80 == 0 {
            return (header[0], self.exactly(len).await);
        }
        let key = self.exactly(4).await.try_into().unwrap();
        let payload = self.exactly(len).await;
        (header[0], xor(&payload, key))
    }

    /// A message goes there and back.
    async fn echo(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes()).await;
        assert_eq!(self.next().await, (0x81, text.as_bytes().to_vec()));
    }

    /// The code of the Close frame that comes next.
    async fn close_code(&mut self) -> u16 {
        let (first, payload) = self.next().await;
        assert_eq!(first, 0x88, "a Close frame");
        u16::from_be_bytes(*payload.first_chunk().unwrap())
    }

    /// The end of the stream comes, and no byte before it.
    async fn ended(&mut self) {
        assert_eq!(self.rest().await, "");
    }

    /// All that comes until the end of the stream.
    async fn rest(&mut self) -> String {
        while self.read_on().await {}
        String::from_utf8(self.received().split().to_vec()).unwrap()
    }
}
