//! The token in an `Authorization` header, in either form that real clients send.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Reads `Bearer <token>` or `Basic`, whose password is the token and whose user is ignored.
pub fn token(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.to_owned()),
        "basic" => {
            let text = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
            text.split_once(':').map(|(_, password)| password.to_owned())
        }
        _ => None,
    }
}

/// Standard base64, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_give_the_token() {
        assert_eq!(token("Bearer HRKU-abc").as_deref(), Some("HRKU-abc"));
        // ":HRKU-abc" and "user:HRKU-abc"
        assert_eq!(token("Basic OkhSS1UtYWJj").as_deref(), Some("HRKU-abc"));
        assert_eq!(token("basic dXNlcjpIUktVLWFiYw==").as_deref(), Some("HRKU-abc"));
        assert_eq!(token("basic dXNlcjpIUktVLWFiYw").as_deref(), Some("HRKU-abc"), "without its padding");
        assert_eq!(token("Basic ???"), None);
        assert_eq!(token("Token x"), None);
    }
}
