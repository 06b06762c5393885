//! Events that name a person by an id alone, and what the source's look-up says about them.

use std::collections::BTreeMap;

use super::{Answer, Answers, Directory, PersonRef, Told};
use crate::model::event::{Action, AddressKind, PersonEvent};
use crate::sources::{Reading, Verdict};

/// What came of looking a person up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The directory told addresses; the event has them now.
    Found,
    /// It knows the person, and no address that is the company's to give.
    NoAddress,
    /// It knows nobody of that id.
    Nobody,
    /// It was not asked: the event holds no id of the directory's form.
    NotAsked,
}

impl End {
    /// As it stands in the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NoAddress => "no_address",
            Self::Nobody => "nobody",
            Self::NotAsked => "not_asked",
        }
    }
}

/// Adds what the directory told to the events that name somebody by an id alone, and says what came of each of them, by
/// its place among the readings. Whoever is not told stays unresolved: the worker knows more, or holds.
///
/// # Errors
/// The questions of which some have no answer yet; the readings are as they were.
pub fn complete(
    readings: &mut [Reading],
    directory: &Directory,
    answers: Option<&Answers>,
) -> Result<Vec<(usize, End)>, BTreeMap<PersonRef, bool>> {
    let mut people = Vec::new();
    let mut questions = BTreeMap::new();
    for (index, event) in unresolved(readings) {
        let question = directory.question(&event.subject);
        if let Some(id) = &question {
            // What was told a moment ago may be what has changed.
            *questions.entry(id.clone()).or_default() |= event.action == Action::IdentityUpdate;
        }
        people.push((index, question));
    }
    let nothing = Answers::new();
    let answers = answers.unwrap_or(&nothing);
    if !questions.keys().all(|id| answers.contains_key(id)) {
        return Err(questions);
    }
    let ends = unresolved(readings).zip(people).map(|((_, event), (index, question))| {
        let end = match question.map(|id| &answers[&id]) {
            None => End::NotAsked,
            Some(Answer::Nobody) => End::Nobody,
            Some(Answer::Person(told)) => add(event, told),
        };
        (index, end)
    });
    Ok(ends.collect())
}

/// The events that lack the address, and nothing that says of whom else they could be.
fn unresolved(readings: &mut [Reading]) -> impl Iterator<Item = (usize, &mut PersonEvent)> {
    readings.iter_mut().enumerate().filter_map(|(index, reading)| match &mut reading.verdict {
        Verdict::Event(event)
            if !event.resolved && event.subject.emails.is_empty() && event.identity_change.is_none() =>
        {
            Some((index, event.as_mut()))
        }
        Verdict::Event(_) | Verdict::Ignore { .. } | Verdict::Reject(_) => None,
    })
}

fn add(event: &mut PersonEvent, told: &Told) -> End {
    if told.emails.iter().all(|address| address.kind == AddressKind::Personal) {
        return End::NoAddress;
    }
    event.subject.emails.clone_from(&told.emails);
    for login in &told.logins {
        if !event.subject.logins.contains(login) {
            event.subject.logins.push(login.clone());
        }
    }
    // The day is another thing that may be missing.
    event.resolved = event.action != Action::Schedule || event.effective.is_some();
    End::Found
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::*;
    use crate::config::{Config, Environment};
    use crate::model::event::{Address, Basis, Effective, IdentityChange, SourceRef, Subject};
    use crate::model::{Email, SubjectKey};

    const ID: &str = "00u8p1r1yaR4m4n0h801";
    const OTHER: &str = "00u000000000000other";

    fn okta() -> Directory {
        let text = "config_version = 1\n[kafka]\nbootstrap_servers = \"b:1\"\n[people]\ncompany_domains = [\"a.example\"]\n\
                    [lookups.it]\nkind = \"okta\"\nurl = \"http://127.0.0.1:1\"\n";
        let variables = Environment::of([("HEROKU_DEPROVISIONER__LOOKUPS__IT__TOKEN", "t")]);
        let config = Config::parse("x.toml", text, &variables).unwrap();
        Directory::new("it", &config.lookups["it"], Handle::current()).unwrap()
    }

    fn address(text: &str, kind: AddressKind) -> Address {
        Address { value: Email::parse(text).unwrap(), kind, primary: None }
    }

    fn says(action: Action, id: &str) -> PersonEvent {
        let subject = Subject::new(SubjectKey(format!("okta:larkspur:{id}")));
        let source = SourceRef::new("okta", "larkspur", "x", id.to_owned());
        PersonEvent::new(action, "2026-06-01T12:00:00Z".parse().unwrap(), subject, source)
    }

    fn readings(events: Vec<PersonEvent>) -> Vec<Reading> {
        let verdict = |event| Verdict::Event(Box::new(event));
        events.into_iter().map(|event| Reading { element: String::new(), verdict: verdict(event) }).collect()
    }

    fn event(reading: &Reading) -> &PersonEvent {
        let Verdict::Event(event) = &reading.verdict else { panic!("{reading:?}") };
        event
    }

    fn told(emails: Vec<Address>) -> Answer {
        Answer::Person(Told { emails, logins: vec!["praman".to_owned()] })
    }

    #[tokio::test]
    async fn only_who_lacks_an_address_is_asked_for() {
        let work = || vec![address("priya@larkspur.example", AddressKind::Work)];
        let mut resolved = says(Action::Deprovision, ID);
        resolved.subject.emails = work();
        resolved.resolved = true;
        let mut changed_somehow = says(Action::IdentityUpdate, ID);
        changed_somehow.subject.emails = work();
        let mut renamed = says(Action::IdentityUpdate, ID);
        let email = |text| Email::parse(text).unwrap();
        renamed.identity_change = Some(IdentityChange { from: email("a@x.example"), to: email("b@x.example") });
        let mut known = readings(vec![resolved, changed_somehow, renamed]);
        known.push(Reading { element: String::new(), verdict: Verdict::Ignore { reason: "x".into(), about: None } });
        let before = known.clone();
        assert_eq!(complete(&mut known, &okta(), None), Ok(vec![]));
        assert_eq!(known, before);

        let mut odd = readings(vec![says(Action::Deprovision, "../me")]);
        assert_eq!(complete(&mut odd, &okta(), None), Ok(vec![(0, End::NotAsked)]));
        assert!(!event(&odd[0]).resolved);
    }

    #[tokio::test]
    async fn a_record_waits_for_all_its_people_and_then_has_what_each_was_told() {
        let (directory, leaves) = (okta(), Action::Deprovision);
        let events = vec![says(leaves, ID), says(leaves, OTHER), says(leaves, "me"), says(Action::IdentityUpdate, ID)];
        let mut batch = readings(events);
        let before = batch.clone();
        let [one, other] = [ID, OTHER].map(|id| directory.question(&says(leaves, id).subject).unwrap());
        let questions = BTreeMap::from([(one.clone(), true), (other.clone(), false)]);
        assert_eq!(complete(&mut batch, &directory, None), Err(questions.clone()), "anew, as something has changed");
        let emails = vec![
            address("priya@larkspur.example", AddressKind::Work),
            address("p@mail.example", AddressKind::Personal),
        ];
        let mut answers = Answers::from([(one, told(emails.clone()))]);
        assert_eq!(complete(&mut batch, &directory, Some(&answers)), Err(questions));
        assert_eq!(batch, before, "half an answer changes nothing");
        answers.insert(other.clone(), Answer::Nobody);
        let ends = vec![(0, End::Found), (1, End::Nobody), (2, End::NotAsked), (3, End::Found)];
        assert_eq!(complete(&mut batch, &directory, Some(&answers)), Ok(ends));
        assert_eq!((&event(&batch[0]).subject.emails, event(&batch[0]).resolved), (&emails, true));
        assert_eq!(event(&batch[0]).subject.logins, ["praman"]);
        assert_eq!(batch[1..3], before[1..3], "whoever is not known stays unresolved");

        let mut batch = readings(vec![says(leaves, OTHER)]);
        answers.insert(other, told(vec![address("p@mail.example", AddressKind::Personal)]));
        assert_eq!(complete(&mut batch, &directory, Some(&answers)), Ok(vec![(0, End::NoAddress)]));
        assert_eq!(batch, readings(vec![says(leaves, OTHER)]), "a private address finds nobody");
    }

    #[tokio::test]
    async fn a_day_that_is_missing_stays_missing() {
        let directory = okta();
        let undated = says(Action::Schedule, ID);
        let day = Effective {
            at: None,
            date: "2026-06-30".parse().ok(),
            timezone: None,
            boundary: None,
            basis: None::<Basis>,
        };
        let dated = PersonEvent { effective: Some(day), ..undated.clone() };
        let mut batch = readings(vec![undated, dated]);
        let id = directory.question(&says(Action::Schedule, ID).subject).unwrap();
        let answers = Answers::from([(id, told(vec![address("priya@larkspur.example", AddressKind::Work)]))]);
        complete(&mut batch, &directory, Some(&answers)).unwrap();
        assert_eq!([event(&batch[0]).resolved, event(&batch[1]).resolved], [false, true]);
    }
}
