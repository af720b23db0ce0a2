//! Which certificates to trust, and what to report about the others.

use anyhow::{Context, Result, ensure};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Trusts the certificates in the file, or else those that the system trusts.
pub(crate) fn tls_config(cafile: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let (certificates, place) = match cafile {
        Some(file) => {
            let place = format!("--cafile {}", file.display());
            let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            (all.with_context(|| place.clone())?, place)
        }
        None => {
            let all = rustls_native_certs::load_native_certs().certs;
            (all, "this system: name some with --cafile".into())
        }
    };
    let mut roots = RootCertStore::empty();
    // A system may have some that are not valid; the others are enough.
    let (good, _) = roots.add_parsable_certificates(certificates);
    ensure!(good > 0, "there is no certificate to trust in {place}");
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What is wrong with the server's certificate, and what to do about it.
pub(crate) fn tls_problem(error: &rustls::Error, host: &str) -> String {
    use CertificateError as Bad;
    let rustls::Error::InvalidCertificate(bad) = error else {
        return format!("no TLS with {host}, if it speaks that at all: {error}");
    };
    let problem = match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => {
            "has expired: the server needs a new one, or this machine's clock is wrong"
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "is not valid yet: this machine's clock is wrong, or the server's was"
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "is for another name: the URL needs one that is in the certificate"
        }
        Bad::UnknownIssuer => {
            "has an unknown issuer: if you trust it, name its certificate with --cafile"
        }
        Bad::BadSignature => "is not signed by the one that --cafile names, which may be outdated",
        // The error's type is private to a crate below rustls. `openssl req -x509` makes such certificates.
        Bad::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "is one of a CA: the server needs one of its own, with basicConstraints=CA:FALSE"
        }
        _ => "is no good",
    };
    format!("the certificate of {host} {problem} ({error})")
}
