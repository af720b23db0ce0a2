//! For those who know tokio-tungstenite: each call, and what it is here.
//!
//! Invariant: documentation only; its code is compiled.
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use tokio::net::TcpStream;
//! use tokio_sansocket::{Error, Message, Options, accept};
//!
//! // Stream and Sink are there, so a loop moves over as it is.
//! async fn serve(stream: TcpStream) -> Result<(), Error> {
//!     let ws = accept(stream, &Options::default(), Ok).await?;
//!     let (mut write, mut read) = {
//!         let (read, write) = ws.split(); // an inherent method: the reader comes first
//!         (write, read)
//!     };
//!     while let Some(message) = read.next().await {
//!         match message? {
//!             message @ (Message::Text(_) | Message::Binary(_)) => {
//!                 SinkExt::send(&mut write, message).await?;
//!             }
//!             _ => {} // Pings and Closes are answered, and not shown
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! | tokio-tungstenite | tokio-sansocket |
//! |---|---|
//! | `accept_async(stream)` | [`accept(stream, &options, Ok)`](crate::accept()); the origin is checked: the default lets in web pages of the same host only ([`Config::origins`](sansocket::Config::origins)) |
//! | `accept_hdr_async(stream, callback)` | [`accept(stream, &options, decide)`](crate::accept()), and [`accept_async`](crate::accept_async) if deciding takes time |
//! | `accept_async_with_config(stream, config)` | the same `accept`: everything is in [`Options`](crate::Options) |
//! | `connect_async(request)` | [`connect(uri or request, &options)`](crate::connect()); all addresses of the host are raced, `TCP_NODELAY` is set, the roots are read once |
//! | `connect_async_tls_with_config(…, connector)` | the same, with [`Options::tls`](crate::Options#structfield.tls); the features `rustls-tls-native-roots` and `rustls-tls-webpki-roots` are `rustls-native-roots` and `rustls-webpki-roots` |
//! | a proxy of your own below `client_async` | [`Options::proxy`](crate::Options#structfield.proxy) |
//! | `client_async(request, stream)` | [`client(stream, &request, &options)`](crate::client()) |
//! | `WebSocketStream::from_raw_socket`, `from_partially_read` | [`from_upgraded`](crate::from_upgraded) |
//! | `WebSocketStream<MaybeTlsStream<TcpStream>>` | [`WebSocket<MaybeTls>`](crate::MaybeTls) from `connect`; else [`WebSocket<S>`](crate::WebSocket), `S` being your stream |
//! | `ws.next().await`: `Option<Result<Message, Error>>` | the same; or [`ws.recv().await?`](crate::WebSocket::recv): `Option<Message>` |
//! | `ws.send(message).await` | the same, also of `"text"`, `Vec<u8>`, `Bytes`, `Prepared`: [`send`](crate::WebSocket::send) |
//! | `ws.feed(message)` then `ws.flush()` | `send` alone: what one wake-up sends is one write |
//! | `ws.flush().await`, which is needed | [`flush`](crate::WebSocket::flush), which only waits: everything is written without it |
//! | `StreamExt::split`: `(SplitSink, SplitStream)` | [`ws.split()`](crate::WebSocket::split): `(ReadHalf, WriteHalf)`; no lock is held over an await, and each half keeps both directions alive |
//! | `split` and a task that reads an `mpsc` channel | [`ws.sender()`](crate::WebSocket::sender): no channel, no task, and a bound in bytes |
//! | a `Message` cloned for each of many | [`Prepared`](sansocket::Prepared): framed and compressed once |
//! | `ws.close(Some(frame)).await` | [`ws.close(code, reason).await`](crate::WebSocket::close), which waits for the end and returns how it ended |
//! | `Message::Text(Utf8Bytes)`, `Binary(Bytes)` | [`Message::Text(Utf8)`](crate::Message), `Binary(Bytes)` |
//! | `Message::Ping`, `Pong`, `Close` are received | only with [`Options::show_control`](crate::Options::show_control); they are answered in any case |
//! | `Message::Frame` | none; [`send_piece`](crate::WebSocket::send_piece) and [`Deliver::Pieces`](sansocket::Deliver::Pieces) for fragments, `sansocket::frame` for tools |
//! | `Error::ConnectionClosed`, `AlreadyClosed` | no error: receiving ends with `None`. Sending fails with [`Error::Send`](crate::Error::Send) or [`Error::Ended`](crate::Error::Ended) |
//! | `Error::Io`, `Error::Protocol`, `Error::Capacity` | [`Error::Ended`](crate::Error::Ended): its `end` says by whom and with which code, its `transport` what the stream reported |
//! | `Error::WriteBufferFull` | never: `send` waits; [`Sender::try_send`](crate::Sender::try_send) returns `false` |
//! | `max_message_size`, `max_frame_size` | [`Settings::max_message_size`](sansocket::Settings::max_message_size), over all fragments, 16 MiB |
//! | `max_write_buffer_size`, `write_buffer_size` | [`Options::high_water`](crate::Options::high_water), 64 KiB |
//! | `read_buffer_size`, for each connection | [`Options::max_read`](crate::Options::max_read); buffers are shared, an idle connection has none |
//! | `accept_unmasked_frames` | none: RFC 6455, section 5.1, forbids it |
//! | a task of your own that sends Pings and watches for Pongs | [`Times`](sansocket::Times): keepalive is on; [`latency`](crate::WebSocket::latency) |
//! | timeouts around `accept_async`, `send`, `close` | [`Times`](sansocket::Times): `handshake`, `write`, `close` |
//! | compression: none | [`Config::deflate`](sansocket::Config) |
//!
//! # What to look out for
//!
//! - [`WebSocket::split`](crate::WebSocket::split) shadows `StreamExt::split`. The latter works too, but
//!   holds one message back, and so writes more often.
//! - `SinkExt::flush` and `SinkExt::send` return when the bytes are sure to be written. To know that the
//!   transport has them, call the inherent `flush`.
//! - A `WebSocket` that is dropped ends the connection without a Close frame, once what was sent is
//!   written. Call `close` first.
//! - Senders do not keep the connection open.
