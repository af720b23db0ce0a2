//! The settings of QUIC: how much a peer may have under way, and how long it may be silent.
//!
//! Invariant: the deadlines of the WebSockets end a silent peer, not those of QUIC.

use quinn::TransportConfig;
use std::sync::Arc;
use std::time::Duration;

/// The number of requests that a client may have open.
pub(crate) const STREAMS: u32 = 100;
/// How much may be under way on each, unread.
const WINDOW: u32 = 256 << 10;
/// How much of ours may be under way, on all of them.
const SEND_WINDOW: u64 = 1 << 20;
/// Control and QPACK make three; some peers open more, to see that these are ignored.
const UNI_STREAMS: u32 = 8;
/// Longer than a WebSocket waits for a sign of life.
const IDLE: Duration = Duration::from_secs(60);
/// Shorter than NATs keep a way for UDP, and than other software lets a connection be idle: mostly 30 s.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// What a peer may do that may open this many requests.
pub(crate) fn transport(requests: u32) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(requests.into())
        .max_concurrent_uni_streams(UNI_STREAMS.into())
        .stream_receive_window(WINDOW.into())
        .receive_window((STREAMS * WINDOW).into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(IDLE.try_into().ok())
        .keep_alive_interval(Some(KEEPALIVE));
    Arc::new(transport)
}
