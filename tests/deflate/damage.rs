//! Streams that are cut or damaged, and text that is not UTF-8.
//!
//! Invariant: an incomplete stream is never delivered, and each fault is found while the
//! message comes in.

use crate::runs::*;
use crate::support::deflate::*;
use crate::support::*;
use sansocket::{Event, ProtocolError, Role};

// ---- cut and damaged streams (RFC 7692, section 7.2.2) ----

/// Payloads of legal messages, of every kind of block.
fn legal() -> Vec<Vec<u8>> {
    let tokens = vec![Token::Literal(b'h'), back(1), Token::Literal(0xf0), back(5)];
    let block = || Block::Dynamic([literals(b"The quick brown fox "), tokens.clone()].concat());
    vec![
        payload(Block::Stored(b"stored bytes".to_vec())),
        fixed(&tokens),
        payload(block()),
        bomb(20_000),
        write_message(&[
            (Block::Fixed(tokens.clone()), false),
            (Block::Stored(b"and".to_vec()), true),
            (block(), true),
            (Block::Stored(Vec::new()), false),
            (block(), false),
        ]),
    ]
}

/// Asserts that the reader by hand judges a message with this payload in the same way: delivered, or refused
/// with 1007. Returns whether it was delivered.
fn judged_alike(bytes: &[u8]) -> bool {
    let wanted = Oracle::new(32_768).message(bytes, true);
    for role in ROLES {
        for wire in [
            frame(role, 0xc2, bytes),
            fragmented(role, 0xc2, bytes, bytes.len() / 2 + 1, true),
        ] {
            let mut run = plain(role);
            run.feed(&wire);
            match &wanted {
                Ok(message) => assert_eq!(run.events, [binary(message)], "{}", hex(bytes)),
                Err(_) => {
                    let [Event::Failed(error)] = run.events[..] else {
                        panic!("{} is {wanted:?}: {:?}", hex(bytes), run.events);
                    };
                    let cut = ProtocolError::CompressedDataCut;
                    assert!(error == cut || error == ProtocolError::CompressedDataInvalid);
                    has_failed(&mut run, error, 1007);
                }
            }
        }
    }
    wanted.is_ok()
}

#[test]
fn a_stream_that_is_cut_anywhere_is_not_delivered() {
    each_delivery(|| {
        // Elsewhere the part that had been inflated was delivered as if it were complete.
        // There is no checksum, so a few cuts leave a valid message: after the header
        // of a stored block, which the tail then makes empty; and 4 bytes before its end, for which
        // the tail then stands.
        let left_by_cuts: [&[usize]; 5] = [&[1, 13], &[], &[], &[], &[7, 54]];
        for (bytes, wanted) in legal().iter().zip(left_by_cuts) {
            let lens = (1..bytes.len()).filter(|&len| judged_alike(&bytes[..len]));
            assert_eq!(lens.collect::<Vec<_>>(), wanted);
            assert!(judged_alike(bytes));
        }
    });
}

#[test]
fn a_stream_with_a_flipped_bit_is_judged_as_the_reader_by_hand_does() {
    each_delivery(|| {
        for bytes in legal() {
            let mut delivered = 0;
            for bit in 0..8 * bytes.len() {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                delivered += usize::from(judged_alike(&damaged));
            }
            // There is no checksum: with another literal it is another message.
            assert!(delivered > 0 && delivered < 8 * bytes.len());
        }
    });
}

#[test]
fn a_block_that_ends_inside_the_tail_is_judged_as_the_reader_by_hand_does() {
    each_delivery(|| {
        // The tail that is put back has 16 zeros, each a literal here, and 16 ones, of which some
        // end the block: unless all of them do, the rest starts an invalid block.
        for end_len in 1..=15 {
            let mut lengths = [0; END_OF_BLOCK + 1];
            for length in 1..=end_len {
                lengths[usize::from(length)] = length;
            }
            lengths[END_OF_BLOCK] = end_len;
            for more in 0..16 {
                let mut writer = BitWriter::default();
                writer.bits(4, 3);
                writer.dynamic_header(&lengths, &[0]);
                writer.bits(0, more);
                judged_alike(&writer.bytes());
            }
        }
        // A stored block that ends with the tail: by the letter of section 7.2.2 it is complete.
        for start in ["000400fbff", "000600f9ff6162", "010400fbff"] {
            assert!(judged_alike(&unhex(start)));
        }
    });
}

/// Payloads that are not DEFLATE data, each with what is wrong with it.
fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |name, write: &dyn Fn(&mut BitWriter)| {
        let mut writer = BitWriter::default();
        write(&mut writer);
        all.push((name, [writer.message(), vec![0; 60]].concat()));
    };
    let fixed = codes(&fixed_literals());
    let five = codes(&FIXED_DISTANCES);
    add("the reserved type of block", &|w| w.bits(6, 3));
    add("the lengths of a stored block differ", &|w| {
        w.bits(0, 8);
        w.bits(5, 16);
        w.bits(0xfffb, 16);
    });
    for (name, symbol) in [("length symbol 286", 286), ("length symbol 287", 287)] {
        add(name, &|w| {
            w.bits(2, 3);
            w.code(fixed[usize::from(b'x')]);
            w.code(fixed[symbol]);
        });
    }
    for (name, symbol) in [("distance symbol 30", 30), ("distance symbol 31", 31)] {
        add(name, &|w| {
            w.bits(2, 3);
            w.code(fixed[usize::from(b'x')]);
            w.code(fixed[257]);
            w.code(five[symbol]);
        });
    }

    // Dynamic blocks whose codes are too many or too few.
    let mut dynamic = |name, literals: &[(usize, u8)], literal_count, distances: &[u8]| {
        let mut lengths = vec![0; literal_count];
        for &(symbol, length) in literals {
            lengths[symbol] = length;
        }
        let codes = codes(&lengths);
        add(name, &|w| {
            w.bits(4, 3);
            w.dynamic_header(&lengths, distances);
            // A literal, a match, and the end, as far as they have codes.
            for symbol in [usize::from(b'x'), 257] {
                if codes[symbol].1 != 0 {
                    w.code(codes[symbol]);
                }
            }
            w.bits(0, 20);
        });
    };
    let (x, end, three) = (usize::from(b'x'), END_OF_BLOCK, 257);
    dynamic(
        "no code for the end of the block",
        &[(x, 1), (three, 1)],
        258,
        &[1],
    );
    dynamic(
        "too many codes for literals",
        &[(x, 1), (end, 1), (three, 1)],
        258,
        &[1],
    );
    dynamic(
        "too few codes for literals",
        &[(x, 2), (end, 2), (three, 2)],
        258,
        &[1],
    );
    dynamic(
        "too many codes for distances",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[1, 1, 1],
    );
    dynamic(
        "too few codes for distances",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[2, 2],
    );
    dynamic(
        "a match without any distance",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[0],
    );
    dynamic(
        "287 codes for literals",
        &[(x, 1), (end, 2), (three, 2)],
        287,
        &[1],
    );
    dynamic(
        "288 codes for literals",
        &[(x, 1), (end, 2), (three, 2)],
        288,
        &[1],
    );
    dynamic(
        "31 codes for distances",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[1; 31],
    );
    dynamic(
        "32 codes for distances",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[0; 32],
    );

    // The code of the code lengths: 4 of them, for the symbols 16, 17, 18 and 0.
    for (name, lengths) in [
        ("no code for code lengths", [0, 0, 0, 0]),
        ("too few codes for code lengths", [2, 2, 2, 0]),
        ("too many codes for code lengths", [1, 1, 1, 0]),
        ("one code for code lengths", [0, 0, 1, 0]),
    ] {
        add(name, &|w| {
            w.bits(4, 3);
            w.bits(0, 14);
            lengths.iter().for_each(|&length| w.bits(length, 3));
            w.bits(0, 20);
        });
    }
    add("a repeat of nothing", &|w| {
        w.bits(4, 3);
        w.bits(0, 14);
        // 16 has the code 0.
        [1, 0, 1, 0].iter().for_each(|&length| w.bits(length, 3));
        w.bits(0, 20);
    });
    add("a repeat past the end", &|w| {
        w.bits(4, 3);
        w.bits(0, 14);
        // 18 has the code 1 and repeats 138 zeros.
        [1, 0, 1, 0].iter().for_each(|&length| w.bits(length, 3));
        w.bits(u32::MAX, 24);
    });
    all
}

#[test]
fn a_damaged_stream_is_answered_with_1007() {
    each_delivery(|| {
        // Elsewhere it was 1000 or 1002, or the transport just ended.
        for (name, bytes) in damaged() {
            assert!(Oracle::new(32_768).message(&bytes, true).is_err(), "{name}");
            for role in ROLES {
                for first in [0xc1, 0xc2] {
                    for len in [1, 3, 1_000] {
                        let mut wire = fragmented(role, first, &bytes, len, true);
                        wire.extend(frames(role, &[(0x81, b"behind"), (0x89, b"behind")]));
                        for cuts in Cuts::ALL {
                            let mut run = plain(role);
                            run.feed_cut(&wire, cuts);
                            assert_eq!(run.events.len(), 1, "{name}: {:?}", run.events);
                            has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007);
                            assert_eq!(run.sent().len(), 1, "{name}");
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn damage_is_found_while_the_message_comes_in() {
    each_delivery(|| {
        for (name, bytes) in damaged() {
            for role in ROLES {
                let mut run = plain(role);
                run.feed(&fragmented(role, 0xc2, &bytes, 5, false));
                assert_eq!(run.events.len(), 1, "{name}");
                has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007);
            }
        }
    });
}

// ---- text (RFC 6455, section 8.1; RFC 7692, section 6.2) ----

#[test]
fn compressed_text_fails_at_its_first_wrong_byte() {
    each_delivery(|| {
        // Elsewhere text was checked at the end of the message, or not at all if it was compressed.
        for role in ROLES {
            for (bad, at) in [
                (&b"ab\xc0"[..], 3),
                (b"\xed\xa0", 2),
                (b"\xf4\x90", 2),
                (b"\xe2(", 2),
                (b"ab\xff", 3),
            ] {
                // In a stored block each byte stands for itself.
                let bytes = payload(Block::Stored([bad, b"behind"].concat()));
                let header = 5;
                for len in [1, bytes.len()] {
                    let wire = fragmented(role, 0x41, &bytes, len, false);
                    let mut run = plain(role);
                    let frame_header = frame(role, 0, b"").len();
                    for (index, byte) in wire.iter().enumerate() {
                        run.feed(&[*byte]);
                        let received = match len {
                            1 => (index + 1) / (frame_header + 1),
                            _ => (index + 1).saturating_sub(frame_header),
                        };
                        let is_wrong = received >= header + at;
                        assert_eq!(run.events.len(), usize::from(is_wrong), "{index}");
                    }
                    has_failed(&mut run, ProtocolError::TextNotUtf8, 1007);
                }
            }
        }
    });
}

#[test]
fn invalid_text_deep_in_a_bomb_is_found_before_its_end() {
    each_delivery(|| {
        // At a step of the inflater, before it and after it; the limit would be reached later.
        for len in [
            0, 1, 16_383, 16_384, 32_767, 32_768, 32_769, 65_535, 100_000,
        ] {
            for (end, is_text) in [
                ("€", true),
                ("\u{1f600}", true),
                ("é", true),
                ("", true),
                ("", false),
            ] {
                let mut bytes = vec![b'x'; len];
                bytes.extend(end.bytes());
                let mut tokens = bomb_tokens(len);
                tokens.extend(literals(end.as_bytes()));
                if !is_text {
                    tokens.extend(literals(b"\xe2\x82("));
                }
                for (role, kind) in [(Role::Server, 0), (Role::Client, 1)] {
                    let block = match kind {
                        0 => Block::Fixed(tokens.clone()),
                        _ => Block::Dynamic(tokens.clone()),
                    };
                    let flushed = [payload(block), TAIL.to_vec()].concat();
                    let mut run = plain(role);
                    run.feed(&fragmented(role, 0x41, &flushed, 100, false));
                    if is_text {
                        run.feed(&frame(role, 0x80, b"\x00"));
                        assert_eq!(run.events, [message(1, &bytes)]);
                    } else {
                        assert_eq!(run.events.len(), 1);
                        has_failed(&mut run, ProtocolError::TextNotUtf8, 1007);
                    }
                }
            }
        }
    });
}

#[test]
fn a_character_may_be_cut_between_compressed_fragments() {
    each_delivery(|| {
        let words = "aé€\u{1f600}z";
        for role in ROLES {
            for bytes in [
                payload(Block::Stored(words.bytes().collect())),
                fixed(&literals(words.as_bytes())),
                payload(Block::Dynamic(literals(words.as_bytes()))),
            ] {
                for len in 1..=bytes.len() {
                    let mut run = plain(role);
                    run.feed_cut(&fragmented(role, 0xc1, &bytes, len, true), Cuts::Bytes);
                    assert_eq!(run.events, [text(words)]);
                }
            }
            // Flushed inside each character, with other frames in between.
            let mut wire = frame(role, 0x41, b"");
            for byte in words.bytes() {
                wire.extend(frame(
                    role,
                    0,
                    &[fixed(&literals(&[byte])), TAIL.to_vec()].concat(),
                ));
                wire.extend(frames(role, &[(0, b""), (0x8a, b"between")]));
            }
            let mut run = plain(role);
            run.feed(&wire).feed(&frame(role, 0x80, b"\x00"));
            assert_eq!(run.events.last(), Some(&text(words)));
        }
    });
}

#[test]
fn compressed_text_that_ends_inside_a_character_is_not_delivered() {
    each_delivery(|| {
        for role in ROLES {
            for cut in [&b"\xc3"[..], b"abc\xe2\x82", b"\xf0\x9f\x98"] {
                for bytes in [payload(Block::Stored(cut.to_vec())), fixed(&literals(cut))] {
                    for len in 1..=bytes.len() {
                        let mut run = plain(role);
                        run.feed(&fragmented(role, 0xc1, &bytes, len, true));
                        assert_eq!(run.events.len(), 1);
                        has_failed(&mut run, ProtocolError::TextNotUtf8, 1007);
                    }
                    // The bytes do not belong to the next message.
                    let mut run = plain(role);
                    run.feed(&frame(role, 0xc2, &bytes));
                    run.feed(&frame(role, 0xc1, &fixed(&literals(b"abc"))));
                    assert_eq!(run.events, [binary(cut), text("abc")]);
                }
            }
        }
    });
}

#[test]
fn the_first_fault_is_the_error() {
    each_delivery(|| {
        let damage = unhex("06");
        let wrong_text = payload(Block::Stored(b"\xff".to_vec()));
        let good_text = payload(Block::Stored(b"good".to_vec()));
        for role in ROLES {
            for (before, error) in [
                (&wrong_text, ProtocolError::TextNotUtf8),
                (&good_text, ProtocolError::CompressedDataInvalid),
            ] {
                let bytes = [&before[..], &TAIL, &damage].concat();
                for cuts in Cuts::ALL {
                    let mut run = plain(role);
                    run.feed_cut(&frame(role, 0xc1, &bytes), cuts);
                    assert_eq!(run.events, failed(error));
                }
            }
            // The limit is reached before the text after it is checked.
            let settings = at_most(4);
            let bytes = payload(Block::Stored(b"good\xff".to_vec()));
            let mut run = limited(role, settings);
            run.feed(&frame(role, 0xc1, &bytes));
            is_too_big(&mut run, 4, 5);
        }
    });
}
