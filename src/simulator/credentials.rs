//! The token in an `Authorization` header, in either form that real clients send.

/// Reads `Bearer <token>` or `Basic`, whose password is the token and whose user is ignored.
pub fn token(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.to_owned()),
        "basic" => {
            let text = String::from_utf8(from_base64(rest)?).ok()?;
            text.split_once(':').map(|(_, password)| password.to_owned())
        }
        _ => None,
    }
}

/// Decodes standard base64, padded or not.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_give_the_token() {
        assert_eq!(token("Bearer HRKU-abc").as_deref(), Some("HRKU-abc"));
        // ":HRKU-abc" and "user:HRKU-abc"
        assert_eq!(token("Basic OkhSS1UtYWJj").as_deref(), Some("HRKU-abc"));
        assert_eq!(token("basic dXNlcjpIUktVLWFiYw==").as_deref(), Some("HRKU-abc"));
        assert_eq!(token("Basic ???"), None);
        assert_eq!(token("Token x"), None);
    }
}
