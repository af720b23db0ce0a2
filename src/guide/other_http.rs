//! Where other software speaks HTTP: hyper, axum, h2, h3, or a proxy's own parser.
//!
//! Invariant: every check of the opening handshake is made here, and none is left to the caller.
//!
//! A server hands over the head of a request and gets the response and the open connection. A client
//! gets the headers to send and hands over the response. One call each way:
//!
//! | | server | client |
//! |---|---|---|
//! | a list of headers | [`Request::read`], [`Request::answer`] | [`Offer::headers`], [`Offer::check`] |
//! | types of the crate `http` (feature `http`) | `Request::from_http`, `Request::answer` | `Offer::to_http`, [`Offer::check`] |
//!
//! # A server
//!
//! The whole handshake, with permessage-deflate, a subprotocol and the policy for origins in `config`:
//!
//! ```
//! # #[cfg(feature = "http")] {
//! use sansocket::{Config, Endpoint, Request};
//! use std::time::Duration;
//!
//! /// The response to send, and the WebSocket that it opens.
//! fn upgrade<B, C: From<Vec<u8>>>(
//!     http: &http::Request<B>,
//!     protocol: Option<&str>, // of HTTP/2 and HTTP/3: http.extensions().get::<hyper::ext::Protocol>()
//!     config: &Config,
//! ) -> (http::Response<C>, Option<Endpoint>) {
//!     let mut request = Request::from_http(http, protocol, config);
//!     request.select_subprotocol(&["chat"]);
//!     match request.answer() {
//!         Ok((response, connection)) => {
//!             let ws = Endpoint::open(connection, config, Duration::ZERO);
//!             (response.into(), Some(ws))
//!         }
//!         Err(error) => (sansocket::Response::from(&error).into(), None),
//!     }
//! }
//! # let mut request = http::Request::get("/chat").body(()).unwrap();
//! # for (name, value) in [
//! #     ("host", "example.com"), ("upgrade", "websocket"), ("connection", "Upgrade"),
//! #     ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
//! #     ("sec-websocket-protocol", "x, chat"),
//! # ] {
//! #     request.headers_mut().insert(name, http::HeaderValue::from_static(value));
//! # }
//! # let (response, ws) = upgrade::<_, Vec<u8>>(&request, None, &Config::default());
//! # assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
//! # assert!(ws.is_some_and(|ws| ws.is_open()));
//! # }
//! ```
//!
//! With axum and hyper, take `hyper::upgrade::on(&mut http)` before you return the response; the stream
//! that it yields is the transport, wrapped in `hyper_util::rt::TokioIo` for tokio. `from_upgraded` of the
//! package `tokio-sansocket` drives it; its page `other_http` has complete programs: a handler for axum, and a server
//! and a client on plain hyper. Routing comes first: whoever refuses a request before `answer`, for a cookie or a path,
//! opens nothing.
//!
//! A handshake that fails a check has an [`error`](crate::Request::error); the response made of it has the
//! right status and fields: 426 with `Upgrade` over HTTP/1.1, 501 for an unknown `:protocol`, 403 for an
//! origin.
//!
//! # A client
//!
//! ```
//! use sansocket::{ClientRequest, Config, Connection, HandshakeError, Offer};
//!
//! /// `exchange` sends a list of headers and returns status and headers of the final response.
//! fn connect(
//!     request: &ClientRequest,
//!     config: &Config,
//!     seed: [u8; 32], // `seed()`
//!     exchange: impl FnOnce(&sansocket::Headers) -> (u16, Vec<(String, String)>),
//! ) -> Result<Connection, HandshakeError> {
//!     let offer = Offer::upgrade(request, config, seed); // or `extended_connect`
//!     let (status, headers) = exchange(offer.headers());
//!     let (_response, connection) = offer.check(status, headers)?;
//!     Ok(connection)
//! }
//! # let request = ClientRequest::new("ws://example.com/").unwrap();
//! # let refused = connect(&request, &Config::default(), [7; 32], |_| (503, vec![]));
//! # assert!(matches!(refused, Err(HandshakeError::Refused(_))));
//! ```
//!
//! # A stream of HTTP/2 or HTTP/3 as the transport
//!
//! The bytes of the stream are the WebSocket; where they are cut into DATA frames means nothing. The
//! masking stays as it is (RFC 8441, section 5).
//!
//! | the endpoint | the stream |
//! |---|---|
//! | [`Tick::ShutDown`](crate::Tick) | send END_STREAM; over HTTP/3, finish the stream |
//! | [`Tick::Done`](crate::Tick) | END_STREAM, if it was not sent and the peer has sent it; else drop the stream: CANCEL, H3_REQUEST_CANCELLED |
//! | [`receive_eof`](crate::Endpoint::receive_eof) | END_STREAM, RST_STREAM or an error came, or the HTTP connection ended |
//! | [`wrote`](crate::Endpoint::wrote) | after as many bytes as flow control has room for |
//! | [`receive`](crate::Endpoint::receive) | then give the same number of bytes back to flow control |
//!
//! The repository has complete programs: `examples/axum_app` (axum and hyper, HTTP/1.1 and HTTP/2),
//! `examples/http2` (server and client on h2) and `examples/http3` (on quinn); `stream.rs` of the last
//! two is this table.
//!
//! Version 0.0.8 of the crate h3 rejects a `:protocol` of `websocket`, whoever sends it; its repository
//! has the fix. Until that is released, `examples/http3` has the part of HTTP/3 that it needs. It hands
//! the list on as it came, so it also rejects a list without `:scheme`, which is one of HTTP/1.1.
//!
//! [`Request::read`]: crate::Request::read
//! [`Request::answer`]: crate::Request::answer
//! [`Offer::headers`]: crate::Offer::headers
//! [`Offer::check`]: crate::Offer::check
