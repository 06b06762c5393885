//! Carrying out changes: who may, what is refused, what is answered.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{AccountId, AppId, InvitationId, SpaceId, TeamId};

use super::access::{Caller, is_admin};
use super::call::{Change, Form, Put};
use super::consequence::is_last_admin;
use super::journal::Removed;
use super::refusal::Refusal;
use super::roster::Row;
use super::state::{Collaborator, Enterprise, Owner, Role, SpaceAccess, Team, World};
use super::switches::{AdminSpaceRemoval, DeleteAnswer, ImplicitRemoval, RefusalStatus, SecondDelete, SelfRemoval};
use super::views::View;

/// A change that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// HTTP status.
    pub status: u16,
    /// The object created, changed or removed, as JSON.
    pub body: Vec<u8>,
    /// Whether the world is another one now.
    pub changed: bool,
    /// Access that it took away.
    pub removed: Vec<Removed>,
}

const PERMISSIONS_BY_DEFAULT: [&str; 3] = ["deploy", "operate", "view"];

impl World {
    /// Carries out a change. `variant` is what follows `version=3.` in the `Accept` header.
    ///
    /// # Errors
    /// When the caller may not, it names nothing, or the state forbids it; nothing has changed then.
    pub fn change(
        &mut self,
        caller: &Caller,
        change: &Change,
        variant: Option<&str>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let me = caller.account;
        match change {
            Change::RemoveMember { team, member } => self.remove_member(me, team, member, now),
            Change::PutMember { team, email, role, how } => self.seed_member(me, team, email, role, *how, now),
            Change::RevokeInvitation { team, invitation } => {
                self.invitations_variant(variant)?;
                self.revoke_invitation(me, team, invitation, now)
            }
            Change::Invite { team, email, role } => {
                self.invitations_variant(variant)?;
                self.invite(me, team, email, role, now)
            }
            Change::AcceptInvitation { token } => self.accept(me, token, now),
            Change::RemoveCollaborator { app, collaborator, form } => {
                self.remove_collaborator(me, app, collaborator, *form, now)
            }
            Change::AddCollaborator { app, user, permissions, form } => {
                self.grant(me, app, user, permissions.as_deref(), *form, now)
            }
            Change::UpdateCollaborator { app, collaborator, permissions } => {
                self.change_grant(me, app, collaborator, permissions, now)
            }
            Change::SetSpaceAccess { space, user, permissions } => {
                self.set_space_access(me, space, user, permissions, now)
            }
            Change::RemoveEnterpriseMember { enterprise, user } => {
                self.remove_enterprise_member(me, enterprise, user, now)
            }
            Change::PutEnterpriseMember { enterprise, user, permissions, how } => {
                self.seed_enterprise_member(me, enterprise, user, permissions, *how, now)
            }
            Change::CreateApp { name, team } => self.create_app(me, name.as_deref(), team.as_deref(), now),
            Change::LockApp { app, locked } => self.lock_app(me, app, *locked, now),
        }
    }

    /// Whether a change would take the caller's own access away: a removal service must never ask for that.
    pub fn aims_at_caller(&self, caller: &Caller, change: &Change) -> bool {
        let me = caller.account;
        let named = |user: &str| self.account_named(user).is_some_and(|account| account.id == me);
        match change {
            Change::RemoveMember { team, member } => self
                .team(team)
                .and_then(|team| team.members.get(&me))
                .is_some_and(|entry| self.names_member(member, entry)),
            Change::RemoveCollaborator { app, collaborator, .. } => {
                let entry = self.app(app).and_then(|app| app.collaborators.get(&me));
                named(collaborator) || entry.is_some_and(|entry| entry.id.to_string() == *collaborator)
            }
            Change::SetSpaceAccess { user, permissions, .. } => permissions.is_empty() && named(user),
            Change::RemoveEnterpriseMember { user, .. } => named(user),
            Change::PutMember { .. }
            | Change::RevokeInvitation { .. }
            | Change::Invite { .. }
            | Change::AcceptInvitation { .. }
            | Change::AddCollaborator { .. }
            | Change::UpdateCollaborator { .. }
            | Change::PutEnterpriseMember { .. }
            | Change::CreateApp { .. }
            | Change::LockApp { .. } => false,
        }
    }

    fn remove_member(&mut self, me: AccountId, team: &str, member: &str, now: Timestamp) -> Result<Done, Refusal> {
        let found = self.visible_team(me, team)?;
        let entry = self.member_named(found, member);
        if entry.is_none_or(|entry| entry.account != me) {
            self.administered_team(me, team)?;
        }
        let Some(entry) = entry else {
            let former = found.members.last_former(|former| self.names_member(member, former));
            return self.repeated(former.map(|former| self.member_view(found, former)), "team member");
        };
        if is_last_admin(found, entry.account) {
            return Err(refused(self.switches.last_admin_status, "A team must have at least one admin."));
        }
        if entry.account == me {
            match self.switches.self_removal {
                SelfRemoval::Allowed => {}
                SelfRemoval::InvalidParams => return Err(refused(RefusalStatus::InvalidParams, OWN_REMOVAL)),
                SelfRemoval::Forbidden => return Err(refused(RefusalStatus::Forbidden, OWN_REMOVAL)),
            }
        }
        let (team, account) = (found.id, entry.account);
        let body = json(&self.member_view(found, entry));
        let removed = self.drop_member(team, account, now);
        Ok(self.deleted(body, removed))
    }

    fn seed_member(
        &mut self,
        me: AccountId,
        team: &str,
        email: &str,
        role: &Role,
        how: Put,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let found = self.administered_team(me, team)?;
        let team = found.id;
        let present = self.account_at(email).and_then(|account| found.members.get(&account.id));
        match (how, present) {
            (Put::Create, Some(_)) => {
                return Err(Refusal::InvalidParams("User is already a member of this team.".to_owned()));
            }
            (Put::Update, None) => return Err(Refusal::NotFound("team member")),
            (Put::Either | Put::Update, Some(entry)) if *role != Role::Admin && is_last_admin(found, entry.account) => {
                return Err(refused(self.switches.last_admin_status, "A team must have at least one admin."));
            }
            (Put::Either | Put::Create, None) | (Put::Either | Put::Update, Some(_)) => {}
        }
        let status = if present.is_none() { 201 } else { 200 };
        let account = self.account_or_new(email, now);
        self.put_member(team, account, role.clone(), now);
        let found = &self.teams[&team];
        let entry = found.members.get(&account).expect("just put");
        Ok(made(status, json(&self.member_view(found, entry))))
    }

    /// The team whose invitations a path names, and that the caller may change.
    fn inviting_team(&self, me: AccountId, team: &str) -> Result<&Team, Refusal> {
        let found = self.visible_team(me, team)?;
        self.invitations_endpoint(found)?;
        self.administered_team(me, team)
    }

    fn revoke_invitation(&mut self, me: AccountId, team: &str, named: &str, now: Timestamp) -> Result<Done, Refusal> {
        let found = self.inviting_team(me, team)?;
        let fits = |id: InvitationId, email: &str| id.to_string() == named || self.email_fits(named, email);
        let Some(invitation) = found.invitations.live().find(|entry| fits(entry.id, &entry.email)) else {
            let former = found.invitations.last_former(|entry| fits(entry.id, &entry.email));
            return self.repeated(former.map(|entry| self.invitation_view(found, entry)), "invitation");
        };
        let (team, id) = (found.id, invitation.id);
        let body = json(&self.invitation_view(found, invitation));
        let removed = self.drop_invitation(team, id, now);
        Ok(self.deleted(body, removed))
    }

    fn invite(&mut self, me: AccountId, team: &str, email: &str, role: &Role, now: Timestamp) -> Result<Done, Refusal> {
        let found = self.inviting_team(me, team)?;
        if self.account_at(email).is_some_and(|account| found.members.get(&account.id).is_some()) {
            return Err(Refusal::InvalidParams("User is already a member of this team.".to_owned()));
        }
        let team = found.id;
        let id = self.put_invitation(team, email, role.clone(), me, now);
        let found = &self.teams[&team];
        let invitation = found.invitations.get(&id).expect("just put");
        Ok(made(201, json(&self.invitation_view(found, invitation))))
    }

    fn accept(&mut self, me: AccountId, token: &str, now: Timestamp) -> Result<Done, Refusal> {
        let mine = self.email_of(me).to_owned();
        let found: Option<(TeamId, InvitationId)> = self.teams.values().find_map(|team| {
            let entry = team.invitations.live().find(|entry| entry.id.to_string() == token)?;
            entry.email.eq_ignore_ascii_case(&mine).then_some((team.id, entry.id))
        });
        let (team, id) = found.ok_or(Refusal::NotFound("invitation"))?;
        let invitation = self.teams[&team].invitations.get(&id).expect("just found");
        let body = json(&self.invitation_view(&self.teams[&team], invitation));
        self.accept_invitation(team, id, now);
        Ok(made(200, body))
    }

    fn remove_collaborator(
        &mut self,
        me: AccountId,
        app: &str,
        named: &str,
        form: Form,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let found = self.app_under(me, app, form)?;
        let by_id = !named.contains('@');
        if by_id && form == Form::TeamApps && !self.switches.collaborator_id_in_team_apps_path {
            return Err(Refusal::NotFound("collaborator"));
        }
        let permissions = form == Form::Apps;
        let fits = |entry: &Collaborator| {
            entry.id.to_string() == named || self.email_fits(named, self.email_of(entry.account))
        };
        let entry = found.collaborators.live().find(|entry| fits(entry));
        if entry.is_none_or(|entry| entry.account != me) && !self.manages(me, found) {
            return Err(Refusal::Forbidden("You do not have permission to manage this app.".to_owned()));
        }
        let Some(entry) = entry else {
            if self.names_entry(named, &self.owner_entry(found, permissions)) {
                return Err(refused(
                    self.switches.owner_removal_status,
                    "The owner of an app cannot be removed from it.",
                ));
            }
            if let Some(member) = self.implicit_member_named(found, named) {
                let body = json(&self.implicit_entry(found, member, permissions));
                return match self.switches.implicit_access_removal {
                    ImplicitRemoval::InvalidParams => {
                        Err(Refusal::InvalidParams("This user has access through their team role.".to_owned()))
                    }
                    ImplicitRemoval::NotFound => Err(Refusal::NotFound("collaborator")),
                    ImplicitRemoval::NoEffect => Ok(self.deleted(body, Vec::new())),
                };
            }
            let former = found.collaborators.last_former(fits);
            let former = former.map(|entry| View::Collaborator(self.granted_entry(found, entry, permissions)));
            return self.repeated(former, "collaborator");
        };
        let (app, account) = (found.id, entry.account);
        let body = json(&self.granted_entry(found, entry, permissions));
        let removed = self.drop_collaborator(app, account, now);
        Ok(self.deleted(body, removed))
    }

    /// An app whose people the caller may change.
    fn managed_app(&self, me: AccountId, app: &str, form: Form) -> Result<AppId, Refusal> {
        let found = self.app_under(me, app, form)?;
        if self.manages(me, found) {
            return Ok(found.id);
        }
        Err(Refusal::Forbidden("You do not have permission to manage this app.".to_owned()))
    }

    fn grant(
        &mut self,
        me: AccountId,
        app: &str,
        user: &str,
        permissions: Option<&[String]>,
        form: Form,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let app = self.managed_app(me, app, form)?;
        let account = match self.account_named(user) {
            Some(account) => account.id,
            None if user.contains('@') => self.account_or_new(user, now),
            None => return Err(Refusal::NotFound("user")),
        };
        let found = &self.apps[&app];
        if found.collaborators.get(&account).is_some() || found.owner == Owner::Account(account) {
            let message = format!("User is already a collaborator on app {}.", found.name);
            return Err(Refusal::InvalidParams(message));
        }
        let by_default = || PERMISSIONS_BY_DEFAULT.map(str::to_owned).to_vec();
        let permissions = permissions.map_or_else(by_default, <[String]>::to_vec);
        self.put_collaborator(app, account, permissions, now);
        Ok(self.granted(201, app, account, form))
    }

    fn change_grant(
        &mut self,
        me: AccountId,
        app: &str,
        named: &str,
        permissions: &[String],
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let app = self.managed_app(me, app, Form::TeamApps)?;
        let found = &self.apps[&app];
        let fits = |account: AccountId| self.email_fits(named, self.email_of(account));
        let entry = found.collaborators.live().find(|entry| entry.id.to_string() == named || fits(entry.account));
        let account = entry.ok_or(Refusal::NotFound("collaborator"))?.account;
        self.put_collaborator(app, account, permissions.to_vec(), now);
        Ok(self.granted(200, app, account, Form::TeamApps))
    }

    fn granted(&self, status: u16, app: AppId, account: AccountId, form: Form) -> Done {
        let app = &self.apps[&app];
        let entry = app.collaborators.get(&account).expect("just put");
        made(status, json(&self.granted_entry(app, entry, form == Form::Apps)))
    }

    fn set_space_access(
        &mut self,
        me: AccountId,
        space: &str,
        user: &str,
        permissions: &[String],
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let found = self.visible_space(me, space)?;
        let (space, team) = (found.id, &self.teams[&found.team]);
        if !is_admin(team, me) {
            return Err(super::access::not_an_admin());
        }
        let account = self.account_or_self(me, user)?;
        if let Some(unknown) = permissions.iter().find(|permission| *permission != "create_apps") {
            return Err(Refusal::InvalidParams(format!("Invalid permission: {unknown}.")));
        }
        let in_team = team.members.get(&account);
        match in_team {
            None if permissions.is_empty() && found.access.get(&account).is_some() => {
                if self.switches.space_change_after_leaving == SecondDelete::NotFound {
                    return Err(Refusal::NotFound("user"));
                }
            }
            None => return Err(Refusal::NotFound("user")),
            Some(member) if member.role == Role::Admin && permissions.is_empty() => {
                return match self.switches.admin_space_removal {
                    AdminSpaceRemoval::Refused => {
                        let message = "Permissions of team admins cannot be changed.".to_owned();
                        Err(Refusal::InvalidParams(message))
                    }
                    AdminSpaceRemoval::NoEffect => Ok(self.space_access_now(space, account, false, Vec::new())),
                };
            }
            Some(_) => {}
        }
        if permissions.is_empty() {
            let removed = self.drop_space_access(space, account, now);
            return Ok(self.space_access_now(space, account, !removed.is_empty(), removed));
        }
        let id = self.draw_id("space access");
        let access = &mut self.spaces.get_mut(&space).expect("just found").access;
        let id = access.get(&account).map_or(id, |entry| entry.id);
        access.insert(SpaceAccess { id, account, permissions: permissions.to_vec(), created_at: now });
        Ok(self.space_access_now(space, account, true, Vec::new()))
    }

    /// The reply to a PATCH of somebody's access: what they may do now.
    fn space_access_now(&self, space: SpaceId, account: AccountId, changed: bool, removed: Vec<Removed>) -> Done {
        let space = &self.spaces[&space];
        let is_admin = is_admin(&self.teams[&space.team], account);
        let create_apps = vec!["create_apps".to_owned()];
        let entry = space.access.get(&account);
        let permissions = match entry {
            _ if is_admin => create_apps,
            Some(entry) => entry.permissions.clone(),
            None => Vec::new(),
        };
        let view = self.space_access_view(space, account, entry.map(|entry| entry.id), &permissions);
        Done { status: 200, body: json(&view), changed, removed }
    }

    fn remove_enterprise_member(
        &mut self,
        me: AccountId,
        enterprise: &str,
        user: &str,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let found = self.managed_enterprise(me, enterprise)?;
        // By e-mail or account id; the membership's own id is usable in no path.
        let fits = |account: AccountId| account.to_string() == user || self.email_fits(user, self.email_of(account));
        let Some(entry) = found.members.live().find(|entry| fits(entry.account)) else {
            let former = found.members.last_former(|entry| fits(entry.account));
            return self.repeated(former.map(|entry| self.enterprise_member_view(found, entry)), "user");
        };
        let (enterprise, account) = (found.id, entry.account);
        let body = json(&self.enterprise_member_view(found, entry));
        let removed = self.drop_enterprise_member(enterprise, account, now);
        Ok(self.deleted(body, removed))
    }

    fn seed_enterprise_member(
        &mut self,
        me: AccountId,
        enterprise: &str,
        user: &str,
        permissions: &[String],
        how: Put,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let found = self.managed_enterprise(me, enterprise)?.id;
        let present = |world: &Self| {
            let account = world.account_named(user)?.id;
            world.enterprises[&found].members.get(&account).map(Row::key)
        };
        match (how, present(self)) {
            (Put::Create, Some(_)) => {
                return Err(Refusal::InvalidParams("User is already a member of this enterprise account.".to_owned()));
            }
            (Put::Update, None) => return Err(Refusal::NotFound("user")),
            (Put::Either | Put::Create, None) | (Put::Either | Put::Update, Some(_)) => {}
        }
        let account = match self.account_named(user) {
            Some(account) => account.id,
            None => self.account_or_new(user, now),
        };
        self.put_enterprise_member(found, account, permissions.to_vec(), now);
        let enterprise: &Enterprise = &self.enterprises[&found];
        let entry = enterprise.members.get(&account).expect("just put");
        let status = if how == Put::Create { 201 } else { 200 };
        Ok(made(status, json(&self.enterprise_member_view(enterprise, entry))))
    }

    fn create_app(
        &mut self,
        me: AccountId,
        name: Option<&str>,
        team: Option<&str>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let owner = match team {
            Some(team) => Owner::Team(self.readable_team(me, team)?.id),
            None => Owner::Account(me),
        };
        let name = match name {
            Some(name) => name.to_owned(),
            None => format!("calm-river-{}", self.apps.len() + 1),
        };
        if self.app(&name).is_some() {
            return Err(Refusal::InvalidParams(format!("Name {name} is already taken")));
        }
        let id = self.put_app(&name, owner, None, now);
        let app = &self.apps[&id];
        let view = if team.is_some() { self.team_app_view(me, app) } else { self.app_view(app) };
        Ok(made(201, json(&view)))
    }

    fn lock_app(&mut self, me: AccountId, app: &str, locked: bool, now: Timestamp) -> Result<Done, Refusal> {
        let id = self.managed_app(me, app, Form::TeamApps)?;
        let app = self.apps.get_mut(&id).expect("just found");
        app.locked = locked;
        app.updated_at = now;
        Ok(made(200, json(&self.team_app_view(me, &self.apps[&id]))))
    }

    /// The reply to a DELETE that worked.
    fn deleted(&self, body: Vec<u8>, removed: Vec<Removed>) -> Done {
        let (status, body) = match self.switches.delete_answer {
            DeleteAnswer::Object => (200, body),
            DeleteAnswer::Accepted => (202, body),
            DeleteAnswer::Empty => (200, Vec::new()),
            DeleteAnswer::NoContent => (204, Vec::new()),
        };
        Done { status, body, changed: !removed.is_empty(), removed }
    }

    /// The reply to a DELETE of what is not there; `former` is what once was.
    fn repeated(&self, former: Option<View<'_>>, what: &'static str) -> Result<Done, Refusal> {
        match (self.switches.second_delete, former) {
            (SecondDelete::Ok, Some(former)) => Ok(self.deleted(json(&former), Vec::new())),
            (SecondDelete::Ok, None) | (SecondDelete::NotFound, _) => Err(Refusal::NotFound(what)),
        }
    }
}

const OWN_REMOVAL: &str = "You cannot remove yourself from this team.";

fn made(status: u16, body: Vec<u8>) -> Done {
    Done { status, body, changed: true, removed: Vec::new() }
}

fn refused(status: RefusalStatus, message: &str) -> Refusal {
    match status {
        RefusalStatus::InvalidParams => Refusal::InvalidParams(message.to_owned()),
        RefusalStatus::Forbidden => Refusal::Forbidden(message.to_owned()),
    }
}

fn json(view: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(view).expect("views are plain data")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::state::{BEGINNING, Scope};
    use super::*;

    fn world() -> World {
        World::new(5)
            .with_enterprise_team("payments", "larkspur")
            .with_enterprise_member("larkspur", "bot@larkspur.example", &["manage"])
            .with_member("payments", "bot@larkspur.example", "admin")
            .with_member("payments", "priya@larkspur.example", "admin")
            .with_app("payments-api", "payments")
            .with_space("vault", "payments")
    }

    fn bot(world: &World) -> Caller {
        let account = world.account_at("bot@larkspur.example").unwrap().id;
        Caller { account, scopes: BTreeSet::from([Scope::Global]) }
    }

    fn carry_out(world: &mut World, change: &Change) -> Result<Done, Refusal> {
        let caller = bot(world);
        world.change(&caller, change, None, BEGINNING)
    }

    fn remove(world: &mut World, member: &str) -> Result<Done, Refusal> {
        carry_out(world, &Change::RemoveMember { team: "payments".to_owned(), member: member.to_owned() })
    }

    #[test]
    fn a_second_delete_is_404_or_200_as_the_switch_says() {
        let mut world = world();
        let first = remove(&mut world, "priya@larkspur.example").unwrap();
        assert_eq!((first.status, first.changed), (200, true));
        assert_eq!(remove(&mut world, "priya@larkspur.example"), Err(Refusal::NotFound("team member")));
        world.switches.second_delete = SecondDelete::Ok;
        let second = remove(&mut world, "priya@larkspur.example").unwrap();
        assert_eq!((second.status, second.changed, second.body == first.body), (200, false, true));
        assert!(remove(&mut world, "never@larkspur.example").is_err());
    }

    #[test]
    fn the_last_admin_can_be_neither_removed_nor_demoted() {
        let mut world = world();
        remove(&mut world, "priya@larkspur.example").unwrap();
        assert_eq!(remove(&mut world, "bot@larkspur.example").unwrap_err().status(), 422);
        world.switches.last_admin_status = RefusalStatus::Forbidden;
        assert_eq!(remove(&mut world, "bot@larkspur.example").unwrap_err().status(), 403);
        let demote = Change::PutMember {
            team: "payments".to_owned(),
            email: "bot@larkspur.example".to_owned(),
            role: Role::Member,
            how: Put::Update,
        };
        assert_eq!(carry_out(&mut world, &demote).unwrap_err().status(), 403);
    }

    #[test]
    fn the_id_spaces_are_not_interchangeable() {
        let mut world = world();
        world.add_collaborator("payments-api", "otis@agency.example", &["view"]);
        world.add_enterprise_member("larkspur", "otis@agency.example", &["view"]);
        let otis = world.account_at("otis@agency.example").unwrap().id;
        let membership = world.team("payments").unwrap().members.get(&otis).unwrap().id.to_string();
        let enterprise_membership = world.enterprise("larkspur").unwrap().members.get(&otis).unwrap().id.to_string();

        assert_eq!(remove(&mut world, &otis.to_string()).unwrap_err().status(), 404);
        let collaborator = |named: &str| Change::RemoveCollaborator {
            app: "payments-api".to_owned(),
            collaborator: named.to_owned(),
            form: Form::Apps,
        };
        assert_eq!(carry_out(&mut world, &collaborator(&otis.to_string())).unwrap_err().status(), 404);
        assert_eq!(carry_out(&mut world, &collaborator(&membership)).unwrap_err().status(), 404);
        let enterprise =
            |user: &str| Change::RemoveEnterpriseMember { enterprise: "larkspur".to_owned(), user: user.to_owned() };
        assert_eq!(carry_out(&mut world, &enterprise(&enterprise_membership)).unwrap_err().status(), 404);
        assert_eq!(carry_out(&mut world, &enterprise(&otis.to_string())).unwrap().status, 200);
        assert_eq!(remove(&mut world, &membership).unwrap().status, 200);
    }

    #[test]
    fn an_account_id_works_as_member_id_where_the_switch_says_so() {
        let mut world = world().with_switches(|switches| switches.account_id_as_member_id = true);
        let priya = world.account_at("priya@larkspur.example").unwrap().id;
        assert_eq!(remove(&mut world, &priya.to_string()).unwrap().status, 200);
    }

    #[test]
    fn the_answer_to_a_delete_is_what_the_switch_says() {
        for (answer, status, empty) in [
            (DeleteAnswer::Object, 200, false),
            (DeleteAnswer::Accepted, 202, false),
            (DeleteAnswer::Empty, 200, true),
            (DeleteAnswer::NoContent, 204, true),
        ] {
            let mut world = world().with_switches(|switches| switches.delete_answer = answer);
            let done = remove(&mut world, "priya@larkspur.example").unwrap();
            assert_eq!((done.status, done.body.is_empty()), (status, empty), "{answer:?}");
        }
    }

    #[test]
    fn a_space_permission_is_cleared_and_an_admins_stays() {
        let mut world = world().with_member("payments", "mara@larkspur.example", "member");
        world.add_space_access("vault", "mara@larkspur.example");
        let clear = |user: &str| Change::SetSpaceAccess {
            space: "vault".to_owned(),
            user: user.to_owned(),
            permissions: Vec::new(),
        };
        let done = carry_out(&mut world, &clear("mara@larkspur.example")).unwrap();
        assert_eq!(done.removed.len(), 1);
        let again = carry_out(&mut world, &clear("mara@larkspur.example")).unwrap();
        assert_eq!((again.status, again.changed), (200, false));
        assert_eq!(carry_out(&mut world, &clear("priya@larkspur.example")).unwrap_err().status(), 422);
        remove(&mut world, "mara@larkspur.example").unwrap();
        assert_eq!(carry_out(&mut world, &clear("mara@larkspur.example")).unwrap_err().status(), 404);
    }

    #[test]
    fn removing_from_the_enterprise_account_cascades_as_the_switch_says() {
        for cascades in [false, true] {
            let mut world = world().with_switches(|switches| switches.cascade_enterprise_to_teams = cascades);
            world.add_enterprise_member("larkspur", "priya@larkspur.example", &["view"]);
            let removal = Change::RemoveEnterpriseMember {
                enterprise: "larkspur".to_owned(),
                user: "priya@larkspur.example".to_owned(),
            };
            carry_out(&mut world, &removal).unwrap();
            let priya = world.account_at("priya@larkspur.example").unwrap().id;
            assert_eq!(world.team("payments").unwrap().members.get(&priya).is_none(), cascades);
        }
    }
}
