//! The JSON shapes of replies, field for field as Heroku's schema and recorded replies have them.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::model::{
    AccountId, AppId, CollaboratorId, EnterpriseId, EnterpriseMembershipId, InvitationId, MembershipId, PipelineId,
    SpaceId, TeamId,
};

use super::state::{
    Account, App, AppTransfer, Collaborator, Coupling, Enterprise, EnterpriseMember, Invitation, Member, Owner,
    PSEUDO_OWNER_DOMAIN, Pipeline, Role, Space, Team, World,
};
use super::switches::InviteeWithoutAccount;

/// One object of a reply.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant wraps the view of that name")]
pub enum View<'w> {
    Account(AccountView<'w>),
    Team(TeamView<'w>),
    Member(MemberView<'w>),
    Invitation(InvitationView<'w>),
    PermissionEntity(PermissionEntityView<'w>),
    TeamApp(TeamAppView<'w>),
    App(AppView<'w>),
    Collaborator(CollaboratorView<'w>),
    AppTransfer(AppTransferView<'w>),
    Enterprise(EnterpriseView<'w>),
    EnterpriseMember(EnterpriseMemberView<'w>),
    Space(SpaceView<'w>),
    SpaceAccess(SpaceAccessView<'w>),
    Pipeline(PipelineView<'w>),
    Coupling(CouplingView<'w>),
    Json(serde_json::Value),
}

/// A moment in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub Timestamp);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&whole_seconds(self.0))
    }
}

/// Cuts off what is finer than a second: Heroku shows nothing finer.
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).expect("a moment cut to its second is still in range")
}

/// A thing by id and name.
#[derive(Debug, Clone, Serialize)]
pub struct Named<'w, I> {
    id: I,
    name: &'w str,
}

/// Somebody by id and address.
#[derive(Debug, Clone, Serialize)]
pub struct Person<'w> {
    id: AccountId,
    email: &'w str,
}

/// Somebody by id, address and name.
#[derive(Debug, Clone, Serialize)]
pub struct NamedPerson<'w> {
    #[serde(skip_serializing_if = "OptionalId::is_absent")]
    id: OptionalId,
    email: &'w str,
    name: Option<&'w str>,
}

/// An id that may be `null` or left out.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
enum OptionalId {
    Present(AccountId),
    Null(()),
    Absent,
}

impl OptionalId {
    fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Present(_) | Self::Null(()) => false,
        }
    }
}

/// An identity provider as entries name it.
#[derive(Debug, Clone, Serialize)]
pub struct IdentityProvider<'w> {
    id: Uuid,
    name: &'static str,
    /// Only where a person's entry names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<bool>,
    owner: IdentityProviderOwner<'w>,
}

#[derive(Debug, Clone, Serialize)]
struct IdentityProviderOwner<'w> {
    id: EnterpriseId,
    name: &'w str,
    r#type: &'static str,
}

/// A permission by name.
#[derive(Debug, Clone, Serialize)]
pub struct Permission<'w> {
    name: &'w str,
    description: &'static str,
}

/// `account`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct AccountView<'w> {
    pub allow_tracking: bool,
    pub beta: bool,
    pub country_of_residence: Option<&'static str>,
    pub created_at: At,
    pub default_organization: Option<Named<'w, TeamId>>,
    pub default_team: Option<Named<'w, TeamId>>,
    pub delinquent_at: Option<At>,
    pub email: &'w str,
    pub federated: bool,
    pub id: AccountId,
    pub identity_provider: Option<IdentityProvider<'w>>,
    pub last_login: Option<At>,
    pub name: Option<&'w str>,
    pub sms_number: Option<&'static str>,
    pub suspended_at: Option<At>,
    pub two_factor_authentication: bool,
    pub updated_at: At,
    pub verified: bool,
}

/// `team`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct TeamView<'w> {
    pub created_at: At,
    pub credit_card_collections: bool,
    pub default: bool,
    pub enterprise_account: Option<Named<'w, EnterpriseId>>,
    pub id: TeamId,
    pub identity_provider: Option<IdentityProvider<'w>>,
    pub membership_limit: Option<u32>,
    pub name: &'w str,
    pub provisioned_licenses: bool,
    pub role: Option<&'w str>,
    pub r#type: &'static str,
    pub updated_at: At,
}

/// `team-member`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct MemberView<'w> {
    pub created_at: At,
    pub email: &'w str,
    pub federated: bool,
    pub id: MembershipId,
    pub identity_provider: Option<IdentityProvider<'w>>,
    pub role: Option<&'w str>,
    /// Recorded replies of ordinary teams lack it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two_factor_authentication: Option<bool>,
    pub updated_at: At,
    pub user: NamedPerson<'w>,
}

/// `team-invitation`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct InvitationView<'w> {
    pub created_at: At,
    pub id: InvitationId,
    pub invited_by: NamedPerson<'w>,
    pub role: Option<&'w str>,
    pub team: Named<'w, TeamId>,
    pub updated_at: At,
    pub user: NamedPerson<'w>,
}

/// `permission-entity`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct PermissionEntityView<'w> {
    pub id: Uuid,
    pub name: &'w str,
    pub team_id: TeamId,
    pub r#type: &'static str,
    pub users: Vec<PermissionUser<'w>>,
}

/// Somebody in a `permission-entity`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct PermissionUser<'w> {
    pub id: AccountId,
    pub email: &'w str,
    pub permissions: Vec<&'w str>,
}

/// `team-app`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct TeamAppView<'w> {
    #[serde(flatten)]
    pub common: AppFields<'w>,
    pub joined: bool,
    pub locked: bool,
}

/// `app`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct AppView<'w> {
    #[serde(flatten)]
    pub common: AppFields<'w>,
    pub generation: Named<'static, Uuid>,
}

/// What `app` and `team-app` share.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct AppFields<'w> {
    pub acm: bool,
    pub archived_at: Option<At>,
    pub build_stack: Named<'static, Uuid>,
    pub buildpack_provided_description: Option<&'static str>,
    pub created_at: At,
    pub git_url: GitUrl<'w>,
    pub id: AppId,
    pub internal_routing: Option<bool>,
    pub maintenance: bool,
    pub name: &'w str,
    pub organization: Option<Named<'w, TeamId>>,
    pub owner: AppOwner<'w>,
    pub region: Named<'static, Uuid>,
    pub released_at: Option<At>,
    pub repo_size: Option<u64>,
    pub slug_size: Option<u64>,
    pub space: Option<SpaceOfApp<'w>>,
    pub stack: Named<'static, Uuid>,
    pub team: Option<Named<'w, TeamId>>,
    pub updated_at: At,
    pub web_url: WebUrl<'w>,
}

/// Where an app's code is pushed to.
#[derive(Debug, Clone)]
pub struct GitUrl<'w>(&'w str);

impl Serialize for GitUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("https://git.heroku.com/{}.git", self.0))
    }
}

/// Where an app answers.
#[derive(Debug, Clone)]
pub struct WebUrl<'w>(&'w str);

impl Serialize for WebUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("https://{}.herokuapp.com/", self.0))
    }
}

/// The owner of an app; for a team it is a pseudo-account with the team's id.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct AppOwner<'w> {
    pub id: Uuid,
    pub email: OwnerAddress<'w>,
}

/// The address of an owner.
#[derive(Debug, Clone, Copy)]
pub enum OwnerAddress<'w> {
    /// A person's.
    Account(&'w str),
    /// The pseudo-account of the team with this name.
    Team(&'w str),
}

impl OwnerAddress<'_> {
    /// As text.
    pub fn text(self) -> String {
        match self {
            Self::Account(email) => email.to_owned(),
            Self::Team(name) => format!("{name}@{PSEUDO_OWNER_DOMAIN}"),
        }
    }
}

impl Serialize for OwnerAddress<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Account(email) => serializer.serialize_str(email),
            Self::Team(name) => serializer.collect_str(&format_args!("{name}@{PSEUDO_OWNER_DOMAIN}")),
        }
    }
}

/// The space of an app.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct SpaceOfApp<'w> {
    pub id: SpaceId,
    pub name: &'w str,
    /// Only in `app`, not in `team-app`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shield: Option<bool>,
}

/// `collaborator` and `team-app-collaborator`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct CollaboratorView<'w> {
    pub app: Named<'w, AppId>,
    pub created_at: At,
    pub id: CollaboratorId,
    /// The `/teams/apps/…` form lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission<'w>>>,
    pub role: Option<&'w str>,
    pub updated_at: At,
    pub user: CollaboratorUser<'w>,
}

/// `user` of a collaborator.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct CollaboratorUser<'w> {
    pub id: Uuid,
    pub email: OwnerAddress<'w>,
    pub federated: bool,
}

/// `app-transfer`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct AppTransferView<'w> {
    pub app: Named<'w, AppId>,
    pub created_at: At,
    pub id: Uuid,
    pub owner: Person<'w>,
    pub recipient: Person<'w>,
    pub state: &'w str,
    pub updated_at: At,
}

/// `enterprise-account`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct EnterpriseView<'w> {
    pub created_at: At,
    pub id: EnterpriseId,
    pub identity_provider: Option<IdentityProvider<'w>>,
    pub name: &'w str,
    pub permissions: &'w [String],
    pub trial: bool,
    pub updated_at: At,
}

/// `enterprise-account-member`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct EnterpriseMemberView<'w> {
    pub enterprise_account: Named<'w, EnterpriseId>,
    pub id: EnterpriseMembershipId,
    pub identity_provider: Option<IdentityProvider<'w>>,
    pub permissions: Vec<Permission<'w>>,
    pub two_factor_authentication: bool,
    pub user: Person<'w>,
}

/// `space`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct SpaceView<'w> {
    pub cidr: &'static str,
    pub created_at: At,
    pub data_cidr: &'static str,
    pub generation: Named<'static, Uuid>,
    pub id: SpaceId,
    pub name: &'w str,
    pub organization: NameOnly<'w>,
    pub region: Named<'static, Uuid>,
    pub shield: bool,
    pub state: &'static str,
    pub team: Named<'w, TeamId>,
    pub updated_at: At,
}

/// A thing by name.
#[derive(Debug, Clone, Serialize)]
pub struct NameOnly<'w> {
    name: &'w str,
}

/// `space-app-access`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct SpaceAccessView<'w> {
    pub created_at: At,
    pub id: Uuid,
    pub permissions: Vec<Permission<'w>>,
    pub space: Named<'w, SpaceId>,
    pub updated_at: At,
    pub user: Person<'w>,
}

impl<'w> SpaceAccessView<'w> {
    /// Whose entry it is.
    pub(super) fn user_id(&self) -> AccountId {
        self.user.id
    }

    /// Their address.
    pub(super) fn user_email(&self) -> &'w str {
        self.user.email
    }

    /// Their permissions by name.
    pub(super) fn permission_names(&self) -> Vec<&'w str> {
        self.permissions.iter().map(|permission| permission.name).collect()
    }
}

/// `pipeline`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct PipelineView<'w> {
    pub created_at: At,
    pub generation: Named<'static, Uuid>,
    pub id: PipelineId,
    pub name: &'w str,
    pub owner: Option<PipelineOwner>,
    pub updated_at: At,
}

/// The owner of a pipeline.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct PipelineOwner {
    pub id: Uuid,
    pub r#type: &'static str,
}

/// `pipeline-coupling`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the field names are Heroku's, documented there")]
pub struct CouplingView<'w> {
    pub app: IdOnly<AppId>,
    pub created_at: At,
    pub id: Uuid,
    pub pipeline: IdOnly<PipelineId>,
    pub stage: &'w str,
    pub updated_at: At,
}

/// A thing by id.
#[derive(Debug, Clone, Serialize)]
pub struct IdOnly<I> {
    id: I,
}

impl World {
    pub(super) fn account_view<'w>(&'w self, account: &'w Account) -> View<'w> {
        let flagged = |is: bool| if is { Some(At(account.created_at)) } else { None };
        let team = self.teams.values().find(|team| team.members.get(&account.id).is_some());
        let team = team.map(|team| Named { id: team.id, name: &team.name });
        View::Account(AccountView {
            allow_tracking: true,
            beta: false,
            country_of_residence: None,
            created_at: At(account.created_at),
            default_organization: team.clone(),
            default_team: team,
            delinquent_at: flagged(account.delinquent),
            email: &account.email,
            federated: account.federated,
            id: account.id,
            identity_provider: None,
            last_login: Some(At(account.created_at)),
            name: account.name.as_deref(),
            sms_number: None,
            suspended_at: flagged(account.suspended),
            two_factor_authentication: account.two_factor,
            updated_at: At(account.created_at),
            verified: true,
        })
    }

    pub(super) fn team_view<'w>(&'w self, caller: AccountId, team: &'w Team) -> View<'w> {
        let enterprise = self.enterprise_of(team);
        View::Team(TeamView {
            created_at: At(team.created_at),
            credit_card_collections: enterprise.is_none(),
            default: false,
            enterprise_account: enterprise.map(|enterprise| Named { id: enterprise.id, name: &enterprise.name }),
            id: team.id,
            identity_provider: None,
            membership_limit: if enterprise.is_none() { Some(25) } else { None },
            name: &team.name,
            provisioned_licenses: enterprise.is_some(),
            role: team.members.get(&caller).and_then(|member| member.role.as_str()),
            r#type: if enterprise.is_some() { "enterprise" } else { "team" },
            updated_at: At(team.created_at),
        })
    }

    pub(super) fn member_view<'w>(&'w self, team: &'w Team, member: &'w Member) -> View<'w> {
        let account = &self.accounts[&member.account];
        let enterprise = self.enterprise_of(team);
        View::Member(MemberView {
            created_at: At(member.created_at),
            email: &account.email,
            federated: account.federated,
            id: member.id,
            identity_provider: enterprise.filter(|_| account.federated).map(identity_provider),
            role: member.role.as_str(),
            two_factor_authentication: enterprise.map(|_| account.two_factor),
            updated_at: At(member.updated_at),
            user: self.named_person(account.id),
        })
    }

    pub(super) fn invitation_view<'w>(&'w self, team: &'w Team, invitation: &'w Invitation) -> View<'w> {
        let user = match self.account_at(&invitation.email) {
            Some(account) => self.named_person(account.id),
            None => NamedPerson {
                id: match self.switches.invitee_without_account {
                    InviteeWithoutAccount::Placeholder => OptionalId::Present(self.future_account(&invitation.email)),
                    InviteeWithoutAccount::Null => OptionalId::Null(()),
                    InviteeWithoutAccount::Absent => OptionalId::Absent,
                },
                email: &invitation.email,
                name: None,
            },
        };
        View::Invitation(InvitationView {
            created_at: At(invitation.created_at),
            id: invitation.id,
            invited_by: self.named_person(invitation.invited_by),
            role: invitation.role.as_str(),
            team: Named { id: team.id, name: &team.name },
            updated_at: At(invitation.created_at),
            user,
        })
    }

    pub(super) fn team_app_view<'w>(&'w self, caller: AccountId, app: &'w App) -> View<'w> {
        View::TeamApp(TeamAppView {
            common: self.app_fields(app, None),
            joined: app.collaborators.get(&caller).is_some(),
            locked: app.locked,
        })
    }

    pub(super) fn app_view<'w>(&'w self, app: &'w App) -> View<'w> {
        View::App(AppView { common: self.app_fields(app, Some(false)), generation: CEDAR })
    }

    fn app_fields<'w>(&'w self, app: &'w App, shield: Option<bool>) -> AppFields<'w> {
        let team = app.team().map(|team| {
            let team = &self.teams[&team];
            Named { id: team.id, name: team.name.as_str() }
        });
        let space = app.space.map(|space| {
            let space = &self.spaces[&space];
            SpaceOfApp { id: space.id, name: &space.name, shield }
        });
        AppFields {
            acm: false,
            archived_at: None,
            build_stack: STACK,
            buildpack_provided_description: Some("Node.js"),
            created_at: At(app.created_at),
            git_url: GitUrl(&app.name),
            id: app.id,
            internal_routing: space.as_ref().map(|_| false),
            maintenance: false,
            name: &app.name,
            organization: team.clone(),
            owner: self.app_owner(app),
            region: REGION,
            released_at: Some(At(app.updated_at)),
            repo_size: None,
            slug_size: None,
            space,
            stack: STACK,
            team,
            updated_at: At(app.updated_at),
            web_url: WebUrl(&app.name),
        }
    }

    fn app_owner<'w>(&'w self, app: &App) -> AppOwner<'w> {
        match app.owner {
            Owner::Team(team) => AppOwner { id: team.0, email: OwnerAddress::Team(&self.teams[&team].name) },
            Owner::Account(account) => AppOwner { id: account.0, email: OwnerAddress::Account(self.email_of(account)) },
        }
    }

    /// The entry of an app's owner in its list of collaborators.
    pub(super) fn owner_entry<'w>(&'w self, app: &'w App, permissions: bool) -> CollaboratorView<'w> {
        let owner = self.app_owner(app);
        CollaboratorView {
            app: Named { id: app.id, name: &app.name },
            created_at: At(app.created_at),
            id: derived_entry(app.id, owner.id),
            permissions: if permissions { Some(Vec::new()) } else { None },
            role: Some("owner"),
            updated_at: At(app.created_at),
            user: CollaboratorUser { id: owner.id, email: owner.email, federated: false },
        }
    }

    /// The entry of somebody with a grant of their own.
    pub(super) fn granted_entry<'w>(
        &'w self,
        app: &'w App,
        collaborator: &'w Collaborator,
        permissions: bool,
    ) -> CollaboratorView<'w> {
        let account = &self.accounts[&collaborator.account];
        let member = app.team().and_then(|team| self.teams[&team].members.get(&account.id));
        CollaboratorView {
            app: Named { id: app.id, name: &app.name },
            created_at: At(collaborator.created_at),
            id: collaborator.id,
            permissions: if permissions { Some(app_permissions(&collaborator.permissions)) } else { None },
            role: member.map_or(Some("collaborator"), |member| member.role.as_str()),
            updated_at: At(collaborator.created_at),
            user: CollaboratorUser {
                id: account.id.0,
                email: OwnerAddress::Account(&account.email),
                federated: account.federated,
            },
        }
    }

    /// The entry of somebody who reaches the app through a team role alone.
    pub(super) fn implicit_entry<'w>(
        &'w self,
        app: &'w App,
        member: &'w Member,
        permissions: bool,
    ) -> CollaboratorView<'w> {
        let account = &self.accounts[&member.account];
        let implied = implied_permissions(&member.role).iter().map(|name| app_permission(name)).collect();
        CollaboratorView {
            app: Named { id: app.id, name: &app.name },
            created_at: At(member.created_at),
            id: derived_entry(app.id, account.id.0),
            permissions: if permissions { Some(implied) } else { None },
            role: member.role.as_str(),
            updated_at: At(member.created_at),
            user: CollaboratorUser {
                id: account.id.0,
                email: OwnerAddress::Account(&account.email),
                federated: account.federated,
            },
        }
    }

    pub(super) fn transfer_view<'w>(&'w self, transfer: &'w AppTransfer) -> View<'w> {
        let app = &self.apps[&transfer.app];
        View::AppTransfer(AppTransferView {
            app: Named { id: app.id, name: &app.name },
            created_at: At(transfer.created_at),
            id: transfer.id,
            owner: self.person(transfer.owner),
            recipient: self.person(transfer.recipient),
            state: &transfer.state,
            updated_at: At(transfer.created_at),
        })
    }

    pub(super) fn enterprise_view<'w>(&'w self, enterprise: &'w Enterprise, member: &'w EnterpriseMember) -> View<'w> {
        View::Enterprise(EnterpriseView {
            created_at: At(enterprise.created_at),
            id: enterprise.id,
            identity_provider: Some(IdentityProvider { redacted: None, ..identity_provider(enterprise) }),
            name: &enterprise.name,
            permissions: &member.permissions,
            trial: false,
            updated_at: At(enterprise.created_at),
        })
    }

    pub(super) fn enterprise_member_view<'w>(
        &'w self,
        enterprise: &'w Enterprise,
        member: &'w EnterpriseMember,
    ) -> View<'w> {
        let account = &self.accounts[&member.account];
        View::EnterpriseMember(EnterpriseMemberView {
            enterprise_account: Named { id: enterprise.id, name: &enterprise.name },
            id: member.id,
            identity_provider: if account.federated { Some(identity_provider(enterprise)) } else { None },
            permissions: member.permissions.iter().map(|name| enterprise_permission(name)).collect(),
            two_factor_authentication: account.two_factor,
            user: self.person(account.id),
        })
    }

    pub(super) fn space_view<'w>(&'w self, space: &'w Space) -> View<'w> {
        let team = &self.teams[&space.team];
        View::Space(SpaceView {
            cidr: "10.0.0.0/16",
            created_at: At(space.created_at),
            data_cidr: "10.1.0.0/16",
            generation: CEDAR,
            id: space.id,
            name: &space.name,
            organization: NameOnly { name: &team.name },
            region: SPACE_REGION,
            shield: false,
            state: "allocated",
            team: Named { id: team.id, name: &team.name },
            updated_at: At(space.created_at),
        })
    }

    pub(super) fn space_access_view<'w>(
        &'w self,
        space: &'w Space,
        account: AccountId,
        entry: Option<Uuid>,
        permissions: &[String],
    ) -> SpaceAccessView<'w> {
        let create_apps = permissions.iter().any(|permission| permission == "create_apps");
        SpaceAccessView {
            created_at: At(space.created_at),
            id: entry.unwrap_or_else(|| crate::model::ids::computed(&[&space.id.to_string(), &account.to_string()])),
            permissions: if create_apps { vec![CREATE_APPS] } else { Vec::new() },
            space: Named { id: space.id, name: &space.name },
            updated_at: At(space.created_at),
            user: self.person(account),
        }
    }

    pub(super) fn pipeline_view<'w>(&'w self, pipeline: &'w Pipeline) -> View<'w> {
        let owner = pipeline.owner.map(|owner| match owner {
            Owner::Team(team) => PipelineOwner { id: team.0, r#type: "team" },
            Owner::Account(account) => PipelineOwner { id: account.0, r#type: "user" },
        });
        View::Pipeline(PipelineView {
            created_at: At(pipeline.created_at),
            generation: CEDAR,
            id: pipeline.id,
            name: &pipeline.name,
            owner,
            updated_at: At(pipeline.created_at),
        })
    }

    pub(super) fn coupling_view<'w>(&'w self, pipeline: &'w Pipeline, coupling: &'w Coupling) -> View<'w> {
        View::Coupling(CouplingView {
            app: IdOnly { id: coupling.app },
            created_at: At(pipeline.created_at),
            id: coupling.id,
            pipeline: IdOnly { id: pipeline.id },
            stage: &coupling.stage,
            updated_at: At(pipeline.created_at),
        })
    }

    fn enterprise_of(&self, team: &Team) -> Option<&Enterprise> {
        team.enterprise.and_then(|id| self.enterprises.get(&id))
    }

    fn person(&self, id: AccountId) -> Person<'_> {
        Person { id, email: self.email_of(id) }
    }

    fn named_person(&self, id: AccountId) -> NamedPerson<'_> {
        let account = &self.accounts[&id];
        NamedPerson { id: OptionalId::Present(id), email: &account.email, name: account.name.as_deref() }
    }
}

/// The id of an entry that no grant stands behind.
pub(super) fn derived_entry(app: AppId, account: Uuid) -> CollaboratorId {
    CollaboratorId(crate::model::ids::computed(&["entry", &app.to_string(), &account.to_string()]))
}

fn identity_provider(enterprise: &Enterprise) -> IdentityProvider<'_> {
    IdentityProvider {
        id: crate::model::ids::computed(&["identity provider", &enterprise.id.to_string()]),
        name: "saml",
        redacted: Some(true),
        owner: IdentityProviderOwner { id: enterprise.id, name: &enterprise.name, r#type: "enterprise-account" },
    }
}

/// What a team role allows on each of the team's apps.
pub(super) fn implied_permissions(role: &Role) -> &'static [&'static str] {
    match role {
        Role::Admin | Role::Owner => &["view", "deploy", "operate", "manage"],
        Role::Member | Role::Viewer | Role::Other(_) => &["view"],
        Role::Collaborator | Role::Absent => &[],
    }
}

/// The permissions on an app, with what they mean.
pub(super) const APP_PERMISSIONS: [(&str, &str); 4] = [
    ("view", "Can list apps and see their details"),
    ("deploy", "Can push code and change configuration"),
    ("operate", "Can scale and manage add-ons"),
    ("manage", "Can manage collaborators and delete the app"),
];

fn app_permissions(names: &[String]) -> Vec<Permission<'_>> {
    names.iter().map(|name| app_permission(name)).collect()
}

fn app_permission(name: &str) -> Permission<'_> {
    let known = APP_PERMISSIONS.iter().find(|(known, _)| *known == name);
    Permission { name, description: known.map_or("", |(_, description)| *description) }
}

fn enterprise_permission(name: &str) -> Permission<'_> {
    let description = match name {
        "view" => "View enterprise account members and teams.",
        "create" => "Create teams in the enterprise account.",
        "manage" => "Manage enterprise account members and teams.",
        "billing" => "View the usage of the enterprise account.",
        _ => "",
    };
    Permission { name, description }
}

const CREATE_APPS: Permission<'static> =
    Permission { name: "create_apps", description: "Can create apps in the space" };
const STACK: Named<'static, Uuid> =
    Named { id: Uuid::from_u128(0x69ed_df5c_43c4_4e83_9b57_5a2a_1b6d_7f24), name: "heroku-24" };
const REGION: Named<'static, Uuid> =
    Named { id: Uuid::from_u128(0x59ac_cabd_5162_4020_8cc4_3e0b_7e5a_9d10), name: "us" };
const SPACE_REGION: Named<'static, Uuid> =
    Named { id: Uuid::from_u128(0x1a0a_57b7_95a4_4fc6_8e3b_4d0c_2c2f_6a55), name: "virginia" };
const CEDAR: Named<'static, Uuid> =
    Named { id: Uuid::from_u128(0x4f1c_6a3e_0b5d_4c8a_9f27_8d6e_1a2b_3c4d), name: "cedar" };
