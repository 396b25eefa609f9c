//! k nearest neighbours (Cover and Hart, "Nearest neighbor pattern classification", 1967).
//!
//! All distances come from one matrix product, ‖a‖² + ‖b‖² - 2 a·b in single precision, on centred columns; those that
//! may be among the k smallest are then computed again, in double precision. Equal distances go to the lower training
//! row, equal votes to the lowest label, as in scikit-learn. Where single precision overflows (features beyond 1e19 or
//! so), every distance is computed in double precision; rows to predict that are not finite are refused. With `weights = "distance"` a vote counts 1/distance; where
//! some neighbour is at distance 0, only such neighbours vote. `metric = "mahalanobis"` measures after [`whitening`].
//!
//! Tuning finds the most neighbours that any candidate asks for once, and takes the first k of them for each k.

use ndarray::{Array2, ArrayView1};

use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
    argmax, first_not_finite,
};
use crate::linear::matrix;
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::{AutoAxis, OutOfFold, SharedTask, Simpler, Try, Tuning, gather};
use crate::whitening::Whitening;
use crate::wide;

/// `kind = "knn"`.
pub(crate) const KIND: Kind = Kind {
    name: "knn",
    summary: "k nearest neighbours, by Euclidean or Mahalanobis distance",
    caveat: None,
    params: &[
        Param {
            name: "k",
            domain: Domain::COUNT,
            default: Default::Int(1),
            doc: "how many neighbours vote; a fit on fewer rows is refused",
        },
        Param {
            name: "weights",
            domain: Domain::OneOf(&["uniform", "distance"]),
            default: Default::Text("uniform"),
            doc: "what a vote counts: 1, or 1/distance",
        },
        Param {
            name: "metric",
            domain: Domain::OneOf(&["euclidean", "mahalanobis"]),
            default: Default::Text("euclidean"),
            doc: "the distance; mahalanobis: by the shrunk covariance within classes",
        },
    ],
    tuning: Tuning {
        auto: &[
            AutoAxis {
                name: "k",
                values: Try::These(&[
                    Default::Int(1),
                    Default::Int(3),
                    Default::Int(5),
                    Default::Int(9),
                    Default::Int(15),
                ]),
            },
            AutoAxis {
                name: "weights",
                values: Try::These(&[Default::Text("uniform"), Default::Text("distance")]),
            },
        ],
        simpler: &[("k", Simpler::Larger)],
        shared: Some(shared),
    },
    build: |settings| Ok(Box::new(Knn::new(settings))),
};

#[derive(Clone, Copy, Debug)]
struct Knn {
    k: usize,
    by_distance: bool,
    mahalanobis: bool,
}

impl Knn {
    fn new(settings: &Settings) -> Self {
        Knn {
            k: settings.count("k").unwrap_or(1),
            by_distance: settings.text("weights") == Some("distance"),
            mahalanobis: settings.text("metric") == Some("mahalanobis"),
        }
    }
}

impl Classifier for Knn {
    fn fit(&self, train: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        if self.k > train.rows() {
            return Err(FitError::Refused(format!(
                "k is {} but there are only {} training rows: set k to at most the smallest train size",
                self.k,
                train.rows()
            )));
        }
        Ok(Fit::new(FittedKnn {
            settings: *self,
            index: Index::new(train, self.mahalanobis),
            labels: train.labels().to_vec(),
            classes: train.classes(),
        }))
    }
}

/// Predicts the rows left out for every candidate, from one search a fold and metric.
fn shared(task: &SharedTask<'_>) -> Result<Option<Vec<OutOfFold>>, FitError> {
    let knns: Vec<Knn> = task.candidates.iter().map(|settings| Knn::new(settings)).collect();
    let mut predicted: Vec<OutOfFold> = vec![Some(vec![0; task.train.rows()]); knns.len()];
    let (shape, classes) = (task.train.features().shape(), task.train.classes());
    for fold in task.folds {
        let (values, labels) = gather(task.train, &fold.train);
        let part = TrainingSet::new(Features::new(&values, shape), &labels, classes)?;
        let (left_out, _) = gather(task.train, &fold.test);
        for mahalanobis in [false, true] {
            task.context.check()?;
            let fits = |knn: &Knn| knn.mahalanobis == mahalanobis && knn.k <= labels.len();
            let Some(most) = knns.iter().filter(|knn| fits(knn)).map(|knn| knn.k).max() else {
                continue;
            };
            let index = Index::new(&part, mahalanobis);
            let nearest = index.neighbours(&Features::new(&left_out, shape), most);
            for (knn, out) in knns.iter().zip(&mut predicted).filter(|(knn, _)| fits(knn)) {
                let Some(out) = out else { continue };
                for (&row, nearest) in fold.test.iter().zip(&nearest) {
                    out[row] = argmax(&knn.shares(&nearest[..knn.k], &labels, classes));
                }
            }
        }
        let too_many = knns.iter().zip(&mut predicted).filter(|(knn, _)| knn.k > labels.len());
        too_many.for_each(|(_, out)| *out = None);
    }
    Ok(Some(predicted))
}

struct FittedKnn {
    settings: Knn,
    index: Index,
    labels: Vec<u32>,
    classes: usize,
}

impl FittedClassifier for FittedKnn {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        if let Some(at) = first_not_finite(features.values()) {
            return Err(FitError::Refused(format!(
                "row {}, column {} of those to predict is not finite: nothing is near it or far",
                at / features.columns(),
                at % features.columns()
            )));
        }
        let mut probabilities = Vec::with_capacity(features.rows() * self.classes);
        for nearest in self.index.neighbours(features, self.settings.k) {
            probabilities.extend(self.settings.shares(&nearest, &self.labels, self.classes));
        }
        Ok(Predictions::from_probabilities(probabilities, self.classes))
    }
}

impl Knn {
    /// The share of the votes that each class gets from the neighbours (squared distance, row).
    fn shares(&self, nearest: &[(f64, usize)], labels: &[u32], classes: usize) -> Vec<f32> {
        let touching = nearest.iter().any(|&(square, _)| square == 0.0);
        let mut votes = vec![0.0f64; classes];
        for &(square, i) in nearest {
            let vote = match (self.by_distance, touching) {
                (false, _) => 1.0,
                (true, true) => f64::from(u8::from(square == 0.0)),
                (true, false) => 1.0 / square.sqrt(),
            };
            votes[labels[i] as usize] += vote;
        }
        let total: f64 = votes.iter().sum();
        votes.iter().map(|vote| (vote / total) as f32).collect()
    }
}

/// Training rows, ready for searches among them.
struct Index {
    exact: Exact,
    /// The rows, less `shift`.
    x: Array2<f32>,
    /// Their squared norms.
    squares: Vec<f32>,
    /// The largest of these.
    largest_square: f32,
    /// The mean of the rows.
    shift: Vec<f32>,
}

/// The rows by which distances are computed again: as they are, or whitened.
enum Exact {
    Raw(Array2<f32>),
    Whitened(Whitening, Array2<f64>),
}

/// Rows whose distances are held at once.
const BLOCK: usize = 256;

impl Index {
    fn new(train: &TrainingSet<'_>, mahalanobis: bool) -> Self {
        let raw = matrix(&train.features());
        let exact = match mahalanobis.then(|| Whitening::new(train)).flatten() {
            Some(whitening) => {
                let whitened = whitening.apply(&train.features());
                Exact::Whitened(whitening, whitened)
            }
            None => Exact::Raw(raw),
        };
        let mut x = match &exact {
            Exact::Raw(rows) => rows.clone(),
            Exact::Whitened(_, rows) => rows.mapv(|v| v as f32),
        };
        let shift = means(&x);
        let squares = shifted_squares(&mut x, &shift);
        let largest_square = squares.iter().fold(0.0, |m: f32, &v| m.max(v));
        Index { exact, x, squares, largest_square, shift }
    }

    /// The k nearest training rows to each row, nearest first, with their squared distances.
    fn neighbours(&self, features: &Features<'_>, k: usize) -> Vec<Vec<(f64, usize)>> {
        let mut all = Vec::with_capacity(features.rows());
        for block in features.values().chunks(BLOCK * features.columns()) {
            let block = Features::new(block, features.shape());
            let whitened = match &self.exact {
                Exact::Whitened(whitening, _) => Some(whitening.apply(&block)),
                Exact::Raw(_) => None,
            };
            let mut rows = match &whitened {
                Some(rows) => rows.mapv(|v| v as f32),
                None => matrix(&block),
            };
            shifted_squares(&mut rows, &self.shift);
            let products = rows.dot(&self.x.t());
            let mut relative = vec![0.0f32; self.squares.len()];
            for (i, products) in products.outer_iter().enumerate() {
                for ((relative, product), square) in
                    relative.iter_mut().zip(products).zip(&self.squares)
                {
                    *relative = square - 2.0 * product;
                }
                all.push(match (&self.exact, &whitened) {
                    (Exact::Whitened(_, to), Some(from)) => {
                        self.nearest(&relative, k, |j| between(from.row(i), to.row(j)))
                    }
                    (Exact::Raw(to), _) => {
                        self.nearest(&relative, k, |j| between(block.row(i).into(), to.row(j)))
                    }
                    _ => unreachable!("what is whitened is searched by whitened rows"),
                });
            }
        }
        all
    }

    /// The k nearest training rows with their squared distances, as `exact` gives them.
    ///
    /// `relative` holds ‖b‖² - 2 a·b for every training row b: the squared distance less what is the same for all.
    fn nearest(
        &self,
        relative: &[f32],
        k: usize,
        exact: impl Fn(usize) -> f64,
    ) -> Vec<(f64, usize)> {
        // Squares beyond single precision tell nothing: then all rows are compared.
        let sound = relative.iter().fold(true, |sound, v| sound & v.is_finite());
        let kth = if !sound {
            f32::INFINITY
        } else if k == 1 {
            relative.iter().fold(f32::INFINITY, |m, &v| m.min(v))
        } else {
            let mut sorted = relative.to_vec();
            *sorted.select_nth_unstable_by(k - 1, f32::total_cmp).1
        };
        // What rounding can have moved, generously: the terms of a sum of d products, each half an ulp off.
        let slack = 1e-6 * (self.largest_square + kth.abs());
        let near = (0..relative.len()).filter(|&i| !sound || relative[i] <= kth + slack);
        let mut chosen: Vec<(f64, usize)> = near.map(|i| (exact(i), i)).collect();
        chosen.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        chosen.truncate(k);
        chosen
    }
}

/// Takes `shift` off every row, and returns the squared norms of what is left.
fn shifted_squares(x: &mut Array2<f32>, shift: &[f32]) -> Vec<f32> {
    let rows = x.outer_iter_mut().filter_map(|row| row.into_slice());
    rows.map(|row| wide::shifted_square(row, shift)).collect()
}

/// The mean of each column.
fn means(x: &Array2<f32>) -> Vec<f32> {
    let mut sums = vec![0.0f64; x.ncols()];
    x.outer_iter().filter_map(|row| row.to_slice()).for_each(|row| wide::add(row, &mut sums));
    let count = x.nrows().max(1) as f64;
    sums.iter().map(|sum| (sum / count) as f32).collect()
}

/// ‖a - b‖² in double precision.
fn between<T: Copy + Into<f64>>(a: ArrayView1<'_, T>, b: ArrayView1<'_, T>) -> f64 {
    match (a.to_slice(), b.to_slice()) {
        (Some(a), Some(b)) => wide::squared_distance(a, b),
        _ => f64::NAN, // rows of matrices in standard layout lie side by side
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Shape;

    /// The probabilities of class 1 at `rows`, after `values` of one column whose second half is of class 1.
    fn shares(settings: Knn, values: &[f32], rows: &[f32]) -> Vec<f32> {
        let features = |values| Features::new(values, Shape::table(1));
        let labels: Vec<u32> =
            (0..values.len()).map(|i| u32::from(2 * i >= values.len())).collect();
        let train = TrainingSet::new(features(values), &labels, 2).unwrap();
        let index = Index::new(&train, settings.mahalanobis);
        let fitted = FittedKnn { settings, index, labels, classes: 2 };
        let predicted = fitted.predict(&features(rows)).unwrap();
        predicted.probabilities.unwrap().chunks(2).map(|row| row[1]).collect()
    }

    #[test]
    fn features_whose_squares_overflow_have_neighbours() {
        let values = [-3e38, -2.9e38, 1e30, 2e38, 2.1e38, 3e38];
        for mahalanobis in [false, true] {
            let nearest = Knn { k: 1, by_distance: false, mahalanobis };
            assert_eq!(shares(nearest, &values, &[-3.4e38, 0.0, 1.9e38, 3.4e38]), [0., 0., 1., 1.]);
            let two = Knn { k: 2, by_distance: true, mahalanobis };
            let found = shares(two, &values, &[1.5e38]);
            assert_eq!(found, [1.0], "2e38 and 2.1e38 are the nearest");
        }
    }

    #[test]
    fn rows_that_are_not_finite_are_refused() {
        let values = Features::new(&[0.0, 1.0, 2.0, 3.0], Shape::table(2));
        let train = TrainingSet::new(values, &[0, 1], 2).unwrap();
        let settings = Knn { k: 1, by_distance: true, mahalanobis: false };
        let index = Index::new(&train, false);
        let fitted = FittedKnn { settings, index, labels: vec![0, 1], classes: 2 };
        for bad in [f32::NAN, f32::INFINITY] {
            let rows = [1.0, 1.0, 1.0, bad];
            let error = fitted.predict(&Features::new(&rows, Shape::table(2))).unwrap_err();
            assert!(error.to_string().starts_with("row 1, column 1"), "{error}");
        }
    }
}
