//! What `SECURITY.md` and `docs/panics.md` claim, held against the code.
//!
//! Invariant: a claim names a test that is there, and every figure and list is that of the code.

use proc_macro2::{TokenStream, TokenTree};
use sansocket::{Config, Times};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECURITY: &str = include_str!("../SECURITY.md");
const PANICS: &str = include_str!("../docs/panics.md");
const README: &str = include_str!("../README.md");

/// The folders of code, without `src/guide`, which is documentation.
const SOURCES: [&str; 2] = ["src", "adapters/tokio/src"];

fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(full).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of each row of the table after this line, without its head.
fn rows<'t>(text: &'t str, after: &str) -> Vec<Vec<&'t str>> {
    let (_, rest) = text.split_once(after).expect(after);
    let lines = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

// ---- tests ----

/// Each `file::name` in this text.
fn named_tests(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter_map(|span| span.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs") || file.ends_with(".py"))
}

/// Whether a test of this name is in the file: a function, or a name in a list that a macro makes tests of.
fn has_test(file: &str, name: &str) -> bool {
    let function = |line: &str| {
        let (_, rest) = line.split_once("fn ").or_else(|| line.split_once("def "))?;
        Some(rest.strip_prefix(name)?.starts_with('('))
    };
    let text = read(file);
    text.lines().any(|line| function(line) == Some(true))
}

#[test]
fn each_test_that_is_named_exists() {
    let mut count = 0;
    for (file, name) in named_tests(SECURITY) {
        assert!(has_test(file, name), "{file} has no test {name}");
        count += 1;
    }
    assert!(count > 100, "{count} tests");
    assert!(!has_test("tests/security.rs", "each_test"));
}

#[test]
fn each_threat_and_each_fault_names_a_test() {
    for heading in ["## Threats", "## Faults of other implementations"] {
        let rows = rows(SECURITY, heading);
        assert!(rows.len() > 15, "{heading}");
        for row in rows {
            let tests = row.last().unwrap();
            assert!(named_tests(tests).next().is_some(), "{}", row[0]);
        }
    }
}

// ---- figures ----

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes}"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[test]
fn the_defaults_are_those_of_the_readme() {
    let config = Config::default();
    let (settings, times) = (config.settings, config.times);
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let Times { min_rate, .. } = times;
    let thousands = format!(
        "{},{:03}",
        settings.max_fragments / 1000,
        settings.max_fragments % 1000
    );
    let expected = [
        size(settings.max_message_size),
        "an eighth more and 64 bytes, 16 more for each fragment".into(),
        thousands,
        format!(
            "{}; {}",
            size(config.max_head_size as u64),
            config.max_headers
        ),
        format!(
            "{}; {}",
            config.max_interim_responses,
            size(config.max_body_size as u64)
        ),
        "those of the same host and port".into(),
        seconds(times.handshake),
        format!(
            "{}; {}",
            seconds(times.keepalive.unwrap()),
            seconds(times.pong)
        ),
        format!(
            "{}; {}; {min_rate} bytes/s over {}",
            seconds(times.close),
            seconds(times.write),
            seconds(2 * times.write)
        ),
    ];
    let shown = rows(README, "## Limits and defaults");
    let shown: Vec<_> = shown.into_iter().map(|row| row[1]).collect();
    assert_eq!(shown, expected);
    assert_eq!(config.origins, sansocket::OriginPolicy::same_origin());
    assert!(config.deflate.is_none());
}

/// Each path of `benches/hostile.rs` counts for 128 bytes of input.
#[test]
fn the_most_expensive_bytes_are_those_of_the_benchmarks() {
    let counts: serde_json::Value =
        serde_json::from_str(include_str!("../benches/instructions.json")).unwrap();
    let paths = read("benches/paths/hostile.rs");
    let (mut plain, mut compressed) = (0, 0);
    for (path, count) in counts["instructions"].as_object().unwrap() {
        let (name, _) = path.split_once('/').unwrap();
        if !paths.contains(&format!("\"{name}\" =>")) {
            continue; // not hostile
        }
        let is_plain = name.starts_with("plain-") || name == "pings";
        let most = if is_plain {
            &mut plain
        } else {
            &mut compressed
        };
        *most = count.as_u64().unwrap().div_ceil(128).max(*most);
    }
    let compressed = format!("{},{:03}", compressed / 1000, compressed % 1000);
    for shown in [
        format!("without permessage-deflate = {plain} · bytes received"),
        format!("with permessage-deflate    = {compressed} · bytes received"),
    ] {
        assert!(SECURITY.contains(&shown), "{shown}");
    }
}

// ---- code ----

/// Every file of Rust below this folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        .collect();
    files.sort();
    files
}

/// The code of both packages: each path and its text.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = SOURCES.iter().flat_map(|folder| files(&root.join(folder)));
    files
        .map(|path| {
            let name = path.strip_prefix(root).unwrap();
            (
                name.to_str().unwrap().to_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .filter(|(name, _)| !name.starts_with("src/guide/"))
        .collect()
}

/// Methods of the standard library and of `bytes` that panic if an argument is wrong. Indexing, `unwrap` and the like
/// are forbidden by lints.
const MAY_PANIC: [&str; 20] = [
    "advance",
    "borrow_mut",
    "chunks",
    "chunks_exact",
    "chunks_mut",
    "clone_from_slice",
    "copy_from_slice",
    "copy_within",
    "drain",
    "insert",
    "put_slice",
    "remove",
    "slice",
    "split_at",
    "split_at_mut",
    "split_off",
    "split_to",
    "step_by",
    "swap",
    "swap_remove",
];

/// Adds the calls of such methods to the list, but those of unit tests.
fn add_calls(tokens: TokenStream, calls: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut is_test = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) if group.to_string().starts_with("[cfg (test)") => {
                is_test = true;
            }
            // The body of what the attribute is of.
            TokenTree::Group(group) if is_test => is_test = !group.to_string().starts_with('{'),
            TokenTree::Group(group) => add_calls(group.stream(), calls),
            TokenTree::Ident(name) => {
                let is_method = at > 0 && tokens[at - 1].to_string() == ".";
                let name = name.to_string();
                if is_method && MAY_PANIC.contains(&&*name) {
                    calls.push(name);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn every_call_that_could_panic_has_its_proof() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (file, text) in code() {
        let mut calls = Vec::new();
        add_calls(text.parse().unwrap(), &mut calls);
        for call in calls {
            *found.entry(format!("{file} {call}")).or_default() += 1;
        }
    }
    let mut proved: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows(PANICS, "# Calls") {
        let [file, call, proof] = row[..] else {
            panic!("{row:?}");
        };
        assert!(proof.len() > 10, "{file} {call}: why?");
        let key = format!("{} {}", file.trim_matches('`'), call.trim_matches('`'));
        *proved.entry(key).or_default() += 1;
    }
    let missing: Vec<_> = found
        .iter()
        .filter(|(key, n)| proved.get(*key) != Some(n))
        .collect();
    let stale: Vec<_> = proved
        .iter()
        .filter(|(key, n)| found.get(*key) != Some(n))
        .collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "found {missing:#?}\nlisted {stale:#?}"
    );
}

#[test]
fn both_packages_forbid_unsafe_code() {
    for folder in SOURCES {
        let lib = read(&format!("{folder}/lib.rs"));
        assert!(lib.contains("#![forbid(unsafe_code)]"), "{folder}");
        for lint in [
            "unwrap_used",
            "expect_used",
            "panic",
            "indexing_slicing",
            "string_slice",
            "unreachable",
            "todo",
            "unimplemented",
        ] {
            assert!(lib.contains(&format!("clippy::{lint}")), "{folder}: {lint}");
            assert!(SECURITY.contains(&format!("`{lint}`")), "{lint}");
        }
    }
    // One place is evaluated by the compiler.
    let allowed = code().into_iter().filter(|(_, text)| {
        let spots = text.split("allow(").skip(1);
        let mut lints = spots.map(|spot| spot.split(')').next().unwrap());
        lints.any(|lints| {
            lints.contains("indexing") || lints.contains("_used") || lints.contains("panic")
        })
    });
    let allowed: Vec<_> = allowed.map(|(file, _)| file).collect();
    assert_eq!(allowed, ["src/handshake/token.rs"]);
}

// ---- dependencies ----

/// The names of the section `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let (_, section) = manifest.split_once("\n[dependencies]\n").unwrap();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = "));
    names
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "sansocket")
        .collect()
}

#[test]
fn each_dependency_is_in_the_table() {
    let manifests = ["Cargo.toml", "adapters/tokio/Cargo.toml"];
    let names: BTreeSet<_> = manifests
        .iter()
        .flat_map(|path| dependencies(&read(path)))
        .collect();
    let rows = rows(SECURITY, "## Dependencies");
    let listed: BTreeSet<_> = rows
        .iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    assert_eq!(listed, names);
    // An update is a reason to look again.
    let lock = read("Cargo.lock");
    for row in rows {
        let [name, version, ..] = row[..] else {
            panic!("{row:?}")
        };
        let entry = format!(
            "name = \"{}\"\nversion = \"{version}\"\n",
            name.trim_matches('`')
        );
        assert!(lock.contains(&entry), "{name} is not {version}");
        assert!(
            row.len() == 6 && row.iter().all(|cell| !cell.is_empty()),
            "{row:?}"
        );
    }
}
