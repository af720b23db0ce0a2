//! The opening handshake, in both roles.
//!
//! Invariant: both ends are the adapter's.

use sansocket::{ClientRequest, CloseCode, End, Expired, HandshakeError, OriginPolicy, Response};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{sleep, timeout};
use tokio_sansocket::{Error, Options, accept, accept_async, client};

fn request(uri: &str) -> ClientRequest {
    ClientRequest::new(uri).unwrap()
}

#[tokio::test(start_paused = true)]
async fn both_ends() {
    for room in [1, 64, 1 << 16] {
        let (near, far) = duplex(room);
        let server = tokio::spawn(async move {
            let options = Options::default();
            let mut ws = accept(near, &options, |mut request| {
                assert_eq!(request.path(), "/chat");
                request.select_subprotocol(&["chat"]);
                Ok(request)
            })
            .await
            .unwrap();
            while let Some(message) = ws.recv().await.unwrap() {
                ws.send(message).await.unwrap();
            }
            ws.end()
        });
        let request = request("ws://localhost/chat").subprotocol("chat").unwrap();
        let (mut ws, response) = client(far, &request, &Options::default()).await.unwrap();
        assert_eq!(response.subprotocol(), Some("chat"));
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
        assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        let code = CloseCode::NORMAL;
        assert_eq!(
            server.await.unwrap(),
            Some(End::Closed {
                code,
                by_peer: true
            })
        );
    }
}

/// The server's first message comes with its response, and is received.
#[tokio::test(start_paused = true)]
async fn a_message_behind_the_response() {
    let (near, far) = duplex(1 << 16);
    tokio::spawn(async move {
        let mut ws = accept(near, &Options::default(), Ok).await.unwrap();
        ws.send("welcome").await.unwrap();
        ws.recv().await.unwrap();
    });
    sleep(Duration::from_secs(1)).await;
    let (mut ws, _) = client(far, &request("ws://localhost/"), &Options::default())
        .await
        .unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("welcome"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_reaches_the_client() {
    let (near, far) = duplex(1 << 16);
    let server = tokio::spawn(async move {
        accept(near, &Options::default(), |_| {
            Err(Response::new(404).body("no"))
        })
        .await
        .unwrap_err()
    });
    let error = client(far, &request("ws://localhost/"), &Options::default())
        .await
        .unwrap_err();
    match error.end() {
        Some(End::Refused(HandshakeError::Refused(response))) => {
            assert_eq!((response.status, &response.body[..]), (404, &b"no"[..]));
        }
        other => panic!("{other:?}"),
    }
    let error = server.await.unwrap();
    assert!(error.is_clean() && error.end() == Some(&End::Responded));
}

#[tokio::test(start_paused = true)]
async fn a_decision_may_take_its_time() {
    let (near, far) = duplex(1 << 16);
    tokio::spawn(async move {
        let decide = async |request| {
            sleep(Duration::from_secs(15)).await; // the handshake's deadline is 10 s
            Ok(request)
        };
        accept_async(near, &Options::default(), decide)
            .await
            .unwrap()
            .send("hi")
            .await
            .unwrap();
    });
    let mut options = Options::default();
    options.config.times.handshake = Duration::from_secs(60);
    let (mut ws, _) = client(far, &request("ws://localhost/"), &options)
        .await
        .unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hi"));
}

/// Requests that fail their checks never get to `decide`.
#[tokio::test(start_paused = true)]
async fn other_http_gets_its_answer() {
    let mut options = Options::default();
    options.config.origins = OriginPolicy::list(["https://good.example"]);
    options.answer_http(|request| (request.path() == "/health").then(|| Response::new(200)));
    let wrong_origin = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://evil.example\r\n";
    for (path, fields, status) in [
        ("/health", "", "200"),
        ("/", "", "426"),
        ("/", wrong_origin, "403"),
        ("/health", wrong_origin, "200"),
    ] {
        let (near, mut far) = duplex(1 << 16);
        let options = options.clone();
        let server = tokio::spawn(async move {
            accept(near, &options, |request| panic!("{request:?}"))
                .await
                .unwrap_err()
        });
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        far.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        far.read_to_string(&mut response).await.unwrap();
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{response}"
        );
        drop(far);
        assert!(matches!(server.await.unwrap(), Error::Ended { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_gets_a_408() {
    let (near, mut far) = duplex(1 << 16);
    let server = tokio::spawn(async move {
        accept(near, &Options::default(), Ok)
            .await
            .unwrap_err()
            .end()
            .cloned()
    });
    far.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut response = String::new();
    let ten = Duration::from_millis(10_002);
    timeout(ten, far.read_to_string(&mut response))
        .await
        .unwrap()
        .unwrap();
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    drop(far);
    assert_eq!(
        server.await.unwrap(),
        Some(End::Expired(Expired::Handshake))
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let (near, far) = duplex(1 << 16);
    let error = client(far, &request("ws://localhost/"), &Options::default())
        .await
        .unwrap_err();
    assert_eq!(error.end(), Some(&End::Expired(Expired::Handshake)));
    drop(near);
}
