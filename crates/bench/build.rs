//! Tells the binary which compiler, target and sources made it, for `environment.toml`.

use std::env;
use std::path::Path;
use std::process::Command;

#[path = "src/source.rs"]
mod source;

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_else(|_| "unknown".into());
    println!("cargo::rustc-env=BENCH_RUSTC={version}");
    println!("cargo::rustc-env=BENCH_TARGET={}", env::var("TARGET").unwrap_or_default());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    println!("cargo::rustc-env=BENCH_SOURCE={}", source::fingerprint(&root).unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
    // Files that are changed, and folders in which some appear; what isn't there is not named, or cargo would never rest.
    for file in source::files(&root) {
        println!("cargo::rerun-if-changed={}", file.display());
        if let Some(folder) =
            file.parent().filter(|folder| folder.components().any(|c| c.as_os_str() == "src"))
        {
            println!("cargo::rerun-if-changed={}", folder.display());
        }
    }
}
