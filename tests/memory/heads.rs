//! What the head of a handshake holds, from its first byte until its answer is written, whatever is
//! in it (RFC 6455, section 10.4).
//!
//! Invariant: at any time at most four times the bytes of the head is held, and while the application
//! decides three times; beside that what an endpoint and the fields take, of which there may be 128.

use crate::allocations::warm;
use crate::allocator::{live, peak};
use crate::support::*;
use sansocket::{ClientRequest, Config, Endpoint, Event, Extension, Input, Response};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

/// What does not depend on the head: the states of an endpoint, a request or response.
const FIXED: isize = 2 << 10;

/// What a field takes while the head is parsed, and afterwards.
const FIELD: [isize; 2] = [48, 16];

/// A value of `size` bytes at most that repeats this element.
fn repeated(element: &str, size: usize) -> String {
    element.repeat(size / element.len())
}

/// A value of `size` bytes at most, of different tokens.
fn different(size: usize) -> String {
    let sign = |n: usize| char::from(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"[n]);
    let signs = 51;
    let one = (0..signs).map(|a| format!("{},", sign(a)));
    let two = (0..signs * signs).map(|n| format!("{}{},", sign(n / signs), sign(n % signs)));
    let three = (0..signs * signs).map(|n| format!("A{}{},", sign(n / signs), sign(n % signs)));
    let (mut value, mut names) = (String::new(), one.chain(two).chain(three));
    while value.len() + 4 <= size {
        value += &names.next().expect("enough of them");
    }
    value
}

/// Lines that make a head of about this size; of each kind those that need the most memory.
pub(crate) fn lines(size: usize) -> Vec<(&'static str, String)> {
    let in_lines = |name: &str, element: &str| {
        let line = format!("{name}: {element}\r\n");
        line.repeat((size / line.len()).min(110))
    };
    let lists = [
        ("different subprotocols", different(size)),
        ("one subprotocol many times", repeated("a,", size)),
        ("no subprotocol many times", repeated(",", size)),
        ("a long subprotocol", repeated("a", size)),
    ]
    .map(|(kind, value)| (kind, format!("Sec-WebSocket-Protocol: {value}\r\n")));
    let extensions = [
        ("extensions", repeated("a,", size)),
        ("permessage-deflate", repeated("permessage-deflate,", size)),
        ("parameters", format!("a{}", repeated(";a", size))),
        (
            "parameters with values",
            format!("a{}", repeated(";a=a", size)),
        ),
        (
            "quoted values",
            format!("a{}", repeated(";a=\"\\a\"", size)),
        ),
        ("broken at the end", format!("{};", repeated("a,", size))),
    ]
    .map(|(kind, value)| (kind, format!("Sec-WebSocket-Extensions: {value}\r\n")));
    let others = [
        ("short fields", "a:\r\n".repeat((size / 4).min(110))),
        ("a long field", format!("a: {}\r\n", repeated("x", size))),
        (
            "an origin",
            format!("Origin: http://{}\r\n", repeated("x", size)),
        ),
        (
            "lines of extensions",
            in_lines("Sec-WebSocket-Extensions", &repeated("a,", 100)),
        ),
        (
            "lines of subprotocols",
            in_lines("Sec-WebSocket-Protocol", "a,b,c,d,e,f,g,h"),
        ),
        ("nothing", String::new()),
    ];
    Vec::from_iter(lists.into_iter().chain(extensions).chain(others))
}

fn fields(head: &str) -> isize {
    head.matches("\r\n").count() as isize
}

/// The most that a server holds for this head, cut into reads of this size, whatever the application
/// does with the request.
fn served(kind: &str, head: &str, read: usize) -> isize {
    let (config, mut out, mut bytes) = (Config::default(), warm(), head.as_bytes().to_vec());
    let before = live();
    let ((), bytes) = peak(|| {
        let mut endpoint = Endpoint::server(&config, NOW);
        for piece in bytes.chunks_mut(read) {
            let event = endpoint.receive(&mut Input(piece), NOW, &mut out);
            let Some(Event::Request(mut request) | Event::Http(mut request)) = event else {
                continue;
            };
            let (held, len) = (live() - before, head.len() as isize);
            let most = 3 * len + FIXED + FIELD[1] * fields(head);
            assert!(held <= most, "{kind}: {held} bytes held, not {most}");
            let offered = request.extensions().filter(|e| e.params().count() > 0);
            let offered = offered.count() + request.subprotocols().count();
            assert!(offered == 0 || request.error().is_none());
            let supported: [&str; 1] = ["none of them"];
            assert_eq!(request.select_subprotocol(&supported), None);
            endpoint.accept(request, &mut out).unwrap();
        }
        assert!(!out.is_empty(), "an answer");
    });
    assert_eq!(live() - before, 0, "all is forgotten");
    bytes
}

/// As [`served`], for a client's response.
fn asked(request: &ClientRequest, head: &str, read: usize) -> isize {
    let (config, mut out) = (Config::default(), warm());
    let mut endpoint = Endpoint::client(request, &config, [9; 32], NOW, &mut out);
    let key = accept_key(&key_in(&out));
    let mut bytes = head.replace("ACCEPT", &key).into_bytes();
    let ((), bytes) = peak(|| {
        for piece in bytes.chunks_mut(read) {
            let mut input = Input(piece);
            while let Some(event) = endpoint.receive(&mut input, NOW, &mut out) {
                if let Event::Opened(response) = &event {
                    assert!(response.extensions().count() < 2);
                }
            }
        }
        endpoint.receive_eof();
    });
    bytes
}

#[track_caller]
fn is_bounded(who: &str, kind: &str, head: &str, read: usize, bytes: isize) {
    let most = 4 * head.len() as isize + FIXED + FIELD[0] * fields(head);
    println!(
        "{who}, {kind}, {} bytes in reads of {read}: {bytes} bytes held at most, {:.1} times",
        head.len(),
        bytes as f64 / head.len() as f64
    );
    assert!(
        bytes <= most,
        "{who}, {kind}: {bytes} bytes held, not {most}"
    );
}

#[test]
fn a_request_holds_at_most_four_times_its_bytes() {
    for size in [1_000, 15_000] {
        for (kind, lines) in lines(size) {
            let head = replaced(REQUEST, "Host", &format!("{lines}Host"));
            assert!(head.len() < 16 << 10, "{kind}: not too large");
            for read in [1, 1_000, usize::MAX] {
                is_bounded("server", kind, &head, read, served(kind, &head, read));
            }
        }
    }
}

#[test]
fn a_response_holds_at_most_four_times_its_bytes() {
    let request = client_request().subprotocol("a").unwrap();
    let request = request.extension(Extension::new("a").unwrap(), false);
    let refusal = "HTTP/1.1 401 Unauthorized\r\nServer: x\r\nContent-Length: 0\r\n\r\n";
    for size in [1_000, 15_000] {
        for (kind, lines) in lines(size) {
            for start in [RESPONSE, refusal] {
                let head = start.replacen("\r\n", &format!("\r\n{lines}"), 1);
                assert!(head.len() < 16 << 10, "{kind}: not too large");
                for read in [1, 1_000, usize::MAX] {
                    is_bounded("client", kind, &head, read, asked(&request, &head, read));
                }
            }
        }
    }
}

#[test]
fn a_list_that_is_read_alone_holds_at_most_its_length() {
    for element in ["a,", "a;b=c,", "a;b;c;d,"] {
        let list = repeated(element, 15_000);
        let (count, bytes) = peak(|| Extension::parse_list([&list]).unwrap().count());
        assert_eq!(count, 15_000 / element.len());
        assert!(bytes <= list.len() as isize + 64, "{bytes} bytes");
        let mut response = Response::new(401);
        response
            .headers
            .push("Sec-WebSocket-Extensions", &list)
            .unwrap();
        let (count, bytes) = peak(|| response.extensions().count());
        assert_eq!(count, 15_000 / element.len());
        assert!(bytes <= list.len() as isize + 64, "{bytes} bytes");
    }
}
