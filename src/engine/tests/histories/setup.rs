//! What a history starts from: a Heroku, and what the configuration demands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::chance::Chance;
use super::lists::Sight;
use super::step::{NAMES_BY_ADDRESS, SOURCES, STATES_WHAT_IS};
use super::world::{CHIEF, Heroku, LEAVERS, LOOKALIKES, ME, PROTECTED, PSEUDO, Place, TEAMS, address};
use crate::engine::fixtures;
use crate::engine::policy::{OnReappeared, OnSuspended, Policy, SourcePolicy, Timing};
use crate::model::outcome::Mode;

/// Chosen by the seed, and the same however many steps are left out.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) seed: u64,
    pub(super) policy: Policy,
    pub(super) sight: Sight,
    pub(super) cascades: bool,
    pub(super) pool: u32,
    /// Whether one of the sources knows people by address alone.
    pub(super) names_by_address: bool,
    /// Whether another of them states what is, as a table does, and no change.
    pub(super) states_what_is: bool,
    admins: BTreeSet<(u8, u8)>,
    on_app_2: BTreeSet<u8>,
    in_space: BTreeSet<u8>,
}

/// The team that no source's word touches, in some histories.
pub(super) const OBSERVED_TEAM: u8 = 2;

impl Setup {
    pub(super) fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 1);
        let source = |mode, on_suspended| SourcePolicy {
            mode,
            max_event_age: Some(SignedDuration::from_hours(24 * 7)),
            zone: jiff::tz::TimeZone::UTC,
            on_suspended,
            unconfirmed: None,
        };
        let on_suspended = |chance: &mut Chance| {
            chance.one_of(&[OnSuspended::Hold, OnSuspended::Hold, OnSuspended::Ignore, OnSuspended::Remove])
        };
        let (hr, okta) = (on_suspended(&mut chance), on_suspended(&mut chance));
        let sources = [source(None, hr), source(None, okta), source(Some(Mode::Observe), OnSuspended::Hold)];
        let enterprise = chance.percent(40);
        let policy = Policy {
            sources: SOURCES.iter().map(|name| (*name).to_owned()).zip(sources).collect(),
            teams: if chance.percent(15) {
                BTreeMap::from([(format!("t{OBSERVED_TEAM}"), Mode::Observe)])
            } else {
                BTreeMap::new()
            },
            protected: BTreeSet::from([address(PROTECTED).clone()]),
            max_people_per_hour: chance.one_of(&[1, 2, 2, 3, 10]),
            max_people_per_day: chance.one_of(&[2, 3, 4, 25]),
            max_percent_of_team: chance.one_of(&[20, 50, 100, 100]),
            min_human_admins: if chance.percent(10) { 2 } else { 1 },
            enterprise_account: enterprise.then(|| "larkspur".to_owned()),
            expected_teams: if chance.percent(40) {
                TEAMS.map(|team| format!("t{team}")).collect()
            } else {
                Vec::new()
            },
            on_reappeared: chance.one_of(&[OnReappeared::Report, OnReappeared::Remove]),
            // A case that waits for days is looked at less often than in production, for the sake of speed alone.
            timing: Timing { hold_recheck: SignedDuration::from_mins(10), ..Timing::default() },
            ..fixtures::policy()
        };
        let sight = Sight { dark: BTreeSet::new(), permissions: chance.percent(60), enterprise };
        let mut admins = BTreeSet::new();
        for team in TEAMS {
            admins.extend(LEAVERS.filter(|_| chance.percent(30)).map(|person| (team, person)));
        }
        Self {
            seed,
            policy,
            sight,
            cascades: chance.percent(50),
            pool: if chance.percent(25) { chance.within(60, 120) } else { 4_500 },
            admins,
            on_app_2: LEAVERS.filter(|_| chance.percent(50)).collect(),
            in_space: LEAVERS.filter(|_| chance.percent(40)).collect(),
            names_by_address: chance.percent(30),
            states_what_is: chance.percent(30),
        }
    }

    /// The same where every source tells of changes.
    pub(super) fn without_tables(self) -> Self {
        Self { states_what_is: false, ..self }
    }

    pub(super) fn heroku(&self, at: Timestamp) -> Heroku {
        let mut heroku = Heroku::new(at, self.cascades);
        heroku.change(at, |world| {
            world.apps = BTreeMap::from([(1, 1), (2, 1), (3, 2), (4, 0)]);
            world.spaces = BTreeMap::from([(1, 1)]);
            world.owners = BTreeMap::from([(4, 2)]);
            world.pipelines = BTreeMap::from([(1, 3)]);
        });
        let role = |team, person| if self.admins.contains(&(team, person)) { "admin" } else { "member" };
        for team in TEAMS {
            heroku.give(at, Place::Team(team), ME, "admin");
            heroku.give(at, Place::Team(team), CHIEF, "admin");
        }
        for person in LEAVERS {
            heroku.give(at, Place::Team(1), person, role(1, person));
        }
        for person in [1, 2, PROTECTED] {
            heroku.give(at, Place::Team(2), person, role(2, person));
        }
        for person in [3, 4] {
            heroku.give(at, Place::Team(3), person, role(3, person));
        }
        heroku.give(at, Place::Invitation(2), 3, "member");
        heroku.give(at, Place::Invitation(3), 1, "admin");
        for person in LOOKALIKES {
            heroku.give(at, Place::Team(1), person, "member");
            heroku.give(at, Place::App(1), person, "collaborator");
        }
        heroku.give(at, Place::App(1), PSEUDO, "owner");
        for person in LEAVERS {
            heroku.give(at, Place::App(1), person, "collaborator");
        }
        for person in &self.on_app_2 {
            heroku.give(at, Place::App(2), *person, "collaborator");
        }
        // Some stand in the list of the second team because of its app alone.
        for person in [2, 4, 5] {
            heroku.give(at, Place::App(3), person, "collaborator");
        }
        heroku.give(at, Place::App(4), 2, "owner");
        heroku.give(at, Place::App(4), 5, "collaborator");
        heroku.give(at, Place::App(4), ME, "collaborator");
        for person in &self.in_space {
            heroku.give(at, Place::Space(1), *person, "view");
        }
        for person in [ME, CHIEF, 1, 3, PROTECTED] {
            heroku.give(at, Place::Enterprise, person, "view");
        }
        heroku.begins();
        heroku
    }

    pub(super) fn observed(&self, team: u8) -> bool {
        self.policy.teams.contains_key(&format!("t{team}"))
    }

    /// Whether a team that we are not in is missed.
    pub(super) fn expects(&self, team: u8) -> bool {
        self.policy.enterprise_account.is_some() || self.policy.expected_teams.contains(&format!("t{team}"))
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Policy { max_people_per_hour, max_people_per_day, max_percent_of_team, min_human_admins, .. } =
            &self.policy;
        writeln!(
            f,
            "Caps: {max_people_per_hour} people an hour, {max_people_per_day} a day, {max_percent_of_team} % of a team; a team keeps {min_human_admins} human admins."
        )?;
        for (name, source) in &self.policy.sources {
            writeln!(
                f,
                "Source {name}: mode {:?}, suspended people: {:?}.",
                source.mode.unwrap_or(self.policy.mode),
                source.on_suspended
            )?;
        }
        let admins: Vec<String> = self.admins.iter().map(|(team, person)| format!("p{person} of t{team}")).collect();
        writeln!(f, "Admins besides p{CHIEF} and the service, where they are members: {}.", admins.join(", "))?;
        if !self.policy.teams.is_empty() {
            writeln!(f, "Team t{OBSERVED_TEAM} is in observe mode.")?;
        }
        let expected = match (self.sight.enterprise, self.policy.expected_teams.is_empty()) {
            (true, _) => "those of the enterprise account",
            (false, true) => "what is visible",
            (false, false) => "t1, t2, t3 by name",
        };
        if self.names_by_address {
            writeln!(f, "Source {} knows people by their address alone.", SOURCES[usize::from(NAMES_BY_ADDRESS)])?;
        }
        if self.states_what_is {
            writeln!(f, "Source {} states what is, and no change.", SOURCES[usize::from(STATES_WHAT_IS)])?;
        }
        writeln!(f, "Expected teams: {expected}. Removing a member cascades: {}. Budget: {}.", self.cascades, self.pool)
    }
}
