//! Buffers that the connections of a thread take turns with.
//!
//! Invariant: a buffer in here is empty, and no larger than `KEPT`.

use bytes::BytesMut;
use std::cell::Cell;
use std::mem;
use std::thread::LocalKey;

/// A larger one is freed: one long message must not be paid for ever.
const KEPT: usize = 512 << 10;

thread_local! {
    static READ: Cell<BytesMut> = Cell::default();
    static OUT: Cell<BytesMut> = Cell::default();
}

/// An empty buffer to read `room` bytes into.
pub(crate) fn take_read(room: usize) -> BytesMut {
    let mut buffer = take(&READ);
    buffer.reserve(room);
    buffer
}

/// Gives back what holds nothing any more.
pub(crate) fn give_read(buffer: &mut BytesMut) {
    if buffer.capacity() > 0 {
        give(&READ, buffer);
    }
}

/// An empty buffer to write from.
pub(crate) fn take_out() -> BytesMut {
    take(&OUT)
}

/// Gives back what holds nothing any more.
pub(crate) fn give_out(buffer: &mut BytesMut) {
    give(&OUT, buffer);
}

type Pool = LocalKey<Cell<BytesMut>>;

fn take(pool: &'static Pool) -> BytesMut {
    pool.try_with(Cell::take).unwrap_or_default() // the thread may be ending
}

fn give(pool: &'static Pool, buffer: &mut BytesMut) {
    let mut buffer = mem::take(buffer);
    if buffer.capacity() <= KEPT {
        buffer.clear();
        let _ = pool.try_with(|pool| pool.set(buffer));
    }
}
