//! The way through a proxy: CONNECT (RFC 9110, section 9.3.6).
//!
//! Invariant: what comes after the head of the response that opens came through the tunnel, and the
//! proxy is asked for nothing but the host and the port.

use super::client_request::ClientRequest;
use super::config::Config;
use super::credentials::basic;
use super::error::HandshakeError;
use super::fields::write_field;
use super::http1::response::ResponseReader;
use super::setup_error::SetupError;
use crate::frame::Input;
use bytes::BytesMut;
use core::fmt;

/// A client's way through a proxy: a CONNECT before the opening handshake, and before TLS (RFC 6455,
/// section 4.1).
///
/// Connect to the proxy, write what is in `out`, and hand over what you read until
/// [`receive`](Self::receive) returns `true`. Then the transport leads to the server: with `wss` start
/// TLS on it, and make the endpoint. It has no clock: give it as much time as
/// [`Times::handshake`](crate::Times::handshake), and then call [`give_up`](Self::give_up).
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{ClientRequest, Config, Endpoint, Input, Tunnel};
/// use std::io::{self, Read, Write};
/// use std::time::Duration;
///
/// fn through(
///     proxy: &mut (impl Read + Write), // e.g. a `TcpStream`
///     request: &ClientRequest,
///     seed: [u8; 32], // `seed()`
/// ) -> io::Result<Endpoint> {
///     let (config, mut out, mut buffer) = (Config::default(), BytesMut::new(), [0; 4096]);
///     let user = Some(("user", "password"));
///     let mut tunnel = Tunnel::new(request, user, &config, &mut out).map_err(io::Error::other)?;
///     proxy.write_all(&out)?;
///     out.clear();
///     loop {
///         let n = proxy.read(&mut buffer)?;
///         if n == 0 {
///             return Err(io::Error::other(tunnel.receive_eof()));
///         }
///         let mut input = Input(&mut buffer[..n]);
///         if tunnel.receive(&mut input).map_err(io::Error::other)? {
///             // What is left in `input` is the server's: of its TLS. With `ws` it speaks second.
///             return Ok(Endpoint::client(request, &config, seed, Duration::ZERO, &mut out));
///         }
///     }
/// }
/// # struct Proxy(Vec<u8>, &'static [u8]);
/// # impl Read for Proxy { fn read(&mut self, b: &mut [u8]) -> io::Result<usize> { self.1.read(b) } }
/// # impl Write for Proxy {
/// #     fn write(&mut self, b: &[u8]) -> io::Result<usize> { self.0.write(b) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let mut proxy = Proxy(Vec::new(), b"HTTP/1.0 200 Connection established\r\n\r\n");
/// # through(&mut proxy, &ClientRequest::new("ws://example.com/").unwrap(), [7; 32])?;
/// # assert!(proxy.0.starts_with(b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n"));
/// # Ok::<(), io::Error>(())
/// ```
pub struct Tunnel {
    reader: ResponseReader,
    is_open: bool,
}

impl Tunnel {
    /// Asks the proxy for a way to the host and port of `request`, and appends that to `out`; with
    /// user and password as Basic credentials (RFC 7617).
    ///
    /// `config` limits the response as it limits a server's: [`max_head_size`](Config::max_head_size),
    /// [`max_headers`](Config::max_headers), [`max_interim_responses`](Config::max_interim_responses),
    /// [`max_body_size`](Config::max_body_size).
    ///
    /// # Errors
    ///
    /// [`SetupError::Credentials`], and nothing is appended.
    pub fn new(
        request: &ClientRequest,
        credentials: Option<(&str, &str)>,
        config: &Config,
        out: &mut BytesMut,
    ) -> Result<Self, SetupError> {
        let credentials = credentials.map(|(user, password)| basic(user, password));
        let credentials = credentials.transpose()?;
        let to = request.host_and_port();
        for part in ["CONNECT ", &to, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        write_field("Host", to.as_bytes(), out);
        if let Some(credentials) = credentials {
            write_field("Proxy-Authorization", credentials.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        Ok(Self {
            // Any 2xx; it has no body, whatever its fields say (RFC 9110, section 9.3.6).
            reader: ResponseReader::new(config, 200..=299),
            is_open: false,
        })
    }

    /// Takes what came from the proxy; returns whether the tunnel is open. What is then left in
    /// `input` came through it.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::ProxyRefused`] with the response of the proxy, once its body is complete or
    /// has reached its limit: 407 with `Proxy-Authenticate`, 403, 502 … Any other error is the rule that
    /// the response breaks. Close the transport, and do not call it again.
    pub fn receive(&mut self, input: &mut Input<'_>) -> Result<bool, HandshakeError> {
        if !self.is_open {
            match self.reader.receive(input) {
                None => {}
                Some(Ok(_headers)) => self.is_open = true,
                Some(Err(error)) => return Err(of_proxy(error)),
            }
        }
        Ok(self.is_open)
    }

    /// The time for it is over: returns the refusal of the proxy, if its head has arrived, with what has
    /// arrived of its body. A proxy may keep the transport open after a 407.
    pub fn give_up(&mut self) -> Option<HandshakeError> {
        self.reader.give_up().map(of_proxy)
    }

    /// The transport has ended before the tunnel was open: returns why there is none.
    pub fn receive_eof(&mut self) -> HandshakeError {
        of_proxy(self.reader.receive_eof())
    }
}

/// The proxy refused, and not the server.
fn of_proxy(error: HandshakeError) -> HandshakeError {
    match error {
        HandshakeError::Refused(response) => HandshakeError::ProxyRefused(response),
        other => other,
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}
