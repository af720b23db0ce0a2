//! `connect` over the loopback.
//!
//! Invariant: every server here is the adapter's own; no test needs the network.

mod proxy;
#[cfg(feature = "rustls")]
mod tls;

use sansocket::{ClientRequest, CloseCode, End, Response, SetupError};
use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio_sansocket::{Error, Options, Transport, WebSocket, accept, connect};

/// Sends back what comes until the end.
async fn echo<S: Transport>(stream: S) -> Result<(), Error> {
    let mut ws = accept(stream, &Options::default(), |request| {
        match request.path() {
            "/" => Ok(request),
            _ => Err(Response::new(404)),
        }
    })
    .await?;
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Serves one connection on this address; its port.
async fn serve(address: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { echo(listener.accept().await.unwrap().0).await });
    port
}

/// A message goes there and back, and the end is clean.
async fn works<S: Transport>(mut ws: WebSocket<S>) {
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
    let end = ws.close(CloseCode::NORMAL, "").await.unwrap();
    assert!(end.is_clean(), "{end}");
}

/// Why there is no transport.
#[track_caller]
fn io(result: Result<impl Sized, Error>) -> (ErrorKind, String) {
    match result {
        Err(Error::Io(error)) => (error.kind(), error.to_string()),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it is open"),
    }
}

#[tokio::test]
async fn an_address_or_a_name_or_a_request() {
    let options = Options::default();
    let port = serve("127.0.0.1").await;
    let (ws, response) = connect(&*format!("ws://127.0.0.1:{port}/"), &options)
        .await
        .unwrap();
    assert_eq!(response.status, 101);
    let tcp = ws.with_transport(|stream| {
        let tcp: &TcpStream = stream.tcp();
        (tcp.nodelay().unwrap(), tcp.peer_addr().unwrap().port())
    });
    assert_eq!(tcp, Some((true, port)));
    works(ws).await;

    let port = serve("127.0.0.1").await;
    let request = ClientRequest::new(&format!("ws://localhost:{port}")).unwrap();
    works(connect(request, &options).await.unwrap().0).await;
}

/// The name has an address of the other family as well, where nobody listens.
#[tokio::test]
async fn a_listener_on_one_family_only() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
        return; // no IPv6 here
    }
    for address in ["127.0.0.1", "::1"] {
        let port = serve(address).await;
        let uri = match tokio::net::lookup_host(("localhost", port))
            .await
            .unwrap()
            .count()
        {
            0 | 1 if address == "::1" => format!("ws://[::1]:{port}/"), // the name has one
            _ => format!("ws://localhost:{port}/"),
        };
        let start = Instant::now();
        let (ws, _) = connect(&*uri, &Options::default()).await.unwrap();
        works(ws).await;
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "it waits for nothing"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let options = Options::default();
    let error = connect("http://localhost/", &options).await.unwrap_err();
    assert!(
        matches!(error, Error::Setup(SetupError::Scheme)),
        "{error:?}"
    );

    let port = serve("127.0.0.1").await;
    let error = connect(&*format!("ws://127.0.0.1:{port}/nothing"), &options)
        .await
        .unwrap_err();
    assert!(matches!(error.end(), Some(End::Refused(_))), "{error:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (kind, text) = io(connect(&*format!("ws://127.0.0.1:{port}/"), &options).await);
    assert_eq!(kind, ErrorKind::ConnectionRefused);
    let start = format!("cannot connect to 127.0.0.1:{port}: ");
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(text.matches("127.0.0.1").count(), 1, "{text}");

    // A label of a name has at most 63 bytes, so nobody is asked for this one.
    let name = "x".repeat(64);
    let (_, text) = io(connect(&*format!("ws://{name}/"), &options).await);
    assert!(
        text.starts_with(&format!("cannot connect to {name}:80: ")),
        "{text}"
    );
}

/// A server that accepts and says nothing is the handshake's matter, and has its own deadline.
#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let mut options = Options::default();
    options.config.times.handshake = Duration::from_millis(50);
    let error = connect(&*uri, &options).await.unwrap_err();
    assert!(matches!(error.end(), Some(End::Expired(_))), "{error:?}");
}

/// A machine that drops what comes. Linux does so once nobody accepts what waits to be accepted.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_does_not_answer_is_given_up() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let waits = TcpStream::connect(address).await.unwrap();
    let mut options = Options::default();
    options.connect_timeout = Duration::from_millis(100);
    let (kind, text) = io(connect(&*format!("ws://{address}/"), &options).await);
    assert_eq!(kind, ErrorKind::TimedOut);
    let end = format!("{address} in 100ms (`Options::connect_timeout`)");
    assert!(text.ends_with(&end), "{text}");
    drop((listener, waits));
}

#[cfg(not(feature = "rustls"))]
#[tokio::test]
async fn without_tls_wss_is_told() {
    let (kind, text) = io(connect("wss://localhost/", &Options::default()).await);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(text.contains("`rustls-native-roots`"), "{text}");
}
