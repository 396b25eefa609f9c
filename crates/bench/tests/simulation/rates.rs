//! What many studies come to: shares, coverage, and what theory expects.

use bench::experiment::ProtocolKind;
use stats::Interval;
use stats::curve::{self, Ratio};

use super::{Conclusion, Learners, Setting, TARGET, study};

/// Shares of studies, and what theory expects of the unequal learners.
pub struct Rates {
    /// By size, and over the whole curve: called equivalent within the region at whose very edge the true difference is.
    pub equivalent: Vec<f64>,
    pub curve_equivalent: f64,
    /// Of the studies with a reliable crossing, those whose interval of n* holds the true one; `None` without any.
    pub crossing_covered: Option<f64>,
    /// Of all studies, those whose interval of the ratio of examples needed holds the true one; `None` if there is none.
    pub efficiency_covered: Option<f64>,
    /// By size: called different in the population, on the test set, by the plain t test.
    pub by_size: Vec<[f64; 3]>,
    /// By size: the mean estimate over its standard deviation between studies.
    pub signal: Vec<f64>,
    /// By size: the standard error that is stated (root mean square) over the true one.
    pub stated: Vec<f64>,
    /// By size, of small-sample-cv: called different by the corrected t inside one sample.
    pub inside: Vec<f64>,
    pub any: f64,
    pub crosses: f64,
    pub curve: f64,
    pub curve_signal: f64,
}

/// Runs `count` studies.
pub fn rates(setting: &Setting, learners: Learners, count: u64) -> Rates {
    let conclusions: Vec<Conclusion> =
        (0..count).map(|seed| study(setting, learners, seed)).collect();
    let share = |of: &dyn Fn(&Conclusion) -> bool| {
        conclusions.iter().filter(|c| of(c)).count() as f64 / count as f64
    };
    let signal = |of: &dyn Fn(&Conclusion) -> f64| {
        let values: Vec<f64> = conclusions.iter().map(of).collect();
        let (mean, variance) = stats::quantile::mean_and_variance(&values).expect("studies");
        mean / variance.sqrt()
    };
    let truth = Truth::of(&setting.protocol.sizes, &conclusions);
    let inside_edge = |of: &dyn Fn(&Conclusion) -> Interval, edge: f64| {
        share(&|c| of(c).lo >= -edge.abs() && of(c).hi <= edge.abs())
    };
    let holds = |intervals: Vec<Interval>, truth: f64| {
        let held = intervals.iter().filter(|i| i.contains(truth)).count();
        (!intervals.is_empty()).then(|| held as f64 / intervals.len() as f64)
    };
    let crossings = || conclusions.iter().filter_map(|c| c.crossing).collect();
    let efficiencies = || conclusions.iter().filter_map(|c| c.efficiency).collect();
    let sizes = 0..setting.protocol.sizes.len();
    let within = setting.protocol.kind == ProtocolKind::SmallSampleCv;
    Rates {
        equivalent: sizes.clone().map(|at| inside_edge(&|c| c.bands[at], truth.gaps[at])).collect(),
        curve_equivalent: inside_edge(&|c| c.curve_interval, truth.curve),
        crossing_covered: truth.crossing.and_then(|n| holds(crossings(), n)),
        efficiency_covered: truth.ratio.and_then(|ratio| holds(efficiencies(), ratio)),
        by_size: sizes
            .clone()
            .map(|at| {
                [share(&|c| c.by_size[at].1), share(&|c| c.by_size[at].2), share(&|c| c.naive[at])]
            })
            .collect(),
        stated: sizes
            .clone()
            .map(|at| {
                let mean = |of: &dyn Fn(&Conclusion) -> f64| {
                    conclusions.iter().map(of).sum::<f64>() / count as f64
                };
                let values: Vec<f64> = conclusions.iter().map(|c| c.by_size[at].0).collect();
                let (_, variance) = stats::quantile::mean_and_variance(&values).expect("studies");
                (mean(&|c| c.stated[at]) / variance).sqrt()
            })
            .collect(),
        signal: sizes.clone().map(|at| signal(&|c| c.by_size[at].0)).collect(),
        inside: sizes.filter(|_| within).map(|at| share(&|c| c.inside[at])).collect(),
        any: share(&|c| c.any),
        crosses: share(&|c| c.crosses),
        curve: share(&|c| c.curve.1),
        curve_signal: signal(&|c| c.curve.0),
    }
}

/// What is true of the two learners, to the precision of the mean over all studies.
struct Truth {
    /// By size: accuracy of the first less that of the second; and the mean over log n.
    gaps: Vec<f64>,
    curve: f64,
    /// Where their curves cross last.
    crossing: Option<f64>,
    /// The examples that the first takes to [`TARGET`] for each one of the second; `None` where a curve does not pass it.
    ratio: Option<f64>,
}

impl Truth {
    fn of(sizes: &[u32], conclusions: &[Conclusion]) -> Truth {
        let n: Vec<f64> = sizes.iter().map(|&n| f64::from(n)).collect();
        let mean = |model: usize, at: usize| {
            conclusions.iter().map(|c| c.accuracies[model][at]).sum::<f64>()
                / conclusions.len() as f64
        };
        let curves: [Vec<f64>; 2] =
            std::array::from_fn(|model| (0..n.len()).map(|at| mean(model, at)).collect());
        let reached = |curve: &[f64]| curve::size_to_reach(&n, curve, TARGET).expect("a curve");
        let ratio = match curve::efficiency(reached(&curves[0]), reached(&curves[1])) {
            Ratio::Exactly(ratio) => Some(ratio),
            _ => None,
        };
        let crossings = curve::crossings(&n, &curves[0], &curves[1]).expect("curves");
        Truth {
            gaps: curves[0].iter().zip(&curves[1]).map(|(a, b)| a - b).collect(),
            curve: conclusions.iter().map(|c| c.curve.0).sum::<f64>() / conclusions.len() as f64,
            crossing: crossings.last().copied(),
            ratio,
        }
    }
}

/// The power of a two-sided test at 5 % whose statistic is normal around `signal`.
pub fn power(signal: f64) -> f64 {
    let z = stats::dist::normal_quantile(0.975);
    stats::dist::normal_sf(z - signal) + stats::dist::normal_cdf(-z - signal)
}
