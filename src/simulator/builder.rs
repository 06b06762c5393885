//! Writing a world in a test: each step names things by the name or address that a person would use.
//!
//! `with_…` chains, `add_…` returns the new id; both panic when a step names something that no earlier step made,
//! because that is a slip in the test. What they add has always been there: no read lag hides it.

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::{
    AccountId, AppId, CollaboratorId, EnterpriseId, EnterpriseMembershipId, InvitationId, MembershipId, PipelineId,
    SpaceId, TeamId,
};

use super::roster::Roster;
use super::state::{
    Account, AppTransfer, BEGINNING, Coupling, Enterprise, Owner, Pipeline, Role, Scope, Space, SpaceAccess, Team,
    Token, World,
};
use super::switches::Switches;

impl World {
    /// Sets switches: `world.with_switches(|switches| switches.read_lag_ms = 500)`.
    #[must_use]
    pub fn with_switches(mut self, set: impl FnOnce(&mut Switches)) -> Self {
        set(&mut self.switches);
        self
    }

    /// An account; nothing happens if it exists.
    #[must_use]
    pub fn with_account(mut self, email: &str) -> Self {
        self.add_account(email);
        self
    }

    /// A token with the scope `global`, and its account if there is none.
    #[must_use]
    pub fn with_token(mut self, token: &str, email: &str) -> Self {
        self.add_token(token, email, &[Scope::Global], None);
        self
    }

    /// A self-service team, without people.
    #[must_use]
    pub fn with_team(mut self, name: &str) -> Self {
        self.add_team(name, None);
        self
    }

    /// A team of an enterprise account, and the enterprise account if there is none.
    #[must_use]
    pub fn with_enterprise_team(mut self, name: &str, enterprise: &str) -> Self {
        self.add_team(name, Some(enterprise));
        self
    }

    /// Somebody in a team: `admin`, `member`, `viewer` …
    #[must_use]
    pub fn with_member(mut self, team: &str, email: &str, role: &str) -> Self {
        self.add_member(team, email, role);
        self
    }

    /// A pending invitation to a team.
    #[must_use]
    pub fn with_invitation(mut self, team: &str, email: &str, role: &str) -> Self {
        self.add_invitation(team, email, role);
        self
    }

    /// An app of a team.
    #[must_use]
    pub fn with_app(mut self, name: &str, team: &str) -> Self {
        self.add_app(name, team);
        self
    }

    /// An app that a person owns.
    #[must_use]
    pub fn with_personal_app(mut self, name: &str, owner: &str) -> Self {
        self.add_personal_app(name, owner);
        self
    }

    /// Somebody with a grant on an app. In a team's app, an outsider then stands in the team's list as `collaborator`.
    #[must_use]
    pub fn with_collaborator(mut self, app: &str, email: &str, permissions: &[&str]) -> Self {
        self.add_collaborator(app, email, permissions);
        self
    }

    /// A private space of a team.
    #[must_use]
    pub fn with_space(mut self, name: &str, team: &str) -> Self {
        self.add_space(name, team);
        self
    }

    /// Somebody who may create apps in a space.
    #[must_use]
    pub fn with_space_access(mut self, space: &str, email: &str) -> Self {
        self.add_space_access(space, email);
        self
    }

    /// An enterprise account, without people.
    #[must_use]
    pub fn with_enterprise(mut self, name: &str) -> Self {
        self.add_enterprise(name);
        self
    }

    /// Somebody in an enterprise account: `view`, `create`, `manage`, `billing`.
    #[must_use]
    pub fn with_enterprise_member(mut self, enterprise: &str, email: &str, permissions: &[&str]) -> Self {
        self.add_enterprise_member(enterprise, email, permissions);
        self
    }

    /// A pipeline that a person owns.
    #[must_use]
    pub fn with_pipeline(mut self, name: &str, owner: &str) -> Self {
        let owner = self.add_account(owner);
        self.add_pipeline(name, Some(Owner::Account(owner)));
        self
    }

    /// A pipeline that a team owns.
    #[must_use]
    pub fn with_team_pipeline(mut self, name: &str, team: &str) -> Self {
        let owner = self.team_id(team);
        self.add_pipeline(name, Some(Owner::Team(owner)));
        self
    }

    /// An app in a pipeline.
    #[must_use]
    pub fn with_coupling(mut self, pipeline: &str, app: &str, stage: &str) -> Self {
        self.add_coupling(pipeline, app, stage);
        self
    }

    /// A pending offer of an app by its owner.
    #[must_use]
    pub fn with_app_transfer(mut self, app: &str, recipient: &str) -> Self {
        self.add_app_transfer(app, recipient);
        self
    }

    /// Adds an account, or finds the one with this address.
    pub fn add_account(&mut self, email: &str) -> AccountId {
        self.account_or_new(email, BEGINNING)
    }

    /// Adds a token.
    pub fn add_token(&mut self, token: &str, email: &str, scopes: &[Scope], expires_at: Option<Timestamp>) {
        let account = self.add_account(email);
        let scopes = scopes.iter().copied().collect();
        self.tokens.insert(token.to_owned(), Token { account, scopes, expires_at });
    }

    /// Revokes a token; it is answered 401 from now on.
    pub fn revoke_token(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    /// Adds a team.
    pub fn add_team(&mut self, name: &str, enterprise: Option<&str>) -> TeamId {
        let enterprise = enterprise.map(|name| self.add_enterprise(name));
        let id = TeamId(self.draw_id("team"));
        self.teams.insert(
            id,
            Team {
                id,
                name: name.to_owned(),
                enterprise,
                members: Roster::default(),
                invitations: Roster::default(),
                created_at: BEGINNING,
            },
        );
        id
    }

    /// Adds somebody to a team, or gives them another role; their membership id stays.
    ///
    /// # Panics
    /// When there is no such team.
    pub fn add_member(&mut self, team: &str, email: &str, role: &str) -> MembershipId {
        let team = self.team_id(team);
        let account = self.add_account(email);
        self.put_member(team, account, Role::from(role), BEGINNING)
    }

    /// Adds an invitation, sent by an admin of the team.
    ///
    /// # Panics
    /// When there is no such team, or nobody in it.
    pub fn add_invitation(&mut self, team: &str, email: &str, role: &str) -> InvitationId {
        let team = self.team_id(team);
        let members = &self.teams[&team].members;
        let invited_by = members.live().find(|member| member.role == Role::Admin).or_else(|| members.live().next());
        let invited_by = invited_by.expect("an invitation needs somebody in the team who sent it").account;
        self.put_invitation(team, email, Role::from(role), invited_by, BEGINNING)
    }

    /// Adds an app of a team.
    ///
    /// # Panics
    /// When there is no such team.
    pub fn add_app(&mut self, name: &str, team: &str) -> AppId {
        let team = self.team_id(team);
        self.put_app(name, Owner::Team(team), None, BEGINNING)
    }

    /// Adds an app of a team in one of its spaces.
    ///
    /// # Panics
    /// When there is no such space.
    pub fn add_app_in_space(&mut self, name: &str, space: &str) -> AppId {
        let space = self.space(space).expect("an earlier step made this space");
        let (space, team) = (space.id, space.team);
        self.put_app(name, Owner::Team(team), Some(space), BEGINNING)
    }

    /// Adds an app that a person owns.
    pub fn add_personal_app(&mut self, name: &str, owner: &str) -> AppId {
        let owner = self.add_account(owner);
        self.put_app(name, Owner::Account(owner), None, BEGINNING)
    }

    /// Adds a grant on an app, or replaces its permissions.
    ///
    /// # Panics
    /// When there is no such app.
    pub fn add_collaborator(&mut self, app: &str, email: &str, permissions: &[&str]) -> CollaboratorId {
        let app = self.app(app).expect("an earlier step made this app").id;
        let account = self.add_account(email);
        self.put_collaborator(app, account, owned(permissions), BEGINNING)
    }

    /// Adds a space.
    ///
    /// # Panics
    /// When there is no such team.
    pub fn add_space(&mut self, name: &str, team: &str) -> SpaceId {
        let team = self.team_id(team);
        let id = SpaceId(self.draw_id("space"));
        let space = Space { id, name: name.to_owned(), team, access: Roster::default(), created_at: BEGINNING };
        self.spaces.insert(id, space);
        id
    }

    /// Lets somebody create apps in a space.
    ///
    /// # Panics
    /// When there is no such space.
    pub fn add_space_access(&mut self, space: &str, email: &str) {
        let space = self.space(space).expect("an earlier step made this space").id;
        let account = self.add_account(email);
        let id = self.draw_id("space access");
        let row = SpaceAccess { id, account, permissions: vec!["create_apps".to_owned()], created_at: BEGINNING };
        self.spaces.get_mut(&space).expect("just found").access.insert(row);
    }

    /// Adds an enterprise account, or finds the one with this name.
    pub fn add_enterprise(&mut self, name: &str) -> EnterpriseId {
        if let Some(enterprise) = self.enterprise(name) {
            return enterprise.id;
        }
        let id = EnterpriseId(self.draw_id("enterprise account"));
        let enterprise = Enterprise { id, name: name.to_owned(), members: Roster::default(), created_at: BEGINNING };
        self.enterprises.insert(id, enterprise);
        id
    }

    /// Adds somebody to an enterprise account, or replaces their permissions.
    ///
    /// # Panics
    /// When there is no such enterprise account.
    pub fn add_enterprise_member(
        &mut self,
        enterprise: &str,
        email: &str,
        permissions: &[&str],
    ) -> EnterpriseMembershipId {
        let enterprise = self.enterprise(enterprise).expect("an earlier step made this enterprise account").id;
        let account = self.add_account(email);
        self.put_enterprise_member(enterprise, account, owned(permissions), BEGINNING)
    }

    /// Adds a pipeline.
    pub fn add_pipeline(&mut self, name: &str, owner: Option<Owner>) -> PipelineId {
        let id = PipelineId(self.draw_id("pipeline"));
        let pipeline = Pipeline { id, name: name.to_owned(), owner, couplings: Vec::new(), created_at: BEGINNING };
        self.pipelines.insert(id, pipeline);
        id
    }

    /// Puts an app into a pipeline.
    ///
    /// # Panics
    /// When there is no such pipeline or app.
    pub fn add_coupling(&mut self, pipeline: &str, app: &str, stage: &str) -> Uuid {
        let pipeline = self.pipeline(pipeline).expect("an earlier step made this pipeline").id;
        let app = self.app(app).expect("an earlier step made this app").id;
        let id = self.draw_id("pipeline coupling");
        let coupling = Coupling { id, app, stage: stage.to_owned() };
        self.pipelines.get_mut(&pipeline).expect("just found").couplings.push(coupling);
        id
    }

    /// Adds a pending offer of a personal app.
    ///
    /// # Panics
    /// When there is no such app, or a team owns it.
    pub fn add_app_transfer(&mut self, app: &str, recipient: &str) -> Uuid {
        let recipient = self.add_account(recipient);
        let app = self.app(app).expect("an earlier step made this app");
        let Owner::Account(owner) = app.owner else { panic!("{} belongs to a team", app.name) };
        let app = app.id;
        let id = self.draw_id("app transfer");
        let transfer = AppTransfer { id, app, owner, recipient, state: "pending".to_owned(), created_at: BEGINNING };
        self.transfers.insert(id, transfer);
        id
    }

    /// Gives an account another address.
    ///
    /// # Panics
    /// When there is no such account.
    pub fn change_email(&mut self, from: &str, to: &str) {
        let id = self.account_at(from).expect("an earlier step made this account").id;
        self.addresses.remove(&from.to_ascii_lowercase());
        self.addresses.insert(to.to_ascii_lowercase(), id);
        self.accounts.get_mut(&id).expect("just found").email = to.to_owned();
    }

    fn team_id(&self, team: &str) -> TeamId {
        self.team(team).expect("an earlier step made this team").id
    }

    /// The account with this address, made now if there is none.
    pub(super) fn account_or_new(&mut self, email: &str, now: Timestamp) -> AccountId {
        if let Some(account) = self.account_at(email) {
            return account.id;
        }
        let id = self.future_account(email);
        self.addresses.insert(email.to_ascii_lowercase(), id);
        let account = Account {
            id,
            email: email.to_owned(),
            name: person_name(email),
            federated: false,
            two_factor: false,
            suspended: false,
            delinquent: false,
            created_at: now,
        };
        self.accounts.insert(id, account);
        id
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `priya.raman+ops@larkspur.example` is Priya Raman.
fn person_name(email: &str) -> Option<String> {
    let local = email.split('@').next()?.split('+').next()?;
    let words: Vec<String> = local
        .split(['.', '-', '_'])
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string()).unwrap_or_default() + letters.as_str()
        })
        .collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
}
