//! What a method, a path and a body ask for.
//!
//! Fixed words stand before names at each level, so `/teams/permissions` is never a team called `permissions`.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::state::{Role, Scope};

/// One call of the API, not yet checked against any world. Texts are names, ids or addresses as the path has them.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// A read: it changes nothing.
    Read(Read),
    /// A change.
    Change(Change),
    /// A call that no removal of access may ever make: recorded, refused, never carried out.
    Destructive(&'static str),
}

/// A read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// `GET /account`, `GET /users/~`
    Account,
    /// `GET /account/rate-limits`
    RateLimits,
    /// `GET /account/app-transfers`
    AppTransfers,
    /// `GET /account/app-transfers/{id or app}`
    AppTransfer(String),
    /// `GET /users/{user}`
    User(String),
    /// `GET /users/{user}/apps`
    UserApps(String),
    /// `GET /teams`
    Teams,
    /// `GET /teams/permissions`
    AppPermissions,
    /// `GET /teams/{team}`
    Team(String),
    /// `GET /teams/{team}/features`
    TeamFeatures(String),
    /// `GET /teams/{team}/preferences`
    TeamPreferences(String),
    /// `GET /teams/{team}/members`
    TeamMembers(String),
    /// `GET /teams/{team}/members/{member}/apps`
    MemberApps(String, String),
    /// `GET /teams/{team}/invitations`
    TeamInvitations(String),
    /// `GET /teams/{team}/permissions`
    TeamPermissions(String),
    /// `GET /teams/{team}/apps`
    TeamApps(String),
    /// `GET /teams/{team}/spaces`
    TeamSpaces(String),
    /// `GET /teams/{team}/identity-providers`
    IdentityProviders(String),
    /// `GET /teams/{team}/pipeline-couplings`
    TeamCouplings(String),
    /// `GET /teams/apps/{app}`
    TeamApp(String),
    /// `GET /teams/apps/{app}/collaborators`
    TeamAppCollaborators(String),
    /// `GET /teams/apps/{app}/collaborators/{collaborator}`
    TeamAppCollaborator(String, String),
    /// `GET /apps`
    Apps,
    /// `GET /apps/{app}`
    App(String),
    /// `GET /apps/{app}/collaborators`
    Collaborators(String),
    /// `GET /apps/{app}/collaborators/{collaborator}`
    Collaborator(String, String),
    /// `POST /filters/apps`
    FilterApps(Vec<String>),
    /// `GET /enterprise-accounts`
    Enterprises,
    /// `GET /enterprise-accounts/{enterprise}`
    Enterprise(String),
    /// `GET /enterprise-accounts/{enterprise}/teams`
    EnterpriseTeams(String),
    /// `GET /enterprise-accounts/{enterprise}/members`
    EnterpriseMembers(String),
    /// `GET /spaces`
    Spaces,
    /// `GET /spaces/{space}`
    Space(String),
    /// `GET /spaces/{space}/members`
    SpaceMembers(String),
    /// `GET /spaces/{space}/members/{user}`
    SpaceMember(String, String),
    /// `GET /pipelines`, with `eq[name]`
    Pipelines(Option<String>),
    /// `GET /pipelines/{pipeline}`
    Pipeline(String),
    /// `GET /pipelines/{pipeline}/pipeline-couplings`
    Couplings(String),
}

/// A change.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the parameters that the comment of each variant shows")]
pub enum Change {
    /// `DELETE /teams/{team}/members/{member}`
    RemoveMember { team: String, member: String },
    /// `PUT|POST|PATCH /teams/{team}/members`
    PutMember { team: String, email: String, role: Role, how: Put },
    /// `DELETE /teams/{team}/invitations/{invitation}`
    RevokeInvitation { team: String, invitation: String },
    /// `PUT /teams/{team}/invitations`
    Invite { team: String, email: String, role: Role },
    /// `POST /teams/invitations/{token}/accept`; the token is the invitation's id
    AcceptInvitation { token: String },
    /// `DELETE /apps/{app}/collaborators/{collaborator}` or its twin under `/teams/apps`
    RemoveCollaborator { app: String, collaborator: String, form: Form },
    /// `POST /apps/{app}/collaborators` or its twin
    AddCollaborator { app: String, user: String, permissions: Option<Vec<String>>, form: Form },
    /// `PATCH /teams/apps/{app}/collaborators/{collaborator}`
    UpdateCollaborator { app: String, collaborator: String, permissions: Vec<String> },
    /// `PATCH /spaces/{space}/members/{user}`
    SetSpaceAccess { space: String, user: String, permissions: Vec<String> },
    /// `DELETE /enterprise-accounts/{enterprise}/members/{user}`
    RemoveEnterpriseMember { enterprise: String, user: String },
    /// `POST|PATCH /enterprise-accounts/{enterprise}/members`
    PutEnterpriseMember { enterprise: String, user: String, permissions: Vec<String>, how: Put },
    /// `POST /apps`, `POST /teams/apps`
    CreateApp { name: Option<String>, team: Option<String> },
    /// `PATCH /teams/apps/{app}` with `locked`
    LockApp { app: String, locked: bool },
}

/// How a seeding call treats what is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// PUT: create or update.
    Either,
    /// POST: only create.
    Create,
    /// PATCH: only update.
    Update,
}

/// Under which of two twin paths a collaborator was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/apps/{app}/…`
    Apps,
    /// `/teams/apps/{app}/…`
    TeamApps,
}

const READING: &[Scope] = &[Scope::Global, Scope::Read, Scope::ReadProtected, Scope::Write, Scope::WriteProtected];
const WRITING: &[Scope] = &[Scope::Global, Scope::Write, Scope::WriteProtected];
const IDENTITY: &[Scope] = &[Scope::Global, Scope::Identity];
const GLOBAL: &[Scope] = &[Scope::Global];

impl Call {
    /// Reads a request. `segments` are percent-decoded, `query` is not.
    ///
    /// # Errors
    /// When there is no such endpoint, or the body is not what it takes.
    pub fn parse(method: &str, segments: &[&str], query: &str, body: &[u8]) -> Result<Self, Refusal> {
        // An empty segment is a lost name. Dropping it would turn one call into another.
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err(Refusal::NoSuchEndpoint);
        }
        match method {
            "GET" | "HEAD" => parse_read(segments, query).map(Self::Read),
            "DELETE" => parse_delete(segments),
            "POST" | "PUT" | "PATCH" => parse_write(method, segments, body),
            _ => Err(Refusal::NoSuchEndpoint),
        }
    }

    /// The scopes that are enough for it.
    pub fn accepted_scopes(&self) -> &'static [Scope] {
        match self {
            Self::Read(Read::Account) => IDENTITY,
            Self::Read(Read::TeamApps(_) | Read::Enterprises) => READING,
            Self::Change(Change::CreateApp { .. } | Change::LockApp { .. }) => WRITING,
            Self::Read(_) | Self::Change(_) | Self::Destructive(_) => GLOBAL,
        }
    }

    /// Whether it costs no token.
    pub fn is_free(&self) -> bool {
        *self == Self::Read(Read::RateLimits)
    }
}

fn parse_read(segments: &[&str], query: &str) -> Result<Read, Refusal> {
    let s = |text: &str| text.to_owned();
    Ok(match *segments {
        ["account"] | ["users", "~"] => Read::Account,
        ["account", "rate-limits"] => Read::RateLimits,
        ["account", "app-transfers"] => Read::AppTransfers,
        ["account", "app-transfers", transfer] => Read::AppTransfer(s(transfer)),
        ["users", user] => Read::User(s(user)),
        ["users", user, "apps"] => Read::UserApps(s(user)),
        ["teams"] => Read::Teams,
        ["teams", "permissions"] => Read::AppPermissions,
        ["teams", "apps", app] => Read::TeamApp(s(app)),
        ["teams", "apps", app, "collaborators"] => Read::TeamAppCollaborators(s(app)),
        ["teams", "apps", app, "collaborators", one] => Read::TeamAppCollaborator(s(app), s(one)),
        ["teams", "apps" | "invitations", ..] => return Err(Refusal::NoSuchEndpoint),
        ["teams", team] => Read::Team(s(team)),
        ["teams", team, "features"] => Read::TeamFeatures(s(team)),
        ["teams", team, "preferences"] => Read::TeamPreferences(s(team)),
        ["teams", team, "members"] => Read::TeamMembers(s(team)),
        ["teams", team, "members", member, "apps"] => Read::MemberApps(s(team), s(member)),
        ["teams", team, "invitations"] => Read::TeamInvitations(s(team)),
        ["teams", team, "permissions"] => Read::TeamPermissions(s(team)),
        ["teams", team, "apps"] => Read::TeamApps(s(team)),
        ["teams", team, "spaces"] => Read::TeamSpaces(s(team)),
        ["teams", team, "identity-providers"] => Read::IdentityProviders(s(team)),
        ["teams", team, "pipeline-couplings"] => Read::TeamCouplings(s(team)),
        ["apps"] => Read::Apps,
        ["apps", app] => Read::App(s(app)),
        ["apps", app, "collaborators"] => Read::Collaborators(s(app)),
        ["apps", app, "collaborators", one] => Read::Collaborator(s(app), s(one)),
        ["enterprise-accounts"] => Read::Enterprises,
        ["enterprise-accounts", enterprise] => Read::Enterprise(s(enterprise)),
        ["enterprise-accounts", enterprise, "teams"] => Read::EnterpriseTeams(s(enterprise)),
        ["enterprise-accounts", enterprise, "members"] => Read::EnterpriseMembers(s(enterprise)),
        ["spaces"] => Read::Spaces,
        ["spaces", space] => Read::Space(s(space)),
        ["spaces", space, "members"] => Read::SpaceMembers(s(space)),
        ["spaces", space, "members", user] => Read::SpaceMember(s(space), s(user)),
        ["pipelines"] => Read::Pipelines(wanted_name(query)),
        ["pipelines", pipeline] => Read::Pipeline(s(pipeline)),
        ["pipelines", pipeline, "pipeline-couplings"] => Read::Couplings(s(pipeline)),
        _ => return Err(Refusal::NoSuchEndpoint),
    })
}

/// `eq[name]` of a query, with the brackets encoded or not.
fn wanted_name(query: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let key = decode(key)?;
        if key == "eq[name]" { decode(value) } else { None }
    })
}

fn parse_delete(segments: &[&str]) -> Result<Call, Refusal> {
    let s = |text: &str| text.to_owned();
    Ok(match *segments {
        ["account"] => Call::Destructive("delete the caller's account"),
        ["users", _] => Call::Destructive("delete an account"),
        ["apps", _] => Call::Destructive("delete an app"),
        ["pipelines", _] => Call::Destructive("delete a pipeline"),
        ["spaces", _] => Call::Destructive("delete a space"),
        ["oauth", "authorizations", _] => Call::Destructive("revoke an authorization of the caller"),
        ["oauth", "tokens", _] => Call::Destructive("revoke a token of the caller"),
        ["teams", "apps", app, "collaborators", one] => {
            removal(one, Change::RemoveCollaborator { app: s(app), collaborator: s(one), form: Form::TeamApps })
        }
        ["teams", "apps" | "invitations" | "permissions", ..] => return Err(Refusal::NoSuchEndpoint),
        ["teams", _] => Call::Destructive("delete a team"),
        ["teams", team, "members", member] => {
            removal(member, Change::RemoveMember { team: s(team), member: s(member) })
        }
        ["teams", team, "invitations", invitation] => {
            removal(invitation, Change::RevokeInvitation { team: s(team), invitation: s(invitation) })
        }
        ["apps", app, "collaborators", one] => {
            removal(one, Change::RemoveCollaborator { app: s(app), collaborator: s(one), form: Form::Apps })
        }
        ["enterprise-accounts", enterprise, "members", user] => {
            removal(user, Change::RemoveEnterpriseMember { enterprise: s(enterprise), user: s(user) })
        }
        _ => return Err(Refusal::NoSuchEndpoint),
    })
}

/// A removal, unless it names the caller by `~` or the pseudo-account of a team.
fn removal(person: &str, change: Change) -> Call {
    match person {
        "~" => Call::Destructive("remove the caller"),
        _ if person.to_ascii_lowercase().ends_with("@herokumanager.com") => {
            Call::Destructive("remove a team's own account")
        }
        _ => Call::Change(change),
    }
}

fn parse_write(method: &str, segments: &[&str], body: &[u8]) -> Result<Call, Refusal> {
    let s = |text: &str| text.to_owned();
    Ok(match (method, segments) {
        ("POST", ["filters", "apps"]) => {
            let body = Body::read(body, &["in"])?;
            let ids = body.fields.get("in").and_then(|within| within.get("id")).and_then(Value::as_array);
            let ids = ids.ok_or_else(|| missing("in"))?;
            Call::Read(Read::FilterApps(ids.iter().filter_map(Value::as_str).map(s).collect()))
        }
        ("POST", ["account", "app-transfers"]) => Call::Destructive("start an app transfer"),
        ("POST", ["pipeline-transfers"]) => Call::Destructive("transfer a pipeline"),
        ("POST", ["teams", "invitations", token, "accept"]) => {
            Call::Change(Change::AcceptInvitation { token: s(token) })
        }
        ("PATCH", ["teams", "apps", app]) => {
            let body = Body::read(body, &["locked", "owner"])?;
            if body.fields.contains_key("owner") {
                return Ok(Call::Destructive("transfer an app"));
            }
            let locked = body.fields.get("locked").and_then(Value::as_bool).ok_or_else(|| missing("locked"))?;
            Call::Change(Change::LockApp { app: s(app), locked })
        }
        ("PATCH", ["teams", "apps", app, "collaborators", one]) => {
            let body = Body::read(body, &["permissions"])?;
            let permissions = body.words("permissions")?.ok_or_else(|| missing("permissions"))?;
            Call::Change(Change::UpdateCollaborator { app: s(app), collaborator: s(one), permissions })
        }
        ("POST", ["teams", "apps", app, "collaborators"]) => {
            let body = Body::read(body, &["user", "permissions", "silent"])?;
            let (user, permissions) = (body.text("user")?, body.words("permissions")?);
            Call::Change(Change::AddCollaborator { app: s(app), user, permissions, form: Form::TeamApps })
        }
        ("POST", ["apps", app, "collaborators"]) => {
            let user = Body::read(body, &["user", "silent"])?.text("user")?;
            Call::Change(Change::AddCollaborator { app: s(app), user, permissions: None, form: Form::Apps })
        }
        ("POST", ["apps"]) => {
            let body = Body::read(body, &["name", "region", "stack"])?;
            Call::Change(Change::CreateApp { name: body.optional_text("name"), team: None })
        }
        ("POST", ["teams", "apps"]) => {
            let known = ["name", "team", "personal", "locked", "region", "stack", "space", "internal_routing"];
            let body = Body::read(body, &known)?;
            Call::Change(Change::CreateApp { name: body.optional_text("name"), team: Some(body.text("team")?) })
        }
        ("POST" | "PUT" | "PATCH", ["teams", team, "members"]) => {
            let body = Body::read(body, &["email", "role", "federated"])?;
            let (email, role) = (body.text("email")?, body.role()?);
            Call::Change(Change::PutMember { team: s(team), email, role, how: put(method) })
        }
        ("PUT", ["teams", team, "invitations"]) => {
            let body = Body::read(body, &["email", "role"])?;
            Call::Change(Change::Invite { team: s(team), email: body.text("email")?, role: body.role()? })
        }
        ("PATCH", ["spaces", space, "members", user]) => {
            let body = Body::read(body, &["permissions"])?;
            let permissions = body.words("permissions")?.ok_or_else(|| missing("permissions"))?;
            if *user == "~" && permissions.is_empty() {
                return Ok(Call::Destructive("remove the caller"));
            }
            Call::Change(Change::SetSpaceAccess { space: s(space), user: s(user), permissions })
        }
        ("POST", ["enterprise-accounts", enterprise, "members"]) => {
            let body = Body::read(body, &["user", "permissions", "federated"])?;
            let (user, permissions) = (body.text("user")?, body.words("permissions")?.unwrap_or_default());
            Call::Change(Change::PutEnterpriseMember { enterprise: s(enterprise), user, permissions, how: Put::Create })
        }
        ("PATCH", ["enterprise-accounts", enterprise, "members", user]) => {
            let permissions = Body::read(body, &["permissions"])?.words("permissions")?;
            let permissions = permissions.ok_or_else(|| missing("permissions"))?;
            let (enterprise, user) = (s(enterprise), s(user));
            Call::Change(Change::PutEnterpriseMember { enterprise, user, permissions, how: Put::Update })
        }
        _ => return Err(Refusal::NoSuchEndpoint),
    })
}

fn put(method: &str) -> Put {
    match method {
        "POST" => Put::Create,
        "PATCH" => Put::Update,
        _ => Put::Either,
    }
}

struct Body {
    fields: Map<String, Value>,
}

impl Body {
    /// Reads a JSON object with no key but the known ones.
    fn read(body: &[u8], known: &[&str]) -> Result<Self, Refusal> {
        let bad = |_| Refusal::BadRequest("Unable to parse the JSON body of the request.".to_owned());
        let fields: Map<String, Value> =
            if body.is_empty() { Map::new() } else { serde_json::from_slice(body).map_err(bad)? };
        let unknown: Vec<&str> = fields.keys().map(String::as_str).filter(|key| !known.contains(key)).collect();
        if unknown.is_empty() {
            return Ok(Self { fields });
        }
        Err(Refusal::InvalidParams(format!("Unknown params: {}.", unknown.join(", "))))
    }

    fn optional_text(&self, key: &str) -> Option<String> {
        self.fields.get(key).and_then(Value::as_str).map(str::to_owned)
    }

    fn text(&self, key: &str) -> Result<String, Refusal> {
        self.optional_text(key).filter(|text| !text.is_empty()).ok_or_else(|| missing(key))
    }

    fn role(&self) -> Result<Role, Refusal> {
        match self.text("role")?.as_str() {
            word @ ("admin" | "member" | "viewer") => Ok(Role::from(word)),
            _ => Err(Refusal::InvalidParams("Role must be one of admin, member or viewer.".to_owned())),
        }
    }

    /// A list of words, each bare or as `{"name": word}`.
    fn words(&self, key: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(list) = self.fields.get(key) else { return Ok(None) };
        let wrong = || Refusal::InvalidParams(format!("Invalid value for {key}."));
        let word = |value: &Value| value.as_str().or_else(|| value.get("name")?.as_str()).map(str::to_owned);
        let words: Option<Vec<String>> = list.as_array().ok_or_else(wrong)?.iter().map(word).collect();
        words.map(Some).ok_or_else(wrong)
    }
}

fn missing(key: &str) -> Refusal {
    Refusal::InvalidParams(format!("Require params: {key}."))
}

/// Splits a path into its segments and decodes each. A `+` is a plus sign: blanks come as `%20`.
pub fn segments(path: &str) -> Option<Vec<String>> {
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// Decodes `%XX`; `None` when that gives no text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str, body: &str) -> Result<Call, Refusal> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let segments = segments(path).unwrap();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        Call::parse(method, &segments, query, body.as_bytes())
    }

    #[test]
    fn raw_and_encoded_addresses_are_the_same_and_a_plus_is_a_plus() {
        let wanted =
            Change::RemoveMember { team: "payments".to_owned(), member: "priya+ops@larkspur.example".to_owned() };
        for path in [
            "/teams/payments/members/priya+ops@larkspur.example",
            "/teams/payments/members/priya%2Bops%40larkspur.example",
        ] {
            assert_eq!(parse("DELETE", path, ""), Ok(Call::Change(wanted.clone())), "{path}");
        }
    }

    #[test]
    fn fixed_words_win_over_names() {
        assert_eq!(parse("GET", "/teams/permissions", ""), Ok(Call::Read(Read::AppPermissions)));
        assert_eq!(parse("GET", "/teams/apps/members", ""), Ok(Call::Read(Read::TeamApp("members".to_owned()))));
        assert_eq!(parse("GET", "/teams/invitations/members", ""), Err(Refusal::NoSuchEndpoint));
        assert_eq!(parse("GET", "/users/~", ""), Ok(Call::Read(Read::Account)));
    }

    #[test]
    fn a_lost_name_never_becomes_another_call() {
        for path in ["/teams/payments/members/", "/teams//members/x", "/teams/", "/apps/a/collaborators/"] {
            assert_eq!(parse("DELETE", path, ""), Err(Refusal::NoSuchEndpoint), "{path}");
        }
    }

    #[test]
    fn what_may_never_be_called_is_known_as_such() {
        for (method, path, body) in [
            ("DELETE", "/teams/payments", ""),
            ("DELETE", "/apps/payments-api", ""),
            ("DELETE", "/pipelines/x", ""),
            ("DELETE", "/spaces/x", ""),
            ("DELETE", "/account", ""),
            ("DELETE", "/users/~", ""),
            ("PATCH", "/teams/apps/x", r#"{"owner":"somebody@larkspur.example"}"#),
            ("POST", "/pipeline-transfers", "{}"),
            ("POST", "/account/app-transfers", "{}"),
            ("DELETE", "/oauth/authorizations/x", ""),
            ("DELETE", "/teams/payments/members/~", ""),
            ("DELETE", "/apps/x/collaborators/payments@herokumanager.com", ""),
        ] {
            let call = parse(method, path, body);
            assert!(matches!(call, Ok(Call::Destructive(_))), "{method} {path}: {call:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let refusal = parse("PATCH", "/spaces/s/members/u", r#"{"permission":[]}"#).unwrap_err();
        assert_eq!(refusal, Refusal::InvalidParams("Unknown params: permission.".to_owned()));
        let bare = parse("PATCH", "/spaces/s/members/u", r#"{"permissions":["create_apps"]}"#);
        let named = parse("PATCH", "/spaces/s/members/u", r#"{"permissions":[{"name":"create_apps"}]}"#);
        assert_eq!(bare, named);
    }

    #[test]
    fn a_pipeline_is_looked_up_by_name() {
        let wanted = Ok(Call::Read(Read::Pipelines(Some("pay out".to_owned()))));
        assert_eq!(parse("GET", "/pipelines?eq[name]=pay%20out", ""), wanted);
        assert_eq!(parse("GET", "/pipelines?eq%5Bname%5D=pay%20out", ""), wanted);
    }
}
