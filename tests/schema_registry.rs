//! What a schema registry answers, and what follows: only its own word counts, and everything else is asked again.
#![cfg(feature = "service")]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::registry::{Lookup, Registry};
use heroku_deprovisioner::sources::schema::Schema;
use heroku_deprovisioner::sources::{RejectCode, SchemaId};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

const STRING: &str = "\"string\"";

/// Answers by path; whatever else is asked for is not found, as by a web server.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    answers: BTreeMap<String, (StatusCode, String)>,
    /// Path and `authorization` of each request.
    asked: Vec<(String, Option<String>)>,
}

impl Answers {
    fn set(&self, path: &str, status: u16, body: &Value) {
        let answer = (StatusCode::from_u16(status).unwrap(), body.to_string());
        self.0.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    fn asked(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    /// Listens, and returns its address.
    async fn serve(&self) -> String {
        async fn answer(State(answers): State<Answers>, request: Request) -> Response {
            let path = request.uri().path().to_owned();
            let authorization = request.headers().get(header::AUTHORIZATION);
            let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
            let mut held = answers.0.lock().unwrap();
            held.asked.push((path.clone(), authorization));
            match held.answers.get(&path) {
                Some((status, body)) => (*status, body.clone()).into_response(),
                None => (StatusCode::NOT_FOUND, "<html>not here</html>").into_response(),
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer).with_state(self.clone())).into_future());
        address
    }
}

fn registry<const N: usize>(url: &str, variables: [(&str, &str); N]) -> Registry {
    let text = format!(
        "config_version = 1\n[kafka]\nbootstrap_servers = \"b:1\"\n[people]\ncompany_domains = [\"a.example\"]\n\
         [schema_registries.main]\nurl = \"{url}\"\ntimeout = \"500ms\"\n"
    );
    let config = Config::parse("x.toml", &text, &Environment::of(variables)).unwrap();
    Registry::new("main", &config.schema_registries["main"], Handle::current()).unwrap()
}

async fn reason(registry: &Registry, id: u32) -> String {
    registry.ask(SchemaId::Number(id)).await.unwrap_err()
}

fn refusal(schema: &Schema) -> (RejectCode, &str) {
    let reject = schema.refuses().expect("a schema that cannot be used");
    (reject.code, reject.detail.as_str())
}

/// Looks until something is known.
async fn known(registry: &Registry, id: u32) -> Lookup {
    for _ in 0..1_000 {
        match registry.look_up(SchemaId::Number(id)) {
            Lookup::Waiting => tokio::time::sleep(Duration::from_millis(20)).await,
            known @ (Lookup::Known(_) | Lookup::Unknown) => return known,
        }
    }
    panic!("nothing is known of schema {id}");
}

#[tokio::test]
async fn only_the_registrys_own_word_counts() {
    let answers = Answers::default();
    let registry = registry(&format!("{}/apis/v7", answers.serve().await), []);
    let at = |id: u32| format!("/apis/v7/schemas/ids/{id}");
    answers.set(&at(1), 200, &json!({"schema": STRING}));
    assert!(registry.ask(SchemaId::Number(1)).await.unwrap().unwrap().refuses().is_none());
    for code in [40401, 40402, 40403] {
        answers.set(&at(2), 404, &json!({"error_code": code, "message": "not found"}));
        assert!(registry.ask(SchemaId::Number(2)).await.unwrap().is_none());
    }
    for (status, body, said) in [
        (404, json!({"error_code": 404, "message": "no such path"}), "404 Not Found; see `url`"),
        (401, json!({"error_code": 40101}), "401 Unauthorized; see its user name"),
        (403, json!({}), "403 Forbidden; see its user name"),
        (429, json!({}), "429 Too Many Requests"),
        (500, json!({"error_code": 40403}), "500 Internal Server Error"),
        (503, json!({}), "503 Service Unavailable"),
        (302, json!({}), "302 Found"),
        (200, json!(["not", "a", "schema"]), "not with a schema"),
    ] {
        answers.set(&at(3), status, &body);
        let why = reason(&registry, 3).await;
        assert!(why.contains(said), "{status}: {why}");
    }
    assert!(reason(&registry, 4).await.contains("404 Not Found"), "the 404 of a web server");
    answers.set(&at(5), 200, &json!({"schema": STRING, "schemaType": "XML"}));
    let schema = registry.ask(SchemaId::Number(5)).await.unwrap().unwrap();
    assert_eq!(refusal(&schema), (RejectCode::UnusableSchema, "its kind is not AVRO, JSON or PROTOBUF"));
    let guid = "5f3c0f0e-1111-4222-8333-444444444444";
    answers.set(&format!("/apis/v7/schemas/guids/{guid}"), 200, &json!({"schema": STRING, "guid": guid}));
    assert!(registry.ask(SchemaId::Guid(guid.parse().unwrap())).await.unwrap().is_some());
}

#[tokio::test]
async fn whoever_does_not_answer_is_named_without_credentials() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let registry_there = registry(&format!("http://{address}"), []);
    assert_eq!(reason(&registry_there, 1).await, "no answer within 500ms");
    assert!(registry_there.probe().await.unwrap_err().contains("no answer within"));
    drop(silent);
    assert!(reason(&registry_there, 1).await.contains("onnect"), "{}", reason(&registry_there, 1).await);

    let answers = Answers::default();
    let address = answers.serve().await;
    let secrets = [
        ("HEROKU_DEPROVISIONER__SCHEMA_REGISTRIES__MAIN__USERNAME", "us3r"),
        ("HEROKU_DEPROVISIONER__SCHEMA_REGISTRIES__MAIN__PASSWORD", "passw0rd"),
    ];
    let registry_there = registry(&address, secrets);
    answers.set("/schemas/types", 200, &json!(["AVRO"]));
    registry_there.probe().await.unwrap();
    // base64 of `us3r:passw0rd`
    let basic = Some("Basic dXMzcjpwYXNzdzByZA==".to_owned());
    assert_eq!(answers.asked(), [("/schemas/types".to_owned(), basic)]);
    let half = registry(&address, [secrets[0]]);
    assert!(reason(&half, 1).await.starts_with("no `schema_registries.main.password`"));
    assert_eq!(answers.asked(), [], "nothing is asked without the password");
}

#[tokio::test]
async fn what_a_schema_refers_to_comes_with_it() {
    let answers = Answers::default();
    let registry = registry(&answers.serve().await, []);
    let record = |name: &str, field: &str| {
        json!({"type": "record", "name": name, "fields": [{"name": "x", "type": field}]}).to_string()
    };
    let refers = |name: &str, subject: &str| json!([{"name": name, "subject": subject, "version": 3}]);
    answers.set("/schemas/ids/1", 200, &json!({"schema": record("A", "B"), "references": refers("B", "b/../é")}));
    answers.set(
        "/subjects/b%2F..%2F%C3%A9/versions/3",
        200,
        &json!({"schema": record("B", "C"), "references": refers("C", "c")}),
    );
    answers.set("/subjects/c/versions/3", 200, &json!({"schema": record("C", "string"), "references": null}));
    assert!(registry.ask(SchemaId::Number(1)).await.unwrap().unwrap().refuses().is_none());

    answers.set("/subjects/c/versions/3", 404, &json!({"error_code": 40402}));
    let schema = registry.ask(SchemaId::Number(1)).await.unwrap().unwrap();
    assert_eq!(refusal(&schema).1, "it refers to version 3 of subject \"c\", which the registry does not know");
    answers.set("/subjects/c/versions/3", 503, &json!({}));
    assert!(reason(&registry, 1).await.contains("503"));
    // One that refers to itself ends.
    answers.set(
        "/subjects/c/versions/3",
        200,
        &json!({"schema": record("C", "string"), "references": refers("B", "b/../é")}),
    );
    assert!(registry.ask(SchemaId::Number(1)).await.unwrap().unwrap().refuses().is_none());
}

#[tokio::test]
async fn a_schema_is_asked_for_once_and_trouble_again_and_again() {
    let answers = Answers::default();
    let registry = registry(&answers.serve().await, []);
    answers.set("/schemas/ids/1", 200, &json!({"schema": STRING}));
    assert!(matches!(registry.look_up(SchemaId::Number(1)), Lookup::Waiting));
    assert!(matches!(known(&registry, 1).await, Lookup::Known(_)));
    assert!(matches!(known(&registry, 1).await, Lookup::Known(_)));
    assert_eq!(answers.asked().len(), 1);

    answers.set("/schemas/ids/2", 500, &json!({}));
    while registry.trouble().is_none() {
        assert!(matches!(registry.look_up(SchemaId::Number(2)), Lookup::Waiting));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(registry.trouble().unwrap().why.contains("500"));
    assert_eq!(answers.asked().len(), 1);
    assert!(matches!(registry.look_up(SchemaId::Number(2)), Lookup::Waiting));
    assert!(matches!(registry.look_up(SchemaId::Number(3)), Lookup::Waiting));
    assert_eq!(answers.asked(), [], "it is left alone for a while");
    assert!(matches!(known(&registry, 1).await, Lookup::Known(_)), "what it has told stays known");
    answers.set("/schemas/ids/2", 200, &json!({"schema": STRING}));
    assert!(matches!(known(&registry, 2).await, Lookup::Known(_)));
    assert_eq!(registry.trouble(), None);

    answers.set("/schemas/ids/4", 404, &json!({"error_code": 40403}));
    assert!(matches!(known(&registry, 4).await, Lookup::Unknown));
    assert_eq!(registry.trouble(), None, "it is no trouble not to know a schema");
    answers.set("/schemas/ids/4", 200, &json!({"schema": STRING}));
    // For some seconds its word counts; then it is asked again.
    while !matches!(known(&registry, 4).await, Lookup::Known(_)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs `explain` as the source `hr`, whose values are framed, on a file with these bytes.
async fn explained(url: &str, name: &str, bytes: &[u8]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "config_version = 1\n[kafka]\nbootstrap_servers = \"b:1\"\n[people]\ncompany_domains = [\"a.example\"]\n\
         [schema_registries.main]\nurl = \"{url}\"\n[[sources]]\nname = \"hr\"\ntopic = \"hr\"\n\
         format = \"keycloak\"\ntenant = \"larkspur\"\nschema_registry = \"main\"\n"
    );
    std::fs::write(folder.path().join("heroku-deprovisioner.toml"), config).unwrap();
    std::fs::write(folder.path().join(name), bytes).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"));
    command.args(["explain", "--source", "hr", name]).current_dir(folder.path()).env_clear();
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_asks_the_registry_of_the_source() {
    let answers = Answers::default();
    let url = answers.serve().await;
    let schema = json!({"type": "record", "name": "Event", "fields": [
        {"name": "type", "type": "string"}, {"name": "realmName", "type": "string"},
        {"name": "time", "type": "long"}, {"name": "userId", "type": "string"}]});
    answers.set("/schemas/ids/1", 200, &json!({"schema": schema.to_string()}));
    answers.set("/schemas/ids/3", 404, &json!({"error_code": 40403}));
    let body = b"\x0aLOGIN\x10larkspur\xbc\xfb\xe7\xc4\xce\x67\x02u";
    let framed = |id: u8, body: &[u8]| [&[0, 0, 0, 0, id], body].concat();
    let (code, said) = explained(&url, "value", &framed(1, body)).await;
    assert!(code == Some(0) && said.starts_with("whole value: ignore"), "{said}");
    let (code, said) = explained(&url, "value", &framed(1, b"\x0aLO")).await;
    assert!(code == Some(65) && said.contains("undecodable: cut off at `type`"), "{said}");
    let (code, said) = explained(&url, "value", &framed(3, body)).await;
    assert!(code == Some(65) && said.contains("unknown_schema: the registry knows no schema 3"), "{said}");
    let (code, said) = explained(&url, "value", &framed(2, body)).await;
    assert!(code == Some(69) && said.contains("schema registry main: it answers 404 Not Found"), "{code:?} {said}");
    let record = b"{\"value_base64\":\"AAAAAAEKTE9HSU4QbGFya3NwdXI=\"}";
    let (code, said) = explained(&url, "x.record.json", record).await;
    assert!(code == Some(65) && said.contains("undecodable: no whole number at `time`"), "{said}");

    // A text is what other tools have decoded; nobody is asked.
    answers.asked();
    let (code, said) = explained(&url, "value", b"{\"type\":\"LOGIN\",\"realmName\":\"larkspur\",\"time\":1}").await;
    assert!(code == Some(0) && said.starts_with("whole value: ignore"), "{said}");
    assert_eq!(answers.asked(), []);
}
