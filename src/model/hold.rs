//! Why something waits, and what lets it go on.

use serde::{Deserialize, Serialize};

/// Why a case, or one grant of it, waits. A closed list: each has a heading in the runbook and a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// An expected team, or a list of one, could not be read.
    CoverageIncomplete,
    /// Removing it would leave a team without a human admin.
    LastHumanAdmin,
    /// A cap on people per hour or day is reached, or more people wait at once than go in a day.
    LimitReached,
    /// Removals fail one after the other.
    CircuitOpen,
    /// One address leads to several accounts.
    AmbiguousAccount,
    /// The account behind the address is not the one bound first.
    AccountChanged,
    /// The event is older than the source's `max_event_age`.
    EventTooOld,
    /// The source's format is not confirmed, and no sample of the operator's own proves it.
    FormatUnconfirmed,
    /// The source says suspended, and its policy is to wait.
    Suspended,
    /// More grants than one plan may hold.
    PlanTooLarge,
    /// The person is named, their address is not known.
    UnresolvedPerson,
    /// The departure takes effect on a day that the source does not tell, or in a zone that nobody knows.
    UnknownDate,
    /// Somebody stopped all removals.
    Paused,
    /// What would go is not what was approved.
    PlanChanged,
}

impl HoldReason {
    /// All, for the runbook's headings and the metric's labels.
    pub const ALL: [Self; 14] = [
        Self::CoverageIncomplete,
        Self::LastHumanAdmin,
        Self::LimitReached,
        Self::CircuitOpen,
        Self::AmbiguousAccount,
        Self::AccountChanged,
        Self::EventTooOld,
        Self::FormatUnconfirmed,
        Self::Suspended,
        Self::PlanTooLarge,
        Self::UnresolvedPerson,
        Self::UnknownDate,
        Self::Paused,
        Self::PlanChanged,
    ];

    /// As it stands in records, metrics and the runbook.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CoverageIncomplete => "coverage_incomplete",
            Self::LastHumanAdmin => "last_human_admin",
            Self::LimitReached => "limit_reached",
            Self::CircuitOpen => "circuit_open",
            Self::AmbiguousAccount => "ambiguous_account",
            Self::AccountChanged => "account_changed",
            Self::EventTooOld => "event_too_old",
            Self::FormatUnconfirmed => "format_unconfirmed",
            Self::Suspended => "suspended",
            Self::PlanTooLarge => "plan_too_large",
            Self::UnresolvedPerson => "unresolved_person",
            Self::UnknownDate => "unknown_date",
            Self::Paused => "paused",
            Self::PlanChanged => "plan_changed",
        }
    }

    /// Whether a human's approval of the plan lets it go on.
    pub fn is_released_by_approval(self) -> bool {
        match self {
            Self::LimitReached | Self::EventTooOld | Self::FormatUnconfirmed | Self::Suspended | Self::PlanChanged => {
                true
            }
            Self::CoverageIncomplete
            | Self::LastHumanAdmin
            | Self::CircuitOpen
            | Self::AmbiguousAccount
            | Self::AccountChanged
            | Self::PlanTooLarge
            | Self::UnresolvedPerson
            | Self::UnknownDate
            | Self::Paused => false,
        }
    }

    /// What lets it go on.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::CoverageIncomplete => {
                "add the service's account to the unread team as admin, or list the team under heroku.excluded_teams with a reason; it is read again by itself"
            }
            Self::LastHumanAdmin => "make somebody else admin of the team; the case then goes on by itself",
            Self::LimitReached => {
                "by a cap it goes on by itself when the window allows, as one of a crowd only once approved; look at the plan, then run `heroku-deprovisioner cases approve` or `cases cancel`"
            }
            Self::CircuitOpen => {
                "goes on by itself: one removal is tried each minute; what Heroku answered stands in the attempts of the case (`heroku-deprovisioner cases show`)"
            }
            Self::AmbiguousAccount => {
                "find out on Heroku which account is the person's, and remove the address from the other"
            }
            Self::AccountChanged => {
                "check on Heroku who holds the address now; remove the old account's access by hand if it is theirs"
            }
            Self::EventTooOld => {
                "check that the person has left, then run `heroku-deprovisioner cases approve` or `cases cancel`"
            }
            Self::FormatUnconfirmed => {
                "look at the plan and approve it (`heroku-deprovisioner cases approve`); for good, name a record of your own in `sample` and `sample_says` of the source"
            }
            Self::Suspended => {
                "send a deprovision event when the person has left, or a cancel event when they are back"
            }
            Self::PlanTooLarge => "check the person: this many grants is more than one plan may hold (5,000)",
            Self::UnresolvedPerson => {
                "run `heroku-deprovisioner offboard ADDRESS`, or publish an event that carries the address"
            }
            Self::UnknownDate => "send a deprovision event once the person has left, or a schedule with a known zone",
            Self::Paused => "run `heroku-deprovisioner resume` once the cause of the stop is gone",
            Self::PlanChanged => "look at the plan again and approve it: `heroku-deprovisioner cases approve`",
        }
    }
}
