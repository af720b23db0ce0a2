//! Keys, fields, URIs and opening handshakes.

use crate::*;

// ---- keys, fields, URIs ----

/// A request with this key.
fn asking(key: &str) -> Request {
    let list = [
        (":method", "GET"),
        (":path", "/"),
        ("Host", "example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
    ];
    Request::read(list, &Config::default())
}

#[test]
fn accept_keys() {
    section("accept_key", |v| {
        let (key, accept) = (str(v, "key"), str(v, "accept"));
        let (response, _) = asking(key).answer().unwrap();
        assert_eq!(response.headers.get("sec-websocket-accept"), Some(accept));
        assert_eq!(accept_key(key), accept, "that of the tests");
    });
}

#[test]
fn key_validity() {
    section("key_validity", |v| {
        let error = asking(str(v, "key")).error().cloned();
        let is_valid = !matches!(error, Some(HandshakeError::Key(_)));
        assert_eq!(is_valid, v["valid"]);
    });
}

#[test]
fn extension_headers() {
    section("extension_header", |v| {
        let lines = strings(&v["header_lines"]);
        let parsed = Extension::parse_list(lines.iter().map(|line| line.as_bytes()));
        let parsed = parsed.map(Vec::from_iter);
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
        // Without the feature `idna` a host name must be ASCII.
        let is_idn = str(expect, "host").contains("xn--") && !str(v, "uri").contains("xn--");
        if is_idn && !cfg!(feature = "idna") {
            assert_eq!(request.unwrap_err(), SetupError::Host);
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
        // The URI says the same, except for the user and for what is implied.
        let again: ClientRequest = request.uri().parse().unwrap();
        assert_eq!(requested(&again, &Config::default()), text);
        assert_eq!(again.is_secure(), request.is_secure());
        assert_eq!(again.port(), request.port());
        assert_eq!(again.userinfo(), None);
    });
}

// ---- the opening handshake ----

/// The head that a client sends.
pub(crate) fn requested(request: &ClientRequest, config: &Config) -> String {
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
                "sec-websocket-key" => assert_eq!(asking(fields(&text, name)[0]).error(), None),
                _ => assert_eq!(fields(&text, name), [value.as_str().unwrap()], "{name}"),
            }
        }
        for name in strings(&expect["absent"]) {
            assert!(fields(&text, name).is_empty(), "{name}");
        }
    });
}

/// The configuration of a vector's server.
pub(crate) fn server_config(of: &Value) -> Config {
    config(|c| {
        c.deflate = (of["permessage_deflate"] == true).then(Deflate::default);
        c.origins = match of["allowed_origins"].as_array() {
            None => OriginPolicy::any(),
            Some(list) => OriginPolicy::list(list.iter().map(|o| o.as_str().unwrap())),
        };
    })
}

/// Answers the request as the vector's server does; returns the subprotocol.
pub(crate) fn answer(served: &mut Served, config: &Value) -> Option<String> {
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
pub(crate) fn fields<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
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

/// The response as if it answered `key`: the right answer to the vector's key is replaced by the
/// right one to ours. Wrong ones stay wrong.
pub(crate) fn answering(response: &[u8], vector_key: &str, key: &str) -> Vec<u8> {
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
            let extensions: Vec<_> = opened.extensions().map(|e| e.to_string()).collect();
            let extensions = (!extensions.is_empty()).then(|| extensions.join(", "));
            assert!(asked.endpoint.is_open());
            let is_our_own = config.deflate.is_some() && extensions.is_some();
            assert_eq!(asked.endpoint.has_deflate(), is_our_own);
            let subprotocol = opened.subprotocol().map(str::to_owned);
            ("accept", subprotocol, extensions, asked.rest.len())
        }
        Some(Err(_)) => ("fail", None, None, 0),
        None => match asked.eof() {
            HandshakeError::Refused(_) => ("fail", None, None, 0), // the body ends with the transport
            error => {
                assert!(matches!(error, HandshakeError::TransportEnded { .. }));
                ("incomplete", None, None, 0)
            }
        },
    }
}

#[test]
fn handshake_responses() {
    counted_section("handshake_response", (59 + 2 + 2) * 6, |v| {
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
