//! Assertions for errors: each variant has a test, and each text cites its rule.
//!
//! Invariant: no variant of an error is forgotten.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use bytes::BytesMut;
use sansocket::{CloseCode, Prepared, SendError, Session};

pub type Action = fn(&mut Session, &mut BytesMut) -> Result<(), SendError>;

/// Every way to send; complete messages first.
pub const SENDS: [Action; 9] = [
    |ws, out| ws.send("x", out),
    |ws, out| ws.send(b"x", out),
    |ws, out| ws.send_apart("x", out).map(drop),
    |ws, out| ws.send(&Prepared::new("x"), out),
    |ws, out| {
        let frame = ws.share(&Prepared::new(b"x"))?;
        out.extend_from_slice(&frame);
        Ok(())
    },
    |ws, out| ws.send_piece("x", false, out),
    |ws, out| ws.send_ping(b"x", out),
    |ws, out| ws.send_pong(b"x", out),
    |ws, out| ws.close(CloseCode::NORMAL, "", out),
];

/// Asserts that the tests in a file are named after the variants of an enum, in the same order.
/// The enums are non-exhaustive, so no match outside the crate can be complete.
#[track_caller]
pub fn each_variant_has_a_test(name: &str, source: &str, tests: &str) {
    let body = between(source, &format!("pub enum {name} {{\n"), "\n}\n");
    let variants: Vec<String> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| snake_case(line.split([',', '(', ' ', '{']).next().unwrap()))
        .collect();
    let tests: Vec<&str> = tests
        .split("#[test]\nfn ")
        .skip(1)
        .map(|test| test.split('(').next().unwrap())
        .filter(|test| *test != "no_variant_is_forgotten")
        .collect();
    assert!(!variants.is_empty());
    assert_eq!(variants, tests, "{name}");
}

fn between<'s>(source: &'s str, start: &str, end: &str) -> &'s str {
    let rest = source.split_once(start).expect(start).1;
    rest.split_once(end).expect(end).0
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// The text of an error says which rule it is about, and where that stands.
#[track_caller]
pub fn cites(error: &dyn std::error::Error) {
    let text = error.to_string();
    let cited = text.split_once("RFC ").and_then(|(_, rest)| {
        let (number, section) = rest.split_once(", section ")?;
        let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
        Some(is_number && section.starts_with(|c: char| c.is_ascii_digit()))
    });
    assert_eq!(cited, Some(true), "{text}");
}
