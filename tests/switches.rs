//! The removal suite in front of every Heroku that could be the real one: each value of each switch of the simulator
//! meets each value of every other one, and each fault, each restart, and both ways of looking.
//!
//! The engine and the HTTP client are those of the service; only Kafka is left out, by a map that keeps what is committed.
//! A row that fails prints its switches; `SWITCHES_ROW=<number> cargo test --test switches` plays it alone.
#![cfg(all(feature = "service", feature = "simulator"))]

#[path = "switches/company.rs"]
mod company;
#[path = "switches/factors.rs"]
mod factors;
#[path = "switches/oracle.rs"]
mod oracle;
#[path = "switches/pairs.rs"]
mod pairs;
#[path = "switches/worker.rs"]
mod worker;

use tokio::task::JoinSet;

use factors::{FACTORS, Row};

/// Rows that are played at the same time: each waits most of its time.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_wronged_whatever_the_real_heroku_does() {
    let levels: Vec<usize> = FACTORS.iter().map(|factor| factor.values.len()).collect();
    let rows: Vec<Row> = pairs::rows(&levels).iter().enumerate().map(|(number, row)| Row::of(number, row)).collect();
    let mut waiting: Vec<Row> = match alone() {
        Some(number) => rows.into_iter().filter(|row| row.number == number).collect(),
        None => rows,
    };
    let (played, mut failed) = (waiting.len(), Vec::new());
    assert!(played > 0, "there is no such row");
    let mut running = JoinSet::new();
    while !(waiting.is_empty() && running.is_empty()) {
        while running.len() < AT_ONCE
            && let Some(row) = waiting.pop()
        {
            running.spawn(async move {
                let told = row.clone();
                let wrong = tokio::spawn(oracle::play(row)).await;
                let wrong = wrong.unwrap_or_else(|bug| vec![format!("the row panicked: {bug}")]);
                (told, wrong)
            });
        }
        let (row, wrong) = running.join_next().await.expect("some row is running").expect("a row catches its panic");
        if !wrong.is_empty() {
            failed.push(format!("{row}\n  {}", wrong.join("\n  ")));
        }
    }
    assert!(failed.is_empty(), "{} of {played} rows failed:\n\n{}", failed.len(), failed.join("\n\n"));
    println!("{played} rows, every pair of {} values", levels.iter().sum::<usize>());
}

/// Three values that no row of pairs need hold together: whoever has left the team cannot be taken out of its space any
/// more, and the first request for that is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_leaves_a_team_before_its_space() {
    let mut wrong = Vec::new();
    for fault in ["rate_limit", "unauthorized"] {
        let row = Row::that_differs(&[
            ("cascade_member_to_spaces", "false"),
            ("space_change_after_leaving", "not_found"),
            ("fault", fault),
        ]);
        wrong.extend(oracle::play(row).await.into_iter().map(|it| format!("{fault}: {it}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[expect(clippy::disallowed_methods, reason = "which row to play is no setting of the service")]
fn alone() -> Option<usize> {
    std::env::var("SWITCHES_ROW").ok().map(|text| text.parse().expect("SWITCHES_ROW is the number of a row"))
}
