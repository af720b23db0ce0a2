//! The differences that are known: who is right, and by which section.
//!
//! Invariant: a difference that is not here fails the run.

use crate::sessions::Traits;
use crate::verdict::{End, Messages, Verdict};
use sansocket::ProtocolError as Rule;

/// A known difference.
pub struct Listed {
    pub peers: &'static [&'static str],
    pub title: &'static str,
    pub right: &'static str,
    /// Whether this is it.
    applies: fn(&Case) -> bool,
}

/// What differs.
pub struct Case<'v> {
    pub rule: Option<Rule>,
    pub ours: &'v Verdict,
    pub theirs: &'v Verdict,
    pub messages: Messages,
    pub traits: Traits,
}

impl Case<'_> {
    /// They go on where we stop for this reason.
    fn goes_on(&self) -> bool {
        matches!(self.messages, Messages::Same | Messages::More)
    }

    fn ends(&self, ours: End, theirs: End) -> bool {
        (self.ours.end, self.theirs.end) == (ours, theirs)
    }

    fn is_rule_of_headers(&self) -> bool {
        use Rule as R;
        matches!(
            self.rule,
            Some(
                R::ReservedBit { .. }
                    | R::ReservedOpcode(_)
                    | R::ControlFrameFragmented
                    | R::ControlFrameTooLong
                    | R::FrameNotMasked
                    | R::FrameMasked
                    | R::LengthTopBit
                    | R::ContinuationUnexpected
                    | R::ContinuationExpected
            )
        )
    }
}

/// The entry of a difference.
pub fn entry(peer: &str, case: &Case) -> Option<usize> {
    let mut listed = LISTED.iter();
    listed.position(|listed| listed.peers.contains(&peer) && (listed.applies)(case))
}

const ALL: &[&str] = &["tungstenite", "wsproto", "websockets"];
const NOT_WSPROTO: &[&str] = &["tungstenite", "websockets"];

pub const LISTED: &[Listed] = &[
    Listed {
        peers: NOT_WSPROTO,
        title: "takes a length that is not in its shortest form",
        right: "we: RFC 6455, section 5.2, \"the minimal number of bytes MUST be used\"",
        applies: |case| case.rule == Some(Rule::LengthNotMinimal) && case.goes_on(),
    },
    Listed {
        peers: NOT_WSPROTO,
        title: "takes a control frame with a longer form of its length",
        right: "we: RFC 6455, section 5.5, \"125 bytes or less\", and section 5.2 as above",
        applies: |case| case.rule == Some(Rule::ControlFrameTooLong) && case.goes_on(),
    },
    Listed {
        peers: ALL,
        title: "judges a frame when its header, or all of it, has arrived, and here it has not",
        right: "both: RFC 6455, section 7.1.7, does not say when; we do not wait for what is refused anyway",
        applies: |case| {
            let is_late = case.is_rule_of_headers() || case.ours.end == End::Failed(1007);
            case.theirs.end == End::Open && case.messages == Messages::Same && is_late
        },
    },
    Listed {
        peers: ALL,
        title: "judges text, or compressed data, at the end of a message or of a read, and here a later fault comes first",
        right: "both: RFC 6455, section 8.1, does not say when",
        applies: |case| {
            let has_failed = matches!(case.theirs.end, End::Failed(1002 | 1009));
            case.rule == Some(Rule::TextNotUtf8) && has_failed && case.messages == Messages::Same
        },
    },
    Listed {
        peers: NOT_WSPROTO,
        title: "judges the length of a frame before its other faults",
        right: "both: one frame breaks two rules",
        applies: |case| {
            let is_too_long = case.theirs.end == End::Failed(1009);
            case.is_rule_of_headers() && is_too_long && case.messages == Messages::Same
        },
    },
    Listed {
        peers: ALL,
        title: "judges the reason of a Close before its code",
        right: "both: one frame breaks two rules",
        applies: |case| {
            let is_code = matches!(case.rule, Some(Rule::CloseCodeInvalid(_)));
            is_code && case.theirs.end == End::Failed(1007) && case.messages == Messages::Same
        },
    },
    Listed {
        peers: &["tungstenite"],
        title: "tells the application of a Close with code 1002 where the peer's code is not allowed",
        right: "both: it answers with 1002, as we do (RFC 6455, section 7.4)",
        applies: |case| {
            let is_code = matches!(case.rule, Some(Rule::CloseCodeInvalid(_)));
            is_code
                && case.ends(End::Failed(1002), End::Closed(1002))
                && case.messages == Messages::Same
        },
    },
    Listed {
        peers: &["tungstenite", "wsproto"],
        title: "does not know code 1014",
        right: "we: it is in the IANA registry (RFC 6455, section 7.4.2 and 11.7)",
        applies: |case| {
            let refused = matches!(case.theirs.end, End::Closed(1002) | End::Failed(1002));
            case.traits.close_code == Some(1014) && refused && case.messages == Messages::Same
        },
    },
    Listed {
        peers: &["websockets"],
        title: "refuses a Close between the fragments of a message",
        right: "we: RFC 6455, section 5.4, control frames may be there, and section 5.5.1 makes no exception",
        applies: |case| {
            case.traits.has_close_within_message
                && case.theirs.end == End::Failed(1002)
                && case.messages == Messages::Same
        },
    },
    Listed {
        peers: &["websockets"],
        title: "answers damaged compressed data with 1002, we with 1007",
        right: "both: RFC 7692 names no code; 1007 is for data that does not fit its type (RFC 6455, section 7.4.1)",
        applies: |case| {
            let is_damaged = matches!(
                case.rule,
                Some(Rule::CompressedDataInvalid | Rule::CompressedDataCut)
            );
            is_damaged && case.theirs.end == End::Failed(1002) && case.messages == Messages::Same
        },
    },
    Listed {
        peers: &["wsproto", "websockets"],
        title: "delivers a compressed message that is cut off",
        right: "we: RFC 7692, section 7.2.1, the data ends at the end of a block",
        applies: |case| case.rule == Some(Rule::CompressedDataCut) && case.goes_on(),
    },
    Listed {
        peers: &["wsproto", "websockets"],
        title: "fails on a compressed message without any byte, or on the next one",
        right: "both: no byte is no DEFLATE data, so a sender must not (RFC 7692, section 7.2.3.6, shows one byte); we take it as empty",
        applies: |case| case.traits.has_empty_compressed,
    },
    Listed {
        peers: &["wsproto"],
        title: "takes the rest of a compressed message as uncompressed after a control frame within it",
        right: "we: RFC 6455, section 5.4, control frames may be between fragments; RFC 7692, section 6.1",
        applies: |case| case.traits.has_control_within_compressed,
    },
    Listed {
        peers: &["wsproto", "websockets"],
        title: "takes nothing of what follows a final block, in that message or in later ones",
        right: "we: RFC 7692, section 7.2.3.4, the stream goes on after it",
        applies: |case| case.traits.has_final_block,
    },
    Listed {
        peers: &["websockets"],
        title: "takes RSV1 on the continuation of a compressed message",
        right: "we: RFC 7692, section 6.1, it is set on the first fragment only",
        applies: |case| {
            case.traits.has_rsv1_on_continuation
                && matches!(case.rule, Some(Rule::ReservedBit { .. }))
        },
    },
    Listed {
        peers: &["wsproto"],
        title: "inflates what is in a frame before it judges that the frame is out of order",
        right: "both: one frame breaks two rules",
        applies: |case| {
            let is_order = matches!(
                case.rule,
                Some(Rule::ContinuationExpected | Rule::ContinuationUnexpected)
            );
            is_order && case.theirs.end == End::Failed(1007) && case.messages == Messages::Same
        },
    },
    Listed {
        peers: &["wsproto"],
        title: "has no limit on messages",
        right: "we: RFC 6455, section 10.4",
        applies: |case| matches!(case.rule, Some(Rule::MessageTooBig { .. })) && case.goes_on(),
    },
];
