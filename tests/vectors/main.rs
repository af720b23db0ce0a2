//! The golden vectors (`tests/data/vectors.json`, or the file that `SANSOCKET_VECTORS` names):
//! every section.
//!
//! Invariant: input is fed at once, byte by byte and in random cuts, and in each
//! delivery, with the same result. No vector is skipped silently.

#[path = "../support/mod.rs"]
mod support;

mod deflate;
mod foreign;
mod frames;
mod handshake;
mod sessions;

use bytes::BytesMut;
use sansocket::frame::{Header, Mask, Opcode};
use sansocket::{
    ClientRequest, CloseCode, Config, Deflate, End, Endpoint, Event, Extension, HandshakeError,
    Offer, OriginPolicy, ProtocolError, Request, Response, Role, SendError, Session, Settings,
    SetupError,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::panic::RefUnwindSafe;
use std::time::Duration;
use support::deflate::Oracle;
use support::*;

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

/// As [`section`], with vectors that are run in several ways: each returns their number, and
/// the sum must be `ways`, if the file is ours.
fn counted_section(name: &str, ways: usize, run: fn(&Value) -> usize) {
    let ran = run_section(name, run);
    assert!(ran == ways || !is_our_file(), "{name} was run {ran} times");
}

fn run_section(name: &str, run: impl Fn(&Value) -> usize + RefUnwindSafe) -> usize {
    let file = file();
    let vectors = file["sections"][name].as_array();
    // Another file may have some of the sections; ours has all.
    assert!(vectors.is_some() || !is_our_file());
    // Text that waits in the input is judged when its frame is complete; `utf8` expects it earlier.
    let deliveries = match name {
        "utf8" => &Delivery::AS_IT_ARRIVES[..],
        _ => &Delivery::ALL,
    };
    let (mut ran, mut failed) = (0, Vec::new());
    for vector in vectors.into_iter().flatten() {
        let in_each_delivery = || {
            let ways = Cell::new(0);
            in_deliveries(deliveries, || ways.set(run(vector)));
            ways.get()
        };
        match std::panic::catch_unwind(in_each_delivery) {
            Ok(ways @ 1..) => ran += ways,
            // Not run at all, or with another result.
            Ok(0) | Err(_) => failed.push(vector["id"].as_str().unwrap()),
        }
    }
    assert!(failed.is_empty(), "{name}: {failed:?}");
    ran
}

#[test]
fn every_section_is_known() {
    const FILES: [&str; 5] = [
        include_str!("deflate.rs"),
        include_str!("foreign.rs"),
        include_str!("frames.rs"),
        include_str!("handshake.rs"),
        include_str!("sessions.rs"),
    ];
    let file = file();
    let sections = file["sections"].as_object();
    let sections = sections.expect("an object `sections`, as in tests/data/vectors.json");
    for name in sections.keys() {
        let here = FILES
            .iter()
            .any(|file| file.contains(&format!("section(\"{name}\", ")));
        assert!(here, "section {name} is not run");
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

/// The preferred outcome and the other conformant ones, which replace some of its keys.
fn outcomes(vector: &Value) -> Vec<Value> {
    let mut all = vec![vector["expect"].clone()];
    for other in vector["expect_also_ok"].as_array().into_iter().flatten() {
        let mut outcome = vector["expect"].as_object().unwrap().clone();
        outcome.extend(other.as_object().unwrap().clone());
        all.push(outcome.into());
    }
    all
}
