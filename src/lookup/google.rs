//! Google's Directory API. Suspended and archived users are told like any other; a deleted one is nobody.

use serde::Deserialize;

use super::{Answer, Api, Place, Told};
use crate::model::Email;
use crate::model::event::AddressKind;

/// Longest profile id, in digits.
const ID_MAX: usize = 32;

pub(super) const API: Api = Api {
    names: ("google", "user_id"),
    is_id,
    scheme: "Bearer",
    accept: "application/json",
    places: &[Place {
        steps: &["admin", "directory", "v1", "users"],
        query: &[("fields", "id,primaryEmail,aliases,nonEditableAliases")],
    }],
    read,
    knows_nobody,
    probe: Place {
        steps: &["admin", "directory", "v1", "users"],
        query: &[("customer", "my_customer"), ("maxResults", "1"), ("fields", "kind")],
    },
    probe_has: "kind",
};

/// A profile id, or an address.
fn is_id(id: &str) -> bool {
    let is_number = !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = || Email::parse(id).is_ok_and(|email| email.expose().len() == id.len());
    is_number || id.starts_with(|first: char| first.is_ascii_alphanumeric()) && is_address()
}

#[derive(Deserialize)]
struct Problem {
    error: Refusal,
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    reason: String,
}

fn knows_nobody(body: &[u8]) -> bool {
    serde_json::from_slice::<Problem>(body)
        .is_ok_and(|problem| problem.error.errors.iter().any(|error| error.reason == "notFound"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    primary_email: String,
    aliases: Option<Vec<String>>,
    non_editable_aliases: Option<Vec<String>>,
}

fn read(body: &[u8], id: &str) -> Result<Answer, &'static str> {
    let user: User = serde_json::from_slice(body).map_err(|_| "it answers, but not with a user")?;
    let aliases = || [&user.aliases, &user.non_editable_aliases].into_iter().flatten().flatten();
    let is_address = aliases().chain([&user.primary_email]).any(|address| address.eq_ignore_ascii_case(id));
    if user.id != id && !is_address {
        return Err("it answers with another user than the one asked for");
    }
    let mut told = Told::default();
    told.address(&user.primary_email, AddressKind::Work, Some(true));
    for alias in aliases() {
        told.address(alias, AddressKind::Alias, None);
    }
    Ok(Answer::Person(told))
}
