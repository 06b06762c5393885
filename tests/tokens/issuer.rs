//! An issuer of security event tokens.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://idp.larkspur.example/";
pub(crate) const AUDIENCE: &str = "https://offboarding.larkspur.example/set";
pub(crate) const PURGED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-purged";
const KID: &str = "2026-05";

/// Somebody with a key of their own.
pub(crate) struct Issuer(EcdsaKeyPair);

impl Issuer {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// The public key as others read it.
    pub(crate) fn jwks(&self) -> String {
        let (x, y) = self.point()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "kid": KID, "x": x, "y": y}]}).to_string()
    }

    pub(crate) fn point(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// A token as it ought to be.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.with_header(&header(), claims)
    }

    pub(crate) fn with_header(&self, header: &Value, claims: &Value) -> String {
        self.with_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn with_text(&self, header: &str, claims: &str) -> String {
        compact(header, claims, |message| self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }
}

pub(crate) fn header() -> Value {
    json!({"typ": "secevent+jwt", "alg": "ES256", "kid": KID})
}

/// That the account of an address is gone, said at that time.
pub(crate) fn claims(jti: &str, address: &str, at: Timestamp) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "jti": jti, "iat": at.as_second(),
        "sub_id": {"format": "email", "email": address},
        "events": {PURGED: {}},
    })
}

pub(crate) fn compact(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
