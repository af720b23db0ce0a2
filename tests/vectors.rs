//! The golden vectors (`tests/data/vectors.json`, or the file that `SANSOCKET_VECTORS` names):
//! every section on RFC 6455. What is received is fed whole, octet by octet and in random
//! cuts, with the same result.

mod support;

use bytes::BytesMut;
use sansocket::negotiation::{Extension, OriginPolicy, accept_key, is_valid_key};
use sansocket::{
    ClientHandshake, ClientRequest, CloseCode, Config, Event, FieldError, HandshakeConfig, Header,
    Input, Mask, ProtocolError, Rejection, ResponseError, Role, SendError, State, Uri,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::*;

/// Sections of which this crate has nothing yet; their features come with their own vectors.
const OTHER_FEATURES: [&str; 5] = [
    "pmd_offer",
    "pmd_response",
    "pmd_payload",
    "pmd_compress",
    "extended_connect",
];

fn file() -> Value {
    let path = std::env::var("SANSOCKET_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors.json").into());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

/// Runs every vector of a section, and names those that fail.
fn section(name: &str, run: fn(&Value)) {
    let file = file();
    let vectors = file["sections"][name].as_array();
    // A file of one's own may have a part of the sections; ours has all.
    assert!(vectors.is_some() || std::env::var("SANSOCKET_VECTORS").is_ok());
    let mut failed = Vec::new();
    for vector in vectors.into_iter().flatten() {
        if std::panic::catch_unwind(|| run(vector)).is_err() {
            failed.push(vector["id"].as_str().unwrap());
        }
    }
    assert!(failed.is_empty(), "{name}: {failed:?}");
}

#[test]
fn every_section_is_known() {
    let file = file();
    for name in file["sections"].as_object().unwrap().keys() {
        let here = include_str!("vectors.rs").contains(&format!("section(\"{name}\", "));
        assert!(
            here || OTHER_FEATURES.contains(&&**name),
            "section {name} is not run"
        );
    }
}

fn str<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} of {value}"))
}

fn octets(value: &Value, key: &str) -> Vec<u8> {
    unhex(str(value, key))
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| v.as_str().unwrap())
        .collect()
}

fn role(value: &Value, key: &str) -> Role {
    match str(value, key) {
        "client" => Role::Client,
        "server" => Role::Server,
        other => panic!("role {other}"),
    }
}

/// The octets of a handshake head, in any of its three notations.
fn raw(vector: &Value) -> Vec<u8> {
    if let Some(parts) = vector["raw_parts"].as_array() {
        let part = |p: &Value| {
            p[0].as_str()
                .unwrap()
                .repeat(p[1].as_u64().unwrap() as usize)
        };
        return parts.iter().map(part).collect::<String>().into_bytes();
    }
    match vector["raw"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => octets(vector, "raw_hex"),
    }
}

/// The wanted outcome and the other conformant ones, each with its own keys replaced.
fn outcomes(vector: &Value) -> Vec<Value> {
    let mut all = vec![vector["expect"].clone()];
    for other in vector["expect_also_ok"].as_array().into_iter().flatten() {
        let mut outcome = vector["expect"].as_object().unwrap().clone();
        outcome.extend(other.as_object().unwrap().clone());
        all.push(outcome.into());
    }
    all
}

// ---- keys, fields, URIs ----

#[test]
fn accept_keys() {
    section("accept_key", |v| {
        assert_eq!(accept_key(str(v, "key")), str(v, "accept"));
    });
}

#[test]
fn key_validity() {
    section("key_validity", |v| {
        assert_eq!(is_valid_key(str(v, "key")), v["valid"]);
    });
}

#[test]
fn extension_headers() {
    section("extension_header", |v| {
        let lines = strings(&v["header_lines"]);
        let parsed = Extension::parse_list(lines.iter().map(|line| line.as_bytes()));
        if v["expect"]["error"] == true {
            assert_eq!(parsed, Err(FieldError::Extension));
            return;
        }
        let parsed: Vec<Value> = parsed
            .unwrap()
            .iter()
            .map(|e| serde_json::json!([e.name(), e.params().collect::<Vec<_>>()]))
            .collect();
        assert_eq!(Value::from(parsed), v["expect"]["parsed"]);
    });
}

#[test]
fn uris() {
    section("uri", |v| {
        let (uri, expect) = (str(v, "uri").parse::<Uri>(), &v["expect"]);
        if expect.get("error").is_some() {
            assert!(uri.is_err(), "{uri:?}");
            return;
        }
        let uri = uri.unwrap();
        assert_eq!(uri.is_secure(), expect["secure"]);
        assert_eq!(uri.host(), expect["host"]);
        assert_eq!(uri.port(), expect["port"]);
        assert_eq!(uri.resource_name(), expect["resource"]);
        assert_eq!(uri.host_header(), str(expect, "host_header"));
        assert_eq!(uri.userinfo(), expect["userinfo"].as_str());
    });
}

// ---- the opening handshake ----

#[test]
fn client_requests() {
    section("client_request", |v| {
        let (options, expect) = (&v["options"], &v["expect"]);
        let build = || -> Result<ClientRequest, FieldError> {
            let mut request = ClientRequest::new(str(v, "uri").parse().unwrap());
            for name in strings(&options["subprotocols"]) {
                request = request.subprotocol(name)?;
            }
            if let Some(origin) = options["origin"].as_str() {
                request = request.origin(origin)?;
            }
            if options["permessage_deflate"] == "default" {
                let offer = Extension::new("permessage-deflate")?;
                request = request.extension(offer.param("client_max_window_bits", None)?);
            }
            for header in options["extra_headers"].as_array().into_iter().flatten() {
                request =
                    request.header(header[0].as_str().unwrap(), header[1].as_str().unwrap())?;
            }
            Ok(request)
        };
        if expect["api_error"] == true {
            assert!(build().is_err());
            return;
        }
        let mut out = BytesMut::new();
        let config = HandshakeConfig::default();
        let _ = ClientHandshake::with_seed(&build().unwrap(), &config, [9; 32], &mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(rest, "");
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next().unwrap(), str(expect, "request_line"));
        let fields: Vec<(String, &str)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let get = |name: &str| -> Vec<&str> {
            fields
                .iter()
                .filter(|(n, _)| n == name)
                .map(|(_, value)| *value)
                .collect()
        };
        for (name, value) in expect["headers"].as_object().unwrap() {
            match &**name {
                // The vector fixes the key; a request of ours has a fresh one.
                "sec-websocket-key" => assert!(is_valid_key(get(name)[0])),
                _ => assert_eq!(get(name), [value.as_str().unwrap()], "{name}"),
            }
        }
        for name in strings(&expect["absent"]) {
            assert!(get(name).is_empty(), "{name}");
        }
    });
}

/// The settings of a vector's server.
fn settings(config: &Value) -> HandshakeConfig {
    let mut settings = HandshakeConfig::default();
    settings.origin_policy = match config["allowed_origins"].as_array() {
        None => OriginPolicy::Any,
        Some(list) => OriginPolicy::list(list.iter().map(|o| o.as_str().unwrap())),
    };
    settings
}

/// Answers what was served as the vector's server does; returns the subprotocol.
fn answer<'s>(served: &'s Served, config: &Value, out: &mut BytesMut) -> Option<&'s str> {
    let request = served.request();
    let resources = &config["resources"];
    if !resources.is_null() && !strings(resources).contains(&request.path()) {
        Rejection::new(404).unwrap().send(out);
        return None;
    }
    let supported = strings(&config["subprotocols"]);
    let accept = request.accept().subprotocol_among(&supported);
    let subprotocol = accept.chosen_subprotocol();
    assert_eq!(accept.send(out).state(), State::Open);
    subprotocol
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.split("\r\n\r\n")
        .next()?
        .split("\r\n")
        .skip(1)
        .find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
}

#[test]
fn handshake_requests() {
    section("handshake_request", |v| {
        let (config, expect) = (&v["config"], &v["expect"]);
        if expect["response_headers"]
            .get("sec-websocket-extensions")
            .is_some()
        {
            return; // an answer of permessage-deflate
        }
        for cuts in Cuts::ALL {
            let served = serve(&raw(v), cuts, &settings(config));
            let (mut out, mut subprotocol) = (served.out.clone(), None);
            if let Some(Ok(_)) = served.result {
                subprotocol = answer(&served, config, &mut out);
            }
            let response = String::from_utf8(out.to_vec()).unwrap();
            if expect["verdict"] == "incomplete" {
                assert!(served.result.is_none() && response.is_empty());
                continue;
            }
            let status: u16 = response[9..12].parse().unwrap();
            if let Some(error) = served.error() {
                assert_eq!(error.status(), status);
            }
            let also_ok = [&v["also_ok"], &expect["also_ok"]];
            let mut also_ok = also_ok.iter().filter_map(|list| list.as_array()).flatten();
            if expect["status"] != status {
                assert!(also_ok.any(|other| *other == status), "{status} {cuts:?}");
                continue;
            }
            for (name, value) in expect["response_headers"].as_object().into_iter().flatten() {
                let want = value.as_str().unwrap();
                let is = field(&response, name).unwrap_or_else(|| panic!("{name} in {response}"));
                match &**name {
                    "connection" | "upgrade" => assert!(is.eq_ignore_ascii_case(want), "{name}"),
                    _ => assert_eq!(is, want, "{name}"),
                }
            }
            for name in strings(&expect["absent_headers"]) {
                assert_eq!(field(&response, name), None);
            }
            if expect["verdict"] == "accept" {
                let request = served.request();
                assert_eq!(request.target(), str(expect, "target"));
                assert_eq!(subprotocol, expect["subprotocol"].as_str());
                if let Some(origin) = expect["origin"].as_str() {
                    assert_eq!(request.origin(), Some(origin));
                }
                if let Some(host) = expect["host"].as_str() {
                    assert_eq!(request.host(), host);
                }
                let rest = expect["rest_hex"].as_str().unwrap_or_default();
                assert_eq!(hex(&served.rest), rest, "octets for the connection");
            }
        }
    });
}

/// A request that offers what the vector says.
fn offering(offered: &Value) -> ClientRequest {
    let mut request = ClientRequest::new("ws://server.example.com/chat".parse().unwrap());
    for name in strings(&offered["subprotocols"]) {
        request = request.subprotocol(name).unwrap();
    }
    let extensions = offered["extensions"].as_str().map(str::as_bytes);
    for extension in Extension::parse_list(extensions.into_iter()).unwrap() {
        request = request.extension(extension);
    }
    request
}

/// The response as if it answered `key`: where the right answer to the vector's key stands, the
/// right one to ours is put. Wrong ones stay wrong.
fn answering(response: &[u8], vector_key: &str, key: &str) -> Vec<u8> {
    let (old, new) = (accept_key(vector_key), accept_key(key));
    let mut response = response.to_vec();
    for at in 0..response.len().saturating_sub(old.len()) {
        if response[at..].starts_with(old.as_bytes()) {
            response[at..at + old.len()].copy_from_slice(new.as_bytes());
        }
    }
    response
}

/// Verdict, subprotocol, extensions, octets left.
fn connect(
    request: &ClientRequest,
    response: &[u8],
    vector_key: &str,
    cuts: Cuts,
) -> (&'static str, Option<String>, Option<String>, usize) {
    let (mut handshake, key) = client_handshake(request, &HandshakeConfig::default());
    let response = answering(response, vector_key, &key);
    let mut out = BytesMut::new();
    let mut rest = response.len();
    for mut piece in cuts.cut(&response) {
        let len = piece.len();
        let mut input = Input::new(&mut piece);
        match handshake.receive(&mut input, &mut out) {
            Ok(None) => rest -= len,
            Ok(Some(opened)) => {
                rest -= len - input.len();
                let extensions: Vec<_> = opened.extensions.iter().map(|e| e.to_string()).collect();
                let extensions = (!extensions.is_empty()).then(|| extensions.join(", "));
                assert_eq!(opened.connection.state(), State::Open);
                return ("accept", opened.subprotocol, extensions, rest);
            }
            Err(_) => return ("fail", None, None, 0),
        }
    }
    match handshake.receive_eof() {
        ResponseError::Refused(_) => ("fail", None, None, 0), // the body lasted to the end
        _ => ("incomplete", None, None, 0),
    }
}

#[test]
fn handshake_responses() {
    section("handshake_response", |v| {
        let (offered, expect) = (&v["offered"], &v["expect"]);
        for cuts in Cuts::ALL {
            let request = offering(offered);
            let key = str(offered, "key");
            let (verdict, subprotocol, extensions, rest) = connect(&request, &raw(v), key, cuts);
            let also_ok = v["also_ok"].as_array().into_iter().flatten();
            let verdicts: Vec<_> = also_ok.chain([expect]).map(|e| str(e, "verdict")).collect();
            assert!(verdicts.contains(&verdict), "{verdict} {cuts:?}");
            if verdict == "accept" && expect["verdict"] == "accept" {
                assert_eq!(subprotocol.as_deref(), expect["subprotocol"].as_str());
                assert_eq!(extensions.as_deref(), expect["extensions"].as_str());
                assert_eq!(
                    rest,
                    expect["rest_hex"].as_str().map_or(0, |hex| hex.len() / 2)
                );
            }
            if let Some(strict) = v["strict"].as_object() {
                let (verdict, ..) = connect(&request.needs_subprotocol(), &raw(v), key, cuts);
                assert_eq!(verdict, strict["verdict"]);
            }
        }
    });
}

// ---- frames ----

#[test]
fn frames() {
    section("frame", |v| {
        let (receiver, input, expect) = (role(v, "receiver"), octets(v, "hex"), &v["expect"]);
        let parsed = Header::parse(&input, receiver, false);
        for cuts in Cuts::ALL {
            let mut run = Run::new(receiver);
            run.feed_cut(&input, cuts);
            if let Some(code) = expect["error"].as_u64() {
                let [Event::Failed(error)] = run.events[..] else {
                    panic!("{cuts:?}: {:?}", run.events)
                };
                assert_eq!(u64::from(error.close_code().0), code);
                assert_eq!(run.sent().len(), 1);
                assert_eq!(run.sent()[0].close_code(), Some(code as u16));
            } else if expect["incomplete"] == true {
                assert_eq!(run.events, []);
                assert!(run.out.is_empty());
            } else {
                let (header, len) = parsed.unwrap().unwrap();
                assert_eq!(header.fin, expect["fin"]);
                assert_eq!(header.rsv1, expect["rsv1"]);
                assert_eq!(header.opcode as u8, expect["opcode"]);
                assert_eq!(header.masking_key.is_some(), expect["masked"]);
                let mut payload = input[len..].to_vec();
                assert_eq!(payload.len() as u64, header.payload_len);
                if let Some(key) = header.masking_key {
                    Mask::new(key).apply(&mut payload);
                }
                assert_eq!(hex(&payload), str(expect, "payload_hex"));
                let got = match &run.events[..] {
                    [Event::Text(text)] => Some(text.as_bytes().to_vec()),
                    [Event::Binary(data) | Event::Ping(data) | Event::Pong(data)] => {
                        Some(data.to_vec())
                    }
                    _ => None,
                };
                if header.fin && !matches!(header.opcode as u8, 0 | 8) {
                    assert_eq!(got, Some(payload), "{cuts:?}: {:?}", run.events);
                }
            }
        }
    });
}

#[test]
fn frames_encoded() {
    section("frame_encode", |v| {
        let role = role(v, "role");
        let mut run = Run::new(role);
        for operation in v["operations"].as_array().unwrap() {
            let data = match operation["byte"].as_str() {
                Some(byte) => unhex(byte).repeat(operation["count"].as_u64().unwrap() as usize),
                None => unhex(operation["hex"].as_str().unwrap_or_default()),
            };
            let (ws, out) = (&mut run.ws, &mut run.out);
            let is_text = || v["operations"][0]["op"] == "start_text";
            let as_text = || std::str::from_utf8(&data).unwrap();
            let result = match str(operation, "op") {
                "text" => ws.send_text(str(operation, "text"), out),
                "binary" => ws.send_binary(&data, out),
                "ping" => ws.send_ping(&data, out),
                "pong" => ws.send_pong(&data, out),
                "start_text" => ws.send_first_fragment(as_text(), out),
                "start_binary" => ws.send_first_fragment(&data[..], out),
                "continue" if is_text() => ws.send_next_fragment(as_text(), out),
                "continue" => ws.send_next_fragment(&data[..], out),
                "finish" if is_text() => ws.send_last_fragment(as_text(), out),
                "finish" => ws.send_last_fragment(&data[..], out),
                "close" => {
                    let code = operation["code"]
                        .as_u64()
                        .map(|code| CloseCode(code as u16));
                    ws.close(code, operation["reason"].as_str().unwrap_or(""), out)
                }
                other => panic!("operation {other}"),
            };
            assert_eq!(
                result.is_err(),
                operation["expect"] == "api_error",
                "{result:?}"
            );
        }
        let output = with_fixed_key(&run.out, role);
        if let Some(expected) = v["output_hex"].as_str() {
            assert_eq!(hex(&output), expected);
        } else {
            assert!(hex(&output).starts_with(str(v, "output_header_hex")));
            assert_eq!(output.len(), v["output_length"]);
            assert_eq!(hex(&Sha256::digest(&output)), str(v, "output_sha256"));
        }
    });
}

#[test]
fn lengths() {
    section("length", |v| {
        let len = v["payload_length"].as_u64().unwrap();
        for (receiver, name) in [(Role::Client, "unmasked"), (Role::Server, "masked")] {
            let masking_key =
                (receiver == Role::Server).then(|| octets(v, "masked_key_hex").try_into().unwrap());
            let header = Header {
                fin: true,
                rsv1: false,
                opcode: sansocket::Opcode::Binary,
                masking_key,
                payload_len: len,
            };
            let mut out = BytesMut::new();
            header.encode(&mut out);
            assert_eq!(hex(&out), str(v, &format!("{name}_header_hex")));
            let parsed = Header::parse(&out, receiver, false);
            assert_eq!(parsed, Ok(Some((header, out.len()))));
            if v["header_only"] == true {
                continue;
            }
            let sender = other(receiver);
            let payload = octets(v, "payload_byte").repeat(len as usize);
            let mut run = Run::new(sender);
            run.ws.send_binary(&payload, &mut run.out).unwrap();
            let sent = with_fixed_key(&run.out, sender);
            assert_eq!(
                hex(&Sha256::digest(&sent)),
                str(v, &format!("{name}_sha256"))
            );
            let mut run = Run::new(receiver);
            run.feed(&sent);
            assert_eq!(run.events, [Event::Binary(payload.into())]);
        }
    });
}

#[test]
fn masking() {
    section("masking", |v| {
        let mut mask = Mask::new(octets(v, "key_hex").try_into().unwrap());
        mask.apply(&mut vec![0; v["phase"].as_u64().unwrap() as usize]);
        if let Some(cuts) = v["cuts"].as_array() {
            let mut data: Vec<u8> = (0..1000).map(|i| ((7 * i + 3) % 256) as u8).collect();
            assert_eq!(hex(&Sha256::digest(&data)), str(v, "input_sha256"));
            let mut from = 0;
            for to in cuts
                .iter()
                .map(|c| c.as_u64().unwrap() as usize)
                .chain([1000])
            {
                mask.apply(&mut data[from..to]);
                from = to;
            }
            assert_eq!(hex(&Sha256::digest(&data)), str(v, "output_sha256"));
        } else {
            let mut data = octets(v, "input_hex");
            mask.apply(&mut data);
            assert_eq!(hex(&data), str(v, "output_hex"));
        }
    });
}

// ---- closing ----

#[test]
fn close_codes() {
    section("close_code", |v| {
        let code = CloseCode(v["code"].as_u64().unwrap() as u16);
        for (receiver, name) in [(Role::Client, "unmasked_hex"), (Role::Server, "masked_hex")] {
            let mut run = Run::new(receiver);
            run.feed(&octets(v, name));
            match str(v, "receive") {
                "accept" => {
                    let [Event::Close(Some(frame))] = &run.events[..] else {
                        panic!("{:?}", run.events)
                    };
                    assert_eq!(frame.code, code);
                }
                _ => assert_eq!(
                    run.events,
                    [Event::Failed(ProtocolError::CloseCodeInvalid(code))]
                ),
            }
            assert_eq!(
                run.sent()[0].close_code(),
                v["reply_code"].as_u64().map(|c| c as u16)
            );
        }
        let mut run = Run::new(Role::Client);
        let sent = run.ws.close(code, "", &mut run.out);
        assert_eq!(sent.is_ok(), v["api_may_send"], "{sent:?}");
        assert_eq!(run.out.is_empty(), sent.is_err());
    });
}

#[test]
fn close_bodies() {
    section("close_body", |v| {
        let expect = &v["expect"];
        for receiver in [Role::Client, Role::Server] {
            for cuts in Cuts::ALL {
                let mut run = Run::new(receiver);
                run.feed_cut(&frame(receiver, 0x88, &octets(v, "body_hex")), cuts);
                let mut errors = expect["error_any"].as_array().cloned().unwrap_or_default();
                errors.extend(expect.get("error").cloned());
                match &run.events[..] {
                    [Event::Failed(error)] => {
                        assert!(errors.contains(&error.close_code().0.into()))
                    }
                    [Event::Close(None)] => {
                        assert_eq!(expect["code"], 1005);
                        assert_eq!(run.ws.close_code(), Some(CloseCode::NO_STATUS));
                    }
                    [Event::Close(Some(frame))] => {
                        assert_eq!(expect["code"], frame.code.0);
                        assert_eq!(expect["reason"], *frame.reason);
                        assert_eq!(run.ws.close_code(), Some(frame.code));
                    }
                    other => panic!("{other:?}"),
                }
                if let Some(reply) = expect["reply_body_hex"].as_str() {
                    assert_eq!(hex(&run.sent()[0].payload), reply);
                }
            }
        }
    });
}

#[test]
fn close_api() {
    section("close_api", |v| {
        let arguments = &v["arguments"];
        let code = arguments["code"]
            .as_u64()
            .map(|code| CloseCode(code as u16));
        for role in [Role::Client, Role::Server] {
            let mut run = Run::new(role);
            let reason = arguments["reason"].as_str().unwrap_or("");
            let result = run.ws.close(code, reason, &mut run.out);
            if v["expect"]["api_error"] == true {
                assert!(result.is_err() && run.out.is_empty());
                assert_eq!(run.ws.state(), State::Open);
            } else {
                assert_eq!(hex(&run.sent()[0].payload), str(&v["expect"], "body_hex"));
            }
        }
    });
}

// ---- text ----

#[test]
fn utf8() {
    section("utf8", |v| {
        let (text, valid) = (octets(v, "hex"), v["valid"] == true);
        for receiver in [Role::Client, Role::Server] {
            for cuts in Cuts::ALL {
                let mut run = Run::new(receiver);
                run.feed_cut(&frame(receiver, 0x81, &text), cuts);
                if valid {
                    let text = String::from_utf8(text.clone()).unwrap();
                    assert_eq!(run.events, [Event::Text(text.into())]);
                } else {
                    assert_eq!(run.events, [Event::Failed(ProtocolError::TextNotUtf8)]);
                }
            }
        }
        // The first bad octet fails the connection, in a frame that is still coming in, and in
        // fragments of one octet each.
        let at = match v["fail_at"].as_u64() {
            Some(at) => at as usize,
            None if v["ends_inside_character"] == true => text.len() - 1,
            None => return,
        };
        let mut run = Run::new(Role::Client);
        run.feed(&frame_header(Role::Client, 0x81, text.len() as u64));
        let mut fragments = Run::new(Role::Client);
        for (index, octet) in text.iter().enumerate() {
            assert!(run.events.is_empty() && fragments.events.is_empty());
            let fin = if index + 1 == text.len() { 0x80 } else { 0 };
            run.feed(&[*octet]);
            fragments.feed(&frame(Role::Client, fin | u8::from(index == 0), &[*octet]));
            if index == at {
                assert_eq!(run.events, [Event::Failed(ProtocolError::TextNotUtf8)]);
                assert_eq!(fragments.events, run.events);
                return;
            }
        }
    });
}

// ---- sessions ----

fn event_json(event: &Event<'_>) -> Value {
    use serde_json::json;
    match event {
        Event::Text(text) => json!({"event": "text", "text": text}),
        Event::Binary(data) => json!({"event": "binary", "hex": hex(data)}),
        Event::Ping(data) => json!({"event": "ping", "hex": hex(data)}),
        Event::Pong(data) => json!({"event": "pong", "hex": hex(data)}),
        Event::Close(None) => json!({"event": "close", "code": 1005, "reason": ""}),
        Event::Close(Some(frame)) => {
            json!({"event": "close", "code": frame.code.0, "reason": frame.reason})
        }
        other => panic!("{other:?}"),
    }
}

/// The events but for failures, which the vectors name apart.
fn events_json(events: &[Event<'_>]) -> Value {
    let events = events.iter().filter(|e| !matches!(e, Event::Failed(_)));
    events.map(event_json).collect()
}

fn is_sent(sent: &[Sent], expected: &Value) -> bool {
    let expected = expected.as_array().unwrap();
    sent.len() == expected.len()
        && sent.iter().zip(expected).all(|(sent, expected)| {
            expected["opcode"] == sent.opcode
                && match expected["hex"].as_str() {
                    Some(payload) => hex(&sent.payload) == payload,
                    None => {
                        let code = sent.close_code().map_or(Value::Null, Value::from);
                        let reason = sent.payload.get(2..).unwrap_or_default();
                        expected["code"] == code
                            && expected["reason"]
                                .as_str()
                                .is_none_or(|r| r.as_bytes() == reason)
                    }
                }
        })
}

#[test]
fn sessions() {
    section("session", |v| {
        if !v["config"]["permessage_deflate"].is_null() {
            return; // of permessage-deflate
        }
        let mut config = Config::default();
        if let Some(max) = v["config"]["max_message_size"].as_u64() {
            config.max_message_size = max as usize;
        }
        let chunks: Vec<Vec<u8>> = strings(&v["input_hex"]).into_iter().map(unhex).collect();
        let run_with = |pieces: Vec<Vec<u8>>| {
            let mut run = Run::with_config(role(v, "role"), &config);
            for piece in pieces {
                run.feed(&piece);
            }
            if v["eof"] == true {
                let _ = run.ws.receive_eof();
            }
            run
        };
        let all = chunks.concat();
        let runs = Cuts::ALL.map(|cuts| run_with(cuts.cut(&all)));
        for run in runs.into_iter().chain([run_with(chunks)]) {
            let matches = |expect: &Value| {
                let error = run
                    .ws
                    .error()
                    .filter(|e| *e != ProtocolError::TransportEnded);
                let error = error.map_or(Value::Null, |e| e.close_code().0.into());
                events_json(&run.events) == expect["events"]
                    && is_sent(&run.sent(), &expect["sent"])
                    && error == expect["error"]
                    && (expect["clean"].is_null() || expect["clean"] == run.ws.is_clean())
                    && (expect["close_code"].is_null()
                        || expect["close_code"] == run.ws.close_code().unwrap().0)
            };
            assert!(outcomes(v).iter().any(matches), "{run:?}");
        }
    });
}

/// What a closing script drives: nobody can send on a handshake, there is nothing to call.
#[allow(clippy::large_enum_variant)]
enum Machine {
    Connecting(ClientHandshake, String),
    /// Given up before there was a connection.
    Aborted,
    Run(Run),
}

#[test]
fn closing_scripts() {
    section("closing_script", |v| {
        let mut machine = Machine::Run(Run::new(role(v, "role")));
        let (mut events_seen, mut sent_seen, mut checks) = (0, 0, 0);
        for step in v["steps"].as_array().unwrap() {
            if step["state"] == "connecting" {
                let mut request = ClientRequest::new("ws://example.com/".parse().unwrap());
                for name in strings(&step["required_extensions"]) {
                    request = request.needed_extension(Extension::new(name).unwrap());
                }
                let (handshake, key) = client_handshake(&request, &HandshakeConfig::default());
                machine = Machine::Connecting(handshake, key);
                continue;
            }
            let run = match &mut machine {
                Machine::Run(run) => run,
                Machine::Connecting(handshake, key) => {
                    if let Some(response) = step["recv"].as_str() {
                        let vector_key = "dGhlIHNhbXBsZSBub25jZQ==";
                        let mut response = answering(response.as_bytes(), vector_key, key);
                        let (mut input, mut out) = (Input::new(&mut response), BytesMut::new());
                        let opened = handshake.receive(&mut input, &mut out).unwrap().unwrap();
                        let mut run = Run::of(opened.connection);
                        run.out = out;
                        machine = Machine::Run(run);
                    } else if step["do"] == "close" {
                        assert_eq!(handshake.receive_eof(), ResponseError::TransportEnded);
                        machine = Machine::Aborted;
                    }
                    continue;
                }
                // No connection, so nothing was sent and nothing is clean.
                Machine::Aborted => {
                    assert_ne!(step["clean"], true);
                    continue;
                }
            };
            if let Some(action) = step["do"].as_str() {
                let result = match action {
                    "close" => {
                        let code = step["code"].as_u64().map(|code| CloseCode(code as u16));
                        run.ws
                            .close(code, step["reason"].as_str().unwrap_or(""), &mut run.out)
                    }
                    "send_text" => run.ws.send_text(str(step, "text"), &mut run.out),
                    other => panic!("do {other}"),
                };
                match step["expect"].as_str() {
                    None => assert_eq!(result, Ok(())),
                    Some("api_error") => assert!(result.is_err()),
                    Some("no_op_or_api_error") => assert_eq!(result, Err(SendError::NotOpen)),
                    Some(other) => panic!("expect {other}"),
                }
            }
            if let Some(input) = step["recv_hex"].as_str() {
                run.feed(&unhex(input));
            }
            if step["eof"] == true {
                let _ = run.ws.receive_eof();
            }
            let sent = run.sent();
            if step.get("expect_sent").is_some() {
                assert!(
                    is_sent(&sent[sent_seen..], &step["expect_sent"]),
                    "{sent:?}"
                );
                sent_seen = sent.len();
                checks += 1;
            }
            if step.get("expect_sent_total").is_some() {
                let also_ok = step.get("expect_sent_total_also_ok");
                let mut outcomes = [Some(&step["expect_sent_total"]), also_ok]
                    .into_iter()
                    .flatten();
                assert!(
                    outcomes.any(|expected| is_sent(&sent, expected)),
                    "{sent:?}"
                );
                checks += 1;
            }
            if step.get("expect_events").is_some() {
                assert_eq!(
                    events_json(&run.events[events_seen..]),
                    step["expect_events"]
                );
                events_seen = run.events.len();
                checks += 1;
            }
            if let Some(state) = step["state"].as_str() {
                let is = match run.ws.state() {
                    State::Open => "open",
                    State::Closing => "closing",
                    State::Closed => "closed",
                };
                assert_eq!(is, state);
            }
            if let Some(io) = step["io"].as_str() {
                let (now, soon) = (run.ws.must_close_transport(), run.ws.close_expected());
                match io {
                    "close_now" => assert!(now),
                    "wait_then_close" => assert!(soon && !now),
                    "wait_then_close_or_close_now" => assert!(soon),
                    other => panic!("io {other}"),
                }
            }
            if let Some(clean) = step["clean"].as_bool() {
                assert_eq!(run.ws.is_clean(), clean);
            }
            if let Some(code) = step["close_code"].as_u64() {
                assert_eq!(run.ws.close_code(), Some(CloseCode(code as u16)));
            }
            if let Some(code) = step["error"].as_u64() {
                assert_eq!(run.ws.error().unwrap().close_code(), CloseCode(code as u16));
            }
        }
        let has_checks = v["steps"].to_string().contains("expect_");
        assert!(checks > 0 || !has_checks || !matches!(machine, Machine::Run(_)));
    });
}
