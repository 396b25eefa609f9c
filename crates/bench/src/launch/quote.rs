//! Text that reaches a shell or a queue's options: quoted, or refused.

use std::path::Path;

use crate::error::{Error, Result};

/// `text` as one word of a POSIX shell.
///
/// # Errors
/// [`Error::Input`] if it holds a control character, such as the end of a line: scripts and queues take lines.
pub fn word(text: &str) -> Result<String> {
    one_line(text, "an argument")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=.,/:@%".contains(c);
    // A leading `=` or `%` means something to some shells.
    let starts_plainly =
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || "_-+./".contains(c));
    if starts_plainly && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// `words`, each quoted, with spaces between.
///
/// # Errors
/// As [`word`].
pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<String> {
    let quoted: Vec<String> = words.into_iter().map(word).collect::<Result<_>>()?;
    Ok(quoted.join(" "))
}

/// The words of a command as a shell would part it: quotes and backslashes as there, and nothing else means anything.
///
/// # Errors
/// [`Error::Input`] if a quote is not closed, nothing is there, or as [`word`].
pub fn split(text: &str) -> Result<Vec<String>> {
    one_line(text, "a command")?;
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (' ' | '\t', None) => words.extend(word.take()),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => {
                let next = chars.next();
                let next = next.ok_or_else(|| Error::input(format!("{text:?} ends in a \\")))?;
                word.get_or_insert_default().push(next);
            }
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(open) => Err(Error::input(format!("{text:?}: the quote {open} is not closed"))),
        None if words.is_empty() => Err(Error::input("a command is empty")),
        None => Ok(words),
    }
}

/// `value` as the value of an option on an `#SBATCH` line, where a `#` begins a comment.
///
/// # Errors
/// As [`word`].
pub fn sbatch(value: &str) -> Result<String> {
    one_line(value, "a value for #SBATCH")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=.,/:@%".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return Ok(value.to_owned());
    }
    Ok(format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\"")))
}

/// Refuses what would end a line, or is no text.
///
/// # Errors
/// [`Error::Input`] quoting `text`.
pub fn one_line(text: &str, what: &str) -> Result<()> {
    match text.chars().any(char::is_control) {
        true => Err(Error::input(format!(
            "{what} must be one line without control characters, and is {text:?}"
        ))),
        false => Ok(()),
    }
}

/// A path as text.
///
/// # Errors
/// [`Error::Input`] if it is not UTF-8.
pub fn path(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::input(format!("{}: its name is not UTF-8 text, which scripts need", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_through_a_shell_as_they_were() {
        let all = [
            "plain-1.2/x",
            "",
            "two words",
            "it's",
            "$HOME `id` \"q\" \\ * ; & # ~",
            "=x",
            "%1",
            "ü",
            "~a",
        ];
        let quoted = words(all).expect("sound");
        assert_eq!(split(&quoted).expect("sound"), all, "what is quoted is parted again");
        assert_eq!(word("plain-1.2/x").expect("sound"), "plain-1.2/x");
        assert_eq!(word("it's").expect("sound"), r"'it'\''s'");
        for wrong in ["a\nb", "a\rb", "a\0b", "\u{1b}"] {
            let refused = word(wrong).expect_err(wrong).to_string();
            assert!(refused.contains("must be one line"), "{refused}");
            sbatch(wrong).expect_err(wrong);
            split(wrong).expect_err(wrong);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_real_shell_agrees() {
        let all = ["two words", "it's", "$HOME `id` \"q\" \\ * ; & # ~", "=x", "%1", "ü", "", "-n"];
        let script = format!("printf '%s\\n' {}", words(all).expect("sound"));
        let said = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
        assert_eq!(String::from_utf8_lossy(&said.stdout), all.join("\n") + "\n");
    }

    #[test]
    fn a_command_is_parted_like_in_a_shell() {
        let parted = |text| split(text).expect("sound");
        assert_eq!(
            parted("apptainer exec bench.sif bench"),
            ["apptainer", "exec", "bench.sif", "bench"]
        );
        assert_eq!(parted(r#" "a b"'c d'e\ f  ''"#), ["a bc de f", ""]);
        for (wrong, why) in [("'a", "not closed"), ("a\\", "ends in"), (" ", "empty")] {
            let refused = split(wrong).expect_err(wrong).to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn values_of_sbatch_are_quoted_where_they_need_it() {
        assert_eq!(sbatch("gpu,long").expect("sound"), "gpu,long");
        assert_eq!(sbatch("a \"b\" \\#c").expect("sound"), r##""a \"b\" \\#c""##);
    }
}
