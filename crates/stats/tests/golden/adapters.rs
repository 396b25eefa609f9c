//! One adapter per method: its inputs out of JSON, the crate's answer as a JSON object of the expected fields.

mod basics;
mod comparisons;
pub(crate) mod curves;
pub(crate) mod read;

use serde_json::Value;

/// The fields computed by `method`; `None` if the crate has no such method.
pub(crate) fn compute(method: &str, inputs: &Value) -> Option<Value> {
    Some(match method {
        "nadeau_bengio_t" => comparisons::corrected_t(inputs),
        "tost_corrected" => comparisons::tost(inputs),
        "bayes_correlated_t" => comparisons::bayes(inputs),
        "mcnemar" => comparisons::mcnemar(inputs),
        "cv5x2" => comparisons::five_by_two(inputs),
        "wilcoxon_signed_rank" => comparisons::wilcoxon(inputs),
        "sign_flip_permutation" => comparisons::sign_flip(inputs),
        "friedman_nemenyi" => comparisons::friedman(inputs),
        "nemenyi_q_alpha" => comparisons::nemenyi_q(inputs),
        "p_adjust" => comparisons::adjust(inputs),
        "probability_of_improvement" => comparisons::improvement(inputs),
        "paired_probability_of_outperforming" => comparisons::outperforming(inputs),
        "noether_sample_size" => comparisons::noether(inputs),
        "two_way_crossed_variance" => comparisons::crossed(inputs),
        "bayle_cv_clt" => comparisons::bayle(inputs),
        "bates_nested_cv" => comparisons::bates(inputs),
        "binomial_ci" => basics::binomial(inputs),
        "bootstrap_bca" => basics::bootstrap(inputs),
        "rliable_aggregate" => basics::aggregate(inputs),
        "metrics_binary" => basics::metrics(inputs),
        "dist_student_t" => basics::student_t(inputs),
        "dist_beta_inv" => basics::beta(inputs),
        "dist_f_sf" => basics::f_sf(inputs),
        "dist_chi2_sf" => basics::chi2_sf(inputs),
        "dist_norm_ppf" => basics::normal(inputs),
        "dist_studentized_range_sf" => basics::studentized_range(inputs),
        "dist_binom" => basics::binomial_distribution(inputs),
        "philox4x32_10" => basics::philox(inputs),
        "splitmix64" => basics::splitmix(inputs),
        "alc_log2" => curves::area(inputs),
        "crossing_n_star" => curves::crossings(inputs),
        "curve_fit" => curves::fit(inputs),
        "max_t_band" => curves::max_t(inputs),
        _ => return None,
    })
}
