//! A WebSocket in an axum app, beside a page, a health check and a login; plain, or with TLS and HTTP/2.
//!
//!     cargo run --release -p axum_app -- [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--same-origin] [--hurry N] [--tls [--cert FILE --key FILE | --write-ca FILE]]
//!
//! One port serves `/` (a page), `/health`, `/login`, `/ws` (an echo) and `/private` (an echo for those who have
//! logged in; others get 401, and no WebSocket). With TLS clients choose HTTP/2 by ALPN, and open WebSockets by extended
//! CONNECT (RFC 8441). Each WebSocket is a line on stderr. The body of `POST /login` is the password, and nothing else:
//!
//!     curl -i -d sesame http://127.0.0.1:9001/login                 # answers with the cookie: session=…
//!     cargo run --release -p client -- ws://127.0.0.1:9001/private --header 'Cookie: session=…'

mod http;
mod login;
mod ws;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Html;
use axum::routing::{any, get, post};
use common::Result;
use login::Login;
use std::sync::Arc;
use tokio_sansocket::Options;
use tokio_sansocket::sansocket::OriginPolicy;
use tokio_sansocket::tokio_rustls::TlsAcceptor;

const ABOUT: &str =
    "A WebSocket in an axum app: beside a page and a login, over HTTP/1.1 and HTTP/2";
const OPTIONS: &str =
    "      --tls                  Serve https and wss, with a certificate for localhost that is made now if none is given
      --cert <FILE>          The certificate and those that it depends on (PEM)
      --key <FILE>           The key of the certificate (PEM)
      --write-ca <FILE>      Save the certificate that is made, for a client to trust
      --password <PASSWORD>  What opens /private [default: sesame]
";

fn main() -> Result<()> {
    let mut server = common::server("axum_app", ABOUT, OPTIONS);
    server.path = "/ws";
    let tls = common::tls::config_if_wanted(&server.arguments)?;
    let options = Options::from(server.config.clone());
    let password = server.arguments.value("password");
    let login = Login::new(password.unwrap_or_else(|| "sesame".into()), tls.is_some())?;
    let app = app(options, login, tls.is_some());
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let tls = tls.map(|mut tls| {
        Arc::make_mut(&mut tls).alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(tls)
    });
    let (builder, time) = (http::builder(&server.config), server.config.times.handshake);
    common::serve_in_tasks(&server, scheme, move |tcp, stop| {
        http::serve(tcp, tls.clone(), builder.clone(), app.clone(), time, stop)
    })
}

/// Every path of the app.
fn app(mut open: Options, login: Login, is_tls: bool) -> Router {
    let mut private = open.clone();
    // A browser sends the cookie whatever page asks: only the app's own pages may use it.
    private.config.origins = OriginPolicy::default();
    if is_tls {
        // Pages that came without TLS may have been written by anybody on the way.
        open.config.origins = open.config.origins.https_only();
        private.config.origins = private.config.origins.https_only();
    }
    let login = Arc::new(login);
    Router::new()
        .route("/private", any(ws::handler).with_state(Arc::new(private)))
        // For what was added so far: no request without the cookie gets as far as the handler.
        .route_layer(from_fn_with_state(login.clone(), login::required))
        .route("/ws", any(ws::handler).with_state(Arc::new(open)))
        .route("/login", post(login::login).with_state(login))
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/health", get(async || "ok\n"))
}
