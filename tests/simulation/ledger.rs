//! What one end has said, and how much of it the other end has heard.
//!
//! Invariant: what is heard is what was said, in the same order, with nothing left out.

use sansocket::Piece;

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) is_text: bool,
    start: usize,
    pub(crate) len: usize,
    pub(crate) fragments: u32,
    pub(crate) is_complete: bool,
}

/// What an application has sent.
#[derive(Debug, Default)]
pub(crate) struct Said {
    bytes: Vec<u8>,
    pub(crate) messages: Vec<Message>,
    /// The payloads of its Pings, none of which has four bytes: those are the endpoint's.
    pub(crate) pings: Vec<Vec<u8>>,
    /// The number of bytes of everything, with the longest headers.
    pub(crate) cost: usize,
}

impl Said {
    /// A message, or a part of one.
    pub(crate) fn say(&mut self, is_text: bool, data: &[u8], is_last: bool) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(data);
        self.cost += data.len() + data.len() / 8 + 64;
        if !self.is_between()
            && let Some(message) = self.messages.last_mut()
        {
            message.len += data.len();
            message.fragments += 1;
            message.is_complete = is_last;
            return;
        }
        self.messages.push(Message {
            is_text,
            start,
            len: data.len(),
            fragments: 1,
            is_complete: is_last,
        });
    }

    /// Whether no message is under way.
    pub(crate) fn is_between(&self) -> bool {
        self.messages
            .last()
            .is_none_or(|message| message.is_complete)
    }

    fn bytes(&self, message: &Message) -> &[u8] {
        &self.bytes[message.start..message.start + message.len]
    }

    pub(crate) fn longest(&self) -> usize {
        let lens = self.messages.iter().map(|message| message.len);
        lens.max().unwrap_or(0)
    }
}

/// How much of what the other end has said was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) messages: usize,
    /// The number of bytes of the next message, which comes in pieces.
    part: usize,
    pings: usize,
    pongs: usize,
}

impl Heard {
    pub(crate) fn message(&mut self, said: &Said, is_text: bool, data: &[u8]) {
        let message = said.messages.get(self.messages);
        let message = message.expect("a message that nobody sent");
        assert!(
            message.is_complete,
            "a message that was not sent completely"
        );
        assert_eq!(self.part, 0, "a message in two ways");
        assert_eq!(is_text, message.is_text, "a message of the other type");
        assert!(data == said.bytes(message), "a message that was changed");
        self.messages += 1;
    }

    pub(crate) fn piece(&mut self, said: &Said, piece: &Piece<'_>) {
        let message = said.messages.get(self.messages);
        let message = message.expect("a piece that nobody sent");
        let data = piece.as_bytes();
        assert_eq!(piece.is_first(), self.part == 0, "the first piece");
        assert_eq!(piece.as_text().is_some(), message.is_text, "the other type");
        let rest = &said.bytes(message)[self.part..];
        assert!(rest.starts_with(data), "a piece that was changed");
        self.part += data.len();
        if piece.is_last() {
            assert!(message.is_complete, "a last piece that was not sent");
            assert_eq!(self.part, message.len, "a message that was cut off");
            self.messages += 1;
            self.part = 0;
        } else {
            assert!(!data.is_empty(), "only the last piece may be empty");
        }
    }

    pub(crate) fn ping(&mut self, said: &Said, payload: &[u8]) {
        if payload.len() != 4 {
            let sent = said.pings.get(self.pings).map(Vec::as_slice);
            assert_eq!(Some(payload), sent, "a Ping that was not sent next");
            self.pings += 1;
        }
    }

    /// A Pong, for a Ping of `own`, or unsolicited.
    pub(crate) fn pong(&mut self, own: &Said, payload: &[u8]) {
        if payload.len() == 4 || payload == UNSOLICITED {
            return;
        }
        let mut waiting = own.pings.iter().skip(self.pongs);
        let place = waiting.position(|ping| ping == payload);
        self.pongs += 1 + place.expect("a Pong without its Ping");
    }

    /// Everything complete has been heard.
    pub(crate) fn has_all(&self, said: &Said) -> bool {
        let complete = said.messages.iter().filter(|message| message.is_complete);
        self.messages == complete.count()
    }
}

/// The payload of every unsolicited Pong.
pub(crate) const UNSOLICITED: &[u8] = b"unsolicited";
