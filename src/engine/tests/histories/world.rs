//! Heroku as it is: who has which access where, since when, and what its lists showed at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::model::world::User;
use crate::model::{
    AccountId, AppId, CollaboratorId, Email, EnterpriseId, InvitationId, MembershipId, PipelineId, Removal, SpaceId,
    TeamId,
};

/// The service's own account, admin of every team that it can see.
pub(super) const ME: u8 = 200;
/// An admin of every team of whom no source ever speaks.
pub(super) const CHIEF: u8 = 9;
/// The account through which a team owns its apps.
pub(super) const PSEUDO: u8 = 250;
/// Never to be touched.
pub(super) const PROTECTED: u8 = 6;
/// People of whom sources speak; each has an account and an address of the same number.
pub(super) const LEAVERS: std::ops::RangeInclusive<u8> = 1..=6;
/// Newly hired; number 20 + n is given the address of n.
pub(super) const HIRED: u8 = 20;
/// People of whom nobody speaks, with addresses that look like those of 1 and 2.
pub(super) const LOOKALIKES: std::ops::RangeInclusive<u8> = 30..=33;
/// Address 40 + n is the new name of n; 60 + n their private one; 80 + n what is left to an account whose address went on.
pub(super) const RENAMED: u8 = 40;
pub(super) const PRIVATE: u8 = 60;
pub(super) const LEFT_OVER: u8 = 80;

pub(super) const TEAMS: std::ops::RangeInclusive<u8> = 1..=3;

/// An address by its number.
pub(super) fn address(number: u8) -> &'static Email {
    static ADDRESSES: LazyLock<Vec<Email>> = LazyLock::new(|| {
        let text = |number: u8| match number {
            30 => "p1@larkspur.example.org".to_owned(),
            31 => "p11@larkspur.example".to_owned(),
            32 => "xp1@larkspur.example".to_owned(),
            33 => "p2+x@larkspur.example".to_owned(),
            41..=49 => format!("q{}@larkspur.example", number - RENAMED),
            61..=69 => format!("p{}@mail.example", number - PRIVATE),
            81..=89 => format!("old{}@larkspur.example", number - LEFT_OVER),
            PSEUDO => "t1@herokumanager.com".to_owned(),
            _ => format!("p{number}@larkspur.example"),
        };
        (0..=u8::MAX).map(|number| Email::as_reported(&text(number))).collect()
    });
    &ADDRESSES[usize::from(number)]
}

fn id(kind: u8, serial: u32, number: u8) -> Uuid {
    let [a, b, c, d] = serial.to_be_bytes();
    Uuid::from_bytes([kind, 0, 0, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, number])
}

/// The number in any of these ids.
pub(super) fn number(id: Uuid) -> u8 {
    id.as_bytes()[15]
}

pub(super) fn account(number: u8) -> AccountId {
    AccountId(id(1, 0, number))
}
pub(super) fn team(number: u8) -> TeamId {
    TeamId(id(2, 0, number))
}
pub(super) fn app(number: u8) -> AppId {
    AppId(id(3, 0, number))
}
pub(super) fn space(number: u8) -> SpaceId {
    SpaceId(id(4, 0, number))
}
pub(super) fn enterprise() -> EnterpriseId {
    EnterpriseId(id(5, 0, 1))
}
pub(super) fn pipeline(number: u8) -> PipelineId {
    PipelineId(id(6, 0, number))
}

/// Where an access is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Team(u8),
    Invitation(u8),
    App(u8),
    Space(u8),
    Enterprise,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(number) => write!(f, "team t{number}"),
            Self::Invitation(number) => write!(f, "the invitations of team t{number}"),
            Self::App(number) => write!(f, "app a{number}"),
            Self::Space(number) => write!(f, "space s{number}"),
            Self::Enterprise => write!(f, "the enterprise account"),
        }
    }
}

/// One access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) account: u8,
    /// The address that an invitation was sent to.
    pub(super) address: u8,
    pub(super) role: &'static str,
    pub(super) serial: u32,
    pub(super) since: Timestamp,
}

impl Access {
    pub(super) fn membership(&self) -> MembershipId {
        MembershipId(id(10, self.serial, self.account))
    }
    pub(super) fn collaborator(&self) -> CollaboratorId {
        CollaboratorId(id(11, self.serial, self.account))
    }
    pub(super) fn invitation(&self) -> InvitationId {
        InvitationId(id(12, self.serial, self.account))
    }
}

/// All of Heroku at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) people: BTreeMap<Place, Vec<Access>>,
    /// Accounts that carry another address than that of their own number.
    pub(super) renamed: BTreeMap<u8, u8>,
    /// App to team; 0 = somebody's own.
    pub(super) apps: BTreeMap<u8, u8>,
    pub(super) spaces: BTreeMap<u8, u8>,
    /// Personal app to its owner.
    pub(super) owners: BTreeMap<u8, u8>,
    pub(super) pipelines: BTreeMap<u8, u8>,
}

impl World {
    pub(super) fn at(&self, place: Place) -> &[Access] {
        self.people.get(&place).map_or(&[], Vec::as_slice)
    }

    pub(super) fn find(&self, place: Place, account: u8) -> Option<&Access> {
        self.at(place).iter().find(|known| known.account == account)
    }

    /// Number of the address that an account carries.
    pub(super) fn address_of(&self, account: u8) -> u8 {
        self.renamed.get(&account).copied().unwrap_or(account)
    }

    pub(super) fn user(&self, number: u8) -> User {
        User { account: Some(account(number)), email: address(self.address_of(number)).clone() }
    }

    /// Everything that people have, by place.
    pub(super) fn accesses(&self) -> impl Iterator<Item = (Place, &Access)> {
        self.people.iter().flat_map(|(place, list)| list.iter().map(|access| (*place, access)))
    }

    /// Human admins of a team besides ourselves.
    pub(super) fn admins(&self, team: u8) -> impl Iterator<Item = u8> {
        let admin = |known: &&Access| known.role == "admin" && known.account != ME && known.account != PSEUDO;
        self.at(Place::Team(team)).iter().filter(admin).map(|known| known.account)
    }

    pub(super) fn sees(&self, team: u8) -> bool {
        self.find(Place::Team(team), ME).is_some()
    }

    /// Whether we may remove anything there: in the places of a team only while we are in it.
    pub(super) fn may_change(&self, removal: Removal) -> bool {
        let team = match target(removal).place {
            Place::Team(team) | Place::Invitation(team) => team,
            Place::App(app) => self.apps[&app],
            Place::Space(space) => self.spaces[&space],
            Place::Enterprise => 0,
        };
        team == 0 || self.sees(team)
    }

    /// Those who stand in a team's list only because of one of its apps.
    pub(super) fn collaborators_of(&self, team: u8) -> BTreeSet<u8> {
        let apps = self.apps.iter().filter(|(_, of)| **of == team).map(|(app, _)| Place::App(*app));
        let people = apps.flat_map(|app| self.at(app)).map(|known| known.account);
        people.filter(|known| *known != PSEUDO && self.find(Place::Team(team), *known).is_none()).collect()
    }
}

/// The accounts and places that a removal names; `None` = what it names is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) place: Place,
    pub(super) account: u8,
}

pub(super) fn target(removal: Removal) -> Target {
    let (place, who) = match removal {
        Removal::Member { team, membership } => (Place::Team(number(team.0)), membership.0),
        Removal::Invitation { team, invitation } => (Place::Invitation(number(team.0)), invitation.0),
        Removal::Collaborator { app, collaborator } => (Place::App(number(app.0)), collaborator.0),
        Removal::SpaceAccess { space, account } => (Place::Space(number(space.0)), account.0),
        Removal::EnterpriseMember { account, .. } => (Place::Enterprise, account.0),
    };
    Target { place, account: number(who) }
}

/// Everything that ever was.
#[derive(Debug)]
pub(super) struct Heroku {
    versions: Vec<(Timestamp, Rc<World>)>,
    serial: u32,
    /// Removing a member also takes their grants on the team's apps and in its spaces.
    pub(super) cascades: bool,
    /// Somebody other than the service took an admin away, last.
    pub(super) admin_taken: BTreeMap<u8, Timestamp>,
    /// The most people that a team ever had.
    pub(super) largest: BTreeMap<u8, usize>,
}

impl Heroku {
    pub(super) fn new(at: Timestamp, cascades: bool) -> Self {
        Self {
            versions: vec![(at, Rc::default())],
            serial: 0,
            cascades,
            admin_taken: BTreeMap::new(),
            largest: BTreeMap::new(),
        }
    }

    pub(super) fn now(&self) -> &World {
        &self.versions.last().expect("there is a first one").1
    }

    /// As it was at `moment`.
    pub(super) fn seen(&self, moment: Timestamp) -> &World {
        let (_, world) = self.versions.iter().rev().find(|(at, _)| *at <= moment).unwrap_or(&self.versions[0]);
        world
    }

    /// Every state between two moments, the one at the first included.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &World> {
        let first = self.versions.iter().rposition(|(at, _)| *at <= from).unwrap_or(0);
        self.versions[first..].iter().filter(move |(at, _)| *at <= to).map(|(_, world)| &**world)
    }

    /// What there is now has always been so.
    pub(super) fn begins(&mut self) {
        self.versions.drain(..self.versions.len() - 1);
        self.versions[0].0 = Timestamp::MIN;
    }

    pub(super) fn change(&mut self, at: Timestamp, change: impl FnOnce(&mut World)) {
        let (last, world) = self.versions.last().expect("there is a first one");
        let mut world = World::clone(world);
        let at = at.max(*last);
        change(&mut world);
        for team in TEAMS {
            let people = world.at(Place::Team(team)).len() + world.collaborators_of(team).len();
            let most = self.largest.entry(team).or_default();
            *most = people.max(*most);
        }
        self.versions.push((at, Rc::new(world)));
    }

    pub(super) fn give(&mut self, at: Timestamp, place: Place, account: u8, role: &'static str) {
        self.serial += 1;
        let serial = self.serial;
        self.change(at, |world| {
            let address = world.address_of(account);
            let list = world.people.entry(place).or_default();
            if list.iter().all(|known| known.account != account) {
                list.push(Access { account, address, role, serial, since: at });
            }
        });
    }

    /// Somebody else takes an access away.
    pub(super) fn take(&mut self, at: Timestamp, place: Place, account: u8) {
        self.note_admin(at, place, account);
        self.change(at, |world| world.people.entry(place).or_default().retain(|known| known.account != account));
    }

    fn note_admin(&mut self, at: Timestamp, place: Place, account: u8) {
        if let Place::Team(team) = place
            && self.now().find(place, account).is_some_and(|known| known.role == "admin")
        {
            self.admin_taken.insert(team, at);
        }
    }

    pub(super) fn set_role(&mut self, at: Timestamp, team: u8, account: u8, role: &'static str) {
        let place = Place::Team(team);
        self.note_admin(at, place, account);
        self.change(at, |world| {
            for known in world.people.entry(place).or_default() {
                if known.account == account {
                    known.role = role;
                }
            }
        });
    }

    /// The invitation becomes a membership.
    pub(super) fn accept(&mut self, at: Timestamp, team: u8, account: u8) {
        if let Some(role) = self.now().find(Place::Invitation(team), account).map(|known| known.role) {
            self.take(at, Place::Invitation(team), account);
            self.give(at, Place::Team(team), account, role);
        }
    }

    pub(super) fn rename(&mut self, at: Timestamp, account: u8, address: u8) {
        self.change(at, |world| {
            world.renamed.insert(account, address);
        });
    }

    /// A removal arrives. Whether there was something to remove.
    pub(super) fn remove(&mut self, at: Timestamp, removal: Removal) -> bool {
        let Target { place, account } = target(removal);
        let world = self.now();
        let hit = |known: &Access| match removal {
            Removal::Member { membership, .. } => known.membership() == membership,
            Removal::Invitation { invitation, .. } => known.invitation() == invitation,
            Removal::Collaborator { collaborator, .. } => known.collaborator() == collaborator,
            Removal::SpaceAccess { .. } | Removal::EnterpriseMember { .. } => known.account == account,
        };
        let there = world.at(place).iter().any(hit);
        let only_by_app = match (place, removal) {
            (Place::Team(team), Removal::Member { membership, .. }) => {
                membership == listed_by_app(account) && world.collaborators_of(team).contains(&account)
            }
            _ => false,
        };
        if !there && !only_by_app {
            return false;
        }
        let cascades = self.cascades;
        self.change(at, |world| {
            world.people.entry(place).or_default().retain(|known| !hit(known));
            if let Place::Team(team) = place
                && (cascades || only_by_app)
            {
                let apps: Vec<Place> =
                    world.apps.iter().filter(|(_, of)| **of == team).map(|(app, _)| Place::App(*app)).collect();
                let spaces = world.spaces.iter().filter(|(_, of)| **of == team).map(|(space, _)| Place::Space(*space));
                for place in spaces.chain(apps).collect::<Vec<_>>() {
                    world.people.entry(place).or_default().retain(|known| known.account != account);
                }
            }
        });
        true
    }
}

/// The membership that a team's list shows for somebody who only collaborates on an app.
pub(super) fn listed_by_app(account: u8) -> MembershipId {
    MembershipId(id(13, 0, account))
}

/// So long a list may show what was, at most.
pub(super) const LAG_MAX: SignedDuration = SignedDuration::from_secs(20);
