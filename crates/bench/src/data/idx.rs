//! IDX, the format of MNIST: a big-endian header, then bytes; gzipped or not.
//!
//! Every way in which a file can be wrong is told apart: missing, damaged gzip, wrong magic number, counts that don't
//! match, wrong checksum. Labels are in `0..10`.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use models::Shape;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

const IMAGES_MAGIC: u32 = 0x0000_0803;
const LABELS_MAGIC: u32 = 0x0000_0801;

/// One file of a dataset: its name without `.gz`, its size, and the SHA-256 of its uncompressed bytes.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: &'static str,
    items: usize,
    pub(super) sha256: &'static str,
}

/// The four files under their usual names; hashes in the order training images, training labels, test images,
/// test labels.
pub(super) const fn files(sha256: [&'static str; 4], (train, test): (usize, usize)) -> [File; 4] {
    [
        File { name: "train-images-idx3-ubyte", items: train, sha256: sha256[0] },
        File { name: "train-labels-idx1-ubyte", items: train, sha256: sha256[1] },
        File { name: "t10k-images-idx3-ubyte", items: test, sha256: sha256[2] },
        File { name: "t10k-labels-idx1-ubyte", items: test, sha256: sha256[3] },
    ]
}

impl File {
    /// Where it lies in `folder`, gzipped or plain.
    pub(super) fn path(&self, folder: &Path) -> Option<PathBuf> {
        [format!("{}.gz", self.name), self.name.to_owned()]
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
    }
}

/// Images and their labels.
pub(super) struct Pair {
    pub(super) shape: Shape,
    pub(super) pixels: Vec<u8>,
    pub(super) labels: Vec<u32>,
}

/// Loads and checks images and labels that belong together.
pub(super) fn load_pair(folder: &Path, images: &File, labels: &File, remedy: &str) -> Result<Pair> {
    let (image_path, image_bytes) = read(folder, images, remedy)?;
    let (label_path, label_bytes) = read(folder, labels, remedy)?;
    let (shape, pixels) = parse_images(&image_bytes)
        .map_err(|why| Error::input(format!("{}: {why}; {remedy}", image_path.display())))?;
    let parsed = parse_labels(&label_bytes)
        .map_err(|why| Error::input(format!("{}: {why}; {remedy}", label_path.display())))?;
    let images_found = pixels.len() / shape.len();
    if parsed.len() != images_found {
        return Err(Error::input(format!(
            "{}: {} labels for the {images_found} images of {}",
            label_path.display(),
            parsed.len(),
            image_path.display()
        )));
    }
    for (path, bytes, file) in
        [(&image_path, &image_bytes, images), (&label_path, &label_bytes, labels)]
    {
        let found = hex(&Sha256::digest(bytes));
        if found != file.sha256 {
            return Err(Error::input(format!(
                "{}: sha256 of the uncompressed bytes is {found}, expected {}; {remedy}",
                path.display(),
                file.sha256
            )));
        }
    }
    Ok(Pair { shape, pixels: pixels.to_vec(), labels: parsed })
}

/// The uncompressed bytes of a file, and where it lies.
fn read(folder: &Path, file: &File, remedy: &str) -> Result<(PathBuf, Vec<u8>)> {
    let path = file.path(folder).ok_or_else(|| {
        Error::input(format!("{} is missing in {}; {remedy}", file.name, folder.display()))
    })?;
    let raw = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
    if path.extension().is_none_or(|ending| ending != "gz") {
        return Ok((path, raw));
    }
    // A damaged or foreign archive must not fill the memory: no file here is larger than 28 × 28 per item.
    let limit = 16 + file.items * 28 * 28 + 1;
    let mut bytes = Vec::new();
    GzDecoder::new(raw.as_slice()).take(limit as u64).read_to_end(&mut bytes).map_err(|error| {
        let got = bytes.len();
        Error::input(format!(
            "{}: damaged or truncated gzip ({error}, after {got} bytes); {remedy}",
            path.display()
        ))
    })?;
    Ok((path, bytes))
}

/// Shape and pixels of an IDX3 file.
fn parse_images(bytes: &[u8]) -> std::result::Result<(Shape, &[u8]), String> {
    let (header, pixels) = header::<4>(bytes, IMAGES_MAGIC, "images")?;
    let [_, count, height, width] = header.map(|word| word as usize);
    let expected = count.checked_mul(height).and_then(|n| n.checked_mul(width));
    if height == 0 || width == 0 || expected != Some(pixels.len()) {
        return Err(format!(
            "the header says {count} images of {height}×{width}, but {} bytes of pixels follow",
            pixels.len()
        ));
    }
    Ok((Shape { height, width, channels: 1 }, pixels))
}

/// Labels of an IDX1 file.
fn parse_labels(bytes: &[u8]) -> std::result::Result<Vec<u32>, String> {
    let ([_, count], labels) = header::<2>(bytes, LABELS_MAGIC, "labels")?;
    if count as usize != labels.len() {
        return Err(format!("the header says {count} labels, but {} follow", labels.len()));
    }
    match labels.iter().position(|&label| label > 9) {
        Some(at) => Err(format!("label {} of item {at} is not in 0..9", labels[at])),
        None => Ok(labels.iter().map(|&label| label.into()).collect()),
    }
}

/// The first `N` big-endian words, the first of which must be `magic`, and what follows.
fn header<'a, const N: usize>(
    bytes: &'a [u8],
    magic: u32,
    what: &str,
) -> std::result::Result<([u32; N], &'a [u8]), String> {
    let (head, rest) = bytes
        .split_at_checked(4 * N)
        .ok_or_else(|| format!("{} bytes are too few for a header of {}", bytes.len(), 4 * N))?;
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(head.chunks_exact(4)) {
        *word = u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    }
    if words[0] != magic {
        return Err(format!("magic number {:#010x}, expected {magic:#010x} for {what}", words[0]));
    }
    Ok((words, rest))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn images(count: u32, height: u32, width: u32, pixels: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            [IMAGES_MAGIC, count, height, width].iter().flat_map(|w| w.to_be_bytes()).collect();
        bytes.extend(vec![7; pixels]);
        bytes
    }

    #[test]
    fn reads_what_the_header_says() {
        let bytes = images(2, 3, 4, 24);
        let (shape, pixels) = parse_images(&bytes).expect("well formed");
        assert_eq!((shape.height, shape.width, shape.channels, pixels.len()), (3, 4, 1, 24));
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            (parse_images(&images(2, 3, 4, 23)).map(drop), "2 images of 3×4, but 23 bytes"),
            (parse_images(&images(0, 0, 4, 0)).map(drop), "0 images of 0×4"),
            (parse_images(&images(u32::MAX, u32::MAX, u32::MAX, 9)).map(drop), "but 9 bytes"),
            (parse_images(&[0, 0, 8]).map(drop), "3 bytes are too few"),
            (
                parse_labels(&images(1, 1, 1, 1)).map(drop),
                "magic number 0x00000803, expected 0x00000801",
            ),
            (parse_labels(&[0, 0, 8, 1, 0, 0, 0, 3, 1, 2]).map(drop), "3 labels, but 2 follow"),
            (parse_labels(&[0, 0, 8, 1, 0, 0, 0, 1, 10]).map(drop), "label 10 of item 0"),
        ];
        for (result, expected) in cases {
            let message = result.expect_err(expected);
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse_images(&bytes);
            let _ = parse_labels(&bytes);
            let mut dressed = images(1, 2, 2, 0);
            dressed.extend(&bytes);
            let _ = parse_images(&dressed);
        }
    }
}
