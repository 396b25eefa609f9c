//! Compares what was computed with what a case expects, field by field.

use serde_json::Value;

use super::adapters::curves::family;
use super::adapters::read::floats;

/// Where 0 is expected, this much is still 0.
const ZERO: f64 = 1e-12;

/// Fields that describe and are no numbers to reproduce: (method, field).
const DESCRIPTIVE: [(&str, &str); 1] = [
    ("nadeau_bengio_t", "note"), // says in words what the null t and p = 1 of the degenerate case mean
];

/// Fields whose reference value is the rounding error of an exact 0 and therefore differs with the order of a sum:
/// (method, field, what counts as 0).
const ROUNDING_RESIDUE: [(&str, &str, f64); 2] = [
    ("bates_nested_cv", "mse_hat", 1e-15), // 8.7e-19 where (a - b) cancels
    ("bates_nested_cv", "inflation_unclipped", 1e-6), // the square root of the former over a standard error
];

/// Checks every expected field of `case`, appends what is wrong to `failures`, and returns the numbers compared.
pub(crate) fn case(
    name: &str,
    method: &str,
    case: &Value,
    computed: &Value,
    failures: &mut Vec<String>,
) -> usize {
    let rtol = case["rtol"].as_f64().expect("a case has its tolerance");
    let expected = case["expected"].as_object().expect("`expected` is an object");
    let mut numbers = 0;
    for (field, expected) in expected {
        if DESCRIPTIVE.contains(&(method, field)) {
            continue;
        }
        let (expected, found) = match computed.get(field) {
            Some(found) if (method, field.as_str()) == ("curve_fit", "params") => {
                (as_curve(&case["inputs"], expected), as_curve(&case["inputs"], found))
            }
            Some(found) => (expected.clone(), found.clone()),
            None => {
                failures.push(format!("{name}: `{field}` is not computed here"));
                continue;
            }
        };
        let zero = ROUNDING_RESIDUE
            .iter()
            .find(|(m, f, zero)| {
                (*m, *f) == (method, field.as_str()) && expected.as_f64().is_some_and(|v| v < *zero)
            })
            .map(|(_, _, zero)| *zero);
        let mut check = Check { rtol, zero, numbers: 0, failures };
        check.value(&format!("{name} {field}"), &expected, &found);
        numbers += check.numbers;
    }
    numbers
}

/// Parameters as the curve they stand for, at sizes within and beyond the data. Raw parameters of the four-parameter
/// curves are known to few digits (of mmf4:cnn, one is known to ± 800 %), and the reference says to "check sse and
/// predictions rather than raw params".
fn as_curve(inputs: &Value, parameters: &Value) -> Value {
    let sizes = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0];
    let parameters = floats(parameters);
    Value::from(sizes.map(|n| family(inputs).value(n, &parameters)).to_vec())
}

struct Check<'a> {
    rtol: f64,
    /// Set if the expected value is itself a rounding error.
    zero: Option<f64>,
    numbers: usize,
    failures: &'a mut Vec<String>,
}

impl Check<'_> {
    fn value(&mut self, name: &str, expected: &Value, found: &Value) {
        match (expected, found) {
            (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
                for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                    self.value(&format!("{name}[{at}]"), expected, found);
                }
            }
            (Value::Object(expected), Value::Object(found)) if expected.len() == found.len() => {
                for (key, expected) in expected {
                    self.value(&format!("{name}.{key}"), expected, &found[key]);
                }
            }
            (Value::Number(expected), Value::Number(found)) => {
                let (expected, found) = (expected.as_f64(), found.as_f64());
                self.number(name, expected.expect("f64"), found.expect("f64"));
            }
            _ if expected == found => self.numbers += 1,
            _ => self.failures.push(format!("{name}: expected {expected}, found {found}")),
        }
    }

    fn number(&mut self, name: &str, expected: f64, found: f64) {
        self.numbers += 1;
        let allowed = match self.zero {
            Some(zero) => zero,
            None if expected == 0.0 => ZERO,
            None => self.rtol * expected.abs(),
        };
        let close = (found - expected).abs() <= allowed; // false for NaN
        if !close {
            self.failures.push(format!(
                "{name}: expected {expected:e}, found {found:e}, off by {:e} where {allowed:e} is allowed",
                (found - expected).abs()
            ));
        }
    }
}
