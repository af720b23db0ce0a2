//! HTTP/3 by hand, over quinn: its frames and heads, and frames of WebSockets in its streams.
//!
//! Invariant: no wait is without a limit, and whatever rule a test wants to break, it can.

use crate::by_hand::ByHand;
use crate::{Server, TempFile, soon, trusting};
use bytes::{Bytes, BytesMut};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, ReadError, RecvStream, SendStream,
    ServerConfig, TransportConfig, VarInt,
};
use rustls::pki_types::PrivateKeyDer;
use sansocket::Role;
use std::net::SocketAddr;
use std::sync::Arc;

pub const DATA: u64 = 0x00;
pub const HEADERS: u64 = 0x01;
pub const SETTINGS: u64 = 0x04;
pub const GOAWAY: u64 = 0x07;
/// The type of the control stream, and the settings of one who wants nothing.
pub const CONTROL: [u8; 3] = [0x00, 0x04, 0x00];

/// A number as QUIC writes it.
pub fn varint(number: u64) -> Vec<u8> {
    match number {
        0..0x40 => vec![number as u8],
        0x40..0x4000 => (number as u16 | 0x4000).to_be_bytes().to_vec(),
        0x4000..0x4000_0000 => (number as u32 | 0x8000_0000).to_be_bytes().to_vec(),
        _ => (number | 0xc000_0000_0000_0000).to_be_bytes().to_vec(),
    }
}

/// A frame of HTTP/3.
pub fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [varint(kind), varint(payload.len() as u64), payload.to_vec()].concat()
}

/// A HEADERS frame: literal names and values, without a table and without Huffman's code.
pub fn headers(list: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0, 0];
    for (name, value) in list {
        prefixed(0x20, 3, name.len(), &mut block);
        block.extend(name.as_bytes());
        prefixed(0x00, 7, value.len(), &mut block);
        block.extend(value.as_bytes());
    }
    frame(HEADERS, &block)
}

/// A number in the last bits of a byte, and as many bytes after it as it needs (RFC 7541, section 5.1).
fn prefixed(first: u8, bits: u32, number: usize, out: &mut Vec<u8>) {
    let max = (1 << bits) - 1;
    if number < max {
        return out.push(first | number as u8);
    }
    out.push(first | max as u8);
    let mut rest = number - max;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The names and values of a head.
pub fn fields(mut block: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let decoded = qpack::decode_stateless(&mut block, 1 << 16).unwrap();
    let fields = decoded.fields.iter();
    fields
        .map(|field| (text(&field.name), text(&field.value)))
        .collect()
}

/// The code with which the peer closes the connection.
pub async fn closed(connection: &Connection) -> u64 {
    match soon(connection.closed()).await {
        ConnectionError::ApplicationClosed(closed) => closed.error_code.into_inner(),
        error => panic!("{error}, no close of HTTP/3"),
    }
}

/// A client's connection.
pub struct Http3 {
    pub connection: Connection,
    /// Ours; dropping it would end it.
    pub control: SendStream,
    pub authority: String,
    _endpoint: Endpoint,
}

impl Http3 {
    /// Connects, with windows of this many bytes for each stream, and sends the settings.
    pub async fn connect(server: &Server, ca: &TempFile, window: u32) -> Self {
        Self::connect_with(server, ca, window, &CONTROL).await
    }

    /// The same with a control stream of one's own.
    pub async fn connect_with(
        server: &Server,
        ca: &TempFile,
        window: u32,
        control_bytes: &[u8],
    ) -> Self {
        let address = server.address();
        let endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let connecting = endpoint.connect_with(client_config(ca, window), address, "localhost");
        let connection = soon(connecting.unwrap()).await.unwrap();
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(control_bytes).await.unwrap();
        Self {
            connection,
            control,
            authority: address.to_string(),
            _endpoint: endpoint,
        }
    }

    /// The head of a request.
    pub fn head<'a>(
        &'a self,
        method: &'a str,
        path: &'a str,
        fields: &[(&'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let mut list = vec![(":method", method)];
        if method == "CONNECT" {
            list.push((":protocol", "websocket"));
        }
        list.extend([
            (":scheme", "https"),
            (":authority", &*self.authority),
            (":path", path),
        ]);
        list.extend(fields);
        list
    }

    /// A new stream, with these bytes.
    pub async fn stream(&self, bytes: &[u8]) -> Stream {
        let (mut send, receive) = soon(self.connection.open_bi()).await.unwrap();
        send.write_all(bytes).await.unwrap();
        Stream::new(send, receive, Role::Server)
    }

    /// A stream of the other kind, with these bytes.
    pub async fn uni(&self, bytes: &[u8]) -> SendStream {
        let mut send = soon(self.connection.open_uni()).await.unwrap();
        send.write_all(bytes).await.unwrap();
        send
    }

    /// The status and the body for a request with this list.
    pub async fn request(&self, list: &[(&str, &str)]) -> (u16, String) {
        let mut stream = self.stream(&headers(list)).await;
        let _ = stream.send.finish(); // an error if it is not wanted any more
        let status = stream.status().await;
        (status, stream.rest().await)
    }

    /// The status and the body of what is no WebSocket.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.request(&self.head("GET", path, &[])).await
    }

    /// Asks for a WebSocket: the fields of the response, and the stream.
    pub async fn ask(
        &self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> (Vec<(String, String)>, Stream) {
        let all = [&[("sec-websocket-version", "13")], fields].concat();
        let list = self.head("CONNECT", path, &all);
        let mut stream = self.stream(&headers(&list)).await;
        (stream.response().await, stream)
    }

    /// An open WebSocket.
    pub async fn open(&self, path: &str) -> Stream {
        let (fields, stream) = self.ask(path, &[]).await;
        assert_eq!(fields[0], (":status".into(), "200".into()));
        stream
    }

    /// The status of a WebSocket that is refused, and the body that says why.
    pub async fn refused(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let (fields, mut stream) = self.ask(path, fields).await;
        (fields[0].1.parse().unwrap(), stream.rest().await)
    }

    /// The code with which the server closes the connection.
    pub async fn closed(&self) -> u64 {
        closed(&self.connection).await
    }
}

/// A client that trusts this certificate, and has windows of this many bytes for each stream.
pub fn client_config(ca: &TempFile, window: u32) -> ClientConfig {
    let mut tls = Arc::unwrap_or_clone(trusting(ca));
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let tls = QuicClientConfig::try_from(tls).unwrap();
    let mut config = ClientConfig::new(Arc::new(tls));
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(window.into());
    config.transport_config(Arc::new(transport));
    config
}

/// A server by hand, on a free port of 127.0.0.1, with this in its ALPN; its URL, and what to trust.
pub fn host(alpn: &[u8]) -> (Endpoint, String, TempFile) {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let key: PrivateKeyDer<'_> = made.signing_key.into();
    let tls = rustls::ServerConfig::builder().with_no_client_auth();
    let chain = vec![made.cert.der().clone()];
    let mut tls = tls.with_single_cert(chain, key).unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let tls = QuicServerConfig::try_from(tls).unwrap();
    let config = ServerConfig::with_crypto(Arc::new(tls));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = Endpoint::server(config, address).unwrap();
    let port = endpoint.local_addr().unwrap().port();
    let url = format!("wss://localhost:{port}/path?query");
    (endpoint, url, TempFile::new(&made.cert.pem()))
}

/// A stream, which is a WebSocket.
pub struct Stream {
    pub send: SendStream,
    pub receive: RecvStream,
    /// Received of the stream, and not parsed yet.
    unparsed: BytesMut,
    /// Received in DATA frames, and not used yet.
    read: BytesMut,
    /// The role of the program.
    receiver: Role,
}

impl Stream {
    pub fn new(send: SendStream, receive: RecvStream, receiver: Role) -> Self {
        Self {
            send,
            receive,
            unparsed: BytesMut::new(),
            read: BytesMut::new(),
            receiver,
        }
    }

    /// The type and the payload of the next frame; `None` at the end of the stream.
    pub async fn next_frame(&mut self) -> Result<Option<(u64, Bytes)>, ReadError> {
        loop {
            if let Some(frame) = parse(&mut self.unparsed) {
                return Ok(Some(frame));
            }
            match soon(self.receive.read_chunk(usize::MAX, true)).await? {
                Some(chunk) => self.unparsed.extend_from_slice(&chunk.bytes),
                None => {
                    assert!(self.unparsed.is_empty(), "whole frames");
                    return Ok(None);
                }
            }
        }
    }

    /// The fields of a head that comes next.
    pub async fn response(&mut self) -> Vec<(String, String)> {
        let (kind, block) = self.next_frame().await.unwrap().expect("a head");
        assert_eq!(kind, HEADERS);
        fields(&block)
    }

    /// The status of a head that comes next.
    pub async fn status(&mut self) -> u16 {
        let fields = self.response().await;
        assert_eq!(fields[0].0, ":status");
        fields[0].1.parse().unwrap()
    }

    /// The code with which the stream is reset; no frame comes before.
    pub async fn reset(&mut self) -> u64 {
        match self.next_frame().await {
            Err(ReadError::Reset(code)) => code.into_inner(),
            other => panic!("{other:?}, no RESET_STREAM"),
        }
    }

    /// The code with which the peer says that it reads no more.
    pub async fn stopped(&mut self) -> Option<u64> {
        let code = soon(self.send.stopped()).await.unwrap();
        code.map(VarInt::into_inner)
    }
}

impl ByHand for Stream {
    fn receiver(&self) -> Role {
        self.receiver
    }

    fn received(&mut self) -> &mut BytesMut {
        &mut self.read
    }

    async fn write(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let head = [varint(DATA), varint(bytes.len() as u64)].concat();
        soon(self.send.write_all(&head)).await.unwrap();
        soon(self.send.write_all(&bytes)).await.unwrap();
    }

    async fn read_on(&mut self) -> bool {
        match self.next_frame().await.unwrap() {
            Some((DATA, payload)) => self.read.extend_from_slice(&payload),
            Some((kind, _)) => panic!("a frame of type {kind}"),
            None => return false,
        }
        true
    }
}

/// Takes off the first frame, if it is complete.
pub fn parse(bytes: &mut BytesMut) -> Option<(u64, Bytes)> {
    let mut rest = &bytes[..];
    let (kind, len) = (take_varint(&mut rest)?, take_varint(&mut rest)?);
    let head = bytes.len() - rest.len();
    let len = usize::try_from(len).unwrap();
    if rest.len() < len {
        return None;
    }
    let _ = bytes.split_to(head);
    Some((kind, bytes.split_to(len).freeze()))
}

/// Takes off a number, if it is complete.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let len = 1 << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    let number = number[1..]
        .iter()
        .fold(u64::from(number[0] & 0x3f), |all, byte| {
            all << 8 | u64::from(*byte)
        });
    Some(number)
}
