//! A Heroku of a few lists, and the turns of an engine against it in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::fixtures::event;
use super::super::policy::Policy;
use super::super::{Effect, Engine, Input};
use crate::model::command::{Act, COMMAND_VERSION, Command};
use crate::model::event::{Action, Authenticity, Effective, Normalised, Origin, PersonEvent};
use crate::model::outcome::{CaseClosed, CaseResult, ExecutedBy, HoldReason, Outcome, OutcomeKind, OutcomeRecord};
use crate::model::world::{
    Account, Answer, App, Collaborator, Enterprise, EnterpriseMember, Entries, Evidence, Granted, Invitation, ListId,
    ListRead, Member, Reply, Scan, Team, Unread, User,
};
use crate::model::{
    AccountId, AppId, CollaboratorId, CommandId, Email, EnterpriseId, EnterpriseMembershipId, InvitationId,
    MembershipId, Removal, TeamId,
};

pub(super) const START: &str = "2026-06-01T12:00:00Z";

pub(super) fn uuid(kind: u8, number: u8) -> Uuid {
    Uuid::from_bytes([kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number])
}

pub(super) fn user(number: u8) -> User {
    User { account: Some(AccountId(uuid(1, number))), email: email(number) }
}

pub(super) fn email(number: u8) -> Email {
    Email::parse(&format!("p{number}@larkspur.example")).unwrap()
}

/// A Heroku that answers at once, unless told otherwise.
pub(super) struct Heroku {
    pub(super) members: BTreeMap<u8, Vec<(u8, &'static str)>>,
    pub(super) invitations: BTreeMap<u8, Vec<u8>>,
    pub(super) apps: BTreeMap<u8, (u8, Vec<u8>)>,
    pub(super) owned: Vec<(u8, u8)>,
    /// Who is in the enterprise account.
    pub(super) enterprise: Vec<u8>,
    /// Whose account carries whose address.
    pub(super) renamed: BTreeMap<u8, u8>,
    pub(super) removals: Vec<Removal>,
    /// When each of them came.
    pub(super) removed_at: Vec<Timestamp>,
    /// Teams whose lists cannot be read.
    pub(super) dark: BTreeSet<u8>,
    /// Teams whose invitations are refused.
    pub(super) closed: BTreeSet<u8>,
    /// What the next removals are answered with instead of the truth; the effect happens only with the second.
    pub(super) replies: Vec<(Reply, bool)>,
    /// Whose removals are always refused.
    pub(super) stubborn: BTreeSet<u8>,
    /// How long it takes to read a list on its own.
    pub(super) slow: SignedDuration,
    /// Apps refuse to remove whoever is in their team.
    pub(super) roles_show: bool,
}

/// Number of the service's own account, admin of every team.
pub(super) const ME: u8 = 200;

impl Heroku {
    pub(super) fn new() -> Self {
        Self {
            members: BTreeMap::from([(1, vec![(ME, "admin"), (9, "admin"), (1, "member"), (2, "member")])]),
            invitations: BTreeMap::from([(1, vec![])]),
            apps: BTreeMap::from([(1, (1, vec![1, 2]))]),
            owned: Vec::new(),
            enterprise: Vec::new(),
            renamed: BTreeMap::new(),
            removals: Vec::new(),
            removed_at: Vec::new(),
            dark: BTreeSet::new(),
            closed: BTreeSet::new(),
            replies: Vec::new(),
            stubborn: BTreeSet::new(),
            slow: SignedDuration::ZERO,
            roles_show: false,
        }
    }

    pub(super) fn user(&self, number: u8) -> User {
        User { email: email(*self.renamed.get(&number).unwrap_or(&number)), ..user(number) }
    }

    pub(super) fn list(&self, list: ListId, at: Timestamp) -> Result<ListRead, Unread> {
        let evidence = |name: &str, items: usize| Evidence {
            list: name.to_owned(),
            at,
            pages: 1,
            items: u32::try_from(items).unwrap(),
            complete: true,
            control: true,
            body_sha256: String::new(),
        };
        match list {
            ListId::Team(team) => {
                let number = team.0.as_bytes()[15];
                if self.dark.contains(&number) || !self.members.contains_key(&number) {
                    return Err(Unread { what: format!("team t{number}"), why: "not_found".to_owned() });
                }
                let members: Vec<Member> = self.members[&number]
                    .iter()
                    .map(|(person, role)| Member {
                        membership: MembershipId(uuid(number + 10, *person)),
                        user: self.user(*person),
                        role: Some((*role).to_owned()),
                        granted: Granted::default(),
                    })
                    .collect();
                let invited = self.invitations.get(&number).cloned().unwrap_or_default();
                let invitations: Vec<Invitation> = invited
                    .iter()
                    .map(|person| Invitation {
                        id: InvitationId(uuid(number + 40, *person)),
                        user: User { account: None, email: email(*person) },
                        role: None,
                        granted: Granted { at: Some(at), by: Some(email(9)) },
                    })
                    .collect();
                let evidence = vec![evidence("members", members.len()), evidence("invitations", invitations.len())];
                let invitations = (!self.closed.contains(&number)).then_some(invitations);
                let entries = Entries::Team { members, invitations };
                Ok(ListRead { began: at, entries, evidence })
            }
            ListId::App(app) => {
                let number = app.0.as_bytes()[15];
                let Some((_, people)) = self.apps.get(&number) else {
                    return Err(Unread { what: format!("app a{number}"), why: "not_found".to_owned() });
                };
                let people: Vec<Collaborator> = people
                    .iter()
                    .map(|person| Collaborator {
                        id: CollaboratorId(uuid(number + 70, *person)),
                        user: self.user(*person),
                        role: Some("collaborator".to_owned()),
                        permissions: vec!["deploy".to_owned()],
                        granted: Granted::default(),
                    })
                    .collect();
                let evidence = vec![evidence("collaborators", people.len())];
                Ok(ListRead { began: at, entries: Entries::App(people), evidence })
            }
            ListId::Enterprise(_) => {
                let member = |person: &u8| EnterpriseMember {
                    id: EnterpriseMembershipId(uuid(5, *person)),
                    user: self.user(*person),
                    permissions: vec!["view".to_owned()],
                };
                let people: Vec<_> = self.enterprise.iter().map(member).collect();
                let evidence = vec![evidence("enterprise", people.len())];
                Ok(ListRead { began: at, entries: Entries::Enterprise(people), evidence })
            }
            ListId::Space(_) => unreachable!("this world has none"),
        }
    }

    pub(super) fn scan(&self, at: Timestamp) -> Scan {
        let team_lists = self.members.keys().map(|team| ListId::Team(TeamId(uuid(2, *team))));
        let app_lists = self.apps.keys().map(|app| ListId::App(AppId(uuid(3, *app))));
        let enterprise = (!self.enterprise.is_empty()).then(|| EnterpriseId(uuid(4, 1)));
        let app = |number: u8, team: Option<u8>, owner: Option<u8>| App {
            id: AppId(uuid(3, number)),
            name: format!("a{number}"),
            team: team.map(|team| TeamId(uuid(2, team))),
            owner: owner.map(user),
        };
        Scan {
            began: at,
            teams: self
                .members
                .keys()
                .map(|team| Team { id: TeamId(uuid(2, *team)), name: format!("t{team}") })
                .collect(),
            enterprise_teams: Vec::new(),
            apps: self
                .apps
                .iter()
                .map(|(number, (team, _))| app(*number, Some(*team), None))
                .chain(self.owned.iter().map(|(number, owner)| app(*number, None, Some(*owner))))
                .collect(),
            spaces: Vec::new(),
            enterprises: enterprise.into_iter().map(|id| Enterprise { id, name: "larkspur".to_owned() }).collect(),
            pipelines: Vec::new(),
            lists: team_lists
                .chain(app_lists)
                .chain(enterprise.map(ListId::Enterprise))
                .map(|list| (list, self.list(list, at)))
                .collect(),
            not_read: Vec::new(),
        }
    }

    pub(super) fn remove(&mut self, removal: Removal, at: Timestamp) -> Answer {
        self.removals.push(removal);
        self.removed_at.push(at);
        let stubborn = match removal {
            Removal::Member { membership, .. } => self.stubborn.contains(&membership.0.as_bytes()[15]),
            Removal::Collaborator { app, collaborator } => {
                let person = collaborator.0.as_bytes()[15];
                let team = self.apps[&app.0.as_bytes()[15]].0;
                let members = self.members.get(&team);
                let for_a_role = members.is_some_and(|members| members.iter().any(|(known, _)| *known == person));
                self.stubborn.contains(&person) || (self.roles_show && for_a_role)
            }
            Removal::Invitation { .. } | Removal::SpaceAccess { .. } | Removal::EnterpriseMember { .. } => false,
        };
        let (reply, effect) = if stubborn {
            (Reply::Refused, false)
        } else if self.replies.is_empty() {
            (Reply::Done, true)
        } else {
            self.replies.remove(0)
        };
        if effect {
            match removal {
                Removal::Member { team, membership } => {
                    let number = team.0.as_bytes()[15];
                    let person = membership.0.as_bytes()[15];
                    self.members.get_mut(&number).unwrap().retain(|(known, _)| *known != person);
                }
                Removal::Invitation { team, invitation } => {
                    let person = invitation.0.as_bytes()[15];
                    self.invitations.get_mut(&team.0.as_bytes()[15]).unwrap().retain(|known| *known != person);
                }
                Removal::Collaborator { app, collaborator } => {
                    let person = collaborator.0.as_bytes()[15];
                    self.apps.get_mut(&app.0.as_bytes()[15]).unwrap().1.retain(|known| *known != person);
                }
                Removal::EnterpriseMember { account, .. } => {
                    let person = account.0.as_bytes()[15];
                    self.enterprise.retain(|known| *known != person);
                }
                Removal::SpaceAccess { .. } => unreachable!("this world has none"),
            }
        }
        Answer {
            reply,
            status: Some(200),
            error_id: None,
            request_ids: None,
            sent_at: Some(at),
            answered_at: at,
            retry_after_s: None,
        }
    }
}

/// Engine, Heroku and a log.
pub(super) struct Story {
    pub(super) engine: Engine,
    pub(super) heroku: Heroku,
    pub(super) now: Timestamp,
    pub(super) state: BTreeMap<String, Vec<u8>>,
    pub(super) outcomes: Vec<OutcomeRecord>,
    pub(super) policy: Policy,
    /// The source by whose topic events come.
    pub(super) source: &'static str,
    pub(super) events: i64,
    pub(super) orders: i64,
    /// How often each list was read on its own.
    pub(super) reads: BTreeMap<ListId, u32>,
    /// How often everything was read.
    pub(super) scans: u32,
}

impl Story {
    pub(super) fn new(policy: Policy) -> Self {
        let now = START.parse().unwrap();
        let engine = Engine::new(policy.clone(), ExecutedBy::default());
        Self {
            engine,
            heroku: Heroku::new(),
            now,
            state: BTreeMap::new(),
            outcomes: Vec::new(),
            policy,
            source: "hr",
            events: 0,
            orders: 0,
            reads: BTreeMap::new(),
            scans: 0,
        }
    }

    pub(super) fn hears(&mut self, event: PersonEvent) {
        let offset = self.events;
        self.events += 1;
        let origin = Origin {
            source: self.source.to_owned(),
            cluster: "default".to_owned(),
            topic: "hr.leavers".to_owned(),
            partition: 0,
            offset,
            element: String::new(),
            record_sha256: String::new(),
            received_at: self.now,
            authenticity: Authenticity::TopicAcl,
            looked_up: None,
        };
        let input = Input::Event(Box::new(Normalised { event, origin, traceparent: None }));
        self.engine.handle(self.now, input);
    }

    pub(super) fn leaves(&mut self, person: u8) {
        let id = format!("left-{person}");
        let mut event = event(&format!("hr:larkspur:{person}"), &id, email(person).expose());
        event.occurred_at = self.now;
        self.hears(event);
    }

    /// The source `hr` says `action` of somebody, to take effect at `effective`.
    pub(super) fn says(&mut self, person: u8, id: &str, action: Action, effective: Option<Timestamp>) {
        self.tells("hr", person, id, action, effective, self.now);
    }

    /// `system` says `action` of somebody, by its own clock at `stated`.
    pub(super) fn tells(
        &mut self,
        system: &str,
        person: u8,
        id: &str,
        action: Action,
        effective: Option<Timestamp>,
        stated: Timestamp,
    ) {
        let mut event = event(&format!("{system}:larkspur:{person}"), id, email(person).expose());
        event.action = action;
        event.occurred_at = stated;
        event.effective = effective.map(at);
        self.hears(event);
    }

    /// Somebody orders something.
    pub(super) fn ordered(&mut self, act: Act) {
        let offset = self.orders;
        self.orders += 1;
        self.engine.handle(self.now, Input::Command { offset, command: command(offset, self.now, act) });
    }

    /// One turn: commit, then carry out. Every removal must be named by a record committed before.
    pub(super) fn turn(&mut self) {
        self.engine.advance(self.now);
        let (urgent, normal) = self.engine.ready();
        self.engine.intend(self.now, urgent, normal);
        let turn = self.engine.take_turn();
        for (key, value) in turn.state {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
        self.outcomes.extend(turn.outcomes);
        for effect in turn.effects {
            let input = match effect {
                Effect::AskAccount => {
                    let me = user(ME);
                    Input::Account(Account { id: me.account.unwrap(), email: me.email })
                }
                Effect::Scan { .. } => {
                    self.scans += 1;
                    Input::Scanned(Box::new(self.heroku.scan(self.now)))
                }
                Effect::Read { lists, .. } => {
                    for list in lists.keys() {
                        *self.reads.entry(*list).or_default() += 1;
                    }
                    let read = lists.keys().map(|list| (*list, self.heroku.list(*list, self.now))).collect();
                    self.now += self.heroku.slow;
                    Input::Lists(read)
                }
                Effect::Remove { case, grant, intent, removal, .. } => {
                    let committed = String::from_utf8(self.state[&format!("case/{case}")].clone()).unwrap();
                    assert!(committed.contains(&intent.to_string()), "a removal without a committed intent");
                    Input::Answered { case, grant, intent, answer: self.heroku.remove(removal, self.now) }
                }
            };
            self.now += SignedDuration::from_millis(20);
            self.engine.handle(self.now, input);
        }
    }

    /// Until the first removal has been sent.
    pub(super) fn until_it_removes(&mut self) {
        while self.heroku.removals.is_empty() {
            self.turn();
        }
    }

    pub(super) fn passes(&mut self, span: SignedDuration) {
        let end = self.now + span;
        let step = if span < SignedDuration::from_hours(1) { 250 } else { 20_000 };
        while self.now < end {
            self.turn();
            self.now += SignedDuration::from_millis(step);
        }
    }

    /// The process dies; what was committed is all that is left.
    pub(super) fn dies(&mut self) {
        let records = self.state.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        self.engine = Engine::restore(self.policy.clone(), ExecutedBy::default(), records, self.now).unwrap();
    }

    pub(super) fn dies_after_a_turn(&mut self) {
        self.turn();
        self.dies();
    }

    pub(super) fn closed(&self) -> Vec<&CaseClosed> {
        self.outcomes
            .iter()
            .filter_map(|record| match &record.data {
                Outcome::Closed(closed) => Some(closed.as_ref()),
                Outcome::Revoked(_) | Outcome::Progress(_) | Outcome::Look(_) => None,
            })
            .collect()
    }

    pub(super) fn told(&self, kind: OutcomeKind) -> usize {
        self.outcomes.iter().filter(|record| record.kind == kind).count()
    }

    pub(super) fn results(&self) -> Vec<CaseResult> {
        self.closed().iter().map(|closed| closed.result).collect()
    }

    pub(super) fn reasons(&self) -> BTreeSet<HoldReason> {
        self.engine.census().held.into_keys().collect()
    }
}

pub(super) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(super) fn command(number: i64, at: Timestamp, act: Act) -> Command {
    Command {
        schema_version: COMMAND_VERSION,
        id: CommandId(uuid(90, u8::try_from(number).unwrap())),
        at,
        claimed_by: "ops".to_owned(),
        authenticated: false,
        why: "tested".to_owned(),
        act,
    }
}

pub(super) fn at(moment: Timestamp) -> Effective {
    Effective { at: Some(moment), date: None, timezone: None, boundary: None, basis: None }
}
