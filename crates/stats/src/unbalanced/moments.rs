//! The moment equations of the parent module's derivation, their solution, and the degrees of freedom.

use super::{Sources, Sums};

/// The three equations: `rows[j] · (A, T, E) = squares[j]`.
pub(super) struct Moments {
    rows: [[f64; 3]; 3],
}

impl Moments {
    pub(super) fn of(s: &Sums) -> Self {
        let n = s.n;
        let var = [s.s2 / (n * n), s.g2 / (n * n), 1.0 / n];
        let plus = |base: [f64; 3], factor: f64| {
            [base[0] + factor * var[0], base[1] + factor * var[1], base[2] + factor * var[2]]
        };
        let shared = n - 2.0 * s.q / n;
        Moments {
            rows: [
                plus([s.s2 - 2.0 * s.s3 / n, shared, n - 2.0 * s.s2 / n], s.s2),
                plus([shared, s.g2 - 2.0 * s.g3 / n, n - 2.0 * s.g2 / n], s.g2),
                plus([n, n, n], -n),
            ],
        }
    }

    /// What Satterthwaite's degrees of freedom need: the variance as a combination of the item and trial sums of
    /// squares and what both of them count, (V_I + V_T - V_E)² / (V_I²/(items-1) + V_T²/(G-1) + V_E²/(N-items-G+1)),
    /// with V_I and V_T at their expectations. In the balanced design that is [`crate::crossed`]'s; where no item was
    /// scored twice, G-1.
    pub(super) fn sources(
        &self,
        parts: [f64; 3],
        variance: f64,
        s: &Sums,
        trials: usize,
    ) -> Sources {
        let (m, g) = (s.items as f64, trials as f64);
        let df = [m - 1.0, g - 1.0, s.n - m - g + 1.0].map(|df| df.max(1.0));
        if s.items as f64 >= s.n {
            // No item was scored twice: the variance is that of the trials' means, and nothing is counted twice.
            return Sources { item: 0.0, trial: variance, both: 0.0, df };
        }
        let expected = |row: [f64; 3]| row.iter().zip(parts).map(|(c, part)| c * part).sum::<f64>();
        let item = expected(self.rows[0]) / (s.n * s.n) * m / df[0];
        let trial = expected(self.rows[1]) / (s.n * s.n) * g / df[1];
        Sources { item, trial, both: item + trial - variance, df }
    }

    /// (A, T, E), none negative; what cannot be identified is 0, its share in E.
    pub(super) fn solve(&self, squares: [f64; 3]) -> (f64, f64, f64) {
        if squares[2] == 0.0 {
            return (0.0, 0.0, 0.0);
        }
        let [of_item, of_trial, of_score] = self.rows;
        let [by_item, by_trial, by_score] = squares;
        let (a, t, e) = solve3(self.rows, squares)
            .or_else(|| {
                // No item scored twice: A and E are one component.
                let (x, y) = ([of_trial[1], of_trial[2]], [of_score[1], of_score[2]]);
                solve2(x, y, [by_trial, by_score]).map(|(t, e)| (0.0, t, e))
            })
            .or_else(|| {
                // No trial scored two items: T and E are one component.
                let (x, y) = ([of_item[0], of_item[2]], [of_score[0], of_score[2]]);
                solve2(x, y, [by_item, by_score]).map(|(a, e)| (a, 0.0, e))
            })
            .unwrap_or((0.0, 0.0, by_score / of_score[2]));
        // The total is well determined even where its parts are not: clip the parts inside it.
        let total = (a + t + e).max(0.0);
        let t = t.clamp(0.0, total);
        let a = a.clamp(0.0, total - t);
        (a, t, (total - t - a).max(0.0))
    }
}

/// A determinant below this share of its rows' product counts as zero: the components cannot be told apart.
const SINGULAR: f64 = 1e-10;

/// Solves two equations by Cramer's rule; `None` if they are dependent.
fn solve2(x: [f64; 2], y: [f64; 2], right: [f64; 2]) -> Option<(f64, f64)> {
    let det = x[0] * y[1] - x[1] * y[0];
    let scale = x[0].hypot(x[1]) * y[0].hypot(y[1]);
    (det.abs() > SINGULAR * scale).then(|| {
        ((right[0] * y[1] - x[1] * right[1]) / det, (x[0] * right[1] - right[0] * y[0]) / det)
    })
}

/// Solves three equations by Cramer's rule; `None` if they are dependent.
fn solve3(m: [[f64; 3]; 3], right: [f64; 3]) -> Option<(f64, f64, f64)> {
    let det = det3(m);
    let scale: f64 = m.iter().map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()).product();
    let column = |j: usize| {
        let mut with = m;
        for (row, value) in with.iter_mut().zip(right) {
            row[j] = value;
        }
        det3(with) / det
    };
    (det.abs() > SINGULAR * scale).then(|| (column(0), column(1), column(2)))
}

fn det3(m: [[f64; 3]; 3]) -> f64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}
