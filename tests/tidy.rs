//! What no compiler checks: which module may name which, what no file may contain, and that pages say what is so.
//!
//! A failure names the file, the line and the rule. The rules are the tables at the top; to allow something new, change
//! a table and let the review decide.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use heroku_deprovisioner::model::outcome::HoldReason;

#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/pages.rs"]
mod pages;

/// Each module of the library and which others it may name: the arrows of the architecture. Everything may name
/// itself. What is not listed here may not exist.
const ARROWS: &[(&str, &str)] = &[
    // The core: pure.
    ("model", ""),
    ("engine", "model"),
    ("sources", "model"),
    // Our own records, as they lie on a topic.
    ("wire", "model"),
    // The shell: each knows one outside thing.
    ("clock", ""),
    ("status", "model"),
    ("crash", ""),
    ("shutdown", ""),
    ("config", "model sources telemetry"),
    ("telemetry", "model clock"),
    ("heroku", "model engine config clock crash telemetry"),
    ("trouble", "clock"),
    ("web", ""),
    ("registry", "trouble web engine sources config"),
    ("jwks", "trouble web sources config clock"),
    ("lookup", "trouble web model engine sources config"),
    ("kafka", "model sources wire config clock crash telemetry trouble registry jwks lookup"),
    ("http", "model clock telemetry status"),
    // A Heroku of its own; it shares the words, nothing else.
    ("simulator", "model clock"),
    // What ties them together.
    ("driver", "model engine wire config clock crash telemetry heroku kafka status"),
    ("service", "model engine wire config clock telemetry heroku registry jwks lookup kafka http driver status"),
    ("trial", "model kafka simulator"),
    // The command line, on top.
    ("exit", "config"),
    ("cli", "model sources config exit"),
    (
        "commands",
        "model engine sources wire config clock shutdown telemetry heroku registry jwks lookup kafka simulator driver service trial exit cli",
    ),
];

/// The files that do no I/O and read neither clock, chance nor environment: the modules built without any feature.
const CORE: Files =
    Files { of: &["model", "engine", "sources", "wire", "simulator"], but: &["simulator/server", "simulator/cli"] };

/// Names that belong to some files alone, and why.
const BORDERS: &[Border] = &[
    Border { names: &["tokio", "tokio_util", "futures_util"], nowhere_in: CORE, why: "the core is synchronous" },
    Border {
        names: &["std::time::SystemTime", "std::thread", "jiff::Zoned::now"],
        nowhere_in: CORE,
        why: "in the core time is an argument, so that a test can pass any",
    },
    Border {
        names: &["std::time::Instant"],
        nowhere_in: Files { of: CORE.of, but: &["engine/retry", "simulator/server"] },
        why: "in the core time is an argument (engine/retry.rs hands backoff a clock that stands)",
    },
    Border {
        names: &["std::env", "std::fs", "std::net", "std::process", "std::io::stdout", "std::io::stdin"],
        nowhere_in: CORE,
        why: "the core does no I/O, so it cannot fail",
    },
    Border {
        names: &["rand::rng", "rand::random", "rand::rngs::ThreadRng", "uuid::Uuid::new_v4"],
        nowhere_in: CORE,
        why: "in the core chance comes from a seed, so that a run can be repeated",
    },
    Border {
        names: &["tracing", "opentelemetry", "anyhow", "clap"],
        nowhere_in: CORE,
        why: "what happened is data for the shell to log; errors have types",
    },
    Border {
        names: &["std::time::SystemTime", "jiff::Timestamp::now", "jiff::Zoned::now"],
        nowhere_in: Files { of: &[""], but: &["clock"] },
        why: "src/clock.rs alone reads the clock",
    },
    Border {
        names: &["backoff"],
        nowhere_in: Files { of: &[""], but: &["engine/retry"] },
        why: "backoff is unmaintained; src/engine/retry.rs keeps it replaceable",
    },
    Border {
        names: &["quick_xml"],
        nowhere_in: Files { of: &[""], but: &["sources/xml"] },
        why: "src/sources/xml.rs alone reads XML, and refuses what is dangerous in it",
    },
    Border {
        names: &["cel"],
        nowhere_in: Files { of: &[""], but: &["sources/expression/program"] },
        why: "one file knows what CEL may do here and what its errors may tell",
    },
    Border {
        names: &["rdkafka"],
        nowhere_in: Files { of: &[""], but: &["kafka", "trial", "config"] },
        why: "src/kafka/ alone speaks to brokers (trial/ starts them, config/ has librdkafka check its properties)",
    },
    Border {
        names: &["reqwest"],
        nowhere_in: Files { of: &[""], but: &["heroku", "web", "registry", "jwks", "lookup", "telemetry"] },
        why: "src/heroku/, and those that ask by src/web.rs, alone speak HTTP as clients (and telemetry/ configures its exporter)",
    },
    Border {
        names: &["jsonwebtoken"],
        nowhere_in: Files { of: &[""], but: &["sources/token"] },
        why: "src/sources/token.rs alone decides whether a signature counts",
    },
    Border {
        names: &["axum", "tower", "tower_http"],
        nowhere_in: Files { of: &[""], but: &["http", "simulator/server"] },
        why: "src/http/ and the simulator's server alone speak HTTP as servers",
    },
    Border {
        names: &["anyhow"],
        nowhere_in: Files {
            of: &[""],
            but: &["commands", "exit", "main", "bin", "trial", "simulator/server", "simulator/cli"],
        },
        why: "a library's errors have types; anyhow is for the commands",
    },
];

/// Files above [`LINES_MAX`] lines that hold one idea all the same, each with the reason.
const LONG: &[(&str, &str)] = &[
    ("src/simulator/change.rs", "every changing request of the API, one function each"),
    ("src/simulator/read.rs", "every reading request of the API, one function each"),
    ("src/simulator/views.rs", "the shape of every object that the API returns"),
    ("src/simulator/world_file.rs", "the whole form of a world as JSON, with its checks"),
    ("tests/simulator.rs", "one test for each habit of Heroku's API"),
    ("tests/sources.rs", "one row for each way to write a record wrong"),
];

/// A longer file usually holds two ideas.
const LINES_MAX: usize = 600;

/// Folders that are no part of the project's text.
const NOT_OURS: &[&str] = &[".git", ".cache", ".demo", "target"];

/// Files that others wrote, or that a tool writes.
const NOT_WRITTEN_BY_US: &[&str] = &["tests/samples/", "tests/fuzz/corpus/", "Cargo.lock", "LICENSE"];

/// Some files of `src/`, by the beginning of their path without `.rs`: `kafka` is `kafka.rs` and `kafka/`.
struct Files {
    of: &'static [&'static str],
    but: &'static [&'static str],
}

impl Files {
    fn contain(&self, file: &str) -> bool {
        let within = |places: &[&str]| {
            places.iter().any(|place| {
                place.is_empty()
                    || file.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        within(self.of) && !within(self.but)
    }
}

struct Border {
    names: &'static [&'static str],
    nowhere_in: Files,
    why: &'static str,
}

#[test]
fn modules_name_only_what_the_arrows_allow() {
    let mut broken = Vec::new();
    for file in code() {
        broken.extend(against_arrows(&file.stem, &file.text));
    }
    report("arrows between the modules", &broken);
}

/// An arrow that nothing goes along says nothing of the code.
#[test]
fn every_arrow_is_used() {
    let mut used = BTreeSet::new();
    for file in code() {
        let module: Vec<&str> = file.stem.split('/').collect();
        for name in names::names(&file.text, &module) {
            if let [root, other, ..] = name.path.as_slice()
                && root == "crate"
            {
                used.insert((module[0].to_owned(), other.clone()));
            }
        }
    }
    let mut broken = Vec::new();
    for (own, allowed) in ARROWS {
        for other in allowed.split_whitespace() {
            if !used.contains(&((*own).to_owned(), other.to_owned())) {
                broken.push(format!("`{own}` may name `{other}`, and none of its files does: take it out of ARROWS"));
            }
        }
    }
    report("arrows that nothing uses", &broken);
}

/// The last column of the map in ARCHITECTURE.md is ARROWS, in words.
#[test]
fn the_map_of_the_architecture_shows_the_arrows() {
    let text = read("ARCHITECTURE.md");
    let (_, map) = text.split_once("| module | is | may name |").expect("ARCHITECTURE.md has the map");
    let mut shown = BTreeMap::new();
    for row in map.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [modules, _, may_name] = cells.as_slice() else { panic!("three cells: {row}") };
        for module in pages::in_backticks(modules) {
            shown.insert(module, pages::in_backticks(may_name).into_iter().collect::<BTreeSet<_>>());
        }
    }
    let mut broken = Vec::new();
    for (own, allowed) in ARROWS {
        let allowed: BTreeSet<&str> = allowed.split_whitespace().collect();
        if shown.remove(own).as_ref() != Some(&allowed) {
            let words: Vec<String> = allowed.iter().map(|other| format!("`{other}`")).collect();
            broken.push(format!("ARCHITECTURE.md: the row of `{own}` must say {}", words.join(", ")));
        }
    }
    broken.extend(shown.keys().map(|module| format!("ARCHITECTURE.md: the map has `{module}`, which is no module")));
    report("the map of the architecture", &broken);
}

/// Where ARCHITECTURE.md says which test holds something, there is such a test.
#[test]
fn every_test_that_the_architecture_names_exists() {
    let code: String = files().iter().filter(|path| path.ends_with(".rs")).map(|path| read(path)).collect();
    let mut broken = Vec::new();
    let mut named = 0;
    for (number, line) in read("ARCHITECTURE.md").lines().enumerate() {
        // `test x`, `tests x and y`: what follows in backticks, if it is a name and no path.
        for (at, word) in line.match_indices("test") {
            let rest = line[at + word.len()..].trim_start_matches('s');
            let names = if rest.starts_with(" `") { pages::in_backticks(rest) } else { Vec::new() };
            for name in names.into_iter().filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
                named += 1;
                if !code.contains(&format!("fn {name}(")) {
                    broken.push(format!("ARCHITECTURE.md:{}: there is no test `{name}`", number + 1));
                }
            }
        }
    }
    assert!(named >= 7, "the tests that ARCHITECTURE.md names were not found");
    report("tests that are named", &broken);
}

#[test]
fn outside_things_are_named_in_their_own_folder_alone() {
    let mut broken = Vec::new();
    for file in code() {
        broken.extend(against_borders(&file.stem, &file.text));
    }
    report("borders", &broken);
}

#[test]
fn the_map_of_modules_is_complete() {
    let mapped: BTreeSet<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
    let mut broken = Vec::new();
    for file in code() {
        let top = file.stem.split('/').next().unwrap_or_default();
        if !mapped.contains(top) && !["lib", "main", "bin"].contains(&top) {
            broken.push(format!(
                "src/{}.rs: `{top}` has no row in ARROWS (tests/tidy.rs): say what it may name",
                file.stem
            ));
        }
    }
    report("map of modules", &broken);
}

/// The rules must be able to fail: each is shown a file that breaks it.
#[test]
fn what_breaks_a_rule_is_found() {
    let arrow = against_arrows("heroku/client", "\nuse super::super::kafka::Consumer;");
    assert_eq!(
        arrow,
        [
            "src/heroku/client.rs:2: `heroku` names `kafka` (crate::kafka::Consumer); it may name: model engine config clock crash telemetry (ARROWS in tests/tidy.rs)"
        ]
    );
    assert_eq!(against_arrows("http/health", "fn f() { crate::heroku::client::get() }").len(), 1);
    assert_eq!(against_arrows("engine/case", "use crate::{model::Email, clock};").len(), 1);
    assert!(against_arrows("engine/case", "use crate::{model::Email, engine::plan::Plan};").is_empty());

    for (file, source) in [
        ("engine/case", "use std::time::{self, Duration}; fn f() { time::Instant::now(); }"),
        ("simulator/state", "use tokio::sync::watch;"),
        ("sources/okta", "fn f() { std::env::var(\"X\"); }"),
        ("engine/plan", "use backoff::ExponentialBackoff;"),
        ("heroku/client", "use rdkafka::ClientConfig;"),
        ("kafka/consumer", "fn f() { reqwest::get(); }"),
        ("simulator/state", "use axum::Router;"),
        ("driver", "use jiff::Timestamp; fn f() { Timestamp::now(); } status"),
        ("kafka/consumer", "use anyhow::Context;"),
    ] {
        assert_eq!(against_borders(file, source).len(), 1, "{file}: {source}");
    }
    for (file, source) in [
        ("engine/retry", "use backoff::ExponentialBackoff;"),
        ("kafka/consumer", "use rdkafka::ClientConfig; use std::time::Instant;"),
        ("simulator/server", "use axum::Router; use tokio::net::TcpListener;"),
        ("clock", "use jiff::Timestamp; fn f() { Timestamp::now(); }"),
        ("kafka_tools", "#[cfg(test)] mod tests { use rdkafka::mocking::MockCluster; }"),
    ] {
        assert!(against_borders(file, source).is_empty(), "{file}: {source}");
    }

    assert_eq!(
        against_habits("a.rs", &format!("#[{}(dead_code)]\nfn f() {{}} // {}\n", "allow", concat!("TO", "DO"))).len(),
        2
    );
    assert_eq!(
        against_habits("a.md", &format!("see {}x and {}me\n", concat!("/wo", "rk/"), concat!("/ho", "me/"))).len(),
        2
    );
    assert!(against_habits("a.rs", "let s = \"#[allow(x)]\"; // https://x.example/home/y\n").is_empty());
}

#[test]
fn no_file_holds_what_does_not_belong() {
    let mut broken = Vec::new();
    for path in files() {
        if NOT_WRITTEN_BY_US.iter().any(|theirs| path.starts_with(theirs)) {
            continue;
        }
        if let Ok(text) = std::fs::read_to_string(root().join(&path)) {
            broken.extend(against_habits(&path, &text));
        }
    }
    report("habits", &broken);
}

#[test]
fn a_file_holds_one_idea() {
    let mut broken = Vec::new();
    let mut long = BTreeSet::new();
    for path in files().into_iter().filter(|path| path.ends_with(".rs")) {
        let lines = read(&path).lines().count();
        if lines > LINES_MAX {
            long.insert(path.clone());
            if !LONG.iter().any(|(known, _)| *known == path) {
                broken.push(format!(
                    "{path}: {lines} lines, more than {LINES_MAX}: split it by idea, or list it in LONG (tests/tidy.rs) with the reason"
                ));
            }
        }
    }
    for (known, _) in LONG {
        if !long.contains(*known) {
            broken.push(format!("{known}: listed in LONG (tests/tidy.rs), but not that long any more"));
        }
    }
    report("length", &broken);
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let pages: BTreeMap<String, String> = files()
        .into_iter()
        .filter(|path| path.ends_with(".md") && !path.starts_with("tests/samples/"))
        .map(|path| (path.clone(), read(&path)))
        .collect();
    let mut broken = Vec::new();
    for (page, text) in &pages {
        for pages::Link { line, target } in pages::links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let Some(file) = (if file.is_empty() { Some(page.clone()) } else { beside(page, file) }) else {
                broken.push(format!("{page}:{line}: {target} leads out of the repository"));
                continue;
            };
            if !root().join(&file).exists() {
                broken.push(format!("{page}:{line}: {target}: there is no {file}"));
            } else if !anchor.is_empty() && file.ends_with(".md") {
                let known = pages.get(&file).map(|text| pages::headings(text)).unwrap_or_default();
                if !known.iter().any(|heading| heading.anchor == anchor) {
                    broken.push(format!("{page}:{line}: {target}: {file} has no heading with the anchor {anchor}"));
                }
            }
        }
    }
    report("links", &broken);
}

#[test]
fn the_runbook_has_a_section_for_every_hold() {
    let headings = pages::headings(&read("docs/runbook.md"));
    let mut broken = Vec::new();
    for reason in HoldReason::ALL {
        match headings.iter().find(|heading| heading.anchor == reason.as_str()) {
            None => broken
                .push(format!("docs/runbook.md: no heading `{}`, a reason for which cases are held", reason.as_str())),
            Some(heading) if !heading.has_text => {
                broken.push(format!("docs/runbook.md: nothing stands under `{}`", reason.as_str()));
            }
            Some(_) => {}
        }
    }
    report("runbook", &broken);
}

#[test]
fn the_manifest_names_two_binaries_and_the_lock_is_kept() {
    let manifest = read("Cargo.toml");
    let binaries: Vec<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|table| table.lines().find_map(|line| line.strip_prefix("name = ")))
        .map(|name| name.trim_matches('"'))
        .collect();
    assert_eq!(binaries, ["heroku-deprovisioner", "heroku-simulator"], "the binaries of Cargo.toml");

    assert!(root().join("Cargo.lock").exists(), "Cargo.lock is missing; builds use --locked");
    let ignored = read(".gitignore").lines().any(|line| line.contains("Cargo.lock") || line.trim() == "*.lock");
    assert!(!ignored, ".gitignore hides Cargo.lock; it is committed, builds use --locked");
}

fn against_arrows(file: &str, source: &str) -> Vec<String> {
    let module: Vec<&str> = file.split('/').collect();
    let Some((own, allowed)) = ARROWS.iter().find(|(own, _)| *own == module[0]) else {
        return Vec::new(); // lib.rs, main.rs, bin/: the composition of all. Anything else fails the map's own test.
    };
    let mut broken = Vec::new();
    for name in names::names(source, &module) {
        let [root, other, ..] = name.path.as_slice() else { continue };
        let is_module = ARROWS.iter().any(|(known, _)| known == other);
        if root == "crate" && is_module && other != own && allowed.split(' ').all(|one| one != other) {
            broken.push(format!(
                "src/{file}.rs:{}: `{own}` names `{other}` ({}); it may name: {} (ARROWS in tests/tidy.rs)",
                name.line,
                name.path.join("::"),
                if allowed.is_empty() { "no other" } else { allowed },
            ));
        }
    }
    broken
}

fn against_borders(file: &str, source: &str) -> Vec<String> {
    let module: Vec<&str> = file.split('/').collect();
    let named = names::names(source, &module);
    let mut broken = BTreeSet::new();
    for border in BORDERS.iter().filter(|border| border.nowhere_in.contain(file)) {
        for name in &named {
            if let Some(forbidden) = border.names.iter().find(|forbidden| name.is_in(forbidden)) {
                broken.insert((name.line, *forbidden, border.why));
            }
        }
    }
    // One line can break two borders with one name; the first says enough.
    let mut seen = BTreeSet::new();
    broken
        .into_iter()
        .filter(|(line, forbidden, _)| seen.insert((*line, *forbidden)))
        .map(|(line, forbidden, why)| {
            format!("src/{file}.rs:{line}: names `{forbidden}`: {why} (BORDERS in tests/tidy.rs)")
        })
        .collect()
}

/// What no file of ours may contain. The words stand here in two halves, so that this file may be checked as well.
fn against_habits(path: &str, text: &str) -> Vec<String> {
    const USERS: &str = concat!("/Us", "ers/");
    const MACHINES: [&str; 4] = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), USERS];
    const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    const CODE: [(&str, &str); 4] = [
        (concat!("to", "do!("), "is unfinished: finish it, or leave it out"),
        (concat!("unimple", "mented!("), "is unfinished: finish it, or leave it out"),
        (concat!("[al", "low("), "hides a lint for ever: use #[expect(lint, reason = \"…\")]"),
        (concat!("[ig", "nore"), "skips a test: none is ignored here"),
    ];
    let in_a_name = |c: char| c.is_alphanumeric() || "._-".contains(c);
    let is_folder = |rest: &str| rest.trim_start_matches(in_a_name).starts_with("/");
    let mut broken = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        for machine in MACHINES {
            if line
                .match_indices(machine)
                .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || "._-*}".contains(c)))
                // SCIM's resources have such a path too; on a machine, a person's folder has something in it.
                .any(|(at, found)| found != USERS || is_folder(&line[at + found.len()..]))
            {
                broken.push(format!("{path}:{number}: `{machine}`: a path of one machine"));
            }
        }
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| UNFINISHED.contains(word)) {
            broken.push(format!("{path}:{number}: `{word}`: finish it, or say in an issue what is missing"));
        }
    }
    if path.ends_with(".rs") {
        for (number, line) in names::blanked(text).lines().enumerate() {
            for (forbidden, why) in CODE.iter().filter(|(forbidden, _)| line.contains(forbidden)) {
                broken.push(format!("{path}:{}: `{forbidden}` {why}", number + 1));
            }
        }
    }
    broken
}

fn report(what: &str, broken: &[String]) {
    let mut text = String::new();
    for line in broken {
        write!(text, "\n  {line}").expect("a String takes all");
    }
    assert!(broken.is_empty(), "{what}: {} broken{text}", broken.len());
}

/// A file of `src/`.
struct Code {
    /// Its path below `src/` without `.rs`.
    stem: String,
    text: String,
}

/// All code that is not a test.
fn code() -> Vec<Code> {
    let code: Vec<Code> = files()
        .into_iter()
        .filter_map(|path| {
            let stem = path.strip_prefix("src/")?.strip_suffix(".rs")?.to_owned();
            let is_test = stem.split('/').any(|part| part == "tests");
            (!is_test).then(|| Code { stem, text: read(&path) })
        })
        .collect();
    assert!(code.len() > 5, "src/ was not found");
    code
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of the project, by its path from the root.
fn files() -> BTreeSet<String> {
    fn walk(folder: &Path, prefix: &str, files: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder of the project can be read") {
            let entry = entry.expect("a folder of the project can be read");
            let name = entry.file_name().into_string().expect("file names of the project are UTF-8");
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().expect("its type is known");
            if kind.is_dir() && !NOT_OURS.contains(&path.as_str()) {
                walk(&entry.path(), &format!("{path}/"), files);
            } else if kind.is_file() && path != ".git" && !path.ends_with(".log") {
                files.insert(path);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&root(), "", &mut found);
    found
}

/// `target` as seen from `page`, from the root; `None` when it leaves the project.
fn beside(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
