//! Where each format says who acted, or speaks of somebody else than the subject.

use heroku_deprovisioner::sources::Format;

use super::tree::Tree;

/// Stands in addresses and ids of whoever acted, and nowhere else in any record.
pub(crate) const MARK: &str = "who-acted";
/// The same where an id is a number.
pub(crate) const MARK_NUMBER: &str = "770077007700";

/// An object that holds the first member, or is the value of the first by `parent/*`, has the others: who acted.
const PLACES: &[(Format, &str, &[&str])] = &[
    (Format::Canonical, "schema_version", &["actor"]),
    (Format::Okta, "published", &["actor", "client"]),
    (Format::Entra, "activityDateTime", &["initiatedBy"]),
    (Format::Entra, "operationName", &["identity"]),
    (Format::Google, "ownerDomain", &["actor"]),
    (Format::Keycloak, "operationType", &["authDetails"]),
    (Format::Auth0, "log_id", &["user_id", "user_name", "client_id"]),
    (Format::Auth0, "channel", &["auth"]),
    (Format::PingOne, "resources", &["actors"]),
    (Format::OneLogin, "event_type_id", &["actor_user_id", "actor_user_name", "actor_system"]),
    (Format::JumpCloud, "event_type", &["initiated_by"]),
    (Format::Hibob, "triggeredAt", &["triggeredBy"]),
    (Format::Adp, "eventNameCode", &["originator"]),
    (Format::SuccessFactors, "ns3:publishedAt", &["ns3:publishedBy"]),
    (Format::Set, "iss", &["act", "client_id"]),
    (Format::Set, "events/*", &["initiating_entity", "reason_admin"]),
    (Format::Debezium, "connector", &["user_name"]),
    // Members that their documentation does not name, and that a record of the format may hold all the same.
    (Format::Debezium, "employee_id", &["changed_by", "manager_email"]),
    (Format::Entra, "subscriptionId", &["initiatedBy"]),
    (Format::Keycloak, "sessionId", &["authDetails"]),
    (Format::Auth0, "a0tenant", &["initiated_by"]),
    (Format::Bamboohr, "timestamp", &["changedBy"]),
    (Format::Bamboohr, "Work Email", &["Supervisor Email"]),
    (Format::Workday, "Employee_ID", &["Manager_Email", "Initiated_By"]),
    (Format::Workday, "wd:Worker_ID", &["wd:Manager_Reference"]),
    (Format::Personio, "event_name", &["triggered_by"]),
    (Format::Gusto, "event_type", &["initiated_by"]),
    (Format::Merge, "integration", &["end_user_email_address"]),
    (Format::Merge, "work_email", &["manager"]),
    (Format::Ukg, "EventType", &["InitiatedBy"]),
    (Format::Scim, "schemas", &["manager", "meta_createdBy"]),
    (Format::Mapping, "uuid", &["approved_by"]),
];

/// Whether a member of that name says who acted.
pub(crate) fn is_actor(format: Format, name: &str) -> bool {
    // The ids of users and of clients stand in other places too, where they say whom it is about.
    PLACES.iter().any(|(of, _, names)| *of == format && names.contains(&name))
}

/// Puts the mark into every such place, and makes it where the record has none. How many there are.
pub(crate) fn mark(tree: &mut Tree, format: Format) -> usize {
    let mut marked = 0;
    for (_, at, names) in PLACES.iter().filter(|(of, _, _)| *of == format) {
        tree.each_object(&mut |members| {
            let within = at.strip_suffix("/*");
            let holds = members.iter().any(|(name, _)| name == at);
            if holds {
                names.iter().for_each(|name| set(members, name));
                marked += names.len();
            }
            let inner = members.iter_mut().filter(|(name, _)| Some(name.as_str()) == within).map(|(_, inner)| inner);
            for inner in inner {
                let Tree::Object(events) = inner else { continue };
                for (_, event) in events {
                    let Tree::Object(event) = event else { continue };
                    names.iter().for_each(|name| set(event, name));
                    marked += names.len();
                }
            }
        });
    }
    marked
}

fn set(members: &mut Vec<(String, Tree)>, name: &str) {
    match members.iter_mut().find(|(known, _)| known == name) {
        Some((_, value)) => fill(value),
        None => members.push((name.to_owned(), somebody(name))),
    }
}

/// Every text and number within; what decides of which kind it is stays.
fn fill(value: &mut Tree) {
    match value {
        Tree::Text(text) if text.contains('@') => *text = address(),
        Tree::Text(text) => *text = MARK.to_owned(),
        Tree::Word(word) if word.starts_with(|first: char| first.is_ascii_digit()) => MARK_NUMBER.clone_into(word),
        Tree::Word(word) if word == "null" => *value = Tree::Text(address()),
        Tree::Word(_) => {}
        Tree::List(items) => items.iter_mut().for_each(fill),
        Tree::Object(members) => {
            let kinds = ["type", "callerType", "kind"];
            members.iter_mut().filter(|(name, _)| !kinds.contains(&name.as_str())).for_each(|(_, value)| fill(value));
        }
    }
}

fn somebody(name: &str) -> Tree {
    if name.ends_with("id") || name.contains("ublished") {
        return Tree::Text(MARK.to_owned());
    }
    if name.to_ascii_lowercase().contains("email") || name.ends_with("by") {
        return Tree::Text(address());
    }
    let text = |name: &str, text: String| (name.to_owned(), Tree::Text(text));
    Tree::Object(vec![
        text("id", MARK.to_owned()),
        text("email", address()),
        text("userPrincipalName", address()),
        text("alternateId", address()),
        text("value", address()),
        text("name", MARK.to_owned()),
        text("kind", "user".to_owned()),
    ])
}

fn address() -> String {
    format!("{MARK}@larkspur.example")
}
