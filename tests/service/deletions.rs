//! Things that somebody deletes on Heroku while a person's access to them is being removed.

use heroku_deprovisioner::model::outcome::CaseResult;
use serde_json::json;

use super::play::Play;
use super::stage::{PRIYA, assert_honest, closed, leaves, left, world};

/// Priya leaves, and the app `payments-api` is deleted just before the first request to such a path takes effect.
/// No list proves any more that her grant on it is gone: the record says so, and what it can be.
fn ends_although_the_app_is_deleted_before(path: &str) {
    let gone = json!([{"name": "gone", "when": {"method": "DELETE", "path": path, "times": 1},
        "then": [{"before": {"delete_app": {"app": "payments-api"}}}]}]);
    let play = Play::begin(world(), gone);
    play.say(&[leaves(PRIYA)]);
    play.until_closed(1);
    let (simulator, outcomes) = play.end();
    assert!(simulator.requests().iter().any(|request| request.faults.contains(&"gone".to_owned())));
    assert_eq!(left(&simulator, PRIYA), Vec::<String>::new());
    assert_honest(&simulator, &outcomes, &[PRIYA]);
    let case = closed(&outcomes)[0];
    assert_eq!(case.result, CaseResult::RemovedWithResiduals, "{}", case.summary);
    let stays: Vec<_> = case.residuals.iter().map(|it| (it.parent.name(), it.reason.as_str())).collect();
    assert_eq!(stays, [("payments-api", "parent_not_visible")]);
}

#[test]
fn an_app_that_is_deleted_after_the_plan_holds_up_no_case() {
    ends_although_the_app_is_deleted_before("/teams/*/invitations/*");
}

#[test]
fn an_app_that_is_deleted_under_a_removal_holds_up_no_case() {
    let app = world().app("payments-api").unwrap().id;
    ends_although_the_app_is_deleted_before(&format!("/apps/{app}/collaborators/*"));
}
