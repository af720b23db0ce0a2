//! The unidirectional streams of the peer (RFC 9114, section 6.2; RFC 9204, section 4.2).
//!
//! Invariant: what is read of them is bounded before it is kept, and each has a task of its own, so none holds up another.

use super::code;
use super::frames::{Frames, Kind};
use quinn::{Connection, Side, VarInt};
use quinn_proto::coding::Codec;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The longest payload of a frame that is read as a whole.
const MAX_PAYLOAD: usize = 4096;
pub(super) const CONTROL: u64 = 0x00;
const PUSH: u64 = 0x01;
const QPACK_ENCODER: u64 = 0x02;
const QPACK_DECODER: u64 = 0x03;
pub(super) const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
pub(super) const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;
/// Settings of HTTP/2 that HTTP/3 does not have (RFC 9114, section 7.2.4.1).
const OF_HTTP2: [u64; 4] = [0x02, 0x03, 0x04, 0x05];

/// What the peer has said so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peer {
    /// Whether its settings have come.
    pub(super) is_known: bool,
    /// Whether it takes an extended CONNECT.
    pub(super) takes_extended_connect: bool,
    /// The first request that it does not take any more.
    pub(super) goaway: Option<u64>,
}

/// The state that the tasks share.
struct Shared {
    peer: watch::Sender<Peer>,
    /// A bit for each type of stream of which there is only one.
    seen: AtomicU8,
}

/// Reads all that come, to the end of the connection.
pub(super) async fn read_all(connection: Connection, peer: watch::Sender<Peer>) {
    let seen = AtomicU8::new(0);
    let shared = Arc::new(Shared { peer, seen });
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept_uni() => match accepted {
                Ok(stream) => {
                    let frames = Frames::new(stream, connection.clone());
                    streams.spawn(read(frames, shared.clone()));
                }
                Err(_) => return,
            },
            Some(_) = streams.join_next() => {}
        }
    }
}

/// Reads one to its end.
async fn read(mut frames: Frames, shared: Arc<Shared>) -> io::Result<()> {
    // It may end before it says what it is.
    let Some(kind) = frames.varint().await? else {
        return Ok(());
    };
    if matches!(kind, CONTROL | QPACK_ENCODER | QPACK_DECODER)
        && shared.seen.fetch_or(1 << kind, Ordering::Relaxed) & (1 << kind) != 0
    {
        return Err(frames.broken(code::STREAM_CREATION_ERROR, "the second of its type"));
    }
    let read = match kind {
        CONTROL => control(&mut frames, &shared.peer).await,
        QPACK_ENCODER => encoder(&mut frames).await,
        QPACK_DECODER => decoder(&mut frames).await,
        PUSH => {
            return Err(match frames.connection().side() {
                Side::Server => frames.broken(code::STREAM_CREATION_ERROR, "a client pushes"),
                Side::Client => frames.broken(code::ID_ERROR, "no push was allowed"),
            });
        }
        _ => {
            frames.stop(code::STREAM_CREATION_ERROR);
            return Ok(());
        }
    };
    // An end or a reset; if it is something else, the connection is closed already, with its code.
    let _ = frames.broken(code::CLOSED_CRITICAL_STREAM, "a stream that must stay open");
    read
}

/// The control stream: the settings, and what may follow.
async fn control(frames: &mut Frames, peer: &watch::Sender<Peer>) -> io::Result<()> {
    let is_server = frames.connection().side() == Side::Server;
    let Some((kind, _)) = frames.next().await? else {
        return Ok(());
    };
    if kind != Kind::Settings || frames.has_skipped() {
        return Err(frames.broken(code::MISSING_SETTINGS, "settings come first"));
    }
    let takes_extended_connect = settings(frames).await?;
    peer.send_modify(|peer| {
        peer.is_known = true;
        peer.takes_extended_connect = takes_extended_connect;
    });
    let mut max_push_id = 0;
    while let Some((kind, _)) = frames.next().await? {
        match kind {
            Kind::GoAway => {
                let id = one_varint(frames).await?;
                // Of a client's request, or of a push.
                let is_wrong = !is_server && id % 4 != 0;
                if is_wrong || peer.borrow().goaway.is_some_and(|last| id > last) {
                    return Err(frames.broken(code::ID_ERROR, "no such id may go away"));
                }
                peer.send_modify(|peer| peer.goaway = Some(id));
            }
            Kind::MaxPushId if is_server => {
                let id = one_varint(frames).await?;
                if id < max_push_id {
                    return Err(frames.broken(code::ID_ERROR, "the limit may not fall"));
                }
                max_push_id = id; // nothing is pushed
            }
            Kind::CancelPush => return Err(frames.broken(code::ID_ERROR, "nothing is pushed")),
            _ => return Err(frames.unexpected()),
        }
    }
    Ok(())
}

/// Reads the settings: whether the peer takes an extended CONNECT.
async fn settings(frames: &mut Frames) -> io::Result<bool> {
    let payload = frames.payload(MAX_PAYLOAD).await?;
    let mut payload =
        payload.ok_or_else(|| frames.broken(code::EXCESSIVE_LOAD, "too many settings"))?;
    let (mut seen, mut takes_extended_connect) = (BTreeSet::new(), false);
    while !payload.is_empty() {
        let (Ok(id), Ok(value)) = (VarInt::decode(&mut payload), VarInt::decode(&mut payload))
        else {
            return Err(frames.broken(code::FRAME_ERROR, "a setting is cut"));
        };
        let (id, value) = (id.into_inner(), value.into_inner());
        let is_wrong = id == ENABLE_CONNECT_PROTOCOL && value > 1;
        if !seen.insert(id) || OF_HTTP2.contains(&id) || is_wrong {
            return Err(frames.broken(code::SETTINGS_ERROR, "no such setting may come"));
        }
        takes_extended_connect |= id == ENABLE_CONNECT_PROTOCOL && value == 1;
    }
    Ok(takes_extended_connect)
}

/// The payload of a frame that is one number.
async fn one_varint(frames: &mut Frames) -> io::Result<u64> {
    let payload = frames.payload(size_of::<u64>()).await?;
    let mut payload = payload.unwrap_or_default();
    match VarInt::decode(&mut payload) {
        Ok(number) if payload.is_empty() => Ok(number.into_inner()),
        _ => Err(frames.broken(code::FRAME_ERROR, "not one number")),
    }
}

/// The stream of the peer's encoder. Its table has room for nothing, so it may only say that this is so.
async fn encoder(frames: &mut Frames) -> io::Result<()> {
    while let Some(bytes) = frames.raw().await? {
        if bytes.iter().any(|byte| *byte != 0x20) {
            return Err(frames.broken(code::QPACK_ENCODER_STREAM_ERROR, "the table has no room"));
        }
    }
    Ok(())
}

/// The stream of the peer's decoder. Ours puts nothing into a table, so it may only cancel streams.
async fn decoder(frames: &mut Frames) -> io::Result<()> {
    let mut is_in_number = false;
    while let Some(bytes) = frames.raw().await? {
        for byte in bytes {
            if is_in_number {
                is_in_number = byte & 0x80 != 0;
            } else if byte & 0xc0 == 0x40 {
                is_in_number = byte & 0x3f == 0x3f;
            } else {
                let code = code::QPACK_DECODER_STREAM_ERROR;
                return Err(frames.broken(code, "nothing was put into a table"));
            }
        }
    }
    Ok(())
}
