//! What SCIM says about a user: the resource itself, or a PATCH of it. Names of attributes are compared without case, as
//! SCIM demands; `active` is also read from the texts `"True"` and `"False"`, which some senders write.

use serde_json::Value;

use crate::model::Email;
use crate::model::event::{Action, Address, AddressKind, ExternalId, Subject};
use crate::sources::members::{self, ITEMS_MAX, Members, TEXT_MAX};
use crate::sources::verdict::{Reject, RejectCode};
use crate::sources::{ExternalIdIs, Rules};

const SYSTEM: &str = "scim";
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:user:";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What was said. What is absent is unchanged.
#[derive(Debug, Default)]
pub(in crate::sources) struct Said {
    active: Option<bool>,
    /// Work addresses.
    emails: Vec<Address>,
    user_name: Option<String>,
    external_id: Option<String>,
    employee_id: Option<String>,
}

/// How it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sources) enum Manner {
    /// As a change.
    Change,
    /// As a state, which any edit repeats.
    State,
}

impl Said {
    /// A user resource, or the attributes of one.
    pub(in crate::sources) fn of_resource(user: &Members<'_>) -> Result<Self, Reject> {
        let mut said = Self::default();
        said.attributes(user)?;
        Ok(said)
    }

    /// A PATCH: its operations apply in order.
    pub(in crate::sources) fn of_patch(patch: &Members<'_>) -> Result<Self, Reject> {
        let mut said = Self::default();
        let operations = patch.spelled("Operations")?;
        patch.required(operations)?;
        for (operation, place) in patch.items(operations, ITEMS_MAX)? {
            said.apply(&Members::of(operation, &place)?)?;
        }
        Ok(said)
    }

    fn apply(&mut self, operation: &Members<'_>) -> Result<(), Reject> {
        let verb = operation.required_str(operation.spelled("op")?, TEXT_MAX)?.to_ascii_lowercase();
        let path = operation.spelled("path")?;
        let path = if operation.is_present(path) { Some(operation.required_str(path, TEXT_MAX)?) } else { None };
        let path = path.map(|path| path.to_ascii_lowercase());
        let path = path.as_deref().map(|path| path.strip_prefix(CORE).unwrap_or(path));
        // The schema alone is the whole user.
        let path = path.filter(|path| *path != &CORE[..CORE.len() - 1]);
        match (verb.as_str(), path) {
            ("remove", Some("active")) => Err(operation.invalid("path", "removes `active`, which says neither")),
            ("remove", _) => Ok(()),
            ("add" | "replace", None) => self.attributes(&operation.object(operation.spelled("value")?)?),
            ("add" | "replace", Some(path)) => self.attribute(path, operation),
            _ => Err(operation.invalid("op", "is not one of the known words")),
        }
    }

    /// One attribute, by its path.
    fn attribute(&mut self, path: &str, operation: &Members<'_>) -> Result<(), Reject> {
        let value = operation.spelled("value")?;
        let spaceless: String = path.split_whitespace().collect();
        match spaceless.as_str() {
            "active" => self.active = truth(operation.required(value)?, &operation.place(value))?.or(self.active),
            "username" => self.user_name = operation.text_if_fit(value).or(self.user_name.take()),
            "externalid" => self.external_id = operation.text_if_fit(value).or(self.external_id.take()),
            "emails" => self.addresses(operation, value)?,
            "emails[typeeq\"work\"].value" | "emails[primaryeqtrue].value" => {
                self.emails.extend(operation.filled_work_email(value)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn attributes(&mut self, user: &Members<'_>) -> Result<(), Reject> {
        // A name may be written in full.
        for name in ["active", "urn:ietf:params:scim:schemas:core:2.0:User:active"] {
            let active = user.spelled(name)?;
            if !user.is_present(active) {
                continue;
            }
            self.active = truth(user.required(active)?, &user.place(active))?.or(self.active);
        }
        self.user_name = user.text_if_fit(user.spelled("userName")?).or(self.user_name.take());
        self.external_id = user.text_if_fit(user.spelled("externalId")?).or(self.external_id.take());
        let emails = user.spelled("emails")?;
        if user.is_present(emails) {
            self.addresses(user, emails)?;
        }
        if let Ok(Some(extension)) = user.optional_object(user.spelled(ENTERPRISE)?) {
            self.employee_id = extension.text_if_fit(extension.spelled("employeeNumber")?).or(self.employee_id.take());
        }
        Ok(())
    }

    /// Work and main addresses; one at home is no account of the company.
    fn addresses(&mut self, user: &Members<'_>, name: &str) -> Result<(), Reject> {
        for (item, place) in user.items(name, ITEMS_MAX)? {
            let item = Members::of(item, &place)?;
            let kind = item.text_if_fit(item.spelled("type")?).map(|kind| kind.to_ascii_lowercase());
            let primary = item.required(item.spelled("primary")?).ok().and_then(Value::as_bool);
            if kind.as_deref() == Some("work") || kind.as_deref() != Some("home") && primary == Some(true) {
                let address = item.filled_work_email(item.spelled("value")?)?;
                self.emails.extend(address.map(|address| Address { primary, ..address }));
            }
        }
        Ok(())
    }

    /// What follows from it; `None` = it is not about leaving.
    pub(in crate::sources) fn action(&self, manner: Manner) -> Option<Action> {
        match (self.active, manner) {
            (Some(false), _) => Some(Action::Deprovision),
            (Some(true), Manner::Change) => Some(Action::Cancel),
            // That they are active may stand in any edit, also in one that is older than it looks.
            (Some(true), Manner::State) | (None, _) => (!self.emails.is_empty()).then_some(Action::IdentityUpdate),
        }
    }

    /// Takes over what somebody else said besides.
    pub(in crate::sources) fn and(mut self, other: Self) -> Self {
        self.emails.extend(other.emails);
        Self {
            active: other.active.or(self.active),
            emails: self.emails,
            user_name: other.user_name.or(self.user_name),
            external_id: other.external_id.or(self.external_id),
            employee_id: other.employee_id.or(self.employee_id),
        }
    }

    /// The user of that id. A user name that is an address counts as one where no other is named.
    pub(in crate::sources) fn subject(self, id: &str, tenant: &str, rules: &Rules) -> Result<Subject, Reject> {
        let mut subject = members::known_as(SYSTEM, tenant, "id", id)?;
        for address in self.emails {
            if !subject.emails.iter().any(|known| known.value == address.value) {
                subject.emails.push(address);
            }
        }
        subject.employee_id = self.employee_id;
        if let Some(external) = self.external_id {
            match rules.external_id {
                ExternalIdIs::Opaque => {}
                ExternalIdIs::EmployeeId => subject.employee_id = Some(external.clone()),
                ExternalIdIs::Address => {
                    let address = Email::parse(&external)
                        .map_err(|error| Reject::new(RejectCode::InvalidAddress, format!("`externalId`: {error}")))?;
                    if !subject.emails.iter().any(|known| known.value == address) {
                        subject.emails.push(work(address, None));
                    }
                }
            }
            subject.external_ids.push(ExternalId {
                system: SYSTEM.to_owned(),
                tenant: Some(tenant.to_owned()),
                r#type: "external_id".to_owned(),
                value: external,
            });
        }
        if let (true, Some(name)) = (subject.emails.is_empty(), &self.user_name) {
            subject.emails.extend(Email::parse(name).ok().map(|address| work(address, None)));
        }
        subject.logins.extend(self.user_name);
        Ok(subject)
    }
}

/// The user that a path or an address ends in: `/Users/{id}`, whatever stands before.
pub(in crate::sources) fn user_of(path: &str) -> Option<&str> {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let (before, id) = path.strip_suffix('/').unwrap_or(path).rsplit_once('/')?;
    let of_users = before.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("Users"));
    (!id.is_empty() && of_users).then_some(id)
}

fn work(value: Email, primary: Option<bool>) -> Address {
    Address { value, kind: AddressKind::Work, primary }
}

/// `None` = it is not said.
fn truth(value: &Value, place: &str) -> Result<Option<bool>, Reject> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(truth) => Ok(Some(*truth)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(members::wrong_type(place, "true or false"))
        }
    }
}
