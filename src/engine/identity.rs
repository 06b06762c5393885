//! Who is meant: people, and the names by which sources know them.
//!
//! Two subjects are the same person only if a source said so (the same subject key, or the same work address in a
//! company domain while no source calls them by two different ids). Nothing is ever guessed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::naming::new_key;
use super::policy::Policy;
use super::statements::{Engagement, Statement, Stay};
use crate::model::event::{Action, PersonEvent, SourceRef};

use crate::model::{AddressRules, Email, PersonId, SubjectKey};

/// Event ids remembered for each person.
pub(super) const EVENTS_REMEMBERED: usize = 32;

/// One human.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// UUIDv5 of the first subject key.
    pub id: PersonId,
    /// What sources call them.
    pub subject_keys: BTreeSet<SubjectKey>,
    /// What sources called them that know people by address alone, and until when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former_keys: BTreeMap<SubjectKey, Timestamp>,
    /// Addresses that sources gave them, old ones too.
    pub addresses: BTreeSet<Email>,
    /// Addresses that were theirs until somebody else got them. They never come back by an event alone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lost_addresses: BTreeSet<Email>,
    /// Until when an address was in use that they have left behind or lost, by the time of who said so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub until: BTreeMap<Email, Timestamp>,
    /// When they were spoken of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoken_of: Option<SpokenOf>,
    /// When the intake read the last record that speaks of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Timestamp>,
    /// The newest statement of each source (`system:tenant`).
    pub statements: BTreeMap<String, Statement>,
    /// The newest statement that the person stays, or is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<Stay>,
    /// Their employments (`system:tenant:id`), as far as sources tell one from the other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub engagements: BTreeMap<String, Engagement>,
    /// Keys of the last events.
    pub events: VecDeque<String>,
    /// Who this person turned out to be: everything of theirs is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<PersonId>,
}

/// When somebody was spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpokenOf {
    /// The earliest statement, by its source's own time.
    pub first: Timestamp,
    /// The latest, by its source's own time.
    pub last: Timestamp,
}

impl Person {
    /// Somebody of whom nothing is known.
    pub(super) fn new(id: PersonId) -> Self {
        Self {
            id,
            subject_keys: BTreeSet::new(),
            former_keys: BTreeMap::new(),
            addresses: BTreeSet::new(),
            lost_addresses: BTreeSet::new(),
            until: BTreeMap::new(),
            spoken_of: None,
            heard: None,
            statements: BTreeMap::new(),
            stays: None,
            engagements: BTreeMap::new(),
            events: VecDeque::new(),
            merged_into: None,
        }
    }

    /// Whether a source calls them so no longer.
    pub(super) fn was_called(&self, key: &SubjectKey) -> bool {
        !self.subject_keys.contains(key) && self.former_keys.contains_key(key)
    }

    /// The latest time at which an address of theirs was said to be theirs, as far as that is known.
    fn has_until(&self, email: &Email, rules: &AddressRules) -> Option<Timestamp> {
        let spoken_of = self.spoken_of.map(|spoken_of| spoken_of.last);
        let newest = || self.statements.values().map(|it| it.at).chain(spoken_of).max();
        let mut same = self.addresses.iter().filter(|known| rules.same(known, email));
        // One of several that are the same may still be in use.
        let left = same.try_fold(None, |last, known| Some(last.max(Some(*self.until.get(known)?))));
        left.flatten().or_else(newest)
    }

    pub(super) fn note_mention(&mut self, at: Timestamp) {
        let known = self.spoken_of.unwrap_or(SpokenOf { first: at, last: at });
        self.spoken_of = Some(SpokenOf { first: known.first.min(at), last: known.last.max(at) });
    }
}

/// Everybody known, and the names that lead to them.
#[derive(Debug, Default)]
pub struct Identities {
    /// By id.
    pub people: BTreeMap<PersonId, Person>,
    /// `<system>:<tenant>:<type>:<value>` to person.
    pub aliases: BTreeMap<String, PersonId>,
}

/// What an event was found to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// Who.
    pub person: PersonId,
    /// Aliases that now lead to the person and did not before.
    pub new_aliases: Vec<String>,
    /// Somebody who lost an address to the person: a recycled address.
    pub dispossessed: BTreeSet<PersonId>,
    /// Who turned out to be the same person, and is no person of their own any more.
    pub merged: Vec<PersonId>,
    /// The event gives the person an address that is somebody else's by now.
    pub disputed: bool,
    /// The same event was seen before.
    pub duplicate: bool,
    /// The same source has said something newer.
    pub stale: bool,
    /// It states what is, and that is what was: nothing happened, as far as is known.
    pub unchanged: bool,
    /// What says that the person stays all the same, and why.
    pub overruled: Option<(SourceRef, &'static str)>,
    /// When the last of the person's employments ends, as far as it is known.
    pub leaves_at: Option<Timestamp>,
}

/// The deduplication key of an event.
pub fn event_key(source: &SourceRef) -> String {
    format!("{}:{}:{}:{}", source.system, source.tenant, source.event_id, source.element.unwrap_or(0))
}

pub(super) fn address_alias(email: &Email) -> String {
    format!("mail::address:{}", email.expose())
}

pub(super) fn subject_alias(key: &SubjectKey) -> String {
    let mut parts = key.0.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(system), Some(tenant), Some(id)) => format!("{system}:{tenant}:subject:{id}"),
        (Some(_), _, _) | (None, _, _) => format!("::subject:{}", key.0),
    }
}

/// `system:tenant:` of a subject key; two different keys with the same one are two different people.
pub(super) fn namespace(key: &SubjectKey) -> Option<&str> {
    let second = key.0.match_indices(':').nth(1)?.0;
    Some(&key.0[..=second])
}

impl Identities {
    /// Finds or founds the person that an event names, and learns what it says about them.
    /// `effective` is when the event takes effect, as far as its date is known.
    pub fn recognise(&mut self, event: &PersonEvent, effective: Option<Timestamp>, policy: &Policy) -> Recognised {
        let key = &event.subject.person_key;
        let stated = event.subject.work_addresses();
        let mut company: Vec<Email> = stated.filter(|email| policy.is_company(email)).cloned().collect();
        let change = event.identity_change.as_ref();
        let rules = &*policy.addresses;
        company.extend(change.map(|change| change.to.clone()).filter(|email| policy.is_company(email)));
        let former = change.map(|change| change.from.clone()).filter(|email| policy.is_company(email));

        let by_key = self.called(key, event.occurred_at);
        let by_address = company
            .iter()
            .chain(&former)
            .filter_map(|email| self.owner(email, rules))
            .find(|person| self.may_be_same(*person, key));
        let id = by_key.or(by_address).unwrap_or_else(|| self.founded_by(event));
        let person = self.people.entry(id).or_insert_with(|| Person::new(id));
        // What comes late may have an old name of theirs, which is somebody else's by now.
        let late = person.was_called(key);
        if !late {
            person.subject_keys.insert(key.clone());
        }

        let mut found = Recognised {
            person: id,
            new_aliases: Vec::new(),
            dispossessed: BTreeSet::new(),
            merged: Vec::new(),
            disputed: false,
            duplicate: false,
            stale: false,
            unchanged: false,
            overruled: None,
            leaves_at: effective,
        };
        if by_key.is_none() {
            self.learn_alias(subject_alias(key), id, &mut found);
        }
        let new_key = new_key(event);
        if let Some(early) = new_key.as_ref().and_then(|new| self.heard_early(id, new, event.occurred_at)) {
            self.unite(early, id, &mut found);
        }
        for external in &event.subject.external_ids {
            let tenant = external.tenant.as_deref().unwrap_or("");
            let alias = format!("{}:{tenant}:{}:{}", external.system, external.r#type, external.value);
            if !self.aliases.contains_key(&alias) {
                self.learn_alias(alias, id, &mut found);
            }
        }
        self.claim(id, late, &mut company, event, rules, &mut found);
        let is_theirs = |them: &Self, email: &Email| them.owner(email, rules).is_none_or(|owner| owner == id);
        let former =
            former.filter(|email| !rules.holds(&self.people[&id].lost_addresses, email) && is_theirs(self, email));
        if let Some(email) = former.as_ref().filter(|email| self.owner(email, rules).is_none()) {
            self.learn_alias(address_alias(&rules.canonical(email)), id, &mut found);
        }

        // A test renames nobody, see `new_key`.
        if let Some((new, change)) = new_key.zip(change) {
            let disputed = policy.is_company(&change.to) && !company.contains(&change.to);
            self.renamed(id, key, new, event.occurred_at, disputed, &mut found);
        }
        let person = self.people.get_mut(&id).expect("inserted above");
        if !event.synthetic {
            person.note_mention(event.occurred_at);
            person.until.retain(|email, until| event.occurred_at <= *until || !company.contains(email));
            if let Some(change) = change.filter(|change| change.from != change.to && former.is_some()) {
                let until = person.until.entry(change.from.clone()).or_insert(event.occurred_at);
                *until = event.occurred_at.max(*until);
            }
        }
        person.addresses.extend(company);
        person.addresses.extend(former);

        let event_key = event_key(&event.source);
        found.duplicate = person.events.contains(&event_key);
        if !found.duplicate {
            person.events.push_back(event_key);
            if person.events.len() > EVENTS_REMEMBERED {
                person.events.pop_front();
            }
            person.take_statement(event, effective, &mut found);
        }
        found
    }

    /// Gives the person the addresses that the event names, and keeps in `company` those that are theirs now. From
    /// somebody `late`, whose key has a newer one, only people whom no source tells apart from them may be taken for one.
    fn claim(
        &mut self,
        id: PersonId,
        late: bool,
        company: &mut Vec<Email>,
        event: &PersonEvent,
        rules: &AddressRules,
        found: &mut Recognised,
    ) {
        let key = &event.subject.person_key;
        let alike = |them: &Self, owner: PersonId| {
            let same = |key| them.may_be_same(owner, key);
            if late { them.people[&id].subject_keys.iter().all(same) } else { same(key) }
        };
        company.retain(|email| {
            match self.owner(email, rules) {
                Some(owner) if owner != id && !alike(self, owner) => {
                    if event.synthetic || self.is_old_news(id, owner, email, event, rules) {
                        found.disputed = true;
                        return false;
                    }
                    // Recycled: the source calls two people by this address, so it is the newer one's now.
                    self.loses(owner, email, event.occurred_at, rules, found);
                    self.learn_alias(address_alias(&rules.canonical(email)), id, found);
                }
                Some(_) => {}
                None => self.learn_alias(address_alias(&rules.canonical(email)), id, found),
            }
            true
        });
        if !event.synthetic {
            for email in &*company {
                self.merge_owner(email, id, rules, found);
            }
        }
        // What is still somebody else's stays theirs: nothing says that the two are one.
        let named = company.len();
        company.retain(|email| self.owner(email, rules).is_none_or(|owner| owner == id));
        found.disputed |= company.len() < named;
    }

    /// Whose address it is. A name that was learned by a rule that holds no more leads nowhere.
    pub(super) fn owner(&self, email: &Email, rules: &AddressRules) -> Option<PersonId> {
        let owner = self.aliases.get(&address_alias(&rules.canonical(email))).copied()?;
        self.people.get(&owner).is_some_and(|person| rules.holds(&person.addresses, email)).then_some(owner)
    }

    /// The alias leads to the person from now on, whoever had it before.
    pub(super) fn learn_alias(&mut self, alias: String, person: PersonId, found: &mut Recognised) {
        if self.aliases.insert(alias.clone(), person) != Some(person) {
            found.new_aliases.push(alias);
        }
    }

    /// Whether the address was taken from the person before, or this event is older than its owner's right to it.
    fn is_old_news(
        &self,
        person: PersonId,
        owner: PersonId,
        email: &Email,
        event: &PersonEvent,
        rules: &AddressRules,
    ) -> bool {
        let lost = self.people.get(&person).is_some_and(|person| rules.holds(&person.lost_addresses, email));
        let until = self.people.get(&owner).and_then(|owner| owner.has_until(email, rules));
        // The row of somebody who has left keeps the address, whoever has it now.
        let is_history = event.level && event.action == Action::Deprovision;
        lost || is_history || until.is_some_and(|until| event.occurred_at < until)
    }

    /// Whether `key` can be another name of `person`: no source calls one person by two ids.
    pub(super) fn may_be_same(&self, person: PersonId, key: &SubjectKey) -> bool {
        self.people.get(&person).is_none_or(|person| {
            let mut names = person.subject_keys.iter().chain(person.former_keys.keys());
            person.subject_keys.contains(key) || names.all(|known| namespace(known) != namespace(key))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::{event, policy};
    use crate::model::event::IdentityChange;

    #[test]
    fn the_same_address_under_another_system_is_the_same_person() {
        let mut them = Identities::default();
        let okta = them.recognise(&event("okta:larkspur:1", "e1", "a@larkspur.example"), None, &policy());
        let hr = them.recognise(&event("workday:larkspur:77", "e2", "a@larkspur.example"), None, &policy());
        assert_eq!(okta.person, hr.person);
        assert!(!hr.duplicate && hr.dispossessed.is_empty());
    }

    #[test]
    fn a_recycled_address_leaves_its_old_owner() {
        let mut them = Identities::default();
        let old = them.recognise(&event("okta:larkspur:1", "e1", "a@larkspur.example"), None, &policy());
        let new = them.recognise(&event("okta:larkspur:2", "e2", "a@larkspur.example"), None, &policy());
        assert_ne!(old.person, new.person);
        assert_eq!(new.dispossessed, BTreeSet::from([old.person]));
        assert!(them.people[&old.person].addresses.is_empty());
        assert!(!them.people[&new.person].addresses.is_empty());
    }

    /// Security event tokens say that an address was given to somebody else, and not to whom.
    #[test]
    fn an_address_that_is_said_to_be_recycled_leaves_its_old_owner() {
        let mut them = Identities::default();
        let old = them.recognise(&event("set_email:larkspur:a@x", "e1", "a@larkspur.example"), None, &policy());
        let mut said = event("set_email:larkspur:a@x#e2", "e2", "a@larkspur.example");
        let address = said.subject.emails[0].value.clone();
        said.action = Action::IdentityUpdate;
        said.identity_change = Some(IdentityChange { from: address.clone(), to: address });
        assert_eq!(them.recognise(&said, None, &policy()).dispossessed, BTreeSet::from([old.person]));
        assert!(them.people[&old.person].addresses.is_empty());
    }

    #[test]
    fn a_recycled_address_does_not_come_back_to_its_old_owner() {
        let mut them = Identities::default();
        them.recognise(&event("okta:larkspur:1", "e1", "a@larkspur.example"), None, &policy());
        let new = them.recognise(&event("okta:larkspur:2", "e2", "a@larkspur.example"), None, &policy());
        let mut late = event("okta:larkspur:1", "e3", "a@larkspur.example");
        late.occurred_at = "2026-07-01T00:00:00Z".parse().unwrap();
        let old = them.recognise(&late, None, &policy());
        assert!(old.disputed && old.dispossessed.is_empty());
        assert!(them.people[&old.person].addresses.is_empty());
        assert_eq!(them.people[&new.person].addresses.len(), 1);

        // Nor does an address go to somebody of whom its owner's source spoke before.
        let mut early = event("okta:larkspur:3", "e4", "a@larkspur.example");
        early.occurred_at = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(them.recognise(&early, None, &policy()).disputed);
    }

    #[test]
    fn a_repeat_is_a_duplicate_and_an_older_statement_is_stale() {
        let mut them = Identities::default();
        let mut first = event("okta:larkspur:1", "e1", "a@larkspur.example");
        assert!(!them.recognise(&first, None, &policy()).duplicate);
        assert!(them.recognise(&first, None, &policy()).duplicate);
        first.source.event_id = "e0".into();
        first.occurred_at = "2026-05-01T00:00:00Z".parse().unwrap();
        let late = them.recognise(&first, None, &policy());
        assert!(late.stale && !late.duplicate);
    }

    #[test]
    fn a_newer_change_of_names_does_not_make_a_departure_old() {
        let mut them = Identities::default();
        let mut renamed = event("okta:larkspur:1", "e1", "a@larkspur.example");
        renamed.action = Action::IdentityUpdate;
        renamed.occurred_at = "2026-05-30T00:00:00Z".parse().unwrap();
        them.recognise(&renamed, None, &policy());
        assert!(!them.recognise(&event("okta:larkspur:1", "e2", "a@larkspur.example"), None, &policy()).stale);
    }

    #[test]
    fn an_address_outside_the_company_joins_nobody() {
        let mut them = Identities::default();
        let one = them.recognise(&event("okta:larkspur:1", "e1", "a@mail.example"), None, &policy());
        let two = them.recognise(&event("hr:larkspur:9", "e2", "a@mail.example"), None, &policy());
        assert_ne!(one.person, two.person);
        assert!(them.people[&one.person].addresses.is_empty());
    }
}
