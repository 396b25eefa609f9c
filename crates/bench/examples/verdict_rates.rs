//! How often `bench compare` calls learners different, in simulated studies with known truth:
//! `cargo run -p bench --example verdict_rates -- 1000` prints the table of METHODOLOGY.md (some minutes).
#![allow(dead_code, unreachable_pub, reason = "shared with the tests")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

#[path = "../tests/simulation/world.rs"]
mod world;

use world::rates::Rates;
use world::{Learners, power, rates, settings};

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1000);
    let only = std::env::args().nth(2).unwrap_or_default();
    println!("{count} studies each; shares in percent\n");
    println!(
        "| protocol | n | same, population | same, test set | mirrored | error | plain t | unequal: found | theory | \
         equivalent |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for setting in settings().iter().filter(|s| s.name.contains(&only)) {
        use Learners::{Crossing, Mirrored, Same, Unequal};
        let [same, mirrored, unequal, crossing] =
            [Same, Mirrored, Unequal, Crossing].map(|l| rates(setting, l, count));
        for (at, n) in setting.protocol.sizes.iter().enumerate() {
            let name = if at == 0 { setting.name } else { "" };
            let p = |of: &Rates, which: usize| 100.0 * of.by_size[at][which];
            println!(
                "| {name} | {n} | {:.1} | {:.1} | {:.1} | {:.2} | {:.1} | {:.1} | {:.1} | {:.1} |",
                p(&same, 0),
                p(&same, 1),
                p(&mirrored, 0),
                mirrored.stated[at],
                p(&mirrored, 2),
                p(&unequal, 0),
                100.0 * power(unequal.signal[at]),
                100.0 * unequal.equivalent[at]
            );
        }
        let line = |what: &str, of: &dyn Fn(&Rates) -> f64, theory: String| {
            let theory = if theory.is_empty() { " | ".to_owned() } else { theory };
            println!(
                "| | {what} | {:.1} | | {:.1} | | | {:.1} | {theory} |",
                100.0 * of(&same),
                100.0 * of(&mirrored),
                100.0 * of(&unequal)
            );
        };
        line("any n, by the band", &|r| r.any, String::new());
        line("reliable crossing", &|r| r.crosses, String::new());
        let theory = format!(
            "{:.1} | {:.1}",
            100.0 * power(unequal.curve_signal),
            100.0 * unequal.curve_equivalent
        );
        line("whole curve", &|r| r.curve, theory);
        for (at, n) in setting.protocol.sizes.iter().enumerate().filter(|_| !same.inside.is_empty())
        {
            line(&format!("corrected t inside, n = {n}"), &|r| r.inside[at], String::new());
        }
        let held =
            |share: Option<f64>| share.map_or("–".to_owned(), |s| format!("{:.1}", 100.0 * s));
        println!(
            "intervals: crossing learners found {:.1}, n* inside {}; ratio of unequal learners inside {}",
            100.0 * crossing.crosses,
            held(crossing.crossing_covered),
            held(unequal.efficiency_covered)
        );
    }
}
