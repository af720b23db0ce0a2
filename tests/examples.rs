//! The example programs, run as a user runs them, over real sockets on the loopback.
//! Everything here waits for an event, with a limit only for the case that it never comes.

mod support;

use sansocket::Role;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use support::*;

/// An example's program: `cargo test` builds it beside the tests.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.exists(),
        "`cargo test`, or `cargo build --examples`, makes {path:?}"
    );
    Command::new(path)
}

/// An echo server, stopped when it is dropped.
struct Server(Child, String);

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut command = example("echo_server");
        command.arg("127.0.0.1:0").args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap();
        Self(child, url.into())
    }

    fn connect(&self) -> TcpStream {
        let address = self.1.trim_start_matches("ws://").trim_end_matches('/');
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// A connection whose opening handshake is done.
    fn open(&self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            stream.read_exact(&mut octet).unwrap();
            head.push(octet[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// All that comes until the server ends the connection.
fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// The code of the Close frame with which the server ends the connection.
fn close_code(stream: TcpStream) -> Option<u16> {
    sent_frames(&read_to_end(stream), Role::Server)[0].close_code()
}

fn echoes(stream: &mut TcpStream) {
    stream
        .write_all(&frame(Role::Server, 0x81, b"still here"))
        .unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\x81\x0astill here");
}

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

/// It said in one line what is wrong, and exited as a failure.
fn complains(output: &Output, about: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(about), "{stderr}");
}

#[test]
fn the_client_talks_to_the_server() {
    let server = Server::start(&[]);
    let lines = "hello\n\nGrüße 😀\nlast, without a line end";
    let output = client(&[&server.1], lines);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("{lines}\n")
    );
    assert!(output.stderr.is_empty());
}

#[test]
fn more_lines_than_buffers_hold_come_back() {
    let server = Server::start(&[]);
    let lines: String = (0..3_000)
        .map(|i| format!("{i} {}\n", "x".repeat(i % 700)))
        .collect();
    let output = client(&[&server.1], &lines);
    assert!(output.status.success());
    assert!(output.stdout == lines.as_bytes());
}

#[test]
fn a_bad_argument_is_one_line() {
    for arguments in [
        &["--nonsense"][..],
        &["--max-message", "x"],
        &["a:1", "b:2"],
    ] {
        complains(
            &example("echo_server").args(arguments).output().unwrap(),
            "echo_server: ",
        );
    }
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
    for name in ["echo_server", "client"] {
        complains(&example(name).arg(argument).output().unwrap(), "UTF-8");
    }
}

#[test]
fn a_port_in_use_is_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    complains(
        &example("echo_server").arg(&address).output().unwrap(),
        &address,
    );
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    drop(listener);
    complains(&client(&[&url], ""), "cannot connect");
}

#[test]
fn a_request_that_is_no_handshake_gets_an_answer() {
    let server = Server::start(&[]);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "426"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
        ("\x16\x03\x01\x02\x00", "400"),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = String::from_utf8(read_to_end(stream)).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[test]
fn bad_connections_do_not_disturb_the_others() {
    let server = Server::start(&["--max-message", "1000"]);
    let mut good = server.open();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut stream = server.connect();
        stream.write_all(b"GET / HT").unwrap();
        stalled.push(stream); // in the handshake
        let mut stream = server.open();
        stream
            .write_all(&frame_header(Role::Server, 0x82, 900))
            .unwrap();
        stalled.push(stream); // in a frame
        drop(server.open()); // without a closing handshake

        let mut stream = server.open();
        stream.write_all(b"\x81\x01x").unwrap(); // not masked
        assert_eq!(close_code(stream), Some(1002));
        let mut stream = server.open();
        stream
            .write_all(&frame_header(Role::Server, 0x82, 1001))
            .unwrap(); // too big
        assert_eq!(close_code(stream), Some(1009));
        echoes(&mut good);
    }
    good.write_all(&frame(Role::Server, 0x88, b"\x03\xe8"))
        .unwrap();
    assert_eq!(read_to_end(good), b"\x88\x02\x03\xe8");
}

#[test]
fn frames_in_one_write_with_the_request_are_not_lost() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    let octets = [
        REQUEST.as_bytes(),
        &frame(Role::Server, 0x81, b"early"),
        &frame(Role::Server, 0x88, b""),
    ];
    stream.write_all(&octets.concat()).unwrap();
    assert!(read_to_end(stream).ends_with(b"\r\n\r\n\x81\x05early\x88\x00"));
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
    let server = Server::start(&[]);
    let mut command = example("client");
    command.env("WS_URL", &server.1).stdin(Stdio::null());
    assert!(command.output().unwrap().status.success());
}
