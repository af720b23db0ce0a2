//! Two ends that talk (RFC 7692, sections 6 and 7.2).
//!
//! Invariant: what one end compresses, the other end and an independent reader inflate to the same.

use crate::strategies::*;
use crate::support::deflate::*;
use crate::support::strategies::*;
use crate::support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use sansocket::{Deflate, Event, Role, SendError, Settings};

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Text(String),
    /// Does not shrink, unless it was sent before.
    Noise(u64, usize),
    /// Repeats itself at some distance: whether it shrinks depends on the window.
    Twice(u64, usize),
    /// Shrinks like most data: the same words, near and far.
    Words(u64, usize),
    Repeated(Vec<u8>, usize),
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Text(text) => text.clone().into_bytes(),
            Self::Noise(seed, len) => noise(*len, *seed),
            Self::Twice(seed, len) => noise(*len / 2, *seed).repeat(2),
            Self::Words(seed, len) => {
                let words = [
                    "{\"id\": ",
                    "ключ",
                    ", ",
                    "é",
                    "😀",
                    "null, ",
                    "position",
                    "x",
                ];
                let (mut random, mut bytes) = (Random(*seed), Vec::new());
                while bytes.len() < *len {
                    match random.below(4) {
                        0 => bytes.extend(random.below(1 << 20).to_string().bytes()),
                        _ => bytes.extend(words[random.below(words.len())].bytes()),
                    }
                }
                bytes
            }
            Self::Repeated(unit, len) => unit.iter().copied().cycle().take(*len).collect(),
        }
    }
}

fn contents() -> impl Strategy<Value = Content> {
    let lens = || {
        prop_oneof![
            40 => 0..300_usize,
            20 => 300..3_000_usize,
            6 => 3_000..40_000_usize,
            1 => 40_000..200_000_usize,
        ]
    };
    prop_oneof![
        1 => vec(any::<u8>(), 0..40).prop_map(Content::Bytes),
        2 => "\\PC{0,40}".prop_map(Content::Text),
        2 => (0..3_u64, lens()).prop_map(|(seed, len)| Content::Noise(seed, len)),
        2 => (0..3_u64, lens()).prop_map(|(seed, len)| Content::Twice(seed, len)),
        3 => (0..3_u64, lens()).prop_map(|(seed, len)| Content::Words(seed, len)),
        1 => (vec(any::<u8>(), 1..30), lens())
            .prop_map(|(unit, len)| Content::Repeated(unit, len)),
    ]
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A message, text or binary.
    Complete(bool, Content),
    /// A fragment: the first, or the next of the message under way.
    Part(bool, Content),
    Last(Content),
    Compression(bool),
    Ping(Vec<u8>),
    /// This many bytes of its output reach the peer.
    Deliver(usize),
}

fn actions() -> impl Strategy<Value = Action> {
    let deliveries = prop_oneof![0..20_usize, 0..2_000_usize, Just(usize::MAX)];
    prop_oneof![
        6 => (any::<bool>(), contents()).prop_map(|(text, content)| Action::Complete(text, content)),
        4 => (any::<bool>(), contents()).prop_map(|(text, content)| Action::Part(text, content)),
        3 => contents().prop_map(Action::Last),
        1 => any::<bool>().prop_map(Action::Compression),
        1 => vec(any::<u8>(), 0..=125).prop_map(Action::Ping),
        8 => deliveries.prop_map(Action::Deliver),
    ]
}

/// Which end acts: the pair, and whether it is its first end.
pub(crate) type Steps = Vec<(Index, bool, Action)>;

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Steps> {
    vec((any::<Index>(), any::<bool>(), actions()), 0..most)
}

/// A message that was sent.
#[derive(Debug)]
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    is_whole: bool,
    /// Whether the application wanted it compressed.
    wanted: bool,
}

/// One side of a connection, and what it has sent.
struct Side {
    run: Run,
    deflate: Deflate,
    params: Params,
    wants: bool,
    under_way: Option<Message>,
    messages: Vec<Message>,
    /// What the other end must receive, except Pongs.
    events: Vec<Event<'static>>,
    wire: Vec<u8>,
}

impl Side {
    fn new(role: Role, deflate: &Deflate, params: &Params) -> Self {
        let ws = connection(role, Settings::default());
        Self {
            run: Run::of(params.agreed(ws, deflate)),
            deflate: deflate.clone(),
            params: *params,
            wants: true,
            under_way: None,
            messages: Vec::new(),
            events: Vec::new(),
            wire: Vec::new(),
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Complete(is_text, content) => self.complete_message(*is_text, content),
            Action::Part(is_text, content) => self.part(*is_text, content, false),
            Action::Last(content) if self.under_way.is_some() => self.part(false, content, true),
            Action::Last(_) | Action::Deliver(_) => {}
            Action::Compression(on) => {
                self.wants = *on;
                self.run.ws.settings().compress = *on;
            }
            Action::Ping(payload) => {
                self.run.ws.send_ping(payload, &mut self.run.out).unwrap();
                self.events.push(ping(payload));
            }
        }
    }

    fn complete_message(&mut self, is_text: bool, content: &Content) {
        let message = Message {
            is_text,
            bytes: bytes_as(is_text, content),
            is_whole: true,
            wanted: self.wants,
        };
        let (ws, out) = (&mut self.run.ws, &mut self.run.out);
        let sent = ws.send(data(is_text, &message.bytes), out);
        match &self.under_way {
            Some(_) => assert_eq!(sent, Err(SendError::MessageUnfinished)),
            None => {
                assert_eq!(sent, Ok(()));
                self.has_sent(message);
            }
        }
    }

    fn part(&mut self, is_text: bool, content: &Content, is_last: bool) {
        let (ws, out) = (&mut self.run.ws, &mut self.run.out);
        let Some(message) = &mut self.under_way else {
            let bytes = bytes_as(is_text, content);
            ws.send_piece(data(is_text, &bytes), false, out).unwrap();
            self.under_way = Some(Message {
                is_text,
                bytes,
                is_whole: false,
                wanted: self.wants,
            });
            return;
        };
        let bytes = bytes_as(message.is_text, content);
        let data = data(message.is_text, &bytes);
        message.bytes.extend(&bytes);
        if is_last {
            ws.send_piece(data, true, out).unwrap();
            let message = self.under_way.take().unwrap();
            self.has_sent(message);
        } else {
            ws.send_piece(data, false, out).unwrap();
        }
    }

    fn has_sent(&mut self, message: Message) {
        let event = message_event(message.is_text, &message.bytes);
        self.events.push(event);
        self.messages.push(message);
    }

    /// Reads the wire as another implementation would: each message is there, compressed if it should be,
    /// and refers back no further than agreed.
    fn judge(&self) -> Oracle {
        let (role, settings) = (self.run.ws.role(), &self.deflate);
        let (takeover, mut window) = terms(&self.params, role);
        if role == Role::Client {
            // A client keeps to what it announced in its offer, whatever the answer.
            window = window.min(window_of(settings.client_max_window_bits));
        }
        let mut oracle = Oracle::new(window);
        let frames = raw_frames(&self.wire, role).into_iter();
        let mut frames = frames.filter(|(first, _)| !matches!(first, 0x89 | 0x8a));
        for message in &self.messages {
            let (first, mut payload) = frames.next().unwrap();
            let is_compressed = first & 0x40 != 0;
            assert_eq!(first & 0x3f, if message.is_text { 1 } else { 2 });
            assert_eq!(first & 0x80 != 0, message.is_whole);
            let mut fin = message.is_whole;
            while !fin {
                let (first, more) = frames.next().unwrap();
                assert!(matches!(first, 0x00 | 0x80), "RSV1 comes once");
                payload.extend(more);
                fin = first == 0x80;
            }
            if is_compressed {
                assert!(!payload.ends_with(&[0x00, 0x00, 0xff, 0xff]));
                let inflated = oracle.message(&payload, takeover);
                assert_eq!(inflated.as_ref(), Ok(&message.bytes));
            } else {
                assert_eq!(payload, message.bytes);
            }
            let is_worth = !message.is_whole || message.bytes.len() >= settings.min_size;
            match message.wanted && is_worth {
                // Without context takeover it is sent uncompressed if that is not longer.
                true if message.is_whole && !takeover => {
                    assert!(!is_compressed || payload.len() < message.bytes.len());
                }
                should_be => assert_eq!(is_compressed, should_be),
            }
        }
        assert!(frames.next().is_none());
        assert!(oracle.largest_distance() <= window);
        oracle
    }
}

/// The content, or the text that it becomes.
fn bytes_as(is_text: bool, content: &Content) -> Vec<u8> {
    let bytes = content.bytes();
    match is_text {
        true => String::from_utf8_lossy(&bytes).into_owned().into_bytes(),
        false => bytes,
    }
}

fn deliver(from: &mut Side, to: &mut Side, most: usize) {
    let bytes = from.run.out.split_to(from.run.out.len().min(most));
    from.wire.extend(&bytes);
    to.run.feed(&bytes);
}

/// Pairs of a server and a client that share the `Deflate` of their side do these steps, then
/// everything that is left is delivered in reads of `most` bytes. Returns what read the wires.
pub(crate) fn talk(
    [server, client]: [&Deflate; 2],
    agreed: &[Params],
    steps: &Steps,
    most: usize,
) -> Vec<Oracle> {
    let pair = |params| {
        [(Role::Server, server), (Role::Client, client)]
            .map(|(role, deflate)| Side::new(role, deflate, params))
    };
    let mut pairs: Vec<_> = agreed.iter().map(pair).collect();
    for (index, at_first, action) in steps {
        let pair = index.index(pairs.len());
        let [first, second] = &mut pairs[pair];
        let (here, there) = match at_first {
            true => (first, second),
            false => (second, first),
        };
        match action {
            Action::Deliver(len) => deliver(here, there, *len),
            action => here.act(action),
        }
    }
    for end in pairs.iter_mut().flatten() {
        end.act(&Action::Last(Content::Bytes(Vec::new())));
    }
    while pairs.iter().flatten().any(|end| !end.run.out.is_empty()) {
        for [first, second] in &mut pairs {
            deliver(first, second, most);
            deliver(second, first, most);
        }
    }
    let mut oracles = Vec::new();
    for [first, second] in &pairs {
        for (here, there) in [(first, second), (second, first)] {
            let is_pong = |event: &&Event<'_>| matches!(event, Event::Pong(_));
            let (pongs, events): (Vec<_>, Vec<_>) = there.run.events.iter().partition(is_pong);
            assert!(events.into_iter().eq(&here.events), "what was sent");
            let pings = there.events.iter();
            let pings = pings.filter(|event| matches!(event, Event::Ping(_)));
            assert_eq!(pongs.len(), pings.count());
            assert!(there.run.ws.is_open());
            oracles.push(here.judge());
        }
    }
    oracles
}

/// The settings, the terms and the steps of each pair, and the length of the last reads.
pub(crate) type Talk = (Deflate, Vec<Params>, Steps, usize);

pub(crate) fn talks() -> impl Strategy<Value = Talk> {
    let reads = prop_oneof![1 => 1..40_usize, 3 => 1_000..100_000_usize];
    (deflates(), vec(params(), 1..4), steps(24), reads)
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn everything_sent_is_legal_and_received((deflate, agreed, steps, most) in talks()) {
        talk([&deflate, &deflate], &agreed, &steps, most);
    }
}
