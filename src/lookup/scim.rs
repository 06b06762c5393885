//! SCIM 2.0 (RFC 7644), `GET /Users/{id}`.

use serde::Deserialize;

use super::{Answer, Api, Place, Told};
use crate::model::event::AddressKind;

/// Longest id.
const ID_MAX: usize = 128;

pub(super) const API: Api = Api {
    names: ("scim", "id"),
    is_id: |id| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
        // `.` and `..` are no ids but ways.
        id.len() <= ID_MAX && id.starts_with(|first: char| first.is_ascii_alphanumeric()) && id.bytes().all(plain)
    },
    scheme: "Bearer",
    accept: "application/scim+json, application/json",
    places: &[Place { steps: &["Users"], query: &[] }],
    read,
    knows_nobody: |body| {
        let schemas = serde_json::from_slice::<Problem>(body).map(|problem| problem.schemas).unwrap_or_default();
        schemas.iter().any(|schema| schema.eq_ignore_ascii_case("urn:ietf:params:scim:api:messages:2.0:Error"))
    },
    probe: Place { steps: &["Users"], query: &[("count", "1")] },
    probe_has: "totalResults",
};

#[derive(Deserialize)]
struct Problem {
    schemas: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    user_name: Option<String>,
    emails: Option<Vec<Mail>>,
}

#[derive(Deserialize)]
struct Mail {
    value: Option<String>,
    r#type: Option<String>,
    primary: Option<bool>,
}

fn read(body: &[u8], id: &str) -> Result<Answer, &'static str> {
    let user: User = serde_json::from_slice(body).map_err(|_| "it answers, but not with a user")?;
    if user.id != id {
        return Err("it answers with another user than the one asked for");
    }
    let mut told = Told::default();
    for mail in user.emails.iter().flatten() {
        let is = |kind: &str| mail.r#type.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(kind));
        let counts = is("work") || mail.primary == Some(true) && !is("home");
        if let Some(value) = mail.value.as_ref().filter(|_| counts) {
            told.address(value, AddressKind::Work, mail.primary);
        }
    }
    if let Some(name) = &user.user_name {
        told.address(name, AddressKind::Alias, None);
    }
    told.login(user.user_name);
    Ok(Answer::Person(told))
}
