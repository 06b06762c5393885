//! An Avro schema from its JSON: names resolved, logical types known, nothing left to be looked up.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Avro, Type};
use crate::sources::schema::SchemaText;

/// Most digits behind the point; a text of zeros would be as long as the schema says.
const SCALE_MAX: u64 = 1_000;

/// Units in a second.
const MILLIS: i64 = 1_000;
const MICROS: i64 = 1_000_000;
const NANOS: i64 = 1_000_000_000;

pub(super) fn parse(schema: &SchemaText) -> Result<Avro, String> {
    let mut parser = Parser::default();
    for reference in &schema.references {
        let json = json(&reference.text).map_err(|error| format!("the schema {:?}: {error}", reference.name))?;
        parser.parse(&json, "")?;
    }
    let root = parser.parse(&json(&schema.text)?, "")?;
    Ok(Avro { types: parser.types, root })
}

fn json(text: &str) -> Result<Value, String> {
    // A schema that is one word may stand without its quotes.
    match serde_json::from_str(text) {
        Ok(json) => Ok(json),
        Err(_) if primitive(text.trim()).is_some() => Ok(Value::String(text.trim().to_owned())),
        Err(error) => Err(format!("no Avro schema: line {}, column {}", error.line(), error.column())),
    }
}

#[derive(Default)]
struct Parser {
    types: Vec<Type>,
    names: BTreeMap<String, usize>,
}

impl Parser {
    fn add(&mut self, found: Type) -> usize {
        self.types.push(found);
        self.types.len() - 1
    }

    /// Adds a type; its index. `namespace` is that of the type around it.
    fn parse(&mut self, json: &Value, namespace: &str) -> Result<usize, String> {
        match json {
            Value::String(name) => match primitive(name) {
                Some(found) => Ok(self.add(found)),
                None => self.named(name, namespace),
            },
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.parse(branch, namespace));
                let branches = branches.collect::<Result<Vec<_>, _>>()?;
                if branches.iter().any(|branch| matches!(self.types[*branch], Type::Union(_))) {
                    return Err("a union within a union".to_owned());
                }
                Ok(self.add(Type::Union(branches)))
            }
            Value::Object(members) => self.object(members, namespace),
            Value::Null | Value::Bool(_) | Value::Number(_) => Err("a type that is neither name nor object".to_owned()),
        }
    }

    /// Within its namespace first, then as it stands: some writers leave the namespace out.
    fn named(&self, name: &str, namespace: &str) -> Result<usize, String> {
        let within = (!name.contains('.') && !namespace.is_empty()).then(|| format!("{namespace}.{name}"));
        let found = within.and_then(|name| self.names.get(&name)).or_else(|| self.names.get(name));
        found.copied().ok_or_else(|| format!("the type {name:?} is defined neither here nor in a reference"))
    }

    fn object(&mut self, members: &Map<String, Value>, namespace: &str) -> Result<usize, String> {
        let kind = match members.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(inner @ (Value::Object(_) | Value::Array(_))) => return self.parse(inner, namespace),
            _ => return Err("a type without `type`".to_owned()),
        };
        let logical = members.get("logicalType").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "array" => {
                let items = self.parse(member(members, "items")?, namespace)?;
                Ok(self.add(Type::Array(items)))
            }
            "map" => {
                let values = self.parse(member(members, "values")?, namespace)?;
                Ok(self.add(Type::Map(values)))
            }
            "enum" => {
                let symbols = list(members, "symbols")?.iter().map(|symbol| symbol.as_str().map(ToOwned::to_owned));
                let symbols = symbols.collect::<Option<_>>().ok_or("a symbol of an enum that is no text")?;
                self.define(members, namespace, Type::Enum(symbols)).map(|(index, _)| index)
            }
            "fixed" => {
                let size = member(members, "size")?.as_u64().and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or("a fixed without a size")?;
                let found = match logical {
                    "decimal" => Type::Decimal { scale: scale(members)?, length: Some(size) },
                    "uuid" if size == 16 => Type::Uuid,
                    _ => Type::Fixed(size),
                };
                self.define(members, namespace, found).map(|(index, _)| index)
            }
            "record" | "error" => self.record(members, namespace),
            name => match primitive(name) {
                Some(plain) => {
                    let found = logical_type(&plain, logical, members)?.unwrap_or(plain);
                    Ok(self.add(found))
                }
                None => self.named(name, namespace),
            },
        }
    }

    fn record(&mut self, members: &Map<String, Value>, namespace: &str) -> Result<usize, String> {
        // Known before its fields are, which may name it.
        let (index, namespace) = self.define(members, namespace, Type::Record(Vec::new()))?;
        let mut fields: Vec<(String, usize)> = Vec::new();
        for field in list(members, "fields")? {
            let field = field.as_object().ok_or("a field that is no object")?;
            let name = text(field, "name")?;
            if fields.iter().any(|(known, _)| known == name) {
                return Err(format!("the field {name:?} stands twice in one record"));
            }
            let found = self.parse(member(field, "type")?, &namespace)?;
            fields.push((name.to_owned(), found));
        }
        self.types[index] = Type::Record(fields);
        Ok(index)
    }

    /// Adds a type that has a name; its index, and the namespace that holds within it.
    fn define(&mut self, members: &Map<String, Value>, around: &str, found: Type) -> Result<(usize, String), String> {
        let (namespace, name) = match text(members, "name")? {
            name if name.contains('.') => name.rsplit_once('.').unwrap_or(("", name)),
            name => (members.get("namespace").and_then(Value::as_str).unwrap_or(around), name),
        };
        let full = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") };
        let index = self.add(found);
        match self.names.insert(full.clone(), index) {
            Some(_) => Err(format!("the type {full:?} is defined twice")),
            None => Ok((index, namespace.to_owned())),
        }
    }
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    members.get(name).ok_or_else(|| format!("a type or a field without `{name}`"))
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    member(members, name)?.as_str().ok_or_else(|| format!("a `{name}` that is no text"))
}

fn list<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], String> {
    member(members, name)?.as_array().map(Vec::as_slice).ok_or_else(|| format!("a `{name}` that is no list"))
}

fn primitive(name: &str) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" => Type::Int,
        "long" => Type::Long,
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "string" => Type::String,
        _ => return None,
    })
}

/// A logical type that fits its type; any other is passed over, as Avro wants it.
fn logical_type(plain: &Type, logical: &str, members: &Map<String, Value>) -> Result<Option<Type>, String> {
    Ok(match (plain, logical) {
        (Type::Int, "date") => Some(Type::Date),
        (Type::Int, "time-millis") => Some(Type::Time(MILLIS)),
        (Type::Long, "time-micros") => Some(Type::Time(MICROS)),
        (Type::Long, "timestamp-millis") => Some(Type::Timestamp(MILLIS)),
        (Type::Long, "timestamp-micros") => Some(Type::Timestamp(MICROS)),
        (Type::Long, "timestamp-nanos") => Some(Type::Timestamp(NANOS)),
        (Type::Long, "local-timestamp-millis") => Some(Type::LocalTimestamp(MILLIS)),
        (Type::Long, "local-timestamp-micros") => Some(Type::LocalTimestamp(MICROS)),
        (Type::Long, "local-timestamp-nanos") => Some(Type::LocalTimestamp(NANOS)),
        (Type::Bytes, "decimal") => Some(Type::Decimal { scale: scale(members)?, length: None }),
        _ => None,
    })
}

fn scale(members: &Map<String, Value>) -> Result<usize, String> {
    let scale = members.get("scale").map_or(Some(0), Value::as_u64).filter(|scale| *scale <= SCALE_MAX);
    scale.and_then(|scale| usize::try_from(scale).ok()).ok_or_else(|| "a decimal without a usable scale".to_owned())
}
