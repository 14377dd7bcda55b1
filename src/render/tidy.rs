//! Lays rendered HCL out as `terraform fmt` does. Start at [`tidy`].
//!
//! Templates care about content; this pass aligns `=` within a run of single-line attributes and keeps blank lines
//! single and away from braces. Indentation is the template's own.

/// Returns the text with aligned attributes and at most one blank line in a row, ending in one line end.
pub(super) fn tidy(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut run: Vec<(String, String)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        if let Some((name, value)) = attribute(line) {
            run.push((name.to_owned(), value.to_owned()));
            continue;
        }
        flush(&mut run, &mut out);
        push_line(&mut out, line);
        if let Some(end) = heredoc_end(line) {
            copy_heredoc(&mut lines, end, &mut out);
        }
    }
    flush(&mut run, &mut out);
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out.join("\n") + "\n"
}

fn push_line(out: &mut Vec<String>, line: &str) {
    let after_opening = out.last().is_none_or(|last| last.is_empty() || last.ends_with(['{', '[']));
    if line.is_empty() && after_opening {
        return;
    }
    if line.trim_start().starts_with(['}', ']']) {
        while out.last().is_some_and(String::is_empty) {
            out.pop();
        }
    }
    out.push(line.to_owned());
}

fn flush(run: &mut Vec<(String, String)>, out: &mut Vec<String>) {
    let widest = run.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in run.drain(..) {
        let pad = " ".repeat(widest - name.chars().count());
        out.push(format!("{name}{pad} = {value}"));
    }
}

/// Splits a line that is one whole attribute into its name, with the indentation, and its value.
fn attribute(line: &str) -> Option<(&str, &str)> {
    let indent = line.len() - line.trim_start().len();
    let body = &line[indent..];
    let name_end = if let Some(rest) = body.strip_prefix('"') {
        1 + string_end(rest)?
    } else {
        body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')?
    };
    let value = body[name_end..].trim_start().strip_prefix('=')?;
    let value = value.strip_prefix(' ').unwrap_or(value).trim_start();
    let whole = name_end > 0
        && !value.is_empty()
        && !value.starts_with('=')
        && open_brackets(value) == 0
        && !value.contains("<<");
    whole.then_some((&line[..indent + name_end], value))
}

/// The index after the closing quote of a string whose opening quote was cut off.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Some(index + 1),
            _ => escaped = false,
        }
    }
    None
}

/// Opened minus closed brackets outside of strings.
fn open_brackets(text: &str) -> i32 {
    let (mut open, mut rest) = (0, text);
    while let Some(index) = rest.find(['"', '(', ')', '[', ']', '{', '}', '#']) {
        let sign = rest.as_bytes()[index];
        rest = &rest[index + 1..];
        match sign {
            b'"' => match string_end(rest) {
                Some(end) => rest = &rest[end..],
                None => return open,
            },
            b'#' => return open,
            b'(' | b'[' | b'{' => open += 1,
            _ => open -= 1,
        }
    }
    open
}

fn heredoc_end(line: &str) -> Option<&str> {
    let (_, word) = line.rsplit_once("<<")?;
    let word = word.strip_prefix('-').unwrap_or(word);
    (!word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some(word)
}

fn copy_heredoc<'a>(lines: &mut impl Iterator<Item = &'a str>, end: &str, out: &mut Vec<String>) {
    for line in lines {
        out.push(line.to_owned());
        if line.trim() == end {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn equals_signs_align_within_a_run_and_blank_lines_end_it() {
        let given = "a {\n\n  x = 1\n  longer = \"a = b\"\n\n\n  y = [\n    1,\n  ]\n  z = { a = 1 }\n\n}\n\n\n";
        let expected = "a {\n  x      = 1\n  longer = \"a = b\"\n\n  y = [\n    1,\n  ]\n  z = { a = 1 }\n}\n";
        assert_eq!(tidy(given), expected);
        assert_eq!(tidy(expected), expected);
    }

    #[test]
    fn quoted_names_align_and_heredocs_stay_as_they_are() {
        let given = "m = {\n  \"a = {\" = 1\n  b = 2\n}\nt = <<-EOT\n  x = 1\n  yyy = 2\n\n\nEOT\n";
        let expected = "m = {\n  \"a = {\" = 1\n  b       = 2\n}\nt = <<-EOT\n  x = 1\n  yyy = 2\n\n\nEOT\n";
        assert_eq!(tidy(given), expected);
    }
}
