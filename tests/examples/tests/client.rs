//! The terminal client among the examples, run as a user runs it, over real sockets on the
//! loopback.
//!
//! Invariant: every wait here is for an event, with a time limit only in case it never comes.

#[path = "client/ways.rs"]
mod ways;

use example_tests::support::*;
use example_tests::{
    NEVER, Server, TLS_SERVERS, TempFile, complains, example, in_tokio, is_misused, start_tls,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sansocket::Role;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

// ---- the client ----

/// The client while it runs; stopped when it is dropped.
struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

impl Client {
    fn start(arguments: &[&str]) -> Self {
        Self::run(example("client").args(arguments))
    }

    fn run(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        Self {
            stdin: child.stdin.take(),
            stdout: Lines::new(child.stdout.take().unwrap()),
            stderr: Lines::new(child.stderr.take().unwrap()),
            child,
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Ends its stdin.
    fn end_lines(&mut self) {
        self.stdin = None;
    }

    /// The client reports that it tries again; returns after how many seconds.
    #[track_caller]
    fn tries_again(&self) -> f64 {
        let line = self.stderr.next();
        let (_, time) = line.split_once("trying again in ").expect(&line);
        time.trim().trim_end_matches(" s").parse().unwrap()
    }

    /// The rest of its output, once it has ended by itself.
    fn output(mut self) -> Output {
        Output {
            stdout: self.stdout.rest(),
            stderr: self.stderr.rest(),
            status: self.child.wait().unwrap(),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        self.child.wait().unwrap();
    }
}

/// The lines that a program prints, each with its line end.
struct Lines(Receiver<Vec<u8>>);

impl Lines {
    fn new(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
            while pipe.read_until(b'\n', &mut line).unwrap() > 0 {
                let _ = sender.send(std::mem::take(&mut line)); // nobody may want it
            }
        });
        Self(lines)
    }

    #[track_caller]
    fn next(&self) -> String {
        String::from_utf8(self.0.recv_timeout(NEVER).expect("a line")).unwrap()
    }

    /// All lines up to the end.
    #[track_caller]
    fn rest(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        loop {
            match self.0.recv_timeout(NEVER) {
                Ok(line) => rest.extend(line),
                Err(end) => {
                    assert_eq!(end, mpsc::RecvTimeoutError::Disconnected, "it ends");
                    return rest;
                }
            }
        }
    }
}

/// Runs the client to its end.
fn client(arguments: &[&str], stdin: &str) -> Output {
    let mut client = Client::start(arguments);
    // From another thread: the client's output must be read while it gets its lines.
    let (mut pipe, lines) = (client.stdin.take().unwrap(), stdin.to_owned());
    let writer = thread::spawn(move || {
        let _ = pipe.write_all(lines.as_bytes()); // it may have ended with an error
    });
    let output = client.output();
    writer.join().unwrap();
    output
}

/// It succeeded, printed these lines, and reported nothing else.
#[track_caller]
fn succeeds(output: &Output, lines: &str) {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), lines);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

// ---- servers by hand ----

/// A server whose connections the test serves, one by one.
struct Host {
    url: String,
    connections: Receiver<TcpStream>,
}

impl Host {
    fn new() -> Self {
        Self::listen(port())
    }

    fn listen(socket: TcpSocket) -> Self {
        let url = url(&socket);
        let listener = in_tokio(async { socket.listen(16).unwrap().into_std().unwrap() });
        listener.set_nonblocking(false).unwrap();
        let (sender, connections) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = sender.send(stream.unwrap()); // the test may be over
            }
        });
        Self { url, connections }
    }

    /// The next connection, whose request has arrived.
    #[track_caller]
    fn accept(&self) -> Peer {
        let stream = self.connections.recv_timeout(NEVER);
        let mut peer = Peer {
            stream: stream.expect("a connection"),
            request: String::new(),
        };
        peer.stream.set_read_timeout(Some(NEVER)).unwrap();
        peer.stream.set_write_timeout(Some(NEVER)).unwrap();
        while !peer.request.ends_with("\r\n\r\n") {
            let byte = peer.exactly(1)[0];
            peer.request.push(byte.into());
        }
        peer
    }

    /// The next connection, whose opening handshake is done.
    #[track_caller]
    fn open(&self) -> Peer {
        let mut peer = self.accept();
        peer.open();
        peer
    }
}

/// A port on which nobody listens, and which nobody else can take.
fn port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    // The kernel holds few bytes, so that the client notices what is not read.
    socket.set_recv_buffer_size(1 << 16).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

fn url(socket: &TcpSocket) -> String {
    format!("ws://{}/", socket.local_addr().unwrap())
}

/// The client, as a server sees it.
struct Peer {
    stream: TcpStream,
    request: String,
}

impl Peer {
    fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        self.write(frame(Role::Client, first, payload));
    }

    #[track_caller]
    fn exactly(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The value of a field of the request.
    #[track_caller]
    fn field(&self, name: &str) -> &str {
        let mut lines = self.request.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("{name} is in {}", self.request))
    }

    #[track_caller]
    fn open(&mut self) {
        let accept = accept_key(self.field("Sec-WebSocket-Key"));
        self.write(RESPONSE.replace("ACCEPT", &accept));
    }

    /// The next frame: its first byte and its payload.
    #[track_caller]
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let header = self.exactly(2);
        assert!(header[1] >= 0x80, "a client masks");
        let len = match header[1] & 0x7f {
            126 => u16::from_be_bytes(self.exactly(2).try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.exactly(8).try_into().unwrap()) as usize,
            len => len.into(),
        };
        let key = self.exactly(4).try_into().unwrap();
        (header[0], xor(&self.exactly(len), key))
    }

    /// The client sends this line.
    #[track_caller]
    fn says(&mut self, line: &str) {
        let (first, payload) = self.frame();
        assert_eq!(first, 0x81, "a text message");
        assert!(payload == line.as_bytes(), "{} bytes", payload.len());
    }

    /// Closes, and receives the answer.
    #[track_caller]
    fn close(&mut self, code: u16) {
        self.send(0x88, &code.to_be_bytes());
        assert_eq!(self.frame(), (0x88, code.to_be_bytes().to_vec()));
    }

    /// The client closes because everything is done, and gets the answer.
    #[track_caller]
    fn closes(&mut self) {
        assert_eq!(self.frame(), (0x88, b"\x03\xe8".to_vec()));
        self.send(0x88, b"\x03\xe8");
    }

    /// Refuses the request with this line, and ends.
    fn refuse(mut self, status: &str) {
        self.write(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
    }
}

// ---- lines and replies ----

#[test]
fn the_client_talks_to_the_server() {
    let server = Server::start("echo_server", &[]);
    let lines = "hello\n\nGrüße 😀\nlast, without a line end";
    succeeds(&client(&[&server.url], lines), &format!("{lines}\n"));
}

#[test]
fn more_lines_than_buffers_hold_come_back() {
    let server = Server::start("echo_server", &["--deflate"]);
    let lines: String = (0..3_000)
        .map(|i| format!("{i} {}\n", "x".repeat(i % 700)))
        .collect();
    for arguments in [&[&*server.url][..], &[&server.url, "--deflate"]] {
        let output = client(arguments, &lines);
        assert!(output.status.success());
        assert!(output.stdout == lines.as_bytes());
    }
}

#[test]
fn messages_of_the_server_are_printed_at_once() {
    let host = Host::new();
    let mut client = Client::start(&[&host.url]);
    let mut peer = host.open();
    peer.send(0x81, b"unasked");
    assert_eq!(client.stdout.next(), "unasked\n");
    client.say("a question");
    peer.says("a question");
    peer.send(0x01, b"an ");
    peer.send(0x80, b"answer");
    assert_eq!(client.stdout.next(), "an answer\n");
    client.end_lines();
    peer.closes();
    succeeds(&client.output(), "");
}

// ---- arguments ----

#[test]
fn a_bad_argument_is_reported() {
    let url = "ws://localhost/";
    for (arguments, about) in [
        (&["http://localhost/"][..], "ws://"),
        (&["ws://"], "host"),
        (&[url, url], "unexpected argument"),
        (&[url, "--nonsense"], "--nonsense"),
        (&[url, "--header", "no colon"], "Name: value"),
        (&[url, "--header", "Upgrade: x"], "--header"),
        (&[url, "--header", "a b: x"], "--header"),
        (&[url, "--subprotocol", "a b"], "--subprotocol"),
        (&[url, "--origin", "a\nb"], "--origin"),
        (&[url, "--header"], "--header"),
        (&[url, "--subprotocol"], "--subprotocol"),
        (&[url, "--origin"], "--origin"),
        (&[url, "--cafile"], "--cafile"),
        (&[url, "--keepalive"], "--keepalive"),
        (&[url, "--keepalive", "soon"], "--keepalive"),
        (&[url, "--keepalive", "0"], "--keepalive"),
        (&[url, "--keepalive", "-1"], "-1"),
        (&[url, "--keepalive=-1"], "--keepalive"),
        (&[url, "--keepalive", "NaN"], "--keepalive"),
        (&[url, "--keepalive", "inf"], "--keepalive"),
        (&[url, "--latency"], "--keepalive"),
        (&[url, "--cafile", "x"], "wss://"),
        (&[url, "--proxy"], "--proxy"),
        (&[url, "--proxy", "https://a"], "--proxy"),
        (&[url, "--proxy", "http://"], "--proxy"),
        (&[url, "--follow", "x"], "--follow"),
    ] {
        is_misused(&client(arguments, "hello\n"), about);
    }
}

#[test]
fn an_error_shows_no_secret_of_the_url() {
    let nobody = url(&port());
    let address = nobody.strip_prefix("ws://").unwrap();
    for url in [
        "ws://me:sesame@a b/",
        "sesame",
        "ws://a/#sesame",
        "ws://a:sesame/",
    ] {
        let output = client(&[url], "");
        is_misused(&output, "<URL>");
        assert!(
            !String::from_utf8_lossy(&output.stderr).contains("sesame"),
            "{output:?}"
        );
    }
    let output = client(&[&format!("ws://me:sesame@{address}?sesame")], "");
    complains(&output, address.trim_end_matches('/'));
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("sesame"),
        "{output:?}"
    );
    let mut help = example("client");
    let help = help.env("WS_URL", "ws://a/?sesame").arg("--help").output();
    assert!(!String::from_utf8_lossy(&help.unwrap().stdout).contains("sesame"));
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_text_is_reported() {
    let argument = std::os::unix::ffi::OsStrExt::from_bytes(b"ws://\xff");
    let argument: &std::ffi::OsStr = argument;
    is_misused(&example("client").arg(argument).output().unwrap(), "UTF-8");
}

#[test]
fn the_url_may_come_from_the_environment() {
    let server = Server::start("echo_server", &[]);
    let mut command = example("client");
    command.env("WS_URL", &server.url).stdin(Stdio::null());
    succeeds(&command.output().unwrap(), "");
    command.env_remove("WS_URL");
    is_misused(&command.output().unwrap(), "<URL>");
}

#[test]
fn the_request_follows_the_arguments() {
    let host = Host::new();
    let mut arguments = vec![&*host.url];
    let _client = Client::start(&arguments);
    let request = host.accept().request;
    for name in ["Origin", "Sec-WebSocket-Protocol", "Extensions", "X-Y"] {
        assert!(!request.contains(name), "{request}");
    }
    arguments.extend(["--subprotocol", "one", "--subprotocol", "two", "--deflate"]);
    arguments.extend(["--origin", "http://example.com", "--header", "X-Y:  z "]);
    let _client = Client::start(&arguments);
    let peer = host.accept();
    assert_eq!(peer.field("Sec-WebSocket-Protocol"), "one, two");
    assert_eq!(peer.field("Origin"), "http://example.com");
    assert_eq!(peer.field("X-Y"), "z");
    let extensions = peer.field("Sec-WebSocket-Extensions");
    assert!(extensions.starts_with("permessage-deflate"), "{extensions}");
}

/// What stands before the `@` of a URL is sent, decoded, and is in no message.
#[test]
fn the_user_and_the_password_of_a_url_are_sent() {
    let host = Host::new();
    let url = host.url.replace("ws://", "ws://us%40er:p%3Aw@");
    let client = Client::start(&[&url]);
    let peer = host.accept();
    assert_eq!(peer.field("Authorization"), "Basic dXNAZXI6cDp3");
    peer.refuse("401 Unauthorized");
    let output = client.output();
    complains(&output, "401");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("us%40er") && !said.contains("p:w"), "{said}");
}

// ---- servers that do not serve ----

#[test]
fn a_missing_server_is_reported_in_one_line() {
    complains(&client(&[&url(&port())], ""), "cannot connect");
}

#[test]
fn a_refusal_is_reported_in_one_line_with_the_status() {
    let host = Host::new();
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
        ("", "closed the connection without an answer"),
        (
            "HTTP/1.1 10",
            "closed the connection in the middle of its answer, after 11 bytes",
        ),
    ] {
        let client = Client::start(&[&host.url]);
        host.accept().write(answer);
        complains(&client.output(), about);
    }
}

// ---- TLS ----

#[test]
fn lines_come_back_over_tls() {
    for server in TLS_SERVERS {
        let (server, ca) = start_tls(server, &[]);
        let by_name = server.url.replace("127.0.0.1", "localhost");
        let lines = format!("hello\n\nGrüße 😀\n{}\n", "long ".repeat(100_000));
        for url in [&*server.url, &by_name] {
            succeeds(&client(&[url, "--cafile", ca.path()], &lines), &lines);
        }
    }
}

/// The parameters of a certificate for the host in the URLs of these tests.
fn certificate() -> CertificateParams {
    let mut made = CertificateParams::new(["127.0.0.1".into()]).unwrap();
    // Another name than that of the certificates which the servers make.
    made.distinguished_name.push(DnType::CommonName, "a test");
    made
}

/// A server with this certificate, and the certificate.
fn start_with(made: &CertificateParams) -> (Server, TempFile) {
    let key = KeyPair::generate().unwrap();
    let cert = TempFile::new(&made.self_signed(&key).unwrap().pem());
    let key = TempFile::new(&key.serialize_pem());
    let server = ["--cert", cert.path(), "--key", key.path()];
    (Server::start("echo_tls", &server), cert)
}

#[test]
fn a_bad_certificate_is_reported_in_one_line_that_says_why() {
    let mut expired = certificate();
    expired.not_after = date_time_ymd(2001, 2, 3);
    let mut early = certificate();
    early.not_before = date_time_ymd(4000, 2, 3);
    let other_name = CertificateParams::new(["example.com".into()]).unwrap();
    let mut of_ca = certificate();
    of_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (made, about) in [
        (expired, "expired"),
        (early, "not valid yet"),
        (other_name, "another name"),
        (of_ca, "CA:FALSE"),
    ] {
        let (server, cert) = start_with(&made);
        // Another try would end in the same way.
        let arguments = [&server.url, "--cafile", cert.path(), "--reconnect"];
        complains(&client(&arguments, "hello\n"), about);
    }
}

#[test]
fn a_certificate_of_a_trusted_ca_is_accepted() {
    let mut of_ca = CertificateParams::default();
    of_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let ca = TempFile::new(&of_ca.self_signed(&ca_key).unwrap().pem());
    let cert = certificate().signed_by(&key, &Issuer::new(of_ca, ca_key));
    let (cert, key) = (cert.unwrap().pem(), key.serialize_pem());
    let (cert, key) = (TempFile::new(&cert), TempFile::new(&key));
    let server = Server::start("echo_tls", &["--cert", cert.path(), "--key", key.path()]);
    let arguments = [&server.url, "--cafile", ca.path()];
    succeeds(&client(&arguments, "hello\n"), "hello\n");
}

#[test]
fn an_unknown_issuer_is_reported_in_one_line_that_names_cafile() {
    let (_, trusted) = start_with(&certificate());
    for server in TLS_SERVERS {
        let (server, _) = start_tls(server, &[]);
        // The system trusts only these, so that the test is the same everywhere.
        let mut command = example("client");
        command.env_remove("SSL_CERT_DIR");
        command.env("SSL_CERT_FILE", trusted.path());
        let output = Client::run(command.arg(&server.url)).output();
        complains(&output, "unknown issuer");
        complains(&output, "--cafile");
    }
}

#[test]
fn a_cafile_of_an_earlier_run_is_reported_in_one_line() {
    let (former, ca) = start_tls(TLS_SERVERS[0], &[]);
    drop(former);
    let (server, _) = start_tls(TLS_SERVERS[0], &[]);
    let output = client(&[&server.url, "--cafile", ca.path()], "hello\n");
    complains(&output, "outdated");
    complains(&output, "--cafile");
}

#[test]
fn a_cafile_without_a_certificate_is_reported_in_one_line() {
    let gone = TempFile::new("").path().to_owned();
    let no_certificate = [
        "",
        "something else\n",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n",
        &KeyPair::generate().unwrap().serialize_pem(),
    ];
    let files = no_certificate.map(TempFile::new);
    let paths = files.iter().map(TempFile::path);
    for file in paths.chain([&*gone, env!("CARGO_MANIFEST_DIR")]) {
        complains(&client(&["wss://localhost/", "--cafile", file], ""), file);
    }
}

#[test]
fn a_server_without_tls_is_reported_in_one_line() {
    let (_, ca) = start_with(&certificate());
    let server = Server::start("echo_server", &[]);
    let url = server.url.replace("ws://", "wss://");
    complains(&client(&[&url, "--cafile", ca.path()], "hello\n"), "no TLS");
}

#[test]
fn a_server_that_ends_the_tls_handshake_is_reported_in_one_line() {
    let (_, ca) = start_with(&certificate());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let client = Client::start(&[&url, "--cafile", ca.path()]);
    let (mut stream, _) = listener.accept().unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    complains(&client.output(), "no TLS with 127.0.0.1");
}

#[test]
fn a_server_that_speaks_only_tls_is_reported_in_one_line() {
    for server in TLS_SERVERS {
        let (server, _) = start_tls(server, &[]);
        let url = server.url.replace("wss://", "ws://");
        complains(&client(&[&url], "hello\n"), "");
    }
}

// ---- another try ----

/// Ends of a connection, from its request on.
type Ends = [fn(Peer)];

/// After these another try may end in another way.
const PASSING: &Ends = &[
    |peer| peer.refuse("503 Service Unavailable"),
    |peer| peer.refuse("429 Too Many Requests"),
    |peer| drop(peer),
    |mut peer| peer.open(),
    |mut peer| {
        peer.open();
        peer.write(&frame_header(Role::Client, 0x81, 100)[..1]);
    },
    |mut peer| {
        peer.open();
        peer.close(1001);
    },
    |mut peer| {
        peer.open();
        peer.close(1012);
    },
];

/// After these it would end in the same way.
const FINAL: &Ends = &[
    |peer| peer.refuse("401 Unauthorized"),
    |peer| peer.refuse("404 Not Found"),
    |peer| peer.refuse("302 Found\r\nLocation: /"),
    |mut peer| peer.write(RESPONSE), // with no answer to the key
    |mut peer| peer.write("SSH-2.0-OpenSSH\r\n\r\n"),
    |mut peer| {
        peer.open();
        peer.close(1008);
    },
];

#[test]
fn after_a_temporary_end_it_tries_again() {
    let host = Host::new();
    for end in PASSING {
        let client = Client::start(&[&host.url, "--reconnect"]);
        end(host.accept());
        assert!(client.tries_again() <= 5.0);
    }
    let client = Client::start(&[&url(&port()), "--reconnect"]);
    assert!(client.tries_again() <= 5.0);
}

#[test]
fn without_reconnect_it_ends_after_any_end_that_it_did_not_want() {
    let host = Host::new();
    for end in PASSING.iter().chain(FINAL) {
        let client = Client::start(&[&host.url]);
        end(host.accept());
        complains(&client.output(), "");
    }
}

#[test]
fn after_a_permanent_end_it_does_not_try_again() {
    let host = Host::new();
    for end in FINAL {
        let client = Client::start(&[&host.url, "--reconnect"]);
        end(host.accept());
        complains(&client.output(), "");
    }
}

#[test]
fn after_a_close_with_1000_it_does_not_try_again() {
    let host = Host::new();
    let client = Client::start(&[&host.url, "--reconnect"]);
    let mut peer = host.open();
    peer.send(0x81, b"good bye");
    peer.close(1000);
    drop(peer);
    succeeds(&client.output(), "good bye\n");
}

#[test]
fn it_waits_as_long_as_the_server_asks() {
    let host = Host::new();
    let client = Client::start(&[&host.url, "--reconnect"]);
    host.accept().refuse("503 X\r\nRetry-After: 100");
    assert!((100.0..=105.0).contains(&client.tries_again()));
}

#[test]
fn after_a_refusal_lines_are_sent_on_the_next_connection() {
    let host = Host::new();
    let mut client = Client::start(&[&host.url, "--reconnect"]);
    client.say("one");
    client.say("two");
    client.end_lines();
    host.accept().refuse("503 X\r\nRetry-After: 0");
    let mut peer = host.open();
    for line in ["one", "two"] {
        peer.says(line);
        peer.send(0x81, line.as_bytes());
    }
    peer.closes();
    client.tries_again();
    succeeds(&client.output(), "one\ntwo\n");
}

#[test]
fn a_server_that_starts_late_is_found() {
    let port = port();
    let mut client = Client::start(&[&url(&port), "--reconnect"]);
    client.say("hello");
    client.tries_again();
    let host = Host::listen(port);
    host.open().says("hello");
}

#[test]
fn a_line_after_the_end_is_sent_on_the_next_connection() {
    let host = Host::new();
    let mut client = Client::start(&[&host.url, "--reconnect"]);
    let mut peer = host.open();
    peer.close(1012);
    client.say("kept"); // nothing can be sent on this connection any more
    drop(peer);
    host.open().says("kept");
}

#[test]
fn a_line_that_was_cut_off_is_sent_completely_on_the_next_connection() {
    let line = "x".repeat(16 << 20);
    let host = Host::new();
    let mut client = Client::start(&[&host.url, "--reconnect"]);
    let mut peer = host.open();
    client.say(&line);
    peer.exactly(1_000);
    drop(peer);
    host.open().says(&line);
}

#[test]
fn a_line_that_was_sent_is_not_sent_again() {
    let host = Host::new();
    let mut client = Client::start(&[&host.url, "--reconnect"]);
    client.say("one");
    let mut peer = host.open();
    peer.says("one");
    drop(peer);
    // Only now: a line sent before it has noticed the end may be lost with the connection.
    let mut peer = host.open();
    client.say("two");
    peer.says("two");
}

#[test]
fn when_everything_is_sent_it_does_not_come_back() {
    let host = Host::new();
    let mut client = Client::start(&[&host.url, "--reconnect", "--keepalive", "0.1"]);
    client.say("the last one");
    client.end_lines();
    let mut peer = host.open();
    peer.says("the last one");
    // Meanwhile it sees that this was the last line.
    for _ in 0..10 {
        assert_eq!(peer.frame().0, 0x89);
        peer.send(0x8a, b"");
    }
    drop(peer);
    complains(&client.output(), "");
}

// ---- silence ----

#[test]
fn after_silence_a_ping_is_sent_and_its_pong_tells_the_latency() {
    let host = Host::new();
    let arguments = [&*host.url, "--keepalive", "0.3", "--latency"];
    let client = Client::start(&arguments);
    let mut peer = host.accept();
    let start = Instant::now();
    let mut silence = start;
    peer.open();
    let mut payloads = Vec::new();
    for _ in 0..2 {
        let (first, payload) = peer.frame();
        assert_eq!(first, 0x89, "a Ping");
        assert!(silence.elapsed() >= Duration::from_millis(300));
        silence = Instant::now();
        peer.send(0x8a, &payload);
        let line = client.stderr.next();
        assert!(line.contains("Pong"), "{line}");
        let numbers = line.split_whitespace();
        let ms = numbers.filter_map(|word| word.parse::<f64>().ok()).next();
        assert!(ms.expect(&line) < start.elapsed().as_secs_f64() * 1e3);
        payloads.push(payload);
    }
    assert_ne!(payloads[0], payloads[1]);
}

#[test]
fn only_the_first_pong_that_answers_the_ping_tells_the_latency() {
    let host = Host::new();
    for (arguments, lines) in [(&["--latency"][..], 1), (&[], 0)] {
        let keepalive = [&*host.url, "--keepalive", "0.1"];
        let client = Client::start(&[&keepalive, arguments].concat());
        let mut peer = host.open();
        let (first, payload) = peer.frame();
        assert_eq!(first, 0x89, "a Ping");
        peer.send(0x8a, b"");
        peer.send(0x8a, b"another one");
        peer.send(0x8a, &[&payload[..], b"."].concat());
        peer.send(0x81, b"not yet");
        assert_eq!(client.stdout.next(), "not yet\n");
        assert!(client.stderr.0.try_recv().is_err(), "it says nothing");
        peer.send(0x8a, &payload);
        peer.send(0x8a, &payload);
        peer.send(0x88, b"\x03\xe8");
        drop(peer);
        let output = client.output();
        assert!(output.status.success());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.lines().count(), lines, "{stderr}");
    }
}

/// It takes the 5 s that the client waits for a reply.
#[test]
fn a_pong_is_not_the_reply_that_the_client_waits_for() {
    let host = Host::new();
    let mut client = Client::start(&[&host.url, "--keepalive", "1"]);
    client.say("hello");
    client.end_lines();
    let mut peer = host.open();
    peer.says("hello");
    let (mut pings, mut next) = (0, peer.frame());
    while next.0 == 0x89 {
        pings += 1;
        peer.send(0x8a, &next.1);
        next = peer.frame();
    }
    assert_eq!(next, (0x88, b"\x03\xe8".to_vec()));
    assert!((3..8).contains(&pings), "{pings}");
}
