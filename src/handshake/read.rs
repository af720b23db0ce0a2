//! A request whose head another HTTP implementation has read.
//!
//! Invariant: what that implementation did not check is checked here, and then the rules are those
//! for every request.

use super::config::Config;
use super::error::HandshakeError;
use super::header_list::{HeaderList, Kind, Limits};
use super::http1::request_line::path_form;
use super::negotiation::request::RequestFields;
use super::request::{Request, Start, Version};
use super::rules::{Rules, well_formed};
use super::token::is_token;
use super::uri::Authority;
use alloc::borrow::Cow;

impl Request {
    /// Reads a request from a list of header fields, and makes every check of an opening handshake:
    /// method, version, host, key, origin, subprotocols, extensions.
    ///
    /// Use it where other software speaks HTTP: HTTP/1.1, HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220).
    /// [`error`](Self::error) says whether the request passed, and [`answer`](Self::answer) opens the
    /// connection.
    ///
    /// The list is that of HTTP/2: first the pseudo-headers, then the fields in any order, read once.
    /// `:method` and `:path` are always there, and `:authority` or the field `Host`.
    ///
    /// - HTTP/1.1 has neither `:scheme` nor `:protocol`. A handshake is a GET with `Upgrade`
    ///   (RFC 6455, section 4.2.1) and is answered with 101.
    /// - HTTP/2 and HTTP/3 have `:scheme`. A handshake is a CONNECT with the `:protocol` `websocket`
    ///   (RFC 8441, section 5) and is answered with 200. A `Sec-WebSocket-Key` means nothing there.
    ///   If your HTTP implementation does not reject a request without a scheme itself, refuse it when
    ///   [`scheme`](Self::scheme) returns `None`: the list alone is one of HTTP/1.1.
    ///
    /// [`Config::max_head_size`] and [`Config::max_headers`] limit what is kept of the list.
    ///
    /// ```
    /// use sansocket::{Config, Request};
    ///
    /// let list = [
    ///     (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
    ///     (":authority", "example.com"), (":path", "/chat"),
    ///     ("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat"),
    /// ];
    /// let mut request = Request::read(list, &Config::default());
    /// request.select_subprotocol(&["chat"]);
    /// let (response, ws) = request.answer()?;
    /// assert_eq!(response.status, 200);
    /// assert_eq!(response.headers.get("sec-websocket-protocol"), Some("chat"));
    /// assert!(ws.is_open());
    ///
    /// let list = [
    ///     (":method", "GET"), (":path", "/chat"), ("host", "example.com"),
    ///     ("upgrade", "websocket"), ("connection", "Upgrade"),
    ///     ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    /// ];
    /// let (response, ws) = Request::read(list, &Config::default()).answer()?;
    /// assert_eq!(response.status, 101);
    /// let accept = response.headers.get("sec-websocket-accept");
    /// assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    /// # Ok::<(), sansocket::HandshakeError>(())
    /// ```
    #[must_use]
    pub fn read(
        headers: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
        config: &Config,
    ) -> Self {
        let (list, result) = HeaderList::read(headers, Kind::Request, Limits::new(config));
        Self::of_list(list, result, 1, config)
    }

    /// `read` says what is wrong with the list itself; `minor` is that of HTTP/1.x, if it is that.
    pub(super) fn of_list(
        mut list: HeaderList,
        read: Result<(), HandshakeError>,
        minor: u8,
        config: &Config,
    ) -> Self {
        let read = read.and_then(|()| check_pseudo_headers(&list));
        // Whatever is wrong, the application may log what was sent.
        let headers = &mut list.headers;
        let authority = list.authority.map(|text| headers.keep(&text));
        let target = list.path.map(|text| headers.keep(&text));
        let protocol = list.protocol.map(|text| headers.keep(&text));
        let version = match list.scheme {
            Some(scheme) => Version::Multiplexed {
                scheme: headers.keep(&scheme),
                protocol,
            },
            None => Version::Http1 { minor },
        };
        let method = list.method.unwrap_or_default();
        let start = Start {
            method: match &*method {
                "GET" => Cow::Borrowed("GET"),
                "CONNECT" => Cow::Borrowed("CONNECT"),
                _ => Cow::Owned(method.into()),
            },
            // A plain CONNECT has no path.
            target: target.or_else(|| authority.clone()).unwrap_or_default(),
            version,
        };
        let (mut request, rules) = (
            Self::new(start, list.headers, config.settings),
            Rules::new(config),
        );
        let checked = read.and_then(|()| {
            let mut fields = RequestFields::read(request.headers());
            well_formed(&mut request, &mut fields, authority, false)?;
            rules.check(&mut request, &mut fields)
        });
        request.parts().error = checked.err();
        request
    }
}

/// RFC 9113, section 8.3.1, and RFC 8441, section 4: which there must be, and what they may say.
fn check_pseudo_headers(list: &HeaderList) -> Result<(), HandshakeError> {
    let is_wrong = |name: &str| Err(HandshakeError::PseudoHeader(name.into()));
    let Some(method) = list.method.as_deref().filter(|m| is_token(m.as_bytes())) else {
        return is_wrong(":method");
    };
    match (list.scheme.as_deref(), list.protocol.as_deref()) {
        (None, None) => {}
        (Some(scheme), _) if !matches!(scheme, "http" | "https") => return is_wrong(":scheme"),
        (Some(_), None) if method != "CONNECT" => {}
        // A CONNECT without `:protocol` has no scheme.
        (Some(_), None) | (None, Some(_)) => return is_wrong(":scheme"),
        (Some(_), Some(_)) if method != "CONNECT" => return is_wrong(":method"),
        (Some(_), Some(protocol)) if !is_token(protocol.as_bytes()) => {
            return is_wrong(":protocol");
        }
        (Some(_), Some(_)) if list.authority.is_none() => return is_wrong(":authority"),
        (Some(_), Some(_)) => {}
    }
    let is_plain_connect = method == "CONNECT" && list.protocol.is_none();
    match &list.path {
        Some(path) if !is_plain_connect => path_form(method, path).map(drop)?,
        None if is_plain_connect => {}
        _ => return is_wrong(":path"),
    }
    match list.authority.as_deref().map(Authority::parse) {
        Some(Err(_)) => is_wrong(":authority"),
        Some(Ok(Authority { port: None, .. })) | None if is_plain_connect => is_wrong(":authority"),
        _ => Ok(()),
    }
}
