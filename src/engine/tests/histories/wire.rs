//! Requests on their way: how long each takes, what goes wrong with it, and what it costs.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::chance::Chance;
use super::lists::{Lie, Reading, Sight, list, scan};
use super::step::{Fault, Mood};
use super::world::{Heroku, ME, World, account, address, target};
use crate::engine::Input;
use crate::engine::budget::{Assumed, Budget, Flight, Lane};
use crate::model::world::{Account, Answer, ListId, Reply, Unread, Wanted};
use crate::model::{CaseId, GrantId, IntentId, Removal};

/// What is asked of Heroku.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    Account,
    Scan(Wanted),
    Read(Vec<ListId>),
    Remove { case: CaseId, grant: GrantId, intent: IntentId, removal: Removal },
}

/// One request, or one pass of several: so many at once as there are tokens for.
#[derive(Debug)]
struct Request {
    asked: Asked,
    epoch: u64,
    urgent: bool,
    /// Calls that have not left yet.
    left: u32,
    /// When its first call left, and when it arrived.
    began: Option<Timestamp>,
    first: Option<Timestamp>,
    /// Those under way, when they reach Heroku, with which result, and when their answer is here.
    flights: Vec<Flight>,
    arrives: Timestamp,
    arrived: Option<Arrived>,
    answered: Timestamp,
}

impl Request {
    fn new(asked: Asked, epoch: u64, urgent: bool) -> Self {
        Self {
            asked,
            epoch,
            urgent,
            left: 0,
            began: None,
            first: None,
            flights: Vec::new(),
            arrives: Timestamp::MIN,
            arrived: None,
            answered: Timestamp::MIN,
        }
    }
}

/// Calls of one pass that are under way at once.
const AT_ONCE: u32 = 8;

/// What Heroku did when the request came.
#[derive(Debug, Clone)]
struct Arrived {
    reply: Reply,
    remaining: Option<u32>,
}

/// A removal that reached Heroku.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) at: Timestamp,
    pub(super) intent: IntentId,
    pub(super) removal: Removal,
    /// Whether it took a team's admin.
    pub(super) admin: bool,
}

/// An answer for the engine that asked.
pub(super) struct Delivered {
    pub(super) epoch: u64,
    pub(super) input: Input,
}

/// Heroku's own count of the account's tokens, in thousandths.
#[derive(Debug)]
struct Pool {
    milli: i64,
    capacity: i64,
    as_of: Timestamp,
}

/// Tokens that come back in a minute.
const PER_MINUTE: i64 = 75;

impl Pool {
    /// What is left after `calls`; `None` = there were not so many.
    fn count(&mut self, now: Timestamp, calls: u32) -> Option<u32> {
        let passed = now.duration_since(self.as_of).as_millis().max(0);
        self.milli = (self.milli + i64::try_from(passed).expect("short") * PER_MINUTE / 60).min(self.capacity);
        self.as_of = self.as_of.max(now);
        let calls = i64::from(calls) * 1000;
        if self.milli < calls {
            return None;
        }
        self.milli -= calls;
        Some(u32::try_from(self.milli / 1000).expect("a small pool"))
    }
}

/// Everything between the engine and Heroku.
#[derive(Debug)]
pub(super) struct Wire {
    chance: Chance,
    waiting: VecDeque<Request>,
    under_way: Vec<Request>,
    budget: Budget,
    pool: Pool,
    faults: VecDeque<Fault>,
    pub(super) sight: Sight,
    lag: SignedDuration,
    slow_ms: u32,
    stopped: bool,
    /// Until then a 429 may be somebody else's doing.
    excused_until: Timestamp,
    /// Answers 429 that only we can be the cause of.
    pub(super) refused_for_our_rate: u32,
}

impl Wire {
    pub(super) fn new(seed: u64, now: Timestamp, pool: u32, sight: Sight) -> Self {
        Self {
            chance: Chance::new(seed, 3),
            waiting: VecDeque::new(),
            under_way: Vec::new(),
            budget: Budget::new(now, Assumed::default()),
            pool: Pool { milli: i64::from(pool) * 1000, capacity: i64::from(pool) * 1000, as_of: now },
            faults: VecDeque::new(),
            sight,
            lag: SignedDuration::ZERO,
            slow_ms: 300,
            stopped: false,
            excused_until: now,
            refused_for_our_rate: 0,
        }
    }

    pub(super) fn fault(&mut self, fault: &Fault) {
        self.faults.push_back(fault.clone());
    }

    pub(super) fn mood(&mut self, now: Timestamp, mood: Mood) {
        match mood {
            Mood::Lag(seconds) => self.lag = SignedDuration::from_secs(i64::from(seconds)),
            Mood::Slow(ms) => self.slow_ms = u32::from(ms),
            Mood::Dark(team) => {
                self.sight.dark.insert(team);
            }
            Mood::Light => self.sight.dark.clear(),
            Mood::Drained(left) => {
                self.pool.count(now, 0);
                self.pool.milli = self.pool.milli.min(i64::from(left) * 1000);
                self.excuse(now);
            }
            Mood::Stopped(stopped) => self.stopped = stopped,
        }
    }

    /// Nothing goes wrong from here on.
    pub(super) fn calm(&mut self) {
        self.faults.clear();
        self.sight.dark.clear();
        self.lag = SignedDuration::ZERO;
        self.slow_ms = 300;
        self.stopped = false;
    }

    fn excuse(&mut self, now: Timestamp) {
        self.excused_until = now + SignedDuration::from_mins(10);
    }

    /// How many removals may be named now, for each lane.
    pub(super) fn reserve(&mut self, now: Timestamp, urgent: usize, normal: usize) -> (usize, usize) {
        let mut take = |lane, most| self.budget.take(now, lane, u32::try_from(most).expect("few")) as usize;
        let urgent = take(Lane::Urgent, urgent);
        (urgent, take(Lane::Normal, normal))
    }

    pub(super) fn give_back(&mut self, now: Timestamp, tokens: usize) {
        self.budget.give_back(now, u32::try_from(tokens).expect("few"));
    }

    /// A read waits for its tokens.
    pub(super) fn ask(&mut self, asked: Asked, world: &World, epoch: u64, urgent: bool) {
        let left = calls(&asked, world, &self.sight);
        self.waiting.push_back(Request { left, ..Request::new(asked, epoch, urgent) });
    }

    /// A removal has its token.
    pub(super) fn remove(&mut self, now: Timestamp, asked: Asked, epoch: u64) {
        let request = Request::new(asked, epoch, true);
        if self.budget.is_closed(now) {
            self.budget.give_back(now, 1);
            let arrived = Some(Arrived { reply: Reply::NotSent, remaining: None });
            self.under_way.push(Request { arrives: now, arrived, answered: now, began: Some(now), ..request });
            return;
        }
        self.depart(now, request, 1);
    }

    fn depart(&mut self, now: Timestamp, mut request: Request, calls: u32) {
        request.flights = (0..calls).map(|_| self.budget.depart(now)).collect();
        let mut ms = || SignedDuration::from_millis(i64::from(self.chance.within(20, self.slow_ms)));
        request.arrives = now + ms();
        request.answered = request.arrives + ms();
        request.arrived = None;
        request.began.get_or_insert(now);
        request.first.get_or_insert(request.arrives);
        self.under_way.push(request);
    }

    fn start(&mut self, now: Timestamp) {
        let mut blocked = [false; 2];
        let mut place = 0;
        while let Some(request) = self.waiting.get(place) {
            let lane = usize::from(request.urgent);
            let most = request.left.min(AT_ONCE);
            let taken = if blocked[lane] { 0 } else { self.budget.take(now, Lane::of(request.urgent), most) };
            if taken == 0 {
                blocked[lane] = true;
                place += 1;
                continue;
            }
            let mut request = self.waiting.remove(place).expect("looked at");
            request.left -= taken;
            self.depart(now, request, taken);
        }
    }

    /// When something happens here next.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let moves = self.under_way.iter().map(|it| if it.arrived.is_none() { it.arrives } else { it.answered });
        let soon = now + SignedDuration::from_millis(200);
        let tokens = self.waiting.iter().map(|it| self.budget.next_at(now, Lane::of(it.urgent)).max(soon));
        moves.chain(tokens).min()
    }

    /// When a removal may have its token.
    pub(super) fn token_at(&self, now: Timestamp, urgent: bool) -> Timestamp {
        self.budget.next_at(now, Lane::of(urgent))
    }

    /// The process ends: nothing more is sent, and no answer is heard. What is on its way may arrive, up to `late` later.
    pub(super) fn abandon(&mut self, now: Timestamp, late: u32) {
        self.waiting.clear();
        self.budget = Budget::new(now, Assumed::default());
        self.excuse(now);
        let chance = &mut self.chance;
        self.under_way.retain(|request| {
            let may_arrive = matches!(request.asked, Asked::Remove { .. }) && request.arrived.is_none();
            may_arrive && (late > 0 || chance.percent(50))
        });
        for request in &mut self.under_way {
            request.flights.clear();
            request.arrives = request.arrives.max(now) + SignedDuration::from_secs(i64::from(chance.within(0, late)));
            request.answered = request.arrives;
        }
    }

    /// Moves everything on to `now`: what reached Heroku, and what came back.
    pub(super) fn run(&mut self, now: Timestamp, heroku: &mut Heroku) -> (Vec<Hit>, Vec<Delivered>) {
        self.start(now);
        let (mut hits, mut delivered) = (Vec::new(), Vec::new());
        loop {
            let due = |it: &Request| if it.arrived.is_none() { it.arrives } else { it.answered };
            let Some(index) = (0..self.under_way.len())
                .filter(|at| due(&self.under_way[*at]) <= now)
                .min_by_key(|at| due(&self.under_way[*at]))
            else {
                return (hits, delivered);
            };
            if self.under_way[index].arrived.is_none() {
                hits.extend(self.arrive(index, heroku));
            } else {
                let request = self.under_way.remove(index);
                delivered.extend(self.answer(request, heroku));
                self.start(now);
            }
        }
    }

    fn arrive(&mut self, index: usize, heroku: &mut Heroku) -> Option<Hit> {
        let request = &mut self.under_way[index];
        let at = request.arrives;
        let calls = request.flights.len();
        let remaining = self.pool.count(at, u32::try_from(calls).expect("few"));
        let mut reply = Reply::Done;
        let mut hit = None;
        if remaining.is_none() {
            reply = Reply::RateLimited;
            self.refused_for_our_rate += u32::from(at > self.excused_until);
        } else if self.stopped {
            reply = Reply::AccountStopped;
        } else if let Asked::Remove { intent, removal, .. } = request.asked {
            let fault = self.faults.iter().position(|fault| matches!(fault, Fault::Removal(..)));
            let (answer, effect) = match fault.and_then(|place| self.faults.remove(place)) {
                Some(Fault::Removal(reply, effect)) => (Some(reply), effect),
                Some(Fault::List(..)) | None => (None, true),
            };
            let visible = heroku.now().may_change(removal);
            let hits = target(removal);
            let admin = heroku.now().find(hits.place, hits.account).is_some_and(|known| known.role == "admin");
            let effect = effect && visible && heroku.remove(at, removal);
            let truth = match (visible, effect) {
                (false, _) => Reply::Forbidden,
                (true, true) => Reply::Done,
                (true, false) => Reply::NotFound,
            };
            reply = answer.unwrap_or(truth);
            if reply == Reply::NoAnswer {
                request.answered = request.answered.max(at + SignedDuration::from_secs(30));
            }
            hit = Some(Hit { at, intent, removal, admin: admin && effect });
        }
        request.arrived = Some(Arrived { reply, remaining });
        hit
    }

    fn answer(&mut self, mut request: Request, heroku: &Heroku) -> Option<Delivered> {
        let answered = request.answered;
        let Arrived { reply, remaining } = request.arrived.take().expect("it has arrived");
        for flight in std::mem::take(&mut request.flights) {
            match (&reply, remaining) {
                (Reply::RateLimited, _) => self.budget.refused(answered, flight, None),
                (Reply::NoAnswer, _) => self.budget.lost(answered, flight),
                (_, Some(left)) => self.budget.heard(answered, flight, left, None),
                (_, None) => self.budget.answered(answered, flight),
            }
        }
        if request.left > 0 && reply == Reply::Done {
            self.waiting.push_front(request);
            return None;
        }
        let Request { asked, epoch, began, first, .. } = request;
        let sent = began.expect("it has left");
        let refused = reply == Reply::AccountStopped;
        let unread = reply == Reply::RateLimited;
        let reading = Reading { began: sent, first: first.unwrap_or(sent), last: answered, lag: self.lag };
        let lie = |faults: &mut VecDeque<Fault>| {
            let place = faults.iter().position(|fault| matches!(fault, Fault::List(..)));
            match place.and_then(|place| faults.remove(place)) {
                Some(Fault::List(number, lie)) => Some((usize::from(number), lie)),
                Some(Fault::Removal(..)) | None => None,
            }
        };
        let input = match asked {
            Asked::Account if unread => return None,
            Asked::Account if refused => Input::AccountStopped("suspended".to_owned()),
            Asked::Account => {
                Input::Account(Account { id: account(ME), email: address(heroku.now().address_of(ME)).clone() })
            }
            Asked::Scan(_) | Asked::Read(_) if refused => Input::AccountStopped("suspended".to_owned()),
            Asked::Scan(wanted) => {
                let lie = lie(&mut self.faults);
                if unread || lie.is_some_and(|(_, lie)| lie == Lie::Failed) {
                    Input::ScanFailed
                } else {
                    Input::Scanned(Box::new(scan(heroku, &self.sight, &wanted, reading, lie)))
                }
            }
            Asked::Read(lists) => {
                let lie = lie(&mut self.faults);
                let mut read = BTreeMap::new();
                let count = lists.len();
                for (index, id) in lists.into_iter().enumerate() {
                    let mine =
                        lie.filter(|(at, lie)| *lie == Lie::Failed || at % count == index).map(|(_, lie)| match lie {
                            Lie::Failed => Lie::Unread("unavailable"),
                            Lie::Unread(_) | Lie::Truncated | Lie::NoControl | Lie::NoInvitations => lie,
                        });
                    let entries = if unread {
                        Err(Unread { what: "list".to_owned(), why: "rate_limited".to_owned() })
                    } else {
                        list(heroku, &self.sight, id, reading, mine)
                    };
                    read.insert(id, entries);
                }
                Input::Lists(read)
            }
            Asked::Remove { case, grant, intent, .. } => {
                let status = match reply {
                    Reply::Done => Some(200),
                    Reply::NotFound => Some(404),
                    Reply::RateLimited => Some(429),
                    Reply::Unavailable => Some(503),
                    Reply::Forbidden | Reply::AccountStopped => Some(403),
                    Reply::Refused => Some(422),
                    Reply::NoAnswer | Reply::NotSent => None,
                };
                let answer = Answer {
                    sent_at: (reply != Reply::NotSent).then_some(sent),
                    reply,
                    status,
                    error_id: None,
                    request_ids: None,
                    answered_at: answered,
                    retry_after_s: None,
                };
                Input::Answered { case, grant, intent, answer }
            }
        };
        Some(Delivered { epoch, input })
    }
}

/// How many calls it takes.
fn calls(asked: &Asked, world: &World, sight: &Sight) -> u32 {
    match asked {
        Asked::Account | Asked::Remove { .. } => 1,
        Asked::Scan(_) => {
            let lists = 3 * 2 + world.spaces.len() + if sight.permissions { 3 } else { world.apps.len() };
            5 + u32::try_from(lists).expect("few")
        }
        Asked::Read(lists) => {
            let teams = lists.iter().filter(|list| matches!(list, ListId::Team(_))).count();
            u32::try_from(lists.len() + teams).expect("few")
        }
    }
}
