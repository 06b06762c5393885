//! What sources state of a person: who stays, who leaves and when, and which of it is new.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::{Identities, Person, Recognised};
use crate::model::event::{Action, NEWS, PersonEvent, SourceRef};

/// The newest thing that a source said about a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// The source's own time.
    pub at: Timestamp,
    /// The source's own position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// When the person leaves by it; absent = it says nothing of that, or that they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves_at: Option<Timestamp>,
    /// The person leaves by it, and nobody knows when.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undated: bool,
    /// What it says; absent in records of older releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Action>,
    /// Its source states what is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub level: bool,
    /// Since when the source says so, if it has said it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Statement {
    /// Whether a statement of what is, whose day is `effective` as far as that is known, says nothing new.
    fn is_repeated_by(&self, event: &PersonEvent, effective: Option<Timestamp>) -> bool {
        let suspended = self.said == Some(Action::Suspend);
        match event.action {
            Action::Suspend => suspended,
            _ if suspended => false,
            // A row that still says "active" long after the day in it was to come, and not that they were back.
            Action::Cancel if event.effective.is_some() && self.said == Some(Action::Schedule) => {
                self.leaves_at == effective
            }
            Action::Cancel => self.leaves_at.is_none() && !self.undated,
            Action::Deprovision if event.effective.is_none() => {
                self.leaves_at.is_some_and(|known| known <= event.occurred_at)
            }
            Action::Deprovision | Action::Schedule => {
                self.leaves_at == effective && self.undated == effective.is_none()
            }
            Action::IdentityUpdate => false,
        }
    }
}

/// A statement that somebody stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stay {
    /// The source's own time.
    pub at: Timestamp,
    /// Who said it.
    pub stated_by: SourceRef,
}

/// The newest thing that was said of one employment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Engagement {
    /// When it ends; absent = it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Who said it.
    pub stated_by: SourceRef,
}

/// Whether an event names the day, and that is no history.
fn names_a_day(event: &PersonEvent, day: Option<Timestamp>) -> bool {
    event.effective.is_some() && day.is_some_and(|day| event.occurred_at.duration_since(day) <= NEWS)
}

/// The employment that an event speaks of, among those of all sources.
pub fn engagement_key(event: &PersonEvent) -> Option<String> {
    let id = event.subject.engagement_id.as_ref()?;
    Some(format!("{}:{}:{id}", event.source.system, event.source.tenant))
}

impl Identities {
    /// Whether somebody of whom nothing is known is said to have left before, or nobody knows when. A table is full of
    /// those; not even their names are learned, which may be somebody else's by now.
    pub fn is_history(&self, event: &PersonEvent, effective: Option<Timestamp>) -> bool {
        let has_left = match event.action {
            Action::Deprovision => true,
            Action::Schedule | Action::Suspend | Action::Cancel | Action::IdentityUpdate => false,
        };
        let known = self.called(&event.subject.person_key, event.occurred_at).is_some();
        event.level && has_left && !known && !names_a_day(event, effective)
    }
}

impl Person {
    /// What speaks against a departure from `engagement` that was stated at `stated`: a later statement that the person
    /// stays, or another employment that goes on after `at`. Whoever leaves without a word of which employment leaves all.
    pub fn remains_because(
        &self,
        engagement: Option<&str>,
        stated: Timestamp,
        at: Timestamp,
    ) -> Option<(&SourceRef, &'static str)> {
        if let Some(stay) = self.stays.as_ref().filter(|stay| stated < stay.at) {
            return Some((&stay.stated_by, "a source said later that the person stays"));
        }
        let goes_on = |known: &&Engagement| known.ends.is_none_or(|ends| at < ends);
        let other = self.others(engagement?).find(goes_on)?;
        Some((&other.stated_by, "another engagement of the person goes on"))
    }

    /// Whether somebody said after `at` that the person leaves, and did not say which employment.
    pub(super) fn leaves_all_after(&self, at: Timestamp) -> bool {
        let whole = self.statements.iter().filter(|(of, _)| !self.engagements.contains_key(*of));
        whole
            .map(|(_, it)| it)
            .any(|it| it.at > at && it.said != Some(Action::Suspend) && (it.leaves_at.is_some() || it.undated))
    }

    /// Whether by a source that states what is they were there: what it says next is compared with that.
    pub(super) fn is_known_to_stay(&self) -> bool {
        self.statements.values().any(|it| it.level && it.leaves_at.is_none())
    }

    /// Whether some of these sources says that the person has left by `now`, and nobody has said anything else since.
    pub fn has_left(&self, sources: &BTreeSet<String>, now: Timestamp) -> bool {
        let newest = |left: bool| {
            let says = |(source, it): &(&String, &Statement)| {
                it.leaves_at.is_some_and(|at| at <= now) == left && (!left || sources.contains(*source))
            };
            self.statements.iter().filter(says).map(|(_, it)| it.since.unwrap_or(it.at)).max()
        };
        newest(true) > newest(false)
    }

    /// The newest thing that one of these sources said.
    pub(super) fn newest_of(&self, sources: &BTreeSet<String>) -> Option<&Statement> {
        let theirs = self.statements.iter().filter(|(source, _)| sources.contains(*source));
        theirs.map(|(_, statement)| statement).max_by_key(|it| it.since.unwrap_or(it.at))
    }

    /// Takes in a statement that was not heard before.
    pub(super) fn take_statement(&mut self, event: &PersonEvent, effective: Option<Timestamp>, found: &mut Recognised) {
        // A change of names says nothing about staying or leaving, so it makes no such statement old.
        let of_names = match event.action {
            Action::IdentityUpdate => true,
            Action::Deprovision | Action::Suspend | Action::Schedule | Action::Cancel => false,
        };
        // Nor does a test.
        if of_names || event.synthetic {
            return;
        }
        // What is said of one employment makes nothing old that is said of another.
        let source = format!("{}:{}", event.source.system, event.source.tenant);
        let engagement = engagement_key(event);
        let spoken_of = engagement.as_ref().unwrap_or(&source);
        found.stale = [&source, spoken_of].into_iter().filter_map(|of| self.statements.get(of)).any(|newest| {
            event.occurred_at < newest.at
                || (event.occurred_at == newest.at && newest.sequence.is_some() && event.sequence < newest.sequence)
        });
        if found.stale {
            return;
        }
        let known = self.statements.get(spoken_of);
        let (leaves_at, undated) = match event.action {
            Action::Deprovision | Action::Schedule => (effective, effective.is_none()),
            // Who is suspended has not come back, and a day that was told holds.
            Action::Suspend => known.map_or((Some(event.occurred_at), false), |known| (known.leaves_at, known.undated)),
            Action::Cancel | Action::IdentityUpdate => (None, false),
        };
        // Of somebody not heard of before it is not known whether anything changed, unless they are to leave: on the day
        // that is named, or on one that nobody knows.
        let repeated = |known: &Statement| known.is_repeated_by(event, effective);
        found.unchanged = event.level && known.map_or_else(|| !names_a_day(event, leaves_at) && !undated, repeated);
        let since = known.filter(|_| found.unchanged).map(|known| known.since.unwrap_or(known.at));
        let sequence = event.sequence.clone();
        let (at, said, level) = (event.occurred_at, Some(event.action), event.level);
        let statement = match known.filter(|_| found.unchanged && event.action == Action::Cancel) {
            Some(known) => Statement { at, sequence, level, since, ..known.clone() },
            None => Statement { at, sequence, leaves_at, undated, said, level, since },
        };
        self.statements.insert(spoken_of.clone(), statement);
        if found.unchanged {
            if let Some(engagement) = engagement {
                let known = Engagement { ends: leaves_at, stated_by: event.source.clone() };
                self.engagements.entry(engagement).or_insert(known);
            }
            return;
        }
        let ends = match event.action {
            Action::Cancel => None,
            Action::Deprovision | Action::Schedule => effective,
            // Not an end, and of names nothing comes here.
            Action::Suspend | Action::IdentityUpdate => {
                found.overruled =
                    self.remains_because(None, event.occurred_at, Timestamp::MAX).map(|(by, why)| (by.clone(), why));
                return;
            }
        };
        if let Some(engagement) = &engagement {
            self.engagements.insert(engagement.clone(), Engagement { ends, stated_by: event.source.clone() });
            found.leaves_at = effective.max(self.others(engagement).filter_map(|other| other.ends).max());
        }
        if event.action != Action::Cancel {
            let because = self.remains_because(engagement.as_deref(), event.occurred_at, Timestamp::MAX);
            found.overruled = because.map(|(by, why)| (by.clone(), why));
        } else if self.stays.as_ref().is_none_or(|known| known.at < event.occurred_at) {
            self.stays = Some(Stay { at: event.occurred_at, stated_by: event.source.clone() });
        }
    }

    fn others(&self, engagement: &str) -> impl Iterator<Item = &Engagement> {
        self.engagements.iter().filter(move |(id, _)| *id != engagement).map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::{event, policy};

    #[test]
    fn what_is_told_again_was_said_when_it_was_told_first() {
        let mut them = Identities::default();
        let mut told = |key: &str, day: &str, action, level| {
            let mut event = event(key, day, "a@larkspur.example");
            (event.action, event.level, event.occurred_at) = (action, level, day.parse().unwrap());
            let found = them.recognise(&event, Some(event.occurred_at), &policy());
            let sources = ["db", "hr"].map(|system| format!("{system}:larkspur")).into();
            let left = them.people[&found.person].has_left(&sources, "2026-06-01T00:00:00Z".parse().unwrap());
            (found.unchanged, left)
        };
        assert_eq!(told("db:larkspur:1", "2026-05-01T00:00:00Z", Action::Cancel, true), (true, false));
        assert_eq!(told("hr:larkspur:9", "2026-05-02T00:00:00Z", Action::Deprovision, false), (false, true));
        assert_eq!(told("db:larkspur:1", "2026-05-03T00:00:00Z", Action::Cancel, true), (true, true));
        assert_eq!(told("db:larkspur:1", "2026-05-04T00:00:00Z", Action::Cancel, false), (false, false));
    }
}
