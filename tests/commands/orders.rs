//! What somebody on call orders: pausing, deciding about cases, reading refused records again.

use std::time::{Duration, Instant};

use heroku_deprovisioner::kafka::{OutgoingRecord, find, send};
use heroku_deprovisioner::model::command::{Act, Command};
use heroku_deprovisioner::wire::read_command;
use serde_json::{Value, json};

use super::*;

pub(super) const SOURCE: &str = "[[sources]]\nname = \"hr\"\ntopic = \"acme.hr\"\nformat = \"canonical\"\ntenant = \"larkspur\"\nstart_at = \"earliest\"\n";

impl Office {
    pub(super) fn commands(&self) -> Vec<Command> {
        let records = find(&self.broker.settings(), &TopicNames::new("acme.").commands, |_| true).unwrap();
        records.iter().map(|record| read_command(record.value.as_deref()).unwrap()).collect()
    }

    pub(super) fn say(&self, values: &[Value]) {
        let record =
            |value: &Value| OutgoingRecord { value: Some(value.to_string().into_bytes()), ..OutgoingRecord::default() };
        send(&self.broker.settings(), "acme.hr", &values.iter().map(record).collect::<Vec<_>>()).unwrap();
    }

    /// Runs until it says so; the service may need its time.
    pub(super) async fn until(&self, args: &[&str], says: impl Fn(&Said) -> bool) -> Said {
        let began = Instant::now();
        loop {
            let said = self.desk.run(args).await;
            if says(&said) {
                return said;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{args:?}: {said:?}");
        }
    }
}

/// HR says that she has left.
fn statement() -> Value {
    json!({
        "schema_version": 1, "action": "deprovision", "occurred_at": heroku_deprovisioner::clock::now().to_string(),
        "subject": {"person_key": "hr:larkspur:7", "emails": [{"value": PRIYA, "kind": "work"}]},
        "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.left", "event_id": "left-7"},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_one_record_that_says_who_and_why() {
    let office = Office::open("enforce").await;
    let folder = office.desk.folder.path();
    let variables = [("USER", "mara"), ("HOSTNAME", "laptop")];
    let said = run(folder, &variables, &["pause", "--reason", "INC-204"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    said.fits_a_terminal();
    let said = office.desk.run(&["resume", "--reason", "INC-204 over", "--as", "on-call", "--json"]).await;
    assert_eq!((said.code, &said.json()["offset"]), (0, &json!(1)), "{said:?}");
    let commands = office.commands();
    assert_eq!(commands.iter().map(|command| command.act.as_str()).collect::<Vec<_>>(), ["pause", "resume"]);
    assert!(commands[0].claimed_by.starts_with("mara@"), "{}", commands[0].claimed_by);
    assert_eq!((commands[0].why.as_str(), commands[1].claimed_by.as_str()), ("INC-204", "on-call"));
    assert!(commands.iter().all(|command| !command.authenticated));

    let said = office.desk.run(&["pause", "--reason", "two\nlines"]).await;
    assert_eq!((said.code, office.commands().len()), (2, 2), "{said:?}");
    assert_eq!(office.desk.run(&["pause"]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_case_waits_and_a_cancelled_one_ends() {
    let mut office = Office::open_with("enforce", SOURCE).await;
    office.broker.create_topic("acme.hr", 1).unwrap();
    office.serve();
    assert_eq!(office.desk.run(&["pause", "--reason", "INC-204"]).await.code, 0);
    office.say(&[statement()]);
    let listed = office.until(&["cases", "list", "--json"], |said| said.out.contains("\"paused\"")).await.json();
    let case = listed[0]["case_id"].as_str().unwrap();
    assert_eq!(office.desk.changes_asked_for(), Vec::<String>::new());

    let nothing = office.desk.run(&["cases", "approve", "--held", "--yes", "--reason", "x"]).await;
    assert_eq!((nothing.code, office.commands().len()), (0, 1), "a pause is not released by an approval: {nothing:?}");
    let other = "0190a8c4-0000-4000-8000-000000000003";
    let said = office.desk.run(&["cases", "approve", &case[..8], "--plan", other, "--reason", "x"]).await;
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.err.contains("something has changed since you saw it"), "{}", said.err);
    let said = office.desk.run(&["cases", "approve", &case[..8], "--reason", "x"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    let said = office.desk.run(&["cases", "approve", &case[..8], "--yes", "--reason", "HR-7", "--wait"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    said.fits_a_terminal();
    assert!(said.out.contains("Plan ") && said.out.contains("payments-api"), "{}", said.out);
    let Act::Approve { cases, .. } = &office.commands()[1].act else { panic!("{:?}", office.commands()) };
    assert_eq!(cases[0].to_string(), case);

    let said = office.desk.run(&["cases", "enforce", &case[..8], "--yes", "--reason", "x"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    let said = office.desk.run(&["cases", "cancel", &case[..8], "--reason", "HR-7: she stays", "--wait"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let shown = office.until(&["cases", "show", case, "--json"], |said| said.out.contains("\"closed\"")).await.json();
    assert_eq!(shown["result"], "cancelled");
    let said = office.desk.run(&["cases", "retry", &case[..8], "--reason", "x"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("has ended (cancelled)"), "{}", said.err);
    let said = office.desk.run(&["offboard", PRIYA, "--yes", "--reason", "HR-8"]).await;
    assert!(said.out.contains("paused"), "the plan names what would stop it: {said:?}");
    assert_eq!(office.desk.changes_asked_for(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_shown_and_read_again() {
    for keep in ["full", "reference"] {
        let more = format!("{SOURCE}[dead_letters]\npayload = \"{keep}\"\n");
        let mut office = Office::open_with("observe", &more.replace("\"larkspur\"", "\"another\"")).await;
        office.broker.create_topic("acme.hr", 1).unwrap();
        office.serve();
        office.say(&[statement()]);
        let listed = office.until(&["dead-letters", "list"], |said| said.out.contains("hr")).await;
        listed.fits_a_terminal();
        let name = listed.out.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
        let json = office.desk.run(&["dead-letters", "list", "--json", "--source", "hr"]).await.json();
        assert_eq!((&json[0]["letter"], &json[0]["topic"]), (&json!(name), &json!("acme.hr")), "{json}");

        let said = office.desk.run(&["dead-letters", "show", &name]).await;
        said.fits_a_terminal();
        assert!(said.out.contains("acme.hr[0]@0") && !said.out.contains(PRIYA), "{}", said.out);
        let said = office.desk.run(&["dead-letters", "show", &name, "--value"]).await;
        assert_eq!(said.out.contains(PRIYA), keep == "full", "{}", said.out);
        assert_eq!(office.desk.run(&["dead-letters", "show", "0:99"]).await.code, 2);

        let replay = ["dead-letters", "replay", &name, "--reason", "tenant corrected"];
        let said = office.desk.run(&replay).await;
        assert_eq!((said.code, office.commands().len()), (65, 0), "{said:?}");
        assert!(said.out.contains("Refused again: "), "{}", said.out);

        office.desk.reconfigure("\"another\"", "\"larkspur\"");
        let said = office.desk.run(&replay).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.starts_with("Taken in: deprovision"), "{}", said.out);
        assert!(matches!(office.commands()[0].act, Act::ReplayDeadLetter { partition: 0, .. }));
        let names = TopicNames::new("acme.");
        let written_at = |topic: &str| find(&office.broker.settings(), topic, |_| true).unwrap()[0].written_at.unwrap();
        assert!(written_at(&names.commands) < written_at(&names.events), "who ordered it was written down afterwards");
        let planned = |said: &Said| said.out.contains("planned");
        office.until(&["cases", "list", "--person", PRIYA], planned).await;
        office.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_fits_needs_no_acceptance() {
    let office = Office::open("enforce").await;
    let said = office.desk.run(&["state", "accept", "--reason", "x"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    let said = office.desk.run(&["state", "accept", "--yes", "--reason", "x"]).await;
    assert_eq!((said.code, office.commands().len()), (0, 0), "{said:?}");
    assert!(said.out.contains("nothing to accept"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_nothing_is_ordered_and_it_is_said() {
    let desk = Desk::without_kafka("enforce", "").await;
    for args in [
        &["pause", "--reason", "x"][..],
        &["cases", "cancel", "0b", "--reason", "x"],
        &["dead-letters", "list"],
        &["state", "accept", "--yes", "--reason", "x"],
    ] {
        let said = desk.run(args).await;
        assert_eq!(said.code, 69, "{args:?}: {said:?}");
    }
}
