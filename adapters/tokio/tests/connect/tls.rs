//! `connect` over TLS, with a certificate that is made now.
//!
//! Invariant: who is not trusted is not connected to.

use crate::{echo, io, proxy, works};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_sansocket::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_sansocket::tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig, crypto::ring::default_provider,
};
use tokio_sansocket::tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tokio_sansocket::{MaybeTls, Options, connect};

/// Serves one connection with a certificate for localhost; its port, and what is to be trusted.
async fn serve() -> (u16, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(made.signing_key);
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let Ok(tls) = acceptor.accept(tcp).await else {
            return; // the client does not trust it
        };
        let stream = MaybeTls::from(TlsStream::from(tls));
        let _ = echo(stream).await;
    });
    (port, certificate)
}

/// Options that trust this certificate, and no other.
fn trusting(certificate: CertificateDer<'static>) -> Options {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut options = Options::default();
    options.tls = Some(Arc::new(config));
    options
}

#[tokio::test]
async fn who_is_trusted_is_connected_to() {
    let (port, certificate) = serve().await;
    let uri = format!("wss://localhost:{port}/");
    let (ws, _) = connect(&*uri, &trusting(certificate)).await.unwrap();
    let is_tls = ws.with_transport(|stream| matches!(stream, MaybeTls::Tls(_)));
    assert_eq!(is_tls, Some(true));
    works(ws).await;
}

#[tokio::test]
async fn through_a_proxy() {
    let (port, certificate) = serve().await;
    let mut options = trusting(certificate);
    options.proxy = Some(proxy::open("HTTP/1.1 200 OK\r\n\r\n").await.0);
    let uri = format!("wss://localhost:{port}/");
    works(connect(&*uri, &options).await.unwrap().0).await;
}

#[tokio::test]
async fn a_large_message_both_ways() {
    let (port, certificate) = serve().await;
    let uri = format!("wss://localhost:{port}/");
    let (mut ws, _) = connect(&*uri, &trusting(certificate)).await.unwrap();
    let data: Vec<u8> = (0..3 << 20).map(|i: u32| (i % 251) as u8).collect();
    ws.send(data.clone()).await.unwrap();
    let echoed = ws.recv().await.unwrap().unwrap();
    assert!(echoed.as_bytes() == data);
    works(ws).await;
}

/// Whoever leaves in the middle, or breaks a rule, still learns that nothing was cut off: without
/// `close_notify` reading is an error.
#[tokio::test]
async fn every_end_is_told_by_tls() {
    let head = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (says, answer) in [
        (String::new(), ""),
        ("GET / HTTP/1.1\r\n".into(), ""),
        (head.into(), "HTTP/1.1 101 "),
        (head.to_owned() + "\x01", "HTTP/1.1 101 "),
        (head.to_owned() + "\x03\0", "HTTP/1.1 101 "),
        (head.replace("GET", "PUT"), "HTTP/1.1 405 "),
    ] {
        let (port, certificate) = serve().await;
        let connector = TlsConnector::from(trusting(certificate).tls.unwrap());
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let mut tls = connector.connect(name, tcp).await.unwrap();
        tls.write_all(says.as_bytes()).await.unwrap();
        tls.shutdown().await.unwrap();
        let mut answered = Vec::new();
        tls.read_to_end(&mut answered).await.unwrap();
        assert!(answered.starts_with(answer.as_bytes()), "{says}");
    }
}

#[tokio::test]
async fn who_is_not_trusted_is_told() {
    let (_, other) = serve().await;
    let (port, _) = serve().await;
    let uri = format!("wss://localhost:{port}/");
    let (kind, text) = io(connect(&*uri, &trusting(other)).await);
    assert_eq!(kind, ErrorKind::InvalidData);
    assert!(text.contains("certificate"), "{text}");
}

/// The certificate is for localhost.
#[tokio::test]
async fn another_name_is_told() {
    let (port, certificate) = serve().await;
    let uri = format!("wss://127.0.0.1:{port}/");
    let (_, text) = io(connect(&*uri, &trusting(certificate)).await);
    assert!(
        text.contains("NotValidForName") || text.contains("not valid for name"),
        "{text}"
    );
}

/// The features' own roots are no open door.
#[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
#[tokio::test]
async fn a_stranger_is_not_trusted_by_default() {
    let (port, _) = serve().await;
    let uri = format!("wss://localhost:{port}/");
    let (kind, text) = io(connect(&*uri, &Options::default()).await);
    // Or the system has no roots at all.
    assert!(
        matches!(kind, ErrorKind::InvalidData | ErrorKind::NotFound),
        "{text}"
    );
    if kind == ErrorKind::InvalidData {
        assert!(text.contains("UnknownIssuer"), "{text}");
    }
}

#[cfg(not(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots")))]
#[tokio::test]
async fn without_roots_a_configuration_is_asked_for() {
    let (kind, text) = io(connect("wss://localhost:1/", &Options::default()).await);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(text.contains("`Options::tls`"), "{text}");
}

/// A server that takes the connection and never speaks TLS.
#[tokio::test]
async fn a_server_that_is_silent_is_given_up_and_dropped() {
    let (_, certificate) = serve().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        tcp.read_to_end(&mut hello).await.unwrap() // until the client is gone
    });
    let mut options = trusting(certificate);
    options.connect_timeout = Duration::from_millis(200);
    let start = Instant::now();
    let (kind, _) = io(connect(&*format!("wss://localhost:{port}/"), &options).await);
    assert_eq!(kind, ErrorKind::TimedOut);
    assert!(start.elapsed() >= options.connect_timeout);
    assert!(silent.await.unwrap() > 0, "a hello came");
}
