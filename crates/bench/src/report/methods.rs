//! The methods of a report: what was computed, with the formulas.

use crate::experiment::ProtocolKind;
use crate::store::Lock;

/// A heading with its paragraphs; a paragraph that begins with `=` is a formula.
pub(super) type Section = (&'static str, Vec<String>);

/// The methods that the report's numbers come from.
pub(super) fn sections(lock: &Lock) -> Vec<Section> {
    let inside = lock.protocol.kind == ProtocolKind::SmallSampleCv.name();
    let crossed = lock.protocol.kind != ProtocolKind::RepeatedCv.name();
    let mut sections = vec![
        ("Training sets", vec![training_sets(lock)]),
        ("Intervals of one model", one_model()),
        ("Differences", differences(crossed)),
        ("Bands and verdicts", bands()),
        ("Crossings and sample efficiency", curves()),
    ];
    if inside {
        sections.push(("Cross-validation inside n examples", vec![
            "Each sample of n examples is cut into stratified folds; the cross-validated accuracy is the share of right \
             answers over all of them. The truth beside it is the accuracy of the model fitted on all n, on the official \
             test set. Two models inside one sample are compared by the corrected repeated k-fold t test (Nadeau and \
             Bengio 2003; Bouckaert and Frank 2004):"
                .to_owned(),
            "= t = d̄ / √(s² (1/J + 1/(k−1))), J − 1 degrees of freedom, J folds in all".to_owned(),
        ]));
    }
    sections
}

fn training_sets(lock: &Lock) -> String {
    let how = match lock.protocol.kind.as_str() {
        "repeated-cv" => {
            "In each repeat the pool is dealt into folds, class by class; for each fold the training set at n is the \
             first n of an order of the other folds' examples, and the fold is scored."
        }
        "holdout" => {
            "Each repeat draws one order of the training pool; the training set at n is its first n, and the official \
             test set is scored."
        }
        _ => {
            "Each repeat draws one order of the training pool; its first n are all the examples that there are. Models \
             fitted on all n are scored on the official test set."
        }
    };
    format!(
        "{how} Orders interleave the classes, so that every prefix holds within one of its share of each class. Every \
         model meets the same training sets and the same items."
    )
}

fn one_model() -> Vec<String> {
    vec![
        "A mean accuracy varies over training draws and over items. The interval is Wilson's at the effective sample size \
         (Korn and Graubard 1998; Dean and Pagano 2015), with Student's t of the variance's degrees of freedom:"
            .to_owned(),
        "= n_eff = p (1 − p) / Var(p), at most the number of distinct items".to_owned(),
    ]
}

fn differences(crossed: bool) -> Vec<String> {
    let mut text = vec![
        "For two models, d is the difference of correctness on one item after one training set: 1, 0 or −1. It is the \
         sum of a mean, an item's part, a training draw's part and the rest, with variances A, T and E. With N scores, \
         M_i of item i and N_g of draw g, the variance of the mean difference is"
            .to_owned(),
        "= Var = A Σ M_i² / N² + T (Σ N_g² / N² + ρ/(1−ρ)) + E / N".to_owned(),
        "ρ is the share of examples that two training draws have in common, about n over the size of the pool. A, T and E \
         come from sums of squares within items, within draws and overall (method of moments); degrees of freedom after \
         Satterthwaite."
            .to_owned(),
    ];
    if !crossed {
        text.push(
            "As the items are of the pool that training sets are drawn from, half the largest covariance of the first \
             part and the ρ-part is added: √(A Σ M_i²/N² · T ρ/(1−ρ))."
                .to_owned(),
        );
    }
    text.push(
        "“On these very items” leaves out A: it claims nothing for new items. Over all n, each score counts with its \
         size's share of the area under the curve over log n."
            .to_owned(),
    );
    text
}

fn bands() -> Vec<String> {
    vec![
        "The band holds at all n at once: its critical value is the quantile of the largest |t| over n in 2000 draws of \
         the two-way multiplier bootstrap over training draws and items (max-t), taken to Student's t of each size's \
         degrees of freedom. p-values are two-sided, adjusted over n by Holm's method."
            .to_owned(),
        "Better or worse: the band lies on one side of 0. Equivalent: it lies within the region of practical equivalence. \
         Undecided: neither. P(better), P(equivalent) and P(worse) are the posterior of the difference under a prior \
         without preference: Student's t around the estimate."
            .to_owned(),
    ]
}

fn curves() -> Vec<String> {
    vec![
        "Curves are straight between sizes in log₂ n. n* is the last crossing between the two sizes at which the one and \
         then the other model is most clearly ahead; it counts as reliable if at least 95 % of the bootstrap replicates \
         agree on who is ahead at both."
            .to_owned(),
        "The examples needed for an accuracy are where the curve first reaches it; beyond the sizes of the study only a \
         bound is known, and said. Intervals are percentiles of the replicates, bounds included."
            .to_owned(),
    ]
}
