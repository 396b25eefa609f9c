//! The executors' losses, scores and gradients against a plain forward pass in f64 and its central differences.

mod reference;

use nn::{
    Batch, Device, Dims, Executor, Init, Layer, Network, NnError, Optimizer, executor,
    initial_parameters,
};
use rand::RngCore;

/// Every executor that this machine can run.
const DEVICES: &[Device] = &[
    Device::Cpu,
    Device::CandleCpu,
    #[cfg(feature = "cuda")]
    Device::Cuda(0),
    #[cfg(feature = "metal")]
    Device::Metal(0),
];

const PLAIN: Optimizer = Optimizer::Sgd { momentum: 0.0, nesterov: false };

fn conv(channels: usize, kernel: usize, stride: usize, padding: usize) -> Layer {
    Layer::Conv { channels, kernel, stride, padding }
}

fn dense(units: usize) -> Layer {
    Layer::Dense { units }
}

fn network(input: [usize; 3], layers: &[Layer]) -> Network {
    let [height, width, channels] = input;
    Network::new(Dims { height, width, channels }, layers.to_vec()).unwrap()
}

fn start(network: &Network, parameters: &[f32], device: Device) -> Box<dyn Executor> {
    executor(network, parameters, PLAIN, device).unwrap()
}

/// `len` values in [-1, 1) from a stream of their own.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = nn::stream(seed, nn::Purpose::Shuffle);
    (0..len).map(|_| rng.next_u32() as i32 as f32 / 2_147_483_648.0).collect()
}

/// Masks of rate ½ for each dropout layer of `network`.
fn masks(network: &Network, rows: usize) -> Vec<Vec<f32>> {
    (network.layers().iter().enumerate())
        .filter(|(_, layer)| matches!(layer, Layer::Dropout { .. }))
        .map(|(i, _)| {
            let draws = noise(rows * network.dims(i).len(), 40 + i as u64);
            draws.iter().map(|v| if *v < 0.0 { 0.0 } else { 2.0 }).collect()
        })
        .collect()
}

/// So large a rate that next to nothing is left of the parameters' own rounding in their change; a power of two.
const RATE: f32 = 4096.0;

/// The gradient as the change of the parameters in one step of plain gradient descent, over the rate.
fn gradient_by_step(
    network: &Network,
    parameters: &[f32],
    batch: &Batch<'_>,
    device: Device,
) -> (f32, Vec<f64>) {
    let mut executor = start(network, parameters, device);
    let loss = executor.step(batch, RATE).unwrap();
    let after = executor.parameters().unwrap();
    let slope = |(a, b): (&f32, f32)| (f64::from(*a) - f64::from(b)) / f64::from(RATE);
    (loss, parameters.iter().zip(after).map(slope).collect())
}

/// Loss, scores and gradients on a batch of noise, on every executor.
fn check(network: &Network, rows: usize) {
    // Normalisations start at 1 and 0: move all a little, so that scales and shifts are seen.
    let mut parameters = initial_parameters(network, Init::PyTorch, 11);
    for (p, by) in parameters.iter_mut().zip(noise(network.parameter_count(), 13)) {
        *p += 0.1 * by;
    }
    let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let inputs = noise(rows * network.input().len(), 12);
    let labels: Vec<u32> =
        (0..rows).map(|i| (i * i + i) as u32 % network.classes() as u32).collect();
    let masks = masks(network, rows);
    let batch = Batch { inputs: &inputs, labels: &labels, masks: &masks };
    let expected_loss = reference::loss(network, &exact, &batch);
    let expected = reference::gradient(network, &exact, &batch, 1e-6);
    let size = expected.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
    // Sums in single precision, of which some cancel; normalisations divide what is left of rounding by small deviations.
    let is_norm = |l: &Layer| matches!(l, Layer::BatchNorm { .. } | Layer::LayerNorm { .. });
    let share = if network.layers().iter().any(is_norm) { 5e-5 } else { 1e-5 };
    for &device in DEVICES {
        let (loss, gradient) = gradient_by_step(network, &parameters, &batch, device);
        assert!(
            (f64::from(loss) - expected_loss).abs() <= 1e-5 * expected_loss,
            "{device}: loss {loss}"
        );
        for (i, (got, want)) in gradient.iter().zip(&expected).enumerate() {
            let allowed = share * (want.abs() + size) + 1e-9;
            assert!((got - want).abs() <= allowed, "{device}: parameter {i}: {got} for {want}");
        }
        check_scores(network, &parameters, &inputs, device);
    }
}

/// Scores at prediction, plain and thinned, by running statistics that are not the fresh ones.
fn check_scores(network: &Network, parameters: &[f32], inputs: &[f32], device: Device) {
    let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let mut executor = start(network, parameters, device);
    let statistics: Vec<f32> =
        executor.statistics().unwrap().iter().map(|s| s * 0.8 + 0.3).collect();
    executor.set_statistics(&statistics).unwrap();
    let running: Vec<f64> = statistics.iter().map(|&s| f64::from(s)).collect();
    let one_row = masks(network, 1);
    let rows = inputs.len() / network.input().len();
    let for_all: Vec<Vec<f32>> = one_row.iter().map(|mask| mask.repeat(rows)).collect();
    for (got, masks) in [
        (executor.logits(inputs).unwrap(), &[][..]),
        (executor.thinned_logits(inputs, &one_row).unwrap(), &for_all),
    ] {
        let expected = reference::scores(network, &exact, inputs, masks, Some(&running)).concat();
        assert_eq!(got.len(), expected.len());
        for (i, (&got, want)) in got.iter().zip(expected).enumerate() {
            let off = (f64::from(got) - want).abs();
            assert!(off < 1e-5 * (1.0 + want.abs()), "{device}: score {i}: {got} for {want}");
        }
    }
}

#[test]
fn dense_nets() {
    check(&network([1, 1, 7], &[dense(2)]), 1);
    check(&network([1, 1, 7], &[dense(9), Layer::Tanh, dense(5), Layer::Relu, dense(4)]), 13);
}

#[test]
fn dropout_by_given_masks() {
    let dropout = Layer::Dropout { rate: 0.5 };
    check(&network([1, 1, 6], &[dropout, dense(8), Layer::Tanh, dropout, dense(3)]), 9);
}

#[test]
fn batch_and_layer_normalisation() {
    for norm in [Layer::BATCH_NORM, Layer::LAYER_NORM] {
        let dropout = Layer::Dropout { rate: 0.5 };
        check(
            &network([1, 1, 7], &[dense(9), norm, Layer::Tanh, dropout, dense(6), norm, dense(3)]),
            11,
        );
        check(&network([1, 1, 5], &[norm, dense(4)]), 6);
        let layers = [
            conv(5, 3, 1, 1),
            norm,
            Layer::Relu,
            Layer::MaxPool { size: 2 },
            conv(3, 2, 1, 0),
            Layer::Tanh,
            norm,
            Layer::Flatten,
            dense(3),
        ];
        check(&network([6, 7, 2], &layers), 5);
    }
    // Unlike ones in one net, with other numbers: each finds its own scales and statistics.
    let other = Layer::BatchNorm { momentum: 0.5, epsilon: 0.1 };
    let layers = [conv(4, 1, 1, 0), Layer::BATCH_NORM, conv(3, 3, 1, 0), Layer::LAYER_NORM];
    let layers = [&layers[..], &[Layer::Flatten, dense(5), other, dense(3)]].concat();
    check(&network([4, 5, 1], &layers), 6);
}

/// A batch normalisation's statistics after two steps, by hand: PyTorch's rule with momentum ½.
#[test]
fn running_statistics_move_towards_the_batch_s() {
    let norm = Layer::BatchNorm { momentum: 0.5, epsilon: 1e-5 };
    let network = network([1, 1, 2], &[norm, dense(2)]);
    // Batches (1, 2, 6; 0, 0, 0) and (3, 3, 3; 0, 2, 4): means 3 and 0, then 3 and 2; unbiased variances 7 and 0,
    // then 0 and 4.
    let batches = [[1.0, 0.0, 2.0, 0.0, 6.0, 0.0], [3.0, 0.0, 3.0, 2.0, 3.0, 4.0]];
    for &device in DEVICES {
        let parameters = initial_parameters(&network, Init::PyTorch, 1);
        let mut executor = start(&network, &parameters, device);
        for inputs in &batches {
            executor.step(&Batch { inputs, labels: &[0, 1, 0], masks: &[] }, 0.0).unwrap();
        }
        // Means: ½(½·0 + ½·3) + ½·3 and ½·0 + ½·2; variances: ½(½·1 + ½·7) + ½·0 and ½(½·1 + ½·0) + ½·4.
        let expected = [2.25, 1.0, 2.0, 2.25];
        for (got, want) in executor.statistics().unwrap().iter().zip(expected) {
            assert!((got - want).abs() < 1e-6, "{device}: {got} for {want}");
        }
    }
}

#[test]
fn convolutions_with_pools() {
    let pool = Layer::MaxPool { size: 2 };
    let layers = [
        conv(3, 3, 1, 0),
        Layer::Relu,
        pool,
        conv(4, 2, 1, 0),
        Layer::Tanh,
        Layer::Flatten,
        dense(3),
    ];
    check(&network([9, 8, 1], &layers), 5);
    let layers =
        [conv(3, 3, 1, 1), Layer::AvgPool { size: 3 }, Layer::Relu, Layer::Flatten, dense(2)];
    check(&network([7, 8, 2], &layers), 4);
}

#[test]
fn strides_paddings_and_deeper_inputs() {
    let layers =
        [conv(4, 3, 2, 1), Layer::Tanh, conv(3, 4, 3, 2), Layer::Tanh, Layer::Flatten, dense(3)];
    check(&network([9, 11, 3], &layers), 3);
    // A first layer that isn't weighted, and pools before any weights.
    let layers =
        [Layer::MaxPool { size: 3 }, Layer::Tanh, conv(2, 1, 1, 0), Layer::Flatten, dense(2)];
    check(&network([7, 10, 2], &layers), 3);
}

/// A net whose gradient tells which place of a window won: the weight gradient of a 1 × 1 convolution over two
/// channels is the second channel's value at the place where the (weighted) maximum is.
fn winner_of(window: [f32; 4], device: Device) -> f64 {
    let layers = [conv(1, 1, 1, 0), Layer::MaxPool { size: 2 }, Layer::Flatten, dense(2)];
    let network = network([2, 2, 2], &layers);
    let inputs: Vec<f32> =
        window.iter().zip([1.0, 2.0, 3.0, 4.0]).flat_map(|(&value, mark)| [value, mark]).collect();
    // Weights (1, 0), bias 0: the pool sees the values alone. Dense: w = (0, 1), bias 0.
    let parameters = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let batch = Batch { inputs: &inputs, labels: &[0], masks: &[] };
    let (_, gradient) = gradient_by_step(&network, &parameters, &batch, device);
    // By the bias, the gradient is that by the maximum itself.
    gradient[1] / gradient[2]
}

/// candle's own `max_pool2d` gives the winner of a 2 × 2 window a quarter of it.
#[test]
fn the_first_maximum_of_a_window_takes_the_whole_gradient() {
    for &device in DEVICES {
        for (window, winner) in [
            ([4., 1., 2., 3.], 1.0),
            ([1., 4., 2., 3.], 2.0),
            ([1., 2., 4., 3.], 3.0),
            ([1., 2., 3., 4.], 4.0),
            ([4., 4., 4., 4.], 1.0),
            ([1., 4., 4., 2.], 2.0),
            ([0., 0., 0., 0.], 1.0),
            ([-1., -2., -1., -1.], 1.0),
        ] {
            let got = winner_of(window, device);
            assert!((got - winner).abs() < 1e-5, "{device}: {window:?} gave place {got}");
        }
    }
}

/// As in PyTorch; candle's own `relu` lets the gradient through at 0.
#[test]
fn no_gradient_passes_a_relu_at_zero() {
    let network = network([1, 1, 1], &[dense(1), Layer::Relu, dense(2)]);
    // Input 1, weight 0, bias 0: the ReLU sees exactly 0, from where only the last biases learn.
    let parameters = [0.0, 0.0, 1.0, -1.0, 0.0, 0.0];
    let batch = Batch { inputs: &[1.0], labels: &[0], masks: &[] };
    for &device in DEVICES {
        let (_, gradient) = gradient_by_step(&network, &parameters, &batch, device);
        assert_eq!(gradient, [0.0, 0.0, 0.0, 0.0, -0.5, 0.5], "{device}");
    }
}

#[test]
fn scores_do_not_depend_on_the_rows_beside_them() {
    let pool = Layer::MaxPool { size: 2 };
    let layers = [conv(8, 5, 1, 0), Layer::Relu, pool, conv(16, 5, 1, 0), Layer::Relu, pool];
    let layers = [&layers[..], &[Layer::Flatten, dense(3)]].concat();
    let convolutional = network([28, 28, 1], &layers);
    let flat = network([1, 1, 784], &[dense(128), Layer::Relu, dense(128), Layer::Relu, dense(3)]);
    for (network, device) in
        [&convolutional, &flat].into_iter().flat_map(|n| DEVICES.iter().map(move |&d| (n, d)))
    {
        let parameters = initial_parameters(network, Init::PyTorch, 1);
        let mut executor = start(network, &parameters, device);
        let inputs = noise(150 * 784, 2);
        let together = executor.logits(&inputs).unwrap();
        for rows in [0..1, 1..2, 63..64, 64..65, 149..150, 3..20, 60..140] {
            let some = executor.logits(&inputs[rows.start * 784..rows.end * 784]).unwrap();
            assert_eq!(some, together[rows.start * 3..rows.end * 3], "{device}: rows {rows:?}");
        }
        assert_eq!(executor.logits(&[]).unwrap(), Vec::<f32>::new());
    }
}

#[test]
fn masks_and_statistics_that_do_not_fit_are_refused() {
    let layers = [dense(3), Layer::BATCH_NORM, Layer::Dropout { rate: 0.5 }, dense(2)];
    let network = network([1, 1, 2], &layers);
    let parameters = initial_parameters(&network, Init::PyTorch, 1);
    for &device in DEVICES {
        let mut executor = start(&network, &parameters, device);
        let refused = |result: Result<(), NnError>| {
            assert!(matches!(result, Err(NnError::Shape(_))), "{device}: {result:?}");
        };
        refused(executor.thinned_logits(&[0.0; 4], &[]).map(drop));
        refused(executor.thinned_logits(&[0.0; 4], &[vec![1.0; 6]]).map(drop));
        assert!(executor.thinned_logits(&[0.0; 4], &[vec![1.0; 3]]).is_ok());
        refused(executor.set_statistics(&[0.0; 5]));
        assert!(executor.set_statistics(&[1.0; 6]).is_ok());
        let masks = [vec![1.0; 3]];
        let one = Batch { inputs: &[0.0; 2], labels: &[1], masks: &masks };
        refused(executor.step(&one, 0.1).map(drop));
        let two = Batch { inputs: &[0.0; 4], labels: &[1, 0], masks: &masks };
        refused(executor.step(&two, 0.1).map(drop));
    }
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let network = network([1, 1, 3], &[dense(2)]);
    for &device in DEVICES {
        let mut executor = start(&network, &[0.0; 8], device);
        for (inputs, labels) in
            [(&[0.0; 3][..], &[2][..]), (&[0.0; 4], &[0]), (&[0.0; 3], &[0, 1]), (&[], &[])]
        {
            let refused = executor.step(&Batch { inputs, labels, masks: &[] }, 0.1);
            assert!(matches!(refused, Err(NnError::Shape(_))), "{device}: {refused:?}");
        }
        assert!(matches!(executor.logits(&[0.0; 4]), Err(NnError::Shape(_))), "{device}");
    }
    let refused = executor(&network, &[0.0; 7], PLAIN, Device::Cpu).err();
    assert!(matches!(refused, Some(NnError::Shape(_))), "{refused:?}");
}
