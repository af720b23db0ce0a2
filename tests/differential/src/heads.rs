//! Heads of requests: our server beside plain rules over `httparse`, and beside tungstenite.
//!
//! Invariant: ours and the plain rules agree on each head, and the table lists where tungstenite does not.

use crate::plain::{self, Judged};
use crate::sessions::mutate;
use bytes::BytesMut;
use fastrand::Rng;
use sansocket::{Config, Endpoint, Event, HandshakeError, Input, OriginPolicy};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response};

pub type Choices = &'static [&'static str];

const METHODS: Choices = &[
    "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "get", "CONNECT", "G(T",
];
const TARGETS: Choices = &[
    "/chat",
    "/chat",
    "/",
    "/?a=b",
    "//",
    "http://a.test/x",
    "ws://a.test?x",
    "ftp://a/",
    "*",
    "chat",
    "/#a",
    "/\u{e9}",
    "/a b",
    "/%zz",
    "",
];
const VERSIONS: Choices = &[
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "HTTP/1.12",
    "http/1.1",
];
/// The fields, each with what is good first; `-` leaves it out.
const FIELDS: &[(&str, Choices)] = &[
    (
        "Host",
        &[
            "a.test",
            "a.test:80",
            "A.Test",
            "[::1]:81",
            "127.0.0.1",
            "",
            "a b",
            "a:99999",
            "a:x",
            "a:",
            "u@a",
            "[::1",
            "-",
        ],
    ),
    (
        "Upgrade",
        &[
            "websocket",
            "WebSocket",
            "h2c, websocket",
            "websocket/13",
            "web socket",
            "",
            "-",
        ],
    ),
    (
        "Connection",
        &[
            "Upgrade",
            "keep-alive, Upgrade",
            "upgrade",
            ",,\tUPGRADE ,",
            "Upgraded",
            "close",
            "-",
        ],
    ),
    (
        "Sec-WebSocket-Key",
        &[
            "dGhlIHNhbXBsZSBub25jZQ==",
            " dGhlIHNhbXBsZSBub25jZQ==\t",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZR==",
            "",
            "-",
        ],
    ),
    (
        "Sec-WebSocket-Version",
        &["13", " 13", "013", "+13", "13, 8", "8", "0", "256", "", "-"],
    ),
    ("Origin", &["-", "http://a.test", "null", "", "\u{e9}"]),
    (
        "Sec-WebSocket-Protocol",
        &[
            "-",
            "chat, superchat",
            "chat",
            "chat, chat",
            "a b",
            "",
            ",",
            "a,,b",
            "\"a\"",
        ],
    ),
    (
        "Sec-WebSocket-Extensions",
        &[
            "-",
            "permessage-deflate",
            "a;b=c, d",
            "a; b=\"c\"",
            "a; b=\"c d\"",
            "a;",
            ";a",
            "a=b",
            ",",
            "",
        ],
    ),
    ("Content-Length", &["-", "-", "0", "5", "00", "+0", "x"]),
    ("Transfer-Encoding", &["-", "-", "chunked", "identity"]),
    ("Cookie", &["-", "a=b", "\u{e9}", "\t"]),
];

/// A request.
fn head(random: &mut Rng) -> Vec<u8> {
    made(random, [METHODS, TARGETS, VERSIONS], FIELDS)
}

/// A head of these words and fields; of each the first choice, mostly.
pub fn made(random: &mut Rng, words: [Choices; 3], fields: &[(&str, Choices)]) -> Vec<u8> {
    let strange = random.u8(0..4);
    let choose = |random: &mut Rng, all: Choices| {
        let is_strange = random.u8(0..12) < strange;
        all[if is_strange {
            random.usize(0..all.len())
        } else {
            0
        }]
    };
    let mut lines = vec![words.map(|all| choose(random, all)).join(" ")];
    for (name, values) in fields {
        for _ in 0..=usize::from(random.u8(0..80) < strange) {
            let value = choose(random, values);
            if value != "-" {
                let is_lower = random.u8(0..8) == 0;
                let name = if is_lower {
                    name.to_lowercase()
                } else {
                    (*name).into()
                };
                lines.push(format!("{name}: {value}"));
            }
        }
    }
    if random.bool() {
        random.shuffle(&mut lines[1..]);
    }
    let mut head = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
    if random.u8(0..6) < strange {
        mutate(random, &mut head);
    }
    head
}

fn ours(head: &[u8], longest: usize) -> Judged {
    let mut config = Config::default();
    config.origins = OriginPolicy::any();
    let mut server = Endpoint::server(&config, Duration::ZERO);
    let (mut bytes, mut out) = (head.to_vec(), BytesMut::new());
    for piece in bytes.chunks_mut(longest) {
        let mut input = Input(piece);
        match server.receive(&mut input, Duration::ZERO, &mut out) {
            None => {}
            Some(Event::Request(_)) => return Judged::Taken,
            Some(Event::Http(request)) => return Judged::Refused(request.error().cloned()),
            Some(Event::Refused(error)) => return Judged::Refused(Some(*error)),
            Some(event) => panic!("{event:?} in an opening handshake"),
        }
    }
    Judged::Waits
}

/// Where tungstenite differs: what it does, what we say, and who is right.
pub const LISTED: &[(&str, &str, &str)] = &[
    (
        "takes",
        "Malformed",
        "we: RFC 9112, section 2.2: lines end with CR LF, and have no control characters",
    ),
    (
        "takes",
        "Target",
        "we: RFC 9112, section 3.2: a path, or a URI of this protocol",
    ),
    (
        "takes",
        "Host",
        "we: RFC 9112, section 3.2: once, and a host",
    ),
    (
        "takes",
        "ContentLength",
        "we: RFC 9112, section 6.3: a handshake has no content, and a wrong length smuggles a request",
    ),
    (
        "takes",
        "TransferEncoding",
        "we: RFC 9112, section 6.3: as above",
    ),
    (
        "takes",
        "NotUpgrade",
        "we: RFC 9110, section 7.6.1: `Connection` is a list of tokens, with commas between",
    ),
    (
        "takes",
        "Key",
        "we: RFC 6455, section 4.2.1: once, and 16 bytes in base64",
    ),
    (
        "takes",
        "VersionMalformed",
        "we: RFC 6455, section 4.2.1: once, and a number",
    ),
    ("takes", "Origin", "we: RFC 6454, section 7: once, and text"),
    (
        "takes",
        "Subprotocol",
        "we: RFC 6455, section 4.1: tokens, each once",
    ),
    (
        "takes",
        "Extensions",
        "we: RFC 6455, section 9.1: the grammar",
    ),
    (
        "refuses",
        "http",
        "both: RFC 3986, section 3.3: clients do not agree on what they escape, and nothing depends on it here",
    ),
    (
        "refuses",
        "HttparseError",
        "we: RFC 9110, section 2.5: HTTP/1.2 and higher are taken as HTTP/1.1",
    ),
    (
        "refuses",
        "InvalidSecWebSocketKey",
        "both: RFC 4648, section 3.5: the unused bits of base64 may be judged",
    ),
    (
        "refuses",
        "MissingConnectionUpgradeHeader",
        "we: RFC 9110, section 5.3: several lines are one list",
    ),
    (
        "refuses",
        "MissingUpgradeWebSocketHeader",
        "we: RFC 9110, section 7.8: a list of protocols",
    ),
];

/// How often tungstenite differs, and one seed, by what it does and what we say.
pub type Differences = BTreeMap<(&'static str, String), (u64, u64)>;

/// Compares heads. Returns how many were taken, and where tungstenite differs.
pub fn run(seeds: Range<u64>) -> (u64, Differences) {
    let (mut taken, mut differences) = (0, Differences::new());
    for seed in seeds {
        let mut random = Rng::with_seed(seed);
        let head = head(&mut random);
        let judged = ours(&head, head.len().max(1));
        assert_eq!(
            judged,
            ours(&head, random.usize(1..20)),
            "seed {seed}: however it is cut"
        );
        let simple = match &judged {
            Judged::Refused(_) => Judged::Refused(None),
            other => other.clone(),
        };
        let text = String::from_utf8_lossy(&head);
        assert_eq!(
            simple,
            plain::request(&head),
            "seed {seed}: {judged:?} of {text:?}"
        );
        taken += u64::from(judged == Judged::Taken);
        let theirs = match Request::try_parse(&head) {
            Ok(None) => continue,
            Ok(Some((_, request))) => create_response(&request).map(drop),
            Err(error) => Err(error),
        };
        let what = match (judged, theirs) {
            (Judged::Taken, Err(error)) => ("refuses", rule(&error)),
            (Judged::Refused(Some(error)), Ok(())) => ("takes", kind(&error).into()),
            _ => continue,
        };
        differences.entry(what).or_insert((0, seed)).0 += 1;
    }
    (taken, differences)
}

/// Shows one head.
pub fn show(seed: u64) {
    let head = head(&mut Rng::with_seed(seed));
    println!(
        "{:?}: {:?}",
        String::from_utf8_lossy(&head),
        ours(&head, head.len())
    );
}

/// The name of tungstenite's rule.
fn rule(error: &tungstenite::Error) -> String {
    let text = format!("{error:?}");
    let names = text.split(|c: char| !c.is_ascii_alphanumeric());
    names.take(2).last().unwrap_or_default().into()
}

fn kind(error: &HandshakeError) -> &'static str {
    use HandshakeError as E;
    match error {
        E::Malformed { .. } => "Malformed",
        E::Target { .. } => "Target",
        E::Host(_) => "Host",
        E::ContentLength(_) => "ContentLength",
        E::TransferEncoding(_) => "TransferEncoding",
        E::NotUpgrade { .. } => "NotUpgrade",
        E::Key(_) => "Key",
        E::VersionMalformed(_) => "VersionMalformed",
        E::Origin(_) => "Origin",
        E::Subprotocol(_) => "Subprotocol",
        E::Extensions(_) => "Extensions",
        _ => "another rule",
    }
}
