//! Removes people who left from Heroku teams and apps, proves it, and writes the audit record.

pub mod model;
pub mod sources;

#[cfg(feature = "service")]
pub mod clock;
#[cfg(feature = "service")]
pub mod crash;
#[cfg(feature = "service")]
pub mod kafka;
