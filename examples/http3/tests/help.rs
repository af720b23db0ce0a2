//! What `--help` prints. Because of this test `cargo test --workspace` builds the program, which `tests/examples` runs.

use std::process::Command;

fn help(command: &str) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_http3"));
    let output = program.args([command, "--help"]).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn each_command_has_its_help() {
    assert_eq!(help("server"), include_str!("server.txt"));
    assert_eq!(help("client"), include_str!("client.txt"));
}
