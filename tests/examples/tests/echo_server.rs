//! The echo server of `examples/echo_server.rs`, run as a user runs it, over real sockets on the
//! loopback.
//!
//! Invariant: every wait here is for an event, with a time limit only in case it never comes.

use example_tests::peer::{Client, Peer};
use example_tests::support::*;
use example_tests::{Server, example, is_misused};
use sansocket::Role;
use std::io::Read;
use std::net::TcpListener;

/// Everything up to the end of the connection.
fn read_to_end(mut peer: Peer) -> Vec<u8> {
    let mut all = Vec::new();
    peer.0.read_to_end(&mut all).unwrap();
    all
}

const SERVERS: [&str; 6] = [
    "echo_server",
    "echo_mio",
    "echo_tokio",
    "echo_tokio_raw",
    "echo_tls",
    "echo_uring",
];

#[test]
fn a_bad_argument_is_reported() {
    for server in SERVERS {
        for (arguments, about) in [
            (&["--nonsense"][..], "--nonsense"),
            (&["--max-message", "x"], "--max-message"),
            (&["--hurry", "0"], "--hurry"),
            (&["no-address"], "[ADDRESS]"),
            (&["127.0.0.1:1", "127.0.0.1:2"], "127.0.0.1:2"),
        ] {
            is_misused(&example(server).args(arguments).output().unwrap(), about);
        }
    }
    for arguments in [
        &["--cert", "x"][..],
        &["--key", "x"],
        &["--cert", "x", "--key", "x", "--write-ca", "x"],
    ] {
        let mut tls = example("echo_tls");
        is_misused(&tls.args(arguments).output().unwrap(), "--cert");
        let mut tokio = example("echo_tokio");
        is_misused(&tokio.args(arguments).output().unwrap(), "--tls");
    }
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_text_is_reported() {
    let argument = std::os::unix::ffi::OsStrExt::from_bytes(b"ws://\xff");
    let argument: &std::ffi::OsStr = argument;
    for server in SERVERS {
        is_misused(&example(server).arg(argument).output().unwrap(), "");
    }
}

#[test]
fn a_port_in_use_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for server in SERVERS {
        let output = example(server).arg(&address).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        if stderr.contains("no io_uring") {
            continue;
        }
        assert!(!output.status.success());
        let first = format!("Error: cannot listen on {address}\n");
        assert!(stderr.starts_with(&first), "{stderr}");
        assert!(stderr.contains("in use"), "{stderr}");
    }
}

#[test]
fn a_request_that_is_not_a_handshake_gets_an_answer() {
    let server = Server::start("echo_server", &[]);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "426"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
        ("\x16\x03\x01\x02\x00", "400"),
    ] {
        let mut peer = server.connect();
        peer.write(request);
        let answer = String::from_utf8(read_to_end(peer)).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

/// A load balancer asks with GET or HEAD on the port of the WebSocket; everything else gets the
/// default answer.
#[test]
fn a_health_check_is_answered_on_the_same_port() {
    let server = Server::start("echo_server", &[]);
    for (line, status, body) in [
        ("GET /health", "200 OK", "ok\n"),
        ("GET /health?from=balancer", "200 OK", "ok\n"),
        ("HEAD /health", "200 OK", ""),
        ("GET /healthz", "426 Upgrade Required", "not a WebSocket"),
    ] {
        let mut peer = server.connect();
        peer.write(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = String::from_utf8(read_to_end(peer)).unwrap();
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{head}"
        );
        assert!(content.starts_with(body), "{content}");
        assert_eq!(content.is_empty(), body.is_empty(), "{line}: {content}");
    }
    server.open().echo();
}

#[test]
fn bad_connections_do_not_disturb_the_others() {
    let server = Server::start("echo_server", &["--max-message", "1000"]);
    let mut good = server.open();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut peer = server.connect();
        peer.write("GET / HT");
        stalled.push(peer); // in the handshake
        let mut peer = server.open();
        peer.write(frame_header(Role::Server, 0x82, 900));
        stalled.push(peer); // in a frame
        drop(server.open()); // without a closing handshake

        let mut peer = server.open();
        peer.write(b"\x81\x01x"); // not masked
        assert_eq!(peer.close_code(), 1002);
        let mut peer = server.open();
        peer.write(frame_header(Role::Server, 0x82, 1001)); // too big
        assert_eq!(peer.close_code(), 1009);
        good.echo();
    }
    good.send(0x88, b"\x03\xe8");
    assert_eq!(read_to_end(good), b"\x88\x02\x03\xe8");
}

#[test]
fn frames_in_one_write_with_the_request_are_not_lost() {
    let server = Server::start("echo_server", &[]);
    let mut peer = server.connect();
    let bytes = [
        REQUEST.as_bytes(),
        &frame(Role::Server, 0x81, b"early"),
        &frame(Role::Server, 0x88, b""),
    ];
    peer.write(bytes.concat());
    assert!(read_to_end(peer).ends_with(b"\r\n\r\n\x81\x05early\x88\x00"));
}

#[test]
fn the_readme_names_each_example() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let readme = include_str!("../../../README.md");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "common" {
            continue; // what the others share
        }
        let link = format!("[`{name}`](examples/{name})");
        assert!(readme.contains(&link), "a table has {link}");
    }
}

#[test]
fn help() {
    let output = example("echo_server").arg("--help").output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output, include_str!("echo_server_help.txt"));
}
