//! A web server that plays the four directories, and what each of them is asked and answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use heroku_deprovisioner::config::{Config, Environment};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One kind of directory.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How a token stands in a request.
    pub(crate) scheme: &'static str,
    /// Somebody whom it knows.
    pub(crate) id: &'static str,
    /// Where it is asked for them.
    pub(crate) path: &'static str,
    pub(crate) query: &'static str,
    /// What its 404 holds.
    pub(crate) nobody: &'static str,
    /// Their user names.
    pub(crate) logins: &'static [&'static str],
    /// Path, query and answer of a question that needs no id.
    pub(crate) probe: (&'static str, &'static str, &'static str),
}

/// Somebody else.
pub(crate) const OTHER: &str = "somebody-else";

pub(crate) static KINDS: &[Kind] = &[
    Kind {
        name: "scim",
        scheme: "Bearer",
        id: "9d6f5a54-4e9c-4e7d-8d55-bfaf6b7a8c05",
        path: "/Users/9d6f5a54-4e9c-4e7d-8d55-bfaf6b7a8c05",
        query: "",
        nobody: r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"not found","status":"404"}"#,
        logins: &["P.Raman@larkspur.example"],
        probe: ("/Users", "count=1", r#"{"totalResults":7,"Resources":[]}"#),
    },
    Kind {
        name: "okta",
        scheme: "SSWS",
        id: "00u8p1r1yaR4m4n0h801",
        path: "/api/v1/users/00u8p1r1yaR4m4n0h801",
        query: "",
        nobody: r#"{"errorCode":"E0000007","errorSummary":"Not found: Resource not found: 00u (User)","errorCauses":[]}"#,
        logins: &["praman"],
        probe: ("/api/v1/users", "limit=1", "[]"),
    },
    Kind {
        name: "graph",
        scheme: "Bearer",
        id: "4c1d0b6e-9b5a-4e4f-a6a3-1f0d7f9e2b32",
        path: "/v1.0/users/4c1d0b6e-9b5a-4e4f-a6a3-1f0d7f9e2b32",
        query: "%24select=id%2Cmail%2CproxyAddresses%2CuserPrincipalName",
        nobody: r#"{"error":{"code":"Request_ResourceNotFound","message":"Resource does not exist"}}"#,
        logins: &["praman@larkspur.onmicrosoft.com"],
        probe: ("/v1.0/users", "%24top=1&%24select=id", r#"{"value":[]}"#),
    },
    Kind {
        name: "google",
        scheme: "Bearer",
        id: "103947560238475612345",
        path: "/admin/directory/v1/users/103947560238475612345",
        query: "fields=id%2CprimaryEmail%2Caliases%2CnonEditableAliases",
        nobody: r#"{"error":{"code":404,"message":"Resource Not Found: userKey","errors":[{"reason":"notFound"}]}}"#,
        logins: &[],
        probe: (
            "/admin/directory/v1/users",
            "customer=my_customer&maxResults=1&fields=kind",
            r#"{"kind":"admin#directory#users"}"#,
        ),
    },
];

impl Kind {
    /// Everywhere it is asked for the person, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = vec![self.path.to_owned()];
        if self.name == "graph" {
            paths.push(format!("/v1.0/directory/deletedItems/{}", self.id));
        }
        paths
    }

    /// What it tells of somebody.
    pub(crate) fn user(&self, id: &str) -> Value {
        let (work, also) = ("Priya.Raman@larkspur.example", "P.Raman@larkspur.example");
        match self.name {
            "scim" => json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": id, "userName": also,
                "active": false, "emails": [{"value": work, "type": "work", "primary": true},
                                            {"value": "priya@mail.example", "type": "home"}]}),
            "okta" => json!({"id": id, "status": "DEPROVISIONED", "profile": {"login": "praman", "email": work,
                "secondEmail": "priya@mail.example", "firstName": "Priya"}}),
            "graph" => json!({"id": id, "mail": work, "userPrincipalName": "praman@larkspur.onmicrosoft.com",
                "proxyAddresses": [format!("SMTP:{work}"), format!("smtp:{also}"), "x500:/o=larkspur"]}),
            _ => json!({"id": id, "primaryEmail": work, "aliases": [also], "nonEditableAliases": null,
                "recoveryEmail": "priya@mail.example"}),
        }
    }
}

/// A configuration with a look-up called `it`.
pub(crate) fn config<const N: usize>(lookup: &str, variables: [(&str, &str); N]) -> Config {
    let text = format!(
        "config_version = 1\n[kafka]\nbootstrap_servers = \"b:1\"\n[people]\ncompany_domains = [\"a.example\"]\n\
         [lookups.it]\n{lookup}"
    );
    Config::parse("x.toml", &text, &Environment::of(variables)).unwrap()
}

/// What is answered at a path.
#[derive(Clone)]
pub(crate) struct Said {
    status: u16,
    headers: Vec<(header::HeaderName, String)>,
    body: String,
    never: bool,
    broken: bool,
}

impl Said {
    pub(crate) fn text(body: &str) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_owned(), never: false, broken: false }
    }

    #[expect(clippy::needless_pass_by_value, reason = "every call makes it")]
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self::text(&body.to_string()).status(status)
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn to(mut self, url: &str) -> Self {
        self.headers.push((header::LOCATION, url.to_owned()));
        self
    }

    pub(crate) fn retry_after(mut self, seconds: &str) -> Self {
        self.headers.push((header::RETRY_AFTER, seconds.to_owned()));
        self
    }

    /// The answer does not come.
    pub(crate) fn never(self) -> Self {
        Self { never: true, ..self }
    }

    /// The answer ends before its end.
    pub(crate) fn broken(self) -> Self {
        Self { broken: true, ..self }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

/// Answers by path; whatever else is asked for is not found, as by a web server.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) url: String,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    said: BTreeMap<String, Said>,
    asked: Vec<Asked>,
    now: usize,
    most: usize,
}

impl Web {
    pub(crate) async fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let web = Self { url, held: Arc::default() };
        let router = Router::new().fallback(answer).with_state(web.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        web
    }

    /// From now on this is answered at that path.
    pub(crate) fn says(&self, path: &str, said: Said) {
        self.held.lock().unwrap().said.insert(path.to_owned(), said);
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.held.lock().unwrap().asked)
    }

    /// How many requests were under way at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.held.lock().unwrap().most
    }
}

async fn answer(State(web): State<Web>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = axum::body::to_bytes(request.into_body(), 10_000).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let said = {
        let mut held = web.held.lock().unwrap();
        held.asked.push(Asked { path: path.clone(), query, authorization, body });
        held.now += 1;
        held.most = held.most.max(held.now);
        held.said.get(&path).cloned()
    };
    // Long enough for others to be under way as well.
    tokio::time::sleep(Duration::from_millis(5)).await;
    web.held.lock().unwrap().now -= 1;
    let said = said.unwrap_or_else(|| Said::text("<html>not here</html>").status(404));
    if said.never {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    let mut response = Response::builder().status(StatusCode::from_u16(said.status).unwrap());
    for (name, value) in said.headers {
        response = response.header(name, value);
    }
    if said.broken {
        let half = said.body[..20].to_owned();
        let chunks = [Ok(half), Err(std::io::Error::other("cut"))];
        return response.body(Body::from_stream(futures_util::stream::iter(chunks))).unwrap();
    }
    response.body(Body::from(said.body)).unwrap()
}
