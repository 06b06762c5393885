//! The digest by which audit records and dead letters name a source record.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of a record's value, lower-case hex.
pub fn record_sha256(value: &[u8]) -> String {
    digest(&SHA256, value).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
