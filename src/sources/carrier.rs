//! What any format may travel in: a JSON array, CloudEvents (structured or binary), EventBridge, a schema beside the payload. Taking these off
//! says nothing about what is inside.

use jiff::Timestamp;
use serde_json::Value;

use super::document::Place;
use super::members::{self, Members, TEXT_MAX};
use super::verdict::{Reject, RejectCode};
use super::{ELEMENTS_MAX, Header};

/// One element on its way out of its wrappings.
#[derive(Debug, Clone)]
pub(super) struct Element<'a> {
    /// The part of the document that this element has to itself or shares with those of its batch: a repeated key
    /// here spoils it.
    pub(super) scope: Place,
    /// Where it stands.
    pub(super) path: Place,
    /// What stands there.
    pub(super) value: &'a Value,
    /// The wrappings taken off, outermost first.
    pub(super) envelopes: Vec<Envelope<'a>>,
    /// What is wrong with the wrappings.
    pub(super) fault: Option<Reject>,
    /// When the record came, for formats that name no time.
    pub(super) arrived_at: Option<Timestamp>,
    /// What stands around it, where it is not the whole of a record.
    pub(super) around: Option<Around<'a>>,
}

/// What stands around an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// The outermost wrapping.
    pub(super) record: &'a Value,
    /// The part of it that the element was taken from.
    pub(super) inner: &'a Value,
}

/// A wrapping that was taken off.
#[derive(Debug, Clone)]
pub(super) enum Envelope<'a> {
    CloudEvent(CloudEvent<'a>),
    /// Amazon EventBridge, with its `source`.
    EventBridge {
        source: &'a str,
    },
    /// The format's own envelope, with what it calls its source.
    Own {
        source: Option<&'a str>,
    },
}

/// What a CloudEvent's attributes say.
#[derive(Debug, Clone)]
pub(super) struct CloudEvent<'a> {
    pub(super) id: &'a str,
    /// As far as it is one.
    pub(super) time: Option<Timestamp>,
    pub(super) r#type: &'a str,
    pub(super) source: &'a str,
    /// Where the event itself stands, as against its data.
    place: Place,
    binary: bool,
    /// Why its data cannot be read. Of no interest when its type is not accepted.
    data_fault: Option<Reject>,
}

impl CloudEvent<'_> {
    /// Refuses data that cannot be read.
    pub(super) fn readable(&self) -> Result<(), Reject> {
        self.data_fault.clone().map_or(Ok(()), Err)
    }
}

impl<'a> Element<'a> {
    /// Its place for people: `value…` when the whole value is the data of a binary CloudEvent.
    pub(super) fn place(&self) -> String {
        self.name(&self.path)
    }

    /// The place of something below it.
    pub(super) fn name(&self, place: &Place) -> String {
        match self.cloud_event() {
            Some(event) if event.binary && place.is_root() => "value".to_owned(),
            Some(event) if event.binary => format!("value.{place}"),
            Some(_) | None => place.to_string(),
        }
    }

    /// The CloudEvent that it came in.
    pub(super) fn cloud_event(&self) -> Option<&CloudEvent<'a>> {
        self.envelopes.iter().find_map(|envelope| match envelope {
            Envelope::CloudEvent(event) => Some(event),
            Envelope::EventBridge { .. } | Envelope::Own { .. } => None,
        })
    }

    /// The place of the CloudEvent as a whole, when its data is of no interest.
    pub(super) fn cloud_event_place(&self) -> String {
        self.cloud_event().map_or_else(|| self.place(), |event| event.place.to_string())
    }

    /// The same element with its data found further in.
    pub(super) fn within(mut self, envelope: Envelope<'a>, path: Place, value: &'a Value) -> Self {
        self.envelopes.push(envelope);
        Self { path, value, ..self }
    }

    /// Its list at `path`: the same element with its data found in each item. Of a list that is longer than is read, so
    /// many as it takes to refuse the record.
    pub(super) fn each(self, envelope: &Envelope<'a>, path: &Place, items: &'a [Value]) -> Vec<Self> {
        let items = items.iter().take(ELEMENTS_MAX + 1).enumerate();
        items.map(|(index, item)| self.clone().within(envelope.clone(), path.index(index), item)).collect()
    }

    /// The outermost wrapping; the element itself when there is none.
    pub(super) fn record(&self) -> &'a Value {
        self.around.map_or(self.value, |around| around.record)
    }

    /// The same element, remembering what stands around `inner`.
    pub(super) fn inside(self, inner: &'a Value) -> Self {
        let around = Some(Around { record: self.record(), inner });
        Self { around, ..self }
    }

    /// The same element, refused.
    pub(super) fn refused(self, fault: Reject) -> Self {
        Self { fault: Some(fault), ..self }
    }
}

/// How the headers say that the value is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery<'a> {
    /// They say nothing: the value speaks for itself.
    Plain,
    /// The value is a CloudEvent.
    Structured,
    /// The value is a CloudEvent's data.
    Binary(Attributes<'a>),
}

/// The attributes that a binary CloudEvent has in its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes<'a> {
    specversion: &'a str,
    id: Option<&'a str>,
    time: Option<&'a str>,
    source: Option<&'a str>,
    r#type: Option<&'a str>,
    content_type: Option<&'a str>,
}

impl<'a> Delivery<'a> {
    /// Reads the headers that matter. One of them twice is refused: which one counts would be a guess.
    pub(super) fn of(headers: &[Header<'a>]) -> Result<Self, Reject> {
        if headers.is_empty() {
            return Ok(Self::Plain);
        }
        let content_type = header(headers, "content-type")?;
        let specversion = header(headers, "ce_specversion")?;
        let id = header(headers, "ce_id")?;
        let time = header(headers, "ce_time")?;
        let source = header(headers, "ce_source")?;
        let r#type = header(headers, "ce_type")?;
        if content_type.is_some_and(|name| starts_with_ignoring_case(name, "application/cloudevents")) {
            return Ok(Self::Structured);
        }
        Ok(match specversion {
            Some(specversion) => Self::Binary(Attributes { specversion, id, time, source, r#type, content_type }),
            None => Self::Plain,
        })
    }
}

impl<'a> Attributes<'a> {
    /// The same, of another type.
    pub(super) fn with_type(&self, name: &'a str) -> Self {
        Self { r#type: Some(name), ..self.clone() }
    }
}

impl Delivery<'_> {
    /// The same for a value that was decoded: its content type names the form that it is not in any more.
    pub(super) fn decoded(self) -> Self {
        match self {
            Self::Binary(attributes) => Self::Binary(Attributes { content_type: None, ..attributes }),
            Self::Plain | Self::Structured => self,
        }
    }
}

fn header<'a>(headers: &[Header<'a>], wanted: &str) -> Result<Option<&'a str>, Reject> {
    let mut fitting = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let Some((_, value)) = fitting.next() else { return Ok(None) };
    if fitting.next().is_some() {
        return Err(Reject::new(RejectCode::DuplicateHeader, format!("header `{wanted}` stands more than once")));
    }
    value
        .map(|bytes| {
            std::str::from_utf8(bytes)
                .map_err(|_| Reject::new(RejectCode::InvalidUtf8, format!("header `{wanted}` is not UTF-8")))
        })
        .transpose()
}

/// Takes the general wrappings off a document. `fault` says why the data of a binary CloudEvent could not be parsed.
pub(super) fn unwrap<'a>(
    delivery: &Delivery<'a>,
    arrived_at: Option<Timestamp>,
    root: &'a Value,
    fault: Option<Reject>,
) -> Vec<Element<'a>> {
    let whole = Element {
        scope: Place::default(),
        path: Place::default(),
        value: root,
        envelopes: Vec::new(),
        fault: None,
        arrived_at,
        around: None,
    };
    match (delivery, root) {
        (Delivery::Binary(attributes), _) => vec![event_bridge(connect(binary(attributes, fault, whole)))],
        (Delivery::Plain | Delivery::Structured, Value::Array(items)) => items
            .iter()
            .enumerate()
            // One more than is read is enough to refuse the record.
            .take(ELEMENTS_MAX + 1)
            .map(|(index, value)| {
                let place = Place::default().index(index);
                let item = Element { scope: place.clone(), path: place, value, ..whole.clone() };
                plain(delivery, item)
            })
            .collect(),
        (Delivery::Plain | Delivery::Structured, _) => vec![plain(delivery, whole)],
    }
}

fn plain<'a>(delivery: &Delivery<'a>, element: Element<'a>) -> Element<'a> {
    event_bridge(connect(structured(delivery, connect(element))))
}

/// Kafka Connect's JSON converter puts the schema of a value beside it, unless it is told not to.
fn connect(element: Element<'_>) -> Element<'_> {
    let Value::Object(members) = element.value else { return element };
    match (members.len(), members.get("schema"), members.get("payload")) {
        (2, Some(Value::Object(_) | Value::Null), Some(payload)) => {
            let path = element.path.key("payload");
            Element { path, value: payload, ..element.inside(payload) }
        }
        _ => element,
    }
}

fn binary<'a>(attributes: &Attributes<'a>, fault: Option<Reject>, element: Element<'a>) -> Element<'a> {
    let required = |value: Option<&'a str>, name: &str| match value {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) | None => Err(Reject::new(RejectCode::MissingField, format!("header `ce_{name}`"))),
    };
    let read = || {
        version(attributes.specversion)?;
        let event = CloudEvent {
            id: required(attributes.id, "id")?,
            time: attributes.time.and_then(members::rfc3339),
            r#type: required(attributes.r#type, "type")?,
            source: required(attributes.source, "source")?,
            place: Place::default(),
            binary: true,
            data_fault: json_or_unsupported(attributes.content_type).err().or(fault),
        };
        Ok(event)
    };
    match read() {
        Ok(event) => Element { envelopes: vec![Envelope::CloudEvent(event)], ..element },
        Err(fault) => element.refused(fault),
    }
}

fn structured<'a>(delivery: &Delivery<'a>, element: Element<'a>) -> Element<'a> {
    let is_cloud_event = element.value.get("specversion").is_some();
    if !is_cloud_event {
        return match delivery {
            Delivery::Structured => element.refused(Reject::new(
                RejectCode::MissingField,
                "`specversion`: the `content-type` header promises a CloudEvent",
            )),
            Delivery::Plain | Delivery::Binary(_) => element,
        };
    }
    let value = element.value;
    let read = || {
        let members = Members::of(value, "")?;
        version(members.required_str("specversion", TEXT_MAX)?)?;
        Ok(CloudEvent {
            id: members.required_str("id", TEXT_MAX)?,
            time: members.optional_time("time").ok().flatten(),
            r#type: members.required_str("type", TEXT_MAX)?,
            source: members.required_str("source", TEXT_MAX)?,
            place: element.path.clone(),
            binary: false,
            data_fault: structured_data(&members).err(),
        })
    };
    match (read(), value.get("data")) {
        (Ok(event), Some(data)) => {
            let path = element.path.key("data");
            element.inside(data).within(Envelope::CloudEvent(event), path, data)
        }
        (Ok(event), None) => {
            let path = element.path.clone();
            element.within(Envelope::CloudEvent(event), path, &Value::Null)
        }
        (Err(fault), _) => element.refused(fault),
    }
}

/// Refuses data that is not plain JSON in `data`. A member that is null counts as absent.
fn structured_data(members: &Members<'_>) -> Result<(), Reject> {
    if members.is_present("data_base64") {
        return Err(if members.is_present("data") {
            Reject::new(RejectCode::Ambiguous, "both `data` and `data_base64` are there")
        } else {
            Reject::new(RejectCode::UnsupportedEncoding, "`data_base64` is not read; put the JSON into `data`")
        });
    }
    if members.is_present("datacontenttype") {
        json_or_unsupported(Some(members.required_str("datacontenttype", TEXT_MAX)?))?;
    }
    Ok(())
}

fn version(text: &str) -> Result<(), Reject> {
    if text == "1.0" { Ok(()) } else { Err(Reject::new(RejectCode::UnknownVersion, "`specversion` is not 1.0")) }
}

/// CloudEvents data is JSON unless something else is said.
fn json_or_unsupported(content_type: Option<&str>) -> Result<(), Reject> {
    let Some(content_type) = content_type else { return Ok(()) };
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json") {
        Ok(())
    } else {
        Err(Reject::new(RejectCode::UnsupportedEncoding, "the content type of the data is not JSON"))
    }
}

/// `detail-type` differs between the bridges that are in use, so it only has to be there.
fn event_bridge(element: Element<'_>) -> Element<'_> {
    let value = element.value;
    match (value.get("detail-type"), value.get("source"), value.get("detail")) {
        (Some(_), Some(Value::String(source)), Some(detail @ Value::Object(_))) => {
            let path = element.path.key("detail");
            element.within(Envelope::EventBridge { source }, path, detail)
        }
        _ => element,
    }
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
