//! Checks what peers do, and takes their time.
//!
//! Invariant: nothing is timed that was not checked before.

use crate::measure::{self, Effort, Way};
use crate::peers::sansocket::connection;
use crate::peers::{Peer, Session};
use crate::transport;
use crate::work::{Task, Work};
use bytes::BytesMut;
use report::Figure;
use sansocket::{Deliver, Event, Input};

/// Nanoseconds for each message by each of `peers`; `None` if it cannot do that work.
pub fn figures(work: &Work, peers: &[Peer], effort: Effort) -> Vec<Option<Figure>> {
    for session in peers.iter().filter_map(|peer| Session::new(peer, work)) {
        check(session, work);
    }
    let way = |peer| -> Option<Way<'_>> {
        let mut session = Session::new(peer, work)?;
        Some(Box::new(move |n| session.run(n)))
    };
    measure::figures(effort, || peers.iter().map(way).collect())
}

/// Panics if a peer delivers or writes anything but what it should.
fn check(mut session: Session<'_>, work: &Work) {
    let (name, len) = (session.peer.name, work.payload.len());
    let n = (work.stream.len() / work.wire_len).clamp(2, 50);
    transport::keep(n * (work.wire_len + 64));
    session.sink.expected = Some(work.payload.clone());
    session.run(n);
    let mut written = transport::kept();
    match work.task {
        Task::Receive | Task::ReceiveText => assert_eq!(session.sink.bytes, n * len, "{name}"),
        Task::Send | Task::Echo => {
            let (mut reader, mut out) = (
                connection(work.role.peer(), Deliver::Complete),
                BytesMut::new(),
            );
            let mut input = Input(&mut written);
            let events = std::iter::from_fn(|| reader.receive(&mut input, &mut out));
            let is_right = |event| matches!(event, Event::Binary(data) if *data == *work.payload);
            assert!(events.map(is_right).eq(vec![true; n]), "{name}");
        }
        Task::Handshake => {
            let response = String::from_utf8_lossy(&written);
            assert!(response.starts_with("HTTP/1.1 101 "), "{name}: {response}");
            // The answer to the key of RFC 6455, section 1.3.
            let accepted = response.matches("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").count();
            assert_eq!(accepted, n, "{name}");
        }
    }
}
