//! The native engine's side of `scripts/peer`: fits and evaluates nets on request, to be compared with other libraries
//! in one interleaved run.
//!
//! Each line of standard input is a request, answered by one line:
//!
//! ```text
//! data TRAIN TEST                  the examples, from two files          -> training and test examples
//! fit NET EPOCHS SEED ROW,ROW,…    trains on these training examples     -> accuracy, wall and CPU seconds of the fit
//! score NET                        evaluates all test examples untrained -> wall and CPU seconds
//! ```
//!
//! NET is `beam-cnn`, `small-cnn` or `mlp`, trained by Adam at .001 in batches of 32 from PyTorch's initialisation. A file
//! of examples holds, little-endian: the number of images, height and width as `u32`, then the pixels (0 to 255), then
//! a label of one byte per image.

#![expect(clippy::print_stdout, reason = "answers go to standard output")]

#[path = "../benches/nets/mod.rs"]
mod nets;

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use cpu_time::ThreadTime;
use nn::{
    Device, Init, Length, Network, Optimizer, TrainData, TrainOptions, executor,
    initial_parameters, train,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Images scaled to [0, 1], and their labels.
#[derive(Default)]
struct Examples {
    pixels: Vec<f32>,
    labels: Vec<u32>,
}

impl Examples {
    fn read(path: &str) -> Result<Examples> {
        let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        let word = |i: usize| -> Result<usize> {
            let word = bytes.get(4 * i..4 * i + 4).ok_or_else(|| format!("{path} is cut off"))?;
            Ok(u32::from_le_bytes(word.try_into()?) as usize)
        };
        let (rows, values) = (word(0)?, word(0)? * word(1)? * word(2)?);
        let body = &bytes[12..];
        if body.len() != values + rows {
            return Err(format!("{path} holds {} bytes after its header", body.len()).into());
        }
        let pixels = body[..values].iter().map(|&p| f32::from(p) / 255.0).collect();
        Ok(Examples { pixels, labels: body[values..].iter().map(|&l| u32::from(l)).collect() })
    }

    fn columns(&self) -> usize {
        self.pixels.len() / self.labels.len().max(1)
    }

    /// The examples of these numbers, separated by commas.
    fn choose(&self, rows: &str) -> Result<Examples> {
        let (mut chosen, columns) = (Examples::default(), self.columns());
        for row in rows.split(',') {
            let row: usize = row.parse()?;
            let label = self.labels.get(row).ok_or_else(|| format!("no training example {row}"))?;
            chosen.labels.push(*label);
            chosen.pixels.extend_from_slice(&self.pixels[row * columns..(row + 1) * columns]);
        }
        Ok(chosen)
    }
}

fn main() -> Result<()> {
    let (mut training, mut test) = (Examples::default(), Examples::default());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match *line.split_whitespace().collect::<Vec<_>>() {
            ["data", train, held_out] => {
                (training, test) = (Examples::read(train)?, Examples::read(held_out)?);
                format!("{} {}", training.labels.len(), test.labels.len())
            }
            ["fit", net, epochs, seed, rows] => {
                fit(&network(net)?, epochs.parse()?, seed.parse()?, &training.choose(rows)?, &test)?
            }
            ["score", net] => score(&network(net)?, &test)?,
            _ => return Err(format!("no such request: {line}").into()),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn network(name: &str) -> Result<Network> {
    match name {
        "beam-cnn" => Ok(nets::beam_cnn()),
        "small-cnn" => Ok(nets::small_cnn()),
        "mlp" => Ok(nets::mlp()),
        _ => Err(format!("no net {name}").into()),
    }
}

/// Trains, then scores the test examples outside the measured time.
fn fit(
    network: &Network,
    epochs: u64,
    seed: u64,
    training: &Examples,
    test: &Examples,
) -> Result<String> {
    let options = TrainOptions { length: Length::Epochs(epochs), ..TrainOptions::default() };
    let data = TrainData { inputs: &training.pixels, labels: &training.labels };
    let never = AtomicBool::new(false);
    let (wall, cpu) = (Instant::now(), ThreadTime::now());
    let net = train(network, &options, data, seed, Device::Cpu, &never)?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    let scores = net.logits(&test.pixels)?;
    let says_one = scores.chunks_exact(2).map(|z| u32::from(z[1] > z[0]));
    let right = says_one.zip(&test.labels).filter(|(said, label)| said == *label).count();
    Ok(format!("{} {wall:.6} {cpu:.6}", right as f64 / test.labels.len() as f64))
}

fn score(network: &Network, test: &Examples) -> Result<String> {
    let parameters = initial_parameters(network, Init::PyTorch, 1);
    let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let mut executor = executor(network, &parameters, plain, Device::Cpu)?;
    let (wall, cpu) = (Instant::now(), ThreadTime::now());
    let scores = executor.logits(&test.pixels)?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    std::hint::black_box(scores);
    Ok(format!("{wall:.6} {cpu:.6}"))
}
