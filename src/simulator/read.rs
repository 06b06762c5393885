//! Answers to reads.

use jiff::Timestamp;
use serde_json::json;

use crate::model::{AccountId, TeamId};

use super::access::{Caller, is_admin, not_an_admin};
use super::call::{Form, Read};
use super::range::Attribute;
use super::refusal::Refusal;
use super::state::{App, Collaborator, Member, Owner, Role, Space, Team, World};
use super::switches::{InvitationsEndpoint, ListName, OtherUsers, OwnApps, PermissionsEndpoint, SpaceLists};
use super::views::{
    APP_PERMISSIONS, CollaboratorView, PermissionEntityView, PermissionUser, SpaceAccessView, View, derived_entry,
    implied_permissions,
};

/// What a read found.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one reply is made at a time")]
pub enum Found<'w> {
    /// One object.
    One(View<'w>),
    /// A list, not yet cut into pages.
    List(List<'w>),
    /// The caller's remaining tokens, which the world does not know.
    RateLimits,
}

/// A whole list.
#[derive(Debug)]
pub struct List<'w> {
    /// Which one.
    pub name: ListName,
    /// What it may be ordered by; the first is the default.
    pub orders: &'static [Attribute],
    /// Its entries.
    pub rows: Vec<ListRow<'w>>,
}

/// An entry with the values that it may be ordered by.
#[derive(Debug)]
pub struct ListRow<'w> {
    id: String,
    name: &'w str,
    email: &'w str,
    updated_at: Timestamp,
    /// The entry.
    pub view: View<'w>,
}

impl ListRow<'_> {
    /// The value that an order compares.
    pub fn value(&self, attribute: Attribute) -> String {
        match attribute {
            Attribute::Id => self.id.clone(),
            Attribute::Name => self.name.to_owned(),
            Attribute::Email => self.email.to_owned(),
            Attribute::UpdatedAt => super::views::whole_seconds(self.updated_at).to_string(),
        }
    }
}

const BY_ID: &[Attribute] = &[Attribute::Id];
const BY_ID_OR_EMAIL: &[Attribute] = &[Attribute::Id, Attribute::Email];
const BY_EMAIL_OR_ID: &[Attribute] = &[Attribute::Email, Attribute::Id];
const BY_ID_NAME_OR_TIME: &[Attribute] = &[Attribute::Id, Attribute::Name, Attribute::UpdatedAt];

impl World {
    /// Answers a read. `variant` is what follows `version=3.` in the `Accept` header.
    ///
    /// # Errors
    /// When the caller may not read it or it does not exist.
    pub fn read(
        &self,
        caller: &Caller,
        read: &Read,
        variant: Option<&str>,
        now: Timestamp,
    ) -> Result<Found<'_>, Refusal> {
        let me = caller.account;
        match read {
            Read::Account => Ok(Found::One(self.account_view(self.account(me).ok_or(Refusal::Unauthorized)?))),
            Read::RateLimits => Ok(Found::RateLimits),
            Read::AppTransfers => Ok(self.app_transfers(me)),
            Read::AppTransfer(name) => self.app_transfer(me, name),
            Read::User(user) => self.user(me, user),
            Read::UserApps(user) => self.user_apps(me, user),
            Read::Teams => Ok(self.teams_of(me)),
            Read::AppPermissions => Ok(app_permission_names()),
            Read::Team(team) => self.visible_team(me, team).map(|team| Found::One(self.team_view(me, team))),
            Read::TeamFeatures(team) => self.visible_team(me, team).map(team_features),
            Read::TeamPreferences(team) => self.visible_team(me, team).map(|_| team_preferences()),
            Read::TeamMembers(team) => self.readable_team(me, team).map(|team| self.team_members(team, now)),
            Read::MemberApps(team, member) => self.member_apps(me, team, member),
            Read::TeamInvitations(team) => self.team_invitations(me, team, variant, now),
            Read::TeamPermissions(team) => self.team_permissions(me, team, now),
            Read::TeamApps(team) => self.readable_team(me, team).map(|team| self.team_apps(me, team)),
            Read::TeamSpaces(team) => {
                let team = self.readable_team(me, team)?.id;
                Ok(self.space_list(self.spaces.values().filter(|space| space.team == team)))
            }
            Read::IdentityProviders(team) => self.identity_providers(me, team),
            Read::TeamCouplings(team) => self.team_couplings(me, team),
            Read::TeamApp(app) => self.team_app(me, app),
            Read::TeamAppCollaborators(app) => self.collaborators(me, app, Form::TeamApps, now),
            Read::TeamAppCollaborator(app, one) => self.collaborator(me, app, one, Form::TeamApps, now),
            Read::Apps => Ok(self.own_apps(me)),
            Read::App(app) => self.visible_app(me, app).map(|app| Found::One(self.app_view(app))),
            Read::Collaborators(app) => self.collaborators(me, app, Form::Apps, now),
            Read::Collaborator(app, one) => self.collaborator(me, app, one, Form::Apps, now),
            Read::FilterApps(ids) => Ok(self.filter_apps(me, ids)),
            Read::Enterprises => Ok(self.enterprise_accounts(me)),
            Read::Enterprise(enterprise) => self.enterprise_account(me, enterprise),
            Read::EnterpriseTeams(enterprise) => self.enterprise_teams(me, enterprise),
            Read::EnterpriseMembers(enterprise) => self.enterprise_members(me, enterprise, now),
            Read::Spaces => Ok(self.space_list(self.spaces.values().filter(|space| self.knows_space(me, space)))),
            Read::Space(space) => self.visible_space(me, space).map(|space| Found::One(self.space_view(space))),
            Read::SpaceMembers(space) => self.visible_space(me, space).map(|space| self.space_members(space, now)),
            Read::SpaceMember(space, user) => self.space_member(me, space, user, now),
            Read::Pipelines(name) => Ok(self.pipeline_list(me, name.as_deref())),
            Read::Pipeline(pipeline) => {
                let pipeline = self.visible_pipeline(me, pipeline)?;
                Ok(Found::One(self.pipeline_view(pipeline)))
            }
            Read::Couplings(pipeline) => self.pipeline_couplings(me, pipeline),
        }
    }

    fn app_transfers(&self, me: AccountId) -> Found<'_> {
        let mine = self.transfers.values().filter(|transfer| transfer.owner == me || transfer.recipient == me);
        let rows = mine
            .map(|transfer| ListRow {
                id: transfer.id.to_string(),
                name: "",
                email: "",
                updated_at: transfer.created_at,
                view: self.transfer_view(transfer),
            })
            .collect();
        Found::List(List { name: ListName::AppTransfers, orders: BY_ID, rows })
    }

    fn app_transfer(&self, me: AccountId, name: &str) -> Result<Found<'_>, Refusal> {
        let mine = self.transfers.values().filter(|transfer| transfer.owner == me || transfer.recipient == me);
        let found =
            mine.into_iter().find(|transfer| transfer.id.to_string() == name || self.apps[&transfer.app].name == name);
        let found = found.ok_or(Refusal::NotFound("app transfer"))?;
        Ok(Found::One(self.transfer_view(found)))
    }

    fn user(&self, me: AccountId, user: &str) -> Result<Found<'_>, Refusal> {
        let account = self.other_user(me, user, self.switches.other_users)?;
        Ok(Found::One(self.account_view(&self.accounts[&account])))
    }

    fn user_apps(&self, me: AccountId, user: &str) -> Result<Found<'_>, Refusal> {
        let account = self.other_user(me, user, self.switches.other_users_apps)?;
        let reached = |app: &&App| app.team().is_none() && self.reaches(account, app);
        Ok(self.app_list(self.apps.values().filter(reached)))
    }

    fn other_user(&self, me: AccountId, user: &str, rule: OtherUsers) -> Result<AccountId, Refusal> {
        let account = if user == "~" { self.account(me) } else { self.account_named(user) };
        let account = account.ok_or(Refusal::NotFound("user"))?.id;
        self.may_look_at(me, account, rule)?;
        Ok(account)
    }

    fn teams_of(&self, me: AccountId) -> Found<'_> {
        let mine = self.teams.values().filter(|team| team.members.get(&me).is_some());
        self.team_list(ListName::Teams, me, mine)
    }

    fn team_list<'w>(&'w self, name: ListName, me: AccountId, teams: impl Iterator<Item = &'w Team>) -> Found<'w> {
        let rows = teams
            .map(|team| ListRow {
                id: team.id.to_string(),
                name: &team.name,
                email: "",
                updated_at: team.created_at,
                view: self.team_view(me, team),
            })
            .collect();
        Found::List(List { name, orders: BY_ID_NAME_OR_TIME, rows })
    }

    fn team_members<'w>(&'w self, team: &'w Team, now: Timestamp) -> Found<'w> {
        let row = |member: &'w Member| ListRow {
            id: member.id.to_string(),
            name: "",
            email: self.email_of(member.account),
            updated_at: member.updated_at,
            view: self.member_view(team, member),
        };
        let rows = team.members.visible(now, self.lag()).map(row).collect();
        Found::List(List { name: ListName::TeamMembers, orders: BY_EMAIL_OR_ID, rows })
    }

    fn member_apps(&self, me: AccountId, team: &str, member: &str) -> Result<Found<'_>, Refusal> {
        let team = self.readable_team(me, team)?;
        let member = self.member_named(team, member).ok_or(Refusal::NotFound("team member"))?;
        let reached = self.apps_of(team.id).filter(|app| app.collaborators.get(&member.account).is_some());
        Ok(self.team_app_list(ListName::MemberApps, me, reached))
    }

    fn team_invitations(
        &self,
        me: AccountId,
        team: &str,
        variant: Option<&str>,
        now: Timestamp,
    ) -> Result<Found<'_>, Refusal> {
        self.invitations_variant(variant)?;
        let found = self.visible_team(me, team)?;
        if found.name != team && !self.switches.team_id_in_invitations_path {
            return Err(Refusal::NotFound("team"));
        }
        self.invitations_endpoint(found)?;
        if !is_admin(found, me) {
            return Err(not_an_admin());
        }
        let rows = found
            .invitations
            .visible(now, self.lag())
            .map(|invitation| ListRow {
                id: invitation.id.to_string(),
                name: "",
                email: &invitation.email,
                updated_at: invitation.created_at,
                view: self.invitation_view(found, invitation),
            })
            .collect();
        Ok(Found::List(List { name: ListName::TeamInvitations, orders: BY_ID_OR_EMAIL, rows }))
    }

    /// Refuses a plain `version=3` where the variant is needed.
    pub(super) fn invitations_variant(&self, variant: Option<&str>) -> Result<(), Refusal> {
        if self.switches.invitations_need_variant && variant != Some("team-invitations") {
            return Err(Refusal::NoSuchEndpoint);
        }
        Ok(())
    }

    /// Whether this team has invitations at all.
    pub(super) fn invitations_endpoint(&self, team: &Team) -> Result<(), Refusal> {
        if team.enterprise.is_none() {
            return Ok(());
        }
        match self.switches.invitations_on_enterprise_teams {
            InvitationsEndpoint::Listed => Ok(()),
            InvitationsEndpoint::NotFound => Err(Refusal::NotFound("team")),
            InvitationsEndpoint::Forbidden => {
                Err(Refusal::Forbidden("Invitations are not available for this team.".to_owned()))
            }
        }
    }

    fn team_permissions(&self, me: AccountId, team: &str, now: Timestamp) -> Result<Found<'_>, Refusal> {
        let team = self.readable_team(me, team)?;
        let endpoint = self.switches.permissions_endpoint;
        match endpoint {
            PermissionsEndpoint::Present | PermissionsEndpoint::Incomplete | PermissionsEndpoint::IncompleteUsers => {}
            PermissionsEndpoint::Forbidden => {
                return Err(Refusal::Forbidden("You do not have access to the permissions of this team.".to_owned()));
            }
            PermissionsEndpoint::NotFound => return Err(Refusal::NoSuchEndpoint),
            PermissionsEndpoint::Gone => return Err(Refusal::Gone),
        }
        let mut rows: Vec<ListRow<'_>> = Vec::new();
        for app in self.apps_of(team.id) {
            let mut users = self.permission_users(team, app, now);
            if endpoint == PermissionsEndpoint::IncompleteUsers {
                users.pop();
            }
            rows.push(entity(app.id.0, &app.name, team.id, "app", app.updated_at, users));
        }
        for space in self.spaces.values().filter(|space| space.team == team.id) {
            let users = self.space_rows(space, now).into_iter().map(|access| PermissionUser {
                id: access.user_id(),
                email: access.user_email(),
                permissions: access.permission_names(),
            });
            rows.push(entity(space.id.0, &space.name, team.id, "space", space.created_at, users.collect()));
        }
        if endpoint == PermissionsEndpoint::Incomplete {
            let mut place = 0;
            rows.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        Ok(Found::List(List { name: ListName::TeamPermissions, orders: BY_ID_NAME_OR_TIME, rows }))
    }

    fn permission_users<'w>(&'w self, team: &'w Team, app: &'w App, now: Timestamp) -> Vec<PermissionUser<'w>> {
        let granted = app.collaborators.visible(now, self.lag()).map(|collaborator| PermissionUser {
            id: collaborator.account,
            email: self.email_of(collaborator.account),
            permissions: collaborator.permissions.iter().map(String::as_str).collect(),
        });
        let implicit = self.implicit_members(team, app, now).map(|member| PermissionUser {
            id: member.account,
            email: self.email_of(member.account),
            permissions: implied_permissions(&member.role).to_vec(),
        });
        if self.switches.permissions_include_implicit { implicit.chain(granted).collect() } else { granted.collect() }
    }

    /// Members who reach an app through their role alone.
    fn implicit_members<'w>(
        &'w self,
        team: &'w Team,
        app: &'w App,
        now: Timestamp,
    ) -> impl Iterator<Item = &'w Member> {
        team.members
            .visible(now, self.lag())
            .filter(|member| member.role.sees_the_team() && app.collaborators.get(&member.account).is_none())
    }

    fn team_apps<'w>(&'w self, me: AccountId, team: &'w Team) -> Found<'w> {
        self.team_app_list(ListName::TeamApps, me, self.apps_of(team.id))
    }

    fn team_app_list<'w>(&'w self, name: ListName, me: AccountId, apps: impl Iterator<Item = &'w App>) -> Found<'w> {
        let rows = apps.map(|app| app_row(app, self.team_app_view(me, app))).collect();
        Found::List(List { name, orders: BY_ID_NAME_OR_TIME, rows })
    }

    fn app_list<'w>(&'w self, apps: impl Iterator<Item = &'w App>) -> Found<'w> {
        let rows = apps.map(|app| app_row(app, self.app_view(app))).collect();
        Found::List(List { name: ListName::Apps, orders: BY_ID_NAME_OR_TIME, rows })
    }

    fn own_apps(&self, me: AccountId) -> Found<'_> {
        let explicit = |app: &App| app.owner == Owner::Account(me) || app.collaborators.get(&me).is_some();
        match self.switches.own_apps {
            OwnApps::PersonalAndExplicit => self.app_list(self.apps.values().filter(|app| explicit(app))),
            OwnApps::AllVisible => self.app_list(self.apps.values().filter(|app| self.reaches(me, app))),
        }
    }

    fn filter_apps(&self, me: AccountId, ids: &[String]) -> Found<'_> {
        let wanted = ids.iter().filter_map(|id| self.app(id)).filter(|app| self.reaches(me, app));
        self.team_app_list(ListName::Apps, me, wanted)
    }

    fn team_app(&self, me: AccountId, app: &str) -> Result<Found<'_>, Refusal> {
        let app = self.visible_app(me, app)?;
        app.team().ok_or(Refusal::NotFound("app"))?;
        Ok(Found::One(self.team_app_view(me, app)))
    }

    fn collaborators(&self, me: AccountId, app: &str, form: Form, now: Timestamp) -> Result<Found<'_>, Refusal> {
        let app = self.app_under(me, app, form)?;
        let rows = self
            .collaborator_rows(app, form, now)
            .into_iter()
            .map(|entry| ListRow {
                id: entry.id.to_string(),
                name: "",
                email: match entry.user.email {
                    super::views::OwnerAddress::Account(email) => email,
                    super::views::OwnerAddress::Team(name) => name,
                },
                updated_at: app.updated_at,
                view: View::Collaborator(entry),
            })
            .collect();
        let name = match form {
            Form::Apps => ListName::Collaborators,
            Form::TeamApps => ListName::TeamAppCollaborators,
        };
        Ok(Found::List(List { name, orders: BY_ID_OR_EMAIL, rows }))
    }

    fn collaborator(
        &self,
        me: AccountId,
        app: &str,
        one: &str,
        form: Form,
        now: Timestamp,
    ) -> Result<Found<'_>, Refusal> {
        let app = self.app_under(me, app, form)?;
        let rows = self.collaborator_rows(app, form, now);
        let found = rows.into_iter().find(|entry| self.names_entry(one, entry));
        found.map(|entry| Found::One(View::Collaborator(entry))).ok_or(Refusal::NotFound("collaborator"))
    }

    /// Whether `named`, an e-mail or a collaborator id, means this entry.
    pub(super) fn names_entry(&self, named: &str, entry: &CollaboratorView<'_>) -> bool {
        entry.id.to_string() == named || self.email_fits(named, &entry.user.email.text())
    }

    /// An app as one of the two twin paths sees it.
    pub(super) fn app_under(&self, me: AccountId, app: &str, form: Form) -> Result<&App, Refusal> {
        let app = self.visible_app(me, app)?;
        match (form, app.owner) {
            (Form::TeamApps, Owner::Account(_)) => Err(Refusal::NotFound("app")),
            (Form::TeamApps, Owner::Team(_)) | (Form::Apps, Owner::Account(_) | Owner::Team(_)) => Ok(app),
        }
    }

    /// The entries of an app's list, the owner first.
    pub(super) fn collaborator_rows<'w>(
        &'w self,
        app: &'w App,
        form: Form,
        now: Timestamp,
    ) -> Vec<CollaboratorView<'w>> {
        let permissions = form == Form::Apps;
        let mut rows = vec![self.owner_entry(app, permissions)];
        let granted = |collaborator: &'w Collaborator| self.granted_entry(app, collaborator, permissions);
        rows.extend(app.collaborators.visible(now, self.lag()).map(granted));
        if self.switches.implicit_access_in_app_lists
            && let Some(team) = app.team()
        {
            let implicit = self.implicit_members(&self.teams[&team], app, now);
            rows.extend(implicit.map(|member| self.implicit_entry(app, member, permissions)));
        }
        rows
    }

    /// Whether `named` means somebody who stands in an app's list through a team role alone.
    pub(super) fn implicit_member_named(&self, app: &App, named: &str) -> Option<&Member> {
        let team = &self.teams[&app.team()?];
        team.members.live().find(|member| {
            self.switches.implicit_access_in_app_lists
                && member.role.sees_the_team()
                && app.collaborators.get(&member.account).is_none()
                && (derived_entry(app.id, member.account.0).to_string() == named
                    || self.email_fits(named, self.email_of(member.account)))
        })
    }

    fn enterprise_accounts(&self, me: AccountId) -> Found<'_> {
        let rows = self
            .enterprises
            .values()
            .filter_map(|enterprise| {
                let member = enterprise.members.get(&me)?;
                Some(ListRow {
                    id: enterprise.id.to_string(),
                    name: &enterprise.name,
                    email: "",
                    updated_at: enterprise.created_at,
                    view: self.enterprise_view(enterprise, member),
                })
            })
            .collect();
        Found::List(List { name: ListName::EnterpriseAccounts, orders: BY_ID_NAME_OR_TIME, rows })
    }

    fn enterprise_account(&self, me: AccountId, enterprise: &str) -> Result<Found<'_>, Refusal> {
        let enterprise = self.visible_enterprise(me, enterprise)?;
        let member = enterprise.members.get(&me).expect("visible only to members");
        Ok(Found::One(self.enterprise_view(enterprise, member)))
    }

    fn enterprise_teams(&self, me: AccountId, enterprise: &str) -> Result<Found<'_>, Refusal> {
        let enterprise = self.visible_enterprise(me, enterprise)?.id;
        let teams = self.teams.values().filter(|team| team.enterprise == Some(enterprise));
        Ok(self.team_list(ListName::EnterpriseTeams, me, teams))
    }

    fn enterprise_members(&self, me: AccountId, enterprise: &str, now: Timestamp) -> Result<Found<'_>, Refusal> {
        let enterprise = self.visible_enterprise(me, enterprise)?;
        let rows = enterprise
            .members
            .visible(now, self.lag())
            .map(|member| ListRow {
                id: member.id.to_string(),
                name: "",
                email: self.email_of(member.account),
                updated_at: member.created_at,
                view: self.enterprise_member_view(enterprise, member),
            })
            .collect();
        Ok(Found::List(List { name: ListName::EnterpriseMembers, orders: BY_ID_OR_EMAIL, rows }))
    }

    fn space_list<'w>(&'w self, spaces: impl Iterator<Item = &'w Space>) -> Found<'w> {
        let rows = spaces
            .map(|space| ListRow {
                id: space.id.to_string(),
                name: &space.name,
                email: "",
                updated_at: space.created_at,
                view: self.space_view(space),
            })
            .collect();
        Found::List(List { name: ListName::Spaces, orders: BY_ID_NAME_OR_TIME, rows })
    }

    fn space_members<'w>(&'w self, space: &'w Space, now: Timestamp) -> Found<'w> {
        let rows = self
            .space_rows(space, now)
            .into_iter()
            .map(|access| ListRow {
                id: access.id.to_string(),
                name: "",
                email: access.user_email(),
                updated_at: space.created_at,
                view: View::SpaceAccess(access),
            })
            .collect();
        Found::List(List { name: ListName::SpaceMembers, orders: BY_ID_OR_EMAIL, rows })
    }

    fn space_member(&self, me: AccountId, space: &str, user: &str, now: Timestamp) -> Result<Found<'_>, Refusal> {
        let space = self.visible_space(me, space)?;
        let account = self.account_or_self(me, user)?;
        let found = self.space_rows(space, now).into_iter().find(|access| access.user_id() == account);
        found.map(|access| Found::One(View::SpaceAccess(access))).ok_or(Refusal::NotFound("user"))
    }

    /// The account that a path names by e-mail, account id or `~`.
    pub(super) fn account_or_self(&self, me: AccountId, user: &str) -> Result<AccountId, Refusal> {
        if user == "~" {
            return Ok(me);
        }
        self.account_named(user).map(|account| account.id).ok_or(Refusal::NotFound("user"))
    }

    /// The entries of a space's list: team admins always, then whoever has a permission, then perhaps everybody.
    pub(super) fn space_rows<'w>(&'w self, space: &'w Space, now: Timestamp) -> Vec<SpaceAccessView<'w>> {
        let create_apps = ["create_apps".to_owned()];
        let lag = self.lag();
        let team = &self.teams[&space.team];
        let mut rows: Vec<SpaceAccessView<'w>> = space
            .access
            .visible(now, lag)
            .map(|access| self.space_access_view(space, access.account, Some(access.id), &access.permissions))
            .collect();
        for member in team.members.visible(now, lag) {
            if rows.iter().any(|row| row.user_id() == member.account) {
                continue;
            }
            if member.role == Role::Admin {
                rows.push(self.space_access_view(space, member.account, None, &create_apps));
            } else if self.switches.space_lists == SpaceLists::WholeTeam {
                rows.push(self.space_access_view(space, member.account, None, &[]));
            }
        }
        rows
    }

    fn visible_pipeline(&self, me: AccountId, name: &str) -> Result<&super::state::Pipeline, Refusal> {
        self.pipeline(name).filter(|pipeline| self.knows_pipeline(me, pipeline)).ok_or(Refusal::NotFound("pipeline"))
    }

    fn pipeline_list(&self, me: AccountId, name: Option<&str>) -> Found<'_> {
        let rows = self
            .pipelines
            .values()
            .filter(|pipeline| self.knows_pipeline(me, pipeline))
            .filter(|pipeline| name.is_none_or(|name| name == pipeline.name))
            .map(|pipeline| ListRow {
                id: pipeline.id.to_string(),
                name: &pipeline.name,
                email: "",
                updated_at: pipeline.created_at,
                view: self.pipeline_view(pipeline),
            })
            .collect();
        Found::List(List { name: ListName::Pipelines, orders: BY_ID_NAME_OR_TIME, rows })
    }

    fn pipeline_couplings(&self, me: AccountId, pipeline: &str) -> Result<Found<'_>, Refusal> {
        let pipeline = self.visible_pipeline(me, pipeline)?;
        Ok(self.coupling_list(std::iter::once(pipeline), |_| true))
    }

    fn team_couplings(&self, me: AccountId, team: &str) -> Result<Found<'_>, Refusal> {
        let team = self.readable_team(me, team)?.id;
        Ok(self.coupling_list(self.pipelines.values(), move |app| app.team() == Some(team)))
    }

    fn coupling_list<'w>(
        &'w self,
        pipelines: impl Iterator<Item = &'w super::state::Pipeline>,
        wanted: impl Fn(&App) -> bool,
    ) -> Found<'w> {
        let mut rows = Vec::new();
        for pipeline in pipelines {
            for coupling in pipeline.couplings.iter().filter(|coupling| wanted(&self.apps[&coupling.app])) {
                rows.push(ListRow {
                    id: coupling.id.to_string(),
                    name: "",
                    email: "",
                    updated_at: pipeline.created_at,
                    view: self.coupling_view(pipeline, coupling),
                });
            }
        }
        Found::List(List { name: ListName::PipelineCouplings, orders: BY_ID, rows })
    }

    fn identity_providers(&self, me: AccountId, team: &str) -> Result<Found<'_>, Refusal> {
        let found = self.readable_team(me, team)?;
        // Declared with the team's name only.
        if found.name == team { Ok(fixed(Vec::new())) } else { Err(Refusal::NotFound("team")) }
    }

    /// The member that a path names by e-mail or membership id, or by account id if the switch allows it.
    pub(super) fn member_named<'w>(&'w self, team: &'w Team, named: &str) -> Option<&'w Member> {
        team.members.live().find(|member| self.names_member(named, member))
    }

    /// Whether `named` means this member.
    pub(super) fn names_member(&self, named: &str, member: &Member) -> bool {
        member.id.to_string() == named
            || (self.switches.account_id_as_member_id && member.account.to_string() == named)
            || self.email_fits(named, self.email_of(member.account))
    }
}

fn app_row<'w>(app: &'w App, view: View<'w>) -> ListRow<'w> {
    ListRow { id: app.id.to_string(), name: &app.name, email: "", updated_at: app.updated_at, view }
}

fn entity<'w>(
    id: uuid::Uuid,
    name: &'w str,
    team_id: TeamId,
    kind: &'static str,
    updated_at: Timestamp,
    users: Vec<PermissionUser<'w>>,
) -> ListRow<'w> {
    let view = View::PermissionEntity(PermissionEntityView { id, name, team_id, r#type: kind, users });
    ListRow { id: id.to_string(), name, email: "", updated_at, view }
}

fn app_permission_names() -> Found<'static> {
    fixed(APP_PERMISSIONS.iter().map(|(name, description)| json!({"name": name, "description": description})).collect())
}

fn team_features(team: &Team) -> Found<'static> {
    fixed(vec![json!({
        "created_at": super::views::At(team.created_at),
        "description": "Whether people join this team by accepting an invitation",
        "display_name": "Team invite acceptance",
        "doc_url": "https://devcenter.heroku.com/articles/heroku-teams",
        "enabled": team.enterprise.is_none(),
        "feedback_email": "feedback@heroku.com",
        "id": crate::model::ids::computed(&["feature", &team.id.to_string()]),
        "name": "team-invite-acceptance",
        "state": "general",
        "updated_at": super::views::At(team.created_at),
    })])
}

fn team_preferences() -> Found<'static> {
    Found::One(View::Json(json!({"default-permission": "member", "addons-controls": null})))
}

fn fixed(values: Vec<serde_json::Value>) -> Found<'static> {
    let rows = values
        .into_iter()
        .enumerate()
        .map(|(place, value)| ListRow {
            id: format!("{place:04}"),
            name: "",
            email: "",
            updated_at: super::state::BEGINNING,
            view: View::Json(value),
        })
        .collect();
    Found::List(List { name: ListName::Fixed, orders: BY_ID, rows })
}
