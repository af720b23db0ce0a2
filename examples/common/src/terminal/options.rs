//! The arguments of such a client.
//!
//! Invariant: an argument that is wrong by itself ends the program before anything is done.

use crate::{Arguments, Context, Result};
use anyhow::ensure;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use sansocket::{ClientRequest, Config, Deflate};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// What a client does: the same for all its WebSockets.
#[derive(Debug)]
pub struct Options {
    /// What each asks for.
    pub request: ClientRequest,
    /// The settings of each.
    pub options: tokio_sansocket::Options,
    /// Whom to trust.
    pub tls: ClientConfig,
    /// How many there are, in one connection.
    pub streams: u32,
}

impl Options {
    /// Reads the arguments of a client that speaks only TLS, with this in its ALPN.
    pub fn new(name: &str, about: &str, alpn: &[u8]) -> Result<Self> {
        let arguments = Arguments::parse(format!(
            "{about}

Usage: {name} [OPTIONS] <URL>

Arguments:
  <URL>  Where to connect to: wss://host/path

Options:
      --streams <N>             Open so many WebSockets in one connection; each line goes to the next [default: 1]
      --subprotocol <NAME>      Offer a subprotocol; the first is preferred
      --origin <ORIGIN>         The site to act for, as browsers do
      --header <'Name: value'>  One more header field of the request
      --deflate                 Offer permessage-deflate
      --cafile <FILE>           Trust these certificates (PEM) instead of the system's
      --hurry <N>               Make every deadline N times shorter [default: 1]
  -h, --help                    Print help
"
        ));
        let Some(mut request) = arguments.positional::<ClientRequest>("<URL>") else {
            arguments.missing(&["<URL>"], &[])
        };
        for name in arguments.values("subprotocol") {
            request = request.subprotocol(name).context("--subprotocol")?;
        }
        if let Some(origin) = arguments.value::<String>("origin") {
            request = request.origin(&origin).context("--origin")?;
        }
        for field in arguments.values("header") {
            let parts = field.split_once(':');
            let (name, value) = parts.context("--header needs 'Name: value'")?;
            request = request.header(name, value.trim()).context("--header")?;
        }
        ensure!(request.is_secure(), "the URL must start with wss://");
        let mut config = Config::default();
        config.deflate = arguments.flag("deflate").then(Deflate::default);
        config.times = config.times / arguments.value("hurry").unwrap_or(NonZeroU32::MIN).get();
        let mut options = tokio_sansocket::Options::from(config);
        options.show_control = true; // the reason of a Close
        let cafile = arguments.value::<PathBuf>("cafile");
        let streams = arguments.value("streams").unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            request,
            options,
            tls: tls(cafile.as_deref(), alpn)?,
            streams: streams.get(),
        })
    }
}

/// Trusts the certificates in the file, or else those that the system trusts.
fn tls(cafile: Option<&Path>, alpn: &[u8]) -> Result<ClientConfig> {
    let certificates = match cafile {
        Some(file) => {
            let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            all.with_context(|| format!("--cafile {}", file.display()))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(certificates);
    ensure!(
        good > 0,
        "there is no certificate to trust: name one with --cafile"
    );
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}
