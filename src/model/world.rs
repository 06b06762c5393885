//! What Heroku answered: complete lists, and the failures that leave one unknown. The client writes these, the engine
//! reads them. A list that is not complete does not exist here: it is [`Unread`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AccountId, AddressRules, AppId, CollaboratorId, Email, EnterpriseId, EnterpriseMembershipId, InvitationId,
    MembershipId, PipelineId, SpaceId, TeamId,
};

/// An account as lists name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id; absent where Heroku leaves it out.
    pub account: Option<AccountId>,
    /// Its address.
    pub email: Email,
}

/// The account that the token acts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its address.
    pub email: Email,
}

/// A team by name and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
}

/// What a list says of how somebody came to stand in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// When (`created_at`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// By whom (`invited_by`); only invitations say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Email>,
}

impl Granted {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// An entry of a team's members list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The membership.
    pub membership: MembershipId,
    /// Who.
    pub user: User,
    /// Open set; Heroku may send none.
    pub role: Option<String>,
    /// How they came in.
    pub granted: Granted,
}

/// An entry of a team's invitations list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The invitation.
    pub id: InvitationId,
    /// Who is invited.
    pub user: User,
    /// The role offered.
    pub role: Option<String>,
    /// How they came in.
    pub granted: Granted,
}

/// An entry of an app's collaborators list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collaborator {
    /// The entry.
    pub id: CollaboratorId,
    /// Who.
    pub user: User,
    /// `owner`, `admin`, `member`, `collaborator` …
    pub role: Option<String>,
    /// Names of the permissions.
    pub permissions: Vec<String>,
    /// How they came in.
    pub granted: Granted,
}

/// An entry of a space's members list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceMember {
    /// Who.
    pub user: User,
    /// Names of the permissions; empty = nothing to take away.
    pub permissions: Vec<String>,
    /// How they came in.
    pub granted: Granted,
}

/// An entry of an enterprise account's members list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterpriseMember {
    /// The membership, usable in no path.
    pub id: EnterpriseMembershipId,
    /// Who.
    pub user: User,
    /// Names of the permissions.
    pub permissions: Vec<String>,
}

/// One list that a proof can rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListId {
    /// A team's members and its invitations, read in one pass.
    Team(TeamId),
    /// An app's collaborators.
    App(AppId),
    /// A space's members.
    Space(SpaceId),
    /// An enterprise account's members.
    Enterprise(EnterpriseId),
}

/// What a complete list held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    /// A team.
    Team {
        /// Its complete members list.
        members: Vec<Member>,
        /// Its complete invitations list; `None` = Heroku answered 403 or 404 while the members list answered 200 and
        /// names us as admin.
        invitations: Option<Vec<Invitation>>,
    },
    /// An app.
    App(Vec<Collaborator>),
    /// A space.
    Space(Vec<SpaceMember>),
    /// An enterprise account.
    Enterprise(Vec<EnterpriseMember>),
}

/// Evidence of one complete list: what an audit record says about a read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Path of the list, such as `/teams/0c…/members`.
    pub list: String,
    /// When the first request of it was sent.
    pub at: Timestamp,
    /// Pages read.
    pub pages: u32,
    /// Entries in all pages.
    pub items: u32,
    /// Always true: an incomplete list is no evidence.
    pub complete: bool,
    /// For a team: we ourselves stand in the list. For others: the list's parent answered 200.
    pub control: bool,
    /// SHA-256 over the bodies of all pages, lower-case hex.
    pub body_sha256: String,
}

/// One complete list with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRead {
    /// When the first request was sent: it proves only what was answered before.
    pub began: Timestamp,
    /// What it held.
    pub entries: Entries,
    /// The evidence; two for a team (members, invitations), else one.
    pub evidence: Vec<Evidence>,
}

impl ListRead {
    /// A list proves something only while it is whole and its control holds: for a team, that we stand in it.
    pub fn is_usable(&self) -> bool {
        self.evidence.iter().all(|evidence| evidence.control && evidence.complete)
    }
}

/// Why a list is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// What was not read, by name.
    pub what: String,
    /// Why, as a code: `forbidden`, `not_found`, `unavailable`, `malformed`, `truncated`, `not_visible` …
    pub why: String,
}

/// What a pass over some lists found.
pub type ListsRead = BTreeMap<ListId, Result<ListRead, Unread>>;

/// An app with the people found on it by the quick way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its name.
    pub name: String,
    /// Its team; absent = a person owns it.
    pub team: Option<TeamId>,
    /// The owner, for a personal app.
    pub owner: Option<User>,
}

/// A space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Its id.
    pub id: SpaceId,
    /// Its name.
    pub name: String,
    /// Its team.
    pub team: Option<TeamId>,
}

/// An enterprise account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enterprise {
    /// Its id.
    pub id: EnterpriseId,
    /// Its name.
    pub name: String,
}

/// A pipeline owned by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its id.
    pub id: PipelineId,
    /// Its name.
    pub name: String,
    /// The account that owns it; a team's pipelines are left out.
    pub owner: AccountId,
}

/// Everything visible that was asked for, read in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// When its first request was sent.
    pub began: Timestamp,
    /// Teams that the account can see.
    pub teams: Vec<Team>,
    /// Teams of the configured enterprise account, visible to us or not.
    pub enterprise_teams: Vec<Team>,
    /// Apps of teams and personal apps visible to us.
    pub apps: Vec<App>,
    /// Spaces visible to us.
    pub spaces: Vec<Space>,
    /// Enterprise accounts that we are in.
    pub enterprises: Vec<Enterprise>,
    /// Pipelines owned by people.
    pub pipelines: Vec<Pipeline>,
    /// Lists read: every team, space and enterprise account, and each app on which a wanted person was found
    /// or that had to be read because `/teams/{team}/permissions` could not be relied on.
    pub lists: ListsRead,
    /// Catalogues that could not be read (the list of teams, of a team's apps, of spaces …).
    pub not_read: Vec<Unread>,
}

/// Whom a scan looks for: it decides which apps' own lists are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Addresses, each the one that counts.
    pub addresses: std::collections::BTreeSet<Email>,
    /// Accounts bound before.
    pub accounts: std::collections::BTreeSet<AccountId>,
    /// Which addresses are the same one.
    pub rules: std::sync::Arc<AddressRules>,
}

impl Wanted {
    /// Whether `user` is one of those looked for.
    pub fn holds(&self, user: &User) -> bool {
        user.account.is_some_and(|account| self.accounts.contains(&account))
            || self.addresses.contains(&*self.rules.canonical(&user.email))
    }
}

/// Heroku's answer to one removal, by what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// 2xx.
    Done,
    /// 404: gone already, or the parent is hidden; a proof decides.
    NotFound,
    /// 429.
    RateLimited,
    /// 5xx, 409, 412, 423: may or may not have had an effect.
    Unavailable,
    /// No whole answer: a timeout or a cut connection; may or may not have had an effect.
    NoAnswer,
    /// 403 `forbidden` for this resource.
    Forbidden,
    /// 400, 410, 416, 422 and everything else that a repeat will not mend.
    Refused,
    /// 401, 402, 403 `two_factor`, `suspended`, `password_expired`: nothing can succeed until somebody acts.
    AccountStopped,
    /// Never sent: the lease had run out or the service was stopping.
    NotSent,
}

/// One answer with what an audit record says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// By consequence.
    pub reply: Reply,
    /// HTTP status, if a whole answer came.
    pub status: Option<u16>,
    /// Heroku's error id.
    pub error_id: Option<String>,
    /// `Request-Id` of the response.
    pub request_ids: Option<String>,
    /// When the request was sent; absent when it never was.
    pub sent_at: Option<Timestamp>,
    /// When the answer, or its absence, was known.
    pub answered_at: Timestamp,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
}
