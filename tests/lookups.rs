//! What directories answer about a person, and what follows: only a whole user with the id that was asked for, and the
//! directory's own word that it knows nobody, are answers. Everything else is asked again.
#![cfg(feature = "service")]

#[path = "lookups/directory.rs"]
mod directory;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use directory::{KINDS, Kind, OTHER, Said, Web, config};
use heroku_deprovisioner::lookup::{Answer, Answers, Directory, Errand, PersonRef};
use heroku_deprovisioner::model::SubjectKey;
use heroku_deprovisioner::model::event::{AddressKind, ExternalId, Subject};
use proptest::prelude::*;
use serde_json::json;
use tokio::runtime::{Handle, Runtime};

const TOKEN: &str = "t0ken-of-the-test";

/// The directory of that kind at this address.
fn at(kind: &Kind, url: &str) -> Directory {
    at_within(kind, url, "60s")
}

/// The same, with this time for an answer.
fn at_within(kind: &Kind, url: &str, timeout: &str) -> Directory {
    let variables = [("HEROKU_DEPROVISIONER__LOOKUPS__IT__TOKEN", TOKEN)];
    let config = config(&format!("kind = \"{}\"\nurl = \"{url}\"\ntimeout = \"{timeout}\"\n", kind.name), variables);
    Directory::new("it", &config.lookups["it"], Handle::current()).unwrap()
}

/// Somebody of whom the source knows this id.
fn known_as(id: &str) -> Subject {
    Subject::new(SubjectKey(format!("any:larkspur:{id}")))
}

fn question(directory: &Directory, id: &str) -> PersonRef {
    directory.question(&known_as(id)).unwrap_or_else(|| panic!("{id:?} is not asked for"))
}

fn ask(directory: &Directory, ids: &[&str], anew: bool) -> Errand {
    directory.ask_for(ids.iter().map(|id| (question(directory, id), anew)).collect())
}

async fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6_000 {
        if let Some(it) = ready() {
            return it;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

async fn answers(errand: &Errand) -> Answers {
    until("all questions are answered", || errand.answers()).await.as_ref().clone()
}

async fn answer(directory: &Directory, id: &str) -> Answer {
    answers(&ask(directory, &[id], false)).await.into_values().next().unwrap()
}

fn told(answer: &Answer) -> (Vec<(&str, AddressKind)>, Vec<&str>) {
    let Answer::Person(told) = answer else { panic!("{answer:?}") };
    let emails = told.emails.iter().map(|address| (address.value.expose(), address.kind)).collect();
    (emails, told.logins.iter().map(String::as_str).collect())
}

#[tokio::test]
async fn each_directory_tells_addresses_and_is_asked_as_its_api_wants() {
    use AddressKind::{Alias, Personal, Work};
    for kind in KINDS {
        let web = Web::serve().await;
        web.says(kind.path, Said::json(200, kind.user(kind.id)));
        let directory = at(kind, &web.url);
        let answer = answer(&directory, kind.id).await;
        let (emails, logins) = told(&answer);
        let (work, also) = ("priya.raman@larkspur.example", "p.raman@larkspur.example");
        match kind.name {
            "okta" => assert_eq!(emails, [(work, Work), ("priya@mail.example", Personal)]),
            // Its user name may be the only address there is.
            "graph" => assert_eq!(emails, [(work, Work), (also, Alias), (kind.logins[0], Alias)]),
            _ => assert_eq!(emails, [(work, Work), (also, Alias)], "{}", kind.name),
        }
        assert_eq!(logins, kind.logins, "{}", kind.name);
        let asked = web.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].path, kind.path, "{}", kind.name);
        assert_eq!(asked[0].query, kind.query, "{}", kind.name);
        assert_eq!(asked[0].authorization, format!("{} {TOKEN}", kind.scheme));
    }
}

#[tokio::test]
async fn what_is_no_address_of_the_company_is_left_out() {
    let user = |name: &str, emails| json!({"id": "5f2b", "userName": name, "emails": emails});
    let scim = &KINDS[0];
    for (user, expected) in [
        (user("praman", json!([{"value": "p@mail.example", "type": "home", "primary": true}])), vec![]),
        (user("praman", json!([{"value": "a b@larkspur.example", "type": "work"}])), vec![]),
        (user("praman", json!(null)), vec![]),
        (user("priya@larkspur.example", json!([])), vec!["priya@larkspur.example"]),
        (user("praman", json!([{"value": "p@larkspur.example", "primary": true}])), vec!["p@larkspur.example"]),
        (user("praman", json!([{"value": "p@larkspur.example", "type": "Work"}])), vec!["p@larkspur.example"]),
        (user("praman", json!([{"value": "p@larkspur.example", "type": "other"}])), vec![]),
    ] {
        let web = Web::serve().await;
        web.says("/Users/5f2b", Said::json(200, user.clone()));
        let answer = answer(&at(scim, &web.url), "5f2b").await;
        let found: Vec<_> = told(&answer).0.into_iter().map(|(address, _)| address).collect();
        assert_eq!(found, expected, "{user}");
    }
    for name in ["a".repeat(257), "a\u{7}b".to_owned(), String::new()] {
        let web = Web::serve().await;
        web.says("/Users/5f2b", Said::json(200, user(&name, json!([]))));
        let answer = answer(&at(scim, &web.url), "5f2b").await;
        assert_eq!(told(&answer), (vec![], vec![]), "{name:?}");
    }
    let graph = &KINDS[2];
    let web = Web::serve().await;
    let proxies =
        json!(["SMTP:one@larkspur.example", "x500:/o=larkspur/cn=praman", "sip:two@larkspur.example", "three@x"]);
    let guest = "kim_agency.example#EXT#@larkspur.onmicrosoft.com";
    let user = json!({"id": graph.id, "mail": null, "proxyAddresses": proxies, "userPrincipalName": guest});
    web.says(graph.path, Said::json(200, user));
    let answer = answer(&at(graph, &web.url), graph.id).await;
    assert_eq!(told(&answer), (vec![("one@larkspur.example", AddressKind::Alias)], vec![guest]));
}

#[tokio::test]
async fn more_addresses_than_an_event_holds_are_no_answer() {
    let google = &KINDS[3];
    for (aliases, is_answer) in [(399, true), (400, false)] {
        let web = Web::serve().await;
        let aliases: Vec<_> = (0..aliases).map(|number| format!("a{number}@larkspur.example")).collect();
        web.says(
            google.path,
            Said::json(200, json!({"id": google.id, "primaryEmail": "a@larkspur.example", "aliases": aliases})),
        );
        let errand = ask(&at(google, &web.url), &[google.id], false);
        let ended = until("it ends", || {
            let trouble = errand.trouble().map(|trouble| trouble.why);
            trouble.map(Err).or_else(|| errand.answers().map(|_| Ok(())))
        });
        match ended.await {
            Ok(()) => assert!(is_answer),
            Err(why) => assert!(!is_answer && why.ends_with("it tells more than 400 addresses of one person"), "{why}"),
        }
    }
}

#[tokio::test]
async fn its_own_404_is_its_word_and_is_not_kept() {
    for kind in KINDS {
        let web = Web::serve().await;
        for path in kind.paths() {
            web.says(&path, Said::json(404, kind.nobody.parse().unwrap()));
        }
        let directory = at(kind, &web.url);
        assert_eq!(answer(&directory, kind.id).await, Answer::Nobody, "{}", kind.name);
        let asked = web.asked().len();
        assert_eq!(asked, kind.paths().len(), "each place, once");
        web.says(kind.path, Said::json(200, kind.user(kind.id)));
        assert!(matches!(answer(&directory, kind.id).await, Answer::Person(_)), "{}: asked anew", kind.name);
    }
}

/// Every way not to answer, for each directory, and for Graph's second place too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_else_is_said_the_person_is_unknown_and_asked_for_again() {
    let mut running = Vec::new();
    for kind in KINDS {
        for place in kind.paths() {
            let elsewhere = Web::serve().await;
            let html = || Said::text("<html>sign in</html>");
            for (class, said, why) in [
                ("401", Said::json(401, json!({})), "401 Unauthorized; see its token"),
                ("403", Said::json(403, json!({})), "403 Forbidden; see what its token may read"),
                ("429", Said::json(429, json!({})), "429"),
                ("500", Said::json(500, kind.nobody.parse().unwrap()), "500"),
                ("503", Said::json(503, json!({})), "503"),
                ("410", Said::json(410, kind.nobody.parse().unwrap()), "410"),
                ("400", Said::json(400, kind.nobody.parse().unwrap()), "400"),
                ("204", Said::json(204, json!({})), "204"),
                ("302", Said::json(302, json!({})).to(&format!("{}{}", elsewhere.url, kind.path)), "302 Found"),
                ("307", Said::json(307, json!({})).to(&format!("{}{}", elsewhere.url, kind.path)), "307"),
                ("the 404 of a proxy", html().status(404), "404 Not Found, and not in its own words; see `url`"),
                ("an empty 404", Said::text("").status(404), "and not in its own words"),
                ("another's 404", Said::json(404, json!({"error": "no route"})), "and not in its own words"),
                ("a page", html(), "but not with a user"),
                ("nothing", Said::text(""), "but not with a user"),
                ("half", Said::text(&kind.user(kind.id).to_string()[..40]), "but not with a user"),
                ("a list", Said::json(200, json!([kind.user(kind.id)])), "but not with a user"),
                ("somebody else", Said::json(200, kind.user(OTHER)), "with another user"),
                ("too long", Said::text(&" ".repeat(300_000)), "more than 262144 bytes"),
                ("too late", Said::json(200, kind.user(kind.id)).never(), "no answer within 700ms"),
                ("a broken line", Said::json(200, kind.user(kind.id)).broken(), ""),
            ] {
                let (place, elsewhere) = (place.clone(), elsewhere.clone());
                running.push(tokio::spawn(async move {
                    let web = Web::serve().await;
                    if place != kind.path {
                        web.says(kind.path, Said::json(404, kind.nobody.parse().unwrap()));
                    }
                    web.says(&place, said);
                    let directory = at_within(kind, &web.url, if class == "too late" { "700ms" } else { "60s" });
                    let began = Instant::now();
                    let errand = ask(&directory, &[kind.id], false);
                    let what = format!("{} {place}: {class}", kind.name);
                    let trouble = until(&what, || {
                        errand.trouble().or_else(|| errand.answers().map(|it| panic!("{what}: {it:?}")))
                    });
                    let trouble = trouble.await;
                    assert!(
                        trouble.why.starts_with("look-up it: ") && trouble.why.contains(why),
                        "{what}: {trouble:?}"
                    );
                    for secret in [TOKEN, kind.id, "larkspur.example", "127.0.0.1"] {
                        assert!(!trouble.why.contains(secret), "{what}: {trouble:?}");
                    }
                    let asked = web.asked().into_iter().filter(|asked| asked.path == place).count();
                    let most = 1 + began.elapsed().as_secs();
                    assert!(asked as u64 <= most, "{what}: it was asked {asked} times at once");
                    until(&what, || web.asked().iter().any(|asked| asked.path == place).then_some(())).await;
                    assert_eq!(errand.answers(), None, "{what}");
                    web.says(&place, Said::json(200, kind.user(kind.id)));
                    let (_, answer) = answers(&errand).await.into_iter().next().unwrap();
                    assert!(matches!(answer, Answer::Person(_)), "{what}: {answer:?}");
                    assert_eq!(errand.trouble(), None, "{what}");
                    assert!(elsewhere.asked().is_empty(), "{what}: it was followed elsewhere");
                }));
            }
        }
    }
    for it in running {
        it.await.unwrap();
    }
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let errand = ask(&at(&KINDS[1], &url), &[KINDS[1].id], false);
    let trouble = until("no connection", || errand.trouble()).await;
    assert!(trouble.why.contains("onnect") && !trouble.why.contains(KINDS[1].id), "{trouble:?}");
    assert_eq!(errand.answers(), None);
}

#[tokio::test]
async fn a_deleted_user_of_graph_is_found_among_the_deleted_and_a_group_is_nobody() {
    let graph = &KINDS[2];
    let deleted = format!("/v1.0/directory/deletedItems/{}", graph.id);
    for (kind, found) in [("#microsoft.graph.user", true), ("#microsoft.graph.group", false)] {
        let web = Web::serve().await;
        web.says(graph.path, Said::json(404, graph.nobody.parse().unwrap()));
        let name = format!("{}priya.raman@larkspur.example", graph.id.replace('-', ""));
        let item = json!({"@odata.type": kind, "id": graph.id.to_uppercase(), "userPrincipalName": name});
        web.says(&deleted, Said::json(200, item));
        let answer = answer(&at(graph, &web.url), graph.id).await;
        if found {
            assert_eq!(told(&answer).0, [("priya.raman@larkspur.example", AddressKind::Alias)], "{kind}");
        } else {
            assert_eq!(answer, Answer::Nobody, "{kind}");
        }
    }
}

#[tokio::test]
async fn no_other_id_is_asked_for() {
    let hostile = [
        "",
        ".",
        "..",
        "../../teams/x",
        "a/../b",
        "%2e%2e",
        "a%2fb",
        "a?b",
        "a#b",
        "a b",
        "a\\b",
        "a;b",
        "a:b",
        "*",
        "é",
        "00u8p1r1yaR4m4n0h80１",
        "a\nb",
        "a\0b",
        "me",
        "-a",
        "_a",
        "~a",
        "@a",
        "a&b",
        "a=b",
        "a+b",
        "${x}",
        "{id}",
    ];
    let long = "a".repeat(300);
    for kind in KINDS {
        let directory = at(kind, "http://127.0.0.1:1");
        for id in hostile.into_iter().chain([long.as_str()]).filter(|id| kind.name != "scim" || *id != "me") {
            assert_eq!(directory.question(&known_as(id)), None, "{}: {id:?}", kind.name);
        }
        assert!(directory.question(&known_as(kind.id)).is_some());
    }
    let ask = |kind: &Kind, id: &str| at(kind, "http://127.0.0.1:1").question(&known_as(id)).is_some();
    assert!(!ask(&KINDS[1], "praman") && !ask(&KINDS[1], "priya.raman@larkspur.example"), "a login is no id");
    assert!(!ask(&KINDS[2], "{4c1d0b6e-9b5a-4e4f-a6a3-1f0d7f9e2b3}") && !ask(&KINDS[2], "greta@larkspur.example"));
    assert!(ask(&KINDS[3], "o'brien+x@larkspur.example") && ask(&KINDS[3], "103947560238475612345"));
    assert!(!ask(&KINDS[3], " priya@larkspur.example") && !ask(&KINDS[3], "praman"));
}

proptest! {
    /// Whatever an id is: if it is asked for, it stands in the URL as one step, as it is.
    #[test]
    fn an_id_is_one_step_of_the_path_or_not_asked_for(id in "\\PC{0,40}|[-0-9a-zA-Z._~@:/%?#+='!]{1,140}") {
        static DIRECTORIES: LazyLock<(Runtime, Vec<Directory>)> = LazyLock::new(|| {
            let runtime = Runtime::new().unwrap();
            let directories = {
                let _inside = runtime.enter();
                KINDS.iter().map(|kind| at(kind, "http://127.0.0.1:1")).collect()
            };
            (runtime, directories)
        });
        for directory in &DIRECTORIES.1 {
            if directory.question(&known_as(&id)).is_some() {
                let mut url = reqwest::Url::parse("http://a.example/x").unwrap();
                url.path_segments_mut().unwrap().push(&id);
                let steps: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(steps, ["x", id.as_str()]);
                prop_assert_eq!((url.query(), url.fragment()), (None, None));
            }
        }
    }
}

#[tokio::test]
async fn odd_ids_reach_the_server_as_they_are() {
    for (kind, id) in [(0, "a..b"), (0, "A~1_2-3.4"), (0, "p@larkspur.example"), (3, "o'brien+x@larkspur.example")] {
        let kind = &KINDS[kind];
        let web = Web::serve().await;
        let errand = ask(&at(kind, &web.url), &[id], false);
        until("it is asked", || errand.trouble()).await;
        let expected = kind.path.replace(kind.id, id);
        assert_eq!(web.asked()[0].path, expected);
    }
}

#[tokio::test]
async fn the_id_of_this_directory_counts_before_the_sources_own() {
    let okta = at(&KINDS[1], "http://127.0.0.1:1");
    let id = |system: &str, kind: &str, value: &str| ExternalId {
        system: system.to_owned(),
        tenant: None,
        r#type: kind.to_owned(),
        value: value.to_owned(),
    };
    let with = |ids: Vec<ExternalId>| Subject { external_ids: ids, ..known_as(KINDS[1].id) };
    let other = id("okta", "user_id", "00u000000000000other");
    assert_eq!(okta.question(&with(vec![other.clone()])), okta.question(&known_as(&other.value)));
    assert_eq!(okta.question(&with(vec![id("scim", "id", "x")])), okta.question(&known_as(KINDS[1].id)));
    assert_eq!(okta.question(&with(vec![other.clone(), id("okta", "user_id", KINDS[1].id)])), None, "a guess");
    assert_eq!(okta.question(&with(vec![id("okta", "user_id", "a/b")])), None, "no way round a wrong one");
}

#[tokio::test]
async fn what_was_told_is_kept_unless_it_may_have_changed() {
    let web = Web::serve().await;
    let okta = &KINDS[1];
    web.says(okta.path, Said::json(200, okta.user(okta.id)));
    let directory = at(okta, &web.url);
    let first = answer(&directory, okta.id).await;
    assert_eq!(answer(&directory, okta.id).await, first);
    assert_eq!(web.asked().len(), 1);
    assert_eq!(answers(&ask(&directory, &[okta.id], true)).await.into_values().next(), Some(first));
    assert_eq!(web.asked().len(), 1, "anew");
}

#[tokio::test]
async fn a_directory_that_asks_to_be_left_alone_is() {
    let web = Web::serve().await;
    let okta = &KINDS[1];
    let other = okta.path.replace(okta.id, OTHER_OKTA);
    web.says(okta.path, Said::json(429, json!({})).retry_after("3"));
    web.says(&other, Said::json(200, okta.user(OTHER_OKTA)));
    let directory = at(okta, &web.url);
    let errand = ask(&directory, &[okta.id], false);
    until("it is refused", || errand.trouble()).await;
    let refused = Instant::now();
    web.says(okta.path, Said::json(200, okta.user(okta.id)));
    // For everybody, not for the one that it refused alone.
    answer(&directory, OTHER_OKTA).await;
    // The pause began before it was seen here.
    assert!(refused.elapsed() > Duration::from_millis(2_500), "{:?}", refused.elapsed());
    answers(&errand).await;
}

const OTHER_OKTA: &str = "00u000000000000other";

#[tokio::test]
async fn nobody_asks_for_an_errand_that_was_given_up() {
    let web = Web::serve().await;
    let okta = &KINDS[1];
    web.says(okta.path, Said::json(503, json!({})));
    let errand = ask(&at(okta, &web.url), &[okta.id], false);
    until("it fails", || errand.trouble()).await;
    drop(errand);
    web.asked();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(web.asked().is_empty());
}

#[tokio::test]
async fn a_record_with_many_people_is_asked_for_a_few_at_a_time() {
    let web = Web::serve().await;
    let scim = &KINDS[0];
    let ids: Vec<String> = (0..60).map(|number| format!("u{number}")).collect();
    for (number, id) in ids.iter().enumerate() {
        let said = if number % 7 == 3 {
            Said::json(404, scim.nobody.parse().unwrap())
        } else {
            Said::json(200, json!({"id": id, "emails": [{"value": format!("{id}@larkspur.example"), "type": "work"}]}))
        };
        web.says(&format!("/Users/{id}"), said);
    }
    let directory = at(scim, &web.url);
    let questions: BTreeMap<_, _> = ids.iter().map(|id| (question(&directory, id), false)).collect();
    let answers = answers(&directory.ask_for(questions)).await;
    for (number, id) in ids.iter().enumerate() {
        let answer = &answers[&question(&directory, id)];
        assert_eq!(*answer == Answer::Nobody, number % 7 == 3, "{id}");
        if let Answer::Person(told) = answer {
            assert_eq!(told.emails[0].value.expose(), format!("{id}@larkspur.example"));
        }
    }
    assert_eq!(web.asked().len(), ids.len());
    assert!(web.most_at_once() <= 4, "{}", web.most_at_once());
}

#[tokio::test]
async fn an_application_gets_its_token_itself_and_anew_when_it_is_refused() {
    let web = Web::serve().await;
    let graph = &KINDS[2];
    let text = format!(
        "kind = \"graph\"\nurl = \"{url}\"\nlogin_url = \"{url}/\"\ntenant = \"6f0f9d0e\"\nclient_id = \"app-1\"\n",
        url = web.url
    );
    let secret = "s3cret&more=1";
    let config = config(&text, [("HEROKU_DEPROVISIONER__LOOKUPS__IT__CLIENT_SECRET", secret)]);
    let directory = Directory::new("it", &config.lookups["it"], Handle::current()).unwrap();
    assert!(!format!("{config:?} {directory:?}").contains(secret));
    let page = "/6f0f9d0e/oauth2/v2.0/token";
    let grant =
        |token: &str| Said::json(200, json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}));

    web.says(page, Said::json(401, json!({"error": "invalid_client", "error_description": secret})));
    let errand = ask(&directory, &[graph.id], true);
    let trouble = until("no token", || errand.trouble()).await;
    assert_eq!(
        trouble.why,
        "look-up it: no token from `login_url`: it answers 401 Unauthorized; see `tenant`, `client_id` and its secret"
    );
    assert!(web.asked().iter().all(|asked| asked.path == page), "nothing is asked without a token");
    web.says(page, grant("one"));
    web.says(graph.path, Said::json(200, graph.user(graph.id)));
    answers(&errand).await;
    answers(&ask(&directory, &[graph.id], true)).await;
    let asked = web.asked();
    let form = &asked.iter().rfind(|asked| asked.path == page).unwrap().body;
    let scope = web.url.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(
        *form,
        format!(
            "grant_type=client_credentials&client_id=app-1&client_secret=s3cret%26more%3D1&scope={scope}%2F.default"
        )
    );
    let of = |asked: &[directory::Asked], token: &str| {
        asked.iter().filter(|asked| asked.authorization == format!("Bearer {token}")).count()
    };
    assert_eq!((of(&asked, "one"), asked.iter().filter(|asked| asked.path == page).count()), (2, 1));

    web.says(page, grant("two"));
    web.says(graph.path, Said::json(401, json!({})));
    let errand = ask(&directory, &[graph.id], true);
    until("it is refused", || errand.trouble()).await;
    web.says(graph.path, Said::json(200, graph.user(graph.id)));
    answers(&errand).await;
    let asked = web.asked();
    assert_eq!((of(&asked, "one"), of(&asked, "two")), (1, 1), "{asked:?}");
}

#[tokio::test]
async fn a_token_is_read_anew_for_each_request() {
    let web = Web::serve().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let text = format!("kind = \"google\"\nurl = \"{}\"\ntoken_file = \"{}\"\n", web.url, file.display());
    let config = config(&text, []);
    let directory = Directory::new("it", &config.lookups["it"], Handle::current()).unwrap();
    let google = &KINDS[3];
    web.says(google.path, Said::json(200, google.user(google.id)));
    let errand = ask(&directory, &[google.id], true);
    let trouble = until("no token", || errand.trouble()).await;
    assert!(trouble.why.contains("(`lookups.it.token_file`) cannot be read"), "{trouble:?}");
    for token in ["one", "two"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        answers(&ask(&directory, &[google.id], true)).await;
    }
    let asked: Vec<_> = web.asked().into_iter().map(|asked| asked.authorization).collect();
    assert!(asked.contains(&"Bearer one".to_owned()) && asked.last().unwrap() == "Bearer two", "{asked:?}");
    std::fs::write(&file, "a\u{7}b\n").unwrap();
    let errand = ask(&directory, &[google.id], true);
    let trouble = until("no such token", || errand.trouble()).await;
    assert!(trouble.why.ends_with("its token holds a character that no request may hold"), "{trouble:?}");
}

#[tokio::test]
async fn a_probe_asks_one_harmless_question() {
    for kind in KINDS {
        let web = Web::serve().await;
        let directory = at(kind, &web.url);
        let (path, query, body) = kind.probe;
        web.says(path, Said::json(200, body.parse().unwrap()));
        directory.probe().await.unwrap();
        let asked = web.asked();
        assert_eq!((asked.len(), asked[0].query.as_str()), (1, query), "{}", kind.name);
        assert_eq!(asked[0].authorization, format!("{} {TOKEN}", kind.scheme));
        for (said, why) in [
            (Said::json(401, json!({})), "see its token"),
            (Said::json(403, json!({})), "see what its token may read"),
            (Said::json(404, kind.nobody.parse().unwrap()), "see `url`"),
            (Said::text("<html>"), "but not as the directory that `kind` names; see `url`"),
            (Said::json(200, json!({"x": 1})), "see `url`"),
        ] {
            web.says(path, said);
            let error = directory.probe().await.unwrap_err();
            assert!(error.contains(why), "{}: {error}", kind.name);
        }
    }
}

/// What `explain --source okta` makes of an event that names the user by id, `id` being theirs, and its exit code.
async fn explained(url: &str, id: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "config_version = 1\n[kafka]\nbootstrap_servers = \"localhost:1\"\n[people]\nplus_tags = true\n\
         company_domains = [\"larkspur.example\"]\n[people.same_domains]\n\"larkspur.io\" = \"larkspur.example\"\n\
         [lookups.it]\nkind = \"okta\"\nurl = \"{url}\"\n[[sources]]\nname = \"okta\"\ntopic = \"okta\"\n\
         format = \"okta\"\ntenant = \"larkspur.okta.com\"\nlookup = \"it\"\n"
    );
    std::fs::write(folder.path().join("heroku-deprovisioner.toml"), config).unwrap();
    let event = json!({"uuid": "5f3c7d1a-6f0e-11f1-9d0e-1f6b1d1d7c11", "published": "2026-05-29T14:03:11.902Z",
        "eventType": "user.lifecycle.deactivate", "outcome": {"result": "SUCCESS"},
        "target": [{"id": id, "type": "User", "alternateId": "praman"}]});
    std::fs::write(folder.path().join("event.json"), event.to_string()).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_heroku-deprovisioner"));
    command.args(["explain", "--source", "okta", "event.json"]).current_dir(folder.path()).env_clear();
    command.env("HEROKU_DEPROVISIONER__LOOKUPS__IT__TOKEN", TOKEN);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_asks_the_look_up_of_the_source_and_says_which_address_counts() {
    let okta = KINDS.iter().find(|kind| kind.name == "okta").unwrap();
    let web = Web::serve().await;
    let mut user = okta.user(okta.id);
    user["profile"]["email"] = json!("Priya.Raman+okta@larkspur.io");
    web.says(okta.path, Said::json(200, user));
    let (code, said) = explained(&web.url, okta.id).await;
    assert_eq!((code, web.asked().len()), (Some(0), 1), "{said}");
    for part in [
        "whole value: deprovision",
        "matched by priya.raman@larkspur.example",
        "the person has left; look-up it told the address",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let mut user = okta.user(okta.id);
    user["profile"]["email"] = json!("priya@mail.example");
    web.says(okta.path, Said::json(200, user));
    let (_, said) = explained(&web.url, okta.id).await;
    assert!(said.contains("matched by none of them: no address of people.company_domains"), "{said}");

    web.says(okta.path, Said::json(404, okta.nobody.parse().unwrap()));
    let (code, said) = explained(&web.url, okta.id).await;
    assert!(code == Some(0) && said.contains("look-up it knows nobody of that id"), "{said}");
    assert!(said.starts_with("whole value: needs_lookup (deprovision)") && !said.contains("matched by"), "{said}");

    web.asked();
    let (_, said) = explained(&web.url, "00u/../me").await;
    assert!(web.asked().is_empty() && said.contains("look-up it was not asked"), "{said}");

    web.says(okta.path, Said::json(401, json!({})));
    let (code, said) = explained(&web.url, okta.id).await;
    assert!(code == Some(69) && said.contains("look-up it: ") && said.contains("see its token"), "{code:?} {said}");
}
