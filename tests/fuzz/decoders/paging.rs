//! The `Range` header of a list and the `Next-Range` that answers it.

use std::collections::BTreeSet;

use heroku_deprovisioner::simulator::range::{Attribute, Range};
use heroku_deprovisioner::simulator::switches::AboveMaximum;

use super::super::allocation::bounded;
use super::assert_plain;

const ALL: [Attribute; 4] = [Attribute::Id, Attribute::Name, Attribute::Email, Attribute::UpdatedAt];

/// Pages that are followed at most; the list has fewer rows.
const PAGES_MAX: usize = 20;

/// A `Range` header, as the simulator reads it and as a client follows it to the end of a list.
pub(super) fn range(input: &[u8]) {
    let Ok(header) = std::str::from_utf8(input) else { return };
    let Ok(range) = bounded(input.len(), || Range::parse(header, &ALL)) else { return };
    assert_eq!(Range::parse(&rendered(&range), &ALL).as_ref(), Ok(&range), "{header:?}");
    let Ok(size) = range.page_size(Some(3), AboveMaximum::Clamp) else { return };
    assert!((1..=3).contains(&size));

    let mut values: Vec<String> = (b'a'..b'k').map(|letter| char::from(letter).to_string()).collect();
    values.extend(range.start.iter().map(|start| start.value.clone()));
    let rows = || values.iter().map(|value| (value.clone(), value.clone())).collect::<Vec<_>>();
    let expected: Vec<String> = range.cut(rows(), u32::MAX).rows;
    let mut seen = Vec::new();
    let mut followed = BTreeSet::new();
    let plain = !header.chars().any(char::is_control);
    let mut next = range;
    for pages in 0.. {
        assert!(pages < PAGES_MAX, "no end after {pages} pages");
        let page = next.cut(rows(), size);
        seen.extend(page.rows);
        let Some(header) = page.next_range else { break };
        if plain {
            assert_plain("Next-Range", &header);
        }
        assert!(followed.insert(header.clone()), "{header:?} twice");
        next = Range::parse(&header, &ALL).unwrap_or_else(|_| panic!("Next-Range {header:?} is not understood"));
    }
    // Paging by value cannot tell two equal rows apart.
    let distinct = |rows: &[String]| rows.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(distinct(&seen), distinct(&expected));
}

fn rendered(range: &Range) -> String {
    let start = range
        .start
        .as_ref()
        .map_or_else(String::new, |start| format!("{}{}", if start.exclusive { "]" } else { "" }, start.value));
    let max = range.max.map_or_else(String::new, |max| format!("max={max},"));
    let order = if range.descending { "desc" } else { "asc" };
    format!("{} {start}..; {max}order={order}", range.attribute.as_str())
}
