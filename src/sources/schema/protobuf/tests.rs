use serde_json::json;

use super::*;
use crate::sources::framing::SchemaId;
use crate::sources::schema::SchemaKind;

const HR: &str = r#"
syntax = "proto3";
package hr;
import "address.proto";
import "google/protobuf/timestamp.proto";
message Ignored { string text = 1; }
message Left {
  enum Kind { UNKNOWN = 0; RESIGNED = 1; }
  message Inner { int64 number = 1; }
  string person_key = 1;
  Kind kind = 2;
  repeated Address emails = 3;
  map<string, Kind> more = 4;
  optional bool enabled = 5;
  bool active = 6;
  google.protobuf.Timestamp left_at = 7;
  int64 big = 8;
  bytes raw = 9;
  Inner inner = 10;
  Left next = 11;
}
"#;

fn schema() -> SchemaText {
    let address = r#"syntax = "proto3"; package hr; message Address { string value = 1; }"#;
    SchemaText {
        kind: SchemaKind::Protobuf,
        text: HR.to_owned(),
        references: vec![Reference { name: "address.proto".to_owned(), text: address.to_owned() }],
    }
}

fn compiled() -> Protobuf {
    Protobuf::compile(&schema()).unwrap()
}

fn frame<'a>(behind_id: Option<&'a [u8]>, body: &'a [u8]) -> Frame<'a> {
    Frame { schema: SchemaId::Number(1), behind_id, body }
}

/// The second message of the file, from its JSON, behind its index.
fn written(json: Value) -> Vec<u8> {
    let left = compiled().message(&[1]).unwrap();
    let message = DynamicMessage::deserialize(left, json).unwrap();
    [vec![2, 2], message.encode_to_vec()].concat()
}

fn read(body: &[u8]) -> Result<Value, RejectCode> {
    compiled().decode(&frame(None, body)).map(|document| document.root).map_err(|reject| reject.code)
}

#[test]
fn a_message_becomes_json_in_the_words_of_its_schema() {
    let body = written(json!({
        "personKey": "hr:larkspur:1", "kind": "RESIGNED", "emails": [{"value": "a@b"}], "more": {"x": "RESIGNED"},
        "enabled": false, "active": false, "leftAt": "2026-05-29T14:03:11.902Z", "big": i64::MAX, "raw": "/+8=",
        "inner": {"number": 7},
    }));
    assert_eq!(
        read(&body).unwrap(),
        json!({
            "person_key": "hr:larkspur:1", "kind": "RESIGNED", "emails": [{"value": "a@b"}], "more": {"x": "RESIGNED"},
            "enabled": false, "left_at": "2026-05-29T14:03:11.902Z", "big": i64::MAX, "raw": "/+8=",
            "inner": {"number": 7},
        })
    );
}

#[test]
fn indexes_choose_the_message() {
    assert_eq!(read(b"\x00\x0a\x01x"), Ok(json!({"text": "x"})), "the short form");
    assert_eq!(read(b"\x02\x00\x0a\x01x"), Ok(json!({"text": "x"})), "the long form of the same");
    assert_eq!(read(b"\x02\x02\x0a\x01x"), Ok(json!({"person_key": "x"})));
    assert_eq!(read(b"\x04\x02\x00\x08\x07"), Ok(json!({"number": 7})), "a message within another");
    let in_header = compiled().decode(&frame(Some(b"\x02\x02"), b"\x0a\x01x")).unwrap();
    assert_eq!(in_header.root, json!({"person_key": "x"}));
    let in_front = compiled().decode(&frame(Some(b""), b"\x02\x02\x0a\x01x")).unwrap();
    assert_eq!(in_front.root, json!({"person_key": "x"}));
    for body in
        [&b""[..], b"\x02", b"\x01\x00", b"\x02\x0a", b"\x04\x00\x00", b"\x06\x02\x00\x00", b"\x80\x01", b"\x02\x01"]
    {
        assert_eq!(read(body), Err(RejectCode::Undecodable), "{body:?}");
    }
    // The entries of a map are a message too, of which nobody writes one alone.
    assert_eq!(read(b"\x04\x02\x02\x0a\x01x"), Err(RejectCode::Undecodable));
}

#[test]
fn a_value_that_is_cut_off_is_refused() {
    let body = written(json!({"emails": [{"value": "priya@larkspur.example"}]}));
    for end in 3..body.len() {
        assert_eq!(read(&body[..end]), Err(RejectCode::Undecodable), "{end}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |levels: usize| {
        let inner = (1..levels).fold(Vec::new(), |inner: Vec<u8>, _| {
            let mut outer = vec![0x5a];
            prost::encoding::encode_varint(inner.len() as u64, &mut outer);
            [outer, inner].concat()
        });
        [vec![2, 2], inner].concat()
    };
    assert!(read(&nested(90)).is_ok());
    assert!(matches!(read(&nested(200)), Err(RejectCode::Undecodable | RejectCode::TooDeep)));
    assert!(matches!(read(&nested(20_000)), Err(RejectCode::Undecodable | RejectCode::TooDeep)));
    let name = "n".repeat(2_000);
    let text = format!("syntax = \"proto3\"; message M {{ repeated M {name} = 1; }}");
    let wide = Protobuf::compile(&SchemaText { text, ..schema() }).unwrap();
    let many = |count: usize| [vec![0], b"\x0a\x02\x0a\x00".repeat(count)].concat();
    assert!(wide.decode(&frame(None, &many(10))).is_ok());
    assert_eq!(wide.decode(&frame(None, &many(1_000))).unwrap_err().code, RejectCode::TooLarge);
}

#[test]
fn a_compiled_schema_is_read_too() {
    let file = compiled().file.file_descriptor_proto().clone();
    let Value::String(text) = super::super::base64(&file.encode_to_vec()) else { panic!("a text") };
    let protobuf = Protobuf::compile(&SchemaText { text, ..schema() }).unwrap();
    let read = protobuf.decode(&frame(None, b"\x02\x02\x0a\x01x")).unwrap();
    assert_eq!(read.root, json!({"person_key": "x"}));
}

#[test]
fn a_schema_that_is_none_says_what_is_wrong() {
    let wrong = |schema: &SchemaText| Protobuf::compile(schema).unwrap_err();
    assert!(wrong(&SchemaText { references: Vec::new(), ..schema() }).contains("address.proto"));
    assert!(wrong(&SchemaText { text: "message {".to_owned(), ..schema() }).contains("no Protobuf schema"));
    let itself = SchemaText { text: "import \".schema.proto\";".to_owned(), ..schema() };
    assert!(wrong(&itself).contains("no Protobuf schema"));
    let deep = format!("{}{}", "message M {".repeat(100_000), "}".repeat(100_000));
    assert!(wrong(&SchemaText { text: deep, ..schema() }).contains("no Protobuf schema"));
}

#[test]
fn a_long_text_in_a_schema_does_not_use_up_the_stack() {
    let long = "x".repeat(200_000);
    let text = format!("syntax = \"proto3\"; message M {{ optional bool a = 1 [json_name = \"{long}\"]; }}");
    Protobuf::compile(&SchemaText { text, ..schema() }).unwrap();
    let text = format!("import \"{long}\";");
    assert!(Protobuf::compile(&SchemaText { text, ..schema() }).is_err());
    let text = format!("syntax = \"proto3\"; {} {}", "message M { ".repeat(10_000), "} ".repeat(10_000));
    assert!(Protobuf::compile(&SchemaText { text, ..schema() }).is_err());
}
