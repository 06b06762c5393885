//! What the demo prints: who left, what is gone, what is left, and Heroku's own count.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::Played;
use crate::commands::page;
use crate::model::Surface;
use crate::model::outcome::{CaseClosed, CaseResult, GrantPart, Outcome, OutcomeKind, PersonPart, Settled};
use crate::simulator::Simulator;
use crate::simulator::generator::SERVICE_ACCOUNT;
use crate::simulator::journal::Recorded;
use crate::trial::cast::LEAVERS;

/// What Heroku says of the play.
struct Count {
    removals: usize,
    with_intent: usize,
    lost_access: BTreeSet<String>,
    untouched: usize,
    destructive: usize,
    missing: usize,
    twice: usize,
}

pub(super) fn prologue(out: &mut dyn Write, seed: u64, broker: String) -> io::Result<()> {
    writeln!(out, "heroku-deprovisioner demo, seed {seed}, mode enforce")?;
    writeln!(out, "  Kafka   {broker}")?;
    writeln!(out, "  Heroku  simulated: 6 teams, 40 apps, some 60 people")?;
    writeln!(out, "  Events  two topics, 41 records; six people leave\n")
}

pub(super) fn epilogue(
    out: &mut dyn Write,
    played: &Played,
    simulator: &Simulator,
    seed: u64,
    kafka: bool,
) -> io::Result<()> {
    let closed = cases(played);
    let mut rows = Vec::new();
    for part in LEAVERS {
        let Some(case) = closed.iter().find(|case| is(case, part.address)) else { continue };
        let is_gone = |how| matches!(how, Some(Settled::Revoked | Settled::AlreadyGone));
        let gone = case.grants.iter().filter(|grant| is_gone(grant.settled)).count();
        let left = case.grants.iter().filter(|grant| grant.settled == Some(Settled::Remains)).count();
        let refused = case.result == CaseResult::Refused;
        let figure = |number: usize| if refused { "-".to_owned() } else { number.to_string() };
        let time = case.times.verified_at.map_or_else(
            || "-".to_owned(),
            |at| format!("{:.1} s", at.duration_since(case.times.received_at).as_secs_f32()),
        );
        rows.push([
            format!("{}\n{}", part.name, part.shows),
            figure(case.grants.len()),
            figure(gone),
            figure(left),
            case.result.as_str().replace('_', " "),
            time,
        ]);
    }
    let header = ["who left", "accesses", "gone", "left", "result", "event to proof"];
    writeln!(out, "{}", page::table(header, rows))?;

    writeln!(out, "What is left, and what to do about it")?;
    for case in &closed {
        for residual in &case.residuals {
            let place = residual.parent.name();
            let label = format!("  {}: {place}: ", name(&case.person));
            write!(out, "{}", page::labelled(&label, &residual.remedy))?;
        }
        if case.result == CaseResult::Refused {
            writeln!(out, "  {}: {}", name(&case.person), case.summary)?;
        }
    }
    writeln!(out, "  one record could not be read: it waits in the dead letters\n")?;

    let count = count(played, simulator);
    let affected: Vec<&str> = count.lost_access.iter().map(|email| email.split('@').next().unwrap_or(email)).collect();
    writeln!(out, "Heroku's own count")?;
    writeln!(out, "  removals received        {}", count.removals)?;
    writeln!(out, "  named by earlier intent  {}", count.with_intent)?;
    let lost = format!("{}: {}", count.lost_access.len(), affected.join(", "));
    write!(out, "{}", page::labelled("  people who lost access   ", &lost))?;
    writeln!(out, "  people untouched         {} (anil.raman among them)", count.untouched)?;
    writeln!(out, "  outcomes                 {} missing, {} twice", count.missing, count.twice)?;
    if kafka {
        writeln!(out, "  kills survived           {} (SIGKILL between a removal and its answer)", played.kills)?;
    }
    writeln!(out, "\nAll of it in {:.1} s. Check it:", played.took.as_secs_f32())?;
    let flag = if kafka { " --kafka" } else { "" };
    writeln!(out, "  heroku-deprovisioner demo{flag} --seed {seed} --json | jq -c .type,.data.result")?;
    writeln!(out, "  heroku-simulator --help     # the Heroku that was played with")
}

/// Whether everything came out as the play is written.
pub(super) fn is_right(played: &Played, simulator: &Simulator) -> bool {
    let expected = BTreeMap::from([
        ("priya.raman@larkspur.example", CaseResult::Removed),
        ("tomas.oliveira@larkspur.example", CaseResult::Removed),
        ("greta.lindqvist@larkspur.example", CaseResult::NothingToRemove),
        ("kofi.mensah@larkspur.example", CaseResult::RemovedWithResiduals),
        ("break-glass@larkspur.example", CaseResult::Refused),
        ("aoife.byrne@larkspur.example", CaseResult::Removed),
    ]);
    let closed = cases(played);
    let results = expected.iter().all(|(address, result)| {
        closed.iter().any(|case| is(case, address) && (case.result == *result || owns_pipelines_alone(case, *result)))
    });
    let count = count(played, simulator);
    let leavers = ["priya.raman", "t.oliveira", "kofi.mensah", "aoife.byrne"];
    let only_leavers =
        count.lost_access.iter().all(|email| leavers.iter().any(|name| email.starts_with(&format!("{name}@"))));
    results
        && only_leavers
        && count.lost_access.len() == leavers.len()
        && count.removals == count.with_intent
        && count.missing == 0
        && count.twice == 0
        && count.destructive == 0
        && played.dead_letters == 1
}

/// By some seeds somebody who leaves owns a pipeline besides, which no request can take away.
fn owns_pipelines_alone(case: &CaseClosed, result: CaseResult) -> bool {
    let pipelines = case.residuals.iter().all(|residual| residual.surface == Surface::PipelineOwnership);
    result == CaseResult::Removed && case.result == CaseResult::RemovedWithResiduals && pipelines
}

fn count(played: &Played, simulator: &Simulator) -> Count {
    let requests = simulator.requests();
    let removals: Vec<&Recorded> =
        requests.iter().filter(|request| request.method == "DELETE" || request.method == "PATCH").collect();
    let lost_access: BTreeSet<String> =
        removals.iter().flat_map(|request| &request.removed).map(|removed| removed.email.clone()).collect();
    let people =
        simulator.with_world(|world| world.accounts().filter(|account| account.email != SERVICE_ACCOUNT).count());
    let attempts: Vec<_> =
        cases(played).into_iter().flat_map(|case| &case.grants).flat_map(|grant| &grant.attempts).collect();
    // By the id that each request carried; the request whose answer was lost has none, but an intent without an answer.
    let unanswered = attempts.iter().filter(|attempt| attempt.request_ids.is_none()).count();
    let named = removals
        .iter()
        .filter(|request| {
            let id = request.request_id.as_deref().unwrap_or("-");
            attempts.iter().any(|attempt| {
                attempt.intended_at <= request.at && attempt.request_ids.as_deref().is_some_and(|ids| ids.contains(id))
            })
        })
        .count();
    let mut seen = BTreeMap::new();
    for record in &played.outcomes {
        *seen.entry(record.id).or_insert(0_usize) += 1;
    }
    Count {
        removals: removals.len(),
        with_intent: (named + unanswered).min(removals.len()),
        untouched: people.saturating_sub(lost_access.len()),
        destructive: requests.iter().filter(|request| request.destructive).count(),
        missing: LEAVERS.iter().filter(|part| !cases(played).iter().any(|case| is(case, part.address))).count(),
        twice: seen.values().filter(|times| **times > 1).count()
            + played
                .outcomes
                .iter()
                .filter(|record| record.kind == OutcomeKind::CaseClosed)
                .count()
                .saturating_sub(LEAVERS.len()),
        lost_access,
    }
}

fn cases(played: &Played) -> Vec<&CaseClosed> {
    played
        .outcomes
        .iter()
        .filter_map(|record| match &record.data {
            Outcome::Closed(closed) => Some(closed.as_ref()),
            Outcome::Progress(_) | Outcome::Revoked(_) | Outcome::Look(_) => None,
        })
        .collect()
}

fn is(case: &CaseClosed, address: &str) -> bool {
    case.person.addresses.iter().any(|email| email.expose() == address)
}

/// The person's name in the play.
pub(super) fn name(person: &PersonPart) -> String {
    let part = LEAVERS.iter().find(|part| person.addresses.iter().any(|email| email.expose() == part.address));
    part.map_or_else(|| "somebody".to_owned(), |part| part.name.to_owned())
}

/// A grant in a few words.
pub(super) fn grant(grant: &GrantPart) -> String {
    format!("{} on {}", grant.surface.as_str().replace('_', " "), grant.parent.name())
}
