//! A departure ahead that moves, is taken back and comes after all, while the service is stopped and started.

use heroku_deprovisioner::clock;
use heroku_deprovisioner::kafka::find;
use heroku_deprovisioner::model::outcome::{Outcome, OutcomeKind};
use heroku_deprovisioner::wire::read_outcome;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::orders::SOURCE;
use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// HR says `action` of Priya.
fn says(id: &str, action: &str, at: Option<Timestamp>) -> Value {
    let mut said = json!({
        "schema_version": 1, "action": action, "occurred_at": clock::now().to_string(),
        "subject": {"person_key": "hr:larkspur:7", "emails": [{"value": PRIYA, "kind": "work"}]},
        "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.leaves", "event_id": id},
    });
    if let Some(at) = at {
        said["effective"] = json!({"at": at.to_string()});
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_moves_twice_is_taken_back_and_comes_across_five_restarts() {
    let mut office = Office::open_with("enforce", SOURCE).await;
    office.broker.create_topic("acme.hr", 1).unwrap();
    let told = |office: &Office, kind: OutcomeKind| {
        let records = find(&office.broker.settings(), &TopicNames::new("acme.").outcomes, |_| true).unwrap();
        let records = records.iter().map(|record| read_outcome(record.value.as_deref().unwrap()).unwrap());
        records.filter(|record| record.kind == kind).collect::<Vec<_>>()
    };
    let statements = [
        ("e1", "schedule", Some(DAY), OutcomeKind::CaseScheduled, 1),
        ("e2", "schedule", Some(DAY * 5), OutcomeKind::CaseScheduled, 2),
        ("e3", "schedule", Some(DAY * 2), OutcomeKind::CaseScheduled, 3),
        ("e4", "cancel", None, OutcomeKind::CaseClosed, 1),
        ("e5", "deprovision", None, OutcomeKind::CaseClosed, 2),
    ];
    for (id, action, ahead, kind, count) in statements {
        office.serve();
        office.say(&[says(id, action, ahead.map(|ahead| clock::now() + ahead))]);
        let began = std::time::Instant::now();
        while told(&office, kind).len() < count {
            assert!(began.elapsed() < std::time::Duration::from_secs(120), "{id}: no {kind:?}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let asked = office.desk.changes_asked_for();
        assert_eq!(asked.is_empty(), action != "deprovision", "{id}: {asked:?}");
        office.stop().await;
    }
    let ends = told(&office, OutcomeKind::CaseClosed);
    let results: Vec<&str> = ends
        .iter()
        .map(|record| match &record.data {
            Outcome::Closed(closed) => closed.result.as_str(),
            Outcome::Revoked(_) | Outcome::Progress(_) | Outcome::Look(_) => unreachable!("a case.closed"),
        })
        .collect();
    assert_eq!(results, ["cancelled", "removed_with_residuals"]);
    for record in &ends {
        println!("{}", serde_json::to_string_pretty(&record.data).unwrap());
    }
}
