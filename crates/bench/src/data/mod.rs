//! Datasets: what there is, where it lies, and its items in memory.

mod csv;
mod idx;
mod locate;
mod twins;

use std::path::{Path, PathBuf};

use models::Shape;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::experiment::{DatasetSpec, Scale, TableSpec};
use crate::split::Pool;

pub(crate) use idx::hex;
pub use locate::{DATA_VARIABLE, data_folder, data_folder_for};

/// A dataset that an experiment can name: four IDX files, official training and test set.
#[derive(Debug)]
pub struct Source {
    /// The `name` under `[dataset]`, and the folder's.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Who made it, and under which licence it is here or can be had.
    pub attribution: &'static str,
    /// Where to get it, if it isn't here.
    pub remedy: &'static str,
    /// The files: training images and labels, test images and labels.
    files: [idx::File; 4],
}

/// All datasets.
pub const SOURCES: &[Source] = &[
    Source {
        name: "mnist",
        summary: "handwritten digits",
        attribution: "Yann LeCun, Corinna Cortes, Christopher J. C. Burges; CC BY-SA 3.0",
        remedy: "fetch the file from ossci-datasets.s3.amazonaws.com/mnist/ \
                 or storage.googleapis.com/cvdf-datasets/mnist/",
        files: idx::files(
            [
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ],
            (60_000, 10_000),
        ),
    },
    Source {
        name: "fashion-mnist",
        summary: "pictures of clothes, drop-in for MNIST; not in this repository",
        attribution: "Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando SE); MIT licence",
        remedy: "take the four files from the Debian package dataset-fashion-mnist \
                 or from github.com/zalandoresearch/fashion-mnist, \
                 put them into a folder `fashion-mnist` and name its parent by --data",
        files: idx::files(
            [
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ],
            (60_000, 10_000),
        ),
    },
];

/// Results lie in `results/<name>` beside or below the experiment file's folder, as a rule.
const FOLDERS_ABOVE: usize = 4;

/// The name of a table of the user's own.
pub const CSV: &str = "csv";

/// The names of all datasets.
pub fn names() -> Vec<&'static str> {
    SOURCES.iter().map(|source| source.name).chain([CSV]).collect()
}

/// A dataset in memory: items of the chosen classes, the official training set first.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// The shape of one item.
    pub shape: Shape,
    /// What each class is called.
    pub class_names: Vec<String>,
    /// Class of every item, in `0..class_names.len()`.
    pub labels: Vec<u32>,
    /// Items before this are the official training set.
    pub train_len: usize,
    /// Hash of the data as loaded, all classes.
    pub sha256: String,
    /// Where it came from, if it is a table of the user's own.
    pub table: Option<TableSpec>,
    /// Item after item.
    values: Values,
}

/// The values of all items, as they are stored.
#[derive(Clone, Debug)]
enum Values {
    /// Pixels, one byte each.
    Bytes(Vec<u8>),
    /// Anything else.
    Floats(Vec<f32>),
}

impl Values {
    /// The values of the items at `kept`, each `size` values long.
    fn select(&self, kept: &[usize], size: usize) -> Values {
        fn pick<T: Copy>(all: &[T], kept: &[usize], size: usize) -> Vec<T> {
            kept.iter().flat_map(|&i| &all[i * size..(i + 1) * size]).copied().collect()
        }
        match self {
            Values::Bytes(all) => Values::Bytes(pick(all, kept, size)),
            Values::Floats(all) => Values::Floats(pick(all, kept, size)),
        }
    }
}

impl Dataset {
    /// A dataset made in memory: `pixels` holds items of `shape`, one label each, the first `train_len` of them the
    /// training set.
    ///
    /// # Panics
    /// If the parts don't fit together: a defect of the caller.
    pub fn from_parts(
        name: &str,
        shape: Shape,
        pixels: Vec<u8>,
        labels: Vec<u32>,
        train_len: usize,
    ) -> Dataset {
        assert_eq!(pixels.len(), labels.len() * shape.len(), "one label per item");
        assert!(train_len <= labels.len(), "the training set is part of the items");
        let classes = labels.iter().max().map_or(0, |&max| max + 1);
        let mut hash = Sha256::new();
        hash.update(&pixels);
        labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
        Dataset {
            name: name.to_owned(),
            shape,
            class_names: (0..classes).map(|class| class.to_string()).collect(),
            labels,
            train_len,
            sha256: idx::hex(&hash.finalize()),
            table: None,
            values: Values::Bytes(pixels),
        }
    }

    /// Loads what `spec` names from `folder` (the data folder; each dataset lies in a folder of its name there, or
    /// is `folder` itself).
    ///
    /// # Errors
    /// [`Error::Input`] naming the file that is missing, damaged or not what it should be, or the class that isn't.
    pub fn load(spec: &DatasetSpec, folder: &Path) -> Result<Dataset> {
        let source = SOURCES.iter().find(|source| source.name == spec.name);
        let all = match (&spec.table, source) {
            (Some(table), _) => csv::load(table, folder)?,
            (None, Some(source)) => source.load(folder)?,
            (None, None) => return Err(Error::input(format!("unknown dataset {:?}", spec.name))),
        };
        match &spec.classes {
            Some(classes) => all.choose(classes),
            None => Ok(all),
        }
    }

    /// Loads the dataset behind the results in `results`: a table of the user's own is looked for in the folder `beside`,
    /// else beside the results and in the folders above them.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load_for(
        results: &Path,
        spec: &DatasetSpec,
        data: Option<&Path>,
        beside: Option<&Path>,
    ) -> Result<Dataset> {
        let data = data_folder_for(spec, data)?;
        let mut spec = spec.clone();
        if let Some(table) = &mut spec.table {
            let folder = results.canonicalize().map_err(|error| Error::io(results, error))?;
            let above = folder.ancestors().take(FOLDERS_ABOVE).map(Path::to_owned);
            let found = beside.map(Path::to_owned).into_iter().chain(above);
            if let Some(place) = found.into_iter().find(|place| place.join(&table.path).is_file()) {
                table.beside = place;
            } else if csv::find(table, &data).is_err() {
                return Err(Error::input(format!(
                    "dataset.path: no file {:?} beside the results in {} or above them, in the data folder, or here: \
                     name the folder that has it by --beside DIR",
                    table.path,
                    results.display()
                )));
            }
        }
        Dataset::load(&spec, &data)
    }

    /// What messages call it: its name, or the table's file.
    pub fn title(&self) -> &str {
        self.table.as_ref().map_or(&self.name, |table| &table.path)
    }

    /// The labels, for splitting.
    pub fn pool(&self) -> Pool<'_> {
        Pool { labels: &self.labels, classes: self.class_names.len(), train_len: self.train_len }
    }

    /// Items per class: in the official training set, and in the test set.
    pub fn class_counts(&self) -> (Vec<usize>, Vec<usize>) {
        let count = |labels: &[u32]| {
            let mut counts = vec![0; self.class_names.len()];
            labels.iter().for_each(|&label| counts[label as usize] += 1);
            counts
        };
        (count(&self.labels[..self.train_len]), count(&self.labels[self.train_len..]))
    }

    /// The values of `items`, row after row; [`Scale::Standard`] is left to the training rows, and is as stored here.
    pub fn gather(&self, items: &[u32], scale: Scale) -> Vec<f32> {
        let size = self.shape.len();
        let range = |item: &u32| *item as usize * size..(*item as usize + 1) * size;
        let mut values = Vec::with_capacity(items.len() * size);
        match (&self.values, scale) {
            (Values::Floats(all), _) => items.iter().for_each(|i| values.extend(&all[range(i)])),
            (Values::Bytes(all), Scale::Unit) => items
                .iter()
                .for_each(|i| values.extend(all[range(i)].iter().map(|&p| f32::from(p) / 255.0))),
            (Values::Bytes(all), Scale::Raw | Scale::Standard) => {
                items
                    .iter()
                    .for_each(|i| values.extend(all[range(i)].iter().map(|&p| f32::from(p))));
            }
        }
        values
    }

    /// The labels of `items`.
    pub fn gather_labels(&self, items: &[u32]) -> Vec<u32> {
        items.iter().map(|&item| self.labels[item as usize]).collect()
    }

    /// Keeps the items of `classes`, which become classes 0, 1, … in that order.
    fn choose(self, classes: &[String]) -> Result<Dataset> {
        let mut places = Vec::new();
        for class in classes {
            let place = self.class_names.iter().position(|name| name == class);
            places.push(place.ok_or_else(|| {
                Error::input(format!(
                    "dataset {:?} has no class {class}, its classes are {}",
                    self.title(),
                    self.class_names.join(", ")
                ))
            })? as u32);
        }
        let position = |label: u32| places.iter().position(|&place| place == label);
        let kept: Vec<usize> =
            (0..self.labels.len()).filter(|&i| position(self.labels[i]).is_some()).collect();
        Ok(Dataset {
            class_names: classes.to_vec(),
            labels: kept
                .iter()
                .filter_map(|&i| position(self.labels[i]).map(|class| class as u32))
                .collect(),
            train_len: kept.iter().filter(|&&i| i < self.train_len).count(),
            values: self.values.select(&kept, self.shape.len()),
            ..self
        })
    }
}

impl Source {
    /// The folder under `data` that holds this dataset's files, if one does.
    pub fn folder(&self, data: &Path) -> Option<PathBuf> {
        // Datasets share their files' names, so a folder that is one itself must be called so.
        let called_so =
            |folder: &PathBuf| folder.canonicalize().is_ok_and(|f| f.ends_with(self.name));
        [data.join(self.name), data.to_owned()]
            .into_iter()
            .find(|folder| called_so(folder) && self.files[0].path(folder).is_some())
    }

    /// The files' names and the SHA-256 of their uncompressed bytes.
    pub fn hashes(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.files.iter().map(|file| (file.name, file.sha256))
    }

    /// Loads all classes.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load(&self, data: &Path) -> Result<Dataset> {
        let folder = self.folder(data).ok_or_else(|| {
            Error::input(format!(
                "dataset {:?} is not in {}: {}",
                self.name,
                data.display(),
                self.remedy
            ))
        })?;
        let [train_images, train_labels, test_images, test_labels] = &self.files;
        let train = idx::load_pair(&folder, train_images, train_labels, self.remedy)?;
        let test = idx::load_pair(&folder, test_images, test_labels, self.remedy)?;
        if train.shape != test.shape {
            return Err(Error::input(format!(
                "{}: training images are {} and test images {}",
                folder.display(),
                train.shape,
                test.shape
            )));
        }
        let mut hash = Sha256::new();
        self.files.iter().for_each(|file| hash.update(file.sha256));
        let train_len = train.labels.len();
        Ok(Dataset {
            name: self.name.to_owned(),
            shape: train.shape,
            class_names: (0..10).map(|class| class.to_string()).collect(),
            labels: [train.labels, test.labels].concat(),
            train_len,
            sha256: idx::hex(&hash.finalize()),
            table: None,
            values: Values::Bytes([train.pixels, test.pixels].concat()),
        })
    }
}
