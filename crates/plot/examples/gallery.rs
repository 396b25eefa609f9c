//! Renders every kind of figure from invented numbers, to be looked at:
//! `cargo run -p plot --example gallery -- /tmp/gallery`.

#[path = "../tests/common/mod.rs"]
mod common;

use plot::{
    Svg, accuracy_vs_n, cv_trust, difference_vs_n, effects, feature_maps, fit_vs_n, fit_vs_steps,
    needed_examples, rank_diagram, verdict_map,
};
use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder =
        std::env::args_os().nth(1).map(PathBuf::from).ok_or("name the folder to write to")?;
    std::fs::create_dir_all(&folder)?;
    write(&folder, "two-classes", &accuracy_vs_n(&common::two_classes())?)?;
    write(&folder, "undertrained", &accuracy_vs_n(&common::undertrained())?)?;
    write(&folder, "ten-classes", &accuracy_vs_n(&common::ten_classes())?)?;
    write(&folder, "sixteen", &accuracy_vs_n(&common::sixteen_curves())?)?;
    write(
        &folder,
        "differences",
        &difference_vs_n(&common::differences(&common::two_classes(), "logistic"))?,
    )?;
    write(&folder, "fit", &fit_vs_n(&common::fits())?)?;
    write(&folder, "verdicts", &verdict_map(&common::verdicts())?)?;
    write(&folder, "needed", &needed_examples(&common::needed())?)?;
    write(&folder, "trust", &cv_trust(&common::trust())?)?;
    write(&folder, "ranks", &rank_diagram(&common::ranks())?)?;
    write(&folder, "effects", &effects(&common::changes())?)?;
    write(&folder, "maps", &feature_maps(&common::maps())?)?;
    write(&folder, "steps", &fit_vs_steps(&common::fits())?)?;
    Ok(())
}

fn write(folder: &Path, name: &str, figure: &Svg) -> Result<(), Box<dyn Error>> {
    std::fs::write(folder.join(format!("{name}.svg")), figure.as_str())?;
    std::fs::write(folder.join(format!("{name}.png")), figure.to_png(2.0)?)?;
    std::fs::write(folder.join(format!("{name}.pdf")), figure.to_pdf()?)?;
    Ok(())
}
