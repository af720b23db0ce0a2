//! The core beside unrelated implementations: sessions, compressed messages and heads from one seed.
//!
//! Invariant: a difference that the table does not list fails the run, and is told with its seed.
//!
//!     [SEED=1] [COUNT=100000] [PYTHON=python3] cargo run --release --manifest-path tests/differential/Cargo.toml
//!
//! COUNT is the number of sessions for tungstenite, of connections for zlib and of heads; a tenth as many sessions go to Python,
//! whose interpreter must have `wsproto` and `websockets`. With `PYTHON=` nothing goes there.

mod answers;
mod heads;
mod inflate;
mod listed;
mod ours;
mod plain;
mod python;
mod sessions;
mod tungstenite;
mod verdict;
mod zlib;

use fastrand::Rng;
use listed::{Case, LISTED, entry};
use sansocket::{Deflate, ProtocolError};
use sessions::Session;
use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use verdict::{Messages, Verdict};

/// How many sessions one Python process gets at once.
const BATCH: u64 = 5_000;

/// The examples of an unknown difference that are shown.
const SHOWN: usize = 3;

#[derive(Default)]
struct Report {
    /// How often each listed difference was met.
    met: Vec<u64>,
    /// The seeds of the others, by what they are.
    unknown: BTreeMap<String, Vec<u64>>,
    same: BTreeMap<&'static str, u64>,
    compared: BTreeMap<&'static str, u64>,
}

impl Report {
    fn compare(
        &mut self,
        peer: &'static str,
        seed: u64,
        session: &Session,
        (ours, rule): &(Verdict, Option<ProtocolError>),
        theirs: &Verdict,
    ) {
        *self.compared.entry(peer).or_default() += 1;
        if ours == theirs {
            *self.same.entry(peer).or_default() += 1;
            return;
        }
        let messages = Messages::of(&ours.messages, &theirs.messages);
        let case = Case {
            rule: *rule,
            ours,
            theirs,
            messages,
            traits: session.traits(),
        };
        match entry(peer, &case) {
            Some(index) => self.met[index] += 1,
            None => {
                let rule = rule.map_or(String::new(), |rule| format!(", {}", name(rule)));
                let what = format!(
                    "{peer}: {} (we: {}{rule}), messages: {messages:?}",
                    theirs.end, ours.end
                );
                self.unknown.entry(what).or_default().push(seed);
            }
        }
    }

    fn print(&self) -> bool {
        println!("\n| peer | compared | the same |\n|---|--:|--:|");
        for (peer, compared) in &self.compared {
            let same = self.same.get(peer).copied().unwrap_or(0);
            println!("| {peer} | {compared} | {same} |");
        }
        println!("\n| peer | difference | met | who is right |\n|---|---|--:|---|");
        for (listed, met) in LISTED.iter().zip(&self.met) {
            let peers = listed.peers.join(", ");
            println!("| {peers} | {} | {met} | {} |", listed.title, listed.right);
        }
        for (what, seeds) in &self.unknown {
            let shown = &seeds[..seeds.len().min(SHOWN)];
            println!(
                "\nNOT LISTED, {} times: {what}; seeds {shown:?}",
                seeds.len()
            );
        }
        self.unknown.is_empty()
    }
}

/// The name of a rule, without what it holds.
fn name(rule: ProtocolError) -> String {
    let text = format!("{rule:?}");
    text.split([' ', '(', '{'])
        .next()
        .unwrap_or_default()
        .into()
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect(name))
}

fn main() -> ExitCode {
    let (seed, count) = (number("SEED", 1), number("COUNT", 100_000));
    let seeds = seed.wrapping_mul(1 << 40)..seed.wrapping_mul(1 << 40) + count;
    let mut report = Report {
        met: vec![0; LISTED.len()],
        ..Report::default()
    };
    if let Ok(only) = env::var("ONLY") {
        return show(only.parse().expect("a seed"));
    }

    for seed in seeds.clone() {
        let session = Session::new(seed, false);
        let ours = ours::run(&session, &mut Rng::with_seed(seed));
        report.compare(
            "tungstenite",
            seed,
            &session,
            &ours,
            &tungstenite::run(&session),
        );
    }
    if env::var("PYTHON").as_deref() != Ok("") {
        let few = seeds.start..seeds.start + count / 10;
        for start in few.clone().step_by(BATCH as usize) {
            let batch = start..(start + BATCH).min(few.end);
            let sessions: Vec<_> = batch
                .clone()
                .map(|seed| Session::new(seed, seed % 2 == 1))
                .collect();
            for ((seed, session), verdicts) in batch.zip(&sessions).zip(python::run(&sessions)) {
                let ours = ours::run(session, &mut Rng::with_seed(seed));
                for (peer, theirs) in python::PEERS.iter().zip(&verdicts) {
                    report.compare(peer, seed, session, &ours, theirs);
                }
            }
        }
    }
    let shared = Deflate::default();
    let (mut messages, mut refused) = (0, 0);
    for seed in seeds.clone() {
        let (same, is_refused) = inflate::run(seed, &shared);
        messages += same;
        refused += u64::from(is_refused);
    }
    let (taken, differences) = heads::run(seeds.clone());
    let opened = answers::run(seeds);
    let mut is_good = report.print();
    println!("\nzlib: {messages} messages the same, {refused} connections refused by both");
    println!("requests: {count} judged as by plain rules, {taken} taken");
    println!("responses: {count} judged as by plain rules, {opened} opened");
    println!("\n| tungstenite | what we say | met | who is right |\n|---|---|--:|---|");
    for ((does, what), (met, example)) in &differences {
        let known = heads::LISTED
            .iter()
            .find(|listed| (listed.0, listed.1) == (*does, what));
        is_good &= known.is_some();
        let unknown = format!("NOT LISTED: seed {example}");
        println!(
            "| {does} | {what} | {met} | {} |",
            known.map_or(&*unknown, |known| known.2)
        );
    }
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Shows one session.
fn show(seed: u64) -> ExitCode {
    for has_deflate in [false, true] {
        let session = Session::new(seed, has_deflate);
        println!(
            "{:?}, deflate: {has_deflate}: {:02x?}",
            session.role, session.bytes
        );
        println!("ours: {:?}", ours::run(&session, &mut Rng::with_seed(seed)));
        if !has_deflate {
            println!("tungstenite: {:?}", tungstenite::run(&session));
        }
        println!("{:?}: {:?}", python::PEERS, python::run(&[session]));
    }
    heads::show(seed);
    ExitCode::SUCCESS
}
