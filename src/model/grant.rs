//! One access of one person, and the only requests that can take one away.

use serde::{Deserialize, Serialize};

use super::world::Granted;
use super::{
    AccountId, AppId, CollaboratorId, Email, EnterpriseId, GrantId, InvitationId, MembershipId, PipelineId, SpaceId,
    TeamId,
};

/// Where on Heroku a grant lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// A pending invitation to a team.
    TeamInvitation,
    /// Permissions in a private space.
    SpacePermission,
    /// Collaborator on an app of a team or of a person.
    AppCollaboration,
    /// Member of a team.
    TeamMembership,
    /// Member of an enterprise account.
    EnterpriseMembership,
    /// Owner of a pipeline; no call of ours changes it.
    PipelineOwnership,
    /// Owner of a personal app; no call of ours changes it.
    AppOwnership,
}

impl Surface {
    /// As it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TeamInvitation => "team_invitation",
            Self::SpacePermission => "space_permission",
            Self::AppCollaboration => "app_collaboration",
            Self::TeamMembership => "team_membership",
            Self::EnterpriseMembership => "enterprise_membership",
            Self::PipelineOwnership => "pipeline_ownership",
            Self::AppOwnership => "app_ownership",
        }
    }
}

/// What the grant is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Parent {
    /// A team.
    Team {
        /// Its id.
        id: TeamId,
        /// Its name.
        name: String,
    },
    /// An app.
    App {
        /// Its id.
        id: AppId,
        /// Its name.
        name: String,
        /// The team that owns it; absent = a person does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<TeamId>,
    },
    /// A private space.
    Space {
        /// Its id.
        id: SpaceId,
        /// Its name.
        name: String,
        /// The team that owns it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<TeamId>,
    },
    /// An enterprise account.
    Enterprise {
        /// Its id.
        id: EnterpriseId,
        /// Its name.
        name: String,
    },
    /// A pipeline.
    Pipeline {
        /// Its id.
        id: PipelineId,
        /// Its name.
        name: String,
    },
}

impl Parent {
    /// The name people know it by.
    pub fn name(&self) -> &str {
        match self {
            Self::Team { name, .. }
            | Self::App { name, .. }
            | Self::Space { name, .. }
            | Self::Enterprise { name, .. }
            | Self::Pipeline { name, .. } => name,
        }
    }

    /// Its id as text.
    pub fn id(&self) -> String {
        match self {
            Self::Team { id, .. } => id.to_string(),
            Self::App { id, .. } => id.to_string(),
            Self::Space { id, .. } => id.to_string(),
            Self::Enterprise { id, .. } => id.to_string(),
            Self::Pipeline { id, .. } => id.to_string(),
        }
    }

    /// The team whose mode and floor apply.
    pub fn team(&self) -> Option<TeamId> {
        match self {
            Self::Team { id, .. } => Some(*id),
            Self::App { team, .. } | Self::Space { team, .. } => *team,
            Self::Enterprise { .. } | Self::Pipeline { .. } => None,
        }
    }
}

/// The only changing requests that this service can make. Every id in it was given by Heroku.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Removal {
    /// `DELETE /teams/{team}/members/{membership}`
    Member {
        /// The team.
        team: TeamId,
        /// The membership.
        membership: MembershipId,
    },
    /// `DELETE /teams/{team}/invitations/{invitation}`
    Invitation {
        /// The team.
        team: TeamId,
        /// The invitation.
        invitation: InvitationId,
    },
    /// `DELETE /apps/{app}/collaborators/{collaborator}`
    Collaborator {
        /// The app.
        app: AppId,
        /// The collaborator entry.
        collaborator: CollaboratorId,
    },
    /// `PATCH /spaces/{space}/members/{account}` with no permissions: Heroku has no DELETE here.
    SpaceAccess {
        /// The space.
        space: SpaceId,
        /// The account.
        account: AccountId,
    },
    /// `DELETE /enterprise-accounts/{enterprise}/members/{account}`
    EnterpriseMember {
        /// The enterprise account.
        enterprise: EnterpriseId,
        /// The account.
        account: AccountId,
    },
}

/// One access of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Computed from case, surface, parent and account or address.
    pub id: GrantId,
    /// Where it lives.
    pub surface: Surface,
    /// What it is on.
    pub parent: Parent,
    /// The account that holds it; an invitation may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The address under which Heroku lists it.
    pub email: Email,
    /// Role or permissions before.
    pub before: String,
    /// The request that takes it away; absent when no request can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// How it came about.
    #[serde(default, skip_serializing_if = "Granted::is_unknown")]
    pub granted: Granted,
}

impl Grant {
    /// Whether the person stands in a team's list only because of an app.
    pub fn is_of_collaborator(&self) -> bool {
        self.surface == Surface::TeamMembership && self.before == "collaborator"
    }
}
