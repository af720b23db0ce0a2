//! The golden vectors (`tests/data/vectors.json`, or the file that `SANSOCKET_VECTORS` names):
//! every section but that on HTTP/2 and HTTP/3.
//!
//! Invariant: what is received is fed at once, byte by byte and in random cuts, with the same
//! result. No vector is skipped unseen.

#[path = "../support/mod.rs"]
mod support;

use bytes::BytesMut;
use sansocket::frame::{Header, Mask, Opcode};
use sansocket::negotiation::{Agreement, accept_key, is_valid_key};
use sansocket::{
    ClientRequest, CloseCode, Config, Deflate, End, Endpoint, Event, Extension, HandshakeError,
    OriginPolicy, ProtocolError, Response, Role, SendError, Session, Settings, SetupError,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::panic::RefUnwindSafe;
use std::time::Duration;
use support::deflate::Oracle;
use support::*;

/// Sections of which this crate has nothing yet; their features come with their own vectors.
const OTHER_FEATURES: [&str; 1] = ["extended_connect"];

fn file() -> Value {
    let path = std::env::var("SANSOCKET_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors.json").into());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

/// Whether the vectors are ours, not those of `SANSOCKET_VECTORS`.
fn is_our_file() -> bool {
    std::env::var("SANSOCKET_VECTORS").is_err()
}

/// Runs every vector of a section, and names those that fail.
fn section(name: &str, run: fn(&Value)) {
    run_section(name, |vector| {
        run(vector);
        1
    });
}

/// As [`section`], with vectors that are run in several ways: each says in how many it was, and
/// all together were run in so many, if the file is ours.
fn counted_section(name: &str, ways: usize, run: fn(&Value) -> usize) {
    let ran = run_section(name, run);
    assert!(ran == ways || !is_our_file(), "{name} was run {ran} times");
}

fn run_section(name: &str, run: impl Fn(&Value) -> usize + RefUnwindSafe) -> usize {
    let file = file();
    let vectors = file["sections"][name].as_array();
    // A file of one's own may have a part of the sections; ours has all.
    assert!(vectors.is_some() || !is_our_file());
    let (mut ran, mut failed) = (0, Vec::new());
    for vector in vectors.into_iter().flatten() {
        match std::panic::catch_unwind(|| run(vector)) {
            Ok(ways @ 1..) => ran += ways,
            // Not run at all, or not with the result that was wanted.
            Ok(0) | Err(_) => failed.push(vector["id"].as_str().unwrap()),
        }
    }
    assert!(failed.is_empty(), "{name}: {failed:?}");
    ran
}

#[test]
fn every_section_is_known() {
    let file = file();
    for name in file["sections"].as_object().unwrap().keys() {
        let here = include_str!("main.rs").contains(&format!("section(\"{name}\", "));
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

fn number(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} of {value}"))
}

fn bytes(value: &Value, key: &str) -> Vec<u8> {
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

/// The bytes of a handshake head, in any of its three notations.
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
        None => bytes(vector, "raw_hex"),
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
            assert_eq!(parsed, Err(SetupError::Extension));
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
        let (request, expect) = (ClientRequest::new(str(v, "uri")), &v["expect"]);
        if expect.get("error").is_some() {
            assert!(request.is_err(), "{request:?}");
            return;
        }
        let request = request.unwrap();
        assert_eq!(request.is_secure(), expect["secure"]);
        assert_eq!(request.host(), expect["host"]);
        assert_eq!(request.port(), expect["port"]);
        assert_eq!(request.authority(), str(expect, "host_header"));
        assert_eq!(request.userinfo(), expect["userinfo"].as_str());
        let text = requested(&request, &Config::default());
        let line = format!("GET {} HTTP/1.1\r\n", str(expect, "resource"));
        assert!(text.starts_with(&line), "{text}");
        assert_eq!(fields(&text, "host"), [str(expect, "host_header")]);
        // The URI says the same, but for the user and for what is implied.
        let again: ClientRequest = request.uri().parse().unwrap();
        assert_eq!(requested(&again, &Config::default()), text);
        assert_eq!(again.is_secure(), request.is_secure());
        assert_eq!(again.port(), request.port());
        assert_eq!(again.userinfo(), None);
    });
}

// ---- the opening handshake ----

/// The head that a client sends.
fn requested(request: &ClientRequest, config: &Config) -> String {
    let mut out = BytesMut::new();
    let _ = Endpoint::client(request, config, [9; 32], Duration::ZERO, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn client_requests() {
    section("client_request", |v| {
        let (options, expect) = (&v["options"], &v["expect"]);
        let build = || -> Result<ClientRequest, SetupError> {
            let mut request = ClientRequest::new(str(v, "uri"))?;
            for name in strings(&options["subprotocols"]) {
                request = request.subprotocol(name)?;
            }
            if let Some(origin) = options["origin"].as_str() {
                request = request.origin(origin)?;
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
        let mut config = Config::default();
        config.deflate = match options["permessage_deflate"].as_str() {
            None => None,
            Some("default") => Some(Deflate::default()),
            Some(other) => panic!("permessage_deflate {other}"),
        };
        let text = requested(&build().unwrap(), &config);
        assert!(text.ends_with("\r\n\r\n"));
        let request_line = text.split("\r\n").next().unwrap();
        assert_eq!(request_line, str(expect, "request_line"));
        for (name, value) in expect["headers"].as_object().unwrap() {
            match &**name {
                // The vector fixes the key; a request of ours has a fresh one.
                "sec-websocket-key" => assert!(is_valid_key(fields(&text, name)[0])),
                _ => assert_eq!(fields(&text, name), [value.as_str().unwrap()], "{name}"),
            }
        }
        for name in strings(&expect["absent"]) {
            assert!(fields(&text, name).is_empty(), "{name}");
        }
    });
}

/// The configuration of a vector's server.
fn server_config(config: &Value) -> Config {
    crate::support::config(|c| {
        c.deflate = (config["permessage_deflate"] == true).then(Deflate::default);
        c.origins = match config["allowed_origins"].as_array() {
            None => OriginPolicy::any(),
            Some(list) => OriginPolicy::list(list.iter().map(|o| o.as_str().unwrap())),
        };
    })
}

/// Answers what was served as the vector's server does; returns the subprotocol.
fn answer(served: &mut Served, config: &Value) -> Option<String> {
    let resources = &config["resources"];
    if !resources.is_null() && !strings(resources).contains(&served.request().path()) {
        served.respond(Response::new(404));
        return None;
    }
    let supported = strings(&config["subprotocols"]);
    let subprotocol = served.request_mut().select_subprotocol(&supported);
    let subprotocol = subprotocol.map(str::to_owned);
    served.accept();
    let response = std::str::from_utf8(&served.out).unwrap();
    let extensions = fields(response, "sec-websocket-extensions");
    assert_eq!(served.endpoint.has_deflate(), !extensions.is_empty());
    subprotocol
}

/// The values of all fields of a head that have this name.
fn fields<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let (head, _) = head.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").skip(1);
    lines
        .map(|line| line.split_once(": ").unwrap())
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn handshake_requests() {
    counted_section("handshake_request", 75 * 6, |v| {
        let (config, expect) = (&v["config"], &v["expect"]);
        for cuts in Cuts::ALL {
            let mut served = serve(&raw(v), cuts, &server_config(config));
            let error = served.error();
            assert!(error.is_none() || !served.out.is_empty(), "it is answered");
            let (mut request, mut subprotocol) = (None, None);
            if let Some(Ok(asked)) = &served.result {
                let origin = asked.origin().map(str::to_owned);
                request = Some((asked.target().to_owned(), origin, asked.host().to_owned()));
                subprotocol = answer(&mut served, config);
            }
            let response = String::from_utf8(served.out.to_vec()).unwrap();
            if expect["verdict"] == "incomplete" {
                assert!(error.is_none() && request.is_none() && response.is_empty());
                continue;
            }
            let status: u16 = response[9..12].parse().unwrap();
            if let Some(error) = error {
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
                let [is] = fields(&response, name)[..] else {
                    panic!("{name}, once, in {response}")
                };
                match &**name {
                    "connection" | "upgrade" => assert!(is.eq_ignore_ascii_case(want), "{name}"),
                    _ => assert_eq!(is, want, "{name}"),
                }
            }
            for name in strings(&expect["absent_headers"]) {
                assert!(fields(&response, name).is_empty(), "{name}");
            }
            if expect["verdict"] == "accept" {
                let (target, origin, host) = request.unwrap();
                assert_eq!(target, str(expect, "target"));
                assert_eq!(subprotocol.as_deref(), expect["subprotocol"].as_str());
                if let Some(expected) = expect["origin"].as_str() {
                    assert_eq!(origin.as_deref(), Some(expected));
                }
                if let Some(expected) = expect["host"].as_str() {
                    assert_eq!(host, expected);
                }
                let rest = expect["rest_hex"].as_str().unwrap_or_default();
                assert_eq!(hex(&served.rest), rest, "bytes for the connection");
            }
        }
        Cuts::ALL.len()
    });
}

/// A request that offers what the vector says.
fn offering(offered: &Value) -> ClientRequest {
    let mut request = ClientRequest::new("ws://server.example.com/chat").unwrap();
    for name in strings(&offered["subprotocols"]) {
        request = request.subprotocol(name).unwrap();
    }
    let extensions = offered["extensions"].as_str().map(str::as_bytes);
    for extension in Extension::parse_list(extensions).unwrap() {
        request = request.extension(extension, false);
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

/// Verdict, subprotocol, extensions, and the number of bytes left.
fn connect(
    request: &ClientRequest,
    config: &Config,
    response: &[u8],
    vector_key: &str,
    cuts: Cuts,
) -> (&'static str, Option<String>, Option<String>, usize) {
    let (endpoint, key) = client_handshake(request, config);
    let response = answering(response, vector_key, &key);
    let mut asked = receive_response(endpoint, &cuts.cut(&response));
    match &asked.result {
        Some(Ok(opened)) => {
            let extensions: Vec<_> = opened.extensions().iter().map(|e| e.to_string()).collect();
            let extensions = (!extensions.is_empty()).then(|| extensions.join(", "));
            assert!(asked.endpoint.is_open());
            let is_our_own = config.deflate.is_some() && extensions.is_some();
            assert_eq!(asked.endpoint.has_deflate(), is_our_own);
            let subprotocol = opened.subprotocol().map(str::to_owned);
            ("accept", subprotocol, extensions, asked.rest.len())
        }
        Some(Err(_)) => ("fail", None, None, 0),
        None => match asked.eof() {
            HandshakeError::Refused(_) => ("fail", None, None, 0), // the body lasted to the end
            error => {
                assert_eq!(error, HandshakeError::TransportEnded);
                ("incomplete", None, None, 0)
            }
        },
    }
}

#[test]
fn handshake_responses() {
    counted_section("handshake_response", (59 + 2 + 1) * 6, |v| {
        let (offered, expect) = (&v["offered"], &v["expect"]);
        let (response, key) = (raw(v), str(offered, "key"));
        let run = |request: &ClientRequest, config: &Config| {
            for cuts in Cuts::ALL {
                let (verdict, subprotocol, extensions, rest) =
                    connect(request, config, &response, key, cuts);
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
            }
            Cuts::ALL.len()
        };
        let (request, mut config) = (offering(offered), Config::default());
        let mut ways = run(&request, &config);
        if let Some(strict) = v["strict"].as_object() {
            let request = request.require_subprotocol();
            for cuts in Cuts::ALL {
                let (verdict, ..) = connect(&request, &config, &response, key, cuts);
                assert_eq!(verdict, strict["verdict"]);
                ways += 1;
            }
        }
        if offered["extensions"] == Deflate::default().offer().to_string() {
            // The same offer, made by the handshake.
            config.deflate = Some(Deflate::default());
            let mut offered = offered.clone();
            offered["extensions"] = Value::Null;
            ways += run(&offering(&offered), &config);
        }
        ways
    });
}

// ---- frames ----

#[test]
fn frames() {
    section("frame", |v| {
        let (receiver, input, expect) = (role(v, "receiver"), bytes(v, "hex"), &v["expect"]);
        let parsed = Header::parse(&input, receiver, false);
        for cuts in Cuts::ALL {
            let mut run = Run::new(receiver);
            run.feed_cut(&input, cuts);
            if let Some(code) = expect["error"].as_u64() {
                let [Event::Failed(error)] = &run.events[..] else {
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
                Some(byte) => unhex(byte).repeat(number(operation, "count") as usize),
                None => unhex(operation["hex"].as_str().unwrap_or_default()),
            };
            let (ws, out) = (&mut run.ws, &mut run.out);
            let is_text = v["operations"][0]["op"] == "start_text";
            let mut piece = |is_text, is_last| match is_text {
                true => ws.send_piece(std::str::from_utf8(&data).unwrap(), is_last, out),
                false => ws.send_piece(&data, is_last, out),
            };
            let result = match str(operation, "op") {
                "start_text" => piece(true, false),
                "start_binary" => piece(false, false),
                "continue" if operation["expect"] == "api_error" => {
                    // There is no such call: where no message is under way, a piece starts one.
                    assert_eq!(piece(is_text, false), Ok(()));
                    assert_eq!(run.sent()[0].opcode, 2);
                    return;
                }
                "continue" => piece(is_text, false),
                "finish" => piece(is_text, true),
                "text" => ws.send(str(operation, "text"), out),
                "binary" => ws.send(&data, out),
                "ping" => ws.send_ping(&data, out),
                "pong" => ws.send_pong(&data, out),
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
        let len = number(v, "payload_length");
        for (receiver, name) in [(Role::Client, "unmasked"), (Role::Server, "masked")] {
            let masking_key =
                (receiver == Role::Server).then(|| bytes(v, "masked_key_hex").try_into().unwrap());
            let header = Header {
                fin: true,
                rsv1: false,
                opcode: Opcode::Binary,
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
            let payload = bytes(v, "payload_byte").repeat(len as usize);
            let mut run = Run::new(sender);
            run.ws.send(&payload, &mut run.out).unwrap();
            let sent = with_fixed_key(&run.out, sender);
            assert_eq!(
                hex(&Sha256::digest(&sent)),
                str(v, &format!("{name}_sha256"))
            );
            let mut run = Run::new(receiver);
            run.feed(&sent);
            assert_eq!(run.events, [binary(&payload)]);
        }
    });
}

#[test]
fn masking() {
    section("masking", |v| {
        let mut mask = Mask::new(bytes(v, "key_hex").try_into().unwrap());
        mask.apply(&mut vec![0; number(v, "phase") as usize]);
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
            let mut data = bytes(v, "input_hex");
            mask.apply(&mut data);
            assert_eq!(hex(&data), str(v, "output_hex"));
        }
    });
}

// ---- closing ----

#[test]
fn close_codes() {
    section("close_code", |v| {
        let code = CloseCode(number(v, "code") as u16);
        for (receiver, name) in [(Role::Client, "unmasked_hex"), (Role::Server, "masked_hex")] {
            let mut run = Run::new(receiver);
            run.feed(&bytes(v, name));
            match str(v, "receive") {
                "accept" => {
                    assert_eq!(run.events, [close(code.0, "")]);
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
                run.feed_cut(&frame(receiver, 0x88, &bytes(v, "body_hex")), cuts);
                let mut errors = expect["error_any"].as_array().cloned().unwrap_or_default();
                errors.extend(expect.get("error").cloned());
                match &run.events[..] {
                    [Event::Failed(error)] => {
                        assert!(errors.contains(&error.close_code().0.into()));
                    }
                    [Event::Close { code, reason }] => {
                        assert_eq!(expect["code"], code.0);
                        // A Close without a body has no reason.
                        let expected = expect["reason"].as_str().unwrap_or_default();
                        assert_eq!(expected, &**reason);
                        let (code, by_peer) = (*code, true);
                        assert_eq!(run.eof(), End::Closed { code, by_peer });
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
                assert!(run.ws.is_open());
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
        let (message, valid) = (bytes(v, "hex"), v["valid"] == true);
        for receiver in [Role::Client, Role::Server] {
            for cuts in Cuts::ALL {
                let mut run = Run::new(receiver);
                run.feed_cut(&frame(receiver, 0x81, &message), cuts);
                if valid {
                    let message = std::str::from_utf8(&message).unwrap();
                    assert_eq!(run.events, [text(message)]);
                } else {
                    assert_eq!(run.events, [Event::Failed(ProtocolError::TextNotUtf8)]);
                }
            }
        }
        // The first bad byte fails the connection, in a frame that is still coming in, and in
        // fragments of one byte each.
        let at = match v["fail_at"].as_u64() {
            Some(at) => at as usize,
            None if v["ends_inside_character"] == true => message.len() - 1,
            None => return,
        };
        let mut run = Run::new(Role::Client);
        run.feed(&frame_header(Role::Client, 0x81, message.len() as u64));
        let mut fragments = Run::new(Role::Client);
        for (index, byte) in message.iter().enumerate() {
            assert!(run.events.is_empty() && fragments.events.is_empty());
            let fin = if index + 1 == message.len() { 0x80 } else { 0 };
            run.feed(&[*byte]);
            fragments.feed(&frame(Role::Client, fin | u8::from(index == 0), &[*byte]));
            if index == at {
                assert_eq!(run.events, [Event::Failed(ProtocolError::TextNotUtf8)]);
                assert_eq!(fragments.events, run.events);
                return;
            }
        }
    });
}

// ---- permessage-deflate ----

fn window_bits(value: &Value) -> Option<u8> {
    let bits = value.as_u64()?;
    assert!((8..=15).contains(&bits), "{bits}");
    Some(bits as u8)
}

/// An element with these parameters, in which `true` stands for one without a value. Those that are
/// false or null are not there.
fn element(params: &Value) -> Extension {
    let mut element = Extension::new("permessage-deflate").unwrap();
    for (name, value) in params.as_object().unwrap() {
        if value.is_null() || *value == false {
            continue;
        }
        assert!(*value == true || value.is_u64(), "{name}: {value}");
        let number = value.as_u64().map(|number| number.to_string());
        element = element.param(name, number.as_deref()).unwrap();
    }
    element
}

/// The same with the roles changed over.
fn changed_over(params: &Value) -> Value {
    let params = params.as_object().unwrap().iter();
    let params = params.map(|(name, value)| {
        let (role, parameter) = name.split_once('_').unwrap();
        let other = match role {
            "server" => "client",
            "client" => "server",
            other => panic!("role {other}"),
        };
        (format!("{other}_{parameter}"), value.clone())
    });
    Value::Object(params.collect())
}

/// The parts of an element, whose parameters have no order.
fn parts(element: impl ToString) -> Vec<String> {
    let element = element.to_string();
    let mut parts: Vec<_> = element.split("; ").map(String::from).collect();
    parts[1..].sort();
    parts
}

/// What an endpoint with these wishes is set to.
fn deflate(wishes: &Value, min_window_bits: &Value) -> Deflate {
    let mut deflate = Deflate::default();
    deflate.server_no_context_takeover = wishes["server_no_context_takeover"] == true;
    deflate.client_no_context_takeover = wishes["client_no_context_takeover"] == true;
    deflate.server_max_window_bits = window_bits(&wishes["server_max_window_bits"]);
    deflate.client_max_window_bits = window_bits(&wishes["client_max_window_bits"]);
    deflate.min_window_bits = window_bits(min_window_bits).unwrap();
    deflate
}

#[test]
fn deflate_offers() {
    counted_section("pmd_offer", 40 * (1 + 6), |v| {
        let (offer, server) = (str(v, "offer"), &v["server"]);
        let deflate = deflate(server, &server["min_server_bits"]);
        let offered = Extension::parse_list([offer.as_bytes()]).unwrap();
        let agreed = deflate.accept(&offered).map(parts);
        let is = |outcome: &Value| match outcome["accepted"].as_bool().unwrap() {
            true => agreed == Some(parts(element(&outcome["agreed"]))),
            false => agreed.is_none(),
        };
        assert!(outcomes(v).iter().any(is), "{agreed:?}");

        let mut config = Config::default();
        config.deflate = Some(deflate);
        let request = with_line(REQUEST, &format!("Sec-WebSocket-Extensions: {offer}"));
        for cuts in Cuts::ALL {
            let mut served = serve(request.as_bytes(), cuts, &config);
            served.accept();
            assert_eq!(served.endpoint.has_deflate(), agreed.is_some());
            let response = std::str::from_utf8(&served.out).unwrap();
            assert!(response.starts_with("HTTP/1.1 101 "));
            let answered = fields(response, "sec-websocket-extensions");
            let answered: Vec<_> = answered.into_iter().map(parts).collect();
            assert_eq!(answered, Vec::from_iter(agreed.clone()));
        }
        1 + Cuts::ALL.len()
    });
}

#[test]
fn deflate_responses() {
    counted_section("pmd_response", 26 + 23 + 19 * 6, |v| {
        let offers = v["offer"].as_array().unwrap();
        let offered: Vec<_> = offers.iter().map(element).collect();
        let deflate = deflate(&offers[0], &v["min_client_bits"]);
        let response = str(v, "response");
        let headers = [("Sec-WebSocket-Extensions", response.as_bytes())].into_iter();
        let agreed = Agreement::read(headers, &[""; 0], &offered)
            .and_then(|agreement| deflate.agree(&offered, &agreement.extensions));
        let accepted = Extension::parse_list([response.as_bytes()]).unwrap();
        let is_offered = |e: &&Extension| offered.iter().any(|offer| offer.name() == e.name());
        let wrong = match accepted.iter().find(|e| !is_offered(e)) {
            Some(other) => HandshakeError::ExtensionNotOffered(other.name().into()),
            None => HandshakeError::Extensions,
        };
        let is = |outcome: &Value| match str(outcome, "verdict") {
            "accept" => {
                let agreed = agreed.as_ref().ok().and_then(Option::as_ref);
                agreed.map(parts) == Some(parts(element(&outcome["agreed"])))
            }
            "fail" => agreed.as_ref() == Err(&wrong),
            other => panic!("verdict {other}"),
        };
        assert!(outcomes(v).iter().any(is), "{agreed:?}");
        let mut ways = 1;

        // By itself it judges only elements of permessage-deflate.
        if accepted.iter().all(|e| e.name() == Deflate::NAME) {
            assert_eq!(deflate.agree(&offered, &accepted), agreed);
            ways += 1;
        }

        // A handshake makes one offer, always with `client_max_window_bits`.
        let own_offer = deflate.offer();
        let is_own = |offer: &Extension| parts(offer) == parts(&own_offer);
        let [offer] = &offered[..] else { return ways };
        if !is_own(offer) {
            return ways;
        }
        let mut config = Config::default();
        config.deflate = Some(deflate.clone());
        let response = with_line(RESPONSE, &format!("Sec-WebSocket-Extensions: {response}"));
        for cuts in Cuts::ALL {
            let asked = ask(&client_request(), &response, b"", cuts, &config);
            match &agreed {
                Ok(_) => {
                    let extensions = asked.opened().extensions();
                    assert!(asked.endpoint.has_deflate());
                    assert_eq!(deflate.agree(&offered, &extensions), agreed);
                }
                Err(error) => assert_eq!(asked.error().as_ref(), Some(error)),
            }
            ways += 1;
        }
        ways
    });
}

/// A compressed message as a peer of `receiver` sends it, in fragments with a Ping after each
/// but the last.
fn compressed(receiver: Role, opcode: u8, payload: &[u8], fragments: Cuts) -> Vec<u8> {
    let mut pieces = fragments.cut(payload);
    // No bytes are a frame, too.
    let last = pieces.pop().unwrap_or_default();
    let mut bytes = Vec::new();
    let mut first = 0x40 | opcode;
    for piece in pieces {
        bytes.extend(frame(receiver, first, &piece));
        bytes.extend(frame(receiver, 0x89, b"ping"));
        first = 0;
    }
    bytes.extend(frame(receiver, 0x80 | first, &last));
    bytes
}

/// The messages that came out, and the close code if the connection failed then. Each Ping was
/// answered.
fn delivered(run: Run) -> (Vec<Event<'static>>, Option<u16>) {
    let mut answers = run.sent();
    let mut events = run.events;
    let code = match events.last() {
        Some(Event::Failed(error)) => Some(error.close_code().0),
        _ => None,
    };
    if code.is_some() {
        events.pop();
        assert_eq!(answers.pop().unwrap().close_code(), code);
    }
    let answer = Sent {
        fin: true,
        opcode: 10,
        payload: b"ping".to_vec(),
    };
    assert!(answers.iter().all(|sent| *sent == answer));
    let (pings, messages): (Vec<_>, _) = events
        .into_iter()
        .partition(|event| matches!(event, Event::Ping(_)));
    assert_eq!(answers.len(), pings.len());
    (messages, code)
}

/// The index of the message that fails, and the close code; `None` if all are delivered.
type Failure = Option<(u64, u64)>;

#[test]
fn deflate_payloads() {
    counted_section("pmd_payload", (19 + 14 + 3 * 2) * 2 * 36, |v| {
        let deflate = Deflate::default();
        let messages = v["messages"].as_array().unwrap();
        let agreed = &v["agreed"];
        let receiver = match str(v, "direction") {
            "server_to_client" => Role::Client,
            "client_to_server" => Role::Server,
            other => panic!("direction {other}"),
        };
        // The message that fails and its close code, or none, in each conformant outcome.
        let conformant: Vec<Failure> = match v["expect_any"].as_array() {
            Some(any) => any
                .iter()
                .map(|outcome| match outcome.as_str() {
                    Some("accept") => None,
                    _ => Some((number(outcome, "at_message"), number(outcome, "error"))),
                })
                .collect(),
            None => {
                let at = messages.iter().position(|m| m.get("error").is_some());
                vec![at.map(|at| (at as u64, number(&messages[at], "error")))]
            }
        };
        let plain = |m: &Value| match m["plain_byte"].as_str() {
            Some(byte) => Some(unhex(byte).repeat(number(m, "plain_length") as usize)),
            None => m.get("error").is_none().then(|| bytes(m, "plain_hex")),
        };
        let plain: Vec<_> = messages.iter().map(plain).collect();
        // With the limit that is the default, and with others.
        let mut limits = vec![(Settings::default(), conformant)];
        for limit in v["limits"].as_array().into_iter().flatten() {
            let max = number(limit, "max_message_size");
            let failure = match limit["expect"].as_str() {
                Some("accept") => None,
                Some(other) => panic!("expect {other}"),
                None => Some((0, number(&limit["expect"], "error"))),
            };
            let settings = settings(|s| s.max_message_size = max);
            limits.push((settings, vec![failure]));
        }
        let is_text = |data: &Option<Vec<u8>>| match data {
            Some(data) => std::str::from_utf8(data).is_ok(),
            None => true,
        };

        let mut ways = 0;
        let directions = [
            (receiver, element(agreed)),
            (other(receiver), element(&changed_over(agreed))),
        ];
        for (settings, conformant) in &limits {
            let mut outcome = None;
            for (receiver, agreed) in &directions {
                for kind in [1, 2] {
                    // All messages are binary, or all that can be are text.
                    let opcode = |data: &Option<Vec<u8>>| if is_text(data) { kind } else { 2 };
                    let opcodes: Vec<u8> = plain.iter().map(opcode).collect();
                    if !opcodes.contains(&kind) {
                        continue;
                    }
                    for (fragments, cuts) in Cuts::ALL.map(|f| Cuts::ALL.map(|c| (f, c))).concat() {
                        let sent = messages.iter().zip(&opcodes).map(|(message, opcode)| {
                            let payload = bytes(message, "payload_hex");
                            compressed(*receiver, *opcode, &payload, fragments)
                        });
                        let sent = sent.collect::<Vec<_>>().concat();
                        let ws = connection(*receiver, *settings);
                        let mut run = Run::of(ws.with_deflate(&deflate, agreed).unwrap());
                        run.feed_cut(&sent, cuts);

                        let (events, code) = delivered(run);
                        let failed = code.map(|code| (events.len() as u64, u64::from(code)));
                        assert!(conformant.contains(&failed), "{failed:?}");
                        // The same in all ways.
                        assert_eq!(
                            *outcome.get_or_insert(failed),
                            failed,
                            "{fragments:?} {cuts:?}"
                        );
                        assert!(failed.is_some() || events.len() == messages.len());
                        let expected = plain.iter().flatten().zip(&opcodes);
                        let expected = expected.map(|(data, opcode)| match opcode {
                            1 => text(std::str::from_utf8(data).unwrap()),
                            _ => binary(data),
                        });
                        assert_eq!(events, Vec::from_iter(expected.take(events.len())));
                        ways += 1;
                    }
                }
            }
        }
        ways
    });
}

/// Sends a message at once, as text or binary, or binary in two or more fragments.
#[derive(Clone, Copy, Debug)]
enum Sending {
    Text,
    Binary,
    Fragments(Cuts),
}

impl Sending {
    fn send(self, run: &mut Run, message: &[u8]) {
        let (ws, out) = (&mut run.ws, &mut run.out);
        match self {
            Self::Text => ws.send(std::str::from_utf8(message).unwrap(), out),
            Self::Binary => ws.send(message, out),
            Self::Fragments(cuts) => {
                let mut pieces = cuts.cut(message);
                pieces.resize(pieces.len().max(2), Vec::new());
                let (last, others) = pieces.split_last().unwrap();
                for piece in others {
                    ws.send_piece(piece, false, out).unwrap();
                }
                ws.send_piece(last, true, out)
            }
        }
        .unwrap();
    }
}

#[test]
fn deflate_compressed() {
    counted_section("pmd_compress", (7 * 4 + 5) * 2 * 9, |v| {
        let messages: Vec<Vec<u8>> = strings(&v["plain_hex"]).into_iter().map(unhex).collect();
        let check = &v["check"];
        let payloads = check["payload_hex"].as_array().unwrap();
        assert_eq!(payloads.len(), messages.len());
        let context_takeover = match check["context"].as_str() {
            None | Some("shared") => true,
            Some("fresh_each") => false,
            Some(other) => panic!("context {other}"),
        };
        let agreed = serde_json::json!({
            "server_no_context_takeover": !context_takeover,
            "server_max_window_bits": v["max_window_bits"],
        });
        let bits = window_bits(&check["inflate_bits"]).unwrap_or(15);
        let mut sendings = vec![Sending::Binary];
        let fragments = [Cuts::Whole, Cuts::Random(1), Cuts::Random(2)];
        sendings.extend(fragments.map(Sending::Fragments));
        if messages.iter().all(|m| std::str::from_utf8(m).is_ok()) {
            sendings.push(Sending::Text);
        }

        let mut ways = 0;
        for level in 1..=9 {
            let mut deflate = Deflate::default();
            deflate.level = level;
            deflate.min_size = 0;
            let roles = [
                (Role::Server, element(&agreed)),
                (Role::Client, element(&changed_over(&agreed))),
            ];
            for ((sender, agreed), sending) in roles
                .iter()
                .flat_map(|role| sendings.iter().map(move |s| (role, *s)))
            {
                let ws = connection(*sender, Settings::default());
                let mut run = Run::of(ws.with_deflate(&deflate, agreed).unwrap());
                let mut oracle = Oracle::new(1 << bits);
                for (message, exact) in messages.iter().zip(payloads) {
                    run.out.clear();
                    sending.send(&mut run, message);
                    let frames = raw_frames(&run.out, *sender);
                    let is_compressed = frames[0].0 & 0x40 != 0;
                    for (at, (first, _)) in frames.iter().enumerate() {
                        let opcode = match sending {
                            _ if at > 0 => 0,
                            Sending::Text => 1,
                            Sending::Binary | Sending::Fragments(_) => 2,
                        };
                        let fin = u8::from(at + 1 == frames.len());
                        let rsv1 = u8::from(at == 0 && is_compressed);
                        assert_eq!(*first, fin << 7 | rsv1 << 6 | opcode);
                    }
                    let payloads: Vec<_> = frames.into_iter().map(|(_, part)| part).collect();
                    let payload = payloads.concat();
                    if !is_compressed {
                        // Where no window can lose step, what does not shrink goes as it is;
                        // but that is known only of a complete message.
                        assert!(!context_takeover && payloads.len() == 1);
                        assert_eq!(payload, *message);
                        continue;
                    }
                    if let Some(exact) = exact.as_str() {
                        assert_eq!(hex(&payload), exact);
                    }
                    if let Some(suffix) = check["not_suffix_hex"].as_str() {
                        assert!(!payload.ends_with(&unhex(suffix)));
                    }
                    let inflated = oracle.message(&payload, context_takeover);
                    assert_eq!(inflated.as_ref(), Ok(message), "{sending:?}, level {level}");
                }
                ways += 1;
            }
        }
        ways
    });
}

// ---- sessions ----

fn event_json(event: &Event<'_>) -> Value {
    use serde_json::json;
    match event {
        Event::Text(text) => json!({"event": "text", "text": &**text}),
        Event::Binary(data) => json!({"event": "binary", "hex": hex(data)}),
        Event::Ping(data) => json!({"event": "ping", "hex": hex(data)}),
        Event::Pong(data) => json!({"event": "pong", "hex": hex(data)}),
        Event::Close { code, reason } => {
            json!({"event": "close", "code": code.0, "reason": &**reason})
        }
        other => panic!("{other:?}"),
    }
}

/// The rule that was broken.
fn failure(run: &Run) -> Option<ProtocolError> {
    match run.events.last() {
        Some(Event::Failed(error)) => Some(*error),
        _ => None,
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
    counted_section("session", 106 * 7, |v| {
        let deflate = Deflate::default();
        let settings = settings(|s| {
            if let Some(max) = v["config"]["max_message_size"].as_u64() {
                s.max_message_size = max;
            }
        });
        let chunks: Vec<Vec<u8>> = strings(&v["input_hex"]).into_iter().map(unhex).collect();
        let run_with = |pieces: Vec<Vec<u8>>| {
            let mut ws = connection(role(v, "role"), settings);
            let agreed = &v["config"]["permessage_deflate"];
            if !agreed.is_null() {
                ws = ws.with_deflate(&deflate, &element(agreed)).unwrap();
            }
            let mut run = Run::of(ws);
            for piece in pieces {
                run.feed(&piece);
            }
            let end = (v["eof"] == true).then(|| run.eof());
            (run, end)
        };
        let all = chunks.concat();
        let runs = Cuts::ALL.map(|cuts| run_with(cuts.cut(&all)));
        for (run, end) in runs.into_iter().chain([run_with(chunks)]) {
            let matches = |expect: &Value| {
                let error = failure(&run).map_or(Value::Null, |e| e.close_code().0.into());
                let (clean, code) = (&expect["clean"], &expect["close_code"]);
                events_json(&run.events) == expect["events"]
                    && is_sent(&run.sent(), &expect["sent"])
                    && error == expect["error"]
                    && (clean.is_null() || *clean == end.as_ref().unwrap().is_clean())
                    && (code.is_null() || *code == end.as_ref().unwrap().close_code().0)
                    // What broke a rule is how it ended.
                    && end.as_ref().is_none_or(|end| match (failure(&run), end) {
                        (Some(error), End::Failed(end)) => error == *end,
                        (Some(_), _) => false,
                        (None, End::Failed(end)) => *end == ProtocolError::TransportEnded,
                        (None, _) => true,
                    })
            };
            assert!(outcomes(v).iter().any(matches), "{run:?}");
        }
        Cuts::ALL.len() + 1
    });
}

/// What a closing script drives.
#[allow(clippy::large_enum_variant)]
enum Machine {
    /// A client, what it has sent after its request, and the key of that.
    Connecting(Endpoint, BytesMut, String),
    /// It was given up before there was a connection, and ended so.
    Aborted(End),
    Run(Run),
}

/// Does what a step says.
fn act(step: &Value, ws: &mut Session, out: &mut BytesMut) -> Result<(), SendError> {
    match str(step, "do") {
        "close" => {
            let code = step["code"].as_u64().map(|code| CloseCode(code as u16));
            ws.close(code, step["reason"].as_str().unwrap_or(""), out)
        }
        "send_text" => ws.send(str(step, "text"), out),
        "send_ping" => ws.send_ping(&bytes(step, "hex"), out),
        other => panic!("do {other}"),
    }
}

/// A step of an opening handshake.
fn connecting(mut endpoint: Endpoint, mut out: BytesMut, key: String, step: &Value) -> Machine {
    if let Some(response) = step["recv"].as_str() {
        let response = answering(response.as_bytes(), "dGhlIHNhbXBsZSBub25jZQ==", &key);
        let asked = receive_response(endpoint, &[response]);
        asked.opened();
        let mut run = Run::of(asked.endpoint.into_connection().unwrap());
        run.out = asked.out;
        return Machine::Run(run);
    }
    if step.get("do").is_some() {
        assert_eq!(
            act(step, &mut endpoint, &mut out),
            Err(SendError::NotYetOpen)
        );
        assert!(matches!(
            step["expect"].as_str(),
            None | Some("api_error_or_queued")
        ));
        if step["do"] == "close" {
            // The transport is dropped.
            assert_eq!(
                refused_at_eof(&mut endpoint),
                HandshakeError::TransportEnded
            );
            return Machine::Aborted(endpoint.end().unwrap());
        }
    }
    if step.get("expect_sent_total").is_some() {
        assert!(is_sent(
            &sent_frames(&out, Role::Client),
            &step["expect_sent_total"]
        ));
    }
    Machine::Connecting(endpoint, out, key)
}

#[test]
fn closing_scripts() {
    section("closing_script", |v| {
        let mut machine = Machine::Run(Run::new(role(v, "role")));
        let (mut events_seen, mut sent_seen, mut checks) = (0, 0, 0);
        for step in v["steps"].as_array().unwrap() {
            if step["state"] == "connecting" {
                let mut request = ClientRequest::new("ws://example.com/").unwrap();
                for name in strings(&step["required_extensions"]) {
                    request = request.extension(Extension::new(name).unwrap(), true);
                }
                let (endpoint, key) = client_handshake(&request, &Config::default());
                machine = Machine::Connecting(endpoint, BytesMut::new(), key);
                continue;
            }
            let run = match &mut machine {
                Machine::Run(run) => run,
                Machine::Connecting(..) => {
                    let Machine::Connecting(endpoint, out, key) =
                        std::mem::replace(&mut machine, Machine::Run(Run::new(Role::Client)))
                    else {
                        unreachable!("just matched")
                    };
                    machine = connecting(endpoint, out, key, step);
                    continue;
                }
                // No connection, so nothing was sent and nothing is clean.
                Machine::Aborted(end) => {
                    assert_eq!(step["clean"].as_bool().unwrap_or(false), end.is_clean());
                    if let Some(code) = step["close_code"].as_u64() {
                        assert_eq!(end.close_code(), CloseCode(code as u16));
                    }
                    continue;
                }
            };
            if step.get("do").is_some() {
                let result = act(step, &mut run.ws, &mut run.out);
                match step["expect"].as_str() {
                    None => assert_eq!(result, Ok(())),
                    Some("api_error") => assert!(result.is_err()),
                    Some("no_op_or_api_error") => assert_eq!(result, Err(SendError::Closed)),
                    Some(other) => panic!("expect {other}"),
                }
            }
            if let Some(input) = step["recv_hex"].as_str() {
                run.feed(&unhex(input));
            }
            if step["eof"] == true {
                run.eof();
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
            let end = run.ws.end();
            if let Some(state) = step["state"].as_str() {
                let is = match (run.ws.is_open(), &end) {
                    (true, None) => "open",
                    (false, None) => "closing",
                    (false, Some(_)) => "closed",
                    (true, Some(_)) => panic!("open and over"),
                };
                assert_eq!(is, state);
            }
            if let Some(io) = step["io"].as_str() {
                let now = run.ws.must_close_transport();
                // The peer is the one to close the transport, and soon.
                let soon = !run.ws.is_open() && end.is_none();
                match io {
                    "close_now" => assert!(now),
                    "wait_then_close" => assert!(soon && !now),
                    "wait_then_close_or_close_now" => assert!(soon),
                    other => panic!("io {other}"),
                }
            }
            if let Some(clean) = step["clean"].as_bool() {
                assert_eq!(end.as_ref().unwrap().is_clean(), clean);
            }
            if let Some(code) = step["close_code"].as_u64() {
                let code = CloseCode(code as u16);
                assert_eq!(end.as_ref().unwrap().close_code(), code);
            }
            if let Some(code) = step["error"].as_u64() {
                let error = failure(run).unwrap();
                assert_eq!(error.close_code(), CloseCode(code as u16));
            }
        }
        let has_checks = v["steps"].to_string().contains("expect_");
        assert!(checks > 0 || !has_checks || !matches!(machine, Machine::Run(_)));
    });
}
