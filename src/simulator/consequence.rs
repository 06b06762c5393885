//! What else happens when somebody comes or goes, whoever asked for it. No permission is checked here.

use jiff::Timestamp;

use crate::model::ids::computed;
use crate::model::{
    AccountId, AppId, CollaboratorId, EnterpriseId, EnterpriseMembershipId, InvitationId, MembershipId, Parent,
    SpaceId, Surface, TeamId,
};

use super::journal::Removed;
use super::roster::Roster;
use super::state::{
    App, Collaborator, Enterprise, EnterpriseMember, Invitation, Member, Owner, Role, Space, Team, World,
};

impl World {
    /// The id of the account with this address, also before it exists: an invitation already names it.
    pub(super) fn future_account(&self, email: &str) -> AccountId {
        AccountId(computed(&["simulator", "account", &self.seed.to_string(), &email.to_ascii_lowercase()]))
    }

    /// Adds somebody to a team or changes their role.
    pub(super) fn put_member(&mut self, team: TeamId, account: AccountId, role: Role, now: Timestamp) -> MembershipId {
        let team_of_it = self.teams.get_mut(&team).expect("the caller found this team");
        if let Some(member) = team_of_it.members.get_mut(&account) {
            if member.role != role {
                member.role = role;
                member.updated_at = now;
            }
            return member.id;
        }
        let id = MembershipId(self.draw_id("membership"));
        self.teams.get_mut(&team).expect("just found").members.insert(Member {
            id,
            account,
            role,
            created_at: now,
            updated_at: now,
        });
        id
    }

    /// Adds an invitation, or changes the role of the one that this address already has.
    pub(super) fn put_invitation(
        &mut self,
        team: TeamId,
        email: &str,
        role: Role,
        invited_by: AccountId,
        now: Timestamp,
    ) -> InvitationId {
        let drawn = InvitationId(self.draw_id("invitation"));
        let invitations = &mut self.teams.get_mut(&team).expect("the caller found this team").invitations;
        let present = invitations.live().find(|invitation| invitation.email.eq_ignore_ascii_case(email));
        let id = present.map_or(drawn, |invitation| invitation.id);
        invitations.insert(Invitation { id, email: email.to_owned(), role, invited_by, created_at: now });
        id
    }

    /// Adds an app.
    pub(super) fn put_app(&mut self, name: &str, owner: Owner, space: Option<SpaceId>, now: Timestamp) -> AppId {
        let id = AppId(self.draw_id("app"));
        let app = App {
            id,
            name: name.to_owned(),
            owner,
            space,
            locked: false,
            collaborators: Roster::default(),
            created_at: now,
            updated_at: now,
        };
        self.apps.insert(id, app);
        id
    }

    /// Adds a grant on an app or replaces its permissions. An outsider to the app's team becomes its `collaborator`.
    pub(super) fn put_collaborator(
        &mut self,
        app: AppId,
        account: AccountId,
        permissions: Vec<String>,
        now: Timestamp,
    ) -> CollaboratorId {
        let found = self.apps.get_mut(&app).expect("the caller found this app");
        let team = found.team();
        let id = match found.collaborators.get_mut(&account) {
            Some(collaborator) => {
                collaborator.permissions = permissions;
                collaborator.id
            }
            None => {
                let id = CollaboratorId(self.draw_id("collaborator"));
                let row = Collaborator { id, account, permissions, created_at: now };
                self.apps.get_mut(&app).expect("just found").collaborators.insert(row);
                id
            }
        };
        if let Some(team) = team
            && self.teams[&team].members.get(&account).is_none()
        {
            self.put_member(team, account, Role::Collaborator, now);
        }
        id
    }

    /// Adds somebody to an enterprise account or replaces their permissions.
    pub(super) fn put_enterprise_member(
        &mut self,
        enterprise: EnterpriseId,
        account: AccountId,
        permissions: Vec<String>,
        now: Timestamp,
    ) -> EnterpriseMembershipId {
        let drawn = EnterpriseMembershipId(self.draw_id("enterprise membership"));
        let members = &mut self.enterprises.get_mut(&enterprise).expect("the caller found this account").members;
        let id = members.get(&account).map_or(drawn, |member| member.id);
        members.insert(EnterpriseMember { id, account, permissions, created_at: now });
        id
    }

    /// Turns an invitation into a membership.
    pub(super) fn accept_invitation(&mut self, team: TeamId, invitation: InvitationId, now: Timestamp) -> bool {
        let team_of_it = self.teams.get_mut(&team).expect("the caller found this team");
        let Some(accepted) = team_of_it.invitations.remove(&invitation, now) else { return false };
        let account = self.account_or_new(&accepted.email, now);
        self.put_member(team, account, accepted.role, now);
        true
    }

    /// Takes an invitation back.
    pub(super) fn drop_invitation(&mut self, team: TeamId, id: InvitationId, now: Timestamp) -> Vec<Removed> {
        let team = self.teams.get_mut(&team).expect("the caller found this team");
        let parent = team_parent(team);
        let Some(invitation) = team.invitations.remove(&id, now) else { return Vec::new() };
        vec![Removed {
            surface: Surface::TeamInvitation,
            parent,
            account: self.account_at(&invitation.email).map(|account| account.id),
            email: invitation.email,
            before: words(invitation.role.as_str()),
        }]
    }

    /// Takes a grant on an app away. Who held no other in the team, and no role, leaves its list.
    pub(super) fn drop_collaborator(&mut self, app: AppId, account: AccountId, now: Timestamp) -> Vec<Removed> {
        let email = self.email_of(account).to_owned();
        let app = self.apps.get_mut(&app).expect("the caller found this app");
        let (parent, team) = (app_parent(app), app.team());
        let Some(collaborator) = app.collaborators.remove(&account, now) else { return Vec::new() };
        let mut removed = vec![Removed {
            surface: Surface::AppCollaboration,
            parent,
            email: email.clone(),
            account: Some(account),
            before: collaborator.permissions.join(" "),
        }];
        if let Some(team) = team
            && !self.has_grants_in(team, account)
        {
            let team = self.teams.get_mut(&team).expect("apps name only teams that exist");
            if team.members.get(&account).is_some_and(|member| member.role == Role::Collaborator) {
                team.members.remove(&account, now);
                removed.push(Removed {
                    surface: Surface::TeamMembership,
                    parent: team_parent(team),
                    email,
                    account: Some(account),
                    before: "collaborator".to_owned(),
                });
            }
        }
        removed
    }

    /// Takes somebody out of a team, with what the switches say goes along.
    pub(super) fn drop_member(&mut self, team: TeamId, account: AccountId, now: Timestamp) -> Vec<Removed> {
        let email = self.email_of(account).to_owned();
        let team_of_it = self.teams.get_mut(&team).expect("the caller found this team");
        let parent = team_parent(team_of_it);
        let Some(member) = team_of_it.members.remove(&account, now) else { return Vec::new() };
        let mut removed = vec![Removed {
            surface: Surface::TeamMembership,
            parent,
            email,
            account: Some(account),
            before: words(member.role.as_str()),
        }];
        let cascades = if member.role == Role::Collaborator {
            self.switches.cascade_collaborator_to_apps
        } else {
            self.switches.cascade_member_to_apps
        };
        if cascades {
            let apps: Vec<AppId> = self.apps_of(team).map(|app| app.id).collect();
            removed.extend(apps.into_iter().flat_map(|app| self.drop_collaborator(app, account, now)));
        } else if self.has_grants_in(team, account) {
            self.put_member(team, account, Role::Collaborator, now);
        }
        if self.switches.cascade_member_to_spaces {
            let spaces: Vec<SpaceId> =
                self.spaces.values().filter(|space| space.team == team).map(|space| space.id).collect();
            removed.extend(spaces.into_iter().flat_map(|space| self.drop_space_access(space, account, now)));
        }
        removed
    }

    /// Clears somebody's permissions in a space.
    pub(super) fn drop_space_access(&mut self, space: SpaceId, account: AccountId, now: Timestamp) -> Vec<Removed> {
        let email = self.email_of(account).to_owned();
        let space = self.spaces.get_mut(&space).expect("the caller found this space");
        let parent = space_parent(space);
        let Some(access) = space.access.remove(&account, now) else { return Vec::new() };
        vec![Removed {
            surface: Surface::SpacePermission,
            parent,
            email,
            account: Some(account),
            before: access.permissions.join(" "),
        }]
    }

    /// Takes somebody out of an enterprise account, with what the switches say goes along. A team keeps its last admin.
    pub(super) fn drop_enterprise_member(
        &mut self,
        enterprise: EnterpriseId,
        account: AccountId,
        now: Timestamp,
    ) -> Vec<Removed> {
        let email = self.email_of(account).to_owned();
        let enterprise_of_it = self.enterprises.get_mut(&enterprise).expect("the caller found this account");
        let parent = enterprise_parent(enterprise_of_it);
        let Some(member) = enterprise_of_it.members.remove(&account, now) else { return Vec::new() };
        let mut removed = vec![Removed {
            surface: Surface::EnterpriseMembership,
            parent,
            email,
            account: Some(account),
            before: member.permissions.join(" "),
        }];
        if self.switches.cascade_enterprise_to_teams {
            let teams: Vec<TeamId> = self
                .teams
                .values()
                .filter(|team| team.enterprise == Some(enterprise) && !is_last_admin(team, account))
                .map(|team| team.id)
                .collect();
            removed.extend(teams.into_iter().flat_map(|team| self.drop_member(team, account, now)));
        }
        removed
    }

    /// Deletes an app. Whoever was in its team because of it alone leaves the team's list.
    pub(super) fn delete_app(&mut self, app: AppId, now: Timestamp) {
        let people: Vec<AccountId> = self.apps[&app].collaborators.live().map(|entry| entry.account).collect();
        for account in people {
            self.drop_collaborator(app, account, now);
        }
        self.apps.remove(&app);
        self.transfers.retain(|_, transfer| transfer.app != app);
        for pipeline in self.pipelines.values_mut() {
            pipeline.couplings.retain(|coupling| coupling.app != app);
        }
    }

    /// Deletes a space and the apps that run in it.
    pub(super) fn delete_space(&mut self, space: SpaceId, now: Timestamp) {
        let apps: Vec<AppId> = self.apps.values().filter(|app| app.space == Some(space)).map(|app| app.id).collect();
        for app in apps {
            self.delete_app(app, now);
        }
        self.spaces.remove(&space);
    }

    /// Deletes a team and all that it owns.
    pub(super) fn delete_team(&mut self, team: TeamId, now: Timestamp) {
        let apps: Vec<AppId> = self.apps_of(team).map(|app| app.id).collect();
        for app in apps {
            self.delete_app(app, now);
        }
        let spaces: Vec<SpaceId> =
            self.spaces.values().filter(|space| space.team == team).map(|space| space.id).collect();
        for space in spaces {
            self.delete_space(space, now);
        }
        self.pipelines.retain(|_, pipeline| pipeline.owner != Some(Owner::Team(team)));
        self.teams.remove(&team);
    }

    fn has_grants_in(&self, team: TeamId, account: AccountId) -> bool {
        self.apps_of(team).any(|app| app.collaborators.get(&account).is_some())
    }
}

/// Whether `account` is the only admin of `team`.
pub(super) fn is_last_admin(team: &Team, account: AccountId) -> bool {
    let mut admins = team.members.live().filter(|member| member.role == Role::Admin);
    admins.next().is_some_and(|admin| admin.account == account) && admins.next().is_none()
}

fn words(role: Option<&str>) -> String {
    role.unwrap_or_default().to_owned()
}

fn team_parent(team: &Team) -> Parent {
    Parent::Team { id: team.id, name: team.name.clone() }
}

fn app_parent(app: &App) -> Parent {
    Parent::App { id: app.id, name: app.name.clone(), team: app.team() }
}

fn space_parent(space: &Space) -> Parent {
    Parent::Space { id: space.id, name: space.name.clone(), team: Some(space.team) }
}

fn enterprise_parent(enterprise: &Enterprise) -> Parent {
    Parent::Enterprise { id: enterprise.id, name: enterprise.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::state::BEGINNING;
    use super::*;

    fn leaver() -> World {
        World::new(3)
            .with_team("payments")
            .with_member("payments", "ana@larkspur.example", "admin")
            .with_member("payments", "priya@larkspur.example", "member")
            .with_app("payments-api", "payments")
            .with_collaborator("payments-api", "priya@larkspur.example", &["deploy"])
            .with_collaborator("payments-api", "otis@agency.example", &["view"])
            .with_space("vault", "payments")
            .with_space_access("vault", "priya@larkspur.example")
    }

    fn roles(world: &World) -> Vec<(&str, &str)> {
        let members = world.team("payments").unwrap().members.live();
        let mut roles: Vec<_> =
            members.map(|member| (world.email_of(member.account), member.role.as_str().unwrap())).collect();
        roles.sort_unstable();
        roles
    }

    fn drop(world: &mut World, email: &str) -> Vec<Surface> {
        let team = world.team("payments").unwrap().id;
        let account = world.account_at(email).unwrap().id;
        world.drop_member(team, account, BEGINNING).into_iter().map(|removed| removed.surface).collect()
    }

    #[test]
    fn a_grant_makes_an_outsider_a_collaborator_of_the_team_for_as_long_as_it_lasts() {
        let mut world = leaver();
        assert!(roles(&world).contains(&("otis@agency.example", "collaborator")));
        let app = world.app("payments-api").unwrap().id;
        let otis = world.account_at("otis@agency.example").unwrap().id;
        let removed = world.drop_collaborator(app, otis, BEGINNING);
        assert_eq!(
            removed.iter().map(|removed| removed.surface).collect::<Vec<_>>(),
            [Surface::AppCollaboration, Surface::TeamMembership]
        );
        assert!(!roles(&world).iter().any(|(email, _)| *email == "otis@agency.example"));
    }

    #[test]
    fn without_the_cascade_a_removed_member_stays_as_collaborator() {
        let mut world = leaver();
        assert_eq!(drop(&mut world, "priya@larkspur.example"), [Surface::TeamMembership, Surface::SpacePermission]);
        assert!(roles(&world).contains(&("priya@larkspur.example", "collaborator")));
    }

    #[test]
    fn with_the_cascade_nothing_stays() {
        let mut world = leaver().with_switches(|switches| switches.cascade_member_to_apps = true);
        assert_eq!(
            drop(&mut world, "priya@larkspur.example"),
            [Surface::TeamMembership, Surface::AppCollaboration, Surface::SpacePermission]
        );
        assert!(!roles(&world).iter().any(|(email, _)| *email == "priya@larkspur.example"));
    }
}
