//! The random streams of a training run, and draws from them that are the same bits on every machine.
//!
//! Each purpose has a stream of its own, so that, for example, switching dropout on does not change the
//! initial parameters or the order of the examples.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a stream is drawn for; the number is ChaCha's stream number and part of the results' format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial parameters.
    Init = 1,
    /// The order of the examples in each epoch.
    Shuffle = 2,
    /// Dropout masks.
    Dropout = 3,
    /// Distortions of the training images.
    Augment = 4,
    /// The thinned nets of Monte Carlo dropout, at prediction.
    Thinning = 5,
    /// Seeds of the nets of an ensemble.
    Ensemble = 6,
}

/// The stream of `seed` for `purpose`: ChaCha8 whose 256-bit key is `seed` in its first eight bytes, little-endian,
/// and zeros, whose stream number is the purpose's. Streams of one key never overlap (Bernstein 2008).
pub fn stream(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(purpose as u64);
    rng
}

/// A uniform draw from (-bound, bound), symmetric about 0.
///
/// One of the 2²⁴ values ±1/2²⁴, ±3/2²⁴ … ±(2²⁴-1)/2²⁴ times `bound`: the first factor is exact in `f32`,
/// so the only rounding is that of one multiplication.
pub(crate) fn symmetric(rng: &mut ChaCha8Rng, bound: f32) -> f32 {
    let odd = 2 * (rng.next_u32() >> 8) as i32 + 1 - (1 << 24);
    bound * (odd as f32 / (1 << 24) as f32)
}

/// A uniform draw from `0..bound` without bias (Lemire 2019, "Fast random integer generation in an interval").
///
/// # Panics
/// If `bound` is 0: a defect of the caller.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    assert!(bound > 0, "an empty range has no draw");
    let mut product = u64::from(rng.next_u32()) * u64::from(bound);
    if (product as u32) < bound {
        let reject_below = bound.wrapping_neg() % bound;
        while (product as u32) < reject_below {
            product = u64::from(rng.next_u32()) * u64::from(bound);
        }
    }
    (product >> 32) as u32
}

/// Shuffles in place (Fisher and Yates, from the end), each order equally likely.
pub(crate) fn shuffle(rng: &mut ChaCha8Rng, items: &mut [u32]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_and_purpose_repeat_and_any_other_differ() {
        let draw = |seed, purpose| stream(seed, purpose).next_u64();
        let all = [Purpose::Init, Purpose::Shuffle, Purpose::Dropout].map(|p| draw(7, p));
        assert_eq!(all[0], draw(7, Purpose::Init));
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
        assert_ne!(draw(7, Purpose::Init), draw(8, Purpose::Init));
        assert_ne!(draw(7, Purpose::Init), draw(7 << 32, Purpose::Init));
    }

    #[test]
    fn symmetric_draws_fill_the_range_evenly() {
        let mut rng = stream(1, Purpose::Init);
        let draws: Vec<f64> =
            (0..100_000).map(|_| f64::from(symmetric(&mut rng, 0.5)) / 0.5).collect();
        assert!(draws.iter().all(|d| d.abs() < 1.0 && *d != 0.0));
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let square = draws.iter().map(|d| d * d).sum::<f64>() / draws.len() as f64;
        // Standard errors: 1/√(3·10⁵) = .0018 and √(4/45·10⁻⁵) = .00094; the bounds are over five of them.
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((square - 1.0 / 3.0).abs() < 0.005, "{square}");
    }

    #[test]
    fn every_order_of_three_is_about_equally_likely() {
        let mut rng = stream(3, Purpose::Shuffle);
        let mut counts = [0_u32; 27];
        for _ in 0..6_000 {
            let mut items = [0, 1, 2];
            shuffle(&mut rng, &mut items);
            counts[(items[0] * 9 + items[1] * 3 + items[2]) as usize] += 1;
        }
        let seen: Vec<u32> = counts.into_iter().filter(|&c| c > 0).collect();
        assert_eq!(seen.len(), 6);
        // Binomial, standard deviation 29: the bound is over five of them.
        assert!(seen.iter().all(|&c| c.abs_diff(1_000) < 150), "{seen:?}");
    }

    #[test]
    fn bounded_draws_cover_the_range_and_stay_inside() {
        let mut rng = stream(5, Purpose::Shuffle);
        let mut seen = [false; 7];
        for _ in 0..500 {
            seen[below(&mut rng, 7) as usize] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(below(&mut rng, 1), 0);
    }
}
