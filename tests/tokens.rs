//! Security event tokens: what is believed, what is refused, and whom they name.
#![cfg(feature = "service")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use heroku_deprovisioner::model::event::{Action, PersonEvent};
use heroku_deprovisioner::sources::explain::{Decision, Readable, explain};
use heroku_deprovisioner::sources::token::{Algorithm, KeySet, TokenRules, Trust};
use heroku_deprovisioner::sources::{ExternalIdIs, Format, Reading, Record, RejectCode, Rules, Verdict, read};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

#[path = "tokens/forgeries.rs"]
mod forgeries;
#[path = "tokens/issuer.rs"]
mod issuer;

use forgeries::{Keys, forgeries};
use issuer::{AUDIENCE, ISSUER, Issuer, PURGED, claims};

const PRIYA: &str = "priya.raman@larkspur.example";
const ACCOUNT: &str = "https://schemas.openid.net/secevent/risc/event-type/account-";

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn rules(trust: Trust) -> Rules {
    let tokens = TokenRules { issuer: Some(ISSUER.to_owned()), audience: Some(AUDIENCE.to_owned()), trust };
    Rules { format: Format::Set, tenant: Some("larkspur".to_owned()), tokens, ..Rules::auto() }
}

fn signed(jwks: &str, algorithms: &[Algorithm]) -> Rules {
    let keys = Arc::new(KeySet::parse(jwks.as_bytes()).unwrap());
    rules(Trust::Signed { algorithms: algorithms.to_vec(), keys, age_max: SignedDuration::from_hours(7 * 24) })
}

fn record(value: &str) -> Record<'_> {
    Record { value: Some(value.as_bytes()), arrived_at: Some(now()), ..Record::default() }
}

fn only(value: &str, rules: &Rules) -> Verdict {
    let mut readings: Vec<Reading> = read(&record(value), rules);
    assert_eq!(readings.len(), 1, "{readings:?}");
    readings.remove(0).verdict
}

fn event(value: &str, rules: &Rules) -> PersonEvent {
    match only(value, rules) {
        Verdict::Event(event) => *event,
        other @ (Verdict::Ignore { .. } | Verdict::Reject(_)) => panic!("{other:?}"),
    }
}

fn code(value: &str, rules: &Rules) -> Option<RejectCode> {
    match only(value, rules) {
        Verdict::Reject(reject) => Some(reject.code),
        Verdict::Event(_) | Verdict::Ignore { .. } => None,
    }
}

#[test]
fn a_genuine_token_is_believed() {
    let issuer = Issuer::new();
    let rules = signed(&issuer.jwks(), &[Algorithm::ES256]);
    let token = issuer.token(&claims("1", PRIYA, now()));
    let said = event(&token, &rules);
    assert_eq!((said.action, said.occurred_at), (Action::Deprovision, now()));
    assert_eq!(said.subject.emails[0].value.expose(), PRIYA);
    // As a bridge that writes JSON leaves it.
    assert_eq!(event(&format!("\"{token}\"\n"), &rules), said);
    let rsa = signed(include_str!("keys/rsa-jwks.json"), &[Algorithm::RS256]);
    assert_eq!(event(include_str!("keys/rs256.jwt"), &rsa).source.event_id, "rsa-1");
}

#[test]
fn no_forgery_is_believed() {
    let issuer = Issuer::new();
    let rules = signed(&issuer.jwks(), &[Algorithm::ES256]);
    for (what, value, reason, _) in forgeries(&issuer, PRIYA, now()) {
        let Verdict::Reject(reject) = only(&value, &rules) else { panic!("{what} was believed") };
        assert_eq!(reject.code.as_str(), reason, "{what}: {}", reject.detail);
        assert!(!reject.detail.contains("priya"), "{what}: {}", reject.detail);
        let explained = explain(&record(&value), &rules, now());
        assert_eq!((explained.readable(), explained.rows[0].decision), (Readable::No, Decision::Reject), "{what}");
    }
}

#[test]
fn no_change_of_a_byte_is_believed() {
    let issuer = Issuer::new();
    let rules = signed(&issuer.jwks(), &[Algorithm::ES256]);
    let token = issuer.token(&claims("1", PRIYA, now())).into_bytes();
    for at in 0..token.len() {
        for byte in [token[at] ^ 1, token[at] ^ 2, token[at] ^ 0x20, b'.', b'"', b' ', b'='] {
            let mut changed = token.clone();
            changed[at] = byte;
            let readings =
                read(&Record { value: Some(&changed), arrived_at: Some(now()), ..Record::default() }, &rules);
            let believed = readings.iter().any(|reading| matches!(reading.verdict, Verdict::Event(_)));
            assert!(!believed || changed == token, "byte {at} as {byte:#x}");
        }
    }
}

/// Whoever fetches keys does so only for what they decide: a source must not wait for keys because of anything else.
#[test]
fn only_what_keys_decide_asks_for_keys() {
    use heroku_deprovisioner::sources::token::Compact;
    let issuer = Issuer::new();
    let rules = signed(&issuer.jwks(), &[Algorithm::ES256]);
    for (what, value, _, keys) in forgeries(&issuer, PRIYA, now()) {
        let asks = Compact::of(value.as_bytes()).and_then(|token| token.needs_key(&rules.tokens.trust));
        assert_eq!(asks.is_some(), keys == Keys::Needed, "{what}");
    }
}

#[test]
fn a_token_again_is_the_same_event() {
    let issuer = Issuer::new();
    let rules = signed(&issuer.jwks(), &[Algorithm::ES256]);
    let one = event(&issuer.token(&claims("1", PRIYA, now())), &rules);
    let again = event(&issuer.token(&claims("1", PRIYA, now())), &rules);
    let other = event(&issuer.token(&claims("2", PRIYA, now())), &rules);
    assert_eq!(one.source, again.source);
    assert_ne!(one.source, other.source);
}

#[test]
fn claims_are_read_where_somebody_checked_them_and_tokens_are_not() {
    let rules = rules(Trust::PreVerified);
    let claims = claims("1", PRIYA, now());
    assert_eq!(event(&claims.to_string(), &rules).action, Action::Deprovision);
    assert_eq!(code(&Issuer::new().token(&claims), &rules), Some(RejectCode::Untrusted));
    for (name, wrong) in [("iss", json!("https://idp.example/")), ("aud", json!("x")), ("exp", json!(1_780_063_391))] {
        let mut claims = claims.clone();
        claims[name] = wrong;
        assert_eq!(code(&claims.to_string(), &rules), Some(RejectCode::Untrusted), "{name}");
    }
}

#[test]
fn a_look_without_keys_says_that_the_signature_was_not_checked() {
    let issuer = Issuer::new();
    let token = issuer.token(&claims("1", PRIYA, now()));
    let row = &explain(&record(&token), &Rules::auto(), now()).rows[0];
    assert_eq!(row.decision, Decision::Deprovision);
    assert!(row.reason.ends_with("; the signature was not checked"), "{}", row.reason);
    let row = &explain(&record(&token), &signed(&issuer.jwks(), &[Algorithm::ES256]), now()).rows[0];
    assert!(!row.reason.contains("signature"), "{}", row.reason);
}

/// Whoever looks at a record without the issuer's keys is told what the service would say, as far as no key decides it.
#[test]
fn a_look_without_the_issuers_keys_leaves_out_the_signature_alone() {
    let issuer = Issuer::new();
    let age_max = SignedDuration::from_hours(7 * 24);
    let rules = rules(Trust::Keyless { algorithms: vec![Algorithm::ES256], age_max });
    let look = |value: &str| explain(&record(value), &rules, now()).rows.remove(0);
    let genuine = look(&issuer.token(&claims("1", PRIYA, now())));
    assert_eq!(genuine.decision, Decision::Deprovision);
    assert!(genuine.reason.ends_with("; the signature was not checked"), "{}", genuine.reason);
    for (what, value, reason, keys) in forgeries(&issuer, PRIYA, now()) {
        let row = look(&value);
        let refused = row.decision == Decision::Reject && row.reason.starts_with(reason);
        let open = keys == Keys::Needed && row.reason.ends_with("; the signature was not checked");
        assert!(refused || open, "{what}: {}", row.reason);
    }
    let elsewhere = include_str!("keys/rs256.jwt");
    assert!(look(elsewhere).reason.starts_with("bad_signature: `header.alg` is not among"), "another algorithm");
}

#[test]
fn keys_of_another_kind_are_no_keys() {
    let jwks = |key: Value| json!({"keys": [key]}).to_string();
    let (secret, x) = ("c2VjcmV0", "0frA5MCiRFo3ft5OoXebJy3KZsKdhgPE1oFyosmeXko");
    for wrong in [
        jwks(json!({"kty": "oct", "kid": "1", "k": secret})),
        jwks(json!({"kty": "EC", "crv": "P-256", "kid": "1", "use": "enc", "x": x, "y": x})),
        jwks(json!({"kty": "EC", "crv": "P-256", "x": x, "y": x})),
        jwks(json!({"kty": "EC", "crv": "secp256k1", "kid": "1", "x": x, "y": x})),
        jwks(json!({"kty": "RSA", "kid": "1"})),
        "{}".to_owned(),
        "<html>".to_owned(),
    ] {
        assert!(KeySet::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
    // A key that names its algorithm signs by no other one.
    let issuer = Issuer::new();
    let other = issuer.jwks().replace("\"kty\"", "\"alg\":\"ES384\",\"kty\"");
    let rules = signed(&other, &[Algorithm::ES256, Algorithm::ES384]);
    assert_eq!(code(&issuer.token(&claims("1", PRIYA, now())), &rules), Some(RejectCode::BadSignature));
}

fn about(sub_id: Value) -> String {
    let mut claims = claims("1", PRIYA, now());
    claims["sub_id"] = sub_id;
    claims.to_string()
}

#[test]
fn a_subject_is_found_in_each_form() {
    let rules = rules(Trust::PreVerified);
    let email = json!({"format": "email", "email": PRIYA});
    let sub = json!({"format": "iss_sub", "iss": ISSUER, "sub": "00u8"});
    let none: &[&str] = &[];
    for (sub_id, key, addresses) in [
        (email.clone(), "set_email:larkspur:priya.raman@larkspur.example", &[PRIYA][..]),
        (json!({"subject_type": "iss-sub", "iss": ISSUER, "sub": "00u8"}), "set_sub:larkspur:00u8", none),
        // A name that looks like an address is none.
        (
            json!({"format": "iss_sub", "iss": "https://a.example", "sub": PRIYA}),
            "set_sub:larkspur:https://a.example priya.raman@larkspur.example",
            none,
        ),
        (json!({"format": "opaque", "id": "77"}), "set_id:larkspur:77", none),
        (
            json!({"format": "account", "uri": "acct:priya@larkspur.example"}),
            "set_account:larkspur:priya@larkspur.example",
            none,
        ),
        (json!({"format": "aliases", "identifiers": [email, sub]}), "set_sub:larkspur:00u8", &[PRIYA]),
        (
            json!({"format": "complex", "user": email, "session": {"format": "opaque", "id": "s"}}),
            "set_email:larkspur:priya.raman@larkspur.example",
            &[PRIYA],
        ),
        (json!({"user": sub, "tenant": {"format": "opaque", "id": "larkspur"}}), "set_sub:larkspur:00u8", none),
        (json!({"format": "scim", "uri": "/Users/5f2b", "externalId": PRIYA}), "scim:larkspur:5f2b", none),
        (
            json!({"format": "scim", "uri": "/Users/5f2b", "emails": [{"value": PRIYA, "type": "work"}]}),
            "scim:larkspur:5f2b",
            &[PRIYA],
        ),
    ] {
        let said = event(&about(sub_id.clone()), &rules);
        assert_eq!(said.subject.person_key.0, key, "{sub_id}");
        let found: Vec<_> = said.subject.emails.iter().map(|address| address.value.expose()).collect();
        assert_eq!(found, addresses, "{sub_id}");
        assert_eq!(said.resolved, !addresses.is_empty(), "{sub_id}");
    }
}

#[test]
fn a_subject_that_is_no_one_person_is_refused() {
    let rules = rules(Trust::PreVerified);
    let user = json!({"format": "email", "email": PRIYA});
    let tenant = |id: &str| json!({"format": "opaque", "id": id});
    for (sub_id, expected) in [
        (json!({"format": "complex", "device": {"format": "opaque", "id": "d"}}), RejectCode::MissingSubject),
        (json!({"format": "complex", "user": user, "tenant": tenant("other")}), RejectCode::OtherTenant),
        (
            json!({"format": "complex", "user": user, "application": {"format": "opaque", "id": "a"}}),
            RejectCode::Ambiguous,
        ),
        (json!({"format": "aliases", "identifiers": []}), RejectCode::MissingField),
        (
            json!({"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": [user]}]}),
            RejectCode::InvalidValue,
        ),
        (json!({"format": "email", "email": "priya"}), RejectCode::InvalidAddress),
        (json!({"format": "email", "email": [PRIYA]}), RejectCode::WrongType),
        (json!({"format": "ip", "ip": "10.0.0.1"}), RejectCode::InvalidValue),
        (json!("priya"), RejectCode::WrongType),
    ] {
        assert_eq!(code(&about(sub_id.clone()), &rules), Some(expected), "{sub_id}");
    }
    let mut both = claims("1", PRIYA, now());
    both["events"][PURGED] = json!({"subject": {"format": "email", "email": "tomas@larkspur.example"}});
    assert_eq!(code(&both.to_string(), &rules), Some(RejectCode::Ambiguous));
    let removed = both.as_object_mut().unwrap().remove("sub_id");
    assert!(
        removed.is_some() && event(&both.to_string(), &rules).subject.emails[0].value.expose().starts_with("tomas")
    );
}

#[test]
fn each_event_of_a_token_is_read_for_itself() {
    let mut claims = claims("1", PRIYA, now());
    claims["events"] = json!({
        "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {},
        format!("{ACCOUNT}disabled"): {"reason": "hijacking"},
        format!("{ACCOUNT}enabled"): {"event_timestamp": now().as_second() - 60},
        format!("{ACCOUNT}purged"): 7,
    });
    let readings = read(&record(&claims.to_string()), &rules(Trust::PreVerified));
    let said: Vec<_> = readings
        .iter()
        .map(|reading| match &reading.verdict {
            Verdict::Event(event) => (reading.element.as_str(), event.action.as_str(), event.source.element),
            Verdict::Ignore { .. } => (reading.element.as_str(), "ignore", None),
            Verdict::Reject(reject) => (reading.element.as_str(), reject.code.as_str(), None),
        })
        .collect();
    assert_eq!(
        said,
        [
            ("events.caep/event-type/session-revoked", "ignore", None),
            ("events.risc/event-type/account-disabled", "suspend", Some(1)),
            ("events.risc/event-type/account-enabled", "cancel", Some(2)),
            ("events.risc/event-type/account-purged", "wrong_type", None),
        ]
    );
}

#[test]
fn an_external_id_is_an_address_only_if_the_operator_says_so() {
    let scim = |id: &str| about(json!({"format": "scim", "uri": "/Users/5f2b", "externalId": id}));
    let with = |external_id| Rules { external_id, ..rules(Trust::PreVerified) };
    let said = event(&scim(PRIYA), &with(ExternalIdIs::Address));
    assert_eq!((said.resolved, said.subject.emails[0].value.expose()), (true, PRIYA));
    assert_eq!(code(&scim("10482"), &with(ExternalIdIs::Address)), Some(RejectCode::InvalidAddress));
    let said = event(&scim("10482"), &with(ExternalIdIs::EmployeeId));
    assert_eq!((said.resolved, said.subject.employee_id.as_deref()), (false, Some("10482")));
}

/// A recycled address leaves whoever this source knew by it, so it needs a key that is not theirs.
#[test]
fn the_new_owner_of_an_address_is_somebody_else() {
    let mut recycled = claims("9", PRIYA, now());
    recycled["events"] = json!({"https://schemas.openid.net/secevent/risc/event-type/identifier-recycled": {}});
    let rules = rules(Trust::PreVerified);
    let (old, new) =
        (event(&about(claims("1", PRIYA, now())["sub_id"].clone()), &rules), event(&recycled.to_string(), &rules));
    assert_eq!(new.action, Action::IdentityUpdate);
    assert_ne!(old.subject.person_key, new.subject.person_key);
    assert_eq!(old.subject.emails, new.subject.emails);
}
