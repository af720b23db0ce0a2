//! One client of the ring: what it receives, and which operations it starts.
//!
//! Invariant: what the kernel sends is neither changed nor freed before it says that it is done.

use crate::ring::{BUFFER_LEN, RECEIVE, Ring, SEND};
use bytes::{Buf, BytesMut};
use io_uring::types::Fd;
use io_uring::{opcode, squeue};
use sansocket::{CloseCode, Endpoint, Event, Input, SendError, Tick};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;
use std::{io, mem, ptr};

/// A client with this much output waiting for it is not read until it has taken some.
const MAX_OUT: usize = 1 << 20;
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    ws: Endpoint,
    /// The latest time of its next turn.
    pub(crate) timer: Duration,
    /// The output to be sent next. Neither this nor `sending` holds memory while it is empty.
    out: BytesMut,
    /// What the kernel sends while `is_sending`. For `ws` it is a layer below `out`.
    sending: BytesMut,
    pub(crate) is_sending: bool,
    pub(crate) is_receiving: bool,
    /// Whether nothing more can arrive.
    is_eof: bool,
    /// Whether it only waits for the kernel to finish with it.
    pub(crate) is_done: bool,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, ws: Endpoint, now: Duration) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            ws,
            timer: now,
            out: BytesMut::new(),
            sending: BytesMut::new(),
            is_sending: false,
            is_receiving: false,
            is_eof: false,
            is_done: false,
        }
    }

    /// Handles what was received.
    pub(crate) fn received(&mut self, bytes: &mut [u8], now: Duration) {
        let (ws, out) = (&mut self.ws, &mut self.out);
        let mut input = Input(bytes);
        while let Some(event) = ws.receive(&mut input, now, out) {
            // Sending fails only when the connection is closing: nothing is left to say.
            let _ = match event {
                Event::Request(request) => ws.accept(request, out),
                Event::Text(text) => ws.send(&text, out),
                Event::Binary(data) => ws.send(&data, out),
                _ => Ok(()), // Pings, Closes and errors are answered already
            };
        }
    }

    /// Nothing more will arrive.
    pub(crate) fn ended(&mut self) {
        self.is_eof = true;
        self.ws.receive_eof();
    }

    /// The kernel has sent this much, or cannot send.
    pub(crate) fn sent(&mut self, result: Option<usize>, now: Duration) {
        self.is_sending = false;
        match result {
            Some(n) => self.sending.advance(n),
            None => {
                (self.sending, self.out) = (BytesMut::new(), BytesMut::new());
                self.ended();
            }
        }
        let n = result.unwrap_or(0);
        self.ws.flushed(n, !self.sending.is_empty(), now);
    }

    /// Starts everything that can be done now. Returns the latest time of the next turn; `None` if
    /// it is over.
    pub(crate) fn turn(
        &mut self,
        id: u64,
        ring: &mut Ring,
        now: Duration,
    ) -> io::Result<Option<Duration>> {
        let fd = Fd(self.stream.as_raw_fd());
        let wake = match self.ws.tick(now, &mut self.out) {
            Tick::Wait(wake) => wake,
            Tick::ShutDown(wake) => {
                let _ = self.stream.shutdown(Shutdown::Write); // calling it again does no harm
                wake
            }
            Tick::Done(end) => {
                common::log(&end);
                return Ok(None);
            }
        };
        if self.sending.is_empty() && !self.out.is_empty() {
            self.sending = mem::take(&mut self.out);
            self.ws.flushed(0, true, now); // it has moved from `out` to the kernel
        }
        if !self.is_sending && !self.sending.is_empty() {
            let len = u32::try_from(self.sending.len()).unwrap_or(u32::MAX);
            let send = opcode::Send::new(fd, self.sending.as_ptr(), len).build();
            ring.start(send, id, SEND)?;
            self.is_sending = true;
        }
        // One buffer at a time, so that none can take them all from the others.
        let left = self.sending.len() + self.out.len();
        if !self.is_receiving && !self.is_eof && left <= MAX_OUT {
            let receive = opcode::Recv::new(fd, ptr::null_mut(), BUFFER_LEN as u32);
            let receive = receive.build().flags(squeue::Flags::BUFFER_SELECT);
            ring.start(receive, id, RECEIVE)?;
            self.is_receiving = true;
        }
        Ok(Some(wake.unwrap_or(Duration::MAX)))
    }

    /// Closes the connection, or ends the transport if there is none.
    pub(crate) fn go_away(&mut self) {
        let closed = self.ws.close(CloseCode::GOING_AWAY, "", &mut self.out);
        if closed == Err(SendError::NotYetOpen) {
            self.ended();
        }
    }
}
