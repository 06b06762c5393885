//! Ids. Those of Heroku are UUIDs and live in separate spaces that are never interchangeable
//! (an account id, a membership id and a collaborator id of one person all differ), so each has its own type.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )*};
}

id! {
    /// A Heroku account (`user.id`, `account.id`).
    AccountId
    /// One membership of one account in one team (`team-member.id`).
    MembershipId
    /// One account on one app (`collaborator.id`).
    CollaboratorId
    /// One account in one enterprise account (`enterprise-account-member.id`); usable in no path.
    EnterpriseMembershipId
    /// A pending team invitation.
    InvitationId
    /// A Heroku team.
    TeamId
    /// A Heroku app.
    AppId
    /// A private space.
    SpaceId
    /// A Heroku enterprise account.
    EnterpriseId
    /// A pipeline.
    PipelineId
    /// One human, as this service knows them: UUIDv5 of their first subject key.
    PersonId
    /// One offboarding: UUIDv5 of source system, tenant, event id and element.
    CaseId
    /// One grant of one case: UUIDv5 of case, surface, parent and account, invitation or address.
    GrantId
    /// One committed intention to send one DELETE.
    IntentId
    /// One order of a person through the commands topic. Random.
    CommandId
    /// What a human saw: UUIDv5 of the cases and of every grant that they would lose.
    PlanId
    /// One audit record: UUIDv5 of case, kind, grant and ordinal.
    OutcomeId
}

/// Namespace of every id that this service computes (UUIDv5 of the DNS name `heroku-deprovisioner.invalid`).
const NAMESPACE: Uuid = Uuid::from_u128(0x6d0b_2c1e_7f0a_5b7e_9d64_0f2a_51c3_88e1);

/// UUIDv5 over `parts`, each preceded by its length so that no two lists of parts collide.
pub fn computed(parts: &[&str]) -> Uuid {
    let mut name = String::new();
    for part in parts {
        name.push_str(&format!("{}:{part};", part.len()));
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// `system:tenant:id`: what one source calls one person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectKey(pub String);

impl SubjectKey {
    /// The person id that a subject key not seen before founds.
    pub fn person_id(&self) -> PersonId {
        PersonId(computed(&["person", &self.0]))
    }
}

impl fmt::Display for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_ids_do_not_collide_across_parts() {
        assert_ne!(computed(&["ab", "c"]), computed(&["a", "bc"]));
        assert_eq!(computed(&["ab", "c"]), computed(&["ab", "c"]));
    }
}
