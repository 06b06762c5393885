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
}
