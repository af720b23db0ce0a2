//! Sessions, step by step.

use crate::deflate::element;
use crate::handshake::*;
use crate::*;

fn event_json(event: &Event<'_>) -> Value {
    use serde_json::json;
    match event {
        Event::Text(text) => json!({"event": "text", "text": &**text}),
        Event::Binary(data) => json!({"event": "binary", "hex": hex(data)}),
        Event::Ping(data) => json!({"event": "ping", "hex": hex(data)}),
        Event::Pong(data) => json!({"event": "pong", "hex": hex(data)}),
        Event::Close { code, reason } => {
            json!({"event": "close", "code": code.0, "reason": &**reason})
        }
        other => panic!("{other:?}"),
    }
}

/// The rule that was broken.
pub(crate) fn failure(run: &Run) -> Option<ProtocolError> {
    match run.events.last() {
        Some(Event::Failed(error)) => Some(*error),
        _ => None,
    }
}

/// The events except failures, which the vectors list separately.
fn events_json(events: &[Event<'_>]) -> Value {
    let events = events.iter().filter(|e| !matches!(e, Event::Failed(_)));
    events.map(event_json).collect()
}

fn is_sent(sent: &[Sent], expected: &Value) -> bool {
    let expected = expected.as_array().unwrap();
    sent.len() == expected.len()
        && sent.iter().zip(expected).all(|(sent, expected)| {
            expected["opcode"] == sent.opcode
                && match expected["hex"].as_str() {
                    Some(payload) => hex(&sent.payload) == payload,
                    None => {
                        let code = sent.close_code().map_or(Value::Null, Value::from);
                        let reason = sent.payload.get(2..).unwrap_or_default();
                        expected["code"] == code
                            && expected["reason"]
                                .as_str()
                                .is_none_or(|r| r.as_bytes() == reason)
                    }
                }
        })
}

#[test]
fn sessions() {
    counted_section("session", 106 * 7, |v| {
        let deflate = Deflate::default();
        let settings = settings(|s| {
            if let Some(max) = v["config"]["max_message_size"].as_u64() {
                s.max_message_size = max;
            }
        });
        let chunks: Vec<Vec<u8>> = strings(&v["input_hex"]).into_iter().map(unhex).collect();
        let run_with = |pieces: Vec<Vec<u8>>| {
            let mut ws = connection(role(v, "role"), settings);
            let agreed = &v["config"]["permessage_deflate"];
            if !agreed.is_null() {
                ws = ws.with_deflate(&deflate, &element(agreed)).unwrap();
            }
            let mut run = Run::of(ws);
            for piece in pieces {
                run.feed(&piece);
            }
            let end = (v["eof"] == true).then(|| run.eof());
            (run, end)
        };
        let all = chunks.concat();
        let runs = Cuts::ALL.map(|cuts| run_with(cuts.cut(&all)));
        for (run, end) in runs.into_iter().chain([run_with(chunks)]) {
            let matches = |expect: &Value| {
                let error = failure(&run).map_or(Value::Null, |e| e.close_code().0.into());
                let (clean, code) = (&expect["clean"], &expect["close_code"]);
                events_json(&run.events) == expect["events"]
                    && is_sent(&run.sent(), &expect["sent"])
                    && error == expect["error"]
                    && (clean.is_null() || *clean == end.as_ref().unwrap().is_clean())
                    && (code.is_null() || *code == end.as_ref().unwrap().close_code().0)
                    // The broken rule is also how it ended.
                    && end.as_ref().is_none_or(|end| match (failure(&run), end) {
                        (Some(error), End::Failed(end)) => error == *end,
                        (Some(_), _) => false,
                        (None, End::Failed(end)) => *end == ProtocolError::TransportEnded,
                        (None, _) => true,
                    })
            };
            assert!(outcomes(v).iter().any(matches), "{run:?}");
        }
        Cuts::ALL.len() + 1
    });
}

/// What a closing script drives.
#[allow(clippy::large_enum_variant)]
enum Machine {
    /// A client, what it has sent after its request, and the key of the request.
    Connecting(Endpoint, BytesMut, String),
    /// Ended before there was a connection.
    Aborted(End),
    Run(Run),
}

/// Does what a step says.
fn act(step: &Value, ws: &mut Session, out: &mut BytesMut) -> Result<(), SendError> {
    match str(step, "do") {
        "close" => {
            let code = step["code"].as_u64().map(|code| CloseCode(code as u16));
            ws.close(code, step["reason"].as_str().unwrap_or(""), out)
        }
        "send_text" => ws.send(str(step, "text"), out),
        "send_ping" => ws.send_ping(&bytes(step, "hex"), out),
        other => panic!("do {other}"),
    }
}

/// A step of an opening handshake.
fn connecting(mut endpoint: Endpoint, mut out: BytesMut, key: String, step: &Value) -> Machine {
    if let Some(response) = step["recv"].as_str() {
        let response = answering(response.as_bytes(), "dGhlIHNhbXBsZSBub25jZQ==", &key);
        let asked = receive_response(endpoint, &[response]);
        asked.opened();
        let mut run = Run::of(asked.endpoint.into_connection().unwrap());
        run.out = asked.out;
        return Machine::Run(run);
    }
    if step.get("do").is_some() {
        assert_eq!(
            act(step, &mut endpoint, &mut out),
            Err(SendError::NotYetOpen)
        );
        assert!(matches!(
            step["expect"].as_str(),
            None | Some("api_error_or_queued")
        ));
        if step["do"] == "close" {
            // The transport is dropped.
            assert_eq!(
                refused_at_eof(&mut endpoint),
                HandshakeError::TransportEnded { received: 0 }
            );
            return Machine::Aborted(endpoint.end().unwrap());
        }
    }
    if step.get("expect_sent_total").is_some() {
        assert!(is_sent(
            &sent_frames(&out, Role::Client),
            &step["expect_sent_total"]
        ));
    }
    Machine::Connecting(endpoint, out, key)
}

#[test]
fn closing_scripts() {
    section("closing_script", |v| {
        let mut machine = Machine::Run(Run::new(role(v, "role")));
        let (mut events_seen, mut sent_seen, mut checks) = (0, 0, 0);
        for step in v["steps"].as_array().unwrap() {
            if step["state"] == "connecting" {
                let mut request = ClientRequest::new("ws://example.com/").unwrap();
                for name in strings(&step["required_extensions"]) {
                    request = request.extension(Extension::new(name).unwrap(), true);
                }
                let (endpoint, key) = client_handshake(&request, &Config::default());
                machine = Machine::Connecting(endpoint, BytesMut::new(), key);
                continue;
            }
            let run = match &mut machine {
                Machine::Run(run) => run,
                Machine::Connecting(..) => {
                    let Machine::Connecting(endpoint, out, key) =
                        std::mem::replace(&mut machine, Machine::Run(Run::new(Role::Client)))
                    else {
                        unreachable!("just matched")
                    };
                    machine = connecting(endpoint, out, key, step);
                    continue;
                }
                // Without a connection nothing is sent, and the end is not clean.
                Machine::Aborted(end) => {
                    assert_eq!(step["clean"].as_bool().unwrap_or(false), end.is_clean());
                    if let Some(code) = step["close_code"].as_u64() {
                        assert_eq!(end.close_code(), CloseCode(code as u16));
                    }
                    continue;
                }
            };
            if step.get("do").is_some() {
                let result = act(step, &mut run.ws, &mut run.out);
                match step["expect"].as_str() {
                    None => assert_eq!(result, Ok(())),
                    Some("api_error") => assert!(result.is_err()),
                    Some("no_op_or_api_error") => assert_eq!(result, Err(SendError::Closed)),
                    Some(other) => panic!("expect {other}"),
                }
            }
            if let Some(input) = step["recv_hex"].as_str() {
                run.feed(&unhex(input));
            }
            if step["eof"] == true {
                run.eof();
            }
            let sent = run.sent();
            if step.get("expect_sent").is_some() {
                assert!(
                    is_sent(&sent[sent_seen..], &step["expect_sent"]),
                    "{sent:?}"
                );
                sent_seen = sent.len();
                checks += 1;
            }
            if step.get("expect_sent_total").is_some() {
                let also_ok = step.get("expect_sent_total_also_ok");
                let mut outcomes = [Some(&step["expect_sent_total"]), also_ok]
                    .into_iter()
                    .flatten();
                assert!(
                    outcomes.any(|expected| is_sent(&sent, expected)),
                    "{sent:?}"
                );
                checks += 1;
            }
            if step.get("expect_events").is_some() {
                assert_eq!(
                    events_json(&run.events[events_seen..]),
                    step["expect_events"]
                );
                events_seen = run.events.len();
                checks += 1;
            }
            let end = run.ws.end();
            if let Some(state) = step["state"].as_str() {
                let is = match (run.ws.is_open(), &end) {
                    (true, None) => "open",
                    (false, None) => "closing",
                    (false, Some(_)) => "closed",
                    (true, Some(_)) => panic!("open and over"),
                };
                assert_eq!(is, state);
            }
            if let Some(io) = step["io"].as_str() {
                let now = run.ws.must_close_transport();
                // The peer must close the transport, and soon.
                let soon = !run.ws.is_open() && end.is_none();
                match io {
                    "close_now" => assert!(now),
                    "wait_then_close" => assert!(soon && !now),
                    "wait_then_close_or_close_now" => assert!(soon),
                    other => panic!("io {other}"),
                }
            }
            if let Some(clean) = step["clean"].as_bool() {
                assert_eq!(end.as_ref().unwrap().is_clean(), clean);
            }
            if let Some(code) = step["close_code"].as_u64() {
                let code = CloseCode(code as u16);
                assert_eq!(end.as_ref().unwrap().close_code(), code);
            }
            if let Some(code) = step["error"].as_u64() {
                let error = failure(run).unwrap();
                assert_eq!(error.close_code(), CloseCode(code as u16));
            }
        }
        let has_checks = v["steps"].to_string().contains("expect_");
        assert!(checks > 0 || !has_checks || !matches!(machine, Machine::Run(_)));
    });
}
