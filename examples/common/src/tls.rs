//! The certificate of a TLS server: from files, or made at start.

use crate::{Arguments, Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::path::PathBuf;
use std::sync::Arc;

/// Reads `--cert` and `--key`, or makes a certificate for localhost, which `--write-ca` saves.
pub fn config(arguments: &Arguments) -> Result<Arc<ServerConfig>> {
    let Files { pair, write_ca } = Files::new(arguments, true);
    let (chain, key) = if let Some((cert, key)) = pair {
        let chain = CertificateDer::pem_file_iter(&cert).and_then(Iterator::collect);
        let chain = chain.with_context(|| format!("no certificates in {}", cert.display()))?;
        let der = PrivateKeyDer::from_pem_file(&key);
        (
            chain,
            der.with_context(|| format!("no key in {}", key.display()))?,
        )
    } else {
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
        let made = rcgen::generate_simple_self_signed(names)?;
        if let Some(file) = write_ca {
            let written = std::fs::write(&file, made.cert.pem());
            written.with_context(|| format!("cannot write {}", file.display()))?;
        }
        (vec![made.cert.der().clone()], made.signing_key.into())
    };
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(chain, key);
    let mut config = config.context("that is not the certificate of a server")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same with `--tls`; without it, no option may name a file.
pub fn config_if_wanted(arguments: &Arguments) -> Result<Option<Arc<ServerConfig>>> {
    if arguments.flag("tls") {
        return config(arguments).map(Some);
    }
    Files::new(arguments, false);
    Ok(None)
}

/// The files that the arguments name.
struct Files {
    /// The certificate and its key.
    pair: Option<(PathBuf, PathBuf)>,
    write_ca: Option<PathBuf>,
}

impl Files {
    /// Ends the program if the arguments do not go together.
    fn new(arguments: &Arguments, is_tls: bool) -> Self {
        let file = |name| arguments.value::<PathBuf>(name);
        let (cert, key, write_ca) = (file("cert"), file("key"), file("write-ca"));
        // Those that go together.
        let mut options = match (&cert, &key) {
            (None, None) => vec!["--write-ca <FILE>"],
            (None, Some(_)) => vec!["--key <FILE>", "--cert <FILE>"],
            (Some(_), _) => vec!["--cert <FILE>", "--key <FILE>"],
        };
        if arguments.has("tls") {
            options.insert(0, "--tls");
        }
        if cert.is_some() && write_ca.is_some() {
            arguments.conflict("cert", "write-ca", &options);
        }
        let is_any = cert.is_some() || key.is_some() || write_ca.is_some();
        let missing: Vec<_> = [
            (is_any && !is_tls, "--tls"),
            (key.is_some() && cert.is_none(), "--cert <FILE>"),
            (cert.is_some() && key.is_none(), "--key <FILE>"),
        ]
        .into_iter()
        .filter_map(|(is_missing, label)| is_missing.then_some(label))
        .collect();
        if !missing.is_empty() {
            arguments.missing(&missing, &options);
        }
        Self {
            pair: cert.zip(key),
            write_ca,
        }
    }
}
