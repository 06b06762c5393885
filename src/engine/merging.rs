//! Two people turn out to be one: a source gives somebody whom it knows by an id the address under which others know
//! somebody. All that was the one's becomes the other's, in the transaction that accepts the event; a redirect stays.

use jiff::Timestamp;

use super::Engine;
use super::identity::{EVENTS_REMEMBERED, Identities, Person, Recognised};
use crate::model::{AddressRules, CaseId, Email, PersonId};

impl Identities {
    /// Merges the owner of an address into the person that the address is also said to be of, unless some source
    /// calls the two by different ids, or the person has lost the address before.
    pub(super) fn merge_owner(&mut self, email: &Email, into: PersonId, rules: &AddressRules, found: &mut Recognised) {
        let Some(gone) = self.owner(email, rules).filter(|owner| *owner != into) else { return };
        let person = &self.people[&into];
        let alike = person.subject_keys.iter().all(|key| self.may_be_same(gone, key));
        if !alike || rules.holds(&person.lost_addresses, email) {
            return;
        }
        self.unite(gone, into, found);
    }

    /// All that was the one's becomes the other's.
    pub(super) fn unite(&mut self, gone: PersonId, into: PersonId, found: &mut Recognised) {
        let redirect = Person { merged_into: Some(into), ..Person::new(gone) };
        let Some(other) = self.people.insert(gone, redirect) else { return };
        for (alias, owner) in self.aliases.iter_mut().filter(|(_, owner)| **owner == gone) {
            *owner = into;
            found.new_aliases.push(alias.clone());
        }
        self.people.get_mut(&into).expect("looked up above").absorb(other);
        found.merged.push(gone);
    }
}

impl Person {
    /// Whether an address is theirs, and not left behind.
    fn uses(&self, email: &Email) -> bool {
        self.addresses.contains(email) && !self.until.contains_key(email)
    }

    fn absorb(&mut self, other: Self) {
        self.until.retain(|email, _| !other.uses(email));
        let until = other.until.iter().filter(|(email, _)| !self.uses(email)).map(|(email, at)| (email.clone(), *at));
        self.until.extend(until.collect::<Vec<_>>());
        self.subject_keys.extend(other.subject_keys);
        self.former_keys.extend(other.former_keys);
        for at in other.spoken_of.iter().flat_map(|spoken_of| [spoken_of.first, spoken_of.last]) {
            self.note_mention(at);
        }
        self.addresses.extend(other.addresses);
        self.lost_addresses.extend(other.lost_addresses);
        self.lost_addresses.retain(|email| !self.addresses.contains(email));
        for (source, statement) in other.statements {
            let known = self.statements.entry(source).or_insert_with(|| statement.clone());
            if known.at < statement.at {
                *known = statement;
            }
        }
        if self.stays.as_ref().map(|stay| stay.at) < other.stays.as_ref().map(|stay| stay.at) {
            self.stays = other.stays;
        }
        self.engagements.extend(other.engagements);
        self.heard = self.heard.max(other.heard);
        self.events.extend(other.events);
        let surplus = self.events.len().saturating_sub(EVENTS_REMEMBERED);
        self.events.drain(..surplus);
    }
}

impl Engine {
    /// Cases and figures follow the person.
    pub(super) fn merge(&mut self, gone: PersonId, into: PersonId) {
        self.touch_person(gone);
        let mut moved: Vec<CaseId> = self.open_cases_of(gone);
        for id in &moved {
            self.cases.get_mut(id).expect("open cases are listed from the same map").person = into;
        }
        for digest in self.digests.values_mut().filter(|digest| digest.person == gone) {
            digest.person = into;
            moved.push(digest.id);
        }
        moved.into_iter().for_each(|id| self.touch_case(id));
        // The caps count a human once, as of when they were seen to begin last.
        if let Some(begun) = self.windows.begun.remove(&gone) {
            let known = self.windows.begun.entry(into).or_insert_with(|| begun.clone());
            known.at = known.at.max(begun.at);
            self.touch_windows();
        }
        for team in self.windows.teams.values_mut() {
            if let Some(at) = team.begun.remove(&gone) {
                let known = team.begun.entry(into).or_insert(at);
                *known = at.max(*known);
            }
        }
    }

    /// What was said of the one half speaks against the cases of the other too.
    pub(super) fn hear_both(&mut self, now: Timestamp, person: PersonId) {
        for id in self.open_cases_of(person) {
            let case = &self.cases[&id];
            let known = &self.identities.people[&person];
            let against = known.remains_because(case.engagement.as_deref(), case.stated_at, Timestamp::MAX);
            let against = against.map(|(by, _)| (by.clone(), Timestamp::MAX));
            // Later than one source's word, though not than another's.
            let stay = known.stays.as_ref().filter(|stay| case.dates.values().any(|date| date.stated <= stay.at));
            let Some((by, at)) = against.or_else(|| stay.map(|stay| (stay.stated_by.clone(), stay.at))) else {
                continue;
            };
            if !case.cause.contradicted_by.contains(&by) {
                self.speak_against(now, id, &by, at);
            }
        }
    }
}
