//! Each sample changed again and again, by bytes and in its structure: no adapter panics, takes more memory than
//! [`allocation`] allows, or names as the subject somebody who stands only where the format says who acted.
//!
//! `SEED=7 cargo test --test mutations` repeats a run; `MUTATIONS=10000` makes so many changes to each sample.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "mutations/actors.rs"]
mod actors;
#[path = "fuzz/allocation.rs"]
mod allocation;
#[path = "fuzz/mutation.rs"]
mod mutation;
#[path = "records/sample.rs"]
mod sample;
#[path = "mutations/tree.rs"]
mod tree;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

use heroku_deprovisioner::sources::record_file::RecordFile;
use heroku_deprovisioner::sources::{Format, Reading, Record, Rules, Verdict, read};

use actors::{MARK, MARK_NUMBER, is_actor, mark};
use mutation::Mutator;
use sample::samples;
use tree::Tree;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

/// Changes to each sample: half of them by bytes, half in its structure.
const MUTATIONS: usize = 1_000;

/// Changes by bytes to one value before it is begun anew.
const GENERATIONS: usize = 8;

const LENGTH_MAX: usize = 16 * 1024;

/// What the page of mappings shows: the one format of which no sample lies in the folder.
const MAPPING_PAGE: &str = include_str!("../docs/sources/mapping.md");

/// A record, how it is read, and how it is changed.
struct Case {
    name: String,
    rules: Rules,
    record: RecordFile,
    value: Vec<u8>,
    /// With the mark wherever the format says who acted; none where the value is signed.
    marked: Option<Tree>,
}

/// What came of the changes to one sample.
#[derive(Default)]
struct Tally {
    structural: usize,
    /// Records changed in their structure that still say something of somebody.
    telling: usize,
    /// Most bytes of memory that one of them took.
    memory: usize,
}

fn cases() -> Vec<Case> {
    let samples = samples().into_iter().map(|sample| (sample.file.clone(), sample.rules(), sample.record()));
    let mapping = serde_json::json!({
        "elements": "/changes", "id": "/employee/number", "emails": ["/employee/work_mail"], "action": "/kind",
        "time": "record:/sent_at", "effective": "/last_day", "event_id": "/uuid", "tenant": "record:/company",
        "actions": {"contract.ended": "deprovision", "phone.changed": "ignore"}, "otherwise": "refuse",
    });
    let rules = Rules {
        format: Format::Mapping,
        tenant: Some("larkspur".to_owned()),
        mapping: Some(serde_json::from_value(mapping).unwrap()),
        ..Rules::auto()
    };
    let (_, rest) = MAPPING_PAGE.split_once("```json\n").unwrap();
    let value = rest.split_once("```").unwrap().0.as_bytes().to_vec();
    let of_page = RecordFile { value: Some(value), ..RecordFile::default() };
    let all = samples.chain([("mapping.md".to_owned(), rules, of_page)]);
    all.filter_map(|(name, rules, mut record)| {
        let value = record.value.take()?;
        let marked = Tree::read(&value).map(|mut tree| {
            assert_ne!(mark(&mut tree, rules.format), 0, "{name}: nothing says who acted");
            tree
        });
        Some(Case { name, rules, record, value, marked })
    })
    .collect()
}

impl Case {
    /// Reads a value in the place of the record's own, within what it may cost.
    fn read(&self, value: &[u8]) -> (Vec<Reading>, usize) {
        let record = RecordFile { value: Some(value.to_vec()), ..self.record.clone() };
        let headers = record.headers();
        let arrived_at = Some("2026-06-01T12:00:00Z".parse().unwrap());
        let record = Record { arrived_at, ..record.record(&headers) };
        allocation::bounded(value.len(), || allocation::measured(|| read(&record, &self.rules)))
    }

    fn written(&self, tree: &Tree) -> Vec<u8> {
        if self.rules.format == Format::SuccessFactors { tree.xml() } else { tree.json() }.into_bytes()
    }

    fn change(&self, others: &[Self], seed: u64, mutations: usize) -> Result<Tally, String> {
        let mut tally = Tally::default();
        let mut by = Mutator::new(seed);
        let mut bytes = Vec::new();
        let structural = if self.marked.is_some() { mutations / 2 } else { 0 };
        for number in 0..mutations - structural {
            if number % GENERATIONS == 0 || bytes.len() > LENGTH_MAX {
                bytes.clone_from(&self.value);
            }
            let other = &others[by.below(others.len())].value;
            by.change(&mut bytes, other);
            self.outcome(&bytes, &mut tally, |_| {})?;
        }
        for _ in 0..structural {
            let mut tree = self.marked.clone().unwrap();
            tree.change(&mut by, &|name| is_actor(self.rules.format, name));
            let mut telling = false;
            self.outcome(&self.written(&tree), &mut tally, |readings| {
                assert_no_actor(readings);
                telling = readings.iter().any(|reading| matches!(reading.verdict, Verdict::Event(_)));
            })?;
            tally.structural += 1;
            tally.telling += usize::from(telling);
        }
        Ok(tally)
    }

    fn outcome(&self, value: &[u8], tally: &mut Tally, judge: impl FnOnce(&[Reading])) -> Result<(), String> {
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let (readings, memory) = self.read(value);
            judge(&readings);
            memory
        }));
        let memory = judged.map_err(|why| {
            let text = why.downcast_ref::<String>().map(String::as_str);
            let why = text.or_else(|| why.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            format!("{}: {why}\n{} bytes:\n{}", self.name, value.len(), value.escape_ascii())
        })?;
        tally.memory = tally.memory.max(memory);
        Ok(())
    }
}

/// Whoever acted is nobody's subject, not even of what is ignored, and nobody's other address.
fn assert_no_actor(readings: &[Reading]) {
    for reading in readings {
        let (subject, change) = match &reading.verdict {
            Verdict::Event(event) => (&event.subject, event.identity_change.as_ref()),
            Verdict::Ignore { about: Some(about), .. } => (&about.subject, None),
            Verdict::Ignore { about: None, .. } | Verdict::Reject(_) => continue,
        };
        let said = serde_json::to_string(&(subject, change)).unwrap();
        assert!(!said.contains(MARK) && !said.contains(MARK_NUMBER), "{}: names who acted: {said}", reading.element);
    }
}

#[test]
fn every_format_is_changed() {
    let formats: BTreeSet<&str> = cases().iter().map(|case| case.rules.format.as_str()).collect();
    assert_eq!(formats, Format::names().collect());
}

/// Otherwise the changes would be changes of what is refused anyway.
#[test]
fn who_acted_changes_nothing_of_what_is_said() {
    let said = |readings: &[Reading]| -> Vec<Option<String>> {
        let of = |reading: &Reading| match &reading.verdict {
            Verdict::Event(event) => Some(serde_json::to_string(&(event.action, &event.subject)).unwrap()),
            Verdict::Ignore { .. } => None,
            Verdict::Reject(reject) => panic!("{reject:?}"),
        };
        readings.iter().map(of).collect()
    };
    for case in cases() {
        let Some(marked) = &case.marked else { continue };
        let readings = case.read(&case.written(marked)).0;
        assert_no_actor(&readings);
        assert_eq!(said(&readings), said(&case.read(&case.value).0), "{}", case.name);
    }
}

#[test]
fn changed_samples_name_nobody_who_acted() {
    let seed = setting("SEED").unwrap_or_else(fresh);
    let mutations = setting("MUTATIONS").map_or(MUTATIONS, |count| usize::try_from(count).unwrap());
    let cases = cases();
    let tallies: Vec<Result<Tally, String>> = std::thread::scope(|threads| {
        let all = &cases;
        let run = |case| threads.spawn(move || Case::change(case, all, seed, mutations));
        let runs: Vec<_> = cases.iter().map(run).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let failures: Vec<&String> = tallies.iter().filter_map(|tally| tally.as_ref().err()).collect();
    assert!(
        failures.is_empty(),
        "SEED={seed}\n{}",
        failures.iter().map(|it| it.as_str()).collect::<Vec<_>>().join("\n")
    );
    let tallies: Vec<Tally> = tallies.into_iter().flatten().collect();
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (structural, telling) = (sum(|tally| tally.structural), sum(|tally| tally.telling));
    let memory = tallies.iter().map(|tally| tally.memory).max().unwrap();
    // Past what the test harness keeps to itself of a test that passes.
    let told = format!(
        "{mutations} changes to each of {} samples, {telling} of {structural} in their structure still tell of somebody, \
         {memory} bytes of memory were the most: SEED={seed}\n",
        cases.len()
    );
    std::io::stderr().write_all(told.as_bytes()).unwrap();
    assert!(telling * 10 > structural, "hardly anything is read any more: {told}");
}

#[expect(clippy::disallowed_methods, reason = "a test is set by its environment")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a new seed at each run, printed")]
fn fresh() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}
