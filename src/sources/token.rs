//! Signed tokens: a compact JWS becomes its claims once its header and its signature hold.
//!
//! What is demanded is pinned in the configuration and never taken from the token: the algorithm, the type, the keys. The
//! keys are an argument; who fetched them, and when, is not known here. `jku`, `x5u` and the like are never looked at.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
pub use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{DecodingKey, crypto};
use serde_json::Value;
use thiserror::Error;

use super::document;
use super::members::{Members, TEXT_MAX};
use super::verdict::{Reject, RejectCode};
use crate::model::event::Authenticity;

/// Algorithms that a configuration may name. None of them works with a shared secret, so that nobody who has the public
/// key can sign.
pub const ALGORITHMS: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// Longest text of a key set, in bytes.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;

/// What the tokens of a source must hold.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// Who must have issued them; `None`, which no configuration yields, takes anybody.
    pub issuer: Option<String>,
    /// Whom they must be meant for.
    pub audience: Option<String>,
    /// Why they are believed.
    pub trust: Trust,
}

/// Why a token is believed.
#[derive(Debug, Clone)]
pub enum Trust {
    /// It is not: somebody looks at it. No configuration yields this.
    Unchecked,
    /// Whoever writes the topic has checked it, and left the claims as plain JSON.
    PreVerified,
    /// It is signed, and looked at by somebody who does not have the issuer's keys. The service never does.
    Keyless {
        /// The algorithms that count.
        algorithms: Vec<Algorithm>,
        /// A token that was this old when it arrived is refused.
        age_max: SignedDuration,
    },
    /// It is signed.
    Signed {
        /// The algorithms that count.
        algorithms: Vec<Algorithm>,
        /// The issuer's keys.
        keys: Arc<KeySet>,
        /// A token that was this old when it arrived is refused.
        age_max: SignedDuration,
    },
}

impl Trust {
    /// Takes the issuer's keys, if any are needed.
    pub fn with_keys(&mut self, new: Arc<KeySet>) {
        match self {
            Self::Signed { keys, .. } => *keys = new,
            Self::Unchecked | Self::PreVerified | Self::Keyless { .. } => {}
        }
    }

    /// How authentic it makes what is read.
    pub fn authenticity(&self) -> Authenticity {
        match self {
            Self::Signed { .. } => Authenticity::JwsVerified,
            Self::Unchecked | Self::PreVerified | Self::Keyless { .. } => Authenticity::TopicAcl,
        }
    }

    /// How old a token may be when it arrives; `None` = that is not asked.
    pub(super) fn age_max(&self) -> Option<SignedDuration> {
        match self {
            Self::Unchecked | Self::PreVerified => None,
            Self::Keyless { age_max, .. } | Self::Signed { age_max, .. } => Some(*age_max),
        }
    }

    /// Whether a signature is read past.
    pub(super) fn passes_over_signatures(&self) -> bool {
        matches!(self, Self::Unchecked | Self::Keyless { .. })
    }
}

impl TokenRules {
    /// Nothing is demanded.
    pub fn unchecked() -> Self {
        Self { issuer: None, audience: None, trust: Trust::Unchecked }
    }

    /// Whether plain claims are read.
    pub(super) fn takes_plain_claims(&self) -> Result<(), Reject> {
        match self.trust {
            Trust::Unchecked | Trust::PreVerified => Ok(()),
            Trust::Keyless { .. } | Trust::Signed { .. } => {
                Err(Reject::new(RejectCode::Untrusted, "it is not signed, and the source is not marked `pre_verified`"))
            }
        }
    }
}

/// Public keys by `kid`.
#[derive(Debug, Clone, Default)]
pub struct KeySet(BTreeMap<String, Vec<Key>>);

#[derive(Debug, Clone)]
struct Key {
    fits: Vec<Algorithm>,
    key: DecodingKey,
}

/// Why a text is no key set.
#[derive(Debug, Error)]
#[error("no JSON Web Key Set with a public key that has a `kid`")]
pub struct KeySetError;

impl KeySet {
    /// Reads a JSON Web Key Set. Keys that cannot sign by one of [`ALGORITHMS`], or have no `kid`, are passed over.
    ///
    /// # Errors
    /// When no key is left: it is no key set, or that of another service.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        let set: Value = serde_json::from_slice(bytes).map_err(|_| KeySetError)?;
        let mut keys: BTreeMap<String, Vec<Key>> = BTreeMap::new();
        for key in set.get("keys").and_then(Value::as_array).into_iter().flatten() {
            let Ok(jwk) = serde_json::from_value::<Jwk>(key.clone()) else { continue };
            let (Some(key), Some(kid)) = (Key::of(&jwk), jwk.common.key_id) else { continue };
            keys.entry(kid).or_default().push(key);
        }
        if keys.is_empty() { Err(KeySetError) } else { Ok(Self(keys)) }
    }

    /// Whether a key of that name is there.
    pub fn has(&self, kid: &str) -> bool {
        self.0.contains_key(kid)
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return None;
        }
        let family = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![ES256],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![ES384],
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![EdDSA],
            // Other curves, and secrets: whoever can read one can sign.
            _ => return None,
        };
        let named = jwk.common.key_algorithm.map(|named| Algorithm::try_from(named).ok());
        let fits = family.into_iter().filter(|it| named.is_none_or(|named| named == Some(*it))).collect();
        Some(Self { fits, key: DecodingKey::from_jwk(jwk).ok()? })
    }
}

/// A compact JWS, taken apart and not believed yet.
#[derive(Debug, Clone, Copy)]
pub struct Compact<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// What was signed.
    message: &'a str,
}

impl<'a> Compact<'a> {
    /// The token that a value is, bare or as the JSON text that some bridges make of it. No JSON document looks like one.
    pub fn of(value: &'a [u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
        let text = std::str::from_utf8(value).ok().filter(|text| text.starts_with("ey"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let mut parts = text.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || ![header, payload, signature].iter().all(|part| part.bytes().all(plain)) {
            return None;
        }
        Some(Self { header, payload, signature, message: &text[..header.len() + 1 + payload.len()] })
    }

    /// The key that it must be checked with, if all that comes before is as it must be; for whoever fetches keys.
    pub fn needs_key(&self, trust: &Trust) -> Option<String> {
        let Trust::Signed { algorithms, .. } = trust else { return None };
        let header = self.header().ok()?;
        algorithms.contains(&header.algorithm).then_some(header.kid)
    }

    /// Its claims, if the header and the signature are what the source demands.
    pub(super) fn claims(&self, trust: &Trust) -> Result<Vec<u8>, Reject> {
        let header = self.header()?;
        match trust {
            Trust::Unchecked => {}
            Trust::PreVerified => {
                let why = "it is signed, and the source is marked `pre_verified`: its keys are not known";
                return Err(Reject::new(RejectCode::Untrusted, why));
            }
            Trust::Keyless { algorithms, .. } => header.is_signed_by_one_of(algorithms)?,
            Trust::Signed { algorithms, keys, .. } => self.verify(&header, algorithms, keys)?,
        }
        decoded(self.payload, "payload")
    }

    fn header(&self) -> Result<Header, Reject> {
        let header = document::parse(&decoded(self.header, "header")?)
            .map_err(|reject| Reject::new(reject.code, format!("the header: {}", reject.detail)))?;
        if let Some(place) = header.repeated.first() {
            return Err(Reject::new(RejectCode::DuplicateKey, format!("`header.{place}` stands more than once")));
        }
        let header = Members::of(&header.root, "header")?;
        let algorithm = algorithm(&header)?;
        let kind = header.required_str("typ", TEXT_MAX)?.to_ascii_lowercase();
        if kind.strip_prefix("application/").unwrap_or(&kind) != "secevent+jwt" {
            return Err(Reject::new(RejectCode::Untrusted, "`header.typ` is not secevent+jwt"));
        }
        if header.is_present("crit") {
            return Err(Reject::new(RejectCode::Untrusted, "`header.crit` demands what is not known here"));
        }
        Ok(Header { algorithm, kid: header.required_text("kid", TEXT_MAX)? })
    }

    fn verify(&self, header: &Header, allowed: &[Algorithm], keys: &KeySet) -> Result<(), Reject> {
        header.is_signed_by_one_of(allowed)?;
        let refused = |why: &str| Err(Reject::new(RejectCode::BadSignature, why));
        let Some(candidates) = keys.0.get(&header.kid) else {
            return refused("`header.kid` names no key of the issuer");
        };
        let signs = |key: &Key| {
            let message = self.message.as_bytes();
            // An error is a signature or a key of the wrong shape.
            key.fits.contains(&header.algorithm)
                && matches!(crypto::verify(self.signature, message, &key.key, header.algorithm), Ok(true))
        };
        if candidates.iter().any(signs) { Ok(()) } else { refused("the issuer's key did not sign this") }
    }
}

/// What counts of a header.
struct Header {
    algorithm: Algorithm,
    kid: String,
}

impl Header {
    fn is_signed_by_one_of(&self, allowed: &[Algorithm]) -> Result<(), Reject> {
        if allowed.contains(&self.algorithm) {
            return Ok(());
        }
        Err(Reject::new(RejectCode::BadSignature, "`header.alg` is not among the source's `algorithms`"))
    }
}

fn algorithm(header: &Members<'_>) -> Result<Algorithm, Reject> {
    let name = header.required_str("alg", TEXT_MAX)?;
    let known = ALGORITHMS.contains(&name).then(|| Algorithm::from_str(name).ok()).flatten();
    known.ok_or_else(|| {
        let why = if name.eq_ignore_ascii_case("none") {
            "`header.alg` is none: nobody signed this"
        } else {
            "`header.alg` is no signature by a private key"
        };
        Reject::new(RejectCode::BadSignature, why)
    })
}

fn decoded(part: &str, name: &str) -> Result<Vec<u8>, Reject> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Reject::new(RejectCode::MalformedJson, format!("the {name} of the token is not base64url")))
}
