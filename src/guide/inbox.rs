//! One actor for each connection, with an inbox.
//!
//! Invariant: one thread or task owns the endpoint; everything that happens to the connection comes
//! through its inbox.
//!
//! An [`Endpoint`] has one owner and no lock. Other threads do not send on it: they put what they
//! want into the inbox of its owner. Here the bytes that were read come through the inbox as well,
//! so the owner waits in one place only, at most until the time that `tick` asks for. This needs
//! nothing but `std`. With tokio, the `Sender` of the package `tokio-sansocket` does it without a
//! channel.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{CloseCode, Config, End, Endpoint, Event, Input, Prepared, Tick};
//! use std::io::{self, Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
//! use std::thread;
//! use std::time::{Duration, Instant};
//!
//! /// What an actor is told.
//! enum Mail {
//!     /// The transport: an empty read is its end.
//!     Read(Vec<u8>),
//!     /// The application: send this.
//!     Send(Prepared),
//!     /// The application: close.
//!     Close,
//! }
//!
//! fn actor(mut stream: TcpStream, mut ws: Endpoint, inbox: &Receiver<Mail>) -> io::Result<End> {
//!     let (start, mut out) = (Instant::now(), BytesMut::new());
//!     loop {
//!         let now = start.elapsed();
//!         let wake = match ws.tick(now, &mut out) {
//!             Tick::Wait(wake) => wake,
//!             Tick::ShutDown(wake) => {
//!                 let _ = stream.shutdown(Shutdown::Write); // calling it again does no harm
//!                 wake
//!             }
//!             Tick::Done(end) => return Ok(end),
//!         };
//!         let wait = wake.map_or(Duration::MAX, |wake| wake - now);
//!         if !out.is_empty() {
//!             // At most 1 s: Linux ends the timeout of a socket up to an eighth too late.
//!             stream.set_write_timeout(Some(wait.min(Duration::from_secs(1))))?;
//!             match stream.write(&out) {
//!                 Ok(n) => drop(ws.wrote(n, start.elapsed(), &mut out)),
//!                 Err(e) if is_passing(&e) => {}
//!                 Err(_) => {
//!                     out.clear();
//!                     ws.receive_eof();
//!                 }
//!             }
//!             continue;
//!         }
//!         match inbox.recv_timeout(wait) {
//!             Ok(Mail::Read(bytes)) if bytes.is_empty() => ws.receive_eof(),
//!             Ok(Mail::Read(mut bytes)) => receive(&mut ws, &mut bytes, start.elapsed(), &mut out),
//!             // Sending fails only if the connection is not open.
//!             Ok(Mail::Send(message)) => drop(ws.send(&message, &mut out)),
//!             Ok(Mail::Close) => drop(ws.close(CloseCode::GOING_AWAY, "", &mut out)),
//!             Err(RecvTimeoutError::Timeout) => {}
//!             Err(RecvTimeoutError::Disconnected) => ws.receive_eof(),
//!         }
//!     }
//! }
//!
//! fn receive(ws: &mut Endpoint, bytes: &mut [u8], now: Duration, out: &mut BytesMut) {
//!     let mut input = Input(bytes);
//!     while let Some(event) = ws.receive(&mut input, now, out) {
//!         let _ = match event {
//!             Event::Request(request) => ws.accept(request, out),
//!             Event::Text(text) => ws.send(&text, out),
//!             _ => Ok(()),
//!         };
//!     }
//! }
//!
//! /// Reads the transport into the inbox. The inbox is bounded: while it is full nothing is read, and
//! /// TCP tells the peer to wait.
//! fn reader(mut stream: TcpStream, inbox: &SyncSender<Mail>) {
//!     loop {
//!         let mut buffer = vec![0; 16 << 10];
//!         let n = match stream.read(&mut buffer) {
//!             Ok(n) => n,
//!             Err(e) if is_passing(&e) => continue,
//!             Err(_) => 0,
//!         };
//!         buffer.truncate(n);
//!         if inbox.send(Mail::Read(buffer)).is_err() || n == 0 {
//!             return;
//!         }
//!     }
//! }
//!
//! fn is_passing(error: &io::Error) -> bool {
//!     use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
//!     matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
//! }
//!
//! /// Starts both threads of a connection, and returns its inbox.
//! fn start(stream: TcpStream, config: &Config) -> io::Result<SyncSender<Mail>> {
//!     let (inbox, mail) = sync_channel(16);
//!     let ws = Endpoint::server(config, Duration::ZERO);
//!     let (reading, to_actor) = (stream.try_clone()?, inbox.clone());
//!     thread::spawn(move || reader(reading, &to_actor));
//!     thread::spawn(move || actor(stream, ws, &mail));
//!     Ok(inbox)
//! }
//! # use sansocket::ClientRequest;
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut stream = TcpStream::connect(listener.local_addr()?)?;
//! # let inbox = start(listener.accept()?.0, &Config::default())?;
//! # let (request, mut out) = (ClientRequest::new("ws://localhost/")?, BytesMut::new());
//! # let mut ws = Endpoint::client(&request, &Config::default(), [7; 32], Duration::ZERO, &mut out);
//! # let (mut buffer, mut heard) = ([0; 1024], Vec::new());
//! # let end = loop {
//! #     if let Tick::Done(end) = ws.tick(Duration::ZERO, &mut out) { break end }
//! #     stream.write_all(&out)?;
//! #     ws.wrote(out.len(), Duration::ZERO, &mut out);
//! #     let n = stream.read(&mut buffer)?;
//! #     if n == 0 { ws.receive_eof() }
//! #     let mut input = Input(&mut buffer[..n]);
//! #     while let Some(event) = ws.receive(&mut input, Duration::ZERO, &mut out) {
//! #         match event {
//! #             Event::Opened(_) => ws.send("hello", &mut out)?,
//! #             Event::Text(text) if text == "hello" => {
//! #                 inbox.send(Mail::Send(Prepared::new("news")))?;
//! #                 inbox.send(Mail::Close)?;
//! #             }
//! #             Event::Text(text) => heard.push(text.into_string()),
//! #             _ => {}
//! #         }
//! #     }
//! # };
//! # assert_eq!(heard, ["news"]);
//! # assert_eq!(end, End::Closed { code: CloseCode::GOING_AWAY, by_peer: true });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Slow receivers
//!
//! Whoever sends to many inboxes must not wait for one of them: use `try_send`. If an inbox is
//! full, decide by what the messages are. For news of which only the latest counts, drop the
//! message; where none may be missing, shut the transport down, which ends the connection.
//!
//! [`Endpoint`]: crate::Endpoint
