//! The address of somebody whom a source knows by an id alone is told by hand.

use serde_json::json;

use super::orders::SOURCE;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_address_lets_the_case_go_on() {
    let mut office = Office::open_with("enforce", SOURCE).await;
    office.broker.create_topic("acme.hr", 1).unwrap();
    office.serve();
    office.say(&[json!({
        "schema_version": 1, "action": "deprovision", "occurred_at": heroku_deprovisioner::clock::now().to_string(),
        "subject": {"person_key": "hr:larkspur:7"},
        "source": {"system": "hr", "tenant": "larkspur", "event_type": "employee.left", "event_id": "left-7"},
    })]);
    let waits = |said: &Said| said.out.contains("\"unresolved_person\"");
    let listed = office.until(&["cases", "list", "--json"], waits).await.json();
    let case = listed[0]["case_id"].as_str().unwrap();

    let people = office.desk.folder.path().join("people.csv");
    std::fs::write(&people, format!("person_key,address\nhr:larkspur:7,{PRIYA}\nhr:larkspur:8,otis@agency.example\n"))
        .unwrap();
    let said = office.desk.run(&["identities", "import", "--yes", "people.csv"]).await;
    assert_eq!(said.code, 65, "{said:?}");
    assert!(said.err.contains("line 3: ") && said.err.contains("people.company_domains"), "{}", said.err);

    std::fs::write(&people, format!("hr:larkspur:7,{PRIYA}\n")).unwrap();
    let said = office.desk.run(&["identities", "import", "people.csv"]).await;
    assert_eq!(said.code, 2, "nobody can be asked: {said:?}");
    let said = office.desk.run(&["identities", "import", "--dry-run", "people.csv"]).await;
    assert_eq!((said.code, said.out.as_str()), (0, "1 lines are right; nothing was sent\n"), "{said:?}");
    assert_eq!(office.desk.changes_asked_for(), Vec::<String>::new());
    let said = office.desk.run(&["identities", "import", "--yes", "people.csv"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    said.fits_a_terminal();
    let shown = office.until(&["cases", "show", case, "--json"], |said| said.out.contains("\"closed\"")).await.json();
    assert_eq!(shown["result"], "removed_with_residuals");
    office.stop().await;
}
