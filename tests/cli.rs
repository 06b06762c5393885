//! The binary as a user meets it: configuration, completions, manual page, exit codes.

use std::path::Path;
use std::process::{Command, Output};

const LEAST: &str = r#"config_version = 1
[kafka]
bootstrap_servers = "broker-1:9092"
[people]
company_domains = ["larkspur.example"]
"#;

/// The command in an empty folder, without any variable of this process but `PATH`.
fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"));
    command.args(args).current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn folder_with(config: &str) -> tempfile::TempDir {
    let folder = folder();
    std::fs::write(folder.path().join("heroku-deprovisioner.toml"), config).unwrap();
    folder
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_valid_configuration_exits_0_and_says_what_deserves_a_word() {
    let output = run(folder_with(LEAST).path(), &["config", "validate"]);
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
    assert!(out(&output).starts_with("The configuration is valid (digest "), "{}", out(&output));
    assert!(out(&output).contains("note: mode is \"observe\""), "{}", out(&output));
}

#[test]
fn a_wrong_configuration_exits_78_with_every_mistake_at_its_place() {
    let config = LEAST.replace("[people]", "prefx = \"x\"\n[people]").replace("= 1", "= \"1\"");
    let output = run(folder_with(&config).path(), &["config", "validate"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        err(&output),
        "error: 2 mistakes in the configuration

heroku-deprovisioner.toml:1:18: `config_version` wants a whole number, found text
   |
 1 | config_version = \"1\"
   |                  ^^^

heroku-deprovisioner.toml:4:1: unknown key `kafka.prefx`
   |
 4 | prefx …
   | ^^^^^
   = did you mean `prefix`?
"
    );
}

#[test]
fn a_missing_configuration_says_where_one_was_looked_for() {
    let output = run(folder().path(), &["config", "validate"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        err(&output),
        "error: a mistake in the configuration

heroku-deprovisioner.toml, /etc/heroku-deprovisioner/config.toml: no configuration file
 = name one with --config or HEROKU_DEPROVISIONER_CONFIG; config.example.toml is one to start from
"
    );
    let output = run(folder().path(), &["config", "validate", "--config", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(err(&output).contains("nowhere.toml: the configuration file cannot be read"), "{}", err(&output));
}

#[test]
fn the_file_is_found_by_flag_then_variable_then_place() {
    let folder = folder_with(&LEAST.replace("broker-1", "placed"));
    for name in ["flag", "variable"] {
        std::fs::write(folder.path().join(format!("{name}.toml")), LEAST.replace("broker-1", name)).unwrap();
    }
    let servers = |args: &[&str], variable: Option<&str>| {
        let mut command = command(folder.path(), args);
        command.envs(variable.map(|file| ("HEROKU_DEPROVISIONER_CONFIG", file)));
        let shown = out(&command.output().unwrap());
        shown.lines().find(|line| line.starts_with("bootstrap_servers")).unwrap().to_owned()
    };
    let flag = ["--config", "flag.toml", "config", "show"];
    assert!(servers(&flag, Some("variable.toml")).contains("\"flag:9092\""));
    assert!(servers(&flag[2..], Some("variable.toml")).contains("\"variable:9092\""));
    assert!(servers(&flag[2..], None).contains("\"placed:9092\""));
}

#[test]
fn what_is_shown_names_the_layer_of_each_value_and_no_secret() {
    let folder = folder_with(LEAST);
    let output = command(folder.path(), &["config", "show"])
        .env("HEROKU_DEPROVISIONER__GUARDS__MAX_PEOPLE_PER_HOUR", "5")
        .env("HEROKU_DEPROVISIONER__HEROKU__TOKEN", "HRKU-s3cret")
        .env("HEROKU_API_KEY", "HRKU-s3cret")
        .output()
        .unwrap();
    let shown = out(&output);
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap();
    assert!(line("bootstrap_servers").ends_with("# heroku-deprovisioner.toml:3"));
    assert!(line("max_people_per_hour = 5 ").ends_with("# HEROKU_DEPROVISIONER__GUARDS__MAX_PEOPLE_PER_HOUR"));
    assert!(line("max_people_per_day = 25 ").ends_with("# default"));
    assert!(!shown.contains("s3cret") && err(&output).is_empty());

    let json = out(&run(folder.path(), &["config", "show", "--json"]));
    let settings: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let servers = settings.iter().find(|setting| setting["key"] == "kafka.bootstrap_servers").unwrap();
    assert_eq!(servers["from"], "heroku-deprovisioner.toml:3:21");
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_right_one() {
    let output = command(folder_with(LEAST).path(), &["config", "validate"])
        .env("HEROKU_DEPROVISIONER__GUARD__MAX_PEOPLE_PER_HOUR", "5")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(
        err(&output).contains("did you mean HEROKU_DEPROVISIONER__GUARDS__MAX_PEOPLE_PER_HOUR?"),
        "{}",
        err(&output)
    );
}

#[test]
fn the_documentation_holds_every_key_as_the_program_knows_it() {
    let shown = out(&run(folder().path(), &["config", "show", "--defaults", "--markdown"]));
    let documented =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    let (_, tables) = documented.split_once("a test compares them. -->\n\n").expect("the mark before the tables");
    assert!(
        tables == shown,
        "docs/configuration.md is out of date: replace what follows the mark by the output of \
         `heroku-deprovisioner config show --defaults --markdown`"
    );
    let text = out(&run(folder().path(), &["config", "show", "--defaults"]));
    let json = out(&run(folder().path(), &["config", "show", "--defaults", "--json"]));
    let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for key in serde_json::from_str::<Vec<serde_json::Value>>(&json).unwrap() {
        for part in ["key", "type", "default", "variable"] {
            // What stands in a list without names has no variable.
            let said = key[part].as_str().unwrap_or_else(|| if part == "variable" { "" } else { panic!("{key}") });
            assert!(unwrapped.contains(said), "{key}");
        }
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn completions_and_manual_pages_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&run(folder().path(), &["completions", shell]));
        assert!(script.contains("completions") && script.contains("validate"), "{shell}: {script}");
    }
    let page = out(&run(folder().path(), &["man"]));
    assert!(page.contains(".TH heroku\\-deprovisioner 1") || page.contains(".TH heroku-deprovisioner 1"), "{page}");

    let folder = folder();
    let output = run(folder.path(), &["man", "--folder", "."]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(folder.path().join("heroku-deprovisioner.1").exists());
    assert!(folder.path().join("heroku-deprovisioner-config-show.1").exists());
}

#[test]
fn a_wrong_command_line_exits_2() {
    for args in [&["config"][..], &["undo"], &["config", "show", "--markdown"], &[]] {
        assert_eq!(run(folder().path(), args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let mut child = command(folder().path(), &["completions", "zsh"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

/// An Okta event as one line of its System Log.
const OKTA: &str = r#"{"uuid":"5f3c7d1a-6f0e-11f1-9d0e-1f6b1d1d7c11","published":"2026-05-29T14:03:11.902Z",
"eventType":"user.lifecycle.deactivate","outcome":{"result":"SUCCESS"},
"target":[{"id":"00u8p1r1yaR4m4n0h801","type":"User","alternateId":"priya.raman@larkspur.example"}]}"#;

#[test]
fn explain_needs_no_configuration() {
    let folder = folder();
    std::fs::write(folder.path().join("event.json"), OKTA).unwrap();
    for format in [&["--format", "okta"][..], &[]] {
        let output = run(folder.path(), &[&["explain", "--json", "event.json"], format].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let rows: Vec<serde_json::Value> = serde_json::from_str(&out(&output)).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["decision"], "deprovision");
        assert_eq!(rows[0]["subject"]["addresses"], serde_json::json!(["priya.raman@larkspur.example"]));
    }
    let earlier = ["explain", "--json", "--now", "2026-05-01T00:00:00Z", "event.json"];
    let rows: Vec<serde_json::Value> = serde_json::from_str(&out(&run(folder.path(), &earlier))).unwrap();
    assert_eq!(rows[0]["decision"], "schedule");
}

#[test]
fn explain_reads_whole_records_and_standard_input() {
    let folder = folder();
    let value: serde_json::Value = serde_json::from_str(OKTA).unwrap();
    let record = serde_json::json!({"key_utf8": null, "headers": [], "value_json": value}).to_string();
    std::fs::write(folder.path().join("a.record.json"), &record).unwrap();
    std::fs::write(folder.path().join("b.json"), &record).unwrap();
    for args in [&["a.record.json"][..], &["--record", "b.json"]] {
        let output = run(folder.path(), &[&["explain"], args].concat());
        assert!(out(&output).contains("deprovision"), "{}{}", out(&output), err(&output));
    }
    let output = command(folder.path(), &["explain", "-"])
        .stdin(std::fs::File::open(folder.path().join("a.record.json")).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(65), "a record is no event: {}", out(&output));
}

#[test]
fn explain_says_what_it_cannot_read() {
    let folder = folder_with(LEAST);
    std::fs::write(folder.path().join("event.json"), "{\"uuid\":").unwrap();
    let output = run(folder.path(), &["explain", "--format", "okta", "event.json"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(out(&output).contains("reject"), "{}", out(&output));
    let output = run(folder.path(), &["explain", "nowhere.json"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(err(&output).starts_with("error: nowhere.json cannot be read: bad input: "), "{}", err(&output));
    let output = run(folder.path(), &["explain", "--source", "okta", "event.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("the configuration has no source \"okta\"; it has: none"), "{}", err(&output));
    let output = run(folder.path(), &["explain", "--format", "telegraph", "event.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("the formats are canonical, okta"), "{}", err(&output));
}

#[test]
fn explain_refuses_the_tenant_of_another_organisation() {
    let source = "[[sources]]\nname = \"okta\"\ntopic = \"t\"\nformat = \"okta\"\ntenant = \"larkspur.okta.com\"\n";
    let folder = folder_with(&format!("{LEAST}{source}"));
    let hook = format!(
        r#"{{"eventType":"com.okta.event_hook","source":"https://other.okta.com/api/v1/eventHooks/w","data":{{"events":[{OKTA}]}}}}"#
    );
    std::fs::write(folder.path().join("ours.json"), hook.replace("other", "larkspur")).unwrap();
    std::fs::write(folder.path().join("theirs.json"), hook).unwrap();
    let code = |file| run(folder.path(), &["explain", "--source", "okta", file]).status.code();
    assert_eq!((code("ours.json"), code("theirs.json")), (Some(0), Some(65)));
}

#[test]
fn sources_lists_every_format_within_80_columns() {
    let folder = folder();
    let page = out(&run(folder.path(), &["sources"]));
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    let json: serde_json::Value = serde_json::from_slice(&run(folder.path(), &["sources", "--json"]).stdout).unwrap();
    let formats: Vec<&str> = json.as_array().unwrap().iter().map(|it| it["format"].as_str().unwrap()).collect();
    assert!(formats.contains(&"okta") && formats.contains(&"mapping"), "{formats:?}");
    for format in formats {
        assert!(page.lines().any(|line| line.split_whitespace().next() == Some(format)), "{format}\n{page}");
    }
}

/// What alone its source, its age and its person keep from being carried out; nobody is asked.
#[test]
fn explain_says_what_the_service_would_make_of_an_event() {
    let source = |name: &str, format: &str, more: &str| {
        format!(
            "[[sources]]\nname = {name:?}\ntopic = {name:?}\nformat = {format:?}\ntenant = \"larkspur.okta.com\"\n{more}"
        )
    };
    let sources = [
        source("plain", "okta", ""),
        source("patient", "okta", "max_event_age = \"90d\"\n"),
        source("ignoring", "okta", "on_suspended = \"ignore\"\n"),
        source("removing", "okta", "on_suspended = \"remove\"\n"),
        source("adp", "adp", ""),
    ];
    let folder = folder_with(&format!("{LEAST}protected = [\"priya.raman@larkspur.example\"]\n{}", sources.concat()));
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let would = |source: &str, sample: &str, now: &str| {
        let sample = samples.join(sample);
        let args = ["explain", "--source", source, "--now", now, "--json", sample.to_str().unwrap()];
        let rows: serde_json::Value = serde_json::from_str(&out(&run(folder.path(), &args))).unwrap();
        rows.as_array().unwrap().iter().map(|row| row["would"].as_str().map(ToOwned::to_owned)).collect::<Vec<_>>()
    };
    let (protected, several) = ("okta-01-event-hook-deactivate.json", "okta-02-event-hook-mixed-batch.json");
    let (soon, late) = ("2026-06-01T12:00:00Z", "2026-07-01T12:00:00Z");
    let says = |text: &str| Some(text.to_owned());
    assert_eq!(would("plain", protected, soon), [says("refused: the person is protected (people.protected)")]);
    assert_eq!(would("plain", several, soon), [None, says("held: suspended"), None, None]);
    assert_eq!(
        would("plain", several, late),
        [None, says("held: event_too_old, suspended"), None, says("held: event_too_old")]
    );
    assert_eq!(would("patient", several, late), [None, says("held: suspended"), None, None]);
    assert_eq!(would("ignoring", several, late)[1], says("ignored: on_suspended of the source"));
    assert_eq!(
        would("removing", several, soon)[1],
        says("removed as if the person had left: on_suspended of the source")
    );
    assert_eq!(would("adp", "adp-01-work-assignment-terminate.json", soon), [says("held: format_unconfirmed")]);
    let file = samples.join(protected);
    let text = out(&run(folder.path(), &["explain", "--source", "plain", "--now", soon, file.to_str().unwrap()]));
    assert!(text.contains("\n  would be   refused: the person is protected (people.protected)\n"), "{text}");
    let unasked = out(&run(folder.path(), &["explain", "--json", file.to_str().unwrap()]));
    assert!(unasked.contains("\"would\": null"), "{unasked}");
}
