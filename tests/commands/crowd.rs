//! Many people at once: a rehearsal that becomes real, and a feed that says that everybody left.

use std::collections::BTreeMap;

use heroku_deprovisioner::kafka::find;
use heroku_deprovisioner::model::outcome::{CaseResult, Outcome, OutcomeKind, OutcomeRecord};
use heroku_deprovisioner::wire::read_outcome;
use serde_json::{Value, json};

use super::orders::SOURCE;
use super::*;

const GUARDS: &str = "[guards]\nmax_people_per_hour = 10\nmax_people_per_day = 25\nmax_percent_of_team = 20\n";

fn address(person: usize) -> String {
    format!("person{person}@larkspur.example")
}

/// One team, one app, and so many people in both.
fn company(people: usize) -> World {
    let mut world = World::new(1)
        .with_token(TOKEN, BOT)
        .with_team("sales")
        .with_member("sales", BOT, "admin")
        .with_member("sales", MARA, "admin")
        .with_app("crm", "sales");
    for person in 0..people {
        world = world.with_member("sales", &address(person), "member");
        world = world.with_collaborator("crm", &address(person), &["view"]);
    }
    world
}

fn left(person: usize) -> Value {
    let now = heroku_deprovisioner::clock::now().to_string();
    json!({
        "schema_version": 1, "action": "deprovision", "occurred_at": now,
        "subject": {"person_key": format!("hr:larkspur:{person}"), "emails": [{"value": address(person), "kind": "work"}]},
        "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.left", "event_id": format!("left-{person}")},
    })
}

impl Office {
    async fn of(people: usize, mode: &str) -> Self {
        let mut office = Self::open_at(company(people), mode, &format!("{SOURCE}{GUARDS}")).await;
        office.broker.create_topic("acme.hr", 1).unwrap();
        office.serve();
        office
    }

    fn outcomes(&self) -> Vec<OutcomeRecord> {
        let records = find(&self.broker.settings(), &TopicNames::new("acme.").outcomes, |_| true).unwrap();
        records.iter().map(|record| read_outcome(record.value.as_deref().unwrap()).unwrap()).collect()
    }

    fn results(&self) -> BTreeMap<&'static str, usize> {
        let mut results = BTreeMap::new();
        for record in self.outcomes() {
            if let Outcome::Closed(closed) = &record.data {
                *results.entry(closed.result.as_str()).or_default() += 1;
            }
        }
        results
    }

    /// People who lost something, by Heroku's own count.
    fn lost(&self) -> usize {
        let requests = self.desk.heroku.requests();
        let people = requests.iter().flat_map(|request| &request.removed).map(|removed| removed.email.clone());
        people.collect::<std::collections::BTreeSet<_>>().len()
    }

    /// `cases list` until each of so many people is held for the cap or has lost everything.
    async fn until_all_held(&self, people: usize) -> Said {
        let held = |said: &Said| said.out.matches("limit_reached").count() + self.lost() == people;
        self.until(&["cases", "list", "--state", "held"], |said| said.code == 0 && held(said)).await
    }

    /// `cases list` until so many are held, each for the cap.
    async fn until_held(&self, people: usize) -> Said {
        let held = |said: &Said| said.code == 0 && said.out.matches("limit_reached").count() == people;
        self.until(&["cases", "list", "--state", "held"], held).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_becomes_real_under_the_caps_and_one_approval_releases_the_rest() {
    let mut office = Office::of(40, "observe").await;
    office.say(&(0..40).map(left).collect::<Vec<_>>());
    office.until(&["cases", "list"], |said| said.out.matches("planned, access remaining").count() == 40).await;
    assert_eq!((office.lost(), office.results()), (0, BTreeMap::from([("planned", 40)])));

    office.stop().await;
    office.desk.reconfigure("mode = \"observe\"", "mode = \"enforce\"");
    office.serve();
    let enforce =
        ["cases", "enforce", "--since", "2026-01-01T00:00:00Z", "--yes", "--reason", "rehearsal over", "--wait"];
    let said = office.desk.run(&enforce).await;
    assert_eq!(said.code, 0, "{said:?}");
    said.fits_a_terminal();
    // More than the 25 of a day: all of them wait.
    let listed = office.until_held(40).await;
    listed.fits_a_terminal();
    assert_eq!((office.lost(), office.results()), (0, BTreeMap::from([("planned", 40)])));

    let said = office.desk.run(&["cases", "approve", "--held", "--yes", "--reason", "HR-7", "--wait"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    said.fits_a_terminal();
    println!("{}", said.out);
    assert!(said.out.contains("80 grants would go in all"), "{}", said.out);
    office.until(&["cases", "list"], |said| said.out.matches(" removed").count() == 40).await;
    assert_eq!((office.lost(), office.results()), (40, BTreeMap::from([("planned", 40), ("removed", 40)])));
    let outcomes = office.outcomes();
    let closed = outcomes.iter().rev().find_map(|record| match &record.data {
        Outcome::Closed(closed) if closed.result == CaseResult::Removed => Some(closed),
        Outcome::Closed(_) | Outcome::Revoked(_) | Outcome::Progress(_) | Outcome::Look(_) => None,
    });
    let closed = closed.expect("a removal");
    let stated: Vec<_> = closed.cause.also_stated_by.iter().map(|by| by.event_type.as_str()).collect();
    assert_eq!((closed.cause.kind.as_str(), stated), ("enforce", vec!["enforce"]));
    println!("{}", serde_json::to_string_pretty(closed).unwrap());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_says_that_everybody_left_costs_ten_people_at_most() {
    let mut office = Office::of(300, "enforce").await;
    office.say(&(0..300).map(left).collect::<Vec<_>>());
    let listed = office.until_all_held(300).await;
    listed.fits_a_terminal();
    println!("{}", listed.out.lines().take(6).collect::<Vec<_>>().join("\n"));
    let lost = office.lost();
    println!("{lost} people lost access");
    assert!(lost <= 10, "{lost}");
    let shown = listed.out.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
    let said = office.desk.run(&["cases", "show", &shown]).await;
    println!("{}", said.out);
    assert!(said.out.contains("people of source hr wait at once, limit 25"), "{}", said.out);

    let cancel = ["cases", "cancel", "--held", "--source", "hr", "--reason", "INC-204", "--wait"];
    assert_eq!(office.desk.run(&cancel).await.code, 2, "it asks");
    let said = office.desk.run(&[&cancel[..], &["--yes"]].concat()).await;
    assert_eq!(said.code, 0, "{said:?}");
    office.until(&["cases", "list", "--state", "held"], |said| said.out.matches("limit_reached").count() == 0).await;
    let results = office.results();
    assert_eq!((office.lost(), results["cancelled"]), (lost, 300 - lost));
    let ends = office.outcomes().iter().filter(|record| record.kind == OutcomeKind::CaseClosed).count();
    assert_eq!(ends, 300);
    office.stop().await;
}
