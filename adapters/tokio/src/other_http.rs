//! Where hyper or axum speaks HTTP: servers and a client, each complete, with the feature `http`.
//!
//! Invariant: each is at most 40 lines without its loop, and runs as it stands.
//!
//! The core makes every check of the opening handshake; hyper reads and writes the heads, and then hands over the
//! stream, in which is also what it has read too much. permessage-deflate and the policy for origins are settings of
//! [`Options::config`](crate::Options::config).
//!
//! ```toml
//! tokio-sansocket = { version = "0.1", features = ["http"] }
//! bytes = "1"
//! hyper = { version = "1", features = ["http1"] } # and "client", "server" without axum
//! hyper-util = { version = "0.1", features = ["tokio"] } # `TokioIo`: hyper's streams in the traits of tokio
//! http-body-util = "0.1" # only for hyper without axum
//! ```
//!
//! # axum
//!
//! Routing comes first: whoever refuses a request before the handler, for a cookie or a path, opens nothing. HTTP/2 needs
//! the `:protocol` besides, which is in `examples/axum_app`: a program with a page, a health check, a login and TLS.
//!
//! ```
//! use axum::extract::{Request, State};
//! use axum::{Router, response::Response, routing::any};
//! use bytes::BytesMut;
//! use hyper_util::rt::TokioIo;
//! use std::{io, sync::Arc};
//! use tokio_sansocket::sansocket::{self, Deflate, OriginPolicy};
//! use tokio_sansocket::{Error, Options, Transport, WebSocket, from_upgraded};
//!
//! async fn handler(State(options): State<Arc<Options>>, http: Request) -> Response {
//!     let mut request = sansocket::Request::from_http(&http, None, &options.config);
//!     request.select_subprotocol(&["echo"]);
//!     let (response, connection) = match request.answer() {
//!         Ok(opened) => opened,
//!         Err(error) => return sansocket::Response::from(&error).into(),
//!     };
//!     tokio::spawn(async move {
//!         // Ready once axum has sent the response.
//!         let stream = hyper::upgrade::on(http).await.map_err(io::Error::other)?;
//!         echo(from_upgraded(TokioIo::new(stream), connection, &options, BytesMut::new())).await
//!     });
//!     response.into()
//! }
//!
//! async fn echo<S: Transport>(mut ws: WebSocket<S>) -> Result<(), Error> {
//!     while let Some(message) = ws.recv().await? {
//!         ws.send(message).await?;
//!     }
//!     Ok(())
//! }
//!
//! fn app() -> Router {
//!     let mut options = Options::default();
//!     options.config.deflate = Some(Deflate::default());
//!     options.config.origins = OriginPolicy::list(["https://example.com"]);
//!     Router::new().route("/ws", any(handler)).with_state(Arc::new(options))
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! #     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! #     let address = listener.local_addr().unwrap();
//! #     tokio::spawn(async move { axum::serve(listener, app()).await });
//! #     let mut options = Options::default();
//! #     options.config.deflate = Some(Deflate::default());
//! #     let request = sansocket::ClientRequest::new(&format!("ws://{address}/ws")).unwrap();
//! #     let request = request.subprotocol("echo").unwrap();
//! #     let evil = request.clone().origin("https://evil.example").unwrap();
//! #     let request = request.origin("https://example.com").unwrap();
//! #     let open = async |request| {
//! #         let stream = tokio::net::TcpStream::connect(address).await.unwrap();
//! #         tokio_sansocket::client(stream, request, &options).await
//! #     };
//! #     let (mut ws, response) = open(&request).await.unwrap();
//! #     assert_eq!(response.subprotocol(), Some("echo"));
//! #     assert_eq!(response.headers.get("sec-websocket-extensions"), Some("permessage-deflate"));
//! #     ws.send("hello").await.unwrap();
//! #     assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
//! #     assert!(open(&evil).await.unwrap_err().to_string().contains("403"));
//! # }
//! ```
//!
//! # hyper
//!
//! A server and a client without a framework; the client runs over any stream, such as one of TLS.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use http_body_util::Full;
//! use hyper::{Request, Response, body::Incoming, service::service_fn, upgrade};
//! use hyper_util::rt::{TokioIo, TokioTimer};
//! use std::{convert::Infallible, io, sync::Arc};
//! use tokio::net::TcpStream;
//! use tokio_sansocket::sansocket::{self, ClientRequest, Offer, seed};
//! use tokio_sansocket::{Error, Options, Transport, WebSocket, from_upgraded};
//!
//! async fn serve(tcp: TcpStream, options: Arc<Options>) -> hyper::Result<()> {
//!     let time = options.config.times.handshake;
//!     let answer = service_fn(move |http| {
//!         let response = answer(http, options.clone());
//!         async { Ok::<_, Infallible>(response) }
//!     });
//!     let mut server = hyper::server::conn::http1::Builder::new();
//!     server.timer(TokioTimer::new()).header_read_timeout(time);
//!     server.serve_connection(TokioIo::new(tcp), answer).with_upgrades().await
//! }
//!
//! fn answer(http: Request<Incoming>, options: Arc<Options>) -> Response<Full<Bytes>> {
//!     let mut request = sansocket::Request::from_http(&http, None, &options.config);
//!     request.select_subprotocol(&["echo"]);
//!     let (response, connection) = match request.answer() {
//!         Ok(opened) => opened,
//!         Err(error) => return sansocket::Response::from(&error).into(),
//!     };
//!     tokio::spawn(async move {
//!         let stream = upgrade::on(http).await.map_err(io::Error::other)?;
//!         echo(from_upgraded(TokioIo::new(stream), connection, &options, BytesMut::new())).await
//!     });
//!     response.into()
//! }
//! # async fn echo<S: Transport>(mut ws: WebSocket<S>) -> Result<(), Error> {
//! #     while let Some(message) = ws.recv().await? {
//! #         ws.send(message).await?;
//! #     }
//! #     Ok(())
//! # }
//!
//! async fn connect(
//!     stream: TcpStream,
//!     request: &ClientRequest,
//!     options: &Options,
//! ) -> Result<WebSocket<TokioIo<upgrade::Upgraded>>, Box<dyn std::error::Error>> {
//!     let (mut http, connection) =
//!         hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
//!     tokio::spawn(connection.with_upgrades());
//!     let offer = Offer::upgrade(request, &options.config, seed()?);
//!     let response = http.send_request(offer.to_http::<Full<Bytes>>()?).await?;
//!     let (_, connection) = offer.check(response.status().as_u16(), response.headers())?;
//!     let stream = TokioIo::new(upgrade::on(response).await?);
//!     Ok(from_upgraded(stream, connection, options, BytesMut::new()))
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! #     use tokio_sansocket::sansocket::{Deflate, HandshakeError, OriginPolicy};
//! #     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! #     let address = listener.local_addr().unwrap();
//! #     let mut options = Options::default();
//! #     options.config.deflate = Some(Deflate::default());
//! #     options.config.origins = OriginPolicy::list(["https://example.com"]);
//! #     let options = Arc::new(options);
//! #     let of_server = options.clone();
//! #     tokio::spawn(async move {
//! #         loop {
//! #             let (tcp, _) = listener.accept().await.unwrap();
//! #             tokio::spawn(serve(tcp, of_server.clone()));
//! #         }
//! #     });
//! #     let request = ClientRequest::new(&format!("ws://{address}/ws")).unwrap();
//! #     let request = request.subprotocol("echo").unwrap();
//! #     let evil = request.clone().origin("https://evil.example").unwrap();
//! #     let request = request.origin("https://example.com").unwrap();
//! #     let open = async |request| {
//! #         connect(TcpStream::connect(address).await.unwrap(), request, &options).await
//! #     };
//! #     let mut ws = open(&request).await.unwrap();
//! #     ws.send("hello").await.unwrap();
//! #     assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("hello"));
//! #     let refused = open(&evil).await.unwrap_err();
//! #     let refused = refused.downcast_ref::<HandshakeError>();
//! #     assert!(matches!(refused, Some(HandshakeError::Refused(r)) if r.status == 403));
//! # }
//! ```
