//! Attacks on the echo servers among the examples: a list of attacks, and a list of servers.
//!
//! Invariant: each attack has a bound on memory and processor time, leaves no open file behind, and
//! another client is served meanwhile.
//!
//! Nothing here sleeps: every wait is for something that the server does, with a time limit only in
//! case that never comes.

use example_tests::deadlines::HURRY;
use example_tests::peer::{Client, Peer};
use example_tests::support::deflate::{Block, Token, write_message};
use example_tests::support::*;
use example_tests::{Server, example, start_tls};
use sansocket::Role;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// What has not ended after this time never ends, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest time that the other client waits for its echo meanwhile.
const WAIT: Duration = Duration::from_secs(10);

/// What may be done to a server, and what it may cost: MiB of memory beyond those before, and seconds of
/// processor time of a build that is not optimised.
struct Attack(&'static str, fn(&Server), usize, u64);

const ATTACKS: [Attack; 12] = [
    Attack("a million empty fragments", a_million_empty_fragments, 8, 2),
    Attack("a million empty messages", a_million_empty_messages, 8, 12),
    Attack(
        "a flood of Pings, and nobody reads",
        a_flood_of_pings,
        16,
        16,
    ),
    Attack("claims of 2^62 bytes", claims_of_everything, 4, 2),
    Attack(
        "claims of 16 MiB, of which little comes",
        claims_of_much,
        20,
        4,
    ),
    Attack("bombs of 64 MiB in 400 KiB", bombs, 64, 6),
    Attack("bombs in fragments", bombs_in_fragments, 48, 6),
    Attack("final DEFLATE blocks", final_blocks, 4, 2),
    Attack("100,000 header fields", many_fields, 8, 2),
    Attack("a field of 100 MB", a_long_field, 12, 2),
    Attack("requests in requests", smuggling, 4, 2),
    Attack(
        "5,000 that come and vanish",
        five_thousand_that_vanish,
        16,
        8,
    ),
];

/// Each attack on a server of its own, told to be in a hurry, with compression.
macro_rules! servers {
    ($($server:ident)*) => {$(
        #[test]
        fn $server() {
            let name = stringify!($server);
            let arguments = [&HURRY[..], &["--deflate"]].concat();
            // Without `io_uring` that server says so and ends.
            if Server::try_start(name, &arguments).is_none() {
                return assert_eq!(name, "echo_uring");
            }
            for attack in &ATTACKS {
                let mut command = example(name);
                command.arg("127.0.0.1:0").args(&arguments);
                // It says there why it refuses a request.
                command.stderr(Stdio::null());
                withstands(&Server::launch(command), attack);
            }
        }
    )*};
}

servers!(echo_server echo_mio echo_tokio echo_tokio_raw echo_uring);

fn withstands(server: &Server, Attack(name, attack, memory, seconds): &Attack) {
    let mut good = server.open();
    good.echo();
    let files = server.files();
    let before = (server.memory(), server.computed());
    let start = Instant::now();
    let mut meanwhile = |until: &dyn Fn() -> bool| {
        while !until() {
            let sent = Instant::now();
            good.echo();
            assert!(sent.elapsed() < WAIT, "{name}: another client waits");
            assert!(start.elapsed() < PATIENCE, "{name}: it never ends");
        }
    };
    thread::scope(|scope| {
        let attacker = scope.spawn(|| attack(server));
        meanwhile(&|| attacker.is_finished());
    });
    meanwhile(&|| server.files() <= files);
    let more = (server.memory() - before.0) >> 20;
    assert!(more <= *memory, "{name}: {more} MiB of memory");
    let computed = server.computed() - before.1;
    // With `--nocapture` one sees what it costs.
    eprintln!("{name}: {more} MiB, {computed:.1?} of processor time");
    assert!(
        computed <= Duration::from_secs(*seconds),
        "{name}: {computed:?} of processor time"
    );
}

// ---- what an attacker does ----

/// Writes all of it, or until the server ends the connection. Whether it took all.
fn pour(peer: &mut Peer, bytes: &[u8]) -> bool {
    peer.0.write_all(bytes).is_ok()
}

/// The code of the Close that comes next, if it comes at all: a reset may overtake it.
#[track_caller]
fn is_closed_with(peer: &mut Peer, code: u16) {
    let (mut header, mut rest) = ([0; 4], Vec::new());
    match peer.0.read_exact(&mut header) {
        Ok(()) => {
            assert_eq!((header[0], &header[2..]), (0x88, &code.to_be_bytes()[..]));
            let _ = peer.0.read_to_end(&mut rest);
        }
        Err(error) => assert!(is_end(error.kind()), "{error}"),
    }
}

fn is_end(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

/// A connection on which permessage-deflate was agreed on.
fn open_with_deflate(server: &Server) -> Peer {
    let mut peer = server.connect();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate";
    let response = peer.open(&with_line(REQUEST, offer));
    assert!(response.contains("permessage-deflate"), "{response}");
    peer
}

fn a_million_empty_fragments(server: &Server) {
    let mut peer = server.open();
    pour(&mut peer, &frame(Role::Server, 0x01, b""));
    let fragments = frame(Role::Server, 0x00, b"").repeat(10_000);
    for _ in 0..100 {
        if !pour(&mut peer, &fragments) {
            break;
        }
    }
    is_closed_with(&mut peer, 1008);
}

/// Each is legal, and comes back.
fn a_million_empty_messages(server: &Server) {
    let mut peer = server.open();
    let mut reader = peer.twin();
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; 200_000];
        for _ in 0..10 {
            reader.0.read_exact(&mut buffer).unwrap();
            assert!(buffer.chunks(2).all(|message| message == b"\x81\0"));
        }
    });
    let messages = frame(Role::Server, 0x81, b"").repeat(100_000);
    for _ in 0..10 {
        assert!(pour(&mut peer, &messages));
    }
    reader.join().unwrap();
}

fn a_flood_of_pings(server: &Server) {
    const MOST: usize = 64 << 20;
    let pings = frame(Role::Server, 0x89, &[b'p'; 125]).repeat(500);
    let empty = frame(Role::Server, 0x89, b"").repeat(10_000);
    thread::scope(|scope| {
        for bytes in [&pings, &pings, &empty] {
            let mut peer = server.open();
            scope.spawn(move || {
                let sent = peer.send_for_ever(bytes, MOST);
                assert!(sent < MOST, "the server goes on reading for ever");
            });
        }
    });
}

fn claims_of_everything(server: &Server) {
    for first in [0x81, 0x82, 0x01, 0x02, 0xc1, 0xc2] {
        for len in [1 << 62, u64::MAX >> 1, (16 << 20) * 9 / 8 + 1000] {
            let mut peer = open_with_deflate(server);
            peer.write(frame_header(Role::Server, first, len));
            is_closed_with(&mut peer, 1009);
        }
    }
    // The highest bit must be 0.
    let mut peer = server.open();
    peer.write(frame_header(Role::Server, 0x82, u64::MAX));
    is_closed_with(&mut peer, 1002);
}

fn claims_of_much(server: &Server) {
    let mut peers: Vec<_> = (0..200).map(|_| open_with_deflate(server)).collect();
    for (index, peer) in peers.iter_mut().enumerate() {
        let first = [0x82, 0x81, 0xc2, 0x02][index % 4];
        peer.write(frame_header(Role::Server, first, 16 << 20));
        peer.write(vec![0; [0, 1, 100, 4000][index / 4 % 4]]);
    }
    peers.last_mut().unwrap().0.peek(&mut [0]).unwrap(); // a Ping: all are still there
}

/// This much of nothing.
fn bomb(len: usize) -> Vec<u8> {
    let (length, distance) = (258, 1);
    let mut tokens = vec![Token::Literal(0)];
    tokens.resize(len / 258, Token::Match { length, distance });
    write_message(&[(Block::Fixed(tokens), false)])
}

fn bombs(server: &Server) {
    let bomb = bomb(64 << 20);
    assert!(bomb.len() < 500 << 10);
    for first in [0xc1, 0xc2] {
        for _ in 0..3 {
            let mut peer = open_with_deflate(server);
            pour(&mut peer, &frame(Role::Server, first, &bomb));
            is_closed_with(&mut peer, 1009);
        }
    }
}

fn bombs_in_fragments(server: &Server) {
    let bomb = bomb(64 << 20);
    for len in [1, 100, 10_000] {
        let mut bytes = frame(Role::Server, 0x42, b"");
        for fragment in bomb.chunks(len) {
            bytes.extend(frame(Role::Server, 0x00, fragment));
        }
        let mut peer = open_with_deflate(server);
        pour(&mut peer, &bytes);
        is_closed_with(&mut peer, 1009);
    }
}

/// Blocks that end a stream, empty or with a byte: each makes the codec start again.
fn final_blocks(server: &Server) {
    let block = |content: &[u8]| {
        let tokens = content.iter().map(|byte| Token::Literal(*byte)).collect();
        write_message(&[(Block::Fixed(tokens), true)])
    };
    for (block, first) in [(block(b""), 0xc2), (block(b"x"), 0xc1)] {
        let mut peer = open_with_deflate(server);
        pour(
            &mut peer,
            &frame(Role::Server, first, &block.repeat(200_000)),
        );
        let mut answer = Vec::new();
        // It is a rule that it breaks, or no stream at all: 1002, 1007 or 1008.
        if peer.0.read_to_end(&mut answer).is_ok() {
            assert!(answer.starts_with(b"\x88"), "{}", answer.escape_ascii());
        }
        // The same in messages of one block each, which is legal; they come back.
        let mut peer = open_with_deflate(server);
        let mut reader = peer.twin();
        let reader = thread::spawn(move || {
            for _ in 0..2000 {
                reader.message();
            }
        });
        pour(&mut peer, &frame(Role::Server, first, &block).repeat(2000));
        reader.join().unwrap();
    }
}

/// What comes for this is at most one response, and none that opens anything. It is never more than a page.
#[track_caller]
fn is_refused(peer: &mut Peer, what: &str) {
    let mut answer = Vec::new();
    if let Err(error) = peer.0.read_to_end(&mut answer) {
        assert!(is_end(error.kind()), "{error}");
    }
    let answer = String::from_utf8_lossy(&answer);
    let heads = answer.lines();
    let heads = heads.filter(|line| line.starts_with("HTTP/1.1 ")).count();
    assert!(heads <= 1 && answer.len() < 2000, "{what}: {answer}");
    assert!(
        heads == 0 || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505 "),
        "{what}: {answer}"
    );
}

fn many_fields(server: &Server) {
    let end = REQUEST.len() - 2;
    for field in [
        "X: y\r\n",
        "Cookie: a=b\r\n",
        "Sec-WebSocket-Protocol: a,b,c\r\n",
        ": \r\n",
    ] {
        let mut peer = server.connect();
        pour(&mut peer, &REQUEST.as_bytes()[..end]);
        pour(&mut peer, field.repeat(100_000).as_bytes());
        pour(&mut peer, b"\r\n");
        is_refused(&mut peer, field);
    }
}

fn a_long_field(server: &Server) {
    let long = vec![b'x'; 1 << 20];
    for start in ["GET / HTTP/1.1\r\nX: ", "GET /", "GET / HTTP/1.1\r\n"] {
        let mut peer = server.connect();
        pour(&mut peer, start.as_bytes());
        (0..100).all(|_| pour(&mut peer, &long));
        is_refused(&mut peer, start);
    }
}

/// A second request hidden in a first one, for which another program may take it.
fn smuggling(server: &Server) {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n";
    let handshake = |line: &str| with_line(REQUEST, line);
    for head in [
        // Requests in sequence: the first is refused, and nothing after it is looked at.
        format!("{get}\r\n"),
        format!("{get}Content-Length: 0\r\n\r\n"),
        // Two ideas of where the body ends.
        handshake("Content-Length: 0\r\nTransfer-Encoding: chunked"),
        handshake("Transfer-Encoding: chunked"),
        handshake("Transfer-Encoding: xchunked"),
        handshake("Transfer-Encoding:\tchunked"),
        handshake("Content-Length: 5"),
        handshake("Content-Length: 0\r\nContent-Length: 42"),
        handshake("Content-Length: 0, 42"),
        handshake("Content-Length: +42"),
        // Two ideas of where a field or its name ends.
        handshake("Content-Length : 42"),
        handshake("X: y\nContent-Length: 42"),
        handshake("X: y\rContent-Length: 42"),
        handshake("X: y\r\n Content-Length: 42"),
        handshake("X\0: y"),
        handshake("X: y\0"),
        handshake(" X: y"),
        // Two ideas of whom it is for.
        handshake("Host: other"),
        replaced(REQUEST, "GET /chat HTTP/1.1", "GET /chat  HTTP/1.1"),
        replaced(REQUEST, "GET /chat HTTP/1.1", "GET /chat HTTP/1.1 "),
        replaced(REQUEST, "GET /chat HTTP/1.1", "GET /chat\tHTTP/1.1"),
        replaced(REQUEST, "HTTP/1.1", "HTTP/1.0"),
        replaced(REQUEST, "HTTP/1.1", "HTTP/2.0"),
        replaced(REQUEST, "GET", "POST"),
        replaced(REQUEST, "GET", "CONNECT"),
        // HTTP/2 by prior knowledge, and TLS.
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        "\x16\x03\x01\x02\0\r\n\r\n".into(),
    ] {
        let mut peer = server.connect();
        pour(&mut peer, head.as_bytes());
        pour(&mut peer, hidden.as_bytes());
        is_refused(&mut peer, &head);
    }
}

/// A hundred are there at a time, each at another step.
fn five_thousand_that_vanish(server: &Server) {
    let mut there = VecDeque::new();
    for index in 0..5_000 {
        let mut peer = server.connect();
        match index % 5 {
            0 => {}
            1 => peer.write(&REQUEST[..index % REQUEST.len()]),
            2 => peer.write(REQUEST),
            3 => drop(peer.open(REQUEST)),
            _ => {
                peer.open(REQUEST);
                peer.write(&frame(Role::Server, 0x82, &[0; 100])[..index % 100]);
            }
        }
        there.push_back(peer);
        if there.len() > 100 {
            // In order, or by a reset.
            match (there.pop_front(), index % 2) {
                (Some(peer), 0) => peer.reset(),
                (peer, _) => drop(peer),
            }
        }
    }
}

// ---- TLS ----

/// Over TLS: handshakes that never end, and bytes that are none.
#[test]
fn tls_servers_withstand_those_who_speak_no_tls() {
    for server in example_tests::TLS_SERVERS {
        let (server, _ca) = start_tls(server, &HURRY);
        let files = server.files();
        let start = Instant::now();
        let mut peers: Vec<_> = (0..500).map(|_| server.connect()).collect();
        let memory = server.memory();
        for (index, peer) in peers.iter_mut().enumerate() {
            let bytes: &[u8] = match index % 5 {
                0 => b"",
                1 => b"\x16\x03\x01",             // a record
                2 => b"\x16\x03\x01\x40\x00\x01", // a hello of 16 KiB
                3 => b"GET / HTTP/1.1\r\n\r\n",
                _ => b"\x17\x03\x03\xff\xff",
            };
            pour(peer, bytes);
        }
        for mut peer in peers {
            let _ = peer.0.read_to_end(&mut Vec::new());
        }
        while server.files() > files {
            assert!(start.elapsed() < PATIENCE, "it never ends");
        }
        let more = (server.memory() - memory) >> 20;
        assert!(more <= 32, "{more} MiB of memory");
    }
}
