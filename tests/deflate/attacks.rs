//! Everything that a peer may not send (RFC 7692, sections 7.2.1 and 7.2.2; RFC 1951).
//!
//! Invariant: exactly the legal part of what a peer sends is received.

use crate::strategies::*;
use crate::streams::*;
use crate::support::deflate::*;
use crate::support::strategies::*;
use crate::support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use sansocket::{Connection, Event, ProtocolError, Role, Settings};

/// What happens to a payload before it is sent.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    None,
    /// These bits are flipped.
    Flip(Vec<Index>),
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    CutOff(Index),
    /// It is replaced.
    Bytes(Vec<u8>),
    /// It is replaced by a dynamic block, with or without BFINAL, with these bytes after its header.
    Dynamic(bool, Lengths, Vec<u8>),
}

/// The lengths of codes in bits, legal or not: of the first literals, of the end of the block,
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

/// Each literal has one bit more than the one before, and the end of the block has only ones: the
/// tail may be read as literals and the end.
fn steep(longest: u8) -> Lengths {
    ((1..=longest).collect(), longest, vec![], vec![0])
}

impl Damage {
    pub(crate) fn apply(&self, payload: &[u8]) -> Vec<u8> {
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

/// The receiver's role and terms, its longest message, and how the bytes are cut.
pub(crate) type Attack = (Role, Params, Vec<(Planned, Damage)>, Option<usize>, u64);

pub(crate) fn attacks() -> impl Strategy<Value = Attack> {
    let messages = vec((planned(false), damages()), 1..5);
    let max_sizes = prop::option::weighted(0.3, 0..600_usize);
    (roles(), params(), messages, max_sizes, any::<u64>())
}

/// What must happen to a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Event(Event<'static>),
    /// The connection fails with one of these.
    Failed(Vec<Wrong>),
    /// Either is right, as the oracle cannot tell: see [`has_lone_end`].
    Open,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wrong {
    Cut,
    Invalid,
    NotUtf8,
    /// It has more bytes than the first number; the error says at most the second.
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

/// What must happen to a message with this payload, which was another one before it was damaged.
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
                // The payload may be longer than the message, up to a bound.
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
            // If only the end is missing, nothing else is wrong.
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
    // The oracle reports where the block starts that is wrong.
    let starts = |start: usize| {
        let mut writer = BitWriter::default();
        for at in 0..start {
            writer.bits(bit(at).unwrap().into(), 1);
        }
        writer.bits(0b111, 3);
        read(&writer.bytes()) == Err(Corrupt("a reserved block type"))
    };
    let is_lone = |start: usize| {
        let mut at = start + 1;
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
    (0..8 * payload.len()).any(|start| is_lone(start).is_some() && starts(start))
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

/// Sends the messages, up to the first that ends the connection. Returns what had
/// to happen to each, and all events except Pings.
pub(crate) fn attacked(
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

    // The inflater is kept, made anew each time, or taken away between any two reads.
    let states = [
        (Cuts::AtOnce, 3, false),
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
    #![proptest_config(cases(500))]

    #[test]
    fn exactly_the_legal_messages_are_received_however_they_are_cut(attack in attacks()) {
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

/// The message, and a legal one after it, which must be received unchanged.
fn what_comes_of(damage: Damage) -> (Vec<Verdict>, Vec<Event<'static>>) {
    let legal = write_message(&[(Block::Fixed(vec![Token::Literal(b'x'); 3]), false)]);
    let messages = vec![damaged(false, damage), damaged(true, Damage::Bytes(legal))];
    attacked(&(Role::Server, Params::default(), messages, None, 0))
}

#[test]
fn the_tail_may_be_a_part_of_the_message() {
    each_delivery(|| {
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
    });
}

/// The codes have 1 to 15 bits, the end of the block is 15 ones: the 16 zeros of the tail are
/// literals, 15 of its ones are the end. What is left is padding after a final block, and the start
/// of another block after others.
#[test]
fn the_tail_ends_a_block_inside_a_byte_only_if_it_is_final() {
    each_delivery(|| {
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
                // The zeros before them are padding of the header.
                assert!(data.len() >= 16 && data.iter().all(|&byte| byte == 0));
                assert_eq!(events[1..], [text("xxx")]);
            }
        }
    });
}

/// The tail ends the header of a block, and with 11 of its ones the block, which is empty. The
/// other 5 are padding, or the start of a block, never of the next message.
#[test]
fn the_tail_ends_a_header_and_its_block_inside_a_byte_only_if_it_is_final() {
    each_delivery(|| {
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
    });
}

#[test]
fn a_block_whose_only_code_is_its_end_is_empty() {
    each_delivery(|| {
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
    });
}
