//! The status snapshot as gauges. They are computed when somebody reads them, so an age goes on growing even when the
//! worker has stopped publishing.

use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use tokio::sync::watch;

use crate::clock;
use crate::model::command::Standing;
use crate::model::outcome::HoldReason;
use crate::status::{Role, Status};

/// Defines the gauges on `meter`; they read `status` for as long as the meter lives.
pub(super) fn observe(meter: &Meter, status: &watch::Receiver<Status>) {
    let count =
        |name: &'static str, unit: &'static str, says: &'static str, read: fn(&Status, &dyn AsyncInstrument<u64>)| {
            let status = status.clone();
            meter
                .u64_observable_gauge(name)
                .with_unit(unit)
                .with_description(says)
                .with_callback(move |gauge| read(&status.borrow(), gauge))
                .build();
        };
    let seconds = |name: &'static str, says: &'static str, read: fn(&Status, Timestamp, &dyn AsyncInstrument<f64>)| {
        let status = status.clone();
        meter
            .f64_observable_gauge(name)
            .with_unit("s")
            .with_description(says)
            .with_callback(move |gauge| read(&status.borrow(), clock::now(), gauge))
            .build();
    };

    count("heroku_deprovisioner.build.info", "", "Always 1; the labels say what runs", |status, gauge| {
        let labels = [KeyValue::new("version", status.version.clone()), KeyValue::new("mode", status.mode.as_str())];
        gauge.observe(1, &labels);
    });
    count("heroku_deprovisioner.ready", "", "1 when /readyz answers 200", |status, gauge| {
        gauge.observe(u64::from(status.not_ready_because().is_empty()), &[]);
    });
    count("heroku_deprovisioner.worker.role", "", "1 at the role that this instance has", |status, gauge| {
        for role in Role::ALL {
            gauge.observe(u64::from(role == status.role), &[KeyValue::new("role", role.as_str())]);
        }
    });
    count(
        "heroku_deprovisioner.partition.refused",
        "",
        "1 when the worker refuses the events partition",
        |status, gauge| {
            gauge.observe(u64::from(status.refused.is_some()), &[]);
        },
    );

    count("heroku_deprovisioner.paused", "", "1 while no removal is sent, by why", |status, gauge| {
        let (command, out_of_date) = match status.removals {
            Standing::Running => (0, 0),
            Standing::Paused(_) => (1, 0),
            Standing::OutOfDate => (0, 1),
        };
        // Both always, so that an alert sees a 0 and not a gap.
        gauge.observe(command, &[KeyValue::new("why", "command")]);
        gauge.observe(out_of_date, &[KeyValue::new("why", "out_of_date")]);
    });

    count("heroku_deprovisioner.cases", "{case}", "Cases by state", |status, gauge| {
        for (state, cases) in [
            ("open", status.cases.open),
            ("closed_recently", status.cases.closed_recently),
            ("planned", status.cases.planned),
        ] {
            gauge.observe(cases, &[KeyValue::new("state", state)]);
        }
    });
    count("heroku_deprovisioner.cases.limit", "{case}", "Open cases with which no event is read", |status, gauge| {
        gauge.observe(status.cases.limit, &[]);
    });
    count("heroku_deprovisioner.cases.full", "", "1 while no event is read for the open cases", |status, gauge| {
        gauge.observe(u64::from(status.cases.full_since.is_some()), &[]);
    });
    count("heroku_deprovisioner.cases.held", "{case}", "Open cases that wait, by reason", |status, gauge| {
        // Every reason always, so that an alert sees a 0 and not a gap.
        for reason in HoldReason::ALL {
            let cases = status.cases.held.get(&reason).copied().unwrap_or_default();
            gauge.observe(cases, &[KeyValue::new("reason", reason.as_str())]);
        }
    });
    count("heroku_deprovisioner.cases.overdue", "{case}", "Open cases past their deadline", |status, gauge| {
        gauge.observe(status.cases.overdue, &[]);
    });
    seconds(
        "heroku_deprovisioner.case.oldest.age",
        "Age of the oldest open case; 0 when none is open",
        |status, now, gauge| {
            gauge.observe(status.cases.oldest_open_since.map_or(0.0, |since| age(since, now)), &[]);
        },
    );

    seconds(
        "heroku_deprovisioner.source.silence",
        "Since the last record of a source, or since the start",
        |status, now, gauge| {
            for source in &status.sources {
                let since = source.last_record_at.unwrap_or(status.started_at);
                gauge.observe(age(since, now), &[KeyValue::new("source", source.name.clone())]);
            }
        },
    );

    count(
        "heroku_deprovisioner.source.silent",
        "",
        "1 while a source is silent for longer than its silent_after",
        |status, gauge| {
            // Nothing of a source that others read: so the smallest value tells whether all who read it find it silent.
            for source in status.sources.iter().filter(|source| source.held_since.is_some()) {
                let silent = u64::from(source.silent_since.is_some());
                gauge.observe(silent, &[KeyValue::new("source", source.name.clone())]);
            }
        },
    );

    count(
        "heroku_deprovisioner.source.waiting",
        "",
        "1 while a source waits for what it needs from outside",
        |status, gauge| {
            for source in &status.sources {
                let waits = u64::from(source.waiting_since.is_some());
                gauge.observe(waits, &[KeyValue::new("source", source.name.clone())]);
            }
        },
    );

    count("heroku_deprovisioner.heroku.stopped", "", "1 while Heroku refuses our account or token", |status, gauge| {
        gauge.observe(u64::from(status.heroku.stopped.is_some()), &[]);
    });
    count(
        "heroku_deprovisioner.heroku.budget.remaining",
        "{request}",
        "Calls left by Heroku's count",
        |status, gauge| {
            if let Some(calls) = status.heroku.budget_remaining {
                gauge.observe(u64::from(calls), &[]);
            }
        },
    );
    count(
        "heroku_deprovisioner.heroku.unread_teams",
        "{team}",
        "Expected teams not read completely",
        |status, gauge| {
            gauge.observe(status.heroku.unread_teams.len() as u64, &[]);
        },
    );
}

fn age(since: Timestamp, now: Timestamp) -> f64 {
    // A clock that was set back must not show a negative age.
    now.duration_since(since).as_secs_f64().max(0.0)
}
