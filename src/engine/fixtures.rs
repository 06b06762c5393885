//! Events and a policy for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::policy::{OnReappeared, OnSuspended, Policy, SourcePolicy, Timing};
use crate::model::event::PersonEvent;
use crate::model::outcome::Mode;

/// A departure on 2026-05-29 of the person that `key` names.
pub(crate) fn event(key: &str, id: &str, address: &str) -> PersonEvent {
    let mut parts = key.splitn(3, ':');
    let (system, tenant) = (parts.next().unwrap(), parts.next().unwrap());
    serde_json::from_value(serde_json::json!({
        "schema_version": 1, "action": "deprovision", "occurred_at": "2026-05-29T14:00:00Z",
        "subject": {"person_key": key, "emails": [{"value": address, "kind": "work"}]},
        "source": {"system": system, "tenant": tenant, "event_type": "left", "event_id": id},
    }))
    .unwrap()
}

/// Enforces everything that the source `hr` says about people of larkspur.example.
pub(crate) fn policy() -> Policy {
    let source = SourcePolicy {
        mode: None,
        max_event_age: Some(SignedDuration::from_hours(24 * 7)),
        zone: TimeZone::UTC,
        on_suspended: OnSuspended::Hold,
        unconfirmed: None,
    };
    Policy {
        mode: Mode::Enforce,
        sources: BTreeMap::from([("hr".to_owned(), source)]),
        teams: BTreeMap::new(),
        company_domains: BTreeSet::from(["larkspur.example".to_owned()]),
        addresses: Arc::default(),
        protected: BTreeSet::new(),
        deadline: SignedDuration::from_hours(24),
        deadline_urgent: SignedDuration::from_hours(1),
        max_open_cases: 10_000,
        max_people_per_hour: 10,
        max_people_per_day: 25,
        max_percent_of_team: 100,
        on_reappeared: OnReappeared::Report,
        hold_owner: None,
        min_human_admins: 1,
        enterprise_account: None,
        expected_teams: Vec::new(),
        excluded_teams: BTreeMap::new(),
        timing: Timing::default(),
    }
}
