//! Inputs out of JSON, and numbers into it.

use serde_json::{Value, json};
use stats::Interval;

pub(crate) fn float(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v} is a number"))
}

pub(crate) fn whole(v: &Value) -> u64 {
    v.as_u64().unwrap_or_else(|| panic!("{v} is a whole number"))
}

pub(crate) fn list(v: &Value) -> &[Value] {
    v.as_array().unwrap_or_else(|| panic!("{v} is a list"))
}

pub(crate) fn floats(v: &Value) -> Vec<f64> {
    list(v).iter().map(float).collect()
}

pub(crate) fn table(v: &Value) -> Vec<Vec<f64>> {
    list(v).iter().map(floats).collect()
}

/// A finite number; JSON has no NaN, and it must not turn into an expected null.
pub(crate) fn number(x: f64) -> Value {
    assert!(x.is_finite(), "{x} came out");
    json!(x)
}

pub(crate) fn maybe(x: Option<f64>) -> Value {
    x.map_or(Value::Null, number)
}

pub(crate) fn pair(i: Interval) -> Value {
    json!([number(i.lo), number(i.hi)])
}
