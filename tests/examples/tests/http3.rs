//! The server of the example `http3`, against HTTP/3 by hand.
//!
//! Invariant: what ends a stream ends its WebSocket, and nothing else; what breaks a rule of HTTP/3 ends its connection,
//! and no other.

use bytes::{Bytes, BytesMut};
use example_tests::by_hand::ByHand;
use example_tests::deadlines::{CLOSE, HANDSHAKE, HURRY, KEEPALIVE, PONG, took};
use example_tests::http3::{
    CONTROL, DATA, GOAWAY, HEADERS, Http3, SETTINGS, client_config, frame, headers, parse,
    take_varint, varint,
};
use example_tests::support::{self, noise};
use example_tests::{Server, TempFile, in_tokio, soon, start_tls};
use quinn::VarInt;
use sansocket::Role;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// The window of a stream, if the test does not say another.
const WINDOW: u32 = 1 << 16;

fn start(arguments: &[&str]) -> (Server, TempFile) {
    start_tls(("http3 server", &[]), arguments)
}

/// A server, and a client's connection to it.
fn with_connection<F: Future<Output = ()>>(
    arguments: &[&str],
    case: impl FnOnce(Http3) -> F,
) -> (Server, TempFile) {
    let (server, ca) = start(arguments);
    in_tokio(async { case(Http3::connect(&server, &ca, WINDOW).await).await });
    (server, ca)
}

#[test]
fn requests_that_open_nothing_get_their_status() {
    with_connection(&["--same-origin"], async |http| {
        let page = (200, "An echo of WebSockets\n".into());
        assert_eq!(http.get("/").await, page);
        assert_eq!(http.get("/nothing").await.0, 404);
        let foreign = [("origin", "https://evil.example")];
        assert_eq!(http.refused("/", &foreign).await.0, 403);
        // A page that came without TLS, of the same host and port.
        let insecure = format!("http://{}", http.authority);
        assert_eq!(http.refused("/", &[("origin", &insecure)]).await.0, 403);
        let version = ("sec-websocket-version", "13");
        let mut other = http.head("CONNECT", "/", &[version]);
        other[1].1 = "webtransport";
        assert_eq!(http.request(&other).await.0, 501);
        let no_version = http.head("CONNECT", "/", &[]);
        assert_eq!(http.request(&no_version).await.0, 400);
        assert_eq!(http.request(&http.head("POST", "/", &[])).await.0, 400);
        let head = http.head("HEAD", "/", &[]);
        assert_eq!(http.request(&head).await, (400, String::new()));
        http.open("/any/path?with=query").await.echo("open").await;
    });
}

#[test]
fn a_head_with_wrong_pseudo_headers_gets_400_and_opens_nothing() {
    with_connection(&[], async |http| {
        let good = http.head("CONNECT", "/", &[("sec-websocket-version", "13")]);
        let mut bad: Vec<Vec<(&str, &str)>> = Vec::new();
        for at in 0..5 {
            // Missing; twice; empty; after a field; with a byte that has no place in it.
            let mut list = good.clone();
            let one = list.remove(at);
            bad.push(list.clone());
            list.push(one);
            bad.push(list.clone());
            list.insert(at, one);
            bad.push(list);
            let mut list = good.clone();
            list.insert(at, one);
            bad.push(list);
            for value in ["", "a\r\nb: c", "a\0b", " ", "\u{e9}"] {
                let mut list = good.clone();
                list[at].1 = value;
                bad.push(list);
            }
        }
        for name in [":status", ":unknown", ":", ":METHOD", ":host"] {
            let mut list = good.clone();
            list.insert(0, (name, "200"));
            bad.push(list);
        }
        for field in [
            ("Sec-WebSocket-Version", "13"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("na me", "x"),
            ("", "x"),
            ("name", "a\r\nset-cookie: x"),
            ("host", "other.example"),
        ] {
            let mut list = good.clone();
            list.push(field);
            bad.push(list);
        }
        // As over HTTP/1.1, in whatever way it is not meant.
        let upgrade = [
            ("host", "localhost"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        bad.push([&[(":method", "GET"), (":path", "/")][..], &upgrade].concat());
        bad.push(upgrade.to_vec());
        bad.push(vec![(":method", "CONNECT"), (":authority", "localhost:1")]);
        bad.push(vec![]);
        // A GET is a page only if it is a good one.
        let page = http.head("GET", "/", &[("origin", "https://any.example")]);
        assert_eq!(http.request(&page).await.0, 200);
        for wrong in [
            (":protocol", "websocket"),
            (":path", "/"),
            (":scheme", "https"),
            (":x", "y"),
        ] {
            let mut list = page.clone();
            list.insert(1, wrong);
            bad.push(list);
        }
        for list in bad {
            let (status, _) = http.request(&list).await;
            let is_refused = status == 400 || (status == 501 && list.len() == good.len());
            assert!(is_refused, "{status} for {list:?}");
        }
        http.open("/").await.echo("still there").await;
    });
}

#[test]
fn a_head_that_is_too_large_gets_431_and_one_that_cannot_be_decoded_ends_the_connection() {
    let (server, ca) = with_connection(&[], async |http| {
        let long = "x".repeat(16 << 10);
        let version = ("sec-websocket-version", "13");
        for list in [
            http.head("CONNECT", "/", &[version, ("x", &long)]),
            http.head(
                "GET",
                "/",
                &[("x", &long[..15 << 10]), ("y", &long[..1 << 10])],
            ),
            http.head("GET", "/", &vec![("x", "y"); 500]),
        ] {
            assert_eq!(http.request(&list).await.0, 431);
        }
        // Without a byte of it: nothing refers to it later.
        let claims_much = [varint(HEADERS), varint(1 << 40)].concat();
        let mut stream = http.stream(&claims_much).await;
        assert_eq!(stream.status().await, 431);
        let nearly = "x".repeat(15 << 10);
        http.open(&format!("/{nearly}")).await.echo("just so").await;
    });
    in_tokio(async {
        for block in [
            &b""[..],
            b"\0",
            b"\x01\0",       // a table that is not there
            b"\0\0\x80",     // its first entry
            b"\0\0\x10",     // its next
            b"\0\0\x00\x00", // the name of its next
            b"\0\0\x40\x00", // the name of its first
            b"\0\0\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\0\0\xff\x24",     // the static table ends at 98
            b"\0\0\x23abc",      // cut after the name
            b"\0\0\x23abc\x05x", // cut in the value
            b"\0\0\x27\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\0\0\x50\x81\x00", // padding that is not Huffman's
        ] {
            let http = Http3::connect(&server, &ca, WINDOW).await;
            let _stream = http.stream(&frame(HEADERS, block)).await;
            let code = http.closed().await;
            assert_eq!(code, 0x200, "{}", block.escape_ascii());
        }
    });
}

#[test]
fn closes_of_either_side_end_the_stream_with_their_code() {
    with_connection(&[], async |http| {
        let mut ws = http.open("/").await;
        ws.frame(0x88, b"\x0f\xa0bye").await;
        assert_eq!(ws.close_code().await, 4000);
        ws.ended().await;
        let mut ws = http.open("/").await;
        ws.frame(0x81, b"\xff").await;
        assert_eq!(ws.close_code().await, 1007);
        ws.ended().await;
        let mut ws = http.open("/").await;
        ws.write(&b"\x81\x00"[..]).await; // not masked: HTTP/3 changes nothing about it
        assert_eq!(ws.close_code().await, 1002);
    });
}

#[test]
fn frames_may_be_cut_anywhere_and_those_that_are_unknown_are_skipped() {
    with_connection(&[], async |http| {
        let list = http.head("CONNECT", "/", &[("sec-websocket-version", "13")]);
        let grease = |n: u64| frame(0x1f * n + 0x21, &vec![b'g'; 3 * n as usize]);
        let mut bytes = [grease(0), grease(5), headers(&list), grease(1 << 10)].concat();
        for byte in support::frame(Role::Server, 0x81, b"byte by byte") {
            bytes.extend(frame(DATA, &[]));
            bytes.extend(frame(DATA, &[byte]));
            bytes.extend(grease(2));
        }
        for len in [1, 2, 7, 1000] {
            let mut ws = http.stream(&[]).await;
            for part in bytes.chunks(len) {
                ws.send.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            assert_eq!(ws.status().await, 200);
            assert_eq!(ws.next().await, (0x81, b"byte by byte".to_vec()));
        }
        // Streams that end, or are reset, before they say what they are; unknown ones are stopped.
        drop(http.uni(&[]).await);
        drop(http.uni(&[0x40]).await);
        http.uni(&[0x40]).await.reset(VarInt::from_u32(7)).unwrap();
        let unknown = http.uni(&[&varint(0x21)[..], b"anything"].concat()).await;
        assert_eq!(
            soon(unknown.stopped()).await,
            Ok(Some(VarInt::from_u32(0x103)))
        );
        // What a peer with a table of no size may say.
        let _encoder = http.uni(&[0x02, 0x20]).await;
        let _decoder = http.uni(&[0x03, 0x41, 0x7f, 0xff, 0x01, 0x40]).await;
        http.open("/").await.echo("after them").await;
    });
    let (server, ca) = start(&[]);
    in_tokio(async {
        // Settings and frames that are unknown, on the control stream.
        let settings = [varint(0x21), varint(1 << 40), varint(0x06), varint(7)].concat();
        let unknown = frame(0x21, &vec![0; 100_000]);
        let control = [
            vec![0],
            frame(SETTINGS, &settings),
            unknown,
            frame(0x0d, &[1]),
        ]
        .concat();
        let http = Http3::connect_with(&server, &ca, WINDOW, &control).await;
        http.open("/").await.echo("after them").await;
    });
}

#[test]
fn what_breaks_a_rule_of_http3_ends_the_connection_with_its_code() {
    let (server, ca) = start(&[]);
    let control = |frames: &[u8]| [&CONTROL[..], frames].concat();
    let settings = |payload: &[u8]| [vec![0], frame(SETTINGS, payload)].concat();
    let get = headers(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/"),
    ]);
    in_tokio(async {
        let witness_http = Http3::connect(&server, &ca, WINDOW).await;
        let mut witness = witness_http.open("/").await;
        // The control stream.
        for (code, bytes) in [
            (0x10a, vec![0, 0x07, 1, 0]), // no settings
            (
                0x10a,
                [vec![0], frame(0x21, b""), frame(SETTINGS, b"")].concat(),
            ),
            (0x105, control(&[4, 0])), // settings twice
            (0x105, control(&frame(DATA, b"x"))),
            (0x105, control(&get)),
            (0x105, control(&frame(0x05, &[0]))), // PUSH_PROMISE
            (0x105, control(&frame(0x06, &[0; 8]))), // PING of HTTP/2
            (0x108, control(&frame(0x03, &[0]))), // CANCEL_PUSH
            (
                0x108,
                control(&[frame(0x0d, &[5]), frame(0x0d, &[4])].concat()),
            ),
            (
                0x108,
                control(&[frame(GOAWAY, &[4]), frame(GOAWAY, &[8])].concat()),
            ),
            (0x106, control(&frame(GOAWAY, &[]))),
            (0x106, control(&frame(GOAWAY, &[0x40]))),
            (0x106, control(&frame(GOAWAY, &[1, 2]))),
            (0x106, control(&frame(GOAWAY, &[0; 1000]))),
            (0x106, settings(&[0x06])), // cut
            (0x106, settings(&[0x06, 0x40])),
            (0x109, settings(&[0x06, 1, 0x06, 1])), // twice
            (0x109, settings(&[0x02, 0])),          // of HTTP/2
            (0x109, settings(&[0x08, 2])),
            (0x107, [vec![0], varint(SETTINGS), varint(1 << 40)].concat()),
        ] {
            let http = Http3::connect_with(&server, &ca, WINDOW, &bytes).await;
            assert_eq!(http.closed().await, code, "{}", bytes.escape_ascii());
        }
        // Its end.
        for is_reset in [true, false] {
            let mut http = Http3::connect(&server, &ca, WINDOW).await;
            http.get("/").await;
            match is_reset {
                true => http.control.reset(VarInt::from_u32(1)).unwrap(),
                false => http.control.finish().unwrap(),
            }
            assert_eq!(http.closed().await, 0x104);
        }
        // Other streams of that kind.
        for (code, bytes) in [
            (0x103, &[0x00][..]),      // another control stream
            (0x103, &[0x01, 0]),       // a client pushes
            (0x201, &[0x02, 0x3f]),    // a table with room
            (0x201, &[0x02, 0xc0, 0]), // an entry
            (0x202, &[0x03, 0x80]),    // an acknowledgement of nothing
            (0x202, &[0x03, 0x01]),
        ] {
            let http = Http3::connect(&server, &ca, WINDOW).await;
            // It may be known after the other one.
            http.get("/").await;
            let _stream = http.uni(bytes).await;
            assert_eq!(http.closed().await, code, "{bytes:?}");
        }
        for kind in [2, 3] {
            let http = Http3::connect(&server, &ca, WINDOW).await;
            drop(http.uni(&[kind]).await);
            assert_eq!(http.closed().await, 0x104);
            let http = Http3::connect(&server, &ca, WINDOW).await;
            let _both = [http.uni(&[kind]).await, http.uni(&[kind]).await];
            assert_eq!(http.closed().await, 0x103);
        }
        // Requests.
        for (code, bytes, is_end) in [
            (0x105, frame(DATA, b"x"), false),
            (0x105, frame(SETTINGS, b""), false),
            (0x105, frame(GOAWAY, &[0]), false),
            (0x105, frame(0x05, &[0]), false),
            (0x105, frame(0x09, b""), false),
            (0x106, get[..get.len() - 1].to_vec(), true),
            (0x106, vec![0x40], true),
            (0x106, [varint(0x21), varint(2), vec![0]].concat(), true),
        ] {
            let http = Http3::connect(&server, &ca, WINDOW).await;
            let mut stream = http.stream(&bytes).await;
            if is_end {
                stream.send.finish().unwrap();
            }
            assert_eq!(http.closed().await, code, "{}", bytes.escape_ascii());
        }
        // After the response that opens a WebSocket.
        for (code, bytes, is_end) in [
            (0x105, get.clone(), false), // trailers
            (0x105, frame(SETTINGS, b""), false),
            (0x105, frame(0x08, b""), false),
            (0x106, vec![0x00, 0x05, 0x82], true),
            (0x106, vec![0x00, 0x40], true),
        ] {
            let http = Http3::connect(&server, &ca, WINDOW).await;
            let mut ws = http.open("/").await;
            ws.send.write_all(&bytes).await.unwrap();
            if is_end {
                ws.send.finish().unwrap();
            }
            assert_eq!(http.closed().await, code, "{}", bytes.escape_ascii());
        }
        witness.echo("of another connection").await;
        witness_http.control.set_priority(0).unwrap(); // it is open
    });
}

#[test]
fn an_end_or_a_reset_of_one_stream_ends_only_its_websocket() {
    with_connection(&[], async |http| {
        let mut witness = http.open("/").await;
        // FIN in the middle of a message, without a Close.
        let mut ws = http.open("/").await;
        ws.write(&b"\x82\xff\0\0\0\0\0\x01\0\0part"[..]).await;
        ws.send.finish().unwrap();
        ws.ended().await;
        witness.echo("after an end").await;
        for code in [0x10c, 0x100, 0x102, 0, 77] {
            let code = VarInt::from_u32(code);
            let mut ws = http.open("/").await;
            ws.write(&b"\x82\xff\0\0\0\0\0\x01\0\0part"[..]).await;
            ws.send.reset(code).unwrap();
            assert_eq!(ws.reset().await, 0x10c, "H3_REQUEST_CANCELLED");
            witness.echo("after a reset").await;
            // The client reads no more: that is found when the server writes.
            let mut ws = http.open("/").await;
            ws.receive.stop(code).unwrap();
            ws.frame(0x81, b"echo").await;
            assert_eq!(ws.stopped().await, Some(0x10c));
        }
        // More than may be open at once: those that are reset count no more.
        for _ in 0..150 {
            let mut ws = http.open("/").await;
            ws.send.reset(VarInt::from_u32(0x10c)).unwrap();
            assert_eq!(ws.reset().await, 0x10c);
        }
        witness.echo("after many").await;
    });
}

#[test]
fn a_websocket_that_is_not_read_makes_its_server_wait_and_no_other() {
    let len = 8 << 20;
    let (server, _ca) = with_connection(&[], async |http| {
        let (mut witness, mut ws) = (http.open("/").await, http.open("/").await);
        let data = vec![b'x'; len];
        // What comes back is not read: the window of the stream is full after 64 KiB.
        ws.frame(0x82, &data).await;
        for _ in 0..10 {
            witness.echo("meanwhile").await;
        }
        assert!(ws.next().await == (0x82, data), "all of it");
        // The server takes no more than fits while it cannot write: the window of its stream ends it.
        let one = support::frame(Role::Server, 0x82, &vec![0; 1 << 20]);
        let mut sent = 0;
        while sent < 64 << 20 {
            let written = ws.write(one.clone());
            if tokio::time::timeout(Duration::from_secs(2), written)
                .await
                .is_err()
            {
                break;
            }
            sent += one.len();
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
        let http = Http3::connect(&server, &ca, WINDOW).await;
        let (mut one, mut other) = (http.open("/").await, http.open("/").await);
        one.echo("one").await;
        other.echo("other").await;
        let mut control = soon(http.connection.accept_uni()).await.unwrap();
        server.terminate();
        let mut received = BytesMut::new();
        let goaway = loop {
            let chunk = soon(control.read_chunk(100, true)).await.unwrap();
            received.extend_from_slice(&chunk.expect("it stays open").bytes);
            let mut frames = BytesMut::from(&received[1..]);
            if let (Some(settings), Some(goaway)) = (parse(&mut frames), parse(&mut frames)) {
                assert!(received[0] == 0 && settings.0 == SETTINGS);
                let mut settings = &settings.1[..];
                let mut next = || take_varint(&mut settings);
                let all = [(next(), next()), (next(), next()), (next(), next())];
                let max = (Some(0x06), Some(16 << 10));
                assert_eq!(all, [max, (Some(0x08), Some(1)), (None, None)]);
                break goaway;
            }
        };
        assert_eq!(
            goaway,
            (GOAWAY, Bytes::from_static(&[8])),
            "two were accepted"
        );
        // A request that comes later may be sent again, to another server.
        let get = headers(&http.head("GET", "/", &[]));
        assert_eq!(http.stream(&get).await.reset().await, 0x10b);
        for ws in [&mut one, &mut other] {
            assert_eq!(ws.close_code().await, 1001);
            ws.frame(0x88, b"\x03\xe9").await;
            ws.send.finish().unwrap();
            ws.ended().await;
        }
        assert_eq!(http.closed().await, 0x100);
    });
    assert!(server.wait().success());
}

#[test]
fn a_stream_that_its_client_never_ends_is_dropped_in_time() {
    with_connection(&HURRY, async |http| {
        let mut ws = http.open("/").await;
        let start = Instant::now();
        ws.frame(0x88, b"\x03\xe8").await;
        assert_eq!(ws.close_code().await, 1000);
        ws.ended().await;
        assert_eq!(ws.stopped().await, Some(0x10c));
        took(start, CLOSE);
    });
}

#[test]
fn a_client_that_says_nothing_is_dropped_in_time() {
    // Before a request; in the middle of one; and in a WebSocket, with a Ping that it does not answer.
    with_connection(&HURRY, async |http| {
        let start = Instant::now();
        assert_eq!(http.closed().await, 0x100);
        took(start, HANDSHAKE - CLOSE); // some of it has passed already
    });
    with_connection(&HURRY, async |http| {
        let start = Instant::now();
        let mut silent = http.stream(&[0x40]).await;
        let list = http.head("GET", "/", &[]);
        let head = headers(&list);
        let mut slow = http.stream(&head[..head.len() - 1]).await;
        assert_eq!(silent.reset().await, 0x10d, "H3_REQUEST_INCOMPLETE");
        took(start, HANDSHAKE);
        assert_eq!(slow.reset().await, 0x10d);
        assert_eq!(slow.stopped().await, Some(0x10d));
    });
    with_connection(&HURRY, async |http| {
        let start = Instant::now();
        let mut ws = http.open("/").await;
        assert_eq!(ws.next().await.0, 0x89, "a Ping");
        took(start, KEEPALIVE);
        assert_eq!(ws.close_code().await, 1011);
        took(start, KEEPALIVE + PONG);
    });
}

#[test]
fn frames_that_carry_nothing_hold_up_no_other_stream() {
    let (server, _ca) = with_connection(&[], async |http| {
        let (mut witness, mut ws) = (http.open("/").await, http.open("/").await);
        // Empty DATA frames, unknown frames without payload, and one whose payload has no end.
        let mut flood = [[0x00, 0x00], [0x21, 0x00]].concat().repeat(100_000);
        flood.extend([varint(0x40), varint((1 << 62) - 1), vec![0; 1 << 20]].concat());
        let flooding = tokio::spawn(async move {
            ws.send.write_all(&flood).await.unwrap();
            ws
        });
        while !flooding.is_finished() {
            let start = Instant::now();
            witness.echo("meanwhile").await;
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "it is served meanwhile"
            );
        }
        let _ws = soon(flooding).await.unwrap();
        witness.echo("after it").await;
    });
    assert!(server.memory() < 60 << 20, "{}", server.memory());
}

#[test]
fn junk_and_handshakes_that_go_nowhere_stop_nothing() {
    let (server, ca) = start(&HURRY);
    in_tokio(async {
        let http = Http3::connect(&server, &ca, WINDOW).await;
        let mut witness = http.open("/").await;
        let before = server.memory();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server.address()).unwrap();
        for seed in 0..20_000_u64 {
            let len = [0, 1, 20, 21, 600, 1200, 1400][seed as usize % 7];
            let mut junk = noise(len, seed);
            let first = [0x40, 0xc0, 0xc3, 0xe0, 0xf0, 0x00][seed as usize % 6];
            // Short and long headers, of this version of QUIC, of none, and of any; each names a connection of its own.
            if let Some(head) = junk.get_mut(..6) {
                let version = [[0, 0, 0, 1], [0; 4], [0x6b, 0x33, 0x43, 0xcf], [0x0a; 4]];
                head[0] = first;
                head[1..5].copy_from_slice(&version[seed as usize % 4]);
                head[5] = 8;
            }
            let _ = socket.send(&junk); // an error if the last one was refused
            if seed % 1000 == 0 {
                witness.echo("meanwhile").await;
            }
        }
        // Clients that leave in the middle of their handshake.
        for _ in 0..100 {
            let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
            let endpoint = quinn::Endpoint::client(any).unwrap();
            let config = client_config(&ca, WINDOW);
            let connecting = endpoint.connect_with(config, server.address(), "localhost");
            drop(connecting.unwrap());
        }
        witness.echo("still there").await;
        let grown = server.memory().saturating_sub(before);
        assert!(grown < 32 << 20, "{grown} bytes more");
        let new = Http3::connect(&server, &ca, WINDOW).await;
        new.open("/").await.echo("and takes new ones").await;
    });
}

#[test]
fn in_a_crowd_of_handshakes_a_new_client_must_show_that_its_address_is_its_own() {
    let (server, ca) = start(&[]);
    in_tokio(async {
        // Clients that talk to a socket of ours: what the first packet of each says is passed on, no answer comes back.
        let hole = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let endpoint = quinn::Endpoint::client(any).unwrap();
        let config = client_config(&ca, WINDOW);
        let (mut packet, mut answer, mut connecting) = ([0; 2000], [0; 2000], Vec::new());
        // The type of the packet that the server answers with, in the order of the clients.
        let mut answers = Vec::new();
        let mut seen = BTreeSet::new();
        while answers.len() < 110 {
            let hole_address = hole.local_addr().unwrap();
            let client = endpoint.connect_with(config.clone(), hole_address, "localhost");
            connecting.push(client.unwrap());
            let len = loop {
                let (len, _) = soon(hole.recv_from(&mut packet)).await.unwrap();
                // Some say it once more, as no answer comes.
                if seen.insert(packet[6..][..packet[5].into()].to_vec()) {
                    break len;
                }
            };
            let to_server = tokio::net::UdpSocket::bind(any).await.unwrap();
            to_server
                .send_to(&packet[..len], server.address())
                .await
                .unwrap();
            soon(to_server.recv(&mut answer)).await.unwrap();
            answers.push(answer[0] & 0xb0); // one of its bits means nothing
        }
        let (initial, retry) = (0x80, 0xb0);
        assert_eq!(answers[..100], [initial; 100]);
        assert_eq!(answers[100..], [retry; 10]);
        // Who answers that is served.
        let http = Http3::connect(&server, &ca, WINDOW).await;
        http.open("/").await.echo("in a crowd").await;
    });
}
