//! Distributions: quantiles and tail probabilities.
//!
//! The normal and the chi-squared are those of `statrs`, the rest follow from the incomplete beta function of this
//! crate. They serve tests and intervals; what is written into results per trial (log loss and the like) uses `libm`
//! alone, whose bits do not depend on the platform.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

use crate::incomplete_beta::{binomial_probability, inverse, middle, tails};

/// Degrees of freedom from which Student's t is the normal with a correction of order 1/df: what is left out is of
/// order 1/df², where the continued fraction would begin to lose digits.
const NORMAL_FROM: f64 = 1e7;

fn normal() -> Normal {
    Normal::new(0.0, 1.0).unwrap_or_else(|_| unreachable!("the standard normal exists"))
}

/// The quantile of the standard normal distribution at `p` in (0, 1).
pub fn normal_quantile(p: f64) -> f64 {
    normal().inverse_cdf(p)
}

/// P(Z <= z) for a standard normal Z.
pub fn normal_cdf(z: f64) -> f64 {
    normal().cdf(z)
}

/// P(Z > z) for a standard normal Z, accurate in the upper tail.
pub fn normal_sf(z: f64) -> f64 {
    normal().sf(z)
}

/// The quantile at `p` in (0, 1) of Student's t with `df` > 0 degrees of freedom (infinite: normal).
///
/// # Panics
/// If `df` is not > 0: a defect of the caller.
pub fn t_quantile(p: f64, df: f64) -> f64 {
    if p < 0.5 { -t_upper(p, df) } else { t_upper(1.0 - p, df) }
}

/// The t with P(T > t) = `tail` in (0, 1/2], for Student's t with `df` > 0 degrees of freedom (infinite: normal):
/// [`t_quantile`] at 1 - `tail`, also where that would round to 1.
///
/// # Panics
/// If `df` is not > 0: a defect of the caller.
pub fn t_upper(tail: f64, df: f64) -> f64 {
    check_positive(df);
    let z = -normal_quantile(tail);
    if df >= NORMAL_FROM || tail == 0.5 {
        // Abramowitz & Stegun 26.7.5.
        return z + (z * z * z + z) / (4.0 * df);
    }
    // Newton's method on ln P(T > t), inside a bracket that starts at the normal's quantile, which is too small.
    let mut lo = z.max(0.0);
    let mut hi = lo.max(1.0);
    while t_sf(hi, df) > tail {
        (lo, hi) = (hi, 4.0 * hi);
    }
    let mut t = hi;
    for _ in 0..500 {
        let upper = t_sf(t, df);
        if upper > tail {
            lo = t;
        } else {
            hi = t;
        }
        let slope = t_density(t, df) / upper;
        let newton = t + (libm::log(upper) - libm::log(tail)) / slope;
        let next = if newton > lo && newton < hi { newton } else { middle(lo, hi) };
        if (next - t).abs() <= 2e-16 * t || next == lo || next == hi {
            return next;
        }
        t = next;
    }
    t
}

/// Student's density at `t` > 0: the derivative of the tail ½ I_x(df/2, ½) at x = df/(df + t²).
fn t_density(t: f64, df: f64) -> f64 {
    let (half, total) = (df / 2.0, df + t * t);
    // x^a y^b / (t B(a, b)), with the factor as a binomial probability, which keeps its digits.
    let (a, b) = (half, 0.5);
    a * b / (a + b) * binomial_probability(a, a + b, df / total, t * t / total) / t
}

/// P(T <= t) for Student's t with `df` > 0 degrees of freedom (infinite: normal).
///
/// # Panics
/// If `df` is not > 0: a defect of the caller.
pub fn t_cdf(t: f64, df: f64) -> f64 {
    t_sf(-t, df)
}

/// P(T > t) for Student's t with `df` > 0 degrees of freedom (infinite: normal).
///
/// # Panics
/// If `df` is not > 0: a defect of the caller.
pub fn t_sf(t: f64, df: f64) -> f64 {
    check_positive(df);
    if df >= NORMAL_FROM {
        // Abramowitz & Stegun 26.7.8.
        return normal_sf(t * (1.0 - 0.25 / df) / (1.0 + 0.5 * t * t / df).sqrt());
    }
    let total = df + t * t;
    let beyond = 0.5 * tails(df / 2.0, 0.5, df / total, t * t / total).0;
    if t >= 0.0 { beyond } else { 1.0 - beyond }
}

/// P(|T| >= |t|): the two-sided p-value of `t`.
///
/// # Panics
/// If `df` is not > 0: a defect of the caller.
pub fn t_two_sided(t: f64, df: f64) -> f64 {
    (2.0 * t_sf(t.abs(), df)).min(1.0)
}

/// P(F > f) for Fisher's F with `d1`, `d2` > 0 degrees of freedom.
///
/// # Panics
/// If a number of degrees of freedom is not > 0: a defect of the caller.
pub fn f_sf(f: f64, d1: f64, d2: f64) -> f64 {
    check_positive(d1);
    check_positive(d2);
    let (x, total) = (d1 * f.max(0.0), d2 + d1 * f.max(0.0));
    tails(d2 / 2.0, d1 / 2.0, d2 / total, x / total).0
}

/// P(X > x) for chi-squared with `df` > 0 degrees of freedom.
///
/// # Panics
/// If `df` is not > 0: a defect of the caller.
pub fn chi2_sf(x: f64, df: f64) -> f64 {
    ChiSquared::new(df).unwrap_or_else(|_| panic!("degrees of freedom {df} must be > 0")).sf(x)
}

/// The quantile at `p` in [0, 1] of the beta distribution with shapes `a`, `b` > 0.
///
/// # Panics
/// If a shape is not > 0: a defect of the caller.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    check_positive(a);
    check_positive(b);
    inverse(p, a, b)
}

/// P(K = k) for K successes among `n` with probability `p` in [0, 1]; 0 for k > n.
///
/// # Panics
/// If `p` is not in [0, 1]: a defect of the caller.
pub fn binomial_pmf(k: u64, n: u64, p: f64) -> f64 {
    check_probability(p);
    if k > n { 0.0 } else { binomial_probability(k as f64, n as f64, p, 1.0 - p) }
}

/// P(K <= k) for K successes among `n` with probability `p` in [0, 1].
///
/// # Panics
/// If `p` is not in [0, 1]: a defect of the caller.
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    check_probability(p);
    if k >= n {
        return 1.0;
    }
    tails(k as f64 + 1.0, (n - k) as f64, p, 1.0 - p).1
}

fn check_positive(x: f64) {
    assert!(x > 0.0, "degrees of freedom and shapes must be > 0, not {x}");
}

fn check_probability(p: f64) {
    assert!((0.0..=1.0).contains(&p), "a probability must be in [0, 1], not {p}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17.1, `t.ppf`, `t.sf`, `beta.ppf` and `binom.cdf`, where `statrs` 0.19 is off or does not end.
    #[test]
    fn large_and_small_parameters() {
        let cases = [
            (t_quantile(0.975, 0.5), 164.55767348048818),
            (t_quantile(0.9, 30000.0), 1.2815797856711708),
            (t_quantile(0.975, 1000000.0), 1.959966356814107),
            (t_quantile(0.975, 1000000000.0), 1.959963986912325),
            (t_sf(5.0, 0.3), 0.21543553057681827),
            (t_sf(5.0, 1e7), 2.866564037504268e-07),
            (beta_quantile(0.025, 59_701.0, 300.0), 0.9944202611648448),
            (beta_quantile(0.025, 0.5, 1e6), 4.910346812257256e-10),
            (binomial_cdf(499_000, 1_000_000, 0.5), 0.0228041499326948),
            (binomial_pmf(500, 1_000_000, 5e-4), 0.017842729108770067),
            (f_sf(400.0, 1.0, 20.0), 1.079986453421047e-14),
        ];
        for (at, (found, expected)) in cases.into_iter().enumerate() {
            assert!(
                (found / expected - 1.0_f64).abs() < 1e-10,
                "{at}: {found:e}, not {expected:e}"
            );
        }
    }

    #[test]
    fn tails_are_symmetric() {
        assert!((t_quantile(0.025, 7.0) + t_quantile(0.975, 7.0)).abs() < 1e-14);
        assert!((t_cdf(1.3, 4.0) + t_sf(1.3, 4.0) - 1.0).abs() < 1e-15);
        assert_eq!((t_sf(0.0, 3.0), t_quantile(0.5, 3.0)), (0.5, 0.0));
        assert_eq!((f_sf(0.0, 2.0, 3.0), beta_quantile(1.0, 2.0, 3.0)), (1.0, 1.0));
        assert_eq!((binomial_pmf(3, 2, 0.5), binomial_cdf(2, 2, 0.5)), (0.0, 1.0));
    }
}
