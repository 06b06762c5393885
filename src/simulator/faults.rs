//! Rules that spoil chosen requests. Deciding is pure; [`super::server`] carries the verdict out.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::world_change::WorldChange;

/// Rules in the order in which they are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Faults {
    rules: Vec<Rule>,
}

/// Which requests, and what happens to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stands in the record of each request that the rule touched.
    #[serde(default)]
    pub name: String,
    /// Which requests.
    #[serde(default)]
    pub when: When,
    /// What happens, in any order.
    pub then: Vec<Fault>,
    /// Requests that fitted so far.
    #[serde(default)]
    pub fitted: u64,
}

/// Which requests a rule is for. What is left out fits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// `GET`, `DELETE` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The decoded path without its query; `*` stands for any text without a slash, `**` for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The address of the account that calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// So many fitting requests pass first.
    pub skip: u64,
    /// So many are touched then; left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// It is refused as Heroku would, without effect.
    Error(ErrorKind),
    /// It is answered with this, without effect.
    Answer(Canned),
    /// It takes effect, and is then answered with this all the same.
    AnswerAfterEffect(Canned),
    /// The connection is cut without an answer, before any effect.
    CutBeforeEffect,
    /// It takes effect; the connection is cut without an answer.
    CutAfterEffect,
    /// It takes effect; the connection is cut in the middle of the answer's body.
    CutInBody,
    /// It waits so many milliseconds before it takes effect.
    DelayMs(u64),
    /// It waits before it takes effect.
    HoldRequest(Hold),
    /// It takes effect; the answer is withheld.
    HoldAnswer(Hold),
    /// The body of a 2xx answer ends in the middle, as if that were all.
    TruncatedBody,
    /// `Next-Range` is left out of a page that is not the last.
    LostNextRange,
    /// `Next-Range` leads back to the same page, again and again.
    RepeatedNextRange,
    /// A 2xx answer becomes a 200 whose body is a web page.
    Html200,
    /// Something happens on Heroku just before the request takes effect.
    Before(WorldChange),
    /// Something happens on Heroku just after the request took effect.
    After(WorldChange),
    /// The calling account has only so many tokens left: other automation used them.
    DrainTo(u32),
}

/// How long something is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hold {
    /// At most so many milliseconds; left out: until `POST /_simulator/release`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

/// An error by Heroku's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is Heroku's own id of an error")]
pub enum ErrorKind {
    BadRequest,
    Unauthorized,
    Delinquent,
    Forbidden,
    Suspended,
    TwoFactor,
    NotFound,
    NotAcceptable,
    Conflict,
    Gone,
    InvalidParams,
    RateLimit,
    InternalServerError,
    ServiceUnavailable,
}

impl ErrorKind {
    /// As a refusal.
    pub fn refusal(self) -> Refusal {
        let injected = || "Injected by a fault rule.".to_owned();
        match self {
            Self::BadRequest => Refusal::BadRequest(injected()),
            Self::Unauthorized => Refusal::Unauthorized,
            Self::Delinquent => Refusal::Delinquent,
            Self::Forbidden => Refusal::Forbidden(injected()),
            Self::Suspended => Refusal::Suspended,
            Self::TwoFactor => Refusal::TwoFactor,
            Self::NotFound => Refusal::NotFound("resource"),
            Self::NotAcceptable => Refusal::NotAcceptable,
            Self::Conflict => Refusal::Conflict(injected()),
            Self::Gone => Refusal::Gone,
            Self::InvalidParams => Refusal::InvalidParams(injected()),
            Self::RateLimit => Refusal::RateLimited,
            Self::InternalServerError => Refusal::Internal,
            Self::ServiceUnavailable => Refusal::Unavailable,
        }
    }
}

/// A prepared answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canned {
    /// HTTP status.
    pub status: u16,
    /// What stands in it.
    #[serde(default)]
    pub body: CannedBody,
    /// Headers beside the usual ones, such as `Retry-After` or `Location`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

/// The body of a prepared answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CannedBody {
    /// Nothing.
    #[default]
    Empty,
    /// JSON.
    Json(serde_json::Value),
    /// A web page; an empty text is the router's own.
    Html(String),
    /// Plain text.
    Text(String),
}

/// The page that Heroku's router shows when nothing behind it answers.
pub const ROUTER_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Application Error</title></head>\
<body><h1>Application error</h1><p>An error occurred in the application.</p></body></html>\n";

/// Everything that happens to one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `Fault`, in the order of a request's life")]
pub struct Verdict {
    pub rules: Vec<String>,
    pub delay_ms: u64,
    pub hold_request: Option<Hold>,
    pub drain_to: Option<u32>,
    pub before: Vec<WorldChange>,
    pub cut_before_effect: bool,
    pub error: Option<ErrorKind>,
    pub answer: Option<Canned>,
    pub after: Vec<WorldChange>,
    pub hold_answer: Option<Hold>,
    pub answer_after_effect: Option<Canned>,
    pub deformation: Option<Deformation>,
    pub cut: Option<Cut>,
}

/// How a 2xx answer is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Fault`")]
pub enum Deformation {
    TruncatedBody,
    LostNextRange,
    RepeatedNextRange,
    Html200,
}

/// Where a connection is cut after the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the first byte of the answer.
    BeforeAnswer,
    /// In the middle of its body.
    InBody,
}

impl Faults {
    /// Rules in this order.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// What happens to this request. Each rule that fits counts it; those that are due add their faults. Of two faults
    /// of a kind, the later rule's wins.
    pub fn judge(&mut self, method: &str, path: &str, account: Option<&str>) -> Verdict {
        let mut verdict = Verdict::default();
        for rule in &mut self.rules {
            if !rule.when.fits(method, path, account) {
                continue;
            }
            rule.fitted += 1;
            let due = rule.fitted > rule.when.skip
                && rule.when.times.is_none_or(|times| rule.fitted <= rule.when.skip.saturating_add(times));
            if due {
                verdict.rules.push(rule.name.clone());
                rule.then.iter().for_each(|fault| verdict.add(fault));
            }
        }
        verdict
    }
}

impl When {
    fn fits(&self, method: &str, path: &str, account: Option<&str>) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|pattern| matches(pattern.as_bytes(), path.as_bytes()))
            && self.account.as_deref().is_none_or(|wanted| account.is_some_and(|it| it.eq_ignore_ascii_case(wanted)))
    }
}

impl Verdict {
    fn add(&mut self, fault: &Fault) {
        match fault {
            Fault::Error(kind) => self.error = Some(*kind),
            Fault::Answer(canned) => self.answer = Some(canned.clone()),
            Fault::AnswerAfterEffect(canned) => self.answer_after_effect = Some(canned.clone()),
            Fault::CutBeforeEffect => self.cut_before_effect = true,
            Fault::CutAfterEffect => self.cut = Some(Cut::BeforeAnswer),
            Fault::CutInBody => self.cut = Some(Cut::InBody),
            Fault::DelayMs(ms) => self.delay_ms = *ms,
            Fault::HoldRequest(hold) => self.hold_request = Some(*hold),
            Fault::HoldAnswer(hold) => self.hold_answer = Some(*hold),
            Fault::TruncatedBody => self.deformation = Some(Deformation::TruncatedBody),
            Fault::LostNextRange => self.deformation = Some(Deformation::LostNextRange),
            Fault::RepeatedNextRange => self.deformation = Some(Deformation::RepeatedNextRange),
            Fault::Html200 => self.deformation = Some(Deformation::Html200),
            Fault::Before(change) => self.before.push(change.clone()),
            Fault::After(change) => self.after.push(change.clone()),
            Fault::DrainTo(remaining) => self.drain_to = Some(*remaining),
        }
    }
}

/// Whether `pattern` describes all of `text`: `*` any run without a slash, `**` any run.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|end| matches(rest, &text[end..])),
        [b'*', rest @ ..] => {
            let run = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=run).any(|end| matches(rest, &text[end..]))
        }
        [first, rest @ ..] => text.split_first().is_some_and(|(byte, text)| byte == first && matches(rest, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: &str) -> Faults {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_pattern_describes_the_whole_path() {
        for (pattern, path, fits) in [
            ("/teams/*/members/*", "/teams/payments/members/priya@larkspur.example", true),
            ("/teams/*/members", "/teams/payments/members/priya@larkspur.example", false),
            ("/teams/*", "/teams/payments/members", false),
            ("/teams/**", "/teams/payments/members", true),
            ("**/collaborators/*", "/teams/apps/x/collaborators/y", true),
            ("/apps/pay*/collaborators", "/apps/payments-api/collaborators", true),
            ("/teams", "/teams", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn a_rule_skips_and_then_ends() {
        let mut faults =
            faults(r#"[{"when": {"method": "delete", "skip": 1, "times": 2}, "then": ["cut_after_effect"]}]"#);
        let touched: Vec<bool> =
            (0..5).map(|_| faults.judge("DELETE", "/x", None).cut == Some(Cut::BeforeAnswer)).collect();
        assert_eq!(touched, [false, true, true, false, false]);
        assert_eq!(faults.judge("GET", "/x", None), Verdict::default());
    }

    #[test]
    fn rules_add_up_and_name_themselves() {
        let mut faults = faults(
            r#"[{"name": "slow", "then": [{"delay_ms": 20}]},
                {"name": "busy", "when": {"account": "Bot@larkspur.example"}, "then": [{"error": "rate_limit"}]},
                {"name": "other", "when": {"account": "x@y"}, "then": [{"delay_ms": 1}]}]"#,
        );
        let verdict = faults.judge("GET", "/teams", Some("bot@larkspur.example"));
        assert_eq!((verdict.delay_ms, verdict.error), (20, Some(ErrorKind::RateLimit)));
        assert_eq!(verdict.rules, ["slow", "busy"]);
        assert_eq!(faults.judge("GET", "/teams", None).rules, ["slow"]);
    }

    #[test]
    fn every_fault_can_be_written() {
        let rules = faults(
            r#"[{"then": [
                {"error": "unauthorized"}, {"answer": {"status": 503, "body": {"html": ""}}},
                {"answer_after_effect": {"status": 502, "headers": [["Retry-After", "3"]]}},
                "cut_before_effect", "cut_after_effect", "cut_in_body", {"delay_ms": 5},
                {"hold_request": {}}, {"hold_answer": {"ms": 50}}, "truncated_body", "lost_next_range",
                "repeated_next_range", "html200", {"drain_to": 3},
                {"before": {"accept_invitation": {"team": "payments", "email": "a@b.example"}}},
                {"after": {"put_member": {"team": "payments", "email": "a@b.example", "role": "member"}}}]}]"#,
        );
        let again: Faults = serde_json::from_str(&serde_json::to_string(&rules).unwrap()).unwrap();
        assert_eq!(again, rules);
    }
}
