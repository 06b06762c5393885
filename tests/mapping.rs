//! A mapping as its operator meets it: in the configuration file, with its mistakes and its tests, and on its page.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "pages/described.rs"]
mod described;

use heroku_deprovisioner::config::show::remarks;
use heroku_deprovisioner::config::{Config, Environment};

use described::{block, explained, parse};

const PAGE: &str = include_str!("../docs/sources/mapping.md");

const SOURCE: &str = r#"[[sources]]
name = "feed"
topic = "feed"
format = "mapping"
tenant = "larkspur"
"#;

/// What is told of a mapping that is wrong, without the count of mistakes.
fn mistake(mapping: &str) -> String {
    let told = parse(&format!("{SOURCE}{mapping}")).unwrap_err();
    told.split_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn the_page_holds_a_configuration_that_reads_its_record_as_it_says() {
    let (_, trying) = PAGE.split_once("\n## Trying it\n").unwrap();
    assert_eq!(block(trying, "text"), explained(PAGE));
}

#[test]
fn the_page_shows_a_mistake_as_it_is_told() {
    let (_, refused) = PAGE.split_once("\n## What is refused\n").unwrap();
    let mapping = "[sources.mapping]\nid = \"/id\"\naction = 'lower(evnt.kind)'\n";
    let told = mistake(mapping).replace("x.toml", "config.toml");
    assert_eq!(block(refused, "text"), format!("{told}\n"));
}

#[test]
fn a_mistake_has_its_line_column_and_caret() {
    assert_eq!(
        mistake("[sources.mapping]\nid = \"/employee/id~2\"\naction = \"/a\"\n"),
        "x.toml:12:19: `sources[0].mapping.id` is no JSON Pointer\n    |\n 12 | id = \"/employee/id~2 …\n    |                   ^\n    = in a pointer `~` is written `~0`, and a `/` in a name `~1`"
    );
    let several_lines =
        mistake("[sources.mapping]\nid = \"/id\"\naction = '''\nevent.a == 1\n  ? evnt.b : \"x\"\n'''\n");
    assert!(several_lines.starts_with("x.toml:15:5: `sources[0].mapping.action` names \"evnt\""), "{several_lines}");
    let escaped = mistake("[sources.mapping]\nid = \"/id\"\naction = \"evnt.\\u0061\"\n");
    assert!(escaped.starts_with("x.toml:13:10: `sources[0].mapping.action` names \"evnt\""), "{escaped}");
}

#[test]
fn what_does_not_fit_together_is_named() {
    for (mapping, told) in [
        ("", "x.toml:9:10: `sources[0].format` is \"mapping\", and there is no [sources.mapping]"),
        ("[sources.mapping]\n", "x.toml:11:10: missing key `sources[0].mapping.id`"),
        (
            "[sources.mapping]\nid = \"/id\"\n",
            "x.toml:12:6: `sources[0].mapping.id` says whom an element is about, and neither",
        ),
        ("[sources.mapping]\nid = \"/id\"\nids = \"/id\"\n", "x.toml:13:1: unknown key `sources[0].mapping.ids`"),
        (
            "[sources.mapping]\nid = \"/id\"\nelements = \"changes\"\n",
            "x.toml:13:13: `sources[0].mapping.elements` is no JSON Pointer",
        ),
        (
            "[sources.mapping]\nid = \"/id\"\naction = \"/a\"\nactions = { left = \"gone\" }\n",
            "x.toml:14:20: `sources[0].mapping.actions.left` wants \"deprovision\", ",
        ),
        (
            "[sources.mapping]\nid = \"/id\"\nrules = [{ when = \"event.x\", then = \"cancel\" }]\nactions = { a = \"cancel\" }\n",
            "x.toml:13:19: `sources[0].mapping.rules[0].when` stands beside",
        ),
        (
            "[sources.mapping]\nid = \"/id\"\naction = \"/a\"\nrules = [{ when = \"event.x\", then = \"cancel\" }]\n",
            "x.toml:13:10: `sources[0].mapping.action` stands beside",
        ),
    ] {
        let found = mistake(mapping);
        assert!(found.starts_with(told), "{mapping}: {found}");
    }
    let okta = SOURCE.replace("\"mapping\"", "\"okta\"");
    let told = parse(&format!("{okta}[sources.mapping]\nid = \"/id\"\naction = \"/a\"\n")).unwrap_err();
    assert!(told.contains("`sources[0].format` is \"okta\", and a [sources.mapping] stands below it"), "{told}");
}

#[test]
fn a_test_that_fails_refuses_the_configuration() {
    let mapping = |says: &str| {
        format!(
            "{SOURCE}[sources.mapping]\nid = \"/id\"\nemails = [\"/mail\"]\naction = \"/a\"\nactions = {{ x = \"deprovision\", y = \"ignore\" }}\n\
             [[sources.mapping.tests]]\nrecord = '[{{\"id\":7,\"a\":\"x\",\"mail\":\"a@larkspur.example\"}},{{\"a\":\"y\"}},{{\"a\":\"z\"}}]'\nsays = {says}\n"
        )
    };
    let tested = parse(&mapping("['deprovision a@larkspur.example 7', 'ignore', 'reject']")).unwrap();
    let untested = parse(&format!("{SOURCE}[sources.mapping]\nid = \"/id\"\naction = \"/a\"\n")).unwrap();
    for (config, remarked) in [(tested, false), (untested, true)] {
        assert_eq!(remarks(&config).iter().any(|it| it == "source \"feed\": its mapping has no test"), remarked);
    }
    for wrong in [
        "['deprovision a@larkspur.example 7', 'ignore']",
        "['deprovision', 'ignore', 'reject']",
        "['deprovision b@larkspur.example', 'ignore', 'reject']",
        "['cancel a@larkspur.example', 'ignore', 'reject']",
        "['deprovision a@larkspur.example', 'reject', 'reject']",
        "[]",
    ] {
        let told = parse(&mapping(wrong)).unwrap_err();
        let at =
            "x.toml:18:1: `sources[0].mapping.tests[0].says` is not what the record says, which is:\n[0]: deprovision";
        assert!(told.contains(at), "{wrong}: {told}");
    }
}

/// What is wrong with a test itself is told where it stands.
#[test]
fn a_test_that_is_none_is_told_at_its_place() {
    let mapping = |record: &str, says: &str| {
        mistake(&format!(
            "[sources.mapping]\nid = \"/id\"\naction = \"/a\"\n[[sources.mapping.tests]]\nrecord = '{record}'\nsays = ['{says}']\n"
        ))
    };
    let told = mapping("{\"id\": 7,", "ignore");
    assert!(told.starts_with("x.toml:15:10: `sources[0].mapping.tests[0].record` is no JSON: "), "{told}");
    let told = mapping("{}", "removed kofi@larkspur.example");
    let at = "x.toml:16:1: `sources[0].mapping.tests[0].says` names no decision: \"removed\" is none of deprovision, ";
    assert!(told.starts_with(at), "{told}");
}

/// A mapping belongs to its own source, also where the effective configuration shows several.
#[test]
fn the_effective_configuration_reads_like_the_one_that_was_written() {
    let sources = format!("{}{}", block(PAGE, "toml"), SOURCE.replace("mapping", "okta"));
    let config = parse(&sources).unwrap();
    let shown = heroku_deprovisioner::config::show::effective(&config);
    let again = Config::parse("y.toml", &shown, &Environment::default()).unwrap();
    assert_eq!(config.sources, again.sources);
    assert_eq!(config.digest(), again.digest());
}
