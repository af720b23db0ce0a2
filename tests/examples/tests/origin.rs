//! The check of origins in each echo server, over real sockets.
//!
//! Invariant: `--same-origin` is what decides.

use example_tests::Server;
use example_tests::support::{REQUEST, with_line};
use std::io::{Read, Write};
use std::net::TcpStream;

/// The start of the answer to a request that a page of this origin makes.
fn answer(server: &Server, origin: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = with_line(REQUEST, &format!("Origin: {origin}"));
    stream.write_all(request.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    String::from_utf8(start.into()).unwrap()
}

#[test]
fn pages_of_another_site_are_refused_if_the_operator_wants() {
    for name in [
        "echo_server",
        "echo_mio",
        "echo_tokio",
        "echo_tokio_raw",
        "echo_uring",
    ] {
        let Some(server) = Server::try_start(name, &["--same-origin"]) else {
            continue; // no io_uring here
        };
        assert_eq!(answer(&server, "http://example.com"), "HTTP/1.1 101");
        assert_eq!(answer(&server, "http://evil.example"), "HTTP/1.1 403");
        let server = Server::start(name, &[]);
        assert_eq!(answer(&server, "http://evil.example"), "HTTP/1.1 101");
    }
}
