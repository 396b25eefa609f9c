//! How often does a test at nominal 5 % call two equal models different? Simulated studies in which both models have
//! the same expected accuracy over training draws and items, but not the same easy items, as real models have not.
//!
//! The crossed analyses must keep their promise. The t test over repeats and McNemar's test over all cells must be
//! seen to break theirs: that is why the harness has neither for these designs.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stats::{Estimate, crossed, dist, quantile, unbalanced};

use crate::world::{World, folds};

const STUDIES: u64 = 300;

/// Item difficulties of two models that agree in part: shared and own halves.
fn two_models(world: World, items: usize, rng: &mut ChaCha8Rng) -> [Vec<f64>; 2] {
    let half = World { item: world.item * 0.5_f64.sqrt(), ..world };
    let shared = half.items(items, rng);
    [(); 2].map(|()| half.items(items, rng).iter().zip(&shared).map(|(own, s)| own + s).collect())
}

fn difference(a: &[bool], b: &[bool]) -> Vec<i8> {
    a.iter().zip(b).map(|(&a, &b)| i8::from(a) - i8::from(b)).collect()
}

/// Differences of correctness, draws × items.
fn holdout(world: World, draws: usize, items: usize, seed: u64) -> Vec<Vec<i8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let models = two_models(world, items, &mut rng);
    (0..draws)
        .map(|_| {
            let [a, b] = [&models[0], &models[1]].map(|m| world.score(m.iter().copied(), &mut rng));
            difference(&a, &b)
        })
        .collect()
}

fn rejects(estimate: Estimate) -> bool {
    estimate.p_two_sided(0.0).is_some_and(|p| p < 0.05)
}

/// The t test over the draws' mean differences, as if only draws were sampled.
fn naive_t_rejects(rows: &[Vec<i8>]) -> bool {
    let means: Vec<f64> = rows
        .iter()
        .map(|row| row.iter().map(|&d| f64::from(d)).sum::<f64>() / row.len() as f64)
        .collect();
    let (value, variance) = quantile::mean_and_variance(&means).expect("two draws");
    let n = means.len() as f64;
    rejects(Estimate { value, variance: variance / n, df: n - 1.0 })
}

/// McNemar's chi-squared over all cells, as if draws × items were that many independent items.
fn pooled_mcnemar_rejects(rows: &[Vec<i8>]) -> bool {
    let (mut a, mut b) = (0.0, 0.0);
    for &d in rows.iter().flatten() {
        if d > 0 {
            a += 1.0;
        } else if d < 0 {
            b += 1.0;
        }
    }
    a + b > 0.0 && dist::chi2_sf((a - b) * (a - b) / (a + b), 1.0) < 0.05
}

fn share(study: impl Fn(u64) -> bool) -> f64 {
    (0..STUDIES).filter(|&seed| study(seed)).count() as f64 / STUDIES as f64
}

fn check_holdout(name: &str, world: World, draws: usize, items: usize) {
    let rows = |seed| holdout(world, draws, items, seed);
    let ours = share(|seed| {
        rejects(crossed::analyse(&rows(seed)).expect("a valid design").in_population())
    });
    let naive = share(|seed| naive_t_rejects(&rows(seed)));
    let pooled = share(|seed| pooled_mcnemar_rejects(&rows(seed)));
    println!("{name}: crossed {ours:.3}, t over repeats {naive:.3}, pooled McNemar {pooled:.3}");
    assert!(ours <= 0.08, "{name}: crossed rejected {ours} of equal models");
    assert!(naive > 0.15, "{name}: t over repeats rejected only {naive}");
    assert!(pooled > 0.15, "{name}: pooled McNemar rejected only {pooled}");
}

#[test]
fn holdout_of_200_items_and_50_draws() {
    check_holdout("200 x 50", World { level: 2.9, item: 1.5, draw: 0.2 }, 50, 200);
}

#[test]
fn holdout_of_2000_items_and_20_draws() {
    check_holdout("2000 x 20", World { level: 2.9, item: 1.5, draw: 0.08 }, 20, 2000);
}

#[test]
fn holdout_near_the_ceiling() {
    check_holdout("2000 x 20 at .992", World { level: 9.0, item: 3.2, draw: 0.3 }, 20, 2000);
}

#[test]
fn repeated_cv() {
    let world = World { level: 2.9, item: 1.5, draw: 0.3 };
    let ours = share(|seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let models = two_models(world, 600, &mut rng);
        let mut scored = Vec::new();
        for repeat in 0..5 {
            for (fold, items) in folds(600, 5, 600, &mut rng).into_iter().enumerate() {
                let [a, b] = [&models[0], &models[1]]
                    .map(|m| world.score(items.iter().map(|&i| m[i as usize]), &mut rng));
                scored.push((repeat, fold as u32, difference(&a, &b), items));
            }
        }
        let trials: Vec<_> = scored
            .iter()
            .map(|(repeat, fold, values, items)| unbalanced::Trial {
                repeat: *repeat,
                fold: *fold,
                items,
                values,
            })
            .collect();
        rejects(unbalanced::analyse(&trials).expect("a valid design").in_population())
    });
    println!("repeated cv: {ours:.3}");
    assert!(ours <= 0.08, "rejected {ours} of equal models");
}
