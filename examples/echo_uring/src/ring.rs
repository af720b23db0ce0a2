//! The ring, and the buffers that the kernel reads into.
//!
//! Invariant: the buffers are never freed, and each is either the kernel's or lent to one call of [`Ring::lend`].

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use std::io;
use std::slice;
use std::time::Duration;

/// The number of buffers to read into, and the length of each.
const BUFFERS: u16 = 64;
pub(crate) const BUFFER_LEN: usize = 64 << 10;
/// Not a client. The numbers of clients come after it, and none is used twice.
pub(crate) const LISTENER: u64 = 0;
/// What an operation does.
pub(crate) const RECEIVE: u64 = 0;
pub(crate) const SEND: u64 = 1;
pub(crate) const OTHER: u64 = 2;
/// What `enter` returns when it was interrupted, when completions must be taken first (EBUSY)
/// and when its time is over (ETIME).
const NO_ERRORS: [Option<i32>; 3] = [Some(4), Some(16), Some(62)];
pub(crate) struct Ring {
    pub(crate) ring: IoUring,
    /// All buffers to read into. They are never freed, as the kernel may still write there when
    /// the ring is gone.
    buffers: *mut u8,
}

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_coop_taskrun();
        let ring = builder.setup_cqsize(4096).build(1024)?;
        let buffers = vec![0; usize::from(BUFFERS) * BUFFER_LEN].leak();
        let mut ring = Self {
            ring,
            buffers: buffers.as_mut_ptr(),
        };
        ring.provide(0, BUFFERS)?;
        Ok(ring)
    }

    /// Starts an operation with the next `enter`. Its completion carries id and operation.
    pub(crate) fn start(
        &mut self,
        entry: squeue::Entry,
        id: u64,
        operation: u64,
    ) -> io::Result<()> {
        let entry = entry.user_data(id * 4 + operation);
        // SAFETY: the buffers to read into are never freed, and what is sent is neither changed
        // nor freed before it is done: for that there is `Client::sending`.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.enter(0, Duration::ZERO)?; // the queue is full
        }
        Ok(())
    }

    /// Waits for this many completions, or until the time is over.
    pub(crate) fn enter(&self, completions: usize, time: Duration) -> io::Result<()> {
        let time = Timespec::from(time);
        let wait = SubmitArgs::new().timespec(&time);
        match self.ring.submitter().submit_with_args(completions, &wait) {
            Err(error) if NO_ERRORS.contains(&error.raw_os_error()) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Gives buffers to the kernel, which reports only a failure.
    fn provide(&mut self, first: u16, count: u16) -> io::Result<()> {
        let bytes = self.buffers.wrapping_add(usize::from(first) * BUFFER_LEN);
        let provide = opcode::ProvideBuffers::new(bytes, BUFFER_LEN as i32, count, 0, first);
        let provide = provide.build().flags(squeue::Flags::SKIP_SUCCESS);
        self.start(provide, LISTENER, OTHER)
    }

    /// Lends what the kernel has put into a buffer, and gives that back to the kernel.
    pub(crate) fn lend(
        &mut self,
        id: u16,
        len: usize,
        to: impl FnOnce(&mut [u8]),
    ) -> io::Result<()> {
        assert!(id < BUFFERS && len <= BUFFER_LEN);
        let bytes = self.buffers.wrapping_add(usize::from(id) * BUFFER_LEN);
        // SAFETY: the bytes are in `buffers`, and the kernel leaves them alone until `provide`.
        to(unsafe { slice::from_raw_parts_mut(bytes, len) });
        self.provide(id, 1)
    }
}
