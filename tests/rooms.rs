//! The architecture as rules: which room of `src` may use which, and no circles inside a room.
//!
//! Invariant: [`violations`] judges a list of paths and texts and reads no disk, so that the tests
//! at the end can show it every kind of violation.
//!
//! # The rules
//!
//! 1. A room is a folder of `src`. Only `lib.rs` is beside the rooms.
//! 2. A file imports from its own room and from those that [`ROOMS`] allows to its room.
//! 3. The files of a room import from each other without circles. A file imports from the deepest
//!    file on the path that it names: `super::opcode::Opcode` is in `opcode.rs`, `super::Opcode` is
//!    in `mod.rs`, even if `mod.rs` only re-exports it. So a `mod.rs` is either a face, which names
//!    its children and from which no child imports, or a floor, from which children import and
//!    which names none of them. `mod child;` alone names nothing.
//! 4. A glob names no items, so there is none of another file of the crate. For the same reason there is no
//!    `include!`, no `#[path]`, and no `extern crate self`.
//!
//! An import is each path in the code that leads to a module of the crate: from `crate`, `self`,
//! `super`, a child module, or a name that a `use` has brought in; in nested trees, types,
//! expressions and macros alike. Comments, documentation and strings do not count:
//! `proc_macro2` takes the tokens apart. Unit tests keep to the rooms; in circles they do not count,
//! as a test may use what imports from its file.
//!
//! Without a path nothing is seen: a method that an `impl` in another file adds to a type, and the
//! files through which an item was re-exported.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and what it may use: a room as a whole, or one item of it. The rooms of the list may
/// use only rooms before them.
const ROOMS: &[(&str, &[&str])] = &[
    ("frame", &[]),
    ("deflate", &["frame"]),
    ("connection", &["frame", "deflate"]),
    ("time", &["frame", "connection"]),
    (
        "handshake",
        &["frame", "deflate", "connection", "time::Times"],
    ),
    (
        "endpoint",
        &["frame", "deflate", "connection", "time", "handshake"],
    ),
    // Pages of documentation, without code.
    ("guide", &[]),
    (
        "lib.rs",
        &[
            "frame",
            "deflate",
            "connection",
            "time",
            "handshake",
            "endpoint",
        ],
    ),
];

/// A module's path from the root of the crate.
type ModulePath = Vec<String>;

/// The module that a file of `src` is.
fn module(file: &str) -> ModulePath {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" => Vec::new(),
        path => path.split('/').map(String::from).collect(),
    }
}

/// The room that a path from the root leads to: what is at the root itself is `lib.rs`.
fn room(path: &[String]) -> &str {
    let rooms = ROOMS.iter().map(|(room, _)| *room);
    let room = path
        .first()
        .and_then(|first| rooms.clone().find(|room| room == first));
    room.unwrap_or("lib.rs")
}

fn may_use(room: &str, path: &[String]) -> bool {
    let allowed = ROOMS.iter().filter(|(name, _)| *name == room);
    let mut allowed = allowed.flat_map(|(_, allowed)| *allowed);
    allowed.any(|allowed| {
        let mut path = path.iter();
        allowed
            .split("::")
            .all(|name| path.next().is_some_and(|found| found == name))
    })
}

/// A path in the code that leads to a module of the crate, or to what is in it.
struct Import {
    line: usize,
    path: ModulePath,
    is_glob: bool,
    /// Whether it is one of the unit tests.
    is_test: bool,
}

/// Reads the imports of one file.
struct Reader<'a> {
    modules: &'a BTreeMap<ModulePath, &'a str>,
    /// What the file's `use` items bring in.
    names: BTreeMap<String, ModulePath>,
    imports: Vec<Import>,
    /// What would hide imports, by line.
    hiding: Vec<(usize, &'static str)>,
    /// Whether unit tests are being read.
    is_test: bool,
}

impl<'a> Reader<'a> {
    fn read(file: &str, text: &str, modules: &'a BTreeMap<ModulePath, &'a str>) -> Self {
        let tokens: TokenStream = text
            .parse()
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut reader = Self {
            modules,
            names: BTreeMap::new(),
            imports: Vec::new(),
            hiding: Vec::new(),
            is_test: false,
        };
        // A second time, as a name may be used before the `use` that brings it in.
        for _ in 0..2 {
            reader.imports.clear();
            reader.hiding.clear();
            reader.scan(tokens.clone(), &[module(file)]);
        }
        reader
    }

    /// `scopes` are the module that the tokens are in and the modules of this file around it,
    /// innermost last.
    fn scan(&mut self, tokens: TokenStream, scopes: &[ModulePath]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let ident = |i: usize| match tokens.get(i) {
            Some(TokenTree::Ident(ident)) => ident.to_string(),
            _ => String::new(),
        };
        let punct = |i: usize| match tokens.get(i) {
            Some(TokenTree::Punct(punct)) => Some(punct.as_char()),
            _ => None,
        };
        let mut i = 0;
        while i < tokens.len() {
            let line = tokens[i].span().start().line;
            let before = |n: usize| i.checked_sub(n);
            match &tokens[i] {
                // `pub(in crate::room)` imports nothing.
                TokenTree::Group(_) if before(1).is_some_and(|i| ident(i) == "pub") => {}
                TokenTree::Group(group) => {
                    let is_attribute =
                        before(1).is_some_and(|i| matches!(punct(i), Some('#' | '!')));
                    if is_attribute && sets_path(group.stream()) {
                        self.hiding.push((line, "#[path]"));
                    }
                    self.scan(group.stream(), scopes);
                }
                TokenTree::Ident(_) => match &*ident(i) {
                    "include" if punct(i + 1) == Some('!') => self.hiding.push((line, "include!")),
                    "extern" if ident(i + 1) == "crate" && ident(i + 2) == "self" => {
                        self.hiding.push((line, "extern crate self"));
                    }
                    "mod" => {
                        if let Some(TokenTree::Group(body)) = tokens.get(i + 2) {
                            let mut inner = scopes[scopes.len() - 1].clone();
                            inner.push(ident(i + 1));
                            let is_test = self.is_test;
                            self.is_test |= before(1).is_some_and(|i| is_for_tests(&tokens[i]));
                            self.scan(body.stream(), &[scopes, &[inner]].concat());
                            self.is_test = is_test;
                            i += 2;
                        }
                    }
                    first if are_colons(&tokens, i + 1) => {
                        // Neither a later part of a path nor a method nor a lifetime.
                        let starts = !before(2).is_some_and(|i| are_colons(&tokens, i))
                            && !before(1).is_some_and(|i| matches!(punct(i), Some('.' | '\'')));
                        if let Some(base) = self.base(first, scopes).filter(|_| starts) {
                            let is_use = before(1).is_some_and(|i| ident(i) == "use");
                            i = self.follow(&tokens, i + 3, base, is_use);
                            continue;
                        }
                    }
                    _ => {}
                },
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            i += 1;
        }
    }

    /// The module where a path with this first name starts; `None` outside of the crate.
    fn base(&self, first: &str, scopes: &[ModulePath]) -> Option<ModulePath> {
        let own = &scopes[scopes.len() - 1];
        match first {
            "crate" => Some(Vec::new()),
            "self" => Some(own.clone()),
            "super" => Some(own[..own.len().saturating_sub(1)].to_vec()),
            name => {
                let mut children = scopes.iter().rev().map(|scope| {
                    let mut child = scope.clone();
                    child.push(name.into());
                    child
                });
                let child = children.find(|child| self.modules.contains_key(child));
                child.or_else(|| self.names.get(name).cloned())
            }
        }
    }

    /// Follows a path, or the branches of a tree, from the token after a `::`. Returns the index of
    /// the token after it.
    fn follow(
        &mut self,
        tokens: &[TokenTree],
        mut i: usize,
        mut path: ModulePath,
        is_use: bool,
    ) -> usize {
        let Some(line) = tokens.get(i).map(|token| token.span().start().line) else {
            return i;
        };
        loop {
            match tokens.get(i) {
                Some(TokenTree::Ident(ident)) => match &*ident.to_string() {
                    "self" => {}
                    "super" => drop(path.pop()),
                    name => path.push(name.into()),
                },
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let tokens: Vec<_> = group.stream().into_iter().collect();
                    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                    for branch in tokens.split(is_comma) {
                        self.follow(branch, 0, path.clone(), is_use);
                    }
                    return i + 1;
                }
                Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => {
                    self.import(line, path, true);
                    return i + 1;
                }
                _ => break, // generic arguments
            }
            i += 1;
            if !are_colons(tokens, i) {
                break;
            }
            i += 2;
        }
        if is_use {
            let name = match (tokens.get(i), tokens.get(i + 1)) {
                (Some(TokenTree::Ident(as_)), Some(name)) if as_ == "as" => Some(name.to_string()),
                _ => path.last().cloned(),
            };
            self.names.extend(name.map(|name| (name, path.clone())));
        }
        self.import(line, path, false);
        i
    }

    fn import(&mut self, line: usize, path: ModulePath, is_glob: bool) {
        let is_test = self.is_test;
        self.imports.push(Import {
            line,
            path,
            is_glob,
            is_test,
        });
    }
}

/// Whether the tokens from `i` on are a `::`.
fn are_colons(tokens: &[TokenTree], i: usize) -> bool {
    let is_colon =
        |i: usize| matches!(tokens.get(i), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(i) && is_colon(i + 1)
}

/// Whether this is the attribute of a module of unit tests.
fn is_for_tests(attribute: &TokenTree) -> bool {
    let text = attribute.to_string().replace(char::is_whitespace, "");
    text == "[cfg(test)]" || text.starts_with("[cfg(all(test,")
}

/// Whether an attribute says in which file a module is.
fn sets_path(attribute: TokenStream) -> bool {
    let tokens: Vec<_> = attribute.into_iter().collect();
    let is_path = tokens
        .windows(2)
        .any(|pair| pair[0].to_string() == "path" && pair[1].to_string() == "=");
    let mut groups = tokens.iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    });
    is_path || groups.any(sets_path)
}

/// Everything that breaks a rule in these files: their paths below `src`, and their texts.
fn violations(files: &[(&str, &str)]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let modules: BTreeMap<_, _> = files
        .iter()
        .map(|(file, _)| (module(file), *file))
        .collect();
    let mut imported = Imported::new();
    for &(file, text) in files {
        let own = module(file);
        let own_room = room(&own);
        match file.split_once('/') {
            None if file != "lib.rs" => {
                found.insert(format!("{file}: only lib.rs stands at the root"));
            }
            Some((folder, _)) if folder != own_room => {
                found.insert(format!("{file}: `{folder}` is not among the rooms"));
            }
            _ => {}
        }
        let reader = Reader::read(file, text, &modules);
        for (line, what) in reader.hiding {
            found.insert(format!("{file}:{line}: `{what}` hides imports"));
        }
        for Import {
            line,
            path,
            is_glob,
            is_test,
        } in reader.imports
        {
            let its_room = room(&path);
            if its_room != own_room {
                if !may_use(own_room, &path) {
                    let path = path.join("::");
                    found.insert(format!(
                        "{file}:{line}: {own_room} may not use {its_room}: `crate::{path}`"
                    ));
                }
                continue;
            }
            // The deepest file on the path.
            let its_file = (0..=path.len())
                .rev()
                .find_map(|end| modules.get(&path[..end]));
            let Some(its_file) = its_file.filter(|its_file| **its_file != file) else {
                continue;
            };
            if !is_test {
                let lines = imported.entry(file).or_default();
                lines.entry(*its_file).or_insert(line);
            }
            if is_glob && modules.contains_key(&path) {
                found.insert(format!(
                    "{file}:{line}: a glob hides what comes from {its_file}"
                ));
            }
        }
    }
    found.extend(circles(&imported));
    found.into_iter().collect()
}

/// The files of its room from which each file imports, and the first line that does so.
type Imported<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

/// The shortest circle through each file, from its first file on.
fn circles(imported: &Imported<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for &start in imported.keys() {
        let (mut ways, mut seen) = (VecDeque::from([vec![start]]), BTreeSet::new());
        while let Some(mut way) = ways.pop_front() {
            let next = imported.get(way[way.len() - 1]).into_iter().flatten();
            let next: Vec<&str> = next.map(|(file, _)| *file).collect();
            if next.contains(&start) {
                let first = (0..way.len()).min_by_key(|i| way[*i]).unwrap_or_default();
                way.rotate_left(first);
                way.push(way[0]);
                let steps = way.windows(2).map(|step| {
                    let line = imported[step[0]][step[1]];
                    format!("{}:{line} -> ", step[0])
                });
                found.insert(format!("a circle: {}{}", steps.collect::<String>(), way[0]));
                break;
            }
            for file in next.into_iter().filter(|file| seen.insert(*file)) {
                ways.push_back([&way[..], &[file]].concat());
            }
        }
    }
    found
}

// ---- the crate ----

/// The files below a folder, and their texts.
fn read(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).unwrap();
    let mut all = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            all.extend(read(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            all.push((path, text));
        }
    }
    all
}

/// The files of `src`: their paths in it with `/`, and their texts.
fn source() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = read(&src).into_iter().map(|(path, text)| {
        let path = path.strip_prefix(&src).unwrap();
        let names = path
            .components()
            .map(|name| name.as_os_str().to_str().unwrap());
        (names.collect::<Vec<_>>().join("/"), text)
    });
    files.collect()
}

/// The lines of `//!` at the head of a file.
fn head(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map_while(|line| line.strip_prefix("//!"))
}

#[test]
fn the_rooms_keep_to_the_rules() {
    let files = source();
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    let modules: BTreeMap<_, _> = files
        .iter()
        .map(|(file, _)| (module(file), *file))
        .collect();
    let read = files
        .iter()
        .map(|(file, text)| Reader::read(file, text, &modules).imports.len());
    assert!(read.sum::<usize>() > 100, "imports are found at all");
    let violations = violations(&files);
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn rooms_use_only_rooms_before_them() {
    for (i, (room, allowed)) in ROOMS.iter().enumerate() {
        for allowed in *allowed {
            let name = allowed.split("::").next().unwrap();
            let is_before = ROOMS[..i].iter().any(|(room, _)| *room == name);
            assert!(is_before, "{room} uses {allowed}");
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is() {
    for (file, text) in source() {
        assert!(text.starts_with("//! "), "{file} says what it is");
    }
}

#[test]
fn every_file_states_its_invariant() {
    let files = source().into_iter();
    let without =
        files.filter(|(_, text)| !head(text).any(|line| line.starts_with(" Invariant: ")));
    let without: Vec<_> = without.map(|(file, _)| file).collect();
    assert!(
        without.is_empty(),
        "no `//! Invariant: ` in the head of\n{}",
        without.join("\n")
    );
}

#[test]
fn the_readme_names_the_minimum_rust() {
    let manifest = include_str!("../Cargo.toml");
    let version = manifest.split("rust-version = \"").nth(1).unwrap();
    let said = format!("Rust {}", version.split('"').next().unwrap());
    let readme = include_str!("../README.md");
    assert!(readme.contains(&said), "the README says `{said}`");
}

// ---- the checker ----

/// A small crate that keeps to the rules, with these files added or replaced.
fn with(files: &[(&'static str, &'static str)]) -> Vec<String> {
    let good = [
        (
            "lib.rs",
            "mod frame; mod deflate; mod connection; mod time; mod handshake; pub use frame::Header;",
        ),
        (
            "frame/mod.rs",
            "mod header; mod mask; pub use header::Header; pub use mask::Mask;",
        ),
        (
            "frame/header.rs",
            "use super::mask::Mask; pub struct Header(Mask);",
        ),
        ("frame/mask.rs", "pub struct Mask;"),
        ("deflate/mod.rs", "pub struct Deflate(crate::frame::Mask);"),
        (
            "connection/mod.rs",
            "mod receive; pub(crate) use receive::Receiver;",
        ),
        (
            "connection/receive/mod.rs",
            "pub(in crate::connection) struct Receiver; mod text;",
        ),
        (
            "connection/receive/text.rs",
            "use super::super::super::frame::Mask; use super::Receiver;",
        ),
        (
            "time/mod.rs",
            "pub struct Times; pub struct Backoff; use crate::connection::Receiver;",
        ),
        ("handshake/mod.rs", "use crate::time::Times;"),
    ];
    let mut all = BTreeMap::from(good);
    all.extend(files.iter().copied());
    violations(&Vec::from_iter(all))
}

#[track_caller]
fn breaks(files: &[(&'static str, &'static str)], expected: &[&str]) {
    assert_eq!(with(files), expected);
}

#[test]
fn a_good_crate_passes() {
    breaks(&[], &[]);
}

#[test]
fn a_room_that_is_not_allowed_is_seen_however_it_is_named() {
    let expected =
        ["deflate/mod.rs:2: deflate may not use connection: `crate::connection::Receiver`"];
    for text in [
        "\nuse crate::connection::Receiver;",
        "\nuse super::connection::Receiver;",
        "\nuse self::super::connection::Receiver as R;",
        "use crate::{frame::{Header, Mask},\nconnection::Receiver};",
        "use super::{frame::{self, Mask},\nconnection::{Receiver}};",
        "use crate::\n{connection::Receiver};",
        "\npub(crate) use crate::connection::Receiver;",
        "\nfn f(x: &[crate::connection::Receiver]) {}",
        "fn f() {\nlet x = <super::connection::Receiver as Default>::default(); }",
        "fn f() {\nmatches!(x, Some(crate::connection::Receiver)); }",
        "macro_rules! m { () => {\n$crate::connection::Receiver } }",
        "mod tests {\nuse super::super::connection::Receiver; }",
        "fn f() {\nuse crate::connection::Receiver; }",
        "#[derive(Debug)]\nstruct S(Option<crate::connection::Receiver>);",
    ] {
        breaks(&[("deflate/mod.rs", text)], &expected);
    }
    // Through a name that was imported from an allowed room or from the root.
    breaks(
        &[(
            "connection/receive/text.rs",
            "use super::super::super::time as t;\nfn f() { t::Times; }",
        )],
        &[
            "connection/receive/text.rs:1: connection may not use time: `crate::time`",
            "connection/receive/text.rs:2: connection may not use time: `crate::time::Times`",
        ],
    );
}

#[test]
fn everything_but_code_is_ignored() {
    let text = r##"//! crate::connection::Receiver
        // use crate::connection::Receiver;
        /* use crate::connection::Receiver; /* nested */ use super::connection::Receiver; */
        /// [`crate::connection::Receiver`]
        pub struct Deflate;
        const TEXT: &str = "use crate::connection::Receiver;";
        const RAW: &str = r#"" use crate::connection::Receiver; ""#;
        const BYTE: u8 = b'"'; const CHAR: char = '"'; fn f<'a>(x: &'a str) {}
        use core::connection::Receiver; fn g() { ::connection::x(); x.frame::<u8>(); std::frame::y(); }
        pub(in crate::connection) fn h() {}"##;
    breaks(&[("deflate/mod.rs", text)], &[]);
}

#[test]
fn one_item_of_a_room_can_be_allowed() {
    breaks(
        &[(
            "handshake/mod.rs",
            "fn f() { crate::time::Times::default(); }",
        )],
        &[],
    );
    breaks(
        &[(
            "handshake/mod.rs",
            "use crate::time::{Times, Backoff};\nuse crate::time;",
        )],
        &[
            "handshake/mod.rs:1: handshake may not use time: `crate::time::Backoff`",
            "handshake/mod.rs:2: handshake may not use time: `crate::time`",
        ],
    );
}

#[test]
fn nothing_is_imported_from_the_root() {
    breaks(
        &[(
            "connection/receive/text.rs",
            "use crate::Header;\nuse crate::{self as root};\nuse crate::*;",
        )],
        &[
            "connection/receive/text.rs:1: connection may not use lib.rs: `crate::Header`",
            "connection/receive/text.rs:2: connection may not use lib.rs: `crate::`",
            "connection/receive/text.rs:3: connection may not use lib.rs: `crate::`",
        ],
    );
}

#[test]
fn a_circle_of_two_files_is_seen() {
    let expected = ["a circle: frame/header.rs:1 -> frame/mask.rs:1 -> frame/header.rs"];
    for text in [
        "use super::header::Header;",
        "use crate::frame::header::Header;",
        "fn f() -> super::header::Header {}",
        "use super::{header::{self}};",
    ] {
        breaks(&[("frame/mask.rs", text)], &expected);
    }
}

#[test]
fn a_circle_of_three_files_is_seen() {
    breaks(
        &[
            ("frame/mask.rs", "use super::opcode::Opcode;"),
            ("frame/opcode.rs", "use super::header;"),
        ],
        &["a circle: frame/header.rs:1 -> frame/mask.rs:1 -> frame/opcode.rs:1 -> frame/header.rs"],
    );
}

#[test]
fn a_child_that_imports_from_its_parent_is_in_a_circle_if_the_parent_names_it() {
    for text in [
        "use super::Mask;",
        "use crate::frame::Mask;",
        "fn f(x: super::Mask) {}",
    ] {
        breaks(
            &[("frame/header.rs", text)],
            &["a circle: frame/header.rs:1 -> frame/mod.rs:1 -> frame/header.rs"],
        );
    }
    // By its code, by its re-exports, and through another child.
    breaks(
        &[
            (
                "connection/receive/mod.rs",
                "mod text; mod utf8; pub struct Receiver; fn f() { text::g(); }",
            ),
            ("connection/receive/text.rs", "use super::utf8;"),
            ("connection/receive/utf8.rs", "use super::Receiver;"),
        ],
        &[
            "a circle: connection/receive/mod.rs:1 -> connection/receive/text.rs:1 -> connection/receive/utf8.rs:1 \
             -> connection/receive/mod.rs",
        ],
    );
    // Unit tests in a file belong to the file.
    let text = "pub struct Mask; mod tests { use super::*; use super::Mask; }";
    breaks(&[("frame/mask.rs", text)], &[]);
}

#[test]
fn unit_tests_keep_to_the_rooms_and_are_in_no_circle() {
    for attribute in ["#[cfg(test)]", "#[cfg(all(test, feature = \"deflate\"))]"] {
        let text = [attribute, "mod tests { use crate::frame::header::Header; }"].concat();
        breaks(&[("frame/mask.rs", text.leak())], &[]);
        let text = [attribute, "mod tests { use crate::time::Times; }"].concat();
        breaks(
            &[("frame/mask.rs", text.leak())],
            &["frame/mask.rs:1: frame may not use time: `crate::time::Times`"],
        );
    }
    breaks(
        &[(
            "frame/mask.rs",
            "#[cfg(not(test))] mod x { use crate::frame::header::Header; }",
        )],
        &["a circle: frame/header.rs:1 -> frame/mask.rs:1 -> frame/header.rs"],
    );
}

#[test]
fn a_circle_through_a_name_is_seen() {
    breaks(
        &[
            (
                "connection/receive/mod.rs",
                "mod text; mod utf8; pub struct Receiver;",
            ),
            ("connection/receive/text.rs", "use super::utf8 as u;"),
            (
                "connection/receive/utf8.rs",
                "fn f() { receive::text::g(); } use crate::connection::receive;",
            ),
        ],
        &[
            "a circle: connection/receive/text.rs:1 -> connection/receive/utf8.rs:1 -> connection/receive/text.rs",
        ],
    );
}

#[test]
fn a_file_at_the_root_or_in_no_room_is_seen() {
    breaks(
        &[("error.rs", ""), ("util/mod.rs", "")],
        &[
            "error.rs: only lib.rs stands at the root",
            "util/mod.rs: `util` is not among the rooms",
        ],
    );
}

#[test]
fn everything_that_hides_imports_is_seen() {
    breaks(
        &[(
            "frame/mask.rs",
            "use super::header::*;\n#[cfg_attr(unix, path = \"x.rs\")] mod x;\ninclude!(\"y.rs\");\nextern crate self as s;",
        )],
        &[
            "a circle: frame/header.rs:1 -> frame/mask.rs:1 -> frame/header.rs",
            "frame/mask.rs:1: a glob hides what comes from frame/header.rs",
            "frame/mask.rs:2: `#[path]` hides imports",
            "frame/mask.rs:3: `include!` hides imports",
            "frame/mask.rs:4: `extern crate self` hides imports",
        ],
    );
    // A glob of an enum names a type.
    breaks(&[("frame/header.rs", "use super::mask::Mask::*;")], &[]);
}
