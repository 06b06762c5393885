//! The words of the domain as types: parsed once, valid from then on. Pure data, no decisions.

pub mod address_rules;
pub mod command;
pub mod email;
pub mod event;
pub mod grant;
pub mod hold;
pub mod ids;
pub mod outcome;
pub mod world;

pub use address_rules::AddressRules;
pub use email::{Email, EmailError, ascii_domain};
pub use grant::{Grant, Parent, Removal, Surface};
pub use ids::*;
