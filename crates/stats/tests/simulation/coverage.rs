//! Does a nominal 95 % interval for one model's accuracy cover the accuracy that new training draws and new items
//! would have? Simulated studies with known truth; the bound of 93 % is three standard errors of 1,000 replications
//! below the nominal 95 %. Wilson's interval over all scores pooled, as if they were independent, is printed beside it
//! (`cargo test -p stats --test simulation -- --nocapture`): it covers in 33 to 90 % of the studies.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stats::effective::{self, Accuracy, Trial};

use crate::world::{World, folds, logistic};

const STUDIES: u64 = 1000;

/// The expected accuracy over items and draws, by the trapezoid rule over ±8 standard deviations.
fn accuracy(world: World) -> f64 {
    let spread = world.item.hypot(world.draw);
    let step = 0.01;
    (-800..=800)
        .map(|k| {
            let z = f64::from(k) * step;
            let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            step * density * logistic(world.level + spread * z)
        })
        .sum()
}

/// One repeated cross-validation of a `World`.
struct Cv {
    world: World,
    pool: usize,
    repeats: u32,
    folds: usize,
    cap: usize,
}

impl Cv {
    fn study(&self, seed: u64) -> Accuracy {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let difficulty = self.world.items(self.pool, &mut rng);
        let mut scored = Vec::new();
        for repeat in 0..self.repeats {
            for (fold, items) in
                folds(self.pool, self.folds, self.cap, &mut rng).into_iter().enumerate()
            {
                let chosen = items.iter().map(|&i| difficulty[i as usize]);
                let correct = self.world.score(chosen, &mut rng);
                scored.push((repeat, fold as u32, items, correct));
            }
        }
        let trials: Vec<_> = scored
            .iter()
            .map(|(repeat, fold, items, correct)| Trial {
                repeat: *repeat,
                fold: *fold,
                items,
                correct,
            })
            .collect();
        effective::repeated_cv(&trials, 0.95).expect("a valid design")
    }
}

/// The share of studies whose interval holds the truth, and the share that plain Wilson over all scores would.
fn coverage(truth: f64, study: impl Fn(u64) -> Accuracy) -> (f64, f64) {
    let (mut ours, mut pooled) = (0, 0);
    for seed in 0..STUDIES {
        let a = study(seed);
        ours += u32::from(a.interval.contains(truth));
        let naive = stats::binomial::wilson_from(a.mean, a.scores as f64, 1.959_964);
        pooled += u32::from(naive.contains(truth));
    }
    (f64::from(ours) / STUDIES as f64, f64::from(pooled) / STUDIES as f64)
}

fn check_cv(name: &str, cv: Cv) {
    let (ours, pooled) = coverage(accuracy(cv.world), |seed| cv.study(seed));
    judge(name, ours, pooled);
}

fn judge(name: &str, ours: f64, pooled: f64) {
    println!("{name}: {ours:.3}; all scores pooled {pooled:.3}");
    assert!(ours >= 0.93, "{name}: covered {ours}");
    assert!(pooled < 0.93, "{name}: too easy, pooling covered {pooled}");
}

#[test]
fn repeated_cv_with_training_draw_variance() {
    let world = World { level: 2.9, item: 1.5, draw: 0.5 };
    check_cv("accuracy .9", Cv { world, pool: 3000, repeats: 5, folds: 5, cap: 3000 });
}

#[test]
fn repeated_cv_near_the_ceiling() {
    let world = World { level: 9.0, item: 3.2, draw: 0.5 };
    check_cv("accuracy .995", Cv { world, pool: 3000, repeats: 5, folds: 5, cap: 3000 });
}

#[test]
fn repeated_cv_with_capped_tests() {
    let world = World { level: 2.9, item: 1.5, draw: 0.5 };
    check_cv("capped", Cv { world, pool: 3000, repeats: 5, folds: 5, cap: 120 });
    let world = World { level: 9.0, item: 3.2, draw: 0.5 };
    check_cv("capped, .995", Cv { world, pool: 3000, repeats: 5, folds: 5, cap: 120 });
}

#[test]
fn repeated_cv_with_few_trials() {
    let world = World { level: 2.9, item: 1.5, draw: 0.5 };
    check_cv("2 x 3", Cv { world, pool: 600, repeats: 2, folds: 3, cap: 600 });
    check_cv("1 x 5", Cv { world, pool: 600, repeats: 1, folds: 5, cap: 600 });
}

#[test]
fn holdout_with_training_draw_variance() {
    for (name, world, items, draws) in [
        ("holdout .9", World { level: 2.9, item: 1.5, draw: 0.5 }, 1000, 10),
        ("holdout .995", World { level: 9.0, item: 3.2, draw: 0.5 }, 1000, 10),
        ("holdout, 3 draws", World { level: 2.9, item: 1.5, draw: 0.5 }, 200, 3),
    ] {
        let study = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let difficulty = world.items(items, &mut rng);
            let rows: Vec<Vec<bool>> =
                (0..draws).map(|_| world.score(difficulty.iter().copied(), &mut rng)).collect();
            effective::holdout(&rows, 0.95).expect("a valid design")
        };
        let (ours, pooled) = coverage(accuracy(world), study);
        judge(name, ours, pooled);
    }
}
