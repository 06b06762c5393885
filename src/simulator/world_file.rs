//! A world as a person writes it: things name each other by name and address, and an id that is left out is drawn.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::model::{
    AccountId, AppId, CollaboratorId, EnterpriseId, EnterpriseMembershipId, InvitationId, MembershipId, PipelineId,
    SpaceId, TeamId,
};

use super::roster::Roster;
use super::state::{
    Account, App, AppTransfer, BEGINNING, Collaborator, Coupling, Enterprise, EnterpriseMember, Invitation, Member,
    Owner, Pipeline, Role, Scope, Space, SpaceAccess, Team, World,
};
use super::switches::Switches;

/// Everything of a [`World`] except what it remembers of the past.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each list is named for what it holds; docs/simulator.md shows an example")]
pub struct WorldFile {
    /// Ids that are left out are drawn from it.
    pub seed: u64,
    /// How many ids were drawn already.
    #[serde(skip_serializing_if = "is_zero")]
    pub ids_drawn: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub switches: Switches,
    pub accounts: Vec<AccountEntry>,
    pub tokens: Vec<TokenEntry>,
    pub enterprise_accounts: Vec<EnterpriseEntry>,
    pub teams: Vec<TeamEntry>,
    pub spaces: Vec<SpaceEntry>,
    pub apps: Vec<AppEntry>,
    pub pipelines: Vec<PipelineEntry>,
    pub app_transfers: Vec<TransferEntry>,
}

/// Why a world cannot be built from a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorldFileError {
    /// A reference leads nowhere.
    #[error("{place} names the {what} `{name}`, which the file does not have; add it or correct the name")]
    Unknown {
        /// Where.
        place: String,
        /// A team, an app …
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two things share a name.
    #[error("there are two {what} called `{name}`; names must differ")]
    Twice {
        /// Teams, apps …
        what: &'static str,
        /// The name.
        name: String,
    },
    /// An app or a pipeline with two owners or none.
    #[error("{0} needs either `team` or `owner`")]
    Owner(String),
}

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident { $($body:tt)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "the fields are those of the thing itself, by name and address")]
        pub struct $name { $($body)* }
    )*};
}

entries! {
    /// An account. One that only other entries name needs no entry of its own.
    AccountEntry {
        pub email: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<AccountId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub federated: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        pub two_factor: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        pub suspended: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        pub delinquent: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
    }

    /// A token; without `scopes` it is `global`.
    TokenEntry {
        pub token: String,
        pub account: String,
        #[serde(default = "global")]
        pub scopes: Vec<Scope>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub expires_at: Option<Timestamp>,
    }

    /// An enterprise account.
    EnterpriseEntry {
        pub name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<EnterpriseId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
        #[serde(default)]
        pub members: Vec<EnterpriseMemberEntry>,
    }

    /// Somebody in an enterprise account.
    EnterpriseMemberEntry {
        pub email: String,
        pub permissions: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<EnterpriseMembershipId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
    }

    /// A team.
    TeamEntry {
        pub name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<TeamId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub enterprise_account: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
        #[serde(default)]
        pub members: Vec<MemberEntry>,
        #[serde(default)]
        pub invitations: Vec<InvitationEntry>,
    }

    /// Somebody in a team. Collaborators of its apps need no entry.
    MemberEntry {
        pub email: String,
        pub role: Role,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<MembershipId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub updated_at: Option<Timestamp>,
    }

    /// A pending invitation.
    InvitationEntry {
        pub email: String,
        pub role: Role,
        pub invited_by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<InvitationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
    }

    /// A private space.
    SpaceEntry {
        pub name: String,
        pub team: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<SpaceId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
        #[serde(default)]
        pub members: Vec<SpaceMemberEntry>,
    }

    /// Somebody's permissions in a space.
    SpaceMemberEntry {
        pub email: String,
        #[serde(default = "create_apps")]
        pub permissions: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
    }

    /// An app of a team or of a person.
    AppEntry {
        pub name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub team: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub owner: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub space: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<AppId>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub locked: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub updated_at: Option<Timestamp>,
        #[serde(default)]
        pub collaborators: Vec<CollaboratorEntry>,
    }

    /// Somebody with a grant on an app.
    CollaboratorEntry {
        pub email: String,
        pub permissions: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<CollaboratorId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
    }

    /// A pipeline of a team or of a person, or of nobody.
    PipelineEntry {
        pub name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub team: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub owner: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<PipelineId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
        #[serde(default)]
        pub apps: Vec<CouplingEntry>,
    }

    /// An app in a pipeline.
    CouplingEntry {
        pub app: String,
        pub stage: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<Uuid>,
    }

    /// An offer to take over a personal app.
    TransferEntry {
        pub app: String,
        pub recipient: String,
        #[serde(default = "pending")]
        pub state: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_at: Option<Timestamp>,
    }
}

fn global() -> Vec<Scope> {
    vec![Scope::Global]
}

fn create_apps() -> Vec<String> {
    vec!["create_apps".to_owned()]
}

fn pending() -> String {
    "pending".to_owned()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl TryFrom<WorldFile> for World {
    type Error = WorldFileError;

    fn try_from(file: WorldFile) -> Result<Self, WorldFileError> {
        let mut world = Self::new(file.seed);
        world.ids_drawn = file.ids_drawn;
        world.switches = file.switches;
        file.accounts.into_iter().for_each(|entry| world.load_account(entry));
        for entry in file.tokens {
            world.add_token(&entry.token, &entry.account, &entry.scopes, entry.expires_at);
        }
        for entry in file.enterprise_accounts {
            unused("enterprise accounts", &entry.name, world.enterprise(&entry.name).is_some())?;
            world.load_enterprise(entry);
        }
        for entry in file.teams {
            unused("teams", &entry.name, world.team(&entry.name).is_some())?;
            world.load_team(entry)?;
        }
        for entry in file.spaces {
            unused("spaces", &entry.name, world.space(&entry.name).is_some())?;
            world.load_space(entry)?;
        }
        for entry in file.apps {
            unused("apps", &entry.name, world.app(&entry.name).is_some())?;
            world.load_app(entry)?;
        }
        file.pipelines.into_iter().try_for_each(|entry| world.load_pipeline(entry))?;
        file.app_transfers.into_iter().try_for_each(|entry| world.load_transfer(entry))?;
        Ok(world)
    }
}

impl World {
    fn load_account(&mut self, entry: AccountEntry) {
        let id = entry.id.unwrap_or_else(|| self.future_account(&entry.email));
        self.addresses.insert(entry.email.to_ascii_lowercase(), id);
        let account = Account {
            id,
            email: entry.email,
            name: entry.name,
            federated: entry.federated,
            two_factor: entry.two_factor,
            suspended: entry.suspended,
            delinquent: entry.delinquent,
            created_at: entry.created_at.unwrap_or(BEGINNING),
        };
        self.accounts.insert(id, account);
    }

    fn load_enterprise(&mut self, entry: EnterpriseEntry) {
        let id = entry.id.unwrap_or_else(|| EnterpriseId(self.draw_id("enterprise account")));
        let created_at = entry.created_at.unwrap_or(BEGINNING);
        let mut enterprise = Enterprise { id, name: entry.name, members: Roster::default(), created_at };
        for member in entry.members {
            enterprise.members.insert(EnterpriseMember {
                id: member.id.unwrap_or_else(|| EnterpriseMembershipId(self.draw_id("enterprise membership"))),
                account: self.add_account(&member.email),
                permissions: member.permissions,
                created_at: member.created_at.unwrap_or(BEGINNING),
            });
        }
        self.enterprises.insert(id, enterprise);
    }

    fn load_team(&mut self, entry: TeamEntry) -> Result<(), WorldFileError> {
        let place = format!("team `{}`", entry.name);
        let enterprise = entry.enterprise_account.map(|name| {
            let found = self.enterprise(&name).map(|enterprise| enterprise.id);
            found.ok_or(WorldFileError::Unknown { place, what: "enterprise account", name })
        });
        let mut team = Team {
            id: entry.id.unwrap_or_else(|| TeamId(self.draw_id("team"))),
            name: entry.name,
            enterprise: enterprise.transpose()?,
            members: Roster::default(),
            invitations: Roster::default(),
            created_at: entry.created_at.unwrap_or(BEGINNING),
        };
        for member in entry.members {
            let created_at = member.created_at.unwrap_or(BEGINNING);
            team.members.insert(Member {
                id: member.id.unwrap_or_else(|| MembershipId(self.draw_id("membership"))),
                account: self.add_account(&member.email),
                role: member.role,
                created_at,
                updated_at: member.updated_at.unwrap_or(created_at),
            });
        }
        for invitation in entry.invitations {
            team.invitations.insert(Invitation {
                id: invitation.id.unwrap_or_else(|| InvitationId(self.draw_id("invitation"))),
                email: invitation.email,
                role: invitation.role,
                invited_by: self.add_account(&invitation.invited_by),
                created_at: invitation.created_at.unwrap_or(BEGINNING),
            });
        }
        self.teams.insert(team.id, team);
        Ok(())
    }

    fn load_space(&mut self, entry: SpaceEntry) -> Result<(), WorldFileError> {
        let team = self.team_called(&entry.team, || format!("space `{}`", entry.name))?;
        let mut space = Space {
            id: entry.id.unwrap_or_else(|| SpaceId(self.draw_id("space"))),
            name: entry.name,
            team,
            access: Roster::default(),
            created_at: entry.created_at.unwrap_or(BEGINNING),
        };
        for member in entry.members {
            space.access.insert(SpaceAccess {
                id: member.id.unwrap_or_else(|| self.draw_id("space access")),
                account: self.add_account(&member.email),
                permissions: member.permissions,
                created_at: member.created_at.unwrap_or(BEGINNING),
            });
        }
        self.spaces.insert(space.id, space);
        Ok(())
    }

    fn load_app(&mut self, entry: AppEntry) -> Result<(), WorldFileError> {
        let place = || format!("app `{}`", entry.name);
        let owner = self.owner_called(entry.team.as_deref(), entry.owner.as_deref(), place)?;
        let owner = owner.ok_or_else(|| WorldFileError::Owner(place()))?;
        let space = match &entry.space {
            Some(name) => {
                let found = self.space(name).map(|space| space.id);
                let unknown = || WorldFileError::Unknown { place: place(), what: "space", name: name.clone() };
                Some(found.ok_or_else(unknown)?)
            }
            None => None,
        };
        let created_at = entry.created_at.unwrap_or(BEGINNING);
        let id = entry.id.unwrap_or_else(|| AppId(self.draw_id("app")));
        let app = App {
            id,
            name: entry.name,
            owner,
            space,
            locked: entry.locked,
            collaborators: Roster::default(),
            created_at,
            updated_at: entry.updated_at.unwrap_or(created_at),
        };
        self.apps.insert(id, app);
        for collaborator in entry.collaborators {
            let account = self.add_account(&collaborator.email);
            let created_at = collaborator.created_at.unwrap_or(BEGINNING);
            let entry = collaborator.id.unwrap_or_else(|| CollaboratorId(self.draw_id("collaborator")));
            let permissions = collaborator.permissions;
            let row = Collaborator { id: entry, account, permissions: Vec::new(), created_at };
            self.apps.get_mut(&id).expect("just inserted").collaborators.insert(row);
            self.put_collaborator(id, account, permissions, created_at);
        }
        Ok(())
    }

    fn load_pipeline(&mut self, entry: PipelineEntry) -> Result<(), WorldFileError> {
        let place = || format!("pipeline `{}`", entry.name);
        let owner = self.owner_called(entry.team.as_deref(), entry.owner.as_deref(), place)?;
        let mut couplings = Vec::new();
        for coupling in entry.apps {
            let app = self.app_called(&coupling.app, place)?;
            couplings.push(Coupling {
                id: coupling.id.unwrap_or_else(|| self.draw_id("pipeline coupling")),
                app,
                stage: coupling.stage,
            });
        }
        let id = entry.id.unwrap_or_else(|| PipelineId(self.draw_id("pipeline")));
        let created_at = entry.created_at.unwrap_or(BEGINNING);
        self.pipelines.insert(id, Pipeline { id, name: entry.name, owner, couplings, created_at });
        Ok(())
    }

    fn load_transfer(&mut self, entry: TransferEntry) -> Result<(), WorldFileError> {
        let place = || format!("the transfer of app `{}`", entry.app);
        let app = self.app_called(&entry.app, place)?;
        let Owner::Account(owner) = self.apps[&app].owner else { return Err(WorldFileError::Owner(place())) };
        let transfer = AppTransfer {
            id: entry.id.unwrap_or_else(|| self.draw_id("app transfer")),
            app,
            owner,
            recipient: self.add_account(&entry.recipient),
            state: entry.state,
            created_at: entry.created_at.unwrap_or(BEGINNING),
        };
        self.transfers.insert(transfer.id, transfer);
        Ok(())
    }

    fn owner_called(
        &mut self,
        team: Option<&str>,
        owner: Option<&str>,
        place: impl Fn() -> String,
    ) -> Result<Option<Owner>, WorldFileError> {
        match (team, owner) {
            (Some(team), None) => Ok(Some(Owner::Team(self.team_called(team, place)?))),
            (None, Some(owner)) => Ok(Some(Owner::Account(self.add_account(owner)))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(WorldFileError::Owner(place())),
        }
    }

    fn team_called(&self, name: &str, place: impl Fn() -> String) -> Result<TeamId, WorldFileError> {
        let unknown = || WorldFileError::Unknown { place: place(), what: "team", name: name.to_owned() };
        self.team(name).map(|team| team.id).ok_or_else(unknown)
    }

    fn app_called(&self, name: &str, place: impl Fn() -> String) -> Result<AppId, WorldFileError> {
        let unknown = || WorldFileError::Unknown { place: place(), what: "app", name: name.to_owned() };
        self.app(name).map(|app| app.id).ok_or_else(unknown)
    }

    fn owner_names(&self, owner: Option<Owner>) -> (Option<String>, Option<String>) {
        match owner {
            Some(Owner::Team(team)) => (Some(self.teams[&team].name.clone()), None),
            Some(Owner::Account(account)) => (None, Some(self.email_of(account).to_owned())),
            None => (None, None),
        }
    }
}

fn unused(what: &'static str, name: &str, taken: bool) -> Result<(), WorldFileError> {
    if taken { Err(WorldFileError::Twice { what, name: name.to_owned() }) } else { Ok(()) }
}

impl From<World> for WorldFile {
    fn from(world: World) -> Self {
        let email = |id: AccountId| world.email_of(id).to_owned();
        Self {
            seed: world.seed,
            ids_drawn: world.ids_drawn,
            switches: world.switches.clone(),
            accounts: world.accounts.values().map(account_entry).collect(),
            tokens: world
                .tokens
                .iter()
                .map(|(token, held)| TokenEntry {
                    token: token.clone(),
                    account: email(held.account),
                    scopes: held.scopes.iter().copied().collect(),
                    expires_at: held.expires_at,
                })
                .collect(),
            enterprise_accounts: world.enterprises.values().map(|it| enterprise_entry(&world, it)).collect(),
            teams: world.teams.values().map(|it| team_entry(&world, it)).collect(),
            spaces: world.spaces.values().map(|it| space_entry(&world, it)).collect(),
            apps: world.apps.values().map(|it| app_entry(&world, it)).collect(),
            pipelines: world.pipelines.values().map(|it| pipeline_entry(&world, it)).collect(),
            app_transfers: world
                .transfers
                .values()
                .map(|transfer| TransferEntry {
                    app: world.apps[&transfer.app].name.clone(),
                    recipient: email(transfer.recipient),
                    state: transfer.state.clone(),
                    id: Some(transfer.id),
                    created_at: Some(transfer.created_at),
                })
                .collect(),
        }
    }
}

fn account_entry(account: &Account) -> AccountEntry {
    AccountEntry {
        email: account.email.clone(),
        id: Some(account.id),
        name: account.name.clone(),
        federated: account.federated,
        two_factor: account.two_factor,
        suspended: account.suspended,
        delinquent: account.delinquent,
        created_at: Some(account.created_at),
    }
}

fn enterprise_entry(world: &World, enterprise: &Enterprise) -> EnterpriseEntry {
    let members = enterprise.members.live().map(|member| EnterpriseMemberEntry {
        email: world.email_of(member.account).to_owned(),
        permissions: member.permissions.clone(),
        id: Some(member.id),
        created_at: Some(member.created_at),
    });
    EnterpriseEntry {
        name: enterprise.name.clone(),
        id: Some(enterprise.id),
        created_at: Some(enterprise.created_at),
        members: members.collect(),
    }
}

fn team_entry(world: &World, team: &Team) -> TeamEntry {
    let members = team.members.live().map(|member| MemberEntry {
        email: world.email_of(member.account).to_owned(),
        role: member.role.clone(),
        id: Some(member.id),
        created_at: Some(member.created_at),
        updated_at: Some(member.updated_at),
    });
    let invitations = team.invitations.live().map(|invitation| InvitationEntry {
        email: invitation.email.clone(),
        role: invitation.role.clone(),
        invited_by: world.email_of(invitation.invited_by).to_owned(),
        id: Some(invitation.id),
        created_at: Some(invitation.created_at),
    });
    let enterprise = team.enterprise.map(|id| world.enterprises[&id].name.clone());
    TeamEntry {
        name: team.name.clone(),
        id: Some(team.id),
        enterprise_account: enterprise,
        created_at: Some(team.created_at),
        members: members.collect(),
        invitations: invitations.collect(),
    }
}

fn space_entry(world: &World, space: &Space) -> SpaceEntry {
    let members = space.access.live().map(|access| SpaceMemberEntry {
        email: world.email_of(access.account).to_owned(),
        permissions: access.permissions.clone(),
        id: Some(access.id),
        created_at: Some(access.created_at),
    });
    SpaceEntry {
        name: space.name.clone(),
        team: world.teams[&space.team].name.clone(),
        id: Some(space.id),
        created_at: Some(space.created_at),
        members: members.collect(),
    }
}

fn app_entry(world: &World, app: &App) -> AppEntry {
    let collaborators = app.collaborators.live().map(|collaborator| CollaboratorEntry {
        email: world.email_of(collaborator.account).to_owned(),
        permissions: collaborator.permissions.clone(),
        id: Some(collaborator.id),
        created_at: Some(collaborator.created_at),
    });
    let (team, owner) = world.owner_names(Some(app.owner));
    AppEntry {
        name: app.name.clone(),
        team,
        owner,
        space: app.space.map(|space| world.spaces[&space].name.clone()),
        id: Some(app.id),
        locked: app.locked,
        created_at: Some(app.created_at),
        updated_at: Some(app.updated_at),
        collaborators: collaborators.collect(),
    }
}

fn pipeline_entry(world: &World, pipeline: &Pipeline) -> PipelineEntry {
    let apps = pipeline.couplings.iter().map(|coupling| CouplingEntry {
        app: world.apps[&coupling.app].name.clone(),
        stage: coupling.stage.clone(),
        id: Some(coupling.id),
    });
    let (team, owner) = world.owner_names(pipeline.owner);
    PipelineEntry {
        name: pipeline.name.clone(),
        team,
        owner,
        id: Some(pipeline.id),
        created_at: Some(pipeline.created_at),
        apps: apps.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"{
        "seed": 9,
        "tokens": [{"token": "HRKU-bot", "account": "bot@larkspur.example"}],
        "enterprise_accounts": [{"name": "larkspur", "members": [
            {"email": "bot@larkspur.example", "permissions": ["view", "manage"]}]}],
        "teams": [{"name": "payments", "enterprise_account": "larkspur",
            "members": [{"email": "bot@larkspur.example", "role": "admin"},
                        {"email": "Priya@larkspur.example", "role": null}],
            "invitations": [{"email": "new@agency.example", "role": "member", "invited_by": "bot@larkspur.example"}]}],
        "spaces": [{"name": "vault", "team": "payments", "members": [{"email": "priya@larkspur.example"}]}],
        "apps": [{"name": "payments-api", "team": "payments", "space": "vault",
                  "collaborators": [{"email": "otis@agency.example", "permissions": ["view"]}]},
                 {"name": "side-project", "owner": "priya@larkspur.example"}],
        "pipelines": [{"name": "pay", "owner": "priya@larkspur.example",
                       "apps": [{"app": "payments-api", "stage": "production"}]}],
        "app_transfers": [{"app": "side-project", "recipient": "otis@agency.example"}]
    }"#;

    #[test]
    fn what_a_person_writes_is_complete_after_one_reading() {
        let world: World = serde_json::from_str(WRITTEN).unwrap();
        let once = serde_json::to_string(&world).unwrap();
        let again: World = serde_json::from_str(&once).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), once);
        let otis = world.account_at("otis@agency.example").unwrap().id;
        let member = world.team("payments").unwrap().members.get(&otis).unwrap();
        assert_eq!(member.role, Role::Collaborator);
        assert!(again.app("payments-api").unwrap().collaborators.get(&otis).is_some());
    }

    #[test]
    fn a_name_that_leads_nowhere_is_refused_with_its_place() {
        let wrong = WRITTEN.replace(r#""space": "vault""#, r#""space": "volt""#);
        let error = serde_json::from_str::<World>(&wrong).unwrap_err().to_string();
        assert!(error.contains("app `payments-api` names the space `volt`"), "{error}");
        let twice = WRITTEN.replace(r#"{"name": "side-project""#, r#"{"name": "payments-api""#);
        assert!(serde_json::from_str::<World>(&twice).is_err());
    }
}
