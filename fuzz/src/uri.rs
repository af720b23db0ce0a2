//! URIs (RFC 6455, section 3) and redirects (RFC 9110, section 15.4).
//!
//! Invariant: what is taken has one normal form, fits into a head, and leaves no secret to another origin.

use crate::heads::request as head;
use crate::opening::start;
use crate::script::Script;
use bytes::BytesMut;
use sansocket::{ClientRequest, Config, Endpoint, Event, Input, Response, Tunnel};
use std::time::Duration;

/// A URI, and on a second line a place to redirect to.
pub fn uri(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (uri, location) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(request) = ClientRequest::new(uri) else {
        return;
    };
    is_sound(&request, uri.len());
    let request = request.header("Cookie", "sesame").expect("a good field");
    let request = request.bearer("sesame").expect("a token");
    let Ok(response) = Response::new(script.one_of(&[302, 301, 308])).header("Location", location)
    else {
        return;
    };
    let Ok(to) = request.redirected(&response) else {
        return;
    };
    is_sound(&to, uri.len() + location.len());
    assert!(
        to.is_secure() || !request.is_secure(),
        "never from `wss` to `ws`"
    );
    let origin = |request: &ClientRequest| {
        (
            request.is_secure(),
            request.host().to_string(),
            request.port(),
        )
    };
    let mut out = BytesMut::new();
    start(&to, &Config::default(), &mut out);
    let has_secret = out.windows(6).any(|part| part == b"sesame");
    assert_eq!(has_secret, origin(&to) == origin(&request) || uri_has(&to));
    if let Some(userinfo) = to.userinfo() {
        assert!(origin(&to) == origin(&request) || location.contains(userinfo));
    }
}

/// The word may stand in the URI as well.
fn uri_has(request: &ClientRequest) -> bool {
    request.uri().contains("sesame")
}

fn is_sound(request: &ClientRequest, len: usize) {
    let again = ClientRequest::new(request.uri()).expect("the normal form is a URI");
    assert_eq!(again.uri(), request.uri(), "one normal form");
    assert_eq!(again.userinfo(), None);
    assert_eq!(
        (
            again.is_secure(),
            again.host(),
            again.port(),
            again.authority()
        ),
        (
            request.is_secure(),
            request.host(),
            request.port(),
            request.authority()
        )
    );
    assert!(!request.host().is_empty() && request.port() > 0 || request.uri().contains(":0"));
    // IDNA maps characters to longer ones; each byte is encoded in three.
    assert!(
        request.uri().len() <= 20 * len + 20,
        "{} of {len}",
        request.uri().len()
    );

    let (mut out, config) = (BytesMut::new(), Config::default());
    start(request, &config, &mut out);
    let (method, target, all) = head(&out);
    assert_eq!((&*method, all), ("GET", out.len()));
    assert!(request.uri().ends_with(&target));
    // Our own server takes it, if it is not too long.
    let mut server = Endpoint::server(&config, Duration::ZERO);
    let event = server.receive(&mut Input(&mut out), Duration::ZERO, &mut BytesMut::new());
    match event {
        Some(Event::Request(taken)) => {
            assert_eq!(
                (taken.target(), taken.host()),
                (&*target, request.authority())
            );
        }
        event => assert!(all > 8_000, "{event:?}"),
    }
    let mut out = BytesMut::new();
    let tunnel = Tunnel::new(request, Some(("me", "pw")), &config, &mut out);
    assert!(tunnel.is_ok());
    let (method, target, all) = head(&out);
    assert_eq!((&*method, all), ("CONNECT", out.len()));
    let (_, port) = target.rsplit_once(':').expect("a port");
    assert_eq!(port.parse(), Ok(request.port()));
}
