//! Messages whose payload stays where it is. The law of this file: what is written is, octet for
//! octet, what an ordinary send appends, and the connection goes on alike.

mod support;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{CloseCode, Config, Connection, Deflate, DeflateConfig, DeflateParams, SendError};
use support::*;

/// A way to send a text or a binary message; what is written is `out` and what comes back.
type Way = fn(&mut Connection, bool, &[u8], &mut BytesMut) -> Result<Vec<u8>, SendError>;

fn ordinary(
    ws: &mut Connection,
    text: bool,
    data: &[u8],
    out: &mut BytesMut,
) -> Result<Vec<u8>, SendError> {
    match text {
        true => ws.send_text(str(data), out)?,
        false => ws.send_binary(data, out)?,
    }
    Ok(Vec::new())
}

fn apart(
    ws: &mut Connection,
    text: bool,
    data: &[u8],
    out: &mut BytesMut,
) -> Result<Vec<u8>, SendError> {
    let rest = match text {
        true => ws.send_apart(str(data), out)?,
        false => ws.send_apart(data, out)?,
    };
    assert!(rest.is_empty() || rest.as_ptr() == data.as_ptr(), "no copy");
    Ok(rest.into())
}

fn in_place(
    ws: &mut Connection,
    text: bool,
    data: &[u8],
    out: &mut BytesMut,
) -> Result<Vec<u8>, SendError> {
    if text {
        let text = str(data).to_owned();
        let place = text.as_ptr();
        let rest = ws.send_text_in_place(text, out)?;
        assert!(rest.is_empty() || rest.as_ptr() == place, "no copy");
        return Ok(rest);
    }
    let mut data = data.to_vec();
    let place = data.as_ptr();
    let rest = ws.send_binary_in_place(&mut data, out)?;
    assert!(rest.is_empty() || rest.as_ptr() == place, "no copy");
    Ok(rest.into())
}

const WAYS: [Way; 2] = [apart, in_place];

fn str(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap()
}

fn connections(role: sansocket::Role, deflate: Option<DeflateParams>) -> [Connection; 2] {
    [(); 2].map(|()| {
        let ws = connection(role, &Config::default());
        match &deflate {
            Some(params) => ws.with_deflate(&Deflate::new(DeflateConfig::default()), params),
            None => ws,
        }
    })
}

fn lens() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..300_usize,
        1 => prop::sample::select(vec![125, 126, 127, 128, 65_535, 65_536, 100_000]),
    ]
}

proptest! {
    #![proptest_config(proptest_config(300, "proptest-regressions/apart.txt"))]

    #[test]
    fn what_is_written_is_what_an_ordinary_send_appends(
        role in prop::sample::select(&ROLES[..]),
        deflate in prop::option::of(any::<bool>()),
        messages in prop::collection::vec((any::<bool>(), lens(), any::<bool>(), 0..2_usize), 1..12),
    ) {
        let deflate = deflate.map(|forgets| DeflateParams {
            server_no_context_takeover: forgets,
            client_no_context_takeover: forgets,
            ..DeflateParams::default()
        });
        let [mut one, mut other] = connections(role, deflate);
        for (text, len, compress, way) in messages {
            one.set_compression(compress);
            other.set_compression(compress);
            let data: Vec<u8> = (0..len).map(|i| b'a' + (i * i % 23) as u8).collect();
            let mut expected = BytesMut::from("before");
            ordinary(&mut one, text, &data, &mut expected).unwrap();
            let mut out = BytesMut::from("before");
            let rest = WAYS[way](&mut other, text, &data, &mut out).unwrap();
            out.extend_from_slice(&rest);
            prop_assert!(out == expected);
        }
    }
}

#[test]
fn a_large_payload_of_a_server_is_never_in_the_output() {
    let [mut ws, _] = connections(sansocket::Role::Server, None);
    for way in WAYS {
        let mut out = BytesMut::new();
        assert_eq!(
            way(&mut ws, false, &[7; 100_000], &mut out).unwrap().len(),
            100_000
        );
        assert_eq!(out.len(), 10);
    }
}

#[test]
fn a_large_payload_of_a_client_may_be_masked_where_it_lies() {
    let [mut ws, _] = connections(sansocket::Role::Client, None);
    let mut out = BytesMut::new();
    assert_eq!(
        in_place(&mut ws, true, &[b'x'; 100_000], &mut out)
            .unwrap()
            .len(),
        100_000
    );
    assert_eq!(out.len(), 14);
}

#[test]
fn what_cannot_be_sent_leaves_nothing() {
    for role in ROLES {
        for way in WAYS {
            let [mut ws, _] = connections(role, None);
            let mut out = BytesMut::new();
            ws.send_first_fragment("begun", &mut out).unwrap();
            out.clear();
            let mut data = *b"data";
            assert_eq!(
                way(&mut ws, false, &data, &mut out),
                Err(SendError::MessageUnfinished)
            );
            assert!(ws.send_binary_in_place(&mut data, &mut out).is_err());
            ws.close(CloseCode::NORMAL, "", &mut out).unwrap();
            out.clear();
            assert_eq!(way(&mut ws, true, &data, &mut out), Err(SendError::NotOpen));
            assert!(ws.send_binary_in_place(&mut data, &mut out).is_err());
            assert!(
                out.is_empty() && data == *b"data",
                "nothing is appended or masked"
            );
        }
    }
}
