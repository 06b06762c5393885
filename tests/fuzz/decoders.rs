//! What each decoder is held to, whatever it is given: no panic, no more memory than [`allocation`] allows, and what
//! the function of its target asserts. The fuzz targets and the test on stable run the same functions.
//!
//! [`allocation`]: super::allocation

#[path = "decoders/framed.rs"]
mod framed;
#[cfg(feature = "service")]
#[path = "decoders/heroku.rs"]
mod heroku;
#[path = "decoders/paging.rs"]
mod paging;
#[path = "decoders/records.rs"]
mod records;
#[path = "decoders/sources.rs"]
mod sources;
#[path = "decoders/worker.rs"]
mod worker;

/// A decoder with all that is asserted of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Also the name of its folder in `corpus/`.
    pub(crate) name: &'static str,
    /// Panics when the input breaks something.
    pub(crate) run: fn(&[u8]),
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "envelope", run: sources::envelope },
    Target { name: "canonical", run: sources::canonical },
    Target { name: "okta", run: sources::okta },
    Target { name: "xml", run: sources::xml },
    Target { name: "framed", run: framed::framed },
    Target { name: "schema", run: framed::schema },
    Target { name: "event", run: records::event },
    Target { name: "state", run: records::state },
    Target { name: "command", run: records::command },
    Target { name: "outcome", run: records::outcome },
    Target { name: "range", run: paging::range },
    #[cfg(feature = "service")]
    Target { name: "heroku_list", run: heroku::list },
    #[cfg(feature = "service")]
    Target { name: "heroku_reply", run: heroku::reply },
    #[cfg(feature = "service")]
    Target { name: "trace", run: heroku::trace },
];

/// Runs the target of that name.
///
/// # Panics
/// When there is none, or when the input breaks something.
#[cfg_attr(test, expect(dead_code, reason = "the test on stable runs all of them"))]
pub(crate) fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("no target {name}")).run)(input);
}

/// Lines of `name: value` and, behind an empty line, what they are about; as HTTP writes both.
struct Headed<'a> {
    head: Vec<(&'a str, Option<&'a [u8]>)>,
    body: &'a [u8],
}

impl<'a> Headed<'a> {
    /// Without an empty line all of it is the body. A line without a colon is a name without a value.
    fn of(input: &'a [u8]) -> Self {
        let Some(end) = input.windows(2).position(|pair| pair == b"\n\n") else {
            return Self { head: Vec::new(), body: input };
        };
        let head = input[..end].split(|byte| *byte == b'\n').filter_map(|line| {
            let (name, value) = match line.iter().position(|byte| *byte == b':') {
                Some(colon) => {
                    (&line[..colon], Some(line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])))
                }
                None => (line, None),
            };
            Some((std::str::from_utf8(name).ok()?, value))
        });
        Self { head: head.collect(), body: &input[end + 2..] }
    }
}

/// A text that may stand in a header, a line of a log or a terminal.
fn assert_plain(what: &str, text: &str) {
    assert!(!text.chars().any(char::is_control), "{what} holds a control character: {text:?}");
}
