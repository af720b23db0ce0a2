//! CONNECT: a tunnel through a proxy.
//!
//! Invariant: the tunnel passes on exactly the bytes after the head, however they are cut.

use crate::support::strategies::cases;
use crate::support::*;
use HandshakeError as E;
use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    Backoff, ClientRequest, Config, End, FieldFault, HandshakeError, Input, LineFault, Tunnel,
};
use std::time::Duration;

fn asked(uri: &str, credentials: Option<(&str, &str)>) -> (Tunnel, String) {
    let (request, mut out) = (ClientRequest::new(uri).unwrap(), BytesMut::new());
    let request = request.header("Cookie", "sesame").unwrap();
    let tunnel = Tunnel::new(&request, credentials, &Config::default(), &mut out);
    (tunnel.unwrap(), String::from_utf8(out.to_vec()).unwrap())
}

/// The result of this response, and the bytes that came through the tunnel.
fn answered(
    response: &[u8],
    cuts: Cuts,
    config: &Config,
) -> (Option<Result<(), HandshakeError>>, Vec<u8>, Tunnel) {
    let mut out = BytesMut::new();
    let mut tunnel = Tunnel::new(&client_request(), None, config, &mut out).unwrap();
    let (mut result, mut rest) = (None, Vec::new());
    for mut piece in cuts.cut(response) {
        let mut input = Input(&mut piece);
        if !matches!(result, Some(Err(_))) {
            match tunnel.receive(&mut input) {
                Ok(false) => assert!(input.0.is_empty() && result.is_none()),
                Ok(true) => result = Some(Ok(())),
                Err(error) => {
                    assert!(
                        input.0.is_empty() && result.is_none(),
                        "nothing comes through"
                    );
                    result = Some(Err(error));
                }
            }
            rest.extend_from_slice(input.0);
        }
    }
    (result, rest, tunnel)
}

#[test]
fn the_proxy_is_asked_only_for_host_and_port() {
    for (uri, to) in [
        ("ws://Example.com/chat?sesame", "example.com:80"),
        ("wss://example.com", "example.com:443"),
        ("wss://example.com:80/", "example.com:80"),
        ("ws://[::1]/", "[::1]:80"),
        ("ws://[fe80::1%25eth0]:81/", "[fe80::1]:81"),
        ("ws://me:sesame@a/", "a:80"),
    ] {
        let (_, head) = asked(uri, None);
        let expected = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        assert_eq!(head, expected);
    }
    let (tunnel, head) = asked("wss://a/", Some(("Aladdin", "open sesame")));
    assert_eq!(
        head,
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    );
    assert!(!format!("{tunnel:?}").contains("QWx"), "a print shows none");
}

#[test]
fn any_2xx_opens_the_tunnel_and_what_follows_came_through_it() {
    let through = b"\x16\x03\x01HTTP/1.1 407 x\r\n\r\n\0";
    for head in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\n\r\n",
        "HTTP/1.1 299 \u{ff}\r\nVia: x\r\n\r\n",
        "\r\nHTTP/1.1 204 x\r\n\r\n",
        "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 x\r\n\r\n",
        // RFC 9110, section 9.3.6: these mean nothing here.
        "HTTP/1.1 200 x\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: x\r\n\r\n",
    ] {
        let response = [head.as_bytes(), through].concat();
        for cuts in Cuts::ALL {
            let (result, rest, mut tunnel) = answered(&response, cuts, &Config::default());
            assert_eq!(result, Some(Ok(())), "{head}");
            assert_eq!(rest, through, "{head}");
            let mut more = *b"more";
            let mut input = Input(&mut more);
            assert_eq!(tunnel.receive(&mut input), Ok(true));
            assert_eq!(input.0.len(), 4, "it takes nothing more");
        }
    }
}

#[test]
fn a_refusal_of_the_proxy_is_reported() {
    for (head, body, is_complete) in [
        ("HTTP/1.1 407 x\r\nContent-Length: 4\r\n", "body", true),
        (
            "HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n",
            "4\r\nbody\r\n0\r\n",
            true,
        ),
        ("HTTP/1.1 502 x\r\nContent-Length: 0\r\n", "", true),
        ("HTTP/1.1 304 x\r\n", "", true),
        (
            "HTTP/1.1 302 x\r\nLocation: http://login.test/\r\nContent-Length: 0\r\n",
            "",
            true,
        ),
        // No upgrade was asked for, so what follows is not HTTP.
        ("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n", "", true),
        ("HTTP/1.1 503 x\r\nContent-Length: x\r\n", "", false),
    ] {
        let response = format!("{head}Retry-After: 7\r\n\r\n{body}after");
        let status: u16 = head[9..12].parse().unwrap();
        for cuts in Cuts::ALL {
            let (result, rest, _) = answered(response.as_bytes(), cuts, &Config::default());
            let Some(Err(E::ProxyRefused(refusal))) = result else {
                panic!("{result:?} for {head}");
            };
            assert!(rest.is_empty(), "nothing comes through");
            assert_eq!((refusal.status, refusal.is_complete), (status, is_complete));
            assert_eq!(
                refusal.body,
                if body.is_empty() { &b""[..] } else { b"body" }
            );
            // A busy proxy may be asked again.
            let end = End::Refused(E::ProxyRefused(refusal));
            let wait = Backoff::new([7; 32]).after(&end, Duration::ZERO);
            let again = matches!(status, 502 | 503).then_some(Duration::from_secs(7));
            assert!(wait.is_some() == again.is_some() && wait >= again);
        }
    }
    // Its end is the end of the transport.
    let response = "HTTP/1.0 407 x\r\nProxy-Authenticate: Basic\r\n\r\nlog in";
    for cuts in Cuts::ALL {
        let (result, _, mut tunnel) = answered(response.as_bytes(), cuts, &Config::default());
        assert_eq!(result, None);
        let E::ProxyRefused(refusal) = tunnel.receive_eof() else {
            panic!("a refusal")
        };
        assert_eq!(
            (&*refusal.body, refusal.is_complete),
            (&b"log in"[..], true)
        );
    }
}

/// An attack: a refusal whose body never ends keeps its status from nobody who gives up in time.
#[test]
fn who_gives_up_hears_of_the_refusal_that_has_arrived() {
    let head = "HTTP/1.1 407 Authenticate\r\nContent-Length: 9\r\n\r\n";
    for (head, body) in [(head, "who"), (head, ""), ("HTTP/1.0 502 \r\n\r\n", "down")] {
        let response = [head, body].concat();
        let (result, _, mut tunnel) =
            answered(response.as_bytes(), Cuts::Bytes, &Config::default());
        assert_eq!(result, None);
        let Some(E::ProxyRefused(refusal)) = tunnel.give_up() else {
            panic!("{head}");
        };
        assert_eq!(
            (&*refusal.body, refusal.is_complete),
            (body.as_bytes(), false)
        );
        assert_eq!(tunnel.give_up(), None);
        // Without its last line end it is no head.
        let (_, _, mut tunnel) = answered(
            &head.as_bytes()[..head.len() - 1],
            Cuts::AtOnce,
            &Config::default(),
        );
        assert_eq!(tunnel.give_up(), None);
    }
    let (result, _, mut tunnel) =
        answered(b"HTTP/1.1 200 \r\n\r\n", Cuts::AtOnce, &Config::default());
    assert_eq!((result, tunnel.give_up()), (Some(Ok(())), None));
}

#[test]
fn anything_but_a_response_is_an_error() {
    let config = config(|c| c.max_body_size = 10);
    let huge = "x".repeat(20_000);
    let malformed = |line, at, fault| E::Malformed { line, at, fault };
    for (response, error) in [
        ("\x16\x03\x01", malformed(1, 0, LineFault::Control(0x16))),
        (
            "220 ftp.test\r\n\r\n",
            malformed(1, 0, LineFault::StatusLine),
        ),
        (
            "HTTP/1.1 2OO x\r\n\r\n",
            malformed(1, 9, LineFault::StatusLine),
        ),
        ("HTTP/1.1 200 x\n\n", malformed(1, 14, LineFault::BareLf)),
        (
            "HTTP/1.1 200 x\r\n a\r\n\r\n",
            malformed(2, 0, LineFault::Folded),
        ),
        (
            "HTTP/2.0 200 x\r\n\r\n",
            E::HttpVersion { major: 2, minor: 0 },
        ),
        (&huge, E::HeadTooLarge { max: 16 << 10 }),
        (
            &format!("HTTP/1.1 200 x\r\nA: {huge}"),
            E::HeadTooLarge { max: 16 << 10 },
        ),
        (
            &format!("HTTP/1.1 200 x\r\n{}\r\n", "a: b\r\n".repeat(129)),
            E::TooManyHeaders { max: 128 },
        ),
        (
            &"HTTP/1.1 100 x\r\n\r\n".repeat(9),
            E::TooManyInterimResponses { max: 8 },
        ),
    ] {
        for cuts in Cuts::ALL {
            let (result, rest, _) = answered(response.as_bytes(), cuts, &config);
            assert_eq!(result, Some(Err(error.clone())), "{response:.40}");
            assert!(rest.is_empty());
        }
    }
    // A long body is cut off, and then the refusal is reported.
    let response = format!("HTTP/1.1 403 x\r\n\r\n{huge}");
    let (result, ..) = answered(response.as_bytes(), Cuts::Bytes, &config);
    let Some(Err(E::ProxyRefused(refusal))) = result else {
        panic!("{result:?}")
    };
    assert_eq!((refusal.body.len(), refusal.is_complete), (10, false));
    // Cut anywhere, the tunnel is not open.
    let response = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
    for received in 0..response.len() {
        let (start, _) = response.split_at(received);
        let (result, rest, mut tunnel) = answered(start, Cuts::AtOnce, &config);
        assert_eq!((result, rest.len()), (None, 0));
        assert_eq!(tunnel.receive_eof(), E::TransportEnded { received });
    }
    // A field of the handshake means nothing to a proxy.
    let response = b"HTTP/1.1 200 x\r\nSec-WebSocket-Accept: x\r\nUpgrade: y\r\n\r\n";
    let (result, ..) = answered(response, Cuts::AtOnce, &config);
    assert_eq!(result, Some(Ok(())));
    assert_ne!(result, Some(Err(E::Accept(FieldFault::Missing))));
}

proptest! {
    #![proptest_config(cases(500))]

    /// Whatever a proxy sends, in whatever cuts, has one result, and only a 2xx opens.
    #[test]
    fn any_bytes_have_one_result(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "HTTP/1.1 ", "HTTP/1.0 ", "200", "407", "100", "101", " x", "\r\n", "\n", "\r\n\r\n", "\0",
                "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "a: b\r\n", "3\r\nabc\r\n0\r\n\r\n", "abc",
            ]),
            0..12,
        ),
        body in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let response = [parts.concat().as_bytes(), &body].concat();
        let config = Config::default();
        let results = Cuts::ALL.map(|cuts| {
            let (result, rest, mut tunnel) = answered(&response, cuts, &config);
            let end = result.is_none().then(|| tunnel.receive_eof());
            (result, rest, end)
        });
        for result in &results {
            prop_assert_eq!(result, &results[0]);
        }
        if let (Some(Ok(())), rest, _) = &results[0] {
            let head = &response[..response.len() - rest.len()];
            prop_assert!(head.ends_with(b"\r\n\r\n") && response.ends_with(rest));
            prop_assert!(head.windows(4).any(|four| four == b" 200"));
        }
    }
}
