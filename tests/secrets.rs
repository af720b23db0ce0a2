//! Puts a secret into every place that can hold one, and looks for it in every `Debug`, in the text of every error
//! and in every default answer.
//!
//! Invariant: a log of all of them gives nobody access.

#[path = "support/mod.rs"]
mod support;

use bytes::BytesMut;
use sansocket::frame::{Header, Mask, Opcode};
use sansocket::{
    Backoff, Binary, ClientRequest, CloseCode, Config, Data, Deflate, Deliver, Endpoint, Event,
    Extension, HandshakeError, Headers, Input, Offer, OriginPolicy, Prepared, Request, Response,
    Role, SetupError, Text, Tick, Tunnel,
};
use std::fmt::{Debug, Display};
use std::sync::LazyLock;
use std::time::Duration;
use support::*;

/// A token, which is valid in any of these places. It is as long as a seed.
const SECRET: &str = "Zq8sesame7Yk3Vw9Tn5Xb2Rc6Mp4Ld1H";

// ---- the search ----

/// The forms in which bytes may be shown: as they are, in hex, or as a list of numbers. What shows more
/// than 14 of the secret shows one of its parts.
fn forms(secret: &[u8]) -> Vec<String> {
    let list = |numbers: Vec<String>| [numbers.join(", "), numbers.join(",")];
    let parts = secret.chunks(8).flat_map(|part| {
        let plain = part.escape_ascii().to_string();
        let hexes = list(part.iter().map(|byte| format!("{byte:x}")).collect());
        let numbers = list(part.iter().map(u8::to_string).collect());
        [
            vec![plain.to_lowercase(), plain, hex(part)],
            hexes.into(),
            numbers.into(),
        ]
        .concat()
    });
    parts.collect()
}

fn is_in(text: &str, forms: &[String]) -> bool {
    forms.iter().any(|form| text.contains(form))
}

static FORMS: LazyLock<Vec<String>> = LazyLock::new(|| forms(SECRET.as_bytes()));

fn is_told(text: &str) -> bool {
    is_in(text, &FORMS)
}

#[track_caller]
fn hides(value: &impl Debug) {
    let text = format!("{value:?}");
    assert!(!is_told(&text), "{text}");
}

/// In every way to format it.
#[track_caller]
fn hides_always(value: &impl Debug, forms: &[String]) {
    let pretty = format!("{value:#?}").replace(char::is_whitespace, "");
    for text in [format!("{value:?}"), pretty, format!("{value:x?}")] {
        assert!(!is_in(&text, forms), "{text}");
    }
}

/// The same for the text of an error.
#[track_caller]
fn says_nothing(error: &(impl Debug + Display)) {
    hides_always(error, &FORMS);
    assert!(!is_told(&error.to_string()), "{error}");
}

#[track_caller]
fn hides_all(event: &Event<'_>) {
    hides_always(event, &FORMS);
    if let Event::Refused(error) = event {
        says_nothing(&**error);
    }
}

/// Ends the transport, and checks what is reported about that.
#[track_caller]
fn ends(endpoint: &mut Endpoint, out: &mut BytesMut) {
    endpoint.receive_eof();
    out.clear();
    let tick = endpoint.tick(Duration::ZERO, out);
    hides(&tick);
    hides(endpoint);
    let Tick::Done(end) = tick else {
        panic!("{tick:?}")
    };
    says_nothing(&end);
    let mut backoff = Backoff::new(*SECRET.as_bytes().first_chunk().unwrap());
    let _ = backoff.after(&end, Duration::ZERO);
    hides(&backoff);
}

#[test]
fn the_search_finds_a_secret_in_every_form() {
    let bytes = SECRET.as_bytes();
    let shown = [
        format!("{:?}", &bytes[3..18]),
        format!("{:#?}", &bytes[3..18]).replace(char::is_whitespace, ""),
        format!("{:x?}", &bytes[3..18]),
        format!("{:?}", BytesMut::from(SECRET)),
        format!("x{}", &SECRET[7..16].to_lowercase()),
        hex(&bytes[3..18]),
    ];
    for shown in shown {
        assert!(is_told(&shown), "{shown}");
    }
    assert!(!is_told("sesame7Yk3Vw, too little to find"));
}

// ---- the client's side of a handshake ----

fn request() -> ClientRequest {
    let uri = format!("wss://{SECRET}:{SECRET}@example.com/chat?{SECRET}");
    let mut request = ClientRequest::new(&uri).unwrap();
    for name in [
        "Authorization",
        "Cookie",
        "X-Api-Key",
        "Referer",
        "Anything",
    ] {
        request = request.header(name, SECRET).unwrap();
    }
    let extension = Extension::new("x")
        .unwrap()
        .param("y", Some(SECRET))
        .unwrap();
    let origin = format!("https://{SECRET}@a.test/?{SECRET}");
    let request = request
        .subprotocol("chat")
        .unwrap()
        .subprotocol(SECRET)
        .unwrap();
    request.extension(extension, true).origin(&origin).unwrap()
}

#[test]
fn a_request_hides_its_secrets() {
    hides(&request());
    hides(
        &request()
            .require_subprotocol()
            .extension(Extension::new("z").unwrap(), false),
    );
    let mut headers = Headers::new();
    headers.push("X-Token", SECRET).unwrap();
    hides(&headers);
    hides(&headers.iter().count());
}

#[test]
fn a_setup_error_hides_the_wrong_value() {
    let uris = [
        "xs://me:S@a/",
        "ws:me:S@a/",
        "ws://me:S@:80/",
        "ws://me:S@a b/",
        "ws://me:S@a:S/",
        "ws://me:S\"@a/",
        "ws://me:\u{e9}S@a/",
        "ws://a/?S S",
        "ws://a/?S\0",
        "ws://a/#S",
        "ws://a:S/",
        "ws://[S]/",
        "ws://a\u{ff0f}S/",
        "ws://S S",
    ];
    for uri in uris {
        says_nothing(&ClientRequest::new(&uri.replace('S', SECRET)).unwrap_err());
    }
    let bad = &format!("{SECRET}\r\n");
    let errors: [Result<(), SetupError>; 8] = [
        client_request().header(bad, "x").map(drop),
        client_request().header("x", bad).map(drop),
        client_request().origin(bad).map(drop),
        client_request().subprotocol(bad).map(drop),
        Extension::new(bad).map(drop),
        Extension::new("x").unwrap().param("x", Some(bad)).map(drop),
        Extension::parse_list([&format!("x; y=\"{SECRET}")]).map(drop),
        Response::new(401).header("x", bad).map(drop),
    ];
    for error in errors {
        says_nothing(&error.unwrap_err());
    }
}

/// Feeds a client byte by byte; it hides everything at each of them, and at the end.
#[track_caller]
fn client_hides(response: &str) -> Vec<Event<'static>> {
    let config = config(|c| c.deflate = Some(Deflate::default()));
    let seed = *SECRET.as_bytes().first_chunk().unwrap();
    let mut out = BytesMut::new();
    let mut ws = Endpoint::client(&request(), &config, seed, Duration::ZERO, &mut out);
    let head = String::from_utf8(out.to_vec()).unwrap();
    let key = head
        .split("Sec-WebSocket-Key: ")
        .nth(1)
        .unwrap()
        .get(..24)
        .unwrap();
    let accept = accept_key(key);
    let mut bytes = response
        .replace("ACCEPT", &accept)
        .replace('$', SECRET)
        .into_bytes();
    let mut events = Vec::new();
    hides_always(&ws, &forms(key.as_bytes()));
    for byte in bytes.chunks_mut(1) {
        let mut input = Input(byte);
        while let Some(event) = ws.receive(&mut input, Duration::ZERO, &mut out) {
            hides_all(&event);
            events.push(event.into_owned());
        }
        hides(&ws);
    }
    ends(&mut ws, &mut out);
    events
}

#[test]
fn a_response_hides_its_secrets() {
    let head = RESPONSE.strip_suffix("\r\n").unwrap();
    let fields = "Set-Cookie: $\r\nX-Session: $\r\nLocation: /?$\r\nSec-WebSocket-Protocol: $\r\n\
        Sec-WebSocket-Extensions: x; y=\"$\"\r\n\r\n";
    let events = client_hides(&format!("{head}{fields}\u{1}\u{20}$"));
    let [Event::Opened(response)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(response.subprotocol(), Some(SECRET));
    hides(&response.extensions().collect::<Vec<_>>());
}

#[test]
fn a_refusal_hides_its_secrets() {
    let head = RESPONSE.strip_suffix("\r\n").unwrap();
    let responses = [
        "HTTP/1.1 401 $\r\nWWW-Authenticate: $\r\nContent-Length: 32\r\n\r\n$".into(),
        "HTTP/1.1 403 $\r\nTransfer-Encoding: chunked\r\n\r\n20;x=$\r\n$\r\n0\r\n\r\n".into(),
        "HTTP/1.1 302 $\r\nLocation: wss://$:$@b.test/?$#$\r\n\r\n$".into(),
        "HTTP/1.1 302 $\r\nLocation: /?$@x\r\nContent-Length: 100\r\n\r\n$".into(),
        "HTTP/1.1 103 $\r\nLink: $\r\n\r\nHTTP/1.1 $\r\n".into(),
        "$ $ $\r\n\r\n".into(),
        "HTTP/1.1 101 x\r\n$ $: x\r\n\r\n".into(),
        "HTTP/1.1 101 x\r\nX: $\r\n\r\n".into(),
        format!("{head}Sec-WebSocket-Protocol: $$\r\n\r\n"),
        format!("{head}Sec-WebSocket-Protocol: chat, $\r\n\r\n"),
        // The parameters of permessage-deflate are shown: nobody but the protocol has a use for them.
        format!("{head}Sec-WebSocket-Extensions: z; y=$\r\n\r\n"),
    ];
    for response in responses {
        let events = client_hides(&response);
        let [Event::Refused(error)] = &events[..] else {
            assert!(events.is_empty(), "{events:?}"); // the body ends with the transport
            continue;
        };
        says_nothing(&**error);
    }
}

// ---- the server's ----

/// A request with a secret wherever an honest client may have one.
fn head() -> String {
    let head = replaced(REQUEST, "/chat", &format!("/chat?token={SECRET}"));
    let lines = format!(
        "Origin: https://{SECRET}@example.com/?{SECRET}\r\nSec-WebSocket-Protocol: chat, {SECRET}\r\n\
         Sec-WebSocket-Extensions: x; y={SECRET}\r\nCookie: {SECRET}\r\nAuthorization: {SECRET}\r\n\
         X-Api-Key: {SECRET}\r\nReferer: /{SECRET}"
    );
    with_line(&head, &lines)
}

/// Feeds a server in these pieces; it and its answers hide everything.
#[track_caller]
fn server_hides(bytes: &[u8], piece: usize, config: &Config) -> Vec<Event<'static>> {
    let (mut ws, mut out) = (Endpoint::server(config, Duration::ZERO), BytesMut::new());
    let (mut bytes, mut events) = (bytes.to_vec(), Vec::new());
    for piece in bytes.chunks_mut(piece) {
        let mut input = Input(piece);
        while let Some(event) = ws.receive(&mut input, Duration::ZERO, &mut out) {
            hides_all(&event);
            if let Event::Http(request) = &event {
                says_nothing(request.error().unwrap());
            }
            events.push(event.into_owned());
        }
        hides(&ws);
    }
    assert!(!is_told(&out.escape_ascii().to_string()), "{out:?}");
    ends(&mut ws, &mut out);
    events
}

#[test]
fn a_request_hides_what_its_client_sends() {
    let config = config(|c| {
        c.origins = OriginPolicy::any();
        c.deflate = Some(Deflate::default());
    });
    hides(&config);
    // Bytes that come before the decision are kept.
    let bytes = [head().as_bytes(), SECRET.as_bytes()].concat();
    let events = server_hides(&bytes, 1, &config);
    let [Event::Request(request)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(request.subprotocols().nth(1), Some(SECRET));
    hides(request.headers());
    hides(&request.extensions().collect::<Vec<_>>());

    // The kept bytes, received after the request was accepted, and what the application adds.
    let (mut ws, mut out) = (Endpoint::server(&config, Duration::ZERO), BytesMut::new());
    let mut bytes = head().into_bytes();
    let event = ws.receive(&mut Input(&mut bytes), Duration::ZERO, &mut out);
    let Some(Event::Request(mut request)) = event else {
        panic!("{event:?}")
    };
    request.add_header("Set-Cookie", SECRET).unwrap();
    request.select_subprotocol(&[SECRET]).unwrap();
    hides(&request);
    let mut early = frame(Role::Server, 0x81, SECRET.as_bytes());
    assert_eq!(
        ws.receive(&mut Input(&mut early), Duration::ZERO, &mut out),
        None
    );
    hides(&ws);
    ws.accept(request, &mut out).unwrap();
    hides(&ws);
    let event = ws.receive(&mut Input(&mut []), Duration::ZERO, &mut out);
    assert_eq!(event, Some(text(SECRET)));
    hides(&event);
    ends(&mut ws, &mut out);
}

#[test]
fn a_handshake_over_other_http_hides_what_it_asks_and_answers() {
    let seed = *SECRET.as_bytes().first_chunk().unwrap();
    let config = config(|c| c.origins = OriginPolicy::any());
    for make in [Offer::upgrade, Offer::extended_connect] {
        let offer = make(&request(), &config, seed);
        hides_always(&offer, &FORMS);
        hides(offer.headers());
        let key = offer.headers().get("sec-websocket-key").unwrap_or("none");
        hides_always(&offer, &forms(key.as_bytes()));
        let mut asked = Request::read(offer.headers(), &config);
        hides_always(&asked, &FORMS);
        asked.select_subprotocol(&[SECRET]);
        asked.add_header("Set-Cookie", SECRET).unwrap();
        hides_always(&asked, &FORMS);
        let (response, connection) = asked.answer().unwrap();
        assert_eq!(response.subprotocol(), Some(SECRET));
        hides_always(&response, &FORMS);
        hides(&connection);

        let refused = make(&request(), &config, seed).check(401, &response.headers);
        says_nothing(&refused.unwrap_err());
        let other = make(&ClientRequest::new("ws://a/").unwrap(), &config, seed);
        says_nothing(&other.check(response.status, &response.headers).unwrap_err());
        hides(&offer.check(response.status, [("sec-websocket-protocol", SECRET)]));
    }
    // A proxy, and where a server redirects.
    let mut out = BytesMut::new();
    let user = Some((SECRET, SECRET));
    let mut tunnel = Tunnel::new(&request(), user, &config, &mut out).unwrap();
    hides_always(&tunnel, &FORMS);
    assert!(
        !is_told(std::str::from_utf8(&out).unwrap()),
        "of the request"
    );
    let response = Response::new(302).header("Location", &format!("/a?{SECRET}"));
    let redirected = request().redirected(&response.unwrap()).unwrap();
    hides_always(&redirected, &FORMS);
    hides_always(&request().basic_auth(SECRET, SECRET).unwrap(), &FORMS);
    hides_always(&request().bearer(SECRET).unwrap(), &FORMS);
    let head = format!(
        "HTTP/1.1 407 {SECRET}\r\nProxy-Authenticate: {SECRET}\r\nX: {SECRET}\r\nContent-Length: 32\r\n\r\n{SECRET}"
    );
    for byte in head.into_bytes().chunks_mut(1) {
        if let Err(error) = tunnel.receive(&mut Input(byte)) {
            says_nothing(&error);
        }
        hides_always(&tunnel, &FORMS);
    }
    // Whatever is wrong with the list.
    let path = format!("/a?{SECRET}");
    let list = [
        (":method", "GET"),
        (":path", &path),
        ("x-api-key", SECRET),
        (":late", SECRET),
    ];
    let request = Request::read(list, &config);
    hides_always(&request, &FORMS);
    says_nothing(request.error().unwrap());
}

#[test]
fn an_answer_hides_the_secrets_of_the_application() {
    let response = Response::new(401).header("Set-Cookie", SECRET).unwrap();
    let response = response.header("X-Session", SECRET).unwrap().body(SECRET);
    hides(&response);
    let refused = HandshakeError::Refused(Box::new(response.clone()));
    says_nothing(&refused);
    let (mut ws, mut out) = (
        Endpoint::server(&Config::default(), Duration::ZERO),
        BytesMut::new(),
    );
    ws.respond(response, &mut out).unwrap();
    hides(&ws);
    ends(&mut ws, &mut out);
}

/// Each byte of the request is replaced by bytes that break rules, so that every error comes.
#[test]
fn the_error_of_a_bad_request_has_none_of_its_secrets() {
    let (head, config) = (head(), config(|c| c.max_headers = 13));
    let mut errors = std::collections::BTreeSet::new();
    let mut seen = |head: &[u8]| {
        for event in server_hides(head, usize::MAX, &config) {
            let error = match &event {
                Event::Http(request) => request.error().unwrap(),
                Event::Refused(error) => error,
                _ => continue,
            };
            let text = error.to_string();
            errors.insert(text.split('(').next_back().unwrap_or_default().to_owned());
        }
    };
    for (at, old) in head.bytes().enumerate() {
        // Without these, the secret would be in the path, the host, or the name of an extension.
        if matches!(old, b'?' | b'@' | b'=') {
            continue;
        }
        for byte in *b"\0 \n#0\xff" {
            let mut head = head.clone().into_bytes();
            head[at] = byte;
            seen(&head);
        }
    }
    for line in ["Host: a", "Content-Length: 7", "X: y", "Origin: b"] {
        seen(with_line(&head, line).as_bytes());
        seen(with_line(&replaced(&head, "Host", "X"), line).as_bytes());
    }
    seen(replaced(&head, "Version: 13", "Version: 12").as_bytes());
    seen(replaced(&head, "HTTP/1.1", "HTTP/1.0").as_bytes());
    assert!(errors.len() >= 9, "{errors:?}");
}

// ---- messages ----

/// The frames of a peer that has a secret in all of them, compressed or not.
fn frames_to(receiver: Role, is_compressed: bool) -> Vec<u8> {
    let mut sender = connection(other(receiver), settings(|_| {}));
    if is_compressed {
        sender = with_deflate(sender);
    }
    let (mut out, long) = (BytesMut::new(), SECRET.repeat(5));
    sender.send(&long, &mut out).unwrap();
    sender.send(long.as_bytes(), &mut out).unwrap();
    for (part, is_last) in [(SECRET, false), (&long, false), (SECRET, true)] {
        sender.send_piece(part, is_last, &mut out).unwrap();
        sender.send_ping(SECRET.as_bytes(), &mut out).unwrap();
        hides(&sender);
    }
    sender.send_pong(SECRET.as_bytes(), &mut out).unwrap();
    sender.close(CloseCode::NORMAL, SECRET, &mut out).unwrap();
    hides(&sender);
    out.to_vec()
}

#[test]
fn a_connection_hides_its_messages_at_every_byte() {
    for role in ROLES {
        for is_compressed in [false, true] {
            for deliver in [Deliver::Complete, Deliver::InPlace, Deliver::Pieces] {
                let mut ws = connection(role, settings(|s| s.deliver = deliver));
                if is_compressed {
                    ws = with_deflate(ws);
                }
                let (mut out, mut left, mut events) = (BytesMut::new(), Vec::new(), 0);
                for byte in frames_to(role, is_compressed) {
                    left.push(byte);
                    let mut input = Input(&mut left);
                    while let Some(event) = ws.receive(&mut input, &mut out) {
                        hides_all(&event);
                        events += 1;
                    }
                    hides(&input);
                    let len = input.0.len();
                    left.drain(..left.len() - len);
                    hides(&ws);
                }
                assert!(events >= 8, "{events}");
                ws.receive_eof();
                hides(&ws);
                says_nothing(&ws.end().unwrap());
            }
        }
    }
}

#[test]
fn a_failure_hides_the_message() {
    for role in ROLES {
        for first in 0..=255 {
            let bad = [SECRET.as_bytes(), b"\xff"].concat();
            let mut run = Run::new(role);
            // In the middle of a message, and after one.
            run.feed(&frame(role, 0x01, SECRET.as_bytes()));
            run.feed(&frame(role, first, &bad));
            run.feed(SECRET.as_bytes());
            hides(&run.ws);
            hides(&run.events);
            let sent = run.sent();
            for close in sent.iter().filter(|sent| sent.opcode == 8) {
                assert!(!is_told(&close.payload.escape_ascii().to_string()));
            }
            if let Some(Event::Failed(error)) = run.events.last() {
                says_nothing(error);
            }
            says_nothing(&run.eof());
        }
    }
}

#[test]
fn payloads_hide_their_bytes() {
    hides(&Text::from(SECRET));
    hides(&Text::from(SECRET.to_owned()));
    hides(&Binary::from(SECRET.as_bytes()));
    hides(&Binary::from(SECRET.as_bytes().to_vec()));
    hides(&Binary::from(bytes::Bytes::from(SECRET)));
    hides(&Data::from(SECRET));
    hides(&Data::from(SECRET.as_bytes()));
    let prepared = Prepared::new(&SECRET.repeat(10));
    // Also a frame that is kept compressed.
    let mut ws = with_deflate(connection(Role::Server, settings(|_| {})));
    ws.send(&prepared, &mut BytesMut::new()).unwrap();
    hides(&prepared);
    hides(&Data::from(&prepared));
    let error = ws.send_ping(&SECRET.repeat(10).into_bytes(), &mut BytesMut::new());
    says_nothing(&error.unwrap_err());
    let error = ws.close(CloseCode::NORMAL, &SECRET.repeat(10), &mut BytesMut::new());
    says_nothing(&error.unwrap_err());
}

// ---- keys ----

#[test]
fn keys_and_seeds_are_hidden() {
    let key = *b"Zq8s";
    hides_always(&Mask::new(key), &forms(&key));
    let header = Header {
        fin: true,
        rsv1: false,
        opcode: Opcode::Text,
        masking_key: Some(key),
        payload_len: 5,
    };
    hides_always(&header, &forms(&key));

    let seed = *SECRET.as_bytes().first_chunk().unwrap();
    let mut ws = sansocket::Connection::client(settings(|_| {}), seed);
    hides(&ws);
    let mut out = BytesMut::new();
    ws.send("x", &mut out).unwrap();
    let key: [u8; 4] = out[2..6].try_into().unwrap();
    hides_always(&ws, &forms(&key));
    let mut backoff = Backoff::new(seed);
    hides(&backoff);
    backoff.after_failure();
    hides(&backoff);
}
