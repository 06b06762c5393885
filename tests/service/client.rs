//! The client of Heroku alone, where a wrong answer would show only much later in the whole service.

use std::collections::BTreeMap;
use std::time::Duration;

use heroku_deprovisioner::clock;
use heroku_deprovisioner::engine::budget::{Assumed, Lane};
use heroku_deprovisioner::heroku::{AccountStopped, CallError, Client, Gate, Scope, Settings, Token};
use heroku_deprovisioner::model::world::{Entries, ListId, ListRead, Unread, Wanted};
use heroku_deprovisioner::simulator::{Options, Simulator, World};
use serde_json::{Value, json};

use super::stage::{BOT, PRIYA, TOKEN};

const HUMAN: &str = "ana.silva@larkspur.example";

async fn client(world: World, faults: Value) -> (Simulator, Client) {
    let simulator = Simulator::start_local(world, Options::default()).await.unwrap();
    simulator.set_faults(serde_json::from_value(faults).unwrap());
    let settings = Settings::new(simulator.url(), Token::fixed(TOKEN.into()).unwrap());
    let client = Client::new(settings, Gate::new(Assumed::default())).unwrap();
    (simulator, client)
}

/// The list of the team `payments`, as a scan reads it and as it is read alone.
async fn read_payments(world: World) -> [Result<ListRead, Unread>; 2] {
    let team = ListId::Team(world.team("payments").unwrap().id);
    let (_simulator, client) = client(world, json!([])).await;
    let mut scan = client.scan(&Wanted::default(), &Scope::default(), Lane::Urgent).await.unwrap();
    let asked = BTreeMap::from([(team, "payments".to_owned())]);
    let mut lists = client.read_lists(&asked, Lane::Urgent).await.unwrap();
    [scan.lists.remove(&team).unwrap(), lists.remove(&team).unwrap()]
}

/// Heroku refuses them to a plain member, which does not say that there are none.
#[tokio::test]
async fn invitations_that_are_refused_to_whoever_is_no_admin_are_unread() {
    let world = World::new(1)
        .with_token(TOKEN, BOT)
        .with_team("payments")
        .with_member("payments", BOT, "member")
        .with_member("payments", HUMAN, "admin")
        .with_invitation("payments", PRIYA, "member");
    let unread = Unread { what: "invitations of team payments".to_owned(), why: "not_admin".to_owned() };
    assert_eq!(read_payments(world).await, [Err(unread.clone()), Err(unread)]);
}

#[tokio::test]
async fn a_team_that_has_no_invitations_is_read_by_its_admin() {
    let mut world = World::new(1).with_token(TOKEN, BOT).with_enterprise_team("payments", "larkspur");
    world.add_member("payments", BOT, "admin");
    for read in read_payments(world).await {
        let read = read.unwrap();
        assert!(read.is_usable());
        assert!(matches!(read.entries, Entries::Team { invitations: None, .. }), "{:?}", read.entries);
    }
}

/// The path of the invitations holds the team's name, which may be another one since it was read.
#[tokio::test]
async fn the_invitations_of_a_team_that_was_renamed_are_read_by_its_new_name() {
    let world = World::new(1)
        .with_token(TOKEN, BOT)
        .with_team("payments")
        .with_member("payments", BOT, "admin")
        .with_invitation("payments", PRIYA, "member");
    let team = ListId::Team(world.team("payments").unwrap().id);
    let (simulator, client) = client(world, json!([])).await;
    let renamed = serde_json::from_value(json!({"rename_team": {"team": "payments", "to": "payouts"}})).unwrap();
    simulator.with_world(|world| world.happen(&renamed, clock::now())).unwrap();
    let asked = BTreeMap::from([(team, "payments".to_owned())]);
    let read = client.read_lists(&asked, Lane::Urgent).await.unwrap().remove(&team).unwrap().unwrap();
    let Entries::Team { invitations: Some(invitations), .. } = read.entries else { panic!("{:?}", read.entries) };
    assert_eq!(invitations.iter().map(|it| it.user.email.expose()).collect::<Vec<_>>(), [PRIYA]);
}

/// Ordinary work leaves a reserve alone, which takes minutes to come back after a 429 unless Heroku says otherwise.
#[tokio::test]
async fn a_429_to_the_question_for_the_pool_is_waited_out_and_asked_again() {
    let refused = json!({"answer": {"status": 429, "body": {"json": {"id": "rate_limit", "message": "Wait."}},
        "headers": [["Retry-After", "1"]]}});
    let faults = json!([{"when": {"path": "/account", "times": 1}, "then": [refused]},
        {"when": {"path": "/account/rate-limits", "times": 2}, "then": [refused]}]);
    let (simulator, client) = client(World::new(1).with_token(TOKEN, BOT), faults).await;
    let account = tokio::time::timeout(Duration::from_secs(60), client.account(Lane::Normal)).await;
    assert_eq!(account.expect("it waits for the whole reserve").unwrap().email.expose(), BOT);
    let asked = simulator.requests().iter().filter(|request| request.path == "/account/rate-limits").count();
    assert_eq!(asked, 3, "once for each refusal, and once more");
}

#[tokio::test]
async fn an_account_that_says_of_itself_that_it_is_stopped_is_stopped() {
    for (field, stopped) in [("suspended_at", AccountStopped::Suspended), ("delinquent_at", AccountStopped::Delinquent)]
    {
        let account =
            json!({"id": "01234567-89ab-4def-8123-456789abcdef", "email": BOT, field: "2026-05-29T14:00:00Z"});
        let faults =
            json!([{"when": {"path": "/account"}, "then": [{"answer": {"status": 200, "body": {"json": account}}}]}]);
        let (_simulator, client) = client(World::new(1).with_token(TOKEN, BOT), faults).await;
        let answer = client.account(Lane::Urgent).await;
        assert!(matches!(answer, Err(CallError::Stopped(why)) if why == stopped), "{field}: {answer:?}");
        let scan = client.scan(&Wanted::default(), &Scope::default(), Lane::Urgent).await;
        assert_eq!(scan.unwrap_err(), stopped, "{field}");
    }
}
