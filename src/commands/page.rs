//! Text for a terminal of 80 columns.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp};

/// As wide as a line gets.
pub(super) const WIDTH: usize = 80;

/// A table; every line ends in a newline. Long cells wrap.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(WIDTH).expect("80 is a small number"));
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines();
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// One paragraph behind a label; the lines after the first are indented as far as the label is wide.
pub(super) fn labelled(label: &str, text: &str) -> String {
    let indent = label.chars().count();
    let mut page = String::new();
    let mut line = label.to_owned();
    let mut width = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let glue = usize::from(width > indent);
        if width + glue + length > WIDTH && width > indent {
            page.push_str(line.trim_end());
            page.push('\n');
            line = " ".repeat(indent);
            width = indent;
        } else if glue == 1 {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
    }
    page.push_str(line.trim_end());
    page.push('\n');
    page
}

/// One paragraph.
pub(super) fn paragraph(text: &str) -> String {
    labelled("", text)
}

/// `1 grant`, `2 grants`.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// How long ago, in the largest unit that says enough: `40 s`, `12 min`, `5 h`, `3 d`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(since).max(SignedDuration::ZERO);
    match (age.as_secs(), age.as_mins(), age.as_hours()) {
        (seconds, 0, _) => format!("{seconds} s"),
        (_, minutes, 0) => format!("{minutes} min"),
        (_, _, hours) if hours < 48 => format!("{hours} h"),
        (_, _, hours) => format!("{} d", hours / 24),
    }
}

/// A time as people read it: UTC, to the second.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let long = "make somebody else admin of the team; the case then goes on by itself, whoever it was that held it";
        let rows = [["team_membership".to_owned(), "x".repeat(90), long.to_owned()]];
        for page in [labelled("  held  ", long), paragraph(long), table(["SURFACE", "ON", "WHAT"], rows)] {
            assert!(page.lines().count() > 1 && page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
            assert!(page.ends_with('\n'));
        }
        assert!(labelled("  held  ", long).lines().nth(1).unwrap().starts_with("        "), "hanging indent");
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let start: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let told = |seconds| age(start, start + SignedDuration::from_secs(seconds));
        assert_eq!([told(40), told(719), told(5 * 3600), told(80 * 3600)], ["40 s", "11 min", "5 h", "3 d"]);
        assert_eq!(age(start, start - SignedDuration::from_secs(9)), "0 s", "clocks differ");
    }
}
