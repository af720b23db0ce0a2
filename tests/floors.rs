//! The architecture as a law: each module of `src` stands on a floor, and imports only from
//! floors below its own.

use std::fs;
use std::path::{Path, PathBuf};

/// Ground first.
const FLOORS: &[&[&str]] = &[
    &["frame"],
    &["deflate"],
    &["connection"],
    &["handshake"],
    &["time"],
    &["endpoint"],
    &["lib"],
];

fn floor(module: &str) -> usize {
    let floor = FLOORS.iter().position(|floor| floor.contains(&module));
    floor.unwrap_or_else(|| panic!("module `{module}` stands on no floor: add it to FLOORS"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// The module at the top of the crate to which a file belongs.
fn module(file: &Path, src: &Path) -> String {
    let path = file.strip_prefix(src).unwrap().with_extension("");
    path.components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap()
        .into()
}

/// The modules that a file names, outside of comments.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap();
        for path in code.split("crate::").skip(1) {
            let name = path
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .next()
                .unwrap();
            found.push((number + 1, name.into()));
        }
    }
    found
}

#[test]
fn imports_go_down_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files(&src) {
        let own = module(&file, &src);
        for (line, imported) in imports(&fs::read_to_string(&file).unwrap()) {
            seen += 1;
            if imported != own && floor(&imported) >= floor(&own) {
                wrong.push(format!(
                    "{}:{line}: {own} imports {imported}",
                    file.display()
                ));
            }
        }
    }
    assert!(seen > 50, "imports are found at all");
    assert!(
        wrong.is_empty(),
        "imports that go up or sideways:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_file_opens_with_its_law() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in files(&src) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("//! "),
            "{} says what it is",
            file.display()
        );
    }
}

#[test]
fn the_readme_names_the_minimum_rust() {
    let manifest = include_str!("../Cargo.toml");
    let version = manifest
        .split("rust-version = \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let said = format!("Rust {version}");
    assert!(
        include_str!("../README.md").contains(&said),
        "the README says `{said}`"
    );
}
