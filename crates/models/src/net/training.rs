//! What the settings of [`super::params`] stand for: options of training, and what is averaged.

use nn::{
    Augmentation, Dims, EarlyStop, Elastic, Init, Layer, Length, Optimizer, Schedule, TrainOptions,
};

use crate::classifier::{FitError, Shape};
use crate::net::Averaging;
use crate::settings::{SettingError, Settings};

/// The training options that `settings` ask for.
///
/// # Errors
/// [`SettingError::Conflict`] for both epochs and steps, for both a schedule and a decay, and for a parameter of
/// another optimiser or schedule.
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
    let max_steps = settings.count("max_steps").map(|steps| steps as u64);
    if let (Length::Steps(_), Some(_)) = (length, max_steps) {
        return Err(SettingError::Conflict(
            "`steps` and `max_steps` both say when to stop: keep one".into(),
        ));
    }
    Ok(TrainOptions {
        init: if settings.text("init") == Some("keras") { Init::Keras } else { Init::PyTorch },
        optimizer,
        learning_rate: settings.float("learning_rate").unwrap_or_default(),
        schedule: schedule(settings)?,
        batch_size: settings.count("batch_size").unwrap_or(32),
        length,
        early_stop: settings.count("patience").map(|patience| EarlyStop {
            tolerance: settings.float("tolerance").unwrap_or(1e-4),
            patience: patience as u64,
        }),
        max_steps,
        augmentation: augmentation(settings)?,
    })
}

/// The learning rate over the steps.
fn schedule(settings: &Settings) -> Result<Schedule, SettingError> {
    let word = settings.text("schedule").unwrap_or("constant");
    let decay = settings.float("decay").unwrap_or(0.0);
    if decay > 0.0 && word != "constant" {
        return Err(SettingError::Conflict(format!(
            "`decay` and `schedule = \"{word}\"` both change the learning rate: keep one"
        )));
    }
    let every = settings.count("step_every");
    for key in ["step_every", "step_factor"] {
        if word != "step" && settings.get(key).is_some() {
            return Err(SettingError::Conflict(format!(
                "`{key}` does nothing with `schedule = \"{word}\"`: remove it, or use step"
            )));
        }
    }
    match (word, every) {
        ("step", None) => Err(SettingError::Conflict(
            "`schedule = \"step\"` needs `step_every`, the gradient steps between its changes"
                .into(),
        )),
        ("step", Some(every)) => Ok(Schedule::Step {
            every: every as u64,
            factor: settings.float("step_factor").unwrap_or_default(),
        }),
        ("cosine", _) => Ok(Schedule::Cosine),
        _ if decay > 0.0 => Ok(Schedule::PerUpdateDecay { decay }),
        _ => Ok(Schedule::Constant),
    }
}

/// How training images are distorted.
fn augmentation(settings: &Settings) -> Result<Augmentation, SettingError> {
    let elastic = match (settings.float("elastic_alpha"), settings.float("elastic_sigma")) {
        (Some(alpha), Some(sigma)) => Some(Elastic { alpha, sigma }),
        (None, None) => None,
        (alpha, _) => {
            let (given, lacking) = match alpha {
                Some(_) => ("elastic_alpha", "elastic_sigma"),
                None => ("elastic_sigma", "elastic_alpha"),
            };
            return Err(SettingError::Conflict(format!("`{given}` needs `{lacking}` beside it")));
        }
    };
    Ok(Augmentation {
        shift: settings.count("shift").unwrap_or(0) as u32,
        rotation: settings.float("rotation").unwrap_or(0.0),
        elastic,
    })
}

/// Refuses to distort what are no images, or images too small for it.
///
/// # Errors
/// [`FitError::Refused`] with the reason.
pub(crate) fn check_augmentation(options: &TrainOptions, shape: Shape) -> Result<(), FitError> {
    let augmentation = &options.augmentation;
    let Shape { height, width, channels } = shape;
    if !augmentation.is_off() && !shape.is_image() {
        return Err(FitError::Refused(format!(
            "`shift`, `rotation` and elastic distortions are for images, but each example is {shape}: remove them, or \
             give the dataset the height and width of its images"
        )));
    }
    augmentation
        .fault(Dims { height, width, channels })
        .map_or(Ok(()), |fault| Err(FitError::Refused(fault)))
}

/// The normalisation between a hidden layer and its activation, if any.
pub(crate) fn normalization(settings: &Settings) -> Option<Layer> {
    match settings.text("normalization") {
        Some("batch") => Some(Layer::BATCH_NORM),
        Some("layer") => Some(Layer::LAYER_NORM),
        _ => None,
    }
}

/// How many nets are averaged, for `hidden` layers.
///
/// # Errors
/// [`SettingError::Conflict`] for passes with dropout where there is none.
pub(crate) fn averaging(settings: &Settings, hidden: &[Layer]) -> Result<Averaging, SettingError> {
    let passes = settings.count("mc_dropout");
    if passes.is_some() && !hidden.iter().any(|layer| matches!(layer, Layer::Dropout { .. })) {
        return Err(SettingError::Conflict(
            "`mc_dropout` needs dropout in the net: set a rate above 0, or remove it".into(),
        ));
    }
    Ok(Averaging { nets: settings.count("ensemble").unwrap_or(1), passes })
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
    use crate::net::params::TRAINING;
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
    fn every_schedule_and_a_budget_of_steps_can_be_said() {
        let step = resolved(&[
            ("schedule", text("step")),
            ("step_every", Value::Int(50)),
            ("step_factor", Value::Float(0.5)),
            ("max_steps", Value::Int(400)),
        ]);
        let step = step.unwrap();
        assert_eq!(step.schedule, Schedule::Step { every: 50, factor: 0.5 });
        assert_eq!((step.length, step.max_steps), (Length::Epochs(60), Some(400)));
        let tenth = resolved(&[("schedule", text("step")), ("step_every", Value::Int(9))]).unwrap();
        assert_eq!(tenth.schedule, Schedule::Step { every: 9, factor: 0.1 });
    }

    #[test]
    fn distortions_are_taken_over_and_refused_for_tables() {
        let set = resolved(&[
            ("shift", Value::Int(2)),
            ("rotation", Value::Float(10.0)),
            ("elastic_alpha", Value::Float(34.0)),
            ("elastic_sigma", Value::Float(4.0)),
        ]);
        let set = set.unwrap();
        let elastic = Some(Elastic { alpha: 34.0, sigma: 4.0 });
        assert_eq!(set.augmentation, Augmentation { shift: 2, rotation: 10.0, elastic });
        assert_eq!(check_augmentation(&set, Shape { height: 8, width: 9, channels: 1 }), Ok(()));
        let table = check_augmentation(&set, Shape::table(30)).unwrap_err().to_string();
        assert!(table.contains("are for images, but each example is 1×30×1"), "{table}");
        let tiny = Shape { height: 2, width: 9, channels: 1 };
        assert!(check_augmentation(&set, tiny).unwrap_err().to_string().contains("out of sight"));
        let off = resolved(&[("shift", Value::Int(0))]).unwrap();
        assert_eq!(check_augmentation(&off, Shape::table(30)), Ok(()));
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
            (&[("schedule", text("step"))], "needs `step_every`"),
            (&[("step_every", Value::Int(5))], "`step_every` does nothing"),
            (
                &[("schedule", text("cosine")), ("step_factor", Value::Float(0.5))],
                "`step_factor` does nothing with `schedule = \"cosine\"`",
            ),
            (&[("steps", Value::Int(1)), ("max_steps", Value::Int(1))], "`steps` and `max_steps`"),
            (&[("elastic_alpha", Value::Float(1.0))], "`elastic_alpha` needs `elastic_sigma`"),
            (&[("elastic_sigma", Value::Float(1.0))], "`elastic_sigma` needs `elastic_alpha`"),
        ] {
            let error = resolved(given).unwrap_err();
            assert!(matches!(error, SettingError::Conflict(_)), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
