//! The laws over the seeds of every target, and over what broke one once, on any toolchain.
//!
//! Invariant: no target is without seeds.

use crate::TARGETS;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Inputs in one file, each after its length in two bytes.
fn unpacked(mut packed: &[u8]) -> Vec<&[u8]> {
    let mut seeds = Vec::new();
    while let Some((len, rest)) = packed.split_first_chunk() {
        let (seed, rest) = rest.split_at(u16::from_be_bytes(*len).into());
        seeds.push(seed);
        packed = rest;
    }
    seeds
}

#[test]
fn every_seed_keeps_the_laws() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for (name, law) in TARGETS {
        let packed = fs::read(here.join("seeds").join(name)).unwrap();
        let seeds = unpacked(&packed);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for (number, seed) in seeds.into_iter().chain([&[][..]]).enumerate() {
            if catch_unwind(|| law(seed)).is_err() {
                broken.push(format!("{name}, seed {number}: {seed:02x?}"));
            }
        }
        let findings = fs::read_dir(here.join("findings").join(name));
        for path in findings
            .into_iter()
            .flatten()
            .map(|file| file.unwrap().path())
        {
            let input = fs::read(&path).unwrap();
            if catch_unwind(|| law(&input)).is_err() {
                broken.push(path.display().to_string());
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
