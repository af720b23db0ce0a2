//! The terminal client among the examples, run as a user runs it, over real sockets on the
//! loopback. Everything here waits for an event, with a limit only for the case that it never
//! comes.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::thread;
use support::example::{Server, complains, example};

fn client(arguments: &[&str], stdin: &str) -> Output {
    let mut command = example("client");
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // From a thread of its own, for while the client writes its lines must be read.
    let (mut pipe, lines) = (child.stdin.take().unwrap(), stdin.to_owned());
    let writer = thread::spawn(move || {
        let _ = pipe.write_all(lines.as_bytes()); // it may have ended with an error
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn the_client_talks_to_the_server() {
    let server = Server::start("echo_server", &[]);
    let lines = "hello\n\nGrüße 😀\nlast, without a line end";
    let output = client(&[&server.url], lines);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("{lines}\n")
    );
    assert!(output.stderr.is_empty());
}

#[test]
fn more_lines_than_buffers_hold_come_back() {
    let server = Server::start("echo_server", &[]);
    let lines: String = (0..3_000)
        .map(|i| format!("{i} {}\n", "x".repeat(i % 700)))
        .collect();
    let output = client(&[&server.url], &lines);
    assert!(output.status.success());
    assert!(output.stdout == lines.as_bytes());
}

#[test]
fn a_bad_argument_is_one_line() {
    complains(&client(&["http://localhost/"], ""), "ws://");
    complains(
        &client(&["ws://localhost/", "--header", "no colon"], ""),
        "Name: value",
    );
    complains(
        &client(&["ws://localhost/", "--subprotocol", "a b"], ""),
        "--subprotocol",
    );
    complains(
        &client(&["ws://localhost/", "--header", "Upgrade: x"], ""),
        "--header",
    );
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_text_is_one_line() {
    let argument = std::os::unix::ffi::OsStrExt::from_bytes(b"ws://\xff");
    let argument: &std::ffi::OsStr = argument;
    complains(&example("client").arg(argument).output().unwrap(), "UTF-8");
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    drop(listener);
    complains(&client(&[&url], ""), "cannot connect");
}

/// A server that reads the request and answers with these octets.
fn one_answer(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            stream.read_exact(&mut octet).unwrap();
            request.push(octet[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

#[test]
fn a_refusal_is_one_line_with_the_status() {
    for (answer, about) in [
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\nnot here",
            "404: not here",
        ),
        (
            "HTTP/1.1 401 X\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            "401",
        ),
        (
            "HTTP/1.1 302 X\r\nLocation: ws://other/\r\nContent-Length: 0\r\n\r\n",
            "302, a redirect to ws://other/",
        ),
        ("HTTP/1.1 500 X\r\n\r\ncut off", "500"),
        (
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "Sec-WebSocket-Accept",
        ),
        ("SSH-2.0-OpenSSH\r\n\r\n", "HTTP"),
        ("", "ended"),
    ] {
        complains(&client(&[&one_answer(answer)], "hello\n"), about);
    }
}

#[test]
fn the_url_may_come_from_the_environment() {
    let server = Server::start("echo_server", &[]);
    let mut command = example("client");
    command.env("WS_URL", &server.url).stdin(Stdio::null());
    assert!(command.output().unwrap().status.success());
}
