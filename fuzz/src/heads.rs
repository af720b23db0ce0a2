//! What the laws of handshakes share: configurations, header lists, and a check of the heads that we write.
//!
//! Invariant: a head is judged by `httparse` and by plain rules, not by the crate.

use crate::script::Script;
use crate::support::deflate::deflate;
use sansocket::{ClientRequest, Config, Extension, OriginPolicy};

/// A configuration with limits that inputs of a few KiB reach.
pub(crate) fn any_config(script: &mut Script<'_>) -> Config {
    let mut config = Config::default();
    config.settings.max_message_size = 70_000;
    config.max_head_size = script.one_of(&[16 << 10, 1_000, 100]);
    config.max_headers = script.one_of(&[128, 8]);
    config.max_interim_responses = script.one_of(&[8, 1]);
    config.max_body_size = script.one_of(&[64 << 10, 10, 0]);
    config.origins = match script.below(3) {
        0 => OriginPolicy::same_origin(),
        1 => OriginPolicy::list(["http://a.test"]).https_only(),
        _ => OriginPolicy::any(),
    };
    if script.flag() {
        let bits = [None, Some(9), Some(8)];
        config.deflate = Some(deflate(|d| {
            d.server_no_context_takeover = script.one_in(4);
            d.client_no_context_takeover = script.one_in(4);
            d.server_max_window_bits = script.one_of(&bits);
            d.client_max_window_bits = script.one_of(&bits);
            d.min_window_bits = script.one_of(&[8, 10]);
            d.min_size = 0;
        }));
    }
    config
}

/// A client's request with a choice of what it offers.
pub(crate) fn any_request(script: &mut Script<'_>) -> ClientRequest {
    let mut request = ClientRequest::new("ws://a.test/chat?q").expect("a URI");
    if script.flag() {
        request = request.subprotocol("chat").expect("a token");
        request = request.subprotocol("mqtt").expect("a token");
        if script.flag() {
            request = request.require_subprotocol();
        }
    }
    if script.flag() {
        let extension = Extension::new("foo").expect("a token");
        request = request.extension(extension, script.flag());
    }
    request
}

/// The fields in `name:value` lines; a name may start with a colon.
pub(crate) fn list(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let fields = lines.filter(|line| !line.is_empty()).map(|line| {
        let colon = line.iter().skip(1).position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.map_or(line.len(), |at| at + 1));
        (name, value.get(1..).unwrap_or_default())
    });
    fields.collect()
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(name: &[u8]) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_sign)
}

/// RFC 9110, section 5.5: no byte that could end the line, and no other control character but tab.
pub(crate) fn is_value(value: &[u8]) -> bool {
    value
        .iter()
        .all(|byte| !byte.is_ascii_control() || *byte == b'\t')
}

/// A response that we have written: its status, and the length of its head.
pub(crate) fn response(out: &[u8]) -> (u16, usize) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(len) = response.parse(out).expect("a good head") else {
        panic!("a complete head");
    };
    for field in &*response.headers {
        assert!(is_token(field.name.as_bytes()) && is_value(field.value));
    }
    let status = response.code.expect("a status");
    // Beside `Upgrade` in a 426.
    let mut connection = response
        .headers
        .iter()
        .filter(|field| field.name == "Connection");
    let closes = connection.any(|field| field.value.ends_with(b"close"));
    assert_eq!(closes, status != 101, "nothing follows a refusal");
    (status, len)
}

/// The values of a field in a head that we have written.
pub(crate) fn fields(out: &[u8], name: &str) -> Vec<String> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(out).expect("a good head");
    let found = response.headers.iter().filter(|field| field.name == name);
    found
        .map(|field| String::from_utf8_lossy(field.value).into())
        .collect()
}

/// A request that we have written: its method, its target, and the length of its head.
pub(crate) fn request(out: &[u8]) -> (String, String, usize) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(len) = request.parse(out).expect("a good head") else {
        panic!("a complete head");
    };
    for field in &*request.headers {
        assert!(is_token(field.name.as_bytes()) && is_value(field.value));
    }
    let hosts = request.headers.iter().filter(|field| field.name == "Host");
    assert_eq!(hosts.count(), 1);
    let (method, path) = (
        request.method.expect("a method"),
        request.path.expect("a target"),
    );
    (method.into(), path.into(), len)
}
