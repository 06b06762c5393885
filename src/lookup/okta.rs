//! Okta's Users API. A deactivated user is told like any other; a deleted one is nobody.

use serde::Deserialize;

use super::{Answer, Api, Place, Told};
use crate::model::event::AddressKind;

pub(super) const API: Api = Api {
    names: ("okta", "user_id"),
    // A login would be taken for an id too, and may be somebody else's.
    is_id: |id| id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
    scheme: "SSWS",
    accept: "application/json",
    places: &[Place { steps: &["api", "v1", "users"], query: &[] }],
    read,
    knows_nobody: |body| serde_json::from_slice::<Problem>(body).is_ok_and(|problem| problem.error_code == "E0000007"),
    probe: Place { steps: &["api", "v1", "users"], query: &[("limit", "1")] },
    // A list.
    probe_has: "",
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    error_code: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
    profile: Profile,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    login: Option<String>,
    email: Option<String>,
    second_email: Option<String>,
}

fn read(body: &[u8], id: &str) -> Result<Answer, &'static str> {
    let user: User = serde_json::from_slice(body).map_err(|_| "it answers, but not with a user")?;
    if user.id != id {
        return Err("it answers with another user than the one asked for");
    }
    let mut told = Told::default();
    if let Some(email) = &user.profile.email {
        told.address(email, AddressKind::Work, Some(true));
    }
    if let Some(email) = &user.profile.second_email {
        told.address(email, AddressKind::Personal, None);
    }
    told.login(user.profile.login);
    Ok(Answer::Person(told))
}
