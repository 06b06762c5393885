//! Reads Rust far enough to know which paths a file names: its `use` trees, and every `a::b` in its code. Comments,
//! strings and `#[cfg(test)]` modules do not count. No syntax tree: a file that compiles is all this has to understand.

use std::collections::BTreeMap;

/// A path that a file names, resolved as far as the file itself tells: `crate::kafka::Consumer`, `std::env::var`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Counted from 1.
    pub(crate) line: usize,
    /// From `crate`, or from the name of a crate.
    pub(crate) path: Vec<String>,
}

impl Name {
    /// Whether this is `path`, or something in it.
    pub(crate) fn is_in(&self, path: &str) -> bool {
        let mut mine = self.path.iter();
        path.split("::").all(|segment| mine.next().is_some_and(|own| own == segment))
    }
}

/// All paths that `source`, the text of the module `module`, names outside its tests.
pub(crate) fn names(source: &str, module: &[&str]) -> Vec<Name> {
    let tokens = without_tests(tokens(&blanked(source)));
    let mut found = Vec::new();
    let mut imported = BTreeMap::new();
    let mut open: Vec<Option<String>> = Vec::new(); // for each open brace the inline module it opened, if it did
    let mut at = 0;
    while at < tokens.len() {
        let here: Vec<String> =
            module.iter().map(|name| (*name).to_owned()).chain(open.iter().flatten().cloned()).collect();
        match tokens[at].text.as_str() {
            "use" => at = use_tree(&tokens, at + 1, &[], &here, &mut imported, &mut found),
            "{" => {
                let inline_module = at >= 2 && tokens[at - 2].text == "mod";
                open.push(inline_module.then(|| tokens[at - 1].text.clone()));
                at += 1;
            }
            "}" => {
                open.pop();
                at += 1;
            }
            text if is_word(text) => {
                let (path, after) = path(&tokens, at);
                if path.len() > 1 {
                    found.push(Name { line: tokens[at].line, path: absolute(path, &here) });
                }
                at = after;
            }
            _ => at += 1,
        }
    }
    for name in &mut found {
        // `time::Instant` after `use std::time` is `std::time::Instant`.
        if let Some(whole) = imported.get(&name.path[0]) {
            name.path.splice(0..1, whole.iter().cloned());
        }
    }
    found
}

/// `source` with every comment, string and character replaced by spaces, so that lines stay where they are.
pub(crate) fn blanked(source: &str) -> String {
    let text: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < text.len() {
        let end = match text[at] {
            '/' if text.get(at + 1) == Some(&'/') => until(&text, at, |rest| rest[0] == '\n'),
            '/' if text.get(at + 1) == Some(&'*') => block_comment_end(&text, at),
            '"' => string_end(&text, at),
            'r' if starts_raw_string(&text, at) => raw_string_end(&text, at),
            '\'' => character_end(&text, at),
            _ => at,
        };
        if end == at {
            out.push(text[at]);
            at += 1;
        } else {
            out.extend(text[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

fn until(text: &[char], from: usize, stop: impl Fn(&[char]) -> bool) -> usize {
    (from..text.len()).find(|at| stop(&text[*at..])).unwrap_or(text.len())
}

fn block_comment_end(text: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < text.len() {
        if text[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(text.len())
}

fn string_end(text: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// `r"`, `br"`, `r#"`; neither a word that ends in r nor `r#raw_word`.
fn starts_raw_string(text: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| text[before]);
    let within_word = before.is_some_and(|c| is_word_char(c) && c != 'b' && c != 'c');
    !within_word && text[at + 1..].iter().find(|c| **c != '#') == Some(&'"')
}

fn raw_string_end(text: &[char], at: usize) -> usize {
    let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    (until(text, at + 2 + hashes, |rest| rest.starts_with(&close)) + close.len()).min(text.len())
}

/// The end of a character, or `at` itself when the quote begins a lifetime.
fn character_end(text: &[char], at: usize) -> usize {
    match (text.get(at + 1), text.get(at + 2)) {
        (Some('\\'), _) => until(text, at + 3, |rest| rest[0] == '\'') + 1,
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::`, and single characters.
fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word_char(first) {
                rest.find(|c| !is_word_char(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { line: number + 1, text: rest[..length].to_owned() });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Drops `#[cfg(test)] mod … { … }`: tests may name more than the code they test.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 8] = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut recent: Vec<String> = Vec::new();
    while let Some(token) = tokens.next() {
        recent.push(token.text.clone());
        kept.push(token);
        if !recent.ends_with(&MARK.map(str::to_owned)) {
            continue;
        }
        let mut depth = 0;
        for token in tokens.by_ref() {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token.text.as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}

/// Reads one `use` tree from `at`; returns where it ends.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    here: &[String],
    imported: &mut BTreeMap<String, Vec<String>>,
    found: &mut Vec<Name>,
) -> usize {
    let mut whole = prefix.to_vec();
    while at < tokens.len() {
        let Token { line, text } = &tokens[at];
        match text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at].text != "}" {
                    at = use_tree(tokens, at, &whole, here, imported, found);
                    if at < tokens.len() && tokens[at].text == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "*" => {
                found.push(Name { line: *line, path: absolute(whole, here) });
                return at + 1;
            }
            // `{self}` within braces names the prefix; at the beginning it is this module.
            "self" if !prefix.is_empty() => at += 1,
            word if is_word(word) && word != "as" => {
                whole.push(word.to_owned());
                at += 1;
            }
            _ => break,
        }
    }
    if whole.is_empty() {
        return at; // `use<'a>` in a type: no import.
    }
    let mut known_as = whole.last().cloned().unwrap_or_default();
    let line = tokens[at - 1].line;
    if at + 1 < tokens.len() && tokens[at].text == "as" {
        known_as = tokens[at + 1].text.clone();
        at += 2;
    }
    let path = absolute(whole, here);
    if path.len() > 1 || path.first() != Some(&known_as) {
        imported.insert(known_as, path.clone());
    }
    found.push(Name { line, path });
    at
}

/// The longest `a::b::c` from `at`, and where it ends.
fn path(tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut path = vec![tokens[at].text.clone()];
    while at + 2 < tokens.len() && tokens[at + 1].text == "::" && is_word(&tokens[at + 2].text) {
        path.push(tokens[at + 2].text.clone());
        at += 2;
    }
    (path, at + 1)
}

/// `self` and `super` replaced by what they mean in the module `here`; the library is `crate` to its binaries too.
fn absolute(path: Vec<String>, here: &[String]) -> Vec<String> {
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    let from_here = |skip: usize, ups: usize| {
        std::iter::once("crate".to_owned())
            .chain(here[..here.len().saturating_sub(ups)].iter().cloned())
            .chain(path[skip..].iter().cloned())
            .collect()
    };
    match path[0].as_str() {
        "self" => {
            let ups = path[1..].iter().take_while(|segment| *segment == "super").count();
            from_here(1 + ups, ups)
        }
        "super" => from_here(ups, ups),
        "heroku_deprovisioner" => std::iter::once("crate".to_owned()).chain(path[1..].iter().cloned()).collect(),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str, module: &[&str]) -> Vec<String> {
        names(source, module).into_iter().map(|name| name.path.join("::")).collect()
    }

    #[test]
    fn a_use_tree_names_each_of_its_leaves() {
        assert_eq!(
            found("use crate::{kafka::{self, Consumer as C}, model::*};", &["http"]),
            ["crate::kafka", "crate::kafka::Consumer", "crate::model"]
        );
    }

    #[test]
    fn super_and_self_mean_what_they_mean_in_the_module() {
        assert_eq!(found("use super::super::kafka;", &["heroku", "client"]), ["crate::kafka"]);
        assert_eq!(found("use self::paging::Page;", &["heroku"]), ["crate::heroku::paging::Page"]);
        assert_eq!(found("mod inner { use super::super::kafka; }", &["heroku"]), ["crate::kafka"]);
        assert_eq!(found("fn f() { heroku_deprovisioner::kafka::run() }", &[]), ["crate::kafka::run"]);
    }

    #[test]
    fn a_path_is_followed_through_the_import_that_shortens_it() {
        assert_eq!(
            found("use std::time;\nfn f() { time::Instant::now(); }", &["engine"]),
            ["std::time", "std::time::Instant::now"]
        );
        assert_eq!(
            found("use jiff::Timestamp as T;\nfn f() { T::now(); }", &["engine"]),
            ["jiff::Timestamp", "jiff::Timestamp::now"]
        );
    }

    #[test]
    fn paths_are_found_in_attributes_macros_and_type_arguments() {
        assert_eq!(
            found("#[tokio::main]\nfn f() { vec![Vec::<axum::Router>::new()]; }", &["main"]),
            ["tokio::main", "axum::Router"]
        );
    }

    #[test]
    fn comments_strings_and_tests_name_nothing() {
        let source = r####"
            // use tokio::net;
            /* use tokio::net; /* nested */ use tokio::net; */
            fn f<'a>(x: &'a str) -> char { let _ = "tokio::net \" tokio::net"; let _ = r#"tokio::net " "#; '"' }
            #[cfg(test)]
            mod tests { use tokio::net; fn g() { { } tokio::spawn() } }
            fn after() { axum::serve() }
        "####;
        assert_eq!(found(source, &["engine"]), ["axum::serve"]);
        assert!(found("fn f<'a>(x: &'a u8) -> impl Sized + use<'a> { x }", &["engine"]).is_empty());
    }

    #[test]
    fn a_name_knows_its_line() {
        let names = names("\n\nuse std::{\n    fmt,\n    env,\n};", &["engine"]);
        assert_eq!(names.iter().map(|name| name.line).collect::<Vec<_>>(), [4, 5]);
        assert!(names[1].is_in("std::env") && names[1].is_in("std") && !names[1].is_in("std::env::var"));
    }
}
