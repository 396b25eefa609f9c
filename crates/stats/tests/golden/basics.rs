//! Intervals, bootstrap, aggregates, metrics, distributions and generators.

use serde_json::{Value, json};
use stats::bootstrap::{self, Ties};
use stats::metrics::binary;
use stats::{aggregate, binomial, dist, generator, quantile, studentized_range};

use super::read::{float, floats, list, maybe, number, pair, table, whole};

pub(crate) fn binomial(inputs: &Value) -> Value {
    let (k, n, level) = (whole(&inputs["k"]), whole(&inputs["n"]), float(&inputs["conf"]));
    let of = |interval: fn(u64, u64, f64) -> stats::Result<stats::Interval>| {
        pair(interval(k, n, level).expect("valid"))
    };
    json!({
        "clopper_pearson": of(binomial::clopper_pearson),
        "wilson": of(binomial::wilson),
        "jeffreys": of(binomial::jeffreys),
        "agresti_coull": of(binomial::agresti_coull),
        "wald": of(binomial::wald),
        "wilson_cc": of(binomial::wilson_continuity),
    })
}

pub(crate) fn bootstrap(inputs: &Value) -> Value {
    let (data, boot) = (floats(&inputs["data"]), floats(&inputs["boot"]));
    let level = float(&inputs["conf"]);
    // The values that the statistic is the mean of.
    let choose = |data: &[f64]| match inputs["statistic"].as_str() {
        Some("mean") => data.to_vec(),
        Some("iqm") => {
            let cut = data.len() / 4;
            quantile::sorted(data).expect("data")[cut..data.len() - cut].to_vec()
        }
        other => panic!("statistic {other:?}"),
    };
    let statistic = |data: &[f64]| numpy_mean(&choose(data));
    let chosen = choose(&data);
    let theta = statistic(&data);
    let jackknife = bootstrap::jackknife(data.len(), |stay| {
        statistic(&stay.iter().map(|&i| data[i]).collect::<Vec<f64>>())
    });
    let bca = |ties| bootstrap::bca(theta, &boot, &jackknife, ties, level).expect("valid");
    let mid = bca(Ties::MidRank);
    let r = bootstrap::bca(r_mean(&chosen), &boot, &jackknife, Ties::Below, level);
    json!({
        "theta": number(theta),
        "z0": number(mid.z0),
        "a": number(mid.acceleration),
        "alpha1": number(mid.probabilities[0]),
        "alpha2": number(mid.probabilities[1]),
        "bca": pair(mid.interval),
        "percentile": pair(bootstrap::percentile(&boot, level).expect("valid")),
        "basic": pair(bootstrap::basic(theta, &boot, level).expect("valid")),
        "se": number(bootstrap::standard_error(&boot).expect("valid")),
        "z0_strict_less": number(bca(Ties::Below).z0),
        "R_boot_bca": pair(r.expect("valid").normal_scale),
    })
}

/// NumPy's mean: eight running sums, added in pairs. Replicates tie with the estimate by their last bit, so that the
/// references' order of summation matters.
fn numpy_mean(data: &[f64]) -> f64 {
    let n = data.len() as f64;
    if data.len() < 8 {
        return data.iter().sum::<f64>() / n;
    }
    let whole = data.len() / 8 * 8;
    let mut r = [0.0; 8];
    for chunk in data[..whole].chunks_exact(8) {
        r.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
    }
    let paired = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    (data[whole..].iter().fold(paired, |sum, x| sum + x)) / n
}

/// R's mean: summed in 80 bits, so that it is the exact mean rounded once (here by Neumaier's compensation).
fn r_mean(data: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for &x in data {
        let next = sum + x;
        lost += if sum.abs() >= x.abs() { (sum - next) + x } else { (x - next) + sum };
        sum = next;
    }
    (sum + lost) / data.len() as f64
}

pub(crate) fn aggregate(inputs: &Value) -> Value {
    let scores = table(&inputs["scores"]);
    let all = scores.concat();
    let means = aggregate::task_means(&scores).expect("valid");
    let profile = |values: &[f64]| -> Vec<f64> {
        let share = |tau: &f64| aggregate::share_above(values, *tau).expect("valid");
        floats(&inputs["taus"]).iter().map(share).collect()
    };
    let gap = aggregate::optimality_gap(&all, float(&inputs["gamma"])).expect("valid");
    json!({
        "mean": number(aggregate::mean_of_tasks(&scores).expect("valid")),
        "median": number(aggregate::median_of_tasks(&scores).expect("valid")),
        "iqm": number(aggregate::interquartile_mean(&all).expect("valid")),
        "optimality_gap": number(gap),
        "score_profile": profile(&all),
        "avg_score_profile": profile(&means),
    })
}

pub(crate) fn metrics(inputs: &Value) -> Value {
    let labels: Vec<u32> = list(&inputs["y"]).iter().map(|y| whole(y) as u32).collect();
    let p = floats(&inputs["p"]);
    assert_eq!(float(&inputs["logloss_clip"]), stats::metrics::LOG_LOSS_CLIP);
    let c = binary::Confusion::at(float(&inputs["threshold"]), &labels, &p).expect("valid");
    let bins = whole(&inputs["ece_bins"]) as usize;
    json!({
        "accuracy": number(c.accuracy()),
        "balanced_accuracy": maybe(c.balanced_accuracy()),
        "mcc": maybe(c.mcc()),
        "f1": maybe(c.f1()),
        "auc": maybe(binary::auc(&labels, &p).expect("valid")),
        "log_loss": number(binary::log_loss(&labels, &p).expect("valid")),
        "brier": number(binary::brier(&labels, &p).expect("valid")),
        "ece_equal_width": number(binary::calibration_error(&labels, &p, bins).expect("valid")),
        "confusion": [
            [c.true_negative, c.false_positive],
            [c.false_negative, c.true_positive],
        ],
    })
}

pub(crate) fn student_t(inputs: &Value) -> Value {
    let df = float(&inputs["df"]);
    json!({
        "q975": number(dist::t_quantile(0.975, df)),
        "q995": number(dist::t_quantile(0.995, df)),
        "sf_2_5": number(dist::t_sf(2.5, df)),
        "sf_10": number(dist::t_sf(10.0, df)),
        "cdf_m3": number(dist::t_cdf(-3.0, df)),
    })
}

pub(crate) fn beta(inputs: &Value) -> Value {
    let [p, a, b] = ["p", "a", "b"].map(|key| float(&inputs[key]));
    json!({ "x": number(dist::beta_quantile(p, a, b)) })
}

pub(crate) fn f_sf(inputs: &Value) -> Value {
    let [f, d1, d2] = ["f", "d1", "d2"].map(|key| float(&inputs[key]));
    json!({ "sf": number(dist::f_sf(f, d1, d2)) })
}

pub(crate) fn chi2_sf(inputs: &Value) -> Value {
    json!({ "sf": number(dist::chi2_sf(float(&inputs["x"]), float(&inputs["df"]))) })
}

pub(crate) fn normal(inputs: &Value) -> Value {
    json!({ "z": number(dist::normal_quantile(float(&inputs["p"]))) })
}

pub(crate) fn studentized_range(inputs: &Value) -> Value {
    let df = if inputs["df"] == "inf" { f64::INFINITY } else { float(&inputs["df"]) };
    let (q, k) = (float(&inputs["q"]), whole(&inputs["k"]) as usize);
    json!({ "sf": number(studentized_range::sf(q, k, df).expect("valid")) })
}

pub(crate) fn binomial_distribution(inputs: &Value) -> Value {
    let (k, n, p) = (whole(&inputs["k"]), whole(&inputs["n"]), float(&inputs["p"]));
    json!({
        "pmf": number(dist::binomial_pmf(k, n, p)),
        "cdf": number(dist::binomial_cdf(k, n, p)),
    })
}

pub(crate) fn philox(inputs: &Value) -> Value {
    let words = |v: &Value| -> Vec<u32> {
        let hex = |w: &Value| u32::from_str_radix(w.as_str().expect("hex"), 16).expect("hex");
        list(v).iter().map(hex).collect()
    };
    let counter = words(&inputs["ctr"]).try_into().expect("four words");
    let key = words(&inputs["key"]).try_into().expect("two words");
    json!({ "out": generator::philox4x32_10(counter, key).map(|w| format!("{w:08x}")) })
}

pub(crate) fn splitmix(inputs: &Value) -> Value {
    let seed = inputs["seed"].as_str().expect("a string").parse().expect("a 64-bit number");
    let mut generator = generator::SplitMix64::new(seed);
    let words: Vec<String> = (0..5).map(|_| format!("{:016x}", generator.next_word())).collect();
    json!({ "out": words })
}
