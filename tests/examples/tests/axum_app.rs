//! The example `axum_app`, over HTTP/1.1 and HTTP/2.
//!
//! Invariant: the two versions of HTTP give the same answers.

use example_tests::by_hand::ByHand;
use example_tests::deadlines::{HANDSHAKE, HURRY};
use example_tests::http2::Http2;
use example_tests::peer::{self, Client};
use example_tests::support::{REQUEST, replaced, with_line};
use example_tests::{NEVER, Server, TempFile, complains, in_tokio, run, soon, start_tls};
use h2::Reason;
use http::Method;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

/// A server for HTTP/2; without TLS it is one for HTTP/1.1.
fn with_tls(arguments: &[&str]) -> (Server, TempFile) {
    start_tls(("axum_app", &["--tls"]), arguments)
}

/// A connection without TLS, over which HTTP/1.1 is spoken.
fn connect(server: &Server) -> peer::Peer {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(NEVER)).unwrap();
    peer::Peer(stream)
}

/// Over HTTP/1.1: the status of the answer, its head, and what comes then, if its length is told.
fn answer(server: &Server, request: &str) -> (u16, String) {
    let mut peer = connect(server);
    peer.write(request);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(peer.exactly(1)[0].into());
    }
    let status = head[9..12].parse().unwrap();
    let len = head.split("content-length: ").nth(1);
    let len = len.map_or(0, |len| len.split("\r\n").next().unwrap().parse().unwrap());
    let body = String::from_utf8(peer.exactly(len)).unwrap();
    (status, head + &body)
}

fn get(server: &Server, path: &str) -> (u16, String) {
    answer(server, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
}

/// The opening handshake of HTTP/1.1 for this path, with one more line.
fn upgrade(path: &str, line: &str) -> String {
    with_line(&replaced(REQUEST, "/chat", path), line)
}

/// The cookie that `POST /login` sets.
fn cookie(head: &str) -> &str {
    let cookie = head.split("set-cookie: ").nth(1).unwrap();
    cookie.split(';').next().unwrap()
}

fn login(server: &Server, password: &str) -> (u16, String) {
    let len = password.len();
    let head = format!("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
    answer(server, &format!("{head}{password}"))
}

#[test]
fn pages_and_health_checks_are_on_the_same_port() {
    let server = Server::start("axum_app", &[]);
    let (status, page) = get(&server, "/");
    assert!(status == 200 && page.contains("new WebSocket("), "{page}");
    assert_eq!(get(&server, "/health").0, 200);
    assert_eq!(get(&server, "/nothing").0, 404);
    assert_eq!(get(&server, "/ws").0, 426);
    let (server, ca) = with_tls(&[]);
    in_tokio(async {
        let http = Http2::connect(&server, &ca, 1 << 16).await;
        let (status, page) = http.get("/", &[]).await;
        assert!(status == 200 && page.contains("new WebSocket("), "{page}");
        assert_eq!(http.get("/health", &[]).await, (200, "ok\n".into()));
        assert_eq!(http.get("/nothing", &[]).await.0, 404);
        assert_eq!(http.refused("/nothing", &[]).await.0, 404);
        assert_eq!(http.get("/ws", &[]).await.0, 400);
    });
}

#[test]
fn without_a_login_there_is_401_and_no_websocket() {
    let server = Server::start("axum_app", &[]);
    let (status, _) = answer(&server, &upgrade("/private", "Cookie: a=b; session=1"));
    assert_eq!(status, 401);
    assert_eq!(login(&server, "wrong").0, 401);
    let (status, head) = login(&server, "sesame");
    assert_eq!(status, 200);
    let cookie = cookie(&head);
    let mut peer = connect(&server);
    peer.open(&upgrade("/private", &format!("Cookie: a=b; {cookie}")));
    peer.echo();
    // A page of another site has the browser's cookie, and no right to use it.
    let foreign = format!("Cookie: {cookie}\r\nOrigin: http://evil.example");
    assert_eq!(answer(&server, &upgrade("/private", &foreign)).0, 403);
}

#[test]
fn without_a_login_there_is_401_over_http_2_as_well() {
    let (server, ca) = with_tls(&["--password", "open"]);
    in_tokio(async {
        let http = Http2::connect(&server, &ca, 1 << 16).await;
        assert_eq!(
            http.refused("/private", &[]).await,
            (401, "log in first: POST the password to /login\n".into())
        );
        let request = http.head(Method::POST, "/login", &[]);
        let mut ready = soon(http.http.clone().ready()).await.unwrap();
        let (response, mut body) = ready.send_request(request, false).unwrap();
        body.send_data("open".into(), true).unwrap();
        let head = soon(response).await.unwrap();
        let cookie = head.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.ends_with("; Secure"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        // In fields of their own, as browsers send them over HTTP/2.
        let fields = [("cookie", "a=b"), ("cookie", cookie)];
        let (head, mut ws) = http.ask("/private", &fields).await;
        assert_eq!(head.status(), 200);
        ws.echo("it is open").await;
        let foreign = [("cookie", cookie), ("origin", "https://evil.example")];
        assert_eq!(http.refused("/private", &foreign).await.0, 403);
        // The connection is as good as before.
        ws.echo("still").await;
    });
}

#[test]
fn the_websocket_has_its_extension_subprotocol_and_policy() {
    let fields = [
        ("sec-websocket-protocol", "chat, echo"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    let (server, ca) = with_tls(&["--deflate", "--same-origin"]);
    in_tokio(async {
        let http = Http2::connect(&server, &ca, 1 << 16).await;
        let (head, mut ws) = http.ask("/ws", &fields).await;
        assert_eq!(head.headers()["sec-websocket-protocol"], "echo");
        assert_eq!(
            head.headers()["sec-websocket-extensions"],
            "permessage-deflate"
        );
        ws.echo("plain").await;
        let foreign = [("origin", "https://evil.example")];
        assert_eq!(http.refused("/ws", &foreign).await.0, 403);
        let version = [("sec-websocket-version", "12")];
        assert_eq!(http.refused("/ws", &version).await.0, 400);
    });
    let server = Server::start("axum_app", &["--deflate", "--same-origin"]);
    let lines =
        "Sec-WebSocket-Protocol: chat, echo\r\nSec-WebSocket-Extensions: permessage-deflate";
    let mut peer = connect(&server);
    let head = peer.open(&upgrade("/ws", lines));
    assert!(head.contains("sec-websocket-protocol: echo\r\n"), "{head}");
    assert!(
        head.contains("sec-websocket-extensions: permessage-deflate\r\n"),
        "{head}"
    );
    peer.echo();
    let foreign = upgrade("/ws", "Origin: http://evil.example");
    assert_eq!(answer(&server, &foreign).0, 403);
}

#[test]
fn websockets_in_one_connection_do_not_disturb_each_other() {
    let (server, ca) = with_tls(&[]);
    in_tokio(async {
        let http = Http2::connect(&server, &ca, 1 << 16).await;
        let (mut one, mut other) = (http.open("/ws").await, http.open("/ws").await);
        let mut third = http.open("/ws").await;
        one.echo("one").await;
        other.echo("other").await;
        // Reset in the middle of a message.
        one.write(vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]).await;
        one.send.send_reset(Reason::CANCEL);
        other.echo("other").await;
        // One that is not read has the window of its stream full, and no other one.
        let data = vec![b'x'; 1 << 20];
        third.frame(0x82, &data).await;
        other.echo("other").await;
        assert_eq!(third.next().await, (0x82, data));
        third.frame(0x88, b"\x0f\xa0bye").await;
        assert_eq!(third.close_code().await, 4000);
        third.ended().await;
        other.frame(0x83, b"").await;
        assert_eq!(other.close_code().await, 1002);
        http.open("/ws").await.echo("after all").await;
    });
}

#[test]
fn a_server_that_stops_tells_each_websocket() {
    let (server, ca) = with_tls(&[]);
    in_tokio(async {
        let http = Http2::connect(&server, &ca, 1 << 16).await;
        http.is_told_of_the_stop(&server, "/ws").await;
    });
    assert!(server.wait().success());
    let server = Server::start("axum_app", &[]);
    let mut peer = connect(&server);
    peer.open(&upgrade("/ws", "X: y"));
    peer.echo();
    server.terminate();
    assert_eq!(peer.close_code(), 1001);
    peer.send(0x88, b"\x03\xe9");
    peer.0.shutdown(Shutdown::Write).unwrap();
    peer.ended();
    assert!(server.wait().success());
}

#[test]
fn our_clients_talk_to_it_over_either_version() {
    let (server, ca) = with_tls(&["--deflate"]);
    let arguments = [
        &*server.url,
        "--cafile",
        ca.path(),
        "--deflate",
        "--subprotocol",
        "echo",
    ];
    for program in [&["client"][..], &["http2", "client"]] {
        let output = run(program, &arguments, "a line\nand another\n");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"a line\nand another\n");
        let private = server.url.replace("/ws", "/private");
        let output = run(program, &[&private, "--cafile", ca.path()], "");
        complains(&output, "401");
    }
}

#[test]
fn a_client_that_is_slow_or_silent_is_dropped_in_time() {
    for arguments in [&["--tls"][..], &[]] {
        let server = Server::start("axum_app", &[arguments, &HURRY].concat());
        let body = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart";
        for bytes in ["", "GET / HTTP/1.1\r\nHost:", body] {
            let mut peer = connect(&server);
            let start = Instant::now();
            peer.write(bytes);
            let _ = peer.0.read_to_end(&mut Vec::new()); // a 408, an alert, or nothing
            assert!(start.elapsed() < NEVER / 4, "{arguments:?} {bytes:?}");
        }
    }
}

#[test]
fn a_connection_stays_while_it_has_a_websocket_and_no_longer() {
    let (server, ca) = with_tls(&HURRY);
    in_tokio(async {
        let http = Http2::connect(&server, &ca, 1 << 16).await;
        let mut ws = http.open("/ws").await;
        for _ in 0..4 {
            tokio::time::sleep(HANDSHAKE).await;
            ws.echo("still").await;
        }
        ws.frame(0x88, b"\x03\xe8").await;
        assert_eq!(ws.close_code().await, 1000);
        ws.finish();
        ws.ended().await;
        let start = Instant::now();
        let _ = soon(http.connection).await.unwrap(); // in order, or not
        assert!(start.elapsed() < NEVER / 4);
    });
}
