//! A record from the operator's own feed, and what it must be read as: the proof that a format whose shape no public
//! source confirms is read rightly where it is used.

use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::explain::{Decision, Explanation, Holds, Question, answer};
use super::token::Trust;

/// Whether an element of the record says `says`: a decision, and an address or an id, as in
/// `deprovision priya@larkspur.example`.
///
/// # Errors
/// What is wrong with `says`, or what the record says instead.
pub fn proves(bytes: &[u8], holds: Holds, rules: &Rules, says: &str) -> Result<(), String> {
    let Some((decision, who)) = says.split_once(' ') else {
        return Err("wants a decision and an address or an id, as in \"deprovision priya@larkspur.example\"".to_owned());
    };
    let decision = Decision::named(decision)?;
    let mut rules = rules.clone();
    // A sample is as old as it likes.
    if let Trust::Keyless { age_max, .. } | Trust::Signed { age_max, .. } = &mut rules.tokens.trust {
        *age_max = SignedDuration::MAX;
    }
    // Long after it takes effect: what is stated counts, not what is still ahead.
    let answer = answer(&Question { bytes, holds, rules: &rules, schema: None, now: Timestamp::MAX });
    let found = answer.rows.iter().any(|row| says_it(row, decision) && row.names(who.trim()));
    if found { Ok(()) } else { Err(format!("is not what the sample says, which is:\n{}", answer.text())) }
}

/// Whether the source says so, whatever is lacking to carry it out. A departure that was ahead when it was told is a
/// `schedule` too, as `explain` shows it until then; where the record does not say when that was, either may be meant.
fn says_it(row: &Explanation, decision: Decision) -> bool {
    let was_ahead = || match (row.effective_at, row.occurred_at) {
        (Some(effective_at), Some(told_at)) => told_at == Timestamp::MAX || effective_at > told_at,
        _ => false,
    };
    match row.stated() {
        Decision::Deprovision if decision == Decision::Schedule => was_ahead(),
        stated => stated == decision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Format;

    #[test]
    fn a_sample_proves_what_it_says_and_nothing_else() {
        let bytes = include_bytes!("../../tests/samples/okta-02-event-hook-mixed-batch.json");
        let proves = |says| proves(bytes, Holds::Value, &Rules::auto(), says);
        assert_eq!(proves("deprovision greta.lindqvist@larkspur.example"), Ok(()));
        assert_eq!(proves("suspend 00u8t0mas0l1ve1ra0h8"), Ok(()));
        for wrong in ["deprovision tomas.oliveira@larkspur.example", "deprovision wen.zhao@larkspur.example"] {
            assert!(proves(wrong).unwrap_err().starts_with("is not what the sample says"), "{wrong}");
        }
        assert!(proves("deprovision").unwrap_err().starts_with("wants a decision"));
        let unknown = proves("removed greta.lindqvist@larkspur.example").unwrap_err();
        assert!(unknown.starts_with("names no decision: \"removed\"") && unknown.contains("schedule"), "{unknown}");
        assert_eq!(proves("deprovision Greta.Lindqvist@Larkspur.example"), Ok(()), "an address in other letters");
        assert!(proves("schedule greta.lindqvist@larkspur.example").is_err(), "it was not ahead");
    }

    /// As `explain` shows it before the day has come.
    #[test]
    fn a_departure_that_was_ahead_may_be_called_a_schedule() {
        let record = |last_day: &str| {
            format!(
                r#"{{"specversion":"1.0","type":"heroku-deprovisioner.person.v1","source":"/hr","id":"1","data":{{
                "schema_version":1,"action":"deprovision","occurred_at":"2026-05-29T14:03:11Z","effective":{{"date":"{last_day}","zone":"UTC"}},
                "subject":{{"person_key":"hr:larkspur:7","emails":[{{"value":"priya@larkspur.example","kind":"work"}}]}},
                "source":{{"system":"hr","tenant":"larkspur","event_type":"left","event_id":"1"}}}}}}"#
            )
        };
        let rules = Rules { format: Format::Canonical, ..Rules::auto() };
        let proves = |last_day, says| proves(record(last_day).as_bytes(), Holds::Value, &rules, says);
        assert_eq!(proves("2026-06-30", "schedule priya@larkspur.example"), Ok(()));
        assert_eq!(proves("2026-06-30", "deprovision priya@larkspur.example"), Ok(()));
        assert!(proves("2026-05-01", "schedule priya@larkspur.example").is_err());
    }

    /// Also of formats that take the time of a record for that of its statement, and of days that lie ahead.
    #[test]
    fn records_of_hr_systems_prove_what_they_say() {
        for (format, bytes, holds, says) in [
            (
                Format::Bamboohr,
                &include_bytes!("../../tests/samples/bamboohr-01-field-based-updated.json")[..],
                Holds::Value,
                "deprovision greta.lindqvist@larkspur.example",
            ),
            (
                Format::Workday,
                &include_bytes!("../../tests/samples/workday-01-raas-report.json")[..],
                Holds::Value,
                "deprovision kofi.mensah@larkspur.example",
            ),
            (
                Format::Adp,
                &include_bytes!("../../tests/samples/adp-01-work-assignment-terminate.json")[..],
                Holds::Value,
                "deprovision wen.zhao@larkspur.example",
            ),
            (
                Format::Ukg,
                &include_bytes!("../../tests/samples/ukg-01-termination-event.json")[..],
                Holds::Value,
                "schedule UWLN6:4W7QK90000K1",
            ),
            (
                Format::SuccessFactors,
                &include_bytes!("../../tests/samples/successfactors-01-termination-xml.record.json")[..],
                Holds::Record,
                "deprovision 82117",
            ),
        ] {
            assert!(format.unconfirmed().is_some(), "{format:?} needs no sample");
            let rules = Rules { format, ..Rules::auto() };
            assert_eq!(proves(bytes, holds, &rules, says), Ok(()), "{format:?}");
        }
    }
}
