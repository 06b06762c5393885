//! Removes people who left from Heroku teams and apps, proves it, and writes the audit record.

pub mod model;
pub mod simulator;

#[cfg(any(feature = "service", feature = "simulator"))]
pub mod clock;
#[cfg(feature = "service")]
pub mod crash;
