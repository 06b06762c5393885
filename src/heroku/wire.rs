//! Heroku's JSON, as far as it is read. A field that real replies leave out is optional; an entry that lacks what is
//! needed makes its list unreadable, because a skipped entry would be a person overlooked.

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::Value;
use uuid::Uuid;

use super::error::AccountStopped;
use crate::model::world;
use crate::model::{AccountId, CollaboratorId, Email, EnterpriseMembershipId, InvitationId, MembershipId, TeamId};

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) id: Uuid,
    pub(super) email: Email,
    suspended_at: Option<String>,
    delinquent_at: Option<String>,
}

impl Account {
    /// What stops the account as a whole, by its own word.
    pub(super) fn stopped(&self) -> Option<AccountStopped> {
        if self.suspended_at.is_some() {
            Some(AccountStopped::Suspended)
        } else if self.delinquent_at.is_some() {
            Some(AccountStopped::Delinquent)
        } else {
            None
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RateLimits {
    pub(super) remaining: u32,
}

/// Anything with an id and a name: a team, a space, an enterprise account.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    pub(super) id: Uuid,
    pub(super) name: String,
}

/// An entry of `/spaces`.
#[derive(Debug, Deserialize)]
pub(super) struct Space {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) team: Option<TeamRef>,
}

/// A team where its id may be missing.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TeamRef {
    pub(super) id: Option<Uuid>,
    pub(super) name: Option<String>,
}

/// An entry of `/apps` or `/teams/{team}/apps`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct App {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) owner: Option<UserRef>,
    pub(super) team: Option<TeamRef>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct UserRef {
    id: Option<Uuid>,
    email: Option<Email>,
}

impl UserRef {
    /// The team whose pseudo-account this is: there, the owner's id is the team's.
    pub(super) fn as_team(&self) -> Option<TeamId> {
        self.email.as_ref()?.is_pseudo_owner().then_some(self.id.map(TeamId)).flatten()
    }

    /// A user; `None` without an address.
    pub(super) fn user(&self) -> Option<world::User> {
        let email = self.email.clone().filter(|email| !email.expose().is_empty())?;
        Some(world::User { account: self.id.map(AccountId), email })
    }
}

/// An entry of `/pipelines`.
#[derive(Debug, Deserialize)]
pub(super) struct Pipeline {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) owner: Option<PipelineOwner>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PipelineOwner {
    pub(super) id: Uuid,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// An entry of `/teams/{team}/permissions`: an app or a space, and who reaches it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PermissionEntity {
    pub(super) id: Uuid,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) users: Vec<UserRef>,
}

/// A permission: an object in most lists, a word in some.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Permission {
    Word(String),
    Object { name: String },
}

fn names(permissions: Option<Vec<Permission>>) -> Vec<String> {
    permissions
        .unwrap_or_default()
        .into_iter()
        .map(|permission| match permission {
            Permission::Word(name) | Permission::Object { name } => name,
        })
        .collect()
}

/// An entry of any list of people, before it is known to be whole.
#[derive(Debug, Deserialize)]
struct Entry {
    id: Option<Uuid>,
    email: Option<Email>,
    user: Option<UserRef>,
    role: Option<String>,
    permissions: Option<Vec<Permission>>,
    team: Option<TeamRef>,
    created_at: Option<Value>,
    invited_by: Option<Value>,
}

impl Entry {
    fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(Self, world::User), D::Error> {
        let entry = Self::deserialize(deserializer)?;
        // Old replies hold the address alone.
        let alone = UserRef { id: entry.user.as_ref().and_then(|user| user.id), email: entry.email.clone() };
        let user = entry.user.as_ref().and_then(UserRef::user).or_else(|| alone.user());
        let user = user.ok_or_else(|| D::Error::custom("an entry names nobody"))?;
        Ok((entry, user))
    }

    /// For the audit alone: what cannot be read is not known.
    fn granted(&self) -> world::Granted {
        world::Granted {
            at: self.created_at.as_ref().and_then(Value::as_str).and_then(|at| at.parse().ok()),
            by: self
                .invited_by
                .as_ref()
                .and_then(|by| UserRef::deserialize(by).ok())
                .and_then(|by| by.user())
                .map(|user| user.email),
        }
    }

    fn id<E: serde::de::Error>(&self) -> Result<Uuid, E> {
        self.id.ok_or_else(|| E::missing_field("id"))
    }
}

/// An entry of one list of people, whole.
#[derive(Debug)]
pub(super) struct Whole<T>(pub(super) T);

/// An entry that says which team it belongs to.
#[derive(Debug)]
pub(super) struct OfTeam<T> {
    pub(super) team: Option<TeamId>,
    pub(super) entry: T,
}

macro_rules! whole {
    ($($entry:ty, |$it:ident, $user:ident| $build:expr;)*) => {$(
        impl<'de> Deserialize<'de> for Whole<$entry> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let ($it, $user) = Entry::read(deserializer)?;
                Ok(Self($build))
            }
        }
    )*};
}

whole! {
    world::Member, |it, user| world::Member {
        membership: MembershipId(it.id()?), user, granted: it.granted(), role: it.role,
    };
    OfTeam<world::Invitation>, |it, user| OfTeam {
        team: it.team.as_ref().and_then(|team| team.id).map(TeamId),
        entry: world::Invitation { id: InvitationId(it.id()?), user, granted: it.granted(), role: it.role },
    };
    world::Collaborator, |it, user| world::Collaborator {
        id: CollaboratorId(it.id()?), user, granted: it.granted(), role: it.role, permissions: names(it.permissions),
    };
    world::SpaceMember, |it, user| world::SpaceMember {
        user, granted: it.granted(), permissions: names(it.permissions),
    };
    world::EnterpriseMember, |it, user| world::EnterpriseMember {
        id: EnterpriseMembershipId(it.id()?), user, permissions: names(it.permissions),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
    const ACCOUNT: &str = "11234567-89ab-cdef-0123-456789abcdef";

    fn member(json: &str) -> Result<world::Member, serde_json::Error> {
        serde_json::from_str::<Whole<world::Member>>(json).map(|whole| whole.0)
    }

    #[test]
    fn a_member_is_read_with_and_without_its_user() {
        let whole = member(&format!(
            r#"{{"id":"{ID}","email":"Sam@x.example","role":null,"user":{{"id":"{ACCOUNT}","email":"sam@x.example"}}}}"#
        ))
        .unwrap();
        assert_eq!(whole.user.account.unwrap().to_string(), ACCOUNT);
        let old = member(&format!(r#"{{"id":"{ID}","email":"Sam@x.example","role":"viewer"}}"#)).unwrap();
        assert_eq!((old.user.account, old.user.email.expose()), (None, "sam@x.example"));
        let half = member(&format!(r#"{{"id":"{ID}","email":"sam@x.example","user":{{"id":"{ACCOUNT}"}}}}"#)).unwrap();
        assert_eq!(half.user.account.unwrap().to_string(), ACCOUNT);
    }

    #[test]
    fn an_entry_that_is_not_whole_is_an_error() {
        for json in [
            format!(r#"{{"id":"{ID}"}}"#),
            format!(r#"{{"id":"{ID}","email":" "}}"#),
            format!(r#"{{"id":"{ID}","user":{{}}}}"#),
            r#"{"id":"7","email":"sam@x.example"}"#.to_owned(),
            r#"{"email":"sam@x.example"}"#.to_owned(),
            format!(r#"{{"id":"{ID}","email":"sam@x.example","role":7}}"#),
            "null".to_owned(),
        ] {
            assert!(member(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn permissions_are_words_or_objects_or_absent() {
        for (permissions, expected) in [
            (r#","permissions":[{"name":"create_apps","description":"x"}]"#, vec!["create_apps"]),
            (r#","permissions":["view"]"#, vec!["view"]),
            (r#","permissions":null"#, vec![]),
            ("", vec![]),
        ] {
            let json = format!(r#"{{"user":{{"id":"{ACCOUNT}","email":"a@x.example"}}{permissions}}}"#);
            let Whole(it) = serde_json::from_str::<Whole<world::SpaceMember>>(&json).unwrap();
            assert_eq!(it.permissions, expected);
        }
    }

    #[test]
    fn the_pseudo_owner_names_its_team() {
        let owner: UserRef =
            serde_json::from_str(&format!(r#"{{"id":"{ID}","email":"larkspur@herokumanager.com"}}"#)).unwrap();
        assert_eq!(owner.as_team().unwrap().to_string(), ID);
        let person: UserRef = serde_json::from_str(&format!(r#"{{"id":"{ID}","email":"sam@x.example"}}"#)).unwrap();
        assert_eq!(person.as_team(), None);
    }
}
