//! The way to the server: a TCP connection, through a proxy if one is named.
//!
//! Invariant: it takes no longer than an opening handshake may.

use crate::Client;
use crate::ended::Ended;
use crate::proxy::Proxy;
use bytes::BytesMut;
use sansocket::{ClientRequest, Config, End, Expired, Input, Tunnel};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

impl Client<'_> {
    /// Opens the transport. Also returns what the server has sent already.
    pub(crate) fn dial(&mut self, start: Instant) -> Result<(TcpStream, Vec<u8>), Ended> {
        let (options, request) = (self.options, &self.request);
        let by = start + options.config.times.handshake;
        let proxy = options.proxies.to(request);
        let (host, port) = match proxy {
            Some(proxy) => (&*proxy.host, proxy.port),
            None => (request.host(), request.port()),
        };
        let tcp = connect(host, port, by).map_err(|why| {
            let after = self.backoff.after_failure();
            match proxy {
                Some(_) => Ended::trying_again(format!("{why} (the proxy)"), Some(after)),
                None => Ended::trying_again(why, Some(after)),
            }
        })?;
        tcp.set_nodelay(true)?;
        let Some(proxy) = proxy else {
            return Ok((tcp, Vec::new()));
        };
        match tunnel(&tcp, proxy, request, &options.config, by)? {
            Ok(rest) => Ok((tcp, rest)),
            Err(end) => {
                let why = format!("no way through {}:{}: {end}", proxy.host, proxy.port);
                let after = self.backoff.after(&end, start.elapsed());
                Err(Ended::trying_again(why, after))
            }
        }
    }
}

fn connect(host: &str, port: u16, by: Instant) -> Result<TcpStream, String> {
    let mut last_error = io::Error::from(ErrorKind::NotFound);
    let addresses = (host, port).to_socket_addrs();
    addresses
        .map_err(|error| format!("cannot find {host}: {error}"))?
        .find_map(|address| {
            let left = by.checked_duration_since(Instant::now())?;
            let stream = TcpStream::connect_timeout(&address, left);
            stream.map_err(|error| last_error = error).ok()
        })
        .ok_or_else(|| format!("cannot connect to {host}:{port}: {last_error}"))
}

/// Asks the proxy for a way to the server. Returns what came through it already, or why there is none.
fn tunnel(
    mut tcp: &TcpStream,
    proxy: &Proxy,
    request: &ClientRequest,
    config: &Config,
    by: Instant,
) -> Result<Result<Vec<u8>, End>, Ended> {
    let credentials = proxy.credentials.as_ref();
    let credentials = credentials.map(|(user, password)| (&**user, &**password));
    let (mut out, mut buffer) = (BytesMut::new(), [0; 4096]);
    let mut tunnel = Tunnel::new(request, credentials, config, &mut out)?;
    tcp.set_write_timeout(left(by))?;
    tcp.write_all(&out)?;
    loop {
        let Some(wait) = left(by) else {
            // It may have refused, and keeps the connection open.
            let refused = tunnel.give_up().map(End::Refused);
            return Ok(Err(refused.unwrap_or(End::Expired(Expired::Handshake))));
        };
        tcp.set_read_timeout(Some(wait))?;
        let n = match tcp.read(&mut buffer) {
            Ok(n @ 1..) => n,
            Err(error) if common::is_temporary(&error) => continue,
            Ok(0) | Err(_) => return Ok(Err(End::Refused(tunnel.receive_eof()))),
        };
        let mut input = Input(&mut buffer[..n]);
        match tunnel.receive(&mut input) {
            Ok(false) => {}
            Ok(true) => {
                tcp.set_read_timeout(None)?;
                return Ok(Ok(input.0.to_vec()));
            }
            Err(error) => return Ok(Err(End::Refused(error))),
        }
    }
}

/// The time until then, if there is some.
fn left(by: Instant) -> Option<Duration> {
    let left = by.checked_duration_since(Instant::now());
    left.filter(|left| !left.is_zero())
}
