//! One test for each `ProtocolError`, in the order of the enum.
//!
//! Invariant: a peer's fault ends the connection with one Close (RFC 6455, section 7.1.7), and each error
//! names the section of its rule.

use crate::support::errors::*;
use crate::support::*;
use sansocket::{CloseCode, Connection, End, Event, ProtocolError, Role, SendError, Settings};

#[test]
fn no_variant_is_forgotten() {
    let source = include_str!("../../src/frame/error.rs");
    each_variant_has_a_test("ProtocolError", source, include_str!("errors.rs"));
}

/// The bytes fail a connection in this role, in any cuts.
fn fails(role: Role, settings: Settings, bytes: &[u8], error: ProtocolError, section: &str) {
    let section = format!("RFC 6455, section {section}");
    fails_each(|| connection(role, settings), bytes, error, &section);
}

fn fails_each(ws: impl Fn() -> Connection, bytes: &[u8], error: ProtocolError, section: &str) {
    let text = error.to_string();
    assert_eq!(text.rsplit_once(" (").unwrap().1, format!("{section})"));
    for cuts in Cuts::ALL {
        let mut run = Run::of(ws());
        run.feed_cut(bytes, cuts);
        ends(&mut run, error, &End::Failed(error));
        // Frames before the fault may have been answered; the Close comes last.
        let close = run.sent().pop().unwrap();
        assert_eq!(close.close_code(), Some(error.close_code().0));

        // A Close of our own that had gone out stays the only one, and the first cause.
        let mut run = Run::of(ws());
        run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap();
        run.feed_cut(bytes, cuts);
        let (code, by_peer) = (CloseCode::ABNORMAL, false);
        ends(&mut run, error, &End::Closed { code, by_peer });
        assert_eq!(run.sent()[0].close_code(), Some(1000));
    }
}

/// One Close, one failure, and nothing after them.
fn ends(run: &mut Run, error: ProtocolError, end: &End) {
    assert_eq!(run.events, [Event::Failed(error)]);
    assert!(!run.ws.is_open());
    assert_eq!(run.ws.must_close_transport(), run.ws.role() == Role::Server);
    assert_eq!(run.ws.end(), None, "the transport is there");
    let closes = run.sent().iter().filter(|frame| frame.opcode == 8).count();
    assert_eq!(closes, 1);

    let before = run.out.clone();
    let role = run.ws.role();
    for (first, payload) in [(0x81, &b"text"[..]), (0x89, b"ping"), (0x88, b"\x03\xe8")] {
        run.feed(&frame(role, first, payload));
    }
    run.feed(&[0xff; 100]);
    assert_eq!(run.events.len(), 1, "nothing after a failure");
    for send in SENDS {
        assert_eq!(send(&mut run.ws, &mut run.out), Err(SendError::Closed));
    }
    assert_eq!(run.out, before);

    assert_eq!(run.eof(), *end);
    assert_eq!(end.close_code(), CloseCode::ABNORMAL);
    assert!(!end.is_clean() && !run.ws.is_open());
    assert_eq!(run.out, before);
}

fn both_fail(first: u8, payload: &[u8], error: ProtocolError, section: &str) {
    for role in ROLES {
        fails(
            role,
            Settings::default(),
            &frame(role, first, payload),
            error,
            section,
        );
    }
}

#[test]
fn reserved_bit() {
    each_delivery(|| {
        // On data, on a continuation, on control frames; and before a reserved opcode.
        for first in [0xc1, 0xa1, 0x91, 0xf2, 0xc0, 0xc8, 0xa9, 0x9a, 0xc3, 0x41] {
            both_fail(first, b"x", ProtocolError::ReservedBit { first }, "5.2");
        }
    });
}

#[test]
fn reserved_opcode() {
    each_delivery(|| {
        for opcode in (3..8).chain(11..16) {
            let error = ProtocolError::ReservedOpcode(opcode);
            both_fail(0x80 | opcode, b"x", error, "5.2");
            both_fail(opcode, b"", error, "5.2");
        }
    });
}

#[test]
fn control_frame_fragmented() {
    each_delivery(|| {
        for first in [0x08, 0x09, 0x0a] {
            both_fail(first, b"", ProtocolError::ControlFrameFragmented, "5.5");
        }
    });
}

#[test]
fn control_frame_too_long() {
    each_delivery(|| {
        for first in [0x88, 0x89, 0x8a] {
            for len in [126, 70_000] {
                both_fail(
                    first,
                    &vec![0; len],
                    ProtocolError::ControlFrameTooLong,
                    "5.5",
                );
            }
        }
    });
}

#[test]
fn frame_not_masked() {
    each_delivery(|| {
        let error = ProtocolError::FrameNotMasked;
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            let unmasked = frame(Role::Client, first, b"\x03\xe8");
            fails(Role::Server, Settings::default(), &unmasked, error, "5.1");
        }
    });
}

#[test]
fn frame_masked() {
    each_delivery(|| {
        let error = ProtocolError::FrameMasked;
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            let masked = frame(Role::Server, first, b"\x03\xe8");
            fails(Role::Client, Settings::default(), &masked, error, "5.1");
        }
    });
}

#[test]
fn length_not_minimal() {
    each_delivery(|| {
        for role in ROLES {
            let mask = frame_header(role, 0x82, 0)[1];
            for bytes in [
                vec![0x82, mask | 126, 0, 125],
                vec![0x82, mask | 126, 0, 0],
                vec![0x82, mask | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
                vec![0x82, mask | 127, 0, 0, 0, 0, 0, 0, 0, 1],
            ] {
                let error = ProtocolError::LengthNotMinimal;
                fails(role, Settings::default(), &bytes, error, "5.2");
            }
        }
    });
}

#[test]
fn length_top_bit() {
    each_delivery(|| {
        for role in ROLES {
            let mask = frame_header(role, 0x82, 0)[1];
            let bytes = [0x82, mask | 127, 0x80, 0, 0, 0, 0, 0, 0, 1];
            fails(
                role,
                Settings::default(),
                &bytes,
                ProtocolError::LengthTopBit,
                "5.2",
            );
        }
    });
}

#[test]
fn continuation_unexpected() {
    each_delivery(|| {
        both_fail(0x80, b"x", ProtocolError::ContinuationUnexpected, "5.4");
        both_fail(0x00, b"", ProtocolError::ContinuationUnexpected, "5.4");
    });
}

#[test]
fn continuation_expected() {
    each_delivery(|| {
        for role in ROLES {
            for (first, second) in [(0x01, 0x81), (0x01, 0x02), (0x02, 0x82), (0x02, 0x01)] {
                let bytes = [frame(role, first, b"a"), frame(role, second, b"b")].concat();
                let error = ProtocolError::ContinuationExpected;
                fails(role, Settings::default(), &bytes, error, "5.4");
            }
        }
    });
}

#[test]
fn message_too_big() {
    each_delivery(|| {
        let settings = settings(|all| all.max_message_size = 9);
        for role in ROLES {
            let error = ProtocolError::MessageTooBig { len: 10, max: 9 };
            let one = frame(role, 0x82, &[0; 10]);
            fails(role, settings, &one, error, "10.4");
            let two = frames(role, &[(2, &[0; 5]), (0x80, &[0; 5])]);
            fails(role, settings, &two, error, "10.4");
            // The lengths in the headers decide, before any payload.
            fails(role, settings, &frame_header(role, 0x82, 10), error, "10.4");
            // However large they are, in one frame or as a sum.
            let len = (1 << 63) - 1;
            let error = ProtocolError::MessageTooBig { len, max: 9 };
            let header = frame_header(role, 0x82, len);
            fails(role, settings, &header, error, "10.4");
            let len = 1 << 63;
            let error = ProtocolError::MessageTooBig { len, max: 9 };
            let header = frame_header(role, 0x80, len - 1);
            let two = [frame(role, 2, b"a"), header].concat();
            fails(role, settings, &two, error, "10.4");
        }
    });
}

#[test]
fn too_many_fragments() {
    each_delivery(|| {
        let settings = settings(|all| all.max_fragments = 2);
        for role in ROLES {
            let bytes = frames(role, &[(1, b"a"), (0, b""), (0x80, b"c")]);
            let error = ProtocolError::TooManyFragments;
            fails(role, settings, &bytes, error, "10.4");
        }
    });
}

#[test]
fn text_not_utf8() {
    each_delivery(|| {
        for text in [
            &b"\xff"[..],
            b"abc\xc3",
            b"\xed\xa0\x80",
            b"\xc0\xaf",
            b"\xf4\x90\x80\x80",
        ] {
            both_fail(0x81, text, ProtocolError::TextNotUtf8, "8.1");
        }
    });
}

/// A compressed message with this payload fails, in one frame and in fragments.
fn compressed_fails(payload: &[u8], error: ProtocolError, section: &str) {
    for role in ROLES {
        let ws = || with_deflate(connection(role, Settings::default()));
        let section = format!("RFC 7692, section {section}");
        fails_each(ws, &frame(role, 0xc2, payload), error, &section);
        let (first, last) = payload.split_at(1);
        let fragments = [(0x42, first), (0x89, &b"between"[..]), (0x80, last)];
        let ws = || {
            let settings = settings(|all| all.answer_pings = false);
            with_deflate(connection(role, settings))
        };
        for cuts in Cuts::ALL {
            let mut run = Run::of(ws());
            run.feed_cut(&frames(role, &fragments), cuts);
            assert_eq!(run.events.last(), Some(&Event::Failed(error)));
        }
    }
}

#[test]
fn compressed_data_invalid() {
    each_delivery(|| {
        for payload in [
            "06",         // the reserved block type
            "000500faf0", // lengths of a stored block that do not match
            "f200110000", // back to before the first byte
            "ffffffffff",
        ] {
            let error = ProtocolError::CompressedDataInvalid;
            compressed_fails(&unhex(payload), error, "7.2.2");
        }
    });
}

#[test]
fn compressed_data_cut() {
    each_delivery(|| {
        for payload in [
            "f248cdc9",           // inside a block
            "f248cdc9c907",       // a block without the header of the empty one after it
            "000500faff48656c6c", // inside a stored block
            "f348cdc9c90700",     // something after a final block
        ] {
            let error = ProtocolError::CompressedDataCut;
            compressed_fails(&unhex(payload), error, "7.2.1");
        }
    });
}

#[test]
fn too_many_final_blocks() {
    each_delivery(|| {
        for block in ["0300", "010000ffff"] {
            let error = ProtocolError::TooManyFinalBlocks;
            compressed_fails(&unhex(block).repeat(80), error, "7.2.3.4");
        }
    });
}

#[test]
fn close_body_too_short() {
    each_delivery(|| {
        both_fail(0x88, b"\x03", ProtocolError::CloseBodyTooShort, "5.5.1");
    });
}

#[test]
fn close_code_invalid() {
    each_delivery(|| {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            let error = ProtocolError::CloseCodeInvalid(CloseCode(code));
            both_fail(0x88, &code.to_be_bytes(), error, "7.4");
        }
    });
}

#[test]
fn close_reason_not_utf8() {
    each_delivery(|| {
        both_fail(
            0x88,
            b"\x03\xe8\xff",
            ProtocolError::CloseReasonNotUtf8,
            "5.5.1",
        );
        both_fail(
            0x88,
            b"\x03\xe8abc\xe2\x82",
            ProtocolError::CloseReasonNotUtf8,
            "5.5.1",
        );
    });
}

#[test]
fn transport_ended() {
    each_delivery(|| {
        let error = ProtocolError::TransportEnded;
        for role in ROLES {
            let mut run = Run::new(role);
            run.feed(&frame_header(role, 0x81, 10));
            let end = run.eof();
            assert_eq!(end, End::Failed(error));
            assert_eq!(end.close_code(), error.close_code());
            assert_eq!(error.close_code(), CloseCode::ABNORMAL);
            assert!(error.to_string().ends_with("(RFC 6455, section 7.1.5)"));
            // Nothing is sent or received after the transport has ended.
            assert_eq!(run.ws.send("", &mut run.out), Err(SendError::Closed));
            run.feed(&frame(role, 0x89, b""));
            assert_eq!((run.events.len(), run.out.len()), (0, 0));
            assert_eq!(run.eof(), end, "and so again");
        }
    });
}
