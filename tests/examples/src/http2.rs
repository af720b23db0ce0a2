//! HTTP/2 by hand: its streams with frames of WebSockets, made by hand, too.
//!
//! Invariant: no wait is without a limit, and nothing that was received gives room for more before it is read.

use crate::by_hand::ByHand;
use crate::{Server, TempFile, soon, trusting};
use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream, client};
use http::{Method, Request, Response, Version};
use rustls::pki_types::ServerName;
use sansocket::Role;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// A client's connection.
pub struct Http2 {
    pub http: SendRequest<Bytes>,
    pub connection: JoinHandle<Result<(), h2::Error>>,
    authority: String,
}

impl Http2 {
    /// Connects, with windows of this many bytes.
    pub async fn connect(server: &Server, ca: &TempFile, window: u32) -> Self {
        let address = server.address();
        let tcp = soon(TcpStream::connect(address)).await.unwrap();
        let mut config = Arc::unwrap_or_clone(trusting(ca));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let tls = soon(tls).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(window)
            .initial_connection_window_size(1 << 24);
        let (http, mut connection) = soon(builder.handshake(tls)).await.unwrap();
        let mut ping = connection.ping_pong().unwrap();
        let connection = tokio::spawn(connection);
        soon(ping.ping(h2::Ping::opaque())).await.unwrap();
        assert!(http.is_extended_connect_protocol_enabled());
        let authority = address.to_string();
        Self {
            http,
            connection,
            authority,
        }
    }

    /// The head of a request, with these fields.
    pub fn head(&self, method: Method, path: &str, fields: &[(&str, &str)]) -> Request<()> {
        let uri = format!("https://{}{path}", self.authority);
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .version(Version::HTTP_2);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// Sends a request; the head of the response, and the stream.
    pub async fn send(&self, request: Request<()>, is_last: bool) -> (Response<()>, Stream) {
        let mut http = soon(self.http.clone().ready()).await.unwrap();
        let (response, send) = http.send_request(request, is_last).unwrap();
        let (head, receive) = soon(response).await.unwrap().into_parts();
        let stream = Stream {
            send,
            receive,
            read: BytesMut::new(),
            receiver: Role::Server,
        };
        (Response::from_parts(head, ()), stream)
    }

    /// The status and the body of what is no WebSocket.
    pub async fn get(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let request = self.head(Method::GET, path, fields);
        let (head, mut stream) = self.send(request, true).await;
        (head.status().as_u16(), stream.rest().await)
    }

    /// Asks for a WebSocket.
    pub async fn ask(&self, path: &str, fields: &[(&str, &str)]) -> (Response<()>, Stream) {
        let all = [&[("sec-websocket-version", "13")], fields].concat();
        let mut request = self.head(Method::CONNECT, path, &all);
        let protocol = Protocol::from_static("websocket");
        request.extensions_mut().insert(protocol);
        self.send(request, false).await
    }

    /// An open WebSocket.
    pub async fn open(&self, path: &str) -> Stream {
        let (head, stream) = self.ask(path, &[]).await;
        assert_eq!(head.status(), 200);
        stream
    }

    /// The server stops: it closes each WebSocket of the connection, and then the connection.
    pub async fn is_told_of_the_stop(self, server: &Server, path: &str) {
        let (mut one, mut other) = (self.open(path).await, self.open(path).await);
        one.echo("one").await;
        other.echo("other").await;
        server.terminate();
        for ws in [&mut one, &mut other] {
            assert_eq!(ws.close_code().await, 1001);
            ws.frame(0x88, b"\x03\xe9").await;
            ws.finish();
            ws.ended().await;
        }
        let _ = soon(self.connection).await.unwrap(); // an error if it wrote once more
    }

    /// The status of a WebSocket that is refused, and the body that says why.
    pub async fn refused(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let (head, mut stream) = self.ask(path, fields).await;
        (head.status().as_u16(), stream.rest().await)
    }
}

/// A stream, which is a WebSocket.
pub struct Stream {
    pub send: SendStream<Bytes>,
    pub receive: RecvStream,
    /// Received, and not used yet.
    pub read: BytesMut,
    /// The role of the program.
    pub receiver: Role,
}

impl ByHand for Stream {
    fn receiver(&self) -> Role {
        self.receiver
    }

    fn received(&mut self) -> &mut BytesMut {
        &mut self.read
    }

    async fn write(&mut self, bytes: impl Into<Bytes>) {
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            self.send.reserve_capacity(bytes.len());
            if self.send.capacity() == 0 {
                let room = soon(poll_fn(|context| self.send.poll_capacity(context))).await;
                room.expect("the stream is open").unwrap();
            }
            let n = self.send.capacity().min(bytes.len());
            self.send.send_data(bytes.split_to(n), false).unwrap();
        }
    }

    async fn read_on(&mut self) -> bool {
        self.read().await.map(Result::unwrap).is_some()
    }
}

impl Stream {
    /// Reads on; `None` at the end of the stream.
    pub async fn read(&mut self) -> Option<Result<(), h2::Error>> {
        let chunk = match soon(self.receive.data()).await? {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        let given_back = self.receive.flow_control().release_capacity(chunk.len());
        self.read.extend_from_slice(&chunk);
        Some(given_back)
    }

    /// Sends END_STREAM.
    pub fn finish(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }

    /// Why the stream was reset; no byte comes before.
    pub async fn reset(&mut self) -> Option<Reason> {
        match self.read().await {
            Some(Err(error)) => error.reason(),
            other => panic!("{other:?}, no RST_STREAM"),
        }
    }
}
