//! Every method of this crate against reference numbers of SciPy, R, statsmodels, scikit-learn, baycomp, rliable and
//! others: `golden.json` beside this file names the packages, and each case its reference and tolerance.
//!
//! `STATS_GOLDEN=/path/to/other.json cargo test -p stats --test golden` checks another file of the same form. A method
//! in the file that is not known here fails, and so does an expected field that the crate does not compute.

#[path = "golden/adapters.rs"]
mod adapters;
#[path = "golden/compare.rs"]
mod compare;

use serde_json::Value;

#[test]
fn every_case_of_every_method() {
    let path = std::env::var("STATS_GOLDEN")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.json").to_owned());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {path}: {e}"));
    let file: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
    let methods = file["methods"].as_object().expect("`methods` is an object");
    let (mut failures, mut cases, mut numbers) = (Vec::new(), 0, 0);
    for (method, list) in methods {
        let list = list.as_array().unwrap_or_else(|| panic!("{method}: a list of cases"));
        assert!(!list.is_empty(), "{method}: no cases");
        for case in list {
            cases += 1;
            let name = format!("{method} [{}]", case["id"].as_str().expect("an id"));
            match adapters::compute(method, &case["inputs"]) {
                Some(computed) => {
                    numbers += compare::case(&name, method, case, &computed, &mut failures);
                }
                None => failures.push(format!("{name}: no such method here")),
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(cases > 0 && numbers > cases, "{path}: {cases} cases, {numbers} numbers");
}

#[test]
fn the_comparison_can_fail() {
    let case = |expected: &str| -> Value {
        serde_json::from_str(&format!(r#"{{"rtol": 1e-9, "expected": {expected}}}"#)).expect("json")
    };
    let computed: Value = serde_json::from_str(r#"{"x": 1.0, "l": [1.0, 2.0]}"#).expect("json");
    let failures = |expected: &str| {
        let mut failures = Vec::new();
        compare::case("test", "test", &case(expected), &computed, &mut failures);
        failures.len()
    };
    assert_eq!(failures(r#"{"x": 1.0000000001, "l": [1, 2]}"#), 0);
    assert_eq!(failures(r#"{"x": 1.00000001}"#), 1);
    assert_eq!(failures(r#"{"x": null}"#), 1);
    assert_eq!(failures(r#"{"unknown": 1.0}"#), 1);
    assert_eq!(failures(r#"{"l": [1.0]}"#), 1);
    assert_eq!(failures(r#"{"x": 0.0}"#), 1);
    assert_eq!(adapters::compute("unknown", &Value::Null), None);
}
