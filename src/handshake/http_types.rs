//! From and to the types of the crate `http`.
//!
//! Invariant: heads are judged as header lists, by the same rules as all others.

use super::client_request::ClientRequest;
use super::config::Config;
use super::error::HandshakeError;
use super::header_list::{HeaderList, Kind, Limits};
use super::headers::Headers;
use super::offer::Offer;
use super::request::Request;
use super::response::Response;
use super::setup_error::SetupError;
use alloc::string::ToString;
use alloc::vec::Vec;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};

impl Request {
    /// Reads a request of hyper, axum, h2 or h3, and makes every check of an opening handshake, as
    /// [`read`](Self::read) does.
    ///
    /// `protocol` is what the HTTP implementation found in `:protocol` (RFC 8441, section 4), and
    /// `None` over HTTP/1.1. Each has a type of its own for it among the request's extensions:
    /// `hyper::ext::Protocol`, `h2::ext::Protocol`, `h3::ext::Protocol`.
    ///
    /// ```
    /// use http::Response;
    /// use sansocket::{Config, Connection, Request};
    ///
    /// /// The response to send, and the connection that it opens.
    /// fn answer<B>(
    ///     http: &http::Request<B>,
    ///     protocol: Option<&str>, // http.extensions().get::<hyper::ext::Protocol>() …
    ///     config: &Config,
    /// ) -> (Response<Vec<u8>>, Option<Connection>) {
    ///     let mut request = Request::from_http(http, protocol, config);
    ///     request.select_subprotocol(&["chat"]);
    ///     match request.answer() {
    ///         Ok((response, connection)) => (response.into(), Some(connection)),
    ///         Err(error) => (sansocket::Response::from(&error).into(), None),
    ///     }
    /// }
    /// # let request = http::Request::get("/").header("host", "a").body(()).unwrap();
    /// # let (response, connection) = answer(&request, None, &Config::default());
    /// # assert!(response.status() == 426 && connection.is_none());
    /// ```
    #[must_use]
    pub fn from_http<B>(
        request: &http::Request<B>,
        protocol: Option<&str>,
        config: &Config,
    ) -> Self {
        let (uri, version) = (request.uri(), request.version());
        // HTTP/1.1 may name a scheme in its target, too: there it means nothing.
        let scheme = uri.scheme_str().filter(|_| version > Version::HTTP_11);
        let pseudo_headers = [
            (":method", Some(request.method().as_str())),
            (":scheme", scheme),
            (
                ":authority",
                uri.authority().map(|authority| authority.as_str()),
            ),
            (":path", uri.path_and_query().map(|path| path.as_str())),
            (":protocol", protocol),
        ];
        let pseudo_headers = pseudo_headers.into_iter().filter_map(|(name, value)| {
            let value = value?;
            Some((name.as_bytes(), value.as_bytes()))
        });
        let fields = request.headers().iter();
        let fields = fields.map(|(name, value)| (name.as_ref(), value.as_bytes()));
        let list = pseudo_headers.chain(fields);
        let (list, read) = HeaderList::read(list, Kind::Request, Limits::new(config));
        // Without a scheme it would pass for one of HTTP/1.1. Only a plain CONNECT has none (RFC 9113,
        // section 8.5), which opens nothing.
        let lacks_scheme = version > Version::HTTP_11
            && list.scheme.is_none()
            && *request.method() != Method::CONNECT;
        let read = read.and_then(|()| match lacks_scheme {
            true => Err(HandshakeError::PseudoHeader(":scheme".into())),
            false => Ok(()),
        });
        let minor = u8::from(version >= Version::HTTP_11);
        Self::of_list(list, read, minor, config)
    }
}

impl Offer {
    /// Returns the request to send with hyper, h2 or h3.
    ///
    /// Over HTTP/1.1 its URI is the path alone and its `Host` is set, as a connection of
    /// `hyper::client::conn` wants it. Over HTTP/2 and HTTP/3 the URI is complete; add the `:protocol`
    /// `websocket` in the type of the implementation (`h2::ext::Protocol` …) to its extensions.
    ///
    /// ```
    /// # use sansocket::{ClientRequest, Config, Offer};
    /// let request = ClientRequest::new("wss://example.com/chat")?;
    /// let offer = Offer::upgrade(&request, &Config::default(), [7; 32]); // `seed()`
    /// let http: http::Request<String> = offer.to_http()?; // any body with a default, which is none
    /// assert!(http.uri() == "/chat" && http.headers()["host"] == "example.com");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`http::Error`] if the URI is longer than 65,534 bytes, or its host has a percent sign: that
    /// crate takes neither.
    pub fn to_http<B: Default>(&self) -> Result<http::Request<B>, http::Error> {
        let headers = self.headers();
        let pseudo_header = |name| headers.get(name).unwrap_or_default();
        let uri = Uri::builder().path_and_query(pseudo_header(":path"));
        let (uri, version) = match headers.get(":authority") {
            None => (uri, Version::HTTP_11),
            Some(authority) => {
                let scheme = pseudo_header(":scheme");
                (uri.authority(authority).scheme(scheme), Version::HTTP_2)
            }
        };
        let mut request = http::Request::builder()
            .method(pseudo_header(":method"))
            .uri(uri.build()?)
            .version(version)
            .body(B::default())?;
        *request.headers_mut() = headers.into();
        Ok(request)
    }
}

impl<B: From<Vec<u8>>> From<Response> for http::Response<B> {
    /// The response for another HTTP implementation to send. Fields that say where the body ends,
    /// and whether the transport is used again, are left to that.
    fn from(response: Response) -> Self {
        let status = StatusCode::from_u16(response.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::from(&response.headers);
        for name in [
            "content-length",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
        ] {
            headers.remove(name);
        }
        if matches!(response.status, 101 | 426) {
            // RFC 9110, section 7.8: `Upgrade` does not come without it.
            let _ = headers.try_insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        } else {
            headers.remove(CONNECTION);
        }
        if !response.body.is_empty() {
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            if let Ok(field) = headers.try_entry(CONTENT_TYPE) {
                field.or_insert(text);
            }
        }
        let mut converted = Self::new(response.body.into());
        *converted.status_mut() = status;
        *converted.headers_mut() = headers;
        converted
    }
}

impl<B: AsRef<[u8]>> From<&http::Response<B>> for Response {
    /// A response that another HTTP implementation has received, with its complete body.
    ///
    /// ```
    /// use sansocket::{Backoff, End, HandshakeError, Response};
    /// use std::time::Duration;
    ///
    /// let busy = http::Response::builder().status(503).header("Retry-After", "7").body("");
    /// let refused = HandshakeError::Refused(Box::new(Response::from(&busy?)));
    /// let mut backoff = Backoff::new([7; 32]); // `seed()`
    /// let wait = backoff.after(&End::Refused(refused), Duration::ZERO);
    /// assert!(wait >= Some(Duration::from_secs(7)));
    /// # Ok::<(), http::Error>(())
    /// ```
    fn from(response: &http::Response<B>) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().into(),
            body: response.body().as_ref().into(),
            is_complete: true,
        }
    }
}

impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Self {
        let mut headers = Self::new();
        for (name, value) in map {
            headers.push_checked(name.as_str(), value.as_bytes());
        }
        headers
    }
}

impl From<&Headers> for HeaderMap {
    /// Without what the crate `http` does not take: pseudo-headers, names longer than 64 KiB, and new names
    /// when there are 24,576.
    fn from(headers: &Headers) -> Self {
        let fields = headers.iter().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        });
        let mut map = Self::new();
        for (name, value) in fields {
            let _ = map.try_append(name, value); // `append` panics
        }
        map
    }
}

impl TryFrom<&Uri> for ClientRequest {
    type Error = SetupError;

    fn try_from(uri: &Uri) -> Result<Self, SetupError> {
        Self::new(&uri.to_string())
    }
}
