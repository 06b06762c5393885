//! The contract with everybody who writes events or reads outcomes: the Rust types, `proto/`, `deploy/schemas/` and
//! `docs/` say the same, shown on real values.

mod documents;
mod protobuf;
mod records;
mod schemas;

use std::path::PathBuf;

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
