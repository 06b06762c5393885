//! The words of the domain as types: parsed once, valid from then on. Pure data, no decisions.

pub mod command;
pub mod email;
pub mod event;
pub mod grant;
pub mod hold;
pub mod ids;
pub mod outcome;
pub mod world;

pub use email::{Email, EmailError};
pub use grant::{Grant, Parent, Removal, Surface};
pub use ids::*;
