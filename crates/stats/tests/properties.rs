//! Whatever finite numbers come in, what comes out is finite and keeps its promises, or is an error or `None` that was
//! documented: never NaN. Small inputs from few values, so that ties, constants and single rows come up often.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stats::band::MaxT;
use stats::bayes::Posterior;
use stats::bootstrap::{self, Ties};
use stats::curve::{self, Reached};
use stats::effective::{self, Accuracy};
use stats::fit::{self, Family};
use stats::friedman::Friedman;
use stats::mcnemar::Agreement;
use stats::metrics::{self, binary};
use stats::pigeonhole::Pigeonhole;
use stats::unbalanced::{self, Trial};
use stats::wilcoxon::SignedRank;
use stats::{Estimate, Interval, aggregate, binomial, crossed, multiplicity, paired, quantile};

/// A matrix of up to 6 × 7 cells from `cell`.
fn matrix<T: Clone + std::fmt::Debug>(
    cell: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Vec<Vec<T>>> {
    (1usize..=6, 1usize..=7).prop_flat_map(move |(r, m)| {
        prop::collection::vec(prop::collection::vec(cell.clone(), m), r)
    })
}

/// Accuracies as small test sets give them, with ties and ends.
fn accuracy() -> impl Strategy<Value = f64> + Clone {
    (0u32..=10).prop_map(|k| f64::from(k) / 10.0)
}

/// Repeated cross-validation with arbitrary folds: each repeat deals some items to up to three folds.
fn cross_validation() -> impl Strategy<Value = Vec<(u32, u32, Vec<u32>, Vec<bool>)>> {
    let repeat = prop::collection::vec((0u32..4, any::<bool>()), 1..=9);
    prop::collection::vec(repeat, 1..=4).prop_map(|repeats| {
        let mut trials = Vec::new();
        for (repeat, dealt) in repeats.iter().enumerate() {
            for fold in 0..3 {
                let mine = dealt.iter().enumerate().filter(|(_, (to, _))| *to == fold);
                let (items, correct): (Vec<u32>, Vec<bool>) =
                    mine.map(|(item, (_, correct))| (item as u32, *correct)).unzip();
                if !items.is_empty() {
                    trials.push((repeat as u32, fold, items, correct));
                }
            }
        }
        trials
    })
}

fn finite(e: Estimate) {
    assert!(e.value.is_finite() && e.variance.is_finite() && e.variance >= 0.0, "{e:?}");
    assert!(e.df > 0.0, "{e:?}");
    let interval = e.interval(0.95).expect("a level");
    assert!(interval.contains(e.value) && interval.width().is_finite(), "{e:?} {interval:?}");
    if let Some(p) = e.p_two_sided(0.0) {
        assert!(p > 0.0 && p <= 1.0, "{e:?}: p = {p}");
    }
}

fn proportion(a: &Accuracy) {
    let Interval { lo, hi } = a.interval;
    assert!(0.0 <= lo && lo <= a.mean && a.mean <= hi && hi <= 1.0, "{a:?}");
    assert!(hi - lo > 0.0, "never a point: {a:?}");
    assert!(a.n_effective > 0.0 && a.n_effective <= a.items as f64, "{a:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn crossed_analysis(rows in matrix(-1i8..=1)) {
        match crossed::analyse(&rows) {
            Ok(c) => {
                finite(c.in_population());
                finite(c.on_these_items());
                prop_assert!(c.variance <= c.variance_conservative() * (1.0 + 1e-12));
                let negated: Vec<Vec<i8>> = rows.iter().map(|r| r.iter().map(|d| -d).collect()).collect();
                let n = crossed::analyse(&negated).expect("as valid as the original");
                prop_assert!((n.mean + c.mean).abs() < 1e-15 && (n.variance - c.variance).abs() < 1e-12);
            }
            Err(_) => prop_assert!(rows.len() < 2 || rows[0].len() < 2),
        }
    }

    #[test]
    fn accuracy_on_a_holdout(rows in matrix(any::<bool>())) {
        proportion(&effective::holdout(&rows, 0.95).expect("at least one cell"));
    }

    #[test]
    fn accuracy_in_cross_validation(scored in cross_validation()) {
        prop_assume!(!scored.is_empty());
        let mut trials: Vec<effective::Trial<'_>> = scored
            .iter()
            .map(|(repeat, fold, items, correct)| effective::Trial {
                repeat: *repeat,
                fold: *fold,
                items,
                correct,
            })
            .collect();
        let a = effective::repeated_cv(&trials, 0.95).expect("a valid design");
        proportion(&a);
        trials.reverse();
        prop_assert_eq!(effective::repeated_cv(&trials, 0.95), Ok(a));
    }

    #[test]
    fn unbalanced_components(scored in cross_validation(), seed in 0u64..100) {
        let trials: Vec<_> = scored
            .iter()
            .map(|(repeat, fold, items, values)| Trial { repeat: *repeat, fold: *fold, items, values })
            .collect();
        if let Ok(u) = unbalanced::analyse(&trials) {
            finite(u.in_population());
            finite(u.on_these_items());
            prop_assert!(u.item >= 0.0 && u.trial >= 0.0 && u.residual >= 0.0);
            prop_assert!(u.variance_trial_only <= u.variance * (1.0 + 1e-12));
            let p = Pigeonhole::new(&[trials.clone(), trials]).expect("valid");
            prop_assert!((p.means()[0] - u.mean).abs() < 1e-12);
            if let Ok(rows) = p.replicates(5, &mut ChaCha8Rng::seed_from_u64(seed)) {
                prop_assert!(rows.iter().all(|r| r[0] == r[1] && (0.0..=1.0).contains(&r[0])));
            }
        } else {
            prop_assert!(scored.iter().map(|s| s.2.len()).sum::<usize>() < 2);
        }
    }

    #[test]
    fn paired_tests(pairs in prop::collection::vec((accuracy(), accuracy()), 1..8), rope in 0.001f64..0.2) {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let differences = paired::differences(&a, &b).expect("pairs");
        let w = SignedRank::of(&differences).expect("finite");
        for p in [w.p_normal(), w.p_normal_corrected(), w.p_normal_pratt(), w.p_exact()] {
            prop_assert!(p > 0.0 && p <= 1.0);
        }
        let flipped = stats::permutation::sign_flip_exact(&differences).expect("few pairs");
        prop_assert!(flipped.p > 0.0 && flipped.p <= 1.0);
        let won = aggregate::probability_of_outperforming(&a, &b).expect("pairs");
        let lost = aggregate::probability_of_outperforming(&b, &a).expect("pairs");
        prop_assert!((won + lost - 1.0).abs() < 1e-15);
        if a.len() < 2 {
            prop_assert!(paired::corrected_t(&a, &b, 80, 20).is_err());
            return Ok(());
        }
        let t = paired::corrected_t(&a, &b, 80, 20).expect("two pairs");
        finite(t.corrected);
        finite(t.naive);
        if let Some(tost) = paired::tost(&t.corrected, rope).expect("a positive region") {
            prop_assert!(tost.p() > 0.0 && tost.p() < 1.0);
        }
        let posterior = Posterior::of(&a, &b, 5).expect("two pairs");
        if let Some(r) = posterior.regions(rope).expect("a region") {
            prop_assert!((r.left + r.rope + r.right - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn agreement(both_right in 0u64..50, a_only in 0u64..20, b_only in 0u64..20, both_wrong in 0u64..50) {
        let a = Agreement { both_right, a_only, b_only, both_wrong };
        prop_assert!(a.exact_p() > 0.0 && a.exact_p() <= 1.0);
        prop_assert!(a.mid_p() > 0.0 && a.mid_p() <= a.exact_p() + 1e-15);
        if a.items() > 0 {
            let interval = a.difference_interval(0.95).expect("items");
            prop_assert!(interval.contains(a.difference().expect("items")) && interval.width() > 0.0);
        } else {
            prop_assert!(a.difference_interval(0.95).is_err() && a.difference().is_none());
        }
    }

    #[test]
    fn binomial_intervals(n in 1u64..5_000, share in 0.0f64..=1.0, level in 0.5f64..0.999) {
        let k = ((n as f64 * share) as u64).min(n);
        let p = k as f64 / n as f64;
        for of in [binomial::wilson, binomial::clopper_pearson, binomial::agresti_coull, binomial::wilson_continuity] {
            let interval = of(k, n, level).expect("valid");
            prop_assert!(interval.lo <= p && p <= interval.hi && interval.width() > 0.0);
            prop_assert!(interval.lo >= 0.0 && interval.hi <= 1.0);
        }
        let (wilson, exact) = (binomial::wilson(k, n, level), binomial::clopper_pearson(k, n, level));
        let mirrored = binomial::wilson(n - k, n, level).expect("valid");
        prop_assert!((mirrored.lo + wilson.expect("valid").hi - 1.0).abs() < 1e-12);
        prop_assert!(exact.expect("valid").width() > 0.0);
    }

    #[test]
    fn scores_of_a_trial(rows in prop::collection::vec((0u32..3, 0u8..=4, 0u8..=4, 0u8..=4), 1..9), bins in 1usize..12) {
        let labels: Vec<u32> = rows.iter().map(|r| r.0).collect();
        let p: Vec<f32> = rows.iter().flat_map(|r| [r.1, r.2, r.3].map(|q| f32::from(q) / 4.0)).collect();
        let loss = metrics::log_loss(&p, 3, &labels).expect("valid");
        prop_assert!((0.0..34.6).contains(&loss));
        prop_assert!((0.0..=3.0).contains(&metrics::brier(&p, 3, &labels).expect("valid")));
        let gap = metrics::calibration_error(&p, 3, &labels, bins).expect("valid");
        prop_assert!((0.0..=1.0).contains(&gap));
        let two: Vec<u32> = labels.iter().map(|l| l % 2).collect();
        let q: Vec<f64> = rows.iter().map(|r| f64::from(r.1) / 4.0).collect();
        prop_assert!(binary::log_loss(&two, &q).expect("valid").is_finite());
        prop_assert!((0.0..=1.0).contains(&binary::calibration_error(&two, &q, bins).expect("valid")));
        let c = binary::Confusion::at(0.5, &two, &q).expect("valid");
        for score in [c.balanced_accuracy(), c.f1(), binary::auc(&two, &q).expect("valid")].into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&score));
        }
        prop_assert!(c.mcc().is_none_or(|r| (-1.0 - 1e-12..=1.0 + 1e-12).contains(&r)));
    }

    #[test]
    fn curves(scores in prop::collection::vec(accuracy(), 2..8), target in accuracy()) {
        let sizes: Vec<f64> = (0..scores.len()).map(|i| 10.0 * f64::from(1u32 << i)).collect();
        let area = curve::area(&sizes, &scores).expect("valid");
        prop_assert!((0.0..=1.0 + 1e-12).contains(&area));
        if let Reached::At(n) = curve::size_to_reach(&sizes, &scores, target).expect("valid") {
            prop_assert!(n >= sizes[0] && n <= sizes[sizes.len() - 1] * (1.0 + 1e-12));
        }
        let reversed: Vec<f64> = scores.iter().rev().copied().collect();
        let crossings = curve::crossings(&sizes, &scores, &reversed).expect("valid");
        prop_assert!(crossings.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn resampling(data in prop::collection::vec(accuracy(), 2..8), seed in 0u64..50) {
        let mean = |chosen: &[usize]| chosen.iter().map(|&i| data[i]).sum::<f64>() / chosen.len() as f64;
        let replicates = bootstrap::replicates(data.len(), 60, mean, &mut ChaCha8Rng::seed_from_u64(seed)).expect("data");
        let theta = mean(&(0..data.len()).collect::<Vec<usize>>());
        let jackknife = bootstrap::jackknife(data.len(), mean);
        if let Ok(b) = bootstrap::bca(theta, &replicates, &jackknife, Ties::MidRank, 0.9) {
            prop_assert!(b.interval.lo <= b.interval.hi && b.z0.is_finite() && b.acceleration.is_finite());
        }
        let rows: Vec<[f64; 2]> = replicates.iter().map(|&r| [r, theta]).collect();
        let m = MaxT::of(&[theta, theta], &rows).expect("valid");
        let band = m.band(&[theta, theta], &m.standard_errors, 0.9).expect("enough replicates");
        prop_assert!(band[0].contains(theta) && band[1].width() == 0.0);
    }

    #[test]
    fn many_models(scores in matrix(accuracy())) {
        if let Ok(f) = Friedman::of(&scores, true) {
            prop_assert!(f.p > 0.0 && f.p <= 1.0 && f.chi2.is_finite());
            prop_assert!(f.iman_davenport().is_none_or(|i| i.f.is_finite() && (0.0..=1.0).contains(&i.p)));
            let conover = f.conover_p().expect("a test");
            prop_assert!(conover.is_none_or(|rows| rows.concat().iter().all(|p| (0.0..=1.0).contains(p))));
        }
        let all = scores.concat();
        for value in [
            aggregate::mean_of_tasks(&scores),
            aggregate::median_of_tasks(&scores),
            aggregate::interquartile_mean(&all),
            aggregate::optimality_gap(&all, 1.0),
            aggregate::probability_of_improvement(&scores, &scores),
            quantile::median(&all),
        ] {
            prop_assert!((0.0..=1.0 + 1e-12).contains(&value.expect("valid")));
        }
    }

    #[test]
    fn adjusted_p_values(p in prop::collection::vec((0u32..=100).prop_map(|k| f64::from(k) / 100.0), 0..8)) {
        for method in [
            multiplicity::bonferroni, multiplicity::holm, multiplicity::holm_sidak, multiplicity::hochberg,
            multiplicity::benjamini_hochberg, multiplicity::benjamini_yekutieli,
        ] {
            let adjusted = method(&p).expect("p-values");
            prop_assert!(adjusted.iter().zip(&p).all(|(a, p)| *a >= *p - 1e-15 && *a <= 1.0));
        }
        let (holm, bonferroni) = (multiplicity::holm(&p).expect("valid"), multiplicity::bonferroni(&p).expect("valid"));
        prop_assert!(holm.iter().zip(&bonferroni).all(|(h, b)| h <= b));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn fitted_curves(scores in prop::collection::vec(accuracy(), 2..8)) {
        let sizes: Vec<f64> = (0..scores.len()).map(|i| 10.0 * f64::from(1u32 << i)).collect();
        for family in [Family::Pow3, Family::Exp3, Family::Mmf4, Family::Wbl4] {
            match fit::fit(family, &sizes, &scores, family.usual_start()) {
                Ok(f) => prop_assert!(f.sse.is_finite() && f.parameters.iter().all(|p| p.is_finite())),
                Err(_) => prop_assert!(sizes.len() < family.usual_start().len()),
            }
        }
    }
}
