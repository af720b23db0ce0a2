//! Laws of the negotiation, for all offers and answers (RFC 7692, section 7.1).

use crate::strategies::*;
use crate::support::deflate::*;
use crate::support::strategies::*;
use crate::support::*;
use crate::talks::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sansocket::{Deflate, Extension, HandshakeError, Settings};

/// An offer as these tests read it: the two flags, the server's bits, and the client's, which may be
/// there without a value.
type Offer = (bool, bool, Option<u8>, Option<Option<u8>>);

/// `None` if it breaks a rule.
fn offer_in(element: &Extension) -> Option<Offer> {
    let mut offer: Offer = (false, false, None, None);
    let bits = |value: &str| (8..=15).find(|bits: &u8| bits.to_string() == value);
    for (index, (name, value)) in element.params().enumerate() {
        if element.params().take(index).any(|(other, _)| other == name) {
            return None;
        }
        match (name, value) {
            ("server_no_context_takeover", None) => offer.0 = true,
            ("client_no_context_takeover", None) => offer.1 = true,
            ("server_max_window_bits", Some(value)) => offer.2 = Some(bits(value)?),
            ("client_max_window_bits", None) => offer.3 = Some(None),
            ("client_max_window_bits", Some(value)) => offer.3 = Some(Some(bits(value)?)),
            _ => return None,
        }
    }
    (element.name() == "permessage-deflate").then_some(offer)
}

/// The parameters of an answer; `None` if it breaks a rule.
fn answer_in(element: &Extension) -> Option<Params> {
    let (server, client, server_bits, client_bits) = offer_in(element)?;
    let client_bits = match client_bits {
        None => None,
        Some(bits) => Some(bits?),
    };
    Some(Params {
        server_no_context_takeover: server,
        client_no_context_takeover: client,
        server_max_window_bits: server_bits,
        client_max_window_bits: client_bits,
    })
}

fn is_of_extensions(error: &HandshakeError) -> bool {
    matches!(error, HandshakeError::Extensions(_))
}

fn bits_of(bits: Option<u8>) -> u8 {
    bits.unwrap_or(15)
}

/// Whether a server with these settings accepts the offer: the window is large enough for it.
fn is_taken(server: &Deflate, offer: &Offer) -> bool {
    let asked = offer.2.unwrap_or(15);
    asked.min(bits_of(server.server_max_window_bits)) >= server.min_window_bits
}

/// Whether the answer keeps to the offer, and to what the server wants as far as the offer lets it.
fn keeps_to(answer: &Params, offer: &Offer, server: &Deflate) -> bool {
    let (alone, _, server_bits, client_bits) = *offer;
    (answer.server_no_context_takeover || !alone && !server.server_no_context_takeover)
        && (answer.client_no_context_takeover || !server.client_no_context_takeover)
        && server_bits.is_none_or(|asked| {
            answer
                .server_max_window_bits
                .is_some_and(|bits| bits <= asked)
        })
        && bits_of(answer.server_max_window_bits) <= bits_of(server.server_max_window_bits)
        && match (answer.client_max_window_bits, client_bits) {
            (None, None) => true,
            (None, Some(_)) => server.client_max_window_bits.is_none(),
            (Some(_), None) => false,
            (Some(bits), Some(hint)) => {
                bits <= bits_of(server.client_max_window_bits).min(hint.unwrap_or(15))
            }
        }
}

/// What is said in a header field.
fn said(elements: &[Extension]) -> Vec<Extension> {
    let elements: Vec<_> = elements.iter().map(Extension::to_string).collect();
    match elements.is_empty() {
        true => Vec::new(),
        false => Vec::from_iter(Extension::parse_list([elements.join(", ")]).unwrap()),
    }
}

fn elements() -> impl Strategy<Value = Extension> {
    let names = prop_oneof![
        12 => Just("permessage-deflate"),
        1 => select(vec!["x-webkit-deflate-frame", "permessage-bzip2", "Permessage-Deflate"]),
    ];
    let windows = || {
        prop_oneof![
            6 => (8..=15_u8).prop_map(|bits| Some(bits.to_string())),
            1 => select(vec!["", "7", "16", "08", "+9", "0", "1e1", "256", "x"])
                .prop_map(|value| (!value.is_empty()).then(|| value.to_owned())),
        ]
    };
    let flags = || prop_oneof![9 => Just(None), 1 => Just(Some("1".to_owned()))];
    let hints = prop_oneof![1 => Just(None), 1 => windows()];
    let known = (
        (flags().prop_map(|value| ("server_no_context_takeover", value))),
        (flags().prop_map(|value| ("client_no_context_takeover", value))),
        (windows().prop_map(|value| ("server_max_window_bits", value))),
        (hints.prop_map(|value| ("client_max_window_bits", value))),
    );
    let others = (
        select(vec![
            "server_max_window_bits",
            "client_max_window_bits",
            "server_no_context_takeover",
            "Client_max_window_bits",
            "mode",
        ]),
        windows(),
    );
    let which = vec(prop::bool::weighted(0.4), 4);
    (
        names,
        known,
        which,
        prop::option::weighted(0.1, others),
        any::<u64>(),
    )
        .prop_map(|(name, (a, b, c, d), which, other, order)| {
            let params = [a, b, c, d].into_iter().zip(which);
            let params = params.filter_map(|(param, is_there)| is_there.then_some(param));
            let mut params: Vec<_> = params.chain(other).collect();
            let mut order = Random(order);
            for index in (1..params.len()).rev() {
                params.swap(index, order.below(index + 1));
            }
            let element = Extension::new(name).unwrap();
            params.iter().fold(element, |element, (name, value)| {
                element.param(name, value.as_deref()).unwrap()
            })
        })
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn an_answer_keeps_to_the_first_acceptable_offer(
        server in deflates(),
        client in deflates(),
        offered in vec(elements(), 0..4),
    ) {
        let answer = server.accept(&offered);
        prop_assert_eq!(&server.accept(said(&offered)), &answer);
        let mut offers = offered.iter().filter_map(offer_in);
        let offer = offers.find(|offer| is_taken(&server, offer));
        prop_assert_eq!(answer.is_some(), offer.is_some());
        let (Some(answer), Some(offer)) = (answer, offer) else {
            return Ok(());
        };
        let params = answer_in(&answer).expect("it breaks no rule");
        prop_assert_eq!(params.extension(), answer.clone());
        prop_assert!(keeps_to(&params, &offer, &server), "{answer:?}");
        let accepted = said(std::slice::from_ref(&answer));
        let agreed = Deflate::default().agree(&offered, &accepted);
        prop_assert_eq!(agreed, Ok(Some(answer.clone())));
        // This client may want to compress with a larger window than the answer leaves it.
        let is_enough = bits_of(params.client_max_window_bits) >= client.min_window_bits;
        match client.agree(&offered, &accepted) {
            Ok(agreed) => prop_assert!(is_enough && agreed == Some(answer)),
            Err(error) => prop_assert!(!is_enough && is_of_extensions(&error), "{}", error),
        }
    }

    #[test]
    fn a_client_takes_only_one_answer_that_fits_an_offer(
        offered in vec(elements(), 0..3),
        accepted in vec(elements(), 0..3),
    ) {
        let answers: Vec<_> =
            accepted.iter().filter(|element| element.name() == NAME).collect();
        let wanted = match answers[..] {
            [] => Ok(None),
            [element] => {
                let fits = |answer: &Params| {
                    offered.iter().filter_map(offer_in).any(|(alone, _, bits, own)| {
                        let server_bits = answer.server_max_window_bits;
                        (answer.server_no_context_takeover || !alone)
                            && bits.is_none_or(|asked| {
                                server_bits.is_some_and(|bits| bits <= asked)
                            })
                            && (own.is_some() || answer.client_max_window_bits.is_none())
                    })
                };
                let answer = answer_in(element).filter(fits);
                answer.map(Some).ok_or(())
            }
            _ => Err(()),
        };
        let agreed = Deflate::default().agree(&offered, &accepted);
        let agreed = agreed.map(|answer| answer.map(|answer| answer_in(&answer).unwrap()));
        prop_assert!(agreed.as_ref().err().is_none_or(is_of_extensions));
        prop_assert_eq!(agreed.map_err(drop), wanted);
    }

    #[test]
    fn exactly_the_legal_answers_make_a_connection(
        element in elements(),
        role in roles(),
    ) {
        let ws = connection(role, Settings::default());
        match ws.with_deflate(&Deflate::default(), &element) {
            Ok(ws) => prop_assert!(ws.has_deflate() && answer_in(&element).is_some()),
            Err(_) => prop_assert_eq!(answer_in(&element), None),
        }
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn two_ends_can_talk_with_what_they_agree_on(
        server in deflates(),
        client in deflates(),
        steps in steps(8),
    ) {
        let offered = said(&[client.offer()]);
        let offer = offer_in(&offered[0]).unwrap();
        prop_assert_eq!(offer.3, Some(client.client_max_window_bits));
        let Some(answer) = server.accept(&offered) else {
            prop_assert!(!is_taken(&server, &offer));
            return Ok(());
        };
        let params = answer_in(&answer).expect("it breaks no rule");
        prop_assert!(keeps_to(&params, &offer, &server), "{answer:?}");
        let least = client.min_window_bits;
        match client.agree(&offered, &said(std::slice::from_ref(&answer))) {
            Ok(agreed) => {
                prop_assert_eq!(agreed, Some(answer));
                prop_assert!(bits_of(params.client_max_window_bits) >= least);
                talk([&server, &client], &[params], &steps, 1_000);
            }
            // The server leaves the client a smaller window than it wants to compress with.
            Err(error) => {
                prop_assert!(is_of_extensions(&error), "{}", error);
                prop_assert!(bits_of(params.client_max_window_bits) < least);
            }
        }
    }
}
