//! A payload that the application keeps: copied out of the read buffer, or a view of it.
//!
//! Invariant: each payload is read into the buffer, as a transport does, and four are kept at a time, so that the buffer
//! of a view cannot be used again at once.

use crate::measure::{self, TABLE, Way};
use crate::tables::{Row, Table};
use crate::work::size;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::hint::black_box;

const KEPT: usize = 4;

/// The bytes of a read buffer, if the payload is no longer.
const READ: usize = 64 << 10;

pub fn table() -> Table {
    let sizes = [125, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10];
    Table {
        mark: "kept",
        head: ["ns for each", "copied", "a view"].map(String::from).into(),
        rows: sizes.map(row).into(),
        has_rivals: false,
    }
}

fn row(len: usize) -> Row {
    let measure = move || {
        let payload = vec![b'x'; len];
        let start = || [way(&payload, copy), way(&payload, view)];
        measure::figures(TABLE, || start().map(Some).into())
    };
    (format!("keep, {}", size(len)), Box::new(measure))
}

fn way(payload: &[u8], keep: fn(&mut BytesMut) -> Bytes) -> Way<'_> {
    let (mut read, mut kept) = (BytesMut::new(), VecDeque::new());
    Box::new(move |n| {
        for _ in 0..n {
            read.reserve(payload.len().max(READ));
            read.extend_from_slice(black_box(payload));
            kept.push_back(keep(&mut read));
            if kept.len() > KEPT {
                kept.pop_front();
            }
        }
    })
}

fn copy(read: &mut BytesMut) -> Bytes {
    let payload = Bytes::copy_from_slice(read);
    read.clear();
    payload
}

fn view(read: &mut BytesMut) -> Bytes {
    read.split().freeze()
}
