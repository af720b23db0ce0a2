//! Frames, closing and text.

use crate::*;

// ---- frames ----

#[test]
fn frames() {
    section("frame", |v| {
        let (receiver, input, expect) = (role(v, "receiver"), bytes(v, "hex"), &v["expect"]);
        let parsed = Header::parse(&input, receiver, false);
        for cuts in Cuts::ALL {
            let mut run = Run::new(receiver);
            run.feed_cut(&input, cuts);
            if let Some(code) = expect["error"].as_u64() {
                let [Event::Failed(error)] = &run.events[..] else {
                    panic!("{cuts:?}: {:?}", run.events)
                };
                assert_eq!(u64::from(error.close_code().0), code);
                assert_eq!(run.sent().len(), 1);
                assert_eq!(run.sent()[0].close_code(), Some(code as u16));
            } else if expect["incomplete"] == true {
                assert_eq!(run.events, []);
                assert!(run.out.is_empty());
            } else {
                let (header, len) = parsed.unwrap().unwrap();
                assert_eq!(header.fin, expect["fin"]);
                assert_eq!(header.rsv1, expect["rsv1"]);
                assert_eq!(header.opcode as u8, expect["opcode"]);
                assert_eq!(header.masking_key.is_some(), expect["masked"]);
                let mut payload = input[len..].to_vec();
                assert_eq!(payload.len() as u64, header.payload_len);
                if let Some(key) = header.masking_key {
                    Mask::new(key).apply(&mut payload);
                }
                assert_eq!(hex(&payload), str(expect, "payload_hex"));
                let got = match &run.events[..] {
                    [Event::Text(text)] => Some(text.as_bytes().to_vec()),
                    [Event::Binary(data) | Event::Ping(data) | Event::Pong(data)] => {
                        Some(data.to_vec())
                    }
                    _ => None,
                };
                if header.fin && !matches!(header.opcode as u8, 0 | 8) {
                    assert_eq!(got, Some(payload), "{cuts:?}: {:?}", run.events);
                }
            }
        }
    });
}

#[test]
fn frames_encoded() {
    section("frame_encode", |v| {
        let role = role(v, "role");
        let mut run = Run::new(role);
        for operation in v["operations"].as_array().unwrap() {
            let data = match operation["byte"].as_str() {
                Some(byte) => unhex(byte).repeat(number(operation, "count") as usize),
                None => unhex(operation["hex"].as_str().unwrap_or_default()),
            };
            let (ws, out) = (&mut run.ws, &mut run.out);
            let is_text = v["operations"][0]["op"] == "start_text";
            let mut piece = |is_text, is_last| match is_text {
                true => ws.send_piece(std::str::from_utf8(&data).unwrap(), is_last, out),
                false => ws.send_piece(&data, is_last, out),
            };
            let result = match str(operation, "op") {
                "start_text" => piece(true, false),
                "start_binary" => piece(false, false),
                "continue" if operation["expect"] == "api_error" => {
                    // There is no such call: a piece starts a message if none is under way.
                    assert_eq!(piece(is_text, false), Ok(()));
                    assert_eq!(run.sent()[0].opcode, 2);
                    return;
                }
                "continue" => piece(is_text, false),
                "finish" => piece(is_text, true),
                "text" => ws.send(str(operation, "text"), out),
                "binary" => ws.send(&data, out),
                "ping" => ws.send_ping(&data, out),
                "pong" => ws.send_pong(&data, out),
                "close" => {
                    let code = operation["code"]
                        .as_u64()
                        .map(|code| CloseCode(code as u16));
                    ws.close(code, operation["reason"].as_str().unwrap_or(""), out)
                }
                other => panic!("operation {other}"),
            };
            assert_eq!(
                result.is_err(),
                operation["expect"] == "api_error",
                "{result:?}"
            );
        }
        let output = with_fixed_key(&run.out, role);
        if let Some(expected) = v["output_hex"].as_str() {
            assert_eq!(hex(&output), expected);
        } else {
            assert!(hex(&output).starts_with(str(v, "output_header_hex")));
            assert_eq!(output.len(), v["output_length"]);
            assert_eq!(hex(&Sha256::digest(&output)), str(v, "output_sha256"));
        }
    });
}

#[test]
fn lengths() {
    section("length", |v| {
        let len = number(v, "payload_length");
        for (receiver, name) in [(Role::Client, "unmasked"), (Role::Server, "masked")] {
            let masking_key =
                (receiver == Role::Server).then(|| bytes(v, "masked_key_hex").try_into().unwrap());
            let header = Header {
                fin: true,
                rsv1: false,
                opcode: Opcode::Binary,
                masking_key,
                payload_len: len,
            };
            let mut out = BytesMut::new();
            header.encode(&mut out);
            assert_eq!(hex(&out), str(v, &format!("{name}_header_hex")));
            let parsed = Header::parse(&out, receiver, false);
            assert_eq!(parsed, Ok(Some((header, out.len()))));
            if v["header_only"] == true {
                continue;
            }
            let sender = other(receiver);
            let payload = bytes(v, "payload_byte").repeat(len as usize);
            let mut run = Run::new(sender);
            run.ws.send(&payload, &mut run.out).unwrap();
            let sent = with_fixed_key(&run.out, sender);
            assert_eq!(
                hex(&Sha256::digest(&sent)),
                str(v, &format!("{name}_sha256"))
            );
            let mut run = Run::new(receiver);
            run.feed(&sent);
            assert_eq!(run.events, [binary(&payload)]);
        }
    });
}

#[test]
fn masking() {
    section("masking", |v| {
        let mut mask = Mask::new(bytes(v, "key_hex").try_into().unwrap());
        mask.apply(&mut vec![0; number(v, "phase") as usize]);
        if let Some(cuts) = v["cuts"].as_array() {
            let mut data: Vec<u8> = (0..1000).map(|i| ((7 * i + 3) % 256) as u8).collect();
            assert_eq!(hex(&Sha256::digest(&data)), str(v, "input_sha256"));
            let mut from = 0;
            for to in cuts
                .iter()
                .map(|c| c.as_u64().unwrap() as usize)
                .chain([1000])
            {
                mask.apply(&mut data[from..to]);
                from = to;
            }
            assert_eq!(hex(&Sha256::digest(&data)), str(v, "output_sha256"));
        } else {
            let mut data = bytes(v, "input_hex");
            mask.apply(&mut data);
            assert_eq!(hex(&data), str(v, "output_hex"));
        }
    });
}

// ---- closing ----

#[test]
fn close_codes() {
    section("close_code", |v| {
        let code = CloseCode(number(v, "code") as u16);
        for (receiver, name) in [(Role::Client, "unmasked_hex"), (Role::Server, "masked_hex")] {
            let mut run = Run::new(receiver);
            run.feed(&bytes(v, name));
            match str(v, "receive") {
                "accept" => {
                    assert_eq!(run.events, [close(code.0, "")]);
                }
                _ => assert_eq!(
                    run.events,
                    [Event::Failed(ProtocolError::CloseCodeInvalid(code))]
                ),
            }
            assert_eq!(
                run.sent()[0].close_code(),
                v["reply_code"].as_u64().map(|c| c as u16)
            );
        }
        let mut run = Run::new(Role::Client);
        let sent = run.ws.close(code, "", &mut run.out);
        assert_eq!(sent.is_ok(), v["api_may_send"], "{sent:?}");
        assert_eq!(run.out.is_empty(), sent.is_err());
    });
}

#[test]
fn close_bodies() {
    section("close_body", |v| {
        let expect = &v["expect"];
        for receiver in [Role::Client, Role::Server] {
            for cuts in Cuts::ALL {
                let mut run = Run::new(receiver);
                run.feed_cut(&frame(receiver, 0x88, &bytes(v, "body_hex")), cuts);
                let mut errors = expect["error_any"].as_array().cloned().unwrap_or_default();
                errors.extend(expect.get("error").cloned());
                match &run.events[..] {
                    [Event::Failed(error)] => {
                        assert!(errors.contains(&error.close_code().0.into()));
                    }
                    [Event::Close { code, reason }] => {
                        assert_eq!(expect["code"], code.0);
                        // A Close without a body has no reason.
                        let expected = expect["reason"].as_str().unwrap_or_default();
                        assert_eq!(expected, &**reason);
                        let (code, by_peer) = (*code, true);
                        assert_eq!(run.eof(), End::Closed { code, by_peer });
                    }
                    other => panic!("{other:?}"),
                }
                if let Some(reply) = expect["reply_body_hex"].as_str() {
                    assert_eq!(hex(&run.sent()[0].payload), reply);
                }
            }
        }
    });
}

#[test]
fn close_api() {
    section("close_api", |v| {
        let arguments = &v["arguments"];
        let code = arguments["code"]
            .as_u64()
            .map(|code| CloseCode(code as u16));
        for role in [Role::Client, Role::Server] {
            let mut run = Run::new(role);
            let reason = arguments["reason"].as_str().unwrap_or("");
            let result = run.ws.close(code, reason, &mut run.out);
            if v["expect"]["api_error"] == true {
                assert!(result.is_err() && run.out.is_empty());
                assert!(run.ws.is_open());
            } else {
                assert_eq!(hex(&run.sent()[0].payload), str(&v["expect"], "body_hex"));
            }
        }
    });
}

// ---- text ----

#[test]
fn utf8() {
    section("utf8", |v| {
        let (message, valid) = (bytes(v, "hex"), v["valid"] == true);
        for receiver in [Role::Client, Role::Server] {
            for cuts in Cuts::ALL {
                let mut run = Run::new(receiver);
                run.feed_cut(&frame(receiver, 0x81, &message), cuts);
                if valid {
                    let message = std::str::from_utf8(&message).unwrap();
                    assert_eq!(run.events, [text(message)]);
                } else {
                    assert_eq!(run.events, [Event::Failed(ProtocolError::TextNotUtf8)]);
                }
            }
        }
        // The first bad byte fails the connection, in a frame that is still arriving, and in
        // fragments of one byte each.
        let at = match v["fail_at"].as_u64() {
            Some(at) => at as usize,
            None if v["ends_inside_character"] == true => message.len() - 1,
            None => return,
        };
        let mut run = Run::new(Role::Client);
        run.feed(&frame_header(Role::Client, 0x81, message.len() as u64));
        let mut fragments = Run::new(Role::Client);
        for (index, byte) in message.iter().enumerate() {
            assert!(run.events.is_empty() && fragments.events.is_empty());
            let fin = if index + 1 == message.len() { 0x80 } else { 0 };
            run.feed(&[*byte]);
            fragments.feed(&frame(Role::Client, fin | u8::from(index == 0), &[*byte]));
            if index == at {
                assert_eq!(run.events, [Event::Failed(ProtocolError::TextNotUtf8)]);
                assert_eq!(fragments.events, run.events);
                return;
            }
        }
    });
}
