//! 3 × 3 convolutions by Winograd's minimal filtering F(2×2, 3×3): 16 products per channel pair and tile of 2 × 2
//! outputs instead of 36.
//!
//! Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.1: an output tile is
//!
//! ```text
//! Y = Aᵀ [ Σ_channels (G w Gᵀ) ⊙ (Bᵀ d B) ] A
//! ```
//!
//! with d the 4 × 4 input patch and w the weights. Element ξ of the 16 is, over tiles and channels, a matrix product.
//! The backward pass is the exact adjoint of these linear maps, so it is the gradient of what forward computes:
//!
//! ```text
//! dM = A dY Aᵀ      dU[ξ] = V[ξ]ᵀ dM[ξ]     dw = Gᵀ dU G
//! dV[ξ] = dM[ξ] U[ξ]ᵀ                       dd = B dV Bᵀ, patches added where they overlap
//! ```
//!
//! Tiles are taken in blocks that stay in cache; a tile's numbers don't depend on its block.

mod transform;

use super::Isa;
use super::correlate::Correlate;
use super::elementwise::{ReluGradient, RowSum};
use super::linear::{Geometry, transpose};
use super::op::{Backward, Forward, Op};
use super::outer::Outer;
use std::ops::Range;
use transform::{Grid, InputAdjoint, InputTransform, OutputAdjoint, OutputTransform};
use transform::{WeightAdjoint, WeightTransform};

/// The number of products per tile.
const PRODUCTS: usize = 16;

/// A 3 × 3 convolution with bias, then ReLU if `floor` is 0.
#[derive(Debug)]
pub(super) struct Winograd {
    geometry: Geometry,
    weights: Range<usize>,
    bias: Range<usize>,
    floor: f32,
    /// Tiles per block, at most.
    block: usize,
    /// U: `16 × in × out`.
    filters: Vec<f32>,
    /// Uᵀ: `16 × out × in`.
    filters_transposed: Vec<f32>,
    /// The weights, each tap transposed: `9 × out × in`.
    transposed: Vec<f32>,
    /// dU: `16 × in × out`.
    filter_gradient: Vec<f32>,
    /// V of a block: `16 × tiles × in`.
    patches: Vec<f32>,
    /// M or dM of a block: `16 × tiles × out`.
    products: Vec<f32>,
    /// dV of a block: `16 × tiles × in`.
    patch_gradient: Vec<f32>,
    /// One zero per channel: the bias of the products.
    zeros: Vec<f32>,
}

impl Winograd {
    /// Whether a convolution is computed this way: 3 × 3, stride 1, and channels enough to pay for the transforms.
    pub(super) fn suits(geometry: &Geometry) -> bool {
        let channels = geometry.input.channels.min(geometry.output.channels);
        geometry.kernel == 3 && geometry.stride == 1 && channels >= 16
    }

    /// A convolution whose weights and bias lie at these places of the parameter vector.
    pub(super) fn new(
        geometry: Geometry,
        weights: Range<usize>,
        bias: Range<usize>,
        relu: bool,
    ) -> Self {
        let (from, to) = (geometry.input.channels, geometry.output.channels);
        let widest = from.max(to);
        // Multiples of the 14-pixel register tile; V and M of a block take about 128 KiB each.
        let block = 14 * (128 / widest).max(1);
        Winograd {
            floor: if relu { 0.0 } else { f32::NEG_INFINITY },
            block,
            filters: vec![0.0; PRODUCTS * from * to],
            filters_transposed: Vec::new(),
            transposed: Vec::new(),
            filter_gradient: Vec::new(),
            patches: vec![0.0; PRODUCTS * block * from],
            products: vec![0.0; PRODUCTS * block * to],
            patch_gradient: Vec::new(),
            zeros: vec![0.0; widest],
            geometry,
            weights,
            bias,
        }
    }

    /// The tiles over one image, seen from the input.
    fn input_grid(&self) -> Grid {
        let (input, output) = (self.geometry.input, self.geometry.output);
        Grid { map: input, output, offset: self.geometry.padding }
    }

    /// The tiles over one image, seen from the output.
    fn output_grid(&self) -> Grid {
        Grid { map: self.geometry.output, output: self.geometry.output, offset: 0 }
    }

    /// Blocks of tiles, about as long as one another, that cover `images` images.
    fn blocks(&self, images: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let tiles = images * self.output_grid().tiles();
        let blocks = tiles.div_ceil(self.block);
        (0..blocks).map(move |i| i * tiles / blocks..(i + 1) * tiles / blocks)
    }

    /// Adds the gradient of U from a block of tiles, and leaves the block's dM in `products`.
    fn add_filter_gradient(&mut self, pass: &Backward<'_>, tiles: Range<usize>) {
        let (from, to) = (self.geometry.input.channels, self.geometry.output.channels);
        let (input_grid, output_grid) = (self.input_grid(), self.output_grid());
        let n = tiles.len();
        let patches = &mut self.patches[..PRODUCTS * n * from];
        let products = &mut self.products[..PRODUCTS * n * to];
        let grid = input_grid;
        pass.isa.run(InputTransform { grid, tiles: tiles.clone(), map: pass.input, patches });
        let grid = output_grid;
        pass.isa.run(OutputAdjoint { grid, tiles, map: pass.upstream, products });
        for (xi, sums) in self.filter_gradient.chunks_exact_mut(from * to).enumerate() {
            let patches = &patches[xi * n * from..][..n * from];
            let gradient = &products[xi * n * to..][..n * to];
            pass.isa.run(outer_product(patches, gradient, from, to, sums));
        }
    }

    /// Adds the gradient of the input from a block of tiles, whose dM are in `products`.
    fn add_input_gradient(&mut self, pass: &mut Backward<'_>, tiles: Range<usize>) {
        let (from, to) = (self.geometry.input.channels, self.geometry.output.channels);
        let (grid, n) = (self.input_grid(), tiles.len());
        let patches = &mut self.patch_gradient[..PRODUCTS * n * from];
        for (xi, gradient) in patches.chunks_exact_mut(n * from).enumerate() {
            let products = &self.products[xi * n * to..][..n * to];
            let filters = &self.filters_transposed[xi * from * to..][..from * to];
            pass.isa.run(matrix_product(products, filters, &self.zeros[..from], gradient));
        }
        pass.isa.run(InputAdjoint { grid, tiles, patches, map: pass.downstream });
    }
}

impl Op for Winograd {
    fn prepare(&mut self, isa: Isa, parameters: &[f32]) {
        let weights = &parameters[self.weights.clone()];
        isa.run(WeightTransform { weights, filters: &mut self.filters });
    }

    fn forward(&mut self, pass: Forward<'_>) {
        let (from, to) = (self.geometry.input.channels, self.geometry.output.channels);
        let (input_grid, output_grid) = (self.input_grid(), self.output_grid());
        for tiles in self.blocks(pass.rows.len()) {
            let patches = &mut self.patches[..PRODUCTS * tiles.len() * from];
            let products = &mut self.products[..PRODUCTS * tiles.len() * to];
            pass.isa.run(InputTransform {
                grid: input_grid,
                tiles: tiles.clone(),
                map: pass.input,
                patches,
            });
            for (xi, product) in products.chunks_exact_mut(tiles.len() * to).enumerate() {
                let patches = &patches[xi * tiles.len() * from..][..tiles.len() * from];
                let filters = &self.filters[xi * from * to..][..from * to];
                pass.isa.run(matrix_product(patches, filters, &self.zeros[..to], product));
            }
            pass.isa.run(OutputTransform {
                grid: output_grid,
                tiles,
                products,
                bias: &pass.parameters[self.bias.clone()],
                floor: self.floor,
                map: pass.output,
            });
        }
    }

    fn prepare_backward(&mut self, isa: Isa, parameters: &[f32], input: bool) {
        let (from, to) = (self.geometry.input.channels, self.geometry.output.channels);
        self.filter_gradient.clear();
        self.filter_gradient.resize(PRODUCTS * from * to, 0.0);
        if !input {
            return;
        }
        let weights = &parameters[self.weights.clone()];
        self.transposed.resize(weights.len(), 0.0);
        self.filters_transposed.resize(PRODUCTS * from * to, 0.0);
        self.patch_gradient.resize(PRODUCTS * self.block * from, 0.0);
        let taps = weights.chunks_exact(from * to);
        for (tap, transposed) in taps.zip(self.transposed.chunks_exact_mut(from * to)) {
            transpose(tap, from, to, transposed);
        }
        let filters = &mut self.filters_transposed;
        isa.run(WeightTransform { weights: &self.transposed, filters });
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let sums = &mut pass.gradients[self.bias.clone()];
        let image = self.geometry.output.len();
        let images = pass.upstream.chunks_exact_mut(image).zip(pass.output.chunks_exact(image));
        for (gradient, output) in images {
            if self.floor == 0.0 {
                pass.isa.run(ReluGradient { output, gradient });
            }
            pass.isa.run(RowSum { rows: gradient, sums });
        }
        pass.downstream.fill(0.0);
        for tiles in self.blocks(pass.rows.len()) {
            self.add_filter_gradient(&pass, tiles.clone());
            if !pass.downstream.is_empty() {
                self.add_input_gradient(&mut pass, tiles);
            }
        }
    }

    fn finish_backward(&mut self, isa: Isa, gradients: &mut [f32]) {
        let weights = &mut gradients[self.weights.clone()];
        isa.run(WeightAdjoint { filters: &self.filter_gradient, weights });
    }
}

/// `product[row][to] = Σ_from rows[row][from] · matrix[from][to]`.
fn matrix_product<'a>(
    rows: &'a [f32],
    matrix: &'a [f32],
    zeros: &'a [f32],
    product: &'a mut [f32],
) -> Correlate<'a> {
    let from = matrix.len() / zeros.len();
    Correlate {
        columns: rows.len() / from,
        input: rows,
        weights: matrix,
        bias: zeros,
        output: product,
        rows: 1,
        column_step: from,
        row_stride: 1,
        row_length: from,
        window_rows: 1,
        window_run: from,
        live: (0, 1),
        floor: f32::NEG_INFINITY,
    }
}

/// `sums[from][to] += Σ_row rows[row][from] · gradient[row][to]`.
fn outer_product<'a>(
    rows: &'a [f32],
    gradient: &'a [f32],
    from: usize,
    to: usize,
    sums: &'a mut [f32],
) -> Outer<'a> {
    Outer {
        columns: rows.len() / from,
        input: rows,
        gradient,
        sums,
        channels: to,
        rows: 1,
        column_step: from,
        row_stride: 1,
        row_length: from,
        window_rows: 1,
        window_run: from,
    }
}
