//! An allocator that counts. A test binary that includes this file uses it for all its tests.
//!
//! Invariant: each thread, and so each test, counts its own allocations only.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(allocations: usize, bytes: isize) {
    // A thread that is ending counts nothing.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + allocations));
    let live = LIVE.try_with(|n| {
        n.set(n.get() + bytes);
        n.get()
    });
    let _ = PEAK.try_with(|n| n.set(n.get().max(live.unwrap_or(0))));
}

// SAFETY: the system's allocator does everything; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, bytes: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(bytes, layout) }
    }

    /// A block that grows counts once, as one block.
    unsafe fn realloc(&self, bytes: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(bytes, layout, size) }
    }
}

/// The number of bytes that are allocated.
pub fn live() -> isize {
    LIVE.get()
}

/// The number of allocations of `run`.
pub fn allocations<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let result = run();
    (result, ALLOCATIONS.get() - before)
}

/// The number of bytes that `run` allocates and does not free.
pub fn held<T>(run: impl FnOnce() -> T) -> (T, isize) {
    let before = LIVE.get();
    let result = run();
    (result, LIVE.get() - before)
}

/// The most bytes that `run` has at any time, beyond those before it.
pub fn peak<T>(run: impl FnOnce() -> T) -> (T, isize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = run();
    (result, PEAK.get() - before)
}
