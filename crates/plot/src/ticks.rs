//! Round numbers for axes, and numbers as text.

/// The smallest of 1, 2 and 5 times a power of ten that divides `range` into at most `most` steps.
pub(crate) fn nice_step(range: f64, most: usize) -> f64 {
    let least = range / most as f64;
    let power = 10f64.powi(libm::log10(least).floor() as i32);
    let rounds = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    rounds.unwrap_or(10.0) * power
}

/// The multiples of `step` in [low, high].
pub(crate) fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let first = (low / step - 1e-6).ceil() as i64;
    let last = (high / step + 1e-6).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// The largest multiple of `step` that isn't above `value`.
pub(crate) fn floor_to(value: f64, step: f64) -> f64 {
    (value / step + 1e-6).floor() * step
}

/// The smallest multiple of `step` that isn't below `value`.
pub(crate) fn ceil_to(value: f64, step: f64) -> f64 {
    (value / step - 1e-6).ceil() * step
}

/// Decimals that `step` and its multiples need, at most 6.
pub(crate) fn decimals(step: f64) -> usize {
    let whole = |places: &usize| {
        let shifted = step * 10f64.powi(*places as i32);
        (shifted - shifted.round()).abs() < 1e-6
    };
    (0..6).find(whole).unwrap_or(6)
}

/// Labelled values of a logarithmic axis over [low, high], low > 0, in growing order.
///
/// 1, 2 and 5 in each decade; powers of ten alone over many decades; where a short range holds
/// fewer than three of those, evenly spaced round numbers. There are always at least two, unless
/// the range is a single number.
pub(crate) fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = libm::log10(high / low);
    let factors: &[f64] = if decades > 4.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let first = libm::log10(low).floor() as i32;
    let last = libm::log10(high).ceil() as i32;
    let all = (first..=last)
        .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
    let thinned = |t: &f64| {
        // Over many decades every second or third power will do.
        let every = (decades / 6.0).ceil().max(1.0) as i64;
        decades <= 4.0 || (libm::log10(*t).round() as i64).rem_euclid(every) == 0
    };
    let ticks: Vec<f64> = all
        .filter(thinned)
        .filter(|t| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(t))
        .collect();
    if ticks.len() >= 3 || high <= low {
        return ticks;
    }
    multiples(low, high, nice_step(high - low, 5))
}

/// Of ticks that begin below a thousandth, where 2 and 5 make long labels, the powers of ten alone if there are two.
pub(crate) fn brief(ticks: Vec<f64>) -> Vec<f64> {
    let power = |v: &f64| *v > 0.0 && (libm::log10(*v) - libm::log10(*v).round()).abs() < 1e-9;
    let powers: Vec<f64> = ticks.iter().copied().filter(power).collect();
    let long = ticks.first().is_some_and(|&least| least < 0.9e-3);
    if long && powers.len() >= 2 { powers } else { ticks }
}

/// Whether these are powers of ten that go beyond what is read at a glance as decimals: below a thousandth or above ten
/// thousand.
pub(crate) fn are_powers(values: &[f64]) -> bool {
    let is = |v: f64| (libm::log10(v) - libm::log10(v).round()).abs() < 1e-9;
    let far = values.iter().any(|&v| !(0.9e-3..=1.1e4).contains(&v));
    far && values.iter().all(|&v| v > 0.0 && is(v))
}

/// A power of ten as `10^` and its exponent.
pub(crate) fn power(value: f64) -> String {
    let exponent = libm::log10(value).round() as i64;
    format!("10^{exponent}").replace('-', "\u{2212}")
}

/// `value` with as many decimals as it needs, at most 6.
pub(crate) fn plain(value: f64) -> String {
    format!("{:.*}", decimals(value), value)
}

/// `n` with thin spaces between thousands from five digits on.
pub(crate) fn grouped(n: u32) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (range, most, step) in [
            (0.11, 6, 0.02),
            (0.47, 5, 0.1),
            (0.2, 8, 0.05),
            (1.0, 5, 0.2),
            (0.012, 6, 0.002),
            (6.0, 6, 1.0),
        ] {
            assert!(
                (nice_step(range, most) - step).abs() < 1e-12,
                "{range} {most}: {}",
                nice_step(range, most)
            );
        }
        assert_eq!(multiples(0.9, 1.0, 0.05).len(), 3);
        assert_eq!([0.02, 0.005, 1.0, 0.25].map(decimals), [2, 3, 0, 2]);
    }

    #[test]
    fn a_log_axis_always_has_labels() {
        assert_eq!(log_ticks(1.0, 100.0), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        // no power of ten inside: where plotters 0.3.7 draws an axis without any label
        for (low, high) in [(11.0, 14.0), (2.1, 4.9), (0.3, 0.35), (470.0, 480.0), (1.0, 1.000001)]
        {
            assert!(log_ticks(low, high).len() >= 2, "{low} to {high}");
        }
        assert_eq!(log_ticks(0.001, 500.0).len(), 6);
    }

    #[test]
    fn numbers_are_plain() {
        assert_eq!([0.5, 1.0, 20.0, 0.02].map(plain), ["0.5", "1", "20", "0.02"]);
        assert_eq!([1e-8, 1.0, 1e5].map(power), ["10^\u{2212}8", "10^0", "10^5"]);
        assert!(are_powers(&[1e-8, 1e-6, 1.0]) && !are_powers(&[0.01, 0.1, 1.0]));
        assert!(!are_powers(&[0.0002, 0.0005]));
        assert_eq!(brief(vec![2e-5, 5e-5, 1e-4, 1e-3, 2e-3]), [1e-4, 1e-3]);
        assert_eq!(brief(vec![0.01, 0.02, 0.1]), [0.01, 0.02, 0.1]);
        assert_eq!([10, 1280, 60_000].map(grouped), ["10", "1280", "60\u{a0}000"]);
    }
}
