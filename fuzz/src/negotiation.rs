//! Lists of extensions and the negotiation of permessage-deflate (RFC 6455, section 9.1; RFC 7692, section 7).
//!
//! Invariant: nothing that was not offered is agreed on, and what one end answers the other takes.

use crate::allocator::peak;
use crate::heads::any_config;
use crate::script::Script;
use sansocket::{Connection, Deflate, Extension, Settings};

/// The lines of a request, and after an empty line those of a response.
pub fn negotiation(data: &[u8]) {
    let (mut script, bytes) = Script::split(data);
    let mine = any_config(&mut script).deflate.unwrap_or_default();
    let theirs = any_config(&mut script).deflate.unwrap_or_default();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (request, response) = bytes.split_at(end.unwrap_or(bytes.len()));
    let response = response.get(2..).unwrap_or_default();
    let offered = read(request);
    let answered = read(response);

    let accepted = offered.as_deref().and_then(|offered| {
        let answer = mine.accept(offered)?;
        // A client that has offered this takes it, if no window is too small for it.
        let agreed = Deflate::default().agree(offered, std::slice::from_ref(&answer));
        assert_eq!(agreed.as_ref().ok(), Some(&Some(answer.clone())));
        is_usable(&mine, &answer);
        Some(answer)
    });
    assert!(accepted.is_none_or(|answer| answer.to_string().len() < 180));

    if let (Some(offered), Some(answered)) = (&offered, &answered)
        && let Ok(Some(agreed)) = theirs.agree(offered, answered)
    {
        assert!(offered.iter().any(|offer| offer.name() == Deflate::NAME));
        assert!(answered.contains(&agreed));
        is_usable(&theirs, &agreed);
    }
    // What one of us offers, the other accepts or declines, and the first agrees.
    let offer = [theirs.offer()];
    if let Some(answer) = mine.accept(&offer) {
        let is_too_small = theirs.agree(&offer, &[answer]).is_err();
        assert!(!is_too_small || theirs.min_window_bits > 8);
    }
}

/// The elements of these lines. What is read is read again from what is shown.
fn read(lines: &[u8]) -> Option<Vec<Extension>> {
    let lines: Vec<_> = lines.split(|byte| *byte == b'\n').collect();
    let (list, held) = peak(|| Extension::parse_list(&lines).map(Iterator::count));
    let len: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert!(held <= 2 * len as isize + 64, "{held} bytes held of {len}");
    let count = list.ok()?;
    assert!(count <= len / 2 + 1);
    let list: Vec<_> = Extension::parse_list(&lines)
        .expect("it was read")
        .collect();
    let shown: Vec<_> = list.iter().map(ToString::to_string).collect();
    let again = Extension::parse_list([shown.join(", ")]).expect("what is shown is a list");
    assert_eq!(again.collect::<Vec<_>>(), list);
    Some(list)
}

fn is_usable(deflate: &Deflate, agreed: &Extension) {
    assert_eq!(agreed.name(), Deflate::NAME);
    for ws in [
        Connection::server(Settings::default()),
        Connection::client(Settings::default(), [7; 32]),
    ] {
        assert!(ws.with_deflate(deflate, agreed).is_ok());
    }
}
