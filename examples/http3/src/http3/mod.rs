//! The part of HTTP/3 (RFC 9114) that WebSockets need, over quinn.
//!
//! Invariant: what a peer may keep here is bounded; every stream that must stay open does, until the connection is closed.
//!
//! Nothing is pushed and no header table is kept. Frames, streams and settings that are not known here are skipped.

pub(crate) mod code;
mod control;
mod frames;
pub(crate) mod head;

pub(crate) use frames::{Frames, Kind, put_head};

use bytes::BytesMut;
use control::{CONTROL, ENABLE_CONNECT_PROTOCOL, MAX_FIELD_SECTION_SIZE, Peer};
use quinn::{Connection, SendStream, Side, VarInt};
use quinn_proto::coding::Codec;
use std::io;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the last bytes of a stream may take to the peer, before the connection is closed nevertheless.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// A connection.
pub(crate) struct Http3 {
    connection: Connection,
    /// Ours, open to the end (RFC 9114, section 6.2.1).
    control: SendStream,
    peer: watch::Receiver<Peer>,
    /// The task that reads the streams of the peer.
    _reading: JoinSet<()>,
    /// The first request that has not come yet.
    next: u64,
    is_going_away: bool,
    lingering: watch::Sender<()>,
}

/// While there is one, the connection is not closed: there are bytes that the peer does not have yet.
pub(crate) type Lingering = watch::Receiver<()>;

impl Http3 {
    /// Starts with the settings. `max_head` is the limit for heads from the peer.
    pub(crate) async fn start(connection: Connection, max_head: usize) -> io::Result<Self> {
        let mut payload = BytesMut::new();
        put_varints(&[MAX_FIELD_SECTION_SIZE, max_head as u64], &mut payload);
        if connection.side() == Side::Server {
            put_varints(&[ENABLE_CONNECT_PROTOCOL, 1], &mut payload);
        }
        let mut out = BytesMut::new();
        put_varints(&[CONTROL], &mut out);
        put_head(Kind::Settings, payload.len(), &mut out);
        out.extend_from_slice(&payload);
        let mut control = connection.open_uni().await?;
        control.write_all(&out).await?;
        let (sender, peer) = watch::channel(Peer::default());
        let mut reading = JoinSet::new();
        reading.spawn(control::read_all(connection.clone(), sender));
        Ok(Self {
            connection,
            control,
            peer,
            _reading: reading,
            next: 0,
            is_going_away: false,
            lingering: watch::Sender::new(()),
        })
    }

    /// A server waits for the next request.
    pub(crate) async fn accept(&mut self) -> io::Result<(SendStream, Frames)> {
        loop {
            let (mut send, receive) = self.connection.accept_bi().await?;
            let mut frames = Frames::new(receive, self.connection.clone());
            if !self.is_going_away {
                self.next = VarInt::from(send.id()).into_inner() + 4;
                return Ok((send, frames));
            }
            let _ = send.reset(code::REQUEST_REJECTED); // an error if the peer was faster
            frames.stop(code::REQUEST_REJECTED);
        }
    }

    /// Takes no more requests, and says so.
    pub(crate) async fn go_away(&mut self) -> io::Result<()> {
        self.is_going_away = true;
        let (mut id, mut out) = (BytesMut::new(), BytesMut::new());
        put_varints(&[self.next], &mut id);
        put_head(Kind::GoAway, id.len(), &mut out);
        out.extend_from_slice(&id);
        Ok(self.control.write_all(&out).await?)
    }

    /// Whether the server takes an extended CONNECT. A client waits for the settings that tell it.
    pub(crate) async fn takes_extended_connect(&mut self) -> io::Result<bool> {
        let known = self.peer.wait_for(|peer| peer.is_known).await;
        let known = known.map(|peer| peer.takes_extended_connect);
        known.map_err(|_| self.lost())
    }

    /// A client starts a request; `None` if the server takes no more.
    pub(crate) async fn open(&self) -> io::Result<Option<(SendStream, Frames)>> {
        if self.peer.borrow().goaway.is_some() {
            return Ok(None);
        }
        let (send, receive) = self.connection.open_bi().await?;
        Ok(Some((send, Frames::new(receive, self.connection.clone()))))
    }

    /// What keeps the connection open while a stream ends.
    pub(crate) fn lingering(&self) -> Lingering {
        self.lingering.subscribe()
    }

    /// Closes the connection, once the peer has what was written. Not much is: nothing is under way any more.
    pub(crate) async fn close(self) {
        let _ = timeout(PATIENCE, self.lingering.closed()).await;
        self.connection.close(code::NO_ERROR, b"");
    }

    /// Why the connection has ended.
    fn lost(&self) -> io::Error {
        match self.connection.close_reason() {
            Some(reason) => reason.into(),
            None => io::ErrorKind::NotConnected.into(),
        }
    }
}

/// Appends numbers, which must be below 2^62.
fn put_varints(numbers: &[u64], out: &mut BytesMut) {
    for number in numbers {
        VarInt::try_from(*number).unwrap_or(VarInt::MAX).encode(out);
    }
}
