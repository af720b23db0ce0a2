//! An echo with no operating system below it: its own allocator and its own panic handler.
#![no_std]

use bytes::BytesMut;
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use sansocket::{
    ClientHandshake, ClientRequest, Connection, Event, HandshakeConfig, Input, Prepared,
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

/// A handshake and an echo: both halves of the crate are linked.
pub fn echo(ws: &mut Connection, octets: &mut [u8], out: &mut BytesMut) {
    let mut input = Input::new(octets);
    while let Some(event) = ws.receive(&mut input, out) {
        if let Event::Text(text) = event {
            let _ = ws.send_text(&text, out);
        }
    }
}

/// One message to many.
pub fn broadcast(room: &mut [Connection], news: &str, out: &mut BytesMut) {
    let news = Prepared::text(news);
    for ws in room {
        let _ = ws.send_prepared(&news, out);
    }
}

/// The client's side, with a seed from the device.
pub fn connect(request: &ClientRequest, seed: [u8; 32], out: &mut BytesMut) -> ClientHandshake {
    ClientHandshake::with_seed(request, &HandshakeConfig::default(), seed, out)
}
