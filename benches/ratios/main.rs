//! What the service costs, each figure as a ratio to a baseline of the same run on the same machine: a number alone says
//! more about the machine than about the program.
//!
//! `make bench` runs all of them, `make bench ARGS="-- intake transaction"` those that are named. docs/benchmarks.md says
//! what each of them measures and why its baseline is a fair one.

mod calls;
mod formats;
mod intake;
mod memory;
mod reaction;
#[path = "../../tests/records/sample.rs"]
#[expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
mod sample;
mod service;
mod stage;
mod table;
mod transaction;

use anyhow::bail;

use stage::Stage;
use table::Table;

enum Bench {
    /// In this process alone.
    Alone(fn(&mut Table) -> anyhow::Result<()>),
    OnKafka(fn(&Stage, &mut Table) -> anyhow::Result<()>),
}

const BENCHES: [(&str, Bench); 6] = [
    ("formats", Bench::Alone(formats::bench)),
    ("intake", Bench::OnKafka(intake::bench)),
    ("calls", Bench::OnKafka(calls::bench)),
    ("reaction", Bench::OnKafka(reaction::bench)),
    ("transaction", Bench::OnKafka(transaction::bench)),
    ("memory", Bench::OnKafka(memory::bench)),
];

fn main() -> anyhow::Result<()> {
    // `cargo bench` itself passes `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [memory::BARE_CLIENTS, servers] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return memory::bare_clients(servers);
    }
    if let Some(unknown) = words.iter().find(|word| BENCHES.iter().all(|(name, _)| name != word)) {
        let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
        bail!("no benchmark {unknown:?}; there are: {}", names.join(" "));
    }
    stage::log_to_nowhere();
    let mut stage = None;
    let mut table = Table::default();
    for (name, bench) in BENCHES {
        if words.is_empty() || words.iter().any(|word| word == name) {
            println!("\n{name}");
            match bench {
                Bench::Alone(bench) => bench(&mut table)?,
                Bench::OnKafka(bench) => {
                    let stage = match &stage {
                        Some(stage) => stage,
                        None => stage.insert(Stage::set()?),
                    };
                    bench(stage, &mut table)?;
                }
            }
        }
    }
    println!("\n{table}");
    Ok(())
}
