//! What must be true after every fault, and one line of the table for it:
//!
//! * every leaver's case has ended, once, and nothing is left of their access;
//! * nothing was told twice: no audit record, no end of a case, no removal of a grant;
//! * nobody else lost anything;
//! * each DELETE was named by an intent of its own that had been committed before. So one more than needed, an extra one, has
//!   an extra intent, and that is written only when what came of the first is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use heroku_deprovisioner::model::outcome::{Outcome, OutcomeRecord};

use super::super::stage::{assert_all_gone, closed, removals, revoked};
use super::company::{Company, GRANTS_EACH};

const HEADER: &str = "\
| fault                                          | times | leavers | ends | doubles | DELETEs | extra | wrong | unintended |
| ---------------------------------------------- | ----: | ------: | ---: | ------: | ------: | ----: | ----: | ---------: |";

/// One line of the table.
struct Row {
    fault: String,
    times: usize,
    leavers: usize,
    /// Ends of their cases that a reader of committed records sees.
    ends: usize,
    /// What was told more than once.
    doubles: usize,
    deletes: usize,
    /// More than one for one grant.
    extra: usize,
    /// Taken from somebody who stays, or not for a removal of access at all.
    wrong: usize,
    /// Without an intent of its own, committed before.
    unintended: usize,
}

/// Judges, prints and keeps the line of one fault, and fails if it is wrong.
pub(crate) fn judge(fault: &str, times: usize, company: &Company) {
    let outcomes = company.scene.outcomes();
    let row = row(fault, times, company, &outcomes);
    row.tell();
    let unintended = company.scene.unintended();
    assert_eq!(unintended, Vec::<String>::new());
    assert_eq!((row.ends, row.doubles, row.wrong), (row.leavers, 0, 0), "{fault}");
    assert!(row.deletes >= row.leavers * GRANTS_EACH, "{fault}: fewer removals than grants");
    let leavers: Vec<&str> = company.gone.iter().map(String::as_str).collect();
    assert_all_gone(&company.scene.simulator, &outcomes, &leavers);
}

fn row(fault: &str, times: usize, company: &Company, outcomes: &[OutcomeRecord]) -> Row {
    let requests = removals(&company.scene.simulator);
    let grants: BTreeSet<&str> = requests.iter().map(|request| request.path.as_str()).collect();
    let taken = requests.iter().flat_map(|request| &request.removed);
    let stays = taken.filter(|removed| !company.gone.contains(&removed.email)).count();
    let destructive = requests.iter().filter(|request| request.destructive).count();
    Row {
        fault: fault.to_owned(),
        times,
        leavers: company.gone.len(),
        ends: closed(outcomes).len(),
        doubles: doubles(outcomes),
        deletes: requests.len(),
        extra: requests.len() - grants.len(),
        wrong: stays + destructive,
        unintended: company.scene.unintended().len(),
    }
}

fn doubles(outcomes: &[OutcomeRecord]) -> usize {
    fn more_than_one<K: Ord>(keys: impl Iterator<Item = K>) -> usize {
        let mut seen = BTreeMap::new();
        keys.for_each(|key| *seen.entry(key).or_insert(0_usize) += 1);
        seen.values().map(|times| times - 1).sum()
    }
    let ended = outcomes.iter().filter(|record| matches!(record.data, Outcome::Closed(_)));
    more_than_one(outcomes.iter().map(|record| record.id))
        + more_than_one(ended.map(|record| record.case))
        + more_than_one(revoked(outcomes).into_iter().map(|revoked| revoked.grant.grant_id))
}

impl Row {
    /// On the screen, and in the file that CHAOS_TABLE names, from which the whole table is printed in the end.
    #[expect(clippy::disallowed_methods, reason = "where the table goes is no setting of the service")]
    fn tell(&self) {
        let Self { fault, times, leavers, ends, doubles, deletes, extra, wrong, unintended } = self;
        let line = format!(
            "| {fault:<46} | {times:>5} | {leavers:>7} | {ends:>4} | {doubles:>7} | {deletes:>7} | {extra:>5} | {wrong:>5} | {unintended:>10} |"
        );
        let told = format!("{HEADER}\n{line}\n");
        print!("{told}");
        if let Ok(table) = std::env::var("CHAOS_TABLE") {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(table).unwrap();
            file.write_all(told.as_bytes()).unwrap();
        }
    }
}
