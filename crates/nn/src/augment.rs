//! Distortions of training images, drawn anew each time an image is presented: shifts, rotations, elastic deformations.
//!
//! All three are one resampling: output pixel p takes the value at R(p - shift) + Δ(p), where R turns about the image's
//! centre and Δ is the elastic field (Simard, Steinkraus & Platt, ICDAR 2003), bilinear between pixels, 0 outside. A
//! shift alone lands on pixels and is exact. All channels of a pixel move together.
//!
//! What is outside is 0, the paper of MNIST. Inputs whose columns were standardised one by one (mean 0, deviation 1) are
//! no such images: 0 is each pixel's own mean, and values of different scales are mixed. Nothing here can know.

use rand_chacha::ChaCha8Rng;

use crate::Dims;
use crate::random::{Purpose, below, stream, symmetric};

/// How training images are distorted; the default leaves them as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// Down and to the right by whole pixels, each drawn uniformly from -shift to shift; what comes in is 0.
    pub shift: u32,
    /// By an angle drawn uniformly from -rotation to rotation degrees.
    pub rotation: f64,
    /// Off if `None`.
    pub elastic: Option<Elastic>,
}

/// An elastic deformation: each pixel's displacement down and to the right is drawn uniformly from (-1, 1), both fields
/// are smoothed by a Gaussian and multiplied by `alpha`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elastic {
    /// Scale of the displacements, in pixels before smoothing; 34 in the paper, for 29 × 29 images.
    pub alpha: f64,
    /// Standard deviation of the Gaussian in pixels, cut off at four of them; 4 in the paper.
    pub sigma: f64,
}

impl Augmentation {
    /// True if images are left as they are.
    pub fn is_off(&self) -> bool {
        *self == Augmentation::default()
    }

    /// Why inputs of `dims` can't be distorted so, if they can't.
    pub fn fault(&self, dims: Dims) -> Option<String> {
        let smallest = dims.height.min(dims.width);
        if self.is_off() {
            None
        } else if smallest < 2 {
            Some(format!("inputs of {dims} are no images that could be shifted or turned"))
        } else if self.shift as usize >= smallest {
            Some(format!("a shift of {} pixels moves images of {dims} out of sight", self.shift))
        } else if !(0.0..=180.0).contains(&self.rotation) {
            Some(format!("a rotation of {} degrees is not in [0, 180]", self.rotation))
        } else {
            self.elastic.and_then(|elastic| elastic.fault())
        }
    }
}

impl Elastic {
    fn fault(&self) -> Option<String> {
        let Elastic { alpha, sigma } = *self;
        if !(alpha > 0.0 && alpha.is_finite()) {
            return Some(format!("an elastic alpha of {alpha} is not a number above 0"));
        }
        let fits = sigma > 0.0 && sigma <= 1000.0;
        (!fits).then(|| format!("an elastic sigma of {sigma} pixels is not in (0, 1000]"))
    }
}

/// Distorts image after image.
pub(crate) struct Augmenter {
    rng: ChaCha8Rng,
    augmentation: Augmentation,
    dims: Dims,
    /// The Gaussian's weights from its centre outwards; empty without elastic deformation.
    gaussian: Vec<f64>,
    /// Displacements down and to the right, in pixels.
    fields: [Vec<f64>; 2],
    image: Vec<f32>,
}

impl Augmenter {
    /// For images of `dims`, drawing from the seed's [`Purpose::Augment`] stream.
    pub(crate) fn new(augmentation: Augmentation, dims: Dims, seed: u64) -> Self {
        Augmenter {
            rng: stream(seed, Purpose::Augment),
            gaussian: augmentation.elastic.map_or_else(Vec::new, |elastic| gaussian(elastic.sigma)),
            augmentation,
            dims,
            fields: Default::default(),
            image: Vec::new(),
        }
    }

    /// Replaces `image` by a distorted one.
    pub(crate) fn distort(&mut self, image: &mut [f32]) {
        let shift = self.draw_shift();
        let angle = match self.augmentation.rotation {
            0.0 => 0.0,
            most => f64::from(symmetric(&mut self.rng, 1.0)) * most,
        };
        self.draw_fields();
        self.image.clear();
        self.image.extend_from_slice(image);
        resample(&self.image, self.dims, shift, angle, &self.fields, image);
    }

    /// Pixels down and to the right.
    fn draw_shift(&mut self) -> [f64; 2] {
        let most = self.augmentation.shift;
        if most == 0 {
            return [0.0; 2];
        }
        [(); 2].map(|()| f64::from(below(&mut self.rng, 2 * most + 1)) - f64::from(most))
    }

    /// Draws the elastic displacements; leaves them empty without.
    fn draw_fields(&mut self) {
        let Some(Elastic { alpha, .. }) = self.augmentation.elastic else { return };
        let (height, width) = (self.dims.height, self.dims.width);
        for field in &mut self.fields {
            field.clear();
            field.extend(
                (0..height * width).map(|_| f64::from(symmetric(&mut self.rng, 1.0)) * alpha),
            );
            smooth(field, height, width, &self.gaussian);
        }
    }
}

/// The weights of a Gaussian at 0, 1, … pixels from its centre, cut off at four standard deviations, of sum 1 with those
/// of the other side.
fn gaussian(sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as usize;
    let weight = |x: usize| libm::exp(-0.5 * (x as f64 / sigma) * (x as f64 / sigma));
    let weights: Vec<f64> = (0..=radius).map(weight).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter().map(|weight| weight / sum).collect()
}

/// Convolves the field with the Gaussian, along columns and then along rows; outside, the field is 0.
fn smooth(field: &mut [f64], height: usize, width: usize, gaussian: &[f64]) {
    let mut line = Vec::with_capacity(height.max(width));
    let mut along = |start: usize, step: usize, len: usize| {
        line.clear();
        line.extend((0..len).map(|i| field[start + i * step]));
        for at in 0..len {
            let (first, last) = (at.saturating_sub(gaussian.len() - 1), at + gaussian.len());
            let near = first..last.min(len);
            field[start + at * step] = near.map(|i| line[i] * gaussian[i.abs_diff(at)]).sum();
        }
    };
    (0..width).for_each(|x| along(x, width, height));
    (0..height).for_each(|y| along(y * width, 1, width));
}

/// Writes to `to` the image `from`, deformed by `fields` (empty for none), turned by `angle` degrees, from the axis to the
/// right towards that down, about its centre, and shifted by `shift` pixels down and to the right.
fn resample(
    from: &[f32],
    dims: Dims,
    shift: [f64; 2],
    angle: f64,
    fields: &[Vec<f64>; 2],
    to: &mut [f32],
) {
    let centre = [(dims.height - 1) as f64 / 2.0, (dims.width - 1) as f64 / 2.0];
    let (sin, cos) = libm::sincos(angle.to_radians());
    for (p, pixel) in to.chunks_exact_mut(dims.channels).enumerate() {
        let y = (p / dims.width) as f64 - shift[0] - centre[0];
        let x = (p % dims.width) as f64 - shift[1] - centre[1];
        let deformed = |axis: usize| fields[axis].get(p).copied().unwrap_or(0.0);
        let y_from = centre[0] + (cos * y - sin * x) + deformed(0);
        let x_from = centre[1] + (sin * y + cos * x) + deformed(1);
        for (channel, value) in pixel.iter_mut().enumerate() {
            *value = bilinear(from, dims, channel, y_from, x_from) as f32;
        }
    }
}

/// The image at a place between pixels; 0 outside.
fn bilinear(image: &[f32], dims: Dims, channel: usize, y: f64, x: f64) -> f64 {
    let (top, left) = (y.floor(), x.floor());
    let (below, right) = (y - top, x - left);
    let at = |y: f64, x: f64| {
        let inside = y >= 0.0 && x >= 0.0 && y < dims.height as f64 && x < dims.width as f64;
        if !inside {
            return 0.0;
        }
        let pixel = y as usize * dims.width + x as usize;
        f64::from(image[pixel * dims.channels + channel])
    };
    let upper = (1.0 - right) * at(top, left) + right * at(top, left + 1.0);
    let lower = (1.0 - right) * at(top + 1.0, left) + right * at(top + 1.0, left + 1.0);
    (1.0 - below) * upper + below * lower
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [Vec<f64>; 2] = [Vec::new(), Vec::new()];

    fn image(dims: Dims) -> Vec<f32> {
        (0..dims.len()).map(|i| ((i * 37) % 101) as f32 / 101.0).collect()
    }

    fn moved(from: &[f32], dims: Dims, shift: [f64; 2], angle: f64) -> Vec<f32> {
        let mut to = vec![f32::NAN; from.len()];
        resample(from, dims, shift, angle, &NONE, &mut to);
        to
    }

    #[test]
    fn a_shift_moves_every_pixel_and_brings_in_zeros() {
        let dims = Dims { height: 3, width: 4, channels: 2 };
        let from = image(dims);
        assert_eq!(moved(&from, dims, [0.0, 0.0], 0.0), from);
        let down_left = moved(&from, dims, [1.0, -2.0], 0.0);
        let at = |v: &[f32], y: usize, x: usize| v[(y * 4 + x) * 2..][..2].to_vec();
        for y in 0..3 {
            for x in 0..4 {
                let expected =
                    if y >= 1 && x < 2 { at(&from, y - 1, x + 2) } else { vec![0.0, 0.0] };
                assert_eq!(at(&down_left, y, x), expected, "{y}, {x}");
            }
        }
    }

    #[test]
    fn quarter_turns_move_pixels_onto_pixels() {
        let dims = Dims { height: 5, width: 5, channels: 1 };
        let from = image(dims);
        let turned = moved(&from, dims, [0.0, 0.0], 90.0);
        for y in 0..5 {
            for x in 0..5 {
                // From the right towards down: what was to the right of the centre is now below it.
                assert!((turned[x * 5 + 4 - y] - from[y * 5 + x]).abs() < 1e-6, "{y}, {x}");
            }
        }
        let half = moved(&from, dims, [0.0, 0.0], 180.0);
        assert!(half.iter().zip(from.iter().rev()).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn between_pixels_values_are_linear() {
        let dims = Dims { height: 2, width: 2, channels: 1 };
        let from = [1.0, 3.0, 5.0, 9.0];
        assert_eq!(bilinear(&from, dims, 0, 0.0, 0.25), 1.5);
        assert_eq!(bilinear(&from, dims, 0, 0.5, 0.0), 3.0);
        assert_eq!(bilinear(&from, dims, 0, 0.5, 0.5), 4.5);
        assert_eq!(bilinear(&from, dims, 0, -0.5, 0.0), 0.5);
        assert_eq!(bilinear(&from, dims, 0, -1.0, 0.0), 0.0);
        assert_eq!(bilinear(&from, dims, 0, 1.5, 1.5), 2.25);
        assert_eq!(bilinear(&from, dims, 0, 1e300, -1e300), 0.0);
    }

    /// SciPy's numbers, by scripts/fixtures/make_elastic_fixtures.py.
    fn scipy(series: &str) -> Vec<f64> {
        let prefix = format!("{series},");
        let lines = include_str!("../tests/fixtures/elastic.csv").lines();
        let values = lines.filter_map(|line| line.strip_prefix(&prefix)?.split_once(','));
        values.map(|(_, value)| value.parse().unwrap()).collect()
    }

    /// `scipy.ndimage.gaussian_filter` and `map_coordinates`: an elastic field, a turn by 20° and a shift at once.
    #[test]
    fn smoothing_and_resampling_are_scipy_s() {
        let dims = Dims { height: 9, width: 7, channels: 1 };
        let smoothed = |step: i32| {
            let mut field: Vec<f64> =
                (0..63).map(|i| f64::from((i * step) % 33 - 16) / 16.0 * 6.0).collect();
            smooth(&mut field, 9, 7, &gaussian(1.5));
            field
        };
        let fields = [smoothed(7), smoothed(11)];
        for (field, series) in fields.iter().zip(["down", "right"]) {
            for (got, want) in field.iter().zip(scipy(series)) {
                assert!((got - want).abs() < 1e-11, "{series}: {got} for {want}");
            }
        }
        let mut to = vec![0.0; 63];
        resample(&image(dims), dims, [1.0, -2.0], 20.0, &fields, &mut to);
        let expected = scipy("distorted");
        assert_eq!(expected.len(), 63);
        for (got, want) in to.iter().zip(expected) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} for {want}");
        }
    }

    fn augmenter(augmentation: Augmentation, seed: u64) -> Augmenter {
        Augmenter::new(augmentation, Dims { height: 9, width: 7, channels: 1 }, seed)
    }

    fn distorted(augmentation: Augmentation, seed: u64) -> Vec<Vec<f32>> {
        let mut augmenter = augmenter(augmentation, seed);
        let original = image(augmenter.dims);
        let mut one = |_| {
            let mut image = original.clone();
            augmenter.distort(&mut image);
            image
        };
        (0..20).map(&mut one).collect()
    }

    const ELASTIC: Augmentation =
        Augmentation { shift: 0, rotation: 0.0, elastic: Some(Elastic { alpha: 8.0, sigma: 2.0 }) };

    #[test]
    fn draws_follow_the_seed_and_differ_from_image_to_image() {
        let shift = Augmentation { shift: 2, ..Augmentation::default() };
        let rotation = Augmentation { rotation: 15.0, ..Augmentation::default() };
        for augmentation in [shift, rotation, ELASTIC] {
            let images = distorted(augmentation, 1);
            assert_eq!(images, distorted(augmentation, 1));
            assert_ne!(images, distorted(augmentation, 2));
            assert!(images.iter().any(|image| *image != images[0]), "{augmentation:?}");
        }
    }

    #[test]
    fn shifts_cover_their_range_and_no_more() {
        let mut augmenter = augmenter(Augmentation { shift: 2, ..Augmentation::default() }, 3);
        let mut seen = [[0; 5]; 2];
        for _ in 0..500 {
            for (axis, by) in augmenter.draw_shift().into_iter().enumerate() {
                seen[axis][(by + 2.0) as usize] += 1;
            }
        }
        // 100 expected, standard deviation 9: the bounds are over five of them.
        assert!(seen.iter().flatten().all(|count| (50..150).contains(count)), "{seen:?}");
    }

    #[test]
    fn elastic_displacements_are_as_large_as_their_formula_says() {
        let mut augmenter = augmenter(ELASTIC, 4);
        let mut squares = 0.0;
        for _ in 0..400 {
            augmenter.draw_fields();
            squares += augmenter.fields[0][4 * 7 + 3].powi(2);
        }
        // The middle pixel: alpha² · ⅓ · Σ of the squared weights that meet the image.
        let weights = gaussian(2.0);
        let sum = |len: usize, at: usize| -> f64 {
            (0..len).map(|i: usize| weights[i.abs_diff(at)].powi(2)).sum()
        };
        let expected = 64.0 / 3.0 * sum(9, 4) * sum(7, 3);
        // A variance of 400 nearly normal draws: relative standard error .071; the bound is over five of them.
        assert!((squares / 400.0 / expected - 1.0).abs() < 0.4, "{} {expected}", squares / 400.0);
    }

    #[test]
    fn impossible_numbers_are_named() {
        let image = Dims { height: 9, width: 7, channels: 1 };
        let off = Augmentation::default();
        assert_eq!(off.fault(Dims::flat(30)), None);
        for (augmentation, words) in [
            (Augmentation { shift: 7, ..off }, "out of sight"),
            (Augmentation { rotation: -1.0, ..off }, "not in [0, 180]"),
            (Augmentation { rotation: f64::NAN, ..off }, "not in [0, 180]"),
            (Augmentation { elastic: Some(Elastic { alpha: 0.0, sigma: 1.0 }), ..off }, "alpha"),
            (Augmentation { elastic: Some(Elastic { alpha: 1.0, sigma: 0.0 }), ..off }, "sigma"),
        ] {
            let fault = augmentation.fault(image).unwrap();
            assert!(fault.contains(words), "{fault}");
        }
        assert!(ELASTIC.fault(Dims::flat(30)).unwrap().contains("no images"));
        assert_eq!(ELASTIC.fault(image), None);
    }
}
