//! From the bytes of a value to one tree, whatever they are: framed for a schema registry or not, signed or not, JSON, XML,
//! Avro or Protobuf. The only place that knows all of these.

use std::borrow::Cow;

use super::adapter::Syntax;
use super::document::{self, Document};
use super::framing::{self, Framed};
use super::schema::{Decoded, Schema};
use super::token::Compact;
use super::verdict::{Reject, RejectCode};
use super::{Format, Header, Rules, xml};

/// What a value says, with its framing taken off and its signature checked.
pub(super) enum Body<'a> {
    Text(Cow<'a, [u8]>),
    /// Its schema has decoded it.
    Tree(Document),
}

/// Takes off what stands around a value, if the source's rules and `schema` let it be believed.
pub(super) fn body<'a>(
    headers: &[Header<'a>],
    value: &'a [u8],
    rules: &Rules,
    schema: Option<&Schema>,
) -> Result<Body<'a>, Reject> {
    let decoded = match (framing::take_off(rules.framing, headers, value)?, schema) {
        (Framed::Plain(value), _) => Decoded::Text(value),
        (Framed::Schema(frame), Some(schema)) => schema.decode(&frame)?,
        (Framed::Schema(frame), None) => {
            let detail = format!("schema {} was not asked for", frame.schema);
            return Err(Reject::new(RejectCode::UnknownSchema, detail));
        }
    };
    let may_be_a_token = matches!(rules.format, Format::Set | Format::Auto);
    match decoded {
        Decoded::Text(text) => match Compact::of(text).filter(|_| may_be_a_token) {
            Some(token) => token.claims(&rules.tokens.trust).map(|claims| Body::Text(Cow::Owned(claims))),
            None if may_be_a_token => rules.tokens.takes_plain_claims().map(|()| Body::Text(Cow::Borrowed(text))),
            None => Ok(Body::Text(Cow::Borrowed(text))),
        },
        Decoded::Document(mut document) => {
            if may_be_a_token {
                rules.tokens.takes_plain_claims()?;
            }
            // Avro cannot leave a member out, and the canonical event knows no null.
            if rules.format == Format::Canonical {
                document::leave_nulls_out(&mut document.root);
            }
            Ok(Body::Tree(document))
        }
    }
}

impl Body<'_> {
    /// The tree, if it is written in what the format is.
    pub(super) fn tree(self, format: Format) -> Result<Document, Reject> {
        match self {
            Self::Text(text) => parse(&text, format),
            Self::Tree(document) => Ok(document),
        }
    }
}

fn parse(value: &[u8], format: Format) -> Result<Document, Reject> {
    let refused = |found: &str, wanted: &str| {
        let detail = format!("the value is {found}, and records of the format {} are {wanted}", format.as_str());
        Err(Reject::new(RejectCode::UnsupportedEncoding, detail))
    };
    let syntax = if xml::is_xml(value) { Syntax::Xml } else { Syntax::Json };
    match (syntax, format.syntax()) {
        (Syntax::Xml, Some(Syntax::Json)) => refused("XML", "JSON"),
        (Syntax::Json, Some(Syntax::Xml)) => refused("not XML", "XML"),
        (Syntax::Xml, Some(Syntax::Xml) | None) => xml::parse(value),
        (Syntax::Json, Some(Syntax::Json) | None) => document::parse(value),
    }
}
