//! Any JSON feed, read as the configuration of its source says: `docs/sources/mapping.md`.

mod example;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::carrier::{Element, Envelope};
use super::dates;
use super::document::Place;
use super::expression::{Asked, Expression, Scope, another_type};
use super::members;
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, not_ours};
use crate::model::Email;
use crate::model::event::{Action, Address, AddressKind, Effective, PersonEvent, SourceRef, Subject};

pub use example::Example;

// Nothing is known of its shape: it must be named.
pub(super) const ADAPTER: Adapter = Adapter::new(Format::Mapping, "mapping", |_| false, read);

/// How the records of one source are to be read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    elements: Option<String>,
    system: Option<String>,
    id: Expression,
    #[serde(default)]
    emails: Vec<Expression>,
    employee_id: Option<Expression>,
    engagement_id: Option<Expression>,
    event_id: Option<Expression>,
    event_type: Option<Expression>,
    time: Option<Expression>,
    sequence: Option<Expression>,
    effective: Option<Expression>,
    tenant: Option<Expression>,
    action: Option<Expression>,
    #[serde(default)]
    actions: BTreeMap<String, Word>,
    #[serde(default)]
    rules: Vec<Rule>,
    otherwise: Otherwise,
    #[serde(default)]
    level: bool,
    /// Records, and what they must be read as.
    #[serde(default)]
    pub tests: Vec<Example>,
}

/// A condition, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    when: Expression,
    then: Word,
}

/// What an element says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Deprovision,
    Schedule,
    Suspend,
    Cancel,
    IdentityUpdate,
    Ignore,
}

/// What becomes of an element that the mapping does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Otherwise {
    Refuse,
    Ignore,
}

impl Word {
    /// `None` = nothing about leaving.
    fn action(self) -> Option<Action> {
        match self {
            Self::Deprovision => Some(Action::Deprovision),
            Self::Schedule => Some(Action::Schedule),
            Self::Suspend => Some(Action::Suspend),
            Self::Cancel => Some(Action::Cancel),
            Self::IdentityUpdate => Some(Action::IdentityUpdate),
            Self::Ignore => None,
        }
    }

    fn named(name: &str) -> Option<Self> {
        serde_json::from_value(Value::from(name)).ok()
    }
}

/// What in a mapping does not fit together: the key at fault, what is wrong, and what to do.
pub type Misfit = (&'static str, &'static str, &'static str);

impl Mapping {
    /// What no single key shows.
    pub fn misfit(&self) -> Option<Misfit> {
        match (&self.action, self.rules.is_empty(), self.actions.is_empty()) {
            (None, true, _) => Some((
                "id",
                "says whom an element is about, and neither `action` nor [[sources.mapping.rules]] says what it means",
                "name the member that says it, as in action = \"/type\", and list its values in [sources.mapping.actions]",
            )),
            (Some(_), false, _) => {
                Some(("action", "stands beside [[sources.mapping.rules]]; which of them decides?", "keep one of them"))
            }
            (None, false, false) => Some((
                "rules[0].when",
                "stands beside [sources.mapping.actions], which is for the values of `action`",
                "keep one of them",
            )),
            (Some(_), true, _) | (None, false, true) => None,
        }
    }

    /// Values of a record that say something: the words of the table, and what the conditions compare with.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        let conditions = self.rules.iter().map(|rule| &rule.when).chain(&self.action);
        let compared = conditions.flat_map(|it| it.text().split(['"', '\'']).skip(1).step_by(2));
        self.actions.keys().map(String::as_str).chain(compared).map(ToOwned::to_owned)
    }

    /// One element for each item of the list at `elements`.
    pub(super) fn unwrap<'a>(&self, element: Element<'a>) -> Vec<Element<'a>> {
        let Some(pointer) = &self.elements else { return vec![element] };
        let refused = |code, why: &str| Reject::new(code, format!("`{pointer}` (`elements`) {why}"));
        match element.value.pointer(pointer) {
            Some(list @ Value::Array(items)) => {
                let path = way(&element, pointer);
                element.inside(list).each(&Envelope::Own { source: None }, &path, items)
            }
            Some(value) => {
                let reject = another_type(pointer, "a list", value);
                vec![element.refused(reject)]
            }
            None => vec![element.refused(refused(RejectCode::MissingField, "finds nothing"))],
        }
    }
}

/// The place in the document of what a pointer leads to.
fn way(element: &Element<'_>, pointer: &str) -> Place {
    let ends = pointer.match_indices('/').skip(1).map(|(at, _)| at).chain([pointer.len()]);
    let mut outer = Some(element.value);
    let mut path = element.path.clone();
    for (name, end) in pointer.split('/').skip(1).zip(ends) {
        path = match (outer, name.parse()) {
            (Some(Value::Array(_)), Ok(index)) => path.index(index),
            _ => path.key(&name.replace("~1", "/").replace("~0", "~")),
        };
        outer = element.value.pointer(&pointer[..end]);
    }
    path
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    if let Some(reading) = not_ours(element, rules, |_| true) {
        return vec![reading];
    }
    let verdict = match &rules.mapping {
        Some(mapping) => Mapped { mapping, scope: Scope::new(element.value, element.around), element, rules }.verdict(),
        None => Err(Reject::new(RejectCode::Unrecognised, "the source has no mapping; `--source` names one that has")),
    };
    vec![Reading { element: element.place(), verdict: verdict.unwrap_or_else(Verdict::Reject) }]
}

/// One element under a mapping.
struct Mapped<'a> {
    mapping: &'a Mapping,
    scope: Scope<'a>,
    element: &'a Element<'a>,
    rules: &'a Rules,
}

fn asked<'e>(key: &'e str, expression: Option<&'e Expression>) -> Option<Asked<'e>> {
    expression.map(|expression| Asked { key, expression })
}

impl Mapped<'_> {
    fn verdict(&self) -> Result<Verdict, Reject> {
        let mapping = self.mapping;
        let ignored = |reason: &'static str| Ok(Verdict::Ignore { reason: reason.into(), about: None });
        let (word, said) = match self.decision()? {
            Some(decided) => decided,
            None => return ignored("the mapping does not name it, and `otherwise` says ignore"),
        };
        let Some(action) = word.action() else { return ignored("the mapping ignores it") };
        let tenant = self.tenant()?;
        let id = self.required("id", &mapping.id)?;
        let system = mapping.system.as_ref().unwrap_or(&self.rules.name);
        let emails = self.emails()?;
        let optional = |key, expression: &Option<Expression>| self.optional(key, expression.as_ref());
        let subject = Subject {
            emails,
            employee_id: optional("employee_id", &mapping.employee_id)?,
            engagement_id: optional("engagement_id", &mapping.engagement_id)?,
            ..members::known_as(system, &tenant, "id", &id)?
        };
        let occurred_at = self.occurred_at()?;
        let effective = self.effective()?;
        if let (Action::Schedule, None) = (action, &effective) {
            return Err(match asked("effective", mapping.effective.as_ref()) {
                Some(it) => self.scope.missing(it),
                None => {
                    Reject::new(RejectCode::MissingField, "a `schedule` has no date: the mapping has no `effective`")
                }
            });
        }
        let event_type = optional("event_type", &mapping.event_type)?.unwrap_or(said);
        let event_id = match asked("event_id", mapping.event_id.as_ref()) {
            Some(it) => self.scope.text(it)?.ok_or_else(|| self.scope.missing(it))?,
            None => format!("{}:{id}:{occurred_at}", action.as_str()),
        };
        let source = SourceRef::new(system, &tenant, &event_type, event_id);
        let sequence = optional("sequence", &mapping.sequence)?.map(|text| in_order(&text));
        let event = PersonEvent {
            effective,
            sequence,
            level: mapping.level,
            ..PersonEvent::new(action, occurred_at, subject, source)
        };
        self.plausible(&event)?;
        Ok(Verdict::Event(Box::new(event)))
    }

    /// What the element says, and what the source calls that.
    fn decision(&self) -> Result<Option<(Word, String)>, Reject> {
        let mapping = self.mapping;
        let unnamed = |why: String| match mapping.otherwise {
            Otherwise::Ignore => Ok(None),
            Otherwise::Refuse => Err(Reject::new(RejectCode::UnknownAction, why)),
        };
        for (number, Rule { when, then }) in mapping.rules.iter().enumerate() {
            if self.scope.holds(Asked { key: &format!("rules[{number}].when"), expression: when })? {
                return Ok(Some((*then, format!("rule {}", number + 1))));
            }
        }
        let Some(it) = asked("action", mapping.action.as_ref()) else {
            return unnamed("no condition of [[sources.mapping.rules]] holds".to_owned());
        };
        let place = it.place();
        let Some(said) = self.scope.word(it)? else {
            return unnamed(self.scope.missing(it).detail);
        };
        let word = if mapping.actions.is_empty() { Word::named(&said) } else { mapping.actions.get(&said).copied() };
        match word {
            Some(word) => Ok(Some((word, said))),
            None if mapping.actions.is_empty() => unnamed(format!("`{place}` is no action")),
            None => unnamed(format!("`{place}` has a value that [sources.mapping.actions] does not list")),
        }
    }

    fn tenant(&self) -> Result<String, Reject> {
        let named = match asked("tenant", self.mapping.tenant.as_ref()) {
            Some(it) => Some((self.scope.text(it)?.ok_or_else(|| self.scope.missing(it))?, it.place())),
            None => None,
        };
        let (named, place) = named.unzip();
        self.rules.agreed_tenant(named.as_deref(), place.as_deref().unwrap_or_default())
    }

    fn emails(&self) -> Result<Vec<Address>, Reject> {
        let mut found: Vec<Address> = Vec::new();
        for expression in &self.mapping.emails {
            let it = Asked { key: "emails", expression };
            for text in self.scope.texts(it)? {
                let value = Email::parse(&text)
                    .map_err(|error| Reject::new(RejectCode::InvalidAddress, format!("`{}`: {error}", it.place())))?;
                if !found.iter().any(|known| known.value == value) {
                    found.push(Address { value, kind: AddressKind::Work, primary: None });
                }
            }
        }
        Ok(found)
    }

    fn occurred_at(&self) -> Result<Timestamp, Reject> {
        let Some(it) = asked("time", self.mapping.time.as_ref()) else {
            let missing =
                || Reject::new(RejectCode::MissingField, "the mapping has no `time`, and the record has none");
            return self.element.arrived_at.ok_or_else(missing);
        };
        let place = it.place();
        let text = self.scope.text(it)?.ok_or_else(|| self.scope.missing(it))?;
        let time = members::rfc3339(&text).ok_or_else(|| {
            let detail =
                format!("`{place}` is not an RFC 3339 time with its offset; millis(…) and seconds(…) make one");
            Reject::new(RejectCode::InvalidValue, detail)
        })?;
        members::plausible_at(&place, time)
    }

    /// A moment, or a date in the zone and with the boundary of the source. Midnight in UTC, or in that zone, is how many
    /// systems write a date.
    fn effective(&self) -> Result<Option<Effective>, Reject> {
        let Some(it) = asked("effective", self.mapping.effective.as_ref()) else { return Ok(None) };
        let Some(text) = self.scope.text(it)? else { return Ok(None) };
        match dates::moment_or_date(&text, &self.rules.zone) {
            Some(found) => Ok(Some(found.effective(self.rules.boundary, self.rules))),
            None => {
                let why = "is neither a date YYYY-MM-DD nor an RFC 3339 time; date(…), days(…) and millis(…) make one";
                Err(Reject::new(RejectCode::InvalidValue, format!("`{}` {why}", it.place())))
            }
        }
    }

    fn plausible(&self, event: &PersonEvent) -> Result<(), Reject> {
        let Some(it) = asked("effective", self.mapping.effective.as_ref()).filter(|_| event.effective.is_some()) else {
            return Ok(());
        };
        let place = it.place();
        // The day after the last one there is has no moment.
        let at = event.effective_at(&self.rules.zone).unwrap_or(Timestamp::MAX);
        members::plausible_at(&place, at).map(drop)
    }

    fn required(&self, key: &str, expression: &Expression) -> Result<String, Reject> {
        let it = Asked { key, expression };
        self.scope.text(it)?.ok_or_else(|| self.scope.missing(it))
    }

    fn optional(&self, key: &str, expression: Option<&Expression>) -> Result<Option<String>, Reject> {
        asked(key, expression).map_or(Ok(None), |it| self.scope.text(it))
    }
}

/// A position that is a number, so that comparing texts compares numbers.
pub(super) fn in_order(position: &str) -> String {
    if position.bytes().all(|byte| byte.is_ascii_digit()) { format!("{position:0>20}") } else { position.to_owned() }
}

#[cfg(test)]
mod tests;
