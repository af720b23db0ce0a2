//! HTTP: the page, logging in, and the opening handshake of the WebSocket.
//!
//! Invariant: nothing is upgraded without a good token; no connection that is not a WebSocket lasts.

use crate::limits;
use crate::login::{DAYS, Person, Tokens};
use crate::name::Name;
use crate::protocol::SUBPROTOCOL;
use crate::rooms::Rooms;
use crate::session;
use crate::storage::{Claim, random};
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, ORIGIN,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use bytes::BytesMut;
use common::{Result, Stop};
use hyper::server::conn::http1::Builder;
use hyper::upgrade::on;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_sansocket::sansocket::{self, Config, Deflate};
use tokio_sansocket::{Error, Options, from_upgraded};

/// What the page may do: load what this server serves, and nothing else. Text never becomes script, style or markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// What all requests share.
pub(crate) struct App {
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) tokens: Tokens,
    pub(crate) options: Options,
}

/// What a connection keeps as long as it is open.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) stop: Stop,
    pub(crate) _place: Arc<OwnedSemaphorePermit>,
}

/// The settings of every WebSocket.
pub(crate) fn options() -> Options {
    let mut config = Config::default();
    config.settings.max_message_size = limits::MESSAGE;
    let mut deflate = Deflate::default();
    // A message for a room is compressed once for all, and a connection that is idle has no window.
    deflate.server_no_context_takeover = true;
    deflate.client_no_context_takeover = true;
    config.deflate = Some(deflate);
    let mut options = Options::from(config);
    options.high_water = limits::QUEUE;
    options
}

/// Every path of the server.
pub(crate) fn app(app: App) -> Router {
    Router::new()
        .route(
            "/",
            get(async || file("text/html", include_str!("../page/index.html"))),
        )
        .route(
            "/style.css",
            get(async || file("text/css", include_str!("../page/style.css"))),
        )
        .route(
            "/icon.svg",
            get(async || file("image/svg+xml", include_str!("../page/icon.svg"))),
        )
        .route(
            "/main.js",
            get(async || script(include_str!("../page/main.js"))),
        )
        .route(
            "/connection.js",
            get(async || script(include_str!("../page/connection.js"))),
        )
        .route(
            "/rooms.js",
            get(async || script(include_str!("../page/rooms.js"))),
        )
        .route(
            "/view.js",
            get(async || script(include_str!("../page/view.js"))),
        )
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/me", get(me))
        .route("/ws", any(open))
        .layer(DefaultBodyLimit::max(1 << 10))
        .with_state(Arc::new(app))
}

/// Serves one connection, for a while, and the WebSocket if that is what it asks for.
pub(crate) async fn serve(tcp: TcpStream, app: Router, guest: Guest) -> Result<()> {
    let mut stop = guest.stop.clone();
    let app = TowerToHyperService::new(app.layer(Extension(guest)));
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP);
    let connection = builder.serve_connection(TokioIo::new(tcp), app);
    let mut connection = pin!(connection.with_upgrades());
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = sleep(limits::HTTP) => {}
        () = stop.stopped() => {}
    }
    // What is under way is still answered.
    connection.as_mut().graceful_shutdown();
    Ok(timeout(limits::HTTP, connection).await??)
}

fn script(text: &'static str) -> Response {
    file("text/javascript", text)
}

fn file(kind: &str, text: &'static str) -> Response {
    let fields: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, &format!("{kind}; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (fields, text).into_response()
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

#[derive(Serialize)]
struct Welcome<'a> {
    name: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

/// Gives a name, if nobody else has it. As it takes JSON only, no page of another site can call it.
async fn login(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Json(login): Json<Login>,
) -> Response {
    let Some(name) = Name::of_person(&login.name) else {
        let why = "A name has 1 to 32 letters, digits, spaces, and . - _ '";
        return (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
    };
    let known = who(&app, &headers).filter(|known| known.name.folded() == name.folded());
    let owner = known.map_or_else(random, |known| known.owner);
    match app.rooms.storage.claim(&name, &owner).await {
        Claim::Given => {}
        Claim::Taken => {
            let why = "Somebody has this name. Take another one.";
            return (StatusCode::CONFLICT, why).into_response();
        }
        Claim::Unavailable => {
            let why = "Nobody can log in at the moment. Try again soon.";
            return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
        }
    }
    let token = app.tokens.make(&Person {
        name: name.clone(),
        owner,
    });
    let cookie = cookie(&headers, &token, DAYS * 24 * 3600);
    let welcome = Welcome {
        name: &name,
        token: Some(&token),
    };
    ([(SET_COOKIE, cookie)], Json(welcome)).into_response()
}

/// Gives the name back.
async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let is_ours = app.options.config.origins.allows(
        field(&headers, ORIGIN),
        field(&headers, HOST).unwrap_or_default(),
    );
    let Some(person) = who(&app, &headers).filter(|_| is_ours) else {
        return unknown();
    };
    app.rooms.storage.release(&person.name, &person.owner).await;
    let cookie = cookie(&headers, "", 0);
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}

/// Who somebody is.
async fn me(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match who(&app, &headers) {
        Some(person) => {
            let welcome = Welcome {
                name: &person.name,
                token: None,
            };
            ([(CACHE_CONTROL, "no-store")], Json(welcome)).into_response()
        }
        None => unknown(),
    }
}

/// Opens the WebSocket, or says why not.
async fn open(
    State(app): State<Arc<App>>,
    Extension(guest): Extension<Guest>,
    http: Request,
) -> Response {
    let mut request = sansocket::Request::from_http(&http, None, &app.options.config);
    if let Some(error) = request.error() {
        eprintln!("refused: {error}");
        return sansocket::Response::from(error).into();
    }
    let Some(person) = who(&app, http.headers()) else {
        return unknown();
    };
    if request.select_subprotocol(&[SUBPROTOCOL]).is_none() {
        let why = "offer the subprotocol chat.v1\n";
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    match request.answer() {
        Ok((response, connection)) => {
            tokio::spawn(async move {
                let stream = TokioIo::new(on(http).await.map_err(std::io::Error::other)?);
                let ws = from_upgraded(stream, connection, &app.options, BytesMut::new());
                let _place = guest._place;
                session::serve(ws, person.name, app.rooms.clone(), guest.stop).await?;
                Ok::<_, Error>(())
            });
            response.into()
        }
        Err(error) => sansocket::Response::from(&error).into(),
    }
}

fn unknown() -> Response {
    (StatusCode::UNAUTHORIZED, "log in first\n").into_response()
}

/// Whose request it is: the token is in a cookie, or in `Authorization` for what is not a browser.
fn who(app: &App, headers: &HeaderMap) -> Option<Person> {
    let bearer = field(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let cookies = field(headers, COOKIE).unwrap_or_default().split(';');
    let mut tokens = cookies.filter_map(|cookie| cookie.trim().strip_prefix("chat="));
    app.tokens.check(bearer.or_else(|| tokens.next())?)
}

fn field(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Scripts cannot read it, other sites cannot send it. Behind TLS, which the page's origin tells, it goes over TLS only.
fn cookie(headers: &HeaderMap, token: &str, seconds: u64) -> String {
    let is_tls = field(headers, ORIGIN).is_some_and(|origin| origin.starts_with("https:"));
    let secure = if is_tls { "; Secure" } else { "" };
    format!("chat={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}
