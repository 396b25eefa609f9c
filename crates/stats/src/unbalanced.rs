//! Variance of a mean over training draws × test items when a draw scores only some items: repeated
//! cross-validation.
//!
//! In each of R repeats the pool is cut into k folds and every (repeat, fold) has a training draw of its own, so a
//! trial g scores only its fold, and with a cap on the test size an item may be scored in some repeats only.
//!
//! # Derivation
//! The model of a score is y_gi = μ + a_i + t_g + e_gi: item, training draw and the rest, independent with mean 0 and
//! variances A, T, E. With N scores in all, N_g of trial g, M_i of item i, the variance of the grand mean ȳ is
//!
//! Var(ȳ) = A ΣM_i²/N² + T ΣN_g²/N² + E/N.
//!
//! Let u = y - ȳ. Its sums of squares over item totals, over trial totals and over single scores have expectations
//! that are linear in A, T and E. Writing S_p = ΣM_i^p, G_p = ΣN_g^p and Q = Σ_g N_g Σ_{i in g} M_i, and using
//! Cov(Y_i., ȳ) = (A M_i² + T Σ_{g∋i} N_g + E M_i)/N and Cov(Y_g., ȳ) = (A Σ_{i∈g} M_i + T N_g² + E N_g)/N,
//!
//! - E Σ_i U_i² = A (S₂ - 2S₃/N) + T (N - 2Q/N) + E (N - 2S₂/N) + S₂ Var(ȳ)
//! - E Σ_g V_g² = A (N - 2Q/N) + T (G₂ - 2G₃/N) + E (N - 2G₂/N) + G₂ Var(ȳ)
//! - E Σ u²    = N (A + T + E) - N Var(ȳ)
//!
//! Three equations, three components: the method of moments for unbalanced crossed effects (Searle, Casella &
//! McCulloch, *Variance Components*, 1992; Gao & Owen, Electronic Journal of Statistics 11, 2017, compute it
//! in O(N), as here). Without the correction for the estimated mean, the result would be
//! (ΣU² + ΣV² - Σu²)/N²: the item part, plus the trial part, minus the residual that both count, which is the
//! two-way cluster-robust variance of Cameron, Gelbach & Miller (JBES 29, 2011). In the balanced design the
//! components are those of [`crate::crossed`].
//!
//! Where items are scored twice or more on average, T and E come from deviations within items instead, which the
//! items' own variance does not blur (Henderson's method III; Searle et al. 1992, ch. 5): with M_i scores of an item and
//! r_gi = y_gi - ȳ_i.,
//!
//! - E Σ r²          = (N - I)(T + E), I the number of items
//! - E Σ_g (Σ_i r)²  = T Σ_gh c_gh² + E (N - I), c_gg = Σ_{i∈g} (1 - 1/M_i), c_gh = -Σ_{i∈g∩h} 1/M_i
//!
//! and A then follows from E Σ u². In the balanced design nothing changes by it; in 5 × 5-fold cross-validation the
//! error of T shrinks with the share of A in the scores, several times where most items are easy or hard for good.
//!
//! Negative components are set to 0, which makes the variance mildly conservative, and the variance of the mean is
//! never below what either sum of squares says by itself: G/(G-1) Σ V_g²/N² and I/(I-1) Σ U_i²/N², which leave out a
//! part of it each. If no item is scored twice, A and E cannot be told apart, and need not be: both enter the variance
//! as (A + E)/N.
//!
//! # Training draws that overlap
//! All draws come from one pool, so two trials share examples: a share ρ of them on average, about n over the size
//! of the pool. To first order a draw's effect is the mean of its examples' effects, t_g = (1/n) Σ_{j∈g} ψ_j, so that
//! two draws correlate by ρ. Then the moments above estimate T(1-ρ), the part that differs between draws, and the
//! mean of all draws keeps a part Tρ that no number of repeats averages away:
//!
//! Var(ȳ) = A ΣM_i²/N² + T̂ (ΣN_g²/N² + ρ/(1-ρ)) + E/N, with T̂ the estimate of T(1-ρ).
//!
//! Where T̂ is small it is mostly the error of its estimation, and where it is set to 0 the shared part would vanish
//! with it, most of all where ρ is large and it is the largest part. So the shared part is that of max(T̂, s/√(2π)):
//! s = √(2/(G-1)) (T̂ + E/m) is the standard error of T̂ with m = N/G scores a trial, and s/√(2π) the mean of what an
//! estimate that is nothing but this error has above 0.
//!
//! That is the correction of Nadeau & Bengio (Machine Learning 52, 2003; [`crate::paired`]) with the share that the
//! design itself gives, put on the part of the variance that it belongs to. It is negligible at n = 10 from a pool of
//! 12,000, and makes the trials' part four times as large at n = 1,280 (with 25 trials).
//!
//! Where the scored items are of the pool themselves, an example that is hard for a model may also mislead it when it
//! is learnt from: a_i and ψ_i go together, and Var(ȳ) has twice their covariance. The data do not show it, but it is at
//! most 2√(A-part · ρ-part). Half of that bound is added: in simulations with learners that really learn from such
//! splits (`crates/bench/examples/verdict_rates.rs`) the covariance came to .6 of it at the smallest n and less at
//! larger ones. [`Unbalanced::with_shared`] adds both.
//!
//! T counts what differs between fits whatever the reason, the model's own randomness included, which no pool shares:
//! for models that depend on their seed more than on their examples the correction is careful.

mod moments;
mod sums;
mod within;

use moments::Moments;
use sums::{Item, Sums};

use crate::error::{Error, Result, check_count};
use crate::estimate::Estimate;

/// The scores of one training draw on its items.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a, T> {
    /// The repeat, within which no item is scored twice.
    pub repeat: u32,
    /// The fold within the repeat.
    pub fold: u32,
    /// Which items were scored, by their row in the data set, below 2²⁶.
    pub items: &'a [u32],
    /// The score of each item: correctness (`bool`), a difference of correctness (`i8`) or any finite `f64`.
    pub values: &'a [T],
}

/// Variance components of the scores and the variance of their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unbalanced {
    /// G, the number of trials, each with its own training draw.
    pub trials: usize,
    /// The number of distinct items scored.
    pub items: usize,
    /// N, the number of scores.
    pub scores: usize,
    /// ȳ, the mean over all scores.
    pub mean: f64,
    /// A, the variance between items, >= 0; 0 if no item was scored twice (it is then part of `residual`).
    pub item: f64,
    /// T, the variance between training draws, >= 0; 0 with a single trial, which cannot show it.
    pub trial: f64,
    /// E, the variance of the rest, >= 0.
    pub residual: f64,
    /// Var(ȳ) over new training draws and new items.
    pub variance: f64,
    /// Satterthwaite's degrees of freedom of `variance`.
    pub df: f64,
    /// Var(ȳ) over new training draws on these items: T ΣN_g²/N² + E/N. If no item was scored twice it is the same as
    /// `variance`, as the items' own part cannot be told from the rest.
    pub variance_trial_only: f64,
    /// A ΣM_i²/N².
    item_part: f64,
    /// The standard error of `trial`, >= 0; 0 with a single trial.
    trial_error: f64,
    /// What Satterthwaite's degrees of freedom are made of.
    sources: Sources,
}

/// The sums of squares that a variance is made of, as variances of the mean: item + trial - both.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sources {
    item: f64,
    trial: f64,
    both: f64,
    /// Their degrees of freedom.
    df: [f64; 3],
}

impl Sources {
    /// Satterthwaite's degrees of freedom of `variance` with the trials' part larger by `more`.
    fn df(&self, variance: f64, more: f64) -> f64 {
        let spread = self.item.powi(2) / self.df[0]
            + (self.trial + more).powi(2) / self.df[1]
            + self.both.powi(2) / self.df[2];
        variance * variance / spread
    }
}

impl Unbalanced {
    /// The mean for new training draws and new items: "in the population".
    pub fn in_population(&self) -> Estimate {
        Estimate { value: self.mean, variance: self.variance, df: self.df }
    }

    /// The mean for new training draws on these very items: "on this test set", with G-1 degrees of freedom
    /// (at least 1).
    pub fn on_these_items(&self) -> Estimate {
        let df = self.trials.saturating_sub(1).max(1) as f64;
        Estimate { value: self.mean, variance: self.variance_trial_only, df }
    }

    /// max(T, s/√(2π)) ρ/(1-ρ), s the standard error of T: the variance that all training draws share if two of them have `overlap` of
    /// their examples in common on average (module docs).
    ///
    /// # Errors
    /// If `overlap` is not in [0, 1): draws that are all the same set show nothing of other sets.
    pub fn shared(&self, overlap: f64) -> Result<f64> {
        if !(0.0..1.0).contains(&overlap) {
            return Err(Error::OutOfRange {
                what: "the share of examples that two training draws have in common",
                range: "in [0, 1)",
                found: overlap,
            });
        }
        Ok(self.trial.max(POSITIVE_PART * self.trial_error) * overlap / (1.0 - overlap))
    }

    /// The same scores with a variance `shared` by all training draws, and, if the scored items are of the
    /// `same_pool`, half the largest covariance that this can have with the items' part.
    pub fn with_shared(self, shared: f64, same_pool: bool) -> Self {
        if shared <= 0.0 || shared.is_nan() {
            return self;
        }
        let cross = if same_pool { (shared * self.item_part).sqrt() } else { 0.0 };
        let variance = self.variance + shared + cross;
        let df = if self.trials > 1 && self.items > 1 {
            self.sources.df(variance, shared + cross)
        } else {
            self.df
        };
        let variance_trial_only = self.variance_trial_only + shared;
        Unbalanced { variance, df, variance_trial_only, ..self }
    }
}

/// Estimates the components from the scores of all trials, given in any order.
///
/// # Errors
/// If there are no trials or fewer than two scores, a trial has no items or unlike numbers of items and values, a
/// (repeat, fold) comes twice, an item is scored twice in one repeat, or a value is not finite.
pub fn analyse<T: Copy + Into<f64>>(trials: &[Trial<'_, T>]) -> Result<Unbalanced> {
    let sums = Sums::gather(trials)?;
    let n = sums.n;
    check_count("scores", n as usize, 2)?;
    let moments = Moments::of(&sums);
    let within = sums.within.as_ref().and_then(|w| w.solve(&sums));
    let (item, trial, residual) = within.unwrap_or_else(|| moments.solve(sums.squares));
    // Deviations within items are free of the items' own variance; totals of trials are not.
    let blur = if within.is_some() { residual } else { item + residual };
    let components = item * sums.s2 / (n * n) + trial * sums.g2 / (n * n) + residual / n;
    let variance = components.max(sums.one_way(trials.len()));
    let sources = moments.sources([item, trial, residual], variance, &sums, trials.len());
    let df = if trials.len() == 1 || sums.items == 1 || variance <= 0.0 {
        // A simple random sample of items, or of draws on one item; or nothing varied.
        (if trials.len() == 1 { sums.items } else { trials.len() } as f64 - 1.0).max(1.0)
    } else {
        sources.df(variance, 0.0)
    };
    Ok(Unbalanced {
        trials: trials.len(),
        items: sums.items,
        scores: n as usize,
        mean: sums.mean,
        item,
        trial,
        residual,
        variance,
        df,
        variance_trial_only: trial * sums.g2 / (n * n) + residual / n,
        item_part: item * sums.s2 / (n * n),
        trial_error: trial_error(trial, blur, n, trials.len()),
        sources,
    })
}

/// E max(X, 0) of a standard normal X, 1/√(2π).
const POSITIVE_PART: f64 = 0.398_942_280_401_432_7;

/// The standard error of the trials' component T, of a mean square with G-1 degrees of freedom whose expectation is
/// T + `blur`/m, m = N/G scores a trial; 0 with a single trial.
fn trial_error(trial: f64, blur: f64, scores: f64, trials: usize) -> f64 {
    let g = trials as f64;
    if trials > 1 { (2.0 / (g - 1.0)).sqrt() * (trial + blur * g / scores) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crossed;

    fn trial<'a, T>(repeat: u32, fold: u32, items: &'a [u32], values: &'a [T]) -> Trial<'a, T> {
        Trial { repeat, fold, items, values }
    }

    #[test]
    fn agrees_with_the_crossed_analysis_when_balanced() {
        let rows = [[1i8, 0, 0, 1, 0, 1], [1, 1, 0, 1, 1, 1], [0, 0, 0, 1, 0, 1]];
        let items = [7, 3, 9, 1, 4, 0];
        let trials: Vec<_> = (0..3).map(|r| trial(r as u32, 0, &items, &rows[r])).collect();
        let (u, c) = (analyse(&trials).expect("valid"), crossed::analyse(&rows).expect("valid"));
        // All components of this matrix are positive, so nothing was clipped.
        assert!((u.item - (c.ms_item - c.ms_residual) / 3.0).abs() < 1e-12);
        assert!((u.trial - (c.ms_trial - c.ms_residual) / 6.0).abs() < 1e-12);
        assert!((u.residual - c.ms_residual).abs() < 1e-12);
        assert!((u.variance - c.variance).abs() < 1e-12 && (u.df - c.df).abs() < 1e-9);
        assert!((u.variance_trial_only - c.variance_trial_only()).abs() < 1e-12);
    }

    #[test]
    fn a_single_trial_is_a_simple_random_sample() {
        let u = analyse(&[trial(0, 0, &[0, 1, 2, 3], &[true, true, false, true])]).expect("valid");
        // s²/n of (1, 1, 0, 1): .25 / 4, df 3.
        assert!((u.variance - 0.0625).abs() < 1e-12 && u.df == 3.0 && u.trial == 0.0);
    }

    #[test]
    fn leave_one_out_has_no_separate_trial_component() {
        let right = [true, false, true, true];
        let ids = [0u32, 1, 2, 3];
        let trials: Vec<_> =
            (0..4).map(|i| trial(0, i as u32, &ids[i..=i], &right[i..=i])).collect();
        let u = analyse(&trials).expect("valid");
        assert!((u.variance - 0.0625).abs() < 1e-12 && u.trial == 0.0 && u.item == 0.0);
    }

    #[test]
    fn order_of_trials_does_not_matter() {
        let (a, b, c) = ([0.1, 0.7], [0.3, 0.3], [0.2, 0.9]);
        let trials = [trial(0, 0, &[0, 1], &a), trial(0, 1, &[2, 3], &b), trial(1, 0, &[1, 2], &c)];
        let mut reversed = trials;
        reversed.reverse();
        assert_eq!(analyse(&trials), analyse(&reversed));
    }

    #[test]
    fn overlapping_draws_leave_a_part_that_repeats_do_not_average_away() {
        let rows = [[1i8, 0, 0, 1, 0, 1], [1, 1, 0, 1, 1, 1], [0, 0, 0, 1, 0, 1]];
        let items = [7, 3, 9, 1, 4, 0];
        let trials: Vec<_> = (0..3).map(|r| trial(r as u32, 0, &items, &rows[r])).collect();
        let u = analyse(&trials).expect("valid");
        assert_eq!((u.shared(0.0), u.with_shared(0.0, true)), (Ok(0.0), u));
        // ρ/(1-ρ) = 1: the whole of T comes on top.
        assert_eq!(u.shared(0.5), Ok(u.trial));
        // Its standard error: √(2/2) (T + E/6).
        assert!((u.trial_error - (u.trial + u.residual / 6.0)).abs() < 1e-12);
        assert!(u.trial > POSITIVE_PART * u.trial_error);
        let other = u.with_shared(u.trial, false);
        assert!((other.variance - u.variance - u.trial).abs() < 1e-12);
        assert!((other.variance_trial_only - u.variance_trial_only - u.trial).abs() < 1e-12);
        assert!(other.df < u.df, "two degrees of freedom weigh more now: {} {}", other.df, u.df);
        // The items' part is A/6; half of 2√(T A/6) besides where the items are of the same pool.
        let same = u.with_shared(u.trial, true);
        let cross = (u.trial * u.item / 6.0).sqrt();
        assert!((same.variance - other.variance - cross).abs() < 1e-12);
        assert_eq!(same.variance_trial_only, other.variance_trial_only);
        assert!(u.shared(1.0).is_err() && u.shared(-0.1).is_err());
    }

    #[test]
    fn components_set_to_zero_leave_a_floor_and_a_shared_part() {
        // A checkerboard in two repeats of two folds: every trial's mean is 1/2 and every item is right once. Both
        // components are negative, and what is left of the variance is all residual.
        let (even, odd) = ([0u32, 1, 2, 3], [4, 5, 6, 7]);
        let (a, b) = ([true, false, true, false], [false, true, false, true]);
        let trials = [
            trial(0, 0, &even, &a),
            trial(0, 1, &odd, &a),
            trial(1, 0, &even, &b),
            trial(1, 1, &odd, &b),
        ];
        let u = analyse(&trials).expect("valid");
        assert_eq!((u.item, u.trial), (0.0, 0.0));
        assert!(u.variance > 0.0 && u.residual > 0.0);
        let shared = u.shared(0.8).expect("an overlap");
        // .4 · √(2/3) E/4 · ρ/(1-ρ)
        let expected = POSITIVE_PART * (2.0f64 / 3.0).sqrt() * u.residual / 4.0 * 4.0;
        assert!((shared - expected).abs() < 1e-12, "{u:?}");
        assert!(u.with_shared(shared, true).variance > 2.0 * u.variance);
        // One item decides everything: its total alone says more than the components, which share it out.
        let lucky = [
            trial(0, 0, &even, &[true, false, false, false]),
            trial(1, 0, &even, &[true, false, false, false]),
        ];
        let u = analyse(&lucky).expect("valid");
        // Totals of items 2, 0, 0, 0 around a mean of 1/4: (1.5² + 3 · .5²)/64 · 4/3 = 1/16.
        assert!(u.variance >= 1.0 / 16.0 - 1e-12, "{u:?}");
    }

    #[test]
    fn contradictions_are_refused() {
        let twice = [trial(0, 0, &[0, 1], &[1i8, 0]), trial(0, 1, &[1, 2], &[1, 0])];
        let message = analyse(&twice).expect_err("overlap").to_string();
        assert_eq!(message, "item 1 is scored twice in repeat 0: folds must not overlap");
        assert!(analyse(&[twice[0], twice[0]]).is_err());
        assert!(analyse(&[trial(0, 0, &[0], &[1i8, 0])]).is_err());
        assert!(analyse(&[trial::<i8>(0, 0, &[], &[])]).is_err());
        assert!(analyse(&[trial(0, 0, &[u32::MAX, 1], &[1i8, 0])]).is_err());
        assert!(analyse::<i8>(&[]).is_err());
    }
}
