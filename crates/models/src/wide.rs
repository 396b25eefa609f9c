//! Inner loops over vectors, compiled for AVX2 as well where the processor has it.
//!
//! Sums run in eight lanes that are added at the end, and nothing is fused: the bits are the same on every instruction
//! set.

/// Defines functions whose body is compiled twice, for any processor and for AVX2, and chosen when called.
macro_rules! wide {
    ($($(#[$meta:meta])* fn $name:ident $(<$t:ident>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block)*) => {$(
        $(#[$meta])*
        #[inline]
        pub(crate) fn $name $(<$t: Copy + Into<f64>>)? ($($arg: $type),*) $(-> $out)? {
            #[inline(always)]
            fn body $(<$t: Copy + Into<f64>>)? ($($arg: $type),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2 $(<$t: Copy + Into<f64>>)? ($($arg: $type),*) $(-> $out)? {
                    body($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has AVX2.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    )*};
}
pub(crate) use wide;

/// Lanes of a sum.
const LANES: usize = 8;

/// The lanes' sum, always in this order.
#[inline(always)]
fn total(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

wide! {
    /// The products of four rows with b.
    fn dots<T>(rows: [&[T]; 4], b: &[f64]) -> [f64; 4] {
        let length = b.len();
        let [first, second, third, fourth] = rows.map(|row| row[..length].as_chunks::<4>());
        let b = b.as_chunks::<4>();
        let mut sums = [[0.0f64; 4]; 4];
        let chunks = b.0.iter().zip(first.0).zip(second.0).zip(third.0).zip(fourth.0);
        for ((((b, first), second), third), fourth) in chunks {
            for lane in 0..4 {
                sums[0][lane] += first[lane].into() * b[lane];
            }
            for lane in 0..4 {
                sums[1][lane] += second[lane].into() * b[lane];
            }
            for lane in 0..4 {
                sums[2][lane] += third[lane].into() * b[lane];
            }
            for lane in 0..4 {
                sums[3][lane] += fourth[lane].into() * b[lane];
            }
        }
        for (sums, row) in sums.iter_mut().zip([first.1, second.1, third.1, fourth.1]) {
            for (sum, (value, b)) in sums.iter_mut().zip(row.iter().zip(b.1)) {
                *sum += (*value).into() * b;
            }
        }
        sums.map(|lanes| (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]))
    }

    /// The products of two rows with four vectors, each as [`dots`] gives it.
    fn tile<T>(rows: [&[T]; 2], vectors: [&[f64]; 4]) -> [[f64; 4]; 2] {
        let length = vectors[0].len();
        let [first, second] = rows.map(|row| row[..length].as_chunks::<4>());
        let [a, b, c, d] = vectors.map(|vector| vector[..length].as_chunks::<4>());
        let count = a.0.len();
        let chunks = [first.0, second.0].map(|row| &row[..count]);
        let others = [a.0, b.0, c.0, d.0].map(|vector| &vector[..count]);
        let mut sums = [[[0.0f64; 4]; 4]; 2];
        for at in 0..count {
            for row in 0..2 {
                let mut values = [0.0f64; 4];
                for lane in 0..4 {
                    values[lane] = chunks[row][at][lane].into();
                }
                for output in 0..4 {
                    for lane in 0..4 {
                        sums[row][output][lane] += values[lane] * others[output][at][lane];
                    }
                }
            }
        }
        for (sums, row) in sums.iter_mut().zip([first.1, second.1]) {
            for (sums, vector) in sums.iter_mut().zip([a.1, b.1, c.1, d.1]) {
                for (sum, (value, w)) in sums.iter_mut().zip(row.iter().zip(vector)) {
                    *sum += (*value).into() * w;
                }
            }
        }
        let mut out = [[0.0; 4]; 2];
        for (out, sums) in out.iter_mut().zip(&sums) {
            for (out, lanes) in out.iter_mut().zip(sums) {
                *out = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
            }
        }
        out
    }

    /// e to the power of each value, within two units in the last place (Cephes' `expf`, Moshier 1992): 2^k times a
    /// polynomial in what is left of x / ln 2, with the same bits on every platform.
    fn exp(values: &mut [f32]) {
        for value in values {
            let x = value.clamp(-87.0, 88.0);
            // Adding and taking off 1.5 · 2²³ rounds to a whole number.
            let rounded = x * std::f32::consts::LOG2_E + 12_582_912.0;
            let k = rounded - 12_582_912.0;
            let r = (x - k * 0.693_359_4) + k * 2.121_944_4e-4;
            let mut p = 1.987_569_1e-4;
            p = p * r + 1.398_199_9e-3;
            p = p * r + 8.333_452e-3;
            p = p * r + 4.166_579_6e-2;
            p = p * r + 1.666_666_5e-1;
            p = p * r + 5e-1;
            p = p * r * r + r + 1.0;
            // The low bits of `rounded` are those of k.
            let scale = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
            *value = if *value < -87.0 { 0.0 } else { p * scale };
        }
    }

    /// Each value to the power of `degree`, by squaring.
    fn power(values: &mut [f32], degree: u32) {
        let mut chunks = values.chunks_exact_mut(LANES);
        let raise = |values: &mut [f32]| {
            let mut rest = degree;
            let mut squared: [f32; LANES] =
                std::array::from_fn(|lane| values.get(lane).copied().unwrap_or(0.0));
            let mut out = [1.0f32; LANES];
            loop {
                if rest & 1 == 1 {
                    (0..LANES).for_each(|lane| out[lane] *= squared[lane]);
                }
                rest >>= 1;
                if rest == 0 {
                    break;
                }
                (0..LANES).for_each(|lane| squared[lane] *= squared[lane]);
            }
            values.iter_mut().zip(out).for_each(|(value, out)| *value = out);
        };
        for chunk in chunks.by_ref() {
            raise(chunk);
        }
        raise(chunks.into_remainder());
    }

    /// Adds `scales` times four rows to `out`.
    fn add_scaled<T>(scales: [f64; 4], rows: [&[T]; 4], out: &mut [f64]) {
        let length = out.len();
        let [a, b, c, d] = rows.map(|row| &row[..length]);
        for (at, out) in out.iter_mut().enumerate() {
            let values: [f64; 4] = [a[at].into(), b[at].into(), c[at].into(), d[at].into()];
            *out += (scales[0] * values[0] + scales[1] * values[1])
                + (scales[2] * values[2] + scales[3] * values[3]);
        }
    }

    /// ‖a - b‖² in double precision.
    fn squared_distance<T>(a: &[T], b: &[T]) -> f64 {
        let mut sums = [0.0f64; LANES];
        let (mut chunks, mut others) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        for (a, b) in chunks.by_ref().zip(others.by_ref()) {
            for lane in 0..LANES {
                let (a, b): (f64, f64) = (a[lane].into(), b[lane].into());
                sums[lane] += (a - b) * (a - b);
            }
        }
        for (lane, (a, b)) in chunks.remainder().iter().zip(others.remainder()).enumerate() {
            let (a, b): (f64, f64) = ((*a).into(), (*b).into());
            sums[lane] += (a - b) * (a - b);
        }
        total(sums)
    }

    /// Adds each value of `row` to `sums`.
    fn add<T>(row: &[T], sums: &mut [f64]) {
        for (sum, value) in sums.iter_mut().zip(row) {
            let value: f64 = (*value).into();
            *sum += value;
        }
    }

    /// Takes `shift` off `row`, and returns the squared norm of what is left.
    fn shifted_square(row: &mut [f32], shift: &[f32]) -> f32 {
        let mut sums = [0.0f32; LANES];
        let mut lanes = row.chunks_exact_mut(LANES);
        let mut shifts = shift.chunks_exact(LANES);
        for (row, shift) in lanes.by_ref().zip(shifts.by_ref()) {
            for lane in 0..LANES {
                row[lane] -= shift[lane];
                sums[lane] += row[lane] * row[lane];
            }
        }
        for (lane, (value, shift)) in
            lanes.into_remainder().iter_mut().zip(shifts.remainder()).enumerate()
        {
            *value -= shift;
            sums[lane] += *value * *value;
        }
        sums.iter().sum()
    }

    /// Sets a flag for each column in which `row` differs from `first`.
    fn mark_different(row: &[f32], first: &[f32], flags: &mut [u32]) {
        for ((flag, value), start) in flags.iter_mut().zip(row).zip(first) {
            *flag |= u32::from(value != start);
        }
    }
}

/// The product of `values` (rows of `columns`) with each row of `weights` (outputs × columns), plus `offsets`:
/// rows × outputs.
pub(crate) fn products<T: Copy + Into<f64>>(
    values: &[T],
    columns: usize,
    weights: &[f64],
    offsets: &[f64],
) -> Vec<f64> {
    let outputs = offsets.len();
    let rows = values.len().checked_div(columns).unwrap_or(0);
    let row = |i: usize| &values[i.min(rows - 1) * columns..][..columns];
    let vector = |o: usize| &weights[o.min(outputs - 1) * columns..][..columns];
    let mut out = vec![0.0; rows * outputs];
    if outputs == 1 {
        for (start, out) in (0..rows).step_by(4).zip(out.chunks_mut(4)) {
            let sums = dots([row(start), row(start + 1), row(start + 2), row(start + 3)], weights);
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum + offsets[0]);
        }
        return out;
    }
    for (start, out) in (0..rows).step_by(2).zip(out.chunks_mut(2 * outputs)) {
        for o in (0..outputs).step_by(4) {
            let four = [vector(o), vector(o + 1), vector(o + 2), vector(o + 3)];
            let sums = tile([row(start), row(start + 1)], four);
            for (out, sums) in out.chunks_mut(outputs).zip(sums) {
                let places = out[o..].iter_mut().zip(&offsets[o..]);
                places.zip(sums).for_each(|((out, offset), sum)| *out = sum + offset);
            }
        }
    }
    out
}

/// Rowsᵀ times `scales` (rows × outputs), which is added to `out` (outputs × columns).
pub(crate) fn add_transposed<T: Copy + Into<f64>>(
    values: &[T],
    columns: usize,
    scales: &[f64],
    out: &mut [f64],
) {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    let outputs = out.len().checked_div(columns).unwrap_or(0);
    let row = |i: usize| &values[i.min(rows - 1) * columns..][..columns];
    for start in (0..rows).step_by(4) {
        let four = [start, start + 1, start + 2, start + 3];
        for (o, out) in out.chunks_exact_mut(columns).enumerate() {
            let scale = |i: usize| if i < rows { scales[i * outputs + o] } else { 0.0 };
            add_scaled(four.map(scale), four.map(row), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_definition_at_any_length() {
        for length in [0, 1, 7, 8, 9, 19] {
            let a: Vec<f32> = (0..length).map(|i| (i as f32 * 0.7).sin()).collect();
            let b: Vec<f64> = (0..length).map(|i| (i as f64 * 0.3).cos()).collect();
            let pairs = || a.iter().map(|&v| f64::from(v)).zip(b.iter().copied());
            let expected: f64 = pairs().map(|(a, b)| a * b).sum();
            let four = dots([&a, &a, &a, &a], &b);
            assert!((four[3] - expected).abs() < 1e-13);
            assert_eq!(tile([&a, &a], [&b, &b, &b, &b]), [four; 2], "the same bits");
            let mut out = b.clone();
            add_scaled([2.0, 0.0, 1.0, 0.0], [&a, &a, &a, &a], &mut out);
            assert!(pairs().zip(&out).all(|((a, b), out)| (out - (3.0 * a + b)).abs() < 1e-13));
            let wide: Vec<f64> = a.iter().map(|&v| f64::from(v)).collect();
            let apart: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
            assert!((squared_distance(&wide, &b) - apart).abs() < 1e-13);
        }
    }

    #[test]
    fn products_of_rows_that_are_no_multiple_of_four() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        let out = products(&values, 2, &[1.0, 0.0, 1.0, 1.0], &[0.5, 0.0]);
        assert_eq!(out, [0.5, 1.0, 2.5, 5.0, 4.5, 9.0, 6.5, 13.0, 8.5, 17.0]);
    }

    #[test]
    fn exponentials_are_within_two_units_in_the_last_place() {
        let inputs: Vec<f32> = (-8700..880).map(|i| i as f32 * 0.01).collect();
        let mut ours = inputs.clone();
        exp(&mut ours);
        for (&x, &y) in inputs.iter().zip(&ours) {
            let exact = f64::from(x).exp();
            assert!((f64::from(y) - exact).abs() <= 2.4e-7 * exact, "{x}: {y} for {exact}");
        }
        let mut ends = [0.0, -0.0, -1000.0, f32::NEG_INFINITY];
        exp(&mut ends);
        assert_eq!(ends, [1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn powers_are_products() {
        let values: Vec<f32> = (0..11).map(|i| i as f32 * 0.3 - 1.0).collect();
        for degree in [1, 2, 3, 7, 20] {
            let mut ours = values.clone();
            power(&mut ours, degree);
            let expected = values.iter().map(|v| v.powi(degree as i32));
            let close = |(a, b): (&f32, f32)| (a - b).abs() <= 1e-6 * b.abs();
            assert!(ours.iter().zip(expected).all(close), "{degree}");
        }
    }

    #[test]
    fn transposed_products_add_up() {
        let values: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let scales = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 2.0, 0.0];
        let mut out = vec![0.5; 4];
        add_transposed(&values, 2, &scales, &mut out);
        assert_eq!(out, [0.5 + 0.0 + 4.0 + 16.0, 0.5 + 1.0 + 5.0 + 18.0, 0.5 + 6.0, 0.5 + 8.0]);
    }
}
