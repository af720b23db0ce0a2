//! The example programs when time must judge the peer and not the scheduler: stopped while an answer
//! arrives, and over a link that is slower than their output.
//!
//! Invariant: a peer that answers and reads is never dropped, and gets everything.
//!
//! Only here time has to pass: a process is stopped for a while, and a link is slow. Everything else is
//! waited for, with a time limit only in case it never comes.
#![cfg(unix)]

use example_tests::deadlines::{HURRY, PONG, took_no_time};
use example_tests::peer::Client;
use example_tests::support::*;
use example_tests::{NEVER, Server, TempFile, example, in_tokio, is_stopped, signal, trusting};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use sansocket::Role;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The servers, and the arguments that make them use TLS.
const SERVERS: [(&str, &[&str]); 7] = [
    ("echo_server", &[]),
    ("echo_mio", &[]),
    ("echo_tokio", &[]),
    ("echo_tokio_raw", &[]),
    ("echo_uring", &[]),
    ("echo_tls", &["--write-ca"]),
    ("echo_tokio", &["--tls", "--write-ca"]),
];

/// Runs it with all servers at once.
fn with_every_server(arguments: &[&str], case: fn(Target)) {
    thread::scope(|scope| {
        for (name, tls) in SERVERS {
            let ca = TempFile::new("");
            let more = if tls.is_empty() {
                vec![]
            } else {
                [tls, &[ca.path()]].concat()
            };
            let Some(server) = Server::try_start(name, &[arguments, &more].concat()) else {
                continue; // no io_uring on this machine
            };
            let target = Target {
                server,
                ca: (!tls.is_empty()).then_some(ca),
            };
            // A panic prints the name of the thread.
            let thread = thread::Builder::new().name(format!("{name} {tls:?}"));
            thread.spawn_scoped(scope, move || case(target)).unwrap();
        }
    });
}

/// A server, and the certificate that its clients must trust.
struct Target {
    server: Server,
    ca: Option<TempFile>,
}

impl Target {
    /// An open connection, with room for few bytes on their way to the peer.
    fn open(&self) -> Peer {
        let tcp = in_tokio(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            let stream = socket.connect(self.server.address()).await;
            stream.unwrap().into_std().unwrap() // which does not block
        });
        tcp.set_nodelay(true).unwrap();
        let tls = self.ca.as_ref().map(|ca| {
            let name = ServerName::try_from("localhost").unwrap();
            ClientConnection::new(trusting(ca), name).unwrap()
        });
        let mut peer = Peer::new(tcp, tls);
        peer.open(REQUEST);
        peer
    }
}

/// The peer of a program, by hand, over a socket that does not block.
struct Peer {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Bytes read, but not used yet.
    read: Vec<u8>,
    has_ended: bool,
    /// The role of the program.
    receiver: Role,
}

impl Client for Peer {
    type Transport = Self;

    fn transport(&mut self) -> &mut Self {
        self
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        let bytes = frame(self.receiver, first, payload);
        self.write_all(&bytes).unwrap();
    }
}

/// Waits until something has arrived.
impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.until(|peer| !peer.read.is_empty() || peer.has_ended);
        let n = buffer.len().min(self.read.len());
        buffer[..n].copy_from_slice(&self.read[..n]);
        self.read.drain(..n);
        Ok(n)
    }
}

/// Waits until something has been taken.
impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let start = Instant::now();
        loop {
            let n = self.write_some(bytes);
            self.read_some(1 << 10); // a TLS handshake needs both directions
            if n > 0 {
                return Ok(n);
            }
            assert!(start.elapsed() < NEVER, "it is never taken");
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let start = Instant::now();
        while self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            self.write_some(&[]);
            assert!(start.elapsed() < NEVER, "it is never taken");
        }
        Ok(())
    }
}

impl Peer {
    fn new(tcp: TcpStream, tls: Option<ClientConnection>) -> Self {
        Self {
            tcp,
            tls: tls.map(Box::new),
            read: Vec::new(),
            has_ended: false,
            receiver: Role::Server,
        }
    }

    /// Writes as much as the socket takes now. Returns how much that was.
    fn write_some(&mut self, bytes: &[u8]) -> usize {
        let result = match &mut self.tls {
            None if bytes.is_empty() => Ok(0),
            None => self.tcp.write(bytes),
            Some(tls) => {
                let n = if tls.wants_write() {
                    0
                } else {
                    tls.writer().write(bytes).unwrap()
                };
                match tls.write_tls(&mut self.tcp) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
                    _ => Ok(n),
                }
            }
        };
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            result => result.unwrap(),
        }
    }

    /// Reads at most this much of what has arrived. Returns how much came over the link.
    fn read_some(&mut self, most: usize) -> usize {
        let mut buffer = vec![0; most];
        let n = match self.tcp.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
            result => result.unwrap(),
        };
        self.has_ended |= n == 0;
        let Some(tls) = &mut self.tls else {
            self.read.extend_from_slice(&buffer[..n]);
            return n;
        };
        let mut rest = &buffer[..n];
        while !rest.is_empty() {
            tls.read_tls(&mut rest).unwrap();
            tls.process_new_packets().unwrap();
            let end = tls.reader().read_to_end(&mut self.read);
            self.has_ended |= end.is_ok();
        }
        n
    }

    /// Reads and writes until `is_so`.
    #[track_caller]
    fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            if self.write_some(&[]) + self.read_some(16 << 10) == 0 {
                assert!(start.elapsed() < NEVER, "it never comes");
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Writes `bytes`, and reads `rate` bytes a second meanwhile, until `is_so` or the end.
    #[track_caller]
    fn read_slowly(&mut self, rate: f64, mut bytes: &[u8], is_so: impl Fn(&Self) -> bool) {
        let (start, mut last) = (Instant::now(), Instant::now());
        let mut taken = 0;
        while !self.has_ended && !is_so(self) {
            bytes = &bytes[self.write_some(bytes)..];
            let may_have = (start.elapsed().as_secs_f64() * rate) as usize;
            let n = match may_have.saturating_sub(taken).min(16 << 10) {
                0 => 0,
                most => self.read_some(most),
            };
            taken += n;
            if n > 0 {
                last = Instant::now();
            }
            assert!(last.elapsed() < NEVER, "nothing comes");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

// ---- a process that stands still ----

/// Stops the process, calls `act`, and lets the process run on when the time for a Pong is over.
fn while_stopped(id: u32, act: impl FnOnce()) {
    signal(id, "-STOP");
    let start = Instant::now();
    while !is_stopped(id) {
        assert!(start.elapsed() < NEVER, "it goes on");
    }
    act();
    thread::sleep(2 * PONG);
    signal(id, "-CONT");
}

#[test]
fn a_server_that_stood_still_keeps_peers_that_answered_and_drops_others() {
    with_every_server(&HURRY, |target| {
        let (mut peer, mut silent) = (target.open(), target.open());
        let (first, payload) = peer.frame();
        assert_eq!(first, 0x89, "a Ping");
        assert_eq!(silent.frame().0, 0x89, "a Ping");
        while_stopped(target.server.id(), || peer.send(0x8a, &payload));
        peer.echo();
        // It gets Pings and answers as before.
        let (first, payload) = peer.frame();
        assert_eq!(first, 0x89, "a Ping");
        peer.send(0x8a, &payload);
        peer.echo();
        assert_eq!(silent.close_code(), 1011);
    });
}

/// The client and its server by hand, after the opening handshake.
fn open_client(arguments: &[&str]) -> (Child, Peer) {
    let listener = in_tokio(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap().into_std().unwrap()
    });
    listener.set_nonblocking(false).unwrap();
    let mut client = example("client");
    let client = client.arg(format!("ws://{}/", listener.local_addr().unwrap()));
    let client = client
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let client = client.stderr(Stdio::piped()).spawn().unwrap();
    let (tcp, _) = listener.accept().unwrap();
    tcp.set_nonblocking(true).unwrap();
    let mut peer = Peer::new(tcp, None);
    peer.receiver = Role::Client;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(peer.exactly(1)[0].into());
    }
    let key = head.split("Sec-WebSocket-Key: ").nth(1).unwrap();
    let accept = accept_key(key.split("\r\n").next().unwrap());
    Client::write(&mut peer, RESPONSE.replace("ACCEPT", &accept));
    (client, peer)
}

/// The next frame of a client: its first byte and its payload.
fn masked_frame(peer: &mut Peer) -> (u8, Vec<u8>) {
    let header = peer.exactly(2);
    assert_eq!(header[1] & 0x80, 0x80, "masked");
    let len = match header[1] & 0x7f {
        126 => u16::from_be_bytes(peer.exactly(2).try_into().unwrap()).into(),
        127 => u64::from_be_bytes(peer.exactly(8).try_into().unwrap()) as usize,
        len => len.into(),
    };
    let key = peer.exactly(4).try_into().unwrap();
    (header[0], xor(&peer.exactly(len), key))
}

/// The peer closes, and the client reports no error.
#[track_caller]
fn ends_well(client: Child, peer: &mut Peer) {
    assert_eq!(masked_frame(peer), (0x88, b"\x03\xe8".to_vec()));
    peer.send(0x88, b"\x03\xe8");
    peer.tcp.shutdown(std::net::Shutdown::Write).unwrap();
    peer.until(|peer| peer.has_ended);
    let output = client.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn a_client_that_stood_still_keeps_a_server_that_has_answered() {
    let (mut client, mut peer) = open_client(&[&["--keepalive", "0.3"], &HURRY[..]].concat());
    let (first, payload) = masked_frame(&mut peer);
    assert_eq!(first, 0x89, "a Ping");
    while_stopped(client.id(), || peer.send(0x8a, &payload));
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(b"still here\n").unwrap();
    loop {
        match masked_frame(&mut peer) {
            (0x89, payload) => peer.send(0x8a, &payload),
            frame => {
                assert_eq!(frame, (0x81, b"still here".to_vec()));
                break;
            }
        }
    }
    peer.send(0x81, b"an answer");
    drop(stdin);
    ends_well(client, &mut peer);
}

// ---- a slow link ----

/// 12 MB at 1 MB/s take longer than a closing handshake may.
const MESSAGES: usize = 12;
const LEN: usize = 1_000_000;

#[test]
fn all_output_of_a_server_arrives_over_a_slow_link_and_then_its_close() {
    with_every_server(&[], |target| {
        let mut peer = target.open();
        let payload = vec![b'x'; LEN];
        let mut bytes = frame(Role::Server, 0x82, &payload).repeat(MESSAGES);
        bytes.extend(frame(Role::Server, 0x88, b"\x03\xe8"));
        let start = Instant::now();
        peer.read_slowly(1e6, &bytes, |_| false);
        assert!(
            start.elapsed() > Duration::from_secs(11),
            "the link is slow"
        );
        let mut expected = frame(Role::Client, 0x82, &payload).repeat(MESSAGES);
        expected.extend(b"\x88\x02\x03\xe8");
        assert_eq!(peer.read.len(), expected.len());
        assert!(peer.read == expected);
    });
}

/// The Close comes after 20 MB, in the output and not only in the kernel.
#[test]
fn a_server_that_stops_sends_the_rest_first() {
    with_every_server(&["--max-message", "20000000"], |target| {
        let mut peer = target.open();
        let payload = vec![b'x'; 20 * LEN];
        Client::write(&mut peer, frame(Role::Server, 0x82, &payload));
        peer.until(|peer| !peer.read.is_empty());
        signal(target.server.id(), "-TERM");
        let mut expected = frame(Role::Client, 0x82, &payload);
        expected.extend(b"\x88");
        let start = Instant::now();
        peer.read_slowly(2.5e6, &[], |peer| peer.read.len() >= expected.len());
        assert!(start.elapsed() > Duration::from_secs(7), "the link is slow");
        assert!(peer.exactly(20 * LEN + 10) == expected[..20 * LEN + 10]);
        assert_eq!(peer.close_code(), 1001);
        peer.send(0x88, b"\x03\xe9");
        peer.until(|peer| peer.has_ended);
        assert!(peer.read.is_empty());
    });
}

#[test]
fn a_second_signal_ends_a_server_at_once() {
    with_every_server(&[], |target| {
        let mut peer = target.open();
        target.server.terminate();
        assert_eq!(peer.close_code(), 1001); // and there is no answer
        let start = Instant::now();
        target.server.terminate();
        assert_eq!(target.server.wait().code(), Some(1));
        took_no_time(start);
    });
}

#[test]
fn all_output_of_a_client_arrives_over_a_slow_link_and_then_its_close() {
    let (mut client, mut peer) = open_client(&[]);
    let line = "x".repeat(MESSAGES * LEN);
    let mut stdin = client.stdin.take().unwrap();
    let writer = thread::spawn(move || writeln!(stdin, "{line}").unwrap());
    let start = Instant::now();
    peer.read_slowly(1e6, &[], |peer| peer.read.len() > MESSAGES * LEN + 14);
    assert!(
        start.elapsed() > Duration::from_secs(11),
        "the link is slow"
    );
    let (first, line) = masked_frame(&mut peer);
    assert_eq!((first, line.len()), (0x81, MESSAGES * LEN));
    assert!(line.iter().all(|byte| *byte == b'x'));
    writer.join().unwrap();
    ends_well(client, &mut peer);
}
