//! The commands as somebody on call meets them: the binary against a simulated Heroku, and a broker in this process.
#![cfg(all(feature = "service", feature = "simulator"))]

#[path = "commands/change_of_mind.rs"]
mod change_of_mind;
#[path = "commands/crowd.rs"]
mod crowd;
#[path = "commands/identities.rs"]
mod identities;
#[path = "commands/orders.rs"]
mod orders;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use heroku_deprovisioner::config::{Config, Environment};
use heroku_deprovisioner::kafka::{self, Embedded, TopicNames};
use heroku_deprovisioner::service::{self, Topics};
use heroku_deprovisioner::simulator::{Options, Simulator, World};
use heroku_deprovisioner::telemetry::Metrics;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const BOT: &str = "bot@larkspur.example";
const MARA: &str = "mara@larkspur.example";
const PRIYA: &str = "priya.raman@larkspur.example";
const OTIS: &str = "otis@agency.example";
const TOKEN: &str = "HRKU-bot";

/// Priya can go whole but for her own app; Mara is the last human admin of `payments`.
fn world() -> World {
    World::new(1)
        .with_token(TOKEN, BOT)
        .with_team("payments")
        .with_member("payments", BOT, "admin")
        .with_member("payments", MARA, "admin")
        .with_member("payments", PRIYA, "member")
        .with_app("payments-api", "payments")
        .with_collaborator("payments-api", PRIYA, &["view", "deploy"])
        .with_collaborator("payments-api", OTIS, &["view"])
        .with_team("web")
        .with_member("web", BOT, "admin")
        .with_member("web", MARA, "admin")
        .with_member("web", "ines@larkspur.example", "admin")
        .with_invitation("web", PRIYA, "member")
        .with_personal_app("priyas-sandbox", PRIYA)
        .with_collaborator("priyas-sandbox", BOT, &["view"])
}

/// A Heroku, a folder with a configuration for it, and the binary in that folder.
struct Desk {
    heroku: Simulator,
    folder: TempDir,
}

impl Desk {
    /// `more` is added to the configuration; `servers` are Kafka's.
    async fn with(world: World, servers: &str, mode: &str, more: &str) -> Self {
        let heroku = Simulator::start_local(world, Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        let config = format!(
            "config_version = 1\nmode = \"{mode}\"\n[heroku]\napi_url = \"{}\"\naccount = \"{BOT}\"\n\
             token_file = \"{}\"\n[kafka]\nbootstrap_servers = \"{servers}\"\nprefix = \"acme.\"\n\
             create_topics = false\n[advanced]\nread_lag = \"100ms\"\nhold_recheck = \"200ms\"\n\
             proof_patience = \"200ms\"\n[people]\ncompany_domains = [\"larkspur.example\"]\n{more}",
            heroku.url(),
            folder.path().join("token").display(),
        );
        std::fs::write(folder.path().join("heroku-deprovisioner.toml"), config).unwrap();
        Self { heroku, folder }
    }

    /// Kafka is where nobody listens.
    async fn without_kafka(mode: &str, more: &str) -> Self {
        Self::with(world(), "127.0.0.1:1", mode, more).await
    }

    fn config(&self) -> Config {
        let file = self.folder.path().join("heroku-deprovisioner.toml");
        Config::load(Some(&file), &Environment::default()).unwrap()
    }

    async fn run(&self, args: &[&str]) -> Said {
        run(self.folder.path(), &[], args).await
    }

    /// The configuration with one line replaced.
    fn reconfigure(&self, from: &str, to: &str) {
        let file = self.folder.path().join("heroku-deprovisioner.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
    }

    fn changes_asked_for(&self) -> Vec<String> {
        let requests = self.heroku.requests().into_iter();
        requests.filter(|it| it.method != "GET").map(|it| format!("{} {}", it.method, it.path)).collect()
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn fits_a_terminal(&self) {
        for line in self.out.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

/// The binary with these variables and no other, away from this thread: the simulator runs on it.
async fn run(folder: &Path, variables: &[(&str, &str)], args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"));
    command.args(args).current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.envs(variables.iter().copied());
    let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_what_would_go_and_changes_nothing() {
    let desk = Desk::without_kafka("enforce", "").await;
    let said = desk.run(&["plan", "--detailed-exitcode", "Priya.Raman@larkspur.example"]).await;
    assert_eq!((said.code, said.err.as_str()), (3, ""));
    said.fits_a_terminal();
    let rows: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        "Account bot@larkspur.example (configured token)",
        "priya.raman@larkspur.example: 4 grants, 3 would go, 1 would stay",
        "team invitation team web member go",
        "app collaboration app payments-api view,deploy go",
        "team membership team payments member go",
    ] {
        assert!(rows.contains(&row.split_whitespace().collect()), "{row}\n{}", said.out);
    }
    assert!(said.out.contains("stays    app priyas-sandbox: "), "{}", said.out);
    assert_eq!(desk.changes_asked_for(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_the_guards_that_would_stop_it() {
    let desk = Desk::without_kafka(
        "observe",
        "protected = [\"ines@larkspur.example\"]\n[teams.web]\nmode = \"observe\"\n[guards]\nmax_people_per_hour = 1\n",
    )
    .await;
    let said =
        desk.run(&["plan", "--json", MARA, PRIYA, "ines@larkspur.example", OTIS, "nobody@larkspur.example"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let plan = said.json();
    assert_eq!((&plan["heroku_account"], &plan["mode"]), (&Value::from(BOT), &Value::from("observe")));
    let person = |index: usize| &plan["people"][index];
    let reasons = |index: usize| -> Vec<&str> {
        person(index)["holds"].as_array().unwrap().iter().map(|hold| hold["reason"].as_str().unwrap()).collect()
    };
    let decided = |index: usize, place: &str| -> String {
        let grants = person(index)["grants"].as_array().unwrap();
        let grant = grants.iter().find(|grant| grant["parent"]["name"] == place).unwrap_or_else(|| panic!("{plan:#}"));
        format!("{} {}", grant["decision"].as_str().unwrap(), grant["reason"].as_str().unwrap_or("-"))
    };
    // Held for the floor in one team and left to the mode of the other, Mara begins nothing and uses no cap.
    assert_eq!(reasons(0), ["last_human_admin"]);
    assert_eq!(decided(0, "payments"), "hold last_human_admin");
    assert_eq!(decided(0, "web"), "keep team_in_observe_mode");
    assert_eq!(reasons(1), Vec::<&str>::new());
    assert_eq!(decided(1, "payments"), "revoke -");
    assert_eq!(person(2)["refused"], "Refused: the person is protected (people.protected).");
    assert_eq!(person(3)["refused"], "Refused: none of the person's addresses is in a company domain.");
    assert_eq!(person(4)["access"], "none");

    desk.reconfigure("max_people_per_hour = 1", "max_people_per_hour = 0");
    let said = desk.run(&["plan", "--json", PRIYA]).await;
    assert_eq!(said.json()["people"][0]["holds"][0]["reason"], "limit_reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_who_leave_together_hold_each_other() {
    let desk = Desk::without_kafka("enforce", "").await;
    let alone = desk.run(&["plan", "--json", "ines@larkspur.example"]).await.json();
    assert_eq!(alone["people"][0]["holds"], serde_json::json!([]));
    let both = desk.run(&["plan", "--json", "ines@larkspur.example", MARA]).await.json();
    assert_eq!(both["people"][0]["holds"][0]["reason"], "last_human_admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_of_a_plan_is_0_only_when_all_was_read_and_nobody_has_access() {
    let desk = Desk::without_kafka("enforce", "").await;
    let code = async |address: &str| desk.run(&["plan", "--detailed-exitcode", address]).await.code;
    assert_eq!(code("nobody@larkspur.example").await, 0);
    assert_eq!(code(OTIS).await, 4, "not in a company domain: not looked at");
    assert_eq!(code("no address").await, 2);
    desk.reconfigure("[heroku]", "[heroku]\nexpected_teams = [\"unseen\"]");
    assert_eq!(code("nobody@larkspur.example").await, 4, "an expected team is unread");
    assert_eq!(code(PRIYA).await, 3);
    let said = desk.run(&["plan", "nobody@larkspur.example"]).await;
    assert!(said.out.contains("Unread   team unseen (not_visible)"), "{}", said.out);
    std::fs::write(desk.folder.path().join("token"), "HRKU-revoked").unwrap();
    let said = desk.run(&["plan", PRIYA]).await;
    assert_eq!(said.code, 77, "{said:?}");
    assert!(said.err.contains("heroku does not accept the token (401)") && !said.err.contains("HRKU-"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_needs_no_configuration_but_a_key() {
    let desk = Desk::without_kafka("enforce", "").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let url = desk.heroku.url();
    let variables = [("HEROKU_API_KEY", TOKEN), ("HEROKU_API_URL", url.as_str())];
    let said = run(elsewhere.path(), &variables, &["plan", PRIYA]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.starts_with("Account  bot@larkspur.example (HEROKU_API_KEY)\n"), "{}", said.out);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("the company's domain is taken to be larkspur.example"), "{told}");
    assert!(said.out.contains("payments-api") && !said.out.contains(TOKEN));

    let said = run(elsewhere.path(), &[], &["plan", PRIYA]).await;
    assert_eq!(said.code, 78, "{said:?}");
    desk.reconfigure("token_file", "# token_file");
    let said = run(desk.folder.path(), &[("HEROKU_API_KEY", TOKEN)], &["plan", PRIYA]).await;
    assert!(said.out.contains("(HEROKU_API_KEY)"), "{said:?}");
    let said = run(desk.folder.path(), &[], &["plan", PRIYA]).await;
    assert_eq!(said.code, 78, "{said:?}");
}

/// A desk with a broker in this process and, from [`Office::serve`] on, the service.
struct Office {
    desk: Desk,
    broker: Embedded,
    service: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Office {
    async fn open(mode: &str) -> Self {
        Self::open_with(mode, "").await
    }

    /// `more` is added to the configuration.
    async fn open_with(mode: &str, more: &str) -> Self {
        Self::open_at(world(), mode, more).await
    }

    async fn open_at(world: World, mode: &str, more: &str) -> Self {
        let broker = Embedded::start().unwrap();
        broker.create_topics(&TopicNames::new("acme.")).unwrap();
        let servers = broker.settings().bootstrap_servers().to_owned();
        let desk = Desk::with(world, &servers, mode, more).await;
        Self { desk, broker, service: None }
    }

    fn serve(&mut self) {
        let stop = CancellationToken::new();
        let (config, token) = (self.desk.config(), stop.clone());
        let running = tokio::spawn(async move {
            service::run(&config, Topics::Given, None, Metrics::default(), token).await.unwrap();
        });
        self.service = Some((stop, running));
    }

    async fn close(mut self) {
        self.stop().await;
    }

    async fn stop(&mut self) {
        if let Some((stop, running)) = self.service.take() {
            stop.cancel();
            running.await.unwrap();
        }
    }

    fn requests(&self) -> usize {
        kafka::find(&self.broker.settings(), &TopicNames::new("acme.").requests, |_| true).unwrap().len()
    }
}

/// A test that fails must end: the runtime waits for the service's threads.
impl Drop for Office {
    fn drop(&mut self) {
        if let Some((stop, _)) = &self.service {
            stop.cancel();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_ordered_without_a_yes() {
    let office = Office::open("enforce").await;
    let order = ["offboard", PRIYA, "--reason", "HR-1182"];
    let said = office.desk.run(&order).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("standard input is no terminal; add --yes"), "{}", said.err);
    let said = office.desk.run(&["offboard", PRIYA, "--yes", "--reason", &"x".repeat(65)]).await;
    assert_eq!(said.code, 2, "{said:?}");
    let said = office.desk.run(&["offboard", OTIS, "--yes", "--reason", "HR-1182"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("none of the person's addresses is in a company domain"), "{}", said.err);
    assert_eq!(office.requests(), 0);

    let said = office.desk.run(&[&order[..], &["--yes", "--json"]].concat()).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!((said.json()["state"].as_str(), office.requests()), (Some("ordered"), 1));
    assert!(said.err.contains("app payments-api"), "the plan goes where it disturbs no parser: {}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_takes_no_key_that_lies_about() {
    let office = Office::open("enforce").await;
    office.desk.reconfigure("token_file", "# token_file");
    let order = ["offboard", PRIYA, "--yes", "--reason", "HR-1182"];
    let said = run(office.desk.folder.path(), &[("HEROKU_API_KEY", TOKEN), ("USER", "mara")], &order).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("The plan cannot be shown here: "), "{}", said.out);
    assert!(office.desk.heroku.requests().is_empty(), "nothing was asked of Heroku");
    let names = TopicNames::new("acme.");
    let records = kafka::find(&office.broker.settings(), &names.requests, |_| true).unwrap();
    let record: Value = serde_json::from_slice(records[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(records[0].key.as_deref(), Some(PRIYA.as_bytes()));
    assert_eq!(record["type"], "heroku-deprovisioner.person.v1");
    assert_eq!(record["data"]["subject"]["person_key"], format!("operator:operator:{PRIYA}"));
    assert_eq!((&record["data"]["reason"], &record["data"]["actor"]["id"]), (&"HR-1182".into(), &"mara".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_nobody_takes_is_still_running_when_the_time_is_over() {
    let office = Office::open("enforce").await;
    let args = ["offboard", PRIYA, "--yes", "--reason", "HR-1182", "--wait", "--wait-at-most", "1s", "--json"];
    let said = office.desk.run(&args).await;
    assert_eq!((said.code, said.json()["state"].as_str()), (75, Some("running")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_followed_to_its_end_and_stands_in_the_cases() {
    let mut office = Office::open_with("enforce", "[guards]\nhold_owner = \"platform on-call\"\n").await;
    office.serve();
    let wait =
        |address| ["offboard", address, "--yes", "--reason", "HR-1182", "--wait", "--wait-at-most", "4m", "--json"];

    // Her own app stays: no call of ours removes an owner.
    let said = office.desk.run(&wait(PRIYA)).await;
    assert_eq!(said.code, 3, "{said:?}");
    let told = said.json();
    assert_eq!((&told["state"], &told["result"]), (&"closed".into(), &"removed_with_residuals".into()), "{told}");
    assert!(said.err.contains("proven gone"), "{}", said.err);
    let changes = office.desk.changes_asked_for();
    assert_eq!(changes.len(), 3, "one request for each grant that can go: {changes:?}");
    let again = office.desk.run(&["plan", "--json", PRIYA]).await.json();
    let left = again["people"][0]["grants"].as_array().unwrap();
    assert_eq!((left.len(), &left[0]["parent"]["name"]), (1, &"priyas-sandbox".into()), "{again:#}");

    let said = office.desk.run(&wait(MARA)).await;
    assert_eq!(said.code, 4, "{said:?}");
    let held = said.json();
    assert_eq!((&held["state"], &held["held_for"]), (&"held".into(), &serde_json::json!(["last_human_admin"])));

    let said = office.desk.run(&wait("nobody@larkspur.example")).await;
    assert_eq!((said.code, &said.json()["result"]), (0, &"nothing_to_remove".into()), "{said:?}");

    let said = office.desk.run(&["cases", "list"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    said.fits_a_terminal();
    assert_eq!(said.out.lines().count(), 4, "{}", said.out);
    let line = |who: &str| said.out.lines().find(|line| line.contains(who)).unwrap_or_else(|| panic!("{}", said.out));
    assert!(line(MARA).contains("held") && line(MARA).contains("last_human_admin"));
    assert!(line(PRIYA).contains("removed_with_residuals"), "{}", said.out);

    let listed = office.desk.run(&["cases", "list", "--json", "--state", "held"]).await.json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["case_id"]), (1, &held["case_id"]));
    let listed = office.desk.run(&["cases", "list", "--json", "--person", PRIYA]).await.json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["case_id"]), (1, &told["case_id"]));

    let tagged = PRIYA.replace('@', "+heroku@");
    let said = office.desk.run(&["cases", "list", "--person", &tagged]).await;
    assert_eq!((said.code, said.out.as_str()), (0, "No cases.\n"));
    office.desk.reconfigure("[people]", "[people]\nplus_tags = true");
    let listed = office.desk.run(&["cases", "list", "--json", "--person", &tagged]).await.json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["case_id"]), (1, &told["case_id"]));

    let prefix = &held["case_id"].as_str().unwrap()[..8];
    let said = office.desk.run(&["cases", "show", prefix]).await;
    said.fits_a_terminal();
    for part in [
        "Held      last_human_admin for ",
        "to go on: make somebody else admin",
        "looked after by platform on-call",
        "waits: last human admin",
    ] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
    let said = office.desk.run(&["cases", "show", told["case_id"].as_str().unwrap(), "--json"]).await;
    let shown = said.json();
    assert_eq!((&shown["state"], &shown["record"]["case_id"]), (&"closed".into(), &told["case_id"]));
    assert_eq!(shown["record"]["executed_by"]["heroku_account"], BOT);
    let said = office.desk.run(&["cases", "show", told["case_id"].as_str().unwrap()]).await;
    said.fits_a_terminal();
    assert!(said.out.contains("Stays     app priyas-sandbox: "), "{}", said.out);

    let said = office.desk.run(&["cases", "show", "zz"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let said = office.desk.run(&["cases", "list", "--person", "somebody@larkspur.example"]).await;
    assert_eq!((said.code, said.out.as_str()), (0, "No cases.\n"));
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_order_joins_the_open_case_of_the_first() {
    let mut office = Office::open("enforce").await;
    office.serve();
    let order = ["offboard", MARA, "--yes", "--reason", "HR-7", "--wait", "--wait-at-most", "4m", "--json"];
    let first = office.desk.run(&order).await;
    let second = office.desk.run(&order).await;
    assert_eq!((first.code, second.code), (4, 4), "{first:?} {second:?}");
    assert_eq!(first.json()["case_id"], second.json()["case_id"]);
    assert!(second.err.contains("the person has an open case, which the order joins"), "{}", second.err);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_out_of_reach_is_69() {
    let desk = Desk::without_kafka("enforce", "").await;
    for args in [&["cases", "list"][..], &["cases", "show", "0b"], &["offboard", PRIYA, "--yes", "--reason", "x"]] {
        let said = desk.run(args).await;
        assert_eq!(said.code, 69, "{args:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_is_wrong_and_what_to_do() {
    let desk = Desk::without_kafka("enforce", "").await;
    desk.heroku.with_world(|world| {
        for team in ["legacy", "lenient"] {
            world.add_team(team, None);
            world.add_member(team, BOT, "member");
        }
    });
    // A Heroku that shows a plain member who is invited.
    let shown = serde_json::json!([{"when": {"path": "/teams/lenient/invitations"}, "then": [{"answer": {"status": 200, "body": {"json": []}}}]}]);
    desk.heroku.set_faults(serde_json::from_value(shown).unwrap());
    desk.reconfigure("[heroku]", "[heroku]\nexpected_teams = [\"unseen\", \"web\"]");
    let said = desk.run(&["check"]).await;
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
    said.fits_a_terminal();
    for part in [
        "✗ kafka: 127.0.0.1:1 does not answer",
        "✓ heroku: the token is accepted, the account is bot@larkspur.example",
        "✗ heroku: team unseen cannot be read (not_visible)",
        "✗ heroku: team legacy cannot be read (not_admin)",
        "→ add the service's account to the unread team as admin",
        "✗ heroku: the account is member in team lenient, and cannot remove anybody",
        "→ make the account admin of the team",
        "4 wrong",
    ] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
    assert_eq!(desk.changes_asked_for(), Vec::<String>::new());

    std::fs::write(desk.folder.path().join("token"), "HRKU-revoked").unwrap();
    let findings = desk.run(&["check", "--json"]).await.json();
    let token = findings.as_array().unwrap().iter().find(|it| it["about"] == "heroku").unwrap();
    assert_eq!(token["verdict"], "wrong");
    assert_eq!(token["what"], "heroku does not accept the token (401): put a valid one into its file");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_runs_is_printed_offline() {
    let desk = Desk::without_kafka("enforce", "").await;
    for (what, tool) in [("topics", "kafka-topics.sh"), ("acls", "kafka-acls.sh")] {
        let said = desk.run(&["check", "--emit", what]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains(&format!("{tool} --bootstrap-server 127.0.0.1:1 ")), "{}", said.out);
    }
    assert!(desk.heroku.requests().is_empty());
}
