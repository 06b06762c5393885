//! Removes people who left from Heroku teams and apps, proves it, and writes the audit record.
//!
//! The map, inside out. Which module may name which stands in ARCHITECTURE.md, and `tests/tidy.rs` holds it:
//!
//! * [`model`]: the words of the domain as types. [`engine`]: the decisions, pure. [`sources`]: vendors' records to
//!   events. [`wire`]: our own records to bytes and back.
//! * `heroku`, `jwks`, `kafka`, `lookup`, `registry`, `http`, `telemetry`, `config`: the shell, each alone in knowing one
//!   outside thing; `web`: how those are asked that are waited for; `trouble`: why one of them gives no answer.
//! * `driver`: the worker's loop. `service`: one instance, wired. `cli`, `commands`: the command line.
//! * `simulator`: a faithful Heroku, for trying and testing.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod engine;
pub mod model;
pub mod simulator;
pub mod sources;
pub mod wire;

#[cfg(any(feature = "service", feature = "simulator"))]
pub mod clock;

#[cfg(feature = "service")]
pub mod cli;
#[cfg(feature = "service")]
pub mod commands;
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
pub mod crash;
#[cfg(feature = "service")]
pub mod driver;
#[cfg(feature = "service")]
pub mod exit;
#[cfg(feature = "service")]
pub mod heroku;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub mod jwks;
#[cfg(feature = "service")]
pub mod kafka;
#[cfg(feature = "service")]
pub mod lookup;
#[cfg(feature = "service")]
pub mod registry;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "service")]
pub mod shutdown;
#[cfg(feature = "service")]
pub mod status;
#[cfg(feature = "service")]
pub mod telemetry;
#[cfg(all(feature = "service", feature = "simulator"))]
pub mod trial;
#[cfg(feature = "service")]
pub mod trouble;
#[cfg(feature = "service")]
pub mod web;
