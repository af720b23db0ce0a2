//! What the READMEs and the docs promise of the programs that they show.
//!
//! Invariant: what is shown is compiled, here or where it stands.

#[test]
fn the_readme_of_the_workspace_shows_what_is_compiled() {
    let (workspace, package) = (
        include_str!("../../../README.md"),
        include_str!("../README.md"),
    );
    let (_, shown) = workspace.split_once("```rust,ignore\n").unwrap();
    let (shown, rest) = shown.split_once("```").unwrap();
    assert!(package.contains(shown), "{shown}");
    assert!(
        !rest.contains("rust,ignore"),
        "everything else is compiled where it stands"
    );
}

/// Each of the programs for axum and hyper is short, with its imports and loop.
#[test]
fn a_program_for_other_http_has_at_most_40_lines() {
    let page = include_str!("../src/other_http.rs");
    let blocks = page.split("//! ```\n").skip(1).step_by(2);
    let programs: Vec<_> = blocks
        .flat_map(|block| block.split("async fn connect("))
        .collect();
    assert_eq!(
        programs.len(),
        3,
        "axum, a server of hyper, a client of hyper"
    );
    for program in programs {
        let shown = program.lines().filter(|line| !line.starts_with("//! #"));
        assert!(shown.count() <= 40, "{program}");
    }
}
