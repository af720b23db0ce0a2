//! BENCHMARKS.md as the comparisons write it; `loopback` has this file, too.
//!
//! Invariant: between the marks nothing is written by hand.

use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;
use std::{fs, io};

/// Writes the section between the marks of this name.
pub fn write(name: &str, section: &str) -> io::Result<()> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut files = above.map(|folder| folder.join("BENCHMARKS.md"));
    let file = files
        .find(|file| file.exists())
        .expect("it is in a folder above");
    let (start, end) = (format!("<!-- {name} -->\n"), format!("\n<!-- /{name} -->"));
    let text = fs::read_to_string(&file)?;
    let (before, rest) = text.split_once(&start).expect("the file has the mark");
    let (_, after) = rest
        .split_once(&end)
        .expect("the file has the mark's end");
    fs::write(file, format!("{before}{start}{section}{end}{after}"))
}

/// What a program prints; nothing where there is none.
pub fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map_or(Vec::new(), |output| output.stdout);
    String::from_utf8_lossy(&text).trim().into()
}

/// When and where it was measured: date, processor, cores, and the compiler.
pub fn machine() -> String {
    let rust = said("rustc", "--version");
    let rust = rust.split(' ').nth(1).unwrap_or_default();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut names = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let cpu = names.next().unwrap_or(std::env::consts::ARCH);
    let cpu = cpu.trim_start_matches([' ', '\t', ':']);
    let cores = available_parallelism().map_or(1, usize::from);
    let date = said("date", "+%F");
    format!("{date}: {cpu}, {cores} cores; Rust {rust}")
}

/// 12.3, 1,234.
pub fn grouped(number: f64) -> String {
    if number < 99.95 {
        return format!("{number:.1}");
    }
    let mut digits = format!("{number:.0}");
    for at in (1..digits.len()).rev().skip(2).step_by(3) {
        digits.insert(at, ',');
    }
    digits
}

/// A blank and the version that the manifest pins; nothing for ourselves.
pub fn version(manifest: &str, name: &str) -> String {
    let line = |line: &&str| line.starts_with(name);
    let line = manifest.lines().find(line);
    let pinned = line.and_then(|line| line.split_once("\"=")?.1.split('"').next());
    pinned
        .map(|version| format!(" {version}"))
        .unwrap_or_default()
}
