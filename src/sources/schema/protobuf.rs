//! Protobuf, by a schema that is known at run time only.
//!
//! It becomes the standard JSON form of its message, but for this:
//!
//! * fields have the names that the schema gives them, not `camelCase`;
//! * numbers of 64 bits are numbers, not texts;
//! * a field that holds nothing but its default is absent, unless it is `optional` and was set. Whether `false` was
//!   said or nothing, Protobuf does not tell; absent says nothing, and so removes nobody.

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, FileDescriptor, Kind, MapKey, MessageDescriptor, SerializeOptions,
};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use serde_json::Value;

use super::{Reference, SchemaText, varint, zigzag};
use crate::sources::VALUE_BYTES_MAX;
use crate::sources::document::{Document, is_too_deep};
use crate::sources::framing::Frame;
use crate::sources::record_file;
use crate::sources::verdict::{Reject, RejectCode};

/// The name of the schema's own file. No reference can have it: imports do not begin with a dot.
const OWN_FILE: &str = ".schema.proto";

/// Most indexes: one for each message within another, and the compiler takes no more than 31.
const INDEXES_MAX: u64 = 32;

/// A file with messages.
#[derive(Debug)]
pub(super) struct Protobuf {
    file: FileDescriptor,
}

impl Protobuf {
    /// Compiles the schema. What is wrong with it is a phrase that quotes only the schema.
    pub(super) fn compile(schema: &SchemaText) -> Result<Self, String> {
        let own = Reference { name: OWN_FILE.to_owned(), text: schema.text.clone() };
        let mut resolver = ChainFileResolver::new();
        resolver.add(Told(schema.references.iter().cloned().chain([own]).collect()));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.open_file(OWN_FILE).map_err(|error| format!("no Protobuf schema: {error}"))?;
        let file = compiler.descriptor_pool().get_file_by_name(OWN_FILE);
        file.map(|file| Self { file }).ok_or_else(|| "no Protobuf schema".to_owned())
    }

    pub(super) fn decode(&self, frame: &Frame<'_>) -> Result<Document, Reject> {
        let (indexes, body) = match frame.behind_id {
            // Clients that put the id into a header put the indexes there too.
            Some(behind) if !behind.is_empty() => (indexes(behind)?.0, frame.body),
            Some(_) | None => indexes(frame.body)?,
        };
        let message = DynamicMessage::decode(self.message(&indexes)?, body)
            .map_err(|_| undecodable("its bytes are not what the schema describes"))?;
        if weight(&message) > VALUE_BYTES_MAX {
            let detail = format!("it is longer than {VALUE_BYTES_MAX} bytes decoded");
            return Err(Reject::new(RejectCode::TooLarge, detail));
        }
        let options = SerializeOptions::new()
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false)
            .skip_default_fields(true);
        let root: Value = message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(|_| undecodable("it has no form in JSON"))?;
        match is_too_deep(&root) {
            Some(reject) => Err(reject),
            None => Ok(Document { root, repeated: Vec::new() }),
        }
    }

    fn message(&self, indexes: &[usize]) -> Result<MessageDescriptor, Reject> {
        let (first, inner) = indexes.split_first().unwrap_or((&0, &[]));
        let mut found = self.file.messages().nth(*first);
        for index in inner {
            found = found.and_then(|message| message.child_messages().nth(*index));
        }
        found
            .filter(|message| !message.is_map_entry())
            .ok_or_else(|| undecodable("its message indexes point to no message of the schema"))
    }
}

/// The way to a message: its place in the file, then in the message around it. Nothing but 0 is short for the first.
fn indexes(bytes: &[u8]) -> Result<(Vec<usize>, &[u8]), Reject> {
    let read = || {
        let (count, mut rest) = whole(bytes)?;
        if count == 0 {
            return Some((vec![0], rest));
        }
        let mut indexes = Vec::new();
        for _ in 0..Some(count).filter(|count| *count <= INDEXES_MAX)? {
            let (index, behind) = whole(rest)?;
            indexes.push(usize::try_from(index).ok()?);
            rest = behind;
        }
        Some((indexes, rest))
    };
    read().ok_or_else(|| undecodable("its message indexes cannot be read"))
}

fn whole(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = varint(bytes)?;
    Some((u64::try_from(zigzag(number)).ok()?, rest))
}

fn undecodable(what: &str) -> Reject {
    Reject::new(RejectCode::Undecodable, what)
}

/// About how long it would be as JSON.
fn weight(message: &DynamicMessage) -> usize {
    let field =
        |(field, value): (FieldDescriptor, &prost_reflect::Value)| field.name().len() + weigh(&field.kind(), value);
    message.fields().map(field).sum()
}

fn weigh(kind: &Kind, value: &prost_reflect::Value) -> usize {
    use prost_reflect::Value as Is;
    match value {
        Is::Message(message) => 1 + weight(message),
        Is::List(items) => items.iter().map(|item| 1 + weigh(kind, item)).sum(),
        Is::Map(entries) => {
            let kind = match kind {
                Kind::Message(entry) => entry.map_entry_value_field().kind(),
                other => other.clone(),
            };
            let key = |key: &MapKey| if let MapKey::String(text) = key { text.len() } else { 1 };
            entries.iter().map(|(name, value)| key(name) + weigh(&kind, value)).sum()
        }
        Is::String(text) => text.len(),
        Is::Bytes(bytes) => bytes.len().div_ceil(3) * 4,
        Is::EnumNumber(number) => {
            let found = kind.as_enum().and_then(|values| values.get_value(*number).map(|value| value.name().len()));
            found.unwrap_or(1)
        }
        Is::Bool(_) | Is::I32(_) | Is::I64(_) | Is::U32(_) | Is::U64(_) | Is::F32(_) | Is::F64(_) => 1,
    }
}

/// The schema and what it imports.
struct Told(Vec<Reference>);

impl FileResolver for Told {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let told = self.0.iter().find(|told| told.name == name);
        let text = told.map(|told| told.text.as_str()).ok_or_else(|| protox::Error::file_not_found(name))?;
        // Some registries hold the compiled form.
        let compiled = record_file::base64(text).and_then(|bytes| FileDescriptorProto::decode(bytes.as_slice()).ok());
        match compiled {
            Some(file) => {
                Ok(File::from_file_descriptor_proto(FileDescriptorProto { name: Some(name.to_owned()), ..file }))
            }
            None => File::from_source(name, text),
        }
    }
}

#[cfg(test)]
mod tests;
