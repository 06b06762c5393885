//! A faithful Heroku for trying and testing: the part of Platform API v3 that decides who may reach what.
//!
//! Everything but [`server`] is pure: plain data, time as an argument, ids from a seed. A test may therefore run
//! a history without a socket, and the same world behaves alike over HTTP.
//!
//! * [`state`]: accounts, teams, apps … and the builder methods with which a test writes a world.
//! * [`call`]: what a method and a path ask for; [`read`] and [`change`] answer it, [`access`] decides who may,
//!   and [`consequence`] says what else a change takes along.
//! * [`switches`]: each behaviour of the real API that nobody has documented, so that a client can be run
//!   against every one of them.
//! * [`exchange`]: one request through the front door: token, scope, rate limit, paging, headers.
//! * [`faults`]: rules that spoil chosen requests.
//! * [`generator`] and [`world_file`]: a world from a seed, and one that a person wrote.
//! * [`journal`]: what was asked, answered and changed: Heroku's own account of a run.

pub mod access;
pub mod builder;
pub mod call;
pub mod change;
pub mod consequence;
pub mod credentials;
pub mod exchange;
pub mod faults;
pub mod generator;
pub mod journal;
pub mod range;
pub mod rate_limit;
pub mod read;
pub mod refusal;
pub mod roster;
pub mod state;
pub mod switches;
pub mod views;
pub mod world_change;
pub mod world_file;

#[cfg(feature = "simulator")]
pub mod server;

pub use state::World;
pub use switches::Switches;

#[cfg(feature = "simulator")]
pub use server::{Options, Simulator};
