//! Places at which a test may kill the process. In a release build they do not exist.

/// Kills the process with SIGKILL if `HEROKU_DEPROVISIONER_CRASH_AT` names `place`.
/// With `place@n` it dies at the n-th passage, counted from 1.
#[cfg(debug_assertions)]
pub fn point(place: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let wanted = WANTED.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "a test's switch, no setting")]
        let text = std::env::var("HEROKU_DEPROVISIONER_CRASH_AT").ok()?;
        let (name, count) = text.split_once('@').unwrap_or((&text, "1"));
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((name, count)) = wanted
        && name == place
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        eprintln!("crash point {place}");
        #[expect(unsafe_code, reason = "SIGKILL to ourselves: nothing may run afterwards, not even atexit handlers")]
        // SAFETY: kill and getpid have no preconditions.
        unsafe {
            libc::kill(libc::getpid(), libc::SIGKILL);
        }
    }
}

/// Kills the process with SIGKILL if a test asked for it; never in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_place: &str) {}
