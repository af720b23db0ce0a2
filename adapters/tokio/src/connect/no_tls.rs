//! Stands in for TLS where its features are off.
//!
//! Invariant: there is none of it.

use super::stream::MaybeTls;
use crate::options::Options;
use std::io::{self, ErrorKind};
use tokio::net::TcpStream;

pub(super) enum Tls {}

impl Tls {
    pub(super) async fn new(_: &str, _: &Options) -> io::Result<Self> {
        let error = "wss:// needs the feature `rustls-native-roots` or `rustls-webpki-roots` of \
                     tokio-sansocket";
        Err(io::Error::new(ErrorKind::Unsupported, error))
    }

    pub(super) async fn handshake(self, _: TcpStream) -> io::Result<MaybeTls> {
        match self {}
    }
}
