//! Everything that must not pass for a token of an issuer.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::issuer::{Issuer, claims, compact, header};

/// What is wrong, the record, why it must be refused, and whether that takes the issuer's keys.
pub(crate) type Forgery = (&'static str, String, &'static str, Keys);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    Needed,
    Needless,
}

/// Each says of the address that its account is gone, and none may be believed. They arrive at `now`.
pub(crate) fn forgeries(issuer: &Issuer, address: &str, now: Timestamp) -> Vec<Forgery> {
    use Keys::{Needed, Needless};
    let mut number = 0;
    let mut claims = || {
        number += 1;
        claims(&format!("forged-{number}"), address, now)
    };
    let with = |mut whole: Value, name: &str, value: Value| {
        whole[name] = value;
        whole
    };
    let without = |mut whole: Value, name: &str| {
        whole.as_object_mut().unwrap().remove(name);
        whole
    };
    let of_header = |name, value| with(header(), name, value);
    let secret = |secret: &[u8], claims: &Value| {
        compact(&of_header("alg", json!("HS256")).to_string(), &claims.to_string(), |message| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
        })
    };
    let unsigned = |alg: &str, claims: &Value| {
        compact(&of_header("alg", json!(alg)).to_string(), &claims.to_string(), |_| Vec::new())
    };
    let other = Issuer::new();
    let genuine = issuer.token(&claims());
    let tampered = {
        let mut parts: Vec<&str> = genuine.split('.').collect();
        let payload = URL_SAFE_NO_PAD.encode(with(claims(), "txn", json!("other")).to_string());
        parts[1] = &payload;
        parts.join(".")
    };
    let repeated = claims().to_string().replacen('{', "{\"jti\":\"other\",", 1);
    let eight_days_ago = now - SignedDuration::from_hours(8 * 24);
    let tomorrow = now + SignedDuration::from_hours(24);
    vec![
        ("`alg: none`", unsigned("none", &claims()), "bad_signature", Needless),
        ("`alg: nOnE`", unsigned("nOnE", &claims()), "bad_signature", Needless),
        (
            "`alg: none` with a signature",
            issuer.with_header(&of_header("alg", json!("none")), &claims()),
            "bad_signature",
            Needless,
        ),
        ("HS256 with the public key", secret(issuer.point(), &claims()), "bad_signature", Needless),
        ("HS256 with the key set", secret(issuer.jwks().as_bytes(), &claims()), "bad_signature", Needless),
        (
            "an algorithm that is not pinned",
            issuer.with_header(&of_header("alg", json!("ES384")), &claims()),
            "bad_signature",
            Needless,
        ),
        ("another key", other.token(&claims()), "bad_signature", Needed),
        (
            "another key, offered in the header",
            other.with_header(
                &of_header("jwk", serde_json::from_str::<Value>(&other.jwks()).unwrap()["keys"][0].clone()),
                &claims(),
            ),
            "bad_signature",
            Needed,
        ),
        (
            "a key that the issuer does not have",
            other.with_header(&of_header("kid", json!("other")), &claims()),
            "bad_signature",
            Needed,
        ),
        ("no name of a key", issuer.with_header(&without(header(), "kid"), &claims()), "missing_field", Needless),
        ("an empty signature", unsigned("ES256", &claims()), "bad_signature", Needed),
        ("other claims under the signature", tampered, "bad_signature", Needed),
        (
            "a token to log in with",
            issuer.with_header(&of_header("typ", json!("JWT")), &claims()),
            "untrusted",
            Needless,
        ),
        ("no type", issuer.with_header(&without(header(), "typ"), &claims()), "missing_field", Needless),
        (
            "an extension that must be understood",
            issuer.with_header(&of_header("crit", json!(["exp"])), &claims()),
            "untrusted",
            Needless,
        ),
        (
            "a header with two algorithms",
            issuer.with_text(&header().to_string().replacen('{', "{\"alg\":\"none\",", 1), &claims().to_string()),
            "duplicate_key",
            Needless,
        ),
        ("another issuer", issuer.token(&with(claims(), "iss", json!("https://idp.example/"))), "untrusted", Needed),
        (
            "another audience",
            issuer.token(&with(claims(), "aud", json!(["https://other.example/"]))),
            "untrusted",
            Needed,
        ),
        ("no audience", issuer.token(&without(claims(), "aud")), "missing_field", Needed),
        ("`sub`", issuer.token(&with(claims(), "sub", json!("priya"))), "untrusted", Needed),
        ("`exp`, long past", issuer.token(&with(claims(), "exp", json!(now.as_second() - 3_600))), "untrusted", Needed),
        ("`exp`, ahead", issuer.token(&with(claims(), "exp", json!(now.as_second() + 3_600))), "untrusted", Needed),
        ("too old", issuer.token(&with(claims(), "iat", json!(eight_days_ago.as_second()))), "expired", Needed),
        ("issued tomorrow", issuer.token(&with(claims(), "iat", json!(tomorrow.as_second()))), "untrusted", Needed),
        ("no time", issuer.token(&without(claims(), "iat")), "missing_field", Needed),
        ("no id", issuer.token(&without(claims(), "jti")), "missing_field", Needed),
        ("two ids", issuer.with_text(&header().to_string(), &repeated), "duplicate_key", Needed),
        ("claims without a signature", claims().to_string(), "untrusted", Needless),
        ("a list of claims without a signature", json!([claims()]).to_string(), "untrusted", Needless),
        ("encrypted", format!("{genuine}.e30.e30"), "untrusted", Needless),
    ]
}
