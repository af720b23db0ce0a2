//! A socket, with TLS or without.

use bytes::BytesMut;
use rustls::ClientConnection;
use sansocket::Endpoint;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

/// A socket, with TLS or without.
pub(crate) struct Transport {
    pub(crate) tcp: TcpStream,
    tls: Option<ClientConnection>,
    /// Writing has failed. What arrived before is still to be read.
    pub(crate) is_broken: bool,
}

impl Transport {
    pub(crate) fn new(tcp: TcpStream, tls: Option<ClientConnection>) -> Self {
        Self {
            tcp,
            tls,
            is_broken: false,
        }
    }

    /// Decrypts bytes that were read. Also returns whether TLS says that they were the last.
    pub(crate) fn decrypt(&mut self, bytes: Vec<u8>) -> Result<(Vec<u8>, bool), rustls::Error> {
        let Some(tls) = &mut self.tls else {
            return Ok((bytes, false));
        };
        let (mut bytes, mut plain) = (&bytes[..], Vec::new());
        while !bytes.is_empty() {
            let read = tls.read_tls(&mut bytes);
            read.map_err(|error| rustls::Error::General(error.to_string()))?;
            let result = tls.process_new_packets();
            let _ = tls.reader().read_to_end(&mut plain); // an error says that nothing more has arrived
            if result.is_err() {
                let _ = tls.write_tls(&mut self.tcp); // the alert that says so
            }
            if result?.peer_has_closed() {
                return Ok((plain, true));
            }
        }
        Ok((plain, false))
    }

    /// Writes as much as the socket takes at once.
    pub(crate) fn write(
        &mut self,
        ws: &mut Endpoint,
        out: &mut BytesMut,
        start: Instant,
    ) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            let n = self.tcp.write(out)?;
            ws.wrote(n, start.elapsed(), out);
            return Ok(());
        };
        let n = tls.writer().write(out)?;
        ws.wrote(n, start.elapsed(), out);
        let written = tls.write_tls(&mut self.tcp);
        let n = *written.as_ref().unwrap_or(&0);
        ws.flushed(n, tls.wants_write(), start.elapsed());
        written.map(drop)
    }

    /// Whether there is something to write.
    pub(crate) fn is_pending(&self, out: &BytesMut) -> bool {
        let tls = self.tls.as_ref();
        !self.is_broken && (!out.is_empty() || tls.is_some_and(|tls| tls.wants_write()))
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Nothing more will be written.
    pub(crate) fn shut_down(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify(); // calling it again does nothing
            let _ = tls.write_tls(&mut self.tcp);
        }
        let _ = self.tcp.shutdown(Shutdown::Write); // calling it again does no harm
    }
}
