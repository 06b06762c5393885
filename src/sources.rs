//! Reading what source systems write: one Kafka record in, one reading for each of its elements out.
//!
//! A record passes four stages, each in its own file:
//!
//! 1. `tree`: bytes to one tree, whatever they are: `framing` takes off what names a schema, `token` believes what is signed,
//!    and `document` (JSON), `xml` or `schema` (Avro, Protobuf) read the rest, within limits, remembering every repeated key;
//! 2. `carrier`: wrappers that any format may travel in (arrays, CloudEvents, EventBridge, a schema beside it) are taken off;
//! 3. the format's own envelope is taken off, and
//! 4. each element is classified: both are the format's file (`canonical`, `okta`, …), chosen by `adapter`.
//!
//! A new format is one file with one `Adapter`. Nothing here does I/O or reads the clock, and whatever a record
//! holds, the answer is a reading: there is no error to handle and nothing panics.

mod adapter;
pub mod adp;
pub mod auth0;
pub mod bamboohr;
pub mod canonical;
mod carrier;
pub mod catalogue;
mod dates;
pub mod debezium;
mod document;
pub mod entra;
pub mod explain;
pub mod expression;
mod framing;
pub mod google;
pub mod grounds;
pub mod gusto;
pub mod hibob;
pub mod jump_cloud;
pub mod keycloak;
pub mod mapping;
mod members;
pub mod merge;
pub mod okta;
pub mod one_login;
pub mod own_sample;
pub mod personio;
pub mod ping_one;
pub mod record_file;
pub mod schema;
pub mod scim;
pub mod set;
pub mod success_factors;
pub mod token;
mod tree;
pub mod ukg;
mod verdict;
pub mod workday;
mod xml;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::model::event::{Boundary, PERSON_EVENT_TYPE};

pub use adapter::Format;
use adapter::{Adapter, Meaning, adapter_for, meaning, not_ours, one_reading};
use carrier::Delivery;
use debezium::Table;
use document::{Document, Place};
use framing::Framed;
pub use framing::{Framing, SchemaId};
use mapping::Mapping;
use schema::Schema;
use token::TokenRules;
use tree::Body;
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
    /// How their values are written.
    pub framing: Framing,
    /// The organisation's account there; a record that names another one is refused. `None`, which no configuration
    /// yields, takes whatever tenant the record names.
    pub tenant: Option<String>,
    /// CloudEvents types accepted besides [`PERSON_EVENT_TYPE`].
    pub types: Vec<String>,
    /// The zone of dates that come without one, by its IANA name.
    pub zone: TimeZone,
    /// The boundary of dates that come without one.
    pub boundary: Boundary,
    /// What security event tokens must hold.
    pub tokens: TokenRules,
    /// What SCIM's `externalId` is.
    pub external_id: ExternalIdIs,
    /// What [`Format::Mapping`] reads by.
    pub mapping: Option<Mapping>,
    /// What the columns mean that [`Format::Debezium`] reads.
    pub tables: Vec<Table>,
}

/// What a publisher of SCIM resources puts into `externalId`, which SCIM leaves to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalIdIs {
    /// Some id.
    Opaque,
    /// The work address.
    Address,
    /// The number of the employee.
    EmployeeId,
}

impl Rules {
    /// The rules for a record of which nothing is known: the format is recognised, the tenant is the record's.
    pub fn auto() -> Self {
        Self {
            name: "auto".to_owned(),
            format: Format::Auto,
            framing: Framing::Plain,
            tenant: None,
            types: Vec::new(),
            zone: TimeZone::UTC,
            boundary: Boundary::EndOfDay,
            tokens: TokenRules::unchecked(),
            external_id: ExternalIdIs::Opaque,
            mapping: None,
            tables: Vec::new(),
        }
    }

    /// The tenant: the configured one, which the record must agree with if it names one, and does so at `place`.
    fn agreed_tenant(&self, named: Option<&str>, place: &str) -> Result<String, Reject> {
        match (&self.tenant, named) {
            (Some(ours), Some(named)) if ours != named => {
                Err(Reject::new(RejectCode::OtherTenant, format!("`{place}` is not the source's `tenant`")))
            }
            (Some(ours), _) => Ok(ours.clone()),
            (None, named) => Ok(named.unwrap_or("unknown").to_owned()),
        }
    }

    fn accepts_type(&self, name: &str) -> bool {
        name == PERSON_EVENT_TYPE || self.types.iter().any(|accepted| accepted == name)
    }
}

/// Reads a record. There is at least one reading, in the order of the record's elements.
pub fn read(record: &Record<'_>, rules: &Rules) -> Vec<Reading> {
    read_with(record, rules, None, Thoroughness::PassOver)
}

/// The schema without which a record cannot be read; `None` = it can be, or it is refused, without one.
pub fn schema_of(record: &Record<'_>, rules: &Rules) -> Option<SchemaId> {
    let value = record.value.filter(|value| value.len() <= VALUE_BYTES_MAX)?;
    match framing::take_off(rules.framing, record.headers, value) {
        Ok(Framed::Schema(frame)) => Some(frame.schema),
        Ok(Framed::Plain(_)) | Err(_) => None,
    }
}

/// Reads a record by the schema that [`schema_of`] named.
pub fn read_by(schema: &Schema, record: &Record<'_>, rules: &Rules) -> Vec<Reading> {
    read_with(record, rules, Some(schema), Thoroughness::PassOver)
}

/// Whether records that hold nothing relevant are read in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thoroughness {
    PassOver,
    Full,
}

fn read_with(record: &Record<'_>, rules: &Rules, schema: Option<&Schema>, thoroughness: Thoroughness) -> Vec<Reading> {
    let readings = open(record, rules, schema, thoroughness).and_then(|opened| match opened {
        Opened::AtOnce(readings) => Ok(readings),
        Opened::Tree(tree) => Ok(tree.read(record, rules)?.into_iter().flat_map(|told| told.readings).collect()),
    });
    readings.unwrap_or_else(|reject| vec![Reading::reject(String::new(), reject)])
}

/// A record, before its elements are read.
enum Opened<'a> {
    /// It need not be taken apart.
    AtOnce(Vec<Reading>),
    Tree(Tree<'a>),
}

struct Tree<'a> {
    delivery: Delivery<'a>,
    document: Document,
    /// Why the data of a binary CloudEvent could not be parsed.
    fault: Option<Reject>,
}

impl Tree<'_> {
    fn read(&self, record: &Record<'_>, rules: &Rules) -> Result<Vec<Told>, Reject> {
        read_document(record, &self.delivery, &self.document, self.fault.clone(), rules)
    }
}

/// What one element says.
struct Told {
    path: Place,
    /// The format that it was read as; `None` = it was not.
    format: Option<Format>,
    readings: Vec<Reading>,
}

fn open<'a>(
    record: &Record<'a>,
    rules: &Rules,
    schema: Option<&Schema>,
    thoroughness: Thoroughness,
) -> Result<Opened<'a>, Reject> {
    let Some(value) = record.value else {
        let why = "a tombstone: the record has no value";
        return Ok(Opened::AtOnce(vec![Reading::ignore("value".to_owned(), why)]));
    };
    if value.len() > VALUE_BYTES_MAX {
        return Err(Reject::new(
            RejectCode::TooLarge,
            format!("the value has {} bytes; {VALUE_BYTES_MAX} are read at most", value.len()),
        ));
    }
    let delivery = Delivery::of(record.headers)?;
    let body = tree::body(record.headers, value, rules, schema)?;
    if thoroughness == Thoroughness::PassOver
        && let Body::Text(text) = &body
        && let Some(adapter) = rules.format.adapter()
        && let Some(readings) = (adapter.pass_over)(&delivery, text)
    {
        return Ok(Opened::AtOnce(readings));
    }
    let delivery = if let Body::Tree(_) = body { delivery.decoded() } else { delivery };
    let (document, fault) = match body.tree(rules.format) {
        Ok(document) => (document, None),
        // Its type stands in the headers and may be one that is of no interest.
        Err(reject) if matches!(delivery, Delivery::Binary(_)) => (Document::default(), Some(reject)),
        Err(reject) => return Err(reject),
    };
    Ok(Opened::Tree(Tree { delivery, document, fault }))
}

/// `fault` says why the data of a binary CloudEvent could not be parsed.
fn read_document(
    record: &Record<'_>,
    delivery: &Delivery<'_>,
    document: &Document,
    fault: Option<Reject>,
    rules: &Rules,
) -> Result<Vec<Told>, Reject> {
    let plain = !matches!(delivery, Delivery::Binary(_));
    // Counted here too: what is in them may be nothing at all.
    if let serde_json::Value::Array(items) = &document.root
        && plain
        && items.len() > ELEMENTS_MAX
    {
        return Err(too_many("elements", &format!("[{ELEMENTS_MAX}]")));
    }
    let mut found = Vec::new();
    for element in carrier::unwrap(delivery, record.arrived_at, &document.root, fault) {
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
            None => Ok(vec![Told {
                path: Place::default(),
                format: None,
                readings: vec![Reading::ignore(String::new(), "the record holds no element")],
            }]),
        };
    }
    let repeated = document.repeated_for(&found.iter().map(|(element, _)| element).collect::<Vec<_>>());
    let mut all = Vec::with_capacity(found.len());
    let mut count = 0;
    for ((element, next), repeated) in found.into_iter().zip(repeated) {
        let (format, readings) = match (repeated, next) {
            (Some(place), _) => (None, vec![Reading::reject(element.place(), Reject::repeated(place))]),
            (None, Err(reading)) => (None, vec![reading]),
            (None, Ok(adapter)) => (Some(adapter.format), (adapter.read)(&element, rules)),
        };
        if let Some(first) = readings.get(ELEMENTS_MAX - count) {
            return Err(too_many("people", &first.element));
        }
        count += readings.len();
        all.push(Told { path: element.path, format, readings });
    }
    Ok(all)
}

fn too_many(what: &str, first: &str) -> Reject {
    let detail = format!("more than {ELEMENTS_MAX} {what}; the first one too many is `{first}`");
    Reject::new(RejectCode::TooManyElements, detail)
}

#[cfg(test)]
/// The first two columns of the table under `## Decisions` of a page of `docs/sources`.
fn documented(page: &str) -> Vec<(&str, &str)> {
    let (_, section) = page.split_once("\n## Decisions\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    rows.map(|(name, rest)| (name, rest.split_once('`').expect("the end of the word").0)).collect()
}
