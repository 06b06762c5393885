//! The brokers forget what the groups have read, as they do when a group has no member for a week. The worker goes on at its
//! own position; the intake begins where its configuration says, and the worker knows what it has had already.

use super::super::bench::Bench;
use super::company::{Company, Supervised, until_all_ended};
use super::{rounds, verdict};

#[test]
fn offsets_of_the_groups_forgotten() {
    const FAULT: &str = "offsets of the groups expired";
    let Some(bench) = Bench::new("offsets_of_the_groups_forgotten") else { return };
    let (worker, intake) = (bench.names.worker_group.clone(), bench.names.intake_group.clone());
    let events = bench.names.events.clone();
    let mut company = Company::found(bench);
    let mut one = [Supervised::start_directly(&company, "one")];
    company.leave(2);
    until_all_ended(&company, &mut one);
    let times = rounds(1, 5);
    for round in 0..times {
        let [running] = one;
        running.stop();
        // In the middle of a case, too: its events are accepted, and not read again by the worker.
        company.leave(1);
        company.scene.bench.delete_group(&worker);
        if round % 2 == 0 {
            company.scene.bench.delete_group(&intake);
        }
        assert_eq!(company.scene.bench.group_offset(&worker, &events), None, "it was forgotten");
        one = [Supervised::start_directly(&company, "one")];
        until_all_ended(&company, &mut one);
        let says = format!("The group has no offset of {events}; the state says");
        assert_eq!(one[0].told().matches(&says).count(), round + 1, "{}", one[0].told());
        let says = format!("Group {intake} has no offset of ");
        assert_eq!(one[0].told().matches(&says).count(), round / 2 + 1, "{}", one[0].told());
    }
    verdict::judge(FAULT, times, &company);
    let [one] = one;
    one.stop();
}
