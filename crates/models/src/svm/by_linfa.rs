//! The same two-class machines by linfa-svm.

use linfa::DatasetBase;
use linfa::traits::Fit as _;
use ndarray::{Array1, Array2, Axis};

use super::Pair;
use crate::classifier::FitError;
use crate::kernel::Kernel;
use crate::smo::Multipliers;

/// Fits `pair` on its rows of `x`, with shrinking off: with it on, linfa's accuracy breaks down.
pub(super) fn solve(
    x: &Array2<f64>,
    pair: &Pair,
    kernel: Kernel,
    c: f64,
) -> Result<Multipliers, FitError> {
    let rows = x.select(Axis(0), &pair.rows);
    let data = DatasetBase::new(rows, Array1::from(pair.positive.clone()));
    let params = linfa_svm::Svm::<f64, bool>::params().eps(1e-3).shrinking(false);
    let params = match kernel {
        // linfa's Gaussian kernel divides by its parameter.
        Kernel::Rbf { gamma } => params.gaussian_kernel(1.0 / gamma),
        _ => params.linear_kernel(),
    };
    let fitted = params
        .pos_neg_weights(c, c)
        .fit(&data)
        .map_err(|e| FitError::Failed(format!("linfa-svm: {e}")))?;
    Ok(Multipliers { signed: fitted.alpha.clone(), bias: -fitted.rho })
}
