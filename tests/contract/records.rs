//! One story told in records: Priya Raman leaves. Her access goes, except for a personal app. The documentation
//! shows these values; `full` ones carry every member that there is, `minimal` ones no more than they must.

use heroku_deprovisioner::model::event::{
    Action, Actor, ActorKind, Address, AddressKind, Authenticity, Basis, Boundary, Cancels, Effective, ExternalId,
    IdentityChange, PersonEvent, SourceRef, Subject, WorkerType,
};
use heroku_deprovisioner::model::ids::computed;
use heroku_deprovisioner::model::outcome::{
    AccessAfter, AccessLook, AttemptPart, CaseClosed, CaseProgress, CaseResult, CausePart, CoveragePart, Decision,
    ExecutedBy, FollowUp, GrantPart, GrantRevoked, GuardVerdict, Hold, HoldReason, Mode, Outcome, OutcomeKind,
    OutcomeRecord, PersonPart, Residual, SeenGrant, Settled, TimesPart,
};
use heroku_deprovisioner::model::world::{Evidence, Reply, Unread};
use heroku_deprovisioner::model::{
    AccountId, AppId, CaseId, Email, GrantId, IntentId, OutcomeId, Parent, PersonId, SubjectKey, Surface, TeamId,
};
use jiff::Timestamp;

const SUBJECT: &str = "okta:larkspur.okta.com:00u8p1r1yaR4m4n0h801";
const EVENT_ID: &str = "7a1df5c6-5b66-11f1-9c1f-4b1d6b4f6a01";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01";

/// Every kind of outcome, as the documentation shows it.
pub(crate) fn examples() -> Vec<OutcomeRecord> {
    vec![
        record(OutcomeKind::CaseOpened, "2026-05-29T14:03:14.180Z", Outcome::Progress(Box::new(opened()))),
        record(OutcomeKind::CaseHeld, "2026-05-29T14:03:18.902Z", Outcome::Progress(Box::new(held()))),
        record(OutcomeKind::CaseResumed, "2026-05-29T16:40:21.377Z", Outcome::Progress(Box::new(resumed()))),
        record(OutcomeKind::CaseOverdue, "2026-05-30T14:03:13.207Z", Outcome::Progress(Box::new(overdue()))),
        record(OutcomeKind::GrantRevoked, "2026-05-29T14:03:19.655Z", Outcome::Revoked(Box::new(revoked()))),
        record(OutcomeKind::CaseClosed, "2026-05-29T16:40:23.918Z", Outcome::Closed(Box::new(closed()))),
        record(OutcomeKind::AccessReappeared, "2026-05-29T16:55:30.402Z", Outcome::Look(Box::new(reappeared()))),
    ]
}

/// Every member there is, the ones that no single story would have included.
pub(crate) fn full_closed() -> CaseClosed {
    let mut closed = closed();
    closed.synthetic = true;
    closed.cause = full_cause();
    closed.grants.push(full_grant());
    closed.coverage.not_read = vec![unread("team web-legacy", "not_visible")];
    closed
}

/// Nothing that may be absent, every list that may be empty.
pub(crate) fn minimal_closed() -> CaseClosed {
    CaseClosed {
        case_id: case_id(),
        result: CaseResult::Refused,
        access_after: AccessAfter::Unknown,
        summary: "Refused: the person is protected (people.protected).".to_owned(),
        mode: Mode::Enforce,
        synthetic: false,
        person: minimal_person(),
        cause: cause(),
        times: TimesPart { last_removal_at: None, verified_at: None, ..times() },
        grants: Vec::new(),
        proofs: Vec::new(),
        coverage: CoveragePart::default(),
        residuals: Vec::new(),
        follow_ups: Vec::new(),
        guards: Vec::new(),
        executed_by: ExecutedBy::default(),
    }
}

pub(crate) fn full_progress() -> CaseProgress {
    CaseProgress { cause: full_cause(), ..held() }
}

pub(crate) fn minimal_progress() -> CaseProgress {
    CaseProgress { person: minimal_person(), ..opened() }
}

pub(crate) fn full_revoked() -> GrantRevoked {
    GrantRevoked { grant: full_grant(), ..revoked() }
}

pub(crate) fn minimal_revoked() -> GrantRevoked {
    let grant = GrantPart { settled: None, attempts: Vec::new(), ..membership(None) };
    GrantRevoked { grant, proof: Vec::new(), executed_by: ExecutedBy::default(), ..revoked() }
}

pub(crate) fn full_look() -> AccessLook {
    let mut look = AccessLook { opened_case: Some(CaseId(computed(&["case", "again"]))), ..reappeared() };
    look.seen[0].parent = collaboration().parent;
    look.coverage.not_read = vec![unread("team web-legacy", "not_visible")];
    look
}

pub(crate) fn minimal_look() -> AccessLook {
    AccessLook {
        access: AccessAfter::None,
        person: minimal_person(),
        seen: Vec::new(),
        coverage: CoveragePart::default(),
        next_look_at: None,
        executed_by: ExecutedBy::default(),
        ..reappeared()
    }
}

/// With a moment as its effective time.
pub(crate) fn full_event() -> PersonEvent {
    PersonEvent {
        schema_version: 1,
        action: Action::Deprovision,
        occurred_at: at("2026-05-29T14:03:11Z"),
        recorded_at: Some(at("2026-05-29T14:03:13Z")),
        sequence: Some("00000000001780063391902".to_owned()),
        effective: Some(Effective {
            at: Some(at("2026-05-29T14:03:11Z")),
            date: None,
            timezone: None,
            boundary: None,
            basis: Some(Basis::EventTime),
        }),
        subject: Subject {
            person_key: SubjectKey(SUBJECT.to_owned()),
            emails: vec![Address {
                value: email("priya.raman@larkspur.example"),
                kind: AddressKind::Work,
                primary: Some(true),
            }],
            logins: vec!["priya.raman".to_owned()],
            employee_id: Some("10466".to_owned()),
            external_ids: vec![ExternalId {
                system: "okta".to_owned(),
                tenant: Some("larkspur.okta.com".to_owned()),
                r#type: "user_id".to_owned(),
                value: "00u8p1r1yaR4m4n0h801".to_owned(),
            }],
            worker_type: Some(WorkerType::Employee),
            engagement_id: Some("10466-2".to_owned()),
            display_name: Some("Priya Raman".to_owned()),
        },
        source: SourceRef { element: Some(0), ..source() },
        actor: Some(Actor {
            kind: ActorKind::User,
            id: Some("00u4r1c0adminQx7k0h8".to_owned()),
            email: Some("it.ops@larkspur.example".to_owned()),
            name: Some("Larkspur IT Ops".to_owned()),
        }),
        reason: Some("resignation".to_owned()),
        cancels: Some(Cancels { event_id: "6c0e".to_owned() }),
        identity_change: Some(IdentityChange {
            from: email("priya.rao@larkspur.example"),
            to: email("priya.raman@larkspur.example"),
        }),
        correlation_id: Some("hr-2026-000481".to_owned()),
        synthetic: true,
        resolved: false,
        urgent: true,
        level: true,
    }
}

/// With a date as its effective time.
pub(crate) fn full_event_with_date() -> PersonEvent {
    PersonEvent {
        action: Action::Schedule,
        effective: Some(Effective {
            at: None,
            date: Some("2026-06-30".parse().unwrap()),
            timezone: Some("Europe/Stockholm".to_owned()),
            boundary: Some(Boundary::EndOfDay),
            basis: Some(Basis::TerminationDate),
        }),
        ..full_event()
    }
}

pub(crate) fn minimal_event() -> PersonEvent {
    PersonEvent {
        schema_version: 1,
        action: Action::Deprovision,
        occurred_at: at("2026-05-29T14:03:11Z"),
        recorded_at: None,
        sequence: None,
        effective: None,
        subject: Subject {
            person_key: SubjectKey(SUBJECT.to_owned()),
            emails: Vec::new(),
            logins: Vec::new(),
            employee_id: None,
            external_ids: Vec::new(),
            worker_type: None,
            engagement_id: None,
            display_name: None,
        },
        source: source(),
        actor: None,
        reason: None,
        cancels: None,
        identity_change: None,
        correlation_id: None,
        synthetic: false,
        resolved: true,
        urgent: false,
        level: false,
    }
}

fn opened() -> CaseProgress {
    CaseProgress {
        case_id: case_id(),
        summary: "Opened by user.lifecycle.deactivate of source okta.".to_owned(),
        mode: None,
        person: PersonPart { heroku_account_ids: Vec::new(), matched_by: Vec::new(), ..person() },
        cause: CausePart { also_stated_by: Vec::new(), ..cause() },
        deadline: times().deadline,
        holds: Vec::new(),
    }
}

fn held() -> CaseProgress {
    CaseProgress {
        summary: "Held: last_human_admin.".to_owned(),
        mode: Some(Mode::Enforce),
        person: person(),
        holds: vec![Hold {
            reason: HoldReason::LastHumanAdmin,
            detail: "last human admin of payments".to_owned(),
            remedy: HoldReason::LastHumanAdmin.remedy().to_owned(),
            owner: Some("platform on-call".to_owned()),
            since: at("2026-05-29T14:03:18.902Z"),
        }],
        ..opened()
    }
}

fn resumed() -> CaseProgress {
    CaseProgress { summary: "Resumed: nothing holds it any more.".to_owned(), holds: Vec::new(), ..held() }
}

fn overdue() -> CaseProgress {
    let summary = format!("Overdue: the deadline {} has passed; it goes on, more slowly.", times().deadline);
    CaseProgress { summary, ..held() }
}

fn reappeared() -> AccessLook {
    let closed = closed();
    AccessLook {
        case_id: closed.case_id,
        summary: "Looked again: access is back: payments.".to_owned(),
        look: 1,
        access: AccessAfter::Remaining,
        person: closed.person,
        seen: vec![SeenGrant {
            surface: Surface::TeamInvitation,
            parent: membership(None).parent,
            role: "member".to_owned(),
            granted_at: Some(at("2026-05-29T16:48:02Z")),
            granted_by: Some(email("it.ops@larkspur.example")),
        }],
        coverage: closed.coverage,
        next_look_at: Some(at("2026-05-30T16:40:23.918Z")),
        opened_case: None,
        executed_by: closed.executed_by,
    }
}

fn revoked() -> GrantRevoked {
    GrantRevoked {
        case_id: case_id(),
        person_id: person_id(),
        grant: GrantPart { proof: None, ..collaboration() },
        proof: vec![app_list()],
        executed_by: executed_by(),
    }
}

fn closed() -> CaseClosed {
    CaseClosed {
        case_id: case_id(),
        result: CaseResult::RemovedWithResiduals,
        access_after: AccessAfter::Remaining,
        summary: "Removed 2 grants; 1 stay and need a person.".to_owned(),
        mode: Mode::Enforce,
        synthetic: false,
        person: person(),
        cause: cause(),
        times: times(),
        grants: vec![collaboration(), membership(Some(1)), personal_app()],
        proofs: vec![app_list(), team_list()],
        coverage: CoveragePart {
            complete: true,
            expected_from: "enterprise_account_and_expected_teams".to_owned(),
            teams_expected: vec!["payments".to_owned(), "web".to_owned()],
            teams_read: vec!["payments".to_owned(), "web".to_owned()],
            not_read: Vec::new(),
            excluded: vec![unread("team sandbox", "no production data, owner J. Berg")],
            not_visible_by_api: vec!["pending app transfers of the person".to_owned()],
        },
        residuals: vec![Residual {
            surface: Surface::AppOwnership,
            parent: personal_app().parent,
            reason: "owner_of_personal_app".to_owned(),
            remedy:
                "only the owner can transfer a personal app: sign in with the company mailbox, or ask Heroku support"
                    .to_owned(),
        }],
        follow_ups: vec![FollowUp {
            advice: "rotate_config_vars".to_owned(),
            apps: vec!["ledger".to_owned(), "priya-sandbox".to_owned()],
        }],
        guards: vec![GuardVerdict {
            guard: HoldReason::LastHumanAdmin,
            held: false,
            figures: "somebody else is admin now".to_owned(),
            at: at("2026-05-29T16:40:21.377Z"),
        }],
        executed_by: executed_by(),
    }
}

fn times() -> TimesPart {
    TimesPart {
        effective_at: at("2026-05-29T14:03:11Z"),
        event_at: at("2026-05-29T14:03:11Z"),
        received_at: at("2026-05-29T14:03:13.207Z"),
        last_removal_at: Some(at("2026-05-29T16:40:22.640Z")),
        verified_at: Some(at("2026-05-29T16:40:23.101Z")),
        seconds_from_effective: 9432,
        seconds_from_received: 9430,
        deadline: at("2026-05-30T14:03:13.207Z"),
        deadline_met: true,
    }
}

fn person() -> PersonPart {
    PersonPart {
        person_id: person_id(),
        subject_keys: vec![SubjectKey(SUBJECT.to_owned())],
        addresses: vec![email("p.raman@larkspur.example"), email("priya.raman@larkspur.example")],
        heroku_account_ids: vec![account()],
        matched_by: vec![email("priya.raman@larkspur.example")],
    }
}

fn minimal_person() -> PersonPart {
    PersonPart {
        person_id: person_id(),
        subject_keys: Vec::new(),
        addresses: Vec::new(),
        heroku_account_ids: Vec::new(),
        matched_by: Vec::new(),
    }
}

fn cause() -> CausePart {
    CausePart {
        kind: Action::Deprovision.as_str().to_owned(),
        source: "okta".to_owned(),
        authenticity: Authenticity::TopicAcl,
        system: source().system,
        tenant: source().tenant,
        event_type: source().event_type,
        event_id: source().event_id,
        cluster: "default".to_owned(),
        topic: "okta.system-log".to_owned(),
        partition: 3,
        offset: 918_204,
        element: "data.events[0]".to_owned(),
        record_sha256: "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef".to_owned(),
        reason: None,
        claimed_by: None,
        looked_up: None,
        also_stated_by: Vec::new(),
        contradicted_by: Vec::new(),
    }
}

fn full_cause() -> CausePart {
    CausePart {
        // More than a double holds: no digit may be lost.
        offset: 9_007_199_254_740_993,
        reason: Some("resignation".to_owned()),
        claimed_by: Some("it.ops@larkspur.example".to_owned()),
        looked_up: Some("okta".to_owned()),
        also_stated_by: vec![SourceRef { element: Some(2), ..source() }],
        contradicted_by: vec![source()],
        ..cause()
    }
}

fn source() -> SourceRef {
    SourceRef {
        system: "okta".to_owned(),
        tenant: "larkspur.okta.com".to_owned(),
        event_type: "user.lifecycle.deactivate".to_owned(),
        event_id: EVENT_ID.to_owned(),
        element: None,
    }
}

fn collaboration() -> GrantPart {
    let sent = attempt("c", "2026-05-29T14:03:18.902Z", "2026-05-29T14:03:18.951Z", "2026-05-29T14:03:19.160Z");
    grant(Surface::AppCollaboration, ledger(), "deploy,operate", vec![sent], Some(0))
}

fn membership(proof: Option<u32>) -> GrantPart {
    let limited = AttemptPart {
        reply: Some(Reply::RateLimited),
        status: Some(429),
        error_id: Some("rate_limit".to_owned()),
        ..attempt("m1", "2026-05-29T16:40:21.377Z", "2026-05-29T16:40:21.420Z", "2026-05-29T16:40:21.512Z")
    };
    let sent = attempt("m2", "2026-05-29T16:40:22.391Z", "2026-05-29T16:40:22.433Z", "2026-05-29T16:40:22.640Z");
    grant(Surface::TeamMembership, payments(), "admin", vec![limited, sent], proof)
}

fn personal_app() -> GrantPart {
    GrantPart {
        decision: Decision::Report,
        settled: Some(Settled::Remains),
        reason: Some("owner_of_personal_app".to_owned()),
        ..grant(
            Surface::AppOwnership,
            Parent::App {
                id: AppId(uuid("8f4a3c2e-6d1b-4c57-9d35-70e1b24c9a16")),
                name: "priya-sandbox".to_owned(),
                team: None,
            },
            "owner",
            Vec::new(),
            None,
        )
    }
}

/// No real grant has all of this at once.
fn full_grant() -> GrantPart {
    GrantPart {
        reason: Some(HoldReason::LastHumanAdmin.as_str().to_owned()),
        attempts: vec![AttemptPart { error_id: Some("rate_limit".to_owned()), ..collaboration().attempts[0].clone() }],
        ..collaboration()
    }
}

fn grant(surface: Surface, parent: Parent, before: &str, attempts: Vec<AttemptPart>, proof: Option<u32>) -> GrantPart {
    let parts = ["grant", &case_id().to_string(), surface.as_str(), &parent.id(), &account().to_string()];
    GrantPart {
        grant_id: GrantId(computed(&parts)),
        surface,
        parent,
        before: before.to_owned(),
        decision: Decision::Revoke,
        settled: Some(Settled::Revoked),
        reason: None,
        attempts,
        proof,
    }
}

fn attempt(name: &str, intended: &str, sent: &str, answered: &str) -> AttemptPart {
    AttemptPart {
        intent_id: IntentId(computed(&["intent", name])),
        intended_at: at(intended),
        sent_at: Some(at(sent)),
        answered_at: Some(at(answered)),
        reply: Some(Reply::Done),
        status: Some(200),
        error_id: None,
        request_ids: Some(computed(&["request", name]).to_string()),
    }
}

fn ledger() -> Parent {
    let Parent::Team { id: team, .. } = payments() else { unreachable!("a team") };
    Parent::App { id: AppId(uuid("01b6a8e4-3f0e-4d2b-8a5c-b1c2d3e4f506")), name: "ledger".to_owned(), team: Some(team) }
}

fn payments() -> Parent {
    Parent::Team { id: TeamId(uuid("0c2f7b18-95d4-4e1a-b6a3-7e9a4d0c1b52")), name: "payments".to_owned() }
}

fn app_list() -> Evidence {
    Evidence {
        list: format!("/apps/{}/collaborators", ledger().id()),
        at: at("2026-05-29T14:03:19.204Z"),
        pages: 1,
        items: 4,
        complete: true,
        control: true,
        body_sha256: "9b74c9897bac770ffc029102a200c5de0e9d7b3b2c1a4f5566778899aabbccdd".to_owned(),
    }
}

fn team_list() -> Evidence {
    Evidence {
        list: format!("/teams/{}/members", payments().id()),
        at: at("2026-05-29T16:40:23.101Z"),
        pages: 2,
        items: 214,
        complete: true,
        control: true,
        body_sha256: "3c9909afec25354d551dae21590bb26e38d53f2173b8d3dc3eee4c047e7ab1c1".to_owned(),
    }
}

fn executed_by() -> ExecutedBy {
    ExecutedBy {
        heroku_account: "offboarding-bot@larkspur.example".to_owned(),
        token_fingerprint: "4be09c31aa52".to_owned(),
        version: "0.1.0".to_owned(),
        config_digest: "d1e7a0b95c44".to_owned(),
        instance: "heroku-deprovisioner-0".to_owned(),
    }
}

fn unread(what: &str, why: &str) -> Unread {
    Unread { what: what.to_owned(), why: why.to_owned() }
}

fn record(kind: OutcomeKind, when: &str, data: Outcome) -> OutcomeRecord {
    OutcomeRecord {
        id: OutcomeId(computed(&["outcome", &case_id().to_string(), kind.as_str()])),
        kind,
        person: person_id(),
        case: case_id(),
        at: at(when),
        traceparent: Some(TRACE.to_owned()),
        data,
    }
}

fn case_id() -> CaseId {
    CaseId(computed(&["case", &source().system, &source().tenant, &source().event_id, ""]))
}

fn person_id() -> PersonId {
    SubjectKey(SUBJECT.to_owned()).person_id()
}

fn account() -> AccountId {
    AccountId(uuid("5d1c7f0e-2b3a-4c8d-9e6f-0a1b2c3d4e5f"))
}

fn uuid(text: &str) -> uuid::Uuid {
    text.parse().unwrap()
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
