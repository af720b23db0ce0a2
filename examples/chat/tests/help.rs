//! What `--help` prints.

use std::process::Command;

#[test]
fn help() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_chat"));
    let output = program.arg("--help").output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(output, include_str!("help.txt"));
}
