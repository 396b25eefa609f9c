//! The regularised incomplete beta function and its inverse, from which t, F, beta and binomial probabilities follow.
//!
//! Our own, because `statrs` 0.19 cuts its continued fraction off after 140 terms: the t quantile is off by 3e-7 at
//! 30,000 degrees of freedom, which crossed designs reach, and by 7 % at ten million.
//!
//! The continued fraction is evaluated by Lentz's method (*Numerical Recipes*, 3rd ed., §6.4); the factor
//! before it is the saddle-point form of the binomial probability (Loader 2000, as in R's `dbinom`),
//! which loses no digits where differences of log-gammas would.

use std::f64::consts::PI;

/// Terms of the continued fraction at most; about √(max(a, b)) are needed.
const TERMS: usize = 200_000;

/// (I_x(a, b), 1 - I_x(a, b)), both to full relative precision, for a, b > 0 and x + y = 1 (both handed in, since one
/// of them may be tiny).
pub(crate) fn tails(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if y <= 0.0 {
        return (1.0, 0.0);
    }
    let front = density_times_xy(a, b, x, y);
    if x < (a + 1.0) / (a + b + 2.0) {
        let lower = (front * continued_fraction(a, b, x) / a).min(1.0);
        (lower, 1.0 - lower)
    } else {
        let upper = (front * continued_fraction(b, a, y) / b).min(1.0);
        (1.0 - upper, upper)
    }
}

/// The x with I_x(a, b) = `p` in [0, 1]: Newton's method inside a shrinking bracket.
pub(crate) fn inverse(p: f64, a: f64, b: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return p.clamp(0.0, 1.0);
    }
    let (mut lo, mut hi) = (0.0, 1.0);
    let mut x = a / (a + b);
    for _ in 0..2_000 {
        let (lower, upper) = tails(a, b, x, 1.0 - x);
        // From whichever tail is the smaller, and so the more precise.
        let excess = if p < 0.5 { lower - p } else { (1.0 - p) - upper };
        if excess > 0.0 {
            hi = x;
        } else {
            lo = x;
        }
        let slope = density_times_xy(a, b, x, 1.0 - x) / (x * (1.0 - x));
        let newton = x - excess / slope;
        let inside = newton > lo && newton < hi;
        let next = if inside { newton } else { middle(lo, hi) };
        if (next - x).abs() <= 1e-16 * x || next == lo || next == hi {
            return next;
        }
        x = next;
    }
    x
}

/// Between `lo` and `hi`: by halves, or by orders of magnitude where they are apart.
pub(crate) fn middle(lo: f64, hi: f64) -> f64 {
    if lo > 0.0 && hi > 4.0 * lo {
        (lo * hi).sqrt()
    } else if lo == 0.0 && hi > 1e-300 {
        hi * 1e-3
    } else {
        0.5 * (lo + hi)
    }
}

/// x^a y^b / B(a, b).
fn density_times_xy(a: f64, b: f64, x: f64, y: f64) -> f64 {
    a * b / (a + b) * binomial_probability(a, a + b, x, y)
}

/// n! / (k! (n-k)!) p^k q^(n-k) for real 0 <= k <= n and p + q = 1, by Loader's saddle-point expansion.
pub(crate) fn binomial_probability(k: f64, n: f64, p: f64, q: f64) -> f64 {
    if p == 0.0 || q == 0.0 {
        return f64::from(u8::from(k == n * p));
    }
    if k == 0.0 {
        return libm::exp(n * if p < 0.1 { libm::log1p(-p) } else { libm::log(q) });
    }
    if k == n {
        return libm::exp(n * if q < 0.1 { libm::log1p(-q) } else { libm::log(p) });
    }
    let rest = n - k;
    let exponent = stirling_error(n)
        - stirling_error(k)
        - stirling_error(rest)
        - deviance(k, n * p)
        - deviance(rest, n * q);
    libm::exp(exponent) * (n / (2.0 * PI * k * rest)).sqrt()
}

/// ln Γ(n+1) - ln(√(2πn) (n/e)^n).
fn stirling_error(n: f64) -> f64 {
    if n <= 15.0 {
        let half_log_two_pi = 0.5 * libm::log(2.0 * PI);
        return libm::lgamma(n + 1.0) - (n + 0.5) * libm::log(n) + n - half_log_two_pi;
    }
    let m = n * n;
    let tail = 1.0 / 1680.0 - 1.0 / 1188.0 / m;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - tail / m) / m) / m) / n
}

/// x ln(x/m) + m - x, without cancellation where x is near m.
fn deviance(x: f64, m: f64) -> f64 {
    let gap = x - m;
    if gap.abs() >= 0.1 * (x + m) {
        return x * libm::log(x / m) - gap;
    }
    let v = gap / (x + m);
    let (mut sum, mut term) = (gap * v, 2.0 * x * v);
    for j in 1..1_000 {
        term *= v * v;
        let next = sum + term / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// The continued fraction of I_x(a, b) · a B(a, b) / (x^a y^b), for x below about a/(a + b).
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in 1..TERMS {
        let m = m as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + numerator * d);
            c = away_from_zero(1.0 + numerator / c);
            factor = c * d;
            value *= factor;
        }
        if (factor - 1.0).abs() < 3e-16 {
            break;
        }
    }
    value
}
