//! A list, whole or not at all.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde::de::DeserializeOwned;

use super::client::{ACCEPT_INVITATIONS, ACCEPT_V3, Answered, Ask, Client};
use super::error::CallError;
use super::path::Path;
use crate::clock;
use crate::engine::budget::Lane;
use crate::model::world::Evidence;

/// Pages of one list. At the default page size of 200 it would be a list of 400,000 entries.
const PAGES_MAX: u32 = 2_000;

/// Bytes of one page.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of all pages of one list.
const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The largest page that Heroku gives; what happens above is not documented.
const BY_ID: &str = "id ..; max=1000";

/// One list to read.
#[derive(Debug)]
pub(super) struct List {
    path: Path,
    accept: &'static str,
}

impl List {
    pub(super) fn new(path: Path) -> Self {
        Self { path, accept: ACCEPT_V3 }
    }

    pub(super) fn invitations(path: Path) -> Self {
        Self { path, accept: ACCEPT_INVITATIONS }
    }
}

/// All entries of a list, with the evidence that they are all.
#[derive(Debug)]
pub(super) struct Complete<T> {
    pub(super) began: Timestamp,
    pub(super) entries: Vec<T>,
    pages: u32,
    path: String,
    body_sha256: String,
}

impl<T> Complete<T> {
    /// What an audit record says of this read.
    pub(super) fn evidence(&self, control: bool) -> Evidence {
        Evidence {
            list: self.path.clone(),
            at: self.began,
            pages: self.pages,
            items: u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
            complete: true,
            control,
            body_sha256: self.body_sha256.clone(),
        }
    }
}

/// Reads every page.
pub(super) async fn read_list<T: DeserializeOwned>(
    client: &Client,
    list: &List,
    lane: Lane,
) -> Result<Complete<T>, CallError> {
    let began = clock::now();
    let mut range = HeaderValue::from_static(BY_ID);
    let mut pages = Pages::none();
    loop {
        let ask =
            Ask { accept: list.accept, range: Some(range.clone()), bytes_max: PAGE_BYTES_MAX, ..Ask::get(&list.path) };
        match pages.take(&client.read(&ask, lane).await?)? {
            Some(next) => range = next,
            None => return Ok(pages.complete(began, client.path_sent(&list.path))),
        }
    }
}

/// The pages of one list, as far as they have come. `Next-Range` says whether there is another one; it is sent back byte
/// for byte.
pub(super) struct Pages<T> {
    entries: Vec<T>,
    count: u32,
    bytes: usize,
    followed: BTreeSet<Vec<u8>>,
    sum: digest::Context,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(super) fn none() -> Self {
        Self {
            entries: Vec::new(),
            count: 0,
            bytes: 0,
            followed: BTreeSet::new(),
            sum: digest::Context::new(&digest::SHA256),
        }
    }

    /// Takes the next page and says the range of the one behind it; `None` = it was the last.
    pub(super) fn take(&mut self, page: &Answered) -> Result<Option<HeaderValue>, CallError> {
        self.count += 1;
        self.bytes += page.body.len();
        if self.bytes > LIST_BYTES_MAX {
            return Err(CallError::TooLong { most: LIST_BYTES_MAX });
        }
        self.sum.update(&page.body);
        self.entries.extend(page.json::<Vec<T>>()?);
        match page.headers.get("next-range") {
            // A first page was asked for everything: a part of it without a way to the rest is not the list. Behind a
            // `Next-Range` the tail was asked for, which a server may rightly call a part.
            None if self.count == 1 && page.status == StatusCode::PARTIAL_CONTENT => Err(CallError::Truncated),
            None => Ok(None),
            Some(_) if self.count >= PAGES_MAX => Err(CallError::TooManyPages { most: PAGES_MAX }),
            Some(next) if self.followed.insert(next.as_bytes().to_vec()) => Ok(Some(next.clone())),
            Some(_) => Err(CallError::RepeatedRange),
        }
    }

    /// All of it, after the last page.
    pub(super) fn complete(self, began: Timestamp, path: String) -> Complete<T> {
        let body_sha256 = hex(self.sum.finish().as_ref());
        Complete { began, entries: self.entries, pages: self.count, path, body_sha256 }
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
