//! What a value may look like. One name and one check for each kind, used for files, variables and the documentation.

use std::str::FromStr;

use super::duration::parse_duration;
use crate::model::{Email, ascii_domain};
use crate::sources::Format;
use crate::sources::expression::{Expression, Fault, pointer_fault};

/// What Heroku's tokens begin with: wherever one is written by mistake, it is not repeated in a message.
pub(super) const TOKEN_MARK: &str = "HRKU-";

/// What a key holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One value.
    One(Shape),
    /// A list of them.
    Many(Shape),
    /// A secret: from a file named by the key beside it, or from a variable; never in the configuration file.
    Secret {
        /// The key that names its file, such as `token_file`.
        file_key: &'static str,
    },
}

/// The shape of one value.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any text that is not empty.
    Text,
    /// A name without blanks or control characters, in letters, digits, `.`, `_` and `-`.
    Name,
    /// A mail address.
    Address,
    /// A domain name.
    Domain,
    /// A duration such as `90s`, `24h`, `7d`, `1h30m`.
    Duration,
    /// Path of a file.
    Path,
    /// An `https` address without path; `http` for the machine itself only.
    Url,
    /// An `http` or `https` address, with a path if need be.
    BaseUrl,
    /// The same, `http` for the machine itself only: what gets a token.
    ServiceUrl,
    /// The same with a path: one page.
    PageUrl,
    /// IP address and port.
    Listen,
    /// `host:port`, several separated by commas.
    Servers,
    /// A Kafka topic.
    Topic,
    /// The beginning of the names of topics, groups and transactional ids.
    Prefix,
    /// A time zone by its IANA name.
    Zone,
    /// `earliest`, `latest` or a moment.
    StartAt,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// What is logged, in the syntax of `RUST_LOG`.
    LogFilter,
    /// A format of source records.
    Format,
    /// A whole number in these bounds.
    Whole {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// `true` or `false`.
    Flag,
    /// The value of a librdkafka property.
    Property,
    /// A JSON Pointer.
    Pointer,
    /// A JSON Pointer or CEL.
    Expression,
}

impl Kind {
    /// What stands in the documentation as the type.
    pub fn name(self) -> String {
        match self {
            Self::One(shape) => shape.name(),
            Self::Many(shape) => format!("list of {}", shape.plural()),
            Self::Secret { .. } => "secret".to_owned(),
        }
    }
}

impl Shape {
    /// What stands in the documentation as the type.
    pub fn name(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Name => "name".to_owned(),
            Self::Address => "mail address".to_owned(),
            Self::Domain => "domain".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Url | Self::BaseUrl | Self::ServiceUrl | Self::PageUrl => "URL".to_owned(),
            Self::Listen => "IP address and port".to_owned(),
            Self::Servers => "host:port, …".to_owned(),
            Self::Topic => "topic".to_owned(),
            Self::Prefix => "prefix".to_owned(),
            Self::Zone => "time zone".to_owned(),
            Self::LogFilter => "log filter".to_owned(),
            Self::StartAt => "`earliest`, `latest` or a time".to_owned(),
            Self::Choice(words) => alternatives(words, |word| format!("`{word}`")),
            Self::Format => "name of a format".to_owned(),
            Self::Whole { .. } => "whole number".to_owned(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Property => "librdkafka property".to_owned(),
            Self::Pointer => "JSON Pointer".to_owned(),
            Self::Expression => "pointer or CEL".to_owned(),
        }
    }

    /// The same with its article, for a message.
    pub(super) fn with_article(self) -> String {
        let name = self.name();
        if matches!(self, Self::Choice(_) | Self::Flag | Self::StartAt | Self::Servers) {
            return name;
        }
        format!("{} {name}", if matches!(self, Self::Listen) { "an" } else { "a" })
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Address => "mail addresses",
            Self::Domain => "domains",
            Self::Text | Self::Name => "names",
            Self::Expression => "pointers or CEL",
            Self::Duration
            | Self::Path
            | Self::Url
            | Self::BaseUrl
            | Self::ServiceUrl
            | Self::PageUrl
            | Self::Listen
            | Self::Servers
            | Self::Topic
            | Self::Prefix
            | Self::Zone
            | Self::LogFilter
            | Self::StartAt
            | Self::Choice(_)
            | Self::Format
            | Self::Whole { .. }
            | Self::Flag
            | Self::Pointer
            | Self::Property => "values",
        }
    }

    /// Checks a value written as text.
    ///
    /// # Errors
    /// What is wrong with it, as a fragment that reads after the key's name.
    pub fn check(self, text: &str) -> Result<(), String> {
        if text.contains(TOKEN_MARK) {
            return Err("holds what looks like a Heroku token; use `heroku.token_file`".to_owned());
        }
        match self {
            Self::Text | Self::Path if text.trim().is_empty() => Err("must not be empty".to_owned()),
            Self::Text | Self::Path | Self::Property => Ok(()),
            Self::Name => name(text),
            Self::Address => Email::parse(text).map(drop).map_err(|error| format!("is no mail address: {error}")),
            Self::Domain => domain(text),
            Self::Duration => parse_duration(text).map(drop).map_err(|error| error.to_string()),
            Self::Url => url(text),
            Self::BaseUrl => base_url(text).map(drop),
            Self::ServiceUrl => base_url(text).and_then(|authority| only_here_without_tls(text, authority)),
            Self::PageUrl => page_url(text),
            Self::Listen => std::net::SocketAddr::from_str(text)
                .map(drop)
                .map_err(|_| "wants an IP address and a port, such as \"0.0.0.0:8080\"".to_owned()),
            Self::Servers => servers(text),
            Self::Topic => topic(text),
            Self::Prefix => name(text)
                .and_then(|()| if text.len() > 100 { Err("is longer than 100 characters".to_owned()) } else { Ok(()) }),
            Self::Zone => jiff::tz::TimeZone::get(text)
                .map(drop)
                .map_err(|_| "is no IANA time zone; write it as \"Europe/Berlin\"".to_owned()),
            Self::LogFilter => tracing_subscriber::EnvFilter::builder().parse(text).map(drop).map_err(|_| {
                "wants a filter such as \"info\" or \"info,heroku_deprovisioner::kafka=debug\"".to_owned()
            }),
            Self::StartAt => match text {
                "earliest" | "latest" => Ok(()),
                _ => jiff::Timestamp::from_str(text).map(drop).map_err(|_| {
                    "wants \"earliest\", \"latest\" or a time with its offset, such as \"2026-06-01T00:00:00Z\""
                        .to_owned()
                }),
            },
            Self::Choice(words) => one_of(words, text),
            Self::Format => one_of(&formats(), text),
            Self::Whole { .. } => match text.parse() {
                Ok(number) => self.check_whole(number),
                Err(_) => Err(format!("wants a whole number, found {text:?}")),
            },
            Self::Pointer | Self::Expression => self.fault(text).map_or(Ok(()), |fault| Err(fault.message)),
            Self::Flag if matches!(text, "true" | "false") => Ok(()),
            Self::Flag => Err(format!("wants true or false, found {text:?}")),
        }
    }

    /// What is wrong with a text that has an inner form, and where in it.
    pub(super) fn fault(self, text: &str) -> Option<Fault> {
        // What looks like a token is nobody's to show.
        let readable = !text.contains(TOKEN_MARK);
        if readable && matches!(self, Self::Pointer) {
            pointer_fault(text)
        } else if readable && matches!(self, Self::Expression) {
            Expression::parse(text).err()
        } else {
            None
        }
    }

    /// Checks the bounds of a number; any other shape has none.
    ///
    /// # Errors
    /// When the number lies outside them.
    pub fn check_whole(self, number: i64) -> Result<(), String> {
        if let Self::Whole { min, max } = self
            && !(min..=max).contains(&number)
        {
            return Err(format!("must lie between {min} and {max}, found {number}"));
        }
        Ok(())
    }
}

fn formats() -> Vec<&'static str> {
    Format::names().collect()
}

fn one_of(words: &[&str], text: &str) -> Result<(), String> {
    if words.contains(&text) {
        return Ok(());
    }
    Err(format!("wants {}, found {text:?}", alternatives(words, |word| format!("{word:?}"))))
}

fn alternatives(words: &[&str], quoted: fn(&str) -> String) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some(_) | None => words.concat(),
    }
}

fn name(text: &str) -> Result<(), String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err("wants letters, digits, `.`, `_` and `-` only".to_owned());
    }
    Ok(())
}

fn topic(text: &str) -> Result<(), String> {
    name(text)?;
    if text.len() > 249 || matches!(text, "." | "..") {
        return Err("is no name that Kafka accepts for a topic".to_owned());
    }
    Ok(())
}

pub(super) fn domain(text: &str) -> Result<(), String> {
    // In capitals it is refused all the same: nobody then wonders which of two spellings counts.
    let ascii = ascii_domain(text).filter(|_| !text.contains(|letter: char| letter.is_ascii_uppercase()));
    let shown = text;
    let text = ascii.as_deref().unwrap_or_default();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if text == "herokumanager.com" {
        return Err("must not be herokumanager.com: its addresses are teams, not people".to_owned());
    }
    if text.len() > 253 || !text.contains('.') || !text.split('.').all(label) {
        return Err(format!(
            "wants a domain in lower case without `@` or `*`, such as \"larkspur.example\", found {shown:?}"
        ));
    }
    Ok(())
}

fn servers(text: &str) -> Result<(), String> {
    for server in text.split(',') {
        let well_formed = server.trim().rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains("//") && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !well_formed {
            return Err(format!("wants host:port, several separated by commas, found {server:?}"));
        }
    }
    Ok(())
}

fn url(text: &str) -> Result<(), String> {
    let rest = behind_the_scheme(text)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
        return Err("wants scheme, host and port only, such as \"https://api.heroku.com\"".to_owned());
    }
    only_here_without_tls(text, authority)
}

fn page_url(text: &str) -> Result<(), String> {
    let rest = behind_the_scheme(text)?;
    let authority = rest.split('/').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"@#\\".contains(&byte);
    if authority.is_empty() || authority.contains('?') || !rest.bytes().all(plain) {
        return Err("wants the address of a page, such as \"https://idp.example/jwks.json\"".to_owned());
    }
    only_here_without_tls(text, authority)
}

fn behind_the_scheme(text: &str) -> Result<&str, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.ok_or_else(|| "wants an address that begins with https://".to_owned())
}

fn only_here_without_tls(text: &str, authority: &str) -> Result<(), String> {
    if text.starts_with("http://") && !is_loopback(authority) {
        return Err("must begin with https://; http is for 127.0.0.1, [::1] and localhost only".to_owned());
    }
    Ok(())
}

/// What stands within one's own network may lie behind a path, and without TLS. Gives the authority.
fn base_url(text: &str) -> Result<&str, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or("wants an address that begins with https:// or http://")?;
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() || rest.contains(['?', '#', '@', ' ']) {
        return Err("wants scheme, host, port and path only, such as \"https://registry.example:8081\"".to_owned());
    }
    Ok(authority)
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || std::net::IpAddr::from_str(host).is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(shape: Shape, texts: &[&str]) {
        for text in texts {
            assert!(shape.check(text).is_err(), "{shape:?} accepts {text:?}");
        }
    }

    fn accepts(shape: Shape, texts: &[&str]) {
        for text in texts {
            assert_eq!(shape.check(text), Ok(()), "{shape:?} refuses {text:?}");
        }
    }

    #[test]
    fn a_token_in_the_wrong_place_is_not_repeated() {
        for shape in [Shape::Text, Shape::Property, Shape::Servers, Shape::Flag, Shape::Whole { min: 0, max: 1 }] {
            let message = shape.check("HRKU-0123").unwrap_err();
            assert!(message.contains("heroku.token_file") && !message.contains("0123"), "{message}");
        }
    }

    #[test]
    fn an_api_without_tls_is_only_ever_on_this_machine() {
        accepts(
            Shape::Url,
            &[
                "https://api.heroku.com",
                "https://api.heroku.com/",
                "http://127.0.0.1:5000",
                "http://[::1]:80",
                "http://localhost:5000",
            ],
        );
        refuses(
            Shape::Url,
            &[
                "api.heroku.com",
                "http://api.heroku.com",
                "http://127.0.0.1.evil.example",
                "http://localhost.evil.example",
                "http://127.0.0.1@evil.example",
                "https://",
                "https://api.heroku.com/v3",
                "https://user@api.heroku.com",
            ],
        );
    }

    #[test]
    fn a_registry_may_lie_behind_a_path_but_holds_no_credentials() {
        accepts(Shape::BaseUrl, &["http://registry:8081", "https://registry.example/apis/ccompat/v7/"]);
        refuses(
            Shape::BaseUrl,
            &["registry:8081", "https://", "https:///x", "https://user:pass@registry", "http://r/?x=1", "ftp://r"],
        );
    }

    #[test]
    fn a_directory_may_lie_behind_a_path_and_without_tls_only_on_this_machine() {
        accepts(Shape::ServiceUrl, &["https://idp.example/scim/v2", "http://127.0.0.1:8080/scim", "http://[::1]/"]);
        refuses(
            Shape::ServiceUrl,
            &["http://idp.example/scim", "http://127.0.0.1.evil.example/", "https://u:p@idp.example", "https://idp/?x"],
        );
    }

    #[test]
    fn a_page_without_tls_is_only_ever_on_this_machine() {
        accepts(
            Shape::PageUrl,
            &[
                "https://idp.example/jwks.json",
                "https://idp.example/keys?v=1",
                "http://127.0.0.1:5000/jwks",
                "https://idp.example",
            ],
        );
        refuses(
            Shape::PageUrl,
            &[
                "idp.example/jwks.json",
                "http://idp.example/jwks.json",
                "http://127.0.0.1@idp.example/jwks",
                "https://u:p@idp.example/jwks",
                "http://localhost\\.evil.example/",
                "https:///jwks",
                "https://?jwks",
                "https://idp.example/a b",
                "file:///etc/passwd",
            ],
        );
    }

    #[test]
    fn a_domain_is_a_whole_name_in_lower_case() {
        accepts(Shape::Domain, &["larkspur.example", "a-b.c.example", "bücher.example", "xn--bcher-kva.example"]);
        refuses(
            Shape::Domain,
            &[
                "",
                "example",
                "@larkspur.example",
                "*.larkspur.example",
                "Larkspur.example",
                "a..b",
                ".a.b",
                "-a.b",
                "a.b.",
                "herokumanager.com",
                "xn--0.example",
                "b／c.example",
            ],
        );
    }

    #[test]
    fn a_log_filter_is_one_that_the_log_understands() {
        accepts(Shape::LogFilter, &["info", "info,heroku_deprovisioner::kafka=debug"]);
        refuses(Shape::LogFilter, &["info,kafka=loud", "a=b=c"]);
    }

    #[test]
    fn servers_have_a_port_each() {
        accepts(Shape::Servers, &["broker-1:9092", "a:1,b:2", "[::1]:9092"]);
        refuses(Shape::Servers, &["", "broker-1", "a:1,,b:2", "a:0", "a:70000", "kafka://a:9092"]);
    }

    #[test]
    fn a_start_is_a_word_or_a_moment() {
        accepts(Shape::StartAt, &["earliest", "latest", "2026-06-01T00:00:00Z", "2026-06-01T02:00:00+02:00"]);
        refuses(Shape::StartAt, &["beginning", "2026-06-01", "2026-06-01T00:00:00"]);
    }
}
