//! Everything visible, in as few round trips as possible: the catalogues; then every team, enterprise account and space
//! at once; then the apps that turned out to matter.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;

use super::client::Client;
use super::error::AccountStopped;
use super::lists::{Read, unread};
use super::paging::List;
use super::path::Path;
use super::team::{How, TeamRead};
use super::wire;
use crate::clock;
use crate::engine::budget::Lane;
use crate::model::world::{
    App, Enterprise, Entries, ListId, ListRead, Pipeline, Scan, Space, Team, Unread, User, Wanted,
};
use crate::model::{AccountId, AppId, EnterpriseId, PipelineId, SpaceId, TeamId};

/// What a scan covers, by configuration.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Names of teams that are left alone: nothing of them is read.
    pub excluded_teams: BTreeSet<String>,
    /// Name or id of the enterprise account whose teams are expected.
    pub enterprise_account: Option<String>,
    /// Whether `/teams/{team}/permissions` may be used to find.
    pub use_permissions_endpoint: bool,
}

impl Client {
    /// Reads everything visible. `wanted` decides which apps' own lists are read; it stands in no request.
    ///
    /// # Errors
    /// When Heroku refuses the account as a whole. Any other failure is named in the scan.
    pub async fn scan(&self, wanted: &Wanted, scope: &Scope, lane: Lane) -> Result<Scan, AccountStopped> {
        let began = clock::now();
        let (us, teams, enterprises, apps, spaces, pipelines) = tokio::try_join!(
            self.us(lane),
            self.catalogue::<wire::Named>(Path::TEAMS(), "teams", lane),
            self.catalogue::<wire::Named>(Path::ENTERPRISES(), "enterprise accounts", lane),
            self.catalogue::<wire::App>(Path::APPS(), "apps", lane),
            self.catalogue::<wire::Space>(Path::SPACES(), "spaces", lane),
            self.catalogue::<wire::Pipeline>(Path::PIPELINES(), "pipelines", lane),
        )?;
        let mut not_read = Vec::new();
        if us.is_none() {
            not_read.push(unread("our own account", "unavailable"));
        }
        let teams: Vec<Team> = or_note(teams, &mut not_read).into_iter().map(team).collect();
        let enterprises: Vec<Enterprise> = or_note(enterprises, &mut not_read).into_iter().map(enterprise).collect();
        let excluded = Excluded::new(scope, &teams);
        let spaces = or_note(spaces, &mut not_read);
        let left_alone: BTreeSet<SpaceId> =
            spaces.iter().filter(|it| excluded.names(it.team.as_ref())).map(|it| SpaceId(it.id)).collect();
        let spaces: Vec<Space> = spaces.into_iter().map(|it| space(it, &teams)).collect();
        let mine: Vec<App> = or_note(apps, &mut not_read)
            .into_iter()
            .filter(|it| !excluded.names(it.team.as_ref()))
            .map(|it| app(it, &teams))
            .filter(|it| !it.team.is_some_and(|team| excluded.ids.contains(&team)))
            .collect();
        let pipelines = or_note(pipelines, &mut not_read).into_iter().filter_map(pipeline).collect();

        let how = How { wanted, us: us.as_ref(), quick: scope.use_permissions_endpoint, lane };
        let known: BTreeSet<TeamId> = teams.iter().map(|team| team.id).collect();
        // Apps of people, and of teams that we are not in: nothing else leads to them.
        let outside: BTreeMap<AppId, String> = mine
            .iter()
            .filter(|app| app.team.is_none_or(|team| !known.contains(&team)))
            .map(|app| (app.id, app.name.clone()))
            .collect();
        let (reads, expected, enterprise_lists, space_lists, outside_lists) =
            tokio::try_join!(
                try_join_all(
                    teams
                        .iter()
                        .filter(|team| !excluded.ids.contains(&team.id))
                        .map(|team| self.scan_team(team.clone(), how))
                ),
                self.expected_teams(&enterprises, &known, scope, how),
                try_join_all(enterprises.iter().map(|it| async move {
                    Ok((ListId::Enterprise(it.id), self.read_enterprise(it.id, &it.name, lane).await?))
                })),
                try_join_all(spaces.iter().filter(|it| !left_alone.contains(&it.id)).map(|it| async move {
                    Ok((ListId::Space(it.id), self.read_space(it.id, &it.name, lane).await?))
                })),
                self.read_apps(&outside, lane),
            )?;
        not_read.extend(expected.unread);
        let mut scan = Scan {
            began,
            teams,
            enterprise_teams: expected.teams,
            apps: Vec::new(),
            spaces,
            enterprises,
            pipelines,
            lists: enterprise_lists.into_iter().chain(space_lists).chain(outside_lists).collect(),
            not_read,
        };
        // What we can look into although `/teams` does not name it is visible all the same.
        scan.teams.extend(expected.reads.iter().filter(|it| it.list.is_ok()).map(|it| it.team.clone()));
        let reads: Vec<TeamRead> = reads.into_iter().chain(expected.reads).collect();
        self.finish(&mut scan, reads, mine, wanted, lane).await?;
        Ok(scan)
    }

    /// Reads the apps and spaces that matter only now that everybody's account is known, and puts the scan together.
    async fn finish(
        &self,
        scan: &mut Scan,
        reads: Vec<TeamRead>,
        mine: Vec<App>,
        wanted: &Wanted,
        lane: Lane,
    ) -> Result<(), AccountStopped> {
        let found = with_accounts(wanted, scan, &reads, &mine);
        let mut apps: BTreeMap<AppId, String> = reads.iter().flat_map(|read| read.apps_to_read(&found)).collect();
        let mut spaces: BTreeMap<SpaceId, Space> =
            reads.iter().flat_map(|read| read.spaces_found(&found)).map(|space| (space.id, space)).collect();
        for read in reads {
            scan.apps.extend(read.apps_beyond_the_list());
            scan.apps.extend(read.apps.into_iter().flatten());
            scan.not_read.extend(read.not_read);
            scan.lists.extend(read.lists);
            scan.lists.insert(ListId::Team(read.team.id), read.list);
        }
        let listed: BTreeSet<AppId> = scan.apps.iter().map(|app| app.id).collect();
        for app in mine.into_iter().filter(|app| !listed.contains(&app.id)) {
            // Of a team that we are in, whose own list does not hold it.
            apps.insert(app.id, app.name.clone());
            scan.apps.push(app);
        }
        apps.retain(|app, _| !scan.lists.contains_key(&ListId::App(*app)));
        spaces.retain(|space, _| !scan.lists.contains_key(&ListId::Space(*space)));
        let (app_lists, space_lists) =
            tokio::try_join!(
                self.read_apps(&apps, lane),
                try_join_all(spaces.values().map(|it| async move {
                    Ok((ListId::Space(it.id), self.read_space(it.id, &it.name, lane).await?))
                })),
            )?;
        scan.lists.extend(app_lists);
        scan.lists.extend(space_lists);
        scan.spaces.extend(spaces.into_values());
        Ok(())
    }

    /// The teams of the configured enterprise account; those that `/teams` does not name are looked into.
    async fn expected_teams(
        &self,
        enterprises: &[Enterprise],
        known: &BTreeSet<TeamId>,
        scope: &Scope,
        how: How<'_>,
    ) -> Result<ExpectedTeams, AccountStopped> {
        let mut expected = ExpectedTeams::default();
        let Some(wanted) = &scope.enterprise_account else { return Ok(expected) };
        let Some(it) = enterprises.iter().find(|it| it.name == *wanted || it.id.to_string() == *wanted) else {
            expected.unread.push(unread(&format!("enterprise account {wanted}"), "not_visible"));
            return Ok(expected);
        };
        let what = format!("teams of enterprise account {}", it.name);
        let listed = self.catalogue::<wire::Named>(Path::enterprise_teams(it.id), &what, how.lane).await?;
        expected.teams = or_note(listed, &mut expected.unread).into_iter().map(team).collect();
        let hidden = expected
            .teams
            .iter()
            .filter(|team| !known.contains(&team.id) && !scope.excluded_teams.contains(&team.name))
            .map(|team| self.scan_hidden_team(team.clone(), how));
        expected.reads = try_join_all(hidden).await?;
        Ok(expected)
    }

    async fn catalogue<T: DeserializeOwned>(&self, path: Path, what: &str, lane: Lane) -> Read<Vec<T>> {
        Ok(self.whole::<T>(List::new(path), what, lane).await?.map(|read| read.entries))
    }
}

#[derive(Debug, Default)]
struct ExpectedTeams {
    teams: Vec<Team>,
    reads: Vec<TeamRead>,
    unread: Vec<Unread>,
}

/// Teams that are left alone.
struct Excluded<'a> {
    names: &'a BTreeSet<String>,
    /// Of those that `/teams` names.
    ids: BTreeSet<TeamId>,
}

impl<'a> Excluded<'a> {
    fn new(scope: &'a Scope, teams: &[Team]) -> Self {
        let names = &scope.excluded_teams;
        Self { names, ids: teams.iter().filter(|team| names.contains(&team.name)).map(|team| team.id).collect() }
    }

    /// Also for a team that we are not in.
    fn names(&self, team: Option<&wire::TeamRef>) -> bool {
        team.is_some_and(|it| {
            it.name.as_ref().is_some_and(|name| self.names.contains(name))
                || it.id.is_some_and(|id| self.ids.contains(&TeamId(id)))
        })
    }
}

/// The accounts of those looked for, wherever their address led to one: on an app they may stand under the id alone.
fn with_accounts(wanted: &Wanted, scan: &Scan, reads: &[TeamRead], mine: &[App]) -> Wanted {
    let mut found = wanted.clone();
    let lists = scan.lists.values().chain(reads.iter().flat_map(|read| read.lists.values()));
    let users = lists
        .filter_map(|read| read.as_ref().ok())
        .flat_map(users)
        .chain(reads.iter().flat_map(TeamRead::users))
        .chain(mine.iter().filter_map(|app| app.owner.clone()));
    found.accounts.extend(users.filter(|user| wanted.holds(user)).filter_map(|user| user.account));
    found
}

fn users(read: &ListRead) -> Vec<User> {
    match &read.entries {
        Entries::Team { members, .. } => members.iter().map(|it| it.user.clone()).collect(),
        Entries::App(entries) => entries.iter().map(|it| it.user.clone()).collect(),
        Entries::Space(entries) => entries.iter().map(|it| it.user.clone()).collect(),
        Entries::Enterprise(entries) => entries.iter().map(|it| it.user.clone()).collect(),
    }
}

/// What was read; what was not is noted.
fn or_note<T>(read: Result<Vec<T>, Unread>, not_read: &mut Vec<Unread>) -> Vec<T> {
    read.unwrap_or_else(|unread| {
        not_read.push(unread);
        Vec::new()
    })
}

fn team(it: wire::Named) -> Team {
    Team { id: TeamId(it.id), name: it.name }
}

fn enterprise(it: wire::Named) -> Enterprise {
    Enterprise { id: EnterpriseId(it.id), name: it.name }
}

fn space(it: wire::Space, teams: &[Team]) -> Space {
    Space { id: SpaceId(it.id), name: it.name, team: it.team.as_ref().and_then(|team| team_id(team, teams)) }
}

fn app(it: wire::App, teams: &[Team]) -> App {
    let of_team = it.team.as_ref().and_then(|team| team_id(team, teams));
    // A team's app is owned by the team's pseudo-account, under the team's id.
    let team = of_team.or_else(|| it.owner.as_ref().and_then(wire::UserRef::as_team));
    let owner = it.owner.as_ref().and_then(wire::UserRef::user).filter(|owner| !owner.email.is_pseudo_owner());
    App { id: AppId(it.id), name: it.name, owner: owner.filter(|_| team.is_none()), team }
}

/// A team's pipelines are left out.
fn pipeline(it: wire::Pipeline) -> Option<Pipeline> {
    let owner = it.owner.filter(|owner| owner.kind == "user")?;
    Some(Pipeline { id: PipelineId(it.id), name: it.name, owner: AccountId(owner.id) })
}

/// By its id, or by its name where the id is missing.
fn team_id(it: &wire::TeamRef, teams: &[Team]) -> Option<TeamId> {
    let by_name = || teams.iter().find(|team| Some(&team.name) == it.name.as_ref()).map(|team| team.id);
    it.id.map(TeamId).or_else(by_name)
}
