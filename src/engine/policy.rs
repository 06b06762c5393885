//! What the configuration demands of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::retry::RetryPolicy;
use crate::model::outcome::Mode;
use crate::model::{AddressRules, Email};

/// Every setting that decides something.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Of the installation; the strictest of here, source and team decides.
    pub mode: Mode,
    /// By configured source name; a source that is not here observes.
    pub sources: BTreeMap<String, SourcePolicy>,
    /// Mode by team name.
    pub teams: BTreeMap<String, Mode>,
    /// Only addresses in these domains name somebody who may be removed.
    pub company_domains: BTreeSet<String>,
    /// Which addresses are the same one.
    pub addresses: Arc<AddressRules>,
    /// Never touched; each the one that counts.
    pub protected: BTreeSet<Email>,
    /// From the later of effective and received.
    pub deadline: SignedDuration,
    /// The same for urgent events.
    pub deadline_urgent: SignedDuration,
    /// People whose removal may begin within an hour; 0 = hold everybody.
    pub max_people_per_hour: u32,
    /// People whose removal may begin within 24 hours; 0 = hold everybody.
    pub max_people_per_day: u32,
    /// How much of one team may begin to go within 24 hours, in percent of its members; at least two people may, 0 = hold
    /// everybody, 100 = no limit.
    pub max_percent_of_team: u32,
    /// What becomes of access that is back after the end of a case.
    pub on_reappeared: OnReappeared,
    /// Who looks after held cases.
    pub hold_owner: Option<String>,
    /// Open cases with which no more events are taken.
    pub max_open_cases: usize,
    /// Human admins that every team keeps.
    pub min_human_admins: u32,
    /// The configured enterprise account, whose list of teams says which to expect.
    pub enterprise_account: Option<String>,
    /// Names of teams expected besides.
    pub expected_teams: Vec<String>,
    /// Names of teams not looked at, with the reason.
    pub excluded_teams: BTreeMap<String, String>,
    /// Waits.
    pub timing: Timing,
}

/// What is demanded of one source.
#[derive(Debug, Clone)]
pub struct SourcePolicy {
    /// Absent = as the installation.
    pub mode: Option<Mode>,
    /// Older events are held; absent = no limit.
    pub max_event_age: Option<SignedDuration>,
    /// For dates without a zone.
    pub zone: TimeZone,
    /// What a suspension does.
    pub on_suspended: OnSuspended,
    /// What of its format nothing confirms: its plans wait for an approval.
    pub unconfirmed: Option<&'static str>,
}

/// What becomes of access that is back after the end of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReappeared {
    /// It is told.
    Report,
    /// It is told, and one new case removes it.
    Remove,
}

/// What a suspension does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSuspended {
    /// Nothing.
    Ignore,
    /// Opens a case that waits.
    Hold,
    /// The same as a departure.
    Remove,
}

/// How long things wait, and how often they are tried. The defaults are those of production; tests and the demo shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How old the parent list of a removal may be.
    pub freshness: SignedDuration,
    /// How long after a DELETE a list may still show the grant before it is tried again. Heroku's data is eventually
    /// consistent; its own Terraform provider polls for 10 s.
    pub read_lag: SignedDuration,
    /// How often a hold looks whether the world has changed.
    pub hold_recheck: SignedDuration,
    /// How long a proof of a list waits while other removals from the same list are still going out.
    pub proof_patience: SignedDuration,
    /// After a failed removal.
    pub removal_retry: RetryPolicy,
    /// After a failed or contradicting read.
    pub read_retry: RetryPolicy,
    /// After the deadline passed.
    pub overdue_retry: RetryPolicy,
    /// While Heroku refuses the account as a whole.
    pub account_probe: SignedDuration,
    /// While removals fail one after the other: how often one is tried.
    pub circuit_probe: SignedDuration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            freshness: SignedDuration::from_secs(30),
            read_lag: SignedDuration::from_secs(15),
            hold_recheck: SignedDuration::from_secs(60),
            proof_patience: SignedDuration::from_secs(10),
            removal_retry: RetryPolicy { first: SignedDuration::from_secs(2), most: SignedDuration::from_mins(5) },
            read_retry: RetryPolicy { first: SignedDuration::from_secs(1), most: SignedDuration::from_mins(2) },
            overdue_retry: RetryPolicy { first: SignedDuration::from_mins(5), most: SignedDuration::from_hours(1) },
            account_probe: SignedDuration::from_secs(30),
            circuit_probe: SignedDuration::from_mins(1),
        }
    }
}

/// Requests that may be on the wire at once.
pub const IN_FLIGHT_MAX: usize = 8;

/// More grants than this are held for a human to look at.
pub const PLAN_GRANTS_MAX: usize = 5_000;

impl Policy {
    /// The strictest of installation and source.
    pub fn source_mode(&self, source: &str) -> Mode {
        let source = self.sources.get(source).map_or(Mode::Observe, |source| source.mode.unwrap_or(self.mode));
        self.mode.min(source)
    }

    /// Whether the address is in a company domain.
    pub fn is_company(&self, email: &Email) -> bool {
        self.company_domains.contains(self.addresses.canonical(email).domain())
    }

    /// Whether the address is never touched.
    pub fn protects(&self, email: &Email) -> bool {
        self.protected.contains(&*self.addresses.canonical(email))
    }
}
