//! A source as its operator describes it: in a configuration, and on the page of its format.

use std::path::Path;
use std::process::Command;

use heroku_deprovisioner::config::{Config, Environment};

const REST: &str = r#"config_version = 1
[kafka]
bootstrap_servers = "broker-1:9092"
[people]
company_domains = ["larkspur.example"]
"#;

/// A configuration with these sources.
pub(crate) fn parse(sources: &str) -> Result<Config, String> {
    Config::parse("x.toml", &format!("{REST}{sources}"), &Environment::default()).map_err(|error| error.to_string())
}

/// The first fenced block of a language.
pub(crate) fn block(page: &str, language: &str) -> String {
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// What the command of a page prints, by the configuration that the page shows, and of the record that it shows if that is
/// the one it names.
pub(crate) fn explained(page: &str) -> String {
    let (_, trying) = page.split_once("\n## Trying it\n").unwrap();
    let command = trying.split('`').nth(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), format!("{REST}{}", block(page, "toml"))).unwrap();
    if command.contains("leaver.json") {
        std::fs::write(folder.path().join("leaver.json"), block(page, "json")).unwrap();
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    std::os::unix::fs::symlink(tests, folder.path().join("tests")).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"));
    let output = program.args(command.split(' ').skip(1)).current_dir(folder.path()).env_clear().output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}
