//! What a reading says.

use std::borrow::Cow;

use jiff::Timestamp;

use super::document::Place;
use crate::model::event::{PersonEvent, Subject};

/// What one element of a record says.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Where the element stands in the record: `data.events[0]`, `[0].data`, `detail`, `value` for the data of a
    /// binary CloudEvent, empty for the whole value.
    pub element: String,
    /// What it says.
    pub verdict: Verdict,
}

impl Reading {
    pub(super) fn ignore(element: String, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { element, verdict: Verdict::Ignore { reason: reason.into(), about: None } }
    }

    pub(super) fn reject(element: String, reject: Reject) -> Self {
        Self { element, verdict: Verdict::Reject(reject) }
    }
}

/// What an element says, as far as leaving goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// A statement about a person.
    Event(Box<PersonEvent>),
    /// Not about leaving. No error and no dead letter.
    Ignore {
        /// Why.
        reason: Cow<'static, str>,
        /// What it is about, where that is known.
        about: Option<Box<About>>,
    },
    /// Malformed, ambiguous or unsafe: a dead letter.
    Reject(Reject),
}

impl Verdict {
    pub(super) fn ignored(reason: &'static str) -> Self {
        Self::Ignore { reason: reason.into(), about: None }
    }

    pub(super) fn event(event: PersonEvent) -> Self {
        Self::Event(Box::new(event))
    }
}

/// What an ignored element is about; for people to read, never to act on.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Whom it names.
    pub subject: Subject,
    /// The source's id of the event.
    pub event_id: Option<String>,
    /// When it happened.
    pub occurred_at: Option<Timestamp>,
}

/// Why an element, or a whole record, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The class, for the dead letter and the metric.
    pub code: RejectCode,
    /// The place within the element and what is wrong there. Holds no value of the record.
    pub detail: String,
}

impl Reject {
    pub(super) fn new(code: RejectCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(super) fn repeated(place: &Place) -> Self {
        Self::new(RejectCode::DuplicateKey, format!("`{place}` stands more than once"))
    }
}

/// Classes of refusal. A closed list: each is a dead-letter reason and a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectCode {
    /// The value is longer than is read.
    TooLarge,
    /// More elements than are read.
    TooManyElements,
    /// Nested deeper than is read.
    TooDeep,
    /// Not UTF-8.
    InvalidUtf8,
    /// Not one JSON document.
    MalformedJson,
    /// Not one XML document, or one with a part that is never read.
    MalformedXml,
    /// A key stands more than once in one object.
    DuplicateKey,
    /// A header that may stand once stands more often.
    DuplicateHeader,
    /// Not of the expected format.
    Unrecognised,
    /// More than one format, or more than one reading, fits.
    Ambiguous,
    /// The data is in an encoding that is not read.
    UnsupportedEncoding,
    /// Framed for a schema registry in another way than the source is configured for, or not at all.
    UnexpectedFraming,
    /// The registry knows no schema of that id.
    UnknownSchema,
    /// The schema itself cannot be used.
    UnusableSchema,
    /// The value is not what its schema says.
    Undecodable,
    /// A `schema_version` or `specversion` that is not known.
    UnknownVersion,
    /// An `action` that is not known.
    UnknownAction,
    /// A required member is absent.
    MissingField,
    /// A member has another JSON type.
    WrongType,
    /// A member has a value outside what is allowed.
    InvalidValue,
    /// A text or list is longer than allowed.
    TooLong,
    /// A text holds a control character, or one that changes how others are shown.
    ControlCharacter,
    /// A text that stands for an address is not one.
    InvalidAddress,
    /// The event names nobody whom it is about.
    MissingSubject,
    /// The record is another organisation's.
    OtherTenant,
    /// A token that the issuer's keys did not sign, or not by a pinned algorithm.
    BadSignature,
    /// A token without the type, issuer or audience that is pinned, or one that is not signed at all.
    Untrusted,
    /// A token that was too old when it arrived.
    Expired,
}

impl RejectCode {
    /// All, for the documentation and the metric's labels.
    pub const ALL: [Self; 28] = [
        Self::TooLarge,
        Self::TooManyElements,
        Self::TooDeep,
        Self::InvalidUtf8,
        Self::MalformedJson,
        Self::MalformedXml,
        Self::DuplicateKey,
        Self::DuplicateHeader,
        Self::Unrecognised,
        Self::Ambiguous,
        Self::UnsupportedEncoding,
        Self::UnexpectedFraming,
        Self::UnknownSchema,
        Self::UnusableSchema,
        Self::Undecodable,
        Self::UnknownVersion,
        Self::UnknownAction,
        Self::MissingField,
        Self::WrongType,
        Self::InvalidValue,
        Self::TooLong,
        Self::ControlCharacter,
        Self::InvalidAddress,
        Self::MissingSubject,
        Self::OtherTenant,
        Self::BadSignature,
        Self::Untrusted,
        Self::Expired,
    ];

    /// As it stands in dead letters and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooManyElements => "too_many_elements",
            Self::TooDeep => "too_deep",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::MalformedJson => "malformed_json",
            Self::MalformedXml => "malformed_xml",
            Self::DuplicateKey => "duplicate_key",
            Self::DuplicateHeader => "duplicate_header",
            Self::Unrecognised => "unrecognised",
            Self::Ambiguous => "ambiguous",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::UnexpectedFraming => "unexpected_framing",
            Self::UnknownSchema => "unknown_schema",
            Self::UnusableSchema => "unusable_schema",
            Self::Undecodable => "undecodable",
            Self::UnknownVersion => "unknown_version",
            Self::UnknownAction => "unknown_action",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::InvalidValue => "invalid_value",
            Self::TooLong => "too_long",
            Self::ControlCharacter => "control_character",
            Self::InvalidAddress => "invalid_address",
            Self::MissingSubject => "missing_subject",
            Self::OtherTenant => "other_tenant",
            Self::BadSignature => "bad_signature",
            Self::Untrusted => "untrusted",
            Self::Expired => "expired",
        }
    }
}
