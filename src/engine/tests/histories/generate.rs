//! The steps of a seed.

use std::collections::BTreeSet;

use super::chance::Chance;
use super::lists::Lie;
use super::setup::Setup;
use super::step::{Change, Fault, Mood, Order, Plan, Point, STATES_WHAT_IS, Step, When, Word};
use super::world::{CHIEF, HIRED, LEAVERS, LOOKALIKES, ME, PRIVATE, Place, RENAMED, TEAMS};
use crate::model::event::Action;
use crate::model::world::Reply;

const HOUR: u32 = 3600;

/// Ids of the first rows are above those of all other events.
const ROWS: u16 = 1_000;

pub(super) fn steps(setup: &Setup) -> Vec<Step> {
    let mut chance = Chance::new(setup.seed, 2);
    let count = chance.within(18, 45);
    let mut steps = Vec::new();
    // Most histories are about a few people, so that what is said of them meets.
    let about: Vec<u8> = (0..chance.within(2, 5)).map(|_| someone(&mut chance)).collect();
    if setup.states_what_is {
        let mut chance = Chance::new(setup.seed, 3);
        let known = about.iter().collect::<BTreeSet<_>>().into_iter().filter(|_| chance.percent(75));
        steps.extend(known.map(|person| Step::Say(row(*person))));
    }
    for number in 0..count {
        steps.push(step(&mut chance, &about, number as u16));
    }
    steps
}

/// Somebody stands in the table when it is read first.
fn row(subject: u8) -> Word {
    Word {
        id: ROWS + u16::from(subject),
        source: STATES_WHAT_IS,
        subject,
        address: if subject > HIRED { subject - HIRED } else { subject },
        replaces: 0,
        action: Action::Cancel,
        when: When::AsStated,
        ago: HOUR,
        urgent: false,
        synthetic: false,
    }
}

fn someone(chance: &mut Chance) -> u8 {
    if chance.percent(8) { HIRED + chance.byte(1, 3) } else { chance.byte(*LEAVERS.start(), *LEAVERS.end()) }
}

fn step(chance: &mut Chance, about: &[u8], number: u16) -> Step {
    match chance.below(100) {
        0..27 => Step::Say(word(chance, about, number)),
        27..30 => Step::Again(chance.byte(0, 5)),
        30..38 => Step::Order(order(chance)),
        38..42 => Step::Turn,
        42..59 => Step::Pass(pass(chance)),
        59..65 => {
            let point = chance.one_of(&[Point::BeforeCommit, Point::AfterCommit, Point::AfterSending]);
            let down = chance.one_of(&[0, 1, 5, 20, 60, 600, HOUR, 8 * HOUR]);
            Step::Die { point, down }
        }
        65..68 => Step::Takeover { late: chance.one_of(&[0, 2, 10, 40]) },
        68..78 => Step::Fault { fault: fault(chance), times: chance.one_of(&[1, 1, 1, 2, 3, 8]) },
        78..92 => Step::Change(change(chance, about)),
        92..98 => Step::Mood(mood(chance)),
        98 => Step::Enforces,
        _ => Step::Clock(chance.one_of(&[-3600, -60, 400, 3600, 90_000])),
    }
}

fn pass(chance: &mut Chance) -> u32 {
    match chance.below(100) {
        0..45 => chance.within(1, 40),
        45..75 => chance.within(60, 900),
        75..93 => chance.within(1800, 2 * HOUR),
        _ => chance.within(8 * HOUR, 26 * HOUR),
    }
}

fn word(chance: &mut Chance, about: &[u8], id: u16) -> Word {
    let subject = if chance.percent(85) { chance.one_of(about) } else { someone(chance) };
    let source = chance.one_of(&[0, 0, 0, 0, 1, 1, 1, 1, 2]);
    let action = match chance.below(100) {
        0..55 => Action::Deprovision,
        55..73 => Action::Schedule,
        73..82 => Action::Suspend,
        82..95 => Action::Cancel,
        _ => Action::IdentityUpdate,
    };
    let own = if subject > HIRED { subject - HIRED } else { subject };
    let renamed = action == Action::IdentityUpdate;
    let address = match chance.below(100) {
        _ if renamed && subject <= HIRED => own + RENAMED,
        0..4 => 0,
        4..6 => own + PRIVATE,
        6..9 if subject <= HIRED => own + RENAMED,
        _ => own,
    };
    let when = match (action, chance.below(100)) {
        (Action::Schedule, 0..70) => When::InMinutes(chance.within(0, 26 * 60) as i32 - 60),
        (Action::Schedule, 70..94) => When::OnDay { days: chance.byte(0, 1), stockholm: chance.percent(50) },
        (Action::Schedule, 94..97) => When::Nowhere,
        (Action::Deprovision, 0..8) => When::InMinutes(chance.within(0, 240) as i32 - 120),
        _ => When::AsStated,
    };
    let ago = match chance.below(100) {
        0..50 => 0,
        50..85 => chance.within(1, 3600),
        85..96 => chance.within(HOUR, 30 * HOUR),
        _ => chance.within(6 * 24, 9 * 24) * HOUR,
    };
    Word {
        id,
        source,
        subject,
        address,
        replaces: if renamed && address == own + RENAMED { own } else { 0 },
        action,
        when,
        ago,
        urgent: chance.percent(10),
        synthetic: chance.percent(3),
    }
}

fn order(chance: &mut Chance) -> Order {
    let which = chance.byte(0, 4);
    match chance.below(100) {
        0..14 => Order::Pause,
        14..34 => Order::Resume,
        34..62 => {
            let plan = chance.one_of(&[Plan::Current, Plan::Current, Plan::OfAll, Plan::Stale]);
            Order::Approve { which, plan }
        }
        62..76 => Order::Enforce(which),
        76..86 => Order::Cancel(which),
        _ => Order::Retry(which),
    }
}

fn fault(chance: &mut Chance) -> Fault {
    let effect = chance.percent(50);
    match chance.below(100) {
        0..12 => Fault::Removal(Reply::Done, false),
        12..18 => Fault::Removal(Reply::NotFound, effect),
        18..32 => Fault::Removal(Reply::Unavailable, effect),
        32..46 => Fault::Removal(Reply::NoAnswer, effect),
        46..50 => Fault::Removal(Reply::RateLimited, false),
        50..55 => Fault::Removal(Reply::Forbidden, false),
        55..60 => Fault::Removal(Reply::Refused, false),
        _ => {
            let why = chance.one_of(&["forbidden", "not_found", "unavailable", "malformed"]);
            let lie = match chance.below(100) {
                0..40 => Lie::Unread(why),
                40..60 => Lie::Truncated,
                60..75 => Lie::NoControl,
                75..85 => Lie::NoInvitations,
                _ => Lie::Failed,
            };
            Fault::List(chance.byte(0, 9), lie)
        }
    }
}

fn change(chance: &mut Chance, about: &[u8]) -> Change {
    let person = match chance.below(100) {
        0..60 => chance.one_of(about),
        60..75 => someone(chance),
        75..90 => HIRED + chance.byte(1, 3),
        _ => chance.byte(*LOOKALIKES.start(), *LOOKALIKES.end()),
    };
    let team = chance.byte(*TEAMS.start(), *TEAMS.end());
    let role = chance.one_of(&["member", "member", "admin"]);
    let place = match chance.below(100) {
        0..45 => Place::Team(team),
        45..60 => Place::Invitation(team),
        60..85 => Place::App(chance.byte(1, 4)),
        85..93 => Place::Space(1),
        _ => Place::Enterprise,
    };
    let given = match place {
        Place::Team(_) | Place::Invitation(_) => role,
        Place::App(_) => "collaborator",
        Place::Space(_) | Place::Enterprise => "view",
    };
    let own = if person > HIRED { chance.byte(1, 3) } else { person.min(6) };
    match chance.below(100) {
        0..32 => Change::Give(place, person, given),
        32..50 => Change::Take(place, person),
        50..56 => Change::Take(Place::Team(team), if chance.percent(50) { ME } else { CHIEF }),
        56..60 => Change::Give(Place::Team(team), if chance.percent(60) { ME } else { CHIEF }, "admin"),
        60..74 => Change::Role(team, if chance.percent(20) { CHIEF } else { person }, role),
        74..86 => Change::Accept(team, person),
        86..93 => Change::Rename(own),
        93..98 => Change::Recycle(chance.byte(1, 3)),
        _ => Change::Double(chance.byte(1, 3)),
    }
}

fn mood(chance: &mut Chance) -> Mood {
    match chance.below(100) {
        0..25 => Mood::Lag(chance.one_of(&[0, 2, 8, 14, 20])),
        25..40 => Mood::Slow(chance.one_of(&[50, 300, 2_000, 12_000])),
        40..58 => Mood::Dark(chance.byte(*TEAMS.start(), *TEAMS.end())),
        58..72 => Mood::Light,
        72..80 => Mood::Drained(chance.one_of(&[0, 5, 40])),
        80..88 => Mood::Stopped(true),
        _ => Mood::Stopped(false),
    }
}
