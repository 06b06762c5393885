//! Heroku's pool of request tokens, one for each account: the generic cell rate algorithm.
//!
//! The pool refills continuously, so there is no moment at which it is reset. All that is kept for an account is when
//! its pool will be full again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::AccountId;

const NANOS_PER_MINUTE: i128 = 60_000_000_000;

/// How large the pool is and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Tokens in a full pool.
    pub capacity: u32,
    /// Tokens that come back in a minute.
    pub refill_per_minute: u32,
}

impl Default for RateLimit {
    /// As Heroku's documentation says: 4,500, and about 75 a minute.
    fn default() -> Self {
        Self { capacity: 4500, refill_per_minute: 75 }
    }
}

/// The pools of all accounts.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    limit: RateLimit,
    /// When each pool will be full again, in nanoseconds since 1970.
    full_at: BTreeMap<AccountId, i128>,
}

impl Pools {
    /// Full pools.
    pub fn new(limit: RateLimit) -> Self {
        Self { limit, full_at: BTreeMap::new() }
    }

    /// Takes one token. `Ok` is what remains, `Err` the seconds until there is one.
    ///
    /// # Errors
    /// When the pool is empty; nothing is taken then.
    pub fn take(&mut self, account: AccountId, now: Timestamp) -> Result<u32, u32> {
        let interval = self.interval();
        let now = now.as_nanosecond();
        let full_at = self.full_at.get(&account).copied().unwrap_or(now).max(now);
        let short_by = (full_at + interval - now) - interval * i128::from(self.limit.capacity);
        if short_by > 0 {
            return Err(u32::try_from((short_by + 999_999_999) / 1_000_000_000).unwrap_or(u32::MAX));
        }
        self.full_at.insert(account, full_at + interval);
        Ok(self.remaining_at(account, now))
    }

    /// What is left, without taking any.
    pub fn remaining(&self, account: AccountId, now: Timestamp) -> u32 {
        self.remaining_at(account, now.as_nanosecond())
    }

    /// Empties a pool down to `remaining` tokens, as other automation of the same account would.
    pub fn drain(&mut self, account: AccountId, remaining: u32, now: Timestamp) {
        let missing = self.limit.capacity.saturating_sub(remaining);
        self.full_at.insert(account, now.as_nanosecond() + self.interval() * i128::from(missing));
    }

    /// Gives one token back: the call turned out to cost nothing.
    pub fn give_back(&mut self, account: AccountId) {
        let interval = self.interval();
        if let Some(full_at) = self.full_at.get_mut(&account) {
            *full_at -= interval;
        }
    }

    fn interval(&self) -> i128 {
        NANOS_PER_MINUTE / i128::from(self.limit.refill_per_minute.max(1))
    }

    fn remaining_at(&self, account: AccountId, now: i128) -> u32 {
        let owed = self.full_at.get(&account).map_or(0, |full_at| (full_at - now).max(0));
        // What is partly refilled does not count yet.
        let missing = u32::try_from((owed + self.interval() - 1) / self.interval()).unwrap_or(u32::MAX);
        self.limit.capacity.saturating_sub(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use uuid::Uuid;

    const NOBODY: AccountId = AccountId(Uuid::nil());

    #[test]
    fn a_full_pool_gives_its_capacity_and_then_one_token_each_interval() {
        let mut pools = Pools::new(RateLimit { capacity: 3, refill_per_minute: 75 });
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!([(); 3].map(|()| pools.take(NOBODY, start)), [Ok(2), Ok(1), Ok(0)]);
        assert_eq!(pools.take(NOBODY, start), Err(1));
        let later = start + SignedDuration::from_millis(799);
        assert_eq!(pools.take(NOBODY, later), Err(1));
        let later = start + SignedDuration::from_millis(800);
        assert_eq!(pools.take(NOBODY, later), Ok(0));
        assert_eq!(pools.remaining(NOBODY, start + SignedDuration::from_mins(1)), 3);
    }

    #[test]
    fn accounts_do_not_share_a_pool() {
        let mut pools = Pools::new(RateLimit { capacity: 1, refill_per_minute: 75 });
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!(pools.take(NOBODY, start), Ok(0));
        assert_eq!(pools.take(AccountId(Uuid::max()), start), Ok(0));
        assert!(pools.take(NOBODY, start).is_err());
    }

    #[test]
    fn draining_leaves_what_was_said() {
        let mut pools = Pools::default();
        pools.drain(NOBODY, 10, Timestamp::UNIX_EPOCH);
        assert_eq!(pools.remaining(NOBODY, Timestamp::UNIX_EPOCH), 10);
    }
}
