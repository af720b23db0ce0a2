//! zlib in C, for raw DEFLATE data: the codec that most WebSockets use.
//!
//! Invariant: a stream is freed once, and no pointer outlives the call that it is given to.

use fastrand::Rng;
use libz_sys as z;
use std::mem::{MaybeUninit, size_of};

/// Windows of raw data are negative.
const RAW: i32 = -1;
const VERSION: &std::ffi::CStr = c"1.2.8";

/// The end of a message that a sender leaves out (RFC 7692, section 7.2.1).
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// A stream of zeros: the allocators of zlib itself.
fn zeroed() -> Box<z::z_stream> {
    let mut stream = Box::new(MaybeUninit::<z::z_stream>::zeroed());
    let place = stream.as_mut_ptr();
    // SAFETY: zlib takes null allocators for its own. The fields are written first as what Rust wants them to be.
    unsafe {
        (&raw mut (*place).zalloc).write(alloc);
        (&raw mut (*place).zfree).write(free);
        stream.assume_init()
    }
}

extern "C" fn alloc(_: z::voidpf, items: z::uInt, size: z::uInt) -> z::voidpf {
    // SAFETY: `calloc` checks the product.
    unsafe { calloc(items as usize, size as usize) }
}

extern "C" fn free(_: z::voidpf, place: z::voidpf) {
    // SAFETY: it is from `alloc`.
    unsafe { c_free(place) }
}

unsafe extern "C" {
    fn calloc(items: usize, size: usize) -> z::voidpf;
    #[link_name = "free"]
    fn c_free(place: z::voidpf);
}

/// Runs a step on a stream, with these bytes and room for as many. Returns what it says, how many bytes it took, and its output.
fn step(
    stream: &mut z::z_stream,
    input: &[u8],
    room: usize,
    call: impl Fn(&mut z::z_stream) -> i32,
) -> (i32, usize, Vec<u8>) {
    let mut output = vec![0; room];
    stream.next_in = input.as_ptr().cast_mut();
    stream.avail_in = input.len() as z::uInt;
    stream.next_out = output.as_mut_ptr();
    stream.avail_out = room as z::uInt;
    let result = call(stream);
    output.truncate(room - stream.avail_out as usize);
    (result, input.len() - stream.avail_in as usize, output)
}

/// A sender's side of a connection, with context takeover.
pub struct Deflater {
    stream: Box<z::z_stream>,
    window: Window,
    /// Whether it ends some messages with a final block (RFC 7692, section 7.2.3.4).
    has_finals: bool,
}

/// The last 32 KiB of the messages.
#[derive(Default)]
struct Window(Vec<u8>);

impl Window {
    fn append(&mut self, data: &[u8]) {
        self.0.extend(data);
        let old = self.0.len().saturating_sub(1 << 15);
        self.0.drain(..old);
    }
}

impl Deflater {
    pub fn new(level: i32, window_bits: i32, has_finals: bool) -> Self {
        let mut stream = zeroed();
        // SAFETY: the stream is one.
        let result = unsafe {
            z::deflateInit2_(
                &mut *stream,
                level,
                z::Z_DEFLATED,
                RAW * window_bits,
                8,
                z::Z_DEFAULT_STRATEGY,
                VERSION.as_ptr(),
                size_of::<z::z_stream>() as i32,
            )
        };
        assert_eq!(result, z::Z_OK);
        Self {
            stream,
            window: Window::default(),
            has_finals,
        }
    }

    /// Forgets what was sent (RFC 7692, section 7.1.1.1).
    pub fn forget(&mut self) {
        self.window = Window::default();
        // SAFETY: the stream is one.
        let result = unsafe { z::deflateReset(&mut *self.stream) };
        assert_eq!(result, z::Z_OK);
    }

    /// The payload of a message, in one of the forms that RFC 7692, section 7.2.3, shows.
    pub fn message(&mut self, data: &[u8], random: &mut Rng) -> Vec<u8> {
        let strategies = [
            z::Z_DEFAULT_STRATEGY,
            z::Z_FIXED,
            z::Z_HUFFMAN_ONLY,
            z::Z_RLE,
        ];
        let strategy = strategies[random.usize(0..4)];
        let room = data.len() + data.len() / 4 + 300;
        let half = random.usize(0..=data.len());
        let set = |stream: &mut z::z_stream| {
            // SAFETY: the stream is one.
            unsafe { z::deflateParams(stream, 6, strategy) }
        };
        let mut payload = step(&mut self.stream, &[], room, set).2;
        let is_final = self.has_finals && random.u8(0..3) == 0;
        let last = if is_final {
            z::Z_FINISH
        } else {
            z::Z_SYNC_FLUSH
        };
        self.window.append(data);
        for (part, flush) in [(&data[..half], random.i32(0..4)), (&data[half..], last)] {
            let run = |stream: &mut z::z_stream| {
                // SAFETY: the stream is one.
                unsafe { z::deflate(stream, flush) }
            };
            payload.extend(step(&mut self.stream, part, room, run).2);
        }
        if is_final {
            // SAFETY: the stream is one, and the window is not longer than its own.
            let result = unsafe {
                z::deflateReset(&mut *self.stream);
                let len = self.window.0.len() as z::uInt;
                z::deflateSetDictionary(&mut *self.stream, self.window.0.as_ptr(), len)
            };
            assert_eq!(result, z::Z_OK);
            // Without the start of an empty block it is cut off.
            if random.u8(0..8) > 0 {
                payload.push(0);
            }
            return payload;
        }
        if payload.ends_with(&TAIL) {
            payload.truncate(payload.len() - TAIL.len());
        }
        payload
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        // SAFETY: the stream is one.
        unsafe { z::deflateEnd(&mut *self.stream) };
    }
}

/// A receiver's side of a connection, with context takeover.
pub struct Inflater {
    stream: Box<z::z_stream>,
    /// What later messages may refer to.
    window: Window,
    /// The number of final blocks so far.
    pub finals: usize,
}

impl Inflater {
    pub fn new() -> Self {
        let mut stream = zeroed();
        // SAFETY: the stream is one.
        let result = unsafe {
            let size = size_of::<z::z_stream>() as i32;
            z::inflateInit2_(&mut *stream, RAW * 15, VERSION.as_ptr(), size)
        };
        assert_eq!(result, z::Z_OK);
        Self {
            stream,
            window: Window::default(),
            finals: 0,
        }
    }

    /// The message of this payload, of at most `max` bytes; `None` if it is none (RFC 7692, section 7.2.2).
    pub fn message(&mut self, payload: &[u8], max: usize) -> Option<Result<Vec<u8>, TooBig>> {
        if payload.is_empty() {
            return Some(Ok(Vec::new()));
        }
        let bytes = [payload, &TAIL].concat();
        let (mut rest, mut message) = (&bytes[..], Vec::new());
        loop {
            let run = |stream: &mut z::z_stream| {
                // SAFETY: the stream is one.
                unsafe { z::inflate(stream, z::Z_NO_FLUSH) }
            };
            let (result, taken, output) = step(&mut self.stream, rest, 64 << 10, run);
            rest = &rest[taken..];
            let has_room = output.len() < 64 << 10;
            message.extend(&output);
            self.window.append(&output);
            if message.len() > max {
                return Some(Err(TooBig));
            }
            match result {
                z::Z_OK | z::Z_BUF_ERROR if !rest.is_empty() || !has_room => {}
                z::Z_OK | z::Z_BUF_ERROR => break,
                z::Z_STREAM_END => {
                    // A final block ends the stream, not the context (section 7.2.3.4).
                    self.restart();
                    if rest.is_empty() {
                        return Some(Ok(message));
                    }
                }
                _ => return None,
            }
        }
        // No bit of a last byte is left, and the next is the first of a block's header.
        let is_at_the_end_of_a_block = self.stream.data_type & (128 | 63) == 128;
        is_at_the_end_of_a_block.then_some(Ok(message))
    }

    /// Forgets what was received.
    pub fn forget(&mut self) {
        self.window = Window::default();
        // SAFETY: the stream is one.
        let result = unsafe { z::inflateReset(&mut *self.stream) };
        assert_eq!(result, z::Z_OK);
    }

    fn restart(&mut self) {
        self.finals += 1;
        // SAFETY: the stream is one, and the window is not longer than its own.
        let result = unsafe {
            z::inflateReset(&mut *self.stream);
            let len = self.window.0.len() as z::uInt;
            z::inflateSetDictionary(&mut *self.stream, self.window.0.as_ptr(), len)
        };
        assert_eq!(result, z::Z_OK);
    }
}

/// The message is longer than the limit.
#[derive(Debug, PartialEq)]
pub struct TooBig;

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: the stream is one.
        unsafe { z::inflateEnd(&mut *self.stream) };
    }
}
