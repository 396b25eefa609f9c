//! The studentized range: the distribution of the largest difference among k standardised means.
//!
//! Q = (max - min of k standard normals) / s, with s² an independent χ²_ν/ν. With Φ the normal distribution and φ its
//! density (Tukey 1953; Copenhaver & Holland, Journal of Statistical Computation and Simulation 30, 1988):
//!
//! P(Q <= q; ν = ∞) = k ∫ φ(z) [Φ(z) - Φ(z - q)]^(k-1) dz,
//! P(Q <= q; ν) = ∫ f_ν(s) P(Q <= qs; ∞) ds, f_ν(s) = 2 (ν/2)^(ν/2) s^(ν-1) e^(-νs²/2) / Γ(ν/2),
//!
//! both by Gauss–Legendre quadrature on panels, to an absolute error below 1e-10 (ν >= 1).

use std::f64::consts::{PI, SQRT_2};

use crate::error::{Error, Result, check_count};

/// Points per panel.
const POINTS: usize = 16;

/// P(Q > q) for `k` >= 2 means and `df` degrees of freedom, >= 1 or infinite.
///
/// # Errors
/// If `k` is below 2, `df` below 1, or `q` negative or NaN.
pub fn sf(q: f64, k: usize, df: f64) -> Result<f64> {
    check(k, df)?;
    if q.is_nan() || q < 0.0 {
        return Err(Error::OutOfRange { what: "the range q", range: "0 or more", found: q });
    }
    Ok((1.0 - cdf(q, k, df, &Rule::new(POINTS))).clamp(0.0, 1.0))
}

/// The q with P(Q <= q) = `p`, for `p` in (0, 1), by bisection to the last bits.
///
/// # Errors
/// If `k` is below 2, `df` below 1 or `p` outside (0, 1).
pub fn quantile(p: f64, k: usize, df: f64) -> Result<f64> {
    check(k, df)?;
    if !(p > 0.0 && p < 1.0) {
        return Err(Error::OutOfRange { what: "the quantile's p", range: "in (0, 1)", found: p });
    }
    let rule = Rule::new(POINTS);
    let (mut lo, mut hi) = (0.0, 2.0);
    while cdf(hi, k, df, &rule) < p && hi < 1e6 {
        (lo, hi) = (hi, 2.0 * hi);
    }
    while hi - lo > 1e-12 * hi {
        let middle = 0.5 * (lo + hi);
        if cdf(middle, k, df, &rule) < p {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    Ok(0.5 * (lo + hi))
}

fn check(k: usize, df: f64) -> Result<()> {
    check_count("means", k, 2)?;
    if df.is_nan() || df < 1.0 {
        let what = "the studentized range's degrees of freedom";
        return Err(Error::OutOfRange { what, range: "1 or more", found: df });
    }
    Ok(())
}

fn cdf(q: f64, k: usize, df: f64, rule: &Rule) -> f64 {
    if df.is_infinite() {
        return range_cdf(q, k, rule);
    }
    // s is about 1 with standard deviation 1/√(2ν); the density beyond ten of those is below 1e-12.
    let reach = 10.0 / (2.0 * df).sqrt();
    let half = df / 2.0;
    let constant = std::f64::consts::LN_2 + half * libm::log(half) - libm::lgamma(half);
    let density = |s: f64| libm::exp(constant + (df - 1.0) * libm::log(s) - half * s * s);
    let (from, to) = ((1.0 - reach).max(0.0), 1.0 + reach);
    rule.integrate(from, to, 20, |s| density(s) * range_cdf(q * s, k, rule))
}

/// P(Q <= q) with the variance known.
fn range_cdf(q: f64, k: usize, rule: &Rule) -> f64 {
    let normal = |z: f64| 0.5 * libm::erfc(-z / SQRT_2);
    let power = (k - 1) as i32;
    let integrand = |z: f64| {
        let between = normal(z) - normal(z - q);
        libm::exp(-0.5 * z * z) / (2.0 * PI).sqrt() * between.max(0.0).powi(power)
    };
    k as f64 * rule.integrate(-8.5, 8.5, 17, integrand)
}

/// Gauss–Legendre nodes and weights on [-1, 1].
struct Rule {
    points: Vec<(f64, f64)>,
}

impl Rule {
    /// Newton's method on the Legendre polynomial from the Chebyshev estimate of its roots.
    fn new(n: usize) -> Self {
        let root = |i: usize| {
            let mut x = libm::cos(PI * (i as f64 + 0.75) / (n as f64 + 0.5));
            let mut slope = 1.0;
            for _ in 0..50 {
                let (value, derivative) = legendre(n, x);
                slope = derivative;
                let step = value / derivative;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        };
        Rule { points: (0..n).map(root).collect() }
    }

    fn integrate(&self, from: f64, to: f64, panels: usize, f: impl Fn(f64) -> f64) -> f64 {
        let half = (to - from) / (2.0 * panels as f64);
        let panel = |p: usize| {
            let centre = from + half * (2 * p + 1) as f64;
            self.points.iter().map(|(x, w)| w * f(centre + half * x)).sum::<f64>()
        };
        half * (0..panels).map(panel).sum::<f64>()
    }
}

/// P_n(x) and its derivative, by Bonnet's recursion.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for j in 2..=n {
        let j = j as f64;
        (before, value) = (value, ((2.0 * j - 1.0) * x * value - (j - 1.0) * before) / j);
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_means_are_a_t_test() {
        // For k = 2, Q = √2 |T|: 2.5706 is t(.975, 5).
        let p = sf(2.570_581_835_636_314 * SQRT_2, 2, 5.0).expect("valid");
        assert!((p - 0.05).abs() < 1e-9, "{p}");
    }

    #[test]
    fn ends_and_nonsense() {
        assert!((sf(0.0, 3, f64::INFINITY).expect("valid") - 1.0).abs() < 1e-12);
        assert!(sf(60.0, 3, 10.0).expect("valid") < 1e-6);
        assert!(sf(1.0, 1, 5.0).is_err() && sf(-1.0, 2, 5.0).is_err() && sf(1.0, 2, 0.5).is_err());
        assert!(quantile(1.0, 3, 5.0).is_err());
    }
}
