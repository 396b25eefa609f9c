//! The settings of training that every kind of net has, and the options they stand for.

use nn::{EarlyStop, Init, Layer, Length, Optimizer, Schedule, TrainOptions};

use crate::settings::{Default, Domain, Param, SettingError, Settings};

/// A share in [0, 1), kept away from 1 so that it stays below 1 in single precision.
const SHARE: Domain = Domain::Float { min: 0.0, max: 0.999_999, open_min: false };

/// The domain of dropout rates.
pub(crate) const RATE: Domain = Domain::Float { min: 0.0, max: 0.99, open_min: false };

const fn param(name: &'static str, domain: Domain, default: Default, doc: &'static str) -> Param {
    Param { name, domain, default, doc }
}

/// The parameters of training, which every kind of net lists after its own.
pub(crate) const TRAINING: [Param; 17] = [
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
        Domain::OneOf(&["constant", "cosine"]),
        Default::Text("constant"),
        "the learning rate over the steps; cosine falls to 0 at the last",
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

/// The training options that `settings` ask for.
///
/// # Errors
/// [`SettingError::Conflict`] for both epochs and steps, for both a schedule and a decay, and for a parameter of
/// another optimiser.
pub(crate) fn options(settings: &Settings) -> Result<TrainOptions, SettingError> {
    let optimizer = optimizer(settings)?;
    let length = match (settings.count("epochs"), settings.count("steps")) {
        (Some(_), Some(_)) => {
            return Err(SettingError::Conflict(
                "`epochs` and `steps` are both set: keep one".into(),
            ));
        }
        (_, Some(steps)) => Length::Steps(steps as u64),
        (epochs, None) => Length::Epochs(epochs.unwrap_or_default() as u64),
    };
    let decay = settings.float("decay").unwrap_or(0.0);
    let schedule = match settings.text("schedule") {
        Some("cosine") if decay > 0.0 => {
            return Err(SettingError::Conflict(
                "`decay` and `schedule = \"cosine\"` both change the learning rate: keep one"
                    .into(),
            ));
        }
        Some("cosine") => Schedule::Cosine,
        _ if decay > 0.0 => Schedule::PerUpdateDecay { decay },
        _ => Schedule::Constant,
    };
    Ok(TrainOptions {
        init: if settings.text("init") == Some("keras") { Init::Keras } else { Init::PyTorch },
        optimizer,
        learning_rate: settings.float("learning_rate").unwrap_or_default(),
        schedule,
        batch_size: settings.count("batch_size").unwrap_or(32),
        length,
        early_stop: settings.count("patience").map(|patience| EarlyStop {
            tolerance: settings.float("tolerance").unwrap_or(1e-4),
            patience: patience as u64,
        }),
    })
}

/// The update rule. The numbers are there: their defaults go by the rule's name.
fn optimizer(settings: &Settings) -> Result<Optimizer, SettingError> {
    let name = settings.text("optimizer").unwrap_or("adam");
    for (key, of) in [
        ("momentum", &["sgd"][..]),
        ("nesterov", &["sgd"]),
        ("weight_decay", &["adamw"]),
        ("beta1", &["adam", "adamw"]),
        ("beta2", &["adam", "adamw"]),
        ("rho", &["adadelta"]),
        ("epsilon", &["adam", "adamw", "adadelta"]),
    ] {
        let given =
            if key == "nesterov" { settings.flag(key) } else { settings.get(key).is_some() };
        if given && !of.contains(&name) {
            return Err(SettingError::Conflict(format!(
                "`{key}` does nothing with `optimizer = \"{name}\"`: remove it, or use {}",
                of.join(" or ")
            )));
        }
    }
    let number = |key| settings.float(key).unwrap_or_default() as f32;
    Ok(match name {
        "sgd" => {
            Optimizer::Sgd { momentum: number("momentum"), nesterov: settings.flag("nesterov") }
        }
        "adadelta" => Optimizer::Adadelta { rho: number("rho"), epsilon: number("epsilon") },
        _ => Optimizer::Adam {
            beta1: number("beta1"),
            beta2: number("beta2"),
            epsilon: number("epsilon"),
            weight_decay: number("weight_decay"),
        },
    })
}

/// A dropout layer, or none for a rate of 0.
pub(crate) fn dropout(settings: &Settings, key: &str) -> Option<Layer> {
    settings.float(key).filter(|&rate| rate > 0.0).map(|rate| Layer::Dropout { rate: rate as f32 })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::settings::Value;

    fn resolved(given: &[(&str, Value)]) -> Result<TrainOptions, SettingError> {
        let given: BTreeMap<String, Value> =
            given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        options(&Settings::resolve(&TRAINING, &given).unwrap())
    }

    fn text(word: &str) -> Value {
        Value::Text(word.into())
    }

    #[test]
    fn nothing_set_is_the_trainer_s_default() {
        assert_eq!(resolved(&[]), Ok(TrainOptions::default()));
    }

    #[test]
    fn each_optimizer_has_its_own_defaults() {
        let sgd = resolved(&[("optimizer", text("sgd")), ("momentum", Value::Float(0.9))]).unwrap();
        assert_eq!(sgd.optimizer, Optimizer::Sgd { momentum: 0.9, nesterov: false });
        assert_eq!(sgd.learning_rate, 1e-2);
        let adadelta = resolved(&[("optimizer", text("adadelta"))]).unwrap();
        assert_eq!(adadelta.optimizer, Optimizer::Adadelta { rho: 0.95, epsilon: 1e-6 });
        assert_eq!(adadelta.learning_rate, 1.0);
        let adamw = resolved(&[("optimizer", text("adamw"))]).unwrap();
        let Optimizer::Adam { weight_decay, .. } = adamw.optimizer else { panic!("{adamw:?}") };
        assert_eq!((weight_decay, adamw.learning_rate), (0.01, 1e-3));
    }

    #[test]
    fn length_schedule_and_early_stop_are_taken_over() {
        let set = resolved(&[
            ("steps", Value::Int(600)),
            ("schedule", text("cosine")),
            ("patience", Value::Int(3)),
            ("init", text("keras")),
        ]);
        let set = set.unwrap();
        assert_eq!(set.length, Length::Steps(600));
        assert_eq!(set.schedule, Schedule::Cosine);
        assert_eq!(set.early_stop, Some(EarlyStop { tolerance: 1e-4, patience: 3 }));
        assert_eq!(set.init, Init::Keras);
        let decay = resolved(&[("decay", Value::Float(0.99)), ("epochs", Value::Int(20))]).unwrap();
        assert_eq!(decay.schedule, Schedule::PerUpdateDecay { decay: 0.99 });
        assert_eq!(decay.length, Length::Epochs(20));
    }

    #[test]
    fn contradictions_name_both_sides() {
        for (given, words) in [
            (&[("epochs", Value::Int(1)), ("steps", Value::Int(1))][..], "`epochs` and `steps`"),
            (&[("schedule", text("cosine")), ("decay", Value::Float(0.1))], "keep one"),
            (&[("momentum", Value::Float(0.9))], "`momentum` does nothing"),
            (&[("nesterov", Value::Bool(true))], "use sgd"),
            (&[("weight_decay", Value::Float(0.1))], "use adamw"),
            (&[("optimizer", text("sgd")), ("epsilon", Value::Float(0.1))], "`epsilon`"),
            (&[("optimizer", text("sgd")), ("rho", Value::Float(0.9))], "use adadelta"),
        ] {
            let error = resolved(given).unwrap_err();
            assert!(matches!(error, SettingError::Conflict(_)), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
