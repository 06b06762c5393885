//! Finding a person's grants in what Heroku answered. Lists are read whole and compared in memory: by account id, and
//! by address, where the operator's rules say which ones are the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use crate::model::ids::computed;
use crate::model::world::{Entries, Granted, ListId, ListRead, Scan, User};
use crate::model::{AccountId, AddressRules, CaseId, Email, Grant, GrantId, Parent, PlanId, Removal, Surface};

/// Whom the lists are searched for.
#[derive(Debug, Clone)]
pub struct Leaver<'a> {
    /// The case on whose behalf; grants are named after it.
    pub case: CaseId,
    /// Their accounts, each with the address that found it.
    pub accounts: &'a BTreeMap<AccountId, Email>,
    /// Their addresses, each the one that counts.
    pub addresses: Cow<'a, BTreeSet<Email>>,
    /// Which addresses are the same one.
    pub rules: &'a AddressRules,
}

impl Leaver<'_> {
    /// Whether the account or the address is the person's.
    pub fn is(&self, user: &User) -> bool {
        user.account.is_some_and(|account| self.accounts.contains_key(&account))
            || self.addresses.contains(&*self.rules.canonical(&user.email))
    }

    /// Whether the address of the grant was bound to another account than the one that holds it.
    pub fn is_bound_to_another(&self, grant: &Grant) -> bool {
        let mut bound = self.accounts.iter().filter(|(_, by)| self.rules.same(by, &grant.email));
        grant.account.is_some_and(|account| bound.any(|(bound, _)| *bound != account))
    }
}

/// Who the addresses of a case lead to, in one scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// Nobody, or accounts and the address that led to each.
    Accounts(BTreeMap<AccountId, Email>),
    /// One address, several accounts.
    Ambiguous(Email),
    /// An address that now leads to an account other than the ones bound before.
    Changed(Email),
}

/// Finds the accounts behind the case's addresses.
pub fn bind(case: &Case, rules: &AddressRules, scan: &Scan) -> Binding {
    let leaver = case.leaver(rules);
    let mut found: BTreeMap<Email, BTreeMap<AccountId, Email>> = BTreeMap::new();
    for user in users(scan) {
        let email = rules.canonical(&user.email);
        if let Some(account) = user.account
            && leaver.addresses.contains(&*email)
        {
            found.entry(email.into_owned()).or_default().insert(account, user.email.clone());
        }
    }
    let mut accounts = case.accounts.clone();
    for (email, ids) in found {
        if ids.len() > 1 {
            return Binding::Ambiguous(email);
        }
        for (id, by) in ids {
            if case.accounts.iter().any(|(bound, by)| rules.same(by, &email) && *bound != id) {
                return Binding::Changed(email);
            }
            accounts.entry(id).or_insert(by);
        }
    }
    Binding::Accounts(accounts)
}

/// Every account named in any list of the scan.
pub fn users(scan: &Scan) -> impl Iterator<Item = &User> {
    let listed = scan.lists.values().filter_map(|read| read.as_ref().ok()).flat_map(users_of);
    listed.chain(scan.apps.iter().filter_map(|app| app.owner.as_ref()))
}

/// Everybody who stands in a list.
pub fn users_of(read: &ListRead) -> Box<dyn Iterator<Item = &User> + '_> {
    match &read.entries {
        Entries::Team { members, invitations } => Box::new(
            members
                .iter()
                .map(|member| &member.user)
                .chain(invitations.iter().flatten().map(|invitation| &invitation.user)),
        ),
        Entries::App(people) => Box::new(people.iter().map(|person| &person.user)),
        Entries::Space(people) => Box::new(people.iter().map(|person| &person.user)),
        Entries::Enterprise(people) => Box::new(people.iter().map(|person| &person.user)),
    }
}

/// What a human sees of these cases: another id as soon as one case or one grant that is to go is another.
pub fn plan_id<'a>(cases: impl IntoIterator<Item = &'a Case>) -> PlanId {
    let mut parts = BTreeSet::new();
    for case in cases {
        parts.insert(case.id.to_string());
        let pending = case.revocations.iter().filter(|known| known.is_pending());
        parts.extend(pending.map(|known| known.grant.id.to_string()));
    }
    let parts: Vec<&str> = std::iter::once("plan").chain(parts.iter().map(String::as_str)).collect();
    PlanId(computed(&parts))
}

/// Names of parents, for lists that carry none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    parents: BTreeMap<ListId, Parent>,
}

impl Catalogue {
    /// Learns every name of a scan.
    pub fn learn(&mut self, scan: &Scan) {
        let teams = scan.teams.iter().chain(&scan.enterprise_teams);
        self.parents
            .extend(teams.map(|team| (ListId::Team(team.id), Parent::Team { id: team.id, name: team.name.clone() })));
        self.parents.extend(
            scan.apps
                .iter()
                .map(|app| (ListId::App(app.id), Parent::App { id: app.id, name: app.name.clone(), team: app.team })),
        );
        self.parents.extend(scan.spaces.iter().map(|space| {
            (ListId::Space(space.id), Parent::Space { id: space.id, name: space.name.clone(), team: space.team })
        }));
        self.parents.extend(scan.enterprises.iter().map(|enterprise| {
            let parent = Parent::Enterprise { id: enterprise.id, name: enterprise.name.clone() };
            (ListId::Enterprise(enterprise.id), parent)
        }));
    }

    /// Learns the parents of grants restored from the state.
    pub fn learn_grant(&mut self, list: ListId, parent: &Parent) {
        self.parents.entry(list).or_insert_with(|| parent.clone());
    }

    /// What a list belongs to.
    pub fn parent(&self, list: ListId) -> Option<&Parent> {
        self.parents.get(&list)
    }

    /// A team's name.
    pub fn team_name(&self, team: crate::model::TeamId) -> Option<&str> {
        self.parents.get(&ListId::Team(team)).map(Parent::name)
    }
}

/// The person's grants in one complete list.
pub fn grants_in(leaver: &Leaver<'_>, list: ListId, read: &ListRead, catalogue: &Catalogue) -> Vec<Grant> {
    let Some(parent) = catalogue.parent(list) else { return Vec::new() };
    let grant = |surface: Surface, user: &User, before: String, removal: Option<Removal>, granted: &Granted| Grant {
        id: grant_id(leaver.case, surface, parent, user),
        surface,
        parent: parent.clone(),
        account: user.account,
        email: user.email.clone(),
        before,
        removal,
        granted: granted.clone(),
    };
    let role = |role: &Option<String>| role.clone().unwrap_or_default();
    let mut grants = Vec::new();
    match (&read.entries, list) {
        (Entries::Team { members, invitations }, ListId::Team(team)) => {
            grants.extend(members.iter().filter(|member| leaver.is(&member.user)).map(|member| {
                let removal = Removal::Member { team, membership: member.membership };
                grant(Surface::TeamMembership, &member.user, role(&member.role), Some(removal), &member.granted)
            }));
            grants.extend(invitations.iter().flatten().filter(|invitation| leaver.is(&invitation.user)).map(
                |invitation| {
                    let removal = Removal::Invitation { team, invitation: invitation.id };
                    grant(
                        Surface::TeamInvitation,
                        &invitation.user,
                        role(&invitation.role),
                        Some(removal),
                        &invitation.granted,
                    )
                },
            ));
        }
        (Entries::App(people), ListId::App(app)) => {
            grants.extend(people.iter().filter(|person| leaver.is(&person.user)).map(|person| {
                if person.role.as_deref() == Some("owner") {
                    return grant(Surface::AppOwnership, &person.user, "owner".to_owned(), None, &person.granted);
                }
                let before =
                    if person.permissions.is_empty() { role(&person.role) } else { person.permissions.join(",") };
                let removal = Removal::Collaborator { app, collaborator: person.id };
                grant(Surface::AppCollaboration, &person.user, before, Some(removal), &person.granted)
            }));
        }
        (Entries::Space(people), ListId::Space(space)) => {
            grants.extend(
                people.iter().filter(|person| leaver.is(&person.user) && !person.permissions.is_empty()).map(
                    |person| {
                        let removal = person.user.account.map(|account| Removal::SpaceAccess { space, account });
                        grant(
                            Surface::SpacePermission,
                            &person.user,
                            person.permissions.join(","),
                            removal,
                            &person.granted,
                        )
                    },
                ),
            );
        }
        (Entries::Enterprise(people), ListId::Enterprise(enterprise)) => {
            grants.extend(people.iter().filter(|person| leaver.is(&person.user)).map(|person| {
                let removal = person.user.account.map(|account| Removal::EnterpriseMember { enterprise, account });
                grant(
                    Surface::EnterpriseMembership,
                    &person.user,
                    person.permissions.join(","),
                    removal,
                    &Granted::default(),
                )
            }));
        }
        (Entries::Team { .. } | Entries::App(_) | Entries::Space(_) | Entries::Enterprise(_), _) => {}
    }
    grants
}

/// Grants that stand in no list of people: ownerships.
pub fn ownerships(leaver: &Leaver<'_>, scan: &Scan) -> Vec<Grant> {
    let apps = scan.apps.iter().filter(|app| app.team.is_none()).filter_map(|app| {
        let owner = app.owner.as_ref().filter(|owner| leaver.is(owner) && !owner.email.is_pseudo_owner())?;
        let parent = Parent::App { id: app.id, name: app.name.clone(), team: None };
        Some((Surface::AppOwnership, parent, owner.clone()))
    });
    let pipelines = scan.pipelines.iter().filter_map(|pipeline| {
        let email = leaver.accounts.get(&pipeline.owner)?.clone();
        let parent = Parent::Pipeline { id: pipeline.id, name: pipeline.name.clone() };
        Some((Surface::PipelineOwnership, parent, User { account: Some(pipeline.owner), email }))
    });
    apps.chain(pipelines)
        .map(|(surface, parent, user)| Grant {
            id: grant_id(leaver.case, surface, &parent, &user),
            surface,
            parent,
            account: user.account,
            email: user.email,
            before: "owner".to_owned(),
            removal: None,
            granted: Granted::default(),
        })
        .collect()
}

/// Apps that the person could read: those they collaborate on and those of the teams they are in.
pub fn reachable_apps<'a>(grants: impl Iterator<Item = &'a Grant>, scan: &Scan) -> BTreeSet<String> {
    let mut apps = BTreeSet::new();
    for grant in grants {
        match (&grant.surface, &grant.parent) {
            (Surface::AppCollaboration | Surface::AppOwnership, Parent::App { name, .. }) => {
                apps.insert(name.clone());
            }
            (Surface::TeamMembership, Parent::Team { id, .. }) if grant.before != "collaborator" => {
                apps.extend(scan.apps.iter().filter(|app| app.team == Some(*id)).map(|app| app.name.clone()));
            }
            (
                Surface::AppCollaboration
                | Surface::AppOwnership
                | Surface::TeamMembership
                | Surface::TeamInvitation
                | Surface::SpacePermission
                | Surface::EnterpriseMembership
                | Surface::PipelineOwnership,
                _,
            ) => {}
        }
    }
    apps
}

/// UUIDv5 of case, surface, parent and account, or address where Heroku names no account.
fn grant_id(case: CaseId, surface: Surface, parent: &Parent, user: &User) -> GrantId {
    let who = user.account.map_or_else(|| user.email.expose().to_owned(), |account| account.to_string());
    GrantId(computed(&["grant", &case.to_string(), surface.as_str(), &parent.id(), &who]))
}
