//! The whole service in this process, on the embedded broker, in front of a simulated Heroku that misbehaves, and of
//! sources that do.
#![cfg(all(feature = "service", feature = "simulator"))]

#[path = "service/client.rs"]
mod client;
#[path = "service/deletions.rs"]
mod deletions;
#[path = "service/enterprise.rs"]
mod enterprise;
#[path = "service/faults.rs"]
mod faults;
#[path = "service/figures.rs"]
mod figures;
#[path = "tokens/forgeries.rs"]
mod forgeries;
#[path = "tokens/issuer.rs"]
mod issuer;
#[path = "service/limits.rs"]
mod limits;
#[path = "service/lookups.rs"]
mod lookups;
#[path = "service/orders.rs"]
mod orders;
#[path = "service/play.rs"]
mod play;
#[path = "service/poison.rs"]
mod poison;
#[path = "service/stage.rs"]
mod stage;
#[path = "service/tokens.rs"]
mod tokens;
