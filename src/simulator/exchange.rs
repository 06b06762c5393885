//! One request through Heroku's front door: who calls, may they, what is answered, with which headers.
//!
//! Pure: no socket and no clock. [`super::server`] feeds it.

use std::hash::{DefaultHasher, Hasher};

use jiff::Timestamp;

use super::access::Caller;
use super::call::{Call, segments};
use super::credentials;
use super::faults::{Canned, CannedBody, Deformation, ErrorKind, Faults, ROUTER_PAGE, Verdict};
use super::journal::{Journal, Recorded, Removed, Status, Unanswered};
use super::range::Range;
use super::rate_limit::{Pools, RateLimit};
use super::read::{Found, List};
use super::refusal::Refusal;
use super::state::{Scope, World};
use super::views::View;
use crate::model::ids::computed;

/// A whole Heroku: the world and what surrounds it.
#[derive(Debug)]
pub struct Heroku {
    /// Who may reach what.
    pub world: World,
    /// Request tokens.
    pub pools: Pools,
    /// What goes wrong.
    pub faults: Faults,
    /// What happened.
    pub journal: Journal,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Method.
    pub method: String,
    /// Path, not decoded.
    pub path: String,
    /// Query, not decoded; empty if there is none.
    pub query: String,
    /// `Authorization`
    pub authorization: Option<String>,
    /// `Accept`
    pub accept: Option<String>,
    /// `Range`
    pub range: Option<String>,
    /// `If-None-Match`
    pub if_none_match: Option<String>,
    /// `If-Match`
    pub if_match: Option<String>,
    /// `Request-Id`
    pub request_id: Option<String>,
    /// `traceparent`
    pub traceparent: Option<String>,
    /// `User-Agent`
    pub user_agent: Option<String>,
    /// Body.
    pub body: Vec<u8>,
}

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, without `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// What a call came to, before the headers that every answer has.
struct Outcome {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
    /// Where a page begins, for the fault that repeats it.
    same_range: Option<String>,
    changed: bool,
    removed: Vec<Removed>,
    destructive: bool,
}

impl Heroku {
    /// A Heroku in which nothing has been asked yet.
    pub fn new(world: World, limit: RateLimit) -> Self {
        Self { world, pools: Pools::new(limit), faults: Faults::default(), journal: Journal::default() }
    }

    /// A request arrives: it is recorded, and the fault rules say what will happen to it.
    pub fn arrive(&mut self, asked: &Asked, now: Timestamp) -> (u64, Verdict) {
        let account = asked.token().and_then(|token| self.world.caller(&token, now).ok());
        let account = account.map(|caller| self.world.email_of(caller.account).to_owned());
        let path =
            segments(&asked.path).map_or_else(|| asked.path.clone(), |decoded| format!("/{}", decoded.join("/")));
        let verdict = self.faults.judge(&asked.method, &path, account.as_deref());
        let query = if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
        let sequence = self.journal.open(Recorded {
            sequence: 0,
            at: now,
            effect_at: None,
            answered_at: None,
            method: asked.method.clone(),
            path: format!("{}{query}", asked.path),
            account,
            status: Status::Without(Unanswered::Pending),
            request_id: asked.request_id.clone(),
            traceparent: asked.traceparent.clone(),
            user_agent: asked.user_agent.clone(),
            changed: false,
            removed: Vec::new(),
            destructive: false,
            faults: verdict.rules.clone(),
        });
        (sequence, verdict)
    }

    /// The request takes effect. `verdict` is what [`Self::arrive`] said.
    pub fn serve(&mut self, asked: &Asked, sequence: u64, verdict: &Verdict, now: Timestamp) -> Answer {
        for change in &verdict.before {
            // A rule may name what is no longer there, for instance an invitation that was revoked before.
            let _ = self.world.happen(change, now);
        }
        let answer = self.answer(asked, sequence, verdict, now);
        for change in &verdict.after {
            let _ = self.world.happen(change, now);
        }
        answer
    }

    fn answer(&mut self, asked: &Asked, sequence: u64, verdict: &Verdict, now: Timestamp) -> Answer {
        let call = asked.call();
        let caller = asked.token().ok_or(Refusal::Unauthorized).and_then(|token| self.world.caller(&token, now));
        let mut headers = vec![
            ("Request-Id".to_owned(), asked.request_ids(sequence)),
            ("Cache-Control".to_owned(), "private, no-cache".to_owned()),
            ("Vary".to_owned(), "Authorization,Accept-Encoding".to_owned()),
            ("X-Content-Type-Options".to_owned(), "nosniff".to_owned()),
            ("X-Runtime".to_owned(), "0.004217".to_owned()),
            ("Via".to_owned(), "1.1 spaces-router".to_owned()),
        ];
        let outcome = match (&caller, verdict.error) {
            (Err(refusal), _) => Outcome::refused(refusal),
            (Ok(_), Some(ErrorKind::Unauthorized)) => Outcome::refused(&Refusal::Unauthorized),
            (Ok(caller), _) => self.charged(asked, caller, call.as_ref(), verdict, now),
        };
        self.journal.take_effect(sequence, now, outcome.changed, &outcome.removed, outcome.destructive);
        if let Ok(caller) = &caller
            && outcome.status != 401
        {
            let accepted = call.as_ref().map_or(&[Scope::Global][..], Call::accepted_scopes);
            headers.push(("Oauth-Scope".to_owned(), words(caller.scopes.iter().copied())));
            headers.push(("Oauth-Scope-Accepted".to_owned(), words(accepted.iter().copied())));
            let remaining = self.pools.remaining(caller.account, now);
            headers.push(("RateLimit-Remaining".to_owned(), remaining.to_string()));
            headers.push(("RateLimit-Multiplier".to_owned(), "1".to_owned()));
        }
        spoil(outcome, headers, verdict)
    }

    /// A call of somebody known: it costs a token, whatever comes of it.
    fn charged(
        &mut self,
        asked: &Asked,
        caller: &Caller,
        call: Result<&Call, &Refusal>,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Outcome {
        if let Some(remaining) = verdict.drain_to {
            self.pools.drain(caller.account, remaining, now);
        }
        if verdict.error == Some(ErrorKind::RateLimit) {
            return self.limited(1);
        }
        if !call.is_ok_and(Call::is_free)
            && let Err(seconds) = self.pools.take(caller.account, now)
        {
            return self.limited(seconds);
        }
        if let Some(kind) = verdict.error {
            return Outcome::refused(&kind.refusal());
        }
        if let Some(canned) = &verdict.answer {
            return Outcome::canned(canned);
        }
        let destructive = match call {
            Ok(Call::Destructive(_)) => true,
            Ok(Call::Change(change)) => self.world.aims_at_caller(caller, change),
            Ok(Call::Read(_)) | Err(_) => false,
        };
        let outcome = self.checked(asked, caller, call, now).unwrap_or_else(|refusal| Outcome::refused(&refusal));
        if outcome.status == 304 && !self.world.switches.not_modified_costs {
            self.pools.give_back(caller.account);
        }
        Outcome { destructive, ..outcome }
    }

    fn limited(&self, seconds: u32) -> Outcome {
        let mut outcome = Outcome::refused(&Refusal::RateLimited);
        if self.world.switches.retry_after {
            outcome.headers.push(("Retry-After", seconds.to_string()));
        }
        outcome
    }

    fn checked(
        &mut self,
        asked: &Asked,
        caller: &Caller,
        call: Result<&Call, &Refusal>,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let variant = accepted_variant(asked.accept.as_deref()).ok_or(Refusal::NotAcceptable)?;
        let variant = variant.as_deref();
        let call = call.map_err(Refusal::clone)?;
        self.world.usable(caller)?;
        if !call.accepted_scopes().iter().any(|scope| caller.scopes.contains(scope)) {
            return Err(Refusal::Scope);
        }
        match call {
            Call::Destructive(what) => Err(Refusal::Forbidden(format!(
                "The simulator records an attempt to {what}, and never carries it out."
            ))),
            Call::Change(change) => {
                let done = self.world.change(caller, change, variant, now)?;
                Ok(Outcome { changed: done.changed, removed: done.removed, ..Outcome::of(done.status, done.body) })
            }
            Call::Read(read) => match self.world.read(caller, read, variant, now)? {
                Found::RateLimits => {
                    let remaining = self.pools.remaining(caller.account, now);
                    Ok(Outcome::of(200, json(&serde_json::json!({"remaining": remaining}))))
                }
                Found::One(view) => tagged(asked, Outcome::of(200, json(&view))),
                Found::List(list) => self.page(asked, list),
            },
        }
    }

    fn page(&self, asked: &Asked, list: List<'_>) -> Result<Outcome, Refusal> {
        let switches = &self.world.switches;
        let accept_ranges = list.orders.iter().map(|order| order.as_str()).collect::<Vec<_>>().join(", ");
        let range = match asked.range.as_deref() {
            Some(header) => Range::parse(header, list.orders)?,
            None => Range::whole(list.orders[0]),
        };
        let size = if switches.unpaged.contains(&list.name) {
            u32::MAX
        } else {
            range.page_size(switches.page_sizes.get(&list.name).copied(), switches.range_above_maximum)?
        };
        let rows = list.rows.into_iter().map(|row| (row.value(range.attribute), row.view)).collect();
        let page = range.cut::<View<'_>>(rows, size);
        let status = if page.next_range.is_some() { 206 } else { 200 };
        let empty = page.rows.is_empty();
        let mut outcome = Outcome::of(status, json(&page.rows));
        outcome.headers.push(("Accept-Ranges", accept_ranges));
        outcome.headers.extend(page.content_range.map(|range| ("Content-Range", range)));
        outcome.headers.extend(page.next_range.map(|range| ("Next-Range", range)));
        outcome.same_range = page.same_range;
        // An empty list was recorded without a tag.
        let mut outcome = if empty { outcome } else { tagged(asked, outcome)? };
        if outcome.status == 304 && !switches.next_range_on_not_modified {
            outcome.headers.retain(|(name, _)| *name != "Next-Range");
        }
        Ok(outcome)
    }
}

impl Outcome {
    fn of(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            body,
            headers: vec![("Content-Type", "application/json".to_owned())],
            same_range: None,
            changed: false,
            removed: Vec::new(),
            destructive: false,
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        let mut outcome = Self::of(refusal.status(), refusal.body());
        if *refusal == Refusal::TwoFactor {
            outcome.headers.push(("Heroku-Two-Factor-Required", "true".to_owned()));
        }
        outcome
    }

    fn canned(canned: &Canned) -> Self {
        let (kind, body) = canned_body(&canned.body);
        Self {
            headers: kind.map(|kind| ("Content-Type", kind.to_owned())).into_iter().collect(),
            ..Self::of(canned.status, body)
        }
    }
}

impl Asked {
    fn token(&self) -> Option<String> {
        credentials::token(self.authorization.as_deref()?)
    }

    fn call(&self) -> Result<Call, Refusal> {
        let segments = segments(&self.path)
            .ok_or_else(|| Refusal::BadRequest("The path holds an invalid percent-encoding.".to_owned()))?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        Call::parse(&self.method, &segments, &self.query, &self.body)
    }

    /// The client's id first, then those of two servers behind it.
    fn request_ids(&self, sequence: u64) -> String {
        let own = |hop: &str| computed(&["request", hop, &sequence.to_string()]).to_string();
        let ids = [own("router"), own("api")].join(",");
        match &self.request_id {
            Some(theirs) => format!("{theirs},{ids}"),
            None => ids,
        }
    }
}

/// Which variant of version 3 an `Accept` header asks for: `Some(None)` is plain, `None` is not version 3.
fn accepted_variant(accept: Option<&str>) -> Option<Option<String>> {
    accept?.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("application/vnd.heroku+json") {
            return None;
        }
        let version = parts.find_map(|part| part.strip_prefix("version="))?;
        match version.split_once('.') {
            None if version == "3" => Some(None),
            Some(("3", variant)) if !variant.is_empty() => Some(Some(variant.to_owned())),
            None | Some(_) => None,
        }
    })
}

/// Adds the tag of a body, and answers 304 or 412 when the request asks for that.
fn tagged(asked: &Asked, mut outcome: Outcome) -> Result<Outcome, Refusal> {
    let tag = format!("\"{}\"", computed_tag(&outcome.body));
    if asked.if_match.as_deref().is_some_and(|wanted| wanted != "*" && wanted != tag) {
        return Err(Refusal::PreconditionFailed);
    }
    if asked.if_none_match.as_deref() == Some(&tag) {
        outcome.status = 304;
        outcome.body.clear();
    }
    outcome.headers.push(("ETag", tag));
    outcome.headers.push(("Last-Modified", "Fri, 01 Mar 2024 09:00:00 GMT".to_owned()));
    Ok(outcome)
}

/// 32 hex digits that differ when the body does.
fn computed_tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    let first = hasher.finish();
    hasher.write_u64(first);
    format!("{first:016x}{:016x}", hasher.finish())
}

/// The answer as it goes out, spoiled where a fault says so.
fn spoil(mut outcome: Outcome, mut headers: Vec<(String, String)>, verdict: &Verdict) -> Answer {
    if let Some(canned) = &verdict.answer_after_effect {
        outcome = Outcome { same_range: None, ..Outcome::canned(canned) };
        headers.extend(canned.headers.iter().cloned());
    } else if let Some(canned) = &verdict.answer {
        headers.extend(canned.headers.iter().cloned());
    }
    if let Some(deformation) = verdict.deformation
        && (200..300).contains(&outcome.status)
    {
        match deformation {
            Deformation::TruncatedBody => outcome.body.truncate(outcome.body.len() / 2),
            Deformation::LostNextRange => outcome.headers.retain(|(name, _)| *name != "Next-Range"),
            Deformation::RepeatedNextRange => {
                if let Some(same) = outcome.same_range.take() {
                    outcome.headers.retain(|(name, _)| *name != "Next-Range");
                    outcome.headers.push(("Next-Range", same));
                    outcome.status = 206;
                }
            }
            Deformation::Html200 => {
                outcome.status = 200;
                outcome.body = ROUTER_PAGE.as_bytes().to_vec();
                outcome.headers = vec![("Content-Type", "text/html; charset=utf-8".to_owned())];
            }
        }
    }
    let mut answer = Answer { status: outcome.status, headers, body: outcome.body };
    answer.headers.extend(outcome.headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
    answer
}

fn canned_body(body: &CannedBody) -> (Option<&'static str>, Vec<u8>) {
    match body {
        CannedBody::Empty => (None, Vec::new()),
        CannedBody::Json(value) => (Some("application/json"), json(value)),
        CannedBody::Html(page) => {
            let page = if page.is_empty() { ROUTER_PAGE } else { page };
            (Some("text/html; charset=utf-8"), page.as_bytes().to_vec())
        }
        CannedBody::Text(text) => (Some("text/plain"), text.as_bytes().to_vec()),
    }
}

fn words(scopes: impl Iterator<Item = Scope>) -> String {
    scopes.map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("views are plain data")
}

#[cfg(test)]
mod tests {
    use super::super::state::BEGINNING;
    use super::*;

    fn heroku() -> Heroku {
        let world = World::new(1)
            .with_token("t", "bot@larkspur.example")
            .with_team("payments")
            .with_member("payments", "bot@larkspur.example", "admin")
            .with_member("payments", "priya@larkspur.example", "member");
        Heroku::new(world, RateLimit { capacity: 10, refill_per_minute: 75 })
    }

    fn asked(method: &str, path: &str) -> Asked {
        Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            authorization: Some("Bearer t".to_owned()),
            accept: Some("application/vnd.heroku+json; version=3".to_owned()),
            ..Asked::default()
        }
    }

    fn serve(heroku: &mut Heroku, asked: &Asked) -> Answer {
        let (sequence, verdict) = heroku.arrive(asked, BEGINNING);
        heroku.serve(asked, sequence, &verdict, BEGINNING)
    }

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_accept_header_names_version_3_or_a_variant_of_it() {
        let variant = |text: &str| accepted_variant(Some(text));
        assert_eq!(variant("application/vnd.heroku+json; version=3"), Some(None));
        assert_eq!(variant("application/vnd.heroku+json;version=3.sdk"), Some(Some("sdk".to_owned())));
        assert_eq!(variant("text/html, application/vnd.heroku+json; version=3"), Some(None));
        for wrong in
            ["application/json", "application/vnd.heroku+json", "application/vnd.heroku+json; version=2", "*/*"]
        {
            assert_eq!(variant(wrong), None, "{wrong}");
        }
        assert_eq!(accepted_variant(None), None);
    }

    #[test]
    fn a_stranger_gets_401_without_any_word_of_a_rate_limit() {
        let mut heroku = heroku();
        let stranger = Asked { authorization: Some("Bearer wrong".to_owned()), ..asked("GET", "/account") };
        let answer = serve(&mut heroku, &stranger);
        assert_eq!(answer.status, 401);
        assert_eq!(answer.body, br#"{"id":"unauthorized","message":"Invalid credentials provided."}"#);
        assert_eq!(header(&answer, "RateLimit-Remaining"), None);
        assert_eq!(header(&serve(&mut heroku, &asked("GET", "/account")), "RateLimit-Remaining"), Some("9"));
    }

    #[test]
    fn a_refused_call_costs_a_token_and_asking_for_the_rest_does_not() {
        let mut heroku = heroku();
        let remaining = |answer: &Answer| header(answer, "RateLimit-Remaining").map(str::to_owned).unwrap();
        assert_eq!(remaining(&serve(&mut heroku, &asked("GET", "/teams/none"))), "9");
        let limits = serve(&mut heroku, &asked("GET", "/account/rate-limits"));
        assert_eq!((remaining(&limits).as_str(), limits.body.as_slice()), ("9", &br#"{"remaining":9}"#[..]));
        for _ in 0..9 {
            serve(&mut heroku, &asked("GET", "/account"));
        }
        assert_eq!(serve(&mut heroku, &asked("GET", "/account")).status, 429);
        assert_eq!(serve(&mut heroku, &asked("GET", "/account/rate-limits")).status, 200);
    }

    #[test]
    fn a_scope_that_is_too_small_is_refused_and_named() {
        let mut heroku = heroku();
        heroku.world.add_token("small", "bot@larkspur.example", &[Scope::Read], None);
        let small = |path| Asked { authorization: Some("Bearer small".to_owned()), ..asked("GET", path) };
        let members = serve(&mut heroku, &small("/teams/payments/members"));
        assert_eq!(members.status, 403);
        assert_eq!(header(&members, "Oauth-Scope-Accepted"), Some("global"));
        let apps = serve(&mut heroku, &small("/teams/payments/apps"));
        assert_eq!(apps.status, 200);
        assert_eq!(header(&apps, "Oauth-Scope-Accepted"), Some("global read read-protected write write-protected"));
    }

    #[test]
    fn the_same_body_is_not_sent_twice_when_the_client_has_it() {
        let mut heroku = heroku();
        let first = serve(&mut heroku, &asked("GET", "/teams/payments"));
        let tag = header(&first, "ETag").unwrap().to_owned();
        assert_eq!(tag.len(), 34);
        let again = Asked { if_none_match: Some(tag), ..asked("GET", "/teams/payments") };
        let second = serve(&mut heroku, &again);
        assert_eq!((second.status, second.body.len()), (304, 0));
        let stale = Asked { if_match: Some("\"0\"".to_owned()), ..asked("GET", "/teams/payments") };
        assert_eq!(serve(&mut heroku, &stale).status, 412);
    }

    #[test]
    fn a_destructive_call_is_recorded_and_changes_nothing() {
        let mut heroku = heroku();
        assert_eq!(serve(&mut heroku, &asked("DELETE", "/teams/payments")).status, 403);
        assert!(heroku.world.team("payments").is_some());
        let record = heroku.journal.records().next().unwrap();
        assert!(record.destructive && !record.changed);
    }

    #[test]
    fn what_a_delete_took_away_stands_in_the_journal() {
        let mut heroku = heroku();
        let path = "/teams/payments/members/priya@larkspur.example";
        serve(&mut heroku, &asked("DELETE", path));
        let record = heroku.journal.records().next().unwrap();
        assert!(record.changed);
        assert_eq!(record.removed[0].email, "priya@larkspur.example");
        assert_eq!(record.removed[0].parent.name(), "payments");
        serve(&mut heroku, &asked("DELETE", path));
        assert!(!heroku.journal.records().nth(1).unwrap().changed);
    }
}
