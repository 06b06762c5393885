//! A believable company on Heroku, from a seed.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt, SeedableRng};

use super::state::World;

/// How large the company is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Teams; two thirds belong to the enterprise account.
    pub teams: u32,
    /// Apps in each team.
    pub apps_per_team: u32,
    /// Employees; a few outside people come on top.
    pub people: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self { teams: 6, apps_per_team: 7, people: 60 }
    }
}

/// The company's mail domain.
pub const COMPANY_DOMAIN: &str = "larkspur.example";

/// The account that removes access. It is an admin of every team and manages the enterprise account.
pub const SERVICE_ACCOUNT: &str = "offboarding-bot@larkspur.example";

/// The enterprise account.
pub const ENTERPRISE_ACCOUNT: &str = "larkspur";

/// A company of this size. The service account answers to `token`. Equal arguments give equal worlds.
pub fn generate(seed: u64, size: Size, token: &str) -> World {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut world = World::new(seed)
        .with_token(token, SERVICE_ACCOUNT)
        .with_enterprise(ENTERPRISE_ACCOUNT)
        .with_enterprise_member(ENTERPRISE_ACCOUNT, SERVICE_ACCOUNT, &["view", "create", "manage", "billing"]);
    let people = people(&mut dice, size.people, COMPANY_DOMAIN);
    let outsiders = people_outside(&mut dice, size.people.div_ceil(10));
    for person in &people {
        world.add_account(person);
    }
    for (place, team) in team_names(size.teams).iter().enumerate() {
        furnish(&mut world, &mut dice, team, place, size.apps_per_team, &people, &outsiders);
    }
    for person in people.iter().filter(|_| size.teams > 0) {
        if dice.random_ratio(1, 6) {
            world.add_enterprise_member(ENTERPRISE_ACCOUNT, person, &["view"]);
        }
        if dice.random_ratio(1, 12) {
            let app = format!("{}-sandbox", app_name_of(person));
            world.add_personal_app(&app, person);
            if dice.random_ratio(1, 2) {
                world.add_collaborator(&app, SERVICE_ACCOUNT, &["view", "deploy", "operate"]);
            }
        }
    }
    world
}

/// One team with its people, apps, space, pipeline and invitations.
fn furnish(
    world: &mut World,
    dice: &mut StdRng,
    team: &str,
    place: usize,
    apps: u32,
    people: &[String],
    outsiders: &[String],
) {
    let of_enterprise = place % 3 != 2;
    world.add_team(team, if of_enterprise { Some(ENTERPRISE_ACCOUNT) } else { None });
    world.add_member(team, SERVICE_ACCOUNT, "admin");
    let share = (people.len() / 4).clamp(people.len().min(4), 40);
    let mut chosen: Vec<&String> = people.sample(dice, share).collect();
    chosen.shuffle(dice);
    for (rank, person) in chosen.iter().enumerate() {
        let role = match rank {
            0 | 1 => "admin",
            _ if dice.random_ratio(1, 10) => "viewer",
            _ => "member",
        };
        world.add_member(team, person, role);
    }
    if place.is_multiple_of(3) {
        world.add_space(&format!("{team}-space"), team);
        for person in chosen.iter().skip(2).take(3) {
            world.add_space_access(&format!("{team}-space"), person);
        }
    }
    for number in 0..apps {
        let app = app_name(team, number);
        if place.is_multiple_of(3) && number == 0 {
            world.add_app_in_space(&app, &format!("{team}-space"));
        } else {
            world.add_app(&app, team);
        }
        for person in chosen.iter().skip(2) {
            if dice.random_ratio(1, 8) {
                world.add_collaborator(&app, person, &["view", "deploy", "operate"]);
            }
        }
        if dice.random_ratio(1, 4)
            && let Some(outsider) = outsiders.choose(dice)
        {
            world.add_collaborator(&app, outsider, &["view", "deploy"]);
        }
    }
    if apps >= 2 {
        let name = format!("{team}-pipeline");
        let owner = chosen.get(2).filter(|_| dice.random_ratio(1, 3)).map(|person| world.add_account(person));
        let owner = owner.map(super::state::Owner::Account);
        let team_id = world.team(team).expect("just added").id;
        world.add_pipeline(&name, owner.or(Some(super::state::Owner::Team(team_id))));
        world.add_coupling(&name, &app_name(team, 0), "production");
        world.add_coupling(&name, &app_name(team, 1), "staging");
    }
    if !of_enterprise && let Some(outsider) = outsiders.choose(dice) {
        let present = world.account_at(outsider).map(|account| account.id);
        let members = &world.team(team).expect("just added").members;
        if present.is_none_or(|account| members.get(&account).is_none()) {
            world.add_invitation(team, outsider, "member");
        }
    }
}

const TEAM_NAMES: [&str; 20] = [
    "payments",
    "storefront",
    "search",
    "mobile",
    "identity",
    "ledger",
    "shipping",
    "catalogue",
    "support-tools",
    "analytics",
    "growth",
    "platform",
    "risk",
    "media",
    "partners",
    "pricing",
    "inventory",
    "messaging",
    "reports",
    "experiments",
];

const APP_WORDS: [&str; 10] =
    ["api", "web", "worker", "admin", "staging", "jobs", "gateway", "reports", "hooks", "docs"];

const FIRST_NAMES: [&str; 40] = [
    "priya", "miles", "ana", "otis", "mara", "jonas", "lena", "tariq", "noor", "emil", "sofia", "kwame", "ines",
    "pavel", "yuki", "amara", "dmitri", "clara", "hugo", "zainab", "felix", "rosa", "ivan", "leila", "oscar", "nadia",
    "tomas", "greta", "samir", "elif", "bruno", "freya", "matteo", "sana", "viktor", "alma", "kenji", "thea", "rafael",
    "ingrid",
];

const LAST_NAMES: [&str; 40] = [
    "raman",
    "okafor",
    "lindqvist",
    "moreau",
    "tanaka",
    "novak",
    "silva",
    "haddad",
    "jensen",
    "kowalski",
    "mbeki",
    "rossi",
    "weber",
    "petrov",
    "garcia",
    "larsen",
    "ahmed",
    "dubois",
    "fischer",
    "costa",
    "ivanova",
    "keller",
    "osei",
    "bauer",
    "santos",
    "meyer",
    "nakamura",
    "vargas",
    "holm",
    "ozturk",
    "brandt",
    "duarte",
    "lopez",
    "schmidt",
    "ito",
    "moretti",
    "lund",
    "farah",
    "vega",
    "strand",
];

fn team_names(count: u32) -> Vec<String> {
    (0..count as usize)
        .map(|place| {
            let round = place / TEAM_NAMES.len();
            let name = TEAM_NAMES[place % TEAM_NAMES.len()];
            if round == 0 { name.to_owned() } else { format!("{name}-{}", round + 1) }
        })
        .collect()
}

fn app_name(team: &str, number: u32) -> String {
    let place = number as usize;
    let round = place / APP_WORDS.len();
    let word = APP_WORDS[place % APP_WORDS.len()];
    if round == 0 { format!("{team}-{word}") } else { format!("{team}-{word}-{}", round + 1) }
}

fn app_name_of(person: &str) -> String {
    person.split('@').next().unwrap_or(person).replace(['.', '+'], "-")
}

fn people(dice: &mut StdRng, count: u32, domain: &str) -> Vec<String> {
    let mut pairs: Vec<(usize, usize)> =
        (0..FIRST_NAMES.len()).flat_map(|first| (0..LAST_NAMES.len()).map(move |last| (first, last))).collect();
    pairs.shuffle(dice);
    (0..count as usize)
        .map(|place| {
            let (first, last) = pairs[place % pairs.len()];
            let round = place / pairs.len();
            let number = if round == 0 { String::new() } else { (round + 1).to_string() };
            format!("{}.{}{number}@{domain}", FIRST_NAMES[first], LAST_NAMES[last])
        })
        .collect()
}

fn people_outside(dice: &mut StdRng, count: u32) -> Vec<String> {
    let mut all = people(dice, count, "agency.example");
    for person in &mut all {
        if dice.next_u32().is_multiple_of(3) {
            *person = person.replace("agency.example", "freelance.example");
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seed: u64) -> String {
        serde_json::to_string(&generate(seed, Size::default(), "t")).unwrap()
    }

    #[test]
    fn equal_seeds_give_equal_worlds() {
        assert_eq!(written(1), written(1));
        assert_ne!(written(1), written(2));
    }

    #[test]
    fn the_company_is_believable() {
        let world = generate(7, Size { teams: 20, apps_per_team: 50, people: 300 }, "t");
        assert_eq!((world.teams().count(), world.apps().filter(|app| app.team().is_some()).count()), (20, 1000));
        for team in world.teams() {
            let admins = team.members.live().filter(|member| member.role == super::super::state::Role::Admin).count();
            assert!(admins >= 3, "{} has {admins} admins, the service among them", team.name);
        }
        assert!(world.teams().any(|team| team.invitations.live().count() > 0));
        assert!(world.spaces().any(|space| space.access.live().count() > 0));
        assert!(world.apps().any(|app| app.team().is_none()));
        assert!(world.enterprise(ENTERPRISE_ACCOUNT).unwrap().members.live().count() > 1);
        let outside = |email: &str| !email.ends_with(COMPANY_DOMAIN);
        assert!(world.accounts().any(|account| outside(&account.email)));
    }

    #[test]
    fn a_company_of_nothing_is_possible() {
        assert_eq!(generate(1, Size { teams: 0, apps_per_team: 0, people: 0 }, "t").teams().count(), 0);
        assert_eq!(generate(1, Size { teams: 2, apps_per_team: 1, people: 1 }, "t").teams().count(), 2);
    }
}
