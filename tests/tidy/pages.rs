//! Reads Markdown far enough to know a page's headings, with their anchors, and where its links lead.

/// A heading with the anchor that a link to it uses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    /// As GitHub makes it.
    pub(crate) anchor: String,
    /// Whether text stands under it before the next heading of its level.
    pub(crate) has_text: bool,
}

/// A link, wherever it leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Counted from 1.
    pub(crate) line: usize,
    /// What stands in the parentheses.
    pub(crate) target: String,
}

/// The headings of a page, in order.
pub(crate) fn headings(page: &str) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    for (_, line) in prose(page) {
        let level = line.chars().take_while(|c| *c == '#').count();
        if (1..=6).contains(&level) && line[level..].starts_with(' ') {
            let base = anchor(&line[level..]);
            let earlier = headings.iter().filter(|other| is_numbered(&other.anchor, &base)).count();
            let anchor = if earlier == 0 { base } else { format!("{base}-{earlier}") };
            headings.push(Heading { anchor, has_text: false });
        } else if !line.trim().is_empty()
            && let Some(last) = headings.last_mut()
        {
            last.has_text = true;
        }
    }
    headings
}

/// The inline links and images of a page, and the targets of its reference definitions.
pub(crate) fn links(page: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, text) in prose(page) {
        let text = without_code(&text);
        if let Some((_, target)) = text.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            links.push(Link { line, target: first_word(target) });
        }
        for (at, _) in text.match_indices("](") {
            if let Some((target, _)) = text[at + 2..].split_once(')') {
                links.push(Link { line, target: first_word(target) });
            }
        }
    }
    links
}

/// What stands in backticks on one line.
pub(crate) fn in_backticks(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// The lines outside fenced blocks, with their numbers.
fn prose(page: &str) -> Vec<(usize, String)> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for (number, line) in page.lines().enumerate() {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, None) => lines.push((number + 1, line.to_owned())),
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
        }
    }
    lines
}

/// `line` without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').enumerate().filter(|(part, _)| part % 2 == 0).map(|(_, text)| text).collect()
}

fn is_numbered(anchor: &str, base: &str) -> bool {
    anchor == base
        || anchor
            .strip_prefix(base)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|rest| rest.parse::<u32>().is_ok())
}

/// GitHub's rule: lower case, letters, digits, `-` and `_` stay, a space becomes `-`, all else goes.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .trim_end_matches('#')
        .trim_end()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_those_of_github() {
        let page = "# `last_human_admin`\ntext\n## Kafka: down?\n## Again\n## Again\n```\n# no heading\n```\n";
        let anchors: Vec<_> = headings(page).into_iter().map(|heading| (heading.anchor, heading.has_text)).collect();
        assert_eq!(
            anchors,
            [
                ("last_human_admin".to_owned(), true),
                ("kafka-down".to_owned(), false),
                ("again".to_owned(), false),
                ("again-1".to_owned(), false)
            ]
        );
    }

    #[test]
    fn links_in_code_are_none() {
        let page = "see [a](A.md#b) and ![c](d.png \"title\"), `[e](f)`\n```\n[g](h)\n```\n[i]: docs/i.md\n";
        let targets: Vec<_> = links(page).into_iter().map(|link| (link.line, link.target)).collect();
        assert_eq!(targets, [(1, "A.md#b".to_owned()), (1, "d.png".to_owned()), (5, "docs/i.md".to_owned())]);
    }
}
