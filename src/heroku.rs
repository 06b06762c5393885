//! Heroku's Platform API: alone in knowing its URLs, its JSON and its status codes.
//!
//! * [`Client::scan`] reads everything visible in few round trips; [`Client::read_lists`] reads chosen lists again, as
//!   proof; [`Client::remove`] is the only call that changes anything.
//! * What is returned as read is complete: every page, each a positive answer. Everything else is an error or an
//!   [`Unread`](crate::model::world::Unread), never a shorter list.
//! * Every call passes the [`Gate`] first, so that no 429 is of our making. There are no redirects and no hidden
//!   retries: a read is repeated after a 429, and once when the token was changed meanwhile; a removal never is.
//! * No value from an event reaches this module: lists are read whole, and the engine compares.

mod client;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod lists;
mod paging;
mod path;
mod removal;
mod scan;
mod team;
mod token;
mod wire;

pub use client::{Client, Settings, SettingsError};
pub use error::{AccountStopped, CallError};
pub use gate::Gate;
pub use scan::Scope;
pub use token::{Reading, Token, TokenError};
