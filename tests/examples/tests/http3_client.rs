//! The client of the example `http3`: against its server, and against HTTP/3 by hand.
//!
//! Invariant: it fails with one line that says why, whatever the server does.

use bytes::BytesMut;
use example_tests::by_hand::ByHand;
use example_tests::deadlines::{HANDSHAKE, HURRY, took};
use example_tests::http3::{
    DATA, GOAWAY, HEADERS, SETTINGS, Stream, closed, fields, frame, headers, host, parse, varint,
};
use example_tests::terminal::{Terminal, come_back};
use example_tests::{NEVER, TempFile, complains, in_tokio, soon, start_tls};
use quinn::{Connection, Endpoint, SendStream, VarInt};
use sansocket::Role;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Output};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const CLIENT: Terminal = Terminal("http3");

#[test]
fn lines_come_back_over_one_stream_and_over_many() {
    let (server, ca) = start_tls(("http3 server", &[]), &["--deflate"]);
    CLIENT.lines_come_back(&server, &ca);
    // By name: some addresses of it may have no server.
    let by_name = server.url.replace("127.0.0.1", "localhost");
    come_back(&CLIENT.run(&by_name, &ca, &[], "by name\n"), "by name\n");
}

/// Passes datagrams between a client and this server, but each eighth is lost. Returns where the client is to connect to.
fn losing(server: SocketAddr) -> SocketAddr {
    let sockets = [(); 2].map(|()| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(NEVER)).unwrap(); // it ends with the test
        Arc::new(socket)
    });
    let [front, back] = sockets;
    back.connect(server).unwrap();
    let address = front.local_addr().unwrap();
    let client = Arc::new(Mutex::new(None));
    let (to_client, from_server, known) = (front.clone(), back.clone(), client.clone());
    std::thread::spawn(move || {
        let mut datagram = [0; 1 << 16];
        for number in 1_u64.. {
            let Ok((len, from)) = front.recv_from(&mut datagram) else {
                return;
            };
            *client.lock().unwrap() = Some(from);
            if number % 8 != 0 {
                let _ = back.send(&datagram[..len]); // an error if the server is gone
            }
        }
    });
    std::thread::spawn(move || {
        let mut datagram = [0; 1 << 16];
        for number in 1_u64.. {
            let Ok(len) = from_server.recv(&mut datagram) else {
                return;
            };
            let client = known.lock().unwrap().unwrap();
            if number % 8 != 0 {
                let _ = to_client.send_to(&datagram[..len], client);
            }
        }
    });
    address
}

#[test]
fn a_link_that_loses_datagrams_changes_nothing() {
    let (server, ca) = start_tls(("http3 server", &[]), &[]);
    let long = format!("{}\nshort\n{}\n", "x".repeat(300_000), "y".repeat(100_000));
    for streams in ["1", "2", "3"] {
        for lines in ["one\n", &long] {
            let url = format!("wss://{}/", losing(server.address()));
            come_back(
                &CLIENT.run(&url, &ca, &["--streams", streams], lines),
                lines,
            );
        }
    }
    // The last bytes of a server that stops.
    let url = format!("wss://{}/", losing(server.address()));
    let mut client = CLIENT.spawn(&url, &ca, &[]);
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    let mut echo = [0; 4];
    client
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut echo)
        .unwrap();
    server.terminate();
    complains(&client.wait_with_output().unwrap(), "1001 the server stops");
    assert!(server.wait().success());
}

#[test]
fn a_refusal_is_reported_in_one_line_with_the_status() {
    let (server, ca) = start_tls(("http3 server", &[]), &["--same-origin"]);
    CLIENT.reports_refusals(&server, &ca);
    in_tokio(async {
        // Somebody else's certificate, and another protocol over QUIC.
        for (alpn, is_trusted) in [(&b"h3"[..], false), (b"h2", true)] {
            let (endpoint, url, own) = host(alpn);
            let other = TempFile::new(&std::fs::read_to_string(ca.path()).unwrap());
            let client = CLIENT.spawn(&url, if is_trusted { &own } else { &other }, &[]);
            let refused = soon(endpoint.accept()).await.unwrap();
            tokio::spawn(async move { refused.await.map(drop) });
            complains(&output(client).await, "no HTTP/3 with localhost");
        }
    });
    // Nobody who speaks QUIC.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://{}/", silent.local_addr().unwrap());
    let start = Instant::now();
    complains(
        &CLIENT.run(&url, &ca, &HURRY, ""),
        "the server did not answer in time",
    );
    took(start, HANDSHAKE);
}

/// A server by hand.
struct Host {
    endpoint: Endpoint,
    url: String,
    ca: TempFile,
}

/// Its connection with a client.
struct Http {
    connection: Connection,
    control: SendStream,
    /// What the client's control stream starts with.
    settings: Vec<u8>,
    client: Child,
}

impl Host {
    fn new() -> Self {
        let (endpoint, url, ca) = host(b"h3");
        Self { endpoint, url, ca }
    }

    /// The client that has connected, whatever the settings are.
    async fn accept_with(&self, arguments: &[&str], control_bytes: &[u8]) -> Http {
        let client = CLIENT.spawn(&self.url, &self.ca, arguments);
        let connection = soon(self.endpoint.accept()).await.unwrap();
        let connection = soon(connection.into_future()).await.unwrap();
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(control_bytes).await.unwrap();
        let mut settings = vec![0; 3];
        let mut peer = soon(connection.accept_uni()).await.unwrap();
        soon(peer.read_exact(&mut settings)).await.unwrap();
        Http {
            connection,
            control,
            settings,
            client,
        }
    }

    async fn accept(&self, arguments: &[&str]) -> Http {
        let settings = frame(SETTINGS, &[0x08, 1]);
        self.accept_with(arguments, &[&[0][..], &settings].concat())
            .await
    }
}

impl Http {
    /// The next request: its fields, and its stream.
    async fn request(&self) -> (Vec<(String, String)>, Stream) {
        let (send, receive) = soon(self.connection.accept_bi()).await.unwrap();
        let mut stream = Stream::new(send, receive, Role::Client);
        let (kind, block) = stream.next_frame().await.unwrap().expect("a head");
        assert_eq!(kind, HEADERS);
        (fields(&block), stream)
    }

    /// The next WebSocket.
    async fn open(&self) -> Stream {
        let (_, mut stream) = self.request().await;
        respond(&mut stream, &[(":status", "200")]).await;
        stream
    }
}

async fn respond(stream: &mut Stream, list: &[(&str, &str)]) {
    stream.send.write_all(&headers(list)).await.unwrap();
}

async fn output(client: Child) -> Output {
    let output = tokio::task::spawn_blocking(|| client.wait_with_output());
    soon(output).await.unwrap().unwrap()
}

#[test]
fn the_client_asks_by_extended_connect_and_reports_what_ends_it() {
    in_tokio(async {
        let host = Host::new();

        // A Close with a reason.
        let arguments = ["--subprotocol", "chat", "--header", "X-Token: 1"];
        let http = host.accept(&arguments).await;
        assert_eq!(http.settings[..2], [0, 4], "a control stream, settings");
        let (fields, mut ws) = http.request().await;
        let authority = host.url.split('/').nth(2).unwrap();
        let fields: Vec<_> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        let pseudo_headers = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", authority),
            (":path", "/path?query"),
        ];
        assert_eq!(fields[..5], pseudo_headers);
        assert!(fields.contains(&("sec-websocket-version", "13")));
        assert!(fields.contains(&("sec-websocket-protocol", "chat")));
        assert!(fields.contains(&("x-token", "1")));
        assert!(fields.iter().all(|(name, _)| *name != "sec-websocket-key"));
        // Interim responses, and what nobody knows, are passed over.
        for _ in 0..8 {
            respond(&mut ws, &[(":status", "103"), ("link", "</x>")]).await;
            ws.send.write_all(&frame(0x21, b"unknown")).await.unwrap();
        }
        respond(
            &mut ws,
            &[(":status", "200"), ("sec-websocket-protocol", "chat")],
        )
        .await;
        ws.frame(0x88, b"\x03\xf0no\nmore").await;
        assert_eq!(ws.close_code().await, 1008);
        ws.send.finish().unwrap();
        ws.ended().await;
        assert_eq!(closed(&http.connection).await, 0x100);
        complains(
            &output(http.client).await,
            "the server closed the connection: 1008 no\\nmore",
        );

        // Refusals, with a page.
        for status in ["401", "403", "404", "503"] {
            let http = host.accept(&[]).await;
            let (_, mut stream) = http.request().await;
            respond(&mut stream, &[(":status", status)]).await;
            stream.write("go \x1b away\nplease").await;
            stream.send.finish().unwrap();
            let output = output(http.client).await;
            complains(&output, status);
            complains(&output, "go \\u{1b} away");
        }

        // Answers that open nothing.
        let long = "x".repeat(20 << 10);
        for list in [
            &[
                (":status", "200"),
                ("sec-websocket-extensions", "permessage-deflate"),
            ][..],
            &[(":status", "200"), ("sec-websocket-protocol", "unasked")],
            &[(":status", "200"), ("connection", "upgrade")],
            &[(":status", "200"), (":status", "200")],
            &[("x", "y"), (":status", "200")],
            &[(":status", "200"), ("x", &long)],
            &[(":status", "+200")],
            &[(":status", "101")],
            &[(":status", "204")],
            &[],
        ] {
            let http = host.accept(&HURRY).await;
            let (_, mut stream) = http.request().await;
            respond(&mut stream, list).await;
            let output = output(http.client).await;
            complains(&output, "client: ");
            assert!(!output.stderr.ends_with(b"panicked"));
        }
        let http = host.accept(&[]).await;
        let (_, mut stream) = http.request().await;
        for _ in 0..9 {
            respond(&mut stream, &[(":status", "100")]).await;
        }
        complains(&output(http.client).await, "too many interim responses");
    });
}

#[test]
fn an_end_of_the_stream_or_of_the_connection_is_an_error_whenever_it_comes() {
    in_tokio(async {
        let host = Host::new();
        for is_open in [false, true] {
            for end in 0..4 {
                let http = host.accept(&[]).await;
                let mut ws = match is_open {
                    true => http.open().await,
                    false => http.request().await.1,
                };
                if is_open {
                    ws.write(&b"\x81\x7f\0\0\0\0\0\x01\0\0part"[..]).await;
                }
                match end {
                    0 => ws.send.reset(VarInt::from_u32(0x102)).unwrap(),
                    1 => ws.send.finish().unwrap(),
                    2 => http.connection.close(VarInt::from_u32(0x100), b"going"),
                    _ => http.connection.close(VarInt::from_u32(0x102), b"broken"),
                }
                complains(&output(http.client).await, "client: ");
            }
        }
    });
}

#[test]
fn the_client_asks_nothing_of_a_server_that_does_not_take_it() {
    in_tokio(async {
        let host = Host::new();
        // No such setting; and it is 0.
        for settings in [&[][..], &[0x08, 0]] {
            let control = [vec![0], frame(SETTINGS, settings)].concat();
            let http = host.accept_with(&[], &control).await;
            let output = output(http.client).await;
            complains(&output, "takes no WebSockets over HTTP/3");
            let accepted = soon(http.connection.accept_bi()).await;
            assert!(accepted.is_err(), "no request");
        }
        // No settings at all, in time.
        let start = Instant::now();
        let http = host.accept_with(&HURRY, &[0]).await;
        let silent = output(http.client).await;
        complains(&silent, "the server did not answer in time");
        took(start, HANDSHAKE);
        // GOAWAY at once: it may have asked before it sees that.
        let settings = frame(SETTINGS, &[0x08, 1]);
        let control = [vec![0], settings, frame(GOAWAY, &[0])].concat();
        let http = host.accept_with(&HURRY, &control).await;
        complains(&output(http.client).await, "client: ");
    });
}

#[test]
fn goaway_leaves_what_is_open() {
    in_tokio(async {
        let host = Host::new();
        let mut http = host.accept(&[]).await;
        let mut ws = http.open().await;
        let mut stdin = http.client.stdin.take().unwrap();
        stdin.write_all(b"before\n").unwrap();
        assert_eq!(ws.next().await, (0x81, b"before".to_vec()));
        http.control.write_all(&frame(GOAWAY, &[4])).await.unwrap();
        ws.frame(0x81, b"still").await;
        stdin.write_all(b"after\n").unwrap();
        assert_eq!(ws.next().await, (0x81, b"after".to_vec()));
        ws.frame(0x81, b"there").await;
        drop(stdin);
        assert_eq!(ws.close_code().await, 1000);
        ws.frame(0x88, b"\x03\xe8").await;
        ws.send.finish().unwrap();
        ws.ended().await;
        let output = output(http.client).await;
        assert_eq!(output.stdout, b"still\nthere\n");
        assert!(output.status.success(), "{output:?}");
    });
}

#[test]
fn what_breaks_a_rule_of_http3_ends_the_connection_with_its_code() {
    in_tokio(async {
        let host = Host::new();
        for (code, bytes) in [
            (0x108, frame(0x03, &[0])),    // CANCEL_PUSH
            (0x105, frame(0x0d, &[0])),    // MAX_PUSH_ID
            (0x108, frame(GOAWAY, &[2])),  // no request of a client
            (0x105, frame(SETTINGS, &[])), // twice
        ] {
            let mut http = host.accept(&[]).await;
            let _ws = http.open().await;
            http.control.write_all(&bytes).await.unwrap();
            assert_eq!(closed(&http.connection).await, code, "{bytes:?}");
            complains(&output(http.client).await, "client: ");
        }
        // Pushes, which it does not allow.
        let http = host.accept(&[]).await;
        let mut push = http.connection.open_uni().await.unwrap();
        push.write_all(&[0x01, 0x00]).await.unwrap();
        assert_eq!(closed(&http.connection).await, 0x108);
        for (code, bytes) in [
            (0x108, frame(0x05, &[0])),
            (0x105, frame(DATA, b"x")),
            (0x200, frame(HEADERS, &[1, 0])),
            (0x106, varint(HEADERS)),
        ] {
            let http = host.accept(&[]).await;
            let (_, mut stream) = http.request().await;
            stream.send.write_all(&bytes).await.unwrap();
            stream.send.finish().unwrap();
            assert_eq!(closed(&http.connection).await, code, "{bytes:?}");
            complains(&output(http.client).await, "client: ");
        }
    });
}

#[test]
fn a_reset_of_one_stream_leaves_the_others() {
    in_tokio(async {
        let host = Host::new();
        let mut http = host.accept(&["--streams", "2"]).await;
        let (mut one, mut other) = (http.open().await, http.open().await);
        let mut stdin = http.client.stdin.take().unwrap();
        stdin.write_all(b"first\nsecond\n").unwrap();
        assert_eq!(one.next().await, (0x81, b"first".to_vec()));
        assert_eq!(other.next().await, (0x81, b"second".to_vec()));
        one.send.reset(VarInt::from_u32(0x10c)).unwrap();
        other.frame(0x81, b"still").await;
        drop(stdin);
        assert_eq!(other.close_code().await, 1000);
        other.frame(0x88, b"\x03\xe8").await;
        other.send.finish().unwrap();
        let output = output(http.client).await;
        assert_eq!(output.stdout, b"still\n");
        complains(&output, "client: ");
    });
}

/// What is parsed by hand is what was written by hand.
#[test]
fn frames_by_hand_are_read_as_they_are_written() {
    let mut bytes = BytesMut::from(&*frame(1 << 20, &[7; 100]));
    let cut = &mut bytes.clone().split_to(50);
    assert!(parse(cut).is_none() && cut.len() == 50);
    let (kind, payload) = parse(&mut bytes).unwrap();
    assert!(kind == 1 << 20 && *payload == [7; 100] && bytes.is_empty());
}
