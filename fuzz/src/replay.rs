//! The laws over the seeds of every target, on any toolchain.
//!
//! Invariant: no target is without seeds.

use crate::TARGETS;
use std::fs;
use std::path::Path;

#[test]
fn every_seed_keeps_the_laws() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut broken = Vec::new();
    for (name, law) in TARGETS {
        law(&[]);
        let folder = seeds.join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            let seed = fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| law(&seed)).is_err() {
                broken.push(path);
            }
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
