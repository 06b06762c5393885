//! Mistakes in the configuration: each names its place and, where there is one, the remedy.

use std::fmt;
use std::ops::Range;

use super::shape::TOKEN_MARK;

/// Everything that is wrong with the configuration, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, as a fragment.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The layer.
    pub layer: Layer,
    /// The place in its text.
    pub spot: Option<Spot>,
}

/// The layers, from the weakest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// The value that holds when nobody sets one.
    Default,
    /// The configuration file, or the lack of one.
    File(String),
    /// A variable.
    Variable(String),
}

/// A place in a text, with as much of its line as is safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    excerpt: Option<Excerpt>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: String,
    lead: usize,
    width: usize,
}

/// A text that settings are read from.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) layer: Layer,
    pub(super) body: &'a str,
}

impl Text<'_> {
    /// The place of `span` in the text.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place { layer: self.layer.clone(), spot: Some(Spot::new(self.body, span)) }
    }
}

impl Text<'_> {
    /// The place `at` within a quoted text at `span`, as far as the text is written without escapes.
    pub(super) fn place_within(&self, span: Range<usize>, written: &str, at: usize) -> Place {
        let quoted = self.body.get(span.clone()).unwrap_or_default();
        let Some(start) = quoted.find(written).filter(|_| !written.is_empty()) else { return self.place(span) };
        let start = span.start + start;
        let meant = start + at.min(written.len());
        let word = self.body[meant..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_');
        let width = word.map(char::len_utf8).sum::<usize>();
        let spot = Spot::within(self.body, meant..meant + width, start..start + written.len());
        Place { layer: self.layer.clone(), spot: Some(spot) }
    }
}

impl Place {
    /// A layer as a whole.
    pub(super) fn whole(layer: Layer) -> Self {
        Self { layer, spot: None }
    }
}

impl Spot {
    fn new(body: &str, span: Range<usize>) -> Self {
        Self::within(body, span.clone(), span)
    }

    /// The place of `span`; all of `shown`, which holds it, may be read by anybody.
    fn within(body: &str, span: Range<usize>, shown: Range<usize>) -> Self {
        let start = floor(body, span.start);
        let line_start = body[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = body[start..].find('\n').map_or(body.len(), |newline| start + newline);
        let end = floor(body, span.end).clamp(start, line_end);
        let line = body[..start].matches('\n').count() + 1;
        let column = body[line_start..start].chars().count() + 1;
        Self { line, column, excerpt: Excerpt::new(body, line_start..line_end, start..end, &shown) }
    }
}

impl Excerpt {
    /// The line up to the end of what is meant: what follows, and quoted text before it, may be a secret that stands
    /// in the wrong place.
    fn new(body: &str, line: Range<usize>, span: Range<usize>, shown: &Range<usize>) -> Option<Self> {
        let from = floor(body, shown.start).clamp(line.start, span.start);
        let to = floor(body, shown.end).clamp(span.end, line.end);
        if body[from..to].contains(TOKEN_MARK) {
            return None;
        }
        let masked = mask_quoted(&body[line.start..from]);
        let before = format!("{masked}{}", body[from..span.start].replace('\t', " "));
        let after = body[to..line.end].trim_end();
        let text = format!("{before}{}{}", &body[span.start..to], if after.is_empty() { "" } else { " …" });
        Some(Self { lead: before.chars().count(), width: body[span].chars().count().max(1), text })
    }
}

/// Replaces what stands in quotes by `…`.
fn mask_quoted(text: &str) -> String {
    let mut masked = String::new();
    let mut open = None;
    for letter in text.chars() {
        match (open, letter) {
            (None, '"' | '\'') => {
                open = Some(letter);
                masked.push(letter);
            }
            (Some(quote), _) if quote == letter => {
                open = None;
                masked.push('…');
                masked.push(letter);
            }
            (Some(_), _) => {}
            (None, _) => masked.push(if letter == '\t' { ' ' } else { letter }),
        }
    }
    masked
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Variable(name) => write!(f, "variable {name}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.layer, &self.spot) {
            (layer, Some(spot)) => write!(f, "{layer}:{}:{}", spot.line, spot.column),
            (layer, None) => write!(f, "{layer}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        let number = self.place.spot.as_ref().map_or(String::new(), |spot| spot.line.to_string());
        let margin = " ".repeat(number.len());
        if let Some(excerpt) = self.place.spot.as_ref().and_then(|spot| spot.excerpt.as_ref()) {
            let caret = format!("{}{}", " ".repeat(excerpt.lead), "^".repeat(excerpt.width));
            write!(f, "\n {margin} |\n {number} | {}\n {margin} | {caret}", excerpt.text)?;
        }
        if let Some(remedy) = &self.remedy {
            let margin = if margin.is_empty() { String::new() } else { format!("{margin} ") };
            write!(f, "\n {margin}= {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("a mistake in the configuration")?,
            count => write!(f, "{count} mistakes in the configuration")?,
        }
        for problem in &self.problems {
            write!(f, "\n\n{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(body: &str, meant: &str) -> String {
        let start = body.find(meant).unwrap();
        let place = Text { layer: Layer::File("x.toml".to_owned()), body }.place(start..start + meant.len());
        Problem { place, message: "is wrong".to_owned(), remedy: Some("mend it".to_owned()) }.to_string()
    }

    #[test]
    fn points_at_the_place() {
        assert_eq!(
            show("a = 1\n[guards]\nmax = \"ü\"\n", "\"ü\""),
            "x.toml:3:7: is wrong\n   |\n 3 | max = \"ü\"\n   |       ^^^\n   = mend it"
        );
    }

    #[test]
    fn shows_no_other_value_of_the_line() {
        let shown = show("heroku = { token = \"s3cret\", acount = \"other\" }", "acount");
        assert!(!shown.contains("s3cret") && !shown.contains("other"), "{shown}");
        let (line, caret) = (shown.lines().nth(2).unwrap(), shown.lines().nth(3).unwrap());
        let at = |text: &str, what| text[..text.find(what).unwrap()].chars().count();
        assert_eq!(at(line, "acount"), at(caret, "^"), "{shown}");
        assert!(!show("account = \"HRKU-123\"", "\"HRKU-123\"").contains("HRKU-"));
    }
}
