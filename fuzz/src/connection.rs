//! A connection of each role, with compression and without, whatever the peer sends.
//!
//! Invariant: the events are those of a model that reads everything at once (RFC 6455, section 5); with compression, those
//! of a connection that does. Memory, work and output follow the bytes received.

use crate::allocator::{allocations, live};
use crate::model::{Model, Told};
use crate::reading::{Reader, any_settings, connection as new, is_last, other};
use crate::script::Script;
use crate::support::deflate::{Params, deflate};
use crate::wire::{frame, framed, spans};
use bytes::BytesMut;
use sansocket::{Connection, Deflate, Deliver, Event, Input, ProtocolError, Role, Settings};

/// Without compression.
pub fn connection(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let (role, wire) = peer(&mut script, bytes);
    let plan = plan(&mut script);
    let plan = move |told: usize| plan[told % plan.len()];
    let model = Model::of(role, &wire, &plan);
    let mut reader = Reader::new(new(role, None), &plan);
    read(&mut reader, role, &wire, &mut script);

    let may_wait = model.is_wrong_text_cut;
    let is_judged = is_same(&model.told, &reader, may_wait);
    if is_judged {
        let mut sent = frames_of(&reader.out, role);
        if let (Some(Told::Failed(_)), Some((_, body))) = (reader.told.last(), sent.last_mut()) {
            body.truncate(2); // the reason in words is not the model's
        }
        assert_eq!(sent, model.sent);
    }
    is_understood(&reader, role, None);
    is_bounded(role, None, &wire, plan(0), &mut script);
}

/// With permessage-deflate.
pub fn compressed(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let (role, wire) = peer(&mut script, bytes);
    let params = any_params(&mut script);
    let plan = plan(&mut script);
    let plan = move |told: usize| plan[told % plan.len()];
    // The same events, whichever inflater serves and however messages are delivered.
    let pools = [0, script.one_of(&[16, 1, 0])].map(|n| deflate(|d| d.max_pooled = n));
    let complete = |told: usize| {
        let mut settings = plan(told);
        settings.deliver = Deliver::Complete;
        settings
    };
    let mut at_once = Reader::new(new(role, Some((&params, &pools[0]))), &complete);
    at_once.feed(&wire);
    let mut reader = Reader::new(new(role, Some((&params, &pools[1]))), &plan);
    read(&mut reader, role, &wire, &mut script);

    if is_same(&at_once.told, &reader, true) {
        assert_eq!(at_once.out, reader.out);
    }
    is_understood(&reader, role, Some(&params));
    is_bounded(role, Some(&params), &wire, plan(0), &mut script);
}

/// The role under test, and what its peer sends.
fn peer(script: &mut Script<'_>, bytes: &[u8]) -> (Role, Vec<u8>) {
    let role = script.one_of(&[Role::Server, Role::Client]);
    let wire = if script.flag() {
        framed(role, bytes)
    } else {
        bytes.to_vec()
    };
    (role, wire)
}

fn plan(script: &mut Script<'_>) -> Vec<Settings> {
    let len = 1 + script.below(4);
    (0..len).map(|_| any_settings(script)).collect()
}

fn any_params(script: &mut Script<'_>) -> Params {
    let bits = [None, None, Some(15), Some(9), Some(8)];
    Params {
        server_no_context_takeover: script.one_in(4),
        client_no_context_takeover: script.one_in(4),
        server_max_window_bits: script.one_of(&bits),
        client_max_window_bits: script.one_of(&bits),
    }
}

/// Feeds the reader in cuts, with settings that change where they must not matter.
fn read(reader: &mut Reader<'_>, role: Role, wire: &[u8], script: &mut Script<'_>) {
    let spans = spans(role, wire);
    let mut fed = 0;
    loop {
        let len = script.cut(wire.len() - fed);
        let within = spans
            .iter()
            .any(|(start, end)| (*start..*end).contains(&fed));
        reader.feed_with_noise(&wire[fed..fed + len], script, within);
        fed += len;
        if fed == wire.len() {
            return;
        }
    }
}

/// The same events as expected. A text that waits in place is not judged yet; then this is `false`.
fn is_same(expected: &[Told], reader: &Reader<'_>, may_wait: bool) -> bool {
    let waits = may_wait && !reader.left.is_empty();
    if let (true, [before @ .., Told::Failed(ProtocolError::TextNotUtf8)]) = (waits, expected)
        && reader.told == before
    {
        return false;
    }
    assert_eq!(reader.told, expected);
    true
}

/// The frames in our output, by their first byte.
fn frames_of(mut out: &[u8], role: Role) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !out.is_empty() {
        let header = sansocket::frame::Header::parse(out, other(role), true);
        let (header, len) = header.expect("valid").expect("complete");
        let end = len + header.payload_len as usize;
        let payload = crate::support::xor(&out[len..end], header.masking_key.unwrap_or_default());
        frames.push((out[0], payload));
        out = &out[end..];
    }
    frames
}

/// Every frame that we write is taken by the other role.
fn is_understood(reader: &Reader<'_>, role: Role, params: Option<&Params>) {
    let shared = Deflate::default();
    let mut peer = new(other(role), params.map(|params| (params, &shared)));
    let (mut wire, mut out) = (reader.out.to_vec(), BytesMut::new());
    // Taken only if what is before it is complete.
    frame(other(role), 0x8a, b"last", &mut wire);
    let (mut input, mut last) = (Input(&mut wire), None);
    while let Some(event) = peer.receive(&mut input, &mut out) {
        assert!(!matches!(event, Event::Failed(_)), "{event:?}");
        last = Some(event.into_owned());
    }
    match last {
        Some(Event::Pong(payload)) => assert_eq!(payload, b"last"[..]),
        Some(Event::Close { .. }) => assert!(!reader.ws.is_open()),
        other => panic!("{other:?}"),
    }
    let has_closed = reader.told.last().is_some_and(is_last);
    assert!(
        reader.ws.is_open() || has_closed,
        "it has a reason to close"
    );
}

/// Reads once more, with one setting, and counts. See SECURITY.md for the formula.
fn is_bounded(
    role: Role,
    params: Option<&Params>,
    wire: &[u8],
    settings: Settings,
    script: &mut Script<'_>,
) {
    let shared = Deflate::default();
    let mut ws: Connection = new(role, params.map(|params| (params, &shared)));
    *ws.settings() = settings;
    let mut buffer = Vec::with_capacity(wire.len());
    let mut out = BytesMut::with_capacity(4 * wire.len() + 1024);
    let (base, mut fed, mut failed) = (live(), 0, 0);
    while fed < wire.len() {
        let len = script.cut(wire.len() - fed).max(1);
        buffer.extend_from_slice(&wire[fed..fed + len]);
        fed += len;
        let (here, before) = (buffer.len(), out.len());
        let steps = steps(here, settings.max_message_size, params.is_some());
        let mut input = Input(&mut buffer);
        let ((), allocated) = allocations(|| {
            let mut events = 0;
            while let Some(event) = ws.receive(&mut input, &mut out) {
                events += 1;
                assert!(events <= steps, "{events} events of {here} bytes");
                failed |= usize::from(matches!(event, Event::Failed(_)));
            }
        });
        let left = input.0.len();
        buffer.drain(..here - left);

        let held = live() - base;
        let most = most_held(fed, settings.max_message_size, params.is_some());
        assert!(held <= most, "{held} bytes held of {fed}, not {most}");
        assert!(
            allocated <= 4 * steps + 16,
            "{allocated} allocations, {here} bytes"
        );
        assert!(
            out.len() - before <= 3 * here + 262,
            "{} of {here}",
            out.len() - before
        );
        assert!(
            out.len() <= 3 * fed + 131 * failed,
            "{} of {fed}",
            out.len()
        );
    }
}

/// The most that a connection holds beside itself, in bytes.
fn most_held(arrived: usize, max: u64, inflates: bool) -> isize {
    /// Two states of a connection, and a control frame.
    const FIXED: isize = 512;
    /// An inflater, its window, and the room for one step.
    const INFLATER: isize = 160 << 10;
    let arrived = if inflates {
        // 1,032 bytes from one is as far as DEFLATE goes.
        arrived.saturating_mul(1_032)
    } else {
        arrived
    };
    let message = (arrived as u64).min(max) as isize;
    let ahead = message.max((64 << 10).min(8 * message));
    2 * (message + ahead) + FIXED + if inflates { INFLATER } else { 0 }
}

/// The most events that so many bytes can make.
fn steps(here: usize, max: u64, inflates: bool) -> usize {
    // Two bytes for a header; a piece ends with a read, or after a step; one before each failure.
    let pieces = here / (16 << 10) + 2;
    let inflated = if inflates {
        // A step of 32 KiB needs 32 bytes at least.
        (here / 32 + 2).min((max >> 15) as usize * here + 2)
    } else {
        0
    };
    here / 2 + pieces + inflated
}
