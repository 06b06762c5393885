//! Every path that this service asks for. They are made of fixed words, of ids that Heroku gave us, and of names that it
//! gave us where it takes nothing else: no value from an event can be in one.

use reqwest::Url;

use crate::model::{AppId, EnterpriseId, Removal, SpaceId, TeamId};

/// One path: as a template, for telemetry, and filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The path with names in place of ids.
    pub(super) template: &'static str,
    segments: Vec<String>,
}

impl Path {
    pub(super) const ACCOUNT: fn() -> Self = || Self::fill("/account", &[]);
    pub(super) const RATE_LIMITS: fn() -> Self = || Self::fill("/account/rate-limits", &[]);
    pub(super) const TEAMS: fn() -> Self = || Self::fill("/teams", &[]);
    pub(super) const ENTERPRISES: fn() -> Self = || Self::fill("/enterprise-accounts", &[]);
    pub(super) const APPS: fn() -> Self = || Self::fill("/apps", &[]);
    pub(super) const SPACES: fn() -> Self = || Self::fill("/spaces", &[]);
    pub(super) const PIPELINES: fn() -> Self = || Self::fill("/pipelines", &[]);

    pub(super) fn team(team: TeamId) -> Self {
        Self::fill("/teams/{team}", &[&team])
    }

    pub(super) fn members(team: TeamId) -> Self {
        Self::fill("/teams/{team}/members", &[&team])
    }

    /// The one list that Heroku declares with the team's name only. `None`: no path can be made of this name.
    pub(super) fn invitations(team_name: &str) -> Option<Self> {
        let usable = !matches!(team_name, "" | "." | "..");
        usable.then(|| Self::fill("/teams/{team}/invitations", &[&team_name]))
    }

    pub(super) fn team_apps(team: TeamId) -> Self {
        Self::fill("/teams/{team}/apps", &[&team])
    }

    pub(super) fn permissions(team: TeamId) -> Self {
        Self::fill("/teams/{team}/permissions", &[&team])
    }

    pub(super) fn collaborators(app: AppId) -> Self {
        Self::fill("/apps/{app}/collaborators", &[&app])
    }

    pub(super) fn space_members(space: SpaceId) -> Self {
        Self::fill("/spaces/{space}/members", &[&space])
    }

    pub(super) fn enterprise_members(enterprise: EnterpriseId) -> Self {
        Self::fill("/enterprise-accounts/{enterprise_account}/members", &[&enterprise])
    }

    pub(super) fn enterprise_teams(enterprise: EnterpriseId) -> Self {
        Self::fill("/enterprise-accounts/{enterprise_account}/teams", &[&enterprise])
    }

    pub(super) fn removal(removal: &Removal) -> Self {
        match removal {
            Removal::Member { team, membership } => Self::fill("/teams/{team}/members/{member}", &[team, membership]),
            Removal::Invitation { team, invitation } => {
                Self::fill("/teams/{team}/invitations/{invitation}", &[team, invitation])
            }
            Removal::Collaborator { app, collaborator } => {
                Self::fill("/apps/{app}/collaborators/{collaborator}", &[app, collaborator])
            }
            Removal::SpaceAccess { space, account } => Self::fill("/spaces/{space}/members/{user}", &[space, account]),
            Removal::EnterpriseMember { enterprise, account } => {
                Self::fill("/enterprise-accounts/{enterprise_account}/members/{user}", &[enterprise, account])
            }
        }
    }

    /// Under `base`, each segment percent-encoded.
    pub(super) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&self.segments);
        }
        url
    }

    fn fill(template: &'static str, values: &[&dyn std::fmt::Display]) -> Self {
        let mut values = values.iter();
        let segments = template
            .split('/')
            .skip(1)
            .map(|word| match word.strip_prefix('{') {
                Some(_) => values.next().map(|value| value.to_string()).expect("one value for each name in braces"),
                None => word.to_owned(),
            })
            .collect();
        debug_assert!(values.next().is_none(), "one name in braces for each value");
        Self { template, segments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, CollaboratorId, InvitationId, MembershipId};
    use uuid::Uuid;

    fn base() -> Url {
        Url::parse("https://api.heroku.example").unwrap()
    }

    #[test]
    fn a_name_stays_one_segment_whatever_it_holds() {
        for (name, path) in [
            ("larkspur-web", "/teams/larkspur-web/invitations"),
            ("a/../../apps", "/teams/a%2F..%2F..%2Fapps/invitations"),
            ("a?b#c", "/teams/a%3Fb%23c/invitations"),
            ("a%2fb", "/teams/a%252fb/invitations"),
        ] {
            let url = Path::invitations(name).unwrap().url(&base());
            assert_eq!((url.path(), url.query(), url.fragment()), (path, None, None));
        }
        for name in ["", ".", ".."] {
            assert_eq!(Path::invitations(name), None, "{name:?} would turn the path into another one");
        }
    }

    #[test]
    fn every_removal_has_its_path_and_no_shorter_one() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let removals = [
            (Removal::Member { team: TeamId(one), membership: MembershipId(two) }, "/teams/1/members/2"),
            (Removal::Invitation { team: TeamId(one), invitation: InvitationId(two) }, "/teams/1/invitations/2"),
            (Removal::Collaborator { app: AppId(one), collaborator: CollaboratorId(two) }, "/apps/1/collaborators/2"),
            (Removal::SpaceAccess { space: SpaceId(one), account: AccountId(two) }, "/spaces/1/members/2"),
            (
                Removal::EnterpriseMember { enterprise: EnterpriseId(one), account: AccountId(two) },
                "/enterprise-accounts/1/members/2",
            ),
        ];
        for (removal, path) in removals {
            let expected = path.replace("/1", &format!("/{one}")).replace("/2", &format!("/{two}"));
            assert_eq!(Path::removal(&removal).url(&base()).path(), expected);
        }
    }

    #[test]
    fn a_base_with_a_path_is_kept() {
        let base = Url::parse("http://127.0.0.1:9/heroku/").unwrap();
        assert_eq!(Path::TEAMS().url(&base).as_str(), "http://127.0.0.1:9/heroku/teams");
    }
}
