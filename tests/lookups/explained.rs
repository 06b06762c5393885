//! What `explain` says of an event that names somebody by an id alone, where the source has a look-up.

use serde_json::json;

use super::TOKEN;
use super::directory::{KINDS, Said, Web};

/// What `explain --source okta` makes of an event that names the user by id, `id` being theirs, and its exit code.
async fn explained(url: &str, id: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "config_version = 1\n[kafka]\nbootstrap_servers = \"localhost:1\"\n[people]\n\
         company_domains = [\"larkspur.example\"]\nplus_tags = true\n[people.same_domains]\n\
         \"larkspur.io\" = \"larkspur.example\"\n[lookups.it]\nkind = \"okta\"\nurl = \"{url}\"\n\
         [[sources]]\nname = \"okta\"\ntopic = \"okta\"\nformat = \"okta\"\ntenant = \"larkspur.okta.com\"\nlookup = \"it\"\n"
    );
    std::fs::write(folder.path().join("heroku-deprovisioner.toml"), config).unwrap();
    let event = json!({"uuid": "5f3c7d1a-6f0e-11f1-9d0e-1f6b1d1d7c11", "published": "2026-05-29T14:03:11.902Z",
        "eventType": "user.lifecycle.deactivate", "outcome": {"result": "SUCCESS"},
        "target": [{"id": id, "type": "User", "alternateId": "praman"}]});
    std::fs::write(folder.path().join("event.json"), event.to_string()).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"));
    command.args(["explain", "--source", "okta", "event.json"]).current_dir(folder.path()).env_clear();
    command.env("HEROKU_DEPROVISIONER__LOOKUPS__IT__TOKEN", TOKEN);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_asks_the_look_up_of_the_source_and_says_which_address_counts() {
    let okta = KINDS.iter().find(|kind| kind.name == "okta").unwrap();
    let web = Web::serve().await;
    let mut user = okta.user(okta.id);
    user["profile"]["email"] = json!("Priya.Raman+okta@larkspur.io");
    web.says(okta.path, Said::json(200, user));
    let (code, said) = explained(&web.url, okta.id).await;
    assert_eq!((code, web.asked().len()), (Some(0), 1), "{said}");
    for part in [
        "whole value: deprovision",
        "matched by priya.raman@larkspur.example",
        "the person has left; look-up it told the address",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let mut user = okta.user(okta.id);
    user["profile"]["email"] = json!("priya@mail.example");
    web.says(okta.path, Said::json(200, user));
    let (_, said) = explained(&web.url, okta.id).await;
    assert!(said.contains("matched by none of them: no address of people.company_domains"), "{said}");

    web.says(okta.path, Said::json(404, okta.nobody.parse().unwrap()));
    let (code, said) = explained(&web.url, okta.id).await;
    assert!(code == Some(0) && said.contains("look-up it knows nobody of that id"), "{said}");
    assert!(said.starts_with("whole value: needs_lookup (deprovision)") && !said.contains("matched by"), "{said}");

    web.asked();
    let (_, said) = explained(&web.url, "00u/../me").await;
    assert!(web.asked().is_empty() && said.contains("look-up it was not asked"), "{said}");

    web.says(okta.path, Said::json(401, json!({})));
    let (code, said) = explained(&web.url, okta.id).await;
    assert!(code == Some(69) && said.contains("look-up it: ") && said.contains("see its token"), "{code:?} {said}");
}
