//! QR factors of small matrices, rows as vectors.

/// Householder QR in place: the upper triangle of R in the first rows, Qᵀ applied to `right`.
pub(crate) fn triangularise(rows: &mut [Vec<f64>], right: &mut [f64]) {
    let (m, p) = (rows.len(), rows[0].len());
    for k in 0..p.min(m) {
        let norm = rows[k..].iter().map(|row| row[k] * row[k]).sum::<f64>().sqrt();
        if norm == 0.0 {
            continue;
        }
        let alpha = if rows[k][k] > 0.0 { -norm } else { norm };
        let mut v: Vec<f64> = rows[k..].iter().map(|row| row[k]).collect();
        v[0] -= alpha;
        let length: f64 = v.iter().map(|v| v * v).sum();
        for column in k..p {
            let dot: f64 = v.iter().zip(&rows[k..]).map(|(v, row)| v * row[column]).sum();
            for (v, row) in v.iter().zip(&mut rows[k..]) {
                row[column] -= 2.0 * dot / length * v;
            }
        }
        let dot: f64 = v.iter().zip(&right[k..]).map(|(v, r)| v * r).sum();
        for (v, r) in v.iter().zip(&mut right[k..]) {
            *r -= 2.0 * dot / length * v;
        }
    }
}

/// Solves R x = right for the upper triangle in the first `p` rows.
pub(crate) fn back_substitute(rows: &[Vec<f64>], right: &[f64], p: usize) -> Vec<f64> {
    let mut x = vec![0.0; p];
    for k in (0..p).rev() {
        let known: f64 = (k + 1..p).map(|j| rows[k][j] * x[j]).sum();
        x[k] = if rows[k][k] == 0.0 { 0.0 } else { (right[k] - known) / rows[k][k] };
    }
    x
}

/// The diagonal of (JᵀJ)⁻¹ = R⁻¹R⁻ᵀ, column scaling taken out before the rank is judged.
pub(crate) fn inverse_diagonal(jacobian: &[Vec<f64>]) -> Option<Vec<f64>> {
    let p = jacobian.first()?.len();
    let norms: Vec<f64> =
        (0..p).map(|j| jacobian.iter().map(|row| row[j] * row[j]).sum::<f64>().sqrt()).collect();
    if norms.iter().any(|&norm| norm == 0.0 || !norm.is_finite()) {
        return None;
    }
    let mut rows: Vec<Vec<f64>> =
        jacobian.iter().map(|row| row.iter().zip(&norms).map(|(v, n)| v / n).collect()).collect();
    let mut unused = vec![0.0; rows.len()];
    triangularise(&mut rows, &mut unused);
    if (0..p).any(|k| rows.get(k).is_none_or(|row| row[k].abs() < 1e-13)) {
        return None;
    }
    let mut diagonal = vec![0.0; p];
    for unit in 0..p {
        let mut right = vec![0.0; p];
        right[unit] = 1.0;
        // Column `unit` of R⁻¹: its squares add to the rows' sums.
        for (sum, x) in diagonal.iter_mut().zip(back_substitute(&rows, &right, p)) {
            *sum += x * x;
        }
    }
    Some(diagonal.iter().zip(&norms).map(|(sum, norm)| sum / (norm * norm)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_three_points() {
        // y = 1 + 2x with residuals (1, -2, 1)/6 added, which the fit must not see; (XᵀX)⁻¹ by hand.
        let x = vec![vec![1.0, 0.0], vec![1.0, 1.0], vec![1.0, 2.0]];
        let mut right = vec![1.0 + 1.0 / 6.0, 3.0 - 2.0 / 6.0, 5.0 + 1.0 / 6.0];
        let mut rows = x.clone();
        triangularise(&mut rows, &mut right);
        let found = back_substitute(&rows, &right, 2);
        assert!((found[0] - 1.0).abs() < 1e-14 && (found[1] - 2.0).abs() < 1e-14, "{found:?}");
        let variances = inverse_diagonal(&x).expect("full rank");
        assert!((variances[0] - 5.0 / 6.0).abs() < 1e-14 && (variances[1] - 0.5).abs() < 1e-14);
        assert_eq!(inverse_diagonal(&[vec![1.0, 2.0], vec![2.0, 4.0]]), None);
    }
}
