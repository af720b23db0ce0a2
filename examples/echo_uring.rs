//! An echo server on one thread and one io_uring: the kernel puts what comes in into buffers of a
//! common stock, and there the protocol unmasks it.
//!
//!     cargo run --release --example echo_uring -- [ADDR] [--max-message BYTES] [--deflate] [--hurry N]
//!
//! ADDR is 127.0.0.1:9001 if it is not given; with port 0 the system picks one. `--deflate`
//! accepts permessage-deflate, `--hurry` makes every deadline N times shorter. It takes Linux 6.0;
//! where the kernel is another, or a sandbox keeps io_uring shut, it says so and does nothing.

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("echo_uring: only Linux has io_uring");
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let Err(error) = linux::run() else {
        return std::process::ExitCode::SUCCESS;
    };
    eprintln!("echo_uring: {error}");
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod linux {
    use bytes::{Buf, BytesMut};
    use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
    use io_uring::{IoUring, cqueue, opcode, squeue};
    use sansocket::negotiation::OriginPolicy;
    use sansocket::{
        Connection, Deadlines, DeadlinesConfig, Deflate, Event, Expired, HandshakeConfig, Input,
        Rejection, ServerHandshake,
    };
    use std::collections::{BTreeMap, BTreeSet};
    use std::error::Error;
    use std::ffi::OsString;
    use std::io::{self, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::time::{Duration, Instant};
    use std::{mem, ptr, slice};

    /// How many buffers to read into there are, and how long each is.
    const BUFFERS: u16 = 256;
    const BUFFER_LEN: usize = 16 << 10;
    /// A client that has so much output to take is not read until it has taken some.
    const MAX_OUT: usize = 1 << 20;
    /// A connection that has no deadline at all is looked at now and then.
    const AT_LEAST: Duration = Duration::from_secs(3600);
    /// What is no client. Their numbers come after it, and each is used once.
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

    pub(super) fn run() -> Result<(), Box<dyn Error>> {
        let (address, config, times) = arguments()?;
        let mut ring = match Ring::new() {
            Ok(ring) => ring,
            Err(error) => {
                eprintln!("echo_uring: this kernel has no io_uring ({error}); it takes Linux 6.0");
                return Ok(());
            }
        };
        let listener = TcpListener::bind(&address)
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let address = listener.local_addr()?;
        writeln!(io::stdout(), "listening on ws://{address}/")?;

        let start = Instant::now();
        // Never freed: the kernel may send from there even when the ring is gone.
        let clients: &mut BTreeMap<u64, Box<Client>> = Box::leak(Box::default());
        let mut last_id = LISTENER;
        // When who has a turn at the latest: each is in it once.
        let mut timers = BTreeSet::from([(Duration::ZERO, LISTENER)]);
        let mut ready = Vec::new();
        loop {
            let first = timers.first().map(|(time, _)| *time);
            let wait = first.map(|time| time.saturating_sub(start.elapsed()));
            ring.enter(1, wait.unwrap_or(AT_LEAST))?;
            let now = start.elapsed();
            while let Some((_, id)) = timers.first().filter(|(time, _)| *time <= now) {
                ready.push(*id);
                timers.pop_first();
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
                        last_id += 1;
                        let client = Client::new(stream, &config, &times, now);
                        clients.insert(last_id, Box::new(client));
                        timers.insert((now, last_id));
                    }
                    if !cqueue::more(flags) {
                        // Too many open files, say: wait for some to be closed.
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
                        ring.lend(buffer, len, |octets| client.received(octets, &times, now))?;
                    }
                    client.eof |= result <= 0 && result != -ENOBUFS;
                }
            }

            // What is to be done.
            for id in ready.drain(..) {
                if id == LISTENER {
                    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()));
                    ring.start(accept.build(), id, RECEIVE)?;
                }
                let Some(client) = clients.get_mut(&id) else {
                    continue;
                };
                match client.turn(id, &mut ring, &times, now)? {
                    // Most octets that come in only make it later: a timer that is set is left so.
                    Some(time) if client.timer > now && client.timer <= time => {}
                    Some(time) => {
                        timers.remove(&(client.timer, id));
                        timers.insert((time, id));
                        client.timer = time;
                    }
                    None => {
                        timers.remove(&(client.timer, id));
                        // Afterwards `ws.close_code()` and `ws.is_clean()` tell how it ended.
                        let _ = client.ws.as_mut().map(Connection::receive_eof);
                        // What the kernel still uses is kept until it says that it is done.
                        if !client.is_receiving && !client.is_sending {
                            clients.remove(&id);
                        } else if !mem::replace(&mut client.has_ended, true) {
                            let all = CancelBuilder::fd(Fd(client.stream.as_raw_fd())).all();
                            ring.start(opcode::AsyncCancel2::new(all).build(), id, OTHER)?;
                        }
                    }
                }
            }
        }
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
            let octets = self.buffers.wrapping_add(usize::from(first) * BUFFER_LEN);
            let provide = opcode::ProvideBuffers::new(octets, BUFFER_LEN as i32, count, 0, first);
            let provide = provide.build().flags(squeue::Flags::SKIP_SUCCESS);
            self.start(provide, LISTENER, OTHER)
        }

        /// Lends what the kernel has put into a buffer, and gives that back to the kernel.
        fn lend(&mut self, id: u16, len: usize, to: impl FnOnce(&mut [u8])) -> io::Result<()> {
            assert!(id < BUFFERS && len <= BUFFER_LEN);
            let octets = self.buffers.wrapping_add(usize::from(id) * BUFFER_LEN);
            // SAFETY: they lie in `buffers`, and until `provide` the kernel leaves them alone.
            to(unsafe { slice::from_raw_parts_mut(octets, len) });
            self.provide(id, 1)
        }
    }

    struct Client {
        stream: TcpStream,
        handshake: Option<Box<ServerHandshake>>,
        /// After the handshake. A client that has neither is refused.
        ws: Option<Connection>,
        deadlines: Deadlines,
        /// When its turn comes at the latest.
        timer: Duration,
        /// What the kernel sends, which it does while `is_sending`.
        sending: BytesMut,
        is_sending: bool,
        /// What is to be sent next. Neither holds memory while it is empty.
        out: BytesMut,
        is_receiving: bool,
        /// Whether nothing more can come in.
        eof: bool,
        /// Whether it only waits for the kernel to be done with it.
        has_ended: bool,
    }

    impl Client {
        fn new(
            stream: TcpStream,
            config: &HandshakeConfig,
            times: &DeadlinesConfig,
            now: Duration,
        ) -> Self {
            let _ = stream.set_nodelay(true);
            Self {
                stream,
                handshake: Some(Box::new(ServerHandshake::new(config))),
                ws: None,
                deadlines: Deadlines::new(*times, now),
                timer: now,
                sending: BytesMut::new(),
                is_sending: false,
                out: BytesMut::new(),
                is_receiving: false,
                eof: false,
                has_ended: false,
            }
        }

        /// Takes what came in.
        fn received(&mut self, octets: &mut [u8], times: &DeadlinesConfig, now: Duration) {
            self.deadlines.received(now);
            let mut input = Input::new(octets);
            if let Some(handshake) = &mut self.handshake {
                match handshake.receive(&mut input, &mut self.out) {
                    Ok(None) => {}
                    Ok(Some(request)) => {
                        self.ws = Some(request.accept().send(&mut self.out));
                        self.handshake = None;
                    }
                    Err(_) => self.refuse(times, now), // the refusal is in `out`
                }
            }
            let Some(ws) = &mut self.ws else { return };
            while let Some(event) = ws.receive(&mut input, &mut self.out) {
                self.deadlines.event(&event, now);
                // Sending fails only after a Close frame of ours: then there is nothing to say.
                let _ = match event {
                    Event::Text(text) => ws.send_text(&text, &mut self.out),
                    Event::Binary(data) => ws.send_binary(&data, &mut self.out),
                    _ => Ok(()), // Pings and Closes are answered already
                };
            }
        }

        /// The kernel has sent so much, or cannot send.
        fn sent(&mut self, result: Option<usize>, now: Duration) {
            self.is_sending = false;
            let Some(n) = result else {
                self.eof = true;
                (self.sending, self.out) = (BytesMut::new(), BytesMut::new());
                return;
            };
            self.sending.advance(n);
            self.deadlines.wrote(n, self.left(), now);
            if self.left() > 0 {
                // Who takes slowly is perhaps not read meanwhile: this is a sign of life, too.
                self.deadlines.received(now);
            }
        }

        /// Starts all that can be done now. Returns when to come back at the latest; `None` is the
        /// end of the connection.
        fn turn(
            &mut self,
            id: u64,
            ring: &mut Ring,
            times: &DeadlinesConfig,
            now: Duration,
        ) -> io::Result<Option<Duration>> {
            let fd = Fd(self.stream.as_raw_fd());
            // Who ends only its writing is still sent the last octets, but no others.
            if self.has_ended || self.eof && !(self.is_ending() && self.left() > 0) {
                return Ok(None);
            }
            let time = loop {
                if self.sending.is_empty() {
                    self.sending = mem::take(&mut self.out);
                }
                if !self.is_sending && !self.sending.is_empty() {
                    let len = u32::try_from(self.sending.len()).unwrap_or(u32::MAX);
                    let send = opcode::Send::new(fd, self.sending.as_ptr(), len).build();
                    ring.start(send, id, SEND)?;
                    self.is_sending = true;
                    self.deadlines.wrote(0, self.left(), now);
                }
                let len = self.out.len();
                let time = match self.deadlines.check(self.ws.as_mut(), now, &mut self.out) {
                    Ok(time) => time,
                    Err(Expired::Pong | Expired::Idle) => None, // the Close frame is in `out`
                    Err(Expired::Handshake) if self.handshake.is_some() => {
                        let rejection = Rejection::new(408).map_err(io::Error::other)?;
                        rejection.send(&mut self.out);
                        self.refuse(times, now);
                        None
                    }
                    Err(_) => return Ok(None),
                };
                if self.out.len() == len {
                    break time.unwrap_or(now + AT_LEAST);
                }
            };
            if self.is_ending() && self.left() == 0 {
                // Writing ends first, and what still comes in is dropped: a socket that is closed
                // before it is read to the end sends a reset, which can destroy the last octets.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            // One buffer at a time: so none can take them all from the others.
            if !self.is_receiving && !self.eof && self.left() <= MAX_OUT {
                let receive = opcode::Recv::new(fd, ptr::null_mut(), BUFFER_LEN as u32);
                let receive = receive.build().flags(squeue::Flags::BUFFER_SELECT);
                ring.start(receive, id, RECEIVE)?;
                self.is_receiving = true;
            }
            Ok(Some(time))
        }

        /// How much is to be sent.
        fn left(&self) -> usize {
            self.sending.len() + self.out.len()
        }

        /// Whether the output is the last.
        fn is_ending(&self) -> bool {
            match &self.ws {
                Some(ws) => ws.must_close_transport(),
                None => self.handshake.is_none(),
            }
        }

        /// The refusal is in the output: there is the time of a closing handshake to take it.
        fn refuse(&mut self, times: &DeadlinesConfig, now: Duration) {
            let mut last = *times;
            last.handshake = times.close;
            self.deadlines = Deadlines::new(last, now);
            self.handshake = None;
        }
    }

    fn arguments() -> Result<(String, HandshakeConfig, DeadlinesConfig), String> {
        let (mut config, mut times) = (HandshakeConfig::default(), DeadlinesConfig::default());
        // An echo has no secrets: pages of any site may connect. Yours should not say this.
        config.origin_policy = OriginPolicy::Any;
        let mut address = None;
        let words = std::env::args_os().skip(1).map(OsString::into_string);
        let mut words = words.map(|word| word.map_err(|word| format!("{word:?} is not UTF-8")));
        while let Some(word) = words.next().transpose()? {
            let mut value = || words.next()?.ok();
            match &*word {
                "--max-message" => {
                    let bytes = value().and_then(|value| value.parse().ok());
                    let bytes = bytes.ok_or("--max-message needs a number of bytes")?;
                    config.connection.max_message_size = bytes;
                    config.connection.max_frame_size = bytes;
                }
                "--hurry" => {
                    let n = value().and_then(|value| value.parse().ok());
                    let n: u32 = n.filter(|n| *n > 0).ok_or("--hurry needs a number")?;
                    times.handshake /= n;
                    times.keepalive = times.keepalive.map(|time| time / n);
                    times.pong /= n;
                    times.close /= n;
                    times.write /= n;
                }
                "--deflate" => config.deflate = Some(Deflate::default()), // all connections share it
                _ if address.is_none() && !word.starts_with('-') => address = Some(word),
                _ => {
                    let usage = "[ADDR] [--max-message BYTES] [--deflate] [--hurry N]";
                    return Err(format!("what is {word}? Usage: echo_uring {usage}"));
                }
            }
        }
        let address = address.unwrap_or_else(|| "127.0.0.1:9001".into());
        Ok((address, config, times))
    }
}
