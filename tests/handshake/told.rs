//! The text of a refusal: what was found, where, and what to do.
//!
//! Invariant: the texts are complete here, as an operator reads them.

use crate::support::*;
use sansocket::{ClientRequest, Config, Deflate, HandshakeError, ProtocolError, SetupError};

/// The text of a server's error for this request, which is in its response as well.
fn server_says(head: &str) -> String {
    let served = serve(head.as_bytes(), Cuts::Bytes, &Config::default());
    let error = served.error().expect("it is refused");
    let told = error.to_string();
    assert!(served.out.ends_with(format!("{told}\n").as_bytes()));
    told
}

/// The text of the error of a client that offers permessage-deflate, for this response.
fn client_says(response: &str) -> String {
    let config = config(|all| all.deflate = Some(Deflate::default()));
    let asked = ask(&client_request(), response, b"", Cuts::Bytes, &config);
    asked.error().expect("it is refused").to_string()
}

/// Bare LFs, a space before a colon and folded lines, by either side.
#[test]
fn a_line_that_breaks_a_rule_is_reported_with_its_place() {
    for (from, to, told) in [
        (
            "\r\nUpgrade",
            "\nUpgrade",
            "a bare LF where a line ends with CR LF (RFC 9112, section 2.2)",
        ),
        (
            "Upgrade:",
            "Upgrade :",
            "line 3 of the head is not HTTP/1.1 after 7 bytes: a space before the colon (RFC 9112, section 5.1)",
        ),
        (
            "Upgrade:",
            " Upgrade:",
            "line 3 of the head is not HTTP/1.1 after 0 bytes: a folded line: it starts with a space or a tab (RFC 9112, section 5.2)",
        ),
    ] {
        let said = server_says(&replaced(REQUEST, from, to));
        assert!(said.ends_with(told), "{said}");
        // The line before is the status line, not `Host`.
        let said = client_says(&replaced(RESPONSE, from, to));
        assert!(said.ends_with(&told.replace("line 3", "line 2")), "{said}");
    }
}

/// TLS on a port without it, and the reverse: nearly always a mistake in a configuration.
#[test]
fn bytes_of_tls_are_recognized() {
    let hello = "\x16\x03\x01\x02\x00\x01";
    let told = "line 1 of the head is not HTTP/1.1 after 0 bytes: the control byte 0x16; \
        these bytes look like TLS (RFC 9110, section 5.5)";
    assert_eq!(server_says(hello), told);
    assert_eq!(client_says(hello), told);
    let in_a_value = replaced(REQUEST, "example.com", "\x16");
    assert!(!server_says(&in_a_value).contains("TLS"));
}

#[test]
fn the_wrong_fields_of_a_request_are_reported() {
    for (from, to, told) in [
        (
            "Host: example.com",
            "Host: a b",
            "Host is \"a b\"; it must be there once, a name or an address, and perhaps a port (RFC 9112, section 3.2)",
        ),
        (
            "dGhlIHNhbXBsZSBub25jZQ==",
            "c2VzYW1l",
            "Sec-WebSocket-Key has 8 bytes; it must be there once, 16 bytes in 24 of base64 (RFC 6455, section 4.2.1)",
        ),
        (
            "Connection: Upgrade",
            "Connection: close",
            "not a WebSocket handshake: it needs 'Connection: Upgrade' (RFC 6455, section 4.2.1)",
        ),
        (
            "Version: 13",
            "Version: 13\r\nContent-Length: 7",
            "Content-Length is \"7\"; the request must have no content (RFC 9110, section 9.3.1)",
        ),
        (
            "/chat",
            "/chat#top",
            "the request target is not valid: it has '#' after 5 bytes; it must be a path, or an http URI, in visible ASCII without '#' (RFC 9112, section 3.2)",
        ),
    ] {
        assert_eq!(server_says(&replaced(REQUEST, from, to)), told);
    }
}

/// Two `Upgrade` fields, or a list: there is more than one.
#[test]
fn more_than_one_upgrade_of_a_server_is_reported() {
    for (to, told) in [
        (
            "Upgrade: websocket\r\nUpgrade: websocket",
            "Upgrade is there 2 times; ",
        ),
        (
            "Upgrade: websocket, h2c",
            "Upgrade is \"websocket, h2c\"; a 101 must have one, which is 'websocket' (RFC 6455, section 4.1)",
        ),
    ] {
        let said = client_says(&replaced(RESPONSE, "Upgrade: websocket", to));
        assert!(said.starts_with(told), "{said}");
    }
}

/// Servers that echo the offer instead of answering it, and others that answer with what was not offered.
#[test]
fn an_answer_that_does_not_fit_the_offer_is_reported() {
    let rest = "; it must fit its grammar, and the offer in a response (RFC 6455, section 9.1)";
    let has = "Sec-WebSocket-Extensions has ";
    for (answer, told) in [
        (
            "; client_max_window_bits",
            "`client_max_window_bits` without a value",
        ),
        (
            "; server_max_window_bits",
            "`server_max_window_bits` without a value",
        ),
        (
            "; client_max_window_bits=16",
            "a wrong value in `client_max_window_bits=16`",
        ),
        (
            "; server_no_context_takeover=1",
            "a wrong value in `server_no_context_takeover=1`",
        ),
        ("; x-other=y", "the unknown parameter `x-other=y`"),
        (
            "; client_no_context_takeover; client_no_context_takeover",
            "the parameter `client_no_context_takeover` twice",
        ),
        (";", ""),
        ("; =", "'=' after 20 bytes"),
    ] {
        let line = format!("Sec-WebSocket-Extensions: permessage-deflate{answer}");
        let said = client_says(&with_line(RESPONSE, &line));
        let told = match told {
            "" => format!("Sec-WebSocket-Extensions ends too early{rest}"),
            told => format!("{has}{told}{rest}"),
        };
        assert_eq!(said, told);
    }
    let said = client_says(&with_line(RESPONSE, "Sec-WebSocket-Extensions: "));
    assert_eq!(said, format!("Sec-WebSocket-Extensions is empty{rest}"));
    // The answer lacks what was asked for.
    let mut deflate = Deflate::default();
    deflate.server_max_window_bits = Some(10);
    deflate.min_window_bits = 10;
    let config = config(|all| all.deflate = Some(deflate));
    for (answer, told) in [
        ("", "lacks `server_max_window_bits`, which was asked for"),
        (
            "; server_max_window_bits=11",
            "has `server_max_window_bits=11`, which does not fit the offer",
        ),
        (
            "; server_max_window_bits=10; client_max_window_bits=9",
            "has `client_max_window_bits=9`, which is below `min_window_bits`",
        ),
    ] {
        let line = format!("Sec-WebSocket-Extensions: permessage-deflate{answer}");
        let response = with_line(RESPONSE, &line);
        let asked = ask(&client_request(), &response, b"", Cuts::AtOnce, &config);
        let said = asked.error().unwrap().to_string();
        assert_eq!(said, format!("Sec-WebSocket-Extensions {told}{rest}"));
    }
}

/// A message over the limit: how long it is, the limit, and the setting to raise.
#[test]
fn a_limit_is_reported_with_its_setting() {
    let error = ProtocolError::MessageTooBig {
        len: 17_301_504,
        max: 16 << 20,
    };
    assert_eq!(
        error.to_string(),
        "message of at least 17,301,504 bytes exceeds `max_message_size` (16,777,216) (RFC 6455, section 10.4)"
    );
    let small = ProtocolError::MessageTooBig {
        len: 1_000,
        max: 999,
    };
    assert!(
        small
            .to_string()
            .contains(" 1,000 bytes exceeds `max_message_size` (999)")
    );
    for (error, setting) in [
        (
            HandshakeError::TargetTooLong { max: 9 },
            "`max_head_size`, 9 bytes",
        ),
        (
            HandshakeError::HeadTooLarge { max: 9 },
            "`max_head_size`, 9 bytes",
        ),
        (
            HandshakeError::TooManyHeaders { max: 9 },
            "`max_headers`, 9",
        ),
        (
            HandshakeError::TooManyInterimResponses { max: 9 },
            "`max_interim_responses`, 9",
        ),
    ] {
        assert!(error.to_string().contains(setting), "{error}");
    }
}

/// A token is often read from a file, with its line end.
#[test]
fn a_wrong_value_of_the_application_is_reported_with_its_place() {
    let value = client_request().header("Authorization", "Bearer sesame\n");
    assert_eq!(
        value.unwrap_err().to_string(),
        "a header value must have no control characters; it has 0x0a after 13 bytes (RFC 9110, section 5.5)"
    );
    let name = client_request().header("X Y", "z");
    assert_eq!(
        name.unwrap_err().to_string(),
        "a header name must be a token, of letters, digits and '-'; it is none after 1 bytes (RFC 9110, section 5.6.2)"
    );
    let uri = ClientRequest::new("ws://a/b c").unwrap_err();
    assert_eq!(uri, SetupError::Character { found: ' ', at: 8 });
    assert_eq!(
        uri.to_string(),
        "the character ' ' after 8 bytes of the URI must be percent-encoded (RFC 3986, section 2.1)"
    );
}

/// The shown part of a peer's value is short, and escaped for a terminal.
#[test]
fn a_long_value_is_cut_and_escaped() {
    let long = "\u{e9}".repeat(5_000);
    let said = server_says(&replaced(REQUEST, "example.com", &long));
    assert!(
        said.contains(&"\u{e9}".repeat(100)) && said.len() < 400,
        "{said}"
    );
    let said = client_says(&replaced(RESPONSE, "websocket", "a\u{9b}2J"));
    assert!(!said.contains('\u{9b}'), "{said}");
    assert!(size_of::<HandshakeError>() <= 40);
}
