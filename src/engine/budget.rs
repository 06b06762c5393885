//! How many calls may go out, and when. Heroku keeps one pool of request tokens per account, refilled continuously,
//! shared with everything else that uses the account. Pure: time is an argument, and no call is made here.
//!
//! The level kept here is a *lower bound* of Heroku's own, so that no call of ours is ever answered 429 unless
//! something else drains the pool at that moment:
//!
//! * A token counts as spent from the moment it is taken, long before Heroku counts it.
//! * A reply says what was left when Heroku looked at *its* request. Replies overtake each other, therefore every other
//!   request that Heroku may have counted later is subtracted: those unanswered now, those answered while this one
//!   was on its way, and those that were given up and may still arrive.
//! * Each reply sets the level anew, up as well as down: what others drained is seen at once, and so is a pool that
//!   has filled again or was raised.
//! * The level never rises above the highest that Heroku has reported, so a pool smaller than assumed is not overdrawn.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::retry::RetryPolicy;

/// One token, in the unit of the level. Fine enough that a millisecond of refill is a whole number.
const TOKEN: i64 = 1_000_000;

/// Part of the capacity that only urgent cases may use.
const RESERVED_PERCENT: u32 = 20;

/// How long a request that was given up may still reach Heroku and be counted: twice the longest request.
const LOST_COUNTS_FOR: SignedDuration = SignedDuration::from_secs(60);

/// Waits after a 429, when something else uses the pool as well. At empty a token comes back within a second; a look
/// once a minute is enough to notice that the other has stopped.
const AFTER_REFUSAL: RetryPolicy =
    RetryPolicy { first: SignedDuration::from_secs(2), most: SignedDuration::from_mins(1) };

/// Who takes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Urgent cases: down to the last token.
    Urgent,
    /// Everything else: leaves the reserve alone.
    Normal,
}

impl Lane {
    /// The lane of work that an urgent case waits for, or does not.
    pub fn of(urgent: bool) -> Self {
        if urgent { Self::Urgent } else { Self::Normal }
    }
}

/// What is assumed until Heroku has said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumed {
    /// Tokens in a full pool, and in the pool at the start.
    pub capacity: u32,
    /// Tokens that come back in a minute, at multiplier 1.
    pub per_minute: u32,
}

impl Default for Assumed {
    /// What Heroku's documentation says of an ordinary account.
    fn default() -> Self {
        Self { capacity: 4_500, per_minute: 75 }
    }
}

/// One request on its way. It must come back through [`Budget::heard`], [`Budget::refused`], [`Budget::answered`] or
/// [`Budget::lost`].
#[derive(Debug)]
pub struct Flight {
    departed: Timestamp,
    answered_before: u64,
    charged: bool,
}

/// The pool of one Heroku account, as far as we know it.
#[derive(Debug)]
pub struct Budget {
    per_minute: u32,
    /// Refill per millisecond.
    refill: i64,
    capacity: i64,
    heard: bool,
    remaining: Option<u32>,
    /// A lower bound of Heroku's level less everything taken; below zero when others drained what was promised here.
    level: i64,
    as_of_ms: i64,
    /// Taken and neither answered nor given back.
    out: u32,
    answered: u64,
    lost: VecDeque<Timestamp>,
    closed_until: Timestamp,
    refused_at: Timestamp,
    refusals: u32,
}

impl Budget {
    /// A full pool, as assumed.
    pub fn new(now: Timestamp, assumed: Assumed) -> Self {
        let capacity = i64::from(assumed.capacity.max(1)) * TOKEN;
        Self {
            per_minute: assumed.per_minute.max(1),
            refill: refill(assumed.per_minute.max(1), 1.0),
            capacity,
            heard: false,
            remaining: None,
            level: capacity,
            as_of_ms: now.as_millisecond(),
            out: 0,
            answered: 0,
            lost: VecDeque::new(),
            closed_until: Timestamp::MIN,
            refused_at: Timestamp::MIN,
            refusals: 0,
        }
    }

    /// Takes up to `most` tokens and says how many. Each is then sent with [`Self::depart`] or given back.
    pub fn take(&mut self, now: Timestamp, lane: Lane, most: u32) -> u32 {
        self.refill_to(now);
        if self.is_closed(now) {
            return 0;
        }
        let free = ((self.level - self.floor(lane)) / TOKEN).max(0);
        let taken = u32::try_from(free).unwrap_or(u32::MAX).min(most);
        self.level -= i64::from(taken) * TOKEN;
        self.out += taken;
        taken
    }

    /// When the next token can be taken, if nothing is heard before. Calling [`Self::take`] early is harmless.
    pub fn next_at(&self, now: Timestamp, lane: Lane) -> Timestamp {
        let missing = (self.floor(lane) + TOKEN - self.level).max(0);
        let wait_ms = missing.saturating_add(self.refill - 1) / self.refill;
        let refilled = Timestamp::from_millisecond(self.as_of_ms.saturating_add(wait_ms)).unwrap_or(Timestamp::MAX);
        refilled.max(self.closed_until).max(now)
    }

    /// Takes back tokens that were never sent.
    pub fn give_back(&mut self, now: Timestamp, tokens: u32) {
        self.refill_to(now);
        let tokens = tokens.min(self.out);
        self.out -= tokens;
        self.level = (self.level + i64::from(tokens) * TOKEN).min(self.ceiling());
    }

    /// Whether Heroku has just answered 429: until [`Self::next_at`] nothing should leave, even with a token taken before.
    pub fn is_closed(&self, now: Timestamp) -> bool {
        now < self.closed_until
    }

    /// When the last 429 is over.
    pub fn opens_at(&self) -> Timestamp {
        self.closed_until
    }

    /// A request with a token leaves.
    pub fn depart(&self, now: Timestamp) -> Flight {
        Flight { departed: now, answered_before: self.answered, charged: true }
    }

    /// A request that Heroku does not charge leaves.
    pub fn depart_free(&self, now: Timestamp) -> Flight {
        Flight { charged: false, ..self.depart(now) }
    }

    /// A reply told what was left in the pool, and the multiplier of the refill, if it named one.
    pub fn heard(&mut self, now: Timestamp, flight: Flight, remaining: u32, multiplier: Option<f64>) {
        if let Some(multiplier) = multiplier.filter(|multiplier| multiplier.is_finite() && *multiplier > 0.0) {
            self.refill = refill(self.per_minute, multiplier);
        }
        // The request's own token was in the pool a moment before.
        let level_before = (i64::from(remaining) + i64::from(flight.charged)) * TOKEN;
        self.capacity = if self.heard { self.capacity.max(level_before) } else { level_before.max(TOKEN) };
        self.heard = true;
        self.remaining = Some(remaining);
        self.refusals = 0;
        self.learn(now, &flight, remaining);
    }

    /// The reply was 429.
    pub fn refused(&mut self, now: Timestamp, flight: Flight, retry_after: Option<SignedDuration>) {
        self.remaining = Some(0);
        // Several requests of one burst are refused together; that is one refusal.
        if self.refused_at < flight.departed {
            self.refusals += 1;
            self.refused_at = now;
        }
        let wait = AFTER_REFUSAL.delay(self.refusals.max(1), 0, retry_after);
        self.closed_until = self.closed_until.max(now.saturating_add(wait).unwrap_or(Timestamp::MAX));
        self.learn(now, &flight, 0);
    }

    /// A reply said nothing of the pool. A 401 does not, for one.
    pub fn answered(&mut self, now: Timestamp, flight: Flight) {
        self.refill_to(now);
        self.land(&flight);
    }

    /// No reply came, and none is waited for. Heroku may still get the request, and count it.
    pub fn lost(&mut self, now: Timestamp, flight: Flight) {
        self.refill_to(now);
        self.land(&flight);
        self.lost.push_back(now);
    }

    /// What Heroku said last; `None` before the first reply.
    pub fn remaining(&self) -> Option<u32> {
        self.remaining
    }

    fn learn(&mut self, now: Timestamp, flight: &Flight, remaining: u32) {
        self.refill_to(now);
        let overtook = self.answered - flight.answered_before;
        self.land(flight);
        let perhaps_counted_later = self.pending() + i64::try_from(overtook).unwrap_or(i64::MAX / TOKEN);
        self.level = (i64::from(remaining) - perhaps_counted_later) * TOKEN;
        // Part of this millisecond may have passed before Heroku looked.
        self.as_of_ms += 1;
    }

    fn land(&mut self, flight: &Flight) {
        if flight.charged {
            self.out = self.out.saturating_sub(1);
            self.answered += 1;
        }
    }

    /// A clock that goes backwards refills nothing.
    fn refill_to(&mut self, now: Timestamp) {
        while self.lost.front().is_some_and(|at| now.duration_since(*at) >= LOST_COUNTS_FOR) {
            self.lost.pop_front();
        }
        let elapsed = now.as_millisecond().saturating_sub(self.as_of_ms);
        if elapsed > 0 {
            self.level = self.level.saturating_add(elapsed.saturating_mul(self.refill)).min(self.ceiling());
            self.as_of_ms = now.as_millisecond();
        }
    }

    /// Tokens that Heroku may not have counted yet.
    fn pending(&self) -> i64 {
        i64::from(self.out) + i64::try_from(self.lost.len()).unwrap_or(i64::MAX / TOKEN)
    }

    /// A full pool does not fill further while a request is on its way to it, so neither may the level.
    fn ceiling(&self) -> i64 {
        self.capacity - self.pending() * TOKEN
    }

    fn floor(&self, lane: Lane) -> i64 {
        match lane {
            Lane::Urgent => 0,
            Lane::Normal => (self.capacity / TOKEN) * i64::from(RESERVED_PERCENT) / 100 * TOKEN,
        }
    }
}

/// Refill per millisecond, rounded down.
fn refill(per_minute: u32, multiplier: f64) -> i64 {
    const MILLISECONDS: f64 = 60_000.0;
    ((f64::from(per_minute) * multiplier * TOKEN as f64 / MILLISECONDS) as i64).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    fn budget(capacity: u32) -> Budget {
        Budget::new(START, Assumed { capacity, per_minute: 75 })
    }

    /// Sends one call and hears `remaining` at once.
    fn call(budget: &mut Budget, now: Timestamp, remaining: u32) {
        assert_eq!(budget.take(now, Lane::Urgent, 1), 1);
        let flight = budget.depart(now);
        budget.heard(now, flight, remaining, Some(1.0));
    }

    /// Takes tokens and sends them; the replies say nothing of the pool.
    fn spend(budget: &mut Budget, now: Timestamp, lane: Lane, most: u32) -> u32 {
        let taken = budget.take(now, lane, most);
        for _ in 0..taken {
            let flight = budget.depart(now);
            budget.answered(now, flight);
        }
        taken
    }

    #[test]
    fn a_fifth_of_the_pool_is_left_to_urgent_cases() {
        let mut budget = budget(100);
        assert_eq!(spend(&mut budget, START, Lane::Normal, 1_000), 80);
        assert_eq!(budget.take(START, Lane::Normal, 1), 0);
        assert_eq!(spend(&mut budget, START, Lane::Urgent, 1_000), 20);
        assert_eq!(budget.take(START, Lane::Urgent, 1), 0);
        // Empty: an urgent call waits for one token, another for the whole reserve first.
        assert_eq!(budget.next_at(START, Lane::Urgent), at(800));
        assert_eq!(budget.next_at(START, Lane::Normal), at(21 * 800));
        assert_eq!(budget.take(at(799), Lane::Urgent, 1), 0);
        assert_eq!(budget.take(at(800), Lane::Urgent, 1), 1);
    }

    #[test]
    fn what_others_drained_is_seen_at_once_and_so_is_what_came_back() {
        let mut budget = budget(4_500);
        call(&mut budget, START, 4_499);
        call(&mut budget, START, 10);
        assert_eq!(budget.take(START, Lane::Normal, 100), 0, "only the reserve is left");
        assert_eq!(budget.take(START, Lane::Urgent, 3), 3);
        budget.give_back(START, 3);
        call(&mut budget, START, 4_000);
        assert_eq!(budget.take(START, Lane::Urgent, 5_000), 4_000);
    }

    #[test]
    fn a_raised_pool_is_learned_and_a_small_one_is_not_overdrawn() {
        let mut raised = budget(4_500);
        call(&mut raised, START, 8_999);
        assert_eq!(raised.take(START, Lane::Urgent, 10_000), 8_999);
        let mut small = budget(4_500);
        call(&mut small, START, 49);
        assert_eq!(small.take(at(3_600_000), Lane::Urgent, 100), 50, "an hour later there are not more than 50");
    }

    #[test]
    fn the_multiplier_scales_the_refill() {
        let mut budget = budget(4_500);
        assert_eq!(budget.take(START, Lane::Urgent, 1), 1);
        let flight = budget.depart(START);
        budget.heard(START, flight, 0, Some(2.0));
        assert_eq!(budget.next_at(START, Lane::Urgent), at(401));
    }

    #[test]
    fn a_late_reply_does_not_give_back_what_was_spent_after_it() {
        let mut budget = budget(100);
        assert_eq!(budget.take(START, Lane::Urgent, 3), 3);
        let (first, second, third) = (budget.depart(START), budget.depart(START), budget.depart(START));
        // Heroku looked at the first one first, but its reply comes last.
        budget.heard(START, third, 97, None);
        budget.heard(START, second, 98, None);
        budget.heard(START, first, 99, None);
        assert_eq!(budget.take(START, Lane::Urgent, 100), 97);
    }

    #[test]
    fn a_request_given_up_counts_until_it_cannot_arrive_any_more() {
        let mut budget = budget(100);
        assert_eq!(budget.take(START, Lane::Urgent, 2), 2);
        let gone = budget.depart(START);
        budget.lost(START, gone);
        let flight = budget.depart(START);
        budget.heard(START, flight, 50, None);
        assert_eq!(budget.take(START, Lane::Urgent, 100), 49);
        budget.give_back(START, 49);
        assert_eq!(budget.take(at(60_000), Lane::Urgent, 1), 1);
        let flight = budget.depart(at(60_000));
        budget.heard(at(60_000), flight, 50, None);
        assert_eq!(budget.take(at(60_000), Lane::Urgent, 100), 50);
    }

    #[test]
    fn after_a_429_nothing_leaves_for_a_while_and_longer_each_time() {
        let mut budget = budget(4_500);
        let mut now = START;
        let mut waits = Vec::new();
        for _ in 0..3 {
            assert_eq!(budget.take(now, Lane::Urgent, 2), 2);
            let (one, other) = (budget.depart(now), budget.depart(now));
            budget.refused(now, one, None);
            budget.refused(now, other, None);
            assert!(budget.is_closed(now));
            assert_eq!(budget.take(now, Lane::Urgent, 1), 0);
            assert_eq!(budget.take(now + SignedDuration::from_millis(1_999), Lane::Urgent, 1), 0);
            let next = budget.next_at(now, Lane::Urgent);
            waits.push(next.duration_since(now).as_millis());
            now = next;
        }
        // Up to a quarter of jitter on each.
        assert!(
            waits.iter().zip([2_000, 4_000, 8_000]).all(|(wait, base)| (base..=base * 5 / 4 + 1).contains(wait)),
            "{waits:?}"
        );
        call(&mut budget, now, 100);
        assert_eq!(budget.take(now, Lane::Urgent, 1_000), 100, "open again as soon as a call is answered");
    }

    #[test]
    fn retry_after_is_obeyed() {
        let mut budget = budget(4_500);
        assert_eq!(budget.take(START, Lane::Urgent, 1), 1);
        let flight = budget.depart(START);
        budget.refused(START, flight, Some(SignedDuration::from_secs(120)));
        assert_eq!(budget.next_at(START, Lane::Urgent), at(120_000));
    }

    #[test]
    fn a_call_that_heroku_does_not_charge_still_teaches() {
        let mut budget = budget(4_500);
        let flight = budget.depart_free(START);
        budget.heard(START, flight, 7, None);
        assert_eq!(budget.take(START, Lane::Urgent, 100), 7);
    }

    #[test]
    fn a_clock_that_goes_backwards_refills_nothing() {
        let mut budget = Budget::new(at(10_000), Assumed { capacity: 5, per_minute: 75 });
        assert_eq!(spend(&mut budget, at(10_000), Lane::Urgent, 5), 5);
        assert_eq!(budget.take(at(0), Lane::Urgent, 1), 0);
        assert_eq!(budget.take(at(10_799), Lane::Urgent, 1), 0);
        assert_eq!(budget.take(at(10_800), Lane::Urgent, 1), 1);
    }

    /// Heroku's side: GCRA, in the same unit.
    struct Pool {
        capacity: i64,
        level: i64,
        as_of_ms: i64,
    }

    impl Pool {
        /// What is left after one request, or `None` for a 429.
        fn charge(&mut self, now_ms: i64) -> Option<u32> {
            self.level = (self.level + (now_ms - self.as_of_ms) * 1_250).min(self.capacity);
            self.as_of_ms = now_ms;
            if self.level < TOKEN {
                return None;
            }
            self.level -= TOKEN;
            Some(u32::try_from(self.level / TOKEN).unwrap())
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Pass(i64),
        Take(bool, u32),
        Send,
        Arrive(usize),
        Answer(usize),
        GiveUp(usize),
        GiveBack,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => (0..3_000_i64).prop_map(Step::Pass),
            3 => (any::<bool>(), 1..8_u32).prop_map(|(urgent, most)| Step::Take(urgent, most)),
            5 => Just(Step::Send),
            5 => any::<usize>().prop_map(Step::Arrive),
            5 => any::<usize>().prop_map(Step::Answer),
            1 => any::<usize>().prop_map(Step::GiveUp),
            1 => Just(Step::GiveBack),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever the order of arrivals and answers, Heroku never has to answer 429 to us; and once all is quiet, the
        /// whole pool can be used again.
        #[test]
        fn never_more_than_heroku_grants(capacity in 1..60_u32, steps in prop::collection::vec(step(), 0..300)) {
            let mut budget = budget(capacity);
            let mut pool = Pool { capacity: i64::from(capacity) * TOKEN, level: i64::from(capacity) * TOKEN, as_of_ms: 0 };
            let mut now_ms = 0;
            let mut reserved = 0;
            let mut travelling: Vec<Flight> = Vec::new();
            let mut replies: Vec<(Flight, u32)> = Vec::new();
            let mut abandoned: Vec<i64> = Vec::new();
            for step in steps {
                match step {
                    Step::Pass(ms) => now_ms += ms,
                    Step::Take(urgent, most) => reserved += budget.take(at(now_ms), Lane::of(urgent), most),
                    Step::Send if reserved > 0 => {
                        reserved -= 1;
                        travelling.push(budget.depart(at(now_ms)));
                    }
                    Step::Arrive(which) if !travelling.is_empty() => {
                        let flight = travelling.swap_remove(which % travelling.len());
                        let remaining = pool.charge(now_ms);
                        prop_assert!(remaining.is_some(), "429 at {now_ms} ms");
                        replies.push((flight, remaining.unwrap()));
                    }
                    Step::Answer(which) if !replies.is_empty() => {
                        let (flight, remaining) = replies.swap_remove(which % replies.len());
                        budget.heard(at(now_ms), flight, remaining, Some(1.0));
                    }
                    // Half of those given up never arrive; the others do, later, within their time.
                    Step::GiveUp(which) if !travelling.is_empty() => {
                        let flight = travelling.swap_remove(which % travelling.len());
                        budget.lost(at(now_ms), flight);
                        if which % 2 == 0 {
                            abandoned.push(now_ms);
                        }
                    }
                    Step::GiveBack => {
                        budget.give_back(at(now_ms), reserved);
                        reserved = 0;
                    }
                    Step::Send | Step::Arrive(_) | Step::Answer(_) | Step::GiveUp(_) => {}
                }
                if let Some(since) = abandoned.first().copied()
                    && now_ms - since >= 1_000
                {
                    abandoned.remove(0);
                    if now_ms - since < 60_000 {
                        prop_assert!(pool.charge(now_ms).is_some(), "429 to a request given up, at {now_ms} ms");
                    }
                }
            }
            for flight in travelling {
                budget.lost(at(now_ms), flight);
            }
            for (flight, remaining) in replies {
                budget.heard(at(now_ms), flight, remaining, Some(1.0));
            }
            budget.give_back(at(now_ms), reserved);

            // An hour later: two calls tell that the pool is full, the rest of it can be had.
            now_ms += 3_600_000;
            for _ in 0..2 {
                prop_assert_eq!(budget.take(at(now_ms), Lane::Urgent, 1), 1);
                let flight = budget.depart(at(now_ms));
                let remaining = pool.charge(now_ms);
                prop_assert!(remaining.is_some());
                budget.heard(at(now_ms), flight, remaining.unwrap(), None);
                now_ms += 2_000;
            }
            prop_assert!(budget.take(at(now_ms + 1), Lane::Urgent, capacity) + 1 >= capacity);
        }
    }
}
