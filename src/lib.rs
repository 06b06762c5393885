//! Removes people who left from Heroku teams and apps, proves it, and writes the audit record.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod engine;
pub mod model;
pub mod sources;
pub mod wire;

#[cfg(feature = "service")]
pub mod cli;
#[cfg(feature = "service")]
pub mod clock;
#[cfg(feature = "service")]
pub mod commands;
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
pub mod crash;
pub mod exit;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub mod kafka;
#[cfg(feature = "service")]
pub mod shutdown;
#[cfg(feature = "service")]
pub mod telemetry;
