//! The examples with tokio-sansocket that are no echo servers, over real sockets.
//!
//! Invariant: every wait here is for an event, with a time limit only in case it never comes.

use example_tests::deadlines::HURRY;
use example_tests::peer::{Client, Peer};
use example_tests::support::*;
use example_tests::{NEVER, Server, example, is_misused, start_tls};
use sansocket::Role;
use std::io::Read;
use std::thread;
use std::time::Instant;

// ---- the room ----

/// The request of a person with this name.
fn called(name: &str) -> String {
    REQUEST.replacen("/chat", &format!("/{name}"), 1)
}

fn enter(server: &Server, name: &str) -> Peer {
    let mut peer = server.connect();
    peer.open(&called(name));
    hears(&mut peer, &format!("{name} is here"));
    peer
}

#[track_caller]
fn hears(peer: &mut Peer, text: &str) {
    let (first, payload) = peer.message();
    assert_eq!((first, &*String::from_utf8(payload).unwrap()), (0x81, text));
}

#[test]
fn in_the_room_everybody_hears_what_is_said() {
    let server = Server::start("room_tokio", &[]);
    let mut ada = enter(&server, "Ada");
    let mut bob = enter(&server, "Bob");
    hears(&mut ada, "Bob is here");
    bob.send(0x81, b"hello");
    hears(&mut ada, "Bob: hello");
    hears(&mut bob, "Bob: hello");
    ada.send(0x88, b"\x03\xe8");
    assert_eq!(ada.close_code(), 1000);
    ada.ended();
    hears(&mut bob, "Ada has left");
    bob.send(0x82, b"\0");
    assert_eq!(bob.close_code(), 1003);

    let mut nobody = server.connect();
    nobody.write(called(""));
    nobody.head("404");
}

#[test]
fn in_the_room_nobody_waits_for_the_slow() {
    let server = Server::start("room_tokio", &HURRY);
    let mut ada = enter(&server, "Ada");
    let mut slow = server.connect_narrow();
    slow.open(&called("Eve"));
    hears(&mut ada, "Eve is here");
    let news = "x".repeat(10_000);
    let start = Instant::now();
    loop {
        ada.send(0x81, news.as_bytes());
        let (_, heard) = ada.message();
        if heard == b"Eve has left" {
            break;
        }
        assert_eq!(heard.len(), news.len() + 5);
        assert!(start.elapsed() < NEVER, "she stays");
    }
    hears(&mut ada, &format!("Ada: {news}"));
}

#[cfg(unix)]
#[test]
fn the_room_closes() {
    let server = Server::start("room_tokio", &[]);
    let mut ada = enter(&server, "Ada");
    server.terminate();
    assert_eq!(ada.close_code(), 1001);
    ada.send(0x88, b"\x03\xe9");
    ada.is_gone();
    assert_eq!(server.wait().code(), Some(0));
}

// ---- the relay ----

/// A relay to this server.
fn relay_to(server: &Server, arguments: &[&str]) -> Server {
    Server::start("relay_tokio", &[&["--to", &server.url], arguments].concat())
}

/// A Close with a reason, as it comes.
#[track_caller]
fn closed(peer: &mut Peer, code: u16, reason: &str) {
    let expected = [&code.to_be_bytes(), reason.as_bytes()].concat();
    assert_eq!(peer.message(), (0x88, expected));
}

#[test]
fn the_relay_wants_a_server() {
    let relay = |arguments: &[&str]| example("relay_tokio").args(arguments).output().unwrap();
    is_misused(&relay(&[]), "--to <URL>");
    is_misused(&relay(&["--to", "http://localhost/"]), "--to <URL>");
}

#[test]
fn the_relay_passes_on_messages_and_the_close() {
    let echo = Server::start("echo_tokio", &[]);
    let relay = relay_to(&echo, &[]);
    let mut peer = relay.open();
    peer.echo();
    peer.write(frames(
        Role::Server,
        &[(0x01, b"one, "), (0x89, b"?"), (0x00, b"two, ")],
    ));
    peer.write(frames(Role::Server, &[(0x80, b"three")]));
    assert_eq!(peer.frame(), (0x8a, b"?".to_vec()));
    assert_eq!(text(&mut peer), "one, two, three");
    peer.send(0x82, b"");
    assert_eq!(peer.message(), (0x82, Vec::new()));
    peer.send(0x88, b"\x0b\xb8bye");
    closed(&mut peer, 3000, "bye");
    peer.ended();
}

/// A message, whose fragments are as the relay read its pieces.
#[track_caller]
fn text(peer: &mut Peer) -> String {
    let (mut first, mut payload) = peer.message();
    assert_eq!(first & 0x0f, 1);
    while first & 0x80 == 0 {
        let (next, more) = peer.message();
        assert_eq!(next & 0x0f, 0);
        (first, payload) = (next, [payload, more].concat());
    }
    String::from_utf8(payload).unwrap()
}

/// Half of a large message is on its way to the server while the other half has not been sent.
#[test]
fn the_relay_holds_only_pieces() {
    const LEN: usize = 64 << 20;
    let echo = Server::start("echo_tokio", &["--max-message", &LEN.to_string()]);
    let relay = relay_to(&echo, &["--max-message", &LEN.to_string()]);
    let mut peer = relay.open();
    peer.echo();
    let memory = relay.memory();
    let mut writer = peer.twin();
    let writer = thread::spawn(move || writer.send(0x82, &vec![7; LEN]));
    let (mut first, mut received) = (0, 0);
    while first & 0x80 == 0 {
        let payload;
        (first, payload) = peer.message();
        assert!(payload.iter().all(|byte| *byte == 7));
        received += payload.len();
    }
    writer.join().unwrap();
    assert_eq!(received, LEN);
    let more = relay.memory() - memory;
    assert!(more < 8 << 20, "{more} bytes of memory");
}

#[cfg(unix)]
#[test]
fn the_relay_tells_each_end_what_becomes_of_the_other() {
    let echo = Server::start("echo_tokio", &[]);
    let relay = relay_to(&echo, &HURRY);
    let mut peer = relay.open();
    peer.echo();
    echo.terminate();
    closed(&mut peer, 1001, "the server stops");
    peer.send(0x88, b"\x03\xe9");
    peer.ended();
    assert_eq!(echo.wait().code(), Some(0));
    // There is no server any more.
    let mut peer = relay.connect();
    peer.write(REQUEST);
    peer.head("502");

    let echo = Server::start("echo_tokio", &[]);
    let relay = relay_to(&echo, &HURRY);
    let mut peer = relay.open();
    peer.echo();
    drop(echo); // killed, without a word
    closed(&mut peer, 1014, "the other end is gone");

    let echo = Server::start("echo_tokio", &[]);
    let files = echo.files();
    let relay = relay_to(&echo, &HURRY);
    let mut peer = relay.open();
    peer.write(&frame(Role::Server, 0x82, &[0; 1000])[..500]);
    peer.reset(); // in the middle of a message
    let mut other = echo.open();
    other.until_files(&echo, files + 1);
    drop(other);

    let mut peer = relay.open();
    peer.echo();
    relay.terminate();
    closed(&mut peer, 1001, "the relay stops");
    peer.send(0x88, b"\x03\xe9");
    peer.is_gone();
    assert_eq!(relay.wait().code(), Some(0));
}

/// The system's roots are what the relay trusts, and this variable says which they are.
#[cfg(target_os = "linux")]
#[test]
fn the_relay_speaks_tls_to_whom_the_system_trusts() {
    let (echo, ca) = start_tls(("echo_tokio", &["--tls"]), &[]);
    let url = echo.url.replace("127.0.0.1", "localhost");
    let relay = |file: &str| {
        let mut command = example("relay_tokio");
        command
            .args(["127.0.0.1:0", "--to", &url])
            .env("SSL_CERT_FILE", file);
        Server::launch(command)
    };
    relay(ca.path()).open().echo();
    let (_, other) = start_tls(("echo_tokio", &["--tls"]), &[]);
    let relay = relay(other.path());
    let mut peer = relay.connect();
    peer.write(REQUEST);
    peer.head("502");
    assert_eq!(peer.0.read(&mut [0; 100]).unwrap(), 0);
}

// ---- the broadcast ----

#[cfg(target_os = "linux")]
#[test]
fn the_broadcast_tells_its_figures() {
    for deflate in [&[][..], &["--deflate"]] {
        let mut command = example("broadcast_tokio");
        command
            .args(["--receivers", "50", "--rounds", "2"])
            .args(deflate);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("50 receivers, 1024 bytes: "), "{said}");
        assert!(said.ends_with(", 0 missed\n"), "{said}");
        assert!(!said.contains("unknown"), "{said}");
    }
}
