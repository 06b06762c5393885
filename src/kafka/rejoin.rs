//! How often a member may come back after Kafka threw it out for good.
//!
//! A static member can be fenced by itself: its request to join is answered, the answer is lost in an outage, and the
//! broker takes the repeated request for an older instance of the same name. A new client with the same name puts that
//! right. Two instances that really share a name throw each other out again and again; that must end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const TIMES: usize = 3;
const WITHIN: Duration = Duration::from_secs(300);

/// Remembers when a member came back.
#[derive(Debug, Default)]
pub(super) struct Rejoins(VecDeque<Instant>);

impl Rejoins {
    /// Whether it may come back once more.
    pub(super) fn again(&mut self, now: Instant) -> bool {
        while self.0.front().is_some_and(|time| now.duration_since(*time) > WITHIN) {
            self.0.pop_front();
        }
        let allowed = self.0.len() < TIMES;
        if allowed {
            self.0.push_back(now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_times_in_a_while_and_later_again() {
        let start = Instant::now();
        let mut rejoins = Rejoins::default();
        for _ in 0..TIMES {
            assert!(rejoins.again(start));
        }
        assert!(!rejoins.again(start + WITHIN));
        assert!(rejoins.again(start + WITHIN + Duration::from_secs(1)));
    }
}
