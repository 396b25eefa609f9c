//! Does `bench compare` tell the truth? For every protocol, on studies whose truth is known: equal learners are called
//! different as seldom as promised, unequal ones as often as theory says. `examples/verdict_rates.rs` runs the same at
//! full size and prints the table of METHODOLOGY.md.
#![allow(dead_code, unreachable_pub, reason = "shared with the example")]

mod world;

use world::{Learners, Setting, power, rates, settings};

const STUDIES: u64 = 200;
/// 6 % and three standard errors of 200 studies at that rate.
const MOST: f64 = 0.11;

fn setting(name: &str) -> Setting {
    settings().into_iter().find(|s| s.name.starts_with(name)).expect("a setting")
}

fn equal_learners_pass(name: &str) {
    let setting = setting(name);
    for learners in [Learners::Same, Learners::Mirrored] {
        let r = rates(&setting, learners, STUDIES);
        for (n, rate) in setting.protocol.sizes.iter().zip(&r.by_size) {
            assert!(
                rate[0] <= MOST,
                "{name}, {learners:?}, n = {n}: {} in the population",
                rate[0]
            );
            if learners == Learners::Same {
                assert!(rate[1] <= MOST, "{name}, n = {n}: {} on the test set", rate[1]);
            }
        }
        assert!(r.any <= MOST, "{name}, {learners:?}: the band misses in {}", r.any);
        assert!(r.crosses <= MOST, "{name}, {learners:?}: they cross reliably in {}", r.crosses);
        assert!(r.curve <= MOST, "{name}, {learners:?}: the curve differs in {}", r.curve);
        assert!(r.inside.iter().all(|&rate| rate <= MOST), "{name}, {learners:?}: {:?}", r.inside);
        // The plain t test over trials must be seen to fail: else these studies are too easy to prove anything.
        if learners == Learners::Mirrored {
            assert!(r.by_size.iter().any(|rate| rate[2] > 0.15), "{name}: {:?}", r.by_size);
        }
    }
}

#[test]
fn repeated_cv_calls_equal_learners_equal() {
    equal_learners_pass("repeated-cv, 5 x 5, pool 600");
}

/// A small pool that the largest training sets all but use up, where components of variance are often set to 0.
#[test]
fn a_small_pool_calls_equal_learners_equal() {
    equal_learners_pass("repeated-cv, 10 x 5, pool 150");
}

#[test]
fn holdout_calls_equal_learners_equal() {
    equal_learners_pass("holdout, 20 draws");
}

#[test]
fn small_sample_cv_calls_equal_learners_equal() {
    equal_learners_pass("small-sample-cv");
}

#[test]
fn unequal_learners_are_found_as_often_as_theory_says() {
    for (name, least) in [
        ("repeated-cv, 5 x 5, pool 2400", 0.5),
        ("holdout, 5 draws", 0.5),
        ("small-sample-cv", 0.25),
    ] {
        let r = rates(&setting(name), Learners::Unequal, STUDIES);
        // At the very edge of the region of equivalence a 95 % interval lies inside it in 2.5 %, and a band seldomer.
        assert!(r.equivalent.iter().all(|&rate| rate <= 0.06), "{name}: {:?}", r.equivalent);
        assert!(r.curve_equivalent <= 0.06, "{name}: {}", r.curve_equivalent);
        assert!(r.efficiency_covered.is_none_or(|held| held >= 0.9), "{:?}", r.efficiency_covered);
        // Student's t with few degrees of freedom and careful variances cost some power; four standard errors of 200
        // studies at one half are .14.
        assert!(
            r.curve >= power(r.curve_signal) - 0.2,
            "{name}: {} of {}",
            r.curve,
            power(r.curve_signal)
        );
        assert!(power(r.curve_signal) > least, "{name}: too hard to prove anything");
    }
}

/// The corrected t inside one sample is careful by design: of a difference this small it finds hardly more than its
/// level in samples of up to 80, which METHODOLOGY.md says.
#[test]
fn inside_one_small_sample_hardly_anything_is_found() {
    let r = rates(&setting("small-sample-cv"), Learners::Unequal, STUDIES);
    assert!(r.inside.len() == 4 && r.inside.iter().all(|&rate| rate <= MOST), "{:?}", r.inside);
}

#[test]
fn crossings_are_found_and_their_intervals_hold_the_true_one() {
    let r = rates(&setting("repeated-cv, 5 x 5, pool 2400"), Learners::Crossing, STUDIES);
    assert!(r.crosses > 0.4, "found in {}", r.crosses);
    assert!(r.crossing_covered.is_some_and(|held| held >= 0.9), "{:?}", r.crossing_covered);
}
