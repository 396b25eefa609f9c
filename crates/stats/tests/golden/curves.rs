//! Learning curves: area, size to reach, crossings, fits and bands.

use serde_json::{Value, json};
use stats::band::MaxT;
use stats::curve::{self, Reached};
use stats::fit::{self, Family};

use super::read::{float, floats, number, table};

pub(crate) fn area(inputs: &Value) -> Value {
    let (n, scores) = (floats(&inputs["n"]), floats(&inputs["acc"]));
    let reach = |target| match curve::size_to_reach(&n, &scores, target).expect("valid") {
        Reached::At(n) => json!({ "status": "ok", "n": number(n) }),
        Reached::AtMost(n) => json!({ "status": "left_censored", "n": number(n) }),
        Reached::MoreThan(n) => json!({ "status": "right_censored", "n": number(n) }),
    };
    json!({
        "alc": number(curve::area(&n, &scores).expect("valid")),
        "n_to_85": reach(0.85),
        "n_to_90": reach(0.9),
        "n_to_99": reach(0.99),
    })
}

pub(crate) fn crossings(inputs: &Value) -> Value {
    let [n, a, b] = ["n", "a", "b"].map(|key| floats(&inputs[key]));
    json!({ "crossings": curve::crossings(&n, &a, &b).expect("valid") })
}

pub(crate) fn family(inputs: &Value) -> Family {
    match inputs["model"].as_str() {
        Some("pow3") => Family::Pow3,
        Some("exp3") => Family::Exp3,
        Some("mmf4") => Family::Mmf4,
        Some("wbl4") => Family::Wbl4,
        other => panic!("family {other:?}"),
    }
}

pub(crate) fn fit(inputs: &Value) -> Value {
    let family = family(inputs);
    let [n, scores, start] = ["n", "acc", "p0"].map(|key| floats(&inputs[key]));
    let f = fit::fit(family, &n, &scores, &start).expect("valid");
    json!({
        "params": f.parameters,
        "sse": number(f.sse),
        "pred_640": number(f.predict(640.0)),
        "pred_5": number(f.predict(5.0)),
        // The reference does not define it. Fit::well_posed (a limit in [0, 1], known to a point of accuracy) agrees
        // with it in all of its cases.
        "well_posed": f.well_posed(),
    })
}

pub(crate) fn max_t(inputs: &Value) -> Value {
    let estimates = floats(&inputs["est"]);
    let level = float(&inputs["conf"]);
    let m = MaxT::of(&estimates, &table(&inputs["boot"])).expect("valid");
    let band = m.band(&estimates, &m.standard_errors, level).expect("enough replicates");
    json!({
        "se": m.standard_errors,
        "crit": number(m.critical(level).expect("enough replicates")),
        "lo": band.iter().map(|i| i.lo).collect::<Vec<f64>>(),
        "hi": band.iter().map(|i| i.hi).collect::<Vec<f64>>(),
        "adj_p": m.adjusted_p(&estimates, &m.standard_errors).expect("valid"),
    })
}
