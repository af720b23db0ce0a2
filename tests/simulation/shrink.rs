//! A failing schedule, made smaller.
//!
//! Invariant: what is shown has failed, and is made from the seed and a set of features alone.

use crate::plan::{Features, Plan};
use crate::run::Run;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};

fn fails(seed: u64, features: Features) -> bool {
    catch_unwind(|| Run::new(Plan::new(seed, features), false).run()).is_err()
}

/// Fails with the trace of this seed, with as few features as fail, too.
pub(crate) fn report(seed: u64) -> ! {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let mut features = Features::ALL;
    for single in Features::singles() {
        if fails(seed, features.without(single)) {
            features = features.without(single);
        }
    }
    set_hook(hook);
    let mut run = Run::new(Plan::new(seed, features), true);
    let result = catch_unwind(AssertUnwindSafe(|| run.run()));
    println!("{}", run.trace());
    println!("SEED={seed} cargo test --test simulation    # fails, here with {features:?}");
    match result {
        Err(panic) => resume_unwind(panic),
        Ok(()) => panic!("it fails only without a trace"),
    }
}
