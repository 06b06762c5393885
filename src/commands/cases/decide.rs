//! `cases approve`, `enforce`, `cancel` and `retry`: decisions of people, written to the commands topic.

use std::io::Write;

use anyhow::anyhow;
use serde_json::json;

use super::view::{self, CaseView};
use super::{Known, Register};
use crate::cli::{ApproveArgs, CancelArgs, EnforceArgs, GivenArgs, RetryArgs, WaitArgs};
use crate::clock;
use crate::commands::ask;
use crate::commands::give::{command, give, taken};
use crate::commands::kafka_access::OwnTopics;
use crate::commands::page::{counted, paragraph};
use crate::config::Environment;
use crate::engine::case::{Case, Digest};
use crate::engine::plan::plan_id;
use crate::exit::Exit;
use crate::model::CaseId;
use crate::model::command::Act;

/// More cases than this are listed instead of shown each on a page of its own.
const PAGES_MAX: usize = 10;

pub(super) fn approve(
    args: &ApproveArgs,
    topics: &OwnTopics,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    ask::possible(args.yes || args.plan.is_some())?;
    let register = Register::read(topics)?;
    let releasable = |case: &&Case| case.holds.iter().any(|hold| hold.reason.is_released_by_approval());
    let cases = if args.held {
        register.held(args.source.as_deref()).into_iter().filter(releasable).collect()
    } else {
        register.open(&args.cases)?
    };
    if cases.is_empty() {
        write!(out, "{}", paragraph("No case is held for anything that an approval releases."))?;
        return Ok(Exit::Done);
    }
    let plan = plan_id(cases.iter().copied());
    match args.plan {
        Some(seen) if seen != plan => {
            return Err(anyhow!(
                "the plan of these cases is {plan} now, not {seen}: something has changed since you saw it; run the \
                 same without --plan to see what it is"
            )
            .context(Exit::Held));
        }
        Some(_) => {}
        None => {
            let page = register.plan_page(&cases) + &paragraph(&format!("Plan {plan}"));
            show(&page, &args.given, out)?;
            ask::confirm(&format!("Approve this plan of {}?", counted(cases.len(), "case")), args.yes)?;
        }
    }
    let cases = cases.iter().map(|case| case.id).collect();
    decided(Act::Approve { cases, plan }, "Approved", &args.given, &args.wait, topics, environment, out)
}

pub(super) fn enforce(
    args: &EnforceArgs,
    topics: &OwnTopics,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    ask::possible(args.yes)?;
    let register = Register::read(topics)?;
    let mut cases = register.planned(&args.cases)?;
    if let Some(since) = args.since {
        cases.retain(|digest| digest.closed_at >= since);
    }
    if cases.is_empty() {
        write!(out, "{}", paragraph("No planned case was closed since then."))?;
        return Ok(Exit::Done);
    }
    let cases: Vec<CaseId> = cases.into_iter().map(|digest| digest.id).collect();
    show(&view::list(&register.views(&cases), clock::now()), &args.given, out)?;
    let question = format!("Have the service remove what {} planned?", counted(cases.len(), "case"));
    ask::confirm(&question, args.yes)?;
    decided(Act::Enforce { cases }, "Ordered", &args.given, &args.wait, topics, environment, out)
}

pub(super) fn cancel(
    args: &CancelArgs,
    topics: &OwnTopics,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    if args.held {
        ask::possible(args.yes)?;
    }
    let register = Register::read(topics)?;
    let cases = if args.held { register.held(args.source.as_deref()) } else { register.open(&args.cases)? };
    if cases.is_empty() {
        write!(out, "{}", paragraph("No such case is held."))?;
        return Ok(Exit::Done);
    }
    if args.held {
        show(&view::list(&register.views(&ids(&cases)), clock::now()), &args.given, out)?;
        ask::confirm(&format!("End {} as cancelled?", counted(cases.len(), "case")), args.yes)?;
    }
    let cases = ids(&cases);
    decided(Act::Cancel { cases }, "Cancelled", &args.given, &args.wait, topics, environment, out)
}

pub(super) fn retry(
    args: &RetryArgs,
    topics: &OwnTopics,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let cases = ids(&Register::read(topics)?.open(&args.cases)?);
    decided(Act::Retry { cases }, "Ordered", &args.given, &args.wait, topics, environment, out)
}

fn ids(cases: &[&Case]) -> Vec<CaseId> {
    cases.iter().map(|case| case.id).collect()
}

/// Pages go where they do not disturb JSON.
fn show(page: &str, given: &GivenArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    if given.json {
        anstream::eprint!("{page}");
    } else {
        write!(out, "{page}")?;
    }
    Ok(())
}

fn decided(
    act: Act,
    word: &str,
    given: &GivenArgs,
    wait: &WaitArgs,
    topics: &OwnTopics,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let done = give(topics, command(given, environment, act))?;
    let taken = if wait.wait { Some(taken(topics, &done, wait)?) } else { None };
    if given.json {
        writeln!(out, "{}", json!({"offset": done.offset, "taken": taken, "command": done.command}))?;
    } else {
        let text = match taken {
            None => format!("{word}; the service takes it from here. `cases list` shows what comes of it."),
            Some(true) => format!("{word}, and the service has taken it. `cases list` shows what comes of it."),
            Some(false) => format!(
                "{word}, but the service has not taken it yet. Is an instance the worker? See /readyz of each; the \
                 order stays where it is."
            ),
        };
        write!(out, "{}", paragraph(&text))?;
    }
    Ok(if taken == Some(false) { Exit::StillRunning } else { Exit::Done })
}

impl Register {
    /// The open cases that these ids begin.
    fn open(&self, prefixes: &[String]) -> anyhow::Result<Vec<&Case>> {
        let mut open: Vec<&Case> = Vec::new();
        for prefix in prefixes {
            match self.find(prefix)? {
                Known::Open(case) if open.iter().any(|known| known.id == case.id) => {}
                Known::Open(case) => open.push(case),
                Known::Closed(digest) => {
                    let why =
                        format!("case {} has ended ({}); `cases show` tells how", digest.id, digest.result.as_str());
                    return Err(anyhow!(why).context(Exit::Usage));
                }
            }
        }
        Ok(open)
    }

    /// The planned cases that these ids begin; without ids all.
    fn planned(&self, prefixes: &[String]) -> anyhow::Result<Vec<&Digest>> {
        if prefixes.is_empty() {
            let all = self.cases.values().filter_map(|case| match case {
                Known::Closed(digest) if digest.is_waiting_plan() => Some(digest),
                Known::Closed(_) | Known::Open(_) => None,
            });
            return Ok(all.collect());
        }
        let mut planned: Vec<&Digest> = Vec::new();
        for prefix in prefixes {
            match self.find(prefix)? {
                Known::Closed(digest) if digest.is_waiting_plan() => planned.push(digest),
                other => {
                    let why = format!("case {} holds no plan that is still to be enforced", other.id());
                    return Err(anyhow!(why).context(Exit::Usage));
                }
            }
        }
        planned.sort_by_key(|digest| digest.id);
        planned.dedup_by_key(|digest| digest.id);
        Ok(planned)
    }

    /// The open cases that wait for something, of one source or of all.
    fn held(&self, source: Option<&str>) -> Vec<&Case> {
        let open = self.cases.values().filter_map(|case| match case {
            Known::Open(case) if !case.holds.is_empty() => Some(case.as_ref()),
            Known::Open(_) | Known::Closed(_) => None,
        });
        open.filter(|case| source.is_none_or(|source| case.cause.source == source)).collect()
    }

    fn views(&self, cases: &[CaseId]) -> Vec<CaseView> {
        cases.iter().filter_map(|id| self.cases.get(id)).map(|case| CaseView::of(case, self, None)).collect()
    }

    /// Who is held for what, and what they would lose.
    fn plan_page(&self, cases: &[&Case]) -> String {
        if cases.len() > PAGES_MAX {
            let grants = cases.iter().flat_map(|case| &case.revocations).filter(|known| known.is_pending()).count();
            let all =
                format!("{} would go in all. `cases show CASE` shows those of one case.", counted(grants, "grant"));
            return view::list(&self.views(&ids(cases)), clock::now()) + &paragraph(&all);
        }
        let pages: Vec<String> = self.views(&ids(cases)).iter().map(|view| view.page(clock::now())).collect();
        pages.join("\n") + "\n"
    }
}
