//! `offboard`: an order for the service, written to the requests topic. Nothing is removed here: the service carries
//! it out, under the same guards as every other event.

mod follow;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::Timestamp;
use serde::Serialize;

use self::follow::{End, follow};
use super::access::{Access, Ambient};
use super::ask;
use super::kafka_access::{OwnTopics, failure};
use super::order;
use super::page::paragraph;
use super::plan::foresee;
use super::plan::view::Plan;
use crate::cli::OffboardArgs;
use crate::clock;
use crate::config::{Config, Environment};
use crate::engine::case::case_id;
use crate::engine::rehearsal::Lately;
use crate::exit::Exit;
use crate::kafka::{self, Follower, Since};
use crate::model::event::PersonEvent;
use crate::model::outcome::{AccessAfter, CaseResult, HoldReason, Mode};
use crate::model::{CaseId, Email};

/// Runs `offboard`.
///
/// # Errors
/// When the order is refused, or Kafka does not take it.
pub fn run(
    args: &OffboardArgs,
    file: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let address = order::address(&args.address)?;
    let config = Config::load(file, environment)?;
    let topics = OwnTopics::of(&config)?;
    let now = clock::now();
    let mut event = order::event(&address, now);
    event.reason = Some(args.reason.clone());
    event.actor = order::claimed_actor(environment);
    event.urgent = args.urgent;
    let message = order::record(&event)?;
    ask::possible(args.yes)?;

    let shown = show_plan(&config, &topics, &event, now)?;
    if args.json {
        anstream::eprint!("{shown}")
    } else {
        write!(out, "{shown}")?
    }
    ask::confirm(&format!("Order the offboarding of {}?", address.expose()), args.yes)?;

    // Opened before the order is sent, so that nothing of its case is missed.
    let follower = match args.wait {
        true => Some(Follower::open(&topics.settings, &topics.names.state, Since::Now).map_err(failure)?),
        false => None,
    };
    kafka::send(&topics.settings, &topics.names.requests, &[message.into()]).map_err(failure)?;
    let mut told = Told::of(&event, address);
    let Some(follower) = follower else {
        told.say(args.json, out, "ordered")?;
        return Ok(Exit::Done);
    };
    anstream::eprintln!("Ordered, case {}; following it", told.case_id);
    let until = Instant::now() + Duration::try_from(args.wait_at_most).unwrap_or(Duration::ZERO);
    let end = follow(&follower, &event, until, &mut |line| anstream::eprintln!("{line}"))?;
    told.finish(end, args.json, out)
}

/// The plan as a page. A plan that cannot be had stops no order: the service sees for itself.
fn show_plan(config: &Config, topics: &OwnTopics, event: &PersonEvent, now: Timestamp) -> anyhow::Result<String> {
    let mut notes = Vec::new();
    let lately = match topics.state() {
        Ok(state) => Lately::of(state),
        // Where Kafka does not answer, nothing can be ordered either.
        Err(why) if Exit::of(&why) == Exit::Unreachable => return Err(why),
        Err(why) => {
            notes.push(format!("The caps, a pause and the circuit are not in this plan: {why:#}."));
            Lately::default()
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let plan = runtime.block_on(async {
        let access = Access::gain(config, Ambient::Refused).await?;
        notes.extend(access.mistaken(config).map(|what| format!("Note: {what}.")));
        foresee(config, &access, vec![event.clone()], lately, now).await
    });
    match plan {
        Ok(plan) => {
            if let Some(refused) = plan.people.iter().find_map(|person| person.outlook.refused.as_ref()) {
                bail!("the service would not carry it out: {refused}");
            }
            Ok(Plan { notes, ..plan }.page())
        }
        Err(why) => {
            let mut page = paragraph(&format!("The plan cannot be shown here: {why:#}."));
            if config.mode == Mode::Observe {
                page += &paragraph("The mode is observe: the service will record a plan and remove nothing.");
            }
            Ok(page)
        }
    }
}

/// What standard output says in the end.
#[derive(Debug, Serialize)]
struct Told {
    /// `ordered`, `closed`, `held` or `running`.
    state: &'static str,
    case_id: CaseId,
    event_id: String,
    address: Email,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<CaseResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_after: Option<AccessAfter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held_for: Vec<HoldReason>,
}

impl Told {
    fn of(event: &PersonEvent, address: Email) -> Self {
        Self {
            state: "ordered",
            case_id: case_id(&event.source),
            event_id: event.source.event_id.clone(),
            address,
            result: None,
            access_after: None,
            summary: None,
            held_for: Vec::new(),
        }
    }

    fn say(&mut self, json: bool, out: &mut dyn Write, state: &'static str) -> anyhow::Result<()> {
        self.state = state;
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        let case = self.case_id;
        let text = match (&self.summary, state) {
            (Some(summary), _) => format!("Case {case}: {summary}"),
            (None, "held") => {
                let reasons: Vec<&str> = self.held_for.iter().map(|reason| reason.as_str()).collect();
                format!("Case {case} is held: {}. `cases show {case}` says what lets it go on.", reasons.join(", "))
            }
            (None, "running") => format!("Case {case} is still running; `cases show {case}` says where it stands."),
            (None, _) => format!(
                "Ordered. The case is {case}, unless the person has an open one, which the order then joins; \
                 `cases list --person {}` shows it.",
                self.address.expose()
            ),
        };
        write!(out, "{}", paragraph(&text))?;
        Ok(())
    }

    fn finish(mut self, end: End, json: bool, out: &mut dyn Write) -> anyhow::Result<Exit> {
        match end {
            End::Closed(digest) => {
                self.case_id = digest.id;
                self.result = Some(digest.result);
                self.access_after = Some(digest.access_after);
                self.summary = Some(digest.summary);
                self.say(json, out, "closed")?;
                Ok(match digest.access_after {
                    AccessAfter::None => Exit::Done,
                    AccessAfter::Remaining => Exit::AccessRemains,
                    AccessAfter::Unknown => Exit::Failed,
                })
            }
            End::Held { case, reasons } => {
                self.case_id = case;
                self.held_for = reasons;
                self.say(json, out, "held")?;
                Ok(Exit::Held)
            }
            End::StillRunning { case } => {
                self.case_id = case.unwrap_or(self.case_id);
                self.say(json, out, "running")?;
                Ok(Exit::StillRunning)
            }
        }
    }
}
