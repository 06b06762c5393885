//! A state topic that cannot be trusted: the service refuses, says why, and writes and removes nothing. It never starts from
//! nothing. What can be mended is mended, and everything goes on.

use std::time::Duration;

use super::super::bench::Bench;
use super::company::{Company, Supervised, until, until_all_ended};
use super::verdict;

/// How the worker says that it refuses.
const REFUSED: [&str; 2] = ["Nothing is done until somebody decides: ", "The state cannot be read: "];

#[test]
fn a_state_topic_that_cannot_be_trusted_is_refused() {
    let Some(bench) = Bench::new("a_state_topic_that_cannot_be_trusted_is_refused") else { return };
    let names = bench.names.clone();
    let state = names.state.as_str();
    let mut company = Company::found(bench);
    let mut one = Supervised::start_directly(&company, "one");
    company.leave(2);
    until_all_ended(&company, std::slice::from_mut(&mut one));

    // Records would be deleted by their age.
    one.instance().kill();
    company.leave(1);
    company.scene.bench.alter_topic(state, "cleanup.policy", "delete");
    one.start_again(&company, None);
    let status = one.instance().until_ended();
    assert_ne!(status.code(), Some(0));
    let told = one.told();
    assert!(told.contains("has cleanup.policy delete, and must have compact"), "{told}");
    company.scene.bench.alter_topic(state, "cleanup.policy", "compact");
    one.start_again(&company, None);
    until_all_ended(&company, std::slice::from_mut(&mut one));
    verdict::judge("state with another cleanup.policy: refused", 1, &company);

    // Somebody else wrote there.
    let stranger = "case/0190a8c4-0000-4000-8000-000000000001";
    one.instance().kill();
    company.scene.bench.send(state, &[(stranger, "no case")]);
    company.leave(1);
    refuses(&company, &mut one, stranger);
    company.scene.bench.send_tombstone(state, stranger);
    one.start_again(&company, None);
    until_all_ended(&company, std::slice::from_mut(&mut one));
    verdict::judge("an unreadable record in state: refused", 1, &company);

    // A part of it was deleted: the position is still there, and cases are not.
    one.instance().kill();
    company.leave(1);
    company.scene.bench.alter_topic(state, "cleanup.policy", "delete");
    company.scene.bench.delete_before(state, 7);
    company.scene.bench.alter_topic(state, "cleanup.policy", "compact");
    refuses(&company, &mut one, "before offset 7 were deleted: the state was lost");

    // All of it.
    company.scene.bench.alter_topic(state, "cleanup.policy", "delete");
    company.scene.bench.delete_before(state, -1);
    company.scene.bench.alter_topic(state, "cleanup.policy", "compact");
    refuses(&company, &mut one, "the state knows no position: the state was lost");

    // The groups' offsets as well: it looks like a first start, but for what was told.
    company.scene.bench.delete_group(&names.worker_group);
    company.scene.bench.delete_topic(state);
    refuses(&company, &mut one, "holds records");
}

/// Started, it says so, and neither writes nor removes anything; then it is killed.
fn refuses(company: &Company, one: &mut Supervised, why: &str) {
    let done = || (company.sent(), company.scene.outcomes().len());
    let before = done();
    // An earlier process has written to the same file.
    let read = one.told().len();
    one.start_again(company, None);
    let mut reason = None;
    until("it refuses", company, &mut [], || {
        let told = one.told();
        reason = told[read..].lines().find(|line| REFUSED.iter().any(|says| line.contains(says))).map(str::to_owned);
        reason.is_some()
    });
    let reason = reason.unwrap();
    println!("{reason}");
    assert!(reason.contains(why), "{reason}");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(done(), before, "it did something all the same");
    one.instance().kill();
}
