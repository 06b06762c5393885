//! What lies in the state topic: one JSON text for each key, `{"v":1,…}`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::case::{Case, Digest};
use super::circuit::Circuit;
use super::identity::Person;
use crate::model::command::Pause;
use crate::model::{CaseId, PersonId, TeamId};

/// The format written. The release that introduces the next one reads both.
pub const STATE_VERSION: u32 = 1;

/// One record of the state topic.
#[derive(Debug, Clone, PartialEq)]
pub enum StateRecord {
    /// `person/<id>`
    Person(Box<Person>),
    /// `alias/<system>:<tenant>:<type>:<value>`
    Alias(String, PersonId),
    /// `case/<id>`, open.
    Case(Box<Case>),
    /// `case/<id>`, closed.
    Digest(Digest),
    /// `windows`
    Windows(Windows),
    /// `circuit`
    Circuit(Circuit),
    /// `orders`
    Orders(Orders),
}

/// People whose removal began, by the moment of their first intent: what the caps count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// Within the last 24 hours.
    pub begun: BTreeMap<PersonId, Begun>,
    /// The same for each team that they were members of.
    #[serde(default)]
    pub teams: BTreeMap<TeamId, TeamWindow>,
}

/// Members of one team whose removal began within the last 24 hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamWindow {
    /// The most members that the team had within the window.
    pub members: u32,
    /// Who, and when.
    pub begun: BTreeMap<PersonId, Timestamp>,
}

/// The first intent of somebody's removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// When.
    pub at: Timestamp,
    /// The source that the case goes back to.
    pub source: String,
}

/// What people ordered, as far as it holds for everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Offset of the commands topic that is read next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    /// The stop of all removals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
}

/// Why a state record cannot be read.
#[derive(Debug, Error)]
pub enum RecordError {
    /// A key of no known form.
    #[error("state record `{0}` has a key that this version does not know")]
    Key(String),
    /// Written by a newer version.
    #[error(
        "state record `{key}` has version {version}; this release reads version {STATE_VERSION}: run the newer release"
    )]
    Version {
        /// The key.
        key: String,
        /// Its version.
        version: u32,
    },
    /// Not what it should be.
    #[error("state record `{key}` cannot be read")]
    Content {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// What it says belongs under another key: two records would speak of one thing, and compaction keep both.
    #[error("state record `{0}` holds what belongs under another key")]
    Misplaced(String),
    /// A case that is open and closed, or neither.
    #[error("state record `{0}` is not of one case, open or closed")]
    Case(String),
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Serialize, Deserialize)]
struct AliasContent {
    person: PersonId,
}

#[derive(Default, Serialize, Deserialize)]
struct CaseContent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<Box<Case>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed: Option<Digest>,
}

/// The key of a case.
pub fn case_key(id: CaseId) -> String {
    format!("case/{id}")
}

/// The key of a person.
pub fn person_key(id: PersonId) -> String {
    format!("person/{id}")
}

/// The key of an alias.
pub fn alias_key(alias: &str) -> String {
    format!("alias/{alias}")
}

/// The key of the windows.
pub const WINDOWS_KEY: &str = "windows";

/// The key of the circuit breaker.
pub const CIRCUIT_KEY: &str = "circuit";

/// The key of the orders.
pub const ORDERS_KEY: &str = "orders";

impl StateRecord {
    /// The key for the topic.
    pub fn key(&self) -> String {
        match self {
            Self::Person(person) => person_key(person.id),
            Self::Alias(alias, _) => alias_key(alias),
            Self::Case(case) => case_key(case.id),
            Self::Digest(digest) => case_key(digest.id),
            Self::Windows(_) => WINDOWS_KEY.to_owned(),
            Self::Circuit(_) => CIRCUIT_KEY.to_owned(),
            Self::Orders(_) => ORDERS_KEY.to_owned(),
        }
    }

    /// Key and value for the topic.
    pub fn encode(&self) -> (String, Vec<u8>) {
        let value = match self {
            Self::Person(person) => encode(person),
            Self::Alias(_, person) => encode(&AliasContent { person: *person }),
            Self::Case(case) => encode(&CaseContent { open: Some(case.clone()), closed: None }),
            Self::Digest(digest) => encode(&CaseContent { open: None, closed: Some(digest.clone()) }),
            Self::Windows(windows) => encode(windows),
            Self::Circuit(circuit) => encode(circuit),
            Self::Orders(orders) => encode(orders),
        };
        (self.key(), value)
    }

    /// Offset of the first record of the commands topic that the state has not seen, if this record says it.
    pub fn commands_position(&self) -> Option<i64> {
        match self {
            Self::Orders(orders) => orders.next,
            Self::Person(_)
            | Self::Alias(..)
            | Self::Case(_)
            | Self::Digest(_)
            | Self::Windows(_)
            | Self::Circuit(_) => None,
        }
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// When the key is unknown, the version is newer, or the content is not what it should be or belongs elsewhere.
    pub fn decode(key: &str, value: &[u8]) -> Result<Self, RecordError> {
        let record = Self::read(key, value)?;
        if record.key() == key { Ok(record) } else { Err(RecordError::Misplaced(key.to_owned())) }
    }

    fn read(key: &str, value: &[u8]) -> Result<Self, RecordError> {
        let version: Version = parse(key, value)?;
        if version.v != STATE_VERSION {
            return Err(RecordError::Version { key: key.to_owned(), version: version.v });
        }
        if key == WINDOWS_KEY {
            return Ok(Self::Windows(parse(key, value)?));
        }
        if key == CIRCUIT_KEY {
            return Ok(Self::Circuit(parse(key, value)?));
        }
        if key == ORDERS_KEY {
            return Ok(Self::Orders(parse(key, value)?));
        }
        match key.split_once('/') {
            Some(("person", _)) => Ok(Self::Person(parse(key, value)?)),
            Some(("alias", alias)) => Ok(Self::Alias(alias.to_owned(), parse::<AliasContent>(key, value)?.person)),
            Some(("case", _)) => match parse(key, value)? {
                CaseContent { open: Some(case), closed: None } => Ok(Self::Case(case)),
                CaseContent { open: None, closed: Some(digest) } => Ok(Self::Digest(digest)),
                CaseContent { .. } => Err(RecordError::Case(key.to_owned())),
            },
            Some(_) | None => Err(RecordError::Key(key.to_owned())),
        }
    }
}

fn encode<T: Serialize>(content: T) -> Vec<u8> {
    serde_json::to_vec(&Versioned { v: STATE_VERSION, content }).expect("state records are plain data with text keys")
}

fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(value).map_err(|source| RecordError::Content { key: key.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(key: &str, value: &str) -> RecordError {
        StateRecord::decode(key, value.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_record_is_refused_under_a_key_that_is_not_its_own() {
        let id = "0c6f8a52-52c2-5d5c-9a51-3c0a6e0b1f11";
        let digest = format!(
            r#"{{"v":1,"closed":{{"id":"{id}","person":"{id}","result":"removed","access_after":"none","summary":"gone","closed_at":"2026-05-29T14:03:11Z","effective_at":"2026-05-29T14:03:11Z"}}}}"#
        );
        let own = format!("case/{id}");
        let read = StateRecord::decode(&own, digest.as_bytes()).unwrap();
        assert_eq!(read.key(), own);
        assert!(matches!(refusal("case/5b1f7c52-2f34-5d1e-8f0e-9f3f6f0b2d22", &digest), RecordError::Misplaced(_)));
        assert!(matches!(refusal(&own.to_uppercase().replace("CASE", "case"), &digest), RecordError::Misplaced(_)));
        assert!(matches!(refusal(&own, r#"{"v":1}"#), RecordError::Case(_)));
    }
}
