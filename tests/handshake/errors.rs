//! One test for each error, in the order of the enums.
//!
//! Invariant: a peer's fault ends the connection with one Close (RFC 6455, section 7.1.7), a fault of
//! the application harms nothing, a request that is refused gets one complete answer (RFC 6455,
//! section 4.2.2), and each error names the section of its rule.

use crate::support::handshake::{Kind, handed_over};
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    ClientRequest, CloseCode, Config, Connection, Deflate, End, Endpoint, Event, Extension,
    HandshakeError, Headers, Input, OriginPolicy, Prepared, ProtocolError, Request, Response, Role,
    SendError, Session, Settings, SetupError, seed,
};
use std::time::Duration;

#[test]
fn no_variant_is_forgotten() {
    const ENUMS: [(&str, &str, &str); 4] = [
        (
            "ProtocolError",
            "protocol_error",
            include_str!("../../src/frame/error.rs"),
        ),
        (
            "SendError",
            "send_error",
            include_str!("../../src/connection/error.rs"),
        ),
        (
            "HandshakeError",
            "handshake_error",
            include_str!("../../src/handshake/error.rs"),
        ),
        (
            "SetupError",
            "setup_error",
            include_str!("../../src/handshake/setup_error.rs"),
        ),
    ];
    for (name, module, source) in ENUMS {
        // The enums are non-exhaustive, so no match outside the crate can be complete.
        let body = between(source, &format!("pub enum {name} {{\n"), "\n}\n");
        let variants: Vec<String> = body
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(|line| snake_case(line.split([',', '(', ' ', '{']).next().unwrap()))
            .collect();
        let body = between(
            include_str!("errors.rs"),
            &format!("\nmod {module} {{\n"),
            "\n}\n",
        );
        let tests: Vec<String> = body
            .split("#[test]\n    fn ")
            .skip(1)
            .map(|test| test.split('(').next().unwrap().into())
            .collect();
        assert!(!variants.is_empty());
        assert_eq!(variants, tests, "{name}");
    }
}

fn between<'s>(source: &'s str, start: &str, end: &str) -> &'s str {
    let rest = source.split_once(start).expect(start).1;
    rest.split_once(end).expect(end).0
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// The text of an error says which rule it is about, and where that stands.
#[track_caller]
fn cites(error: &dyn std::error::Error) {
    let text = error.to_string();
    let cited = text.split_once("RFC ").and_then(|(_, rest)| {
        let (number, section) = rest.split_once(", section ")?;
        let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
        Some(is_number && section.starts_with(|c: char| c.is_ascii_digit()))
    });
    assert_eq!(cited, Some(true), "{text}");
}

mod protocol_error {
    use super::*;

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
            // What came before the fault may have been answered; the Close is the last.
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

    /// One Close, one failure, and silence after it.
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
        for send in send_error::SENDS {
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
        // On data, on a continuation, on control frames; and before a reserved opcode.
        for first in [0xc1, 0xa1, 0x91, 0xf2, 0xc0, 0xc8, 0xa9, 0x9a, 0xc3, 0x41] {
            both_fail(first, b"x", ProtocolError::ReservedBit, "5.2");
        }
    }

    #[test]
    fn reserved_opcode() {
        for opcode in (3..8).chain(11..16) {
            both_fail(0x80 | opcode, b"x", ProtocolError::ReservedOpcode, "5.2");
            both_fail(opcode, b"", ProtocolError::ReservedOpcode, "5.2");
        }
    }

    #[test]
    fn control_frame_fragmented() {
        for first in [0x08, 0x09, 0x0a] {
            both_fail(first, b"", ProtocolError::ControlFrameFragmented, "5.5");
        }
    }

    #[test]
    fn control_frame_too_long() {
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
    }

    #[test]
    fn frame_not_masked() {
        let error = ProtocolError::FrameNotMasked;
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            let unmasked = frame(Role::Client, first, b"\x03\xe8");
            fails(Role::Server, Settings::default(), &unmasked, error, "5.1");
        }
    }

    #[test]
    fn frame_masked() {
        let error = ProtocolError::FrameMasked;
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            let masked = frame(Role::Server, first, b"\x03\xe8");
            fails(Role::Client, Settings::default(), &masked, error, "5.1");
        }
    }

    #[test]
    fn length_not_minimal() {
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
    }

    #[test]
    fn length_top_bit() {
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
    }

    #[test]
    fn continuation_unexpected() {
        both_fail(0x80, b"x", ProtocolError::ContinuationUnexpected, "5.4");
        both_fail(0x00, b"", ProtocolError::ContinuationUnexpected, "5.4");
    }

    #[test]
    fn continuation_expected() {
        for role in ROLES {
            for (first, second) in [(0x01, 0x81), (0x01, 0x02), (0x02, 0x82), (0x02, 0x01)] {
                let bytes = [frame(role, first, b"a"), frame(role, second, b"b")].concat();
                let error = ProtocolError::ContinuationExpected;
                fails(role, Settings::default(), &bytes, error, "5.4");
            }
        }
    }

    #[test]
    fn message_too_big() {
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
    }

    #[test]
    fn too_many_fragments() {
        let settings = settings(|all| all.max_fragments = 2);
        for role in ROLES {
            let bytes = frames(role, &[(1, b"a"), (0, b""), (0x80, b"c")]);
            let error = ProtocolError::TooManyFragments;
            fails(role, settings, &bytes, error, "10.4");
        }
    }

    #[test]
    fn text_not_utf8() {
        for text in [
            &b"\xff"[..],
            b"abc\xc3",
            b"\xed\xa0\x80",
            b"\xc0\xaf",
            b"\xf4\x90\x80\x80",
        ] {
            both_fail(0x81, text, ProtocolError::TextNotUtf8, "8.1");
        }
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
        for payload in [
            "06",         // the reserved type of block
            "000500faf0", // lengths of a stored block that do not match
            "f200110000", // back to before the first byte
            "ffffffffff",
        ] {
            let error = ProtocolError::CompressedDataInvalid;
            compressed_fails(&unhex(payload), error, "7.2.2");
        }
    }

    #[test]
    fn compressed_data_cut() {
        for payload in [
            "f248cdc9",           // inside a block
            "f248cdc9c907",       // a block, and no header of an empty one
            "000500faff48656c6c", // inside a stored block
            "f348cdc9c90700",     // nothing after a final block
        ] {
            let error = ProtocolError::CompressedDataCut;
            compressed_fails(&unhex(payload), error, "7.2.1");
        }
    }

    #[test]
    fn close_body_too_short() {
        both_fail(0x88, b"\x03", ProtocolError::CloseBodyTooShort, "5.5.1");
    }

    #[test]
    fn close_code_invalid() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            let error = ProtocolError::CloseCodeInvalid(CloseCode(code));
            both_fail(0x88, &code.to_be_bytes(), error, "7.4");
        }
    }

    #[test]
    fn close_reason_not_utf8() {
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
    }

    #[test]
    fn transport_ended() {
        let error = ProtocolError::TransportEnded;
        for role in ROLES {
            let mut run = Run::new(role);
            run.feed(&frame_header(role, 0x81, 10));
            let end = run.eof();
            assert_eq!(end, End::Failed(error));
            assert_eq!(end.close_code(), error.close_code());
            assert_eq!(error.close_code(), CloseCode::ABNORMAL);
            assert!(error.to_string().ends_with("(RFC 6455, section 7.1.5)"));
            // Nothing is sent to a transport that has ended, and nothing comes from it.
            assert_eq!(run.ws.send("", &mut run.out), Err(SendError::Closed));
            run.feed(&frame(role, 0x89, b""));
            assert_eq!((run.events.len(), run.out.len()), (0, 0));
            assert_eq!(run.eof(), end, "and so again");
        }
    }
}

mod send_error {
    use super::*;

    type Action = fn(&mut Session, &mut BytesMut) -> Result<(), SendError>;

    /// The action is refused, and the connection is as before.
    fn refused(ws: &mut Connection, action: Action, error: SendError) {
        let mut out = BytesMut::from(&b"before"[..]);
        let before = (ws.is_open(), ws.must_close_transport(), ws.end());
        assert_eq!(action(ws, &mut out), Err(error));
        assert_eq!(&out[..], b"before");
        let after = (ws.is_open(), ws.must_close_transport(), ws.end());
        assert_eq!(after, before);
        cites(&error);
    }

    /// The same on an open connection, which goes on working both ways.
    fn refused_open(ws: &mut Connection, action: Action, error: SendError) {
        refused(ws, action, error);
        assert!(ws.is_open());
        let plain = connection(Role::Server, Settings::default());
        let mut run = Run::of(std::mem::replace(ws, plain));
        run.ws.send_ping(b"out", &mut run.out).unwrap();
        run.feed(&frame(run.ws.role(), 0x89, b"in"));
        let payloads: Vec<_> = run
            .sent()
            .into_iter()
            .map(|f| (f.opcode, f.payload))
            .collect();
        assert_eq!(payloads, [(9, b"out".to_vec()), (10, b"in".to_vec())]);
        *ws = run.ws;
    }

    fn open_connections() -> [Connection; 2] {
        ROLES.map(|role| connection(role, Settings::default()))
    }

    /// All that can be sent; complete messages first.
    pub(super) const SENDS: [Action; 9] = [
        |ws, out| ws.send("x", out),
        |ws, out| ws.send(b"x", out),
        |ws, out| ws.send_apart("x", out).map(drop),
        |ws, out| ws.send(&Prepared::new("x"), out),
        |ws, out| {
            let frame = ws.share(&Prepared::new(b"x"))?;
            out.extend_from_slice(&frame);
            Ok(())
        },
        |ws, out| ws.send_piece("x", false, out),
        |ws, out| ws.send_ping(b"x", out),
        |ws, out| ws.send_pong(b"x", out),
        |ws, out| ws.close(CloseCode::NORMAL, "", out),
    ];

    /// How many of them are complete messages.
    const MESSAGES: usize = 5;

    #[test]
    fn not_yet_open() {
        let error = SendError::NotYetOpen;
        cites(&error);
        let too_early = |endpoint: &mut Endpoint| {
            for action in SENDS {
                let mut out = BytesMut::from(&b"before"[..]);
                assert_eq!(action(endpoint, &mut out), Err(error));
                assert_eq!(&out[..], b"before");
                assert!(!endpoint.is_open() && endpoint.end().is_none());
            }
        };
        let works = |endpoint: &mut Endpoint| {
            let mut out = BytesMut::new();
            endpoint.send("x", &mut out).unwrap();
            assert_eq!(sent_frames(&out, endpoint.role()).len(), 1);
        };
        let (config, now) = (Config::default(), Duration::ZERO);

        // A server: before the request, in the midst of it, and before it is accepted.
        let mut endpoint = Endpoint::server(&config, now);
        too_early(&mut endpoint);
        let mut served = serve(REQUEST.as_bytes(), Cuts::Whole, &config);
        let (first, rest) = REQUEST.split_at(50);
        let mut out = BytesMut::new();
        let (mut first, mut rest) = (first.to_owned().into_bytes(), rest.to_owned().into_bytes());
        assert_eq!(
            endpoint.receive(&mut Input(&mut first), now, &mut out),
            None
        );
        too_early(&mut endpoint);
        let event = endpoint.receive(&mut Input(&mut rest), now, &mut out);
        assert!(matches!(event, Some(Event::Request(_))), "{event:?}");
        too_early(&mut endpoint);
        too_early(&mut served.endpoint);
        served.accept();
        works(&mut served.endpoint);

        // A client: before the response is complete.
        let (mut endpoint, _) = client_handshake(&client_request(), &config);
        too_early(&mut endpoint);
        let half = b"HTTP/1.1 101 Switching Proto".to_vec();
        let mut asked = receive_response(endpoint, &[half]);
        too_early(&mut asked.endpoint);
        let mut asked = ask(&client_request(), RESPONSE, b"", Cuts::Whole, &config);
        works(&mut asked.endpoint);
    }

    #[test]
    fn closed() {
        let [close_sent, close_received, ended]: [fn(&mut Connection); 3] = [
            |ws| ws.close(None, "", &mut BytesMut::new()).unwrap(),
            |ws| {
                let mut close = frame(ws.role(), 0x88, b"");
                let mut input = Input(&mut close);
                assert!(ws.receive(&mut input, &mut BytesMut::new()).is_some());
            },
            |ws| ws.receive_eof(),
        ];
        for end in [close_sent, close_received, ended] {
            for mut ws in open_connections() {
                end(&mut ws);
                for action in SENDS {
                    refused(&mut ws, action, SendError::Closed);
                }
            }
        }
        // After our own Close the peer's messages go on coming.
        for mut run in ROLES.map(Run::new) {
            close_sent(&mut run.ws);
            refused(&mut run.ws, SENDS[0], SendError::Closed);
            run.feed(&frame(run.ws.role(), 0x81, b"late"));
            assert_eq!(run.events, [text("late")]);
        }
        // A Close that the application answers itself is no end yet; its own Close is.
        for role in ROLES {
            let mut ws = connection(role, settings(|all| all.answer_close = false));
            close_received(&mut ws);
            let mut out = BytesMut::new();
            ws.send("last words", &mut out).unwrap();
            ws.close(CloseCode::NORMAL, "", &mut out).unwrap();
            let opcodes = sent_frames(&out, role).into_iter().map(|f| f.opcode);
            assert_eq!(opcodes.collect::<Vec<_>>(), [1, 8]);
            for action in SENDS {
                refused(&mut ws, action, SendError::Closed);
            }
        }
    }

    #[test]
    fn message_unfinished() {
        for mut ws in open_connections() {
            let mut out = BytesMut::new();
            ws.send_piece("a", false, &mut out).unwrap();
            for action in &SENDS[..MESSAGES] {
                refused_open(&mut ws, *action, SendError::MessageUnfinished);
            }
            ws.send_piece("b", true, &mut out).unwrap();
            ws.send("c", &mut out).unwrap();
            let sent: Vec<_> = sent_frames(&out, ws.role())
                .iter()
                .map(|f| f.opcode)
                .collect();
            assert_eq!(sent, [1, 0, 1]);
        }
    }

    #[test]
    fn other_type() {
        for mut ws in open_connections() {
            let (error, mut out) = (SendError::OtherType, BytesMut::new());
            for is_last in [false, true] {
                ws.send_piece("a", false, &mut out).unwrap();
                refused_open(&mut ws, |ws, out| ws.send_piece(b"x", false, out), error);
                refused_open(&mut ws, |ws, out| ws.send_piece(b"x", true, out), error);
                let prepared: Action = |ws, out| ws.send_piece(&Prepared::new(b"x"), true, out);
                refused_open(&mut ws, prepared, error);
                ws.send_piece("b", is_last, &mut out).unwrap();
                if !is_last {
                    ws.send_piece("c", true, &mut out).unwrap();
                }
                ws.send_piece(b"a", false, &mut out).unwrap();
                refused_open(&mut ws, |ws, out| ws.send_piece("x", false, out), error);
                refused_open(&mut ws, |ws, out| ws.send_piece("x", true, out), error);
                ws.send_piece(b"b", true, &mut out).unwrap();
            }
        }
    }

    #[test]
    fn too_long() {
        for mut ws in open_connections() {
            let error = SendError::TooLong { len: 126, max: 125 };
            refused_open(&mut ws, |ws, out| ws.send_ping(&[0; 126], out), error);
            refused_open(&mut ws, |ws, out| ws.send_pong(&[0; 126], out), error);
            let mut out = BytesMut::new();
            ws.send_ping(&[0; 125], &mut out).unwrap();
            ws.send_pong(&[0; 125], &mut out).unwrap();
            assert_eq!(sent_frames(&out, ws.role())[1].payload.len(), 125);
        }
        for mut ws in open_connections() {
            let too_long: Action = |ws, out| ws.close(CloseCode::NORMAL, &"x".repeat(124), out);
            let error = SendError::TooLong { len: 124, max: 123 };
            refused_open(&mut ws, too_long, error);
            // Bytes count, not characters; and a reason is never cut to fit.
            let wide: Action = |ws, out| ws.close(CloseCode::NORMAL, &"€".repeat(42), out);
            let error = SendError::TooLong { len: 126, max: 123 };
            refused_open(&mut ws, wide, error);
            let (reason, mut out) = ("€".repeat(41), BytesMut::new());
            ws.close(CloseCode::NORMAL, &reason, &mut out).unwrap();
            assert_eq!(
                &sent_frames(&out, ws.role())[0].payload[2..],
                reason.as_bytes()
            );
        }
        // Unless that is asked for.
        for mut ws in open_connections() {
            let (reason, mut out) = ("€".repeat(42), BytesMut::new());
            let cut = CloseCode::cut_reason(&reason);
            ws.close(CloseCode::NORMAL, cut, &mut out).unwrap();
            let sent = &sent_frames(&out, ws.role())[0].payload;
            assert_eq!(sent[2..], *"€".repeat(41).as_bytes());
        }
    }

    #[test]
    fn close_code() {
        let all = (0..=u16::MAX).map(CloseCode);
        for mut ws in open_connections() {
            let mut out = BytesMut::new();
            for code in all.clone().filter(|code| !code.is_on_wire()) {
                assert_eq!(
                    ws.close(code, "", &mut out),
                    Err(SendError::CloseCode(code))
                );
            }
            assert!(out.is_empty());
            let no_status: Action = |ws, out| ws.close(CloseCode(1005), "", out);
            let error = SendError::CloseCode(CloseCode::NO_STATUS);
            refused_open(&mut ws, no_status, error);
        }
        let [mut server, mut client] = open_connections();
        let needed: Action = |ws, out| ws.close(CloseCode::MANDATORY_EXTENSION, "", out);
        let error = SendError::CloseCode(CloseCode::MANDATORY_EXTENSION);
        refused_open(&mut server, needed, error);
        assert_eq!(needed(&mut client, &mut BytesMut::new()), Ok(()));
    }

    #[test]
    fn reason_without_code() {
        for mut ws in open_connections() {
            let action: Action = |ws, out| ws.close(None, "bye", out);
            refused_open(&mut ws, action, SendError::ReasonWithoutCode);
        }
    }
}

mod handshake_error {
    use super::*;
    use HandshakeError as E;

    // ---- requests ----

    /// It is HTTP: the application may answer it, or leave it to the default answer.
    fn rejected(head: &str, error: HandshakeError, status: u16) {
        let default = Config::default();
        rejected_by(&default, head, &error, status);
        rejected_as(&default, head, &error, Kind::Http);
    }

    /// Two servers may read it in two ways, or it is too long to be read: it is refused at once.
    fn unreadable(head: &str, error: HandshakeError, status: u16) {
        let default = Config::default();
        rejected_by(&default, head, &error, status);
        rejected_as(&default, head, &error, Kind::Refused);
    }

    /// The request is refused with a complete response, in any cuts, and what is after it is
    /// dropped.
    fn rejected_by(config: &Config, head: &str, error: &HandshakeError, status: u16) {
        assert_eq!(error.status(), status);
        cites(error);
        let bytes = [head, REQUEST].concat();
        let mut outputs = Vec::new();
        for cuts in Cuts::ALL {
            let mut served = serve(bytes.as_bytes(), cuts, config);
            assert_eq!(served.error().as_ref(), Some(error), "{head}");
            assert!(served.rest.is_empty(), "dropped: {:?}", served.rest);
            outputs.push(served.out);
            assert_eq!(refused_at_eof(&mut served.endpoint), *error);
        }
        assert!(outputs.iter().all(|out| *out == outputs[0]));

        let response = std::str::from_utf8(&outputs[0]).unwrap();
        let (head_of_response, body) = response.split_once("\r\n\r\n").unwrap();
        is_refusal(head_of_response, status);
        let told = format!("{error}\n");
        let len = field(head_of_response, "Content-Length").unwrap();
        assert_eq!(len, told.len().to_string());
        assert_eq!(body, if head.starts_with("HEAD ") { "" } else { &told });
        if matches!(error, E::VersionMalformed) {
            assert_eq!(field(head_of_response, "Sec-WebSocket-Version"), Some("13"));
        }
    }

    /// The request is handed over so, and whatever answers it is the same response.
    fn rejected_as(config: &Config, head: &str, error: &HandshakeError, kind: Kind) {
        let bytes = [head, REQUEST].concat();
        let response = serve(bytes.as_bytes(), Cuts::Whole, config).out;
        let (found, reason, out) = handed_over(bytes.as_bytes(), config);
        assert_eq!((found, reason.as_ref()), (kind, Some(error)), "{head}");
        if kind == Kind::Refused {
            assert_eq!(out, response);
            return;
        }
        assert!(out.is_empty(), "nothing is written before");
        let accepted = answered(&bytes, config, |endpoint, request, out| {
            endpoint.accept(request, out)
        });
        assert_eq!(accepted, response);
        let responded = answered(&bytes, config, |endpoint, _, out| {
            endpoint.respond(Response::from(error), out)
        });
        assert_eq!(responded, response);
    }

    /// What is written if the request is answered so.
    fn answered(
        bytes: &str,
        config: &Config,
        answer: impl FnOnce(&mut Endpoint, Request, &mut BytesMut) -> Result<(), SendError>,
    ) -> String {
        let mut endpoint = Endpoint::server(config, Duration::ZERO);
        let (mut bytes, mut out) = (bytes.as_bytes().to_vec(), BytesMut::new());
        let mut input = Input(&mut bytes);
        let event = endpoint.receive(&mut input, Duration::ZERO, &mut out);
        let Some(Event::Http(request)) = event else {
            panic!("{event:?}")
        };
        answer(&mut endpoint, request, &mut out).unwrap();
        assert!(!endpoint.is_open());
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// The head of a response with this status that opens nothing.
    fn is_refusal(head: &str, status: u16) {
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let connection = field(head, "Connection").unwrap();
        assert!(
            connection.split(", ").any(|token| token == "close"),
            "{head}"
        );
        if status == 426 {
            assert_eq!(field(head, "Upgrade"), Some("websocket"));
            assert_eq!(field(head, "Sec-WebSocket-Version"), Some("13"));
        }
        if status == 405 {
            assert_eq!(field(head, "Allow"), Some("GET"));
        }
    }

    /// The value of the one field of this name.
    fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
        let prefix = format!("{name}: ");
        let mut values = head.lines().filter_map(|line| line.strip_prefix(&*prefix));
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is there once");
        value
    }

    fn without(line_start: &str) -> String {
        let lines = REQUEST.split_inclusive("\r\n");
        lines.filter(|line| !line.starts_with(line_start)).collect()
    }

    // ---- responses ----

    /// The response ends the handshake with this error, in any cuts; nothing is written.
    fn fails(response: &str, error: &HandshakeError) {
        cites(error);
        for cuts in Cuts::ALL {
            let after = frame(Role::Client, 0x81, b"early");
            let config = Config::default();
            let mut asked = ask(&client_request(), response, &after, cuts, &config);
            assert_eq!(asked.error().as_ref(), Some(error), "{response}");
            assert!(asked.rest.is_empty() && asked.out.is_empty());
            assert_eq!(asked.eof(), *error, "the end changes nothing");
        }
    }

    // ---- of either ----

    #[test]
    fn malformed() {
        for line in [
            "GET\r\n\r\n",
            "GET /chat\r\n\r\n",
            "\x16\x03\x01",
            "GET /a b HTTP/1.1\r\n\r\n",
        ] {
            unreadable(line, E::Malformed { line: 1 }, 400);
        }
        for (from, to, line) in [
            ("HTTP/1.1", "HTTP/11", 1),
            ("GET ", "GE(T ", 1),
            ("Upgrade: ", "Upgrade ", 3),
        ] {
            let head = replaced(REQUEST, from, to);
            unreadable(&head, E::Malformed { line }, 400);
        }

        for (head, line) in [
            ("HTTP/1.1\r\n\r\n", 1),
            ("HTTP/1.1 1O1 x\r\n\r\n", 1),
            ("HTTP/1.1 99 x\r\n\r\n", 1),
            ("HTTP/1.1 1000 x\r\n\r\n", 1),
            ("HTTP/1.1  101 x\r\n\r\n", 1),
            ("http/1.1 101 x\r\n\r\n", 1),
            ("HTTP/1.1 101 x\n", 1),
            ("HTTP/1.1 101 x\r\nA : b\r\n\r\n", 2),
        ] {
            fails(head, &E::Malformed { line });
        }
    }

    #[test]
    fn target_too_long() {
        let head = replaced(REQUEST, "/chat", &format!("/{}", "a".repeat(16 << 10)));
        unreadable(&head, E::TargetTooLong { max: 16 << 10 }, 414);
    }

    #[test]
    fn head_too_large() {
        let error = E::HeadTooLarge { max: 16 << 10 };
        let line = format!("X: {}", "a".repeat(16 << 10));
        fails(&with_line(RESPONSE, &line), &error);
        let endless = "HTTP/1.1 101 ".to_owned() + &"a".repeat(16 << 10);
        fails(&endless, &error);
        unreadable(&with_line(REQUEST, &line), error, 431);
    }

    #[test]
    fn too_many_headers() {
        let error = E::TooManyHeaders { max: 128 };
        let lines = ["X: a"; 200].join("\r\n");
        fails(&with_line(RESPONSE, &lines), &error);
        unreadable(&with_line(REQUEST, &lines), error, 431);
    }

    #[test]
    fn http_version() {
        let error = |major, minor| E::HttpVersion { major, minor };
        for (version, major, minor) in [
            ("HTTP/1.0", 1, 0),
            ("HTTP/0.9", 0, 9),
            ("HTTP/2.0", 2, 0),
            ("HTTP/2.1", 2, 1),
        ] {
            let head = replaced(REQUEST, "HTTP/1.1", version);
            // An application may have a page for older clients.
            match major {
                1 => rejected(&head, error(major, minor), 505),
                _ => unreadable(&head, error(major, minor), 505),
            }
            let response = replaced(RESPONSE, "HTTP/1.1", version);
            fails(&response, &error(major, minor));
        }
    }

    #[test]
    fn method() {
        for method in ["POST", "HEAD", "get", "OPTIONS"] {
            let head = replaced(REQUEST, "GET", method);
            rejected(&head, E::Method(method.into()), 405);
        }
        for (line, method) in [
            ("CONNECT example.com:80 HTTP/1.1", "CONNECT"),
            ("OPTIONS * HTTP/1.1", "OPTIONS"),
            ("DELETE http://example.com/ HTTP/1.1", "DELETE"),
        ] {
            let head = replaced(REQUEST, "GET /chat HTTP/1.1", line);
            rejected(&head, E::Method(method.into()), 405);
        }
    }

    #[test]
    fn target() {
        for (target, found, at) in [
            ("chat", 'c', 0),
            ("*", '*', 0),
            ("ws://example.com/", 'w', 0),
            ("http:///", '/', 7),
            ("/a#b", '#', 2),
            ("/%zz", '%', 1),
            ("/\"", '"', 1),
            ("/é", 'é', 1),
        ] {
            let head = replaced(REQUEST, "/chat", target);
            unreadable(&head, E::Target { found, at }, 400);
        }
        // RFC 9112, section 3.2: some methods have forms of their own.
        for (line, found) in [
            ("CONNECT /chat", '/'),
            ("CONNECT example.com", 'e'),
            ("PUT *", '*'),
            ("GET example.com:80", 'e'),
        ] {
            let head = replaced(REQUEST, "GET /chat", line);
            unreadable(&head, E::Target { found, at: 0 }, 400);
        }
    }

    #[test]
    fn host() {
        unreadable(&without("Host"), E::Host, 400);
        unreadable(&with_line(REQUEST, "Host: example.com"), E::Host, 400);
        for host in [
            "",
            "a b",
            "a/b",
            "user@example.com",
            "a:b",
            "a:99999",
            "[::1",
            "a, b",
        ] {
            let head = replaced(REQUEST, "Host: example.com", &format!("Host: {host}"));
            unreadable(&head, E::Host, 400);
        }
    }

    #[test]
    fn content() {
        for line in [
            "Content-Length: 1",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding:",
        ] {
            rejected(&with_line(REQUEST, line), E::Content, 400);
        }
        // Nobody knows where it ends.
        for line in [
            "Content-Length: 00",
            "Content-Length: -0",
            "Content-Length: 0, 0",
            "Content-Length:",
            "Content-Length: 0\r\nContent-Length: 0",
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
        ] {
            unreadable(&with_line(REQUEST, line), E::Content, 400);
        }
    }

    #[test]
    fn not_upgrade() {
        rejected(&without("Upgrade"), E::NotUpgrade, 426);
        rejected(&without("Connection"), E::NotUpgrade, 426);
        let head = replaced(REQUEST, "Upgrade: websocket", "Upgrade: h2c");
        rejected(&head, E::NotUpgrade, 426);
    }

    #[test]
    fn key() {
        rejected(&without("Sec-WebSocket-Key"), E::Key, 400);
        let twice = with_line(REQUEST, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
        rejected(&twice, E::Key, 400);
    }

    #[test]
    fn version_malformed() {
        let error = E::VersionMalformed;
        rejected(&without("Sec-WebSocket-Version"), error.clone(), 400);
        let twice = with_line(REQUEST, "Sec-WebSocket-Version: 13");
        rejected(&twice, error, 400);
    }

    #[test]
    fn version_unsupported() {
        for version in [0, 8, 12, 14, 255] {
            let head = replaced(REQUEST, "Version: 13", &format!("Version: {version}"));
            rejected(&head, E::VersionUnsupported(version), 426);
        }
    }

    #[test]
    fn origin() {
        let line = "Origin: http://example.com\r\nOrigin: http://example.com";
        rejected(&with_line(REQUEST, line), E::Origin, 400);
    }

    #[test]
    fn origin_forbidden() {
        let head = with_line(REQUEST, "Origin: https://evil.test");
        let error = |origin: &str| E::OriginForbidden {
            origin: origin.into(),
            host: "example.com".into(),
        };
        rejected(&head, error("https://evil.test"), 403);
        let list = config(|all| all.origins = OriginPolicy::list(["https://app.test"]));
        rejected_by(&list, &head, &error("https://evil.test"), 403);
        let https = config(|all| all.origins = OriginPolicy::any().https_only());
        let head = with_line(REQUEST, "Origin: http://example.com");
        rejected_by(&https, &head, &error("http://example.com"), 403);
    }

    #[test]
    fn subprotocol() {
        for list in ["a, a", "", ",", "a b", "a/b", "\"a\"", "é"] {
            let line = format!("Sec-WebSocket-Protocol: {list}");
            rejected(&with_line(REQUEST, &line), E::Subprotocol, 400);
            fails(&with_line(RESPONSE, &line), &E::Subprotocol);
        }
        let twice = "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a";
        rejected(&with_line(REQUEST, twice), E::Subprotocol, 400);
        fails(&with_line(RESPONSE, twice), &E::Subprotocol);
        let list = "Sec-WebSocket-Protocol: a, b";
        fails(&with_line(RESPONSE, list), &E::Subprotocol);
    }

    #[test]
    fn extensions() {
        for list in [
            "",
            ",",
            ";",
            "a;",
            "a; =b",
            "a; b=",
            "a; b=\"",
            "a; b=\"c d\"",
            "a b",
        ] {
            let line = format!("Sec-WebSocket-Extensions: {list}");
            rejected(&with_line(REQUEST, &line), E::Extensions, 400);
            fails(&with_line(RESPONSE, &line), &E::Extensions);
        }
    }

    // ---- of responses only ----

    #[test]
    fn refused() {
        let response = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\
            Content-Length: 4\r\n\r\nlog in";
        for cuts in Cuts::ALL {
            let config = Config::default();
            let mut asked = ask(&client_request(), response, b"", cuts, &config);
            let Some(E::Refused(refusal)) = asked.error() else {
                panic!("{asked:?}");
            };
            assert_eq!(refusal.status, 401);
            assert_eq!(refusal.headers.get("www-authenticate"), Some("Bearer"));
            assert_eq!((&*refusal.body, refusal.is_complete), (&b"log "[..], true));
            let error = E::Refused(refusal);
            assert_eq!(error.to_string(), "the server refused with HTTP status 401");
            assert_eq!(asked.eof(), error);
        }
    }

    #[test]
    fn too_many_interim_responses() {
        let early = "HTTP/1.1 103 Early Hints\r\n\r\n";
        let error = E::TooManyInterimResponses { max: 8 };
        fails(&(early.repeat(9) + RESPONSE), &error);
    }

    #[test]
    fn upgrade() {
        for line in [
            "",
            "Upgrade: h2c\r\n",
            "Upgrade: websocket\r\nUpgrade: websocket\r\n",
        ] {
            let response = replaced(RESPONSE, "Upgrade: websocket\r\n", line);
            fails(&response, &E::Upgrade);
        }
    }

    #[test]
    fn connection() {
        for line in ["", "Connection: close\r\n", "Connection: NotUpgrade\r\n"] {
            let response = replaced(RESPONSE, "Connection: Upgrade\r\n", line);
            fails(&response, &E::Connection);
        }
    }

    #[test]
    fn accept() {
        for value in ["", "ACCEPT=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="] {
            let response = replaced(RESPONSE, "ACCEPT", value);
            fails(&response, &E::Accept);
        }
        let response = replaced(RESPONSE, "Sec-WebSocket-Accept: ACCEPT\r\n", "");
        fails(&response, &E::Accept);
        let twice = with_line(RESPONSE, "Sec-WebSocket-Accept: ACCEPT");
        fails(&twice, &E::Accept);
    }

    #[test]
    fn subprotocol_not_offered() {
        let response = with_line(RESPONSE, "Sec-WebSocket-Protocol: chat");
        fails(&response, &E::SubprotocolNotOffered("chat".into()));
    }

    #[test]
    fn subprotocol_missing() {
        cites(&E::SubprotocolMissing);
        let request = client_request().subprotocol("chat").unwrap();
        let request = request.require_subprotocol();
        for cuts in Cuts::ALL {
            let config = Config::default();
            let mut asked = ask(&request, RESPONSE, b"", cuts, &config);
            assert_eq!(asked.error(), Some(E::SubprotocolMissing));
            assert_eq!(asked.eof(), E::SubprotocolMissing);
            let chosen = with_line(RESPONSE, "Sec-WebSocket-Protocol: chat");
            let asked = ask(&request, &chosen, b"", cuts, &config);
            assert_eq!(asked.opened().subprotocol(), Some("chat"));
        }
    }

    #[test]
    fn extension_not_offered() {
        for list in ["permessage-deflate", "permessage-deflate; x=\"y\""] {
            let line = format!("Sec-WebSocket-Extensions: {list}");
            let error = E::ExtensionNotOffered("permessage-deflate".into());
            fails(&with_line(RESPONSE, &line), &error);
        }
    }

    #[test]
    fn transport_ended() {
        let (config, now) = (Config::default(), Duration::ZERO);
        assert!(
            E::TransportEnded
                .to_string()
                .ends_with("(RFC 6455, section 4.1)")
        );
        for response in [
            "",
            "HTTP/1.1 10",
            "HTTP/1.1 101 x\r\n",
            "HTTP/1.1 100 x\r\n\r\n",
        ] {
            let mut asked = ask(&client_request(), response, b"", Cuts::Whole, &config);
            assert!(asked.result.is_none());
            assert_eq!(asked.eof(), E::TransportEnded);
            let mut late = RESPONSE.as_bytes().to_vec();
            let mut input = Input(&mut late);
            assert_eq!(
                asked.endpoint.receive(&mut input, now, &mut asked.out),
                None
            );
            assert!(asked.out.is_empty() && !asked.endpoint.is_open());
            assert_eq!(asked.endpoint.end(), Some(End::Refused(E::TransportEnded)));
        }
        for request in ["", "GET", "GET / HTTP/1.1\r\nHost: a\r\n"] {
            let mut served = serve(request.as_bytes(), Cuts::Whole, &config);
            assert!(served.result.is_none());
            assert_eq!(refused_at_eof(&mut served.endpoint), E::TransportEnded);
            let mut late = REQUEST.as_bytes().to_vec();
            let mut input = Input(&mut late);
            assert_eq!(
                served.endpoint.receive(&mut input, now, &mut served.out),
                None
            );
            assert!(served.out.is_empty() && !served.endpoint.is_open());
        }
    }
}

mod setup_error {
    use super::*;
    use SetupError as E;

    // ---- URIs ----

    fn fails_as_uri(error: SetupError, uris: &[&str]) {
        cites(&error);
        for uri in uris {
            assert_eq!(ClientRequest::new(uri).err(), Some(error), "{uri}");
            assert_eq!(uri.parse::<ClientRequest>().err(), Some(error), "{uri}");
        }
    }

    // ---- fields ----

    /// What the application fills in is refused, in each place where it can be.
    fn fails(error: SetupError, results: impl IntoIterator<Item = Result<(), SetupError>>) {
        cites(&error);
        for (index, result) in results.into_iter().enumerate() {
            assert_eq!(result, Err(error), "place {index}");
        }
    }

    /// A header in each of the three heads that are written.
    fn header(name: &str, value: &str) -> [Result<(), SetupError>; 3] {
        let mut served = serve(REQUEST.as_bytes(), Cuts::Whole, &Config::default());
        [
            client_request().header(name, value).map(drop),
            Response::new(401).header(name, value).map(drop),
            served.request_mut().add_header(name, value),
        ]
    }

    #[test]
    fn name() {
        for name in ["", "a b", "a:", "a\r\n", "é", "a\0"] {
            fails(E::Name, header(name, "x"));
            fails(E::Name, [Headers::new().push(name, "x")]);
        }
    }

    #[test]
    fn value() {
        for value in ["\r\nX: y", "\n", "\r", "\0", "\x1b", "\x7f"] {
            fails(E::Value, header("X", value));
            fails(E::Value, [Headers::new().push("X", value)]);
            fails(E::Value, [client_request().origin(value).map(drop)]);
        }
    }

    #[test]
    fn reserved() {
        for name in [
            "Connection",
            "content-length",
            "Transfer-Encoding",
            "Sec-WebSocket-Key",
        ] {
            fails(E::Reserved, header(name, "x"));
        }
        fails(
            E::Reserved,
            [client_request().header("ORIGIN", "x").map(drop)],
        );
    }

    #[test]
    fn subprotocol() {
        for name in ["", "a b", "a,b", "a\r\n"] {
            fails(
                E::Subprotocol,
                [client_request().subprotocol(name).map(drop)],
            );
        }
        let twice = client_request().subprotocol("a").unwrap().subprotocol("a");
        fails(E::Subprotocol, [twice.map(drop)]);
    }

    #[test]
    fn extension() {
        for token in ["", "a b", "a;b", "a\r\n", "\"a\""] {
            let one = || Extension::new("x").unwrap();
            let results = [
                Extension::new(token).map(drop),
                one().param(token, None).map(drop),
                one().param("p", Some(token)).map(drop),
            ];
            fails(E::Extension, results);
        }
        // What is no answer of permessage-deflate is not agreed on.
        let agreed = |name| Extension::new(name).unwrap();
        for extension in [
            agreed("x-deflate"),
            agreed("permessage-deflate").param("x", None).unwrap(),
            agreed("permessage-deflate")
                .param("client_max_window_bits", None)
                .unwrap(),
            agreed("permessage-deflate")
                .param("server_max_window_bits", Some("7"))
                .unwrap(),
        ] {
            let with = |role| {
                let ws = connection(role, Settings::default());
                ws.with_deflate(&Deflate::default(), &extension).map(drop)
            };
            fails(E::Extension, ROLES.map(with));
        }
    }

    #[test]
    fn not_offered() {
        let head = with_line(REQUEST, "Sec-WebSocket-Extensions: a");
        let mut served = serve(head.as_bytes(), Cuts::Whole, &Config::default());
        let request = served.request_mut();
        let [a, b] = ["a", "b"].map(|name| Extension::new(name).unwrap());
        let other = request.select_extension(b);
        request.select_extension(a.clone()).unwrap();
        let twice = request.select_extension(a);
        fails(E::NotOffered, [other, twice]);
    }

    #[test]
    fn scheme() {
        fails_as_uri(
            E::Scheme,
            &["", "//a", "http://a", "wsx://a", " ws://a", "example.com"],
        );
    }

    #[test]
    fn syntax() {
        fails_as_uri(E::Syntax, &["ws:", "ws:/a", "ws:a"]);
    }

    #[test]
    fn host() {
        let hosts = [
            "ws://",
            "ws:///x",
            "ws://:80",
            "ws://[::1",
            "ws://[x]",
            "ws://::1",
            "ws://a b",
        ];
        fails_as_uri(E::Host, &hosts);
        fails_as_uri(
            E::Host,
            &["ws://a\r\nX: y", "ws://a\0", "ws://[::1]x", "ws://a\\b"],
        );
    }

    #[test]
    fn port() {
        fails_as_uri(
            E::Port,
            &["ws://a:x", "ws://a:65536", "ws://a:-1", "ws://a:+1"],
        );
    }

    #[test]
    fn fragment() {
        fails_as_uri(E::Fragment, &["ws://a/#", "ws://a#b", "ws://a/?q#b"]);
    }

    #[test]
    fn character() {
        for (uri, found, at) in [
            ("ws://a/ b", ' ', 7),
            ("ws://a/\r\n", '\r', 7),
            ("ws://a/%", '%', 7),
            ("ws://a/%g0", '%', 7),
            ("ws://a/?\0", '\0', 8),
            ("ws://a/\t", '\t', 7),
            ("ws://user name@a/", ' ', 9),
            ("ws://u\r\n@a/", '\r', 6),
            ("ws://a/<", '<', 7),
            ("wss://example.com:8080/é?\"", '"', 26),
        ] {
            fails_as_uri(E::Character { found, at }, &[uri]);
        }
    }

    #[test]
    fn entropy() {
        cites(&E::Entropy);
        // The system of this test has some.
        assert_ne!(seed().unwrap(), seed().unwrap());
    }
}
