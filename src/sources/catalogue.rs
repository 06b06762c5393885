//! What each format is, and what it takes to use it: for people who choose one.

use serde::Serialize;

use super::Format;

/// One format, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Its name in the configuration.
    pub format: &'static str,
    /// What it reads.
    pub reads: &'static str,
    /// What a source of it needs besides `name`, `topic` and `tenant`; empty = nothing.
    pub needs: &'static str,
    /// What of its shape no public source confirms. A source of it waits for an approval until a record of the operator's
    /// own (`sample`, `sample_says`) reads as expected.
    pub unconfirmed: Option<&'static str>,
}

/// Its records name people by id alone: the address has to come from elsewhere.
const ADDRESSES: &str = "addresses";
/// Some of its records do.
const SOME_ADDRESSES: &str = "some addresses";

/// Every format that a configuration may name.
pub fn catalogue() -> impl Iterator<Item = Description> {
    Format::all().filter_map(|format| {
        let (reads, needs) = described(format)?;
        Some(Description { format: format.as_str(), reads, needs, unconfirmed: format.unconfirmed() })
    })
}

/// What it reads, and what it needs.
fn described(format: Format) -> Option<(&'static str, &'static str)> {
    Some(match format {
        Format::Auto => return None,
        Format::Canonical => ("the canonical event, as CloudEvents or bare", ""),
        Format::Okta => ("Okta's System Log", ""),
        Format::Entra => ("Microsoft Entra ID's audit log and change notifications", SOME_ADDRESSES),
        Format::Google => ("Google Workspace's admin activities", ""),
        Format::Keycloak => ("Keycloak's admin and user events", SOME_ADDRESSES),
        Format::Auth0 => ("Auth0's event streams and log streams", SOME_ADDRESSES),
        Format::JumpCloud => ("JumpCloud's Directory Insights", SOME_ADDRESSES),
        Format::OneLogin => ("OneLogin's webhook", ADDRESSES),
        Format::PingOne => ("PingOne's audit activities", SOME_ADDRESSES),
        Format::Bamboohr => ("BambooHR's webhooks", SOME_ADDRESSES),
        Format::Workday => ("Workday's reports and Get_Workers", ""),
        Format::Personio => ("Personio's webhooks", ADDRESSES),
        Format::Hibob => ("HiBob's webhooks", ADDRESSES),
        Format::Gusto => ("Gusto's webhooks", ADDRESSES),
        Format::Merge => ("Merge's webhooks about employees", ""),
        Format::Adp => ("ADP's event notifications", ""),
        Format::Ukg => ("UKG Pro's webhooks", ADDRESSES),
        Format::SuccessFactors => ("SAP SuccessFactors' event notifications (XML)", ADDRESSES),
        Format::Set => ("security event tokens: RISC, CAEP, SCIM events", "issuer, audience, keys; or pre_verified"),
        Format::Scim => ("SCIM bulk requests and user resources", SOME_ADDRESSES),
        Format::Debezium => ("changes of HR tables, as Debezium captures them", "tables"),
        Format::Mapping => ("any other JSON", "mapping"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_described_and_has_a_page() {
        let described: Vec<&str> = catalogue().map(|known| known.format).collect();
        assert_eq!(described, Format::names().collect::<Vec<_>>());
        for name in described {
            let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/sources/{name}.md"));
            assert!(page.exists(), "{}", page.display());
        }
    }
}
