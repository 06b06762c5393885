//! The cast of the demo: a company on Heroku, and what its identity provider and HR say on one day.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kafka::OutgoingRecord;
use crate::model::event::PERSON_EVENT_TYPE;
use crate::simulator::World;
use crate::simulator::generator::{COMPANY_DOMAIN, SERVICE_ACCOUNT, Size, generate};

/// Topic of the identity provider.
pub const OKTA_TOPIC: &str = "okta.system-log";

/// Topic of HR.
pub const HR_TOPIC: &str = "hr.leavers";

/// The team whose only human admin leaves.
pub const LONELY_TEAM: &str = "payroll";

/// Who becomes admin of it later.
pub const SUCCESSOR: &str = "wen.zhao@larkspur.example";

/// Same surname as a leaver; stays.
pub const NAMESAKE: &str = "anil.raman@larkspur.example";

/// One role.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Name, for people.
    pub name: &'static str,
    /// The address that their source names first.
    pub address: &'static str,
    /// What the role shows.
    pub shows: &'static str,
}

/// Everybody who leaves on the day.
pub const LEAVERS: [Part; 6] = [
    Part { name: "Priya Raman", address: "priya.raman@larkspur.example", shows: "an ordinary leaver" },
    Part { name: "Tomas Oliveira", address: "tomas.oliveira@larkspur.example", shows: "known to Heroku by an alias" },
    Part { name: "Greta Lindqvist", address: "greta.lindqvist@larkspur.example", shows: "not on Heroku" },
    Part { name: "Kofi Mensah", address: "kofi.mensah@larkspur.example", shows: "owns a personal app" },
    Part { name: "Break Glass", address: "break-glass@larkspur.example", shows: "protected" },
    Part { name: "Aoife Byrne", address: "aoife.byrne@larkspur.example", shows: "last human admin of payroll" },
];

/// The company: a generated one, and in it the cast.
pub fn world(seed: u64, token: &str) -> World {
    let size = Size { teams: 4, apps_per_team: 8, people: 52 };
    let mut world = generate(seed, size, token)
        .with_enterprise_team("storefront-web", "larkspur")
        .with_team(LONELY_TEAM)
        .with_space("storefront-space", "storefront-web");
    for team in ["storefront-web", LONELY_TEAM] {
        world.add_member(team, SERVICE_ACCOUNT, "admin");
        for app in 1..=4 {
            world.add_app(&format!("{team}-{app}"), team);
        }
    }
    world
        .with_member("storefront-web", "ines.duarte@larkspur.example", "admin")
        .with_member("storefront-web", "priya.raman@larkspur.example", "member")
        .with_member("storefront-web", NAMESAKE, "member")
        .with_collaborator("storefront-web-1", "priya.raman@larkspur.example", &["view", "deploy"])
        .with_collaborator("storefront-web-2", "priya.raman@larkspur.example", &["view", "deploy", "operate"])
        .with_collaborator("storefront-web-2", NAMESAKE, &["view"])
        .with_space_access("storefront-space", "priya.raman@larkspur.example")
        .with_invitation(LONELY_TEAM, "priya.raman@larkspur.example", "member")
        .with_member("storefront-web", "t.oliveira@larkspur.example", "member")
        .with_collaborator("payroll-1", "t.oliveira@larkspur.example", &["view", "deploy"])
        .with_member("storefront-web", "kofi.mensah@larkspur.example", "member")
        .with_personal_app("kofi-side-project", "kofi.mensah@larkspur.example")
        .with_collaborator("kofi-side-project", SERVICE_ACCOUNT, &["view"])
        .with_member("storefront-web", "break-glass@larkspur.example", "admin")
        .with_member(LONELY_TEAM, "aoife.byrne@larkspur.example", "admin")
        .with_collaborator("storefront-web-3", "aoife.byrne@larkspur.example", &["view"])
        .with_account(SUCCESSOR)
}

/// Whoever managed the lonely team is not alone any more.
pub fn promote_successor(world: &mut World) {
    world.add_member(LONELY_TEAM, SUCCESSOR, "admin");
}

/// A day of the identity provider: sign-ins, group changes, and some people who left.
pub fn okta_records(now: Timestamp) -> Vec<OutgoingRecord> {
    let mut records: Vec<Value> = (0..22)
        .map(|number| {
            let kind = ["user.session.start", "group.user_membership.add", "user.mfa.factor.deactivate"][number % 3];
            log_event(number, kind, &format!("00u8other{number:011}"), NAMESAKE, now)
        })
        .collect();
    let leaves = |number, id, address| log_event(number, "user.lifecycle.deactivate", id, address, now);
    records.insert(3, leaves(100, "00u8p1r1yaR4m4n0h801", "priya.raman@larkspur.example"));
    records.insert(11, leaves(101, "00u8k0f1mensah0000h8", "kofi.mensah@larkspur.example"));
    records.insert(15, leaves(102, "00u8br34kgl4ss0000h8", "break-glass@larkspur.example"));
    // An administrator deactivates somebody: the actor stays.
    records.insert(17, leaves(103, "00u8aoifeByrne0000h8", "aoife.byrne@larkspur.example"));
    let mut records: Vec<OutgoingRecord> =
        (1..).zip(&records).map(|(trace, value)| record("okta", trace, value.to_string().into_bytes())).collect();
    let mut cut = log_event(104, "user.lifecycle.deactivate", "00u8cut", "nobody@larkspur.example", now).to_string();
    cut.truncate(cut.len() / 2);
    records.insert(9, record("okta", 99, cut.into_bytes()));
    records
}

/// A day of HR: its own events, and two people who left.
pub fn hr_records(now: Timestamp) -> Vec<OutgoingRecord> {
    let mut records: Vec<Value> = (0..12)
        .map(|number| {
            json!({"specversion": "1.0", "id": format!("hr-{number}"), "source": "urn:larkspur:hr",
                   "type": "com.larkspur.hr.timesheet.approved", "data": {"employee": format!("{}", 20_000 + number)}})
        })
        .collect();
    records.insert(2, person_event("10471", &["tomas.oliveira", "t.oliveira"], now));
    records.insert(8, person_event("1182", &["greta.lindqvist"], now));
    (100..).zip(&records).map(|(trace, value)| record("hr", trace, value.to_string().into_bytes())).collect()
}

/// A record of a trace of its own.
fn record(key: &str, trace: u64, value: Vec<u8>) -> OutgoingRecord {
    let context = format!("00-0af7651916cd43dd8448eb21{trace:08x}-b9c7c989f97918e1-01").into_bytes();
    OutgoingRecord {
        key: Some(key.as_bytes().to_vec()),
        value: Some(value),
        headers: vec![("traceparent".to_owned(), context)],
    }
}

fn log_event(number: usize, kind: &str, id: &str, address: &str, now: Timestamp) -> Value {
    json!({
        "uuid": format!("c{number:07}-5b66-11f1-9c1f-{:012x}", now.as_millisecond()),
        "published": now.to_string(), "eventType": kind, "severity": "INFO", "version": "0",
        "actor": {"id": "00u4r1c0adminQx7k0h8", "type": "User", "alternateId": SUCCESSOR, "displayName": "Wen Zhao"},
        "outcome": {"result": "SUCCESS", "reason": null},
        "target": [{"id": id, "type": "User", "alternateId": address, "displayName": "Somebody"}],
    })
}

fn person_event(number: &str, names: &[&str], now: Timestamp) -> Value {
    let emails: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let kind = if place == 0 { "work" } else { "alias" };
            json!({"value": format!("{name}@{COMPANY_DOMAIN}"), "kind": kind})
        })
        .collect();
    let key = format!("hr:larkspur:{number}");
    json!({
        "specversion": "1.0", "id": format!("left-{number}"), "source": "urn:larkspur:hr", "type": PERSON_EVENT_TYPE,
        "subject": key, "time": now.to_string(), "datacontenttype": "application/json",
        "data": {
            "schema_version": 1, "action": "deprovision", "occurred_at": now.to_string(),
            "subject": {"person_key": key, "emails": emails, "employee_id": number, "worker_type": "employee"},
            "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.left",
                       "event_id": format!("left-{number}")},
            "reason": "resignation",
        },
    })
}
