//! How a record would be read, for people: the pure part of `explain`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::framing::{self, Framing, SchemaId};
use super::grounds::{self, Grounds};
use super::record_file::{RecordFile, RecordFileError};
use super::schema::Schema;
use super::token::Compact;
use super::{Opened, Reading, Record, Reject, RejectCode, Rules, Thoroughness, Verdict, open, read_with, schema_of};
use crate::model::Email;
use crate::model::event::{Action, PersonEvent, Subject};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The bytes of the file.
    pub bytes: &'a [u8],
    /// What the bytes are.
    pub holds: Holds,
    /// How to read them; [`Rules::auto`] when nothing is said.
    pub rules: &'a Rules,
    /// The schema that [`wanted`] names, once it was asked for.
    pub schema: Option<&'a Schema>,
    /// The time that decides between now and later.
    pub now: Timestamp,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The value of a record.
    Value,
    /// A whole record, as [`super::record_file`] describes it.
    Record,
}

/// One row for each element, in the order of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The rows; never empty.
    pub rows: Vec<Explanation>,
}

/// Whether all of a record could be read; the command's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// Every element was understood: exit 0.
    Yes,
    /// At least one element, or the record, was refused: exit 65.
    No,
}

/// How one element is read. Members without a value are null, so that every row has the same shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Where it stands; empty = the whole value.
    pub element: String,
    /// What would be done.
    pub decision: Decision,
    /// What the source says; for `needs_lookup`, what the decision would be with an address.
    pub kind: Option<Decision>,
    /// Whom it names.
    pub subject: Named,
    /// Which of the addresses count, in the form that does, as the configuration says; none = nobody knows it.
    pub matched_by: Option<BTreeSet<Email>>,
    /// When it takes effect; none = the event does not say on which day.
    #[serde(serialize_with = "with_milliseconds")]
    pub effective_at: Option<Timestamp>,
    /// When the source says that it happened.
    #[serde(skip)]
    pub occurred_at: Option<Timestamp>,
    /// The source's own id of the event.
    pub event_id: Option<String>,
    /// Why it is read so.
    pub reason: String,
    /// What the service would do with it all the same, as the configuration says; none = nothing else.
    pub would: Option<String>,
    /// Where in the record that stands.
    pub decided_by: Grounds,
}

impl Explanation {
    /// What the source says, whatever is lacking to carry it out.
    pub(super) fn stated(&self) -> Decision {
        self.kind.unwrap_or(self.decision)
    }

    /// Whether the person has this address or id.
    pub(super) fn names(&self, who: &str) -> bool {
        let address = Email::parse(who).ok();
        let is_theirs = |known: &Email| address.as_ref() == Some(known);
        self.subject.addresses.iter().any(is_theirs) || self.subject.ids.values().any(|id| id == who)
    }
}

/// Addresses and ids of whoever is named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Named {
    /// Addresses.
    pub addresses: Vec<Email>,
    /// Ids by kind: `person_key`, `employee_id`, `login`, and `<system>_<type>` such as `okta_user_id`.
    pub ids: BTreeMap<String, String>,
}

/// What is added where a source states what is.
const A_LEVEL: &str = "; if that is new: it states what is";

/// What would be done with an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The person has left.
    Deprovision,
    /// The person will leave.
    Schedule,
    /// The account is blocked for the time being.
    Suspend,
    /// The person stays, or is back.
    Cancel,
    /// Addresses or logins changed.
    IdentityUpdate,
    /// Not about leaving.
    Ignore,
    /// The address, or what changed, is missing.
    NeedsLookup,
    /// Refused.
    Reject,
}

impl Decision {
    /// As it stands in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deprovision => "deprovision",
            Self::Schedule => "schedule",
            Self::Suspend => "suspend",
            Self::Cancel => "cancel",
            Self::IdentityUpdate => "identity_update",
            Self::Ignore => "ignore",
            Self::NeedsLookup => "needs_lookup",
            Self::Reject => "reject",
        }
    }

    /// The one of that name, for somebody who writes what a record must be read as.
    pub(super) fn named(word: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|it| it.as_str() == word);
        known.ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            format!("names no decision: {word:?} is none of {words}")
        })
    }

    const ALL: [Self; 8] = [
        Self::Deprovision,
        Self::Schedule,
        Self::Suspend,
        Self::Cancel,
        Self::IdentityUpdate,
        Self::Ignore,
        Self::NeedsLookup,
        Self::Reject,
    ];

    fn meaning(self) -> &'static str {
        match self {
            Self::Deprovision => "the person has left",
            Self::Schedule => "the person will leave; nothing is removed before then",
            Self::Suspend => "the account is blocked for the time being; the source's on_suspended decides",
            Self::Cancel => "the person stays or is back: a pending removal is dropped, nothing is granted again",
            Self::IdentityUpdate => "addresses or logins changed",
            Self::Ignore => "not about leaving",
            Self::NeedsLookup => "it names the person by id and holds no address",
            Self::Reject => "refused",
        }
    }
}

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        match action {
            Action::Deprovision => Self::Deprovision,
            Action::Suspend => Self::Suspend,
            Action::Schedule => Self::Schedule,
            Action::Cancel => Self::Cancel,
            Action::IdentityUpdate => Self::IdentityUpdate,
        }
    }
}

/// The schema without which a file cannot be explained. What is text in a framed source is its decoded value, as tools
/// print it.
pub fn wanted(question: &Question<'_>) -> Option<SchemaId> {
    let rules = rules_of(question);
    with_record(question, |record| schema_of(record, &rules)).ok().flatten()
}

/// What is known of an element besides what the record says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aside {
    /// What a look-up said.
    pub looked_up: Option<String>,
    /// As [`Explanation::matched_by`].
    pub matched_by: Option<BTreeSet<Email>>,
    /// As [`Explanation::would`].
    pub would: Option<String>,
}

/// Explains a file, with what in it decided.
pub fn answer(question: &Question<'_>) -> Answer {
    answer_with(question, |_| Ok::<_, Infallible>(Vec::new())).unwrap_or_else(|never| match never {})
}

/// As [`answer`], after `look` has completed what was read and said what it knows of each element.
///
/// # Errors
/// Those of `look`.
pub fn answer_with<E>(
    question: &Question<'_>,
    look: impl FnOnce(&mut [Reading]) -> Result<Vec<Aside>, E>,
) -> Result<Answer, E> {
    let rules = rules_of(question);
    let answer = with_record(question, |record| {
        let mut readings = read_with(record, &rules, question.schema, Thoroughness::Full);
        let asides = look(&mut readings)?;
        let mut answer = rows(record, readings, &rules, question.now);
        for (row, grounds) in answer.rows.iter_mut().zip(grounds_of(record, &rules, question.schema)) {
            row.decided_by = grounds;
        }
        for (row, Aside { looked_up, matched_by, would }) in answer.rows.iter_mut().zip(asides) {
            row.matched_by = matched_by;
            row.would = would;
            row.reason.extend(looked_up.iter().flat_map(|said| ["; ", said]));
        }
        Ok(answer)
    });
    answer.unwrap_or_else(|error| {
        let reject = Reject::new(RejectCode::MalformedJson, error.to_string());
        Ok(Answer { rows: vec![refused(String::new(), &reject)] })
    })
}

fn grounds_of(record: &Record<'_>, rules: &Rules, schema: Option<&Schema>) -> Vec<Grounds> {
    match open(record, rules, schema, Thoroughness::Full) {
        Ok(Opened::Tree(tree)) => {
            let told = tree.read(record, rules).unwrap_or_default();
            grounds::of(record, &tree, &told, rules)
        }
        Ok(Opened::AtOnce(told)) => {
            told.into_iter().map(|it| Grounds { decision: vec![it.element], ..Grounds::default() }).collect()
        }
        Err(_) => Vec::new(),
    }
}

fn rules_of<'a>(question: &Question<'a>) -> Cow<'a, Rules> {
    if question.holds == Holds::Value && framing::is_text(question.bytes) {
        return Cow::Owned(Rules { framing: Framing::Plain, ..question.rules.clone() });
    }
    Cow::Borrowed(question.rules)
}

fn with_record<T>(question: &Question<'_>, then: impl FnOnce(&Record<'_>) -> T) -> Result<T, RecordFileError> {
    match question.holds {
        Holds::Value => {
            let record = Record { value: Some(question.bytes), arrived_at: Some(question.now), ..Record::default() };
            Ok(then(&record))
        }
        Holds::Record => {
            let file = RecordFile::parse(question.bytes)?;
            Ok(then(&Record { arrived_at: Some(question.now), ..file.record(&file.headers()) }))
        }
    }
}

/// Explains a record, without looking for what in it decided, which takes many readings.
pub fn explain(record: &Record<'_>, rules: &Rules, now: Timestamp) -> Answer {
    rows(record, read_with(record, rules, None, Thoroughness::Full), rules, now)
}

fn rows(record: &Record<'_>, readings: Vec<Reading>, rules: &Rules, now: Timestamp) -> Answer {
    let mut rows: Vec<Explanation> = readings.into_iter().map(|reading| row(reading, rules, now)).collect();
    let unproven = record.value.and_then(Compact::of).is_some() && rules.tokens.trust.passes_over_signatures();
    for row in rows.iter_mut().filter(|row| unproven && row.decision != Decision::Reject) {
        row.reason.push_str("; the signature was not checked");
    }
    Answer { rows }
}

fn row(reading: Reading, rules: &Rules, now: Timestamp) -> Explanation {
    let element = reading.element;
    match reading.verdict {
        Verdict::Event(event) => of_event(element, &event, rules, now),
        Verdict::Ignore { reason, about } => Explanation {
            element,
            decision: Decision::Ignore,
            kind: None,
            subject: about.as_ref().map(|about| named(&about.subject)).unwrap_or_default(),
            matched_by: None,
            effective_at: None,
            occurred_at: None,
            event_id: about.and_then(|about| about.event_id),
            reason: reason.into_owned(),
            would: None,
            decided_by: Grounds::default(),
        },
        Verdict::Reject(reject) => refused(element, &reject),
    }
}

fn refused(element: String, reject: &Reject) -> Explanation {
    Explanation {
        element,
        decision: Decision::Reject,
        kind: None,
        subject: Named::default(),
        matched_by: None,
        effective_at: None,
        occurred_at: None,
        event_id: None,
        reason: format!("{}: {}", reject.code.as_str(), reject.detail),
        would: None,
        decided_by: Grounds::default(),
    }
}

fn of_event(element: String, event: &PersonEvent, rules: &Rules, now: Timestamp) -> Explanation {
    let effective_at = event.effective_at(&rules.zone);
    let stated = Decision::from(event.action);
    let is_later = effective_at.is_some_and(|at| at > now);
    let with_address = if stated == Decision::Deprovision && is_later { Decision::Schedule } else { stated };
    let (decision, kind) = if event.resolved { (with_address, stated) } else { (Decision::NeedsLookup, with_address) };
    let says_only_that_something_changed = !event.resolved && !event.subject.emails.is_empty();
    let meaning = match effective_at {
        None => "it does not say on which day",
        Some(_) if decision == Decision::Schedule && !is_later => "the person was to leave by now; it is due at once",
        Some(_) if says_only_that_something_changed => "it does not say what changed",
        Some(_) => decision.meaning(),
    };
    let mut subject = named(&event.subject);
    let new = event.identity_change.iter().flat_map(|change| [&change.from, &change.to]);
    for address in new {
        if !subject.addresses.contains(address) {
            subject.addresses.push(address.clone());
        }
    }
    Explanation {
        element,
        decision,
        kind: Some(kind),
        subject,
        matched_by: None,
        effective_at,
        occurred_at: Some(event.occurred_at),
        event_id: Some(event.source.event_id.clone()),
        reason: format!("{}: {meaning}{}", event.source.event_type, if event.level { A_LEVEL } else { "" }),
        would: None,
        decided_by: Grounds::default(),
    }
}

fn named(subject: &Subject) -> Named {
    let mut ids = BTreeMap::new();
    ids.insert("person_key".to_owned(), subject.person_key.0.clone());
    if let Some(id) = &subject.employee_id {
        ids.insert("employee_id".to_owned(), id.clone());
    }
    for id in &subject.external_ids {
        add(&mut ids, format!("{}_{}", id.system, id.r#type), &id.value);
    }
    for login in &subject.logins {
        add(&mut ids, "login".to_owned(), login);
    }
    Named { addresses: subject.emails.iter().map(|address| address.value.clone()).collect(), ids }
}

/// A second id of the same kind stands beside the first as `login_2`.
fn add(ids: &mut BTreeMap<String, String>, kind: String, id: &str) {
    let free = (2..).map(|number| format!("{kind}_{number}")).find(|name| !ids.contains_key(name));
    let name = if ids.contains_key(&kind) { free.unwrap_or(kind) } else { kind };
    ids.insert(name, id.to_owned());
}

impl Answer {
    /// Whether all of it could be read.
    pub fn readable(&self) -> Readable {
        if self.rows.iter().any(|row| row.decision == Decision::Reject) { Readable::No } else { Readable::Yes }
    }

    /// The rows as a JSON array.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&self.rows).expect("rows hold only texts and lists")
    }

    /// The rows for people, at most [`COLUMNS`] wide.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            if !text.is_empty() {
                text.push('\n');
            }
            let element = if row.element.is_empty() { "whole value" } else { &row.element };
            let kind = match row.kind {
                Some(kind) if kind != row.decision => format!(" ({})", kind.as_str()),
                Some(_) | None => String::new(),
            };
            wrap(&mut text, "", &format!("{element}: {}{kind}", row.decision.as_str()));
            for address in &row.subject.addresses {
                wrap(&mut text, "address", address.expose());
            }
            if let Some(matched) = row.matched_by.as_ref().filter(|_| !row.subject.addresses.is_empty()) {
                let matched: Vec<&str> = matched.iter().map(Email::expose).collect();
                let none = || "none of them: no address of people.company_domains".to_owned();
                wrap(&mut text, "matched by", &if matched.is_empty() { none() } else { matched.join(", ") });
            }
            for (name, id) in &row.subject.ids {
                wrap(&mut text, "id", &format!("{name} {id}"));
            }
            if let Some(at) = row.effective_at {
                wrap(&mut text, "effective", &to_the_millisecond(at));
            }
            if let Some(id) = &row.event_id {
                wrap(&mut text, "event", id);
            }
            wrap(&mut text, "why", &row.reason);
            if let Some(would) = &row.would {
                wrap(&mut text, "would be", would);
            }
            let Grounds { decision, addresses, effective_at } = &row.decided_by;
            for (label, places) in [("decided by", decision), ("address at", addresses), ("day at", effective_at)] {
                let places: Vec<_> = places.iter().map(|it| if it.is_empty() { "whole value" } else { it }).collect();
                if !places.is_empty() {
                    wrap(&mut text, label, &places.join(", "));
                }
            }
        }
        text
    }
}

/// Width of the text for people.
pub const COLUMNS: usize = 80;

const LABEL_COLUMNS: usize = 11;

/// Adds a line, or as many as it takes, under its label. Words too long for a line are cut.
fn wrap(text: &mut String, label: &str, content: &str) {
    let indent = if label.is_empty() { 0 } else { 2 + LABEL_COLUMNS };
    let mut line = if label.is_empty() { String::new() } else { format!("  {label:LABEL_COLUMNS$}") };
    let mut width = indent;
    for word in content.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        if width > indent && width + 1 + rest.len() > COLUMNS {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(indent);
            width = indent;
        } else if width > indent {
            line.push(' ');
            width += 1;
        }
        while width + rest.len() > COLUMNS {
            let tail = rest.split_off(COLUMNS - width);
            line.extend(rest);
            text.push_str(&line);
            text.push('\n');
            line = " ".repeat(indent);
            width = indent;
            rest = tail;
        }
        width += rest.len();
        line.extend(rest);
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

fn with_milliseconds<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_str(&to_the_millisecond(*at)),
        None => serializer.serialize_none(),
    }
}

/// Three digits of a second at least, or none: as the sources themselves write it.
pub(super) fn to_the_millisecond(at: Timestamp) -> String {
    let millisecond = 1_000_000;
    let nanoseconds = at.subsec_nanosecond();
    if nanoseconds != 0 && nanoseconds % millisecond == 0 { format!("{at:.3}") } else { at.to_string() }
}
