//! The README of the workspace shows the loop of this package, which it cannot compile itself.
//!
//! Invariant: what it shows is in the README of this package, which is compiled.

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
