//! Whose log it is. Each carrier names the organisation in its own way, EventBridge only by a part of it.

use std::borrow::Cow;

use crate::sources::carrier::{Element, Envelope};
use crate::sources::verdict::{Reject, RejectCode};

/// The partner name under which Okta writes to EventBridge.
const EVENT_BRIDGE_PREFIX: &str = "aws.partner/okta.com/";

/// Domains under which Okta hosts organisations. A CloudEvents `source` elsewhere is a bridge's own name.
const OKTA_DOMAINS: &[&str] = &["okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil"];

/// The tenant of an element: the configured one, which every name in its envelopes must agree with. Without a
/// configured one, the first that an envelope names.
pub(super) fn of<'a>(element: &Element<'a>, configured: Option<&'a str>) -> Result<Cow<'a, str>, Reject> {
    let mut found = None;
    for envelope in &element.envelopes {
        let Some(named) = named_by(envelope)? else { continue };
        if let Some(configured) = configured
            && !agrees(named, configured)
        {
            return Err(Reject::new(
                RejectCode::OtherTenant,
                "its envelope names another Okta organisation than the source's `tenant`",
            ));
        }
        found = found.or(Some(named));
    }
    Ok(match (configured, found) {
        (Some(configured), _) => Cow::Borrowed(configured),
        (None, Some(Named::Host(name) | Named::Label(name))) => Cow::Owned(name.to_ascii_lowercase()),
        (None, None) => Cow::Borrowed("unknown"),
    })
}

#[derive(Clone, Copy)]
enum Named<'a> {
    /// `larkspur.okta.com`
    Host(&'a str),
    /// `larkspur`
    Label(&'a str),
}

fn named_by<'a>(envelope: &Envelope<'a>) -> Result<Option<Named<'a>>, Reject> {
    let nobody = || Reject::new(RejectCode::OtherTenant, "its envelope names no Okta organisation as its `source`");
    Ok(match envelope {
        Envelope::Own { source } => Some(Named::Host(source.and_then(host).ok_or_else(nobody)?)),
        Envelope::EventBridge { source } => {
            let rest = source.strip_prefix(EVENT_BRIDGE_PREFIX).ok_or_else(nobody)?;
            Some(Named::Label(rest.split('/').next().filter(|label| fits_in_a_host(label)).ok_or_else(nobody)?))
        }
        Envelope::CloudEvent(event) => host(event.source)
            .filter(|host| OKTA_DOMAINS.iter().any(|domain| ends_with_domain(host, domain)))
            .map(Named::Host),
    })
}

fn agrees(named: Named<'_>, configured: &str) -> bool {
    match named {
        Named::Host(host) if configured.contains('.') => host.eq_ignore_ascii_case(configured),
        // A test organisation often has the label of the real one.
        Named::Host(host) => {
            first_label(host).eq_ignore_ascii_case(configured) && !ends_with_domain(host, "oktapreview.com")
        }
        Named::Label(label) => label.eq_ignore_ascii_case(first_label(configured)),
    }
}

fn first_label(name: &str) -> &str {
    name.split_once('.').map_or(name, |(label, _)| label)
}

/// The host of an `https` URL.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    fits_in_a_host(host).then_some(host)
}

fn fits_in_a_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

fn ends_with_domain(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    host.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(domain)) && host[..start].ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_labels_agree_with_what_they_are_part_of() {
        for (named, configured, expected) in [
            (Named::Host("larkspur.okta.com"), "larkspur.okta.com", true),
            (Named::Host("Larkspur.okta.com"), "larkspur.okta.com", true),
            (Named::Host("larkspur.okta.com"), "larkspur", true),
            (Named::Host("larkspur.oktapreview.com"), "larkspur", false),
            (Named::Host("larkspur.oktapreview.com"), "larkspur.okta.com", false),
            (Named::Host("larkspur-test.okta.com"), "larkspur", false),
            (Named::Label("larkspur"), "larkspur.okta.com", true),
            (Named::Label("larkspur"), "larkspur", true),
            (Named::Label("larkspur-test"), "larkspur.okta.com", false),
        ] {
            let name = match named {
                Named::Host(name) | Named::Label(name) => name,
            };
            assert_eq!(agrees(named, configured), expected, "{name} and {configured}");
        }
    }

    #[test]
    fn only_a_plain_https_host_is_one() {
        assert_eq!(host("https://larkspur.okta.com/api/v1/eventHooks/who9"), Some("larkspur.okta.com"));
        for url in [
            "http://larkspur.okta.com",
            "https://",
            "https://larkspur.okta.com@evil.example/",
            "https://larkspur.okta.com:444/",
            "https://ларкспур.okta.com",
            "larkspur.okta.com",
        ] {
            assert_eq!(host(url), None, "{url}");
        }
    }
}
