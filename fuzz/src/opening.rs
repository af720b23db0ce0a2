//! Both opening handshakes over HTTP/1.1, and what follows them.
//!
//! Invariant: however the head is cut, the verdict and the answer are the same; what is held follows what has arrived.

use crate::allocator::live;
use crate::heads::{any_config, any_request, fields, response};
use crate::plain::{self, Judged};
use crate::script::Script;
use crate::support::{accept_key, key_in};
use bytes::BytesMut;
use sansocket::{
    ClientRequest, Config, Deflate, End, Endpoint, Event, Extension, HandshakeError, Input,
    Request, Response, Tick,
};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

/// What an endpoint has told.
#[derive(Debug, PartialEq)]
enum Seen {
    /// Whether it is an opening handshake, and all that a request says.
    Request(bool, String),
    Event(Event<'static>),
    End(Option<End>),
}

/// A client's bytes at a server.
pub fn server(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let config = any_config(&mut script);
    let choice = script.below(5);
    let new = |_: &mut BytesMut| Endpoint::server(&config, NOW);
    let at_once = run(new, &config, bytes, choice, None);
    let cut = run(new, &config, bytes, choice, Some(&mut script));
    assert_eq!(at_once, cut, "however it is cut");
    let (seen, out) = cut;
    let is_taken = matches!(seen.first(), Some(Seen::Request(true, _)));
    if let Some(len) = head_len(bytes) {
        assert!(
            !is_taken || len <= config.max_head_size,
            "a head of {len} bytes"
        );
    }
    let has_limits = bytes.len() >= config.max_head_size || lines(bytes) >= config.max_headers;
    let any_origin = config.origins.allows(Some("http://b.test"), "a.test");
    if any_origin && !has_limits {
        let judged = match (is_taken, seen.len()) {
            (true, _) => Judged::Taken,
            // Only the end of the transport.
            (false, 1) => Judged::Waits,
            (false, _) => Judged::Refused(None),
        };
        assert_eq!(judged, plain::request(bytes), "as by plain rules");
    }
    if !out.is_empty() {
        let (status, len) = response(&out);
        let opened = status == 101;
        assert!(opened || !matches!(seen.last(), Some(Seen::Event(Event::Text(_)))));
        assert!(len <= 2 * bytes.len() + 700, "{len} bytes of head");
        assert!(out.len() <= len + 3 * bytes.len() + 700);
    }
    is_bounded(new, bytes, choice, &mut script);
}

/// A server's bytes at a client: `ACCEPT` stands for the answer to its key.
pub fn client(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let config = any_config(&mut script);
    let request = any_request(&mut script);
    let new = |out: &mut BytesMut| start(&request, &config, out);
    let mut out = BytesMut::new();
    new(&mut out);
    let bytes = answered(bytes, &out);
    let at_once = run(new, &config, &bytes, 0, None);
    let cut = run(new, &config, &bytes, 0, Some(&mut script));
    assert_eq!(at_once, cut, "however it is cut");
    let opened = cut
        .0
        .iter()
        .any(|seen| matches!(seen, Seen::Event(Event::Opened(_))));
    let len = head_len(&bytes).unwrap_or(0);
    assert!(
        !opened || len <= config.max_head_size,
        "a head of {len} bytes"
    );
    assert!(
        cut.1.len() <= 3 * bytes.len() + 131,
        "nothing follows the request but frames"
    );
    is_bounded(new, &bytes, 0, &mut script);
    is_as_plain(&bytes);
}

/// A client that offers the subprotocol `chat` and the extension `foo` says what plain rules say.
fn is_as_plain(bytes: &[u8]) {
    let config = Config::default();
    let responses = bytes.windows(5).filter(|part| *part == b"HTTP/").count();
    let too_many = responses > usize::from(config.max_interim_responses);
    if too_many || bytes.len() >= config.max_head_size || lines(bytes) >= config.max_headers {
        return;
    }
    let extension = Extension::new("foo").expect("a token");
    let request = ClientRequest::new("ws://a.test/").and_then(|it| it.subprotocol("chat"));
    let request = request
        .expect("a URI and a token")
        .extension(extension, false);
    let mut out = BytesMut::new();
    let mut client = start(&request, &config, &mut out);
    let accept = accept_key(&key_in(&out));
    out.clear();
    let judged = match client.receive(&mut Input(&mut bytes.to_vec()), NOW, &mut out) {
        Some(Event::Opened(_)) => Judged::Taken,
        Some(_) => Judged::Refused(None),
        None => {
            client.receive_eof();
            match client.tick(NOW, &mut out) {
                Tick::Done(End::Refused(HandshakeError::TransportEnded { .. })) => Judged::Waits,
                _ => Judged::Refused(None),
            }
        }
    };
    assert_eq!(judged, plain::response(bytes, &accept), "as by plain rules");
}

/// The length of the first head, if it is complete.
fn head_len(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    Some(end + 4)
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// A client whose request is in the output.
pub(crate) fn start(request: &ClientRequest, config: &Config, out: &mut BytesMut) -> Endpoint {
    Endpoint::client(request, config, [9; 32], NOW, out)
}

/// The bytes, with the answer to the key in this request.
pub(crate) fn answered(bytes: &[u8], request: &[u8]) -> Vec<u8> {
    let accept = accept_key(&key_in(request));
    let mut answered = Vec::new();
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"ACCEPT") {
            answered.extend(accept.as_bytes());
            rest = after;
        } else {
            answered.push(*byte);
            rest = after;
        }
    }
    answered
}

/// Everything that a request says.
pub(crate) fn told(request: &Request) -> String {
    let fields: Vec<_> = request.headers().iter().collect();
    let subprotocols: Vec<_> = request.subprotocols().collect();
    let extensions: Vec<_> = request.extensions().map(|e| e.to_string()).collect();
    let (method, target, host) = (request.method(), request.target(), request.host());
    let error = request.error();
    let origin = request.origin();
    format!(
        "{method} {target} {host} {origin:?} {fields:?} {subprotocols:?} {extensions:?} {error:?}"
    )
}

/// Decides on a request: accepts, answers with a page, or leaves it to the default answer.
fn decide(endpoint: &mut Endpoint, mut request: Request, choice: usize, out: &mut BytesMut) {
    let (is_head, before) = (request.method() == "HEAD", out.len());
    let subprotocols: Vec<_> = request.subprotocols().map(String::from).collect();
    let extensions: Vec<_> = request.extensions().collect();
    let result = match choice {
        0 => endpoint.accept(request, out),
        1 => {
            request.select_subprotocol(&["mqtt", "chat"]);
            request.add_header("X-More", "more").expect("a good field");
            endpoint.accept(request, out)
        }
        2 => endpoint.respond(Response::new(200).body("a page"), out),
        3 => endpoint.respond(Response::new(204).body("not sent"), out),
        _ => return,
    };
    assert_eq!(result, Ok(()));
    let chosen = fields(&out[before..], "Sec-WebSocket-Protocol");
    assert!(chosen.len() < 2 && chosen.iter().all(|name| subprotocols.contains(name)));
    let accepted = fields(&out[before..], "Sec-WebSocket-Extensions");
    let accepted = Extension::parse_list(&accepted).expect("a list");
    for element in accepted {
        assert!(
            extensions
                .iter()
                .any(|offer| offer.name() == element.name())
        );
    }
    let is_page = choice == 2 && !is_head;
    assert_eq!(is_page, out.ends_with(b"a page") && out.len() > before);
}

/// Feeds an endpoint, then ends the transport. Returns what it has told and written, without its request.
fn run(
    new: impl Fn(&mut BytesMut) -> Endpoint,
    config: &Config,
    bytes: &[u8],
    choice: usize,
    mut script: Option<&mut Script<'_>>,
) -> (Vec<Seen>, Vec<u8>) {
    let mut out = BytesMut::new();
    let mut endpoint = new(&mut out);
    out.clear();
    let (mut seen, mut fed, mut is_over) = (Vec::new(), 0, false);
    loop {
        let left = bytes.len() - fed;
        let len = script.as_mut().map_or(left, |script| script.cut(left));
        let mut piece = bytes[fed..fed + len].to_vec();
        fed += len;
        let mut input = Input(&mut piece);
        while let Some(event) = endpoint.receive(&mut input, NOW, &mut out) {
            assert!(!is_over, "{event:?} after the end");
            is_over |= matches!(
                event,
                Event::Refused(_) | Event::Close { .. } | Event::Failed(_)
            );
            if let Event::Opened(response) = &event {
                let chosen = response.subprotocol();
                assert!(chosen.is_none_or(|name| matches!(name, "chat" | "mqtt")));
                let mut accepted = response.extensions();
                assert!(accepted.all(|e| matches!(e.name(), "foo" | Deflate::NAME)));
            }
            match event {
                Event::Request(request) => {
                    assert!(request.error().is_none());
                    let origin = request.origin();
                    assert!(config.origins.allows(origin, request.host()));
                    seen.push(Seen::Request(true, told(&request)));
                    decide(&mut endpoint, request, choice, &mut out);
                    if choice == 4 {
                        // Nobody decides: nothing more comes.
                        return (seen, out.to_vec());
                    }
                }
                Event::Http(request) => {
                    assert!(request.error().is_some());
                    seen.push(Seen::Request(false, told(&request)));
                    decide(&mut endpoint, request, choice, &mut out);
                }
                event => seen.push(Seen::Event(event.into_owned())),
            }
        }
        assert!(input.0.is_empty(), "every byte is taken");
        if fed == bytes.len() {
            break;
        }
    }
    endpoint.receive_eof();
    let written = out.to_vec();
    let left = endpoint.wrote(out.len(), NOW, &mut out);
    assert!(left == 0 && out.is_empty());
    let tick = endpoint.tick(NOW, &mut out);
    assert!(
        matches!(tick, Tick::Done(_)),
        "{tick:?}: the transport has ended"
    );
    assert!(out.is_empty(), "nothing that is sent would arrive");
    seen.push(Seen::End(endpoint.end()));
    (seen, written)
}

/// What an endpoint holds follows what has arrived (`Config::max_head_size`, `Settings::max_message_size`).
fn is_bounded(
    new: impl Fn(&mut BytesMut) -> Endpoint,
    bytes: &[u8],
    choice: usize,
    script: &mut Script<'_>,
) {
    let mut out = BytesMut::with_capacity(4 * bytes.len() + 4096);
    let mut bytes = bytes.to_vec();
    let base = live();
    let mut endpoint = new(&mut out);
    let (mut fed, mut count) = (0, 0);
    while fed < bytes.len() {
        let len = script.cut(bytes.len() - fed).max(1);
        let piece = &mut bytes[fed..fed + len];
        count += lines(piece);
        fed += len;
        let mut input = Input(piece);
        while let Some(event) = endpoint.receive(&mut input, NOW, &mut out) {
            if let Event::Request(request) | Event::Http(request) = event {
                decide(&mut endpoint, request, choice, &mut out);
            }
        }
        let held = live() - base;
        // A message makes room for 8 times what has arrived, up to 64 KiB.
        let ahead = if endpoint.is_open() {
            2 * (8 * fed).min(64 << 10) + (192 << 10)
        } else {
            0
        };
        let most = (4 * fed + 48 * count + (4 << 10) + ahead) as isize;
        assert!(held <= most, "{held} bytes held of {fed}, not {most}");
    }
}
