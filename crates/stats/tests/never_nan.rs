//! The rest of what `properties.rs` begins: every public function on small inputs full of ties, constants and single
//! rows gives finite numbers in their ranges, or an error or `None` that was documented.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stats::band::MaxT;
use stats::cross_validation::{self, Nested};
use stats::curve::{self, Ratio};
use stats::effective::{self, Draws};
use stats::fit::{self, Family};
use stats::friedman::{self, Friedman};
use stats::joint::Joint;
use stats::mcnemar::Agreement;
use stats::metrics::{self, binary};
use stats::stratified::{self, Bootstrap};
use stats::unbalanced::{self, Trial};
use stats::{Estimate, Interval, Verdict};
use stats::{
    aggregate, binomial, bootstrap, five_by_two, permutation, quantile, studentized_range,
};

const FAMILIES: [Family; 4] = [Family::Pow3, Family::Exp3, Family::Mmf4, Family::Wbl4];

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Accuracies as small test sets give them, with ties and ends.
fn accuracy() -> impl Strategy<Value = f64> + Clone {
    (0u32..=10).prop_map(|k| f64::from(k) / 10.0)
}

/// A matrix of up to 5 × 4 accuracies.
fn scores() -> impl Strategy<Value = Vec<Vec<f64>>> {
    (1usize..=5, 1usize..=4)
        .prop_flat_map(|(r, t)| prop::collection::vec(prop::collection::vec(accuracy(), t), r))
}

fn ordered(interval: Interval) {
    assert!(interval.lo.is_finite() && interval.hi.is_finite(), "{interval:?}");
    assert!(interval.lo <= interval.hi, "{interval:?}");
}

fn finite(values: &[f64]) {
    assert!(values.iter().all(|v| v.is_finite()), "{values:?}");
}

fn probability(p: f64) {
    assert!((0.0..=1.0).contains(&p), "{p}");
}

fn sizes(count: usize) -> Vec<f64> {
    (0..count).map(|i| 10.0 * f64::from(1u32 << i)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn aggregates_and_their_intervals(a in scores(), seed in 0u64..100) {
        let of = Bootstrap { replicates: 30, level: 0.9 };
        let b: Vec<Vec<f64>> = a.iter().rev().cloned().collect();
        for found in [
            stratified::interquartile_mean_of(&a, of, &mut rng(seed)),
            stratified::probability_of_improvement_of(&a, &b, of, &mut rng(seed)),
            stratified::probability_of_outperforming_of(&a, &b, of, &mut rng(seed)),
        ] {
            let found = found.expect("a matrix");
            probability(found.value);
            ordered(found.interval);
            prop_assert!(found.interval.lo >= 0.0 && found.interval.hi <= 1.0);
        }
        let won = aggregate::paired_probability_of_outperforming(&a, &b).expect("pairs");
        let lost = aggregate::paired_probability_of_outperforming(&b, &a).expect("pairs");
        prop_assert!((won + lost - 1.0).abs() < 1e-12);
        probability(aggregate::share_above(&a.concat(), 0.5).expect("values"));
        finite(&aggregate::task_means(&a).expect("a matrix"));
    }

    #[test]
    fn cross_validation_intervals(folds in prop::collection::vec(prop::collection::vec(accuracy(), 3), 1..5)) {
        match cross_validation::bayle(&folds, 0.95) {
            Ok(b) => {
                finite(&[b.mean, b.sigma_within, b.sigma_all]);
                ordered(b.within);
                ordered(b.all);
            }
            Err(_) => prop_assert!(folds.len() < 2),
        }
        let inner = folds.iter().map(|_| folds.clone()).collect();
        match cross_validation::bates(&[Nested { inner, outer: folds.clone() }], 0.95) {
            Ok(b) => {
                finite(&[b.raw_mean, b.cv_mean, b.mse, b.sd, b.inflation_unclipped, b.inflation, b.bias, b.estimate]);
                ordered(b.interval);
            }
            Err(_) => prop_assert!(folds.len() < 3),
        }
    }

    #[test]
    fn five_by_two_and_sign_flips(d in prop::array::uniform10(accuracy()), seed in 0u64..100) {
        let folds: [[f64; 2]; 5] = std::array::from_fn(|i| [d[2 * i] - 0.5, d[2 * i + 1] - 0.5]);
        if let Some(test) = five_by_two::test(&folds).expect("finite") {
            finite(&[test.t, test.f]);
            probability(test.t_p);
            probability(test.f_p);
        } else {
            prop_assert!(folds.iter().all(|[x, y]| (x - y).abs() < 1e-12));
        }
        let flipped = permutation::sign_flip_sampled(&d, 50, &mut rng(seed)).expect("differences");
        prop_assert!(flipped.p > 0.0 && flipped.p <= 1.0);
    }

    #[test]
    fn replicates_in_intervals(values in prop::collection::vec(accuracy(), 1..9), level in 0.5f64..0.99) {
        ordered(bootstrap::percentile(&values, level).expect("values"));
        ordered(bootstrap::basic(0.5, &values, level).expect("values"));
        match bootstrap::standard_error(&values) {
            Ok(error) => prop_assert!(error.is_finite() && error >= 0.0),
            Err(_) => prop_assert!(values.len() < 2),
        }
        probability(quantile::quantile(&values, level).expect("values"));
        let replicates: Vec<[f64; 1]> = values.iter().map(|&v| [v]).collect();
        if let Ok(m) = MaxT::of(&[values[0]], &replicates) {
            let estimates = [Estimate { value: values[0], variance: 0.01, df: 0.4 }];
            if let Ok(band) = m.band_of(&estimates, 0.5) {
                ordered(band[0]);
            }
            m.adjusted_p_of(&estimates).expect("one").into_iter().flatten().for_each(probability);
        }
    }

    #[test]
    fn binomial_and_paired_tables(n in 1u64..400, share in 0.0f64..=1.0, c in 0u64..9) {
        let k = ((n as f64 * share) as u64).min(n);
        for of in [binomial::jeffreys, binomial::wald] {
            let interval = of(k, n, 0.95).expect("valid");
            prop_assert!(0.0 <= interval.lo && interval.lo <= interval.hi && interval.hi <= 1.0);
        }
        let table = Agreement { both_right: k, a_only: c, b_only: n - k, both_wrong: 0 };
        for chi in [table.chi_squared(), table.chi_squared_corrected()].into_iter().flatten() {
            probability(chi.p);
        }
        prop_assert!(table.wald_standard_error().is_none_or(|e| e.is_finite() && e >= 0.0));
        probability(stats::unseen(n as usize, 0.95).expect("a level"));
    }

    #[test]
    fn curves_that_cross(difference in prop::collection::vec(accuracy(), 2..7), shift in accuracy()) {
        let at = sizes(difference.len());
        let gap: Vec<f64> = difference.iter().map(|d| d - shift).collect();
        let errors: Vec<f64> = difference.iter().map(|d| 0.1 * d).collect();
        let replicates = [gap.clone(), difference.clone(), gap.iter().map(|d| -d).collect()];
        if let Some(o) = curve::overtaking(&at, &gap, &errors, &replicates).expect("valid") {
            prop_assert!(o.n >= at[0] && o.n <= at[at.len() - 1] * (1.0 + 1e-12));
            probability(o.share);
            finite(&o.crossings);
        }
        let shares = curve::crossing_share(&at, &replicates).expect("valid");
        probability(shares.share);
        finite(&curve::area_shares(&at).expect("two sizes"));
        let reached = |scores: &[f64]| curve::size_to_reach(&at, scores, shift).expect("valid");
        let ratio = curve::efficiency(reached(&difference), reached(&replicates[2]));
        let interval = curve::censored_interval(&[ratio.bounds(), Ratio::Unknown.bounds()], 0.9).expect("two");
        prop_assert!(interval.lo >= 0.0 && interval.lo <= interval.hi);
    }

    #[test]
    fn designs_whose_draws_overlap(
        rows in prop::collection::vec(prop::collection::vec(any::<bool>(), 6), 1..5),
        overlap in 0.0f64..0.95,
        same_pool in any::<bool>(),
    ) {
        let items = [0u32, 1, 2, 3, 4, 5];
        let trials: Vec<effective::Trial<'_>> = rows
            .iter()
            .enumerate()
            .map(|(r, correct)| effective::Trial { repeat: r as u32, fold: 0, items: &items, correct })
            .collect();
        let a = effective::of_design(&trials, Draws { overlap, same_pool }, 0.95).expect("valid");
        prop_assert!(0.0 <= a.interval.lo && a.interval.lo <= a.mean && a.mean <= a.interval.hi && a.interval.hi <= 1.0);
        let scored: Vec<Trial<'_, bool>> = rows
            .iter()
            .enumerate()
            .map(|(r, values)| Trial { repeat: r as u32, fold: 0, items: &items, values })
            .collect();
        let u = unbalanced::analyse(&scored).expect("valid");
        let wider = u.with_shared(u.shared(overlap).expect("an overlap"), same_pool);
        for estimate in [wider.in_population(), wider.on_these_items()] {
            ordered(estimate.interval(0.95).expect("a level"));
            prop_assert!(estimate.variance >= 0.0 && estimate.df > 0.0);
        }
        prop_assert!(wider.variance >= u.variance);
        let joint = Joint::of(&[scored.clone(), scored], &[overlap, overlap]).expect("valid");
        prop_assert!(joint.covariance(0, 1).is_finite() && joint.difference_error(0, 1) < 1e-6);
        joint.replicates(3, &mut rng(1)).iter().for_each(|row| finite(row));
    }

    #[test]
    fn models_over_data_sets(scores in scores()) {
        let Ok(f) = Friedman::of(&scores, true) else { return Ok(()) };
        let k = scores[0].len();
        finite(&[f.critical_difference(0.05).expect("a level"), friedman::nemenyi_q(k, 0.05).expect("two models")]);
        f.nemenyi_p().expect("a test").concat().into_iter().for_each(probability);
        probability(studentized_range::sf(1.5, k, 4.0).expect("valid"));
    }

    #[test]
    fn scores_of_predictions(rows in prop::collection::vec((0u32..2, 0u8..=4), 1..9)) {
        let labels: Vec<u32> = rows.iter().map(|r| r.0).collect();
        let p: Vec<f64> = rows.iter().map(|r| f64::from(r.1) / 4.0).collect();
        probability(binary::brier(&labels, &p).expect("valid"));
        probability(binary::Confusion::at(0.5, &labels, &p).expect("valid").accuracy());
        probability(metrics::accuracy(&labels, &labels).expect("valid"));
    }

    #[test]
    fn verdicts(lo in -1.0f64..1.0, width in 0.0f64..0.5, rope in 0.0f64..0.1) {
        let read = stats::verdict(Interval { lo, hi: lo + width }, rope).expect("valid");
        if read == Verdict::Equivalent {
            prop_assert!(lo >= -rope && lo + width <= rope && width > 0.0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn forecasts(mut scores in prop::collection::vec(accuracy(), 5..8), error in 0.005f64..0.1) {
        scores.sort_by(f64::total_cmp);
        let (at, errors) = (sizes(scores.len()), vec![error; scores.len()]);
        for family in FAMILIES {
            let Ok(f) = fit::checked(family, &at, &scores, &errors).expect("valid") else { continue };
            let (last, most) = (at[at.len() - 1], scores[scores.len() - 1]);
            let there = f.predict(2.0 * last).expect("within reach");
            prop_assert!(there >= most && there <= 1.0 + 1e-9, "{f:?}: {there}");
            finite(&f.parameters);
            finite(&[f.chi2, f.foretold]);
        }
    }
}
