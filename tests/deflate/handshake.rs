//! permessage-deflate in the opening handshake (RFC 7692, sections 5 and 7).

use crate::runs::*;
use crate::support::deflate::*;
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    Config, Deflate, Endpoint, Extension, FieldFault, HandshakeError, OriginPolicy, ParamFault,
    ProtocolError, Role, Settings, SetupError,
};
use std::time::Duration;

// ---- the opening handshake (RFC 7692, sections 5 and 7) ----

fn with(deflate: Option<Deflate>) -> Config {
    config(|c| {
        c.deflate = deflate;
        c.origins = OriginPolicy::any();
    })
}

/// The extensions in a head, `None` if there is no such line.
fn extensions(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).unwrap();
    let lines = head
        .lines()
        .filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let lines: Vec<_> = lines.collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The head with these lines of extensions.
fn with_extensions(head: &str, lines: &[&str]) -> String {
    lines.iter().fold(head.to_owned(), |head, line| {
        with_line(&head, &format!("Sec-WebSocket-Extensions: {line}"))
    })
}

/// The connection of an endpoint whose handshake is complete.
fn connection_of(endpoint: Endpoint) -> Run {
    Run::of(endpoint.into_connection().expect("it is open"))
}

/// A server's end after a request with these lines, and its answer.
fn served(config: &Config, lines: &[&str]) -> (Run, Option<String>) {
    let head = with_extensions(REQUEST, lines);
    let mut served = serve(head.as_bytes(), Cuts::Random(1), config);
    served.accept();
    let run = connection_of(served.endpoint);
    let answer = extensions(&served.out);
    assert_eq!(answer.is_some(), run.ws.has_deflate());
    (run, answer)
}

/// A client's handshake with these lines in the response.
fn asked(config: &Config, lines: &[&str]) -> Asked {
    let head = with_extensions(RESPONSE, lines);
    ask(&client_request(), &head, b"", Cuts::Random(1), config)
}

/// Whether the open connection has permessage-deflate.
fn has_deflate(asked: &Asked) -> bool {
    assert!(asked.endpoint.is_open());
    asked.endpoint.has_deflate()
}

/// Both ends of a connection, after a complete handshake, and what they have agreed on.
fn opened(client: Option<Deflate>, server: Option<Deflate>) -> (Run, Run, Vec<Extension>) {
    let mut request = BytesMut::new();
    let (client_config, now) = (with(client), Duration::ZERO);
    let client = Endpoint::client(
        &client_request(),
        &client_config,
        [5; 32],
        now,
        &mut request,
    );
    let mut served = serve(&request, Cuts::Bytes, &with(server));
    served.accept();
    let asked = receive_response(client, &[served.out.to_vec()]);
    let extensions = asked.opened().extensions().collect();
    let (client, server) = (
        connection_of(asked.endpoint),
        connection_of(served.endpoint),
    );
    (client, server, extensions)
}

#[test]
fn a_handshake_agrees_on_it_if_both_ends_want_it() {
    each_delivery(|| {
        let long = words(2_000, 1);
        for (client, server) in [(true, true), (true, false), (false, true), (false, false)] {
            let [client_wants, server_wants] =
                [client, server].map(|wants| wants.then(Deflate::default));
            let (mut client_end, mut server_end, extensions) = opened(client_wants, server_wants);
            let is_agreed = client && server;
            assert_eq!(client_end.ws.has_deflate(), is_agreed);
            assert_eq!(server_end.ws.has_deflate(), is_agreed);
            let names: Vec<_> = extensions.iter().map(Extension::name).collect();
            assert_eq!(names, [NAME; 1][..usize::from(is_agreed)]);
            for _ in 0..3 {
                client_end.ws.send(&long, &mut client_end.out).unwrap();
                server_end.feed(&client_end.out);
                server_end.ws.send(&long, &mut server_end.out).unwrap();
                client_end.feed(&server_end.out);
                for end in [&mut client_end, &mut server_end] {
                    assert_eq!(end.events.pop(), Some(binary(&long)));
                    let frames = taken(end);
                    let first = if is_agreed { 0xc2 } else { 0x82 };
                    assert_eq!((frames[0].0, frames[0].1.len() < 1_000), (first, is_agreed));
                }
            }
        }
    });
}

#[test]
fn each_setting_reaches_both_ends() {
    each_delivery(|| {
        let settings: [fn(&mut Deflate); 6] = [
            |_| {},
            |c| c.server_no_context_takeover = true,
            |c| c.client_no_context_takeover = true,
            |c| c.server_max_window_bits = Some(8),
            |c| c.client_max_window_bits = Some(9),
            |c| {
                c.server_no_context_takeover = true;
                c.client_no_context_takeover = true;
                c.server_max_window_bits = Some(10);
                c.client_max_window_bits = Some(11);
            },
        ];
        for client in settings {
            for server in settings {
                let both = [client, server].map(deflate);
                let [of_client, of_server] = &both;
                let open = || opened(Some(of_client.clone()), Some(of_server.clone()));
                let (client, server, extensions) = open();
                // In either direction the smaller request counts.
                let least = |a: Option<u8>, b: Option<u8>| match (a, b) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                let agreed_on = Params {
                    server_no_context_takeover: both.iter().any(|c| c.server_no_context_takeover),
                    client_no_context_takeover: both.iter().any(|c| c.client_no_context_takeover),
                    server_max_window_bits: least(
                        of_client.server_max_window_bits,
                        of_server.server_max_window_bits,
                    ),
                    // The client's value is a hint, which the server need not answer.
                    client_max_window_bits: of_server
                        .client_max_window_bits
                        .and_then(|bits| least(Some(bits), of_client.client_max_window_bits)),
                };
                assert_eq!(extensions, [agreed_on.extension()]);

                // Each end can read what the other one sends, within the agreed window.
                for (mut from, mut to, takeover, window) in [
                    (
                        server,
                        client,
                        !agreed_on.server_no_context_takeover,
                        window_of(agreed_on.server_max_window_bits),
                    ),
                    {
                        let (client, server, _) = open();
                        let hint = window_of(of_client.client_max_window_bits);
                        let window = window_of(agreed_on.client_max_window_bits).min(hint);
                        let takeover = !agreed_on.client_no_context_takeover;
                        (client, server, takeover, window)
                    },
                ] {
                    let mut oracle = Oracle::new(window);
                    for seed in [1, 1, 2] {
                        let bytes = [words(1_000, seed), noise(600, 1), noise(600, 1)].concat();
                        from.ws.send(&bytes, &mut from.out).unwrap();
                        to.feed(&from.out);
                        assert_eq!(to.events.pop(), Some(binary(&bytes)));
                        assert_eq!(read(&mut oracle, &taken(&mut from), takeover), bytes);
                    }
                }
            }
        }
    });
}

#[test]
fn a_server_takes_the_first_offer_that_it_can() {
    each_delivery(|| {
        let plain = "permessage-deflate";
        // What browsers send, and what was misread elsewhere.
        for (lines, answer) in [
            (
                &["permessage-deflate; client_max_window_bits"][..],
                Some(plain),
            ),
            (&["permessage-deflate"], Some(plain)),
            (&["x-webkit-deflate-frame, permessage-deflate"], Some(plain)),
            (
                &["permessage-bzip2, permessage-deflate; client_max_window_bits=10"],
                Some(plain),
            ),
            // Several lines are one list.
            (&["x-other", "permessage-deflate"], Some(plain)),
            (
                &[
                    "permessage-deflate; x",
                    "permessage-deflate; server_max_window_bits=9",
                ],
                Some("permessage-deflate; server_max_window_bits=9"),
            ),
            // Elsewhere only the first offer was read, and unknown parameters were skipped.
            (
                &["permessage-deflate; unknown, permessage-deflate"],
                Some(plain),
            ),
            (&["permessage-deflate; unknown"], None),
            (
                &["permessage-deflate; unknown=1, permessage-deflate; unknown"],
                None,
            ),
            // Elsewhere the window that the client asked for was ignored.
            (
                &["permessage-deflate; server_max_window_bits=8"],
                Some("permessage-deflate; server_max_window_bits=8"),
            ),
            (
                &["permessage-deflate; server_max_window_bits=\"15\""],
                Some("permessage-deflate; server_max_window_bits=15"),
            ),
            (
                &["permessage-deflate; client_no_context_takeover; server_no_context_takeover"],
                Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
            ),
            // Twice is an error, whatever the value.
            (
                &["permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
                None,
            ),
            (
                &["permessage-deflate; client_no_context_takeover; client_no_context_takeover"],
                None,
            ),
            (
                &["permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"],
                None,
            ),
            (
                &["permessage-deflate; client_max_window_bits; client_max_window_bits=9"],
                None,
            ),
            (
                &["permessage-deflate; client_max_window_bits=9; client_max_window_bits"],
                None,
            ),
            // A value is missing, or there is one too many.
            (&["permessage-deflate; server_max_window_bits"], None),
            (
                &["permessage-deflate; server_no_context_takeover=true"],
                None,
            ),
            (&["permessage-deflate; client_no_context_takeover=1"], None),
            // Elsewhere the first letters of a name were enough.
            (&["permessage-deflate-2"], None),
            (&["permessage-deflat"], None),
            (&["x-permessage-deflate"], None),
            (&["perframe-deflate"], None),
            (&["Permessage-Deflate"], None),
            (&["permessage-deflate; Server_No_Context_Takeover"], None),
            (&[], None),
        ] {
            let config = with(Some(Deflate::default()));
            let (mut run, answered) = served(&config, lines);
            assert_eq!(answered.as_deref(), answer, "{lines:?}");
            run.feed(&frame(Role::Server, 0xc1, &fixed(&literals(b"abc"))));
            match answer {
                Some(_) => assert_eq!(run.events, [text("abc")]),
                None => has_failed(&mut run, ProtocolError::ReservedBit { first: 0xc1 }, 1002),
            }
            // A server that does not want it leaves the line out.
            assert_eq!(served(&with(None), lines).1, None);
        }
    });
}

/// Values that are not window sizes, but were accepted elsewhere.
const NO_WINDOW_BITS: [&str; 21] = [
    "7",
    "16",
    "0",
    "1",
    "99",
    "08",
    "+9",
    "-9",
    "1e1",
    "0x9",
    "15.0",
    "9.",
    "264",
    "65544",
    "4294967304",
    "18446744073709551624",
    "8-15",
    "nine",
    "٩",
    "\"\"",
    "\" 9\"",
];

#[test]
fn a_window_size_is_one_of_eight_words() {
    each_delivery(|| {
        // Elsewhere `parseInt` was used, and a client crashed on its result.
        let (server, client) = (
            with(Some(Deflate::default())),
            with(Some(Deflate::default())),
        );
        for bits in NO_WINDOW_BITS {
            for name in ["server_max_window_bits", "client_max_window_bits"] {
                let element = format!("permessage-deflate; {name}={bits}");
                let asked = asked(&client, &[&element]);
                assert!(
                    matches!(asked.error(), Some(HandshakeError::Extensions(_))),
                    "{element}"
                );
                assert!(asked.out.is_empty());
                // Not a token, so the entire field is invalid.
                if matches!(bits, "٩" | "\"\"" | "\" 9\"") {
                    continue;
                }
                assert_eq!(served(&server, &[&element]).1, None, "{element}");
                let (_, answer) = served(&server, &[&element, "permessage-deflate"]);
                assert_eq!(answer.as_deref(), Some("permessage-deflate"));
            }
        }
        for bits in 8..=15 {
            for value in [bits.to_string(), format!("\"{bits}\"")] {
                let element = format!("permessage-deflate; server_max_window_bits={value}");
                let answer = format!("permessage-deflate; server_max_window_bits={bits}");
                assert_eq!(served(&server, &[&element]).1, Some(answer));
                for name in ["server", "client"] {
                    let element = format!("permessage-deflate; {name}_max_window_bits={value}");
                    assert!(has_deflate(&asked(&client, &[&element])));
                }
            }
        }
    });
}

#[test]
fn a_server_asks_for_a_clients_window_only_if_the_client_knows_the_parameter() {
    each_delivery(|| {
        // Elsewhere the answer had a parameter that the client had not offered.
        let config = with(Some(deflate(|c| c.client_max_window_bits = Some(10))));
        for (offer, answer) in [
            ("permessage-deflate", "permessage-deflate"),
            (
                "permessage-deflate; client_max_window_bits",
                "permessage-deflate; client_max_window_bits=10",
            ),
            (
                "permessage-deflate; client_max_window_bits=9",
                "permessage-deflate; client_max_window_bits=9",
            ),
            (
                "permessage-deflate; client_max_window_bits=15",
                "permessage-deflate; client_max_window_bits=10",
            ),
        ] {
            let (mut run, answered) = served(&config, &[offer]);
            assert_eq!(answered.as_deref(), Some(answer));
            // The server then follows what was agreed on, not what it wanted.
            let data = noise(3_000, 1);
            run.feed(&frame(Role::Server, 0xc2, &payload(Block::Stored(data))));
            run.feed(&frame(Role::Server, 0xc2, &fixed(&[back(2_000)])));
            match answer {
                "permessage-deflate" => assert_eq!(run.events.len(), 2),
                _ => has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007),
            }
        }
    });
}

#[test]
fn windows_that_are_too_small_are_not_agreed_on() {
    each_delivery(|| {
        let ten = Some(deflate(|c| c.min_window_bits = 10));
        let config = with(ten);
        for bits in 8..=15 {
            let is_taken = bits >= 10;
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            assert_eq!(served(&config, &[&offer]).1.is_some(), is_taken);
            let both = [&*offer, "permessage-deflate"];
            let answer = served(&config, &both).1.unwrap();
            assert_eq!(
                answer,
                if is_taken {
                    &*offer
                } else {
                    "permessage-deflate"
                }
            );
            // Only the window that it compresses with itself counts.
            let element = format!("permessage-deflate; client_max_window_bits={bits}");
            assert!(served(&config, &[&element]).1.is_some());
            assert_eq!(asked(&config, &[&element]).error().is_none(), is_taken);
            assert!(asked(&config, &[&offer]).error().is_none());
        }
    });
}

#[test]
fn an_answer_that_breaks_a_rule_ends_the_handshake() {
    let asks_for_ten = deflate(|c| {
        c.server_max_window_bits = Some(10);
        c.server_no_context_takeover = true;
        c.client_no_context_takeover = true;
    });
    let ten = "permessage-deflate; server_no_context_takeover; server_max_window_bits";
    let [nine, exactly, eleven] = [9, 10, 11].map(|bits| format!("{ten}={bits}"));
    let plain = Deflate::default();
    for (deflate, lines, is_taken) in [
        (&plain, &["permessage-deflate"][..], true),
        (
            &plain,
            &["permessage-deflate; server_no_context_takeover"],
            true,
        ),
        (
            &plain,
            &["permessage-deflate; client_no_context_takeover; server_max_window_bits=9"],
            true,
        ),
        (
            &plain,
            &["permessage-deflate; client_max_window_bits=8"],
            true,
        ),
        (
            &plain,
            &["permessage-deflate; client_max_window_bits=\"12\""],
            true,
        ),
        (&plain, &[], true),
        // Two answers.
        (&plain, &["permessage-deflate, permessage-deflate"], false),
        (&plain, &["permessage-deflate", "permessage-deflate"], false),
        (
            &plain,
            &["permessage-deflate; server_max_window_bits=9, permessage-deflate"],
            false,
        ),
        // Parameters: unknown, twice, without their value, with one.
        (&plain, &["permessage-deflate; unknown"], false),
        (
            &plain,
            &["permessage-deflate; server_no_context_takeover=1"],
            false,
        ),
        (
            &plain,
            &["permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
            false,
        ),
        (
            &plain,
            &["permessage-deflate; server_max_window_bits"],
            false,
        ),
        (
            &plain,
            &["permessage-deflate; client_max_window_bits"],
            false,
        ),
        (
            &plain,
            &["permessage-deflate; client_max_window_bits=9; client_max_window_bits=9"],
            false,
        ),
        // Less than the client asked for.
        (&asks_for_ten, &[&*exactly], true),
        (&asks_for_ten, &[&*nine], true),
        (&asks_for_ten, &[&*eleven], false),
        (
            &asks_for_ten,
            &["permessage-deflate; server_max_window_bits=10"],
            false,
        ),
        (
            &asks_for_ten,
            &["permessage-deflate; server_no_context_takeover"],
            false,
        ),
        (&asks_for_ten, &["permessage-deflate"], false),
        (&asks_for_ten, &[], true),
    ] {
        let asked = asked(&with(Some(deflate.clone())), lines);
        if is_taken {
            assert_eq!(has_deflate(&asked), !lines.is_empty());
            assert_eq!(asked.opened().extensions().count(), lines.len());
        } else {
            assert!(
                matches!(asked.error(), Some(HandshakeError::Extensions(_))),
                "{lines:?}"
            );
        }
        assert!(asked.out.is_empty(), "nothing is sent in either case");
    }
    // Names that were not offered.
    for (deflate, lines, found) in [
        (
            Some(plain.clone()),
            &["permessage-deflate-2"][..],
            "permessage-deflate-2",
        ),
        (
            Some(plain.clone()),
            &["Permessage-Deflate"],
            "Permessage-Deflate",
        ),
        (
            Some(plain.clone()),
            &["x-webkit-deflate-frame"],
            "x-webkit-deflate-frame",
        ),
        (
            Some(plain.clone()),
            &["permessage-deflate, x-other"],
            "x-other",
        ),
        (
            Some(plain.clone()),
            &["permessage-deflate", "x-other"],
            "x-other",
        ),
        (None, &["permessage-deflate"], NAME),
    ] {
        let asked = asked(&with(deflate), lines);
        let error = HandshakeError::ExtensionNotOffered(found.into());
        assert_eq!(asked.error(), Some(error), "{lines:?}");
        assert!(asked.out.is_empty(), "nothing is sent");
    }
    // Offered without `client_max_window_bits`.
    let list = |list: &str| Vec::from_iter(Extension::parse_list([list]).unwrap());
    let (offer, answer) = (
        list("permessage-deflate"),
        list("permessage-deflate; client_max_window_bits=10"),
    );
    let refused = |fault| Err(HandshakeError::Extensions(fault));
    let not_offered = FieldFault::Param {
        param: "client_max_window_bits=10".into(),
        fault: ParamFault::NotOffered,
    };
    assert_eq!(plain.agree(&offer, &answer), refused(not_offered));
    let agreed = Params::default().extension();
    assert_eq!(plain.agree(&offer, &offer), Ok(Some(agreed)));
    assert_eq!(plain.agree(&offer, &[]), Ok(None));
    let twice = [&offer[..], &offer].concat();
    assert_eq!(plain.agree(&offer, &twice), refused(FieldFault::Duplicate));
}

/// Elements that no handshake agrees on.
#[test]
fn an_element_that_breaks_a_rule_makes_no_connection() {
    let none = Extension::new("permessage-bzip2").unwrap();
    let mut elements = vec![none, Extension::new("Permessage-Deflate").unwrap()];
    for (params, is_twice) in [
        (&[("mode", None)][..], false),
        (&[("server_max_window_bits", None)], false),
        (&[("client_max_window_bits", None)], false),
        (&[("server_max_window_bits", Some("7"))], false),
        (&[("client_max_window_bits", Some("16"))], false),
        (&[("client_max_window_bits", Some("08"))], false),
        (&[("server_no_context_takeover", Some("1"))], false),
        (&[("client_no_context_takeover", Some("15"))], false),
        (&[("server_no_context_takeover", None)], true),
        (&[("client_no_context_takeover", None)], true),
        (&[("server_max_window_bits", Some("9"))], true),
        (&[("client_max_window_bits", Some("9"))], true),
    ] {
        let mut element = Extension::new(NAME).unwrap();
        for _ in 0..=u8::from(is_twice) {
            for (name, value) in params {
                element = element.param(name, *value).unwrap();
            }
        }
        elements.push(element);
    }
    for role in ROLES {
        for element in &elements {
            let ws = connection(role, Settings::default());
            let result = ws.with_deflate(&Deflate::default(), element);
            let error = result.map(|ws| ws.has_deflate()).unwrap_err();
            assert_eq!(error, SetupError::Extension, "{element}");
        }
        for bits in 8..=15 {
            for no_takeover in [false, true] {
                let params = Params::both_ways(bits, no_takeover);
                let ws = connection(role, Settings::default());
                assert!(params.agreed(ws, &Deflate::default()).has_deflate());
            }
        }
    }
}

#[test]
fn a_request_may_be_accepted_without_it() {
    each_delivery(|| {
        let config = with(Some(Deflate::default()));
        let head = with_extensions(REQUEST, &["permessage-deflate, x-other"]);
        let served = || serve(head.as_bytes(), Cuts::AtOnce, &config);
        let mut declined = served();
        declined.request_mut().decline_deflate();
        declined.accept();
        assert_eq!(extensions(&declined.out), None);
        let mut run = connection_of(declined.endpoint);
        assert!(!run.ws.has_deflate());
        run.ws.send(&"x".repeat(1_000), &mut run.out).unwrap();
        assert_eq!(taken(&mut run)[0].0, 0x81);
        run.feed(&frame(Role::Server, 0xc1, b""));
        has_failed(&mut run, ProtocolError::ReservedBit { first: 0xc1 }, 1002);

        // An application may have extensions of its own, but not this one.
        let own = |name: &str| Extension::new(name).unwrap();
        let mut beside = served();
        let request = beside.request_mut();
        let twice = request.select_extension(own(NAME));
        assert_eq!(twice, Err(SetupError::NotOffered));
        request.select_extension(own("x-other")).unwrap();
        beside.accept();
        assert_eq!(
            extensions(&beside.out).as_deref(),
            Some("permessage-deflate, x-other")
        );
        assert!(beside.endpoint.has_deflate());
        let mut instead = served();
        instead.request_mut().decline_deflate();
        instead.request_mut().select_extension(own(NAME)).unwrap();
        instead.accept();
        assert_eq!(
            extensions(&instead.out).as_deref(),
            Some("permessage-deflate")
        );
        assert!(!instead.endpoint.has_deflate());
    });
}

#[test]
fn a_client_that_requires_it_closes_without_it() {
    let config = with(Some(Deflate::default()));
    let needs = client_request().extension(Extension::new(NAME).unwrap(), true);
    let accepted = with_extensions(RESPONSE, &["permessage-deflate"]);
    let with_it = ask(&needs, &accepted, b"", Cuts::AtOnce, &config);
    assert!(has_deflate(&with_it));
    assert!(with_it.out.is_empty());
    let without = ask(&needs, RESPONSE, b"", Cuts::AtOnce, &config);
    assert_eq!(without.opened().extensions().next(), None);
    assert!(!without.endpoint.is_open(), "it is closing");
    let frames = raw_frames(&without.out, Role::Client);
    assert_eq!((frames.len(), frames[0].0), (1, 0x88));
    assert_eq!(frames[0].1[..2], 1010_u16.to_be_bytes());
}

#[test]
fn a_message_in_the_same_read_as_the_handshake_is_inflated() {
    each_delivery(|| {
        // Elsewhere bytes after the head were lost, and with them the start of the window.
        let config = with(Some(Deflate::default()));
        let response = with_extensions(RESPONSE, &["permessage-deflate"]);
        let after = frames(
            Role::Client,
            &[
                (0xc1, &fixed(&literals(b"abcdef"))),
                (0xc1, &fixed(&[back(6)])),
            ],
        );
        for cuts in Cuts::ALL {
            let asked = ask(&client_request(), &response, &after, cuts, &config);
            asked.opened();
            let rest = asked.rest;
            let mut run = connection_of(asked.endpoint);
            run.feed(&rest);
            assert_eq!(run.events, [text("abcdef"), text("abc")]);
        }
    });
}
