//! One team in a scan: its people, its apps, and on which apps somebody we look for stands.
//!
//! `/teams/{team}/permissions` replaces one call for each app, but nobody promises that it is complete. It is used only
//! while nothing speaks against it: every app of the team stands in it, and every member who is there because of an app
//! (`collaborator`) stands in some entry. Else each app's own list is read. It finds; it never proves.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;

use super::client::Client;
use super::error::AccountStopped;
use super::lists::{Name, Read, team_list, unread};
use super::paging::List;
use super::path::Path;
use super::wire::{self, PermissionEntity};
use crate::engine::budget::Lane;
use crate::model::world::{
    Account, App, Entries, ListId, ListRead, ListsRead, Member, Space, Team, Unread, User, Wanted,
};
use crate::model::{AppId, SpaceId};

/// The role of a member who is in the team because of an app.
const ONLY_COLLABORATES: &str = "collaborator";

/// What one team answered.
#[derive(Debug)]
pub(super) struct TeamRead {
    pub(super) team: Team,
    /// Its members and invitations.
    pub(super) list: Result<ListRead, Unread>,
    /// Its apps; absent when they could not be listed.
    pub(super) apps: Option<Vec<App>>,
    /// Who reaches what, by the quick way; absent when that was not tried or failed.
    permissions: Option<Vec<PermissionEntity>>,
    /// Apps whose own list was read already.
    pub(super) lists: ListsRead,
    pub(super) not_read: Vec<Unread>,
}

/// How a team is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct How<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) us: Option<&'a Account>,
    pub(super) quick: bool,
    pub(super) lane: Lane,
}

impl Client {
    /// A team that `/teams` names.
    pub(super) async fn scan_team(&self, team: Team, how: How<'_>) -> Result<TeamRead, AccountStopped> {
        let lane = how.lane;
        let permissions = async {
            if !how.quick {
                return Ok(None);
            }
            let list = List::new(Path::permissions(team.id));
            Ok(self.attempt::<PermissionEntity>(&list, lane).await?.ok().map(|read| read.entries))
        };
        let (invitations, apps, permissions) = tokio::try_join!(
            self.read_invitations(team.id, &team.name, Name::Fresh, lane),
            self.team_apps(&team, lane),
            permissions,
        )?;
        let mut not_read = Vec::new();
        let apps = apps.map_err(|unread| not_read.push(unread)).ok();

        // The members are asked for only now: see `Client::read_lists` for why invitations come first. What is certain
        // to be needed of the apps is read beside them.
        let mut it = TeamRead {
            list: Err(unread(&format!("members of team {}", team.name), "not_read")),
            team,
            apps,
            permissions,
            lists: ListsRead::new(),
            not_read,
        };
        let certain = match it.permissions {
            Some(_) => it.found(how.wanted),
            None => it.all_apps(),
        };
        let (members, lists) =
            tokio::try_join!(self.read_members(it.team.id, &it.team.name, lane), self.read_apps(&certain, lane),)?;
        it.lists = lists;
        it.list = match (members, invitations) {
            (Ok(members), Ok(invitations)) => team_list(&it.team.name, members, invitations, how.us),
            (Err(unread), _) | (Ok(_), Err(unread)) => Err(unread),
        };
        Ok(it)
    }

    /// A team that only the enterprise account names. Usually we are not in it and may not look: one call tells.
    pub(super) async fn scan_hidden_team(&self, team: Team, how: How<'_>) -> Result<TeamRead, AccountStopped> {
        let what = format!("members of team {}", team.name);
        match self.read_members(team.id, &team.name, how.lane).await? {
            Ok(_) => self.scan_team(team, how).await,
            Err(refused) => {
                let why = match refused.why.as_str() {
                    "forbidden" | "not_found" => "not_visible",
                    other => other,
                };
                Ok(TeamRead {
                    list: Err(unread(&what, why)),
                    team,
                    apps: None,
                    permissions: None,
                    lists: ListsRead::new(),
                    not_read: Vec::new(),
                })
            }
        }
    }

    /// Reads the own list of each of these apps.
    pub(super) async fn read_apps(
        &self,
        apps: &BTreeMap<AppId, String>,
        lane: Lane,
    ) -> Result<ListsRead, AccountStopped> {
        let reads = apps
            .iter()
            .map(|(app, name)| async move { Ok((ListId::App(*app), self.read_app(*app, name, lane).await?)) });
        Ok(try_join_all(reads).await?.into_iter().collect())
    }

    async fn team_apps(&self, team: &Team, lane: Lane) -> Read<Vec<App>> {
        let list = List::new(Path::team_apps(team.id));
        let read = self.whole::<wire::App>(list, &format!("apps of team {}", team.name), lane).await?;
        let app = |app: wire::App| App { id: AppId(app.id), name: app.name, team: Some(team.id), owner: None };
        Ok(read.map(|read| read.entries.into_iter().map(app).collect()))
    }
}

impl TeamRead {
    /// Everybody whom the team's lists name.
    pub(super) fn users(&self) -> Vec<User> {
        let mut users: Vec<User> = self.members().iter().map(|member| member.user.clone()).collect();
        if let Ok(ListRead { entries: Entries::Team { invitations: Some(invitations), .. }, .. }) = &self.list {
            users.extend(invitations.iter().map(|invitation| invitation.user.clone()));
        }
        users.extend(self.entities("app").chain(self.entities("space")).flat_map(named));
        users
    }

    /// Apps whose own list must be read to know what `wanted` can reach.
    pub(super) fn apps_to_read(&self, wanted: &Wanted) -> BTreeMap<AppId, String> {
        if self.quick_way_holds() { self.found(wanted) } else { self.all_apps() }
    }

    /// Apps that only the quick way names, because the team's own list of apps could not be read or does not hold them.
    pub(super) fn apps_beyond_the_list(&self) -> Vec<App> {
        let listed: BTreeSet<AppId> = self.apps.iter().flatten().map(|app| app.id).collect();
        self.entities("app")
            .filter(|entity| !listed.contains(&AppId(entity.id)))
            .map(|entity| App {
                id: AppId(entity.id),
                name: entity.name.clone(),
                team: Some(self.team.id),
                owner: None,
            })
            .collect()
    }

    /// Spaces on which `wanted` stands, by the quick way.
    pub(super) fn spaces_found(&self, wanted: &Wanted) -> Vec<Space> {
        self.entities("space")
            .filter(|entity| named(entity).any(|user| wanted.holds(&user)))
            .map(|entity| Space { id: SpaceId(entity.id), name: entity.name.clone(), team: Some(self.team.id) })
            .collect()
    }

    fn members(&self) -> &[Member] {
        match &self.list {
            Ok(ListRead { entries: Entries::Team { members, .. }, .. }) => members,
            Ok(_) | Err(_) => &[],
        }
    }

    fn entities(&self, kind: &'static str) -> impl Iterator<Item = &PermissionEntity> {
        self.permissions.iter().flatten().filter(move |entity| entity.kind == kind)
    }

    fn found(&self, wanted: &Wanted) -> BTreeMap<AppId, String> {
        self.entities("app")
            .filter(|entity| named(entity).any(|user| wanted.holds(&user)))
            .map(|entity| (AppId(entity.id), entity.name.clone()))
            .collect()
    }

    fn all_apps(&self) -> BTreeMap<AppId, String> {
        let beyond = self.apps_beyond_the_list();
        self.apps.iter().flatten().chain(&beyond).map(|app| (app.id, app.name.clone())).collect()
    }

    fn quick_way_holds(&self) -> bool {
        let (Some(apps), Some(_), Ok(_)) = (&self.apps, &self.permissions, &self.list) else { return false };
        let entities: BTreeSet<AppId> = self.entities("app").map(|entity| AppId(entity.id)).collect();
        let everybody_named =
            self.entities("app").chain(self.entities("space")).all(|it| it.users.len() == named(it).count());
        let (mut accounts, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for user in self.entities("app").chain(self.entities("space")).flat_map(named) {
            accounts.extend(user.account);
            addresses.insert(user.email);
        }
        let stands = |user: &User| match user.account {
            Some(account) => accounts.contains(&account),
            None => addresses.contains(&user.email),
        };
        everybody_named
            && apps.iter().all(|app| entities.contains(&app.id))
            && self
                .members()
                .iter()
                .filter(|member| member.role.as_deref() == Some(ONLY_COLLABORATES))
                .all(|member| stands(&member.user))
    }
}

fn named(entity: &PermissionEntity) -> impl Iterator<Item = User> {
    entity.users.iter().filter_map(wire::UserRef::user)
}
