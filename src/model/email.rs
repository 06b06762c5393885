//! A mail address, compared whole.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Longest address accepted, in octets (RFC 5321, section 4.5.3.1.3: a path of 256 including its angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

/// A mail address: white space trimmed, the domain in its ASCII form, `A`–`Z` folded, nothing else changed. `Debug` and
/// `Display` print it redacted; [`Email::expose`] reads it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// Why a text is not an address that an event may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EmailError {
    /// Nothing but white space.
    #[error("empty address")]
    Empty,
    /// More than [`EMAIL_BYTES_MAX`] octets.
    #[error("address longer than {EMAIL_BYTES_MAX} octets")]
    TooLong,
    /// Not exactly one `@` with text on both sides.
    #[error("not an address: it needs exactly one `@` with text on both sides")]
    Shape,
    /// A letter outside ASCII before the `@`, where it may look like another one; or a control character.
    #[error("address holds a character outside printable ASCII before its `@`, or a control character")]
    NotAscii,
    /// The domain has no ASCII form (IDNA).
    #[error("the domain of the address is none: it has no valid ASCII form")]
    Domain,
    /// A character that no ordinary address needs and that another system may read as syntax.
    #[error(
        "address holds one of the characters that this service refuses (blank, quotes, slashes, `?`, `#`, `%`, brackets, comma, semicolon, colon)"
    )]
    Character,
}

impl Email {
    /// Reads an address as an event may name it.
    ///
    /// # Errors
    /// When the text is not one plain address.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.len() > EMAIL_BYTES_MAX {
            return Err(EmailError::TooLong);
        }
        let local = text.split('@').next().unwrap_or_default();
        if !local.is_ascii() || text.contains(|letter: char| letter.is_ascii_control()) {
            return Err(EmailError::NotAscii);
        }
        if text.bytes().any(|byte| b" \"'`\\/?#%()<>[]{},;:|&=".contains(&byte) && byte != b'\'') {
            return Err(EmailError::Character);
        }
        match text.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {
                let domain = ascii_domain(domain).ok_or(EmailError::Domain)?;
                Ok(Self::of(local, &domain)).and_then(|email| match email.0.len() {
                    ..=EMAIL_BYTES_MAX => Ok(email),
                    _ => Err(EmailError::TooLong),
                })
            }
            Some(_) | None => Err(EmailError::Shape),
        }
    }

    /// Folds an address that Heroku reported, whatever it looks like: it is only ever compared.
    pub fn as_reported(text: &str) -> Self {
        let text = text.trim();
        match text.rsplit_once('@').and_then(|(local, domain)| Some((local, ascii_domain(domain)?))) {
            Some((local, domain)) => Self::of(local, &domain),
            None => Self(text.to_ascii_lowercase()),
        }
    }

    /// From its two halves.
    pub(super) fn of(local: &str, domain: &str) -> Self {
        Self(format!("{}@{domain}", local.to_ascii_lowercase()))
    }

    /// What stands before the `@`; empty when there is none.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The address itself, for comparing, for records that need it, and for an explicit answer to a person.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`; empty when there is none.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The pseudo-account through which a team owns its apps; it is never a person.
    pub fn is_pseudo_owner(&self) -> bool {
        self.domain() == "herokumanager.com"
    }
}

/// A domain as DNS knows it: `bücher.example` is `xn--bcher-kva.example`. `None` = no such name can be.
pub fn ascii_domain(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if lower.is_ascii() && !lower.split('.').any(|label| label.starts_with("xn--")) {
        return Some(lower);
    }
    idna::domain_to_ascii_strict(&lower).ok()
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.chars().next().unwrap_or('?');
        // Heroku's may hold anything, also what would begin a line of a log.
        write!(f, "{}…@{}", first.escape_debug(), self.domain().escape_debug())
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({self})")
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::as_reported(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_only_ascii_and_trims() {
        assert_eq!(Email::parse("  Priya.Raman@Larkspur.EXAMPLE ").unwrap().expose(), "priya.raman@larkspur.example");
    }

    #[test]
    fn refuses_what_could_be_read_as_syntax_or_looks_alike() {
        for (text, error) in [
            ("", EmailError::Empty),
            ("priya", EmailError::Shape),
            ("a@b@c", EmailError::Shape),
            ("../../teams/x@y", EmailError::Character),
            ("a%2fb@c.example", EmailError::Character),
            ("a?b@c.example", EmailError::Character),
            ("a\r\nb@c.example", EmailError::NotAscii),
            ("a\u{200b}b@c.example", EmailError::NotAscii),
            ("jörg@c.example", EmailError::NotAscii),
            ("a@b\nc.example", EmailError::NotAscii),
            ("a@xn--0.example", EmailError::Domain),
            ("a@bü_cher.example", EmailError::Domain),
            ("a@b／c.example", EmailError::Domain),
        ] {
            assert_eq!(Email::parse(text), Err(error), "{text:?}");
        }
        assert!(Email::parse("miles.o'brien+ops@larkspur.example").is_ok());
    }

    #[test]
    fn a_domain_has_one_ascii_form_and_nothing_before_the_at_is_folded_beyond_ascii() {
        let jorg = Email::parse("jorg@bücher.example").unwrap();
        for same in ["JORG@BÜCHER.example", "jorg@xn--bcher-kva.example", "jorg@XN--BCHER-KVA.EXAMPLE"] {
            assert_eq!(Email::parse(same).unwrap(), jorg, "{same}");
            assert_eq!(Email::as_reported(same), jorg, "{same}");
        }
        // What Heroku lists may hold anything: the capital Ö, and a Cyrillic letter that looks like an `a`.
        for (one, other) in [("jÖrg@bücher.example", "jörg@bücher.example"), ("priyа@b.example", "priya@b.example")]
        {
            assert_ne!(Email::as_reported(one), Email::as_reported(other));
        }
        assert_ne!(Email::parse("a@lаrkspur.example").unwrap().domain(), "larkspur.example");
    }

    #[test]
    fn prints_redacted() {
        let email = Email::parse("priya.raman@larkspur.example").unwrap();
        assert_eq!(format!("{email} {email:?}"), "p…@larkspur.example Email(p…@larkspur.example)");
        assert_eq!(Email::as_reported("a@x\nERROR y").to_string(), "a…@x\\nerror y");
    }
}
