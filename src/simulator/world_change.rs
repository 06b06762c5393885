//! What other people do on Heroku meanwhile: somebody accepts an invitation, is added again, becomes an admin.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::state::{Owner, Role, World};

/// One thing that happens without the client under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are names and addresses")]
pub enum WorldChange {
    /// The invited person accepts: an invitation becomes a membership.
    AcceptInvitation { team: String, email: String },
    /// Somebody is invited, by whoever is an admin.
    Invite { team: String, email: String, role: Role },
    /// Somebody is added to a team, or gets another role.
    PutMember { team: String, email: String, role: Role },
    /// Somebody leaves a team.
    RemoveMember { team: String, email: String },
    /// Somebody gets a grant on an app.
    PutCollaborator { app: String, email: String, permissions: Vec<String> },
    /// Somebody loses a grant on an app.
    RemoveCollaborator { app: String, email: String },
    /// Somebody is added to an enterprise account.
    PutEnterpriseMember { enterprise_account: String, email: String, permissions: Vec<String> },
    /// Somebody changes the address of their account.
    ChangeEmail { from: String, to: String },
    /// A token stops working.
    RevokeToken { token: String },
    /// An app goes to another person; the former owner stays as a collaborator.
    TransferApp { app: String, to: String },
    /// An app is deleted, with its grants.
    DeleteApp { app: String },
    /// A space is deleted, with the apps in it.
    DeleteSpace { space: String },
    /// A team is deleted, with all that it owns.
    DeleteTeam { team: String },
    /// A team gets another name.
    RenameTeam { team: String, to: String },
    /// An account is suspended, or no longer.
    Suspend { email: String, suspended: bool },
}

/// A change that names what is not there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no {what} `{name}`")]
pub struct NoSuchThing {
    what: &'static str,
    name: String,
}

impl World {
    /// Lets something happen, at `now`.
    ///
    /// # Errors
    /// When it names what is not there; nothing has happened then.
    pub fn happen(&mut self, change: &WorldChange, now: Timestamp) -> Result<(), NoSuchThing> {
        match change {
            WorldChange::AcceptInvitation { team, email } => {
                let found = self.team(team).ok_or_else(|| none("team", team))?;
                let invitation = found.invitations.live().find(|entry| entry.email.eq_ignore_ascii_case(email));
                let (team, id) = (found.id, invitation.ok_or_else(|| none("invitation for", email))?.id);
                self.accept_invitation(team, id, now);
            }
            WorldChange::Invite { team, email, role } => {
                let found = self.team(team).ok_or_else(|| none("team", team))?;
                let admin = found.members.live().find(|member| member.role == Role::Admin);
                let admin = admin.ok_or_else(|| none("admin in", team))?.account;
                self.put_invitation(found.id, email, role.clone(), admin, now);
            }
            WorldChange::PutMember { team, email, role } => {
                let team = self.team(team).ok_or_else(|| none("team", team))?.id;
                let account = self.account_or_new(email, now);
                self.put_member(team, account, role.clone(), now);
            }
            WorldChange::RemoveMember { team, email } => {
                let team = self.team(team).ok_or_else(|| none("team", team))?.id;
                let account = self.account_at(email).ok_or_else(|| none("account", email))?.id;
                self.drop_member(team, account, now);
            }
            WorldChange::PutCollaborator { app, email, permissions } => {
                let app = self.app(app).ok_or_else(|| none("app", app))?.id;
                let account = self.account_or_new(email, now);
                self.put_collaborator(app, account, permissions.clone(), now);
            }
            WorldChange::RemoveCollaborator { app, email } => {
                let app = self.app(app).ok_or_else(|| none("app", app))?.id;
                let account = self.account_at(email).ok_or_else(|| none("account", email))?.id;
                self.drop_collaborator(app, account, now);
            }
            WorldChange::PutEnterpriseMember { enterprise_account, email, permissions } => {
                let enterprise = self.enterprise(enterprise_account);
                let enterprise = enterprise.ok_or_else(|| none("enterprise account", enterprise_account))?.id;
                let account = self.account_or_new(email, now);
                self.put_enterprise_member(enterprise, account, permissions.clone(), now);
            }
            WorldChange::ChangeEmail { from, to } => {
                self.account_at(from).ok_or_else(|| none("account", from))?;
                self.change_email(from, to);
            }
            WorldChange::RevokeToken { token } => self.revoke_token(token),
            WorldChange::TransferApp { app, to } => {
                let found = self.app(app).ok_or_else(|| none("app", app))?;
                let (id, before) = (found.id, found.owner);
                let to = self.account_or_new(to, now);
                let app = self.apps.get_mut(&id).expect("just found");
                app.owner = Owner::Account(to);
                app.updated_at = now;
                app.collaborators.remove(&to, now);
                if let Owner::Account(before) = before {
                    self.put_collaborator(id, before, vec!["deploy".to_owned(), "operate".to_owned()], now);
                }
            }
            WorldChange::DeleteApp { app } => {
                let app = self.app(app).ok_or_else(|| none("app", app))?.id;
                self.delete_app(app, now);
            }
            WorldChange::DeleteSpace { space } => {
                let space = self.space(space).ok_or_else(|| none("space", space))?.id;
                self.delete_space(space, now);
            }
            WorldChange::DeleteTeam { team } => {
                let team = self.team(team).ok_or_else(|| none("team", team))?.id;
                self.delete_team(team, now);
            }
            WorldChange::RenameTeam { team, to } => {
                let id = self.team(team).ok_or_else(|| none("team", team))?.id;
                self.teams.get_mut(&id).expect("just found").name.clone_from(to);
            }
            WorldChange::Suspend { email, suspended } => {
                let account = self.account_at(email).ok_or_else(|| none("account", email))?.id;
                self.accounts.get_mut(&account).expect("just found").suspended = *suspended;
            }
        }
        Ok(())
    }
}

fn none(what: &'static str, name: &str) -> NoSuchThing {
    NoSuchThing { what, name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::state::BEGINNING;
    use super::*;

    #[test]
    fn an_accepted_invitation_is_a_membership() {
        let mut world = World::new(1)
            .with_team("payments")
            .with_member("payments", "ana@larkspur.example", "admin")
            .with_invitation("payments", "New@agency.example", "member");
        let accepted =
            WorldChange::AcceptInvitation { team: "payments".to_owned(), email: "new@agency.example".to_owned() };
        world.happen(&accepted, BEGINNING).unwrap();
        let account = world.account_at("new@agency.example").unwrap().id;
        assert_eq!(world.team("payments").unwrap().members.get(&account).unwrap().role, Role::Member);
        assert!(world.happen(&accepted, BEGINNING).is_err());
    }

    #[test]
    fn the_former_owner_of_an_app_becomes_its_collaborator() {
        let mut world = World::new(1).with_personal_app("side-project", "priya@larkspur.example");
        let transfer =
            WorldChange::TransferApp { app: "side-project".to_owned(), to: "ana@larkspur.example".to_owned() };
        world.happen(&transfer, BEGINNING).unwrap();
        let priya = world.account_at("priya@larkspur.example").unwrap().id;
        let app = world.app("side-project").unwrap();
        assert!(app.collaborators.get(&priya).is_some());
        assert_eq!(app.owner, Owner::Account(world.account_at("ana@larkspur.example").unwrap().id));
    }

    #[test]
    fn what_is_deleted_takes_along_what_hangs_on_it() {
        let otis = "otis@agency.example";
        let mut world = World::new(1)
            .with_team("payments")
            .with_member("payments", "ana@larkspur.example", "admin")
            .with_space("vault", "payments")
            .with_app("payments-api", "payments")
            .with_app("payments-web", "payments")
            .with_collaborator("payments-api", otis, &["view"])
            .with_pipeline("payout", "ana@larkspur.example")
            .with_coupling("payout", "payments-api", "production");
        let web = world.app("payments-web").unwrap().id;
        world.apps.get_mut(&web).unwrap().space = Some(world.space("vault").unwrap().id);
        let otis = world.account_at(otis).unwrap().id;
        let mut happen = |what: &str, name: &str| {
            let change = format!(r#"{{"delete_{what}": {{"{what}": "{name}"}}}}"#);
            let change: WorldChange = serde_json::from_str(&change).unwrap();
            world.happen(&change, BEGINNING).unwrap();
            assert!(world.happen(&change, BEGINNING).is_err(), "a {what} goes once");
            world.clone()
        };
        let after = happen("app", "payments-api");
        assert!(after.team("payments").unwrap().members.get(&otis).is_none());
        assert!(after.pipeline("payout").unwrap().couplings.is_empty());
        assert!(after.app("payments-web").is_some());
        let after = happen("space", "vault");
        assert!(after.app("payments-web").is_none());
        let after = happen("team", "payments");
        assert_eq!((after.teams().count(), after.apps().count(), after.spaces().count()), (0, 0, 0));
        assert_eq!(after.pipelines().count(), 1, "a person's");
    }

    #[test]
    fn a_team_is_found_by_its_new_name_alone() {
        let mut world = World::new(1).with_team("payments");
        let id = world.team("payments").unwrap().id;
        let renamed = WorldChange::RenameTeam { team: "payments".to_owned(), to: "payouts".to_owned() };
        world.happen(&renamed, BEGINNING).unwrap();
        assert_eq!(world.team("payouts").unwrap().id, id);
        assert!(world.team("payments").is_none());
    }
}
