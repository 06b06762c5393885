//! Microsoft Graph. A deleted user is no user any more, and for 30 days one of the deleted items: exactly a leaver is
//! found there.

use serde::Deserialize;

use super::{Answer, Api, Place, Told};
use crate::model::event::AddressKind;
use crate::sources::entra::without_own_id;

pub(super) const API: Api = Api {
    names: ("entra", "object_id"),
    is_id: |id| id.len() == 36 && uuid::Uuid::try_parse(id).is_ok(),
    scheme: "Bearer",
    accept: "application/json",
    places: &[
        Place { steps: &["v1.0", "users"], query: &[("$select", "id,mail,proxyAddresses,userPrincipalName")] },
        Place { steps: &["v1.0", "directory", "deletedItems"], query: &[] },
    ],
    read,
    knows_nobody: |body| {
        let code = serde_json::from_slice::<Problem>(body).map(|problem| problem.error.code);
        code.is_ok_and(|code| matches!(code.as_str(), "Request_ResourceNotFound" | "ResourceNotFound"))
    },
    probe: Place { steps: &["v1.0", "users"], query: &[("$top", "1"), ("$select", "id")] },
    probe_has: "value",
};

#[derive(Deserialize)]
struct Problem {
    error: Refusal,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    /// Deleted items are of many types.
    #[serde(rename = "@odata.type")]
    kind: Option<String>,
    mail: Option<String>,
    user_principal_name: Option<String>,
    proxy_addresses: Option<Vec<String>>,
}

fn read(body: &[u8], id: &str) -> Result<Answer, &'static str> {
    let user: User = serde_json::from_slice(body).map_err(|_| "it answers, but not with a user")?;
    if !user.id.eq_ignore_ascii_case(id) {
        return Err("it answers with another user than the one asked for");
    }
    if user.kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("#microsoft.graph.user")) {
        return Ok(Answer::Nobody);
    }
    let mut told = Told::default();
    if let Some(mail) = &user.mail {
        told.address(mail, AddressKind::Work, Some(true));
    }
    for proxy in user.proxy_addresses.iter().flatten() {
        // `SMTP:` marks the main one; others are no addresses of mail.
        if let Some((scheme, address)) = proxy.split_once(':')
            && scheme.eq_ignore_ascii_case("smtp")
        {
            told.address(address, AddressKind::Alias, None);
        }
    }
    if let Some(name) = &user.user_principal_name {
        let name = without_own_id(name, id);
        // A guest's, which only looks like an address, has a `#`, and that is no plain one.
        told.address(name, AddressKind::Alias, None);
        told.login(Some(name.to_owned()));
    }
    Ok(Answer::Person(told))
}
