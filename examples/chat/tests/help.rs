//! What `--help` prints.

use std::process::Command;

fn help(program: &str) -> String {
    let output = Command::new(program).arg("--help").output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn of_the_server() {
    assert_eq!(help(env!("CARGO_BIN_EXE_chat")), include_str!("help.txt"));
}

#[test]
fn of_the_load() {
    assert_eq!(
        help(env!("CARGO_BIN_EXE_chat_load")),
        include_str!("load_help.txt")
    );
}
