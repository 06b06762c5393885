//! The budget, shared among tasks: nothing reaches Heroku without passing here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::engine::budget::{self, Assumed, Budget, Lane};

/// The one gate of one Heroku account. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    budget: Mutex<Budget>,
    /// Something was heard or given back: whoever waits looks again.
    changed: Notify,
    /// First come, first served, within a lane; one waiter looks at the clock, the others at their turn.
    urgent_turn: tokio::sync::Mutex<()>,
    normal_turn: tokio::sync::Mutex<()>,
    /// The budget's clock runs with the monotonic one: a step of the wall clock must not refill a pool.
    began: (Timestamp, Instant),
}

/// One token, taken and not yet used. Dropping it gives the token back.
#[derive(Debug)]
pub(super) struct Permit(Option<Gate>);

/// One request on its way. Dropping it says that no reply is waited for any more.
#[derive(Debug)]
pub(super) struct Flight {
    gate: Gate,
    inner: Option<budget::Flight>,
}

impl Gate {
    /// A gate before a pool as assumed.
    pub fn new(assumed: Assumed) -> Self {
        let began = clock::now();
        Self(Arc::new(Shared {
            budget: Mutex::new(Budget::new(began, assumed)),
            changed: Notify::new(),
            urgent_turn: tokio::sync::Mutex::new(()),
            normal_turn: tokio::sync::Mutex::new(()),
            began: (began, Instant::now()),
        }))
    }

    /// Takes up to `most` tokens for removals, without waiting, and says how many.
    /// [`Client::remove`](super::Client::remove) uses one each; those left over must be given back.
    pub fn try_reserve(&self, lane: Lane, most: usize) -> usize {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let taken = self.budget().take(self.now(), lane, most);
        usize::try_from(taken).unwrap_or(usize::MAX)
    }

    /// Gives reserved tokens back that will not be used.
    pub fn give_back(&self, tokens: usize) {
        self.budget().give_back(self.now(), u32::try_from(tokens).unwrap_or(u32::MAX));
        self.0.changed.notify_waiters();
    }

    /// How long until [`Self::try_reserve`] can succeed, if nothing is heard before.
    pub fn next_in(&self, lane: Lane) -> Duration {
        let now = self.now();
        self.budget().next_at(now, lane).duration_since(now).unsigned_abs()
    }

    /// What Heroku said last of the pool; `None` before the first reply.
    pub fn remaining(&self) -> Option<u32> {
        self.budget().remaining()
    }

    /// Waits for one token.
    pub(super) async fn acquire(&self, lane: Lane) -> Permit {
        let turn = match lane {
            Lane::Urgent => &self.0.urgent_turn,
            Lane::Normal => &self.0.normal_turn,
        };
        let _turn = turn.lock().await;
        loop {
            // Made before looking, so that nothing heard in between is missed.
            let changed = self.0.changed.notified();
            if self.try_reserve(lane, 1) == 1 {
                return Permit(Some(self.clone()));
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = sleep_until(Instant::now() + self.next_in(lane)) => {}
            }
        }
    }

    /// Waits until the last 429 is over.
    pub(super) async fn opened(&self) {
        loop {
            let wait = self.budget().opens_at().duration_since(self.now());
            if !wait.is_positive() {
                return;
            }
            sleep_until(Instant::now() + wait.unsigned_abs()).await;
        }
    }

    /// One token that the caller has reserved.
    pub(super) fn reserved(&self) -> Permit {
        Permit(Some(self.clone()))
    }

    /// A request leaves that Heroku does not charge.
    pub(super) fn depart_free(&self) -> Flight {
        Flight { inner: Some(self.budget().depart_free(self.now())), gate: self.clone() }
    }

    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.0.began.1.elapsed()).unwrap_or(SignedDuration::MAX);
        self.0.began.0.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// No step of the budget can stop half-way, so a panic elsewhere leaves it whole.
    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.0.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, what: impl FnOnce(&mut Budget, Timestamp)) {
        what(&mut self.budget(), self.now());
        self.0.changed.notify_waiters();
    }
}

impl Permit {
    /// The request leaves now. `None`: Heroku answered 429 to another one meanwhile, so this one must not leave, and its
    /// token is given back.
    pub(super) fn depart(mut self) -> Option<Flight> {
        let gate = self.0.take()?;
        let now = gate.now();
        let flight = {
            let budget = gate.budget();
            (!budget.is_closed(now)).then(|| budget.depart(now))
        };
        if flight.is_none() {
            gate.give_back(1);
        }
        flight.map(|flight| Flight { gate, inner: Some(flight) })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.give_back(1);
        }
    }
}

impl Flight {
    /// A reply came; `remaining` and `multiplier` as its headers say.
    pub(super) fn answered(mut self, remaining: Option<u32>, multiplier: Option<f64>) {
        let Some(flight) = self.inner.take() else { return };
        self.gate.tell(|budget, now| match remaining {
            Some(remaining) => budget.heard(now, flight, remaining, multiplier),
            None => budget.answered(now, flight),
        });
    }

    /// 429.
    pub(super) fn refused(mut self, retry_after: Option<Duration>) {
        let Some(flight) = self.inner.take() else { return };
        let wait = retry_after.and_then(|wait| SignedDuration::try_from(wait).ok());
        self.gate.tell(|budget, now| budget.refused(now, flight, wait));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(flight) = self.inner.take() {
            self.gate.tell(|budget, now| budget.lost(now, flight));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(capacity: u32) -> Gate {
        Gate::new(Assumed { capacity, per_minute: 75 })
    }

    #[tokio::test(start_paused = true)]
    async fn waits_until_the_pool_has_a_token_again() {
        let gate = gate(5);
        for _ in 0..5 {
            gate.acquire(Lane::Urgent).await.depart().unwrap().answered(None, None);
        }
        let began = Instant::now();
        gate.acquire(Lane::Urgent).await.depart().unwrap().answered(None, None);
        assert!(began.elapsed() >= Duration::from_millis(800), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_normal_call_that_waits_for_the_reserve_does_not_keep_an_urgent_one_back() {
        let gate = gate(10);
        assert_eq!(gate.try_reserve(Lane::Normal, 99), 8);
        let normal = tokio::spawn({
            let gate = gate.clone();
            async move { gate.acquire(Lane::Normal).await.depart() }
        });
        tokio::task::yield_now().await;
        let began = Instant::now();
        let urgent = gate.acquire(Lane::Urgent).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(!normal.is_finished());
        drop(urgent);
        gate.give_back(1);
        normal.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_or_dropped_wakes_the_next() {
        let gate = gate(5);
        assert_eq!(gate.try_reserve(Lane::Urgent, 4), 4);
        let last = gate.acquire(Lane::Urgent).await;
        let waiter = tokio::spawn({
            let gate = gate.clone();
            async move { drop(gate.acquire(Lane::Urgent).await) }
        });
        tokio::task::yield_now().await;
        let began = Instant::now();
        drop(last);
        waiter.await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_taken_before_a_429_does_not_leave_after_it() {
        let gate = gate(100);
        let (one, other) = (gate.acquire(Lane::Urgent).await, gate.acquire(Lane::Urgent).await);
        one.depart().unwrap().refused(Some(Duration::from_secs(9)));
        assert!(other.depart().is_none());
        assert_eq!(gate.next_in(Lane::Urgent), Duration::from_secs(9));
    }
}
