//! The echo servers among the examples, each with the same peers: slow, silent, greedy, broken
//! and vanishing ones, over real sockets.
//!
//! Invariant: what one peer does never harms another, and never lasts longer than the deadlines
//! allow.
//!
//! Nothing here sleeps: every wait is for something that the server does, with a time limit only in
//! case that never comes. To show that nothing happens, another peer is served meanwhile.

use example_tests::deadlines::*;
use example_tests::peer::{Client, Frame, Peer, assert_silence};
use example_tests::support::*;
use example_tests::{NEVER, Server};
use sansocket::Role;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

// ---- the servers ----

/// Runs these cases with each of the servers.
macro_rules! every_server {
    ($($case:ident)*) => {
        server!(echo_server: $($case)*);
        server!(echo_mio: $($case)*);
        server!(echo_tokio: $($case)*);
        server!(echo_tokio_raw: $($case)*);
        server!(echo_uring: $($case)*);
    };
}

macro_rules! server {
    ($server:ident: $($case:ident)*) => {
        mod $server {
            $(
                #[test]
                fn $case() {
                    let server = stringify!($server);
                    if super::is_there(server) {
                        super::$case(server);
                    }
                }
            )*
        }
    };
}

every_server! {
    a_head_that_arrives_too_slowly_gets_408_and_the_end
    a_silent_peer_gets_a_ping_then_1011_then_the_end
    a_peer_that_speaks_is_kept
    peers_that_take_nothing_are_dropped_and_cost_little
    silent_peers_that_take_nothing_are_dropped_however_much_they_have_to_take
    a_peer_that_takes_little_at_a_time_gets_all_of_it
    peers_that_do_not_end_the_transport_are_dropped
    resets_at_every_step_leave_nothing_behind
    a_peer_that_shuts_down_writing_still_gets_its_echoes
    two_thousand_peers_that_vanish_leave_nothing_behind
    a_flood_of_one_peer_does_not_keep_the_others_waiting
    messages_of_all_lengths_come_back_however_they_are_cut
    a_message_that_is_too_big_gets_1009
    a_compressed_message_comes_back
}

mod shutdown {
    macro_rules! shutdown {
        ($($server:ident)*) => {$(
            mod $server {
                #[test]
                fn every_peer_is_told_and_the_server_ends_when_all_have_answered() {
                    super::super::every_peer_is_told_and_the_server_ends(stringify!($server));
                }

                #[test]
                fn peers_that_do_not_answer_do_not_keep_the_server() {
                    super::super::peers_that_do_not_answer_do_not_keep_the_server(stringify!($server));
                }
            }
        )*};
    }
    #[cfg(unix)]
    shutdown!(echo_server echo_mio echo_tokio echo_tokio_raw echo_uring);
}

/// Whether the server can run on this machine: without `io_uring` it says so and ends.
fn is_there(name: &str) -> bool {
    name != "echo_uring" || Server::try_start(name, &[]).is_some()
}

// ---- deadlines ----

fn a_head_that_arrives_too_slowly_gets_408_and_the_end(name: &str) {
    let server = Server::start(name, &HURRY);
    let mut good = server.open();
    let files = server.files();
    let start = Instant::now();
    let mut silent = server.connect();
    let mut peer = server.connect();
    peer.write("GET / HTTP/1.1\r\nX: ");
    // One byte whenever there is no answer yet.
    peer.0.set_read_timeout(Some(HANDSHAKE / 20)).unwrap();
    while let Err(error) = peer.0.peek(&mut [0]) {
        assert_silence(&error);
        peer.write("x");
        good.echo();
    }
    took(start, HANDSHAKE);
    peer.0.set_read_timeout(Some(NEVER)).unwrap();
    peer.head("408");
    // Sending more does not keep it.
    good.meanwhile(|| !peer.dribble(b'x'));
    took(start, HANDSHAKE);

    // A silent peer has sent no request: it may get an answer or none.
    let mut answer = String::new();
    silent.0.read_to_string(&mut answer).unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );
    good.until_files(&server, files);
}

fn a_silent_peer_gets_a_ping_then_1011_then_the_end(name: &str) {
    let server = Server::start(name, &HURRY);
    let files = server.files();
    let start = Instant::now();
    let (mut silent, mut dribbling) = (server.open(), server.open());
    for peer in [&mut silent, &mut dribbling] {
        assert_eq!(peer.frame().0, 0x89, "a Ping");
        took(start, KEEPALIVE);
    }
    for peer in [&mut silent, &mut dribbling] {
        assert_eq!(peer.close_code(), 1011);
        took(start, KEEPALIVE + PONG);
    }
    // Bytes other than a Close frame do not help it now.
    dribbling.write(frame_header(Role::Server, 0x82, 1 << 20));
    let mut good = server.open();
    good.meanwhile(|| !dribbling.dribble(0));
    took(start, KEEPALIVE + PONG + CLOSE);
    silent.is_gone();
    took(start, KEEPALIVE + PONG + CLOSE);
    good.until_files(&server, files + 1);
}

fn a_peer_that_speaks_is_kept(name: &str) {
    let server = Server::start(name, &HURRY);
    let start = Instant::now();
    // Any byte is a sign of life.
    let bytes = frame(Role::Server, 0x81, b"slow");
    let says: [fn(&mut Peer, &Frame, &[u8]); 3] = [
        |peer, ping, _| peer.send(0x8a, &ping.1),
        |peer, _, _| peer.send(0x8a, b"unasked"),
        |peer, _, byte| peer.write(byte),
    ];
    let mut peers = says.map(|say| (server.open(), say));
    for byte in bytes.chunks(1).take(2) {
        for (peer, say) in &mut peers {
            let ping = peer.frame();
            assert_eq!(ping.0, 0x89, "a Ping");
            say(peer, &ping, byte);
        }
    }
    took(start, 2 * KEEPALIVE);
    peers[2].0.write(&bytes[2..]);
    assert_eq!(peers[2].0.message(), (0x81, b"slow".to_vec()));
    for (peer, _) in &mut peers {
        peer.echo();
    }
}

fn peers_that_take_nothing_are_dropped_and_cost_little(name: &str) {
    const MOST: usize = 256 << 20;
    let server = Server::start(name, &HURRY);
    let mut good = server.open();
    good.echo();
    let (files, memory) = (server.files(), server.memory());
    let start = Instant::now();
    let greedy = [
        frame(Role::Server, 0x89, &[b'p'; 125]).repeat(500),
        frame(Role::Server, 0x81, &[b'x'; 100]).repeat(500),
        frame(Role::Server, 0x82, &[0; 1000]).repeat(50),
        frame(Role::Server, 0x82, &[0; 1 << 20]),
    ];
    let greedy = [&greedy[..], &greedy[2..]].concat();
    let greedy = greedy.into_iter().map(|bytes| {
        let mut peer = server.open();
        thread::spawn(move || peer.send_for_ever(&bytes, MOST))
    });
    let mut greedy: Vec<_> = greedy.collect();
    good.meanwhile(|| greedy.iter().all(|peer| peer.is_finished()));
    took(start, WRITE);
    for peer in greedy.drain(..) {
        assert!(
            peer.join().unwrap() < MOST,
            "the server goes on reading for ever"
        );
    }
    let more = server.memory() - memory;
    assert!(more < 48 << 20, "{more} bytes of memory for 6 peers");
    good.until_files(&server, files);
}

/// Each has a little more to read than the one before; for some of them the system has just taken
/// everything, and has no room left for a Ping.
fn silent_peers_that_take_nothing_are_dropped_however_much_they_have_to_take(name: &str) {
    const ECHO: usize = 1004;
    let Some(room) = room(&Server::start(name, &[])) else {
        return;
    };
    let server = Server::start(name, &HURRY);
    let files = server.files();
    let message = frame(Role::Server, 0x82, &[0; ECHO - 4]);
    let peers = (0..50).map(|index| {
        let mut peer = server.connect_narrow();
        peer.open(REQUEST);
        let echo = room + 3 * index - 100;
        let messages = echo / ECHO - 1;
        peer.write(message.repeat(messages));
        peer.send(0x82, &vec![0; echo - messages * ECHO - 4]);
        server.open().echo();
        peer
    });
    let peers: Vec<_> = peers.collect();
    // A peer with nothing to read shows how long that is.
    let (start, computed) = (Instant::now(), server.computed());
    let mut last = server.open();
    assert_eq!(last.frame().0, 0x89, "a Ping");
    assert_eq!(last.close_code(), 1011);
    last.is_gone();
    took(start, KEEPALIVE + PONG + CLOSE);
    let computed = server.computed() - computed;
    assert!(
        computed < start.elapsed() / 2,
        "it has computed for {computed:?}"
    );
    server.open().until_files(&server, files + 1);
    drop(peers);
}

/// The number of bytes of echoes that the system holds for a peer that reads none; `None` if it does not
/// say.
fn room(server: &Server) -> Option<usize> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let (mut good, mut peer) = (server.open(), server.connect_narrow());
    peer.open(REQUEST);
    peer.0.set_nonblocking(true).unwrap();
    let message = frame(Role::Server, 0x82, &[0; 1000]).repeat(16);
    let ports = [server.address().port(), peer.0.local_addr().unwrap().port()];
    // Until the server stops reading, because its writes stall.
    let (mut last, mut same) = ([0; 2], 0);
    while same < 5 {
        while peer.0.write(&message).is_ok() {}
        (0..50).for_each(|_| good.echo());
        let now = queues(ports[0], ports[1]);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    let [_, at_peer] = queues(ports[1], ports[0]);
    Some(last[0] + at_peer)
}

/// The number of bytes that a socket on the loopback holds: to be sent, and to be read.
fn queues(port: u16, peer_port: u16) -> [usize; 2] {
    let ports = [port, peer_port].map(|port| format!(":{port:04X}"));
    // A line may be missing from the table while other sockets come and go.
    for _ in 0..1_000 {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        for line in table.lines().skip(1) {
            let words: Vec<_> = line.split_whitespace().collect();
            if words[1].ends_with(&ports[0]) && words[2].ends_with(&ports[1]) {
                let (to_send, to_read) = words[4].split_once(':').unwrap();
                return [to_send, to_read].map(|n| usize::from_str_radix(n, 16).unwrap());
            }
        }
    }
    panic!("the socket is there");
}

fn a_peer_that_takes_little_at_a_time_gets_all_of_it(name: &str) {
    const LEN: usize = 12 << 20;
    // Made before: while it makes it, a peer is silent.
    let message = frame(Role::Server, 0x82, &vec![b'x'; LEN]);
    let server = Server::start(name, &HURRY);
    let (mut good, mut peer) = (server.open(), server.connect_narrow());
    peer.open(REQUEST);
    peer.write(message);
    let (start, time) = (Instant::now(), 2 * (KEEPALIVE + PONG));
    // Reading is the only sign of life that it gives.
    let (mut taken, mut buffer) = (Vec::new(), vec![0; LEN / 200]);
    while taken.len() < LEN + 10 {
        let n = peer.0.read(&mut buffer).unwrap();
        assert!(n > 0, "it is dropped after {:?}", start.elapsed());
        taken.extend_from_slice(&buffer[..n]);
        let part = taken.len() as f64 / LEN as f64;
        good.meanwhile(|| start.elapsed() >= time.mul_f64(part.min(1.0)));
    }
    took(start, time);
    // Pings follow the message.
    assert_eq!(taken[0], 0x82);
    let len = u64::from_be_bytes(taken[2..10].try_into().unwrap());
    assert_eq!(len, LEN as u64);
    assert!(taken[10..LEN + 10].iter().all(|byte| *byte == b'x'));
    let rest = sent_frames(&taken[LEN + 10..], Role::Server);
    assert!(rest.iter().all(|frame| frame.opcode == 9));
    peer.echo();
}

// ---- ends ----

/// The ways in which a server ends a connection, as the peer sees them.
const ENDS: [fn(&Server) -> Peer; 5] = [
    |server| {
        let mut peer = server.open();
        peer.send(0x88, b"\x03\xe8");
        assert_eq!(peer.frame(), (0x88, b"\x03\xe8".to_vec()));
        peer
    },
    |server| {
        let mut peer = server.open();
        peer.write(b"\x81\x01x"); // not masked
        assert_eq!(peer.close_code(), 1002);
        peer
    },
    |server| {
        let mut peer = server.open();
        peer.write(frame_header(Role::Server, 0x82, 1 << 40));
        assert_eq!(peer.close_code(), 1009);
        peer
    },
    |server| {
        let mut peer = server.connect();
        peer.write("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        only_answer(&mut peer, "405");
        peer
    },
    |server| {
        let mut peer = server.connect();
        peer.write("\x16\x03\x01\x02\x00\r\n\r\n"); // TLS
        only_answer(&mut peer, "400");
        peer
    },
];

/// One response comes, and nothing after it.
fn only_answer(peer: &mut Peer, status: &str) {
    let mut answer = String::new();
    peer.0.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    let heads = answer.lines().filter(|line| line.starts_with("HTTP/1.1 "));
    assert_eq!(heads.count(), 1, "{answer}");
}

fn peers_that_do_not_end_the_transport_are_dropped(name: &str) {
    let server = Server::start(name, &HURRY);
    let mut good = server.open();
    let files = server.files();
    let mut ended: Vec<_> = ENDS
        .iter()
        .flat_map(|end| [end(&server), end(&server)])
        .collect();
    // The server ends first, and without a reset.
    ended.iter_mut().for_each(Peer::ended);
    let start = Instant::now();
    good.meanwhile(|| {
        let dribbling = ended.iter_mut().step_by(2);
        dribbling
            .map(|peer| peer.dribble(0))
            .filter(|there| !there)
            .count()
            == ENDS.len()
    });
    took(start, Duration::ZERO);
    good.until_files(&server, files);
    took(start, Duration::ZERO);
}

/// How far a peer may be when it vanishes.
const STEPS: [fn(&Server) -> Peer; 12] = [
    |server| server.connect(),
    |server| {
        let mut peer = server.connect();
        peer.write(&REQUEST[..50]);
        peer
    },
    |server| {
        let mut peer = server.connect();
        peer.write(REQUEST); // its answer is not read
        peer
    },
    |server| server.open(),
    |server| {
        let mut peer = server.open();
        peer.write(&frame_header(Role::Server, 0x82, 1000)[..3]);
        peer
    },
    |server| {
        let mut peer = server.open();
        peer.write(&frame(Role::Server, 0x82, &[0; 1000])[..500]);
        peer
    },
    |server| {
        let mut peer = server.open();
        peer.send(0x01, b"one, ");
        peer
    },
    |server| {
        let mut peer = server.open();
        peer.send(0x82, &[0; 1 << 16]); // its echo is not read
        peer
    },
    |server| {
        let mut peer = server.open();
        peer.echo();
        peer
    },
    |server| {
        let mut peer = server.open();
        peer.send(0x88, b"\x03\xe8"); // its answer is not read
        peer
    },
    ENDS[0],
    ENDS[1],
];

fn resets_at_every_step_leave_nothing_behind(name: &str) {
    let server = Server::start(name, &[]);
    let mut good = server.open();
    let files = server.files();
    for _ in 0..5 {
        for step in STEPS {
            step(&server).reset();
            good.echo();
        }
    }
    good.until_files(&server, files);
    let peers: Vec<_> = STEPS.iter().map(|step| step(&server)).collect();
    peers.into_iter().for_each(Peer::reset);
    good.until_files(&server, files);
}

fn two_thousand_peers_that_vanish_leave_nothing_behind(name: &str) {
    let server = Server::start(name, &[]);
    let mut good = server.open();
    good.echo();
    let (files, threads) = (server.files(), server.status("Threads:"));
    let memory = server.memory();
    let mut there = VecDeque::new();
    for index in 0..2_000 {
        there.push_back(STEPS[index % STEPS.len()](&server));
        if there.len() > 100 {
            there.pop_front();
        }
        if index % 100 == 0 {
            good.echo();
        }
    }
    drop(there);
    good.until_files(&server, files);
    good.meanwhile(|| server.status("Threads:") <= threads);
    let more = server.memory() - memory;
    assert!(more < 48 << 20, "{more} bytes of memory");
}

fn a_peer_that_shuts_down_writing_still_gets_its_echoes(name: &str) {
    let server = Server::start(name, &[]);
    let mut good = server.open();
    let files = server.files();
    let start = Instant::now();
    // Nothing is owed to it except the end.
    for step in [0, 1, 3, 4, 5, 6] {
        let mut peer = STEPS[step](&server);
        peer.0.shutdown(Shutdown::Write).unwrap();
        peer.is_gone();
    }
    took_no_time(start);
    // Every echo of what it sent before its Close.
    for len in [5, 100_000, 4 << 20] {
        let payload = vec![b'x'; len];
        let mut peer = server.connect();
        let close = frame(Role::Server, 0x88, b"\x03\xe8");
        let bytes = [
            REQUEST.as_bytes(),
            &frame(Role::Server, 0x82, &payload),
            &close,
        ];
        peer.write(bytes.concat());
        peer.0.shutdown(Shutdown::Write).unwrap();
        peer.head("101");
        assert!(peer.frame() == (0x82, payload));
        assert_eq!(peer.frame(), (0x88, b"\x03\xe8".to_vec()));
        peer.ended();
    }
    took_no_time(start);
    good.until_files(&server, files);
}

// ---- messages ----

fn a_flood_of_one_peer_does_not_keep_the_others_waiting(name: &str) {
    let server = Server::start(name, &[]);
    let mut flood = server.open();
    let mut reader = flood.twin();
    let (stop, stopped) = mpsc::channel::<()>();
    let writer = thread::spawn(move || {
        let (bytes, mut sent) = (frame(Role::Server, 0x82, &[7; 1 << 16]), 0);
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            flood.write(&bytes);
            sent += 1;
        }
        flood.send(0x88, b"");
        sent
    });
    let reader = thread::spawn(move || {
        let mut received = 0;
        while reader.message() == (0x82, vec![7; 1 << 16]) {
            received += 1;
        }
        reader.ended();
        received
    });
    let mut others = [server.open(), server.open(), server.open()];
    for _ in 0..100 {
        for other in &mut others {
            let sent = Instant::now();
            other.echo();
            assert!(sent.elapsed() < NEVER / 10);
        }
    }
    drop(stop);
    let sent = writer.join().unwrap();
    assert!(sent > 0);
    assert_eq!(reader.join().unwrap(), sent);
}

fn messages_of_all_lengths_come_back_however_they_are_cut(name: &str) {
    let server = Server::start(name, &[]);
    for seed in 1..4 {
        let mut random = Random(seed);
        let (mut bytes, mut messages) = (Vec::new(), Vec::new());
        let lens = [0, 1, 2, 124, 125, 126, 127, 65_535, 65_536, 65_537, 1 << 20];
        for len in lens.into_iter().chain((0..50).map(|index| index * index)) {
            let payload: Vec<u8> = (0..len).map(|_| b'a' + random.below(26) as u8).collect();
            let opcode = 1 + random.below(2) as u8;
            let (mut first, mut rest) = (opcode, &payload[..]);
            while random.below(3) == 0 {
                let (fragment, after) = rest.split_at(random.below(rest.len() + 1));
                bytes.extend(frame(Role::Server, first, fragment));
                bytes.extend(frame(Role::Server, 0x8a, b"unasked"));
                (first, rest) = (0, after);
            }
            bytes.extend(frame(Role::Server, 0x80 | first, rest));
            messages.push((0x80 | opcode, payload));
        }
        bytes.extend(frame(Role::Server, 0x88, b"\x0f\xa0bye"));

        let mut peer = server.open();
        let mut writer = peer.twin();
        let writer = thread::spawn(move || {
            for piece in Cuts::Random(seed).cut(&bytes) {
                writer.write(piece);
            }
        });
        for message in messages {
            assert!(peer.message() == message, "of {} bytes", message.1.len());
        }
        assert_eq!(peer.message(), (0x88, b"\x0f\xa0bye".to_vec()));
        peer.ended();
        writer.join().unwrap();
    }
}

fn a_message_that_is_too_big_gets_1009(name: &str) {
    let server = Server::start(name, &["--max-message", "1000"]);
    let mut good = server.open();
    for bytes in [
        frame_header(Role::Server, 0x82, 1001),
        frame_header(Role::Server, 0x82, 1 << 62),
        frames(Role::Server, &[(0x02, &[0; 600]), (0x80, &[0; 401])]),
    ] {
        let mut peer = server.open();
        peer.write(bytes);
        assert_eq!(peer.close_code(), 1009);
        peer.ended();
        good.send(0x82, &[0; 1000]);
        assert_eq!(good.message(), (0x82, vec![0; 1000]));
    }
}

fn a_compressed_message_comes_back(name: &str) {
    let offer = with_line(REQUEST, "Sec-WebSocket-Extensions: permessage-deflate");
    let plain = Server::start(name, &[]);
    let response = plain.connect().open(&offer);
    assert!(!response.contains("permessage-deflate"), "{response}");

    let server = Server::start(name, &["--deflate"]);
    let mut peer = server.connect();
    let response = peer.open(&offer);
    assert!(response.contains("permessage-deflate"), "{response}");
    let mut oracle = deflate::Oracle::new(1 << 15);
    let mut plain = |(first, payload): Frame| match first {
        0xc1 => (true, oracle.message(&payload, true).unwrap()),
        first => (first != 0x81, payload),
    };
    // RFC 7692, section 7.2.3.1; also in fragments.
    let hello = unhex("f2 48 cd c9 c9 07 00");
    peer.send(0xc1, &hello);
    assert_eq!(plain(peer.message()).1, b"Hello");
    // Section 7.2.3.2: with the window of the first one.
    peer.write(frames(
        Role::Server,
        &[(0x41, &unhex("f2 00")), (0x80, &unhex("11 00 00"))],
    ));
    assert_eq!(plain(peer.message()).1, b"Hello");
    let text = "All work and no play makes Jack a dull boy. ".repeat(1_000);
    for _ in 0..3 {
        peer.send(0x81, text.as_bytes());
        let message = peer.message();
        assert!(message.1.len() < text.len() / 10, "it is compressed");
        let (compressed, inflated) = plain(message);
        assert!(compressed && inflated == text.as_bytes());
    }
    // The same server serves a peer without the extension.
    server.open().echo();
}

// ---- the end of the server ----

#[cfg(unix)]
fn every_peer_is_told_and_the_server_ends(name: &str) {
    let server = Server::start(name, &[]);
    let mut peers: Vec<_> = (0..20).map(|_| server.open()).collect();
    peers.iter_mut().step_by(2).for_each(Peer::echo);
    let mut writing = server.open();
    writing.write(&frame(Role::Server, 0x82, &[0; 1000])[..500]);
    // What is still to be read is not lost.
    let mut taking = server.open();
    taking.send(0x82, &[b'x'; 8 << 20]);
    assert_eq!(taking.exactly(2), b"\x82\x7f");
    let mut asking = server.connect();
    asking.write(&REQUEST[..50]);

    let start = Instant::now();
    server.terminate();
    for mut peer in peers {
        assert_eq!(peer.close_code(), 1001);
        peer.send(0x88, b"\x03\xe9");
        peer.ended();
    }
    assert_eq!(writing.close_code(), 1001);
    writing.write(&frame(Role::Server, 0x82, &[0; 1000])[500..]);
    writing.send(0x88, b"\x03\xe9");
    writing.ended();
    assert_eq!(taking.exactly(8), (8_u64 << 20).to_be_bytes());
    assert!(taking.exactly(8 << 20).iter().all(|byte| *byte == b'x'));
    assert_eq!(taking.close_code(), 1001);
    taking.send(0x88, b"\x03\xe9");
    taking.ended();
    // If the server has not read everything, it ends with a reset.
    let end = asking.0.read_to_end(&mut Vec::new());
    assert!(end.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true));
    drop((writing, taking, asking));
    assert_eq!(server.wait().code(), Some(0));
    took_no_time(start);
}

#[cfg(unix)]
fn peers_that_do_not_answer_do_not_keep_the_server(name: &str) {
    // Made before: while it makes it, a peer is silent.
    let message = frame(Role::Server, 0x82, &[b'x'; 8 << 20]);
    let server = Server::start(name, &HURRY);
    let mut silent = server.open();
    let mut writing = server.open();
    writing.write(frame_header(Role::Server, 0x82, 10 << 20));
    let mut taking = server.open();
    taking.write(message); // and does not read the echo
    assert_eq!(taking.exactly(2), b"\x82\x7f");
    let mut ending = server.open();
    ending.send(0x88, b""); // and does not end the transport
    ending.frame();

    let start = Instant::now();
    server.terminate();
    assert_eq!(silent.close_code(), 1001);
    assert_eq!(writing.close_code(), 1001);
    let writing = thread::spawn(move || while writing.dribble(0) {});
    assert_eq!(server.wait().code(), Some(0));
    took(start, Duration::ZERO);
    silent.is_gone();
    writing.join().unwrap();
}
