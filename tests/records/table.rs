//! The table of what each sample is read as, for people: `make samples` prints it.

use heroku_deprovisioner::sources::explain::{Decision, Explanation};
use heroku_deprovisioner::sources::record_file::SUFFIX;

use super::sample::{page, rows, samples};
use super::{explained, reads_as};

/// Columns of a terminal that the table fits into.
const COLUMNS: usize = 120;

/// What somebody who knows the feed would expect an element to say, and why it is read otherwise.
struct Difference {
    file: String,
    element: String,
    expected: String,
    argument: String,
}

fn differences() -> Vec<Difference> {
    let of = |[file, element, expected, argument]: [String; 4]| Difference { file, element, expected, argument };
    rows(&page(), "file | element | expected").into_iter().map(of).collect()
}

#[test]
fn table() {
    let mut differences = differences();
    let (mut lines, mut agree, mut differ, mut wrong) = (Vec::new(), 0, 0, Vec::new());
    for sample in samples() {
        let rules = sample.rules();
        let answer = explained(&sample.file, &rules);
        let name = sample.file.strip_suffix(SUFFIX).or(sample.file.strip_suffix(".json")).unwrap();
        for (row, expected) in answer.rows.iter().zip(&sample.rows) {
            let found = differences.iter().position(|it| it.file == sample.file && it.element == row.element);
            let difference = found.map(|found| differences.remove(found));
            let element = if row.element.is_empty() { "whole value" } else { &row.element };
            let said = said(row);
            let verdict = match (reads_as(row, expected, &rules), &difference) {
                (Err(why), _) => {
                    wrong.push(format!("{name} {element}: {why}"));
                    "WRONG"
                }
                (Ok(()), None) => {
                    agree += 1;
                    "agrees"
                }
                (Ok(()), Some(_)) => {
                    differ += 1;
                    "differs"
                }
            };
            lines.push(format!("{name:<38} {element:<30} {said:<30} {verdict}"));
            if let Some(Difference { expected, argument, .. }) = difference {
                assert_ne!(said, expected, "{name} {element}: no difference");
                lines.extend(folded(&format!("expected: {expected}. {argument}")));
            }
        }
    }
    for line in &lines {
        println!("{line}");
        assert!(line.chars().count() <= COLUMNS, "{line}");
    }
    println!(
        "\n{} elements: {agree} agree, {differ} differ for a reason, {} are wrong",
        agree + differ + wrong.len(),
        wrong.len()
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert!(differences.is_empty(), "of no element: {}", differences[0].file);
}

/// The decision; and what is said, where something is lacking to carry it out.
fn said(row: &Explanation) -> String {
    let word = |decision: Decision| serde_json::to_value(decision).unwrap().as_str().unwrap().to_owned();
    match row.kind {
        Some(kind) if kind != row.decision => format!("{} ({})", word(row.decision), word(kind)),
        Some(_) | None => word(row.decision),
    }
}

/// Lines below an element.
fn folded(text: &str) -> Vec<String> {
    let mut lines = vec!["   ".to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one");
        if line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push("   ".to_owned());
        }
        let line = lines.last_mut().expect("there is one");
        line.push(' ');
        line.push_str(word);
    }
    lines
}
