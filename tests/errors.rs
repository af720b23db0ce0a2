//! One test for each error, in the order of the enums. Their laws: a peer's fault ends the
//! connection with one Close (RFC 6455, section 7.1.7), a fault of the application harms
//! nothing, a refused request is answered as a whole (RFC 6455, section 4.2.2), and each error
//! names the section of its rule.

mod support;

use bytes::BytesMut;
use sansocket::negotiation::{Extension, OriginPolicy};
use sansocket::{
    CloseCode, Config, Connection, Event, FieldError, HandshakeConfig, Prepared, ProtocolError,
    Rejection, RequestError, ResponseError, Role, SendError, State, Uri, UriError,
};
use support::*;

#[test]
fn no_variant_is_forgotten() {
    const ENUMS: [(&str, &str, &str); 6] = [
        (
            "ProtocolError",
            "protocol_error",
            include_str!("../src/error.rs"),
        ),
        ("SendError", "send_error", include_str!("../src/error.rs")),
        (
            "RequestError",
            "request_error",
            include_str!("../src/error.rs"),
        ),
        (
            "ResponseError",
            "response_error",
            include_str!("../src/error.rs"),
        ),
        ("UriError", "uri_error", include_str!("../src/uri.rs")),
        (
            "FieldError",
            "field_error",
            include_str!("../src/headers.rs"),
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

fn between<'s>(source: &'s str, begin: &str, end: &str) -> &'s str {
    let rest = source.split_once(begin).expect(begin).1;
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

mod protocol_error {
    use super::*;

    /// The bytes fail a connection in this role, in any cuts.
    fn fails(role: Role, config: &Config, bytes: &[u8], error: ProtocolError, section: &str) {
        let section = format!("RFC 6455, section {section}");
        fails_each(|| connection(role, config), bytes, error, &section);
    }

    fn fails_each(ws: impl Fn() -> Connection, bytes: &[u8], error: ProtocolError, section: &str) {
        let text = error.to_string();
        assert_eq!(text.rsplit_once(" (").unwrap().1, format!("{section})"));
        for cuts in Cuts::ALL {
            let mut run = Run::of(ws());
            run.feed_cut(bytes, cuts);
            ends(&mut run, error);
            // What came before the fault may have been answered; the Close is the last.
            let close = run.sent().pop().unwrap();
            assert_eq!(close.close_code(), Some(error.close_code().0));

            // A Close of our own that had gone out stays the only one.
            let mut run = Run::of(ws());
            run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap();
            run.feed_cut(bytes, cuts);
            ends(&mut run, error);
            assert_eq!(run.sent()[0].close_code(), Some(1000));
        }
    }

    /// One Close, one failure, and silence after it.
    fn ends(run: &mut Run, error: ProtocolError) {
        assert_eq!(run.events, [Event::Failed(error)]);
        assert_eq!(run.ws.error(), Some(error));
        assert_eq!(run.ws.state(), State::Closing);
        assert_eq!(run.ws.must_close_transport(), run.ws.role() == Role::Server);
        let closes = run.sent().iter().filter(|frame| frame.opcode == 8).count();
        assert_eq!(closes, 1);

        let before = run.out.clone();
        let role = run.ws.role();
        for (first, payload) in [(0x81, &b"text"[..]), (0x89, b"ping"), (0x88, b"\x03\xe8")] {
            run.feed(&frame(role, first, payload));
        }
        run.feed(&[0xff; 100]);
        assert_eq!(run.events.len(), 1, "nothing after a failure");
        let out = &mut run.out;
        assert_eq!(run.ws.send_text("", out), Err(SendError::NotOpen));
        assert_eq!(run.ws.send_binary(b"", out), Err(SendError::NotOpen));
        assert_eq!(run.ws.send_first_fragment("", out), Err(SendError::NotOpen));
        assert_eq!(run.ws.send_ping(b"", out), Err(SendError::NotOpen));
        assert_eq!(run.ws.send_pong(b"", out), Err(SendError::NotOpen));
        assert_eq!(run.ws.close(None, "", out), Err(SendError::NotOpen));
        assert_eq!(run.out, before);

        let mut ended = Run::of(std::mem::replace(
            &mut run.ws,
            connection(role, &Config::default()),
        ));
        assert_eq!(ended.ws.receive_eof(), Err(error));
        assert_eq!(ended.ws.state(), State::Closed);
        assert_eq!(ended.ws.close_code(), Some(CloseCode::ABNORMAL));
        assert!(!ended.ws.is_clean());
        run.ws = ended.ws;
    }

    fn both_fail(first: u8, payload: &[u8], error: ProtocolError, section: &str) {
        for role in ROLES {
            fails(
                role,
                &Config::default(),
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
            fails(Role::Server, &Config::default(), &unmasked, error, "5.1");
        }
    }

    #[test]
    fn frame_masked() {
        let error = ProtocolError::FrameMasked;
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            let masked = frame(Role::Server, first, b"\x03\xe8");
            fails(Role::Client, &Config::default(), &masked, error, "5.1");
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
                fails(role, &Config::default(), &bytes, error, "5.2");
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
                &Config::default(),
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
                fails(role, &Config::default(), &bytes, error, "5.4");
            }
        }
    }

    #[test]
    fn frame_too_big() {
        let mut config = Config::default();
        config.max_frame_size = 9;
        for role in ROLES {
            let error = ProtocolError::FrameTooBig;
            fails(role, &config, &frame(role, 0x82, &[0; 10]), error, "10.4");
        }
    }

    #[test]
    fn message_too_big() {
        let mut config = Config::default();
        config.max_message_size = 9;
        for role in ROLES {
            let error = ProtocolError::MessageTooBig;
            fails(role, &config, &frame(role, 0x82, &[0; 10]), error, "10.4");
        }
    }

    #[test]
    fn too_many_fragments() {
        let mut config = Config::default();
        config.max_fragments = 2;
        for role in ROLES {
            let bytes = [
                frame(role, 1, b"a"),
                frame(role, 0, b""),
                frame(role, 0x80, b"c"),
            ];
            let error = ProtocolError::TooManyFragments;
            fails(role, &config, &bytes.concat(), error, "10.4");
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

    /// A compressed message with this payload fails, whole and in fragments.
    fn compressed_fails(payload: &[u8], error: ProtocolError, section: &str) {
        for role in ROLES {
            let ws = || with_deflate(connection(role, &Config::default()));
            let section = format!("RFC 7692, section {section}");
            fails_each(ws, &frame(role, 0xc2, payload), error, &section);
            let (first, last) = payload.split_at(1);
            let fragments = [(0x42, first), (0x89, &b"between"[..]), (0x80, last)];
            let ws = || {
                let mut config = Config::default();
                config.answer_pings = false;
                with_deflate(connection(role, &config))
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
            "f348cdc9c90700",     // nothing behind a final block
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
            assert_eq!(run.ws.receive_eof(), Err(error));
            assert_eq!(run.ws.error(), Some(error));
            assert_eq!(run.ws.close_code(), Some(error.close_code()));
            assert_eq!(error.close_code(), CloseCode::ABNORMAL);
            assert!(error.to_string().ends_with("(RFC 6455, section 7.1.5)"));
            // Nothing is sent to a transport that has ended, and nothing comes from it.
            assert_eq!(run.ws.send_text("", &mut run.out), Err(SendError::NotOpen));
            run.feed(&frame(role, 0x89, b""));
            assert_eq!((run.events.len(), run.out.len()), (0, 0));
            assert_eq!(run.ws.receive_eof(), Err(error), "and so again");
        }
    }
}

mod send_error {
    use super::*;

    type Action = fn(&mut Connection, &mut BytesMut) -> Result<(), SendError>;

    /// The action is refused, and the connection is as before.
    fn refused(ws: &mut Connection, action: Action, error: SendError) {
        let mut out = BytesMut::from(&b"before"[..]);
        let before = (ws.state(), ws.close_code(), ws.closed_by(), ws.error());
        assert_eq!(action(ws, &mut out), Err(error));
        assert_eq!(&out[..], b"before");
        let after = (ws.state(), ws.close_code(), ws.closed_by(), ws.error());
        assert_eq!(after, before);
        assert!(error.to_string().contains("(RFC 6455, section "), "{error}");
    }

    /// The same on an open connection, which goes on working both ways.
    fn refused_open(ws: &mut Connection, action: Action, error: SendError) {
        refused(ws, action, error);
        assert_eq!(ws.state(), State::Open);
        let mut run = Run::of(std::mem::replace(
            ws,
            Connection::server(&Config::default()),
        ));
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
        ROLES.map(|role| connection(role, &Config::default()))
    }

    const SENDS: [Action; 7] = [
        |ws, out| ws.send_text("x", out),
        |ws, out| ws.send_binary(b"x", out),
        |ws, out| ws.send_first_fragment("x", out),
        |ws, out| ws.send_prepared(&Prepared::text("x"), out),
        |ws, out| {
            let frame = ws.share_prepared(&Prepared::binary(b"x"))?;
            out.extend_from_slice(&frame);
            Ok(())
        },
        |ws, out| ws.send_ping(b"x", out),
        |ws, out| ws.close(CloseCode::NORMAL, "", out),
    ];

    #[test]
    fn not_open() {
        let [close_sent, close_received, ended]: [fn(&mut Connection); 3] = [
            |ws| ws.close(None, "", &mut BytesMut::new()).unwrap(),
            |ws| {
                let mut close = frame(ws.role(), 0x88, b"");
                let mut input = sansocket::Input::new(&mut close);
                assert!(ws.receive(&mut input, &mut BytesMut::new()).is_some());
            },
            |ws| assert!(ws.receive_eof().is_err()),
        ];
        for end in [close_sent, close_received, ended] {
            for mut ws in open_connections() {
                end(&mut ws);
                for action in SENDS {
                    refused(&mut ws, action, SendError::NotOpen);
                }
            }
        }
        // After our own Close the peer's messages go on coming.
        for mut run in ROLES.map(Run::new) {
            close_sent(&mut run.ws);
            refused(&mut run.ws, SENDS[0], SendError::NotOpen);
            run.feed(&frame(run.ws.role(), 0x81, b"late"));
            assert_eq!(run.events, [Event::Text("late".into())]);
        }
    }

    #[test]
    fn message_unfinished() {
        for mut ws in open_connections() {
            let mut out = BytesMut::new();
            ws.send_first_fragment("a", &mut out).unwrap();
            for action in &SENDS[..5] {
                refused_open(&mut ws, *action, SendError::MessageUnfinished);
            }
            ws.send_last_fragment("b", &mut out).unwrap();
            ws.send_text("c", &mut out).unwrap();
            let sent: Vec<_> = sent_frames(&out, ws.role())
                .iter()
                .map(|f| f.opcode)
                .collect();
            assert_eq!(sent, [1, 0, 1]);
        }
    }

    #[test]
    fn no_message() {
        for mut ws in open_connections() {
            let error = SendError::NoMessage;
            refused_open(&mut ws, |ws, out| ws.send_next_fragment("x", out), error);
            refused_open(&mut ws, |ws, out| ws.send_last_fragment(b"x", out), error);
            ws.send_first_fragment("a", &mut BytesMut::new()).unwrap();
            ws.send_last_fragment("b", &mut BytesMut::new()).unwrap();
            refused_open(&mut ws, |ws, out| ws.send_last_fragment("x", out), error);
        }
    }

    #[test]
    fn other_type() {
        for mut ws in open_connections() {
            let (error, mut out) = (SendError::OtherType, BytesMut::new());
            ws.send_first_fragment("a", &mut out).unwrap();
            refused_open(&mut ws, |ws, out| ws.send_next_fragment(b"x", out), error);
            refused_open(&mut ws, |ws, out| ws.send_last_fragment(b"x", out), error);
            ws.send_last_fragment("b", &mut out).unwrap();
            ws.send_first_fragment(b"a", &mut out).unwrap();
            refused_open(&mut ws, |ws, out| ws.send_last_fragment("x", out), error);
            ws.send_last_fragment(b"b", &mut out).unwrap();
        }
    }

    #[test]
    fn control_too_long() {
        for mut ws in open_connections() {
            let error = SendError::ControlTooLong;
            refused_open(&mut ws, |ws, out| ws.send_ping(&[0; 126], out), error);
            refused_open(&mut ws, |ws, out| ws.send_pong(&[0; 126], out), error);
            let mut out = BytesMut::new();
            ws.send_ping(&[0; 125], &mut out).unwrap();
            ws.send_pong(&[0; 125], &mut out).unwrap();
            assert_eq!(sent_frames(&out, ws.role())[1].payload.len(), 125);
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
            let no_status =
                |ws: &mut Connection, out: &mut BytesMut| ws.close(CloseCode(1005), "", out);
            refused_open(
                &mut ws,
                no_status,
                SendError::CloseCode(CloseCode::NO_STATUS),
            );
        }
        let [mut server, mut client] = open_connections();
        let needed: Action = |ws, out| ws.close(CloseCode::MANDATORY_EXTENSION, "", out);
        let error = SendError::CloseCode(CloseCode::MANDATORY_EXTENSION);
        refused_open(&mut server, needed, error);
        assert_eq!(needed(&mut client, &mut BytesMut::new()), Ok(()));
    }

    #[test]
    fn reason_too_long() {
        for mut ws in open_connections() {
            let too_long: Action = |ws, out| ws.close(CloseCode::NORMAL, &"x".repeat(124), out);
            refused_open(&mut ws, too_long, SendError::ReasonTooLong);
            // Octets count, not characters; and a reason is never cut to fit.
            let wide: Action = |ws, out| ws.close(CloseCode::NORMAL, &"€".repeat(42), out);
            refused_open(&mut ws, wide, SendError::ReasonTooLong);
            let (reason, mut out) = ("€".repeat(41), BytesMut::new());
            ws.close(CloseCode::NORMAL, &reason, &mut out).unwrap();
            assert_eq!(
                &sent_frames(&out, ws.role())[0].payload[2..],
                reason.as_bytes()
            );
        }
    }

    #[test]
    fn reason_without_code() {
        for mut ws in open_connections() {
            let action: Action = |ws, out| ws.close(None, "bye", out);
            refused_open(&mut ws, action, SendError::ReasonWithoutCode);
        }
    }
}

mod request_error {
    use super::*;

    fn refused(head: &str, error: RequestError, status: u16) {
        refused_by(&HandshakeConfig::default(), head, error, status);
    }

    /// The request is refused with a complete response, in any cuts, and what is behind it is
    /// dropped.
    fn refused_by(config: &HandshakeConfig, head: &str, error: RequestError, status: u16) {
        assert_eq!(error.status(), status);
        assert!(error.to_string().contains("(RFC "), "{error}");
        let bytes = [head, REQUEST].concat();
        let mut outputs = Vec::new();
        for cuts in Cuts::ALL {
            let served = serve(bytes.as_bytes(), cuts, config);
            assert_eq!(served.error(), Some(error), "{head}");
            assert!(served.rest.is_empty(), "dropped: {:?}", served.rest);
            outputs.push(served.out);
        }
        assert!(outputs.iter().all(|out| *out == outputs[0]));

        let response = std::str::from_utf8(&outputs[0]).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(field(head, "Content-Length"), body.len().to_string());
        let connection = field(head, "Connection");
        assert!(
            connection.split(", ").any(|token| token == "close"),
            "{head}"
        );
        if status == 426 {
            assert_eq!(field(head, "Upgrade"), "websocket");
            assert_eq!(field(head, "Sec-WebSocket-Version"), "13");
        }
        if status == 405 {
            assert_eq!(field(head, "Allow"), "GET");
        }
    }

    /// The value of the one field of this name.
    fn field<'h>(head: &'h str, name: &str) -> &'h str {
        let prefix = format!("{name}: ");
        let mut values = head.lines().filter_map(|line| line.strip_prefix(&*prefix));
        let value = values.next().expect(name);
        assert_eq!(values.next(), None, "{name} is there once");
        value
    }

    fn without(line_begin: &str) -> String {
        let lines = REQUEST.split_inclusive("\r\n");
        lines.filter(|line| !line.starts_with(line_begin)).collect()
    }

    #[test]
    fn malformed() {
        for line in [
            "GET\r\n\r\n",
            "GET /chat\r\n\r\n",
            "\x16\x03\x01",
            "GET /a b HTTP/1.1\r\n\r\n",
        ] {
            refused(line, RequestError::Malformed, 400);
        }
        refused(
            &replaced(REQUEST, "HTTP/1.1", "HTTP/11"),
            RequestError::Malformed,
            400,
        );
        refused(
            &replaced(REQUEST, "GET ", "GE(T "),
            RequestError::Malformed,
            400,
        );
    }

    #[test]
    fn target_too_long() {
        let head = replaced(REQUEST, "/chat", &format!("/{}", "a".repeat(16 << 10)));
        refused(&head, RequestError::TargetTooLong, 414);
    }

    #[test]
    fn head_too_large() {
        let head = with_line(REQUEST, &format!("X: {}", "a".repeat(16 << 10)));
        refused(&head, RequestError::HeadTooLarge, 431);
    }

    #[test]
    fn too_many_headers() {
        let head = with_line(REQUEST, &["X: a"; 200].join("\r\n"));
        refused(&head, RequestError::TooManyHeaders, 431);
    }

    #[test]
    fn http_version() {
        for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/2.1"] {
            let head = replaced(REQUEST, "HTTP/1.1", version);
            refused(&head, RequestError::HttpVersion, 505);
        }
    }

    #[test]
    fn method() {
        for method in ["POST ", "HEAD ", "get ", "OPTIONS ", "CONNECT "] {
            refused(
                &replaced(REQUEST, "GET ", method),
                RequestError::Method,
                405,
            );
        }
    }

    #[test]
    fn target() {
        for target in [
            "chat",
            "*",
            "ws://example.com/",
            "http:///",
            "/a#b",
            "/%zz",
            "/\"",
            "/é",
        ] {
            refused(
                &replaced(REQUEST, "/chat", target),
                RequestError::Target,
                400,
            );
        }
    }

    #[test]
    fn host() {
        refused(&without("Host"), RequestError::Host, 400);
        refused(
            &with_line(REQUEST, "Host: example.com"),
            RequestError::Host,
            400,
        );
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
            refused(&head, RequestError::Host, 400);
        }
    }

    #[test]
    fn content() {
        for line in [
            "Content-Length: 1",
            "Content-Length: 00",
            "Content-Length: -0",
            "Content-Length: 0, 0",
            "Content-Length: 0\r\nContent-Length: 0",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding:",
        ] {
            refused(&with_line(REQUEST, line), RequestError::Content, 400);
        }
    }

    #[test]
    fn not_upgrade() {
        refused(&without("Upgrade"), RequestError::NotUpgrade, 426);
        refused(&without("Connection"), RequestError::NotUpgrade, 426);
        let head = replaced(REQUEST, "Upgrade: websocket", "Upgrade: h2c");
        refused(&head, RequestError::NotUpgrade, 426);
    }

    #[test]
    fn key() {
        refused(&without("Sec-WebSocket-Key"), RequestError::Key, 400);
        let twice = with_line(REQUEST, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
        refused(&twice, RequestError::Key, 400);
    }

    #[test]
    fn version_malformed() {
        refused(
            &without("Sec-WebSocket-Version"),
            RequestError::VersionMalformed,
            400,
        );
        let twice = with_line(REQUEST, "Sec-WebSocket-Version: 13");
        refused(&twice, RequestError::VersionMalformed, 400);
    }

    #[test]
    fn version_unsupported() {
        for version in ["0", "8", "12", "14", "255"] {
            let head = replaced(REQUEST, "Version: 13", &format!("Version: {version}"));
            refused(&head, RequestError::VersionUnsupported, 426);
        }
    }

    #[test]
    fn subprotocol() {
        for list in ["a, a", "", ",", "a b", "a/b", "\"a\"", "é"] {
            let head = with_line(REQUEST, &format!("Sec-WebSocket-Protocol: {list}"));
            refused(&head, RequestError::Subprotocol, 400);
        }
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
            let head = with_line(REQUEST, &format!("Sec-WebSocket-Extensions: {list}"));
            refused(&head, RequestError::Extensions, 400);
        }
    }

    #[test]
    fn origin() {
        let line = "Origin: http://example.com\r\nOrigin: http://example.com";
        refused(&with_line(REQUEST, line), RequestError::Origin, 400);
    }

    #[test]
    fn origin_forbidden() {
        let head = with_line(REQUEST, "Origin: https://evil.test");
        refused(&head, RequestError::OriginForbidden, 403);
        let mut config = HandshakeConfig::default();
        config.origin_policy = OriginPolicy::list(["https://app.test"]);
        refused_by(&config, &head, RequestError::OriginForbidden, 403);
    }
}

mod response_error {
    use super::*;

    fn fails(response: &str, error: &ResponseError) {
        fails_with(&HandshakeConfig::default(), response, error);
    }

    /// The response ends the handshake with this error, in any cuts; nothing is written.
    fn fails_with(config: &HandshakeConfig, response: &str, error: &ResponseError) {
        assert!(error.to_string().contains("(RFC "), "{error}");
        for cuts in Cuts::ALL {
            let behind = frame(Role::Client, 0x81, b"early");
            let mut asked = ask(&client_request(), response, &behind, cuts, config);
            assert_eq!(asked.error(), Some(error), "{response}");
            assert!(asked.rest.is_empty() && asked.out.is_empty());
            assert_eq!(
                asked.handshake.receive_eof(),
                *error,
                "the end changes nothing"
            );
        }
    }

    #[test]
    fn malformed() {
        for line in [
            "HTTP/1.1\r\n\r\n",
            "HTTP/1.1 1O1 x\r\n\r\n",
            "HTTP/1.1 99 x\r\n\r\n",
            "HTTP/1.1 1000 x\r\n\r\n",
            "HTTP/1.1  101 x\r\n\r\n",
            "http/1.1 101 x\r\n\r\n",
            "HTTP/1.1 101 x\n",
            "HTTP/1.1 101 x\r\nA : b\r\n\r\n",
        ] {
            fails(line, &ResponseError::Malformed);
        }
    }

    #[test]
    fn head_too_large() {
        let line = format!("X: {}", "a".repeat(16 << 10));
        fails(&with_line(RESPONSE, &line), &ResponseError::HeadTooLarge);
        let endless = "HTTP/1.1 101 ".to_owned() + &"a".repeat(16 << 10);
        fails(&endless, &ResponseError::HeadTooLarge);
    }

    #[test]
    fn too_many_headers() {
        let lines = ["X: a"; 200].join("\r\n");
        fails(&with_line(RESPONSE, &lines), &ResponseError::TooManyHeaders);
    }

    #[test]
    fn too_many_interim_responses() {
        let response = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9) + RESPONSE;
        fails(&response, &ResponseError::TooManyInterimResponses);
    }

    #[test]
    fn http_version() {
        for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0"] {
            let response = replaced(RESPONSE, "HTTP/1.1", version);
            fails(&response, &ResponseError::HttpVersion);
        }
    }

    #[test]
    fn refused() {
        let response = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\
            Content-Length: 4\r\n\r\nlog in";
        for cuts in Cuts::ALL {
            let config = HandshakeConfig::default();
            let mut asked = ask(&client_request(), response, b"", cuts, &config);
            let Some(ResponseError::Refused(refusal)) = asked.error() else {
                panic!("{asked:?}");
            };
            assert_eq!(refusal.status, 401);
            assert_eq!(
                refusal.headers.get("www-authenticate"),
                Some(&b"Bearer"[..])
            );
            assert_eq!((&*refusal.body, refusal.is_complete), (&b"log "[..], true));
            let error = asked.error().unwrap().clone();
            assert_eq!(error.to_string(), "the server refused with HTTP status 401");
            assert_eq!(asked.handshake.receive_eof(), error);
        }
    }

    #[test]
    fn upgrade() {
        for line in [
            "",
            "Upgrade: h2c\r\n",
            "Upgrade: websocket\r\nUpgrade: websocket\r\n",
        ] {
            let response = replaced(RESPONSE, "Upgrade: websocket\r\n", line);
            fails(&response, &ResponseError::Upgrade);
        }
    }

    #[test]
    fn connection() {
        for line in ["", "Connection: close\r\n", "Connection: NotUpgrade\r\n"] {
            let response = replaced(RESPONSE, "Connection: Upgrade\r\n", line);
            fails(&response, &ResponseError::Connection);
        }
    }

    #[test]
    fn accept() {
        for value in ["", "ACCEPT=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="] {
            let response = replaced(RESPONSE, "ACCEPT", value);
            fails(&response, &ResponseError::Accept);
        }
        let response = replaced(RESPONSE, "Sec-WebSocket-Accept: ACCEPT\r\n", "");
        fails(&response, &ResponseError::Accept);
        let twice = with_line(RESPONSE, "Sec-WebSocket-Accept: ACCEPT");
        fails(&twice, &ResponseError::Accept);
    }

    #[test]
    fn subprotocol() {
        let response = with_line(RESPONSE, "Sec-WebSocket-Protocol: chat");
        fails(&response, &ResponseError::Subprotocol);
    }

    #[test]
    fn extensions() {
        let response = with_line(RESPONSE, "Sec-WebSocket-Extensions: permessage-deflate");
        fails(&response, &ResponseError::Extensions);
    }

    #[test]
    fn transport_ended() {
        for response in [
            "",
            "HTTP/1.1 10",
            "HTTP/1.1 101 x\r\n",
            "HTTP/1.1 100 x\r\n\r\n",
        ] {
            let config = HandshakeConfig::default();
            let mut asked = ask(&client_request(), response, b"", Cuts::Whole, &config);
            assert!(asked.result.is_none());
            let error = asked.handshake.receive_eof();
            assert_eq!(error, ResponseError::TransportEnded);
            assert!(error.to_string().ends_with("(RFC 6455, section 4.1)"));
            let mut late = RESPONSE.as_bytes().to_vec();
            let mut input = sansocket::Input::new(&mut late);
            let result = asked.handshake.receive(&mut input, &mut asked.out);
            assert_eq!(result.unwrap_err(), ResponseError::TransportEnded);
        }
    }
}

mod uri_error {
    use super::*;

    fn fails(error: UriError, uris: &[&str]) {
        assert!(error.to_string().contains("(RFC "), "{error}");
        for uri in uris {
            assert_eq!(uri.parse::<Uri>(), Err(error), "{uri}");
        }
    }

    #[test]
    fn scheme() {
        fails(
            UriError::Scheme,
            &["", "//a", "http://a", "wsx://a", " ws://a", "example.com"],
        );
    }

    #[test]
    fn syntax() {
        fails(UriError::Syntax, &["ws:", "ws:/a", "ws:a"]);
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
        fails(UriError::Host, &hosts);
        fails(
            UriError::Host,
            &["ws://a\r\nX: y", "ws://a\0", "ws://[::1]x", "ws://a\\b"],
        );
    }

    #[test]
    fn port() {
        fails(
            UriError::Port,
            &["ws://a:x", "ws://a:65536", "ws://a:-1", "ws://a:+1"],
        );
    }

    #[test]
    fn fragment() {
        fails(UriError::Fragment, &["ws://a/#", "ws://a#b", "ws://a/?q#b"]);
    }

    #[test]
    fn character() {
        let uris = [
            "ws://a/ b",
            "ws://a/\r\n",
            "ws://a/%",
            "ws://a/%g0",
            "ws://a/?\0",
            "ws://a/\t",
        ];
        fails(UriError::Character, &uris);
        fails(
            UriError::Character,
            &["ws://user name@a/", "ws://u\r\n@a/", "ws://a/<"],
        );
    }
}

mod field_error {
    use super::*;

    /// What the application fills in is refused, in each place where it can be.
    fn fails(error: FieldError, results: impl IntoIterator<Item = Result<(), FieldError>>) {
        assert!(error.to_string().contains("(RFC "), "{error}");
        for (index, result) in results.into_iter().enumerate() {
            assert_eq!(result, Err(error), "place {index}");
        }
    }

    /// A header in each of the three heads that are written.
    fn header(name: &str, value: &str) -> [Result<(), FieldError>; 3] {
        let served = serve(REQUEST.as_bytes(), Cuts::Whole, &HandshakeConfig::default());
        [
            client_request().header(name, value).map(|_| ()),
            Rejection::new(401).unwrap().header(name, value).map(|_| ()),
            served.request().accept().header(name, value).map(|_| ()),
        ]
    }

    #[test]
    fn name() {
        for name in ["", "a b", "a:", "a\r\n", "é", "a\0"] {
            fails(FieldError::Name, header(name, "x"));
        }
    }

    #[test]
    fn value() {
        for value in ["\r\nX: y", "\n", "\r", "\0", "\x1b", "\x7f"] {
            fails(FieldError::Value, header("X", value));
            fails(
                FieldError::Value,
                [client_request().origin(value).map(|_| ())],
            );
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
            fails(FieldError::Reserved, header(name, "x"));
        }
        fails(
            FieldError::Reserved,
            [client_request().header("ORIGIN", "x").map(|_| ())],
        );
    }

    #[test]
    fn subprotocol() {
        for name in ["", "a b", "a,b", "a\r\n"] {
            fails(
                FieldError::Subprotocol,
                [client_request().subprotocol(name).map(|_| ())],
            );
        }
        let twice = client_request().subprotocol("a").unwrap().subprotocol("a");
        fails(FieldError::Subprotocol, [twice.map(|_| ())]);
    }

    #[test]
    fn subprotocol_not_offered() {
        let head = with_line(REQUEST, "Sec-WebSocket-Protocol: chat");
        let served = serve(head.as_bytes(), Cuts::Whole, &HandshakeConfig::default());
        for name in ["", "Chat", "superchat", "chat\r\n"] {
            let result = served.request().accept().subprotocol(name);
            fails(FieldError::SubprotocolNotOffered, [result.map(|_| ())]);
        }
    }

    #[test]
    fn extension() {
        for token in ["", "a b", "a;b", "a\r\n", "\"a\""] {
            let one = || Extension::new("x").unwrap();
            let results = [
                Extension::new(token).map(|_| ()),
                one().param(token, None).map(|_| ()),
                one().param("p", Some(token)).map(|_| ()),
            ];
            fails(FieldError::Extension, results);
        }
    }

    #[test]
    fn extension_not_offered() {
        let head = with_line(REQUEST, "Sec-WebSocket-Extensions: a");
        let served = serve(head.as_bytes(), Cuts::Whole, &HandshakeConfig::default());
        let [a, b] = ["a", "b"].map(|name| Extension::new(name).unwrap());
        let other = served.request().accept().extension(b);
        let twice = served
            .request()
            .accept()
            .extension(a.clone())
            .unwrap()
            .extension(a);
        fails(
            FieldError::ExtensionNotOffered,
            [other.map(|_| ()), twice.map(|_| ())],
        );
    }

    #[test]
    fn status() {
        for status in [0, 100, 101, 199, 600, 1000] {
            fails(FieldError::Status, [Rejection::new(status).map(|_| ())]);
        }
    }
}
