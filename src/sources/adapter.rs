//! The formats by name, what each has to bring, and which of them reads an element.

use serde::{Deserialize, Serialize};

use super::carrier::{Delivery, Element};
use super::members::Members;
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{
    FOREIGN_TYPE, Rules, adp, auth0, bamboohr, canonical, debezium, entra, google, gusto, hibob, jump_cloud, keycloak,
    mapping, merge, okta, one_login, personio, ping_one, scim, set, success_factors, ukg, workday,
};
use crate::model::event::Action;

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
    /// BambooHR's webhooks.
    Bamboohr,
    /// Workday's reports and `Get_Workers`.
    Workday,
    /// Personio's webhooks.
    Personio,
    /// HiBob's webhooks.
    Hibob,
    /// Gusto's webhooks.
    Gusto,
    /// Merge's webhooks about employees.
    Merge,
    /// ADP's event notifications.
    Adp,
    /// UKG Pro's webhooks.
    Ukg,
    /// SAP SuccessFactors' event notifications.
    SuccessFactors,
    /// Security event tokens: RISC, CAEP, SCIM events.
    Set,
    /// SCIM: bulk requests and user resources.
    Scim,
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

    /// Every format that a configuration may name.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        ADAPTERS.iter().map(|adapter| adapter.format)
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

    /// What its records are written in; with [`Format::Auto`] a record shows it.
    pub(super) fn syntax(self) -> Option<Syntax> {
        if self == Self::Auto {
            return None;
        }
        Some(if self == Self::SuccessFactors { Syntax::Xml } else { Syntax::Json })
    }

    pub(super) fn adapter(self) -> Option<&'static Adapter> {
        ADAPTERS.iter().find(|adapter| adapter.format == self)
    }
}

/// What a record is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Json,
    Xml,
}

/// One format: how to recognise, unwrap and classify it.
pub(super) struct Adapter {
    pub(super) format: Format,
    /// As it stands in the configuration.
    pub(super) name: &'static str,
    /// What of its shape no public source confirms; `None` = all that decides is confirmed.
    pub(super) unconfirmed: Option<&'static str>,
    /// Whether a value, freed of its general carriers, has this format's shape. Two formats must never both say yes.
    pub(super) recognises: fn(&serde_json::Value) -> bool,
    /// Passes over a record that holds nothing relevant, at the cost of skipping its JSON; `None` = read it in full.
    pub(super) pass_over: fn(&Delivery<'_>, &[u8]) -> Option<Vec<Reading>>,
    /// Takes off the format's own envelope.
    pub(super) unwrap: for<'a> fn(Element<'a>) -> Vec<Element<'a>>,
    /// Says what one element means; several readings when it names several people.
    pub(super) read: fn(&Element<'_>, &Rules) -> Vec<Reading>,
}

impl Adapter {
    /// A format that is confirmed, has no envelope of its own and is always read in full.
    pub(super) const fn new(
        format: Format,
        name: &'static str,
        recognises: fn(&serde_json::Value) -> bool,
        read: fn(&Element<'_>, &Rules) -> Vec<Reading>,
    ) -> Self {
        Self {
            format,
            name,
            unconfirmed: None,
            recognises,
            pass_over: |_, _| None,
            unwrap: |element| vec![element],
            read,
        }
    }

    pub(super) const fn unconfirmed(self, what: &'static str) -> Self {
        Self { unconfirmed: Some(what), ..self }
    }

    pub(super) const fn unwrapping(self, unwrap: for<'a> fn(Element<'a>) -> Vec<Element<'a>>) -> Self {
        Self { unwrap, ..self }
    }

    pub(super) const fn passing_over(self, pass_over: fn(&Delivery<'_>, &[u8]) -> Option<Vec<Reading>>) -> Self {
        Self { pass_over, ..self }
    }

    /// Takes off the format's own envelope; a mapping is alone in knowing it from the configuration.
    pub(super) fn elements<'a>(&self, element: Element<'a>, rules: &Rules) -> Vec<Element<'a>> {
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
    bamboohr::ADAPTER,
    workday::ADAPTER,
    personio::ADAPTER,
    hibob::ADAPTER,
    gusto::ADAPTER,
    merge::ADAPTER,
    adp::ADAPTER,
    ukg::ADAPTER,
    success_factors::ADAPTER,
    set::ADAPTER,
    scim::ADAPTER,
    debezium::ADAPTER,
    mapping::ADAPTER,
];

/// One row of a format's table of decisions: what a record says, and what that means.
pub(super) type Meaning = (&'static str, Action);

/// The row of that name.
pub(super) fn meaning(table: &[Meaning], name: &str) -> Option<Meaning> {
    table.iter().copied().find(|(known, _)| *known == name)
}

/// The reading of an element that says one thing, unless it is somebody else's CloudEvent.
pub(super) fn one_reading(
    element: &Element<'_>,
    rules: &Rules,
    recognises: fn(&serde_json::Value) -> bool,
    classify: impl FnOnce(&Members<'_>) -> Result<Verdict, Reject>,
) -> Vec<Reading> {
    let reading = not_ours(element, rules, recognises).unwrap_or_else(|| Reading {
        element: element.place(),
        verdict: Members::of(element.value, "").and_then(|it| classify(&it)).unwrap_or_else(Verdict::Reject),
    });
    vec![reading]
}

/// The reading of an element whose CloudEvent is somebody else's or cannot be read; `None` = the format may look at it.
/// Bridges choose the type freely, so unless types are configured the data speaks for itself.
pub(super) fn not_ours(
    element: &Element<'_>,
    rules: &Rules,
    recognises: fn(&serde_json::Value) -> bool,
) -> Option<Reading> {
    let event = element.cloud_event()?;
    let unwanted = !rules.types.is_empty() && !rules.accepts_type(event.r#type);
    if unwanted || !recognises(element.value) {
        return Some(Reading::ignore(element.cloud_event_place(), FOREIGN_TYPE));
    }
    event.readable().err().map(|reject| Reading::reject(element.place(), reject))
}

/// The configured format, or with [`Format::Auto`] the only one that recognises the element.
pub(super) fn adapter_for(element: &Element<'_>, rules: &Rules) -> Result<&'static Adapter, Reading> {
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
