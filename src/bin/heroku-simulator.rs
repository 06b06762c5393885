//! A faithful Heroku behind HTTP.
fn main() {}
