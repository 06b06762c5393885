//! A failed history, told in as few steps as still fail.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::generate::steps;
use super::judge::{PANIC, Violation};
use super::play::History;
use super::setup::Setup;
use super::step::Step;
use super::tally::Tally;
use crate::model::outcome::{Outcome, OutcomeRecord};

/// Histories played while looking for a shorter one.
const TRIES: usize = 3_000;

/// Lines of the diary in a story.
const LINES_TOLD: usize = 40;

/// A record in one line.
pub(super) fn line(record: &OutcomeRecord) -> String {
    let what = match &record.data {
        Outcome::Progress(progress) => progress.summary.clone(),
        Outcome::Closed(closed) => closed.summary.clone(),
        Outcome::Revoked(revoked) => format!("{} of {}", revoked.grant.surface.as_str(), revoked.grant.parent.name()),
        Outcome::Look(look) => look.summary.clone(),
    };
    format!("case {:.4} {}: {what}", record.case.to_string(), record.kind.as_str())
}

pub(super) fn play(setup: &Setup, steps: &[Step]) -> Result<Tally, Violation> {
    let mut history = History::new(setup.clone());
    caught(|| history.play(steps))
}

/// A panic is a violation too.
fn caught(play: impl FnOnce() -> Result<Tally, Violation>) -> Result<Tally, Violation> {
    let played = catch_unwind(AssertUnwindSafe(play));
    played.unwrap_or_else(|why| {
        let text = why.downcast_ref::<String>().cloned();
        let text = text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation { oracle: PANIC, text: text.unwrap_or_default() })
    })
}

/// Leaves out whatever is not needed: halves first, single steps last, until none can go. What breaks must stay the same.
pub(super) fn shrink(setup: &Setup, found: &Violation, mut kept: Vec<Step>) -> (Vec<Step>, Violation) {
    let mut last = found.clone();
    let mut tries = 0;
    let mut chunk = kept.len().div_ceil(2);
    loop {
        let before = kept.len();
        let mut start = 0;
        while start < kept.len() && tries < TRIES {
            let end = (start + chunk).min(kept.len());
            let fewer: Vec<Step> = kept[..start].iter().chain(&kept[end..]).cloned().collect();
            tries += 1;
            match play(setup, &fewer) {
                Err(violation) if violation.kind() == found.kind() => {
                    kept = fewer;
                    last = violation;
                }
                Err(_) | Ok(_) => start = end,
            }
        }
        if tries >= TRIES || (chunk <= 1 && kept.len() == before) {
            return (kept, last);
        }
        chunk = chunk.div_ceil(2).max(1);
    }
}

/// The story of a history that failed.
pub(super) fn story(setup: &Setup, found: &Violation) -> String {
    let seed = setup.seed;
    let all = steps(setup);
    let (kept, violation) = shrink(setup, found, all.clone());
    let mut text = format!("History {seed} breaks a sentence: {found}\n\n{setup}\n");
    writeln!(text, "{} of its {} steps are enough:", kept.len(), all.len()).expect("a text");
    for (number, step) in kept.iter().enumerate() {
        writeln!(text, "{:>3}. {step}", number + 1).expect("a text");
    }
    let mut history = History::new(setup.clone());
    history.diary = Some(Vec::new());
    drop(caught(|| history.play(&kept)));
    let diary = history.diary.unwrap_or_default();
    writeln!(text, "\nWhat came of it, at last:").expect("a text");
    for line in &diary[diary.len().saturating_sub(LINES_TOLD)..] {
        writeln!(text, "  {line}").expect("a text");
    }
    write!(text, "\nThen: {violation}\nAgain: make histories N=1 SEED={seed}").expect("a text");
    text
}
