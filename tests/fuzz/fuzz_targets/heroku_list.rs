#![no_main]
include!("../target.rs");
target!("heroku_list");
