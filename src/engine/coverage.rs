//! What was looked at, and what was not. A team that the account was never added to is invisible, not an error: only
//! the list of teams expected tells that it is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::policy::Policy;
use crate::model::outcome::CoveragePart;
use crate::model::world::{ListId, Scan, Unread};

/// What no API shows, whoever asks.
const NOT_VISIBLE: [&str; 4] = [
    "personal apps of others that the service's account neither owns nor collaborates on",
    "pending app transfers of the person",
    "the person's own API tokens, SSH keys and sessions (they reach nothing once every grant is gone)",
    "teams outside the enterprise account that are neither visible nor listed under heroku.expected_teams",
];

/// Compares a scan with what was expected.
pub fn coverage(scan: &Scan, policy: &Policy) -> CoveragePart {
    let visible: BTreeMap<&str, ListId> = scan
        .teams
        .iter()
        .chain(&scan.enterprise_teams)
        .map(|team| (team.name.as_str(), ListId::Team(team.id)))
        .collect();
    let configured = policy.enterprise_account.is_some() || !policy.expected_teams.is_empty();
    let mut expected: BTreeSet<&str> = if configured {
        scan.enterprise_teams
            .iter()
            .map(|team| team.name.as_str())
            .chain(policy.expected_teams.iter().map(String::as_str))
            .collect()
    } else {
        scan.teams.iter().map(|team| team.name.as_str()).collect()
    };
    expected.retain(|name| !policy.excluded_teams.contains_key(*name));

    let mut not_read = scan.not_read.clone();
    let mut teams_read = Vec::new();
    for name in &expected {
        match visible.get(name).map(|list| scan.lists.get(list)) {
            Some(Some(Ok(read))) if read.is_usable() => {
                teams_read.push((*name).to_owned());
            }
            Some(Some(Ok(_))) => not_read.push(unread(name, "we_do_not_stand_in_its_members_list")),
            Some(Some(Err(why))) => not_read.push(Unread { what: format!("team {name}"), why: why.why.clone() }),
            Some(None) => not_read.push(unread(name, "not_read")),
            None => not_read.push(unread(name, "not_visible")),
        }
    }
    // Visible beyond what was expected: read and cleaned all the same.
    for team in &scan.teams {
        if !expected.contains(team.name.as_str()) && matches!(scan.lists.get(&ListId::Team(team.id)), Some(Ok(_))) {
            teams_read.push(team.name.clone());
        }
    }
    for (list, read) in &scan.lists {
        if matches!(list, ListId::Team(_)) {
            continue;
        }
        match read {
            Err(unread) => not_read.push(unread.clone()),
            Ok(read) if read.is_usable() => {}
            Ok(read) => {
                let what = read.evidence.first().map_or_else(String::new, |evidence| evidence.list.clone());
                not_read.push(Unread { what, why: "not_whole".to_owned() });
            }
        }
    }
    not_read.sort_by(|one, two| (&one.what, &one.why).cmp(&(&two.what, &two.why)));
    not_read.dedup();

    CoveragePart {
        complete: not_read.is_empty(),
        expected_from: if configured { "enterprise_account_and_expected_teams" } else { "visible_teams" }.to_owned(),
        teams_expected: expected.into_iter().map(str::to_owned).collect(),
        teams_read,
        not_read,
        excluded: policy
            .excluded_teams
            .iter()
            .map(|(name, reason)| Unread { what: format!("team {name}"), why: reason.clone() })
            .collect(),
        not_visible_by_api: NOT_VISIBLE.map(str::to_owned).to_vec(),
    }
}

fn unread(team: &str, why: &str) -> Unread {
    Unread { what: format!("team {team}"), why: why.to_owned() }
}
