//! What may happen in a history, each as a sentence.

use std::fmt;

use super::lists::Lie;
use super::world::{HIRED, Place};
use crate::model::event::Action;
use crate::model::world::Reply;

/// Names of the sources. The last one only observes.
pub(super) const SOURCES: [&str; 3] = ["hr", "okta", "trial"];
pub(super) const OBSERVING: u8 = 2;
/// The one that knows people by address alone, in some histories.
pub(super) const NAMES_BY_ADDRESS: u8 = 1;
/// The one that states what is, in some histories.
pub(super) const STATES_WHAT_IS: u8 = 0;

/// One thing that happens. Nothing in it depends on the steps before, so that any of them can be left out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// A source says something of somebody.
    Say(Word),
    /// A record of the events topic comes again; the number counts back from the last.
    Again(u8),
    /// Somebody orders something.
    Order(Order),
    /// Time passes, in seconds.
    Pass(u32),
    /// One turn.
    Turn,
    /// The process dies and is started again so many seconds later.
    Die { point: Point, down: u32 },
    /// Another instance takes over; what this one has sent arrives so many seconds late.
    Takeover { late: u32 },
    /// One of the next requests goes wrong, so many times.
    Fault { fault: Fault, times: u8 },
    /// Others change something on Heroku.
    Change(Change),
    /// Heroku's mood changes.
    Mood(Mood),
    /// The clock is set, by so many seconds.
    Clock(i32),
    /// The service is started anew with a configuration by which every source enforces.
    Enforces,
}

/// What a source says of one person.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    /// Founds the event id.
    pub(super) id: u16,
    pub(super) source: u8,
    /// The person, by number.
    pub(super) subject: u8,
    /// Number of the address in it; 0 = none.
    pub(super) address: u8,
    /// The address that it replaces; 0 = none.
    pub(super) replaces: u8,
    pub(super) action: Action,
    pub(super) when: When,
    /// How long ago it happened, in seconds.
    pub(super) ago: u32,
    pub(super) urgent: bool,
    pub(super) synthetic: bool,
}

impl Word {
    /// What the source calls the person.
    pub(super) fn name(&self, by_address: bool) -> String {
        if self.source != NAMES_BY_ADDRESS || !by_address {
            return self.subject.to_string();
        }
        let own = if self.subject > HIRED { self.subject - HIRED } else { self.subject };
        let number = [self.replaces, self.address].into_iter().find(|number| *number > 0).unwrap_or(own);
        super::world::address(number).expose().to_owned()
    }
}

/// When it takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    AsStated,
    InMinutes(i32),
    /// At the end of the day so many days ahead, in the zone of the source or of Stockholm.
    OnDay {
        days: u8,
        stockholm: bool,
    },
    /// A date in a zone that nobody knows.
    Nowhere,
}

/// Where a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// Nothing of its last turn is committed.
    BeforeCommit,
    /// All of it is committed, none of it carried out.
    AfterCommit,
    /// Its requests have left.
    AfterSending,
}

/// What people order. Numbers choose among the cases that it can concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Pause,
    Resume,
    Approve { which: u8, plan: Plan },
    Enforce(u8),
    Cancel(u8),
    Retry(u8),
}

/// Which plan an approval names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// The one there is.
    Current,
    /// That of all held cases together.
    OfAll,
    /// The one there was when the case was held first.
    Stale,
}

/// How a request goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// A removal is answered so; whether it has its effect all the same.
    Removal(Reply, bool),
    /// A list of a scan or of a read is wrong; which, by number.
    List(u8, Lie),
}

/// What others do on Heroku.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Give(Place, u8, &'static str),
    Take(Place, u8),
    Role(u8, u8, &'static str),
    Accept(u8, u8),
    /// The account is renamed to its new address, or back.
    Rename(u8),
    /// The account's address goes to the newly hired one.
    Recycle(u8),
    /// A second account carries the address too.
    Double(u8),
}

/// How Heroku is for the time being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Lists show what was so many seconds ago.
    Lag(u8),
    /// Requests take up to so many milliseconds.
    Slow(u16),
    /// The lists of a team cannot be read.
    Dark(u8),
    /// Every team can be read again.
    Light,
    /// Others have used all but so many of the account's tokens.
    Drained(u16),
    /// The account is refused as a whole, or no more.
    Stopped(bool),
}

/// `4 min`, `2 h`.
pub(super) fn span(seconds: u32) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `p3`, or `p21, hired with the address of p1`.
pub(super) fn person(number: u8) -> String {
    if number > HIRED && number < HIRED + 9 {
        format!("p{number} (hired later, with the address of p{})", number - HIRED)
    } else {
        format!("p{number}")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(word) => word.fmt(f),
            Self::Again(0) => write!(f, "The last record of the events topic comes again."),
            Self::Again(back) => write!(f, "Record number {back} before the last of the events topic comes again."),
            Self::Order(order) => order.fmt(f),
            Self::Pass(seconds) => write!(f, "{} pass.", span(*seconds)),
            Self::Turn => write!(f, "One turn."),
            Self::Enforces => {
                write!(f, "The source that only observed enforces from now on; the service is started anew.")
            }
            Self::Die { point, down } => {
                let point = match point {
                    Point::BeforeCommit => "A commit is lost and the process with it",
                    Point::AfterCommit => "A commit succeeds, but the process dies before it hears of it",
                    Point::AfterSending => "The process dies with its requests on their way",
                };
                write!(f, "{point}; another starts {} later.", span(*down))
            }
            Self::Takeover { late } => {
                write!(f, "Another instance takes over; what this one sent arrives up to {} late.", span(*late))
            }
            Self::Fault { fault: Fault::Removal(reply, effect), times } => {
                let effect = if *effect { "takes effect" } else { "has no effect" };
                write!(f, "The next removal ({times}×) {effect} and is answered {reply:?}.")
            }
            Self::Fault { fault: Fault::List(number, lie), times } => {
                write!(f, "List {number} of the next reading ({times}×) {lie}.")
            }
            Self::Change(change) => change.fmt(f),
            Self::Mood(mood) => mood.fmt(f),
            Self::Clock(seconds) if *seconds < 0 => {
                write!(f, "The clock is set back by {}.", span(seconds.unsigned_abs()))
            }
            Self::Clock(seconds) => write!(f, "The clock is set ahead by {}.", span(seconds.unsigned_abs())),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Deprovision => "has left",
            Action::Suspend => "is suspended",
            Action::Schedule => "will leave",
            Action::Cancel => "stays",
            Action::IdentityUpdate => "has a new name",
        };
        write!(f, "{} says (e{}): {} {action}", SOURCES[usize::from(self.source)], self.id, person(self.subject))?;
        match self.when {
            When::AsStated if self.action == Action::Schedule => write!(f, ", and not when")?,
            When::AsStated => {}
            When::InMinutes(minutes) if minutes < 0 => write!(f, ", since {} ago", span(minutes.unsigned_abs() * 60))?,
            When::InMinutes(minutes) => write!(f, ", in {}", span(minutes.unsigned_abs() * 60))?,
            When::OnDay { days, stockholm } => {
                write!(f, ", at the end of the day in {days} days{}", if stockholm { " in Stockholm" } else { "" })?;
            }
            When::Nowhere => write!(f, ", on a date in a zone that nobody knows")?,
        }
        if self.ago > 0 {
            write!(f, "; said {} ago", span(self.ago))?;
        }
        match self.address {
            0 => write!(f, "; no address")?,
            address if address != self.subject => write!(f, "; address {}", super::world::address(address).expose())?,
            _ => {}
        }
        if self.replaces > 0 {
            write!(f, " instead of {}", super::world::address(self.replaces).expose())?;
        }
        write!(f, "{}{}.", if self.urgent { "; urgent" } else { "" }, if self.synthetic { "; a test" } else { "" })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => write!(f, "Somebody orders a pause."),
            Self::Resume => write!(f, "Somebody ends the pause."),
            Self::Approve { which, plan: Plan::Current } => {
                write!(f, "Somebody approves the plan of held case {which}.")
            }
            Self::Approve { plan: Plan::OfAll, .. } => {
                write!(f, "Somebody approves the plan of all held cases together.")
            }
            Self::Approve { which, plan: Plan::Stale } => {
                write!(f, "Somebody approves the plan that held case {which} had at first.")
            }
            Self::Enforce(which) => write!(f, "Somebody orders that waiting plan {which} be enforced."),
            Self::Cancel(which) => write!(f, "Somebody cancels open case {which}."),
            Self::Retry(which) => write!(f, "Somebody orders open case {which} to be looked at now."),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Give(place, account, role) => {
                write!(f, "Others give {} a place in {place} ({role}).", person(*account))
            }
            Self::Take(place, account) => write!(f, "Others take {} out of {place}.", person(*account)),
            Self::Role(team, account, role) => write!(f, "Others make {} {role} of team t{team}.", person(*account)),
            Self::Accept(team, account) => write!(f, "{} accepts the invitation to team t{team}.", person(*account)),
            Self::Rename(account) => write!(f, "The Heroku account of {} changes its address.", person(*account)),
            Self::Recycle(account) => {
                write!(f, "The address of {} goes to the Heroku account of p{}.", person(*account), account + HIRED)
            }
            Self::Double(account) => {
                write!(f, "The Heroku account of p{} carries the address of {} too.", account + HIRED, person(*account))
            }
        }
    }
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lag(seconds) => write!(f, "From now on lists show what was {seconds} s ago."),
            Self::Slow(ms) => write!(f, "From now on requests take up to {ms} ms."),
            Self::Dark(team) => write!(f, "The lists of team t{team} are hidden (404)."),
            Self::Light => write!(f, "Every team can be read."),
            Self::Drained(left) => write!(f, "Others use the account's budget up to {left} requests."),
            Self::Stopped(true) => write!(f, "Heroku refuses the account as a whole."),
            Self::Stopped(false) => write!(f, "Heroku accepts the account."),
        }
    }
}
