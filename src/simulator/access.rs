//! Who may see and do what. What a caller may not see is answered as if it did not exist.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::model::AccountId;

use super::refusal::Refusal;
use super::state::{App, Enterprise, Owner, Pipeline, Role, Scope, Space, Team, World};
use super::switches::{ExpiredTokenStatus, OtherUsers};

/// Whom a token acts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// What the token may do.
    pub scopes: BTreeSet<Scope>,
}

impl World {
    /// Whom a token acts as.
    ///
    /// # Errors
    /// When the token is unknown or expired, or its account cannot be used.
    pub fn caller(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let token = self.tokens.get(token).ok_or(Refusal::Unauthorized)?;
        if token.expires_at.is_some_and(|at| at <= now) {
            return Err(match self.switches.expired_token_status {
                ExpiredTokenStatus::Unauthorized => Refusal::Unauthorized,
                ExpiredTokenStatus::Forbidden => Refusal::Forbidden("Your API key has expired.".to_owned()),
            });
        }
        Ok(Caller { account: token.account, scopes: token.scopes.clone() })
    }

    /// Refuses an account that is suspended or owes money.
    pub(super) fn usable(&self, caller: &Caller) -> Result<(), Refusal> {
        let account = self.account(caller.account).ok_or(Refusal::Unauthorized)?;
        match account {
            account if account.suspended => Err(Refusal::Suspended),
            account if account.delinquent => Err(Refusal::Delinquent),
            _ => Ok(()),
        }
    }

    /// A team that the caller may know of: their own, or one of an enterprise account that they are in.
    pub(super) fn visible_team(&self, caller: AccountId, name_or_id: &str) -> Result<&Team, Refusal> {
        self.team(name_or_id).filter(|team| self.knows_team(caller, team)).ok_or(Refusal::NotFound("team"))
    }

    /// A team whose people and apps the caller may read.
    pub(super) fn readable_team(&self, caller: AccountId, name_or_id: &str) -> Result<&Team, Refusal> {
        let team = self.visible_team(caller, name_or_id)?;
        if reads(team, caller) { Ok(team) } else { Err(not_a_member()) }
    }

    /// A team whose people the caller may change.
    pub(super) fn administered_team(&self, caller: AccountId, name_or_id: &str) -> Result<&Team, Refusal> {
        let team = self.visible_team(caller, name_or_id)?;
        if is_admin(team, caller) { Ok(team) } else { Err(not_an_admin()) }
    }

    /// An app that the caller reaches.
    pub(super) fn visible_app(&self, caller: AccountId, name_or_id: &str) -> Result<&App, Refusal> {
        self.app(name_or_id).filter(|app| self.reaches(caller, app)).ok_or(Refusal::NotFound("app"))
    }

    /// Whether somebody reaches an app: as its owner, by a grant or through a team role.
    pub fn reaches(&self, account: AccountId, app: &App) -> bool {
        let by_owner = match app.owner {
            Owner::Account(owner) => owner == account,
            Owner::Team(team) => reads(&self.teams[&team], account),
        };
        by_owner || app.collaborators.get(&account).is_some()
    }

    /// Whether somebody may change who reaches an app.
    pub(super) fn manages(&self, account: AccountId, app: &App) -> bool {
        let grant = app.collaborators.get(&account);
        match app.owner {
            // On a person's app all collaborators are equal.
            Owner::Account(owner) => owner == account || grant.is_some(),
            Owner::Team(team) => {
                is_admin(&self.teams[&team], account)
                    || grant.is_some_and(|grant| grant.permissions.iter().any(|permission| permission == "manage"))
            }
        }
    }

    /// A space that the caller may know of.
    pub(super) fn visible_space(&self, caller: AccountId, name_or_id: &str) -> Result<&Space, Refusal> {
        self.space(name_or_id).filter(|space| self.knows_space(caller, space)).ok_or(Refusal::NotFound("space"))
    }

    /// Whether somebody may know of a space.
    pub(super) fn knows_space(&self, account: AccountId, space: &Space) -> bool {
        reads(&self.teams[&space.team], account) || space.access.get(&account).is_some()
    }

    /// An enterprise account that the caller is in.
    pub(super) fn visible_enterprise(&self, caller: AccountId, name_or_id: &str) -> Result<&Enterprise, Refusal> {
        self.enterprise(name_or_id)
            .filter(|enterprise| enterprise.members.get(&caller).is_some())
            .ok_or(Refusal::NotFound("enterprise account"))
    }

    /// An enterprise account whose people the caller may change.
    pub(super) fn managed_enterprise(&self, caller: AccountId, name_or_id: &str) -> Result<&Enterprise, Refusal> {
        let enterprise = self.visible_enterprise(caller, name_or_id)?;
        let permissions = &enterprise.members.get(&caller).expect("visible only to members").permissions;
        if permissions.iter().any(|permission| permission == "manage") {
            return Ok(enterprise);
        }
        Err(Refusal::Forbidden("You need the `manage` permission on this enterprise account.".to_owned()))
    }

    /// Whether somebody may know of a pipeline: as its owner, through its team or one of its apps.
    pub(super) fn knows_pipeline(&self, account: AccountId, pipeline: &Pipeline) -> bool {
        let by_owner = match pipeline.owner {
            Some(Owner::Account(owner)) => owner == account,
            Some(Owner::Team(team)) => reads(&self.teams[&team], account),
            None => false,
        };
        by_owner || pipeline.couplings.iter().any(|coupling| self.reaches(account, &self.apps[&coupling.app]))
    }

    /// Whether the caller may look at another person, as `rule` says.
    pub(super) fn may_look_at(&self, caller: AccountId, other: AccountId, rule: OtherUsers) -> Result<(), Refusal> {
        if caller == other {
            return Ok(());
        }
        let share_a_team = || {
            let both = |team: &Team| team.members.get(&caller).is_some() && team.members.get(&other).is_some();
            self.teams.values().any(both)
        };
        match rule {
            OtherUsers::Everyone => Ok(()),
            OtherUsers::SharedTeam if share_a_team() => Ok(()),
            OtherUsers::SharedTeam | OtherUsers::NotFound => Err(Refusal::NotFound("user")),
            OtherUsers::Forbidden => Err(Refusal::Forbidden("You do not have access to this user.".to_owned())),
        }
    }

    fn knows_team(&self, account: AccountId, team: &Team) -> bool {
        let through_enterprise = || {
            let enterprise = team.enterprise.and_then(|id| self.enterprises.get(&id));
            enterprise.is_some_and(|enterprise| enterprise.members.get(&account).is_some())
        };
        team.members.get(&account).is_some() || through_enterprise()
    }
}

/// Whether somebody's role lets them read a team's people and apps.
pub(super) fn reads(team: &Team, account: AccountId) -> bool {
    team.members.get(&account).is_some_and(|member| member.role.sees_the_team())
}

/// Whether somebody may change a team's people.
pub(super) fn is_admin(team: &Team, account: AccountId) -> bool {
    team.members.get(&account).is_some_and(|member| member.role == Role::Admin)
}

fn not_a_member() -> Refusal {
    Refusal::Forbidden("You do not have access to this team.".to_owned())
}

pub(super) fn not_an_admin() -> Refusal {
    Refusal::Forbidden("You must be an admin of this team to do that.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::state::BEGINNING;
    use super::*;

    #[test]
    fn a_team_is_hidden_from_strangers_and_closed_to_its_enterprise() {
        let world = World::new(1)
            .with_enterprise_team("payments", "larkspur")
            .with_member("payments", "ana@larkspur.example", "viewer")
            .with_enterprise_member("larkspur", "boss@larkspur.example", &["view"])
            .with_account("stranger@elsewhere.example");
        let of = |email: &str| world.account_at(email).unwrap().id;
        let refusal = |email: &str| world.readable_team(of(email), "payments").err();
        assert_eq!(refusal("ana@larkspur.example"), None);
        assert_eq!(refusal("boss@larkspur.example").unwrap().status(), 403);
        assert_eq!(refusal("stranger@elsewhere.example"), Some(Refusal::NotFound("team")));
        assert_eq!(world.administered_team(of("ana@larkspur.example"), "payments").unwrap_err().status(), 403);
    }

    #[test]
    fn a_token_ends_at_its_expiry() {
        let mut world = World::new(1);
        world.add_token("t", "bot@larkspur.example", &[Scope::Read], Some(BEGINNING));
        let before = BEGINNING - jiff::SignedDuration::from_secs(1);
        assert!(world.caller("t", before).is_ok());
        assert_eq!(world.caller("t", BEGINNING), Err(Refusal::Unauthorized));
        assert_eq!(world.caller("unknown", before), Err(Refusal::Unauthorized));
    }
}
