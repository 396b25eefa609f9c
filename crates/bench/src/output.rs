//! Standard output, which may be a closed pipe.

use std::io::Write;

/// Prints `text` to standard output; a reader that has gone away (`| head`) is no error.
pub fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
