//! Tests between models.

use serde_json::{Value, json};
use stats::bayes::Posterior;
use stats::cross_validation::{self, Nested};
use stats::friedman::{self, Friedman};
use stats::mcnemar::Agreement;
use stats::wilcoxon::SignedRank;
use stats::{aggregate, crossed, five_by_two, multiplicity, paired, permutation};

use super::read::{float, floats, list, maybe, number, pair, table, whole};

fn paired_t(inputs: &Value) -> paired::PairedT {
    let (a, b) = (floats(&inputs["a"]), floats(&inputs["b"]));
    let (train, test) = (whole(&inputs["n_train"]), whole(&inputs["n_test"]));
    paired::corrected_t(&a, &b, train as usize, test as usize).expect("valid")
}

pub(crate) fn corrected_t(inputs: &Value) -> Value {
    let t = paired_t(inputs);
    let interval = t.corrected.interval(float(&inputs["conf"])).expect("valid");
    json!({
        "J": t.count,
        "mean": number(t.corrected.value),
        "var": number(t.variance),
        "se": number(t.corrected.standard_error()),
        "t": maybe(t.corrected.t(0.0)),
        "df": number(t.corrected.df),
        "p_two_sided": maybe(t.corrected.p_two_sided(0.0)),
        "ci_lo": number(interval.lo),
        "ci_hi": number(interval.hi),
        "naive_t": maybe(t.naive.t(0.0)),
        "naive_p": maybe(t.naive.p_two_sided(0.0)),
    })
}

pub(crate) fn tost(inputs: &Value) -> Value {
    let tost = paired::tost(&paired_t(inputs).corrected, float(&inputs["rope"]));
    let tost = tost.expect("valid");
    json!({
        "p_lower": maybe(tost.map(|t| t.p_lower)),
        "p_upper": maybe(tost.map(|t| t.p_upper)),
        "p_tost": maybe(tost.map(|t| t.p())),
    })
}

/// baycomp's difference is y - x, ours a - b.
pub(crate) fn bayes(inputs: &Value) -> Value {
    let (x, y) = (floats(&inputs["x"]), floats(&inputs["y"]));
    let folds = whole(&inputs["folds"]);
    assert_eq!(x.len() as u64, whole(&inputs["runs"]) * folds);
    let p = Posterior::of(&y, &x, folds as usize).expect("valid");
    let regions = p.regions(float(&inputs["rope"])).expect("valid");
    let density = p.highest_density(0.95).expect("valid");
    json!({
        "mean": number(p.mean()),
        "scale": number(p.scale()),
        "df": number(p.df()),
        "p_left": maybe(regions.map(|r| r.left)),
        "p_rope": maybe(regions.map(|r| r.rope)),
        "p_right": maybe(regions.map(|r| r.right)),
        "hdi95_lo": number(density.lo),
        "hdi95_hi": number(density.hi),
    })
}

pub(crate) fn mcnemar(inputs: &Value) -> Value {
    let [both_right, a_only, b_only, both_wrong] =
        ["both_right", "a_only", "b_only", "both_wrong"].map(|key| whole(&inputs[key]));
    let a = Agreement { both_right, a_only, b_only, both_wrong };
    let (plain, corrected) = (a.chi_squared(), a.chi_squared_corrected());
    let interval = a.difference_interval(0.95).expect("items");
    json!({
        "exact_p": number(a.exact_p()),
        "midp": number(a.mid_p()),
        "chi2": maybe(plain.map(|c| c.statistic)),
        "chi2_p": maybe(plain.map(|c| c.p)),
        "chi2_cc": maybe(corrected.map(|c| c.statistic)),
        "chi2_cc_p": maybe(corrected.map(|c| c.p)),
        "diff": maybe(a.difference()),
        "wald_se": maybe(a.wald_standard_error()),
        "bonett_price_lo": number(interval.lo),
        "bonett_price_hi": number(interval.hi),
    })
}

pub(crate) fn five_by_two(inputs: &Value) -> Value {
    let rows: Vec<[f64; 2]> =
        table(&inputs["diffs"]).into_iter().map(|r| r.try_into().expect("two folds")).collect();
    let test = five_by_two::test(&rows.try_into().expect("five repeats"));
    let test = test.expect("valid");
    json!({
        "dietterich_t": maybe(test.map(|t| t.t)),
        "dietterich_df": five_by_two::T_DF,
        "dietterich_p": maybe(test.map(|t| t.t_p)),
        "alpaydin_f": maybe(test.map(|t| t.f)),
        "alpaydin_df": [five_by_two::F_DF.0, five_by_two::F_DF.1],
        "alpaydin_p": maybe(test.map(|t| t.f_p)),
    })
}

/// a - b, rounded to the decimals that the scores have.
fn rounded_differences(a: &[f64], b: &[f64], decimals: u64) -> Vec<f64> {
    let unit = 10f64.powi(decimals as i32);
    paired::differences(a, b).expect("pairs").iter().map(|d| (d * unit).round() / unit).collect()
}

pub(crate) fn wilcoxon(inputs: &Value) -> Value {
    let (a, b) = (floats(&inputs["a"]), floats(&inputs["b"]));
    let differences = rounded_differences(&a, &b, whole(&inputs["round_diff_decimals"]));
    let w = SignedRank::of(&differences).expect("valid");
    json!({
        "w_plus": number(w.w_plus),
        "w_minus": number(w.w_minus),
        "n_nonzero": w.nonzero,
        "p_normal": number(w.p_normal()),
        "p_normal_cc": number(w.p_normal_corrected()),
        "p_normal_pratt": number(w.p_normal_pratt()),
        "p_exact_signflip": number(w.p_exact()),
    })
}

pub(crate) fn sign_flip(inputs: &Value) -> Value {
    let differences = paired::differences(&floats(&inputs["a"]), &floats(&inputs["b"]));
    let test = permutation::sign_flip_exact(&differences.expect("pairs")).expect("valid");
    json!({
        "mean_diff": number(test.mean),
        "p_two_sided": number(test.p),
        "n_perm": test.patterns,
    })
}

pub(crate) fn friedman(inputs: &Value) -> Value {
    let scores = table(&inputs["scores"]);
    let higher = inputs["higher_is_better"].as_bool().expect("a bool");
    let f = Friedman::of(&scores, higher).expect("valid");
    let k = f.average_ranks.len();
    let iman = f.iman_davenport();
    let pairs: Vec<[usize; 2]> = (0..k).flat_map(|i| (i + 1..k).map(move |j| [i, j])).collect();
    let wilcoxon = |&[i, j]: &[usize; 2]| {
        let column = |at: usize| scores.iter().map(|row| row[at]).collect::<Vec<f64>>();
        // Ten decimals, as in the Wilcoxon cases.
        let differences = rounded_differences(&column(i), &column(j), 10);
        SignedRank::of(&differences).expect("valid").p_normal()
    };
    let p: Vec<f64> = pairs.iter().map(wilcoxon).collect();
    json!({
        "avg_ranks": f.average_ranks,
        "friedman_chi2_no_ties": number(f.chi2_uncorrected),
        "friedman_chi2": number(f.chi2),
        "friedman_p": number(f.p),
        "iman_davenport_f": maybe(iman.map(|i| i.f)),
        "iman_davenport_df": iman.map(|i| [i.df.0, i.df.1]),
        "iman_davenport_p": maybe(iman.map(|i| i.p)),
        "q_alpha_05": number(friedman::nemenyi_q(k, 0.05).expect("valid")),
        "cd_05": number(f.critical_difference(0.05).expect("valid")),
        "nemenyi_p": f.nemenyi_p().expect("valid"),
        "conover_p": f.conover_p().expect("valid"),
        "pairs": pairs,
        "wilcoxon_p": p,
        "wilcoxon_holm_p": multiplicity::holm(&p).expect("p-values"),
    })
}

pub(crate) fn nemenyi_q(inputs: &Value) -> Value {
    let q =
        |alpha| number(friedman::nemenyi_q(whole(&inputs["k"]) as usize, alpha).expect("valid"));
    json!({ "q05": q(0.05), "q10": q(0.1) })
}

pub(crate) fn adjust(inputs: &Value) -> Value {
    let p = floats(&inputs["p"]);
    let by = |method: fn(&[f64]) -> stats::Result<Vec<f64>>| method(&p).expect("p-values");
    json!({
        "bonferroni": by(multiplicity::bonferroni),
        "holm": by(multiplicity::holm),
        "hochberg": by(multiplicity::hochberg),
        "bh": by(multiplicity::benjamini_hochberg),
        "by": by(multiplicity::benjamini_yekutieli),
        "holm_sidak": by(multiplicity::holm_sidak),
    })
}

pub(crate) fn improvement(inputs: &Value) -> Value {
    let (x, y) = (table(&inputs["x"]), table(&inputs["y"]));
    json!({ "p_x_gt_y": number(aggregate::probability_of_improvement(&x, &y).expect("valid")) })
}

pub(crate) fn outperforming(inputs: &Value) -> Value {
    let (a, b) = (floats(&inputs["a"]), floats(&inputs["b"]));
    json!({ "p_a_gt_b": number(aggregate::probability_of_outperforming(&a, &b).expect("valid")) })
}

pub(crate) fn noether(inputs: &Value) -> Value {
    let [gamma, alpha, beta] = ["gamma", "alpha", "beta"].map(|key| float(&inputs[key]));
    let n = aggregate::noether_pairs(gamma, alpha, beta).expect("valid");
    json!({ "n": number(n), "n_ceil": number(n.ceil()) })
}

pub(crate) fn crossed(inputs: &Value) -> Value {
    let c = crossed::analyse(&table(&inputs["d"])).expect("valid");
    // Recovered from the numbers: the interval is at 95 %, with Satterthwaite's degrees of freedom.
    let interval = c.in_population().interval(0.95).expect("valid");
    json!({
        "mean": number(c.mean),
        "ms_train": number(c.ms_trial),
        "ms_item": number(c.ms_item),
        "ms_resid": number(c.ms_residual),
        "var_total": number(c.variance),
        "se_total": number(c.in_population().standard_error()),
        "df_satterthwaite": number(c.df),
        "ci_lo": number(interval.lo),
        "ci_hi": number(interval.hi),
        "var_train_only": number(c.variance_trial_only()),
        "var_item_only": number(c.variance_item_only()),
        "var_conservative": number(c.variance_conservative()),
    })
}

pub(crate) fn bayle(inputs: &Value) -> Value {
    let folds = table(&inputs["loss_by_fold"]);
    let b = cross_validation::bayle(&folds, float(&inputs["conf"])).expect("valid");
    json!({
        "mean": number(b.mean),
        "sigma_in": number(b.sigma_within),
        "sigma_out": number(b.sigma_all),
        "ci_in": pair(b.within),
        "ci_out": pair(b.all),
    })
}

pub(crate) fn bates(inputs: &Value) -> Value {
    let inner = list(&inputs["ho_errors"]).iter();
    let repetitions: Vec<Nested> = inner
        .zip(list(&inputs["e_out"]))
        .map(|(inner, outer)| Nested {
            inner: list(inner).iter().map(table).collect(),
            outer: table(outer),
        })
        .collect();
    let items: usize = repetitions[0].outer.iter().map(Vec::len).sum();
    assert_eq!(
        (items as u64, repetitions[0].outer.len() as u64),
        (whole(&inputs["n"]), whole(&inputs["K"]))
    );
    let b = cross_validation::bates(&repetitions, float(&inputs["conf"])).expect("valid");
    json!({
        "raw_mean": number(b.raw_mean),
        "cv_mean": number(b.cv_mean),
        "mse_hat": number(b.mse),
        "sd": number(b.sd),
        "inflation_unclipped": number(b.inflation_unclipped),
        "inflation": number(b.inflation),
        "bias": number(b.bias),
        "err_hat": number(b.estimate),
        "ci_lo": number(b.interval.lo),
        "ci_hi": number(b.interval.hi),
    })
}
