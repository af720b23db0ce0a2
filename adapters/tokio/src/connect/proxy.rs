//! The way through an HTTP proxy.
//!
//! Invariant: TLS goes through the tunnel, so the proxy sees the server's name and port, and nothing
//! else. `Debug` hides the credentials.

use super::dial;
use crate::error::Error;
use crate::options::Options;
use bytes::BytesMut;
use sansocket::{ClientRequest, End, Input, Tunnel};
use std::fmt;
use std::io::{self, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An HTTP proxy, which [`connect`](crate::connect()) asks for a way to the server by CONNECT (RFC 9110,
/// section 9.3.6), for `ws` and `wss` alike. The proxy resolves the server's name.
///
/// ```
/// use tokio_sansocket::{Options, Proxy};
///
/// let mut options = Options::default();
/// options.proxy = Some(Proxy::new("proxy.example", 3128).credentials("user", "password"));
/// ```
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    credentials: Option<(String, String)>,
}

impl Proxy {
    /// A proxy at this name or address, without brackets, and port.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            credentials: None,
        }
    }

    /// Sends these as Basic credentials (RFC 7617), in clear to the proxy.
    #[must_use]
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// A connection to the server of the request. What the proxy has answered so far is in `tunnel`, for
    /// who gives up.
    pub(super) async fn dial(
        &self,
        request: &ClientRequest,
        options: &Options,
        tunnel: &mut Option<Tunnel>,
    ) -> Result<TcpStream, Error> {
        let (credentials, mut buffer) = (self.credentials.as_ref(), BytesMut::new());
        let credentials = credentials.map(|(user, password)| (&**user, &**password));
        let made = Tunnel::new(request, credentials, &options.config, &mut buffer)?;
        let tunnel = tunnel.insert(made);
        let mut tcp = dial::tcp(&self.host, self.port).await?;
        tcp.write_all(&buffer).await?;
        loop {
            buffer.clear();
            if tcp.read_buf(&mut buffer).await? == 0 {
                return Err(End::Refused(tunnel.receive_eof()).into());
            }
            let mut input = Input(&mut buffer);
            if tunnel.receive(&mut input).map_err(End::Refused)? {
                // The server speaks second, with TLS as well.
                return match input.0 {
                    [] => Ok(tcp),
                    early => {
                        let n = early.len();
                        let error = format!("{n} bytes came through the proxy unasked");
                        Err(io::Error::new(ErrorKind::InvalidData, error).into())
                    }
                };
            }
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
