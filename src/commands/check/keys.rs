//! Whether the keys of those who sign tokens can be read.

use super::{Finding, chain};
use crate::config::Config;
use crate::jwks;

pub(super) fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = Vec::new();
    for source in &config.sources {
        let about = format!("source {}", source.name);
        match runtime.block_on(jwks::read_once(source)) {
            Ok(None) => {}
            Ok(Some(_)) => findings.push(Finding::good(&about, "the issuer's keys can be read")),
            Err(why) => findings.push(Finding::wrong(
                &about,
                format!("the issuer's keys cannot be read: {}", chain(&why)),
                "see `jwks_url` or `jwks_file`; until then its tokens wait",
            )),
        }
    }
    Ok(findings)
}
