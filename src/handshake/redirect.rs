//! Where a redirect leads (RFC 9110, section 15.4).
//!
//! Invariant: never from `wss` to `ws`, and nothing that may be secret goes to another origin.

use super::client_request::ClientRequest;
use super::response::Response;
use super::setup_error::SetupError;
use super::uri::Uri;
use alloc::string::String;
use alloc::vec::Vec;

impl ClientRequest {
    /// Makes the request that a redirect asks for: `response` is that of a
    /// [`HandshakeError::Refused`](crate::HandshakeError::Refused) with one of the statuses 301, 302, 303,
    /// 307 and 308.
    ///
    /// Its `Location` may be relative, and may have the scheme `http` or `https`, which stand for `ws`
    /// and `wss`. A fragment is left out. To another origin (scheme, host and port) go no credentials:
    /// all headers that were added are dropped, userinfo as well. Subprotocols stay: if one is a token,
    /// make a new request instead. Count the redirects, and stop after a few.
    ///
    /// ```
    /// use sansocket::{ClientRequest, HandshakeError, SetupError};
    ///
    /// /// Where to try next, if that is what the server wants.
    /// fn next(
    ///     request: &ClientRequest,
    ///     error: &HandshakeError,
    /// ) -> Option<Result<ClientRequest, SetupError>> {
    ///     match error {
    ///         HandshakeError::Refused(response) if response.status / 100 == 3 => {
    ///             Some(request.redirected(response))
    ///         }
    ///         _ => None,
    ///     }
    /// }
    /// # let response = sansocket::Response::new(307).header("Location", "../b?c#d")?;
    /// # let request = ClientRequest::new("wss://a.test/x/y")?;
    /// # let next = next(&request, &HandshakeError::Refused(Box::new(response)));
    /// # assert_eq!(next.unwrap()?.uri(), "wss://a.test/b?c");
    /// # Ok::<(), SetupError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SetupError::NotRedirect`] if the status is another one, or there is no `Location` or more than
    /// one; [`SetupError::Insecure`] if it leads from `wss` to `ws`; or what
    /// [`new`](Self::new) says of the URI.
    pub fn redirected(&self, response: &Response) -> Result<Self, SetupError> {
        let mut locations = response.headers.get_all("location");
        let (301..=303 | 307 | 308, Some(location), None) =
            (response.status, locations.next(), locations.next())
        else {
            return Err(SetupError::NotRedirect);
        };
        let location = core::str::from_utf8(location).map_err(|_| SetupError::NotRedirect)?;
        let (location, _fragment) = location.split_once('#').unwrap_or((location, ""));
        let uri: Uri = resolved(self.target(), location.trim_ascii())?.parse()?;
        if self.is_secure() && !uri.is_secure {
            return Err(SetupError::Insecure);
        }
        Ok(self.to(uri))
    }
}

/// A reference, resolved against the URI that it stands in for (RFC 3986, section 5.2.2).
fn resolved(base: &Uri, reference: &str) -> Result<String, SetupError> {
    let scheme = if base.is_secure { "wss" } else { "ws" };
    let (path, query) = base
        .resource_name
        .split_once('?')
        .unwrap_or((&base.resource_name, ""));
    let origin = base.text.len() - base.resource_name.len();
    let origin = base.text.get(..origin).unwrap_or_default();
    let mut uri = String::new();
    if let Some((found, rest)) = scheme_of(reference) {
        const SCHEMES: [(&str, &str); 4] = [
            ("ws", "ws"),
            ("wss", "wss"),
            ("http", "ws"),
            ("https", "wss"),
        ];
        let same = SCHEMES
            .iter()
            .find(|(name, _)| found.eq_ignore_ascii_case(name));
        let (_, scheme) = same.ok_or(SetupError::Scheme)?;
        uri.extend([scheme, ":", rest]);
    } else if reference.starts_with("//") {
        uri.extend([scheme, ":", reference]);
    } else {
        let (to, to_query) = match reference.split_once('?') {
            Some((to, query)) => (to, Some(query)),
            None => (reference, None),
        };
        uri.push_str(origin);
        if to.is_empty() {
            uri.push_str(path);
        } else if to.starts_with('/') {
            push_without_dots(to, &mut uri);
        } else {
            let (folder, _) = path.rsplit_once('/').unwrap_or_default();
            let merged = [folder, "/", to].concat();
            push_without_dots(&merged, &mut uri);
        }
        match to_query {
            Some(query) => uri.extend(["?", query]),
            None if to.is_empty() && !query.is_empty() => uri.extend(["?", query]),
            None => {}
        }
    }
    Ok(uri)
}

/// The scheme of a reference that has one, and what follows its colon (RFC 3986, section 3.1).
fn scheme_of(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    (starts && scheme.bytes().all(is_scheme)).then_some((scheme, rest))
}

/// Appends an absolute path without its `.` and `..` (RFC 3986, section 5.2.4).
fn push_without_dots(path: &str, uri: &mut String) {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => {
                kept.push(other);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    for segment in kept {
        uri.extend(["/", segment]);
    }
}
