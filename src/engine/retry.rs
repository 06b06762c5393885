//! How long to wait after a failure. The only module that names `backoff`, whose types stay private here: the crate is
//! used as interval arithmetic alone (no clock, no randomness, no sleeping of its own).

use std::time::{Duration, Instant};

use backoff::backoff::Backoff;
use backoff::exponential::ExponentialBackoff;
use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A clock that stands: the crate asks for one to limit elapsed time, which this module does not use.
struct Standing(Instant);

impl backoff::Clock for Standing {
    fn now(&self) -> Instant {
        self.0
    }
}

/// Waits that double from `first` to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the first failure.
    pub first: SignedDuration,
    /// No wait is longer, but for what the server asks.
    pub most: SignedDuration,
}

impl RetryPolicy {
    /// The wait after failure number `failures` (from 1), with up to a quarter of jitter drawn from `seed`, and never
    /// shorter than what the server asked for.
    pub fn delay(&self, failures: u32, seed: u64, asked: Option<SignedDuration>) -> SignedDuration {
        let first = self.first.unsigned_abs().max(Duration::from_millis(1));
        let mut intervals = ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: self.most.unsigned_abs().max(first),
            max_elapsed_time: None,
            start_time: epoch(),
            clock: Standing(epoch()),
        };
        let mut wait = first;
        for _ in 0..failures.clamp(1, 64) {
            wait = intervals.next_backoff().unwrap_or(wait);
        }
        let jitter = StdRng::seed_from_u64(seed ^ u64::from(failures)).random_range(0.0..0.25);
        let wait = SignedDuration::try_from(wait.mul_f64(1.0 + jitter)).unwrap_or(self.most);
        asked.map_or(wait, |asked| asked.max(wait))
    }
}

/// Some instant: the same one for start and now, so that the crate sees no time pass.
fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { first: SignedDuration::from_secs(1), most: SignedDuration::from_secs(60) };

    #[test]
    fn doubles_up_to_the_most_with_a_quarter_of_jitter() {
        for (failures, base) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (50, 60)] {
            let wait = POLICY.delay(failures, 7, None);
            assert!(wait >= SignedDuration::from_secs(base), "{failures}: {wait:?}");
            assert!(wait <= SignedDuration::from_millis(base * 1250), "{failures}: {wait:?}");
        }
    }

    #[test]
    fn waits_at_least_as_long_as_asked_and_is_repeatable() {
        let asked = Some(SignedDuration::from_secs(90));
        assert_eq!(POLICY.delay(1, 7, asked), SignedDuration::from_secs(90));
        assert_eq!(POLICY.delay(3, 7, None), POLICY.delay(3, 7, None));
        assert_ne!(POLICY.delay(3, 7, None), POLICY.delay(3, 8, None));
    }
}
