//! One XML document, read as strictly as JSON is and into the same tree, so that adapters, places and refusals need not know
//! the difference: an element that holds elements becomes an object, any other a text, and what stands more than once
//! in its parent a list. Where one belongs, a list is refused like any other wrong type.
//!
//! What two programs may read differently is refused: a DTD, entities other than the five of XML itself, CDATA, comments,
//! processing instructions, text beside elements. Attributes and prefixes decide nothing here and are left out.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, Event};
use serde_json::{Map, Value};

use super::document::{self, Document};
use super::verdict::{Reject, RejectCode};

/// Deepest nesting that is read; the one format has 6 levels.
const DEPTH_MAX: usize = 32;

/// Whether a value can only be XML: no JSON text begins so.
pub(super) fn is_xml(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<")
}

/// An element that has begun.
struct Open {
    name: String,
    elements: Map<String, Value>,
    text: String,
}

/// Parses exactly one document.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, Reject> {
    let mut reader = Reader::from_str(document::utf8(bytes)?);
    let mut root = Map::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        let at = reader.buffer_position();
        let refused = |why: &str| malformed(why, at);
        let event = reader.read_event().map_err(|_| malformed("not one XML document", reader.error_position()))?;
        match event {
            Event::Start(_) | Event::Empty(_) if open.is_empty() && !root.is_empty() => {
                return Err(refused("a second root"));
            }
            Event::Start(_) | Event::Empty(_) if open.len() == DEPTH_MAX => {
                let detail = format!("nested more than {DEPTH_MAX} levels deep at byte {at}");
                return Err(Reject::new(RejectCode::TooDeep, detail));
            }
            Event::Start(tag) => open.push(Open {
                name: tag.local_name().into_inner().to_owned(),
                elements: Map::new(),
                text: String::new(),
            }),
            Event::Empty(tag) => {
                let parent = open.last_mut().map_or(&mut root, |parent| &mut parent.elements);
                add(parent, tag.local_name().into_inner().to_owned(), Value::String(String::new()));
            }
            Event::End(_) => {
                let Some(Open { name, elements, text }) = open.pop() else { return Err(refused("an end too many")) };
                let value = match (elements.is_empty(), text.trim().is_empty()) {
                    (true, _) => Value::String(text),
                    (false, true) => Value::Object(elements),
                    (false, false) => return Err(refused("text beside elements")),
                };
                add(open.last_mut().map_or(&mut root, |parent| &mut parent.elements), name, value);
            }
            Event::Text(text) => match open.last_mut() {
                Some(element) => element.text.push_str(&text),
                None if text.trim().is_empty() => {}
                None => return Err(refused("text outside the root")),
            },
            Event::GeneralRef(reference) => match (open.last_mut(), character(&reference)) {
                (Some(element), Some(text)) => element.text.push_str(&text),
                (Some(_), None) => return Err(refused("an entity that XML itself does not know")),
                (None, _) => return Err(refused("text outside the root")),
            },
            Event::Decl(declaration) if at == 0 && is_utf8(&declaration) => {}
            Event::Decl(_) => {
                return Err(refused("a declaration that is out of place or names another encoding than UTF-8"));
            }
            Event::DocType(_) => return Err(refused("a DTD")),
            Event::CData(_) => return Err(refused("CDATA")),
            Event::Comment(_) => return Err(refused("a comment")),
            Event::PI(_) => return Err(refused("a processing instruction")),
            Event::Eof if open.is_empty() && !root.is_empty() => {
                return Ok(Document { root: Value::Object(root), repeated: Vec::new() });
            }
            Event::Eof => return Err(refused("the document ends early")),
        }
    }
}

fn malformed(why: &str, byte: u64) -> Reject {
    Reject::new(RejectCode::MalformedXml, format!("{why} at byte {byte}"))
}

fn add(elements: &mut Map<String, Value>, name: String, value: Value) {
    match elements.get_mut(&name) {
        None => drop(elements.insert(name, value)),
        Some(Value::Array(items)) => items.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

/// What a numeric reference or one of the five entities of XML stands for.
fn character(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string()),
        Ok(None) => resolve_xml_entity(reference).map(ToOwned::to_owned),
        Err(_) => None,
    }
}

fn is_utf8(declaration: &BytesDecl<'_>) -> bool {
    match declaration.encoding() {
        None => true,
        Some(encoding) => encoding.is_ok_and(|encoding| encoding.eq_ignore_ascii_case("utf-8")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tree(text: &str) -> Value {
        parse(text.as_bytes()).unwrap().root
    }

    fn refusal(text: &str) -> RejectCode {
        parse(text.as_bytes()).map(|document| document.root).unwrap_err().code
    }

    #[test]
    fn elements_become_the_tree_that_json_would_be() {
        assert_eq!(
            tree(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<n:a xmlns:n='x'> <n:b>1</n:b>\n<c/><b x='y'>&lt;2&#x20;&#51;&amp;</b> </n:a>\n"
            ),
            json!({ "a": { "b": ["1", "<2 3&"], "c": "" } })
        );
        assert_eq!(tree("<a><b>1</b><b>2</b><b>3</b></a>"), json!({ "a": { "b": ["1", "2", "3"] } }));
        assert_eq!(tree("<a> 1 </a>"), json!({ "a": " 1 " }));
    }

    #[test]
    fn whatever_could_be_read_in_two_ways_is_refused() {
        for text in [
            "",
            "<",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><a/>",
            "<a/>x",
            "<a/>&amp;",
            "<a>x<b/></a>",
            "<a><b/>x</a>",
            "<a>1<!-- -->2</a>",
            "<!-- --><a/>",
            "<a><![CDATA[1]]></a>",
            "<a><?x y?></a>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
            "<a>&e;</a>",
            "<a>&nbsp;</a>",
            "<a>&</a>",
            "<a>&#0;</a>",
            "<a>&#x110000;</a>",
            "<a/><?xml version='1.0'?>",
            " <?xml version='1.0'?><a/>",
            "<?xml version='1.0' encoding='iso-8859-1'?><a/>",
        ] {
            assert_eq!(refusal(text), RejectCode::MalformedXml, "{text:?}");
        }
        assert_eq!(parse(b"<a>\xff</a>").unwrap_err().code, RejectCode::InvalidUtf8);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        for too_deep in [nested(DEPTH_MAX + 1), "<a>".repeat(100_000), format!("{}<a/>", "<a>".repeat(DEPTH_MAX))] {
            assert_eq!(refusal(&too_deep), RejectCode::TooDeep);
        }
    }
}
