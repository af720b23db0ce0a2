//! The strategies reach every kind of block: otherwise the laws would be tested with next to nothing.

use crate::attacks::*;
use crate::strategies::*;
use crate::streams::*;
use crate::support::deflate::*;
use crate::support::*;
use crate::talks::*;
use sansocket::{Event, ProtocolError};

fn add(sum: &mut Blocks, oracle: &Oracle) {
    let blocks = oracle.blocks();
    sum.stored += blocks.stored;
    sum.empty += blocks.empty;
    sum.fixed += blocks.fixed;
    sum.dynamic += blocks.dynamic;
    sum.bfinal += blocks.bfinal;
}

#[test]
fn the_strategies_reach_every_kind_of_block() {
    let (mut sent, mut farthest) = (Blocks::default(), 0);
    for (deflate, agreed, steps, most) in samples(talks(), 75) {
        for oracle in talk([&deflate, &deflate], &agreed, &steps, most) {
            add(&mut sent, &oracle);
            farthest = farthest.max(oracle.largest_distance());
        }
    }
    let least = sent
        .stored
        .min(sent.empty)
        .min(sent.fixed)
        .min(sent.dynamic);
    assert!(least > 50, "{sent:?}");
    assert!(farthest > 16_384, "{farthest}");

    let (mut written, mut to_the_end) = (Blocks::default(), [0; 8]);
    for streams in samples(streams(), 50) {
        for (oracle, (role, params, ..)) in received(&streams).iter().zip(&streams.1) {
            add(&mut written, oracle);
            let (_, window) = terms(params, other(*role));
            if oracle.largest_distance() == window {
                to_the_end[window.ilog2() as usize - 8] += 1;
            }
        }
    }
    let least = written.stored.min(written.fixed).min(written.dynamic);
    assert!(
        least.min(written.empty).min(written.bfinal) > 50,
        "{written:?}"
    );
    assert!(to_the_end[0] > 0 && to_the_end[7] > 0, "{to_the_end:?}");

    let (mut errors, mut legal, mut still_legal) = ([0; 4], 0, 0);
    for attack in samples(attacks(), 250) {
        for (event, (_, damage)) in attacked(&attack).1.iter().zip(&attack.2) {
            match (event, damage) {
                (Event::Failed(error), _) => {
                    errors[match error {
                        ProtocolError::CompressedDataInvalid => 0,
                        ProtocolError::CompressedDataCut => 1,
                        ProtocolError::TextNotUtf8 => 2,
                        _ => 3,
                    }] += 1;
                }
                (_, Damage::None) => legal += 1,
                _ => still_legal += 1,
            }
        }
    }
    assert!(errors.iter().all(|&error| error > 5), "{errors:?}");
    assert!(legal > 50 && still_legal > 20, "{legal} {still_legal}");
}
