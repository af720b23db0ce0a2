//! Checks what a peer does, and takes its time.
//!
//! Invariant: nothing is timed that was not checked before; all peers take turns, so that a busy machine slows
//! all of them alike.

use crate::peers::sansocket::connection;
use crate::peers::{Peer, Session};
use crate::transport;
use crate::work::{Task, Work};
use bytes::BytesMut;
use sansocket::{Deliver, Event, Input};
use std::time::{Duration, Instant};

/// The time of a round: shorter than the operating system lets one program run.
const ROUND: Duration = Duration::from_millis(3);

/// What was written is in a ring of this many bytes, which fits the cache as a kernel's buffers do.
const RING: usize = 256 << 10;

/// Nanoseconds for each message by each of `peers`, the median of `rounds`; `None` if it cannot.
pub fn times(work: &Work, peers: &[Peer], rounds: usize) -> Vec<Option<f64>> {
    let mut all: Vec<_> = peers
        .iter()
        .map(|peer| {
            check(Session::new(peer, work)?, work);
            let mut session = Session::new(peer, work)?;
            let n = round(|n| session.run(n));
            Some((session, n, Vec::new()))
        })
        .collect();
    for number in 0..rounds {
        for turn in 0..peers.len() {
            let turn = (turn + number) % peers.len(); // another one starts
            if let Some((session, n, times)) = &mut all[turn] {
                times.push(time(*n, |n| session.run(n)));
            }
        }
    }
    let median = |(_, _, times)| median(times);
    all.into_iter().map(|one| one.map(median)).collect()
}

/// How many messages make a round, once buffers have grown.
pub fn round(mut run: impl FnMut(usize)) -> usize {
    transport::keep(RING);
    run(4);
    let mut n = 1;
    loop {
        let time = time(n, &mut run);
        if time * n as f64 > ROUND.as_nanos() as f64 / 4.0 {
            return ((ROUND.as_nanos() as f64 / time) as usize).max(1);
        }
        n *= 2;
    }
}

/// Nanoseconds for each of `n` messages.
pub fn time(n: usize, run: impl FnOnce(usize)) -> f64 {
    let start = Instant::now();
    run(n);
    start.elapsed().as_nanos() as f64 / n as f64
}

pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
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
