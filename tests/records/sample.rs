//! The sample records by their table, `tests/samples/index.md`, and how a source that is configured for them reads each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heroku_deprovisioner::sources::debezium::Table;
use heroku_deprovisioner::sources::record_file::{RecordFile, SUFFIX};
use heroku_deprovisioner::sources::token::{Algorithm, KeySet, TokenRules, Trust};
use heroku_deprovisioner::sources::{Format, Rules};
use jiff::SignedDuration;

/// The table of what each sample says.
pub(crate) const INDEX: &str = "index.md";

/// A CloudEvents type that some of them have.
pub(crate) const TYPE: &str = "com.example.offboarding.person.v1";

/// What the index says of a record.
pub(crate) struct Sample {
    pub(crate) file: String,
    pub(crate) format: Format,
    pub(crate) tenant: String,
    /// For each element the cells behind the tenant: its place, decision, addresses, ids, time, and the places that decided.
    pub(crate) rows: Vec<[String; 6]>,
}

/// Every sample, in the order of the index.
pub(crate) fn samples() -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    for [file, format, tenant, element, decision, addresses, ids, effective, decided_by] in
        rows(&page(), "file | format")
    {
        if !file.is_empty() {
            let format = Format::from_name(&format).unwrap_or_else(|| panic!("{INDEX}: {file}: no format {format}"));
            samples.push(Sample { file, format, tenant, rows: Vec::new() });
        }
        let row = [element, decision, addresses, ids, effective, decided_by];
        samples.last_mut().expect("the first row names a file").rows.push(row);
    }
    samples
}

/// The text of the index.
pub(crate) fn page() -> String {
    std::fs::read_to_string(folder().join(INDEX)).unwrap()
}

/// The rows of the table whose head begins in this way.
pub(crate) fn rows<const COLUMNS: usize>(page: &str, head: &str) -> Vec<[String; COLUMNS]> {
    let (_, table) = page.split_once(&format!("| {head}")).unwrap();
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    lines.map(|line| cells(line)[1..=COLUMNS].to_vec().try_into().expect("as many as asked for")).collect()
}

impl Sample {
    /// What a source for it is configured with.
    pub(crate) fn rules(&self) -> Rules {
        let types = if self.format == Format::Canonical { vec![TYPE.to_owned()] } else { Vec::new() };
        let tokens = if self.format == Format::Set { tokens(&self.file) } else { TokenRules::unchecked() };
        let tenant = Some(self.tenant.clone());
        Rules { format: self.format, tenant, types, tokens, tables: tables(), ..Rules::auto() }
    }

    pub(crate) fn record(&self) -> RecordFile {
        let bytes = std::fs::read(folder().join(&self.file)).unwrap();
        if self.file.ends_with(SUFFIX) {
            return RecordFile::parse(&bytes).unwrap();
        }
        RecordFile { value: Some(bytes), ..RecordFile::default() }
    }
}

/// What the tokens must hold. One of them is signed.
fn tokens(file: &str) -> TokenRules {
    let (issuer, audience) = match file.starts_with("scim") {
        true => ("https://scim.larkspur.example", "https://scim.larkspur.example/Feeds/98d52461fa5b"),
        false => ("https://idp.larkspur.example/", "https://offboarding.larkspur.example/set"),
    };
    let trust = match file.ends_with(SUFFIX) {
        true => Trust::Signed {
            algorithms: vec![Algorithm::ES256],
            keys: Arc::new(KeySet::parse(include_bytes!("../keys/set-jwks.json")).unwrap()),
            age_max: SignedDuration::from_hours(7 * 24),
        },
        false => Trust::PreVerified,
    };
    TokenRules { issuer: Some(issuer.to_owned()), audience: Some(audience.to_owned()), trust }
}

/// What the columns of the samples mean: no record says that.
pub(crate) fn tables() -> Vec<Table> {
    let table = serde_json::json!({
        "name": "public.employee", "system": "hr", "id": "employee_id", "emails": ["work_email"],
        "status": "status", "left": ["TERMINATED"], "date": "termination_date", "date_as": "days",
    });
    vec![serde_json::from_value(table).unwrap()]
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}
