//! Heroku as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::ids::computed;
use crate::model::{
    AccountId, AppId, CollaboratorId, EnterpriseId, EnterpriseMembershipId, InvitationId, MembershipId, PipelineId,
    SpaceId, TeamId,
};

use super::roster::{Roster, Row};
use super::switches::{EmailMatch, Switches};

/// When everything that a world begins with was created: 2024-03-01T09:00:00Z.
pub const BEGINNING: Timestamp = Timestamp::constant(1_709_283_600, 0);

/// The domain of the pseudo-accounts through which teams own their apps.
pub const PSEUDO_OWNER_DOMAIN: &str = "herokumanager.com";

/// Everything that one Heroku knows. Serialises as a [`super::world_file::WorldFile`], which a person can write.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "super::world_file::WorldFile", try_from = "super::world_file::WorldFile")]
pub struct World {
    /// How it behaves where the real one is unknown.
    pub switches: Switches,
    pub(super) seed: u64,
    pub(super) ids_drawn: u64,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    /// Folded address to account.
    pub(super) addresses: BTreeMap<String, AccountId>,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) enterprises: BTreeMap<EnterpriseId, Enterprise>,
    pub(super) teams: BTreeMap<TeamId, Team>,
    pub(super) apps: BTreeMap<AppId, App>,
    pub(super) spaces: BTreeMap<SpaceId, Space>,
    pub(super) pipelines: BTreeMap<PipelineId, Pipeline>,
    pub(super) transfers: BTreeMap<Uuid, AppTransfer>,
}

/// A person's account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its address, as the person typed it.
    pub email: String,
    /// The person's name.
    pub name: Option<String>,
    /// Signs in through an identity provider.
    pub federated: bool,
    /// Uses a second factor.
    pub two_factor: bool,
    /// Heroku has suspended it: each call is answered 403 `suspended`.
    pub suspended: bool,
    /// It owes money: each call is answered 402 `delinquent`.
    pub delinquent: bool,
    /// Since when it exists.
    pub created_at: Timestamp,
}

/// What a bearer of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything.
    Global,
    /// Only `GET /account`.
    Identity,
    /// Reading, except config variables and releases.
    Read,
    /// Reading, also those.
    ReadProtected,
    /// Reading and writing, except those.
    Write,
    /// Reading and writing, also those.
    WriteProtected,
}

impl Scope {
    /// As it stands in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Identity => "identity",
            Self::Read => "read",
            Self::ReadProtected => "read-protected",
            Self::Write => "write",
            Self::WriteProtected => "write-protected",
        }
    }
}

/// A token of one account.
#[derive(Clone)]
pub struct Token {
    /// Whom it acts as.
    pub account: AccountId,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// When it stops working; `None` = never.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("account", &self.account).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// A role as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Everything, also people.
    Admin,
    /// Sees people and apps, may create apps.
    Member,
    /// Reads.
    Viewer,
    /// Reaches only the apps granted one by one.
    Collaborator,
    /// Owns an app.
    Owner,
    /// Heroku sends `null`.
    Absent,
    /// A word that Heroku may introduce tomorrow. It gives the rights of a viewer.
    Other(String),
}

impl Role {
    /// As it stands in replies; `None` is `null`.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Admin => Some("admin"),
            Self::Member => Some("member"),
            Self::Viewer => Some("viewer"),
            Self::Collaborator => Some("collaborator"),
            Self::Owner => Some("owner"),
            Self::Absent => None,
            Self::Other(word) => Some(word),
        }
    }

    /// Whether the role alone shows the team's people and apps.
    pub fn sees_the_team(&self) -> bool {
        match self {
            Self::Admin | Self::Member | Self::Viewer | Self::Owner | Self::Other(_) => true,
            Self::Collaborator | Self::Absent => false,
        }
    }
}

impl From<&str> for Role {
    fn from(word: &str) -> Self {
        match word {
            "admin" => Self::Admin,
            "member" => Self::Member,
            "viewer" => Self::Viewer,
            "collaborator" => Self::Collaborator,
            "owner" => Self::Owner,
            "" => Self::Absent,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Option::<String>::deserialize(deserializer)?;
        Ok(Self::from(word.as_deref().unwrap_or("")))
    }
}

/// An enterprise account.
#[derive(Debug, Clone)]
pub struct Enterprise {
    /// Its id.
    pub id: EnterpriseId,
    /// Its name.
    pub name: String,
    /// Its people.
    pub members: Roster<EnterpriseMember>,
    /// Since when it exists.
    pub created_at: Timestamp,
}

/// Somebody in an enterprise account.
#[derive(Debug, Clone)]
pub struct EnterpriseMember {
    /// The membership; usable in no path.
    pub id: EnterpriseMembershipId,
    /// Who.
    pub account: AccountId,
    /// `view`, `create`, `manage`, `billing`.
    pub permissions: Vec<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// A team.
#[derive(Debug, Clone)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// The enterprise account that owns it; `None` = a self-service team.
    pub enterprise: Option<EnterpriseId>,
    /// Its people, also those with grants on single apps only.
    pub members: Roster<Member>,
    /// Pending invitations.
    pub invitations: Roster<Invitation>,
    /// Since when it exists.
    pub created_at: Timestamp,
}

/// Somebody in a team.
#[derive(Debug, Clone)]
pub struct Member {
    /// The membership.
    pub id: MembershipId,
    /// Who.
    pub account: AccountId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A pending invitation.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The address, as it was typed.
    pub email: String,
    /// The role offered.
    pub role: Role,
    /// Who invited.
    pub invited_by: AccountId,
    /// Since when.
    pub created_at: Timestamp,
}

/// Who owns a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A team.
    Team(TeamId),
    /// A person.
    Account(AccountId),
}

/// An app.
#[derive(Debug, Clone)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// The space in which it runs.
    pub space: Option<SpaceId>,
    /// Members may not join it by themselves.
    pub locked: bool,
    /// People with a grant of their own.
    pub collaborators: Roster<Collaborator>,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl App {
    /// The team that owns it.
    pub fn team(&self) -> Option<TeamId> {
        match self.owner {
            Owner::Team(team) => Some(team),
            Owner::Account(_) => None,
        }
    }
}

/// Somebody with a grant on an app.
#[derive(Debug, Clone)]
pub struct Collaborator {
    /// The entry.
    pub id: CollaboratorId,
    /// Who.
    pub account: AccountId,
    /// `view`, `deploy`, `operate`, `manage`.
    pub permissions: Vec<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// A private space.
#[derive(Debug, Clone)]
pub struct Space {
    /// Its id.
    pub id: SpaceId,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub team: TeamId,
    /// People with a permission of their own.
    pub access: Roster<SpaceAccess>,
    /// Since when it exists.
    pub created_at: Timestamp,
}

/// Somebody's permissions in a space.
#[derive(Debug, Clone)]
pub struct SpaceAccess {
    /// The entry.
    pub id: Uuid,
    /// Who.
    pub account: AccountId,
    /// Only `create_apps` exists.
    pub permissions: Vec<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// A pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its id.
    pub id: PipelineId,
    /// Its name.
    pub name: String,
    /// Whose it is; Heroku may send none.
    pub owner: Option<Owner>,
    /// Its apps and their stages.
    pub couplings: Vec<Coupling>,
    /// Since when it exists.
    pub created_at: Timestamp,
}

/// An app in a pipeline.
#[derive(Debug, Clone)]
pub struct Coupling {
    /// Its id.
    pub id: Uuid,
    /// The app.
    pub app: AppId,
    /// `review`, `development`, `staging`, `production` …
    pub stage: String,
}

/// An offer to take over an app.
#[derive(Debug, Clone)]
pub struct AppTransfer {
    /// Its id.
    pub id: Uuid,
    /// The app.
    pub app: AppId,
    /// Who gives.
    pub owner: AccountId,
    /// Who is to take.
    pub recipient: AccountId,
    /// `pending`, `accepted`, `declined`.
    pub state: String,
    /// Since when.
    pub created_at: Timestamp,
}

macro_rules! row {
    ($($row:ty: $key:ty = $field:ident;)*) => {$(
        impl Row for $row {
            type Key = $key;
            fn key(&self) -> $key {
                self.$field
            }
            fn since(&self) -> Timestamp {
                self.created_at
            }
        }
    )*};
}

row! {
    EnterpriseMember: AccountId = account;
    Member: AccountId = account;
    Invitation: InvitationId = id;
    Collaborator: AccountId = account;
    SpaceAccess: AccountId = account;
}

impl World {
    /// An empty Heroku. Equal seeds and equal steps give equal ids.
    pub fn new(seed: u64) -> Self {
        Self {
            switches: Switches::default(),
            seed,
            ids_drawn: 0,
            accounts: BTreeMap::new(),
            addresses: BTreeMap::new(),
            tokens: BTreeMap::new(),
            enterprises: BTreeMap::new(),
            teams: BTreeMap::new(),
            apps: BTreeMap::new(),
            spaces: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            transfers: BTreeMap::new(),
        }
    }

    /// Draws the next id. `kind` keeps the id spaces apart.
    pub(super) fn draw_id(&mut self, kind: &str) -> Uuid {
        self.ids_drawn += 1;
        computed(&["simulator", kind, &self.seed.to_string(), &self.ids_drawn.to_string()])
    }

    /// By how much reads lag behind writes.
    pub(super) fn lag(&self) -> SignedDuration {
        SignedDuration::from_millis(i64::try_from(self.switches.read_lag_ms).unwrap_or(i64::MAX))
    }

    /// An account by id.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// An account by the address that a person would type: case does not matter, whatever the switches say.
    pub fn account_at(&self, email: &str) -> Option<&Account> {
        self.accounts.get(self.addresses.get(&email.to_ascii_lowercase())?)
    }

    /// The address of an account that exists.
    pub(super) fn email_of(&self, id: AccountId) -> &str {
        &self.accounts.get(&id).expect("rosters name only accounts that exist").email
    }

    /// A team by name or id.
    pub fn team(&self, name_or_id: &str) -> Option<&Team> {
        by_name_or_id(&self.teams, name_or_id, |team| &team.name)
    }

    /// An app by name or id.
    pub fn app(&self, name_or_id: &str) -> Option<&App> {
        by_name_or_id(&self.apps, name_or_id, |app| &app.name)
    }

    /// A space by name or id.
    pub fn space(&self, name_or_id: &str) -> Option<&Space> {
        by_name_or_id(&self.spaces, name_or_id, |space| &space.name)
    }

    /// An enterprise account by name or id.
    pub fn enterprise(&self, name_or_id: &str) -> Option<&Enterprise> {
        by_name_or_id(&self.enterprises, name_or_id, |enterprise| &enterprise.name)
    }

    /// A pipeline by name or id.
    pub fn pipeline(&self, name_or_id: &str) -> Option<&Pipeline> {
        by_name_or_id(&self.pipelines, name_or_id, |pipeline| &pipeline.name)
    }

    /// Every account.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// Every team.
    pub fn teams(&self) -> impl Iterator<Item = &Team> {
        self.teams.values()
    }

    /// Every app.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// Every space.
    pub fn spaces(&self) -> impl Iterator<Item = &Space> {
        self.spaces.values()
    }

    /// Every enterprise account.
    pub fn enterprises(&self) -> impl Iterator<Item = &Enterprise> {
        self.enterprises.values()
    }

    /// Every pipeline.
    pub fn pipelines(&self) -> impl Iterator<Item = &Pipeline> {
        self.pipelines.values()
    }

    /// The apps of one team.
    pub(super) fn apps_of(&self, team: TeamId) -> impl Iterator<Item = &App> {
        self.apps.values().filter(move |app| app.owner == Owner::Team(team))
    }

    /// Whether `typed` is how a path may name the account with the address `email`.
    pub(super) fn email_fits(&self, typed: &str, email: &str) -> bool {
        match self.switches.email_match {
            EmailMatch::Exact => typed == email,
            EmailMatch::Insensitive => typed.eq_ignore_ascii_case(email),
            EmailMatch::InsensitiveUntagged => untagged(typed).eq_ignore_ascii_case(&untagged(email)),
        }
    }

    /// The account that a path names by e-mail or account id.
    pub(super) fn account_named(&self, email_or_id: &str) -> Option<&Account> {
        if let Ok(id) = email_or_id.parse() {
            return self.accounts.get(&id);
        }
        match self.switches.email_match {
            EmailMatch::Exact | EmailMatch::Insensitive => {
                self.account_at(email_or_id).filter(|account| self.email_fits(email_or_id, &account.email))
            }
            EmailMatch::InsensitiveUntagged => {
                self.accounts.values().find(|account| self.email_fits(email_or_id, &account.email))
            }
        }
    }
}

fn untagged(email: &str) -> String {
    match email.split_once('@') {
        Some((local, domain)) => format!("{}@{domain}", local.split('+').next().unwrap_or(local)),
        None => email.to_owned(),
    }
}

fn by_name_or_id<'w, I, T>(map: &'w BTreeMap<I, T>, name_or_id: &str, name: impl Fn(&T) -> &str) -> Option<&'w T>
where
    I: Ord + std::str::FromStr,
{
    // A text that is an id is never taken for a name: Heroku's names cannot look like one.
    if let Some(id) = as_id(name_or_id) {
        return map.get(&id);
    }
    map.values().find(|thing| name(thing) == name_or_id)
}

/// Reads `8-4-4-4-12` lower-case hex only: the other spellings that a UUID parser takes are not ids to Heroku.
fn as_id<I: std::str::FromStr>(text: &str) -> Option<I> {
    let shaped = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if shaped { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_matched_as_the_switch_says() {
        let mut world = World::new(1).with_account("Priya.Raman+ops@larkspur.example");
        let found = |world: &World, typed: &str| world.account_named(typed).is_some();
        assert!(found(&world, "priya.raman+ops@LARKSPUR.example"));
        assert!(!found(&world, "priya.raman@larkspur.example"));
        world.switches.email_match = EmailMatch::Exact;
        assert!(!found(&world, "priya.raman+ops@larkspur.example"));
        assert!(found(&world, "Priya.Raman+ops@larkspur.example"));
        world.switches.email_match = EmailMatch::InsensitiveUntagged;
        assert!(found(&world, "priya.raman@larkspur.example"));
    }

    #[test]
    fn equal_seeds_give_equal_ids_and_kinds_never_share_one() {
        let ids = |seed| {
            let mut world = World::new(seed);
            (world.draw_id("account"), world.draw_id("membership"))
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert_ne!(ids(7).0, ids(7).1);
    }
}
