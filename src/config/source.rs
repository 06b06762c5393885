//! One source of events: where its records lie, and how they are to be read.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::duration;
use crate::model::event::Boundary;
use crate::model::outcome::Mode;
use crate::sources::debezium::Table;
use crate::sources::mapping::Mapping;
use crate::sources::token::{Algorithm, KeySet, TokenRules, Trust};
use crate::sources::{ExternalIdIs, Format, Framing, Rules};

/// One entry of `sources`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// Its cluster in `kafka_clusters`; absent = `kafka`.
    pub cluster: Option<String>,
    /// How its records are read.
    pub format: Format,
    /// Its registry in `schema_registries`; absent = its values are not framed.
    pub schema_registry: Option<String>,
    /// Its directory in `lookups`, for people whom it names by an id alone; absent = nobody is asked.
    pub lookup: Option<String>,
    /// The organisation's account at the source.
    pub tenant: String,
    /// CloudEvents types accepted besides the canonical one.
    pub types: Vec<String>,
    /// Where reading begins at the very first start; absent = now − `max_event_age`.
    pub start_at: Option<StartAt>,
    /// Older events are held.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_event_age: SignedDuration,
    /// How long it may be silent before that is told; absent = for ever.
    #[serde(default, deserialize_with = "duration::deserialize_optional")]
    pub silent_after: Option<SignedDuration>,
    /// Mode of this source; absent = the installation's.
    pub mode: Option<Mode>,
    /// IANA time zone of dates that name none.
    pub zone: String,
    /// Which end of a date counts.
    pub boundary: Boundary,
    /// What follows from a suspended account.
    pub on_suspended: OnSuspended,
    /// A record of the operator's own feed; it was read as expected when the configuration was.
    pub sample: Option<PathBuf>,
    /// What it must be read as.
    pub sample_says: Option<String>,
    /// What `iss` of a token must be.
    pub issuer: Option<String>,
    /// What `aud` of a token must be or hold.
    pub audience: Option<String>,
    /// Where the issuer's keys are.
    pub jwks_url: Option<String>,
    /// The same, as a file.
    pub jwks_file: Option<PathBuf>,
    /// Signatures that count.
    pub algorithms: Vec<Algorithm>,
    /// Whether the records are claims that somebody has checked.
    pub pre_verified: bool,
    /// What SCIM's `externalId` is.
    pub external_id: ExternalIdIs,
    /// What its records mean, where no format says it.
    pub mapping: Option<Mapping>,
    /// What the columns of its tables mean.
    #[serde(default)]
    pub tables: Vec<Table>,
}

/// Where reading begins at the very first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest record there is.
    Earliest,
    /// With the next record.
    Latest,
    /// With the first record of that time or later.
    Time(Timestamp),
}

/// What follows from a suspended account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSuspended {
    /// Nothing.
    Ignore,
    /// A case that is held.
    Hold,
    /// Removes as if the person had left.
    Remove,
}

impl Source {
    /// How the records of this source are to be read.
    pub fn rules(&self) -> Rules {
        Rules {
            name: self.name.clone(),
            format: self.format,
            framing: if self.schema_registry.is_some() { Framing::Confluent } else { Framing::Plain },
            tenant: Some(self.tenant.clone()),
            types: self.types.clone(),
            zone: self.time_zone(),
            boundary: self.boundary,
            tokens: TokenRules {
                issuer: self.issuer.clone(),
                audience: self.audience.clone(),
                trust: match (self.format, self.pre_verified) {
                    (Format::Set, false) => self.signed(KeySet::default()),
                    // Whoever may write the topic is believed.
                    _ => Trust::PreVerified,
                },
            },
            external_id: self.external_id,
            mapping: self.mapping.clone(),
            tables: self.tables.clone(),
        }
    }

    /// The same for somebody who looks at a record: nobody is asked, so signatures are checked with keys from a file only.
    /// Without one all but the signature itself is.
    pub fn rules_offline(&self) -> Rules {
        let mut rules = self.rules();
        if let Trust::Signed { algorithms, age_max, .. } = rules.tokens.trust {
            let keys = self.jwks_file.as_ref().and_then(|file| KeySet::parse(&std::fs::read(file).ok()?).ok());
            let keyless = Trust::Keyless { algorithms, age_max };
            rules.tokens.trust = keys.map_or(keyless, |keys| self.signed(keys));
        }
        rules
    }

    fn signed(&self, keys: KeySet) -> Trust {
        let (algorithms, age_max) = (self.algorithms.clone(), self.max_event_age);
        Trust::Signed { algorithms, keys: Arc::new(keys), age_max }
    }

    /// What of its format nothing confirms, a sample of the operator's own included.
    pub fn unconfirmed(&self) -> Option<&'static str> {
        self.format.unconfirmed().filter(|_| self.sample.is_none())
    }

    /// The zone of dates that name none.
    pub fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.zone).expect("the zone was looked up when the configuration was read")
    }
}

impl<'de> Deserialize<'de> for StartAt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            time => time.parse().map(Self::Time).map_err(serde::de::Error::custom),
        }
    }
}
