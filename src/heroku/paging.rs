//! A list, whole or not at all.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde::de::DeserializeOwned;

use super::client::{ACCEPT_INVITATIONS, ACCEPT_V3, Ask, Client};
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

/// Reads every page. `Next-Range` says whether there is another one; it is sent back byte for byte.
pub(super) async fn read_list<T: DeserializeOwned>(
    client: &Client,
    list: &List,
    lane: Lane,
) -> Result<Complete<T>, CallError> {
    let began = clock::now();
    let mut range = HeaderValue::from_static(BY_ID);
    let mut followed = BTreeSet::new();
    let mut entries = Vec::new();
    let mut bytes = 0;
    let mut pages = 0;
    let mut sum = digest::Context::new(&digest::SHA256);
    loop {
        let ask =
            Ask { accept: list.accept, range: Some(range.clone()), bytes_max: PAGE_BYTES_MAX, ..Ask::get(&list.path) };
        let page = client.read(&ask, lane).await?;
        pages += 1;
        bytes += page.body.len();
        if bytes > LIST_BYTES_MAX {
            return Err(CallError::TooLong { most: LIST_BYTES_MAX });
        }
        sum.update(&page.body);
        entries.extend(page.json::<Vec<T>>()?);
        match page.headers.get("next-range") {
            // A first page was asked for everything: a part of it without a way to the rest is not the list. Behind a
            // `Next-Range` the tail was asked for, which a server may rightly call a part.
            None if pages == 1 && page.status == StatusCode::PARTIAL_CONTENT => return Err(CallError::Truncated),
            None => break,
            Some(_) if pages >= PAGES_MAX => return Err(CallError::TooManyPages { most: PAGES_MAX }),
            Some(next) => {
                if !followed.insert(next.as_bytes().to_vec()) {
                    return Err(CallError::RepeatedRange);
                }
                range = next.clone();
            }
        }
    }
    Ok(Complete { began, entries, pages, path: client.path_sent(&list.path), body_sha256: hex(sum.finish().as_ref()) })
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
