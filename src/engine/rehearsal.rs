//! What offboardings would do, without doing it: an engine of its own that is told of them and of one scan, asked what
//! every guard says, and dropped before it names a removal.

use jiff::Timestamp;
use serde::Serialize;

use super::case::case_id;
use super::circuit::Circuit;
use super::closing::{access_after, follow_ups, residuals, waits_for};
use super::guards::below_floor;
use super::policy::Policy;
use super::record::{Orders, StateRecord, Windows};
use super::revocation::{Progress, Revocation};
use super::{Effect, Engine, Input};
use crate::model::event::Normalised;
use crate::model::outcome::{
    AccessAfter, Decision, ExecutedBy, FollowUp, GrantPart, Hold, HoldReason, Mode, Outcome, OutcomeRecord, Residual,
};
use crate::model::world::{Account, ListId, Scan, Wanted};
use crate::model::{AccountId, CaseId, GrantId};

/// Offboardings that are played through together: those who leave together do not count as each other's admins.
#[derive(Debug)]
pub struct Rehearsal {
    engine: Engine,
    cases: Vec<CaseId>,
    wanted: Option<Wanted>,
    closed: Vec<OutcomeRecord>,
}

/// What the service remembers that stops everybody, or whoever comes next.
#[derive(Debug, Default)]
pub struct Lately {
    windows: Windows,
    circuit: Circuit,
    orders: Orders,
}

impl Lately {
    /// Finds it among the records of the state.
    pub fn of(state: impl IntoIterator<Item = StateRecord>) -> Self {
        let mut lately = Self::default();
        for record in state {
            match record {
                StateRecord::Windows(windows) => lately.windows = windows,
                StateRecord::Circuit(circuit) => lately.circuit = circuit,
                StateRecord::Orders(orders) => lately.orders = orders,
                StateRecord::Person(_) | StateRecord::Alias(..) | StateRecord::Case(_) | StateRecord::Digest(_) => {}
            }
        }
        lately
    }
}

/// What an offboarding would come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rehearsed {
    /// Why nothing at all would be attempted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The Heroku accounts that the person's addresses lead to.
    #[serde(rename = "heroku_account_ids")]
    pub accounts: Vec<AccountId>,
    /// Every grant found, in the order of removal, each with what would become of it.
    pub grants: Vec<GrantPart>,
    /// What would stop the case, or a part of it.
    pub holds: Vec<Hold>,
    /// What no call of the service can remove, and what its configuration tells it to leave.
    pub residuals: Vec<Residual>,
    /// Advice.
    pub follow_ups: Vec<FollowUp>,
    /// The access that the person has now.
    pub access: AccessAfter,
}

impl Rehearsal {
    /// Tells the engine of the offboardings. `lately` is what the service remembers that may stop them.
    /// Single teams observe as configured; the installation is taken to enforce, else there is nothing to foresee.
    pub fn begin(policy: Policy, me: Account, lately: Lately, events: Vec<Normalised>, now: Timestamp) -> Self {
        let mut engine = Engine::new(Policy { mode: Mode::Enforce, ..policy }, ExecutedBy::default());
        (engine.windows, engine.circuit, engine.orders) = (lately.windows, lately.circuit, lately.orders);
        engine.handle(now, Input::Account(me));
        let cases = events.iter().map(|event| case_id(&event.event.source)).collect();
        for event in events {
            engine.handle(now, Input::Event(Box::new(event)));
        }
        engine.advance(now);
        let turn = engine.take_turn();
        let wanted = turn.effects.into_iter().find_map(|effect| match effect {
            Effect::Scan { wanted, .. } => Some(wanted),
            Effect::AskAccount | Effect::Read { .. } | Effect::Remove { .. } => None,
        });
        Self { engine, cases, wanted, closed: turn.outcomes }
    }

    /// Whom the scan must look for; `None` = nobody, every offboarding is refused as it stands.
    pub fn wanted(&self) -> Option<&Wanted> {
        self.wanted.as_ref()
    }

    /// Tells what the scan found and asks what would follow, for each event in its order. `None` for an event that
    /// opened no case of its own, because it repeats another.
    pub fn end(mut self, now: Timestamp, scan: Option<Scan>) -> Vec<Option<Rehearsed>> {
        if let Some(scan) = scan {
            let lists = scan.lists.clone();
            self.engine.handle(now, Input::Scanned(Box::new(scan)));
            self.closed.extend(std::mem::take(&mut self.engine.outcomes));
            self.ask_the_floors(now, |list| lists.get(&list).and_then(|read| read.as_ref().ok()));
            self.engine.hold_crowds(now);
            self.ask_the_caps(now);
        }
        self.cases.iter().map(|id| self.open_case(now, *id).or_else(|| self.closed_case(*id))).collect()
    }

    fn ask_the_floors<'l>(
        &mut self,
        now: Timestamp,
        list: impl Fn(ListId) -> Option<&'l crate::model::world::ListRead>,
    ) {
        let Some(me) = self.engine.me.clone() else { return };
        let leavers = self.engine.leavers();
        let least = self.engine.policy.min_human_admins;
        for id in &self.cases {
            let Some(case) = self.engine.cases.get(id) else { continue };
            let figures = |known: &Revocation| {
                below_floor(known, case, list(known.list()?)?, &me, &leavers, least)
                    .map(|figures| (known.grant.id, Some(figures)))
            };
            let floors: Vec<(GrantId, Option<String>)> =
                case.revocations.iter().filter(|known| known.is_pending()).filter_map(figures).collect();
            self.engine.apply_floors(now, *id, floors);
        }
    }

    /// Those who would begin now count for those behind them.
    fn ask_the_caps(&mut self, now: Timestamp) {
        for id in &self.cases {
            let Some(case) = self.engine.cases.get(id) else { continue };
            let begins = |known: &Revocation| {
                known.decision == Decision::Revoke && matches!(known.progress, Progress::Waiting { .. })
            };
            if !case.revocations.iter().any(begins) {
                continue;
            }
            match self.engine.stopped_by(now, *id) {
                Some(stopped) => self.engine.limit(now, *id, Some(stopped)),
                None => self.engine.count_begun(now, *id),
            }
        }
    }

    fn open_case(&self, now: Timestamp, id: CaseId) -> Option<Rehearsed> {
        let case = self.engine.cases.get(&id)?;
        let mut grants: Vec<GrantPart> = case.revocations.iter().map(Revocation::part).collect();
        grants.sort_by(|one, two| (one.surface, one.parent.name()).cmp(&(two.surface, two.parent.name())));
        let hold = |(reason, detail): (HoldReason, String)| Hold {
            reason,
            detail,
            remedy: reason.remedy().to_owned(),
            owner: self.engine.policy.hold_owner.clone(),
            since: now,
        };
        Some(Rehearsed {
            refused: None,
            accounts: case.accounts.keys().copied().collect(),
            grants,
            holds: waits_for(case).into_iter().map(hold).collect(),
            residuals: residuals(case),
            follow_ups: follow_ups(case),
            // Without a scan of the case nothing is known of it.
            access: if case.mode.is_some() { access_after(case) } else { AccessAfter::Unknown },
        })
    }

    fn closed_case(&self, id: CaseId) -> Option<Rehearsed> {
        self.closed.iter().filter(|record| record.case == id).find_map(|record| match &record.data {
            Outcome::Closed(closed) => Some(Rehearsed {
                refused: Some(closed.summary.clone()),
                accounts: closed.person.heroku_account_ids.clone(),
                grants: closed.grants.clone(),
                holds: Vec::new(),
                residuals: closed.residuals.clone(),
                follow_ups: closed.follow_ups.clone(),
                access: closed.access_after,
            }),
            Outcome::Progress(_) | Outcome::Revoked(_) | Outcome::Look(_) => None,
        })
    }
}
