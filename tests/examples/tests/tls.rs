//! The echo servers with TLS, `echo_tls` and `echo_tokio --tls`, with clients by hand.
//!
//! Invariant: TLS changes nothing, however it cuts the bytes into records, and the deadlines hold
//! over it as well.
//!
//! Nothing here sleeps: every wait is for something that the server does, with a time limit only in
//! case that never comes.

use example_tests::deadlines::*;
use example_tests::peer::{Client, assert_silence, reset, takes};
use example_tests::support::*;
use example_tests::{NEVER, Server, TLS_SERVERS, TempFile, start_tls, trusting};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sansocket::Role;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// Runs these cases with each of the servers.
macro_rules! every_server {
    ($($(#[$attribute:meta])* $case:ident)*) => {
        mod echo_tls {
            $($(#[$attribute])* #[test] fn $case() { super::$case(super::TLS_SERVERS[0]); })*
        }
        mod echo_tokio {
            $($(#[$attribute])* #[test] fn $case() { super::$case(super::TLS_SERVERS[1]); })*
        }
    };
}

every_server! {
    a_tls_handshake_that_is_slow_or_silent_ends_in_time
    a_head_that_arrives_too_slowly_gets_408_and_the_end
    every_end_arrives_completely
    pages_that_came_without_tls_get_403
    peers_that_do_not_end_the_transport_are_dropped
    resets_at_every_step_leave_nothing_behind
    three_hundred_peers_that_vanish_leave_nothing_behind
    an_end_without_a_close_frame_is_an_end
    a_message_of_one_mebibyte_comes_back
    messages_come_back_however_they_are_cut_into_records
    records_may_come_in_any_pieces
    bytes_that_are_no_tls_end_the_connection
    #[cfg(unix)] every_peer_is_told_and_the_server_ends
    #[cfg(unix)] peers_that_do_not_answer_do_not_keep_the_server
}

// The alert stays in rustls: its `writer()` fails once there is one, so that nothing is written.
#[test]
fn echo_tls_sends_an_alert_to_a_peer_without_tls() {
    a_peer_that_speaks_no_tls_gets_an_alert(TLS_SERVERS[0]);
}

#[test]
fn echo_tokio_sends_an_alert_to_a_peer_without_tls() {
    a_peer_that_speaks_no_tls_gets_an_alert(TLS_SERVERS[1]);
}

/// Long waits: with all servers at once, and first, as tests run in the order of their names.
mod deadlines {
    #[test]
    fn a_silent_peer_gets_a_ping_then_1011_then_the_end() {
        super::at_once(super::a_silent_peer_gets_a_ping_then_1011_then_the_end);
    }

    #[test]
    fn peers_that_take_nothing_are_dropped_and_cost_little() {
        super::at_once(super::peers_that_take_nothing_are_dropped_and_cost_little);
    }
}

fn at_once(case: fn(Which)) {
    thread::scope(|scope| {
        for server in TLS_SERVERS {
            // A panic prints the name of the thread.
            let thread = thread::Builder::new().name(server.0.into());
            thread.spawn_scoped(scope, move || case(server)).unwrap();
        }
    });
}

type Which = (&'static str, &'static [&'static str]);

/// A server and what its clients need.
struct Tls {
    server: Server,
    config: Arc<ClientConfig>,
    _ca: TempFile,
}

impl Tls {
    fn start(server: Which, arguments: &[&str]) -> Self {
        let (server, ca) = start_tls(server, arguments);
        Self {
            server,
            config: trusting(&ca),
            _ca: ca,
        }
    }

    fn hurry(server: Which) -> Self {
        Self::start(server, &HURRY)
    }

    fn client(&self) -> ClientConnection {
        let name = ServerName::try_from("localhost").unwrap();
        ClientConnection::new(self.config.clone(), name).unwrap()
    }

    /// A connection whose TLS handshake is done.
    fn connect(&self) -> Peer {
        self.connect_over(self.server.tcp())
    }

    fn connect_over(&self, mut tcp: TcpStream) -> Peer {
        let mut tls = self.client();
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).unwrap();
        }
        Peer(StreamOwned::new(tls, tcp))
    }

    /// A connection whose opening handshake is done.
    fn open(&self) -> Peer {
        self.open_over(self.server.tcp())
    }

    fn open_over(&self, tcp: TcpStream) -> Peer {
        let mut peer = self.connect_over(tcp);
        peer.open(REQUEST);
        peer
    }
}

/// A client by hand.
struct Peer(StreamOwned<ClientConnection, TcpStream>);

impl Client for Peer {
    type Transport = StreamOwned<ClientConnection, TcpStream>;

    fn transport(&mut self) -> &mut Self::Transport {
        &mut self.0
    }
}

impl Peer {
    /// These bytes as records of TLS, one for each part.
    fn records(&mut self, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut records = Vec::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let start = records.len();
            self.0.conn.writer().write_all(part).unwrap();
            self.0.conn.write_tls(&mut records).unwrap();
            let len = u16::from_be_bytes(records[start + 3..start + 5].try_into().unwrap());
            assert_eq!(records.len() - start, 5 + usize::from(len), "one record");
        }
        records
    }

    /// These are the next bytes.
    #[track_caller]
    fn gets(&mut self, bytes: &[u8]) {
        assert!(self.exactly(bytes.len()) == bytes);
    }

    /// Writes one byte as a record; returns whether the connection is still there to take it.
    fn dribble(&mut self) -> bool {
        let record = self.records(&[vec![0]]);
        takes(&mut self.0.sock, &record)
    }

    /// Starts a record, which cannot be used before its end.
    fn start_record(&mut self) {
        let record = self.records(&[vec![0; 16_000]]);
        self.0.sock.write_all(&record[..10]).unwrap();
    }

    /// Continues that record; returns whether the connection is still there to take it.
    fn dribble_in_record(&mut self) -> bool {
        takes(&mut self.0.sock, &[0])
    }

    /// The connection without TLS.
    fn tcp(self) -> TcpStream {
        self.0.into_parts().1
    }

    /// The server has ended TLS in order, and then the transport, without cutting anything off.
    #[track_caller]
    fn ended(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap(); // fails if the transport ends without TLS
        assert_eq!(rest.escape_ascii().to_string(), "");
        self.0.sock.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 0, "nothing follows");
    }
}

/// The server has ended the connection in any way.
#[track_caller]
fn is_gone(stream: &mut TcpStream) {
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
}

// ---- deadlines ----

fn a_tls_handshake_that_is_slow_or_silent_ends_in_time(server: Which) {
    let tls = Tls::hurry(server);
    let mut good = tls.open();
    let mut hello = Vec::new();
    tls.client().write_tls(&mut hello).unwrap();
    let mut hello = hello.iter();
    let start = Instant::now();
    let (mut silent, mut peer) = (tls.server.tcp(), tls.server.tcp());
    // One byte whenever there is no answer yet.
    peer.set_read_timeout(Some(HANDSHAKE / 20)).unwrap();
    while let Err(error) = peer.peek(&mut [0]) {
        assert_silence(&error);
        let byte = hello.next().expect("it ends before all is written");
        peer.write_all(&[*byte]).unwrap();
        good.echo();
    }
    took(start, HANDSHAKE);
    peer.set_read_timeout(Some(NEVER)).unwrap();
    is_gone(&mut peer);
    is_gone(&mut silent);
    took(start, HANDSHAKE);
    good.echo();
}

fn a_head_that_arrives_too_slowly_gets_408_and_the_end(server: Which) {
    let tls = Tls::hurry(server);
    let mut good = tls.open();
    let start = Instant::now();
    let mut peer = tls.connect();
    peer.write("GET / HTTP/1.1\r\nX: ");
    peer.0.sock.set_read_timeout(Some(HANDSHAKE / 20)).unwrap();
    let mut first = [0];
    while let Err(error) = peer.0.read(&mut first) {
        assert_silence(&error);
        peer.write("x");
        good.echo();
    }
    took(start, HANDSHAKE);
    peer.0.sock.set_read_timeout(Some(NEVER)).unwrap();
    let mut answer = String::from_utf8(first.to_vec()).unwrap();
    peer.0.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    took(start, HANDSHAKE);
    good.echo();
}

fn a_silent_peer_gets_a_ping_then_1011_then_the_end(server: Which) {
    let tls = Tls::hurry(server);
    let files = tls.server.files();
    let start = Instant::now();
    let [mut silent, mut dribbling, mut in_record] = [tls.open(), tls.open(), tls.open()];
    for peer in [&mut silent, &mut dribbling, &mut in_record] {
        assert_eq!(peer.frame().0, 0x89, "a Ping");
        took(start, KEEPALIVE);
    }
    // An incomplete record is no sign of life.
    in_record.start_record();
    for peer in [&mut silent, &mut dribbling, &mut in_record] {
        assert_eq!(peer.close_code(), 1011);
        took(start, KEEPALIVE + PONG);
    }
    // Bytes other than a Close frame do not help them now.
    dribbling.write(frame_header(Role::Server, 0x82, 1 << 20));
    let mut good = tls.open();
    let mut are_there = [true; 2];
    good.meanwhile(|| {
        are_there[0] = are_there[0] && dribbling.dribble();
        are_there[1] = are_there[1] && in_record.dribble_in_record();
        are_there == [false; 2]
    });
    took(start, KEEPALIVE + PONG + CLOSE);
    is_gone(&mut silent.0.sock);
    took(start, KEEPALIVE + PONG + CLOSE);
    good.until_files(&tls.server, files + 1);
}

fn peers_that_take_nothing_are_dropped_and_cost_little(server: Which) {
    const MOST: usize = 256 << 20;
    // Made before: while it makes them, a peer is silent.
    let message = frame(Role::Server, 0x82, &[b'x'; 8 << 20]);
    let greedy = [
        frame(Role::Server, 0x89, &[b'p'; 125]).repeat(500),
        frame(Role::Server, 0x81, &[b'x'; 100]).repeat(500),
        frame(Role::Server, 0x82, &[0; 1 << 20]),
    ];
    let tls = Tls::hurry(server);
    let mut good = tls.open();
    good.echo();
    let (files, memory) = (tls.server.files(), tls.server.memory());
    let start = Instant::now();
    // One sends no more than a message, and then takes nothing.
    let mut quiet = tls.open_over(tls.server.narrow_tcp());
    quiet.write(message);
    let greedy = greedy.map(|bytes| {
        let mut peer = tls.open();
        thread::spawn(move || peer.send_for_ever(&bytes, MOST))
    });
    good.meanwhile(|| greedy.iter().all(|peer| peer.is_finished()));
    took(start, WRITE);
    for peer in greedy {
        assert!(
            peer.join().unwrap() < MOST,
            "the server goes on reading for ever"
        );
    }
    good.until_files(&tls.server, files);
    took(start, WRITE);
    let more = tls.server.memory() - memory;
    assert!(more < 48 << 20, "{more} bytes of memory for 4 peers");
    drop(quiet);
}

// ---- ends ----

fn every_end_arrives_completely(server: Which) {
    let tls = Tls::start(server, &["--max-message", "1048576"]);
    let close = frame(Role::Server, 0x88, b"\x03\xe8");
    let mut peer = tls.open();
    peer.write(&close);
    peer.gets(b"\x88\x02\x03\xe8");
    peer.ended();

    // What was sent before it arrives, too.
    let mut peer = tls.open();
    let payload = vec![b'x'; 1 << 20];
    let mut writer = frame(Role::Server, 0x82, &payload);
    writer.extend(close);
    peer.write(writer);
    peer.gets(&frame(Role::Client, 0x82, &payload));
    peer.gets(b"\x88\x02\x03\xe8");
    peer.ended();

    // Ends that the server starts.
    let too_big = frame_header(Role::Server, 0x82, (1 << 20) + 1);
    for (bytes, code) in [(b"\x81\x01x".to_vec(), 1002_u16), (too_big, 1009)] {
        let mut peer = tls.open();
        peer.write(bytes);
        assert_eq!(peer.close_code(), code);
        peer.ended();
    }
    let mut peer = tls.connect();
    peer.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = String::new();
    peer.0.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    peer.ended();
}

fn pages_that_came_without_tls_get_403(server: Which) {
    let tls = Tls::start(server, &[]);
    let from = |origin: &str| with_line(REQUEST, &format!("Origin: {origin}"));
    for origin in ["http://example.com", "ws://example.com", "null", "file://"] {
        let mut peer = tls.connect();
        peer.write(from(origin));
        let mut answer = String::new();
        peer.0.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        peer.ended();
    }
    for origin in [
        "https://example.com",
        "wss://example.com",
        "https://other.test",
    ] {
        let mut peer = tls.connect();
        peer.write(from(origin));
        peer.head("101");
        peer.echo();
    }
}

/// The ways in which a server ends a connection.
const ENDS: [fn(&Tls) -> Peer; 4] = [
    |tls| {
        let mut peer = tls.open();
        peer.send(0x88, b"\x03\xe8");
        assert_eq!(peer.close_code(), 1000);
        peer
    },
    |tls| {
        let mut peer = tls.open();
        peer.write(b"\x81\x01x"); // not masked
        assert_eq!(peer.close_code(), 1002);
        peer
    },
    |tls| {
        let mut peer = tls.open();
        peer.write(frame_header(Role::Server, 0x82, 1 << 40));
        assert_eq!(peer.close_code(), 1009);
        peer
    },
    |tls| {
        let mut peer = tls.connect();
        peer.write("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut answer = String::new();
        peer.0.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        peer
    },
];

fn peers_that_do_not_end_the_transport_are_dropped(server: Which) {
    let tls = Tls::hurry(server);
    let mut good = tls.open();
    let files = tls.server.files();
    let start = Instant::now();
    let ends = |()| ENDS.iter().map(|end| end(&tls)).collect::<Vec<_>>();
    let [mut silent, mut dribbling, mut in_record] = [(); 3].map(ends);
    // The server ends first, and without a reset.
    for peer in [&mut silent, &mut dribbling, &mut in_record]
        .into_iter()
        .flatten()
    {
        peer.ended();
    }
    in_record.iter_mut().for_each(Peer::start_record);
    good.meanwhile(|| {
        dribbling.retain_mut(Peer::dribble);
        in_record.retain_mut(Peer::dribble_in_record);
        dribbling.is_empty() && in_record.is_empty()
    });
    took(start, CLOSE);
    good.until_files(&tls.server, files);
    took(start, CLOSE);
    drop(silent);
}

/// How far a peer may be when it vanishes.
const STEPS: &[fn(&Tls) -> TcpStream] = &[
    |tls| tls.server.tcp(),
    |tls| hello(tls, |len| len / 2).1,
    |tls| hello(tls, |len| len).1, // its answer is not read
    |tls| {
        let (_, stream) = hello(tls, |len| len);
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1); // perhaps only a part of it
        stream
    },
    |tls| last_flight(tls, |_| 0),
    |tls| last_flight(tls, |len| len / 2),
    |tls| last_flight(tls, |len| len),
    |tls| tls.connect().tcp(),
    |tls| {
        let mut peer = tls.connect();
        peer.0.conn.send_close_notify();
        peer.0.flush().unwrap();
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.connect();
        peer.write(&REQUEST[..50]);
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.connect();
        let record = peer.records(&[REQUEST.into()]);
        peer.0.sock.write_all(&record[..50]).unwrap();
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.connect();
        peer.write(REQUEST); // its answer is not read
        peer.tcp()
    },
    |tls| tls.open().tcp(),
    |tls| {
        let mut peer = tls.open();
        peer.write(&frame_header(Role::Server, 0x82, 1000)[..3]);
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.open();
        peer.write(&frame(Role::Server, 0x82, &[0; 1000])[..500]);
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.open();
        peer.start_record();
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.open();
        peer.send(0x01, b"one, ");
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.open();
        peer.send(0x82, &[0; 1 << 16]); // its echo is not read
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.open_over(tls.server.narrow_tcp());
        peer.send(0x82, &[0; 1 << 20]);
        peer.gets(b"\x82\x7f"); // in the middle of its echo
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.open();
        peer.echo();
        peer.tcp()
    },
    |tls| {
        let mut peer = tls.open();
        peer.send(0x88, b"\x03\xe8"); // its answer is not read
        peer.tcp()
    },
    |tls| ENDS[0](tls).tcp(),
    |tls| ENDS[1](tls).tcp(),
];

/// Starts a TLS handshake with a part of the first bytes.
fn hello(tls: &Tls, bytes: fn(usize) -> usize) -> (ClientConnection, TcpStream) {
    let (mut client, mut stream, mut hello) = (tls.client(), tls.server.tcp(), Vec::new());
    client.write_tls(&mut hello).unwrap();
    stream.write_all(&hello[..bytes(hello.len())]).unwrap();
    (client, stream)
}

/// Does a TLS handshake, up to a part of the last bytes.
fn last_flight(tls: &Tls, bytes: fn(usize) -> usize) -> TcpStream {
    let (mut client, mut stream) = hello(tls, |len| len);
    while client.is_handshaking() {
        assert!(client.read_tls(&mut stream).unwrap() > 0);
        client.process_new_packets().unwrap();
    }
    let mut last = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut last).unwrap();
    }
    assert!(!last.is_empty());
    stream.write_all(&last[..bytes(last.len())]).unwrap();
    stream
}

fn resets_at_every_step_leave_nothing_behind(server: Which) {
    let tls = Tls::start(server, &[]);
    let mut good = tls.open();
    let files = tls.server.files();
    for step in STEPS.repeat(2) {
        reset(step(&tls));
        good.echo();
    }
    good.until_files(&tls.server, files);
    let streams: Vec<_> = STEPS.iter().map(|step| step(&tls)).collect();
    streams.into_iter().for_each(reset);
    good.until_files(&tls.server, files);
}

fn three_hundred_peers_that_vanish_leave_nothing_behind(server: Which) {
    let tls = Tls::start(server, &[]);
    let mut good = tls.open();
    good.echo();
    let (files, threads) = (tls.server.files(), tls.server.status("Threads:"));
    let mut there = VecDeque::new();
    for step in STEPS.iter().cycle().take(300) {
        there.push_back(step(&tls));
        if there.len() > 50 {
            there.pop_front(); // without `close_notify`
            good.echo();
        }
    }
    drop(there);
    good.until_files(&tls.server, files);
    good.meanwhile(|| tls.server.status("Threads:") <= threads);
}

fn an_end_without_a_close_frame_is_an_end(server: Which) {
    let tls = Tls::start(server, &[]);
    let mut good = tls.open();
    let ends: [fn(&mut Peer); 3] = [
        |peer| {
            peer.0.conn.send_close_notify();
            peer.0.flush().unwrap();
        },
        |peer| peer.0.sock.shutdown(Shutdown::Write).unwrap(),
        |peer| {
            let record = peer.records(&[b"\x81".to_vec()]);
            peer.0.sock.write_all(&record[..record.len() - 1]).unwrap();
            peer.0.sock.shutdown(Shutdown::Write).unwrap();
        },
    ];
    for peer in [Tls::connect, Tls::open] {
        for end in ends {
            let mut peer = peer(&tls);
            end(&mut peer);
            is_gone(&mut peer.0.sock);
        }
    }
    good.echo();
}

fn bytes_that_are_no_tls_end_the_connection(server: Which) {
    let tls = Tls::start(server, &[]);
    let mut good = tls.open();
    for bytes in [REQUEST.as_bytes(), &[0; 100], &[0xff; 100]] {
        let mut stream = tls.server.tcp();
        stream.write_all(bytes).unwrap();
        is_gone(&mut stream);
    }
    // Also after valid TLS: a record that is not authentic.
    let mut peer = tls.open();
    let mut record = peer.records(&[frame(Role::Server, 0x81, b"hello")]);
    *record.last_mut().unwrap() ^= 1;
    peer.0.sock.write_all(&record).unwrap();
    let end = peer.0.read_to_end(&mut Vec::new());
    assert!(end.is_err(), "no end in order, and no echo");
    good.echo();
}

fn a_peer_that_speaks_no_tls_gets_an_alert(server: Which) {
    let tls = Tls::start(server, &[]);
    let (mut stream, mut answer) = (tls.server.tcp(), Vec::new());
    stream.write_all(REQUEST.as_bytes()).unwrap();
    stream.read_to_end(&mut answer).unwrap();
    // RFC 8446, section 5.1: an alert.
    assert_eq!(answer.first(), Some(&0x15), "{answer:?}");
}

// ---- messages ----

fn a_message_of_one_mebibyte_comes_back(server: Which) {
    let tls = Tls::start(server, &[]);
    let mut peer = tls.open();
    let payload: Vec<u8> = (0..1 << 20).map(|index: u32| (index % 251) as u8).collect();
    peer.send(0x82, &payload);
    peer.gets(&frame(Role::Client, 0x82, &payload));
    peer.echo();
}

/// Some messages as a client sends them, and what comes back for them.
fn messages() -> (Vec<u8>, Vec<u8>) {
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for len in [0, 1, 125, 126, 5_000] {
        let payload = vec![b'x'; len];
        there.extend(frame(Role::Server, 0x01, &payload[..len / 2]));
        there.extend(frame(Role::Server, 0x8a, b"unasked"));
        there.extend(frame(Role::Server, 0x80, &payload[len / 2..]));
        back.extend(frame(Role::Client, 0x81, &payload));
    }
    (there, back)
}

fn messages_come_back_however_they_are_cut_into_records(server: Which) {
    let tls = Tls::start(server, &[]);
    let (there, back) = messages();
    // At once: several messages in a record. Bytes: a record for each.
    for cuts in Cuts::ALL {
        let mut peer = tls.open();
        let records = peer.records(&cuts.cut(&there));
        peer.0.sock.write_all(&records).unwrap();
        peer.gets(&back);
        // The request and messages in one record, too.
        let mut peer = tls.connect();
        let bytes = [REQUEST.as_bytes(), &there].concat();
        let records = peer.records(&cuts.cut(&bytes));
        peer.0.sock.write_all(&records).unwrap();
        peer.head("101");
        peer.gets(&back);
    }
}

fn records_may_come_in_any_pieces(server: Which) {
    let tls = Tls::start(server, &[]);
    let (there, back) = messages();
    for cuts in Cuts::ALL {
        let mut peer = tls.open();
        let records = peer.records(&Cuts::Random(1).cut(&there));
        let mut stream = peer.0.sock.try_clone().unwrap();
        let writer = thread::spawn(move || {
            for piece in cuts.cut(&records) {
                stream.write_all(&piece).unwrap();
            }
        });
        peer.gets(&back);
        writer.join().unwrap();
    }
}

// ---- the end of the server ----

#[cfg(unix)]
fn every_peer_is_told_and_the_server_ends(server: Which) {
    let tls = Tls::start(server, &[]);
    let mut peers: Vec<_> = (0..10).map(|_| tls.open()).collect();
    peers.iter_mut().step_by(2).for_each(Peer::echo);
    let mut writing = tls.open();
    writing.write(&frame(Role::Server, 0x82, &[0; 1000])[..500]);
    // What is still to be read is not lost.
    let mut taking = tls.open();
    taking.send(0x82, &[b'x'; 8 << 20]);
    taking.gets(b"\x82\x7f");
    // These have sent no complete request yet.
    let mut asking = tls.connect();
    asking.write(&REQUEST[..50]);
    let early = [
        asking.tcp(),
        tls.connect().tcp(),
        tls.server.tcp(),
        hello(&tls, |len| len / 2).1,
        last_flight(&tls, |_| 0),
    ];

    let start = Instant::now();
    tls.server.terminate();
    for mut peer in peers {
        assert_eq!(peer.close_code(), 1001);
        peer.send(0x88, b"\x03\xe9");
        peer.ended();
    }
    assert_eq!(writing.close_code(), 1001);
    writing.write(&frame(Role::Server, 0x82, &[0; 1000])[500..]);
    writing.send(0x88, b"\x03\xe9");
    writing.ended();
    taking.gets(&(8_u64 << 20).to_be_bytes());
    assert!(taking.exactly(8 << 20).iter().all(|byte| *byte == b'x'));
    assert_eq!(taking.close_code(), 1001);
    taking.send(0x88, b"\x03\xe9");
    taking.ended();
    for mut stream in early {
        is_gone(&mut stream);
    }
    drop((writing, taking));
    assert_eq!(tls.server.wait().code(), Some(0));
    took_no_time(start);
}

#[cfg(unix)]
fn peers_that_do_not_answer_do_not_keep_the_server(server: Which) {
    // Made before: while it makes it, a peer is silent.
    let message = frame(Role::Server, 0x82, &[b'x'; 8 << 20]);
    let tls = Tls::hurry(server);
    let [mut silent, mut writing, mut in_record] = [tls.open(), tls.open(), tls.open()];
    writing.write(frame_header(Role::Server, 0x82, 10 << 20));
    let mut taking = tls.open_over(tls.server.narrow_tcp());
    taking.write(message); // and does not read the echo
    taking.gets(b"\x82\x7f");
    let ending = ENDS[0](&tls); // and does not end the transport
    let in_handshake = last_flight(&tls, |len| len / 2);

    let start = Instant::now();
    tls.server.terminate();
    for peer in [&mut silent, &mut writing, &mut in_record] {
        assert_eq!(peer.close_code(), 1001);
    }
    in_record.start_record();
    let writing = thread::spawn(move || while writing.dribble() {});
    let in_record = thread::spawn(move || while in_record.dribble_in_record() {});
    assert_eq!(tls.server.wait().code(), Some(0));
    took(start, CLOSE);
    is_gone(&mut silent.0.sock);
    writing.join().unwrap();
    in_record.join().unwrap();
    drop((taking, ending, in_handshake));
}
