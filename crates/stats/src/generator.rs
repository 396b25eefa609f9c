//! Two small generators that are pure functions of their input, to derive seeds from a trial's key.
//!
//! Neither is for drawing samples with; a seed that they derive starts a ChaCha generator.

/// Philox4x32 with ten rounds: 128 random bits from a 128-bit counter and a 64-bit key (Salmon, Moraes, Dror & Shaw,
/// "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). Distinct counters under one key never share a state, so
/// (model, n, repeat, fold) as a counter gives every trial a stream of its own, in any order of execution.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        let left = MULTIPLIERS[0] * u64::from(c[0]);
        let right = MULTIPLIERS[1] * u64::from(c[2]);
        // High halves are mixed with the key, low halves pass on.
        c = [
            (right >> 32) as u32 ^ c[1] ^ k[0],
            right as u32,
            (left >> 32) as u32 ^ c[3] ^ k[1],
            left as u32,
        ];
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    c
}

/// SplitMix64 (Steele, Lea & Flood, OOPSLA 2014; constants of Vigna's public-domain version): 64-bit words from a
/// 64-bit state, any of which is a good seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        SplitMix64 { state: seed }
    }

    /// The next word.
    pub fn next_word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
