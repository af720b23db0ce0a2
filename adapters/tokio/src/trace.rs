//! Events of `tracing`, behind the feature of that name.
//!
//! Invariant: what a peer chose is never in an event, except its close code; payloads, reasons, header
//! fields and URIs are not.

use sansocket::End;

#[cfg(feature = "tracing")]
pub(crate) fn opened(is_server: bool, has_deflate: bool) {
    let role = if is_server { "server" } else { "client" };
    tracing::debug!(role, deflate = has_deflate, "opened");
}

/// What ended, how.
#[cfg(feature = "tracing")]
pub(crate) fn ended(end: &End, transport: Option<&std::io::Error>) {
    let code = end.close_code().0;
    let transport = transport.map(std::io::Error::kind);
    match end {
        End::Closed { by_peer, .. } => {
            tracing::debug!(code, by_peer, clean = end.is_clean(), "closed");
        }
        End::Responded => tracing::debug!("rejected by a response"),
        End::Refused(sansocket::HandshakeError::Refused(response)) => {
            tracing::info!(status = response.status, "rejected by the server");
        }
        End::Refused(error) => tracing::info!(status = error.status(), "rejected"),
        End::Failed(error) => {
            tracing::info!(code = error.close_code().0, %error, ?transport, "failed")
        }
        End::Expired(expired) => tracing::info!(?expired, "expired"),
        _ => tracing::info!(code, "ended"),
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn opened(_is_server: bool, _has_deflate: bool) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn ended(_end: &End, _transport: Option<&std::io::Error>) {}
