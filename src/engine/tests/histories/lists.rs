//! What Heroku's lists show, and how they lie.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::world::{
    CHIEF, Heroku, ME, Place, World, account, app, enterprise, listed_by_app, number, pipeline, space, team,
};
use crate::model::MembershipId;
use crate::model::world::{
    App, Collaborator, Enterprise, EnterpriseMember, Entries, Evidence, Granted, Invitation, ListId, ListRead, Member,
    Pipeline, Scan, Space, SpaceMember, Team, Unread, User, Wanted,
};

/// When a list is read: its first request arrives at `first`, its last one at `last`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) began: Timestamp,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// The lists show what was so long ago.
    pub(super) lag: SignedDuration,
}

/// How one read goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// The list is refused or does not come.
    Unread(&'static str),
    /// Only the first entries came, and the evidence says so.
    Truncated,
    /// We do not stand in it: it is not the list that we may see.
    NoControl,
    /// The invitations are answered 403 or 404.
    NoInvitations,
    /// The whole pass fails.
    Failed,
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(why) => write!(f, "is answered `{why}`"),
            Self::Truncated => write!(f, "ends after its first entry"),
            Self::NoControl => write!(f, "shows nobody, not even the service itself"),
            Self::NoInvitations => write!(f, "comes without invitations (403)"),
            Self::Failed => write!(f, "fails as a whole"),
        }
    }
}

/// What the service can see besides the lists themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    /// Teams whose lists cannot be read for now.
    pub(super) dark: BTreeSet<u8>,
    /// Whether `/teams/{team}/permissions` tells which apps matter.
    pub(super) permissions: bool,
    /// Whether teams that we are not in are listed by the enterprise account.
    pub(super) enterprise: bool,
}

fn evidence(name: &'static str, at: Timestamp, items: usize) -> Evidence {
    Evidence {
        list: name.to_owned(),
        at,
        pages: 1,
        items: u32::try_from(items).expect("lists are short"),
        complete: true,
        control: true,
        body_sha256: String::new(),
    }
}

fn unread(place: Place, why: &str) -> Unread {
    Unread { what: place.to_string(), why: why.to_owned() }
}

/// The place that a list shows.
pub(super) fn place(list: ListId) -> Place {
    match list {
        ListId::Team(id) => Place::Team(number(id.0)),
        ListId::App(id) => Place::App(number(id.0)),
        ListId::Space(id) => Place::Space(number(id.0)),
        ListId::Enterprise(_) => Place::Enterprise,
    }
}

pub(super) fn list(
    heroku: &Heroku,
    sight: &Sight,
    list: ListId,
    reading: Reading,
    lie: Option<Lie>,
) -> Result<ListRead, Unread> {
    let place = place(list);
    let Reading { began, first, last, lag } = reading;
    if let Some(Lie::Unread(why)) = lie {
        return Err(unread(place, why));
    }
    let world = heroku.seen(last - lag);
    let of_team = match place {
        Place::Team(team) | Place::Invitation(team) => Some(team),
        Place::App(app) => world.apps.get(&app).copied(),
        Place::Space(space) => world.spaces.get(&space).copied(),
        Place::Enterprise => None,
    };
    if let Some(team) = of_team.filter(|team| *team > 0) {
        if sight.dark.contains(&team) {
            return Err(unread(place, "not_found"));
        }
        if !heroku.now().sees(team) {
            return Err(unread(place, "forbidden"));
        }
    }
    let mut read = whole(heroku.seen(first - lag), world, place, began);
    match lie {
        Some(Lie::Truncated) => {
            cut(&mut read.entries, 1);
            read.evidence[0].complete = false;
        }
        Some(Lie::NoControl) => {
            cut(&mut read.entries, 0);
            read.evidence[0].control = false;
        }
        Some(Lie::NoInvitations) => {
            if let Entries::Team { invitations, .. } = &mut read.entries
                && invitations.as_ref().is_some_and(Vec::is_empty)
            {
                *invitations = None;
                read.evidence.truncate(1);
            }
        }
        Some(Lie::Unread(_) | Lie::Failed) | None => {}
    }
    Ok(read)
}

/// `before` is what the first request of a pass meets: a team's invitations are asked for before its members.
fn whole(before: &World, world: &World, place: Place, began: Timestamp) -> ListRead {
    let (entries, evidence) = match place {
        Place::Team(number) | Place::Invitation(number) => {
            let member = |account: u8, membership: MembershipId, role: &str| Member {
                membership,
                user: world.user(account),
                role: Some(role.to_owned()),
                granted: Granted::default(),
            };
            let mut members: Vec<Member> =
                world.at(place).iter().map(|known| member(known.account, known.membership(), known.role)).collect();
            let by_app = world.collaborators_of(number);
            members.extend(by_app.into_iter().map(|known| member(known, listed_by_app(known), "collaborator")));
            let invitations: Vec<Invitation> = before
                .at(Place::Invitation(number))
                .iter()
                .map(|known| Invitation {
                    id: known.invitation(),
                    user: User { account: None, email: super::world::address(known.address).clone() },
                    role: Some(known.role.to_owned()),
                    granted: Granted { at: Some(known.since), by: Some(super::world::address(CHIEF).clone()) },
                })
                .collect();
            let proofs =
                vec![evidence("members", began, members.len()), evidence("invitations", began, invitations.len())];
            (Entries::Team { members, invitations: Some(invitations) }, proofs)
        }
        Place::App(_) => {
            let people: Vec<Collaborator> = world
                .at(place)
                .iter()
                .map(|known| Collaborator {
                    id: known.collaborator(),
                    user: world.user(known.account),
                    role: Some(known.role.to_owned()),
                    permissions: if known.role == "owner" { Vec::new() } else { vec!["deploy".to_owned()] },
                    granted: Granted::default(),
                })
                .collect();
            let proof = evidence("collaborators", began, people.len());
            (Entries::App(people), vec![proof])
        }
        Place::Space(_) => {
            // Those without a permission stand in it as well.
            let people: Vec<SpaceMember> = world
                .at(place)
                .iter()
                .map(|known| (known.account, vec![known.role.to_owned()]))
                .chain([(CHIEF, Vec::new())])
                .map(|(account, permissions)| SpaceMember {
                    user: world.user(account),
                    permissions,
                    granted: Granted::default(),
                })
                .collect();
            let proof = evidence("space", began, people.len());
            (Entries::Space(people), vec![proof])
        }
        Place::Enterprise => {
            let people: Vec<EnterpriseMember> = world
                .at(place)
                .iter()
                .map(|known| EnterpriseMember {
                    id: crate::model::EnterpriseMembershipId(known.membership().0),
                    user: world.user(known.account),
                    permissions: vec![known.role.to_owned()],
                })
                .collect();
            let proof = evidence("enterprise", began, people.len());
            (Entries::Enterprise(people), vec![proof])
        }
    };
    ListRead { began, entries, evidence }
}

fn cut(entries: &mut Entries, length: usize) {
    match entries {
        Entries::Team { members, invitations } => {
            members.truncate(length);
            *invitations = Some(Vec::new());
        }
        Entries::App(people) => people.truncate(length),
        Entries::Space(people) => people.truncate(length),
        Entries::Enterprise(people) => people.truncate(length),
    }
}

/// Everything visible, in one pass. `lie` concerns the list with the number that goes with it.
pub(super) fn scan(
    heroku: &Heroku,
    sight: &Sight,
    wanted: &Wanted,
    reading: Reading,
    lie: Option<(usize, Lie)>,
) -> Scan {
    let world = heroku.seen(reading.last - reading.lag);
    let named = |number: &u8| Team { id: team(*number), name: format!("t{number}") };
    let visible: Vec<u8> = super::world::TEAMS.filter(|number| heroku.now().sees(*number)).collect();
    let mut lists: Vec<ListId> = visible.iter().map(|number| ListId::Team(team(*number))).collect();
    let seen = |of: u8| of == 0 || visible.contains(&of);
    let apps = || world.apps.iter().filter(|(number, of)| seen(**of) && (**of > 0 || shared(world, **number)));
    for (number, _) in apps() {
        let place = Place::App(*number);
        let concerns = world.at(place).iter().any(|known| wanted.holds(&world.user(known.account)));
        if concerns || !sight.permissions {
            lists.push(ListId::App(app(*number)));
        }
    }
    let spaces = || world.spaces.iter().filter(|(_, of)| seen(**of));
    lists.extend(spaces().map(|(number, _)| ListId::Space(space(*number))));
    if sight.enterprise {
        lists.push(ListId::Enterprise(enterprise()));
    }
    let count = lists.len();
    let lie_of = |index: usize| lie.filter(|(number, _)| number % count.max(1) == index).map(|(_, lie)| lie);
    let owner = |number: &u8| world.owners.get(number).map(|owner| world.user(*owner));
    Scan {
        began: reading.began,
        teams: visible.iter().map(named).collect(),
        enterprise_teams: if sight.enterprise {
            super::world::TEAMS.map(|it| named(&it)).collect()
        } else {
            Vec::new()
        },
        apps: apps()
            .map(|(number, of)| App {
                id: app(*number),
                name: format!("a{number}"),
                team: (*of > 0).then(|| team(*of)),
                owner: if *of > 0 { None } else { owner(number) },
            })
            .collect(),
        spaces: spaces()
            .map(|(number, of)| Space { id: space(*number), name: format!("s{number}"), team: Some(team(*of)) })
            .collect(),
        enterprises: if sight.enterprise {
            vec![Enterprise { id: enterprise(), name: "larkspur".to_owned() }]
        } else {
            Vec::new()
        },
        pipelines: world
            .pipelines
            .iter()
            .map(|(number, owner)| Pipeline {
                id: pipeline(*number),
                name: format!("pipe{number}"),
                owner: account(*owner),
            })
            .collect(),
        lists: lists
            .iter()
            .enumerate()
            .map(|(index, id)| (*id, list(heroku, sight, *id, reading, lie_of(index))))
            .collect(),
        not_read: Vec::new(),
    }
}

/// A personal app shows only while we collaborate on it.
pub(super) fn shared(world: &World, number: u8) -> bool {
    world.find(Place::App(number), ME).is_some()
}
