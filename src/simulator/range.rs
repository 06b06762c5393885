//! Paging by value: the `Range` header in, one page and the range of the next one out.

use super::refusal::Refusal;
use super::switches::{AboveMaximum, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};

/// What a list may be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// `id`
    Id,
    /// `name`
    Name,
    /// `email`
    Email,
    /// `updated_at`
    UpdatedAt,
}

impl Attribute {
    /// As it stands in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Email => "email",
            Self::UpdatedAt => "updated_at",
        }
    }
}

/// A request for a part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Ordered by.
    pub attribute: Attribute,
    /// Where the page begins.
    pub start: Option<Start>,
    /// From the greatest to the least.
    pub descending: bool,
    /// How many entries are wanted.
    pub max: Option<u32>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The value.
    pub value: String,
    /// The page begins behind it, not at it.
    pub exclusive: bool,
}

impl Range {
    /// What is sent when nothing was asked for.
    pub fn whole(attribute: Attribute) -> Self {
        Self { attribute, start: None, descending: false, max: None }
    }

    /// Reads a `Range` header: `<attribute> [<start>]..[; key=value[, key=value]]`.
    ///
    /// # Errors
    /// When the list cannot be ordered so, or the range has an end, which Heroku does not support.
    pub fn parse(header: &str, allowed: &[Attribute]) -> Result<Self, Refusal> {
        let (range, keys) = header.split_once(';').unwrap_or((header, ""));
        let (name, bounds) = range.trim().split_once(' ').ok_or(Refusal::RangeNotSatisfiable)?;
        let attribute = allowed.iter().find(|attribute| attribute.as_str() == name);
        let attribute = *attribute.ok_or(Refusal::RangeNotSatisfiable)?;
        let start = bounds.trim().strip_suffix("..").ok_or(Refusal::RangeNotSatisfiable)?;
        let start = match start.strip_prefix(']') {
            Some(value) => Some(Start { value: value.to_owned(), exclusive: true }),
            None if start.is_empty() => None,
            None => Some(Start { value: start.to_owned(), exclusive: false }),
        };
        let mut parsed = Self { attribute, start, descending: false, max: None };
        for pair in keys.split([',', ';']).map(str::trim).filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("max", count)) => {
                    let count = count.trim().parse().ok().filter(|count| *count > 0);
                    parsed.max = Some(count.ok_or(Refusal::RangeNotSatisfiable)?);
                }
                Some(("order", "asc")) => parsed.descending = false,
                Some(("order", "desc")) => parsed.descending = true,
                Some(_) | None => return Err(Refusal::RangeNotSatisfiable),
            }
        }
        Ok(parsed)
    }

    /// How many entries the page holds at most. `limit` is a switch's and beats the request.
    ///
    /// # Errors
    /// When more than [`PAGE_SIZE_MAX`] are asked for and that is refused.
    pub fn page_size(&self, limit: Option<u32>, above: AboveMaximum) -> Result<u32, Refusal> {
        let wanted = self.max.unwrap_or(PAGE_SIZE_DEFAULT);
        if wanted > PAGE_SIZE_MAX && above == AboveMaximum::Refuse {
            return Err(Refusal::RangeNotSatisfiable);
        }
        Ok(wanted.min(PAGE_SIZE_MAX).min(limit.unwrap_or(u32::MAX)).max(1))
    }

    /// Cuts the page out of `rows`, each with the value that it is ordered by.
    pub fn cut<T>(&self, mut rows: Vec<(String, T)>, size: u32) -> Page<T> {
        rows.sort_by(|(left, _), (right, _)| if self.descending { right.cmp(left) } else { left.cmp(right) });
        if let Some(start) = &self.start {
            rows.retain(|(value, _)| match value.as_str().cmp(start.value.as_str()) {
                std::cmp::Ordering::Equal => !start.exclusive,
                std::cmp::Ordering::Greater => !self.descending,
                std::cmp::Ordering::Less => self.descending,
            });
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let name = self.attribute.as_str();
        let ends = rows.first().zip(rows.last()).map(|((first, _), (last, _))| (first.clone(), last.clone()));
        let order = if self.descending { ",order=desc" } else { "" };
        Page {
            next_range: ends.as_ref().filter(|_| more).map(|(_, last)| format!("{name} ]{last}..; max={size}{order}")),
            same_range: ends.as_ref().map(|(first, _)| format!("{name} {first}..; max={size}{order}")),
            content_range: ends.map(|(first, last)| format!("{name} {first}..{last}")),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its entries.
    pub rows: Vec<T>,
    /// `Content-Range`; absent for an empty page.
    pub content_range: Option<String>,
    /// `Next-Range`; absent on the last page.
    pub next_range: Option<String>,
    /// A `Next-Range` that leads back to this very page: a fault sends it.
    pub same_range: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: [Attribute; 2] = [Attribute::Email, Attribute::Id];

    fn parse(header: &str) -> Result<Range, Refusal> {
        Range::parse(header, &ALLOWED)
    }

    fn rows(values: &[&str]) -> Vec<(String, String)> {
        values.iter().map(|value| ((*value).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn reads_what_real_clients_send() {
        for (header, max, descending) in [
            ("id ..; max=1000", Some(1000), false),
            ("id ..; max=1000;", Some(1000), false),
            ("email ..; max=1000", Some(1000), false),
            ("id ..; order=desc", None, true),
            ("id ..; max=1,order=desc", Some(1), true),
            ("id ..; ;", None, false),
            ("id ..", None, false),
        ] {
            let range = parse(header).unwrap_or_else(|_| panic!("{header}"));
            assert_eq!((range.max, range.descending, range.start), (max, descending, None), "{header}");
        }
        let next = parse("id ]01234567-89ab-cdef-0123-456789abcdef..; max=200").unwrap();
        assert!(next.start.unwrap().exclusive);
    }

    #[test]
    fn refuses_an_order_that_is_not_allowed_and_an_end() {
        for header in ["..; max=1000,order=desc", "name ..", "ids ..", "id ..abc", "id ..; max=0", "id ..; min=1"] {
            assert_eq!(parse(header), Err(Refusal::RangeNotSatisfiable), "{header}");
        }
    }

    #[test]
    fn following_next_range_visits_each_entry_once_in_both_orders() {
        let values = ["a", "b", "c", "d", "e"];
        for order in ["asc", "desc"] {
            let mut header = format!("id ..; max=2,order={order}");
            let mut seen = Vec::new();
            loop {
                let page = parse(&header).unwrap().cut(rows(&values), 2);
                seen.extend(page.rows);
                match page.next_range {
                    Some(next) => header = next,
                    None => break,
                }
            }
            let mut wanted: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
            if order == "desc" {
                wanted.reverse();
            }
            assert_eq!(seen, wanted);
        }
    }

    #[test]
    fn a_switch_beats_the_page_size_asked_for() {
        let range = parse("id ..; max=5000").unwrap();
        assert_eq!(range.page_size(None, AboveMaximum::Clamp), Ok(1000));
        assert_eq!(range.page_size(None, AboveMaximum::Refuse), Err(Refusal::RangeNotSatisfiable));
        assert_eq!(range.page_size(Some(3), AboveMaximum::Clamp), Ok(3));
    }

    #[test]
    fn an_empty_page_has_no_content_range() {
        let page = Range::whole(Attribute::Id).cut(rows(&[]), 2);
        assert_eq!((page.content_range, page.next_range), (None, None));
    }
}
