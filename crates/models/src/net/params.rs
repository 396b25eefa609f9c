//! The settings that every kind of net has beside its own: training, normalisation, distorted images, averaging.

use crate::settings::{Default, Domain, Param};
use crate::tuning::{AutoAxis, Simpler, Try};

/// A share in [0, 1), kept away from 1 so that it stays below 1 in single precision.
const SHARE: Domain = Domain::Float { min: 0.0, max: 0.999_999, open_min: false };

/// The domain of dropout rates.
pub(crate) const RATE: Domain = Domain::Float { min: 0.0, max: 0.99, open_min: false };

const fn param(name: &'static str, domain: Domain, default: Default, doc: &'static str) -> Param {
    Param { name, domain, default, doc }
}

/// The parameters of training, which every kind of net lists after its own.
pub(crate) const TRAINING: [Param; 27] = [
    param(
        "init",
        Domain::OneOf(&["pytorch", "keras"]),
        Default::Text("pytorch"),
        "initial parameters as that library's layers draw them",
    ),
    param(
        "optimizer",
        Domain::OneOf(&["adam", "adamw", "sgd", "adadelta"]),
        Default::Text("adam"),
        "the update rule",
    ),
    param(
        "learning_rate",
        Domain::POSITIVE,
        Default::ByWord {
            key: "optimizer",
            cases: &[("adam", 1e-3), ("adamw", 1e-3), ("sgd", 1e-2), ("adadelta", 1.0)],
        },
        "step size",
    ),
    param(
        "schedule",
        Domain::OneOf(&["constant", "cosine", "step"]),
        Default::Text("constant"),
        "the learning rate over the steps; cosine would be 0 after the last",
    ),
    param(
        "step_every",
        Domain::COUNT,
        Default::Unset,
        "schedule step: gradient steps between the changes",
    ),
    param(
        "step_factor",
        Domain::Float { min: 0.0, max: 1.0, open_min: true },
        Default::ByWord { key: "schedule", cases: &[("step", 0.1)] },
        "schedule step: what each change multiplies the learning rate with",
    ),
    param(
        "decay",
        Domain::NON_NEGATIVE,
        Default::Float(0.0),
        "divides the learning rate by 1 + decay * t at the t-th update, as Keras 2 did",
    ),
    param(
        "momentum",
        SHARE,
        Default::ByWord { key: "optimizer", cases: &[("sgd", 0.0)] },
        "sgd: share of the last update kept",
    ),
    param("nesterov", Domain::Bool, Default::Bool(false), "sgd: Nesterov's momentum"),
    param(
        "weight_decay",
        Domain::NON_NEGATIVE,
        Default::ByWord { key: "optimizer", cases: &[("adamw", 0.01)] },
        "adamw: decoupled weight decay",
    ),
    param(
        "beta1",
        SHARE,
        Default::ByWord { key: "optimizer", cases: &[("adam", 0.9), ("adamw", 0.9)] },
        "adam, adamw: decay of the mean gradient",
    ),
    param(
        "beta2",
        SHARE,
        Default::ByWord { key: "optimizer", cases: &[("adam", 0.999), ("adamw", 0.999)] },
        "adam, adamw: decay of the mean squared gradient",
    ),
    param(
        "rho",
        SHARE,
        Default::ByWord { key: "optimizer", cases: &[("adadelta", 0.95)] },
        "adadelta: decay of the mean squares",
    ),
    param(
        "epsilon",
        Domain::POSITIVE,
        Default::ByWord {
            key: "optimizer",
            cases: &[("adam", 1e-8), ("adamw", 1e-8), ("adadelta", 1e-6)],
        },
        "adam, adamw, adadelta: keeps denominators from 0",
    ),
    param(
        "batch_size",
        Domain::COUNT,
        Default::Int(32),
        "examples per gradient step; an epoch's last batch takes what is left",
    ),
    param(
        "epochs",
        Domain::COUNT,
        Default::IntUnless { key: "steps", value: 60 },
        "passes over the examples",
    ),
    param("steps", Domain::COUNT, Default::Unset, "gradient steps, in place of epochs"),
    param(
        "max_steps",
        Domain::COUNT,
        Default::Unset,
        "with epochs: a budget of gradient steps, at which training stops early; unset: none",
    ),
    param(
        "patience",
        Domain::COUNT,
        Default::Unset,
        "stop after that many epochs without a lower training loss; unset: never",
    ),
    param(
        "tolerance",
        Domain::NON_NEGATIVE,
        Default::Float(1e-4),
        "with patience: how much lower counts",
    ),
    param(
        "normalization",
        Domain::OneOf(&["none", "batch", "layer"]),
        Default::Unset,
        "between each hidden layer and its activation; unset: none",
    ),
    param(
        "shift",
        Domain::Int { min: 0, max: 1_000 },
        Default::Unset,
        "augmentation of images: by up to that many pixels each way; unset: off",
    ),
    param(
        "rotation",
        Domain::Float { min: 0.0, max: 180.0, open_min: false },
        Default::Unset,
        "augmentation of images: by up to that many degrees each way; unset: off",
    ),
    param(
        "elastic_alpha",
        Domain::POSITIVE,
        Default::Unset,
        "augmentation of images: scale of elastic displacements, with elastic_sigma; unset: off",
    ),
    param(
        "elastic_sigma",
        Domain::Float { min: 0.0, max: 1_000.0, open_min: true },
        Default::Unset,
        "augmentation of images: smoothness of elastic displacements in pixels",
    ),
    param(
        "ensemble",
        Domain::Int { min: 1, max: 1_000 },
        Default::Unset,
        "nets from seeds of their own, their probabilities averaged; unset: 1",
    ),
    param(
        "mc_dropout",
        Domain::Int { min: 1, max: 10_000 },
        Default::Unset,
        "passes with dropout on at prediction, their probabilities averaged; unset: off",
    ),
];

/// Steps of a third, one and three times the optimiser's own: by default every kind of net tries them.
pub(crate) const LEARNING_RATES: AutoAxis =
    AutoAxis { name: "learning_rate", values: Try::Times(&[0.3, 1.0, 3.0]) };

/// The rates of dropout that nets try by default.
pub(crate) const RATES: Try = Try::These(&[Default::Float(0.0), Default::Float(0.5)]);

/// Which nets are simpler: those that see more dropout, train for less long, or take smaller steps.
pub(crate) const SIMPLER: &[(&str, Simpler)] = &[
    ("dropout", Simpler::Larger),
    ("flatten_dropout", Simpler::Larger),
    ("epochs", Simpler::Smaller),
    ("steps", Simpler::Smaller),
    ("learning_rate", Simpler::Smaller),
];

/// `own` parameters followed by those of training.
pub(crate) const fn with_training<const OWN: usize, const ALL: usize>(
    own: [Param; OWN],
) -> [Param; ALL] {
    assert!(OWN + TRAINING.len() == ALL);
    let mut all = [TRAINING[0]; ALL];
    let mut i = 0;
    while i < ALL {
        all[i] = if i < OWN { own[i] } else { TRAINING[i - OWN] };
        i += 1;
    }
    all
}
