//! SCIM: bulk requests, whose operations name the user in their path, and user resources, alone or in a list. The records
//! hold no actor.

mod user;

use jiff::Timestamp;
use serde_json::Value;

use super::carrier::{Element, Envelope};
use super::members::{Members, TEXT_MAX};
use super::verdict::{Reading, Reject, RejectCode, Verdict};
use super::{Adapter, Format, Rules, one_reading};
use crate::model::event::{Action, PersonEvent, SourceRef, Subject};
pub(super) use user::{Manner, Said, user_of};

pub(super) const ADAPTER: Adapter = Adapter::new(Format::Scim, "scim", recognises, read).unwrapping(unwrap);

const SYSTEM: &str = "scim";

/// What is decided, as `docs/sources/scim.md` lists it. Everything else is ignored.
pub const MEANINGS: &[(&str, Action)] = &[
    ("DELETE /Users/{id}", Action::Deprovision),
    ("PATCH, active false", Action::Deprovision),
    ("PATCH, active true", Action::Cancel),
    ("PATCH, an address", Action::IdentityUpdate),
    ("PUT or resource, active false", Action::Deprovision),
    ("PUT or resource, an address", Action::IdentityUpdate),
];

/// Whether one of its `schemas` ends in this.
fn is(value: &Value, name: &str) -> bool {
    let schemas = value.get("schemas").and_then(Value::as_array);
    schemas.into_iter().flatten().filter_map(Value::as_str).any(|schema| {
        let schema = schema.to_ascii_lowercase();
        schema.starts_with("urn:ietf:params:scim:") && schema.ends_with(name)
    })
}

fn is_operation(value: &Value) -> bool {
    ["method", "path"].iter().all(|name| value.get(name).is_some_and(Value::is_string))
}

fn recognises(value: &Value) -> bool {
    is(value, "")
}

/// One element for each operation of a bulk request, and for each resource of a list.
fn unwrap(element: Element<'_>) -> Vec<Element<'_>> {
    let lists = [(":bulkrequest", "Operations"), (":listresponse", "Resources")];
    let Some((_, name)) = lists.into_iter().find(|(schema, _)| is(element.value, schema)) else { return vec![element] };
    let Some(Value::Array(items)) = element.value.get(name) else {
        let why = format!("`{name}` is missing, or no list");
        return vec![element.refused(Reject::new(RejectCode::MissingField, why))];
    };
    let path = element.path.key(name);
    element.each(&Envelope::Own { source: None }, &path, items)
}

fn read(element: &Element<'_>, rules: &Rules) -> Vec<Reading> {
    one_reading(
        element,
        rules,
        |value| recognises(value) || is_operation(value),
        |it| {
            if is_operation(element.value) { operation(it, element, rules) } else { resource(it, element, rules) }
        },
    )
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a refusal could stand")]
fn ignored(reason: &'static str) -> Result<Verdict, Reject> {
    Ok(Verdict::Ignore { reason: reason.into(), about: None })
}

/// An operation of a bulk request. It holds no time, so that of the record counts.
fn operation(it: &Members<'_>, element: &Element<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    let method = it.required_str("method", TEXT_MAX)?.to_ascii_uppercase();
    let Some(id) = user_of(it.required_str("path", TEXT_MAX)?) else {
        return ignored("about something that is not a user, or about a new one");
    };
    let (said, action) = match method.as_str() {
        "DELETE" => (Said::default(), Some(Action::Deprovision)),
        "PATCH" => {
            let said = Said::of_patch(&it.object("data")?)?;
            let action = said.action(Manner::Change);
            (said, action)
        }
        "PUT" => {
            let said = Said::of_resource(&it.object("data")?)?;
            let action = said.action(Manner::State);
            (said, action)
        }
        "POST" => return ignored("a new account, not a departure"),
        _ => return Err(it.invalid("method", "is not one of the known words")),
    };
    let Some(action) = action else { return ignored("it says nothing about leaving") };
    let at = arrived(element)?;
    let (tenant, event_type) = (rules.agreed_tenant(None, "")?, format!("bulk.{method}"));
    let source = SourceRef {
        element: element.path.last_index().and_then(|index| u32::try_from(index).ok()),
        ..SourceRef::new(SYSTEM, &tenant, &event_type, format!("{method}:{id}:{at}"))
    };
    event(action, at, said.subject(id, &source.tenant, rules)?, source)
}

/// A user as they are. Repeats are normal: the id and the version of the resource make them one statement.
fn resource(user: &Members<'_>, element: &Element<'_>, rules: &Rules) -> Result<Verdict, Reject> {
    if is(element.value, ":patchop") {
        let why = "a PATCH without its path names nobody; wrap it into a bulk request";
        return Err(Reject::new(RejectCode::MissingSubject, why));
    }
    if !is(element.value, ":user") {
        return ignored("no user resource");
    }
    let said = Said::of_resource(user)?;
    let Some(action) = said.action(Manner::State) else { return ignored("it says nothing about leaving") };
    let id = user.required_str(user.spelled("id")?, TEXT_MAX)?;
    let meta = user.optional_object("meta")?;
    let changed = meta.as_ref().map(|meta| meta.optional_time("lastModified")).transpose()?.flatten();
    let at = changed.map_or_else(|| arrived(element), Ok)?;
    let host = meta.and_then(|meta| meta.text_if_fit("location")).and_then(|url| host(&url).map(ToOwned::to_owned));
    let tenant = rules.tenant.clone().or(host).unwrap_or_else(|| "unknown".to_owned());
    let source = SourceRef::new(SYSTEM, &tenant, "resource", format!("{id}:{at}"));
    event(action, at, said.subject(id, &source.tenant, rules)?, source)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a refusal could stand")]
fn event(action: Action, at: Timestamp, subject: Subject, source: SourceRef) -> Result<Verdict, Reject> {
    Ok(Verdict::Event(Box::new(of_names_at_most(PersonEvent::new(action, at, subject, source)))))
}

/// Which address was replaced is not said.
pub(super) fn of_names_at_most(event: PersonEvent) -> PersonEvent {
    let unclear = event.action == Action::IdentityUpdate && event.identity_change.is_none();
    PersonEvent { resolved: event.resolved && !unclear, ..event }
}

fn arrived(element: &Element<'_>) -> Result<Timestamp, Reject> {
    let why = "it holds no time, and when it arrived is not known";
    element.arrived_at.ok_or_else(|| Reject::new(RejectCode::MissingField, why))
}

/// The host of an address on the web.
pub(super) fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?']).next().filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_decisions_are_the_ones_taken() {
        let documented = crate::sources::documented(include_str!("../../docs/sources/scim.md"));
        let taken: Vec<_> = MEANINGS.iter().map(|(name, action)| (*name, action.as_str())).collect();
        assert_eq!(documented, taken);
    }

    #[test]
    fn only_the_path_of_a_user_names_one() {
        for path in [
            "/Users/5f2b",
            "https://scim.larkspur.example/v2/Users/5f2b",
            "Users/5f2b",
            "/Users/5f2b?a=/b",
            "/users/5f2b/",
        ] {
            assert_eq!(user_of(path), Some("5f2b"), "{path}");
        }
        for path in ["/Users/", "/Users", "/Groups/5f2b", "v2/Users/5f2b/roles", "/xUsers/5f2b"] {
            assert_eq!(user_of(path), None, "{path}");
        }
    }

    use serde_json::json;

    use crate::sources::{Record, read};

    fn said(value: &Value) -> Vec<Verdict> {
        let bytes = value.to_string();
        let arrived_at = "2026-06-01T12:00:00Z".parse().ok();
        let record = Record { value: Some(bytes.as_bytes()), arrived_at, ..Record::default() };
        let rules = Rules { format: Format::Scim, tenant: Some("larkspur".to_owned()), ..Rules::auto() };
        read(&record, &rules).into_iter().map(|reading| reading.verdict).collect()
    }

    fn patch(operations: &Value) -> Verdict {
        let operation = json!({"method": "patch", "path": "/Users/5f2b", "data": {"Operations": operations}});
        said(&json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation]}))
            .remove(0)
    }

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Event(event) => event.action.as_str(),
            Verdict::Ignore { .. } => "ignore",
            Verdict::Reject(reject) => reject.code.as_str(),
        }
    }

    #[test]
    fn the_last_word_of_a_patch_about_active_counts() {
        let active = |value: Value| json!({"op": "replace", "path": "active", "value": value});
        for (operations, expected) in [
            (json!([active(json!(true)), active(json!(false))]), "deprovision"),
            (json!([active(json!(false)), active(json!(true))]), "cancel"),
            (json!([{"op": "Add", "value": {"Active": "FALSE"}}]), "deprovision"),
            (
                json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": false}]),
                "deprovision",
            ),
            (
                json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User", "value": {"active": false}}]),
                "deprovision",
            ),
            (
                json!([{"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:active": false}}]),
                "deprovision",
            ),
            (json!([{"op": "replace", "path": "title", "value": "x"}]), "ignore"),
            (json!([{"op": "replace", "path": "name.active", "value": false}]), "ignore"),
            (
                json!([{"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@larkspur.example"}]),
                "identity_update",
            ),
            (json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": ""}]), "ignore"),
            (json!([{"op": "add", "path": "emails[type eq \"home\"].value", "value": "a@mail.example"}]), "ignore"),
            (json!([active(json!(0))]), "wrong_type"),
            (json!([active(json!("no"))]), "wrong_type"),
            (json!([{"op": "remove", "path": "active"}]), "invalid_value"),
            (json!([{"op": "move", "path": "active", "value": false}]), "invalid_value"),
            (json!([{"op": "replace", "value": {"active": true, "Active": false}}]), "ambiguous"),
            (
                json!([{"op": "add", "path": "emails[type eq \"work\"].value", "value": "a b@larkspur.example"}]),
                "invalid_address",
            ),
            (json!({}), "wrong_type"),
        ] {
            assert_eq!(word(&patch(&operations)), expected, "{operations}");
        }
    }

    #[test]
    fn a_resource_is_a_state_and_takes_nothing_back() {
        let user = |more: Value| {
            let mut user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "5f2b", "userName": "a@larkspur.example"});
            user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            user
        };
        let work = json!([{"value": "b@larkspur.example", "type": "Work"}, {"value": "a@mail.example", "type": "home", "primary": true}]);
        for (value, expected, addresses) in [
            (user(json!({"active": false})), "deprovision", vec!["a@larkspur.example"]),
            (user(json!({"active": false, "emails": work})), "deprovision", vec!["b@larkspur.example"]),
            (user(json!({"active": true, "emails": work})), "identity_update", vec!["b@larkspur.example"]),
            (
                user(json!({"active": false, "emails": [{"value": "", "type": "work"}, {"type": "work"}]})),
                "deprovision",
                vec!["a@larkspur.example"],
            ),
            (user(json!({"active": true, "emails": [{"value": null, "type": "work"}]})), "ignore", vec![]),
            (user(json!({"active": true})), "ignore", vec![]),
            (user(json!({})), "ignore", vec![]),
            (
                json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": "1", "active": false}),
                "ignore",
                vec![],
            ),
            (
                json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": []}),
                "missing_subject",
                vec![],
            ),
        ] {
            let verdict = said(&value).remove(0);
            assert_eq!(word(&verdict), expected, "{value}");
            if let Verdict::Event(event) = verdict {
                let found: Vec<_> = event.subject.emails.iter().map(|address| address.value.expose()).collect();
                assert_eq!(found, addresses, "{value}");
            }
        }
    }

    #[test]
    fn each_operation_and_each_resource_is_an_event_of_its_own() {
        let deletion = json!({"method": "DELETE", "path": "/Users/5f2b"});
        let group = json!({"method": "DELETE", "path": "/Groups/5f2b"});
        let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [deletion, group, deletion, 7]});
        let verdicts = said(&bulk);
        assert_eq!(
            verdicts.iter().map(word).collect::<Vec<_>>(),
            ["deprovision", "ignore", "deprovision", "wrong_type"]
        );
        let (Verdict::Event(one), Verdict::Event(other)) = (&verdicts[0], &verdicts[2]) else { panic!("{verdicts:?}") };
        assert_ne!(one.source, other.source, "the second must not be taken for the first");
        let user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "5f2b", "active": false});
        let list = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "Resources": [user]});
        assert_eq!(word(&said(&list)[0]), "deprovision");
    }
}
