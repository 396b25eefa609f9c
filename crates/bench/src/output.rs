//! Standard output, which may be a closed pipe.

use std::io::Write;

/// Prints `text` to standard output; a reader that has gone away (`| head`) is no error.
pub fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// As `eprintln!`, but a reader that has gone away is no error.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::output::note(format_args!($($text)*))
    };
}

/// Prints a line to standard error; a reader that has gone away (`2>&1 | head`) is no error.
pub fn note(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
