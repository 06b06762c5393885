//! The simulator as a client sees it: over HTTP, with the quirks of the real one.

#![cfg(all(feature = "simulator", feature = "service"))]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use heroku_deprovisioner::model::Surface;
use heroku_deprovisioner::simulator::faults::{Fault, Hold, Rule, When};
use heroku_deprovisioner::simulator::journal::{Recorded, Status, Unanswered};
use heroku_deprovisioner::simulator::rate_limit::RateLimit;
use heroku_deprovisioner::simulator::switches::{
    InvitationsEndpoint, InviteeWithoutAccount, ListName, PermissionsEndpoint, RefusalStatus, SecondDelete,
};
use heroku_deprovisioner::simulator::world_change::WorldChange;
use heroku_deprovisioner::simulator::{Options, Simulator, World};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

const BOT: &str = "bot@larkspur.example";
const PRIYA: &str = "priya.raman@larkspur.example";
const OTIS: &str = "otis@agency.example";
const VERSION_3: &str = "application/vnd.heroku+json; version=3";

/// One team, one of each thing in it, a leaver with all of it, and an outsider.
fn world() -> World {
    World::new(1)
        .with_token("HRKU-bot", BOT)
        .with_enterprise("larkspur")
        .with_enterprise_member("larkspur", BOT, &["view", "manage"])
        .with_enterprise_member("larkspur", PRIYA, &["view"])
        .with_team("payments")
        .with_member("payments", BOT, "admin")
        .with_member("payments", PRIYA, "member")
        .with_app("payments-api", "payments")
        .with_collaborator("payments-api", PRIYA, &["view", "deploy"])
        .with_collaborator("payments-api", OTIS, &["view"])
        .with_invitation("payments", "priya@home.example", "member")
        .with_space("vault", "payments")
        .with_space_access("vault", PRIYA)
        .with_personal_app("priyas-sandbox", PRIYA)
        .with_collaborator("priyas-sandbox", BOT, &["view"])
        .with_pipeline("payout", PRIYA)
        .with_coupling("payout", "payments-api", "production")
}

struct Client {
    simulator: Simulator,
    http: reqwest::Client,
}

impl Client {
    async fn of(world: World) -> Self {
        Self::with(world, Options::default()).await
    }

    async fn with(world: World, options: Options) -> Self {
        let simulator = Simulator::start_local(world, options).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, http }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.simulator.url()))
            .bearer_auth("HRKU-bot")
            .header("Accept", VERSION_3)
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.unwrap()
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let reply = self.get(path).await;
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.json().await.unwrap()
    }

    async fn emails(&self, path: &str) -> Vec<String> {
        let entries = self.list(path).await;
        let mut emails: Vec<String> =
            entries.iter().map(|entry| entry["user"]["email"].as_str().unwrap().to_owned()).collect();
        emails.sort();
        emails
    }

    fn fault(&self, method: &str, path: &str, then: Vec<Fault>) {
        let when = When { method: Some(method.to_owned()), path: Some(path.to_owned()), ..When::default() };
        self.simulator.set_faults(vec![Rule { name: "fault".to_owned(), when, then, fitted: 0 }]);
    }

    fn last(&self) -> Recorded {
        self.simulator.requests().pop().unwrap()
    }

    /// Waits until a request has taken effect, also when its answer is held back.
    async fn wait_for(&self, holds: impl Fn(&Recorded) -> bool) -> Recorded {
        loop {
            if let Some(record) = self.simulator.requests().into_iter().find(|record| holds(record)) {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn header<'r>(reply: &'r Response, name: &str) -> Option<&'r str> {
    reply.headers().get(name).map(|value| value.to_str().unwrap())
}

async fn error(reply: Response) -> (u16, String) {
    let status = reply.status().as_u16();
    let body: Value = reply.json().await.unwrap();
    (status, body["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_may_come_as_bearer_or_as_the_password_of_basic() {
    let client = Client::of(world()).await;
    assert_eq!(client.get("/account").await.json::<Value>().await.unwrap()["email"], BOT);
    let url = format!("{}/account", client.simulator.url());
    let basic = client.http.get(&url).basic_auth("", Some("HRKU-bot")).header("Accept", VERSION_3);
    assert_eq!(basic.send().await.unwrap().status(), 200);

    let nobody = client.http.get(&url).header("Accept", VERSION_3).send().await.unwrap();
    assert_eq!((header(&nobody, "RateLimit-Remaining"), header(&nobody, "Oauth-Scope")), (None, None));
    assert_eq!(error(nobody).await, (401, "unauthorized".to_owned()));
}

#[tokio::test]
async fn only_version_3_and_its_variants_are_accepted() {
    let client = Client::of(world()).await;
    for (accept, status) in [
        (VERSION_3, 200),
        ("application/vnd.heroku+json; version=3.team-invitations", 200),
        ("application/vnd.heroku+json; version=2", 406),
        ("application/json", 406),
    ] {
        let reply = client.http.get(format!("{}/teams", client.simulator.url())).bearer_auth("HRKU-bot");
        assert_eq!(reply.header("Accept", accept).send().await.unwrap().status(), status, "{accept}");
    }
}

#[tokio::test]
async fn the_request_id_of_the_client_comes_back_in_a_list() {
    let client = Client::of(world()).await;
    let mine = "01234567-89ab-cdef-0123-456789abcdef";
    let reply = client.request(Method::GET, "/teams").header("Request-Id", mine).send().await.unwrap();
    let ids: Vec<&str> = header(&reply, "Request-Id").unwrap().split(',').collect();
    assert_eq!((ids[0], ids.len()), (mine, 3));
    assert_eq!(client.last().request_id.as_deref(), Some(mine));
}

#[tokio::test]
async fn a_client_that_follows_next_range_sees_everybody_once() {
    let mut world = world();
    for number in 0..7 {
        world.add_member("payments", &format!("person{number}@larkspur.example"), "member");
    }
    world.switches.page_sizes.insert(ListName::TeamMembers, 3);
    let client = Client::of(world).await;
    let mut range = "id ..; max=1000".to_owned();
    let mut seen = Vec::new();
    loop {
        let reply =
            client.request(Method::GET, "/teams/payments/members").header("Range", &range).send().await.unwrap();
        let next = header(&reply, "Next-Range").map(str::to_owned);
        assert_eq!(reply.status(), if next.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
        assert!(header(&reply, "Content-Range").unwrap().starts_with("id "));
        assert_eq!(header(&reply, "Accept-Ranges"), Some("email, id"));
        let page: Vec<Value> = reply.json().await.unwrap();
        assert!(page.len() <= 3);
        seen.extend(page.into_iter().map(|entry| entry["email"].as_str().unwrap().to_owned()));
        match next {
            Some(next) => range = next,
            None => break,
        }
    }
    seen.sort();
    let before = seen.len();
    seen.dedup();
    assert_eq!((before, seen.len()), (10, 10));
}

#[tokio::test]
async fn an_impossible_range_is_refused_on_a_list_and_ignored_elsewhere() {
    let client = Client::of(world()).await;
    let ranged = |method, path: &str| client.request(method, path).header("Range", "..; max=1000,order=desc").send();
    let refused = ranged(Method::GET, "/teams").await.unwrap();
    assert_eq!(error(refused).await, (416, "requested_range_not_satisfiable".to_owned()));
    assert_eq!(ranged(Method::GET, "/account").await.unwrap().status(), 200);
    let removal = ranged(Method::DELETE, &format!("/teams/payments/members/{PRIYA}")).await.unwrap();
    assert_eq!(removal.status(), 200);
}

#[tokio::test]
async fn an_empty_list_carries_no_tag_and_a_known_one_is_not_sent_again() {
    let client = Client::of(world()).await;
    let empty = client.get("/teams/payments/identity-providers").await;
    assert_eq!((header(&empty, "ETag"), header(&empty, "Content-Range")), (None, None));
    let first = client.get("/teams").await;
    let tag = header(&first, "ETag").unwrap().to_owned();
    let again = client.request(Method::GET, "/teams").header("If-None-Match", tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert!(again.text().await.unwrap().is_empty());
}

#[tokio::test]
async fn raw_and_encoded_addresses_name_the_same_person() {
    for path in
        ["/teams/payments/members/mara+ops@larkspur.example", "/teams/payments/members/mara%2Bops%40larkspur.example"]
    {
        let client = Client::of(world().with_member("payments", "mara+ops@larkspur.example", "member")).await;
        let removed: Value = client.delete(path).await.json().await.unwrap();
        assert_eq!(removed["email"], "mara+ops@larkspur.example", "{path}");
    }
}

#[tokio::test]
async fn fixed_words_win_over_a_team_of_that_name() {
    let client = Client::of(world().with_team("permissions").with_member("permissions", BOT, "admin")).await;
    let names = client.list("/teams/permissions").await;
    assert_eq!(names[0]["name"], "view");
    assert!(client.list("/teams").await.iter().any(|team| team["name"] == "permissions"));
}

#[tokio::test]
async fn the_pool_of_tokens_is_shared_by_all_tokens_of_an_account() {
    let options = Options { rate_limit: RateLimit { capacity: 3, refill_per_minute: 1 }, ..Options::default() };
    let client = Client::with(world().with_token("HRKU-second", BOT).with_token("HRKU-priya", PRIYA), options).await;
    for remaining in ["2", "1", "0"] {
        assert_eq!(header(&client.get("/account").await, "RateLimit-Remaining"), Some(remaining));
    }
    let url = format!("{}/account", client.simulator.url());
    let as_token = |token: &str| client.http.get(&url).bearer_auth(token).header("Accept", VERSION_3).send();
    let refused = as_token("HRKU-second").await.unwrap();
    assert_eq!((header(&refused, "Retry-After"), header(&refused, "RateLimit-Remaining")), (None, Some("0")));
    assert_eq!(error(refused).await, (429, "rate_limit".to_owned()));
    assert_eq!(as_token("HRKU-priya").await.unwrap().status(), 200);
    let limits: Value = client.get("/account/rate-limits").await.json().await.unwrap();
    assert_eq!(limits, json!({"remaining": 0}));
}

#[tokio::test]
async fn all_seven_surfaces_show_the_leaver() {
    let client = Client::of(world()).await;
    assert_eq!(client.emails("/teams/payments/members").await, [BOT, OTIS, PRIYA]);
    assert_eq!(client.emails("/teams/payments/invitations").await, ["priya@home.example"]);
    assert_eq!(client.emails("/apps/payments-api/collaborators").await, [OTIS, "payments@herokumanager.com", PRIYA]);
    assert_eq!(client.emails("/enterprise-accounts/larkspur/members").await, [BOT, PRIYA]);
    assert_eq!(client.emails("/spaces/vault/members").await, [BOT, PRIYA]);
    let priya = client.simulator.with_world(|world| world.account_at(PRIYA).unwrap().id.to_string());
    assert_eq!(client.list("/pipelines").await[0]["owner"], json!({"id": priya, "type": "user"}));
    let sandbox: Value = client.get("/apps/priyas-sandbox").await.json().await.unwrap();
    assert_eq!(sandbox["owner"], json!({"id": priya, "email": PRIYA}));
    // The owner of a team's app is the team itself, under an address that is nobody's.
    let api: Value = client.get("/apps/payments-api").await.json().await.unwrap();
    assert_eq!(api["owner"]["id"], api["team"]["id"]);
}

#[tokio::test]
async fn the_five_removals_work_by_the_ids_that_lists_give_and_leave_nothing() {
    let client = Client::of(world()).await;
    let id_of = |entries: &[Value], email: &str| {
        entries.iter().find(|entry| entry["user"]["email"] == email).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let member = id_of(&client.list("/teams/payments/members").await, PRIYA);
    let invitation = id_of(&client.list("/teams/payments/invitations").await, "priya@home.example");
    let collaborator = id_of(&client.list("/apps/payments-api/collaborators").await, PRIYA);
    let account = client.simulator.with_world(|world| world.account_at(PRIYA).unwrap().id.to_string());
    client.simulator.clear_requests();

    assert_eq!(client.delete(&format!("/teams/payments/invitations/{invitation}")).await.status(), 200);
    let cleared = client
        .request(Method::PATCH, &format!("/spaces/vault/members/{account}"))
        .json(&json!({"permissions": []}))
        .send()
        .await
        .unwrap();
    assert_eq!(cleared.json::<Value>().await.unwrap()["permissions"], json!([]));
    assert_eq!(client.delete(&format!("/apps/payments-api/collaborators/{collaborator}")).await.status(), 200);
    assert_eq!(client.delete(&format!("/teams/payments/members/{member}")).await.status(), 200);
    assert_eq!(client.delete(&format!("/enterprise-accounts/larkspur/members/{account}")).await.status(), 200);

    let records = client.simulator.requests();
    let surfaces: Vec<Surface> = records.iter().flat_map(|it| &it.removed).map(|it| it.surface).collect();
    assert_eq!(
        surfaces,
        [
            Surface::TeamInvitation,
            Surface::SpacePermission,
            Surface::AppCollaboration,
            Surface::TeamMembership,
            Surface::EnterpriseMembership
        ]
    );
    for path in [
        "/teams/payments/members",
        "/teams/payments/invitations",
        "/apps/payments-api/collaborators",
        "/spaces/vault/members",
        "/enterprise-accounts/larkspur/members",
    ] {
        assert!(!client.emails(path).await.iter().any(|email| email.starts_with("priya")), "{path}");
    }
    assert_eq!(error(client.delete(&format!("/teams/payments/members/{member}")).await).await.0, 404);
}

#[tokio::test]
async fn without_a_cascade_the_leaver_stays_in_the_list_as_collaborator() {
    for cascades in [false, true] {
        let client = Client::of(world().with_switches(|it| it.cascade_member_to_apps = cascades)).await;
        client.delete(&format!("/teams/payments/members/{PRIYA}")).await;
        let left = client.list("/teams/payments/members").await;
        let left = left.iter().find(|entry| entry["email"] == PRIYA).map(|entry| entry["role"].clone());
        assert_eq!(left, if cascades { None } else { Some(json!("collaborator")) });
    }
}

#[tokio::test]
async fn reads_lag_behind_a_delete_for_as_long_as_the_switch_says() {
    let client = Client::of(world().with_switches(|it| it.read_lag_ms = 3_600_000)).await;
    let path = format!("/apps/payments-api/collaborators/{OTIS}");
    assert_eq!(client.delete(&path).await.status(), 200);
    assert_eq!(client.get(&path).await.status(), 200);
    assert_eq!(client.delete(&path).await.status(), 404);
    client.simulator.with_world(|world| world.switches.read_lag_ms = 0);
    assert_eq!(client.get(&path).await.status(), 404);
}

#[tokio::test]
async fn a_second_delete_is_answered_as_the_switch_says() {
    for (switch, status) in [(SecondDelete::NotFound, 404), (SecondDelete::Ok, 200)] {
        let client = Client::of(world().with_switches(|it| it.second_delete = switch)).await;
        let path = format!("/enterprise-accounts/larkspur/members/{PRIYA}");
        assert_eq!(client.delete(&path).await.status(), 200);
        assert_eq!(client.delete(&path).await.status(), status);
        assert!(!client.last().changed);
    }
}

#[tokio::test]
async fn the_last_admin_stays() {
    for (switch, expected) in [
        (RefusalStatus::InvalidParams, (422, "invalid_params".to_owned())),
        (RefusalStatus::Forbidden, (403, "forbidden".to_owned())),
    ] {
        let client = Client::of(world().with_switches(|it| it.last_admin_status = switch)).await;
        assert_eq!(error(client.delete(&format!("/teams/payments/members/{BOT}")).await).await, expected);
        assert!(client.last().destructive, "a caller who removes themself must stand out");
    }
}

#[tokio::test]
async fn a_team_without_the_caller_is_invisible_unless_an_enterprise_account_shows_it() {
    let world = world()
        .with_team("secret")
        .with_member("secret", PRIYA, "admin")
        .with_enterprise_team("sealed", "larkspur")
        .with_member("sealed", PRIYA, "admin");
    let client = Client::of(world).await;
    let names: Vec<Value> = client.list("/teams").await.iter().map(|team| team["name"].clone()).collect();
    assert_eq!(names, ["payments"]);
    assert_eq!(error(client.get("/teams/secret/members").await).await, (404, "not_found".to_owned()));
    let listed = client.list("/enterprise-accounts/larkspur/teams").await;
    assert_eq!((listed[0]["name"].clone(), listed[0]["role"].clone()), (json!("sealed"), Value::Null));
    assert_eq!(error(client.get("/teams/sealed/members").await).await, (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn the_permissions_of_a_team_come_as_the_switch_says() {
    let world = world().with_app("payments-web", "payments").with_collaborator("payments-web", OTIS, &["view"]);
    let client = Client::of(world).await;
    let set = |endpoint| client.simulator.with_world(|world| world.switches.permissions_endpoint = endpoint);
    let path = "/teams/payments/permissions";
    let whole = client.list(path).await;
    assert_eq!(whole.len(), 3);
    let web = whole.iter().find(|entry| entry["name"] == "payments-web").unwrap();
    assert_eq!((&web["type"], &web["users"][0]["email"]), (&json!("app"), &json!(OTIS)));
    set(PermissionsEndpoint::Incomplete);
    assert_eq!(client.list(path).await.len(), 2);
    set(PermissionsEndpoint::IncompleteUsers);
    let users: usize = client.list(path).await.iter().map(|entry| entry["users"].as_array().unwrap().len()).sum();
    let all: usize = whole.iter().map(|entry| entry["users"].as_array().unwrap().len()).sum();
    assert_eq!(users, all - 2);
    for (endpoint, status) in
        [(PermissionsEndpoint::Forbidden, 403), (PermissionsEndpoint::NotFound, 404), (PermissionsEndpoint::Gone, 410)]
    {
        set(endpoint);
        assert_eq!(client.get(path).await.status(), status);
    }
}

#[tokio::test]
async fn invitations_are_listed_by_team_name_and_on_enterprise_teams_as_the_switch_says() {
    let client =
        Client::of(world().with_enterprise_team("sealed", "larkspur").with_member("sealed", BOT, "admin")).await;
    let id = client.simulator.with_world(|world| world.team("payments").unwrap().id);
    assert_eq!(client.get(&format!("/teams/{id}/members")).await.status(), 200);
    assert_eq!(client.get(&format!("/teams/{id}/invitations")).await.status(), 404);
    assert_eq!(client.get("/teams/payments/invitations").await.status(), 200);
    assert_eq!(client.get("/teams/sealed/invitations").await.status(), 404);
    client.simulator.with_world(|world| {
        world.switches.invitations_on_enterprise_teams = InvitationsEndpoint::Listed;
        world.switches.team_id_in_invitations_path = true;
    });
    assert!(client.list("/teams/sealed/invitations").await.is_empty());
    assert_eq!(client.get(&format!("/teams/{id}/invitations")).await.status(), 200);
    client.simulator.with_world(|world| world.switches.invitations_need_variant = true);
    assert_eq!(client.get("/teams/payments/invitations").await.status(), 404);
}

#[tokio::test]
async fn an_invited_stranger_has_an_id_or_not_as_the_switch_says() {
    let client = Client::of(world()).await;
    for (switch, is_there, is_null) in [
        (InviteeWithoutAccount::Placeholder, true, false),
        (InviteeWithoutAccount::Null, true, true),
        (InviteeWithoutAccount::Absent, false, false),
    ] {
        client.simulator.with_world(|world| world.switches.invitee_without_account = switch);
        let listed = client.list("/teams/payments/invitations").await;
        let id = listed[0]["user"].get("id");
        assert_eq!((id.is_some(), id.is_some_and(Value::is_null)), (is_there, is_null), "{switch:?}");
    }
}

#[tokio::test]
async fn what_may_never_be_called_is_refused_and_recorded() {
    let client = Client::of(world()).await;
    for (method, path) in [
        (Method::DELETE, "/teams/payments"),
        (Method::DELETE, "/apps/payments-api"),
        (Method::DELETE, "/spaces/vault"),
        (Method::DELETE, "/account"),
        (Method::POST, "/pipeline-transfers"),
        (Method::POST, "/account/app-transfers"),
        (Method::DELETE, "/apps/payments-api/collaborators/payments@herokumanager.com"),
        (Method::DELETE, "/teams/payments/members/~"),
    ] {
        let reply = client.request(method.clone(), path).send().await.unwrap();
        assert_eq!(reply.status(), 403, "{method} {path}");
        let record = client.last();
        assert!(record.destructive && !record.changed, "{method} {path}");
    }
    assert_eq!(client.emails("/teams/payments/members").await.len(), 3);
}

#[tokio::test]
async fn a_world_can_be_furnished_through_the_api() {
    let client = Client::of(world().with_token("HRKU-new", "new@larkspur.example")).await;
    let send = async |method: Method, path: &str, body: Value| {
        client.request(method, path).json(&body).send().await.unwrap().status().as_u16()
    };
    let member = json!({"email": "ana@larkspur.example", "role": "member"});
    assert_eq!(send(Method::PUT, "/teams/payments/members", member.clone()).await, 201);
    assert_eq!(send(Method::POST, "/teams/payments/members", member).await, 422);
    let promoted = json!({"email": "ana@larkspur.example", "role": "admin"});
    assert_eq!(send(Method::PATCH, "/teams/payments/members", promoted).await, 200);
    let grant = json!({"user": "ana@larkspur.example", "permissions": ["view"]});
    assert_eq!(send(Method::POST, "/teams/apps/payments-api/collaborators", grant.clone()).await, 201);
    assert_eq!(send(Method::POST, "/teams/apps/payments-api/collaborators", grant).await, 422);
    assert_eq!(send(Method::POST, "/apps", json!({"name": "mine"})).await, 201);
    assert_eq!(send(Method::POST, "/apps", json!({"nam": "mine"})).await, 422);
    let space = json!({"permissions": [{"name": "create_apps"}]});
    assert_eq!(send(Method::PATCH, &format!("/spaces/vault/members/{OTIS}"), space).await, 200);

    let invited = json!({"email": "new@larkspur.example", "role": "viewer"});
    assert_eq!(send(Method::PUT, "/teams/payments/invitations", invited).await, 201);
    let listed = client.list("/teams/payments/invitations").await;
    let token = listed.iter().find(|entry| entry["user"]["email"] == "new@larkspur.example").unwrap()["id"].clone();
    let url = format!("{}/teams/invitations/{}/accept", client.simulator.url(), token.as_str().unwrap());
    let accepted = client.http.post(url).bearer_auth("HRKU-new").header("Accept", VERSION_3).send().await.unwrap();
    assert_eq!(accepted.status(), 200);
    assert!(client.emails("/teams/payments/members").await.contains(&"new@larkspur.example".to_owned()));
}

#[tokio::test]
async fn a_line_cut_before_the_effect_leaves_the_world_and_one_cut_after_it_does_not() {
    for (fault, changed) in [(Fault::CutBeforeEffect, false), (Fault::CutAfterEffect, true)] {
        let client = Client::of(world()).await;
        client.fault("DELETE", "/teams/*/members/*", vec![fault]);
        let answer = client.request(Method::DELETE, &format!("/teams/payments/members/{OTIS}")).send().await;
        assert!(answer.is_err());
        let record = client.wait_for(|record| record.answered_at.is_some()).await;
        assert_eq!((record.status, record.changed), (Status::Without(Unanswered::Cut), changed));
        assert_eq!(record.faults, ["fault"]);
        assert_eq!(client.emails("/teams/payments/members").await.contains(&OTIS.to_owned()), !changed);
    }
}

#[tokio::test]
async fn a_line_cut_in_the_body_shows_a_status_and_half_a_list() {
    let client = Client::of(world()).await;
    client.fault("GET", "/teams/payments/members", vec![Fault::CutInBody]);
    let reply = client.get("/teams/payments/members").await;
    assert_eq!(reply.status(), 200);
    assert!(reply.bytes().await.is_err());
    // The connection was not reusable; the next request makes its own.
    assert_eq!(client.get("/teams").await.status(), 200);
}

#[tokio::test]
async fn a_held_answer_comes_after_the_effect_and_holds_up_nobody_else() {
    let client = Client::of(world()).await;
    client.fault("DELETE", "/teams/*/members/*", vec![Fault::HoldAnswer(Hold::default())]);
    let first = tokio::spawn(client.request(Method::DELETE, &format!("/teams/payments/members/{OTIS}")).send());
    let second = tokio::spawn(client.request(Method::DELETE, &format!("/teams/payments/members/{PRIYA}")).send());
    for email in [OTIS, PRIYA] {
        let record = client.wait_for(|it| it.removed.first().is_some_and(|removed| removed.email == email)).await;
        assert_eq!((record.status, record.answered_at), (Status::Without(Unanswered::Pending), None));
    }
    assert_eq!(client.get("/teams").await.status(), 200);
    assert!(!first.is_finished() && !second.is_finished());
    client.simulator.release();
    for held in [first, second] {
        assert_eq!(held.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_undo_what_it_asked_for() {
    let client = Client::of(world()).await;
    client.fault("DELETE", "/teams/*/members/*", vec![Fault::HoldRequest(Hold::default())]);
    let asking = tokio::spawn(client.request(Method::DELETE, &format!("/teams/payments/members/{OTIS}")).send());
    client.wait_for(|record| record.method == "DELETE").await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    client.simulator.release();
    assert!(client.wait_for(|record| record.effect_at.is_some()).await.changed);
}

#[tokio::test]
async fn spoiled_answers_look_like_good_ones_until_they_are_read() {
    let mut world = world();
    world.switches.page_sizes.insert(ListName::TeamMembers, 2);
    let client = Client::of(world).await;
    let path = "/teams/payments/members";

    client.fault("GET", path, vec![Fault::Html200]);
    let page = client.get(path).await;
    assert_eq!((page.status().as_u16(), header(&page, "Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().await.unwrap().contains("<html>"));

    client.fault("GET", path, vec![Fault::TruncatedBody]);
    assert!(client.get(path).await.json::<Value>().await.is_err());

    client.fault("GET", path, vec![Fault::LostNextRange]);
    let lost = client.get(path).await;
    assert_eq!((lost.status().as_u16(), header(&lost, "Next-Range")), (206, None));

    client.fault("GET", path, vec![Fault::RepeatedNextRange]);
    let first = client.get(path).await;
    let next = header(&first, "Next-Range").unwrap().to_owned();
    let again = client.request(Method::GET, path).header("Range", &next).send().await.unwrap();
    assert_eq!(header(&again, "Next-Range"), Some(next.as_str()));
    assert_eq!(again.bytes().await.unwrap(), first.bytes().await.unwrap());
}

#[tokio::test]
async fn errors_are_injected_for_a_while() {
    let client = Client::of(world()).await;
    let rules = r#"[
        {"when": {"path": "/teams", "skip": 1, "times": 1}, "then": [{"error": "unauthorized"}]},
        {"when": {"path": "/apps", "times": 1},
         "then": [{"answer": {"status": 503, "body": {"html": ""}, "headers": [["Retry-After", "7"]]}}]},
        {"when": {"method": "DELETE", "times": 1}, "then": [{"answer_after_effect": {"status": 500}}]}]"#;
    client.simulator.set_faults(serde_json::from_str(rules).unwrap());
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let reply = client.get("/teams").await;
        assert_eq!(header(&reply, "RateLimit-Remaining").is_none(), reply.status() == 401);
        statuses.push(reply.status().as_u16());
    }
    assert_eq!(statuses, [200, 401, 200]);
    let unavailable = client.get("/apps").await;
    assert_eq!((unavailable.status().as_u16(), header(&unavailable, "Retry-After")), (503, Some("7")));
    assert_eq!(client.get("/apps").await.status(), 200);
    let path = format!("/teams/payments/members/{OTIS}");
    assert_eq!(client.delete(&path).await.status(), 500);
    assert!(client.last().changed);
    assert_eq!(client.delete(&path).await.status(), 404);
}

#[tokio::test]
async fn people_act_meanwhile() {
    let client = Client::of(world()).await;
    let accept = WorldChange::AcceptInvitation { team: "payments".to_owned(), email: "priya@home.example".to_owned() };
    client.fault("DELETE", "/teams/*/invitations/*", vec![Fault::Before(accept)]);
    let revoked = client.delete("/teams/payments/invitations/priya@home.example").await;
    assert_eq!(error(revoked).await, (404, "not_found".to_owned()));
    assert!(client.emails("/teams/payments/members").await.contains(&"priya@home.example".to_owned()));

    let back = WorldChange::PutMember { team: "payments".to_owned(), email: PRIYA.to_owned(), role: "admin".into() };
    client.fault("DELETE", "/teams/*/members/*", vec![Fault::After(back)]);
    assert_eq!(client.delete(&format!("/teams/payments/members/{PRIYA}")).await.status(), 200);
    let members = client.list("/teams/payments/members").await;
    assert_eq!(members.iter().find(|entry| entry["email"] == PRIYA).unwrap()["role"], "admin");
}

#[tokio::test]
async fn a_drained_pool_refuses_the_call_that_finds_it_empty() {
    let client = Client::of(world()).await;
    client.fault("GET", "/teams", vec![Fault::DrainTo(0)]);
    assert_eq!(client.get("/teams").await.status(), 429);
    client.simulator.drain_to(BOT, 100);
    let left: u32 = header(&client.get("/account").await, "RateLimit-Remaining").unwrap().parse().unwrap();
    assert!((99..200).contains(&left), "{left}");
}

#[tokio::test]
async fn the_control_endpoints_read_and_set_everything() {
    let client = Client::of(world()).await;
    let url = |path: &str| format!("{}/_simulator/{path}", client.simulator.url());
    let read = async |path: &str| client.http.get(url(path)).send().await.unwrap().json::<Value>().await.unwrap();
    let put = async |path: &str, body: &Value| client.http.put(url(path)).json(body).send().await.unwrap().status();

    let whole = read("world").await;
    let smaller = json!({"tokens": [{"token": "HRKU-bot", "account": BOT}]});
    assert_eq!(put("world", &smaller).await, 204);
    assert!(client.list("/teams").await.is_empty());
    assert_eq!(put("world", &whole).await, 204);
    assert_eq!(read("world").await, whole);
    assert_eq!(put("world", &json!({"teamz": []})).await, 400);
    assert_eq!(read("world").await, whole);

    let patch = json!({"second_delete": "ok", "page_sizes": {"teams": 1}});
    assert_eq!(client.http.patch(url("switches")).json(&patch).send().await.unwrap().status(), 204);
    assert_eq!(put("switches", &json!({"second_delete": "sometimes"})).await, 400);
    let switches = read("switches").await;
    assert_eq!((&switches["second_delete"], &switches["page_sizes"]["teams"]), (&json!("ok"), &json!(1)));

    assert_eq!(put("faults", &json!([{"when": {"path": "/teams"}, "then": [{"error": "gone"}]}])).await, 204);
    assert_eq!(client.get("/teams").await.status(), 410);
    assert_eq!(read("faults").await[0]["fitted"], 1);
    assert_eq!(client.http.delete(url("faults")).send().await.unwrap().status(), 204);

    let happening = json!({"put_member": {"team": "payments", "email": "ana@larkspur.example", "role": "admin"}});
    assert_eq!(client.http.post(url("happen")).json(&happening).send().await.unwrap().status(), 204);
    assert!(client.emails("/teams/payments/members").await.contains(&"ana@larkspur.example".to_owned()));
    let nowhere = json!({"put_member": {"team": "nowhere", "email": "ana@larkspur.example", "role": "admin"}});
    assert_eq!(client.http.post(url("happen")).json(&nowhere).send().await.unwrap().status(), 422);

    let requests = read("requests").await;
    let last = requests.as_array().unwrap().last().unwrap()["sequence"].as_u64().unwrap();
    assert_eq!(read(&format!("requests?since={last}")).await, json!([]));
    assert_eq!(client.http.delete(url("requests")).send().await.unwrap().status(), 204);
    client.get("/teams").await;
    let after = read("requests").await;
    assert_eq!((&after[0]["sequence"], &after[0]["status"]), (&json!(last + 1), &json!(200)));

    assert_eq!(put("rate-limit", &json!({"capacity": 2, "refill_per_minute": 1})).await, 204);
    assert_eq!(header(&client.get("/account").await, "RateLimit-Remaining"), Some("1"));
}

#[tokio::test]
async fn a_shutdown_lets_go_of_what_is_held_and_answers_it() {
    let client = Client::of(world()).await;
    client.fault("GET", "/teams", vec![Fault::HoldAnswer(Hold::default())]);
    let held = tokio::spawn(client.request(Method::GET, "/teams").send());
    client.wait_for(|record| record.effect_at.is_some()).await;
    let url = client.simulator.url();
    client.simulator.shutdown().await;
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    assert!(client.http.get(url).send().await.is_err());
}

/// The program itself, stopped when the test ends.
struct Program(Child);

impl Program {
    fn start(arguments: &[&str]) -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_heroku-simulator"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the first line names the address").to_owned();
        (Self(child), url)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_program_serves_an_invented_company_and_ends_on_sigterm() {
    let (mut program, url) =
        Program::start(&["--teams", "2", "--apps-per-team", "3", "--people", "12", "--token", "T"]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = http.get(format!("{url}/teams")).bearer_auth("T").header("Accept", VERSION_3).send().await.unwrap();
    assert_eq!(reply.json::<Vec<Value>>().await.unwrap().len(), 2);
    let signalled = Command::new("kill").args(["-TERM", &program.0.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    assert_eq!(program.0.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn the_program_serves_the_world_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.json");
    std::fs::write(&file, serde_json::to_vec(&world()).unwrap()).unwrap();
    let (_program, url) = Program::start(&["--world", file.to_str().unwrap()]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = http.get(format!("{url}/apps/payments-api/collaborators")).bearer_auth("HRKU-bot");
    let reply = reply.header("Accept", VERSION_3).send().await.unwrap();
    assert_eq!(reply.json::<Vec<Value>>().await.unwrap().len(), 3);
}

#[test]
fn a_world_file_with_a_slip_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.json");
    std::fs::write(&file, r#"{"apps": [{"name": "api", "team": "payments"}]}"#).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_heroku-simulator"))
        .args(["--listen", "127.0.0.1:0", "--world", file.to_str().unwrap()])
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("app `api` names the team `payments`, which the file does not have"), "{message}");
}

const PAGE: &str = include_str!("../docs/simulator.md");

/// What stands between the fences of one kind, block by block.
fn blocks<'p>(kind: &str, page: &'p str) -> Vec<&'p str> {
    let opening = format!("```{kind}\n");
    page.split(opening.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// The `curl` commands of a block; one may go over several lines.
fn commands(block: &str) -> Vec<String> {
    format!("\n{block}").split("\ncurl ").skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_example_of_the_manual_works() {
    let written = blocks("json", PAGE)[0];
    let client = Client::of(serde_json::from_str(written).unwrap()).await;
    let mut run = 0;
    for command in blocks("sh", PAGE).into_iter().flat_map(commands) {
        let url = command.split_whitespace().find_map(|word| word.strip_prefix("$U")).unwrap();
        let quoted = |option: &str| command.split_once(option).map(|(_, rest)| rest);
        let body = match quoted("-d ") {
            Some("@world.json") => Some(written),
            Some(text) => Some(text.trim_start_matches('\'').rsplit_once('\'').unwrap().0),
            None => None,
        };
        let method = quoted("-X ").map(|rest| rest.split(' ').next().unwrap());
        let method = method.unwrap_or(if body.is_some() { "POST" } else { "GET" });
        let url = format!("{}{url}", client.simulator.url());
        let request = client.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        let request = request.bearer_auth("HRKU-simulator").header("Accept", VERSION_3);
        let reply = request.body(body.unwrap_or_default().to_owned()).send().await.unwrap();
        assert!(reply.status().is_success(), "{}: {} {}", command, reply.status(), reply.text().await.unwrap());
        run += 1;
    }
    assert!(run > 40, "{run}");
}

#[test]
fn the_manual_names_every_switch() {
    let switches = serde_json::to_value(heroku_deprovisioner::simulator::Switches::default()).unwrap();
    for (name, default) in switches.as_object().unwrap() {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("`{name}` has no row"));
        let first = row.split('|').nth(2).unwrap().trim().split(',').next().unwrap().trim_matches('`').to_owned();
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        assert_eq!(first, default, "the default of `{name}`");
    }
}
