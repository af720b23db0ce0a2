//! The answers of a proxy to CONNECT (RFC 9110, section 9.3.6).
//!
//! Invariant: however they are cut, the verdict is the same, and what came through the tunnel is left alone.

use crate::allocator::live;
use crate::heads::any_config;
use crate::script::Script;
use bytes::BytesMut;
use sansocket::{ClientRequest, Config, HandshakeError, Input, Tunnel};

/// What a proxy sends.
pub fn tunnel(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let config = any_config(&mut script);
    let (verdict, left) = run(bytes, &config, None);
    if verdict == Ok(true) {
        let (head, rest) = bytes.split_at(bytes.len() - left.len());
        assert!(
            rest == left && head.ends_with(b"\r\n\r\n"),
            "what follows the head"
        );
    }
    assert_eq!(run(bytes, &config, Some(&mut script)), (verdict, left));
}

/// The verdict, and what was left; an end of the transport if there was none.
fn run(
    bytes: &[u8],
    config: &Config,
    mut script: Option<&mut Script<'_>>,
) -> (Result<bool, HandshakeError>, Vec<u8>) {
    let request = ClientRequest::new("wss://a.test/").expect("a URI");
    let (base, mut out) = (live(), BytesMut::with_capacity(256));
    let mut tunnel = Tunnel::new(&request, None, config, &mut out).expect("no credentials");
    assert_eq!(
        &out[..],
        b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"
    );
    let mut bytes = bytes.to_vec();
    let (all, mut fed, mut lines) = (bytes.len(), 0, 0);
    loop {
        let len = script
            .as_mut()
            .map_or(all - fed, |script| script.cut(all - fed));
        let piece = &mut bytes[fed..fed + len];
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
        fed += len;
        let mut input = Input(piece);
        match tunnel.receive(&mut input) {
            Ok(true) => {
                let left = input.0.len();
                assert_eq!(tunnel.receive(&mut input), Ok(true), "it stays open");
                assert_eq!(input.0.len(), left);
                return (Ok(true), bytes[fed - left..].to_vec());
            }
            Ok(false) => assert!(input.0.is_empty(), "every byte is taken"),
            Err(error) => return (Err(error), Vec::new()),
        }
        let (held, most) = (live() - base, all + 5 * fed + 48 * lines + 2048 + 256);
        assert!(
            held <= most as isize,
            "{held} bytes held of {fed}, not {most}"
        );
        if fed == all {
            return (Err(tunnel.receive_eof()), Vec::new());
        }
    }
}
