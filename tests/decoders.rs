//! Every decoder against its corpus and against changed inputs. `make fuzz` looks further, with the same functions.
//!
//! `SEED=7 cargo test --test decoders` repeats a run; `MUTATIONS=100000` makes it longer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "fuzz/allocation.rs"]
mod allocation;
#[path = "fuzz/decoders.rs"]
mod decoders;
#[path = "fuzz/mutation.rs"]
mod mutation;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use decoders::{TARGETS, Target};
use mutation::Mutator;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

/// Changed inputs for each decoder.
const MUTATIONS: usize = 10_000;

/// Longer inputs are for the fuzzer: without optimisation they take too long.
const LENGTH_MAX: usize = 4 * 1024;

/// Changes to one input before it is begun anew from the corpus.
const GENERATIONS: usize = 8;

#[test]
fn the_corpus_breaks_no_decoder() {
    for target in TARGETS {
        let corpus = corpus(target.name);
        assert!(!corpus.is_empty(), "no corpus for {}", target.name);
        for (path, input) in corpus {
            if let Err(why) = outcome(target, &input) {
                panic!("{}: {why}", path.display());
            }
        }
    }
}

#[test]
fn changed_inputs_break_no_decoder() {
    let seed = setting("SEED").unwrap_or_else(fresh);
    let mutations = setting("MUTATIONS").map_or(MUTATIONS, |count| usize::try_from(count).unwrap());
    // Past what the test harness keeps to itself of a test that passes.
    let told = format!("{mutations} changed inputs for each of {} decoders: SEED={seed}\n", TARGETS.len());
    std::io::stderr().write_all(told.as_bytes()).unwrap();
    // A panic on every thread would be printed; the first one found is told below, with its input.
    std::panic::set_hook(Box::new(|_| {}));
    let failures: Vec<String> = std::thread::scope(|threads| {
        let runs: Vec<_> =
            TARGETS.iter().map(|target| threads.spawn(move || change(target, seed, mutations))).collect();
        runs.into_iter().filter_map(|run| run.join().unwrap().err()).collect()
    });
    drop(std::panic::take_hook());
    assert!(failures.is_empty(), "SEED={seed}\n{}", failures.join("\n"));
}

/// Runs changed inputs of one decoder; the error holds the first that breaks it.
fn change(target: &Target, seed: u64, mutations: usize) -> Result<(), String> {
    let corpus: Vec<Vec<u8>> = corpus(target.name).into_iter().map(|(_, input)| input).collect();
    let short: Vec<&Vec<u8>> = corpus.iter().filter(|input| input.len() <= LENGTH_MAX).collect();
    let mut mutator = Mutator::new(seed);
    let mut input = Vec::new();
    for number in 0..mutations {
        if number % GENERATIONS == 0 || input.len() > LENGTH_MAX {
            input.clone_from(short[mutator.below(short.len())]);
        }
        let other = short[mutator.below(short.len())];
        mutator.change(&mut input, other);
        outcome(target, &input).map_err(|why| {
            format!("{}, change {number}: {why}\ninput, {} bytes:\n{}", target.name, input.len(), input.escape_ascii())
        })?;
    }
    Ok(())
}

fn outcome(target: &Target, input: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|why| {
        let text = why.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| why.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
    })
}

/// The inputs of one decoder, in the order of their names.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test is set by its environment")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a new seed at each run, printed")]
fn fresh() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// The bound on memory would hold nothing if nobody counted.
#[test]
fn an_input_that_costs_too_much_is_found() {
    let costly = || allocation::bounded(1, || Vec::<u8>::with_capacity(2 * allocation::FIXED_MAX));
    assert!(catch_unwind(costly).is_err());
    assert_eq!(allocation::bounded(1, || vec![0_u8; 8]).len(), 8);
}

/// Much of the little that costs most.
#[test]
fn what_is_made_to_cost_memory_stays_within_the_bound() {
    const LONG: usize = 200_000;
    let many = |item: &str| item.repeat(LONG / item.len());
    let list = |item: &str| format!("[{}0]", many(&format!("{item},")));
    let hook = |events: String| {
        let source = "https://larkspur.okta.com/api/v1/eventHooks/who9";
        format!(r#"{{"eventType":"com.okta.event_hook","source":"{source}","data":{{"events":{events}}}}}"#)
    };
    let users = many(r#"{"type":"User","id":"1"},"#);
    let event = |targets: &str| {
        format!(
            r#"{{"eventType":"user.lifecycle.deactivate","published":"2026-05-29T14:03:11Z","uuid":"{}","outcome":{{"result":"SUCCESS"}},"actor":{{"id":"{}"}},"target":[{targets}0]}}"#,
            "é".repeat(250),
            "é".repeat(250),
        )
    };
    let of_users = event(&users[..users.len() / 45 / 25 * 25]).replace(",0]", "]");
    let repeated = |key: &str| format!(r#"{{"{key}":{{{}"a":1}}}}"#, "\"a\":1,".repeat(250));
    let wrapping = |key: &str| {
        let place = format!("{}1{}", format!(r#"{{"{key}":"#).repeat(90), "}".repeat(90));
        let twice = place.replace('1', r#"{"a":1,"a":1}"#);
        format!(
            r#"{{"eventType":"com.okta.event_hook","x":{twice},"data":{{"events":[{}{{}}]}}}}"#,
            "{},".repeat(4_900)
        )
    };
    let mut failures = Vec::new();
    for (name, input) in [
        ("numbers", list("0")),
        ("objects", list("{}")),
        ("members", list(r#"{"":0}"#)),
        ("nested members", list(&format!("{}0{}", r#"{"":"#.repeat(90), "}".repeat(90)))),
        ("event types", list(r#"{"eventType":"x"}"#)),
        ("numbers in a hook", hook(list("0"))),
        ("objects in a hook", hook(list("{}"))),
        ("numbers in a page of Google", format!(r#"{{"kind":"admin#reports#activities","items":{}}}"#, list("0"))),
        ("numbers in records of Entra", format!(r#"{{"records":{}}}"#, list("0"))),
        ("hooks", list(&hook("[{},{},{}]".to_owned()))),
        ("people", event(&users)),
        ("people in a hook", hook(format!("[{}]", vec![of_users; 45].join(",")))),
        ("elements", format!("<a>{}</a>", many("<b/>"))),
        ("elements in elements", format!("<a>{}</a>", many("<b><c/></b>"))),
        ("deep elements", format!("<a>{}</a>", many(&format!("{}{}", "<b>".repeat(30), "</b>".repeat(30))))),
        ("elements of many names", format!("<a>{}</a>", (0..30_000).map(|n| format!("<b{n}/>")).collect::<String>())),
        ("references", format!("<a>{}</a>", many("&#65;"))),
        ("elements that do not end", many("<a b='c'>")),
        ("repeated keys under a long one", repeated(&"k".repeat(LONG))),
        ("a repeated key in the wrapping", wrapping(&"\\n".repeat(70))),
    ] {
        for target in &TARGETS[..4] {
            if let Err(why) = outcome(target, input.as_bytes()) {
                failures.push(format!("{name}, {}: {why}", target.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Changes that all led to no JSON would test the parser alone.
#[test]
fn changed_inputs_stay_nearly_right() {
    let record = br#"{"action":"deprovision","subject":{"emails":[{"value":"a@b.example"}]},"n":1}"#;
    let mut mutator = Mutator::new(1);
    let parsed = (0..1_000).filter(|_| {
        let mut input = record.to_vec();
        mutator.change(&mut input, record);
        serde_json::from_slice::<serde_json::Value>(&input).is_ok() && input != record
    });
    let parsed = parsed.count();
    assert!((300..900).contains(&parsed), "{parsed} of 1000 are JSON");
}
