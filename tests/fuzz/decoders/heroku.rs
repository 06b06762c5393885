//! What Heroku answers, and what is put into the headers of requests to it.

use std::collections::BTreeSet;

use heroku_deprovisioner::engine::budget::{Assumed, Budget, Lane};
use heroku_deprovisioner::heroku::fuzzing::{self, LISTS, Reply};
use heroku_deprovisioner::telemetry::trace::parse as parse_trace;
use heroku_deprovisioner::telemetry::trace::traceparent;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::allocation::bounded;
use super::{Headed, assert_plain};

/// What stands between two replies.
const NEXT_PAGE: &[u8] = b"\n---\n";

/// A list, page by page: its kind on the first line, then each page as `:status: 206`, its other headers, an empty line
/// and its body.
pub(super) fn list(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let kind = LISTS.iter().find(|kind| kind.as_bytes() == &input[..end]).unwrap_or(&"members");
    let mut rest = &input[end + 1..];
    let mut pages = Vec::new();
    let mut bodies = Vec::new();
    while pages.len() < 50 {
        let cut = rest.windows(NEXT_PAGE.len()).position(|window| window == NEXT_PAGE);
        let page = &rest[..cut.unwrap_or(rest.len())];
        let Some(reply) = read(page) else { return };
        pages.push(reply);
        bodies.push(Headed::of(page));
        let Some(cut) = cut else { break };
        rest = &rest[cut + NEXT_PAGE.len()..];
    }
    match bounded(input.len(), || fuzzing::list(kind, &pages)) {
        None => {}
        Some(Ok(read)) => {
            // No entry is left out, and no page.
            let of_pages = bodies[..read.pages].iter().map(|page| {
                // Of members that nobody reads, not even their encoding is looked at.
                let text = String::from_utf8_lossy(page.body);
                let entries: Vec<&RawValue> = serde_json::from_str(&text).expect("what was taken is a list");
                entries.len()
            });
            assert_eq!(of_pages.sum::<usize>(), read.entries);
            let follows = |page: &Headed<'_>| page.head.iter().any(|(name, _)| name.eq_ignore_ascii_case("next-range"));
            assert!(bodies[..read.pages - 1].iter().all(follows));
            assert!(!follows(&bodies[read.pages - 1]), "an end before the end");
            assert_redacted(&read.shown, &bodies.iter().map(|page| page.body).collect::<Vec<_>>());
        }
        Some(Err(why)) => {
            assert_plain("the failure", &why.to_string());
            assert_plain("its code", why.code());
            assert!(!why.to_string().contains('@'), "{why}");
        }
    }
}

/// One reply of any kind: what its status, its headers and its body say, and what the budget makes of that.
pub(super) fn reply(input: &[u8]) {
    let Some(reply) = read(input) else { return };
    bounded(input.len(), || {
        if let Some(error) = reply.error() {
            assert_plain("the failure", &error.to_string());
            assert!(!error.to_string().contains('@'), "{error}");
        }
        if let Some(id) = reply.error_id() {
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{id}");
        }
        if let Some(ids) = reply.request_ids() {
            assert_plain("Request-Id", &ids);
            assert!(ids.len() <= 512);
        }
        for shown in [reply.account().map_err(|why| why.to_string()), Err(format!("{:?}", reply.remaining().err()))] {
            assert_redacted(&shown.unwrap_or_else(|why| why), &[Headed::of(input).body]);
        }
    });
    account_for(&reply);
}

/// Whatever a reply says of the rate limit, the budget goes on: it waits for no longer than was asked for, and gives no
/// more than it was told of.
fn account_for(reply: &Reply) {
    let start = Timestamp::from_second(1_780_315_200).unwrap();
    let mut budget = Budget::new(start, Assumed::default());
    assert_eq!(budget.take(start, Lane::Urgent, 2), 2);
    let (first, second) = (budget.depart(start), budget.depart(start));
    let (remaining, multiplier) = reply.rate_limit();
    match remaining {
        Some(remaining) => {
            budget.heard(start, first, remaining, multiplier);
            let given = budget.take(start, Lane::Urgent, u32::MAX);
            assert!(given <= remaining, "{given} of {remaining}");
            budget.give_back(start, given);
        }
        None => budget.answered(start, first),
    }
    let asked = reply.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
    budget.refused(start, second, asked);
    assert!(budget.is_closed(start));
    assert_eq!(budget.take(start, Lane::Urgent, 1), 0);
    for lane in [Lane::Urgent, Lane::Normal] {
        let next = budget.next_at(start, lane);
        assert!(next >= budget.opens_at());
        budget.take(next, lane, 1);
    }
}

/// A `traceparent` of a source record: what is handed on may stand in a header of a request, and says the same.
pub(super) fn trace(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(handed_on) = bounded(input.len(), || traceparent(&tracing::Span::none(), Some(text))) else {
        assert!(parse_trace(text).is_none());
        return;
    };
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f' | b'-');
    assert!(handed_on.len() == 55 && handed_on.bytes().all(plain), "{handed_on:?}");
    assert_eq!(parse_trace(&handed_on), parse_trace(text));
}

/// `:status: 200`, other headers, an empty line, the body. `None` when no reply can look so.
fn read(page: &[u8]) -> Option<Reply> {
    let Headed { head, body } = Headed::of(page);
    let mut status = 200;
    let mut headers = Vec::new();
    for (name, value) in head {
        // A line that begins with a colon has no name.
        match (name, value?) {
            ("", value) => {
                let value = std::str::from_utf8(value).ok()?.strip_prefix("status:")?;
                status = value.trim().parse().ok()?;
            }
            (name, value) => headers.push((name, value)),
        }
    }
    Reply::new(status, &headers, body)
}

/// No address of a body is shown as it is, unless something else of the reply is called so.
fn assert_redacted(shown: &str, bodies: &[&[u8]]) {
    let (mut addresses, mut others) = (BTreeSet::new(), String::new());
    for body in bodies {
        // Of members that nobody reads, not even their encoding is looked at, nor whether a number fits.
        let Ok(body) = serde_json::from_str::<Value>(&String::from_utf8_lossy(body)) else { return };
        texts(None, &body, &mut |key, text| match key {
            Some("email") => _ = addresses.insert(text.trim().to_ascii_lowercase()),
            Some(_) | None => others.push_str(&text.to_ascii_lowercase()),
        });
    }
    let shown = shown.to_ascii_lowercase();
    for address in addresses.iter().filter(|address| !others.contains(*address)) {
        if let Some((local, domain)) = address.rsplit_once('@')
            && local.chars().count() > 1
            && !domain.is_empty()
            && !local.contains('…')
        {
            assert!(!shown.contains(address), "{address} in {shown}");
        }
    }
}

fn texts<'a>(key: Option<&'a str>, value: &'a Value, found: &mut impl FnMut(Option<&str>, &str)) {
    match value {
        Value::String(text) => found(key, text),
        Value::Array(items) => items.iter().for_each(|item| texts(key, item, found)),
        Value::Object(members) => members.iter().for_each(|(key, member)| texts(Some(key), member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
