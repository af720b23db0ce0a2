//! One test for each `SendError`, in the order of the enum.
//!
//! Invariant: a fault of the application harms nothing.

use crate::support::errors::*;
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    CloseCode, Config, Connection, Endpoint, Event, Input, Prepared, Role, SendError, Settings,
};
use std::time::Duration;

#[test]
fn no_variant_is_forgotten() {
    let source = include_str!("../../src/connection/error.rs");
    each_variant_has_a_test("SendError", source, include_str!("errors.rs"));
}

/// The action fails and changes nothing.
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

/// The number of complete messages among the events.
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

    // A server: before the request, in the middle of it, and before it is accepted.
    let mut endpoint = Endpoint::server(&config, now);
    too_early(&mut endpoint);
    let mut served = serve(REQUEST.as_bytes(), Cuts::AtOnce, &config);
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
    let mut asked = ask(&client_request(), RESPONSE, b"", Cuts::AtOnce, &config);
    works(&mut asked.endpoint);
}

#[test]
fn closed() {
    each_delivery(|| {
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
        // After our own Close, messages of the peer are still received.
        for mut run in ROLES.map(Run::new) {
            close_sent(&mut run.ws);
            refused(&mut run.ws, SENDS[0], SendError::Closed);
            run.feed(&frame(run.ws.role(), 0x81, b"late"));
            assert_eq!(run.events, [text("late")]);
        }
        // If the application answers Closes itself, the connection stays open for sending until it does.
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
    });
}

#[test]
fn message_unfinished() {
    each_delivery(|| {
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
    });
}

#[test]
fn other_type() {
    each_delivery(|| {
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
    });
}

#[test]
fn too_long() {
    each_delivery(|| {
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
            // The limit is in bytes, not characters, and a reason is never cut to fit,
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
        // unless the caller cuts it.
        for mut ws in open_connections() {
            let (reason, mut out) = ("€".repeat(42), BytesMut::new());
            let cut = CloseCode::cut_reason(&reason);
            ws.close(CloseCode::NORMAL, cut, &mut out).unwrap();
            let sent = &sent_frames(&out, ws.role())[0].payload;
            assert_eq!(sent[2..], *"€".repeat(41).as_bytes());
        }
    });
}

#[test]
fn close_code() {
    each_delivery(|| {
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
    });
}

#[test]
fn reason_without_code() {
    each_delivery(|| {
        for mut ws in open_connections() {
            let action: Action = |ws, out| ws.close(None, "bye", out);
            refused_open(&mut ws, action, SendError::ReasonWithoutCode);
        }
    });
}
