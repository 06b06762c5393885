//! What was looked at, and what was not. A team that the account was never added to is invisible, not an error: only
//! the list of teams expected tells that it is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::users;
use super::policy::Policy;
use crate::model::AccountId;
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
    // Visible beyond what was expected: read and cleaned all the same, so that a person may be in there as well.
    let beyond = scan.teams.iter().map(|team| team.name.as_str());
    let beyond = beyond.filter(|name| !expected.contains(name) && !policy.excluded_teams.contains_key(*name));
    for name in expected.iter().copied().chain(beyond) {
        match visible.get(name).map(|list| scan.lists.get(list)) {
            Some(Some(Ok(read))) if read.is_usable() => teams_read.push(name.to_owned()),
            Some(Some(Ok(_))) => not_read.push(unread(name, "we_do_not_stand_in_its_members_list")),
            Some(Some(Err(why))) => not_read.push(Unread { what: format!("team {name}"), why: why.why.clone() }),
            Some(None) => not_read.push(unread(name, "not_read")),
            None => not_read.push(unread(name, "not_visible")),
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
        not_visible_by_api: NOT_VISIBLE.map(str::to_owned).into_iter().chain(ownerless(scan)).collect(),
    }
}

/// Heroku names the owner of a pipeline by an account id alone. Whose it is, only a list tells in which they stand.
fn ownerless(scan: &Scan) -> Option<String> {
    let known: BTreeSet<AccountId> = users(scan).filter_map(|user| user.account).collect();
    let names = scan.pipelines.iter().filter(|it| !known.contains(&it.owner)).map(|it| it.name.as_str());
    let names: Vec<&str> = names.collect();
    (!names.is_empty())
        .then(|| format!("whose these pipelines are: {} (their owners stand in no list)", names.join(", ")))
}

fn unread(team: &str, why: &str) -> Unread {
    Unread { what: format!("team {team}"), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::engine::fixtures::policy;
    use crate::model::world::{App, Entries, Evidence, ListRead, Pipeline, Team, User};
    use crate::model::{AppId, Email, PipelineId, TeamId};

    fn team(number: u128) -> Team {
        Team { id: TeamId(Uuid::from_u128(number)), name: format!("t{number}") }
    }

    /// A team's list, in which we stand or not.
    fn read(control: bool) -> Result<ListRead, Unread> {
        let evidence = Evidence {
            list: "/teams/x/members".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            pages: 1,
            items: 0,
            complete: true,
            control,
            body_sha256: String::new(),
        };
        let entries = Entries::Team { members: Vec::new(), invitations: None };
        Ok(ListRead { began: Timestamp::UNIX_EPOCH, entries, evidence: vec![evidence] })
    }

    /// Teams t1, t2 … that `/teams` names, with what came of reading each; `None` = it was not read.
    fn scan(reads: &[Option<Result<ListRead, Unread>>]) -> Scan {
        let teams: Vec<Team> = (1..).take(reads.len()).map(team).collect();
        let lists = teams.iter().zip(reads).filter_map(|(team, read)| Some((ListId::Team(team.id), read.clone()?)));
        Scan {
            began: Timestamp::UNIX_EPOCH,
            enterprise_teams: Vec::new(),
            apps: Vec::new(),
            spaces: Vec::new(),
            enterprises: Vec::new(),
            pipelines: Vec::new(),
            lists: lists.collect(),
            not_read: Vec::new(),
            teams,
        }
    }

    #[test]
    fn a_visible_team_beyond_those_expected_counts_as_read_only_if_it_was() {
        let forbidden = Err(Unread { what: "members of team t3".to_owned(), why: "forbidden".to_owned() });
        let mut scan = scan(&[Some(read(true)), Some(read(false)), Some(forbidden), Some(read(true)), None, None]);
        scan.lists.insert(ListId::App(AppId(Uuid::from_u128(7))), read(false));
        let policy = Policy {
            expected_teams: vec!["t1".to_owned()],
            excluded_teams: BTreeMap::from([("t6".to_owned(), "not ours".to_owned())]),
            ..policy()
        };
        let coverage = coverage(&scan, &policy);
        assert!(!coverage.complete);
        assert_eq!(coverage.teams_expected, ["t1"]);
        assert_eq!(coverage.teams_read, ["t1", "t4"]);
        let not_read: Vec<String> = coverage.not_read.iter().map(|it| format!("{} {}", it.what, it.why)).collect();
        assert_eq!(
            not_read,
            [
                "/teams/x/members not_whole",
                "team t2 we_do_not_stand_in_its_members_list",
                "team t3 forbidden",
                "team t5 not_read"
            ]
        );
    }

    #[test]
    fn a_pipeline_whose_owner_stands_in_no_list_is_named() {
        let owner = AccountId(Uuid::from_u128(9));
        let mut scan = scan(&[Some(read(true))]);
        let id = PipelineId(Uuid::from_u128(8));
        scan.pipelines.push(Pipeline { id, name: "storefront".to_owned(), owner });
        let named =
            |scan: &Scan| coverage(scan, &policy()).not_visible_by_api.iter().any(|it| it.contains("storefront"));
        assert!(named(&scan));
        let user = User { account: Some(owner), email: Email::as_reported("kofi@larkspur.example") };
        let owned = App { id: AppId(owner.0), name: "a1".to_owned(), team: None, owner: Some(user) };
        scan.apps.push(owned);
        assert!(!named(&scan));
    }
}
