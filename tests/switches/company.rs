//! One company on Heroku with every kind of leaver, and those who stay.

use heroku_deprovisioner::simulator::World;
use heroku_deprovisioner::simulator::switches::InvitationsEndpoint;

use super::factors::Row;

pub(crate) const TOKEN: &str = "HRKU-tests-0000";
pub(crate) const BOT: &str = "offboarding-bot@larkspur.example";
/// A member, an outsider with a grant on one app, in a space, invited, in the enterprise account.
pub(crate) const PRIYA: &str = "priya.raman@larkspur.example";
/// An admin among others, who therefore reaches the team's space in any case.
pub(crate) const INES: &str = "ines.duarte@larkspur.example";
/// Known to Heroku by an alias, in other letters.
pub(crate) const TOMAS: &str = "tomas.oliveira@larkspur.example";
pub(crate) const TOMAS_ALIAS: &str = "t.oliveira@larkspur.example";
pub(crate) const TOMAS_ON_HEROKU: &str = "T.Oliveira@Larkspur.example";
/// Invited, and without an account.
pub(crate) const ZOE: &str = "zoe.novak@larkspur.example";
/// Not on Heroku.
pub(crate) const NOAH: &str = "noah.berg@larkspur.example";
/// Owns a personal app.
pub(crate) const KOFI: &str = "kofi.mensah@larkspur.example";
/// The last human admin of a team.
pub(crate) const AOIFE: &str = "aoife.byrne@larkspur.example";
/// Protected.
pub(crate) const BREAK_GLASS: &str = "break-glass@larkspur.example";

/// Everybody whom HR says to have left, and by which addresses.
pub(crate) const LEAVERS: [&[&str]; 8] =
    [&[PRIYA], &[INES], &[TOMAS, TOMAS_ALIAS], &[ZOE], &[NOAH], &[KOFI], &[AOIFE], &[BREAK_GLASS]];

/// Whoever of them may lose something.
pub(crate) const MAY_LOSE: [&str; 6] = [PRIYA, INES, TOMAS_ON_HEROKU, ZOE, KOFI, AOIFE];

pub(crate) const LONELY_TEAM: &str = "payroll";
const SUCCESSOR: &str = "wen.zhao@larkspur.example";
const HUMAN: &str = "ana.silva@larkspur.example";
/// Same surname as a leaver, and the same access.
const NAMESAKE: &str = "anil.raman@larkspur.example";
/// A leaver's address with a tag: somebody else.
const TAGGED: &str = "priya.raman+ops@larkspur.example";
/// A leaver's address with something before it.
const LONGER: &str = "a.priya.raman@larkspur.example";
const OUTSIDER: &str = "otis.lund@agency.example";

pub(crate) fn world(row: &Row) -> World {
    let mut world = World::new(3).with_token(TOKEN, BOT).with_enterprise("larkspur").with_enterprise_member(
        "larkspur",
        BOT,
        &["view", "create", "manage", "billing"],
    );
    world.switches = row.switches.clone();
    for team in ["payments", "ledger"] {
        world.add_team(team, Some("larkspur"));
    }
    for team in ["storefront", LONELY_TEAM] {
        world.add_team(team, None);
    }
    for team in ["payments", "ledger", "storefront", LONELY_TEAM] {
        world.add_member(team, BOT, "admin");
        if team != LONELY_TEAM {
            world.add_member(team, HUMAN, "admin");
        }
        for stays in [NAMESAKE, TAGGED, LONGER] {
            world.add_member(team, stays, "member");
        }
        let app = format!("{team}-api");
        world.add_app(&app, team);
        world.add_app(&format!("{team}-web"), team);
        for stays in [NAMESAKE, TAGGED, OUTSIDER] {
            world.add_collaborator(&app, stays, &["view", "deploy"]);
        }
    }
    if world.switches.invitations_on_enterprise_teams == InvitationsEndpoint::Listed {
        // Otherwise such a team has none: that is what the answer is taken to mean.
        world.add_invitation("ledger", PRIYA, "member");
        world.add_invitation("ledger", "mia.okafor@larkspur.example", "member");
    }
    world
        .with_space("vault", "payments")
        .with_space_access("vault", PRIYA)
        .with_space_access("vault", NAMESAKE)
        .with_member("payments", PRIYA, "member")
        .with_collaborator("payments-api", PRIYA, &["view", "deploy"])
        .with_collaborator("ledger-api", PRIYA, &["view"])
        .with_invitation("storefront", PRIYA, "member")
        .with_invitation("storefront", "mia.okafor@larkspur.example", "member")
        .with_enterprise_member("larkspur", PRIYA, &["view"])
        .with_enterprise_member("larkspur", NAMESAKE, &["view"])
        .with_personal_app("anils-notes", NAMESAKE)
        .with_collaborator("anils-notes", BOT, &["view"])
        .with_collaborator("anils-notes", PRIYA, &["view"])
        .with_member("payments", INES, "admin")
        .with_space_access("vault", INES)
        .with_collaborator("payments-web", INES, &["view", "deploy", "operate", "manage"])
        .with_member("storefront", TOMAS_ON_HEROKU, "viewer")
        .with_collaborator("storefront-api", TOMAS_ON_HEROKU, &["view"])
        .with_invitation("storefront", ZOE, "admin")
        .with_member("payments", KOFI, "member")
        .with_personal_app("kofi-side-project", KOFI)
        .with_collaborator("kofi-side-project", BOT, &["view"])
        .with_pipeline("kofis-pipeline", KOFI)
        .with_coupling("kofis-pipeline", "payments-api", "production")
        .with_member(LONELY_TEAM, AOIFE, "admin")
        .with_collaborator("storefront-api", AOIFE, &["view"])
        .with_member("ledger", AOIFE, "member")
        .with_member("payments", BREAK_GLASS, "admin")
        .with_collaborator("ledger-api", BREAK_GLASS, &["view"])
        .with_account(SUCCESSOR)
}

/// Whoever managed the lonely team is not alone any more.
pub(crate) fn promote_successor(world: &mut World) {
    world.add_member(LONELY_TEAM, SUCCESSOR, "admin");
}
