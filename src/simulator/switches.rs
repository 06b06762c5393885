//! What nobody has documented about Heroku, as switches. Each default is what the evidence speaks for; where there is
//! none, it is the case that asks more of a client.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Page size when neither the request nor a switch names one.
pub const PAGE_SIZE_DEFAULT: u32 = 200;

/// Largest page that a request may ask for.
pub const PAGE_SIZE_MAX: u32 = 1000;

/// How this Heroku behaves where the real one is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Removing an admin, member or viewer from a team also removes their grants on the team's apps.
    /// When off, they stay in the team's list with the role `collaborator`.
    pub cascade_member_to_apps: bool,
    /// The same for somebody whose role already is `collaborator`. When off, such a DELETE is answered 200 and
    /// changes nothing but the membership id.
    pub cascade_collaborator_to_apps: bool,
    /// Removing somebody from a team also clears their permissions in its spaces.
    pub cascade_member_to_spaces: bool,
    /// Removing somebody from an enterprise account also removes them from its teams.
    pub cascade_enterprise_to_teams: bool,
    /// Status of refusing to remove or demote the last admin of a team.
    pub last_admin_status: RefusalStatus,
    /// Status of refusing to remove an owner from an app's collaborators.
    pub owner_removal_status: RefusalStatus,
    /// What happens when the caller removes themself from a team.
    pub self_removal: SelfRemoval,
    /// What `GET /teams/{team}/permissions` answers.
    pub permissions_endpoint: PermissionsEndpoint,
    /// That reply also names people who reach an app through their role alone.
    pub permissions_include_implicit: bool,
    /// An app's collaborator list also names the team's admins, members and viewers without a grant of their own.
    pub implicit_access_in_app_lists: bool,
    /// What a DELETE of such an entry does.
    pub implicit_access_removal: ImplicitRemoval,
    /// What the invitations endpoints answer for teams of an enterprise account.
    pub invitations_on_enterprise_teams: InvitationsEndpoint,
    /// The invitations endpoints ask for the `version=3.team-invitations` variant.
    pub invitations_need_variant: bool,
    /// `GET /teams/{team}/invitations` also takes a team's id, not only its name.
    pub team_id_in_invitations_path: bool,
    /// `user` of an invitation whose address has no account.
    pub invitee_without_account: InviteeWithoutAccount,
    /// An account id works where a membership id is asked for.
    pub account_id_as_member_id: bool,
    /// A collaborator id works in `DELETE /teams/apps/{app}/collaborators/{…}`, which declares e-mail only.
    pub collaborator_id_in_team_apps_path: bool,
    /// How an e-mail address in a path finds an account.
    pub email_match: EmailMatch,
    /// Reads show what stood there this many milliseconds ago.
    pub read_lag_ms: u64,
    /// Status of a DELETE repeated after it succeeded.
    pub second_delete: SecondDelete,
    /// Reply to a DELETE that succeeds.
    pub delete_answer: DeleteAnswer,
    /// Whom a space's list of members names.
    pub space_lists: SpaceLists,
    /// What clearing a team admin's space permission does; they always have it.
    pub admin_space_removal: AdminSpaceRemoval,
    /// Status of clearing the space permissions of somebody who has left the team.
    pub space_change_after_leaving: SecondDelete,
    /// What `GET /users/{other}` answers.
    pub other_users: OtherUsers,
    /// What `GET /users/{other}/apps` answers.
    pub other_users_apps: OtherUsers,
    /// Which apps `GET /apps` names.
    pub own_apps: OwnApps,
    /// Page size of a list, also when the request asks for more. For finding clients that forget to page.
    pub page_sizes: BTreeMap<ListName, u32>,
    /// Lists that are sent whole, whatever `Range` says.
    pub unpaged: BTreeSet<ListName>,
    /// What asking for more than 1,000 entries does.
    pub range_above_maximum: AboveMaximum,
    /// A 304 costs a rate-limit token.
    pub not_modified_costs: bool,
    /// A 304 for one page of a list still carries `Next-Range`.
    pub next_range_on_not_modified: bool,
    /// A 429 carries `Retry-After`.
    pub retry_after: bool,
    /// Status for a token that has expired; an unknown one always gets 401.
    pub expired_token_status: ExpiredTokenStatus,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            cascade_member_to_apps: false,
            cascade_collaborator_to_apps: true,
            cascade_member_to_spaces: true,
            cascade_enterprise_to_teams: false,
            last_admin_status: RefusalStatus::InvalidParams,
            owner_removal_status: RefusalStatus::Forbidden,
            self_removal: SelfRemoval::Allowed,
            permissions_endpoint: PermissionsEndpoint::Present,
            permissions_include_implicit: false,
            implicit_access_in_app_lists: false,
            implicit_access_removal: ImplicitRemoval::InvalidParams,
            invitations_on_enterprise_teams: InvitationsEndpoint::NotFound,
            invitations_need_variant: false,
            team_id_in_invitations_path: false,
            invitee_without_account: InviteeWithoutAccount::Placeholder,
            account_id_as_member_id: false,
            collaborator_id_in_team_apps_path: false,
            email_match: EmailMatch::Insensitive,
            read_lag_ms: 0,
            second_delete: SecondDelete::NotFound,
            delete_answer: DeleteAnswer::Object,
            space_lists: SpaceLists::WithPermission,
            admin_space_removal: AdminSpaceRemoval::Refused,
            space_change_after_leaving: SecondDelete::NotFound,
            other_users: OtherUsers::SharedTeam,
            other_users_apps: OtherUsers::NotFound,
            own_apps: OwnApps::PersonalAndExplicit,
            page_sizes: BTreeMap::new(),
            unpaged: BTreeSet::new(),
            range_above_maximum: AboveMaximum::Clamp,
            not_modified_costs: true,
            next_range_on_not_modified: false,
            retry_after: false,
            expired_token_status: ExpiredTokenStatus::Unauthorized,
        }
    }
}

/// A list by name, as `page_sizes` and `unpaged` use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListName {
    /// `GET /teams`
    Teams,
    /// `GET /teams/{team}/members`
    TeamMembers,
    /// `GET /teams/{team}/invitations`
    TeamInvitations,
    /// `GET /teams/{team}/permissions`
    TeamPermissions,
    /// `GET /teams/{team}/apps`
    TeamApps,
    /// `GET /teams/{team}/members/{member}/apps`
    MemberApps,
    /// `GET /apps`, `GET /users/{user}/apps`, `POST /filters/apps`
    Apps,
    /// `GET /apps/{app}/collaborators`
    Collaborators,
    /// `GET /teams/apps/{app}/collaborators`
    TeamAppCollaborators,
    /// `GET /account/app-transfers`
    AppTransfers,
    /// `GET /enterprise-accounts`
    EnterpriseAccounts,
    /// `GET /enterprise-accounts/{enterprise}/teams`
    EnterpriseTeams,
    /// `GET /enterprise-accounts/{enterprise}/members`
    EnterpriseMembers,
    /// `GET /spaces`, `GET /teams/{team}/spaces`
    Spaces,
    /// `GET /spaces/{space}/members`
    SpaceMembers,
    /// `GET /pipelines`
    Pipelines,
    /// `GET /pipelines/{pipeline}/pipeline-couplings`, `GET /teams/{team}/pipeline-couplings`
    PipelineCouplings,
    /// Small lists of fixed things: features, permission names, identity providers.
    Fixed,
}

/// Status of a refusal for reasons of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalStatus {
    /// 422 `invalid_params`.
    InvalidParams,
    /// 403 `forbidden`.
    Forbidden,
}

/// What removing oneself from a team does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfRemoval {
    /// It works: one has left.
    Allowed,
    /// 422 `invalid_params`.
    InvalidParams,
    /// 403 `forbidden`.
    Forbidden,
}

/// What `GET /teams/{team}/permissions` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionsEndpoint {
    /// Every app and space of the team.
    Present,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 410.
    Gone,
    /// Every second app or space is missing.
    Incomplete,
    /// Every app stands there, but the last explicit grant of each is missing.
    IncompleteUsers,
}

/// What a DELETE of access that comes from a team role does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImplicitRemoval {
    /// 422 `invalid_params`.
    InvalidParams,
    /// 404 `not_found`.
    NotFound,
    /// 200, and the entry is still there.
    NoEffect,
}

/// What the invitations endpoints answer for teams of an enterprise account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationsEndpoint {
    /// The same as for other teams.
    Listed,
    /// 404.
    NotFound,
    /// 403.
    Forbidden,
}

/// `user` of an invitation whose address has no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteeWithoutAccount {
    /// An id that the account will have once it exists.
    Placeholder,
    /// `"id": null`.
    Null,
    /// No `id` at all.
    Absent,
}

/// How an e-mail address in a path finds an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailMatch {
    /// Byte for byte.
    Exact,
    /// Without regard to case.
    Insensitive,
    /// Without regard to case or to a `+tag`.
    InsensitiveUntagged,
}

/// What a repeated DELETE is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondDelete {
    /// 404 `not_found`.
    NotFound,
    /// 200 again.
    Ok,
}

/// How a successful DELETE is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeleteAnswer {
    /// 200 with the removed object.
    Object,
    /// 200 with no body.
    Empty,
    /// 204.
    NoContent,
    /// 202 with the object.
    Accepted,
}

/// Whom a space's list of members names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceLists {
    /// Those with a permission.
    WithPermission,
    /// Everybody in the team, many with no permission.
    WholeTeam,
}

/// What clearing an admin's space permission does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminSpaceRemoval {
    /// 422 `invalid_params`.
    Refused,
    /// 200, and the permission is still there.
    NoEffect,
}

/// What a caller learns about another person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherUsers {
    /// Everything, about everybody.
    Everyone,
    /// Something about those in one of the caller's teams, else 404.
    SharedTeam,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
}

/// Which apps `GET /apps` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnApps {
    /// Personal apps and explicit collaborations.
    PersonalAndExplicit,
    /// Also every app of the caller's teams.
    AllVisible,
}

/// What asking for more than [`PAGE_SIZE_MAX`] entries does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AboveMaximum {
    /// The maximum is sent.
    Clamp,
    /// 416.
    Refuse,
}

/// Status for an expired token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiredTokenStatus {
    /// 401 `unauthorized`.
    Unauthorized,
    /// 403 `forbidden`.
    Forbidden,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_only_what_differs_and_a_slip_is_refused() {
        let switches: Switches =
            serde_json::from_str(r#"{"second_delete":"ok","page_sizes":{"team_members":2}}"#).unwrap();
        assert_eq!(switches.second_delete, SecondDelete::Ok);
        assert_eq!(switches.page_sizes[&ListName::TeamMembers], 2);
        assert_eq!(switches.email_match, Switches::default().email_match);
        assert!(serde_json::from_str::<Switches>(r#"{"second_delet":"ok"}"#).is_err());
    }
}
