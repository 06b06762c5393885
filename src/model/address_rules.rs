//! Which addresses are the same one, by the operator's own rules. Without a rule an address is itself alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::Email;

/// The rules. They are applied once: no rule leads to an address to which another one applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressRules {
    /// Another address of somebody, to the one that counts.
    pub aliases: BTreeMap<Email, Email>,
    /// Another domain with the same names before the `@`, to the one that counts.
    pub same_domains: BTreeMap<String, String>,
    /// Domains in which a `+` and what follows it says nothing.
    pub tagged: BTreeSet<String>,
}

impl AddressRules {
    /// The address that counts for this one. Both sides of a comparison go through here.
    pub fn canonical<'e>(&self, email: &'e Email) -> Cow<'e, Email> {
        if let Some(meant) = self.aliases.get(email) {
            return Cow::Owned(meant.clone());
        }
        let domain = self.same_domains.get(email.domain()).map_or(email.domain(), String::as_str);
        let local = match email.local().split_once('+') {
            Some((name, _)) if !name.is_empty() && self.tagged.contains(domain) => name,
            Some(_) | None => email.local(),
        };
        if (local, domain) == (email.local(), email.domain()) {
            return Cow::Borrowed(email);
        }
        let plain = Email::of(local, domain);
        Cow::Owned(self.aliases.get(&plain).cloned().unwrap_or(plain))
    }

    /// Whether both are the same.
    pub fn same(&self, one: &Email, other: &Email) -> bool {
        one == other || self.canonical(one) == self.canonical(other)
    }

    /// Whether one of these addresses is the same as `email`.
    pub fn holds(&self, addresses: &BTreeSet<Email>, email: &Email) -> bool {
        addresses.contains(email) || addresses.iter().any(|known| self.same(known, email))
    }

    /// Those that count for these.
    pub fn canonical_all<'e>(&self, addresses: &'e BTreeSet<Email>) -> Cow<'e, BTreeSet<Email>> {
        if *self == Self::default() {
            return Cow::Borrowed(addresses);
        }
        Cow::Owned(addresses.iter().map(|email| self.canonical(email).into_owned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn rules() -> AddressRules {
        AddressRules {
            aliases: BTreeMap::from([(email("k.mensah@larkspur.example"), email("kofi@larkspur.example"))]),
            same_domains: BTreeMap::from([("larkspur.io".to_owned(), "larkspur.example".to_owned())]),
            tagged: BTreeSet::from(["larkspur.example".to_owned()]),
        }
    }

    #[test]
    fn each_rule_says_which_addresses_are_one() {
        let kofi = email("kofi@larkspur.example");
        for text in [
            "kofi@larkspur.example",
            "Kofi+heroku@larkspur.example",
            "kofi+a+b@larkspur.io",
            "k.mensah@larkspur.example",
            "k.mensah+x@larkspur.io",
        ] {
            assert_eq!(*rules().canonical(&email(text)), kofi, "{text}");
        }
    }

    #[test]
    fn what_no_rule_names_stays_what_it_is() {
        for text in ["kofi+x@mail.example", "+x@larkspur.example", "kofi@it.larkspur.io", "kmensah@larkspur.example"] {
            assert_eq!(*rules().canonical(&email(text)), email(text));
        }
        let tagged = email("kofi+heroku@larkspur.example");
        assert!(!AddressRules::default().same(&tagged, &email("kofi@larkspur.example")));
    }
}
