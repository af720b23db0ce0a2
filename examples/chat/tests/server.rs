//! The server over real sockets, without Redis: what `PROTOCOL.md` says, and attacks.

mod support;

use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{Client, Server, text_of};

/// Waits for an event of this type; others are skipped.
async fn of_type(client: &mut Client, kind: &str) -> Value {
    loop {
        let event = client.event().await;
        if event["type"] == kind {
            return event;
        }
    }
}

/// Says something and waits for its receipt; returns its id.
async fn say(client: &mut Client, room: &str, key: &str, text: &str) -> u64 {
    client
        .send(json!({"type": "say", "room": room, "key": key, "text": text}))
        .await;
    loop {
        let event = of_type(client, "messages").await;
        for message in event["messages"].as_array().unwrap() {
            if message["key"] == key && message["from"] == client.welcome["you"] {
                return message["id"].as_u64().unwrap();
            }
        }
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_good_token() {
    let server = Server::start();
    let ada = server.log_in("Ada").await;
    let eve = server.log_in("Eve").await;
    let (_, signature) = eve.rsplit_once('.').unwrap();
    let (signed, _) = ada.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{signature}");
    for token in ["", "x", &forged, &format!("{ada}x"), &ada[..ada.len() - 1]] {
        assert_eq!(
            server.refusal(Some(token), "chat.v1", None).await,
            401,
            "{token}"
        );
    }
    assert_eq!(server.refusal(None, "chat.v1", None).await, 401);
    assert_eq!(server.refusal(Some(&ada), "other", None).await, 400);
    assert_eq!(
        server
            .refusal(Some(&ada), "chat.v1", Some("https://evil.example"))
            .await,
        403
    );
    // Somebody else has the name, in whatever case.
    assert_eq!(
        server.post("/login", r#"{"name": "aDA"}"#, &[]).await.0,
        409
    );
    for name in [
        "",
        "<script>alert(1)</script>",
        "a\u{202e}b",
        &"x".repeat(33),
        &"x".repeat(900),
    ] {
        let body = json!({"name": name}).to_string();
        assert_eq!(server.post("/login", &body, &[]).await.0, 422, "{name}");
    }
    assert_eq!(server.post("/login", &"x".repeat(2_000), &[]).await.0, 413);
    // Logged out, the name is free.
    let bearer = format!("Bearer {ada}");
    assert_eq!(
        server
            .post("/logout", "", &[("Authorization", &bearer)])
            .await
            .0,
        204
    );
    assert_eq!(
        server.post("/login", r#"{"name": "ADA"}"#, &[]).await.0,
        200
    );
}

#[tokio::test]
async fn what_one_says_everybody_hears() {
    let server = Server::start();
    let mut ada = server.client("Ada").await;
    let mut bob = server.client("Bob").await;
    assert_eq!(ada.welcome["you"], "Ada");
    ada.enter("lobby", None).await;
    assert_eq!(of_type(&mut ada, "entered").await["here"], json!(["Ada"]));
    say(&mut ada, "lobby", "a1", "before Bob came").await;

    bob.enter("lobby", None).await;
    let history = of_type(&mut bob, "messages").await;
    assert_eq!(
        (&history["reset"], text_of(&history)),
        (&json!(true), vec!["before Bob came".into()])
    );
    assert_eq!(
        of_type(&mut bob, "entered").await["here"],
        json!(["Ada", "Bob"])
    );
    let mut joined = json!([]);
    while !joined.as_array().unwrap().contains(&json!("Bob")) {
        joined = of_type(&mut ada, "here").await["joined"].take();
    }

    let script = "<script>alert('x')</script> & \u{202e} \0";
    assert_eq!(say(&mut bob, "lobby", "b1", script).await, 2);
    let heard = of_type(&mut ada, "messages").await;
    assert_eq!(heard["messages"][0]["text"], script);
    assert_eq!(heard["messages"][0]["from"], "Bob");

    bob.send(json!({"type": "typing", "room": "lobby"})).await;
    assert_eq!(of_type(&mut ada, "typing").await["name"], "Bob");
    bob.send(json!({"type": "ping"})).await;
    of_type(&mut bob, "pong").await;
    bob.send(json!({"type": "of a later version", "x": 1}))
        .await;
    bob.send(json!({"type": "leave", "room": "lobby"})).await;
    assert_eq!(of_type(&mut ada, "here").await["left"], json!(["Bob"]));
}

#[tokio::test]
async fn whoever_comes_back_gets_what_was_missed_once_and_in_order() {
    let server = Server::start();
    let token = server.log_in("Ada").await;
    let mut bob = server.client("Bob").await;
    let mut ada = server.connect(&token).await;
    ada.enter("lobby", None).await;
    let epoch = of_type(&mut ada, "messages").await["epoch"].clone();
    bob.enter("lobby", None).await;
    of_type(&mut bob, "entered").await;
    let mut seen = Vec::new();
    for number in 0..30 {
        say(&mut bob, "lobby", &format!("k{number}"), "text").await;
    }
    while seen.len() < 10 {
        seen.extend(support::ids(&of_type(&mut ada, "messages").await));
    }
    drop(ada); // without a goodbye
    // What Ada does not know the fate of is said again, and stored once.
    let mut ada = server.connect(&token).await;
    ada.enter("lobby", Some(json!({"epoch": epoch, "id": seen.last()})))
        .await;
    loop {
        let event = ada.event().await;
        match event["type"].as_str().unwrap() {
            "messages" => {
                assert_eq!(event["reset"], false);
                seen.extend(support::ids(&event));
            }
            "entered" => break,
            _ => {}
        }
    }
    assert_eq!(seen, (1..=30).collect::<Vec<u64>>());
    let first = say(&mut ada, "lobby", "same", "once").await;
    assert_eq!(say(&mut ada, "lobby", "same", "once").await, first);
    assert_eq!(
        say(&mut bob, "lobby", "same", "another person's key").await,
        first + 1
    );
}

#[tokio::test]
async fn nothing_is_missing_between_catching_up_and_what_is_live() {
    let server = Arc::new(Server::start());
    let mut bob = server.client("Bob").await;
    bob.enter("lobby", None).await;
    of_type(&mut bob, "entered").await;
    let token = server.log_in("Ada").await;
    let text = "x".repeat(4_000);
    let mut listeners = Vec::new();
    let mut last = 0;
    for number in 0..35 {
        last = say(&mut bob, "lobby", &format!("k{number}"), &text).await;
        // Each comes while Bob talks, and has more to catch up with.
        let (server, token) = (server.clone(), token.clone());
        listeners.push(tokio::spawn(async move {
            let mut ada = server.connect(&token).await;
            ada.enter("lobby", None).await;
            let mut seen = 0;
            while seen < 35 {
                for id in support::ids(&of_type(&mut ada, "messages").await) {
                    assert_eq!(id, seen + 1);
                    seen = id;
                }
            }
        }));
    }
    assert_eq!(last, 35);
    for listener in listeners {
        listener.await.unwrap();
    }
}

/// A message for a room is compressed once, and those who do not compress get it as it is.
#[tokio::test]
async fn compression_is_for_those_who_have_it() {
    let server = Server::start();
    let mut plain = server.client("Ada").await;
    let mut compressed = server.connect_compressed(&server.log_in("Bob").await).await;
    for client in [&mut plain, &mut compressed] {
        client.enter("lobby", None).await;
        of_type(client, "entered").await;
    }
    let text = "once again ".repeat(100);
    say(&mut plain, "lobby", "a1", &text).await;
    assert_eq!(
        text_of(&of_type(&mut compressed, "messages").await),
        [json!(text)]
    );
    say(&mut compressed, "lobby", "b1", &text).await;
    assert_eq!(
        text_of(&of_type(&mut plain, "messages").await),
        [json!(text)]
    );
}

#[tokio::test]
async fn a_forged_position_starts_the_room_anew() {
    let server = Server::start();
    let mut ada = server.client("Ada").await;
    ada.enter("lobby", None).await;
    let epoch = of_type(&mut ada, "messages").await["epoch"].clone();
    of_type(&mut ada, "entered").await;
    say(&mut ada, "lobby", "a1", "one").await;
    let forged = [
        json!({"epoch": epoch, "id": 2}),
        json!({"epoch": epoch, "id": u64::MAX}),
        json!({"epoch": "0", "id": 1}),
        json!({"epoch": "x".repeat(5_000), "id": 0}),
    ];
    for position in forged {
        ada.enter("lobby", Some(position)).await;
        let event = of_type(&mut ada, "messages").await;
        assert_eq!(
            (&event["reset"], text_of(&event)),
            (&json!(true), vec!["one".into()])
        );
        of_type(&mut ada, "entered").await;
    }
    for id in [json!(-1), json!(1.5), json!("1"), json!(1e300)] {
        let mut eve = server.client("Eve").await;
        eve.enter("lobby", Some(json!({"epoch": epoch, "id": id})))
            .await;
        assert_eq!(eve.close_code().await, 1008);
        server.forget("Eve").await;
    }
}

#[tokio::test]
async fn what_is_not_chat_v1_ends_the_connection_and_no_other() {
    let server = Server::start();
    let mut ada = server.client("Ada").await;
    ada.enter("lobby", None).await;
    of_type(&mut ada, "entered").await;
    let eve = server.log_in("Eve").await;
    let deep = "[".repeat(8_000);
    for text in [
        "",
        "hello",
        "{}",
        "null",
        "[]",
        r#"{"type": 1}"#,
        r#"{"type": "say"}"#,
        &deep,
    ] {
        let mut eve = server.connect(&eve).await;
        eve.send_text(text).await;
        assert_eq!(eve.close_code().await, 1008, "{text:.20}");
    }
    let mut binary = server.connect(&eve).await;
    binary.send_binary(b"x").await;
    assert_eq!(binary.close_code().await, 1003);
    let mut large = server.connect(&eve).await;
    large.enter(&"x".repeat(1 << 20), None).await;
    assert_eq!(large.close_code().await, 1009);
    say(&mut ada, "lobby", "a1", "still here").await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_words() {
    let server = Server::start();
    let mut ada = server.client("Ada").await;
    let refused = async |ada: &mut Client, request: Value, code: &str| {
        ada.send(request).await;
        let event = of_type(ada, "refused").await;
        assert_eq!(event["code"], code);
        assert!(!event["why"].as_str().unwrap().is_empty());
    };
    for room in ["", " ", "<b>", &"x".repeat(65)] {
        refused(&mut ada, json!({"type": "enter", "room": room}), "bad_room").await;
    }
    let say = json!({"type": "say", "room": "lobby", "text": "x"});
    refused(&mut ada, say, "not_entered").await;
    refused(
        &mut ada,
        json!({"type": "leave", "room": "lobby"}),
        "not_entered",
    )
    .await;
    refused(
        &mut ada,
        json!({"type": "typing", "room": "lobby"}),
        "not_entered",
    )
    .await;
    ada.enter("lobby", None).await;
    of_type(&mut ada, "entered").await;
    let long = json!({"type": "say", "room": "lobby", "text": "x".repeat(4097)});
    refused(&mut ada, long, "bad_text").await;
    let blank = json!({"type": "say", "room": "lobby", "text": " \n"});
    refused(&mut ada, blank, "bad_text").await;
    let key = json!({"type": "say", "room": "lobby", "key": "a b", "text": "x"});
    refused(&mut ada, key, "bad_key").await;
    for number in 1..20 {
        ada.enter(&format!("room {number}"), None).await;
    }
    refused(
        &mut ada,
        json!({"type": "enter", "room": "one more"}),
        "too_many_rooms",
    )
    .await;
}

#[tokio::test]
async fn too_many_messages_end_the_connection() {
    let server = Server::start();
    let mut ada = server.client("Ada").await;
    for _ in 0..1_000 {
        if !ada
            .try_send(json!({"type": "enter", "room": "lobby"}))
            .await
        {
            break;
        }
    }
    assert_eq!(ada.close_code().await, 1008);
}

#[tokio::test]
async fn a_thousand_joins_a_second_cost_the_room_a_few_events() {
    let server = Server::start();
    let mut ada = server.client("Ada").await;
    ada.enter("lobby", None).await;
    of_type(&mut ada, "entered").await;
    let eve = server.log_in("Eve").await;
    let joins = async {
        for _ in 0..50 {
            // Each connection enters and leaves as often as it may at once.
            let mut client = server.connect(&eve).await;
            for _ in 0..20 {
                client.send(json!({"type": "enter", "room": "lobby"})).await;
                client.send(json!({"type": "leave", "room": "lobby"})).await;
            }
            client.send(json!({"type": "ping"})).await;
        }
    };
    joins.await;
    let mut events = 0;
    ada.send(json!({"type": "ping"})).await;
    loop {
        match ada.event().await["type"].as_str().unwrap() {
            "pong" => break,
            _ => events += 1,
        }
    }
    assert!(events < 200, "{events} events for 1,000 joins");
    say(&mut ada, "lobby", "a1", "still here").await;
}

#[tokio::test]
async fn whoever_reads_too_slowly_is_told_and_comes_back_for_the_rest() {
    let server = Server::start();
    let token = server.log_in("Slow").await;
    let mut slow = server.connect_slowly(&token).await;
    slow.enter("lobby", None).await;
    let epoch = of_type(&mut slow, "messages").await["epoch"].clone();
    of_type(&mut slow, "entered").await;
    let text = "x".repeat(4_000);
    let mut last = 0;
    // Those who talk read what they hear; one of them at a time, as each may say a few things at once.
    for talker in 0..10 {
        let mut talker = server.client(&format!("Talker {talker}")).await;
        talker.enter("lobby", None).await;
        of_type(&mut talker, "entered").await;
        for number in 0..30 {
            last = say(&mut talker, "lobby", &format!("k{number}"), &text).await;
        }
    }
    let mut seen = 0;
    let code = loop {
        match slow.next().await {
            Ok(event) if event["type"] == "messages" => {
                for id in support::ids(&event) {
                    assert_eq!(id, seen + 1);
                    seen = id;
                }
            }
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    assert_eq!(code, 1013);
    assert!(seen < last);
    let mut again = server.connect(&token).await;
    again
        .enter("lobby", Some(json!({"epoch": epoch, "id": seen})))
        .await;
    let mut is_reset = None;
    loop {
        let event = again.event().await;
        if event["type"] == "entered" {
            break;
        }
        if event["type"] == "messages" {
            let is_first = is_reset.is_none();
            let reset = *is_reset.get_or_insert_with(|| event["reset"] == true);
            for (index, id) in support::ids(&event).into_iter().enumerate() {
                // What is older than the history is gone, and `reset` says so.
                assert!(
                    id == seen + 1 || reset && is_first && index == 0,
                    "{id} after {seen}"
                );
                seen = id;
            }
        }
    }
    assert_eq!(seen, last);
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let server = Server::start();
    let mut ada = server.client("Ada").await;
    ada.enter("lobby", None).await;
    of_type(&mut ada, "entered").await;
    server.terminate();
    assert_eq!(ada.close_code().await, 1012);
    assert!(server.wait(Duration::from_secs(20)).await.success());
}

/// A response to an upgrade that also says `close` is refused by some clients.
#[tokio::test]
async fn the_opening_handshake_says_nothing_of_closing() {
    let server = Server::start();
    let token = server.log_in("Ada").await;
    let head = format!(
        "GET /ws HTTP/1.1\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat.v1"
    );
    let answer = server.head(&head).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
}

#[tokio::test]
async fn the_page_is_all_there_and_may_load_nothing_else() {
    let server = Server::start();
    let (_, head, page) = server.get("/").await;
    assert!(
        head.to_lowercase()
            .contains("content-security-policy: default-src 'none'; script-src 'self'")
    );
    for needed in ["style.css", "icon.svg", "main.js"] {
        assert!(page.contains(needed));
        assert_eq!(server.get(&format!("/{needed}")).await.0, 200);
    }
    for script in ["main.js", "connection.js", "rooms.js", "view.js"] {
        let (_, _, text) = server.get(&format!("/{script}")).await;
        for import in text.split("from \"./").skip(1) {
            let name = import.split('"').next().unwrap();
            assert_eq!(server.get(&format!("/{name}")).await.0, 200, "{name}");
        }
        for markup in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(markup), "{script} has {markup}");
        }
    }
    assert_eq!(server.get("/me").await.0, 401);
    assert_eq!(server.get("/nothing").await.0, 404);
}
