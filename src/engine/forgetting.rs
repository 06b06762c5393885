//! People of whom nobody has spoken for long are forgotten, with every name that leads to them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::identity::Person;
use crate::model::PersonId;

/// So long after they were heard of last.
pub(super) const PERSON_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// So many at once, and as many that an older release wrote without a time.
const AT_ONCE: usize = 100;

impl Engine {
    /// Forgets people of whom there is no case, and was none lately.
    pub(super) fn forget_people(&mut self, now: Timestamp) {
        let of_cases = self.cases.values().map(|case| case.person);
        let of_digests = self.digests.values().map(|digest| digest.person);
        let needed: BTreeSet<PersonId> = of_cases.chain(of_digests).chain(self.windows.begun.keys().copied()).collect();
        let kept = |person: &&Person| person.merged_into.is_none() && !person.is_known_to_stay();
        let people = || self.identities.people.values().filter(kept);
        let undated: Vec<PersonId> =
            people().filter(|person| person.heard.is_none()).map(|person| person.id).take(AT_ONCE).collect();
        let old = |person: &&Person| person.heard.is_some_and(|heard| now.duration_since(heard) > PERSON_KEPT);
        let old = people().filter(old).map(|person| person.id).filter(|id| !needed.contains(id));
        let mut gone: BTreeSet<PersonId> = old.take(AT_ONCE).collect();
        for id in undated {
            if let Some(person) = self.identities.people.get_mut(&id) {
                person.heard = Some(now);
                self.touch_person(id);
            }
        }
        if gone.is_empty() {
            return;
        }
        // Those who turned out to be them; one may have led to the next.
        loop {
            let before = gone.len();
            let leads = |person: &&Person| person.merged_into.is_some_and(|into| gone.contains(&into));
            let redirects: Vec<PersonId> = self.identities.people.values().filter(leads).map(|it| it.id).collect();
            gone.extend(redirects);
            if gone.len() == before {
                break;
            }
        }
        let names = self.identities.aliases.iter().filter(|(_, person)| gone.contains(person));
        for alias in names.map(|(alias, _)| alias.clone()).collect::<Vec<_>>() {
            self.identities.aliases.remove(&alias);
            self.touch_alias(&alias);
        }
        for id in gone {
            self.identities.people.remove(&id);
            self.touch_person(id);
        }
    }
}
