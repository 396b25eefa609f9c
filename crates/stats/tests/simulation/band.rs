//! Does the max-t band hold at all sizes of a learning curve at once? Two equal models at four sizes, the same items
//! and training draws at each; critical value from the pigeonhole bootstrap, widths from the crossed analysis, as the
//! module docs advise. Intervals at each size alone are shown to miss somewhere far more often.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stats::band::MaxT;
use stats::crossed;
use stats::pigeonhole::Pigeonhole;
use stats::unbalanced::Trial;

use crate::world::{logistic, normal};

const STUDIES: u64 = 400;
const REPLICATES: usize = 199;
const LEVELS: [f64; 4] = [0.5, 1.2, 2.0, 2.6];
const DRAWS: usize = 10;
const ITEMS: usize = 150;

/// Differences of correctness, size × draw × item. Both models are right with probability
/// logistic(level + item + draw + own part), where the parts of items stay the same from size to size.
fn study(rng: &mut ChaCha8Rng) -> Vec<Vec<Vec<i8>>> {
    let parts = |count: usize, sd: f64, rng: &mut ChaCha8Rng| -> Vec<f64> {
        (0..count).map(|_| sd * normal(rng)).collect()
    };
    let items = [parts(ITEMS, 1.2, rng), parts(ITEMS, 1.2, rng)];
    let draws = [parts(DRAWS, 0.3, rng), parts(DRAWS, 0.3, rng)];
    let mut right = |model: usize, level: f64, r: usize, i: usize| {
        let x = level + items[model][i] + draws[model][r];
        i8::from(rng.random::<f64>() < logistic(x))
    };
    let mut row = |level: f64, r: usize| -> Vec<i8> {
        (0..ITEMS).map(|i| right(0, level, r, i) - right(1, level, r, i)).collect()
    };
    LEVELS.map(|level| (0..DRAWS).map(|r| row(level, r)).collect()).to_vec()
}

fn trials<'a>(rows: &'a [Vec<i8>], items: &'a [u32]) -> Vec<Trial<'a, i8>> {
    let trial = |(r, values)| Trial { repeat: r as u32, fold: 0, items, values };
    rows.iter().map(Vec::as_slice).enumerate().map(trial).collect()
}

#[test]
fn simultaneous_coverage() {
    let items: Vec<u32> = (0..ITEMS as u32).collect();
    let (mut together, mut alone) = (0, 0);
    for seed in 0..STUDIES {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rows = study(&mut rng);
        let estimates: Vec<_> = rows
            .iter()
            .map(|rows| crossed::analyse(rows).expect("a valid design").in_population())
            .collect();
        let sizes: Vec<_> = rows.iter().map(|rows| trials(rows, &items)).collect();
        let pigeonhole = Pigeonhole::new(&sizes).expect("a valid design");
        let replicates = pigeonhole.replicates(REPLICATES, &mut rng).expect("large enough");
        let m = MaxT::of(&pigeonhole.means(), &replicates).expect("valid");
        let band = m.band_of(&estimates, 0.95).expect("enough replicates");
        together += u32::from(band.iter().all(|interval| interval.contains(0.0)));
        let pointwise = |e: &stats::Estimate| e.interval(0.95).expect("a level").contains(0.0);
        alone += u32::from(estimates.iter().all(pointwise));
    }
    let (together, alone) =
        (f64::from(together) / STUDIES as f64, f64::from(alone) / STUDIES as f64);
    println!("max-t band {together:.3}, intervals one by one {alone:.3}");
    assert!(together >= 0.93, "the band held in {together}");
    assert!(alone < 0.9, "intervals one by one held in {alone}: the study cannot tell");
}
