//! What differs from row to row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use heroku_deprovisioner::model::Email;
use heroku_deprovisioner::simulator::switches::SecondDelete;
use heroku_deprovisioner::simulator::{Switches, World};
use serde_json::{Value, json};

use super::company::{INES, PRIYA};

/// Something that may be one way or another.
pub(crate) struct Factor {
    /// A switch of the simulator as its file spells it, or one of `MORE`.
    pub(crate) name: &'static str,
    /// Its values, as JSON.
    pub(crate) values: &'static [&'static str],
}

const fn factor(name: &'static str, values: &'static [&'static str]) -> Factor {
    Factor { name, values }
}

const FLAG: &[&str] = &["false", "true"];
/// The same, the other one first: the first value is always the default.
const FLAG_ON: &[&str] = &["true", "false"];
const REFUSED: &[&str] = &[r#""invalid_params""#, r#""forbidden""#];

/// Not a switch: how the service is configured, what else goes wrong, and whether the worker is restarted.
const MORE: [&str; 3] = ["use_permissions_endpoint", "fault", "restart"];

pub(crate) const FACTORS: &[Factor] = &[
    factor("cascade_member_to_apps", FLAG),
    factor("cascade_collaborator_to_apps", FLAG_ON),
    factor("cascade_member_to_spaces", FLAG_ON),
    factor("cascade_enterprise_to_teams", FLAG),
    factor("last_admin_status", REFUSED),
    factor("owner_removal_status", &[r#""forbidden""#, r#""invalid_params""#]),
    factor("self_removal", &[r#""allowed""#, r#""invalid_params""#, r#""forbidden""#]),
    factor(
        "permissions_endpoint",
        &[r#""present""#, r#""forbidden""#, r#""not_found""#, r#""gone""#, r#""incomplete""#, r#""incomplete_users""#],
    ),
    factor("permissions_include_implicit", FLAG),
    factor("implicit_access_in_app_lists", FLAG),
    factor("implicit_access_removal", &[r#""invalid_params""#, r#""not_found""#, r#""no_effect""#]),
    factor("invitations_on_enterprise_teams", &[r#""not_found""#, r#""forbidden""#, r#""listed""#]),
    factor("invitations_need_variant", FLAG),
    factor("team_id_in_invitations_path", FLAG),
    factor("invitee_without_account", &[r#""placeholder""#, r#""null""#, r#""absent""#]),
    factor("account_id_as_member_id", FLAG),
    factor("collaborator_id_in_team_apps_path", FLAG),
    factor("email_match", &[r#""insensitive""#, r#""exact""#, r#""insensitive_untagged""#]),
    factor("read_lag_ms", &["0", "300"]),
    factor("second_delete", &[r#""not_found""#, r#""ok""#]),
    factor("delete_answer", &[r#""object""#, r#""empty""#, r#""no_content""#, r#""accepted""#]),
    factor("space_lists", &[r#""with_permission""#, r#""whole_team""#]),
    factor("admin_space_removal", &[r#""refused""#, r#""no_effect""#]),
    factor("space_change_after_leaving", &[r#""not_found""#, r#""ok""#]),
    factor("other_users", &[r#""shared_team""#, r#""everyone""#, r#""forbidden""#, r#""not_found""#]),
    factor("other_users_apps", &[r#""not_found""#, r#""shared_team""#, r#""everyone""#, r#""forbidden""#]),
    factor("own_apps", &[r#""personal_and_explicit""#, r#""all_visible""#]),
    factor(
        "page_sizes",
        &["{}", r#"{"team_members":1,"teams":2,"collaborators":1,"team_apps":1,"team_invitations":1}"#],
    ),
    factor("unpaged", &["[]", r#"["team_members","collaborators","spaces"]"#]),
    factor("range_above_maximum", &[r#""clamp""#, r#""refuse""#]),
    factor("not_modified_costs", FLAG_ON),
    factor("next_range_on_not_modified", FLAG),
    factor("retry_after", FLAG),
    factor("use_permissions_endpoint", FLAG),
    factor(
        "fault",
        &[r#""none""#, r#""answer_lost""#, r#""rate_limit""#, r#""failed_with_effect""#, r#""unauthorized""#],
    ),
    factor("restart", &[r#""never""#, r#""on_the_wire""#]),
];

/// Switches that stay as they are, each with the reason.
const LEFT_ALONE: [(&str, &str); 1] =
    [("expired_token_status", "a token that expires stops everything, whatever else is so; tests/service/faults.rs")];

/// One choice of everything.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) number: usize,
    pub(crate) switches: Switches,
    pub(crate) quick: bool,
    pub(crate) fault: String,
    pub(crate) restart: bool,
    /// The pause after a first removal that failed, in milliseconds.
    pub(crate) removal_retry_ms: i64,
    /// What differs from the first value of each factor.
    told: String,
}

impl Row {
    pub(crate) fn of(number: usize, choice: &[usize]) -> Self {
        let chosen: BTreeMap<&str, Value> = FACTORS
            .iter()
            .zip(choice)
            .map(|(factor, value)| (factor.name, serde_json::from_str(factor.values[*value]).unwrap()))
            .collect();
        let switches = chosen.iter().filter(|(name, _)| !MORE.contains(name));
        let switches = switches.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let word = |name: &str| chosen[name].as_str().unwrap().to_owned();
        let told = FACTORS.iter().zip(choice).filter(|(_, value)| **value > 0);
        let told: Vec<String> =
            told.map(|(factor, value)| format!("\"{}\": {}", factor.name, factor.values[*value])).collect();
        Self {
            number,
            switches: serde_json::from_value(Value::Object(switches)).unwrap(),
            quick: chosen["use_permissions_endpoint"].as_bool().unwrap(),
            fault: word("fault"),
            restart: word("restart") != "never",
            removal_retry_ms: 500,
            told: told.join(", "),
        }
    }

    /// A row that differs from the first values of all factors in these alone, and repeats no removal before everything
    /// else that a refusal held up may go out.
    pub(crate) fn that_differs(in_these: &[(&str, &str)]) -> Self {
        let place = |factor: &Factor| {
            let wanted = in_these.iter().find(|(name, _)| *name == factor.name);
            wanted.map_or(0, |(name, wanted)| {
                let place = factor.values.iter().position(|value| value.trim_matches('"') == *wanted);
                place.unwrap_or_else(|| panic!("{name} is never {wanted}"))
            })
        };
        let row = Self::of(usize::MAX, &FACTORS.iter().map(place).collect::<Vec<_>>());
        Self { removal_retry_ms: 4_000, ..row }
    }

    /// Somebody whom no request of the API can free of all access here: a team's admin, whose space permission cannot be
    /// cleared while they are in the team, stays behind when they leave it, and cannot be cleared afterwards. Such a
    /// case stays open and becomes overdue.
    pub(crate) fn never_ends(&self, addresses: &BTreeSet<Email>) -> bool {
        let stays_behind = !self.switches.cascade_member_to_spaces
            && self.switches.space_change_after_leaving == SecondDelete::NotFound;
        stays_behind && addresses.iter().any(|address| address.expose() == INES)
    }

    /// Whoever never heard that a request took effect, and reads a list that lags, asks once more.
    pub(crate) fn may_ask_again(&self) -> bool {
        self.switches.read_lag_ms > 0 && (self.restart || ["answer_lost", "failed_with_effect"].contains(&&*self.fault))
    }

    /// The fault, as the simulator takes it. What puts a removal off hits the change of a space too, whose second attempt
    /// is slow: whatever leaves beside it arrives before it.
    pub(crate) fn faults(&self, world: &World) -> Value {
        let second = |then: Value| json!([{"when": {"method": "DELETE", "skip": 1, "times": 1}, "then": [then]}]);
        let priya = world.account_at(PRIYA).expect("she is on Heroku").id;
        let space_too = |then: Value| {
            let path = format!("/spaces/*/members/{priya}");
            json!([{"when": {"method": "DELETE", "skip": 1, "times": 1}, "then": [then]},
                {"when": {"method": "PATCH", "path": path, "times": 1}, "then": [then]},
                {"when": {"method": "PATCH", "path": path, "skip": 1, "times": 1}, "then": [{"delay_ms": 300}]}])
        };
        match self.fault.as_str() {
            "none" => json!([]),
            "answer_lost" => second(json!("cut_after_effect")),
            "rate_limit" => space_too(json!({"error": "rate_limit"})),
            "unauthorized" => space_too(json!({"error": "unauthorized"})),
            "failed_with_effect" => second(json!({"answer_after_effect": {"status": 502}})),
            other => panic!("no such fault: {other}"),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SWITCHES_ROW={} cargo test --test switches\n  {{{}}}", self.number, self.told)
    }
}

#[test]
fn every_switch_is_played() {
    let Value::Object(switches) = serde_json::to_value(Switches::default()).unwrap() else { unreachable!() };
    let played: BTreeSet<&str> = FACTORS.iter().map(|factor| factor.name).collect();
    let left_alone: BTreeSet<&str> = LEFT_ALONE.iter().map(|(name, _)| *name).collect();
    let known: BTreeSet<&str> = switches.keys().map(String::as_str).chain(MORE).collect();
    assert_eq!(played.union(&left_alone).copied().collect::<BTreeSet<_>>(), known);
    assert!(played.is_disjoint(&left_alone));
    for factor in FACTORS.iter().filter(|factor| !MORE.contains(&factor.name)) {
        let first: Value = serde_json::from_str(factor.values[0]).unwrap();
        assert_eq!(first, switches[factor.name], "the first value of {} is the default", factor.name);
    }
}

/// The table of the page has every value of every switch.
#[test]
fn every_value_is_played() {
    const PAGE: &str = include_str!("../../docs/simulator.md");
    for factor in FACTORS.iter().filter(|factor| !MORE.contains(&factor.name)) {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{}` |", factor.name)));
        let values = row.unwrap_or_else(|| panic!("{} is not on the page", factor.name)).split('|').nth(2).unwrap();
        let words: BTreeSet<&str> = values.split('`').skip(1).step_by(2).collect();
        let played: BTreeSet<&str> = factor.values.iter().map(|value| value.trim_matches('"')).collect();
        // Numbers and lists are open.
        if words.iter().all(|word| word.starts_with(|it: char| it.is_ascii_lowercase())) {
            assert_eq!(words, played, "{}", factor.name);
        }
    }
}
