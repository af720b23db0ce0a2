//! What a client reads from the header fields of a response (RFC 6455, section 4.1). Its law:
//! nothing that was not offered is agreed on.

use super::extension::Extension;
use super::key::accept_octets;
use super::list::{Repeated, has_token, only, values};
use crate::handshake::error::ResponseError;
use alloc::string::String;
use alloc::vec::Vec;

/// What client and server agreed on, over any version of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// The subprotocol, one of those offered (RFC 6455, section 1.9).
    pub subprotocol: Option<String>,
    /// The extensions, among those offered (RFC 6455, section 9.1).
    pub extensions: Vec<Extension>,
}

impl Agreement {
    /// Reads a server's answer to what was offered.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Subprotocol`] and [`ResponseError::Extensions`] if the answer does not
    /// fit its grammar or names what was not offered.
    pub fn read<'a>(
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
        subprotocols: &[impl AsRef<str>],
        extensions: &[Extension],
    ) -> Result<Self, ResponseError> {
        let subprotocol = match only(headers.clone(), "sec-websocket-protocol") {
            Ok(None) => None,
            Ok(Some(chosen)) => {
                let is_chosen = |name: &&str| name.as_bytes() == chosen;
                let offered = subprotocols.iter().map(AsRef::as_ref).find(is_chosen);
                Some(offered.ok_or(ResponseError::Subprotocol)?.into())
            }
            Err(Repeated) => return Err(ResponseError::Subprotocol),
        };
        let agreed = Extension::parse_list(values(headers, "sec-websocket-extensions"))
            .map_err(|_| ResponseError::Extensions)?;
        for (index, extension) in agreed.iter().enumerate() {
            let is_same = |other: &Extension| other.name() == extension.name();
            if !extensions.iter().any(is_same) || agreed.iter().take(index).any(is_same) {
                return Err(ResponseError::Extensions);
            }
        }
        Ok(Self {
            subprotocol,
            extensions: agreed,
        })
    }
}

/// Checks the fields of the upgrade mechanism of HTTP/1.1 in a response with status 101, to a
/// request that had this key.
///
/// # Errors
///
/// [`ResponseError::Upgrade`], [`ResponseError::Connection`] and [`ResponseError::Accept`].
pub fn check_upgrade<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    key: &str,
) -> Result<(), ResponseError> {
    match only(headers.clone(), "upgrade") {
        Ok(Some(upgrade)) if upgrade.eq_ignore_ascii_case(b"websocket") => {}
        _ => return Err(ResponseError::Upgrade),
    }
    if !has_token(headers.clone(), "connection", "upgrade") {
        return Err(ResponseError::Connection);
    }
    match only(headers, "sec-websocket-accept") {
        Ok(Some(accept)) if *accept == accept_octets(key.as_bytes()) => Ok(()),
        _ => Err(ResponseError::Accept),
    }
}
