//! Durations as people write them: `90s`, `24h`, `7d`, `1h30m`.

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("wants a duration in ms, s, m, h or d, such as \"90s\", \"24h\" or \"7d\", of at most 36500 days")]
pub struct DurationError;

const MAX: SignedDuration = SignedDuration::from_hours(36_500 * 24);

/// Reads a duration: whole numbers, each with its unit (`ms`, `s`, `m`, `h`, `d`).
///
/// # Errors
/// When the text is anything else, or more than a hundred years.
pub fn parse_duration(text: &str) -> Result<SignedDuration, DurationError> {
    let mut rest = text;
    let mut total = SignedDuration::ZERO;
    if rest.is_empty() {
        return Err(DurationError);
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or(DurationError)?;
        let number: i64 = rest[..digits].parse().map_err(|_| DurationError)?;
        rest = &rest[digits..];
        let end = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let milliseconds = match &rest[..end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(DurationError),
        };
        rest = &rest[end..];
        let part = SignedDuration::from_millis(number.checked_mul(milliseconds).ok_or(DurationError)?);
        total = total.checked_add(part).filter(|total| *total <= MAX).ok_or(DurationError)?;
    }
    Ok(total)
}

/// For `#[serde(deserialize_with)]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// The same for a key that may be missing, together with `#[serde(default)]`.
pub(super) fn deserialize_optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignedDuration>, D::Error> {
    deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("1h30m", 5_400), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(SignedDuration::from_millis(250)));
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "7", "7 d", "d", "-1h", "1.5h", "1w", "P7D", "9223372036854775807d", "36501d", "1h-30m", "٣h"]
        {
            assert_eq!(parse_duration(text), Err(DurationError), "{text}");
        }
    }
}
