//! An echo with no operating system below it: its own allocator and its own panic handler.
//!
//! Invariant: every room that works without `std` is linked.
#![no_std]

use bytes::BytesMut;
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::time::Duration;
use sansocket::{
    Backoff, ClientRequest, Config, Connection, End, Endpoint, Event, Input, Prepared, Tick,
};

struct NoMemory;

// SAFETY: it never gives out any memory.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// One turn of a server: what was read is answered. `Err` is how it ended.
pub fn turn(
    ws: &mut Endpoint,
    bytes: &mut [u8],
    now: Duration,
    out: &mut BytesMut,
) -> Result<Option<Duration>, End> {
    let mut input = Input(bytes);
    while let Some(event) = ws.receive(&mut input, now, out) {
        let _ = match event {
            Event::Request(request) => ws.accept(request, out),
            Event::Text(text) => ws.send(&text, out),
            Event::Binary(data) => ws.send(&data, out),
            _ => Ok(()),
        };
    }
    match ws.tick(now, out) {
        Tick::Wait(wake) | Tick::ShutDown(wake) => Ok(wake),
        Tick::Done(end) => Err(end),
    }
}

/// The same without handshake and deadlines.
pub fn echo(ws: &mut Connection, bytes: &mut [u8], out: &mut BytesMut) {
    let mut input = Input(bytes);
    while let Some(event) = ws.receive(&mut input, out) {
        if let Event::Text(text) = event {
            let _ = ws.send(&text, out);
        }
    }
}

/// One message to many.
pub fn broadcast(room: &mut [Connection], news: &str, out: &mut BytesMut) {
    let news = Prepared::new(news);
    for ws in room {
        let _ = ws.send(&news, out);
    }
}

/// The client's side, with a seed from the device.
pub fn connect(
    request: &ClientRequest,
    seed: [u8; 32],
    now: Duration,
    out: &mut BytesMut,
) -> Endpoint {
    Endpoint::client(request, &Config::default(), seed, now, out)
}

/// When a client tries again.
pub fn retry(backoff: &mut Backoff, end: &End, lasted: Duration) -> Option<Duration> {
    backoff.after(end, lasted)
}
