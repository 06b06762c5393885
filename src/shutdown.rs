//! Signals: the first SIGTERM or SIGINT asks for an orderly end, the second one ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A token that the first SIGTERM or SIGINT cancels. On the second one the process exits with 128 + its number,
/// whatever is under way; the state on Kafka is written for that.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        let first = next(&mut terminate, &mut interrupt).await;
        info!("{} received: starting no more removals, finishing what is in flight", name(first));
        stopping.cancel();
        let second = next(&mut terminate, &mut interrupt).await;
        warn!("{} received again: exiting at once", name(second));
        std::process::exit(128 + second.as_raw_value());
    });
    Ok(stop)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        biased;
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}

fn name(kind: SignalKind) -> &'static str {
    if kind == SignalKind::terminate() { "SIGTERM" } else { "SIGINT" }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Lines};
    use std::process::{ChildStdout, Command, Stdio};

    use super::*;

    /// Set in the process that the test starts: the test binary itself, running this one test.
    const CHILD: &str = "SHUTDOWN_TEST_CHILD";

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test tells its child process from itself")]
    async fn the_first_signal_asks_and_the_second_ends() {
        if std::env::var(CHILD).is_ok() {
            let stop = on_signal().unwrap();
            println!("child: ready");
            stop.cancelled().await;
            println!("child: stopping");
            // The second signal ends this process long before; without it the test must fail, not hang.
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            std::process::exit(1);
        }

        for (first, second, status) in [("TERM", "TERM", 143), ("INT", "INT", 130), ("TERM", "INT", 130)] {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "shutdown::tests::the_first_signal_asks_and_the_second_ends", "--nocapture"])
                .env(CHILD, "1")
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let send = |signal: &str| {
                assert!(
                    Command::new("kill")
                        .args([&format!("-{signal}"), &child.id().to_string()])
                        .status()
                        .unwrap()
                        .success()
                );
            };
            wait_for(&mut lines, "child: ready");
            send(first);
            wait_for(&mut lines, "child: stopping");
            send(second);
            assert_eq!(child.wait().unwrap().code(), Some(status));
        }
    }

    fn wait_for(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) {
        assert!(lines.any(|line| line.unwrap().ends_with(wanted)), "the child ended without saying {wanted:?}");
    }
}
