//! Commands about who is who.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `identities`: tell which address belongs to which id
#[derive(Debug, Subcommand)]
pub enum IdentitiesCommand {
    /// Tell the service the addresses in a file
    Import(ImportArgs),
}

/// `identities import`: tell the service the addresses in a file
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  heroku-deprovisioner identities import --dry-run people.csv

Each line of the file is `person_key,address`, as in
  hibob:larkspur:3332883854254932701,kofi.mensah@larkspur.example
where the key is what `explain` prints as person_key. All lines are sent, or
none. Nobody is removed by it: cases that wait for an address go on, and who is
known by several ids becomes one person.")]
pub struct ImportArgs {
    /// The file, or - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Look at every line and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}
