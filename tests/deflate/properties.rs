//! permessage-deflate for all inputs (RFC 7692).
//!
//! Invariant: what one end compresses, the other end and an independent reader inflate to the same;
//! of what a peer sends, exactly the legal is received; and no event depends on how bytes are cut or
//! on who shares the `Deflate`.

use crate::support::deflate::*;
use crate::support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sansocket::{
    Connection, Data, Deflate, Event, Extension, HandshakeError, ProtocolError, Role, SendError,
    Settings,
};
use std::collections::VecDeque;

fn cases(cases: u32) -> ProptestConfig {
    proptest_config(cases, "proptest-regressions/deflate_properties.txt")
}

/// The same inputs on each run, to see that a strategy reaches what it is for.
fn samples<S: Strategy>(strategy: S, count: usize) -> impl Iterator<Item = S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

// ---- what is agreed on (section 7.1) ----

fn roles() -> impl Strategy<Value = Role> {
    select(ROLES.to_vec())
}

/// Small ones more often: their ends are reached more often.
fn windows() -> impl Strategy<Value = u8> {
    prop_oneof![8..=10_u8, 8..=15_u8]
}

fn params() -> impl Strategy<Value = Params> {
    let alone = || prop::bool::weighted(0.3);
    let windows = || prop::option::weighted(0.6, windows());
    (alone(), alone(), windows(), windows()).prop_map(|(server, client, s, c)| Params {
        server_no_context_takeover: server,
        client_no_context_takeover: client,
        server_max_window_bits: s,
        client_max_window_bits: c,
    })
}

fn deflates() -> impl Strategy<Value = Deflate> {
    let min_sizes = prop_oneof![3 => Just(0), 3 => 0..2_000_usize, 1 => Just(usize::MAX)];
    let least = prop_oneof![3 => Just(8), 1 => windows()];
    let numbers = (0..=10_u8, 0..=10_u8, min_sizes, 0..=3_usize);
    (params(), numbers, least).prop_map(
        |(wishes, (level, mem_level, min_size, max_pooled), min)| {
            deflate(|c| {
                c.level = level;
                c.mem_level = mem_level;
                c.min_size = min_size;
                c.server_no_context_takeover = wishes.server_no_context_takeover;
                c.client_no_context_takeover = wishes.client_no_context_takeover;
                c.server_max_window_bits = wishes.server_max_window_bits;
                c.client_max_window_bits = wishes.client_max_window_bits;
                c.min_window_bits = min;
                c.max_pooled = max_pooled;
            })
        },
    )
}

fn pool_of(max_pooled: usize) -> Deflate {
    deflate(|c| c.max_pooled = max_pooled)
}

/// Whether what `sender` compresses may refer to earlier messages, and how far back.
fn terms(params: &Params, sender: Role) -> (bool, usize) {
    let (alone, bits) = match sender {
        Role::Server => (
            params.server_no_context_takeover,
            params.server_max_window_bits,
        ),
        Role::Client => (
            params.client_no_context_takeover,
            params.client_max_window_bits,
        ),
    };
    (!alone, window_of(bits))
}

fn message_event(is_text: bool, bytes: &[u8]) -> Event<'static> {
    match is_text {
        true => text(str::from_utf8(bytes).unwrap()),
        false => binary(bytes),
    }
}

// ---- two ends (sections 6 and 7.2) ----

#[derive(Clone, Debug)]
enum Content {
    Bytes(Vec<u8>),
    Text(String),
    /// Does not shrink, unless the same has been sent before.
    Noise(u64, usize),
    /// Comes again at once: whether it shrinks depends on the window.
    Twice(u64, usize),
    /// Shrinks as most of what is sent: the same words, near and far.
    Words(u64, usize),
    Repeated(Vec<u8>, usize),
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Text(text) => text.clone().into_bytes(),
            Self::Noise(seed, len) => noise(*seed, *len),
            Self::Twice(seed, len) => noise(*seed, *len / 2).repeat(2),
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

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| random.below(256) as u8).collect()
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
enum Action {
    /// A message, text or binary.
    Whole(bool, Content),
    /// A fragment: the first, or the next of the message that is under way.
    Part(bool, Content),
    Last(Content),
    Compression(bool),
    Ping(Vec<u8>),
    /// So many bytes of its output reach the peer.
    Deliver(usize),
}

fn actions() -> impl Strategy<Value = Action> {
    let deliveries = prop_oneof![0..20_usize, 0..2_000_usize, Just(usize::MAX)];
    prop_oneof![
        6 => (any::<bool>(), contents()).prop_map(|(text, content)| Action::Whole(text, content)),
        4 => (any::<bool>(), contents()).prop_map(|(text, content)| Action::Part(text, content)),
        3 => contents().prop_map(Action::Last),
        1 => any::<bool>().prop_map(Action::Compression),
        1 => vec(any::<u8>(), 0..=125).prop_map(Action::Ping),
        8 => deliveries.prop_map(Action::Deliver),
    ]
}

/// Who acts: one of the pairs, its first end or not.
type Steps = Vec<(Index, bool, Action)>;

fn steps(most: usize) -> impl Strategy<Value = Steps> {
    vec((any::<Index>(), any::<bool>(), actions()), 0..most)
}

/// A message that was sent.
#[derive(Debug)]
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    is_whole: bool,
    /// Whether the application wanted it to be compressed.
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
    /// What the other end must see, but for Pongs.
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
            Action::Whole(is_text, content) => self.whole(*is_text, content),
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

    fn whole(&mut self, is_text: bool, content: &Content) {
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

    /// Reads the wire as somebody else would: each message is there, compressed if it should be,
    /// and refers back no further than agreed.
    fn judge(&self) -> Oracle {
        let (role, settings) = (self.run.ws.role(), &self.deflate);
        let (takeover, mut window) = terms(&self.params, role);
        if role == Role::Client {
            // What it has announced in its offer binds a client, whatever the answer.
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
                // By itself it is sent as it is where that is not longer.
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

fn data(is_text: bool, bytes: &[u8]) -> Data<'_> {
    match is_text {
        true => Data::Text(std::str::from_utf8(bytes).unwrap()),
        false => Data::Binary(bytes),
    }
}

fn deliver(from: &mut Side, to: &mut Side, most: usize) {
    let bytes = from.run.out.split_to(from.run.out.len().min(most));
    from.wire.extend(&bytes);
    to.run.feed(&bytes);
}

/// Pairs of a server and a client that share the `Deflate` of their side do these steps, then
/// all that is left is delivered in reads of `most` bytes. Returns what read the wires.
fn talk(
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

/// Settings, what each pair has agreed on, what they do, and the length of the last reads.
type Talk = (Deflate, Vec<Params>, Steps, usize);

fn talks() -> impl Strategy<Value = Talk> {
    let reads = prop_oneof![1 => 1..40_usize, 3 => 1_000..100_000_usize];
    (deflates(), vec(params(), 1..4), steps(24), reads)
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn what_is_sent_is_received_and_legal((deflate, agreed, steps, most) in talks()) {
        talk([&deflate, &deflate], &agreed, &steps, most);
    }
}

// ---- all that a peer may send (section 7.2.2; RFC 1951) ----

/// A part of a block that is to be written where it stands.
#[derive(Clone, Debug)]
enum Piece {
    Literal(u8),
    Text(String),
    Noise(u64, usize),
    Match(u16, Back),
}

/// How far a match reaches back.
#[derive(Clone, Debug)]
enum Back {
    Near(usize),
    /// Anywhere within the window.
    Any(Index),
    /// To the end of the window, or to the first byte.
    Farthest,
    /// Anywhere within the bytes that the receiver has, also beyond the window.
    Lenient(Index),
    /// By so many bytes before the first that the receiver has, one at least.
    Beyond(usize),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Stored,
    Fixed,
    Dynamic,
}

/// A message that is to be written where it stands.
#[derive(Clone, Debug)]
struct Planned {
    is_text: bool,
    is_compressed: bool,
    /// The blocks, each with its BFINAL.
    blocks: Vec<(Kind, Vec<Piece>, bool)>,
    /// Where the payload is cut into fragments.
    places: Vec<Index>,
}

fn pieces(legal: bool) -> impl Strategy<Value = Piece> {
    let lens = prop_oneof![
        12 => 0..60_usize,
        6 => 0..600_usize,
        4 => 0..6_000_usize,
        1 => 0..20_000_usize,
        1 => 30_000..70_000_usize,
    ];
    let illegal = u32::from(!legal);
    let backs = prop_oneof![
        8 => (1..9_usize).prop_map(Back::Near),
        8 => any::<Index>().prop_map(Back::Any),
        8 => Just(Back::Farthest),
        illegal => any::<Index>().prop_map(Back::Lenient),
        illegal => prop_oneof![4 => 0..100_usize, 1 => 0..40_000_usize].prop_map(Back::Beyond),
    ];
    let lengths = prop_oneof![4 => 3..=258_u16, 1 => Just(258)];
    prop_oneof![
        6 => any::<u8>().prop_map(Piece::Literal),
        2 => "[a-zé€😀]{0,12}".prop_map(Piece::Text),
        1 => (any::<u64>(), lens).prop_map(|(seed, len)| Piece::Noise(seed, len)),
        8 => (lengths, backs).prop_map(|(length, back)| Piece::Match(length, back)),
    ]
}

fn planned(legal: bool) -> impl Strategy<Value = Planned> {
    let kinds = select(vec![Kind::Stored, Kind::Fixed, Kind::Dynamic]);
    let blocks = vec(
        (kinds, vec(pieces(legal), 0..8), prop::bool::weighted(0.2)),
        0..5,
    );
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.85));
    (flags, blocks, vec(any::<Index>(), 0..4)).prop_map(
        |((is_text, is_compressed), blocks, places)| Planned {
            is_text,
            is_compressed,
            blocks,
            places,
        },
    )
}

/// What the messages of a sender may refer to.
struct History {
    bytes: Vec<u8>,
    takeover: bool,
    window: usize,
}

impl History {
    fn new((takeover, window): (bool, usize)) -> Self {
        Self {
            bytes: Vec::new(),
            takeover,
            window,
        }
    }

    fn remember(&mut self, message: &[u8]) {
        if self.takeover {
            self.bytes.extend(message);
            let old = self.bytes.len().saturating_sub(self.window);
            self.bytes.drain(..old);
        }
    }

    /// The blocks as planned, after what is remembered.
    fn blocks(&self, planned: &Planned) -> Vec<(Block, bool)> {
        let mut before = self.bytes.len();
        let block = |(kind, pieces, bfinal): &(Kind, Vec<Piece>, bool)| {
            let mut tokens = Vec::new();
            for piece in pieces {
                match piece {
                    Piece::Literal(byte) => tokens.push(Token::Literal(*byte)),
                    Piece::Text(text) => tokens.extend(text.bytes().map(Token::Literal)),
                    Piece::Noise(seed, len) => {
                        tokens.extend(noise(*seed, *len).into_iter().map(Token::Literal));
                    }
                    Piece::Match(length, back) => {
                        let here = before + expanded_len(&tokens);
                        let distance = match back {
                            Back::Beyond(more) => 32_768.min(here + 1 + more),
                            // There is nothing to refer to.
                            _ if here == 0 => continue,
                            Back::Near(distance) => here.min(*distance),
                            Back::Any(index) => 1 + index.index(here.min(self.window)),
                            Back::Farthest => here.min(self.window),
                            Back::Lenient(index) => 1 + index.index(here.min(32_768)),
                        };
                        tokens.push(Token::Match {
                            length: *length,
                            distance: distance as u16,
                        });
                    }
                }
            }
            if matches!(kind, Kind::Stored) {
                tokens.retain(|token| matches!(token, Token::Literal(_)));
            }
            before += expanded_len(&tokens);
            let block = match kind {
                Kind::Stored => Block::Stored(expand(&[], &tokens)),
                Kind::Fixed => Block::Fixed(tokens),
                Kind::Dynamic => Block::Dynamic(tokens),
            };
            (block, *bfinal)
        };
        planned.blocks.iter().map(block).collect()
    }

    /// What a legal message says, after what is remembered.
    fn expand(&self, blocks: &[(Block, bool)]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for (block, _) in blocks {
            let more = match block {
                Block::Stored(more) => more.clone(),
                Block::Fixed(tokens) | Block::Dynamic(tokens) => expand(&bytes, tokens),
            };
            bytes.extend(more);
        }
        bytes.split_off(self.bytes.len())
    }

    /// Reads a payload as a receiver may: of earlier messages no more than the window is there,
    /// but of the message itself everything that the format reaches.
    fn reader(&self) -> impl Fn(&[u8]) -> Result<Vec<u8>, Corrupt> + use<> {
        let mut oracle = Oracle::new(32_768);
        let remembered = write_message(&[(Block::Stored(self.bytes.clone()), false)]);
        assert!(oracle.message(&remembered, true).is_ok());
        move |payload| oracle.clone().message(payload, true)
    }
}

/// What [`History::reader`] returns.
type Read<'r> = &'r dyn Fn(&[u8]) -> Result<Vec<u8>, Corrupt>;

fn expanded_len(tokens: &[Token]) -> usize {
    let len = |token: &Token| match token {
        Token::Literal(_) => 1,
        Token::Match { length, .. } => usize::from(*length),
    };
    tokens.iter().map(len).sum()
}

/// Where the fragments of a payload end that is cut at these places.
fn fragment_ends(payload: &[u8], places: &[Index]) -> Vec<usize> {
    let places = places.iter();
    let mut ends: Vec<_> = places.map(|p| p.index(payload.len() + 1)).collect();
    ends.push(payload.len());
    ends.sort_unstable();
    ends
}

/// The frames of a message, with a Ping between the last two if there are two.
fn message_frames(receiver: Role, first: u8, payload: &[u8], places: &[Index]) -> Vec<u8> {
    let (mut wire, mut begin, last) = (Vec::new(), 0, places.len());
    for (index, end) in fragment_ends(payload, places).into_iter().enumerate() {
        if index > 0 && index == last {
            wire.extend(frame(receiver, 0x89, b"between"));
        }
        let fin = u8::from(index == last) << 7;
        let first = if index == 0 { first } else { 0 };
        wire.extend(frame(receiver, fin | first, &payload[begin..end]));
        begin = end;
    }
    wire
}

fn cuts() -> impl Strategy<Value = Cuts> {
    prop_oneof![
        2 => Just(Cuts::Whole),
        1 => Just(Cuts::Bytes),
        4 => any::<u64>().prop_map(Cuts::Random),
    ]
}

/// What one connection is sent.
type Stream = (Role, Params, Vec<Planned>, Cuts);

/// Connections that share a `Deflate` with so many places, and in which order they read.
type Streams = (usize, Vec<Stream>, u64);

fn streams() -> impl Strategy<Value = Streams> {
    let stream = (roles(), params(), vec(planned(true), 0..6), cuts());
    (0..=3_usize, vec(stream, 1..4), any::<u64>())
}

/// The messages as the writer writes them and the oracle reads them; with the oracle of each.
fn received((max_pooled, streams, order): &Streams) -> Vec<Oracle> {
    let deflate = pool_of(*max_pooled);
    let (mut runs, mut oracles) = (Vec::new(), Vec::new());
    for (role, params, messages, cuts) in streams {
        let (takeover, window) = terms(params, other(*role));
        let mut oracle = Oracle::new(window);
        let mut history = History::new((takeover, window));
        let (mut wire, mut events) = (Vec::new(), Vec::new());
        for message in messages {
            let blocks = history.blocks(message);
            let plain = history.expand(&blocks);
            let is_text = message.is_text && std::str::from_utf8(&plain).is_ok();
            let first = if is_text { 1 } else { 2 };
            let places = &message.places;
            if message.is_compressed {
                let payload = write_message(&blocks);
                assert_eq!(oracle.message(&payload, takeover).as_ref(), Ok(&plain));
                wire.extend(message_frames(*role, 0x40 | first, &payload, places));
                history.remember(&plain);
            } else {
                wire.extend(message_frames(*role, first, &plain, places));
            }
            if !places.is_empty() {
                events.push(ping(b"between"));
            }
            events.push(message_event(is_text, &plain));
        }
        let ws = params.agreed(connection(*role, Settings::default()), &deflate);
        runs.push((Run::of(ws), VecDeque::from(cuts.cut(&wire)), events));
        oracles.push(oracle);
    }
    let mut order = Random(*order);
    while runs.iter().any(|(_, pieces, _)| !pieces.is_empty()) {
        let next = order.below(runs.len());
        let (run, pieces, _) = &mut runs[next];
        // A row of reads, so that a few connections with many do not keep the others out.
        for piece in pieces.drain(..pieces.len().min(1 + order.below(3))) {
            run.feed(&piece);
        }
    }
    for (run, _, events) in &runs {
        assert!(run.events == *events, "what the writer wrote");
        assert!(run.ws.is_open());
    }
    oracles
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn every_legal_stream_is_received(streams in streams()) {
        received(&streams);
    }
}

// ---- all that a peer may not send (sections 7.2.1 and 7.2.2; RFC 1951) ----

/// What happens to a payload before it is sent.
#[derive(Clone, Debug)]
enum Damage {
    None,
    /// These bits are the other way round.
    Flip(Vec<Index>),
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    CutOff(Index),
    /// It is replaced.
    Bytes(Vec<u8>),
    /// It is a dynamic block, with or without BFINAL, and after its header are these bytes.
    Dynamic(bool, Lengths, Vec<u8>),
}

/// How many bits codes have, legal or not: those of the first literals, of the end of the block,
/// of the first lengths, of the first distances.
type Lengths = (Vec<u8>, u8, Vec<u8>, Vec<u8>);

fn damages() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    let bytes = || vec(any::<u8>(), 0..40);
    let few = || vec(0..4_u8, 0..4);
    let lengths = prop_oneof![
        (few(), 0..4_u8, few(), vec(0..3_u8, 1..32)),
        (1..=15_u8).prop_map(steep),
    ];
    prop_oneof![
        20 => Just(Damage::None),
        6 => vec(place(), 1..4).prop_map(Damage::Flip),
        2 => (place(), any::<u8>()).prop_map(|(place, byte)| Damage::Set(place, byte)),
        2 => (place(), any::<u8>()).prop_map(|(place, byte)| Damage::Insert(place, byte)),
        2 => place().prop_map(Damage::Remove),
        4 => place().prop_map(Damage::CutOff),
        2 => bytes().prop_map(Damage::Bytes),
        4 => (any::<bool>(), lengths, bytes())
            .prop_map(|(bfinal, lengths, bytes)| Damage::Dynamic(bfinal, lengths, bytes)),
    ]
}

/// Each literal has one bit more than the one before, the end of the block has ones only: the
/// tail may well be read as literals and the end.
fn steep(longest: u8) -> Lengths {
    ((1..=longest).collect(), longest, vec![], vec![0])
}

impl Damage {
    fn apply(&self, payload: &[u8]) -> Vec<u8> {
        let mut payload = payload.to_vec();
        let len = payload.len();
        match self {
            Self::None => {}
            Self::Flip(bits) => {
                for bit in bits.iter().map(|bit| bit.index(8 * len)) {
                    payload[bit / 8] ^= 1 << (bit % 8);
                }
            }
            Self::Set(place, byte) => payload[place.index(len)] = *byte,
            Self::Insert(place, byte) => payload.insert(place.index(len + 1), *byte),
            Self::Remove(place) => drop(payload.remove(place.index(len))),
            Self::CutOff(place) => payload.truncate(place.index(len)),
            Self::Bytes(bytes) => payload = bytes.clone(),
            Self::Dynamic(bfinal, (literals, end, lengths, distances), bytes) => {
                let mut literals = literals.clone();
                literals.resize(END_OF_BLOCK, 0);
                literals.push(*end);
                literals.extend(lengths);
                let mut writer = BitWriter::default();
                writer.bits(u32::from(*bfinal) | 2 << 1, 3);
                writer.dynamic_header(&literals, distances);
                for byte in bytes {
                    writer.bits((*byte).into(), 8);
                }
                payload = writer.bytes();
            }
        }
        payload
    }
}

/// Who receives what was agreed on how, the longest message, and how the bytes are cut.
type Attack = (Role, Params, Vec<(Planned, Damage)>, Option<usize>, u64);

fn attacks() -> impl Strategy<Value = Attack> {
    let messages = vec((planned(false), damages()), 1..5);
    let max_sizes = prop::option::weighted(0.3, 0..600_usize);
    (roles(), params(), messages, max_sizes, any::<u64>())
}

/// What must come of a message.
#[derive(Debug, PartialEq)]
enum Verdict {
    Event(Event<'static>),
    /// The connection fails with one of these.
    Failed(Vec<Wrong>),
    /// Either, as the oracle does not tell: see [`has_lone_end`].
    Open,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Cut,
    Invalid,
    NotUtf8,
    /// It has more bytes than the first number, and is said to have no more than the second.
    TooBig(u64, u64),
}

impl Wrong {
    fn is(self, error: ProtocolError) -> bool {
        match (self, error) {
            (Self::Cut, ProtocolError::CompressedDataCut)
            | (Self::Invalid, ProtocolError::CompressedDataInvalid)
            | (Self::NotUtf8, ProtocolError::TextNotUtf8) => true,
            (Self::TooBig(limit, most), ProtocolError::MessageTooBig { len, max }) => {
                max == limit && len > max && len <= most
            }
            _ => false,
        }
    }
}

/// What must come of a message with this payload, which was another one before it was damaged.
fn verdict(
    planned: &Planned,
    (original, payload): (&[u8], &[u8]),
    damage: &Damage,
    read: Read<'_>,
    max_size: Option<usize>,
) -> Verdict {
    let plain = match planned.is_compressed {
        true => read(payload),
        false => Ok(payload.to_vec()),
    };
    let mut errors = Vec::new();
    match &plain {
        Ok(plain) => {
            let is_too_big = max_size.is_some_and(|max| {
                // The payload may be longer than the message, but not without bounds.
                let ends = fragment_ends(payload, &planned.places).into_iter();
                let most = |index| max + max / 8 + 64 + 16 * index;
                let is_too_long = ends.enumerate().any(|(index, end)| end > most(index));
                plain.len() > max || planned.is_compressed && is_too_long
            });
            if let (true, Some(max)) = (is_too_big, max_size) {
                let most = plain.len().max(payload.len());
                errors.push(Wrong::TooBig(max as u64, most as u64));
            }
            if planned.is_text && std::str::from_utf8(plain).is_err() {
                errors.push(Wrong::NotUtf8);
            }
            if errors.is_empty() {
                return Verdict::Event(message_event(planned.is_text, plain));
            }
        }
        Err(Corrupt("codes missing")) if has_lone_end(payload, read) => return Verdict::Open,
        Err(_) => {
            errors.push(Wrong::Cut);
            // Where only the end is missing, nothing else can be wrong.
            if !(matches!(damage, Damage::CutOff(_)) && read(original).is_ok()) {
                errors.push(Wrong::Invalid);
            }
            if let Some(max) = max_size {
                errors.push(Wrong::TooBig(max as u64, u64::MAX));
            }
            if planned.is_text {
                errors.push(Wrong::NotUtf8);
            }
        }
    }
    Verdict::Failed(errors)
}

/// The order in which a dynamic block has the lengths of its code length codes (RFC 1951,
/// section 3.2.7).
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// Whether the oracle reads the payload up to a dynamic block with a single code for literals
/// and lengths: that of the end of the block, of one bit. RFC 1951 does not speak of it; all
/// inflaters that descend from zlib take it, the oracle does not.
fn has_lone_end(payload: &[u8], read: Read<'_>) -> bool {
    let bytes = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
    let bit = |at: usize| Some(bytes.get(at / 8)? >> (at % 8) & 1);
    // Where a block begins, the oracle sees what is wrong with this one.
    let begins = |begin: usize| {
        let mut writer = BitWriter::default();
        for at in 0..begin {
            writer.bits(bit(at).unwrap().into(), 1);
        }
        writer.bits(0b111, 3);
        read(&writer.bytes()) == Err(Corrupt("a reserved block type"))
    };
    let is_lone = |begin: usize| {
        let mut at = begin + 1;
        let mut number = |count: usize| {
            let mut number = 0;
            for place in 0..count {
                number |= usize::from(bit(at)?) << place;
                at += 1;
            }
            Some(number)
        };
        if number(2)? != 2 {
            return None;
        }
        let (literals, distances) = (257 + number(5)?, 1 + number(5)?);
        let mut lengths = [0; ORDER.len()];
        for &symbol in &ORDER[..4 + number(4)?] {
            lengths[symbol] = number(3)? as u8;
        }
        if lengths[1] == 0 {
            return None;
        }
        let set = codes(&lengths);
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let mut read = (0, 0);
            let symbol = loop {
                read = (2 * read.0 + number(1)? as u32, read.1 + 1);
                let symbol = set.iter().position(|code| *code == read);
                if symbol.is_some() || read.1 > 7 {
                    break symbol?;
                }
            };
            let (length, times) = match symbol {
                16 => (*lengths.last()?, 3 + number(2)?),
                17 => (0, 3 + number(3)?),
                18 => (0, 11 + number(7)?),
                length => (length, 1),
            };
            lengths.extend(vec![length; times]);
        }
        let used = |(symbol, length): (usize, &usize)| (*length != 0).then_some((symbol, *length));
        let used = lengths[..literals].iter().enumerate().filter_map(used);
        used.eq([(END_OF_BLOCK, 1)]).then_some(())
    };
    (0..8 * payload.len()).any(|begin| is_lone(begin).is_some() && begins(begin))
}

/// Feeds a connection on its own, or beside one that takes its inflater before each read.
fn fed(wire: &[u8], cuts: Cuts, ws: Connection, beside: Option<Connection>) -> Run {
    let message = write_message(&[(Block::Fixed(vec![Token::Literal(b'x'); 3]), false)]);
    let (mut run, mut beside) = (Run::of(ws), beside.map(Run::of));
    for piece in cuts.cut(wire) {
        if let Some(beside) = &mut beside {
            beside.feed(&frame(beside.ws.role(), 0xc1, &message));
            assert_eq!(beside.events.pop(), Some(text("xxx")));
        }
        run.feed(&piece);
    }
    run
}

/// The messages one after the other, up to the first that ends the connection. Returns what had
/// to come of each, and all that came but Pings.
fn attacked(
    (role, params, messages, max_size, seed): &Attack,
) -> (Vec<Verdict>, Vec<Event<'static>>) {
    let limits = settings(|s| {
        s.max_message_size = max_size.map_or(s.max_message_size, |max| max as u64);
    });

    let mut history = History::new(terms(params, other(*role)));
    let (mut wire, mut verdicts) = (Vec::new(), Vec::new());
    for (planned, damage) in messages {
        let original = write_message(&history.blocks(planned));
        let payload = match planned.is_compressed {
            true => damage.apply(&original),
            false => original.clone(),
        };
        let rsv1 = u8::from(planned.is_compressed) << 6;
        let first = rsv1 | if planned.is_text { 1 } else { 2 };
        wire.extend(message_frames(*role, first, &payload, &planned.places));
        let payloads = (&original[..], &payload[..]);
        let verdict = verdict(planned, payloads, damage, &history.reader(), *max_size);
        match &verdict {
            Verdict::Event(Event::Text(text)) if planned.is_compressed => {
                history.remember(text.as_bytes());
            }
            Verdict::Event(Event::Binary(data)) if planned.is_compressed => {
                history.remember(data);
            }
            Verdict::Event(_) | Verdict::Failed(_) | Verdict::Open => {}
        }
        let is_last = !matches!(verdict, Verdict::Event(_));
        verdicts.push(verdict);
        if is_last {
            break;
        }
    }

    // The inflater is at hand, made anew each time, taken away between any two reads.
    let states = [
        (Cuts::Whole, 3, false),
        (Cuts::Bytes, 0, false),
        (Cuts::Random(*seed), 1, true),
    ];
    let mut runs = states.map(|(cuts, max_pooled, is_shared)| {
        let deflate = pool_of(max_pooled);
        let ws = |settings| params.agreed(connection(*role, settings), &deflate);
        let beside = is_shared.then(|| ws(Settings::default()));
        fed(&wire, cuts, ws(limits), beside)
    });
    assert!(runs.iter().all(|run| run.events == runs[0].events));
    assert!(runs.iter().all(|run| run.out == runs[0].out));

    let [run, ..] = &mut runs;
    let is_ping = |event: &Event<'_>| matches!(event, Event::Ping(_));
    let events = run.events.iter().filter(|event| !is_ping(event));
    let events: Vec<_> = events.map(copied).collect();
    for (verdict, event) in verdicts.iter().zip(&events) {
        match (verdict, event) {
            (Verdict::Event(expected), event) => assert_eq!(event, expected),
            (Verdict::Failed(errors), Event::Failed(error))
                if errors.iter().any(|wrong| wrong.is(*error)) => {}
            (Verdict::Open, _) => {}
            (verdict, event) => panic!("{event:?} instead of {verdict:?}"),
        }
    }
    assert_eq!(events.len(), verdicts.len());
    if let Some(Event::Failed(error)) = events.last() {
        let code = match error {
            ProtocolError::MessageTooBig { .. } => 1009_u16,
            _ => 1007,
        };
        let frames = raw_frames(&run.out, *role);
        let closes: Vec<_> = frames.iter().filter(|(first, _)| *first == 0x88).collect();
        assert_eq!(closes, [frames.last().unwrap()]);
        assert_eq!(closes[0].1[..2], code.to_be_bytes());
        let (events, out) = (run.events.len(), run.out.len());
        run.feed(&frame(*role, 0x82, b"more"));
        assert_eq!((run.events.len(), run.out.len()), (events, out));
    }
    (verdicts, events)
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn exactly_the_legal_is_received_however_it_is_cut(attack in attacks()) {
        attacked(&attack);
    }
}

/// A message with this payload.
fn damaged(is_text: bool, damage: Damage) -> (Planned, Damage) {
    let planned = Planned {
        is_text,
        is_compressed: true,
        blocks: Vec::new(),
        places: Vec::new(),
    };
    (planned, damage)
}

/// The message, and after it a legal one, which must be read the same whatever was before.
fn what_comes_of(damage: Damage) -> (Vec<Verdict>, Vec<Event<'static>>) {
    let legal = write_message(&[(Block::Fixed(vec![Token::Literal(b'x'); 3]), false)]);
    let messages = vec![damaged(false, damage), damaged(true, Damage::Bytes(legal))];
    attacked(&(Role::Server, Params::default(), messages, None, 0))
}

#[test]
fn the_tail_may_be_a_part_of_the_message() {
    let both = |first: &[u8]| vec![binary(first), text("xxx")];
    // The end of a stored block, with and without BFINAL, and its whole content.
    for bfinal in 0..=1 {
        assert_eq!(what_comes_of(Damage::Bytes(vec![bfinal])).1, both(b""));
        let content = vec![bfinal, 0x04, 0x00, 0xfb, 0xff];
        assert_eq!(
            what_comes_of(Damage::Bytes(content)).1,
            both(b"\x00\x00\xff\xff")
        );
    }
}

/// The codes have 1 to 15 bits, the end of the block is 15 ones: the 16 zeros of the tail are
/// literals, 15 of its ones are the end. What is left is padding after a final block, and the start
/// of another block after others.
#[test]
fn the_tail_ends_no_block_within_an_byte_but_a_final_one() {
    for longest in 9..=15 {
        for bfinal in [false, true] {
            let block = Damage::Dynamic(bfinal, steep(longest), vec![]);
            let events = what_comes_of(block).1;
            if !bfinal {
                assert_eq!(events, [Event::Failed(ProtocolError::CompressedDataCut)]);
                continue;
            }
            let Event::Binary(data) = &events[0] else {
                panic!("{:?}", events[0]);
            };
            // Those before are padding of the header.
            assert!(data.len() >= 16 && data.iter().all(|&byte| byte == 0));
            assert_eq!(events[1..], [text("xxx")]);
        }
    }
}

/// The tail ends the header of a block, and with 11 of its ones the block, which is empty. The
/// other 5 are padding or a block, but not the begin of the next message.
#[test]
fn the_tail_ends_no_header_and_its_block_within_an_byte_but_of_a_final_one() {
    for bfinal in 0..=1 {
        let mut writer = BitWriter::default();
        writer.bits(bfinal | 2 << 1, 3);
        writer.bits(0, 5); // 257 literals
        writer.bits(26, 5); // 27 distances
        writer.bits(14, 4); // 18 lengths of code length codes
        let mut lengths = [0; 19];
        for (length, symbols) in [&[][..], &[0], &[18], &[1], &[2], &[3], &[4], &[16, 17]]
            .into_iter()
            .enumerate()
        {
            for &symbol in symbols {
                lengths[symbol] = length as u8;
            }
        }
        for symbol in &ORDER[..18] {
            writer.bits(lengths[*symbol].into(), 3);
        }
        let codes = codes(&lengths);
        writer.code(codes[1]); // The first literal has a code of one bit,
        for zeros in [138, 117] {
            writer.code(codes[18]); // the others have none,
            writer.bits(zeros - 11, 7);
        }
        writer.code(codes[1]); // the end of the block has one.
        writer.code(codes[0]); // No distance has any: 16 zeros, 7 ones and 3 are 26 such lengths.
        let payload = writer.bytes();
        assert_eq!(payload.len(), 12);
        let events = what_comes_of(Damage::Bytes(payload)).1;
        match bfinal {
            0 => assert_eq!(events, [Event::Failed(ProtocolError::CompressedDataCut)]),
            _ => assert_eq!(events, [binary(b""), text("xxx")]),
        }
    }
}

#[test]
fn a_block_with_no_code_but_its_end_is_empty() {
    for bfinal in [false, true] {
        for distances in [&[0][..], &[1], &[1, 1]] {
            let mut literals = vec![0; END_OF_BLOCK];
            literals.push(1);
            let mut writer = BitWriter::default();
            writer.bits(u32::from(bfinal) | 2 << 1, 3);
            writer.dynamic_header(&literals, distances);
            writer.code((0, 1));
            if bfinal {
                writer.align();
            }
            writer.block(&Block::Fixed(vec![Token::Literal(b'y')]), false);
            let (verdicts, events) = what_comes_of(Damage::Bytes(writer.message()));
            assert_eq!(verdicts, [Verdict::Open]);
            assert_eq!(events[..1], [binary(b"y")]);
        }
    }
}

// ---- the negotiation (section 7.1) ----

/// An offer, read once more: the two flags, the server's bits, and the client's, which may be
/// there without a value.
type Offer = (bool, bool, Option<u8>, Option<Option<u8>>);

/// `None` if it breaks a rule.
fn offer_in(element: &Extension) -> Option<Offer> {
    let mut offer: Offer = (false, false, None, None);
    let bits = |value: &str| (8..=15).find(|bits: &u8| bits.to_string() == value);
    for (index, (name, value)) in element.params().enumerate() {
        if element.params().take(index).any(|(other, _)| other == name) {
            return None;
        }
        match (name, value) {
            ("server_no_context_takeover", None) => offer.0 = true,
            ("client_no_context_takeover", None) => offer.1 = true,
            ("server_max_window_bits", Some(value)) => offer.2 = Some(bits(value)?),
            ("client_max_window_bits", None) => offer.3 = Some(None),
            ("client_max_window_bits", Some(value)) => offer.3 = Some(Some(bits(value)?)),
            _ => return None,
        }
    }
    (element.name() == "permessage-deflate").then_some(offer)
}

/// The parameters of an answer; `None` if it breaks a rule.
fn answer_in(element: &Extension) -> Option<Params> {
    let (server, client, server_bits, client_bits) = offer_in(element)?;
    let client_bits = match client_bits {
        None => None,
        Some(bits) => Some(bits?),
    };
    Some(Params {
        server_no_context_takeover: server,
        client_no_context_takeover: client,
        server_max_window_bits: server_bits,
        client_max_window_bits: client_bits,
    })
}

fn bits_of(bits: Option<u8>) -> u8 {
    bits.unwrap_or(15)
}

/// Whether a server with these settings takes the offer: its window is not too small for it.
fn is_taken(server: &Deflate, offer: &Offer) -> bool {
    let asked = offer.2.unwrap_or(15);
    asked.min(bits_of(server.server_max_window_bits)) >= server.min_window_bits
}

/// Whether the answer keeps to the offer, and to what the server wants as far as the offer lets it.
fn keeps_to(answer: &Params, offer: &Offer, server: &Deflate) -> bool {
    let (alone, _, server_bits, client_bits) = *offer;
    (answer.server_no_context_takeover || !alone && !server.server_no_context_takeover)
        && (answer.client_no_context_takeover || !server.client_no_context_takeover)
        && server_bits.is_none_or(|asked| {
            answer
                .server_max_window_bits
                .is_some_and(|bits| bits <= asked)
        })
        && bits_of(answer.server_max_window_bits) <= bits_of(server.server_max_window_bits)
        && match (answer.client_max_window_bits, client_bits) {
            (None, None) => true,
            (None, Some(_)) => server.client_max_window_bits.is_none(),
            (Some(_), None) => false,
            (Some(bits), Some(hint)) => {
                bits <= bits_of(server.client_max_window_bits).min(hint.unwrap_or(15))
            }
        }
}

/// What is said in a header field.
fn said(elements: &[Extension]) -> Vec<Extension> {
    let elements: Vec<_> = elements.iter().map(Extension::to_string).collect();
    match elements.is_empty() {
        true => Vec::new(),
        false => Extension::parse_list([elements.join(", ")]).unwrap(),
    }
}

fn elements() -> impl Strategy<Value = Extension> {
    let names = prop_oneof![
        12 => Just("permessage-deflate"),
        1 => select(vec!["x-webkit-deflate-frame", "permessage-bzip2", "Permessage-Deflate"]),
    ];
    let windows = || {
        prop_oneof![
            6 => (8..=15_u8).prop_map(|bits| Some(bits.to_string())),
            1 => select(vec!["", "7", "16", "08", "+9", "0", "1e1", "256", "x"])
                .prop_map(|value| (!value.is_empty()).then(|| value.to_owned())),
        ]
    };
    let flags = || prop_oneof![9 => Just(None), 1 => Just(Some("1".to_owned()))];
    let hints = prop_oneof![1 => Just(None), 1 => windows()];
    let known = (
        (flags().prop_map(|value| ("server_no_context_takeover", value))),
        (flags().prop_map(|value| ("client_no_context_takeover", value))),
        (windows().prop_map(|value| ("server_max_window_bits", value))),
        (hints.prop_map(|value| ("client_max_window_bits", value))),
    );
    let others = (
        select(vec![
            "server_max_window_bits",
            "client_max_window_bits",
            "server_no_context_takeover",
            "Client_max_window_bits",
            "mode",
        ]),
        windows(),
    );
    let which = vec(prop::bool::weighted(0.4), 4);
    (
        names,
        known,
        which,
        prop::option::weighted(0.1, others),
        any::<u64>(),
    )
        .prop_map(|(name, (a, b, c, d), which, other, order)| {
            let params = [a, b, c, d].into_iter().zip(which);
            let params = params.filter_map(|(param, is_there)| is_there.then_some(param));
            let mut params: Vec<_> = params.chain(other).collect();
            let mut order = Random(order);
            for index in (1..params.len()).rev() {
                params.swap(index, order.below(index + 1));
            }
            let element = Extension::new(name).unwrap();
            params.iter().fold(element, |element, (name, value)| {
                element.param(name, value.as_deref()).unwrap()
            })
        })
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn an_answer_keeps_to_the_first_offer_that_is_good(
        server in deflates(),
        client in deflates(),
        offered in vec(elements(), 0..4),
    ) {
        let answer = server.accept(&offered);
        prop_assert_eq!(&server.accept(&said(&offered)), &answer);
        let mut offers = offered.iter().filter_map(offer_in);
        let offer = offers.find(|offer| is_taken(&server, offer));
        prop_assert_eq!(answer.is_some(), offer.is_some());
        let (Some(answer), Some(offer)) = (answer, offer) else {
            return Ok(());
        };
        let params = answer_in(&answer).expect("it breaks no rule");
        prop_assert_eq!(params.extension(), answer.clone());
        prop_assert!(keeps_to(&params, &offer, &server), "{answer:?}");
        let accepted = said(std::slice::from_ref(&answer));
        let agreed = Deflate::default().agree(&offered, &accepted);
        prop_assert_eq!(agreed, Ok(Some(answer.clone())));
        // This client may want to compress with a larger window than it is left.
        let is_enough = bits_of(params.client_max_window_bits) >= client.min_window_bits;
        let wanted = if is_enough { Ok(Some(answer)) } else { Err(HandshakeError::Extensions) };
        prop_assert_eq!(client.agree(&offered, &accepted), wanted);
    }

    #[test]
    fn a_client_takes_only_one_answer_that_fits_an_offer(
        offered in vec(elements(), 0..3),
        accepted in vec(elements(), 0..3),
    ) {
        let answers: Vec<_> =
            accepted.iter().filter(|element| element.name() == NAME).collect();
        let wanted = match answers[..] {
            [] => Ok(None),
            [element] => {
                let fits = |answer: &Params| {
                    offered.iter().filter_map(offer_in).any(|(alone, _, bits, own)| {
                        let server_bits = answer.server_max_window_bits;
                        (answer.server_no_context_takeover || !alone)
                            && bits.is_none_or(|asked| {
                                server_bits.is_some_and(|bits| bits <= asked)
                            })
                            && (own.is_some() || answer.client_max_window_bits.is_none())
                    })
                };
                let answer = answer_in(element).filter(fits);
                answer.map(Some).ok_or(HandshakeError::Extensions)
            }
            _ => Err(HandshakeError::Extensions),
        };
        let agreed = Deflate::default().agree(&offered, &accepted);
        let agreed = agreed.map(|answer| answer.map(|answer| answer_in(&answer).unwrap()));
        prop_assert_eq!(agreed, wanted);
    }

    #[test]
    fn a_connection_is_made_of_exactly_the_legal_answers(
        element in elements(),
        role in roles(),
    ) {
        let ws = connection(role, Settings::default());
        match ws.with_deflate(&Deflate::default(), &element) {
            Ok(ws) => prop_assert!(ws.has_deflate() && answer_in(&element).is_some()),
            Err(_) => prop_assert_eq!(answer_in(&element), None),
        }
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn what_two_ends_agree_on_they_can_talk_with(
        server in deflates(),
        client in deflates(),
        steps in steps(8),
    ) {
        let offered = said(&[client.offer()]);
        let offer = offer_in(&offered[0]).unwrap();
        prop_assert_eq!(offer.3, Some(client.client_max_window_bits));
        let Some(answer) = server.accept(&offered) else {
            prop_assert!(!is_taken(&server, &offer));
            return Ok(());
        };
        let params = answer_in(&answer).expect("it breaks no rule");
        prop_assert!(keeps_to(&params, &offer, &server), "{answer:?}");
        let least = client.min_window_bits;
        match client.agree(&offered, &said(std::slice::from_ref(&answer))) {
            Ok(agreed) => {
                prop_assert_eq!(agreed, Some(answer));
                prop_assert!(bits_of(params.client_max_window_bits) >= least);
                talk([&server, &client], &[params], &steps, 1_000);
            }
            // The server leaves it a smaller window than it wants to compress with.
            Err(error) => {
                prop_assert_eq!(error, HandshakeError::Extensions);
                prop_assert!(bits_of(params.client_max_window_bits) < least);
            }
        }
    }
}

// ---- whether the laws above hold for anything ----

fn add(sum: &mut Blocks, oracle: &Oracle) {
    let blocks = oracle.blocks();
    sum.stored += blocks.stored;
    sum.empty += blocks.empty;
    sum.fixed += blocks.fixed;
    sum.dynamic += blocks.dynamic;
    sum.bfinal += blocks.bfinal;
}

#[test]
fn the_strategies_reach_what_they_are_for() {
    let (mut sent, mut farthest) = (Blocks::default(), 0);
    for (deflate, agreed, steps, most) in samples(talks(), 150) {
        for oracle in talk([&deflate, &deflate], &agreed, &steps, most) {
            add(&mut sent, &oracle);
            farthest = farthest.max(oracle.largest_distance());
        }
    }
    let least = sent
        .stored
        .min(sent.empty)
        .min(sent.fixed)
        .min(sent.dynamic);
    assert!(least > 50, "{sent:?}");
    assert!(farthest > 16_384, "{farthest}");

    let (mut written, mut to_the_end) = (Blocks::default(), [0; 8]);
    for streams in samples(streams(), 100) {
        for (oracle, (role, params, ..)) in received(&streams).iter().zip(&streams.1) {
            add(&mut written, oracle);
            let (_, window) = terms(params, other(*role));
            if oracle.largest_distance() == window {
                to_the_end[window.ilog2() as usize - 8] += 1;
            }
        }
    }
    let least = written.stored.min(written.fixed).min(written.dynamic);
    assert!(
        least.min(written.empty).min(written.bfinal) > 50,
        "{written:?}"
    );
    assert!(to_the_end[0] > 0 && to_the_end[7] > 0, "{to_the_end:?}");

    let (mut errors, mut legal, mut still_legal) = ([0; 4], 0, 0);
    for attack in samples(attacks(), 250) {
        for (event, (_, damage)) in attacked(&attack).1.iter().zip(&attack.2) {
            match (event, damage) {
                (Event::Failed(error), _) => {
                    errors[match error {
                        ProtocolError::CompressedDataInvalid => 0,
                        ProtocolError::CompressedDataCut => 1,
                        ProtocolError::TextNotUtf8 => 2,
                        _ => 3,
                    }] += 1;
                }
                (_, Damage::None) => legal += 1,
                _ => still_legal += 1,
            }
        }
    }
    assert!(errors.iter().all(|&error| error > 5), "{errors:?}");
    assert!(legal > 50 && still_legal > 20, "{legal} {still_legal}");
}
