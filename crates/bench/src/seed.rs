//! Generators: every draw in the harness comes from a stream named here by its purpose.
//!
//! A stream's key is the SHA-256 of the experiment's seed, the purpose and the indices, so that no stream depends on
//! what else was drawn, in which order, or on which thread.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

/// The generator for `purpose` at `indices` (say, repeat and fold) of an experiment with this seed.
pub fn stream(seed: u64, purpose: &str, indices: &[u64]) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(key(seed, purpose, indices))
}

/// The seed of one trial's model: 53 bits, so that every reader of CSV holds it exactly.
pub fn trial_seed(seed: u64, model: &str, n: u32, repeat: u32, fold: u32) -> u64 {
    let key = key(seed, &format!("model\0{model}"), &[n.into(), repeat.into(), fold.into()]);
    let mut first = [0; 8];
    first.copy_from_slice(&key[..8]);
    u64::from_le_bytes(first) >> 11
}

fn key(seed: u64, purpose: &str, indices: &[u64]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"bench stream 1\0");
    hash.update(seed.to_le_bytes());
    hash.update((purpose.len() as u64).to_le_bytes());
    hash.update(purpose.as_bytes());
    for index in indices {
        hash.update(index.to_le_bytes());
    }
    hash.finalize().into()
}

/// Shuffles in place: Fisher and Yates, from the end.
///
/// Written out here because libraries may change the draws of theirs between versions, and splits must not move.
pub fn shuffle<T>(items: &mut [T], generator: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(i as u64 + 1, generator) as usize);
    }
}

/// A uniform draw from `0..bound`, without bias: draws in the incomplete last stretch are thrown away.
pub(crate) fn below(bound: u64, generator: &mut ChaCha8Rng) -> u64 {
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let draw = generator.next_u64();
        if draw < limit {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_for_ever() {
        // Made by this code at its first version: a change here moves every split and every fit.
        let mut items: Vec<u32> = (0..8).collect();
        shuffle(&mut items, &mut stream(20170604, "folds", &[0]));
        assert_eq!(items, [1, 4, 5, 7, 6, 3, 2, 0]);
        assert_eq!(trial_seed(20170604, "logistic", 10, 0, 0), 6_031_581_278_138_547);
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_indices() {
        let first = |seed, purpose, indices: &[u64]| stream(seed, purpose, indices).next_u64();
        let base = first(1, "folds", &[0, 1]);
        for other in [
            first(2, "folds", &[0, 1]),
            first(1, "order", &[0, 1]),
            first(1, "folds", &[1, 0]),
            first(1, "folds", &[0]),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(base, first(1, "folds", &[0, 1]));
    }

    #[test]
    fn draws_are_uniform() {
        let mut generator = stream(7, "test", &[]);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[below(6, &mut generator) as usize] += 1;
        }
        // Six standard deviations of a binomial with 60,000 draws at 1/6 are 548.
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 548), "{counts:?}");
    }
}
