//! The Heroku side of `check`: the token, the account, and whether it sees and manages what it must.

use super::{Finding, chain};
use crate::commands::access::{Access, Ambient, failure};
use crate::config::{Config, Environment};
use crate::engine::budget::Lane;
use crate::engine::coverage::coverage;
use crate::exit::Exit;
use crate::model::outcome::HoldReason;
use crate::model::world::{Account, Entries, ListId, Scan, Wanted};
use crate::service;

const ABOUT: &str = "heroku";

pub(super) fn findings(config: &Config, environment: &Environment) -> anyhow::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(look(config, environment)))
}

async fn look(config: &Config, environment: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    let access = match Access::gain(config, Ambient::Allowed(environment)).await {
        Ok(access) => access,
        Err(why) => {
            findings.push(Finding::wrong(ABOUT, said(&why), remedy(&why)));
            return findings;
        }
    };
    let account = format!("{} ({})", access.account.email.expose(), access.token_from);
    findings.push(match (access.mistaken(config), &config.heroku.account) {
        (Some(what), _) => Finding::wrong(ABOUT, what, "mount the token of that account, or name this one"),
        (None, Some(_)) => Finding::good(ABOUT, format!("the token is accepted, the account is {account}")),
        (None, None) => Finding::doubt(
            ABOUT,
            format!("the token is accepted, the account is {account}; heroku.account does not say whose it must be"),
        ),
    });
    if let Ok(left) = access.client.rate_limit().await {
        findings.push(Finding::good(ABOUT, format!("{left} requests are left in the account's budget")));
    }
    match access.client.scan(&Wanted::default(), &service::scope(config), Lane::Normal).await {
        Ok(scan) => findings.extend(teams(config, &access.account, &scan)),
        Err(why) => findings.push(Finding::wrong(ABOUT, chain(&why), remedy(&failure(why)))),
    }
    findings
}

fn teams(config: &Config, me: &Account, scan: &Scan) -> Vec<Finding> {
    let coverage = coverage(scan, &service::policy(config));
    let mut findings: Vec<Finding> = coverage
        .not_read
        .iter()
        .map(|unread| {
            let what = format!("{} cannot be read ({})", unread.what, unread.why);
            Finding::wrong(ABOUT, what, HoldReason::CoverageIncomplete.remedy())
        })
        .collect();
    findings.extend(scan.teams.iter().filter_map(|team| {
        let read = scan.lists.get(&ListId::Team(team.id))?.as_ref().ok()?;
        let Entries::Team { members, .. } = &read.entries else { return None };
        let ours = members.iter().find(|member| member.user.account == Some(me.id) || member.user.email == me.email)?;
        let role = ours.role.as_deref().unwrap_or("no role");
        (role != "admin").then(|| {
            let what = format!("the account is {role} in team {}, and cannot remove anybody there", team.name);
            Finding::wrong(ABOUT, what, "make the account admin of the team")
        })
    }));
    let read = coverage.teams_read.len();
    if coverage.complete && read > 0 {
        findings.push(Finding::good(ABOUT, format!("{read} teams can be read, every expected one among them")));
    } else if coverage.complete {
        findings.push(Finding::wrong(ABOUT, "the account is in no team", "add it to every team, as admin"));
    }
    findings
}

/// The error without the name of its exit code.
fn said(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let code = error.downcast_ref::<Exit>().map(|exit| format!("{exit}: "));
    code.and_then(|code| text.strip_prefix(&code).map(str::to_owned)).unwrap_or(text)
}

fn remedy(error: &anyhow::Error) -> &'static str {
    match Exit::of(error) {
        Exit::Configuration => "heroku.token_file names the file that holds the token",
        Exit::NoPermission => "put a valid token of the service's account into its file",
        Exit::Done
        | Exit::Failed
        | Exit::Usage
        | Exit::AccessRemains
        | Exit::Held
        | Exit::BadInput
        | Exit::Unreachable
        | Exit::StillRunning => "check heroku.api_url and the way to it (HTTPS_PROXY)",
    }
}
