//! The echo servers with TLS, `echo_tls` and `echo_tokio --tls`, with clients by hand. The law of
//! this file: TLS changes nothing of what a WebSocket does, however it cuts the octets into
//! records, and the deadlines hold for it, too.
//!
//! Nothing here sleeps: everything waits for what the server does, with a limit only for the case
//! that it never comes.

mod support;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sansocket::Role;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use support::example::{NEVER, Server, TLS_SERVERS, TempFile, start_tls};
use support::*;

/// Runs these cases with each of the servers.
macro_rules! every_server {
    ($($case:ident)*) => {
        mod echo_tls {
            $(#[test] fn $case() { super::$case(super::TLS_SERVERS[0]); })*
        }
        mod echo_tokio {
            $(#[test] fn $case() { super::$case(super::TLS_SERVERS[1]); })*
        }
    };
}

every_server! {
    a_tls_handshake_that_dribbles_or_stays_silent_ends_in_time
    a_head_that_dribbles_gets_408_and_the_end
    every_end_arrives_whole
    an_end_without_a_close_frame_is_an_end
    a_message_of_one_mebibyte_comes_back
    messages_come_back_however_they_are_cut_into_records
    records_may_come_in_any_pieces
    octets_that_are_no_tls_are_the_end
}

// The alert stays in rustls: its `writer()` fails once there is one, so that nothing is written.
#[test]
fn echo_tls_tells_who_speaks_no_tls() {
    a_peer_that_speaks_no_tls_gets_an_alert(TLS_SERVERS[0]);
}

#[test]
fn echo_tokio_tells_who_speaks_no_tls() {
    a_peer_that_speaks_no_tls_gets_an_alert(TLS_SERVERS[1]);
}

type Which = (&'static str, &'static [&'static str]);

/// By how much the deadlines of the servers are shortened, and what becomes of that of the
/// handshakes.
const HURRY: u32 = 20;
const HANDSHAKE: Duration = Duration::from_millis(10_000 / HURRY as u64);

/// A server and what its clients need.
struct Tls {
    server: Server,
    config: Arc<ClientConfig>,
    _ca: TempFile,
}

impl Tls {
    fn start(server: Which, arguments: &[&str]) -> Self {
        let (server, ca) = start_tls(server, arguments);
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_file(ca.path()).unwrap();
        roots.add(trusted).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        Self {
            server,
            config: Arc::new(config.with_no_client_auth()),
            _ca: ca,
        }
    }

    fn hurry(server: Which) -> Self {
        Self::start(server, &["--hurry", &HURRY.to_string()])
    }

    /// A connection without TLS as yet.
    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(NEVER)).unwrap();
        stream.set_write_timeout(Some(NEVER)).unwrap();
        stream
    }

    fn client(&self) -> ClientConnection {
        let name = ServerName::try_from("localhost").unwrap();
        ClientConnection::new(self.config.clone(), name).unwrap()
    }

    /// A connection whose TLS handshake is done.
    fn connect(&self) -> Peer {
        let (mut tls, mut tcp) = (self.client(), self.tcp());
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).unwrap();
        }
        Peer(StreamOwned::new(tls, tcp))
    }

    /// A connection whose opening handshake is done.
    fn open(&self) -> Peer {
        let mut peer = self.connect();
        peer.write(REQUEST);
        peer.head("101");
        peer
    }
}

/// A client by hand.
struct Peer(StreamOwned<ClientConnection, TcpStream>);

impl Peer {
    fn write(&mut self, octets: impl AsRef<[u8]>) {
        self.0.write_all(octets.as_ref()).unwrap();
        self.0.flush().unwrap();
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        self.write(frame(Role::Server, first, payload));
    }

    /// These octets as records of TLS, one for each part.
    fn records(&mut self, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut records = Vec::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let begin = records.len();
            self.0.conn.writer().write_all(part).unwrap();
            self.0.conn.write_tls(&mut records).unwrap();
            let len = u16::from_be_bytes(records[begin + 3..begin + 5].try_into().unwrap());
            assert_eq!(records.len() - begin, 5 + usize::from(len), "one record");
        }
        records
    }

    fn exactly(&mut self, len: usize) -> Vec<u8> {
        let mut octets = vec![0; len];
        self.0.read_exact(&mut octets).unwrap();
        octets
    }

    /// The head of a response with this status.
    #[track_caller]
    fn head(&mut self, status: &str) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.exactly(1));
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }

    /// These are the next octets.
    #[track_caller]
    fn gets(&mut self, octets: &[u8]) {
        assert!(self.exactly(octets.len()) == octets);
    }

    #[track_caller]
    fn echo(&mut self) {
        self.send(0x81, b"still here");
        self.gets(b"\x81\x0astill here");
    }

    /// The server has ended TLS in order, and then the transport: nothing is cut off.
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

/// It has taken this long from then on, and little more.
#[track_caller]
fn took(start: Instant, time: Duration) {
    let elapsed = start.elapsed();
    assert!(elapsed >= time, "{elapsed:?}, not before {time:?}");
    assert!(
        elapsed < time + NEVER / 4,
        "{elapsed:?}, soon after {time:?}"
    );
}

// ---- deadlines ----

/// Nothing has come in this time.
#[track_caller]
fn is_silence(error: &std::io::Error) {
    let kinds = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
    assert!(kinds.contains(&error.kind()), "{error}");
}

fn a_tls_handshake_that_dribbles_or_stays_silent_ends_in_time(server: Which) {
    let tls = Tls::hurry(server);
    let mut good = tls.open();
    let mut hello = Vec::new();
    tls.client().write_tls(&mut hello).unwrap();
    let mut hello = hello.iter();
    let start = Instant::now();
    let (mut silent, mut peer) = (tls.tcp(), tls.tcp());
    // One octet whenever there is no answer yet.
    peer.set_read_timeout(Some(HANDSHAKE / 20)).unwrap();
    while let Err(error) = peer.peek(&mut [0]) {
        is_silence(&error);
        let octet = hello.next().expect("it ends before all is written");
        peer.write_all(&[*octet]).unwrap();
        good.echo();
    }
    took(start, HANDSHAKE);
    peer.set_read_timeout(Some(NEVER)).unwrap();
    is_gone(&mut peer);
    is_gone(&mut silent);
    took(start, HANDSHAKE);
    good.echo();
}

fn a_head_that_dribbles_gets_408_and_the_end(server: Which) {
    let tls = Tls::hurry(server);
    let mut good = tls.open();
    let start = Instant::now();
    let mut peer = tls.connect();
    peer.write("GET / HTTP/1.1\r\nX: ");
    peer.0.sock.set_read_timeout(Some(HANDSHAKE / 20)).unwrap();
    let mut first = [0];
    while let Err(error) = peer.0.read(&mut first) {
        is_silence(&error);
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

// ---- ends ----

fn every_end_arrives_whole(server: Which) {
    let tls = Tls::start(server, &["--max-message", "1048576"]);
    let close = frame(Role::Server, 0x88, b"\x03\xe8");
    let mut peer = tls.open();
    peer.write(&close);
    peer.gets(b"\x88\x02\x03\xe8");
    peer.ended();

    // What comes before it arrives, too.
    let mut peer = tls.open();
    let payload = vec![b'x'; 1 << 20];
    let mut writer = frame(Role::Server, 0x82, &payload);
    writer.extend(close);
    peer.write(writer);
    peer.gets(&frame(Role::Client, 0x82, &payload));
    peer.gets(b"\x88\x02\x03\xe8");
    peer.ended();

    // Ends that the server has to make.
    let too_big = frame_header(Role::Server, 0x82, (1 << 20) + 1);
    for (octets, code) in [(b"\x81\x01x".to_vec(), 1002_u16), (too_big, 1009)] {
        let mut peer = tls.open();
        peer.write(octets);
        let header = peer.exactly(2);
        assert_eq!(header[0], 0x88);
        let payload = peer.exactly(header[1].into());
        assert_eq!(payload[..2], code.to_be_bytes());
        peer.ended();
    }
    let mut peer = tls.connect();
    peer.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = String::new();
    peer.0.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    peer.ended();
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

fn octets_that_are_no_tls_are_the_end(server: Which) {
    let tls = Tls::start(server, &[]);
    let mut good = tls.open();
    for octets in [REQUEST.as_bytes(), &[0; 100], &[0xff; 100]] {
        let mut stream = tls.tcp();
        stream.write_all(octets).unwrap();
        is_gone(&mut stream);
    }
    // Also behind what was TLS: a record that is not authentic.
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
    let (mut stream, mut answer) = (tls.tcp(), Vec::new());
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
    // Whole: several messages in a record. Octets: a record for each.
    for cuts in Cuts::ALL {
        let mut peer = tls.open();
        let records = peer.records(&cuts.cut(&there));
        peer.0.sock.write_all(&records).unwrap();
        peer.gets(&back);
        // The request and messages in one record, too.
        let mut peer = tls.connect();
        let octets = [REQUEST.as_bytes(), &there].concat();
        let records = peer.records(&cuts.cut(&octets));
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
