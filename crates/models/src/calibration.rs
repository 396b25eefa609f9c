//! Probabilities from decision values: Platt's sigmoid for two classes, pairwise coupling for more.

/// P(positive | f) = 1 / (1 + exp(a f + b)) of a decision value f.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sigmoid {
    a: f64,
    b: f64,
}

/// Newton steps at most.
const STEPS: usize = 100;

impl Sigmoid {
    /// Fits decision values to whether each is of a positive example, by the likelihood of Platt's smoothed targets:
    /// Newton's method with backtracking (Lin, Lin and Weng, "A note on Platt's probabilistic outputs for support vector
    /// machines", Machine Learning 68, 2007, appendix 3).
    pub(crate) fn fit(values: &[f64], positive: &[bool]) -> Self {
        let yes = positive.iter().filter(|p| **p).count() as f64;
        let no = positive.len() as f64 - yes;
        let (high, low) = ((yes + 1.0) / (yes + 2.0), 1.0 / (no + 2.0));
        let points: Vec<(f64, f64)> =
            values.iter().zip(positive).map(|(&f, &p)| (f, if p { high } else { low })).collect();
        let mut fitted = Sigmoid { a: 0.0, b: libm::log((no + 1.0) / (yes + 1.0)) };
        let mut loss = fitted.loss(&points);
        for _ in 0..STEPS {
            let (mut h11, mut h22, mut h21, mut g1, mut g2) = (1e-12, 1e-12, 0.0, 0.0, 0.0);
            for &(f, target) in &points {
                let p = fitted.probability(f);
                let weight = p * (1.0 - p);
                h11 += f * f * weight;
                h22 += weight;
                h21 += f * weight;
                g1 += f * (target - p);
                g2 += target - p;
            }
            if g1.abs() < 1e-8 && g2.abs() < 1e-8 {
                break;
            }
            let det = h11 * h22 - h21 * h21;
            let (da, db) = ((h21 * g2 - h22 * g1) / det, (h21 * g1 - h11 * g2) / det);
            let slope = g1 * da + g2 * db;
            let mut step = 1.0;
            let better = loop {
                let next = Sigmoid { a: fitted.a + step * da, b: fitted.b + step * db };
                let next_loss = next.loss(&points);
                if next_loss < loss + 1e-4 * step * slope {
                    break Some((next, next_loss));
                }
                step /= 2.0;
                if step < 1e-10 {
                    break None;
                }
            };
            let Some(better) = better else { break };
            (fitted, loss) = better;
        }
        fitted
    }

    /// The probability of the positive class, written so that no exponential overflows.
    pub(crate) fn probability(&self, f: f64) -> f64 {
        let z = self.a * f + self.b;
        if z >= 0.0 {
            let e = libm::exp(-z);
            e / (1.0 + e)
        } else {
            1.0 / (1.0 + libm::exp(z))
        }
    }

    /// Minus the log-likelihood.
    fn loss(&self, points: &[(f64, f64)]) -> f64 {
        let one = |&(f, target): &(f64, f64)| {
            let z = self.a * f + self.b;
            if z >= 0.0 {
                target * z + libm::log1p(libm::exp(-z))
            } else {
                (target - 1.0) * z + libm::log1p(libm::exp(z))
            }
        };
        points.iter().map(one).sum()
    }
}

/// The probabilities of all classes from those of each pair, `wins[i * classes + j]` = P(i | i or j): the second method
/// of Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise coupling", JMLR 5, 2004, by
/// their algorithm 2.
pub(crate) fn couple(wins: &[f64], classes: usize) -> Vec<f64> {
    let win = |i: usize, j: usize| wins[i * classes + j].clamp(1e-7, 1.0 - 1e-7);
    let q = |t: usize, j: usize| match t == j {
        true => (0..classes).filter(|&s| s != t).map(|s| win(s, t) * win(s, t)).sum::<f64>(),
        false => -win(j, t) * win(t, j),
    };
    let q: Vec<f64> = (0..classes * classes).map(|at| q(at / classes, at % classes)).collect();
    let mut p = vec![1.0 / classes as f64; classes];
    for _ in 0..1000 {
        let mut moved = 0.0f64;
        for t in 0..classes {
            let row = |t: usize, p: &[f64]| (0..classes).map(|j| q[t * classes + j] * p[j]).sum();
            let products: Vec<f64> = (0..classes).map(|t| row(t, &p)).collect();
            let all: f64 = products.iter().zip(&p).map(|(qp, p)| qp * p).sum();
            let change = (all - products[t]) / q[t * classes + t];
            p[t] += change;
            p.iter_mut().for_each(|p| *p /= 1.0 + change);
            moved = moved.max(change.abs());
        }
        if moved < 1e-10 {
            break;
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sigmoid_is_scikit_learns() {
        // sklearn.calibration._sigmoid_calibration of these values, which minimises the same loss by L-BFGS.
        let values = [-2.0, -1.5, -1.0, -0.3, 0.1, 0.4, -0.2, 0.9, 1.3, 2.2];
        let positive = [0, 0, 0, 0, 0, 1, 1, 1, 0, 1].map(|p| p == 1);
        let fitted = Sigmoid::fit(&values, &positive);
        assert!((fitted.a + 0.747873).abs() < 1e-4, "{fitted:?}");
        assert!((fitted.b - 0.429354).abs() < 1e-4, "{fitted:?}");
    }

    #[test]
    fn separated_and_equal_values_have_a_finite_fit() {
        let apart = Sigmoid::fit(&[-1e3, -1.0, 1.0, 1e3], &[false, false, true, true]);
        assert!(apart.probability(1.0) > 0.5 && apart.probability(-1.0) < 0.5, "{apart:?}");
        let equal = Sigmoid::fit(&[0.0; 4], &[true, false, false, false]);
        // The mean of the targets: (2/3 + 3 × 1/5) / 4.
        assert!((equal.probability(0.0) - 0.316_666_666).abs() < 1e-6, "{equal:?}");
    }

    #[test]
    fn coupling_gives_back_probabilities_that_agree_in_all_pairs() {
        let p = [0.5, 0.2, 0.3];
        let wins: Vec<f64> = (0..9).map(|at| p[at / 3] / (p[at / 3] + p[at % 3])).collect();
        let coupled = couple(&wins, 3);
        assert!(coupled.iter().zip(p).all(|(a, b)| (a - b).abs() < 1e-8), "{coupled:?}");
    }
}
