//! An engine that takes what was decoded: a record that reads well and then stops the worker would stop it again after
//! every restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heroku_deprovisioner::engine::policy::{OnReappeared, OnSuspended, Policy, SourcePolicy, Timing};
use heroku_deprovisioner::engine::record::StateRecord;
use heroku_deprovisioner::engine::{Engine, Input};
use heroku_deprovisioner::model::outcome::{ExecutedBy, Mode};
use heroku_deprovisioner::model::world::Account;
use heroku_deprovisioner::model::{AccountId, Email};
use heroku_deprovisioner::wire::{outcome, read_outcome};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::assert_plain;

/// When the worker gets its first input.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_780_315_200).unwrap()
}

/// A policy that enforces what the source `hr` and the source `okta` say.
pub(super) fn policy() -> Policy {
    let source = |on_suspended| SourcePolicy {
        mode: None,
        max_event_age: Some(SignedDuration::from_hours(24 * 7)),
        zone: TimeZone::UTC,
        on_suspended,
        unconfirmed: None,
    };
    Policy {
        max_open_cases: 10_000,
        mode: Mode::Enforce,
        sources: BTreeMap::from([
            ("hr".to_owned(), source(OnSuspended::Hold)),
            ("okta".to_owned(), source(OnSuspended::Remove)),
        ]),
        teams: BTreeMap::new(),
        company_domains: BTreeSet::from(["larkspur.example".to_owned()]),
        addresses: Arc::default(),
        protected: BTreeSet::new(),
        deadline: SignedDuration::from_hours(24),
        deadline_urgent: SignedDuration::from_hours(1),
        max_people_per_hour: 10,
        max_people_per_day: 25,
        max_percent_of_team: 20,
        min_human_admins: 1,
        on_reappeared: OnReappeared::Remove,
        hold_owner: Some("it@larkspur.example".to_owned()),
        enterprise_account: None,
        expected_teams: vec!["larkspur-web".to_owned()],
        excluded_teams: BTreeMap::new(),
        timing: Timing::default(),
    }
}

/// An engine that knows nobody.
pub(super) fn engine() -> Engine {
    Engine::new(policy(), ExecutedBy::default())
}

/// Goes on with what the engine has for two days; whatever it writes can be read again.
pub(super) fn go_on(mut engine: Engine) {
    let us = Account { id: AccountId(Uuid::from_u128(200)), email: Email::as_reported("bot@larkspur.example") };
    turn(&mut engine, now());
    engine.handle(now(), Input::Account(us));
    for wait in [1, 60, 3_600, 24 * 3_600, 48 * 3_600] {
        let now = now().saturating_add(SignedDuration::from_secs(wait)).unwrap();
        engine.handle(now, Input::ScanFailed);
        turn(&mut engine, now);
    }
    engine.census();
    engine.lines();
}

fn turn(engine: &mut Engine, now: Timestamp) {
    engine.advance(now);
    engine.intend(now, 8, 8);
    let turn = engine.take_turn();
    for (key, value) in turn.state {
        let Some(value) = value else { continue };
        let again = StateRecord::decode(&key, &value).unwrap_or_else(|why| panic!("{key}: {why:?}"));
        assert_eq!(again.encode(), (key, value));
    }
    for record in turn.outcomes {
        let message = outcome(&record);
        let again = read_outcome(&message.value).unwrap_or_else(|why| panic!("{}: {why:?}", message.text()));
        assert_eq!(again, record);
        assert_plain("the key of an outcome", &message.key);
    }
}
