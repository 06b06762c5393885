//! Whom a security event token is about: subject identifiers of RFC 9493, with those of Shared Signals and of SCIM events.
//!
//! An address, and each kind of id, is a namespace of its own (`set_email`, `set_sub`, …): an issuer that names one person
//! sometimes by an address and sometimes by an id does not name two people.

use serde_json::Value;

use crate::model::Email;
use crate::model::event::{Address, AddressKind, ExternalId, Subject};
use crate::sources::Rules;
use crate::sources::members::{self, ITEMS_MAX, Members, TEXT_MAX};
use crate::sources::scim::{Said, host, user_of};
use crate::sources::verdict::{Reject, RejectCode};

/// Somebody, and what else must be known to say who it is.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) tenant: String,
    pub(super) subject: Subject,
}

/// How an identifier is read.
struct Reader<'a> {
    issuer: &'a str,
    tenant: String,
    rules: &'a Rules,
    /// What a SCIM event says of the user besides.
    said: Said,
}

/// Reads the identifier at `place`; `None` = it is not about a user.
pub(super) fn read(
    value: &Value,
    place: &str,
    issuer: &str,
    said: Said,
    rules: &Rules,
) -> Result<Option<Named>, Reject> {
    let id = Members::of(value, place)?;
    let named = id.optional_object("tenant")?.map(|tenant| organisation(&tenant)).transpose()?;
    let tenant = match (&rules.tenant, named) {
        (None, None) => host(issuer).unwrap_or("unknown").to_owned(),
        (_, named) => rules.agreed_tenant(named.as_deref(), &id.place("tenant"))?,
    };
    let reader = Reader { issuer, tenant: tenant.clone(), rules, said };
    let subject = match format(&id)?.as_deref() {
        Some("complex") | None => {
            narrowed_at_most_in_time(&id)?;
            let user = id.required("user").map_err(|_| {
                let why = format!("`{}` is missing: it is about something that is not a person", id.place("user"));
                Reject::new(RejectCode::MissingSubject, why)
            })?;
            reader.simple(&Members::of(user, &id.place("user"))?)?
        }
        Some("aliases") => reader.aliases(&id)?,
        Some(_) => reader.simple(&id)?,
    };
    Ok(subject.map(|subject| Named { tenant, subject }))
}

/// Google's transmitter writes `subject_type`, and hyphens.
fn format(id: &Members<'_>) -> Result<Option<String>, Reject> {
    let name = if id.is_present("format") { "format" } else { "subject_type" };
    Ok(id.optional_str(name, TEXT_MAX)?.map(|format| format.to_ascii_lowercase().replace('-', "_")))
}

/// A user in one session or on one device is that user. One in an application or a group is not the whole of them.
fn narrowed_at_most_in_time(id: &Members<'_>) -> Result<(), Reject> {
    let known = ["format", "user", "tenant", "session", "device"];
    match id.names().any(|name| !known.contains(&name)) {
        true => Err(Reject::new(
            RejectCode::Ambiguous,
            format!(
                "`{}` has members besides `user`, `tenant`, `session` and `device`",
                id.place("").trim_end_matches('.')
            ),
        )),
        false => Ok(()),
    }
}

/// The one value of an identifier of an organisation.
fn organisation(tenant: &Members<'_>) -> Result<String, Reject> {
    let name = ["id", "uri", "sub"].into_iter().find(|name| tenant.is_present(name)).unwrap_or("id");
    tenant.required_text(name, TEXT_MAX)
}

impl Reader<'_> {
    fn simple(self, id: &Members<'_>) -> Result<Option<Subject>, Reject> {
        let Some(format) = format(id)? else { return Err(id.missing("format")) };
        let text = |name: &str| id.required_str(name, TEXT_MAX);
        let subject = match format.as_str() {
            "email" => self.known_by_address(id.required_email("email")?)?,
            "iss_sub" if text("iss")? == self.issuer => self.known_by("sub", text("sub")?)?,
            "iss_sub" => self.known_by("sub", &format!("{} {}", text("iss")?, text("sub")?))?,
            "opaque" => self.known_by("id", text("id")?)?,
            "account" => {
                let uri = text("uri")?;
                let login = uri.strip_prefix("acct:").ok_or_else(|| id.invalid("uri", "is no `acct:` URI"))?;
                Subject { logins: vec![login.to_owned()], ..self.known_by("account", login)? }
            }
            "phone_number" => self.known_by("phone_number", text("phone_number")?)?,
            "did" => self.known_by("did", text("url")?)?,
            "uri" => self.known_by("uri", text("uri")?)?,
            "scim" => return self.scim(id),
            "aliases" | "complex" => return Err(id.invalid("format", "may not stand inside another one")),
            _ => return Err(id.invalid("format", "is not one of the known words")),
        };
        Ok(Some(subject))
    }

    fn scim(self, id: &Members<'_>) -> Result<Option<Subject>, Reject> {
        let Some(user) = user_of(id.required_str("uri", TEXT_MAX)?) else { return Ok(None) };
        let said = Said::of_resource(id)?.and(self.said);
        said.subject(user, &self.tenant, self.rules).map(Some)
    }

    /// Several ids of one person. The first id that is no address is the key.
    fn aliases(self, id: &Members<'_>) -> Result<Option<Subject>, Reject> {
        let mut all: Vec<Subject> = Vec::new();
        for (item, place) in id.items("identifiers", ITEMS_MAX)? {
            let reader =
                Reader { tenant: self.tenant.clone(), said: Said::default(), issuer: self.issuer, rules: self.rules };
            all.extend(reader.simple(&Members::of(item, &place)?)?);
        }
        let key = all.iter().find(|subject| !subject.external_ids.is_empty()).or_else(|| all.first());
        let mut one = match key {
            Some(key) => Subject::new(key.person_key.clone()),
            None => return Err(id.missing("identifiers")),
        };
        for subject in all {
            one.emails.extend(subject.emails);
            one.logins.extend(subject.logins);
            one.external_ids.extend(subject.external_ids);
            one.employee_id = one.employee_id.or(subject.employee_id);
        }
        Ok(Some(one))
    }

    fn known_by_address(&self, value: Email) -> Result<Subject, Reject> {
        let key = members::person_key("set_email", &self.tenant, value.expose())?;
        Ok(Subject { emails: vec![Address { value, kind: AddressKind::Work, primary: None }], ..Subject::new(key) })
    }

    fn known_by(&self, kind: &str, id: &str) -> Result<Subject, Reject> {
        Ok(Subject {
            external_ids: vec![ExternalId {
                system: super::SYSTEM.to_owned(),
                tenant: Some(self.tenant.clone()),
                r#type: kind.to_owned(),
                value: id.to_owned(),
            }],
            ..Subject::new(members::person_key(&format!("set_{kind}"), &self.tenant, id)?)
        })
    }
}
