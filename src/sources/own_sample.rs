//! A record from the operator's own feed, and what it must be read as: the proof that a format whose shape no public
//! source confirms is read rightly where it is used.

use jiff::Timestamp;

use super::Rules;
use super::explain::{Explanation, Holds, Question, answer};

/// Whether an element of the record says `says`: a decision, and an address or an id, as in
/// `deprovision priya@larkspur.example`.
///
/// # Errors
/// What is wrong with `says`, or what the record says instead.
pub fn proves(bytes: &[u8], holds: Holds, rules: &Rules, says: &str) -> Result<(), String> {
    let Some((decision, who)) = says.split_once(' ') else {
        return Err("wants a decision and an address or an id, as in \"deprovision priya@larkspur.example\"".to_owned());
    };
    // Long after it takes effect: what is stated counts, not what is still ahead.
    let answer = answer(&Question { bytes, holds, rules, schema: None, now: Timestamp::MAX });
    let names = |row: &Explanation| {
        let subject = &row.subject;
        subject.addresses.iter().any(|address| address.expose() == who) || subject.ids.values().any(|id| id == who)
    };
    let found = answer.rows.iter().any(|row| kind(row) == decision && names(row));
    if found { Ok(()) } else { Err(format!("is not what the sample says, which is:\n{}", answer.text())) }
}

/// What the source says, whatever is lacking to carry it out.
fn kind(row: &Explanation) -> String {
    let decision = row.kind.unwrap_or(row.decision);
    serde_json::to_value(decision).ok().and_then(|word| word.as_str().map(ToOwned::to_owned)).unwrap_or_default()
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
