//! Everything that a peer may send (RFC 7692, section 7.2.2; RFC 1951).
//!
//! Invariant: every legal stream is received, however its bytes are cut and whoever shares the
//! `Deflate`.

use crate::strategies::*;
use crate::support::deflate::*;
use crate::support::strategies::*;
use crate::support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sansocket::{Role, Settings};
use std::collections::VecDeque;

/// A part of a block, before it is known what it may refer to.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Literal(u8),
    Text(String),
    Noise(u64, usize),
    Match(u16, Back),
}

/// How far a match reaches back.
#[derive(Clone, Debug)]
pub(crate) enum Back {
    Near(usize),
    /// Anywhere within the window.
    Any(Index),
    /// To the end of the window, or to the first byte.
    Farthest,
    /// Anywhere within the bytes that the receiver has, also beyond the window.
    Lenient(Index),
    /// This many bytes before the first that the receiver has, at least one.
    Beyond(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Stored,
    Fixed,
    Dynamic,
}

/// A message, before it is known what it may refer to.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) is_text: bool,
    pub(crate) is_compressed: bool,
    /// The blocks, each with its BFINAL.
    pub(crate) blocks: Vec<(Kind, Vec<Piece>, bool)>,
    /// Where the payload is cut into fragments.
    pub(crate) places: Vec<Index>,
}

pub(crate) fn pieces(legal: bool) -> impl Strategy<Value = Piece> {
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

pub(crate) fn planned(legal: bool) -> impl Strategy<Value = Planned> {
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
pub(crate) struct History {
    pub(crate) bytes: Vec<u8>,
    pub(crate) takeover: bool,
    pub(crate) window: usize,
}

impl History {
    pub(crate) fn new((takeover, window): (bool, usize)) -> Self {
        Self {
            bytes: Vec::new(),
            takeover,
            window,
        }
    }

    pub(crate) fn remember(&mut self, message: &[u8]) {
        if self.takeover {
            self.bytes.extend(message);
            let old = self.bytes.len().saturating_sub(self.window);
            self.bytes.drain(..old);
        }
    }

    /// The planned blocks, after what is remembered.
    pub(crate) fn blocks(&self, planned: &Planned) -> Vec<(Block, bool)> {
        let mut before = self.bytes.len();
        let block = |(kind, pieces, bfinal): &(Kind, Vec<Piece>, bool)| {
            let mut tokens = Vec::new();
            for piece in pieces {
                match piece {
                    Piece::Literal(byte) => tokens.push(Token::Literal(*byte)),
                    Piece::Text(text) => tokens.extend(text.bytes().map(Token::Literal)),
                    Piece::Noise(seed, len) => {
                        tokens.extend(noise(*len, *seed).into_iter().map(Token::Literal));
                    }
                    Piece::Match(length, back) => {
                        let here = before + expanded_len(&tokens);
                        let distance = match back {
                            Back::Beyond(more) => 32_768.min(here + 1 + more),
                            // Nothing exists to refer to.
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

    /// What a legal message inflates to, after what is remembered.
    pub(crate) fn expand(&self, blocks: &[(Block, bool)]) -> Vec<u8> {
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

    /// Reads a payload as a receiver may: of earlier messages it has at most the window,
    /// but of the message itself everything that the format can refer to.
    pub(crate) fn reader(&self) -> impl Fn(&[u8]) -> Result<Vec<u8>, Corrupt> + use<> {
        let mut oracle = Oracle::new(32_768);
        let remembered = write_message(&[(Block::Stored(self.bytes.clone()), false)]);
        assert!(oracle.message(&remembered, true).is_ok());
        move |payload| oracle.clone().message(payload, true)
    }
}

/// What [`History::reader`] returns.
pub(crate) type Read<'r> = &'r dyn Fn(&[u8]) -> Result<Vec<u8>, Corrupt>;

pub(crate) fn expanded_len(tokens: &[Token]) -> usize {
    let len = |token: &Token| match token {
        Token::Literal(_) => 1,
        Token::Match { length, .. } => usize::from(*length),
    };
    tokens.iter().map(len).sum()
}

/// The ends of the fragments of a payload that is cut at these places.
pub(crate) fn fragment_ends(payload: &[u8], places: &[Index]) -> Vec<usize> {
    let places = places.iter();
    let mut ends: Vec<_> = places.map(|p| p.index(payload.len() + 1)).collect();
    ends.push(payload.len());
    ends.sort_unstable();
    ends
}

/// The frames of a message, with a Ping between the last two if there are two.
pub(crate) fn message_frames(
    receiver: Role,
    first: u8,
    payload: &[u8],
    places: &[Index],
) -> Vec<u8> {
    let (mut wire, mut start, last) = (Vec::new(), 0, places.len());
    for (index, end) in fragment_ends(payload, places).into_iter().enumerate() {
        if index > 0 && index == last {
            wire.extend(frame(receiver, 0x89, b"between"));
        }
        let fin = u8::from(index == last) << 7;
        let first = if index == 0 { first } else { 0 };
        wire.extend(frame(receiver, fin | first, &payload[start..end]));
        start = end;
    }
    wire
}

pub(crate) fn any_cuts() -> impl Strategy<Value = Cuts> {
    prop_oneof![
        2 => Just(Cuts::AtOnce),
        1 => Just(Cuts::Bytes),
        4 => any::<u64>().prop_map(Cuts::Random),
    ]
}

/// What one connection is sent.
pub(crate) type Stream = (Role, Params, Vec<Planned>, Cuts);

/// Connections that share a `Deflate` with this many places, and the order in which they read.
pub(crate) type Streams = (usize, Vec<Stream>, u64);

pub(crate) fn streams() -> impl Strategy<Value = Streams> {
    let stream = (roles(), params(), vec(planned(true), 0..6), any_cuts());
    (0..=3_usize, vec(stream, 1..4), any::<u64>())
}

/// The messages as the writer writes them and the oracle reads them, with the oracle of each.
pub(crate) fn received((max_pooled, streams, order): &Streams) -> Vec<Oracle> {
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
        // A connection reads several times in sequence, so that a few with many reads do not keep the others out.
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
