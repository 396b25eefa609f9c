//! report.html: one file without scripts, links to other files, or fonts from elsewhere.

use std::fmt::Write;
use std::path::Path;

use super::{Table, commands, content, methods};
use crate::figures::{Figure, Sources, task};
use crate::store::Lock;

/// The whole page on the results in `folder`; `environment` is the text of environment.toml, if there is one.
pub fn page(
    sources: &Sources<'_>,
    figures: &[Figure],
    environment: Option<&str>,
    folder: &Path,
) -> String {
    let lock = sources.lock;
    let mut body = String::new();
    let verdicts = content::verdicts(sources);
    let _ = write!(
        body,
        "<header>\n<h1>{}</h1>\n<p class=\"lead\"><strong>Asked:</strong> {}</p>\n</header>\n<main>\n",
        escape(&task(lock)),
        escape(&content::question(sources))
    );
    body.push_str("<section aria-labelledby=\"verdict\">\n<h2 id=\"verdict\">Verdict</h2>\n");
    if let Some((first, rest)) = verdicts.split_first() {
        let _ = writeln!(body, "<p class=\"lead\">{}</p>\n<ul>", escape(first));
        rest.iter().for_each(|sentence| {
            let _ = writeln!(body, "<li>{}</li>", escape(sentence));
        });
        body.push_str("</ul>\n");
    }
    body.push_str("</section>\n");
    let mut font = "";
    section(&mut body, "figures", "Figures", |body| {
        for (number, figure) in figures.iter().enumerate() {
            font = embed(body, number + 1, figure);
        }
    });
    section(&mut body, "tables", "Tables", |body| {
        content::tables(sources).iter().for_each(|table| html_table(body, table));
    });
    section(&mut body, "methods", "Methods", |body| html_methods(body, lock));
    section(&mut body, "settings", "Settings", |body| {
        let text = lock.to_text().unwrap_or_default();
        details(body, "experiment.lock.toml: every setting behind these results", &text);
        match environment {
            Some(text) => details(body, "environment.toml: what the last sweep ran on", text),
            None => body.push_str("<p>This folder has no environment.toml.</p>\n"),
        }
    });
    section(&mut body, "again", "Again", |body| {
        let place = shell_word(&folder.display().to_string());
        let text = format!("{}\n{}", checkout(environment), commands(lock, &place));
        let _ = writeln!(body, "<pre tabindex=\"0\"><code>{}</code></pre>", escape(&text));
    });
    body.push_str("</main>\n");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{font}{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(&format!("{}: {}", lock.name, task(lock)))
    )
}

const STYLE: &str = "\
:root{--ink:#222;--soft:#555;--line:#d9d9d9;--paper:#fff}
*{box-sizing:border-box}
body{font:16px/1.55 Inter,system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;\
max-width:76rem;padding:1rem 1.25rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:.6em 0 .3em}
h2{font-size:1.3rem;margin:2.2em 0 .5em;border-bottom:1px solid var(--line);padding-bottom:.2em}
h3{font-size:1.05rem;margin:1.6em 0 .4em}
p,li{max-width:46rem}
ul{padding-left:1.3em}
.lead{font-size:1.08rem}
figure{margin:1.6em 0}
figcaption,caption,.note{color:var(--soft);font-size:.92rem;text-align:left}
caption{font-weight:600;color:var(--ink);padding:.3em 0}
.wide{overflow-x:auto;-webkit-overflow-scrolling:touch}
.wide:focus-visible,pre:focus-visible{outline:2px solid #0072b2}
svg{display:block;width:100%;min-width:40rem;height:auto}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.3em .6em;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap}
th:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}
.formula{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.95rem;padding-left:1.5em}
pre{overflow-x:auto;background:#f6f6f6;padding:.8em 1em;font-size:.85rem}
summary{cursor:pointer}
@media print{body{max-width:none;padding:0;font-size:10.5pt}.wide{overflow:visible}svg{min-width:0}\
figure,tr{break-inside:avoid}h2,h3{break-after:avoid}table{font-size:7.5pt}th,td{white-space:normal;padding:.2em .3em}\
th:first-child{position:static}pre{white-space:pre-wrap}}
";

fn section(body: &mut String, id: &str, heading: &str, write: impl FnOnce(&mut String)) {
    let _ = writeln!(body, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>");
    write(body);
    body.push_str("</section>\n");
}

/// Puts a figure in, and returns the font rules that it brought along: once in the page is enough.
fn embed<'a>(body: &mut String, number: usize, figure: &'a Figure) -> &'a str {
    let document = figure.svg.as_str();
    let (before, rest) = document.split_once("<style>\n").unwrap_or((document, ""));
    let (style, after) = rest.split_once("</style>\n").unwrap_or(("", rest));
    let label = format!("role=\"img\" aria-label=\"{}\"", escape(&figure.alt()));
    let head = before.replacen("role=\"img\"", &label, 1);
    let _ = write!(
        body,
        "<figure id=\"{}\">\n<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"figure {number}, scrolls \
         sideways\">\n{head}{after}</div>\n<figcaption>Figure {number}. {} As a file: figures/{}.svg, .png, .pdf\
         </figcaption>\n</figure>\n",
        figure.name,
        escape(&figure.alt()),
        figure.name
    );
    style
}

fn html_table(body: &mut String, table: &Table) {
    let _ = write!(
        body,
        "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"{0}, scrolls sideways\">\n<table>\n\
         <caption>{0}</caption>\n<thead><tr>",
        escape(&table.caption)
    );
    for cell in &table.header {
        let _ = write!(body, "<th scope=\"col\">{}</th>", escape(cell));
    }
    body.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        body.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = match at {
                0 => write!(body, "<th scope=\"row\">{cell}</th>"),
                _ => write!(body, "<td>{cell}</td>"),
            };
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</tbody>\n</table>\n</div>\n");
    if !table.note.is_empty() {
        let _ = writeln!(body, "<p class=\"note\">{}</p>", escape(&table.note));
    }
}

fn html_methods(body: &mut String, lock: &Lock) {
    for (heading, paragraphs) in methods::sections(lock) {
        let _ = writeln!(body, "<h3>{}</h3>", escape(heading));
        for paragraph in paragraphs {
            let _ = match paragraph.strip_prefix("= ") {
                Some(formula) => writeln!(body, "<p class=\"formula\">{}</p>", escape(formula)),
                None => writeln!(body, "<p>{}</p>", escape(&paragraph)),
            };
        }
    }
}

fn details(body: &mut String, summary: &str, text: &str) {
    let _ = writeln!(
        body,
        "<details>\n<summary>{}</summary>\n<pre tabindex=\"0\"><code>{}</code></pre>\n</details>",
        escape(summary),
        escape(text)
    );
}

/// The command that brings back the code that made the results, or why there is none.
fn checkout(environment: Option<&str>) -> String {
    let Some(text) = environment else {
        return "# no environment.toml says which commit made these results".to_owned();
    };
    let dirty = value(text, "dirty");
    match (value(text, "commit"), dirty.as_deref()) {
        (Some(commit), Some("false")) => format!("git checkout {commit}"),
        (Some(commit), Some(_)) => format!(
            "# no checkout brings back this code: it had changes that are in no commit, on top of {commit}"
        ),
        (Some(commit), None) => {
            format!("# probably commit {commit}: whether the code had changes beside it is unknown")
        }
        (None, _) => "# which commit made these results is unknown".to_owned(),
    }
}

/// A path as a shell reads it back.
fn shell_word(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    match !path.is_empty() && path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

/// The text after `key = ` in a line of TOML, without quotes.
fn value(text: &str, key: &str) -> Option<String> {
    let line =
        text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
    Some(line.trim().trim_matches('"').to_owned()).filter(|value| value != "unknown")
}

fn escape(text: &str) -> String {
    let text = text.replace(" %", "\u{a0}%");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_values_are_read() {
        assert_eq!(escape("a <b> & \"c\""), "a &lt;b&gt; &amp; &quot;c&quot;");
        assert_eq!(value("x = 1\ncommit = \"abc\"\n", "commit"), Some("abc".into()));
        assert_eq!(value("commit = \"unknown\"\n", "commit"), None);
    }

    #[test]
    fn a_commit_is_checked_out_only_where_it_made_the_results() {
        let of = |text: &str| checkout(Some(text));
        assert_eq!(of("commit = \"abc\"\ndirty = false\n"), "git checkout abc");
        for (text, reason) in [
            ("commit = \"abc\"\ndirty = true\n", "changes that are in no commit, on top of abc"),
            ("commit = \"abc\"\n", "whether the code had changes beside it is unknown"),
            ("commit = \"unknown\"\n", "which commit made these results is unknown"),
        ] {
            assert!(of(text).starts_with('#') && of(text).contains(reason), "{}", of(text));
        }
        assert!(checkout(None).starts_with("# no environment.toml"));
        assert_eq!(shell_word("/tmp/a-b_1.c"), "/tmp/a-b_1.c");
        assert_eq!(shell_word("/tmp/it's here"), "'/tmp/it'\\''s here'");
    }
}
