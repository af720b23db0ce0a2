//! permessage-deflate.

use crate::handshake::*;
use crate::*;

fn window_bits(value: &Value) -> Option<u8> {
    let bits = value.as_u64()?;
    assert!((8..=15).contains(&bits), "{bits}");
    Some(bits as u8)
}

/// An element with these parameters; `true` stands for one without a value. Those that are
/// false or null are not there.
pub(crate) fn element(params: &Value) -> Extension {
    let mut element = Extension::new("permessage-deflate").unwrap();
    for (name, value) in params.as_object().unwrap() {
        if value.is_null() || *value == false {
            continue;
        }
        assert!(*value == true || value.is_u64(), "{name}: {value}");
        let number = value.as_u64().map(|number| number.to_string());
        element = element.param(name, number.as_deref()).unwrap();
    }
    element
}

/// The same with the roles swapped.
fn swapped(params: &Value) -> Value {
    let params = params.as_object().unwrap().iter();
    let params = params.map(|(name, value)| {
        let (role, parameter) = name.split_once('_').unwrap();
        let other = match role {
            "server" => "client",
            "client" => "server",
            other => panic!("role {other}"),
        };
        (format!("{other}_{parameter}"), value.clone())
    });
    Value::Object(params.collect())
}

/// The parts of an element, whose parameters have no order.
fn parts(element: impl ToString) -> Vec<String> {
    let element = element.to_string();
    let mut parts: Vec<_> = element.split("; ").map(String::from).collect();
    parts[1..].sort();
    parts
}

/// The settings of an endpoint with these wishes.
pub(crate) fn deflate(wishes: &Value, min_window_bits: &Value) -> Deflate {
    let mut deflate = Deflate::default();
    deflate.server_no_context_takeover = wishes["server_no_context_takeover"] == true;
    deflate.client_no_context_takeover = wishes["client_no_context_takeover"] == true;
    deflate.server_max_window_bits = window_bits(&wishes["server_max_window_bits"]);
    deflate.client_max_window_bits = window_bits(&wishes["client_max_window_bits"]);
    deflate.min_window_bits = window_bits(min_window_bits).unwrap();
    deflate
}

#[test]
fn deflate_offers() {
    counted_section("pmd_offer", 40 * (1 + 6), |v| {
        let (offer, server) = (str(v, "offer"), &v["server"]);
        let deflate = deflate(server, &server["min_server_bits"]);
        let offered = Extension::parse_list([offer.as_bytes()]).unwrap();
        let agreed = deflate.accept(offered).map(parts);
        let is = |outcome: &Value| match outcome["accepted"].as_bool().unwrap() {
            true => agreed == Some(parts(element(&outcome["agreed"]))),
            false => agreed.is_none(),
        };
        assert!(outcomes(v).iter().any(is), "{agreed:?}");

        let mut config = Config::default();
        config.deflate = Some(deflate);
        let request = with_line(REQUEST, &format!("Sec-WebSocket-Extensions: {offer}"));
        for cuts in Cuts::ALL {
            let mut served = serve(request.as_bytes(), cuts, &config);
            served.accept();
            assert_eq!(served.endpoint.has_deflate(), agreed.is_some());
            let response = std::str::from_utf8(&served.out).unwrap();
            assert!(response.starts_with("HTTP/1.1 101 "));
            let answered = fields(response, "sec-websocket-extensions");
            let answered: Vec<_> = answered.into_iter().map(parts).collect();
            assert_eq!(answered, Vec::from_iter(agreed.clone()));
        }
        1 + Cuts::ALL.len()
    });
}

#[test]
fn deflate_responses() {
    counted_section("pmd_response", 26 + 23 + 19 * 6, |v| {
        let offers = v["offer"].as_array().unwrap();
        let offered: Vec<_> = offers.iter().map(element).collect();
        let deflate = deflate(&offers[0], &v["min_client_bits"]);
        let response = str(v, "response");
        let accepted = Extension::parse_list([response.as_bytes()]).unwrap();
        let accepted: Vec<_> = accepted.collect();
        // A list that has what was not offered is judged before.
        let request = offered
            .iter()
            .cloned()
            .fold(client_request(), |request, e| request.extension(e, false));
        let offer = Offer::extended_connect(&request, &Config::default(), [7; 32]);
        let agreed = offer
            .check(200, [("sec-websocket-extensions", response)])
            .and_then(|_| deflate.agree(&offered, &accepted));
        let is_offered = |e: &&Extension| offered.iter().any(|offer| offer.name() == e.name());
        let other = accepted.iter().find(|e| !is_offered(e));
        let is_wrong = |error: &HandshakeError| match (error, other) {
            (HandshakeError::ExtensionNotOffered(name), Some(other)) => **name == *other.name(),
            (HandshakeError::Extensions(_), None) => true,
            _ => false,
        };
        let is = |outcome: &Value| match str(outcome, "verdict") {
            "accept" => {
                let agreed = agreed.as_ref().ok().and_then(Option::as_ref);
                agreed.map(parts) == Some(parts(element(&outcome["agreed"])))
            }
            "fail" => agreed.as_ref().err().is_some_and(is_wrong),
            other => panic!("verdict {other}"),
        };
        assert!(outcomes(v).iter().any(is), "{agreed:?}");
        let mut ways = 1;

        // `Deflate` judges only elements of permessage-deflate.
        if accepted.iter().all(|e| e.name() == Deflate::NAME) {
            assert_eq!(deflate.agree(&offered, &accepted), agreed);
            ways += 1;
        }

        // A handshake makes one offer, always with `client_max_window_bits`.
        let own_offer = deflate.offer();
        let is_own = |offer: &Extension| parts(offer) == parts(&own_offer);
        let [offer] = &offered[..] else { return ways };
        if !is_own(offer) {
            return ways;
        }
        let mut config = Config::default();
        config.deflate = Some(deflate.clone());
        let response = with_line(RESPONSE, &format!("Sec-WebSocket-Extensions: {response}"));
        for cuts in Cuts::ALL {
            let asked = ask(&client_request(), &response, b"", cuts, &config);
            match &agreed {
                Ok(_) => {
                    let extensions: Vec<_> = asked.opened().extensions().collect();
                    assert!(asked.endpoint.has_deflate());
                    assert_eq!(deflate.agree(&offered, &extensions), agreed);
                }
                Err(error) => assert_eq!(asked.error().as_ref(), Some(error)),
            }
            ways += 1;
        }
        ways
    });
}

/// A compressed message as a peer of `receiver` sends it, in fragments with a Ping after each
/// but the last.
fn compressed(receiver: Role, opcode: u8, payload: &[u8], fragments: Cuts) -> Vec<u8> {
    let mut pieces = fragments.cut(payload);
    // No bytes are a frame, too.
    let last = pieces.pop().unwrap_or_default();
    let mut bytes = Vec::new();
    let mut first = 0x40 | opcode;
    for piece in pieces {
        bytes.extend(frame(receiver, first, &piece));
        bytes.extend(frame(receiver, 0x89, b"ping"));
        first = 0;
    }
    bytes.extend(frame(receiver, 0x80 | first, &last));
    bytes
}

/// The messages, and the close code if the connection failed after them. Each Ping was
/// answered.
fn delivered(run: Run) -> (Vec<Event<'static>>, Option<u16>) {
    let mut answers = run.sent();
    let mut events = run.events;
    let code = match events.last() {
        Some(Event::Failed(error)) => Some(error.close_code().0),
        _ => None,
    };
    if code.is_some() {
        events.pop();
        assert_eq!(answers.pop().unwrap().close_code(), code);
    }
    let answer = Sent {
        fin: true,
        opcode: 10,
        payload: b"ping".to_vec(),
    };
    assert!(answers.iter().all(|sent| *sent == answer));
    let (pings, messages): (Vec<_>, _) = events
        .into_iter()
        .partition(|event| matches!(event, Event::Ping(_)));
    assert_eq!(answers.len(), pings.len());
    (messages, code)
}

/// The index of the message that fails, and the close code; `None` if all are delivered.
type Failure = Option<(u64, u64)>;

#[test]
fn deflate_payloads() {
    counted_section("pmd_payload", (19 + 14 + 3 * 2) * 2 * 36, |v| {
        let deflate = Deflate::default();
        let messages = v["messages"].as_array().unwrap();
        let agreed = &v["agreed"];
        let receiver = match str(v, "direction") {
            "server_to_client" => Role::Client,
            "client_to_server" => Role::Server,
            other => panic!("direction {other}"),
        };
        // In each conformant outcome: the message that fails and its close code, or none.
        let conformant: Vec<Failure> = match v["expect_any"].as_array() {
            Some(any) => any
                .iter()
                .map(|outcome| match outcome.as_str() {
                    Some("accept") => None,
                    _ => Some((number(outcome, "at_message"), number(outcome, "error"))),
                })
                .collect(),
            None => {
                let at = messages.iter().position(|m| m.get("error").is_some());
                vec![at.map(|at| (at as u64, number(&messages[at], "error")))]
            }
        };
        let plain = |m: &Value| match m["plain_byte"].as_str() {
            Some(byte) => Some(unhex(byte).repeat(number(m, "plain_length") as usize)),
            None => m.get("error").is_none().then(|| bytes(m, "plain_hex")),
        };
        let plain: Vec<_> = messages.iter().map(plain).collect();
        let payloads: Vec<_> = messages.iter().map(|m| bytes(m, "payload_hex")).collect();
        // With the default limit, and with others.
        let mut limits = vec![(Settings::default(), conformant)];
        for limit in v["limits"].as_array().into_iter().flatten() {
            let max = number(limit, "max_message_size");
            let failure = match limit["expect"].as_str() {
                Some("accept") => None,
                Some(other) => panic!("expect {other}"),
                None => Some((0, number(&limit["expect"], "error"))),
            };
            let settings = settings(|s| s.max_message_size = max);
            limits.push((settings, vec![failure]));
        }
        let is_text = |data: &Option<Vec<u8>>| match data {
            Some(data) => std::str::from_utf8(data).is_ok(),
            None => true,
        };

        let mut ways = 0;
        let directions = [
            (receiver, element(agreed)),
            (other(receiver), element(&swapped(agreed))),
        ];
        for (settings, conformant) in &limits {
            let mut outcome = None;
            for (receiver, agreed) in &directions {
                for kind in [1, 2] {
                    // All messages as binary, or as text if they are UTF-8.
                    let opcode = |data: &Option<Vec<u8>>| if is_text(data) { kind } else { 2 };
                    let opcodes: Vec<u8> = plain.iter().map(opcode).collect();
                    if !opcodes.contains(&kind) {
                        continue;
                    }
                    for (fragments, cuts) in Cuts::ALL.map(|f| Cuts::ALL.map(|c| (f, c))).concat() {
                        let sent = payloads.iter().zip(&opcodes).map(|(payload, opcode)| {
                            compressed(*receiver, *opcode, payload, fragments)
                        });
                        let sent = sent.collect::<Vec<_>>().concat();
                        let ws = connection(*receiver, *settings);
                        let mut run = Run::of(ws.with_deflate(&deflate, agreed).unwrap());
                        run.feed_cut(&sent, cuts);

                        let (events, code) = delivered(run);
                        let failed = code.map(|code| (events.len() as u64, u64::from(code)));
                        assert!(conformant.contains(&failed), "{failed:?}");
                        // Every way gives the same result.
                        assert_eq!(
                            *outcome.get_or_insert(failed),
                            failed,
                            "{fragments:?} {cuts:?}"
                        );
                        assert!(failed.is_some() || events.len() == messages.len());
                        let expected = plain.iter().flatten().zip(&opcodes);
                        let expected = expected.map(|(data, opcode)| match opcode {
                            1 => text(std::str::from_utf8(data).unwrap()),
                            _ => binary(data),
                        });
                        assert_eq!(events, Vec::from_iter(expected.take(events.len())));
                        ways += 1;
                    }
                }
            }
        }
        ways
    });
}

/// Sends a message at once, as text or binary, or binary in two or more fragments.
#[derive(Clone, Copy, Debug)]
enum Sending {
    Text,
    Binary,
    Fragments(Cuts),
}

impl Sending {
    fn send(self, run: &mut Run, message: &[u8]) {
        let (ws, out) = (&mut run.ws, &mut run.out);
        match self {
            Self::Text => ws.send(std::str::from_utf8(message).unwrap(), out),
            Self::Binary => ws.send(message, out),
            Self::Fragments(cuts) => {
                let mut pieces = cuts.cut(message);
                pieces.resize(pieces.len().max(2), Vec::new());
                let (last, others) = pieces.split_last().unwrap();
                for piece in others {
                    ws.send_piece(piece, false, out).unwrap();
                }
                ws.send_piece(last, true, out)
            }
        }
        .unwrap();
    }
}

#[test]
fn deflate_compressed() {
    counted_section("pmd_compress", (7 * 4 + 5) * 2 * 9, |v| {
        let messages: Vec<Vec<u8>> = strings(&v["plain_hex"]).into_iter().map(unhex).collect();
        let check = &v["check"];
        let payloads = check["payload_hex"].as_array().unwrap();
        assert_eq!(payloads.len(), messages.len());
        let context_takeover = match check["context"].as_str() {
            None | Some("shared") => true,
            Some("fresh_each") => false,
            Some(other) => panic!("context {other}"),
        };
        let agreed = serde_json::json!({
            "server_no_context_takeover": !context_takeover,
            "server_max_window_bits": v["max_window_bits"],
        });
        let bits = window_bits(&check["inflate_bits"]).unwrap_or(15);
        let mut sendings = vec![Sending::Binary];
        let fragments = [Cuts::AtOnce, Cuts::Random(1), Cuts::Random(2)];
        sendings.extend(fragments.map(Sending::Fragments));
        if messages.iter().all(|m| std::str::from_utf8(m).is_ok()) {
            sendings.push(Sending::Text);
        }

        let mut ways = 0;
        for level in 1..=9 {
            let mut deflate = Deflate::default();
            deflate.level = level;
            deflate.min_size = 0;
            let roles = [
                (Role::Server, element(&agreed)),
                (Role::Client, element(&swapped(&agreed))),
            ];
            for ((sender, agreed), sending) in roles
                .iter()
                .flat_map(|role| sendings.iter().map(move |s| (role, *s)))
            {
                let ws = connection(*sender, Settings::default());
                let mut run = Run::of(ws.with_deflate(&deflate, agreed).unwrap());
                let mut oracle = Oracle::new(1 << bits);
                for (message, exact) in messages.iter().zip(payloads) {
                    run.out.clear();
                    sending.send(&mut run, message);
                    let frames = raw_frames(&run.out, *sender);
                    let is_compressed = frames[0].0 & 0x40 != 0;
                    for (at, (first, _)) in frames.iter().enumerate() {
                        let opcode = match sending {
                            _ if at > 0 => 0,
                            Sending::Text => 1,
                            Sending::Binary | Sending::Fragments(_) => 2,
                        };
                        let fin = u8::from(at + 1 == frames.len());
                        let rsv1 = u8::from(at == 0 && is_compressed);
                        assert_eq!(*first, fin << 7 | rsv1 << 6 | opcode);
                    }
                    let payloads: Vec<_> = frames.into_iter().map(|(_, part)| part).collect();
                    let payload = payloads.concat();
                    if !is_compressed {
                        // Without context takeover, data that does not shrink is sent uncompressed;
                        // that is known only for a complete message.
                        assert!(!context_takeover && payloads.len() == 1);
                        assert_eq!(payload, *message);
                        continue;
                    }
                    if let Some(exact) = exact.as_str() {
                        assert_eq!(hex(&payload), exact);
                    }
                    if let Some(suffix) = check["not_suffix_hex"].as_str() {
                        assert!(!payload.ends_with(&unhex(suffix)));
                    }
                    let inflated = oracle.message(&payload, context_takeover);
                    assert_eq!(inflated.as_ref(), Ok(message), "{sending:?}, level {level}");
                }
                ways += 1;
            }
        }
        ways
    });
}
