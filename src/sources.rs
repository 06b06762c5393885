//! Reading what source systems write: one Kafka record in, one reading for each of its elements out.
//!
//! A record passes four stages, each in its own file:
//!
//! 1. `document`: bytes to JSON, within limits, remembering every repeated key;
//! 2. `carrier`: wrappers that any format may travel in (arrays, CloudEvents, EventBridge, a schema) are taken off;
//! 3. the format's own envelope is taken off, and
//! 4. each element is classified: both are the format's file (`canonical`, `okta`, …), listed in `ADAPTERS`.
//!
//! A new format is one file with one `Adapter`. Nothing here does I/O or reads the clock, and whatever a record
//! holds, the answer is a reading: there is no error to handle and nothing panics.

pub mod auth0;
pub mod canonical;
mod carrier;
pub mod debezium;
mod document;
pub mod entra;
pub mod explain;
pub mod expression;
pub mod google;
pub mod jump_cloud;
pub mod keycloak;
pub mod mapping;
mod members;
pub mod okta;
pub mod one_login;
pub mod own_sample;
pub mod ping_one;
pub mod record_file;
mod verdict;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::model::event::{Boundary, PERSON_EVENT_TYPE};

use carrier::{Delivery, Element};
use debezium::Table;
use mapping::Mapping;
pub use verdict::{About, Reading, Reject, RejectCode, Verdict};

/// Longest record value that is read, in bytes. Longer ones are refused before anything is parsed.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Most elements that one record may hold, and most people that it may name; the largest page of Okta's System Log has
/// 1,000 elements.
pub const ELEMENTS_MAX: usize = 5_000;

const FOREIGN_TYPE: &str = "a CloudEvent of a type that is not accepted";

/// A header of a Kafka record. Names may repeat.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// What lies on a topic, borrowed from wherever it was read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// The key. It never changes what the record says.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: &'a [Header<'a>],
    /// The record's own time, for formats that name none; `None` = not known.
    pub arrived_at: Option<Timestamp>,
}

/// How the records of one source are to be read.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The source's name in the configuration.
    pub name: String,
    /// The format of its records.
    pub format: Format,
    /// The organisation's account there; a record that names another one is refused. `None`, which no configuration
    /// yields, takes whatever tenant the record names.
    pub tenant: Option<String>,
    /// CloudEvents types accepted besides [`PERSON_EVENT_TYPE`].
    pub types: Vec<String>,
    /// The zone of dates that come without one, by its IANA name.
    pub zone: TimeZone,
    /// The boundary of dates that come without one.
    pub boundary: Boundary,
    /// What [`Format::Mapping`] reads by.
    pub mapping: Option<Mapping>,
    /// What the columns mean that [`Format::Debezium`] reads.
    pub tables: Vec<Table>,
}

impl Rules {
    /// The rules for a record of which nothing is known: the format is recognised, the tenant is the record's.
    pub fn auto() -> Self {
        Self {
            name: "auto".to_owned(),
            format: Format::Auto,
            tenant: None,
            types: Vec::new(),
            zone: TimeZone::UTC,
            boundary: Boundary::EndOfDay,
            mapping: None,
            tables: Vec::new(),
        }
    }

    fn accepts_type(&self, name: &str) -> bool {
        name == PERSON_EVENT_TYPE || self.types.iter().any(|accepted| accepted == name)
    }
}

/// A format, by its name in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Recognise it from the record, and refuse when more than one fits. Only `explain` asks for this.
    #[serde(skip)]
    Auto,
    /// The canonical event, in CloudEvents or bare.
    Canonical,
    /// Okta's System Log.
    Okta,
    /// Microsoft Entra ID's audit log and change notifications.
    Entra,
    /// Google Workspace's admin activities.
    Google,
    /// Keycloak's admin and user events.
    Keycloak,
    /// Auth0's event streams and log streams.
    Auth0,
    /// JumpCloud's Directory Insights.
    JumpCloud,
    /// OneLogin's events.
    OneLogin,
    /// PingOne's audit activities.
    PingOne,
    /// Changes of database rows, as Debezium captures them.
    Debezium,
    /// Any JSON, as a mapping in the configuration says.
    Mapping,
}

impl Format {
    /// Every name that a configuration may give.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ADAPTERS.iter().map(|adapter| adapter.name)
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        ADAPTERS.iter().find(|adapter| adapter.name == name).map(|adapter| adapter.format)
    }

    /// As it stands in the configuration.
    pub fn as_str(self) -> &'static str {
        self.adapter().map_or("auto", |adapter| adapter.name)
    }

    /// What of its shape no public source confirms: nobody is removed by it until a record of the operator's own reads as
    /// expected.
    pub fn unconfirmed(self) -> Option<&'static str> {
        self.adapter().and_then(|adapter| adapter.unconfirmed)
    }

    fn adapter(self) -> Option<&'static Adapter> {
        ADAPTERS.iter().find(|adapter| adapter.format == self)
    }
}

/// One format: how to recognise, unwrap and classify it.
struct Adapter {
    format: Format,
    /// As it stands in the configuration.
    name: &'static str,
    /// What of its shape no public source confirms; `None` = all that decides is confirmed.
    unconfirmed: Option<&'static str>,
    /// Whether a value, freed of its general carriers, has this format's shape. Two formats must never both say yes.
    recognises: fn(&serde_json::Value) -> bool,
    /// Passes over a record that holds nothing relevant, at the cost of skipping its JSON; `None` = read it in full.
    pass_over: fn(&Delivery<'_>, &[u8]) -> Option<Vec<Reading>>,
    /// Takes off the format's own envelope.
    unwrap: for<'a> fn(Element<'a>) -> Vec<Element<'a>>,
    /// Says what one element means; several readings when it names several people.
    read: fn(&Element<'_>, &Rules) -> Vec<Reading>,
}

impl Adapter {
    /// Takes off the format's own envelope; a mapping is alone in knowing it from the configuration.
    fn elements<'a>(&self, element: Element<'a>, rules: &Rules) -> Vec<Element<'a>> {
        match &rules.mapping {
            Some(mapping) if self.format == Format::Mapping => mapping.unwrap(element),
            Some(_) | None => (self.unwrap)(element),
        }
    }
}

const ADAPTERS: &[Adapter] = &[
    canonical::ADAPTER,
    okta::ADAPTER,
    entra::ADAPTER,
    google::ADAPTER,
    keycloak::ADAPTER,
    auth0::ADAPTER,
    jump_cloud::ADAPTER,
    one_login::ADAPTER,
    ping_one::ADAPTER,
    debezium::ADAPTER,
    mapping::ADAPTER,
];

/// The reading of an element whose CloudEvent is somebody else's or cannot be read; `None` = the format may look at it.
/// Bridges choose the type freely, so unless types are configured the data speaks for itself.
fn not_ours(element: &Element<'_>, rules: &Rules, recognises: fn(&serde_json::Value) -> bool) -> Option<Reading> {
    let event = element.cloud_event()?;
    let unwanted = !rules.types.is_empty() && !rules.accepts_type(event.r#type);
    if unwanted || !recognises(element.value) {
        return Some(Reading::ignore(element.cloud_event_place(), FOREIGN_TYPE));
    }
    event.readable().err().map(|reject| Reading::reject(element.place(), reject))
}

/// Reads a record. There is at least one reading, in the order of the record's elements.
pub fn read(record: &Record<'_>, rules: &Rules) -> Vec<Reading> {
    read_with(record, rules, Thoroughness::PassOver)
}

/// Whether records that hold nothing relevant are read in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thoroughness {
    PassOver,
    Full,
}

fn read_with(record: &Record<'_>, rules: &Rules, thoroughness: Thoroughness) -> Vec<Reading> {
    match read_record(record, rules, thoroughness) {
        Ok(readings) => readings,
        Err(reject) => vec![Reading::reject(String::new(), reject)],
    }
}

fn read_record(record: &Record<'_>, rules: &Rules, thoroughness: Thoroughness) -> Result<Vec<Reading>, Reject> {
    let Some(value) = record.value else {
        return Ok(vec![Reading::ignore("value".to_owned(), "a tombstone: the record has no value")]);
    };
    if value.len() > VALUE_BYTES_MAX {
        return Err(Reject::new(
            RejectCode::TooLarge,
            format!("the value has {} bytes; {VALUE_BYTES_MAX} are read at most", value.len()),
        ));
    }
    let delivery = Delivery::of(record.headers)?;
    if thoroughness == Thoroughness::PassOver
        && let Some(adapter) = rules.format.adapter()
        && let Some(readings) = (adapter.pass_over)(&delivery, value)
    {
        return Ok(readings);
    }
    let (document, fault) = match document::parse(value) {
        Ok(document) => (document, None),
        // Its type stands in the headers and may be one that is of no interest.
        Err(reject) if matches!(delivery, Delivery::Binary(_)) => (document::Document::default(), Some(reject)),
        Err(reject) => return Err(reject),
    };
    let plain = !matches!(delivery, Delivery::Binary(_));
    // Counted here too: what is in them may be nothing at all.
    if let serde_json::Value::Array(items) = &document.root
        && plain
        && items.len() > ELEMENTS_MAX
    {
        return Err(too_many("elements", &format!("[{ELEMENTS_MAX}]")));
    }
    let mut found = Vec::new();
    for element in carrier::unwrap(&delivery, record.arrived_at, &document.root, fault) {
        match adapter_for(&element, rules) {
            Ok(adapter) => found.extend(adapter.elements(element, rules).into_iter().map(|mut inner| {
                let fault = inner.fault.take();
                let next = fault.map_or(Ok(adapter), |fault| Err(Reading::reject(inner.place(), fault)));
                (inner, next)
            })),
            Err(reading) => found.push((element, Err(reading))),
        }
        if found.len() > ELEMENTS_MAX {
            return Err(too_many("elements", &found[ELEMENTS_MAX].0.place()));
        }
    }
    if found.is_empty() {
        return match document.repeated.first() {
            Some(place) => Err(Reject::repeated(place)),
            None => Ok(vec![Reading::ignore(String::new(), "the record holds no element")]),
        };
    }
    let repeated = document.repeated_for(&found.iter().map(|(element, _)| element).collect::<Vec<_>>());
    let mut readings = Vec::with_capacity(found.len());
    for ((element, next), repeated) in found.into_iter().zip(repeated) {
        match (repeated, next) {
            (Some(place), _) => readings.push(Reading::reject(element.place(), Reject::repeated(place))),
            (None, Err(reading)) => readings.push(reading),
            (None, Ok(adapter)) => readings.extend((adapter.read)(&element, rules)),
        }
        if readings.len() > ELEMENTS_MAX {
            return Err(too_many("people", &readings[ELEMENTS_MAX].element));
        }
    }
    Ok(readings)
}

fn too_many(what: &str, first: &str) -> Reject {
    let detail = format!("more than {ELEMENTS_MAX} {what}; the first one too many is `{first}`");
    Reject::new(RejectCode::TooManyElements, detail)
}

/// The configured format, or with [`Format::Auto`] the only one that recognises the element.
fn adapter_for(element: &Element<'_>, rules: &Rules) -> Result<&'static Adapter, Reading> {
    let refused = |reject| Err(Reading::reject(element.place(), reject));
    if let Some(fault) = &element.fault {
        return refused(fault.clone());
    }
    if let Some(adapter) = rules.format.adapter() {
        return Ok(adapter);
    }
    let cloud_event = element.cloud_event();
    if cloud_event.is_some_and(|event| rules.accepts_type(event.r#type)) {
        return Ok(&canonical::ADAPTER);
    }
    let mut fitting = ADAPTERS.iter().filter(|adapter| (adapter.recognises)(element.value));
    match (fitting.next(), fitting.next(), cloud_event) {
        (Some(adapter), None, _) => Ok(adapter),
        (None, _, Some(_)) => Err(Reading::ignore(element.cloud_event_place(), FOREIGN_TYPE)),
        (None, _, None) => refused(Reject::new(
            RejectCode::Unrecognised,
            "no known format has this shape; name the format to learn what is missing",
        )),
        (Some(one), Some(other), _) => refused(Reject::new(
            RejectCode::Ambiguous,
            format!("it could be {} or {}; name the format", one.name, other.name),
        )),
    }
}

#[cfg(test)]
/// The first two columns of the table under `## Decisions` of a page of `docs/sources`.
fn documented(page: &str) -> Vec<(&str, &str)> {
    let (_, section) = page.split_once("\n## Decisions\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    rows.map(|(name, rest)| (name, rest.split_once('`').expect("the end of the word").0)).collect()
}
