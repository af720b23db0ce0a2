//! An echo server on one thread and one io_uring: the kernel puts what comes in into buffers that
//! all connections share, and there the protocol unmasks it.
//!
//!     cargo run --release --example echo_uring -- [ADDRESS] [--max-message BYTES] [--deflate] [--hurry N]
//!
//! It needs Linux 6.0. On another kernel, or in a sandbox that keeps io_uring shut, it says so and
//! does nothing.

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("echo_uring: only Linux has io_uring");
}

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    linux::run()
}

#[cfg(target_os = "linux")]
mod linux {
    use anyhow::{Context, Result};
    use bytes::{Buf, BytesMut};
    use clap::Parser;
    use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
    use io_uring::{IoUring, cqueue, opcode, squeue};
    use sansocket::{
        CloseCode, Config, Deflate, Endpoint, Event, Input, OriginPolicy, SendError, Tick,
    };
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::{self, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
    use std::num::NonZeroU32;
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};
    use std::{mem, ptr, slice};

    /// How many buffers to read into there are, and how long each is.
    const BUFFERS: u16 = 64;
    const BUFFER_LEN: usize = 64 << 10;
    /// A client with this much output waiting for it is not read until it has taken some.
    const MAX_OUT: usize = 1 << 20;
    /// The kernel takes no endless time.
    const AT_LEAST: Duration = Duration::from_secs(3600);
    /// Not a client. Their numbers come after it, and each is used once.
    const LISTENER: u64 = 0;
    /// What an operation does.
    const RECEIVE: u64 = 0;
    const SEND: u64 = 1;
    const OTHER: u64 = 2;
    /// What `enter` says when it was interrupted, when completions are to be taken first (EBUSY)
    /// and when its time is over (ETIME).
    const NO_ERRORS: [Option<i32>; 3] = [Some(4), Some(16), Some(62)];
    /// What a receive says when no buffer is left.
    const ENOBUFS: i32 = 105;

    /// An echo server on one thread and one io_uring, in the kernel's own buffers
    #[derive(Parser)]
    struct Arguments {
        /// Where to listen; with port 0 the system picks one
        #[arg(default_value = "127.0.0.1:9001")]
        address: SocketAddr,
        /// The largest message that is taken
        #[arg(long, value_name = "BYTES", default_value = "16777216")]
        max_message: u64,
        /// Accept permessage-deflate
        #[arg(long)]
        deflate: bool,
        /// Make every deadline N times shorter
        #[arg(long, value_name = "N", default_value = "1")]
        hurry: NonZeroU32,
    }

    /// Whether the server is stopping.
    static STOP: AtomicBool = AtomicBool::new(false);

    pub(super) fn run() -> Result<()> {
        let arguments = Arguments::parse();
        let mut config = Config::default();
        // An echo has no secrets, so pages of any site may connect. Yours should not say this.
        config.origins = OriginPolicy::any();
        config.deflate = arguments.deflate.then(Deflate::default);
        config.settings.max_message_size = arguments.max_message;
        config.times = config.times / arguments.hurry.get();

        let mut ring = match Ring::new() {
            Ok(ring) => ring,
            Err(error) => {
                eprintln!("echo_uring: this kernel has no io_uring ({error}); it takes Linux 6.0");
                return Ok(());
            }
        };
        let listener = TcpListener::bind(arguments.address)
            .with_context(|| format!("cannot listen on {}", arguments.address))?;
        let address = listener.local_addr()?;
        writeln!(io::stdout(), "listening on ws://{address}/")?;

        ctrlc::set_handler(move || {
            STOP.store(true, Ordering::Relaxed);
            drop(TcpStream::connect(address)); // wakes the loop below
        })?;

        let start = Instant::now();
        // Never freed: the kernel may send from there even when the ring is gone.
        let clients: &mut BTreeMap<u64, Box<Client>> = Box::leak(Box::default());
        let mut last_id = LISTENER;
        let mut stop_at = None;
        // When who has a turn at the latest: each is in it once.
        let mut timers = BTreeSet::from([(Duration::ZERO, LISTENER)]);
        let mut ready = Vec::new();
        while stop_at.is_none_or(|time| start.elapsed() < time && !clients.is_empty()) {
            let first = timers.first().map(|(time, _)| *time);
            let wait = first.map(|time| time.saturating_sub(start.elapsed()));
            ring.enter(1, wait.map_or(AT_LEAST, |wait| wait.min(AT_LEAST)))?;
            let now = start.elapsed();
            while let Some((_, id)) = timers.first().filter(|(time, _)| *time <= now) {
                ready.push(*id);
                timers.pop_first();
            }

            if STOP.load(Ordering::Relaxed) && stop_at.is_none() {
                stop_at = Some(now + config.times.close);
                timers.insert((now + config.times.close, LISTENER));
                clients.values_mut().for_each(|client| client.go_away());
                ready.extend(clients.keys());
            }

            // What is done.
            let completions: Vec<_> = ring.ring.completion().collect();
            for done in completions {
                let (id, operation) = (done.user_data() / 4, done.user_data() % 4);
                let (result, flags) = (done.result(), done.flags());
                if id == LISTENER {
                    if operation == OTHER {
                        return Err(io::Error::from_raw_os_error(-result).into());
                    }
                    if result >= 0 {
                        // SAFETY: it was accepted just now, so nothing else owns it.
                        let stream = unsafe { TcpStream::from_raw_fd(result) };
                        if stop_at.is_some() {
                            continue;
                        }
                        last_id += 1;
                        let client = Client::new(stream, Endpoint::server(&config, now), now);
                        clients.insert(last_id, Box::new(client));
                        timers.insert((now, last_id));
                    }
                    if !cqueue::more(flags) {
                        // Too many open files, for instance: wait until some are closed.
                        timers.insert((now + Duration::from_millis(50), LISTENER));
                    }
                }
                let Some(client) = clients.get_mut(&id) else {
                    continue;
                };
                ready.push(id);
                if operation == SEND {
                    client.sent(usize::try_from(result).ok(), now);
                } else if operation == RECEIVE {
                    client.is_receiving = false;
                    if let Some(buffer) = cqueue::buffer_select(flags) {
                        let len = result.max(0) as usize;
                        ring.lend(buffer, len, |bytes| client.received(bytes, now))?;
                    }
                    if result <= 0 && result != -ENOBUFS {
                        client.ended();
                    }
                }
            }

            // What is to be done.
            for id in ready.drain(..) {
                if id == LISTENER && stop_at.is_none() {
                    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()));
                    ring.start(accept.build(), id, RECEIVE)?;
                }
                let Some(client) = clients.get_mut(&id) else {
                    continue;
                };
                match client.turn(id, &mut ring, now)? {
                    // Most bytes that come in only move the time on: an earlier timer may stay.
                    Some(time) if client.timer > now && client.timer <= time => {}
                    Some(time) => {
                        timers.remove(&(client.timer, id));
                        timers.insert((time, id));
                        client.timer = time;
                    }
                    None => {
                        timers.remove(&(client.timer, id));
                        // What the kernel still uses is kept until it says that it is done.
                        if !client.is_receiving && !client.is_sending {
                            clients.remove(&id);
                        } else if !mem::replace(&mut client.is_done, true) {
                            let all = CancelBuilder::fd(Fd(client.stream.as_raw_fd())).all();
                            ring.start(opcode::AsyncCancel2::new(all).build(), id, OTHER)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    struct Ring {
        ring: IoUring,
        /// All buffers to read into. They are never freed, as the kernel may still write there when
        /// the ring is gone.
        buffers: *mut u8,
    }

    impl Ring {
        fn new() -> io::Result<Self> {
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

        /// Begins an operation with the next `enter`. Its completion bears id and operation.
        fn start(&mut self, entry: squeue::Entry, id: u64, operation: u64) -> io::Result<()> {
            let entry = entry.user_data(id * 4 + operation);
            // SAFETY: the buffers to read into are never freed, and what is sent is neither changed
            // nor freed before it is done: for that there is `Client::sending`.
            while unsafe { self.ring.submission().push(&entry) }.is_err() {
                self.enter(0, Duration::ZERO)?; // the queue is full
            }
            Ok(())
        }

        /// Waits for so many completions, or until the time is over.
        fn enter(&self, completions: usize, time: Duration) -> io::Result<()> {
            let time = Timespec::from(time);
            let wait = SubmitArgs::new().timespec(&time);
            match self.ring.submitter().submit_with_args(completions, &wait) {
                Err(error) if NO_ERRORS.contains(&error.raw_os_error()) => Ok(()),
                result => result.map(drop),
            }
        }

        /// Gives buffers to the kernel. It says nothing when it has them, only if it fails.
        fn provide(&mut self, first: u16, count: u16) -> io::Result<()> {
            let bytes = self.buffers.wrapping_add(usize::from(first) * BUFFER_LEN);
            let provide = opcode::ProvideBuffers::new(bytes, BUFFER_LEN as i32, count, 0, first);
            let provide = provide.build().flags(squeue::Flags::SKIP_SUCCESS);
            self.start(provide, LISTENER, OTHER)
        }

        /// Lends what the kernel has put into a buffer, and gives that back to the kernel.
        fn lend(&mut self, id: u16, len: usize, to: impl FnOnce(&mut [u8])) -> io::Result<()> {
            assert!(id < BUFFERS && len <= BUFFER_LEN);
            let bytes = self.buffers.wrapping_add(usize::from(id) * BUFFER_LEN);
            // SAFETY: they lie in `buffers`, and until `provide` the kernel leaves them alone.
            to(unsafe { slice::from_raw_parts_mut(bytes, len) });
            self.provide(id, 1)
        }
    }

    struct Client {
        stream: TcpStream,
        ws: Endpoint,
        /// When its turn comes at the latest.
        timer: Duration,
        /// What is to be sent next. Neither this nor `sending` holds memory while it is empty.
        out: BytesMut,
        /// What the kernel sends, which it does while `is_sending`. For `ws` it is below `out`.
        sending: BytesMut,
        is_sending: bool,
        is_receiving: bool,
        /// Whether nothing more can come in.
        is_eof: bool,
        /// Whether it only waits for the kernel to be done with it.
        is_done: bool,
    }

    impl Client {
        fn new(stream: TcpStream, ws: Endpoint, now: Duration) -> Self {
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

        /// Takes what came in.
        fn received(&mut self, bytes: &mut [u8], now: Duration) {
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

        /// Nothing more comes in.
        fn ended(&mut self) {
            self.is_eof = true;
            self.ws.receive_eof();
        }

        /// The kernel has sent this much, or cannot send.
        fn sent(&mut self, result: Option<usize>, now: Duration) {
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

        /// Starts everything that can be done now. Returns when to come back at the latest; `None`:
        /// it is over.
        fn turn(
            &mut self,
            id: u64,
            ring: &mut Ring,
            now: Duration,
        ) -> io::Result<Option<Duration>> {
            let fd = Fd(self.stream.as_raw_fd());
            let wake = match self.ws.tick(now, &mut self.out) {
                Tick::Wait(wake) => wake,
                Tick::ShutDown(wake) => {
                    let _ = self.stream.shutdown(Shutdown::Write); // again does no harm
                    wake
                }
                Tick::Done(_end) => return Ok(None),
            };
            if self.sending.is_empty() && !self.out.is_empty() {
                self.sending = mem::take(&mut self.out);
                self.ws.flushed(0, true, now); // by hand it has left `out`
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
        fn go_away(&mut self) {
            let closed = self.ws.close(CloseCode::GOING_AWAY, "", &mut self.out);
            if closed == Err(SendError::NotYetOpen) {
                self.ended();
            }
        }
    }
}
