//! Bootstrap intervals from replicates of a statistic, and the draws that make them.
//!
//! The replicates are handed in, so that one set serves the percentile, the basic and the BCa interval (Efron,
//! JASA 82, 1987; DiCiccio & Efron, Statistical Science 11, 1996). For draws × items use [`crate::pigeonhole`].

use rand::Rng;

use crate::dist::{normal_cdf, normal_quantile};
use crate::error::{Error, Result, check_count, check_finite, check_level};
use crate::estimate::Interval;
use crate::quantile::{mean_and_variance, quantile_sorted, sorted};

/// How replicates equal to the estimate enter the bias term z₀.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// Half of them count as below, as in SciPy. Mean accuracies tie often; counting none of them as below would
    /// shift the whole interval.
    MidRank,
    /// None of them counts as below, as Efron wrote it for continuous data and as R's `boot` does.
    Below,
}

/// A bias-corrected and accelerated interval with its ingredients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bca {
    /// Bias term z₀ = Φ⁻¹(share of replicates below the estimate).
    pub z0: f64,
    /// Acceleration a = Σ u³ / (6 (Σ u²)^{3/2}), u = jackknife mean - jackknife value; 0 if none differs.
    pub acceleration: f64,
    /// The probabilities of the lower and upper limit, in (0, 1).
    pub probabilities: [f64; 2],
    /// The limits by type 7 quantiles of the replicates.
    pub interval: Interval,
    /// The limits by interpolation on the normal scale, as R's `boot::boot.ci` does (Davison & Hinkley 1997,
    /// eq. 5.8); the outermost replicate where the probability lies beyond them.
    pub normal_scale: Interval,
}

/// The standard deviation of the replicates (divisor B - 1).
///
/// # Errors
/// With fewer than two replicates or one that is not finite.
pub fn standard_error(replicates: &[f64]) -> Result<f64> {
    Ok(mean_and_variance(replicates)?.1.sqrt())
}

/// The percentile interval: quantiles (1 - level)/2 and (1 + level)/2 of the replicates.
///
/// # Errors
/// Without replicates, if one is not finite, or the level is not in (0, 1).
pub fn percentile(replicates: &[f64], level: f64) -> Result<Interval> {
    check_level(level)?;
    let sorted = sorted(replicates)?;
    Ok(Interval {
        lo: quantile_sorted(&sorted, 0.5 - level / 2.0)?,
        hi: quantile_sorted(&sorted, 0.5 + level / 2.0)?,
    })
}

/// The basic interval: the percentile interval reflected at the estimate, [2θ - hi, 2θ - lo].
///
/// # Errors
/// Without replicates, if a value is not finite, or the level is not in (0, 1).
pub fn basic(theta: f64, replicates: &[f64], level: f64) -> Result<Interval> {
    check_finite("the estimate", &[theta])?;
    let Interval { lo, hi } = percentile(replicates, level)?;
    Ok(Interval { lo: 2.0 * theta - hi, hi: 2.0 * theta - lo })
}

/// The BCa interval of `theta` from its `replicates` and `jackknife` values (the statistic without each observation).
///
/// Compute all three by the same code: replicates tie with the estimate only if they are equal to the last bit.
///
/// # Errors
/// With fewer than two replicates or jackknife values, if a value is not finite, the level is not in (0, 1), or all
/// replicates lie on one side of the estimate: the bias term is then infinite, and more replicates are needed.
pub fn bca(
    theta: f64,
    replicates: &[f64],
    jackknife: &[f64],
    ties: Ties,
    level: f64,
) -> Result<Bca> {
    check_level(level)?;
    check_finite("the estimate", &[theta])?;
    check_count("bootstrap replicates", replicates.len(), 2)?;
    let sorted = sorted(replicates)?;
    let z0 = bias(theta, &sorted, ties)?;
    let acceleration = acceleration(jackknife)?;
    let adjust = |p: f64| {
        let z = z0 + normal_quantile(p);
        normal_cdf(z0 + z / (1.0 - acceleration * z))
    };
    let probabilities = [adjust(0.5 - level / 2.0), adjust(0.5 + level / 2.0)];
    let [lo, hi] = probabilities;
    Ok(Bca {
        z0,
        acceleration,
        probabilities,
        interval: Interval { lo: quantile_sorted(&sorted, lo)?, hi: quantile_sorted(&sorted, hi)? },
        normal_scale: Interval {
            lo: normal_scale_quantile(&sorted, lo),
            hi: normal_scale_quantile(&sorted, hi),
        },
    })
}

fn bias(theta: f64, sorted: &[f64], ties: Ties) -> Result<f64> {
    let below = sorted.partition_point(|&t| t < theta) as f64;
    let up_to = sorted.partition_point(|&t| t <= theta) as f64;
    let counted = match ties {
        Ties::MidRank => 0.5 * (below + up_to),
        Ties::Below => below,
    };
    let share = counted / sorted.len() as f64;
    if share <= 0.0 || share >= 1.0 {
        return Err(Error::Invalid(
            "all bootstrap replicates lie on one side of the estimate: draw more, or use the \
             percentile interval"
                .to_owned(),
        ));
    }
    Ok(normal_quantile(share))
}

fn acceleration(jackknife: &[f64]) -> Result<f64> {
    let (mean, variance) = mean_and_variance(jackknife)?;
    if variance == 0.0 {
        return Ok(0.0);
    }
    let (mut squares, mut cubes) = (0.0, 0.0);
    for u in jackknife.iter().map(|j| mean - j) {
        squares += u * u;
        cubes += u * u * u;
    }
    Ok(cubes / (6.0 * squares * squares.sqrt()))
}

/// The (B + 1)p-th order statistic, interpolated in Φ⁻¹ between whole ones.
fn normal_scale_quantile(sorted: &[f64], p: f64) -> f64 {
    let count = sorted.len();
    let rank = (count as f64 + 1.0) * p;
    let k = rank as usize;
    if k == 0 || k >= count {
        return if k == 0 { sorted[0] } else { sorted[count - 1] };
    }
    let at = |k: usize| normal_quantile(k as f64 / (count as f64 + 1.0));
    let share = (normal_quantile(p) - at(k)) / (at(k + 1) - at(k));
    sorted[k - 1] + share * (sorted[k] - sorted[k - 1])
}

/// The statistic with each of `n` observations left out in turn; it is handed the indices that stay.
pub fn jackknife(n: usize, mut statistic: impl FnMut(&[usize]) -> f64) -> Vec<f64> {
    let mut stay: Vec<usize> = (1..n).collect();
    (0..n)
        .map(|out| {
            if out > 0 {
                stay[out - 1] = out - 1;
            }
            statistic(&stay)
        })
        .collect()
}

/// `count` replicates of a statistic of `n` > 0 observations, which is handed `n` indices drawn with replacement.
///
/// # Errors
/// If there are no observations.
pub fn replicates(
    n: usize,
    count: usize,
    mut statistic: impl FnMut(&[usize]) -> f64,
    rng: &mut impl Rng,
) -> Result<Vec<f64>> {
    check_count("observations", n, 1)?;
    let mut drawn = vec![0; n];
    Ok((0..count)
        .map(|_| {
            drawn.fill_with(|| rng.random_range(0..n));
            statistic(&drawn)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn mean_of(data: &[f64]) -> impl Fn(&[usize]) -> f64 {
        |chosen| chosen.iter().map(|&i| data[i]).sum::<f64>() / chosen.len() as f64
    }

    #[test]
    fn jackknife_leaves_out_each_once() {
        let data = [1.0, 2.0, 6.0];
        assert_eq!(jackknife(3, mean_of(&data)), [4.0, 3.5, 1.5]);
    }

    #[test]
    fn replicates_follow_the_seed_and_the_spread() {
        let data: Vec<f64> = (0..50).map(f64::from).collect();
        let draw = |seed| {
            replicates(50, 2000, mean_of(&data), &mut ChaCha8Rng::seed_from_u64(seed))
                .expect("data")
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        // The bootstrap's own standard error of the mean, √(Σ(x - x̄)²)/n = 2.0408; 2,000 replicates know it to 2 %.
        let se = standard_error(&draw(3)).expect("replicates");
        assert!((se / 2.0408 - 1.0).abs() < 0.06, "{se}");
    }

    #[test]
    fn one_sided_replicates_are_refused_and_equal_ones_are_a_point() {
        assert!(bca(0.0, &[1.0, 2.0], &[0.1, 0.2], Ties::MidRank, 0.95).is_err());
        let point = bca(1.0, &[1.0; 9], &[1.0; 5], Ties::MidRank, 0.95).expect("ties count half");
        assert_eq!((point.z0, point.interval), (0.0, Interval { lo: 1.0, hi: 1.0 }));
        assert!(bca(1.0, &[1.0; 9], &[1.0; 5], Ties::Below, 0.95).is_err());
    }
}
