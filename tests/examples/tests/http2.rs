//! The example `http2`: server and client, each against the other and against HTTP/2 by hand.
//!
//! Invariant: what ends a stream ends its WebSocket, and nothing else.

use bytes::{Bytes, BytesMut};
use example_tests::by_hand::ByHand;
use example_tests::deadlines::{CLOSE, HANDSHAKE, HURRY, took};
use example_tests::http2::{Http2, Stream};
use example_tests::terminal::Terminal;
use example_tests::{Server, TempFile, complains, in_tokio, soon, start_tls};
use h2::ext::Protocol;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::{Method, Request, Response};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sansocket::Role;
use std::io::Write;
use std::process::{Child, Output};
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const CLIENT: Terminal = Terminal("http2");

fn start(arguments: &[&str]) -> (Server, TempFile) {
    start_tls(("http2 server", &[]), arguments)
}

/// A server, and a client's connection to it.
fn with_connection<F: Future<Output = ()>>(
    arguments: &[&str],
    window: u32,
    case: impl FnOnce(Http2) -> F,
) -> (Server, TempFile) {
    let (server, ca) = start(arguments);
    in_tokio(async { case(Http2::connect(&server, &ca, window).await).await });
    (server, ca)
}

// ---- the server ----

#[test]
fn requests_that_open_nothing_get_their_status() {
    with_connection(&["--same-origin"], 1 << 16, async |http| {
        assert_eq!(
            http.get("/", &[]).await,
            (200, "An echo of WebSockets\n".into())
        );
        assert_eq!(http.get("/nothing", &[]).await.0, 404);
        let foreign = [("origin", "https://evil.example")];
        assert_eq!(http.refused("/", &foreign).await.0, 403);
        // A page that came without TLS, of the same host and port.
        let insecure = format!(
            "http://{}",
            http.head(Method::GET, "/", &[]).uri().authority().unwrap()
        );
        assert_eq!(http.refused("/", &[("origin", &insecure)]).await.0, 403);
        let mut other = http.head(Method::CONNECT, "/", &[("sec-websocket-version", "13")]);
        other
            .extensions_mut()
            .insert(Protocol::from_static("webtransport"));
        assert_eq!(http.send(other, false).await.0.status(), 501);
        let mut no_version = http.head(Method::CONNECT, "/", &[]);
        no_version
            .extensions_mut()
            .insert(Protocol::from_static("websocket"));
        assert_eq!(http.send(no_version, false).await.0.status(), 400);
        let post = http.head(Method::POST, "/", &[]);
        assert_eq!(http.send(post, true).await.0.status(), 400);
        http.open("/any/path?with=query").await.echo("open").await;
    });
}

#[test]
fn closes_of_either_side_end_the_stream_with_their_code() {
    with_connection(&[], 1 << 16, async |http| {
        let mut ws = http.open("/").await;
        ws.frame(0x88, b"\x0f\xa0bye").await;
        assert_eq!(ws.close_code().await, 4000);
        ws.ended().await;
        let mut ws = http.open("/").await;
        ws.frame(0x81, b"\xff").await;
        assert_eq!(ws.close_code().await, 1007);
        ws.ended().await;
        let mut ws = http.open("/").await;
        ws.write(&b"\x81\x00"[..]).await; // not masked: HTTP/2 changes nothing about it
        assert_eq!(ws.close_code().await, 1002);
    });
}

#[test]
fn an_end_or_a_reset_of_one_stream_ends_only_its_websocket() {
    with_connection(&[], 1 << 16, async |http| {
        let mut witness = http.open("/").await;
        // END_STREAM in the middle of a message, without a Close.
        let mut ws = http.open("/").await;
        ws.write(&b"\x82\xff\0\0\0\0\0\x01\0\0part"[..]).await;
        ws.finish();
        ws.ended().await;
        witness.echo("after an end").await;
        for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
            let mut ws = http.open("/").await;
            ws.write(&b"\x82\xff\0\0\0\0\0\x01\0\0part"[..]).await;
            ws.send.send_reset(reason);
            witness.echo("after a reset").await;
        }
        // More than may be open at once: those that are reset count no more.
        for _ in 0..150 {
            let mut ws = http.open("/").await;
            ws.send.send_reset(Reason::CANCEL);
        }
        witness.echo("after many").await;
    });
}

#[test]
fn a_websocket_that_is_not_read_makes_its_server_wait_and_no_other() {
    let len = 8 << 20;
    let (server, _ca) = with_connection(&[], 1 << 16, async |http| {
        let (mut witness, mut ws) = (http.open("/").await, http.open("/").await);
        let data = vec![b'x'; len];
        // What comes back is not read: the window of the stream is full after 64 KiB.
        ws.frame(0x82, &data).await;
        for _ in 0..10 {
            witness.echo("meanwhile").await;
        }
        assert_eq!(ws.next().await, (0x82, data));
        // The server takes no more than fits while it cannot write: the window of its stream ends it.
        let one = example_tests::support::frame(Role::Server, 0x82, &vec![0; 1 << 20]);
        let mut sent = 0;
        while sent < 64 << 20 {
            ws.send.reserve_capacity(one.len());
            if ws.send.capacity() == 0 {
                let room = std::future::poll_fn(|context| ws.send.poll_capacity(context));
                let time = std::time::Duration::from_millis(500);
                if tokio::time::timeout(time, room).await.is_err() {
                    break;
                }
            }
            let at = sent % one.len();
            let n = ws.send.capacity().min(one.len() - at);
            let part = Bytes::copy_from_slice(&one[at..at + n]);
            ws.send.send_data(part, false).unwrap();
            sent += n;
        }
        assert!(sent < 16 << 20, "the server takes {sent} bytes and more");
        witness.echo("meanwhile").await;
    });
    assert!(server.memory() < 80 << 20, "{}", server.memory());
}

#[test]
fn a_server_that_stops_closes_each_websocket_and_then_the_connection() {
    let (server, ca) = start(&[]);
    in_tokio(async {
        let http = Http2::connect(&server, &ca, 1 << 16).await;
        http.is_told_of_the_stop(&server, "/").await;
    });
    assert!(server.wait().success());
}

#[test]
fn a_stream_that_its_client_never_ends_is_dropped_in_time() {
    with_connection(&HURRY, 1 << 16, async |http| {
        let mut ws = http.open("/").await;
        let start = Instant::now();
        ws.frame(0x88, b"\x03\xe8").await;
        assert_eq!(ws.close_code().await, 1000);
        ws.ended().await;
        // Nothing more is read: RST_STREAM tells that.
        let reset = soon(std::future::poll_fn(|context| ws.send.poll_reset(context))).await;
        assert!(
            matches!(reset, Ok(Reason::CANCEL | Reason::NO_ERROR)),
            "{reset:?}"
        );
        took(start, CLOSE);
    });
}

#[test]
fn a_connection_without_requests_is_closed_in_time() {
    with_connection(&HURRY, 1 << 16, async |http| {
        let start = Instant::now();
        let _ = soon(http.connection).await.unwrap(); // an error if it wrote once more
        took(start, HANDSHAKE - CLOSE); // some of it has passed already
    });
}

// ---- the client ----

#[test]
fn lines_come_back_over_one_stream_and_over_many() {
    let (server, ca) = start(&["--deflate"]);
    CLIENT.lines_come_back(&server, &ca);
}

#[test]
fn a_refusal_is_reported_in_one_line_with_the_status() {
    let (server, ca) = start(&["--same-origin"]);
    CLIENT.reports_refusals(&server, &ca);
    // A server that speaks HTTP/1.1 only.
    let (server, ca) = start_tls(("echo_tls", &[]), &[]);
    complains(&CLIENT.run(&server.url, &ca, &[], ""), "no TLS with");
}

/// A server by hand: its connection, and the URL for the client that it runs.
struct Host {
    listener: TcpListener,
    tls: TlsAcceptor,
    url: String,
    ca: TempFile,
}

type Http = server::Connection<TlsStream<TcpStream>, Bytes>;

impl Host {
    async fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        let key: PrivateKeyDer<'_> = made.signing_key.into();
        let config = ServerConfig::builder().with_no_client_auth();
        let chain = vec![made.cert.der().clone()];
        let mut config = config.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self {
            listener,
            tls: TlsAcceptor::from(Arc::new(config)),
            url: format!("wss://localhost:{port}/path?query"),
            ca: TempFile::new(&made.cert.pem()),
        }
    }

    /// The client that has connected, and the task that waits for its end.
    async fn accept(&self, builder: &server::Builder, arguments: &[&str]) -> (Http, Child) {
        let client = CLIENT.spawn(&self.url, &self.ca, arguments);
        let (tcp, _) = soon(self.listener.accept()).await.unwrap();
        let tls = soon(self.tls.accept(tcp)).await.unwrap();
        (soon(builder.handshake(tls)).await.unwrap(), client)
    }
}

/// The next request.
async fn request(http: &mut Http) -> (Request<RecvStream>, SendResponse<Bytes>) {
    soon(http.accept()).await.expect("a request").unwrap()
}

/// Drives the connection, in which nothing more is asked for.
fn drive(mut http: Http) {
    tokio::spawn(async move { while http.accept().await.is_some() {} });
}

/// Accepts the WebSocket.
fn open(asked: (Request<RecvStream>, SendResponse<Bytes>)) -> Stream {
    let (request, mut respond) = asked;
    let send = respond.send_response(Response::new(()), false).unwrap();
    Stream {
        send,
        receive: request.into_body(),
        read: BytesMut::new(),
        receiver: Role::Client,
    }
}

async fn output(client: Child) -> Output {
    let output = tokio::task::spawn_blocking(|| client.wait_with_output());
    soon(output).await.unwrap().unwrap()
}

#[test]
fn the_client_asks_by_extended_connect_and_reports_what_ends_it() {
    in_tokio(async {
        let host = Host::new().await;
        let mut builder = server::Builder::new();
        builder.enable_connect_protocol();

        // A Close with a reason.
        let arguments = ["--subprotocol", "chat", "--header", "X-Token: 1"];
        let (mut http, client) = host.accept(&builder, &arguments).await;
        let asked = request(&mut http).await;
        let head = &asked.0;
        assert_eq!(head.method(), Method::CONNECT);
        assert_eq!(head.uri().to_string(), host.url.replace("wss", "https"));
        assert_eq!(
            head.extensions().get::<Protocol>().unwrap().as_str(),
            "websocket"
        );
        assert_eq!(head.headers()["sec-websocket-version"], "13");
        assert_eq!(head.headers()["sec-websocket-protocol"], "chat");
        assert_eq!(head.headers()["x-token"], "1");
        assert!(!head.headers().contains_key("sec-websocket-key"));
        let mut ws = open(asked);
        drive(http);
        ws.frame(0x88, b"\x03\xf0no\nmore").await;
        assert_eq!(ws.close_code().await, 1008);
        ws.finish();
        ws.ended().await;
        complains(
            &output(client).await,
            "the server closed the connection: 1008 no\\nmore",
        );

        // A reset, and an end without a Close, in the middle of a message.
        for is_reset in [true, false] {
            let (mut http, client) = host.accept(&builder, &[]).await;
            let mut ws = open(request(&mut http).await);
            drive(http);
            ws.write(&b"\x81\x7f\0\0\0\0\0\x01\0\0part"[..]).await;
            match is_reset {
                true => ws.send.send_reset(Reason::INTERNAL_ERROR),
                false => ws.finish(),
            }
            complains(&output(client).await, "client: ");
        }

        // Refusals, with a page.
        for status in [401, 403, 404, 503] {
            let (mut http, client) = host.accept(&builder, &[]).await;
            let (_, mut respond) = request(&mut http).await;
            let head = Response::builder().status(status).body(()).unwrap();
            let mut send = respond.send_response(head, false).unwrap();
            send.send_data("go \x1b away\nplease".into(), true).unwrap();
            drive(http);
            let output = output(client).await;
            complains(&output, &status.to_string());
            complains(&output, "go \\u{1b} away");
        }

        // Answers that open nothing.
        for (name, value) in [
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "unasked"),
        ] {
            let (mut http, client) = host.accept(&builder, &[]).await;
            let (_, mut respond) = request(&mut http).await;
            let head = Response::builder().header(name, value).body(()).unwrap();
            let _send = respond.send_response(head, false).unwrap();
            drive(http);
            complains(&output(client).await, "client: ");
        }
    });
}

#[test]
fn the_client_asks_nothing_of_a_server_that_does_not_take_it() {
    in_tokio(async {
        let host = Host::new().await;
        let (http, client) = host.accept(&server::Builder::new(), &[]).await;
        let asked = tokio::spawn(async move { { http }.accept().await.is_some() });
        complains(&output(client).await, "takes no WebSockets over HTTP/2");
        assert!(!soon(asked).await.unwrap(), "no request");
    });
}

#[test]
fn a_reset_of_one_stream_leaves_the_others() {
    in_tokio(async {
        let host = Host::new().await;
        let mut builder = server::Builder::new();
        builder.enable_connect_protocol();
        let (mut http, mut client) = host.accept(&builder, &["--streams", "2"]).await;
        let mut one = open(request(&mut http).await);
        let mut other = open(request(&mut http).await);
        drive(http);
        let mut stdin = client.stdin.take().unwrap();
        stdin.write_all(b"first\nsecond\n").unwrap();
        assert_eq!(one.next().await, (0x81, b"first".to_vec()));
        assert_eq!(other.next().await, (0x81, b"second".to_vec()));
        one.send.send_reset(Reason::CANCEL);
        other.frame(0x81, b"still").await;
        drop(stdin);
        assert_eq!(other.close_code().await, 1000);
        other.frame(0x88, b"\x03\xe8").await;
        other.finish();
        let output = output(client).await;
        assert_eq!(output.stdout, b"still\n");
        complains(&output, "client: ");
    });
}
