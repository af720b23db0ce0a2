//! What the README shows of it. Its law: nothing is written there by hand between the marks.

use crate::{measure, peers, work};
use std::fmt::Write;
use std::process::Command;
use std::{env, fs};

const ROUNDS: usize = 101;

/// A row for each work, a column for each peer, in Markdown. The fastest stands out.
pub fn table(part: &str) -> String {
    let mut table = String::from("| ns for each |");
    for peer in peers::ALL {
        let _ = write!(table, " {}{} |", peer.name, version(peer.name));
    }
    table += "\n|---|";
    table += &"--:|".repeat(peers::ALL.len());
    let works: Vec<_> = work::rows()
        .into_iter()
        .filter(|work| work.name.contains(part))
        .collect();
    for (n, work) in works.iter().enumerate() {
        eprintln!("[{}/{}] {}", n + 1, works.len(), work.name);
        let times = measure::times(work, peers::ALL, ROUNDS);
        let least = times.iter().flatten().copied().fold(f64::MAX, f64::min);
        let _ = write!(table, "\n| {} |", work.name);
        for time in times {
            let _ = match time {
                Some(time) if time == least => write!(table, " **{}** |", grouped(time)),
                Some(time) => write!(table, " {} |", grouped(time)),
                None => write!(table, " |"),
            };
        }
    }
    table
}

/// A blank and the version that the manifest pins; nothing for ourselves.
fn version(name: &str) -> String {
    let line = |line: &&str| line.starts_with(name);
    let line = include_str!("../Cargo.toml").lines().find(line);
    let pinned = line.and_then(|line| line.split_once("\"=")?.1.split('"').next());
    pinned
        .map(|version| format!(" {version}"))
        .unwrap_or_default()
}

/// 12.3, 1,234.
fn grouped(number: f64) -> String {
    if number < 99.95 {
        return format!("{number:.1}");
    }
    let mut digits = format!("{number:.0}");
    for at in (1..digits.len()).rev().skip(2).step_by(3) {
        digits.insert(at, ',');
    }
    digits
}

/// What the README says between its marks.
pub fn section(table: &str) -> String {
    let said = |program: &str, argument| {
        let output = Command::new(program).arg(argument).output();
        output.map_or(String::new(), |said| {
            String::from_utf8_lossy(&said.stdout).trim().into()
        })
    };
    let rust = said("rustc", "--version");
    let rust = rust.split(' ').nth(1).unwrap_or_default();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut names = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let cpu = names.next().unwrap_or(env::consts::ARCH);
    let cpu = cpu.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let program = env::current_exe().unwrap_or_default();
    let lto = if program.iter().any(|part| part == "lto") {
        "with"
    } else {
        "without"
    };
    let date = said("date", "+%F");
    format!(
        "{table}\n\n{date}: {cpu}, {cores} cores; Rust {rust}, a build {lto} LTO.\n\n\
         ![Memory and time by the number of connections](comparison/connections.svg)\n\n\
         ![Octets a second by the length of a message](comparison/sizes.svg)"
    )
}

/// The README with another section between the marks.
pub fn with_section(readme: &str, section: &str) -> String {
    const BEGIN: &str = "<!-- comparison -->\n";
    const END: &str = "\n<!-- /comparison -->";
    let (before, rest) = readme.split_once(BEGIN).expect("the README has the mark");
    let (_, after) = rest.split_once(END).expect("the README has the mark's end");
    format!("{before}{BEGIN}{section}{END}{after}")
}
