//! What every figure promises: the same bytes from the same data, nothing lost, nothing
//! overlapping, defined outcomes at the edges.

mod common;
mod document;

use common::{
    SIZES, Wobble, differences, falling, fits, looked, needed, point, ranks, sixteen_curves,
    ten_classes, trust, two_classes, undertrained, verdicts,
};
use document::Document;
use plot::{
    Curve, Difference, DifferenceCurve, Differences, LearningCurves, PlotError, Point, Svg,
    accuracy_vs_n, cv_trust, difference_vs_n, effects, feature_maps, fit_vs_n, fit_vs_steps,
    needed_examples, rank_diagram, verdict_map,
};

fn gallery() -> Vec<(&'static str, Svg)> {
    vec![
        ("two classes", accuracy_vs_n(&two_classes()).unwrap()),
        ("ten classes", accuracy_vs_n(&ten_classes()).unwrap()),
        ("sixteen", accuracy_vs_n(&sixteen_curves()).unwrap()),
        ("undertrained", accuracy_vs_n(&undertrained()).unwrap()),
        ("perfect", accuracy_vs_n(&figure(vec![constant("a", 1.0), constant("b", 1.0)])).unwrap()),
        ("hopeless", accuracy_vs_n(&figure(vec![constant("a", 0.0)])).unwrap()),
        (
            "one point",
            accuracy_vs_n(&figure(vec![curve("a", vec![point(40, vec![0.9])])])).unwrap(),
        ),
        ("long names", accuracy_vs_n(&long_names()).unwrap()),
        ("differences", difference_vs_n(&differences(&two_classes(), "logistic")).unwrap()),
        ("fit", fit_vs_n(&fits()).unwrap()),
        ("verdicts", verdict_map(&verdicts()).unwrap()),
        ("needed", needed_examples(&needed()).unwrap()),
        ("trust", cv_trust(&trust()).unwrap()),
        ("ranks", rank_diagram(&ranks()).unwrap()),
        ("effects", effects(&common::changes()).unwrap()),
        ("maps", feature_maps(&common::maps()).unwrap()),
        ("steps", fit_vs_steps(&fits()).unwrap()),
    ]
}

fn figure(curves: Vec<Curve>) -> LearningCurves {
    LearningCurves {
        title: "title".into(),
        caption: vec!["caption".into()],
        curves: looked(curves),
        chance: None,
    }
}

fn curve(label: &str, points: Vec<Point>) -> Curve {
    Curve { label: label.into(), look: 0, points }
}

fn constant(label: &str, accuracy: f64) -> Curve {
    curve(label, SIZES.map(|n| point(n, vec![accuracy; 5])).to_vec())
}

fn long_names() -> LearningCurves {
    let label =
        |i: usize| format!("support-vector-machine with histogram intersection kernel, C = {i}");
    let curves = (0..12).map(|i| falling(&label(i), &SIZES, (0.2, 0.6, 0.001), 1000.0)).collect();
    LearningCurves {
        title: "A title that is so long that it has to be broken ".repeat(6),
        ..figure(curves)
    }
}

#[test]
fn the_same_data_make_the_same_bytes() {
    for ((name, first), (_, second)) in gallery().iter().zip(&gallery()) {
        assert_eq!(first, second, "{name}");
        assert_eq!(first.to_png(1.0).unwrap(), second.to_png(1.0).unwrap(), "{name}");
        assert_eq!(first.to_pdf().unwrap(), second.to_pdf().unwrap(), "{name}");
    }
    let mut shuffled = two_classes();
    shuffled.curves.iter_mut().for_each(|c| c.points.reverse());
    assert_eq!(
        accuracy_vs_n(&shuffled).unwrap(),
        gallery()[0].1,
        "the order of the points doesn't matter"
    );
}

#[test]
fn no_two_texts_overlap_and_none_is_cut() {
    for (name, svg) in gallery() {
        assert_texts_are_legible(name, &svg);
    }
}

#[test]
fn figures_of_all_kinds_of_data_are_legible() {
    for i in 0..200 {
        let figure = any_figure(i);
        let svg = accuracy_vs_n(&figure).unwrap();
        assert_texts_are_legible(&format!("figure {i}"), &svg);
        let document = Document::of(&svg);
        assert!(figure.curves.iter().all(|c| document.prose().contains(&c.label)), "figure {i}");
    }
}

/// Some curves of some level, slope and spread at some sizes, often with scores of exactly 0 or 1.
fn any_figure(i: usize) -> LearningCurves {
    let mut wobble = Wobble::new(31 * i + 7);
    let mut share = || (wobble.next() + 1.0) / 2.0;
    let ratio = 1.05 + 2.0 * share().powi(2);
    let sizes = || (0..12).map(|k| (4.0 + 5.0 * f64::powi(ratio, k)).min(4e9).round() as u32);
    let mut sizes: Vec<u32> = sizes().take(1 + i % 12).collect();
    sizes.dedup();
    let (level, spread, chance) = (share(), share().powi(3), share());
    let curves = (0..1 + i % 17).map(|k| {
        let own = level + spread * (share() - 0.5);
        let points = sizes.iter().map(|&n| {
            let accuracy = own + 0.2 * spread * share();
            let accuracy = if share() < 0.15 { accuracy.round() } else { accuracy };
            point(n, vec![accuracy.clamp(0.0, 1.0); 1 + k % 3])
        });
        curve(&format!("model {k}"), points.collect())
    });
    LearningCurves { chance: Some(chance), ..figure(curves.collect()) }
}

fn assert_texts_are_legible(name: &str, svg: &Svg) {
    let document = Document::of(svg);
    let boxes: Vec<_> = document.texts.iter().map(|text| (text, text.bounds())).collect();
    assert!(boxes.len() > 5, "{name}");
    for (i, (text, a)) in boxes.iter().enumerate() {
        let fits_across = a.left >= 0.0 && a.right <= document.width;
        let fits_down = a.top >= 0.0 && a.bottom <= document.height;
        assert!(fits_across && fits_down, "{name}: `{}` is cut at {a:?}", text.content);
        for (other, b) in &boxes[..i] {
            let (one, two) = (&text.content, &other.content);
            assert!(!a.overlaps(b), "{name}: `{one}` and `{two}` overlap");
        }
    }
}

#[test]
fn every_label_and_every_size_is_on_every_panel() {
    for (figure, panels) in [(two_classes(), 2), (ten_classes(), 2), (sixteen_curves(), 2)] {
        let document = Document::of(&accuracy_vs_n(&figure).unwrap());
        for curve in &figure.curves {
            let starts = |content: &str| {
                content == curve.label || content.starts_with(&format!("{} \u{25b2}", curve.label))
            };
            assert_eq!(
                document.texts.iter().filter(|t| starts(&t.content)).count(),
                panels,
                "{}",
                curve.label
            );
        }
        for point in figure.curves.iter().flat_map(|c| &c.points) {
            assert!(document.count(&point.n.to_string()) >= panels, "{}", point.n);
        }
        assert!(
            document.prose().contains(&figure.caption[0]),
            "the caption is there, however it is broken"
        );
        assert_eq!(document.count(&figure.title), 1);
    }
}

#[test]
fn every_point_of_every_curve_has_its_marker() {
    // Okabe and Ito's colours in the order of use; eight sizes and a swatch, on two panels each.
    let colours = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000"];
    let svg = accuracy_vs_n(&ten_classes()).unwrap();
    for colour in colours {
        let filled = format!("<polygon fill=\"{colour}\"");
        assert_eq!(svg.as_str().matches(&filled).count(), 2 * (SIZES.len() + 1), "{colour}");
    }
}

#[test]
fn trials_are_drawn_once_each_and_ties_darker() {
    let single = |trials: Vec<f64>| {
        accuracy_vs_n(&figure(vec![curve("a", vec![point(40, trials)])])).unwrap()
    };
    let discs = |svg: &Svg| -> Vec<String> {
        let lines = svg.as_str().lines().filter(|line| line.starts_with("<circle"));
        lines
            .map(|line| line.split("fill-opacity=\"").nth(1).unwrap()[..4].replace('"', ""))
            .collect()
    };
    assert_eq!(discs(&single(vec![0.70, 0.72, 0.74])), ["0.2", "0.2", "0.2"]);
    assert_eq!(discs(&single(vec![0.72, 0.72])), ["0.36"], "1 - (1 - 0.2)^2");
}

#[test]
fn the_second_panel_appears_above_95_percent_only() {
    let heading = "Errors per thousand";
    let with = |accuracy| {
        Document::of(&accuracy_vs_n(&figure(vec![constant("a", accuracy)])).unwrap()).count(heading)
    };
    assert_eq!((with(0.95), with(0.951)), (0, 1));
}

#[test]
fn no_errors_at_all_are_drawn_open_in_the_row_of_zero() {
    let svg = accuracy_vs_n(&figure(vec![constant("a", 1.0)])).unwrap();
    let document = Document::of(&svg);
    assert_eq!(document.count("0"), 1, "a tick of its own");
    let zero = document.texts.iter().find(|t| t.content == "0").unwrap().bounds();
    let open = || svg.as_str().lines().filter(|line| line.starts_with("<polygon fill=\"#FFFFFF\""));
    let markers: Vec<f64> = open()
        .map(document::middle_height)
        .filter(|y| (zero.top..zero.bottom).contains(y))
        .collect();
    assert_eq!(markers.len(), SIZES.len(), "one open marker for each size beside that tick");
    assert!(document.prose().contains("open markers: not one error"));
}

#[test]
fn curves_far_below_break_the_axis_and_the_caption_says_so() {
    let prose = |figure: &LearningCurves| Document::of(&accuracy_vs_n(figure).unwrap()).prose();
    assert!(prose(&two_classes()).contains("The accuracy axis leaves out"));
    assert!(prose(&two_classes()).contains("Above the error axis: majority, throughout."));
    assert!(!prose(&ten_classes()).contains("leaves out"));
}

#[test]
fn a_curve_without_points_is_named_and_keeps_the_others_colours() {
    let curves = |second: Vec<Point>| {
        figure(vec![constant("a", 0.8), curve("b", second), constant("c", 0.9)])
    };
    let svg = accuracy_vs_n(&curves(vec![])).unwrap();
    assert!(Document::of(&svg).prose().contains("Without a single score: b."));
    assert!(
        svg.as_str().contains("<polygon fill=\"#009E73\""),
        "the third curve has the third colour"
    );
    assert!(!svg.as_str().contains("<polygon fill=\"#D55E00\""));
    // Drawn without the others, a curve keeps its look.
    let alone = LearningCurves { curves: curves(vec![]).curves.split_off(2), ..curves(vec![]) };
    let svg = accuracy_vs_n(&alone).unwrap();
    assert!(svg.as_str().contains("<polygon fill=\"#009E73\""));
}

#[test]
fn labels_are_escaped() {
    let label = "<b>\"R&D\"</b> 'net'\u{7}";
    let svg = accuracy_vs_n(&LearningCurves {
        title: label.into(),
        ..figure(vec![constant(label, 0.8)])
    })
    .unwrap();
    assert!(svg.as_str().contains("&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt; &apos;net&apos;"));
    assert!(!svg.as_str().contains("<b>") && !svg.as_str().contains('\u{7}'));
    svg.to_png(0.5).unwrap();
}

#[test]
fn data_that_cannot_be_drawn_are_refused_with_the_reason() {
    let with = |change: fn(&mut Point)| {
        let mut bad = point(40, vec![0.9, 0.8]);
        change(&mut bad);
        vec![curve("a", vec![bad])]
    };
    let many = || (0..37).map(|i| constant(&i.to_string(), 0.5)).collect();
    let cases: Vec<(Vec<Curve>, &str)> = vec![
        (vec![], "no points to draw"),
        (vec![curve("a", vec![])], "no points to draw"),
        (many(), "37 curves in one figure, at most 36"),
        (vec![constant("a", 0.5), constant("a", 0.6)], "two curves are labelled `a`"),
        (vec![constant(" ", 0.5)], "curve 0 has an empty label"),
        (
            vec![curve("a", vec![point(40, vec![0.5]), point(40, vec![0.6])])],
            "two points at n = 40",
        ),
        (with(|p| p.n = 0), "n = 0"),
        (with(|p| p.estimate = f64::NAN), "the estimate is NaN"),
        (with(|p| p.estimate = 1.01), "outside [0, 1]"),
        (with(|p| p.low = f64::NEG_INFINITY), "the lower end of the interval is -inf"),
        (with(|p| p.trials[1] = f64::NAN), "a trial is NaN"),
        (with(|p| (p.low, p.high) = (0.9, 0.8)), "upside down"),
    ];
    for (curves, reason) in cases {
        let message = accuracy_vs_n(&figure(curves)).unwrap_err().to_string();
        assert!(message.contains(reason), "{message} for {reason}");
    }
    let chance = LearningCurves { chance: Some(53.0), ..figure(vec![constant("a", 0.5)]) };
    assert!(matches!(accuracy_vs_n(&chance), Err(PlotError::Setting { .. })));
}

#[test]
fn differences_outside_their_range_are_refused() {
    let figure = |estimate, equivalence| Differences {
        title: String::new(),
        caption: vec![],
        baseline: "b".into(),
        equivalence,
        curves: vec![DifferenceCurve {
            label: "a".into(),
            look: 0,
            points: vec![Difference { n: 10, estimate, low: -0.1, high: 0.1 }],
        }],
    };
    assert!(difference_vs_n(&figure(0.0, 0.0)).is_ok());
    assert!(matches!(difference_vs_n(&figure(1.5, 0.0)), Err(PlotError::OutOfRange { .. })));
    assert!(matches!(difference_vs_n(&figure(0.0, f64::NAN)), Err(PlotError::Setting { .. })));
}

#[test]
fn every_verdict_has_its_colour_and_its_sign() {
    let svg = verdict_map(&verdicts()).unwrap();
    let document = Document::of(&svg);
    // Tiles of each kind: 27 cells and the legend, less the one cell without a verdict.
    let tiles = |colour: &str| svg.as_str().matches(&format!("<polygon fill=\"{colour}\"")).count();
    let outcomes = verdicts().rows.into_iter().flat_map(|row| row.cells).flatten();
    let better = outcomes.filter(|cell| cell.outcome == plot::Outcome::Better).count();
    assert_eq!(tiles("#74B4DE"), better + 1);
    // The same four marks as in the legend, in every cell, whatever the number's sign.
    assert!(document.texts.iter().any(|t| t.content == "+1.20 \u{25b2}"));
    assert!(document.texts.iter().any(|t| t.content == "\u{2212}0.03 ="));
    for mark in ["\u{25b2}", "=", "\u{25bc}", "?"] {
        assert_eq!(document.count(mark), 1, "{mark} in the legend");
    }
    assert!(
        svg.as_str().contains("logistic: n = 10 better, n = 20 equivalent"),
        "for screen readers"
    );
    let mut ragged = verdicts();
    ragged.rows[1].cells.pop();
    let message = verdict_map(&ragged).unwrap_err().to_string();
    assert_eq!(
        message,
        "row `random-forest` has 8 cells for 9 columns: give one for each, or none in it"
    );
}

#[test]
fn what_lies_beyond_the_sizes_is_said() {
    let prose = Document::of(&needed_examples(&needed()).unwrap()).prose();
    assert!(prose.contains("Arrows: beyond the sizes of the study."), "{prose}");
    assert_eq!(prose.matches("no score").count(), 2);
    let mut inside = needed();
    inside.panels.truncate(1);
    inside.panels[0].rows.truncate(1);
    let prose = Document::of(&needed_examples(&inside).unwrap()).prose();
    assert!(!prose.contains("Arrows"), "{prose}");
    let mut wrong = needed();
    wrong.panels[0].rows[0].low = f64::NAN;
    assert!(matches!(needed_examples(&wrong), Err(PlotError::OutOfRange { .. })));
    wrong.panels.clear();
    assert!(matches!(needed_examples(&wrong), Err(PlotError::Empty)));
}

#[test]
fn trust_and_ranks_refuse_what_cannot_be_drawn() {
    let mut figure = trust();
    figure.curves[1].points[0].bias = 1.5;
    assert!(matches!(cv_trust(&figure), Err(PlotError::OutOfRange { .. })));
    figure.curves.iter_mut().for_each(|curve| curve.points.clear());
    assert!(matches!(cv_trust(&figure), Err(PlotError::Empty)));
    let mut figure = ranks();
    figure.models.swap(0, 3);
    assert!(matches!(rank_diagram(&figure), Err(PlotError::Setting { .. })), "not growing");
    let mut figure = ranks();
    figure.cliques.push((3, 9));
    assert!(matches!(rank_diagram(&figure), Err(PlotError::Setting { .. })), "no such model");
}

#[test]
fn thirty_two_curves_are_drawn() {
    let curves =
        (0..32).map(|i| falling(&format!("m{i}"), &SIZES, (0.3, 0.7, 0.01), 500.0)).collect();
    let document = Document::of(&accuracy_vs_n(&figure(curves)).unwrap());
    assert!((0..32).all(|i| document.count(&format!("m{i}")) == 2));
}

#[test]
fn a_png_has_the_size_of_the_figure_times_the_scale() {
    let svg = accuracy_vs_n(&two_classes()).unwrap();
    let document = Document::of(&svg);
    assert!((1150.0..1260.0).contains(&document.width), "about 1200 px: {}", document.width);
    for scale in [0.5_f32, 1.0, 2.0] {
        let image = resvg::tiny_skia::Pixmap::decode_png(&svg.to_png(scale).unwrap()).unwrap();
        let side = |length: f64| (length * f64::from(scale)).ceil() as u32;
        assert_eq!((image.width(), image.height()), (side(document.width), side(document.height)));
        assert!(image.pixels().iter().all(|p| p.is_opaque()));
        // At half size most pixels of a thin line are mixed with the paper's or the outline's colour; else it is exact.
        let slack = if scale < 1.0 { 24 } else { 0 };
        let near = |a: u8, b: u8| a.abs_diff(b) <= slack;
        let blue = image
            .pixels()
            .iter()
            .filter(|p| near(p.red(), 0x00) && near(p.green(), 0x72) && near(p.blue(), 0xb2))
            .count();
        assert!(blue > 10, "the first curve's colour is in the picture: {blue} pixels at {scale}");
    }
}

#[test]
fn impossible_scales_are_refused() {
    let svg = accuracy_vs_n(&ten_classes()).unwrap();
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(svg.to_png(scale), Err(PlotError::Setting { .. })), "{scale}");
    }
    assert!(matches!(svg.to_png(100.0), Err(PlotError::TooLarge { .. })));
    let side = |png: &[u8]| u32::from_be_bytes(png[16..20].try_into().unwrap());
    let fitted = side(&svg.to_png_at_most(100.0).unwrap());
    assert!((8_100..=8_192).contains(&fitted), "{fitted}");
    assert_eq!(svg.to_png_at_most(1.0).unwrap(), svg.to_png(1.0).unwrap());
}

#[test]
fn a_pdf_is_one_page_with_its_font() {
    let pdf = accuracy_vs_n(&ten_classes()).unwrap().to_pdf().unwrap();
    let text = String::from_utf8_lossy(&pdf);
    assert!(text.starts_with("%PDF-1."));
    assert_eq!(text.matches("/Count 1").count(), 1);
    assert!(
        text.contains("Inter-Regular") && text.contains("/FontFile2"),
        "the font is embedded, text stays text"
    );
    assert!(!text.contains("CreationDate"), "no clock in the bytes");
}
