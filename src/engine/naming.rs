//! Keys that are addresses. Some feeds know people by nothing else, so what they call somebody changes with the address,
//! and one day means somebody else.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::identity::{Identities, Recognised, event_key, namespace, subject_alias};
use crate::model::event::PersonEvent;
use crate::model::ids::computed;
use crate::model::{AddressRules, Email, PersonId, SubjectKey};

/// What the source calls the person after a change of the address by which it names them.
pub(super) fn new_key(event: &PersonEvent) -> Option<SubjectKey> {
    let key = &event.subject.person_key;
    let change = event.identity_change.as_ref().filter(|change| change.from != change.to && !event.synthetic)?;
    let to = || Some(SubjectKey(format!("{}{}", namespace(key)?, change.to.expose())));
    is_named_after(key, &change.from).then(to).flatten()
}

fn is_named_after(key: &SubjectKey, email: &Email) -> bool {
    namespace(key).is_some_and(|space| key.0[space.len()..] == *email.expose())
}

/// How aliases begin that say who was called so, and until when.
fn former_alias(key: &SubjectKey) -> String {
    let alias = subject_alias(key);
    format!("{} until ", alias.replacen(":subject:", ":former_subject:", 1))
}

impl Identities {
    /// Whom a source calls so in what it says at `at`.
    pub(super) fn called(&self, key: &SubjectKey, at: Timestamp) -> Option<PersonId> {
        let prefix = former_alias(key);
        let former = self.aliases.range(prefix.clone()..).take_while(|(alias, _)| alias.starts_with(&prefix));
        let former = former.filter_map(|(alias, person)| Some((alias[prefix.len()..].parse().ok()?, *person)));
        let former = former.filter(|(until, _): &(Timestamp, PersonId)| at <= *until).min();
        let is_called = |person: &PersonId| self.people.get(person).is_none_or(|person| !person.was_called(key));
        let now = || self.aliases.get(&subject_alias(key)).copied().filter(is_called);
        former.map(|(_, person)| person).or_else(now)
    }

    /// The id of somebody new. A name that was somebody else's founds another person than the first time.
    pub(super) fn founded_by(&self, event: &PersonEvent) -> PersonId {
        let key = &event.subject.person_key;
        let id = key.person_id();
        if !self.people.contains_key(&id) {
            return id;
        }
        PersonId(computed(&["person", &key.0, &event_key(&event.source)]))
    }

    /// Somebody whom the source called by the new name before it was heard that this is one.
    pub(super) fn heard_early(&self, person: PersonId, new: &SubjectKey, changed: Timestamp) -> Option<PersonId> {
        let names = &self.people[&person];
        if names.subject_keys.contains(new) || names.former_keys.contains_key(new) {
            return None; // Told again: whoever has the name by now may be somebody else.
        }
        let other = self.called(new, changed)?;
        let known = &self.people[&other];
        let later = known.spoken_of.is_some_and(|spoken_of| changed < spoken_of.first);
        let mut elsewhere = known.subject_keys.iter().filter(|key| namespace(key) != namespace(new));
        (later && elsewhere.all(|key| self.may_be_same(person, key))).then_some(other)
    }

    /// The source calls the person by another name since `at`; whoever had it before has it no longer. `disputed` = the
    /// new address is not the person's, so the name is not either.
    pub(super) fn renamed(
        &mut self,
        person: PersonId,
        old: &SubjectKey,
        new: SubjectKey,
        at: Timestamp,
        disputed: bool,
        found: &mut Recognised,
    ) {
        let known = &self.people[&person];
        let is_over = |key: &SubjectKey| known.former_keys.get(key).is_some_and(|until| at <= *until);
        let is_known = known.subject_keys.contains(&new) || is_over(&new);
        if !is_over(old) {
            self.retire(person, old, at, found);
        }
        if is_known || disputed {
            return;
        }
        if let Some(other) = self.called(&new, Timestamp::MAX).filter(|other| *other != person) {
            self.retire(other, &new, at, found);
            found.dispossessed.insert(other);
        }
        self.learn_alias(subject_alias(&new), person, found);
        self.people.get_mut(&person).expect("looked up above").subject_keys.insert(new);
    }

    /// The address is somebody else's since `at`, and so is every name that is the address.
    pub(super) fn loses(
        &mut self,
        person: PersonId,
        email: &Email,
        at: Timestamp,
        rules: &AddressRules,
        found: &mut Recognised,
    ) {
        found.dispossessed.insert(person);
        let Some(known) = self.people.get_mut(&person) else { return };
        let (lost, kept) = std::mem::take(&mut known.addresses).into_iter().partition(|it| rules.same(it, email));
        known.addresses = kept;
        let lost: BTreeSet<Email> = lost;
        known.until.extend(lost.iter().map(|email| (email.clone(), at)));
        let is_lost = |key: &&SubjectKey| lost.iter().any(|email| is_named_after(key, email));
        let names: Vec<SubjectKey> = known.subject_keys.iter().filter(is_lost).cloned().collect();
        known.lost_addresses.extend(lost);
        names.iter().for_each(|key| self.retire(person, key, at, found));
    }

    fn retire(&mut self, person: PersonId, key: &SubjectKey, at: Timestamp, found: &mut Recognised) {
        let Some(known) = self.people.get_mut(&person) else { return };
        if known.subject_keys.remove(key) {
            known.former_keys.insert(key.clone(), at);
            self.learn_alias(format!("{}{at}", former_alias(key)), person, found);
        }
    }
}
