//! `plan`: what an offboarding would do, by reading alone.

pub(super) mod view;

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;

use self::view::{PersonPlan, Plan};
use super::access::{Access, Ambient, configuration, failure};
use super::order;
use crate::cli::PlanArgs;
use crate::clock;
use crate::config::{Config, Environment};
use crate::engine::budget::Lane;
use crate::engine::coverage::coverage;
use crate::engine::rehearsal::{Lately, Rehearsal};
use crate::exit::Exit;
use crate::kafka::TopicNames;
use crate::model::Email;
use crate::model::event::PersonEvent;
use crate::model::outcome::AccessAfter;
use crate::service;

/// Runs `plan`.
///
/// # Errors
/// When the configuration is wrong or Heroku gives no answer.
pub fn run(
    args: &PlanArgs,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut addresses: Vec<Email> = Vec::new();
    for text in &args.addresses {
        let address = order::address(text)?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let (config, mut notes) = configuration(file, environment, &addresses)?;
    notes.push(
        "Whose removal began lately is not known here, nor a pause; the caps on people per hour and day may hold more \
         than this shows."
            .to_owned(),
    );
    let now = clock::now();
    let orders: Vec<PersonEvent> = addresses.iter().map(|address| order::event(address, now)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let plan = runtime.block_on(async {
        let access = Access::gain(&config, Ambient::Allowed(environment)).await?;
        notes.extend(access.mistaken(&config).map(|what| format!("Note: {what}; the service would refuse to start.")));
        foresee(&config, &access, orders, Lately::default(), now).await
    })?;
    let plan = Plan { notes, ..plan };
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&plan)?)?;
    } else {
        write!(out, "{}", plan.page())?;
    }
    Ok(if args.detailed_exitcode { detailed(&plan) } else { Exit::Done })
}

/// Rehearses the orders on what Heroku shows now.
pub(super) async fn foresee(
    config: &Config,
    access: &Access,
    orders: Vec<PersonEvent>,
    lately: Lately,
    now: Timestamp,
) -> anyhow::Result<Plan> {
    let policy = service::policy(config);
    let requests = TopicNames::new(&config.kafka.prefix).requests;
    let addresses: Vec<Email> =
        orders.iter().flat_map(|order| &order.subject.emails).map(|address| address.value.clone()).collect();
    let events = orders.into_iter().map(|order| order::rehearsed(order, &requests, now)).collect();
    let rehearsal = Rehearsal::begin(policy.clone(), access.account.clone(), lately, events, now);
    let scan = match rehearsal.wanted() {
        Some(wanted) => Some(access.client.scan(wanted, &service::scope(config), Lane::Urgent).await.map_err(failure)?),
        None => None,
    };
    let coverage = scan.as_ref().map(|scan| coverage(scan, &policy));
    let people = addresses
        .into_iter()
        .zip(rehearsal.end(now, scan))
        .filter_map(|(address, person)| Some(PersonPlan { address, outlook: person? }))
        .collect();
    Ok(Plan {
        heroku_account: access.account.email.clone(),
        token_from: access.token_from,
        mode: config.mode,
        people,
        coverage,
        notes: Vec::new(),
    })
}

/// 0 only when everything was looked at and nobody has access.
fn detailed(plan: &Plan) -> Exit {
    let is = |access| plan.people.iter().any(|person| person.outlook.access == access);
    match (is(AccessAfter::Remaining), is(AccessAfter::Unknown)) {
        (true, _) => Exit::AccessRemains,
        (false, true) => Exit::Held,
        (false, false) => Exit::Done,
    }
}
