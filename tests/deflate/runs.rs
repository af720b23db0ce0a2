//! A connection with permessage-deflate, and its input: blocks, bombs, words.
//!
//! Streams are written and read by hand, see `support/deflate.rs`.

use crate::support::deflate::*;
use crate::support::*;
use sansocket::{Deflate, End, Event, ProtocolError, Role, Settings};

/// Settings with this limit.
pub(crate) fn at_most(max_message_size: usize) -> Settings {
    settings(|s| s.max_message_size = max_message_size as u64)
}

/// A connection that has agreed on this.
pub(crate) fn agreed(role: Role, settings: Settings, deflate: &Deflate, params: &Params) -> Run {
    Run::of(params.agreed(connection(role, settings), deflate))
}

/// One with the defaults.
pub(crate) fn plain(role: Role) -> Run {
    limited(role, Settings::default())
}

pub(crate) fn limited(role: Role, settings: Settings) -> Run {
    Run::of(with_deflate(connection(role, settings)))
}

/// Takes what a connection has written.
pub(crate) fn taken(run: &mut Run) -> Vec<(u8, Vec<u8>)> {
    let bytes = run.out.split();
    raw_frames(&bytes, run.ws.role())
}

/// The code of the Close frame that a connection has written, its only one and its last frame.
pub(crate) fn close_code(run: &Run) -> Option<u16> {
    let frames = raw_frames(&run.out, run.ws.role());
    let closes: Vec<_> = frames.iter().filter(|(first, _)| *first == 0x88).collect();
    assert_eq!((closes.len(), closes[0]), (1, frames.last().unwrap()));
    let code = closes[0].1.first_chunk()?;
    Some(u16::from_be_bytes(*code))
}

/// The event of a message of this type that inflates to these bytes.
pub(crate) fn message(first: u8, bytes: &[u8]) -> Event<'static> {
    match first & 0x0f {
        1 => text(str::from_utf8(bytes).unwrap()),
        _ => binary(bytes),
    }
}

pub(crate) fn failed(error: ProtocolError) -> [Event<'static>; 1] {
    [Event::Failed(error)]
}

/// Asserts that this failure is the last event, with the Close frame for it.
pub(crate) fn has_failed(run: &mut Run, error: ProtocolError, code: u16) {
    assert_eq!(run.events.last(), Some(&Event::Failed(error)));
    assert_eq!(close_code(run), Some(code));
    assert!(!run.ws.is_open());
    assert!(!run.ws.has_deflate());
    assert_eq!(run.eof(), End::Failed(error));
}

/// Asserts that a message failed for having more than `max` bytes; the error says at most `len`.
pub(crate) fn too_big(run: &Run, max: usize, len: usize) -> ProtocolError {
    let Some(Event::Failed(error)) = run.events.last() else {
        panic!("{:?} is no failure", run.events.last());
    };
    let ProtocolError::MessageTooBig {
        len: said,
        max: limit,
    } = *error
    else {
        panic!("{error:?} instead of a message that is too big");
    };
    assert_eq!(limit, max as u64);
    let possible = limit + 1..=len as u64;
    assert!(possible.contains(&said), "{said} is not in {possible:?}");
    *error
}

/// Asserts that this failure is the only event.
pub(crate) fn is_too_big(run: &mut Run, max: usize, len: usize) {
    let error = too_big(run, max, len);
    assert_eq!(run.events.len(), 1);
    has_failed(run, error, 1009);
}

/// The event, repeated.
pub(crate) fn times(count: usize, event: impl Fn() -> Event<'static>) -> Vec<Event<'static>> {
    (0..count).map(|_| event()).collect()
}

pub(crate) fn literals(bytes: &[u8]) -> Vec<Token> {
    bytes.iter().map(|&byte| Token::Literal(byte)).collect()
}

pub(crate) const fn back(distance: u16) -> Token {
    Token::Match {
        length: 3,
        distance,
    }
}

/// The payload of one block.
pub(crate) fn payload(block: Block) -> Vec<u8> {
    write_message(&[(block, false)])
}

pub(crate) fn fixed(tokens: &[Token]) -> Vec<u8> {
    payload(Block::Fixed(tokens.to_vec()))
}

/// `len` times the letter x in the fewest bytes: each 258 of them take 2 bits.
pub(crate) fn bomb_tokens(len: usize) -> Vec<Token> {
    let x = Token::Literal(b'x');
    let Some(rest) = len.checked_sub(1) else {
        return Vec::new();
    };
    let long = Token::Match {
        length: 258,
        distance: 1,
    };
    let mut tokens = vec![x];
    tokens.extend(vec![long; rest / 258]);
    match rest % 258 {
        few @ 0..3 => tokens.extend(vec![x; few]),
        length => tokens.push(Token::Match {
            length: length as u16,
            distance: 1,
        }),
    }
    tokens
}

pub(crate) fn bomb(len: usize) -> Vec<u8> {
    payload(Block::Dynamic(bomb_tokens(len)))
}

/// The payload in fragments of `len` bytes, the last one with FIN if `fin`.
pub(crate) fn fragmented(role: Role, first: u8, payload: &[u8], len: usize, fin: bool) -> Vec<u8> {
    let pieces: Vec<_> = payload.chunks(len).collect();
    let mut wire = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let last = fin && index + 1 == pieces.len();
        let opcode = if index == 0 { first & 0x7f } else { 0 };
        wire.extend(frame(role, opcode | u8::from(last) << 7, piece));
    }
    wire
}

/// Bytes as applications send them: words that repeat, near and far.
pub(crate) fn words(len: usize, seed: u64) -> Vec<u8> {
    const WORDS: [&str; 6] = [
        "\"user\":",
        "null",
        "{\"position\":[",
        "]},",
        "message",
        "€ ",
    ];
    let mut random = Random(seed);
    let mut bytes = Vec::new();
    while bytes.len() < len {
        match random.below(8) {
            0 => bytes.extend(random.below(1 << 20).to_string().bytes()),
            1 => bytes.extend(vec![b'='; random.below(300)]),
            n => bytes.extend(WORDS[n - 2].bytes()),
        }
    }
    bytes.truncate(len);
    bytes
}

/// The end of each payload of a message, which only the last one leaves out.
pub(crate) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Payloads that inflate to `len` times the letter x, of each kind of block.
pub(crate) fn of_each_kind(len: usize) -> Vec<Vec<u8>> {
    let x = vec![b'x'; len];
    let (half, rest) = x.split_at(len / 2);
    vec![
        payload(Block::Stored(x.clone())),
        fixed(&literals(&x)),
        fixed(&bomb_tokens(len)),
        bomb(len),
        write_message(&[
            (Block::Fixed(bomb_tokens(half.len())), true),
            (Block::Dynamic(Vec::new()), true),
            (Block::Stored(rest.to_vec()), true),
        ]),
    ]
}

/// Reads a message from its frames as a peer does.
pub(crate) fn read(oracle: &mut Oracle, frames: &[(u8, Vec<u8>)], takeover: bool) -> Vec<u8> {
    let (first, rest) = frames.split_first().unwrap();
    assert!(rest.iter().all(|(first, _)| first & 0x7f == 0));
    assert!(
        frames
            .iter()
            .rev()
            .map(|f| f.0 & 0x80)
            .eq([vec![0x80], vec![0; rest.len()]].concat())
    );
    let payload: Vec<u8> = frames.iter().flat_map(|(_, part)| part.clone()).collect();
    match first.0 & 0x40 {
        0 => payload,
        _ => oracle.message(&payload, takeover).unwrap(),
    }
}
