//! A login by cookie: who has it may pass.
//!
//! Invariant: a request without the cookie goes no further than here, whatever it asks for.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::Result;
use std::fmt::Write;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio_sansocket::sansocket::seed;

/// The one user, and the session of this run. An app of yours has users, and sessions that end.
pub(crate) struct Login {
    password: String,
    /// 256 random bits in hexadecimal.
    session: String,
    is_tls: bool,
}

impl Login {
    pub(crate) fn new(password: String, is_tls: bool) -> Result<Self> {
        let mut session = String::new();
        for byte in seed()? {
            write!(session, "{byte:02x}")?;
        }
        Ok(Self {
            password,
            session,
            is_tls,
        })
    }
}

/// `POST /login`, with the password as the body: answers with the cookie.
pub(crate) async fn login(State(login): State<Arc<Login>>, password: String) -> Response {
    if !is_same(password.trim_end(), &login.password) {
        return (
            StatusCode::UNAUTHORIZED,
            "wrong password: it is the body, and nothing else\n",
        )
            .into_response();
    }
    let secure = if login.is_tls { "; Secure" } else { "" };
    let session = &login.session;
    let cookie = format!("session={session}; Path=/; HttpOnly; SameSite=Strict{secure}");
    ([(SET_COOKIE, cookie)], "welcome\n").into_response()
}

/// Lets a request pass that has the cookie. Others get 401 before anything is upgraded.
pub(crate) async fn required(
    State(login): State<Arc<Login>>,
    request: Request,
    next: Next,
) -> Response {
    // HTTP/2 may send each cookie as a field of its own (RFC 9113, section 8.2.3).
    let fields = request.headers().get_all(COOKIE).iter();
    let cookies = fields.filter_map(|field| field.to_str().ok());
    let mut cookies = cookies.flat_map(|field| field.split(';'));
    let is_known = cookies.any(|cookie| {
        let session = cookie.trim().strip_prefix("session=");
        session.is_some_and(|session| is_same(session, &login.session))
    });
    match is_known {
        true => next.run(request).await,
        false => (
            StatusCode::UNAUTHORIZED,
            "log in first: POST the password to /login\n",
        )
            .into_response(),
    }
}

/// Takes a time that does not tell where they differ.
fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
