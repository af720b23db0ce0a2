//! Schedules: tasks that do anything at any time, over a wire that cuts and stalls, and a peer that counts.
//!
//! Invariant: the same seed gives the same run. A send counts as sent exactly if its future was ready.

use crate::peer::{Peer, Said};
use crate::wire::{Random, Wire};
use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use sansocket::{Connection, End, Prepared, SendError};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream, WriteHalf as Writer, duplex};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_sansocket::{
    Error, Message, Options, ReadHalf, Sender, WebSocket, WriteHalf, from_upgraded,
};

/// How many schedules of each kind; `SCHEDULES` in the environment for more.
pub(crate) fn schedules() -> u64 {
    let more = std::env::var("SCHEDULES").ok();
    more.map_or(350, |more| more.parse().expect("a number"))
}

/// Runs one schedule for each seed, each on a runtime of its own whose clock jumps.
pub(crate) fn for_each_seed(run: impl AsyncFn(Random)) {
    let first = std::env::var("SEED")
        .ok()
        .map(|seed| seed.parse().expect("a number"));
    for seed in first.map_or_else(|| 1..=schedules(), |seed| seed..=seed) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let done = catch_unwind(AssertUnwindSafe(|| {
            let month = Duration::from_secs(30 * 24 * 3600);
            let run = async { timeout(month, run(Random::new(seed))).await };
            runtime.block_on(run).expect("it hangs");
        }));
        if let Err(panic) = done {
            eprintln!("the schedule of SEED={seed} failed");
            resume_unwind(panic);
        }
    }
}

/// The future's output, unless it is dropped before: after some polls, or after some time.
pub(crate) async fn perhaps<F: Future>(random: &mut Random, future: F) -> Option<F::Output> {
    if random.one_in(2) {
        let time = Duration::from_millis(random.below(6) as u64);
        return timeout(time, future).await.ok();
    }
    let (mut future, mut polls) = (pin!(future), 1 + random.below(3));
    poll_fn(|context| {
        polls -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == 0 => Poll::Ready(None),
            Poll::Pending => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    })
    .await
}

/// A message that says who sent it and as which, with a payload of any size up to `most`.
pub(crate) fn numbered(who: usize, number: usize, most: usize, random: &mut Random) -> Vec<u8> {
    let sizes = match random.below(40) {
        0 => 65_536..80_000,
        1 => 16_384..20_000,
        2..8 => 0..5000,
        _ => 0..130,
    };
    let len = sizes.start + random.below(sizes.len());
    let mut data = format!("{who} {number} ").into_bytes();
    data.resize(data.len() + len.min(most), b'x');
    data
}

pub(crate) fn number_of(data: &[u8]) -> (usize, usize) {
    let mut words = data.split(|byte| *byte == b' ');
    let mut word = || {
        std::str::from_utf8(words.next().unwrap())
            .unwrap()
            .parse()
            .unwrap()
    };
    (word(), word())
}

/// In any form that can be sent.
pub(crate) fn message(data: &[u8], random: &mut Random) -> Message {
    match random.below(3) {
        0 => Message::from(data),
        1 => Message::from(std::str::from_utf8(data).unwrap()),
        _ => Message::from(Prepared::new(data)),
    }
}

/// How many messages of each sender there were. Zero is the peer.
pub(crate) type Counts = BTreeMap<usize, usize>;

pub(crate) fn note(counts: &mut Counts, data: &[u8]) {
    let (who, number) = number_of(data);
    let next = counts.entry(who).or_default();
    assert_eq!(number, *next, "lost, doubled or reordered: {who}");
    *next += 1;
}

/// What the peer has said and heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) messages: Counts,
    pub(crate) pings: usize,
    pub(crate) pongs: usize,
    pub(crate) close: Option<u16>,
}

/// The peer: says `n` messages and some Pings in any cuts, then a Close if it is the one who closes, or
/// else the answer to the Close; hears until the end.
pub(crate) async fn peer(far: Far, n: usize, mut random: Random, closes: bool) -> Heard {
    let Far { mut peer, most } = far;
    let (mut frames, mut heard) = (BytesMut::new(), Heard::default());
    for number in 0..n {
        let data = numbered(0, number, most, &mut random);
        frames.extend(peer.frames(&[Said::Binary(data)]));
        if random.one_in(5) {
            frames.extend(peer.frames(&[Said::Ping]));
            heard.pings += 1;
        }
    }
    if closes {
        frames.extend(peer.frames(&[Said::Close(4000)]));
    }
    let (to_say, saying) = mpsc::unbounded_channel();
    to_say.send(frames).unwrap();
    let other = tokio::io::split(duplex(1).0).1;
    let writer = std::mem::replace(&mut peer.writer, other);
    tokio::spawn(say(writer, saying, random));
    loop {
        match peer.hear().await {
            Said::Eof => break,
            Said::Pong => heard.pongs += 1,
            Said::Ping => {}
            Said::Close(code) => {
                assert_eq!(heard.close.replace(code), None, "a second Close");
                if !closes {
                    to_say.send(peer.frames(&[Said::Close(code)])).unwrap();
                }
            }
            Said::Text(text) => heard.note(text.as_bytes()),
            Said::Binary(data) => heard.note(&data),
        }
    }
    heard
}

impl Heard {
    fn note(&mut self, data: &[u8]) {
        assert_eq!(self.close, None, "a message after the Close");
        note(&mut self.messages, data);
    }
}

/// Writes in any cuts.
async fn say(
    mut writer: Writer<DuplexStream>,
    mut saying: mpsc::UnboundedReceiver<BytesMut>,
    mut random: Random,
) {
    while let Some(mut frames) = saying.recv().await {
        while !frames.is_empty() {
            let n = frames.len().min(1 + random.below(3000));
            if writer.write_all(&frames.split_to(n)).await.is_err() {
                return;
            }
            yield_now().await;
        }
    }
}

/// The peer, and the most that a message may be on so slow a wire.
pub(crate) struct Far {
    pub(crate) peer: Peer,
    pub(crate) most: usize,
}

/// A peer, and the WebSocket under test behind a wire that cuts.
pub(crate) fn pair(random: &mut Random) -> (Far, WebSocket<Wire>) {
    pair_over(Link::Any, random, |options| {
        // A wire may be very slow, and the peer answers no Pings.
        options.config.times.keepalive = None;
        options.config.times.close = Duration::from_secs(24 * 3600);
    })
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Link {
    Any,
    /// It hardly ever cuts a Ping, which would show each time that the peer reads.
    Wide,
}

/// The same with other options.
pub(crate) fn pair_over(
    link: Link,
    random: &mut Random,
    change: impl FnOnce(&mut Options),
) -> (Far, WebSocket<Wire>) {
    let mut options = Options::default();
    change(&mut options);
    options.high_water = 1 + random.below([100, 5000, 100_000][random.clone().below(3)]);
    options.max_read = 1024 << random.below(9);
    let is_wide = link == Link::Wide;
    let room = [1, 100, 4000, 1 << 20][random.below(4).max(is_wide.into())];
    let (near, far) = duplex(room);
    let (cut, most) = [
        (1, 30),
        (3, 100),
        (20, 500),
        (500, 10_000),
        (100_000, 80_000),
    ][random.below(5).max(if is_wide { 3 } else { 0 })];
    let most = if room == 1 { 30 } else { most };
    let wire = Wire::new(near, cut, random.fork());
    let connection = Connection::server(options.config.settings);
    let ws = from_upgraded(wire, connection, &options, BytesMut::new());
    let peer = Peer::client(far);
    (Far { peer, most }, ws)
}

/// What sends: whole, a half, or a sender.
pub(crate) enum Sends {
    Half(WriteHalf<Wire>),
    Sender(Sender),
}

impl Sends {
    async fn send(&mut self, message: Message, random: &mut Random) -> Result<(), Error> {
        match self {
            Self::Sender(sender) => sender.send(message).await,
            Self::Half(half) if random.one_in(3) => half.feed(message).await,
            Self::Half(half) if random.one_in(3) => SinkExt::send(half, message).await,
            Self::Half(half) => half.send(message).await,
        }
    }
}

/// Sends until it is closed; returns how many were sent.
pub(crate) async fn keep_sending(
    mut sends: Sends,
    who: usize,
    (n, most): (usize, usize),
    mut random: Random,
) -> usize {
    let mut sent = 0;
    while sent < n {
        let data = numbered(who, sent, most, &mut random);
        let message = message(&data, &mut random);
        let mut how = random.fork();
        match perhaps(&mut random, sends.send(message, &mut how)).await {
            None => {}
            Some(Ok(())) => sent += 1,
            Some(Err(error)) => {
                assert!(is_closed(&error), "{error:?}");
                break;
            }
        }
        if random.one_in(10) {
            yield_now().await;
        }
        if let (Sends::Half(half), true) = (&mut sends, random.one_in(10)) {
            let _ = perhaps(&mut random, half.flush()).await;
        }
    }
    // What was fed is handed over.
    if let Sends::Half(half) = &mut sends {
        let _ = SinkExt::flush(half).await;
    }
    sent
}

pub(crate) fn is_closed(error: &Error) -> bool {
    match error {
        Error::Send(error) => *error == SendError::Closed,
        Error::Ended { .. } => true,
        _ => false,
    }
}

/// Receives until the end; returns how many messages came.
pub(crate) async fn keep_receiving(
    mut read: ReadHalf<Wire>,
    mut random: Random,
) -> (Counts, Option<End>) {
    let mut received = Counts::new();
    loop {
        let message = match random.one_in(2) {
            true => perhaps(&mut random, read.recv()).await,
            false => perhaps(&mut random, read.next())
                .await
                .map(|next| next.transpose()),
        };
        match message {
            None => {}
            Some(Ok(Some(message))) => note(&mut received, message.as_bytes()),
            Some(Ok(None)) => return (received, read.end()),
            Some(Err(error)) => panic!("{error:?}"),
        }
        if random.one_in(20) {
            tokio::time::sleep(Duration::from_millis(random.below(20) as u64)).await;
        }
    }
}

/// Everything that was sent was heard, and nothing else.
pub(crate) fn compare(heard: &Heard, sent: &[(usize, usize)], received: &Counts, n: usize) {
    for (who, sent) in sent {
        let of_him = heard.messages.get(who).copied().unwrap_or(0);
        assert_eq!(of_him, *sent, "of {who}");
    }
    assert_eq!(heard.pongs, heard.pings);
    assert_eq!(received.get(&0).copied().unwrap_or(0), n, "received");
}
