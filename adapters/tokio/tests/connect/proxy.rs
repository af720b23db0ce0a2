//! `connect` through a proxy.
//!
//! Invariant: the proxy is of a few lines, and says what the test wants.

use crate::{io, serve, works};
use sansocket::{End, HandshakeError};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_sansocket::{Error, Options, Proxy, connect};

/// A proxy for one connection that gives this response, and a way to the server if that has status 200.
/// Also the request that it got.
pub(crate) async fn open(response: &'static str) -> (Proxy, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, got) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(near.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let target = head.split(' ').nth(1).unwrap().to_owned();
        told.send(head).unwrap();
        // A client reads them in two.
        let (first, rest) = response.split_at(response.len() / 2);
        near.write_all(first.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        near.write_all(rest.as_bytes()).await.unwrap();
        if response.starts_with("HTTP/1.1 200 ") {
            let mut far = TcpStream::connect(target).await.unwrap();
            let _ = copy_bidirectional(&mut near, &mut far).await;
        }
    });
    let request = tokio::spawn(async { got.await.unwrap() });
    (Proxy::new("127.0.0.1", port), request)
}

/// Connects through this proxy to an echo.
async fn through(proxy: Proxy) -> Result<String, Error> {
    let port = serve("127.0.0.1").await;
    let mut options = Options::default();
    options.proxy = Some(proxy);
    let uri = format!("ws://localhost:{port}/");
    works(connect(&*uri, &options).await?.0).await;
    Ok(format!("localhost:{port}"))
}

#[tokio::test]
async fn the_proxy_is_asked_for_the_way() {
    let (proxy, request) = open("HTTP/1.1 200 Connection established\r\n\r\n").await;
    let proxy = proxy.credentials("user", "password");
    assert!(!format!("{proxy:?}").contains("password"));
    let target = through(proxy).await.unwrap();
    let request = request.await.unwrap();
    let start = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    assert!(request.starts_with(&start), "{request}");
    let credentials = "Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n";
    assert!(request.contains(credentials), "{request}");
}

#[tokio::test]
async fn a_refusal_of_the_proxy_is_told_as_that() {
    let (proxy, _) = open("HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nwho?\n").await;
    let error = through(proxy).await.unwrap_err();
    match error.end() {
        Some(End::Refused(HandshakeError::ProxyRefused(response))) => {
            assert_eq!(response.status, 407);
        }
        end => panic!("{end:?}"),
    }
    let (proxy, _) = open("HTTP/1.1 200").await; // and the end
    let error = through(proxy).await.unwrap_err();
    assert!(matches!(error.end(), Some(End::Refused(_))), "{error:?}");
}

/// The server speaks second, so these are the proxy's own, or an attacker's.
#[tokio::test]
async fn bytes_that_nobody_asked_for_are_an_error() {
    let (proxy, _) = open("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n").await;
    let (kind, text) = io(through(proxy).await);
    assert_eq!(kind, ErrorKind::InvalidData);
    assert!(text.contains("unasked"), "{text}");
}

/// An attack, or a proxy of HTTP/1.0 habits: a body that never ends. Its refusal is known all the same.
#[tokio::test]
async fn a_refusal_whose_body_never_ends_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let refusal = b"HTTP/1.1 407 No\r\n\r\nwho";
        near.write_all(refusal).await.unwrap();
        near.read_to_end(&mut Vec::new()).await
    });
    let mut options = Options::default();
    options.connect_timeout = Duration::from_millis(200);
    options.proxy = Some(Proxy::new("127.0.0.1", port));
    let error = connect("ws://example.com/", &options).await.unwrap_err();
    match error.end() {
        Some(End::Refused(HandshakeError::ProxyRefused(response))) => {
            assert_eq!((response.status, &*response.body), (407, &b"who"[..]));
            assert!(!response.is_complete);
        }
        end => panic!("{end:?}"),
    }
    proxy.await.unwrap().unwrap(); // and the connection is dropped
}

#[tokio::test]
async fn a_silent_proxy_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::default();
    options.connect_timeout = Duration::from_millis(100);
    options.proxy = Some(Proxy::new(
        "127.0.0.1",
        listener.local_addr().unwrap().port(),
    ));
    let (kind, _) = io(connect("ws://example.com/", &options).await);
    assert_eq!(kind, ErrorKind::TimedOut);
}
