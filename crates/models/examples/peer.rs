//! Fits and predicts on request, and says what it cost: our half of scripts/peer/shallow.py.
//!
//! Usage: `cargo run -p models --example peer -- FOLDER`. The folder holds, for each task, `TASK.train` and `TASK.test`
//! (little-endian f32, row after row), `TASK.labels` and `TASK.truth` (one byte a row) and `TASK.shape` (height, width,
//! classes). Each line of standard input is `TASK N SEED KIND [key=value…]`; the answer is the processor seconds of
//! fit and prediction and the number of right predictions, or `error` and its message.

#![expect(clippy::print_stdout, reason = "the answers go to the script that asks")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::BufRead;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use cpu_time::ProcessTime;
use models::{Features, FitContext, Settings, Shape, TrainingSet, Value, find_kind};

struct Task {
    shape: Shape,
    classes: usize,
    train: Vec<f32>,
    labels: Vec<u32>,
    test: Vec<f32>,
    truth: Vec<u32>,
}

impl Task {
    fn read(folder: &Path, name: &str) -> Result<Self, Box<dyn Error>> {
        let bytes = |end: &str| std::fs::read(folder.join(format!("{name}.{end}")));
        let floats = |bytes: Vec<u8>| -> Vec<f32> {
            let four = bytes.chunks_exact(4);
            four.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        let labels = |bytes: Vec<u8>| bytes.into_iter().map(u32::from).collect();
        let text = String::from_utf8(bytes("shape")?)?;
        let numbers: Vec<usize> =
            text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [height, width, classes] = numbers[..] else {
            return Err("the shape is not `height width classes`".into());
        };
        Ok(Task {
            shape: Shape { height, width, channels: 1 },
            classes,
            train: floats(bytes("train")?),
            labels: labels(bytes("labels")?),
            test: floats(bytes("test")?),
            truth: labels(bytes("truth")?),
        })
    }

    /// Processor seconds of fit and prediction, and how many predictions are right.
    fn run(&self, words: &[&str]) -> Result<(f64, f64, usize), Box<dyn Error>> {
        let [n, seed, kind, given @ ..] = words else { return Err("a word is missing".into()) };
        let n: usize = n.parse()?;
        let kind = find_kind(kind).ok_or_else(|| format!("no kind {kind}"))?;
        let given: BTreeMap<String, Value> = given.iter().filter_map(|w| parameter(w)).collect();
        let classifier = (kind.build)(&Settings::resolve(kind.params, &given)?)?;
        classifier.check(self.shape, self.classes)?;
        let stop = AtomicBool::new(false);
        let context = FitContext { seed: seed.parse()?, device: Default::default(), stop: &stop };
        let features = Features::new(&self.train[..n * self.shape.len()], self.shape);
        let begin = ProcessTime::now();
        let train = TrainingSet::new(features, &self.labels[..n], self.classes)?;
        let fit = classifier.fit(&train, &context)?;
        let fitted = begin.elapsed();
        let begin = ProcessTime::now();
        let predictions = fit.model.predict(&Features::new(&self.test, self.shape))?;
        let predicted = begin.elapsed();
        let right = predictions.labels.iter().zip(&self.truth).filter(|(a, b)| a == b).count();
        Ok((fitted.as_secs_f64(), predicted.as_secs_f64(), right))
    }
}

/// `key=value`, the value a whole number, a number, a truth value or a word.
fn parameter(word: &str) -> Option<(String, Value)> {
    let (key, value) = word.split_once('=')?;
    let parsed = value.parse().map(Value::Int).ok();
    let parsed = parsed.or_else(|| value.parse().map(Value::Float).ok());
    let parsed = parsed.or_else(|| value.parse().map(Value::Bool).ok());
    Some((key.to_owned(), parsed.unwrap_or_else(|| Value::Text(value.to_owned()))))
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: peer FOLDER")?;
    let mut tasks: BTreeMap<String, Task> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, rest @ ..] = &words[..] else { continue };
        if !tasks.contains_key(*name) {
            tasks.insert((*name).to_owned(), Task::read(Path::new(&folder), name)?);
        }
        match tasks[*name].run(rest) {
            Ok((fit, predict, right)) => println!("{fit:.9} {predict:.9} {right}"),
            Err(e) => println!("error {e}"),
        }
    }
    Ok(())
}
