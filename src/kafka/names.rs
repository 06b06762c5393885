//! Names of topics, groups and transactional ids. One prefix stands before all of them, so one prefixed ACL covers all.

/// The one partition of `events`, `state` and `commands`.
pub const PARTITION: i32 = 0;

/// The names in one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNames {
    /// Canonical events with their origin.
    pub events: String,
    /// Everything the worker knows; compacted.
    pub state: String,
    /// What people ordered.
    pub commands: String,
    /// Audit records.
    pub outcomes: String,
    /// Refused records with the reason.
    pub dead_letters: String,
    /// Offboardings ordered by hand.
    pub requests: String,
    /// Group of the workers: one is active, the others stand by.
    pub worker_group: String,
    /// Group of the intakes.
    pub intake_group: String,
    /// The worker's transactional id: the same in every instance, which is what fences a predecessor.
    pub transactional_id: String,
}

impl TopicNames {
    /// The names under a prefix such as `heroku-deprovisioner.`.
    pub fn new(prefix: &str) -> Self {
        let name = |rest: &str| format!("{prefix}{rest}");
        Self {
            events: name("events"),
            state: name("state"),
            commands: name("commands"),
            outcomes: name("outcomes"),
            dead_letters: name("dead-letters"),
            requests: name("requests"),
            worker_group: name("worker"),
            intake_group: name("intake"),
            transactional_id: name(&format!("worker.{PARTITION}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_carries_the_prefix() {
        let names = TopicNames::new("acme.");
        for name in [
            &names.events,
            &names.state,
            &names.commands,
            &names.outcomes,
            &names.dead_letters,
            &names.requests,
            &names.worker_group,
            &names.intake_group,
            &names.transactional_id,
        ] {
            assert!(name.starts_with("acme."), "{name}");
        }
    }
}
