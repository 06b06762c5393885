//! What records claim, held against Heroku, and what must be so once the faults are over.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::judge::{BUDGET, COVERAGE, ENDS, GONE, Judge, Known, Looks, ONE_END, TRUTH, Violation, broken};
use super::play::{History, Said};
use super::step::{OBSERVING, When};
use super::truth::{Human, effective, is_overruled, is_too_old, must_be_removed};
use super::world::{LAG_MAX, ME, PROTECTED, PSEUDO, Place, TEAMS, World, account, address};
use crate::engine::case::Phase;
use crate::engine::revocation::Revocation;
use crate::model::event::Action;
use crate::model::outcome::{
    AccessAfter, AccessLook, CaseClosed, CaseResult, Decision, GrantPart, GrantRevoked, HoldReason, Mode, OutcomeKind,
    OutcomeRecord, Settled,
};
use crate::model::world::Reply;
use crate::model::{AccountId, Parent, Surface};

/// Where a grant is, by its parent.
fn place_of(grant: &GrantPart) -> Option<Place> {
    use super::world::number;
    Some(match (&grant.parent, grant.surface) {
        (Parent::Team { id, .. }, Surface::TeamInvitation) => Place::Invitation(number(id.0)),
        (Parent::Team { id, .. }, _) => Place::Team(number(id.0)),
        (Parent::App { id, .. }, _) => Place::App(number(id.0)),
        (Parent::Space { id, .. }, _) => Place::Space(number(id.0)),
        (Parent::Enterprise { .. }, _) => Place::Enterprise,
        (Parent::Pipeline { .. }, _) => return None,
    })
}

fn number_of(account: &AccountId) -> u8 {
    super::world::number(account.0)
}

impl Looks<'_> {
    /// Whether the account has changed its address since `opened`.
    fn moved(&self, opened: Timestamp, account: u8) -> bool {
        let mut numbers = self.heroku.between(opened - LAG_MAX, self.now).map(|world| world.address_of(account));
        let first = numbers.next();
        numbers.any(|number| Some(number) != first)
    }
}

impl Judge {
    pub(super) fn is_gone(
        &mut self,
        at: &Looks,
        record: &OutcomeRecord,
        revoked: &GrantRevoked,
    ) -> Result<(), Violation> {
        let grant = &revoked.grant;
        let Some(proof) = revoked.proof.first().filter(|proof| proof.complete && proof.control) else {
            return broken(
                GONE,
                format!("{} of {} is told gone without a proof", grant.surface.as_str(), grant.parent.name()),
            );
        };
        let without_effect = [Some(Reply::RateLimited), Some(Reply::NotSent), Some(Reply::AccountStopped)];
        let arrived = grant.attempts.iter().filter(|attempt| !without_effect.contains(&attempt.reply));
        let answered = arrived.filter_map(|attempt| attempt.answered_at).max();
        // After a leap of the clock an answer may come that was no longer waited for.
        let early = answered.is_some_and(|answered| answered > proof.at) && at.now >= self.clock_doubted_until;
        if grant.attempts.is_empty() || early {
            return broken(GONE, format!("the proof of {} began before its answer", grant.parent.name()));
        }
        let known = self.cases.get_mut(&record.case).expect("told first");
        known.revoked.insert(grant.grant_id);
        let (mut accounts, place) = (self.accounts(at.heroku.now(), record), place_of(grant));
        let opened = self.cases[&record.case].opened;
        let since_then = at.heroku.between(opened - LAG_MAX, at.now);
        let alone = since_then.flat_map(|world| self.accounts(world, record)).collect::<BTreeSet<_>>().len() == 1;
        accounts.retain(|account| !at.moved(opened, *account));
        let Some(place) = place else { return Ok(()) };
        // Whose it was is not in the record: of the person's accounts none may have kept the place all along.
        let since = proof.at - LAG_MAX;
        let stays = |account: &u8| {
            at.heroku.between(since, at.now).all(|world| {
                let sent_to = self.human(record.case).map(|human| &human.addresses);
                let theirs = |known: &super::world::Access| {
                    let invited = !matches!(place, Place::Invitation(_))
                        || sent_to.is_some_and(|addresses| addresses.contains(&known.address));
                    known.since < since && invited
                };
                world.find(place, *account).is_some_and(theirs)
            })
        };
        if alone && accounts.iter().any(stays) {
            return broken(GONE, format!("p{:?} is told gone from {place} and is still there", accounts));
        }
        Ok(())
    }

    /// Accounts that carry an address of the human.
    fn accounts(&self, world: &World, record: &OutcomeRecord) -> BTreeSet<u8> {
        let Some(human) = self.human(record.case) else { return BTreeSet::new() };
        let may_carry = human.addresses.iter().chain(world.renamed.keys()).copied();
        may_carry.filter(|account| *account > 0 && human.addresses.contains(&world.address_of(*account))).collect()
    }

    pub(super) fn closes(&mut self, at: &Looks, record: &OutcomeRecord, closed: &CaseClosed) -> Result<(), Violation> {
        let known = &self.cases[&record.case];
        let human = self.humans.of(known.founder);
        let intended =
            |grant: &GrantPart| self.intents.values().any(|(case, id)| *case == record.case && *id == grant.grant_id);
        for grant in &closed.grants {
            let (name, at) = (grant.parent.name(), grant.surface.as_str());
            match grant.settled {
                Some(Settled::Revoked) => {
                    if !known.revoked.contains(&grant.grant_id) || !intended(grant) {
                        return broken(
                            TRUTH,
                            format!("{at} of {name} counts as revoked, and nothing was sent or proven"),
                        );
                    }
                }
                Some(Settled::AlreadyGone) if intended(grant) => {
                    return broken(TRUTH, format!("{at} of {name} counts as gone already, and a removal was sent"));
                }
                Some(Settled::AlreadyGone | Settled::Remains | Settled::Unknown) | None => {}
            }
        }
        match closed.result {
            CaseResult::Removed | CaseResult::NothingToRemove | CaseResult::RemovedWithResiduals => {
                self.ends_complete(at, known, human, closed)
            }
            CaseResult::Cancelled => self.ends_cancelled(at, record, known, human),
            CaseResult::Refused => {
                if self.intents.values().any(|(case, _)| *case == record.case) {
                    return broken(TRUTH, "a case that has removed something ends as refused");
                }
                let nobody = human.addresses.is_empty();
                let mut untouchable = [PROTECTED, ME].iter().map(|account| at.heroku.now().address_of(*account));
                let protected =
                    untouchable.any(|number| human.addresses.contains(&number)) || human.addresses.contains(&PROTECTED);
                let bound = closed.person.heroku_account_ids.contains(&account(PROTECTED));
                if nobody || protected || bound {
                    Ok(())
                } else {
                    broken(TRUTH, "somebody is refused who is not protected")
                }
            }
            CaseResult::Planned => {
                let word = &at.events[known.founder].word;
                let observes = word.source == OBSERVING || word.synthetic || !at.setup.policy.teams.is_empty();
                if observes && self.intents.values().all(|(case, _)| *case != record.case) {
                    return Ok(());
                }
                broken(TRUTH, "a case that should remove, or has removed, ends as planned")
            }
        }
    }

    /// It was seen whole, and what it says of the access that is left is so.
    fn ends_complete(&self, at: &Looks, known: &Known, human: &Human, closed: &CaseClosed) -> Result<(), Violation> {
        let world = at.heroku.now();
        if !closed.coverage.complete || closed.mode != Mode::Enforce {
            return broken(COVERAGE, format!("a case ends as {:?} without full coverage", closed.result));
        }
        for team in TEAMS {
            let seen = at.heroku.between(known.opened, at.now).all(|world| world.sees(team));
            let read = self.read.get(&Place::Team(team)).is_some_and(|read| *read >= known.opened - LAG_MAX);
            if (seen || at.setup.expects(team)) && !read {
                return broken(
                    COVERAGE,
                    format!("a case ends as {:?}, and nobody has read team t{team}", closed.result),
                );
            }
        }
        if closed.grants.iter().any(|grant| grant.settled.is_none()) {
            return broken(TRUTH, "a case ends, and something of it is on its way");
        }
        let left = self.left(at, known, human, world);
        let stays: Vec<&GrantPart> =
            closed.grants.iter().filter(|grant| grant.settled == Some(Settled::Remains)).collect();
        match closed.access_after {
            AccessAfter::None if !left.is_empty() => {
                broken(GONE, format!("a case ends with no access left, and there is {left:?}"))
            }
            AccessAfter::None if !stays.is_empty() => broken(TRUTH, "no access is left, and something remains"),
            AccessAfter::Remaining if stays.is_empty() => broken(TRUTH, "access is left, and nothing remains"),
            AccessAfter::Unknown => broken(TRUTH, "a case that has seen all does not know what is left"),
            AccessAfter::None | AccessAfter::Remaining => {
                // What remains can be told of alone; whatever else is left was given since the list was read.
                let told = |place: &Place| stays.iter().any(|grant| place_of(grant) == Some(*place));
                match left.iter().find(|(_, place)| !told(place)) {
                    Some((account, place)) => {
                        broken(GONE, format!("p{account} is still in {place}, and no record says so"))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Access of the human that was there when its list was read.
    fn left(&self, at: &Looks, known: &Known, human: &Human, world: &World) -> Vec<(u8, Place)> {
        let seen = |team: u8| {
            team == 0 || at.setup.expects(team) || at.heroku.between(known.opened, at.now).all(|world| world.sees(team))
        };
        let theirs = |place: Place, access: &super::world::Access| {
            let number =
                if matches!(place, Place::Invitation(_)) { access.address } else { world.address_of(access.account) };
            human.addresses.contains(&number)
        };
        world
            .accesses()
            .filter(|(place, access)| {
                let (team, list) = match *place {
                    Place::Team(team) | Place::Invitation(team) => (team, Place::Team(team)),
                    Place::App(app) => (world.apps[&app], *place),
                    Place::Space(space) => (world.spaces[&space], *place),
                    Place::Enterprise => (0, *place),
                };
                let visible = match *place {
                    Place::App(app) if team == 0 => super::lists::shared(world, app),
                    Place::Enterprise => at.setup.sight.enterprise,
                    Place::Team(_) | Place::Invitation(_) | Place::App(_) | Place::Space(_) => seen(team),
                };
                // A list that was never read: a scan looked, and did not find them there.
                let read = self.read.get(&list).copied().unwrap_or(known.opened).max(known.opened);
                let old = access.since < read - LAG_MAX;
                let owner = access.role == "owner";
                visible
                    && old
                    && !owner
                    && theirs(*place, access)
                    && !at.moved(known.opened, access.account)
                    && access.account != PSEUDO
            })
            .map(|(place, access)| (access.account, place))
            .collect()
    }

    /// Somebody said that the person stays, or that the case is to end, or another case took over.
    fn ends_cancelled(
        &self,
        at: &Looks,
        record: &OutcomeRecord,
        known: &Known,
        human: &Human,
    ) -> Result<(), Violation> {
        let stays = human.words.iter().any(|place| at.events[*place].word.action == Action::Cancel);
        let same = |other: &Known| {
            other.person.is_some() && self.humans.number_of(other.founder) == self.humans.number_of(known.founder)
        };
        let follows = self.cases.iter().any(|(id, other)| *id != record.case && same(other) && other.closed.is_none());
        if stays || known.cancelled || follows { Ok(()) } else { broken(ENDS, "a case is cancelled for no reason") }
    }

    /// A look after the end.
    pub(super) fn looks_again(&self, at: &Looks, record: &OutcomeRecord, look: &AccessLook) -> Result<(), Violation> {
        let known = &self.cases[&record.case];
        let Some((closed, _)) = known.closed else {
            return broken(ONE_END, "a case is looked at again that has not ended");
        };
        let human = self.humans.of(known.founder);
        let left = self.left(at, known, human, at.heroku.now());
        if look.access == AccessAfter::None && !left.is_empty() {
            return broken(
                GONE,
                format!(
                    "a look at {} s says that there is no access, and there is {left:?}",
                    at.now.duration_since(closed).as_secs()
                ),
            );
        }
        if look.seen.is_empty() == (record.kind == OutcomeKind::AccessReappeared) {
            return broken(TRUTH, format!("{:?} with {} grants seen", record.kind, look.seen.len()));
        }
        Ok(())
    }

    /// Hours after the last fault.
    pub(super) fn end(&mut self, history: &History) -> Result<(), Violation> {
        let (events, now) = (&history.events, history.now);
        let world = history.heroku.now();
        if history.wire.refused_for_our_rate > 0 {
            return broken(BUDGET, "Heroku answered 429 to what was ours alone");
        }
        if history.engine.cases.keys().any(|id| self.cases.get(id).is_none_or(|known| known.closed.is_some())) {
            return broken(ENDS, "a case is open of which no record tells");
        }
        for (id, known) in &self.cases {
            if known.person.is_some() && known.closed.is_none() && !history.engine.cases.contains_key(id) {
                return broken(ENDS, format!("case {id} is neither open nor ended"));
            }
        }
        // Long enough ago that everything was tried.
        let settled = now - SignedDuration::from_hours(3);
        for (number, human) in self.humans.all.iter().enumerate() {
            let Some(word) = must_be_removed(human, events, settled) else { continue };
            let said = &events[word];
            let heard = said.heard.expect("it was heard");
            let of_human = |known: &&Known| known.person.is_some() && self.humans.number_of(known.founder) == number;
            let cases: Vec<&Known> = self.cases.values().filter(of_human).collect();
            let open = cases.iter().any(|known| known.closed.is_none());
            let dealt_with = cases.iter().any(|known| {
                known.cancelled
                    || known.closed.is_some_and(|(at, result)| match result {
                        CaseResult::Removed | CaseResult::RemovedWithResiduals | CaseResult::NothingToRemove => {
                            at >= heard || is_same_fact(human, known, said, events)
                        }
                        CaseResult::Refused => at >= heard,
                        CaseResult::Planned => at >= heard && (self.source_enforces || known.founder_enforces(events)),
                        CaseResult::Cancelled => false,
                    })
            });
            let has_access =
                world.accesses().any(|(_, access)| human.addresses.contains(&world.address_of(access.account)));
            if has_access && !open && !dealt_with {
                return broken(ENDS, format!("{} is lost: {}", super::step::person(said.word.subject), said.word));
            }
        }
        for case in history.engine.cases.values() {
            let known = &self.cases[&case.id];
            let human = self.humans.of(known.founder);
            if matches!(case.phase, Phase::Scheduled { due } if due > now) {
                continue;
            }
            if case.holds.is_empty() {
                return broken(
                    ENDS,
                    format!("a case is open and waits for nothing: {:?} {:?}", case.phase, case.revocations),
                );
            }
            for hold in &case.holds {
                // What is parked is not scanned again, and says what its last scan could not read.
                let of_work = matches!(hold.reason, HoldReason::CoverageIncomplete | HoldReason::LastHumanAdmin);
                let last_word = case.parked.is_some() && of_work
                    // Nothing is left that could be tried.
                    || case.holds.len() > 1 && hold.reason == HoldReason::CircuitOpen;
                if !last_word && !self.is_justified(history, human, hold.reason, &case.revocations) {
                    return broken(
                        ENDS,
                        format!("a case waits for {} without need: {}", hold.reason.as_str(), hold.detail),
                    );
                }
            }
        }
        Ok(())
    }

    /// Whether it is Heroku or a person that the case waits for.
    fn is_justified(&self, history: &History, human: &Human, reason: HoldReason, grants: &[Revocation]) -> bool {
        let (world, events) = (history.heroku.now(), &history.events);
        let said = |counts: &dyn Fn(&Said) -> bool| human.words.iter().any(|place| counts(&events[*place]));
        match reason {
            HoldReason::Paused
            | HoldReason::CoverageIncomplete
            | HoldReason::PlanTooLarge
            | HoldReason::FormatUnconfirmed
            | HoldReason::CircuitOpen => false,
            HoldReason::Suspended => said(&|it| it.word.action == Action::Suspend),
            HoldReason::EventTooOld => said(&is_too_old),
            HoldReason::UnknownDate => said(&|it| match it.word.when {
                When::Nowhere => true,
                When::AsStated => it.word.action == Action::Schedule,
                When::InMinutes(_) | When::OnDay { .. } => false,
            }),
            HoldReason::UnresolvedPerson => human.addresses.is_empty(),
            HoldReason::LastHumanAdmin => grants.iter().filter(|it| it.decision == Decision::Hold).any(|held| {
                let team = held.grant.parent.team().map(|id| super::world::number(id.0)).unwrap_or_default();
                world.admins(team).filter(|account| !human.addresses.contains(&world.address_of(*account))).count()
                    < history.setup.policy.min_human_admins as usize
                    || self.others_leave(history, team)
            }),
            HoldReason::AmbiguousAccount | HoldReason::AccountChanged => {
                // Who calls somebody by a new address speaks of somebody else, unless it tells of the change.
                let renamed =
                    history.setup.names_by_address && events.iter().any(|it| it.word.address > super::world::RENAMED);
                let recycled = events.iter().any(|it| it.word.subject > super::world::HIRED);
                // A test that names the address of somebody else joins nobody.
                renamed || recycled || !world.renamed.is_empty() || said(&|it| it.word.synthetic)
            }
            HoldReason::PlanChanged => self.cases.values().any(|known| known.approved.is_some()),
            HoldReason::LimitReached => true,
        }
    }

    /// Whether an admin of the team has an open case.
    fn others_leave(&self, history: &History, team: u8) -> bool {
        let world = history.heroku.now();
        history.engine.cases.values().any(|case| {
            world.admins(team).any(|account| {
                case.addresses.contains(address(world.address_of(account)))
                    || case.accounts.keys().any(|known| number_of(known) == account)
            })
        })
    }
}

impl Known {
    /// Whether the case was opened by somebody whose word is acted on.
    fn founder_enforces(&self, events: &[Said]) -> bool {
        let word = &events[self.founder].word;
        word.source != OBSERVING && !word.synthetic
    }
}

/// A case that ended as removed for a departure of the very same moment stands for this word too, unless somebody said
/// between the two that the person stays.
fn is_same_fact(human: &Human, known: &Known, said: &Said, events: &[Said]) -> bool {
    let founder = &events[known.founder];
    let day = effective(founder);
    day.is_some() && day == effective(said) && !is_overruled(human, events, founder.event.occurred_at)
}
