//! A fingerprint of the sources, taken when the program is built and once more when it runs: whether the commit that is
//! checked out now is the one that the program was built from. Also part of the build script.

use std::fs;
use std::path::{Path, PathBuf};

/// The files under the repository's `root` that the program is made of; empty if it isn't there.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    for krate in entries(&root.join("crates")) {
        files.extend([krate.join("Cargo.toml"), krate.join("build.rs")]);
        collect(&krate.join("src"), &mut files);
    }
    files.retain(|file| file.is_file());
    files.sort();
    files
}

/// FNV-1a (64 bits) over names and contents, as hexadecimal digits; `None` where there is no source.
pub(crate) fn fingerprint(root: &Path) -> Option<String> {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let files = files(root);
    for file in &files {
        let name = file.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/");
        add(name.as_bytes());
        // Whatever a checkout does to the ends of lines.
        let content: Vec<u8> = fs::read(file).ok()?.into_iter().filter(|&b| b != b'\r').collect();
        add(&(content.len() as u64).to_le_bytes());
        add(&content);
    }
    (!files.is_empty()).then(|| format!("{hash:016x}"))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).into_iter().flatten();
    read.flatten().map(|entry| entry.path()).collect()
}
