//! The lists that a proof can rest on, each read on its own.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;

use super::client::{Ask, Client};
use super::error::{AccountStopped, CallError};
use super::paging::{Complete, List, read_list};
use super::path::Path;
use super::wire::{self, OfTeam, Whole};
use crate::engine::budget::Lane;
use crate::model::world::{
    Account, Collaborator, EnterpriseMember, Entries, Invitation, ListId, ListRead, ListsRead, Member, SpaceMember,
    Unread,
};
use crate::model::{AppId, EnterpriseId, SpaceId, TeamId};

/// A read that may fail alone, or stop everything.
pub(super) type Read<T> = Result<Result<T, Unread>, AccountStopped>;

/// The invitations of a team, if it has such a list.
pub(super) type Invitations = Option<Complete<Whole<OfTeam<Invitation>>>>;

/// The role to which Heroku shows a team's invitations.
const ADMIN: &str = "admin";

/// How old the name of a team is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// Heroku gave it moments ago.
    Fresh,
    /// The team may have another one by now.
    Old,
}

impl Client {
    /// Reads these lists, all at once. Each comes with the name of its parent as Heroku last gave it.
    ///
    /// # Errors
    /// When Heroku refuses the account as a whole. A failure of one list is the answer for that list.
    pub async fn read_lists(&self, lists: &BTreeMap<ListId, String>, lane: Lane) -> Result<ListsRead, AccountStopped> {
        let us = self.us(lane).await?;
        let reads = lists.iter().map(|(list, name)| {
            let us = us.as_ref();
            async move {
                let read = match list {
                    ListId::Team(team) => self.read_team(*team, name, us, lane).await?,
                    ListId::App(app) => self.read_app(*app, name, lane).await?,
                    ListId::Space(space) => self.read_space(*space, name, lane).await?,
                    ListId::Enterprise(enterprise) => self.read_enterprise(*enterprise, name, lane).await?,
                };
                Ok((*list, read))
            }
        });
        Ok(try_join_all(reads).await?.into_iter().collect())
    }

    async fn read_team(&self, team: TeamId, name: &str, us: Option<&Account>, lane: Lane) -> Read<ListRead> {
        // Invitations first: one that is accepted in between then shows up among the members. The other way round, the
        // person would be in neither list.
        let invitations = match self.read_invitations(team, name, Name::Old, lane).await? {
            Ok(invitations) => invitations,
            Err(unread) => return Ok(Err(unread)),
        };
        let members = self.read_members(team, name, lane).await?;
        Ok(members.and_then(|members| team_list(name, members, invitations, us)))
    }

    pub(super) async fn read_members(&self, team: TeamId, name: &str, lane: Lane) -> Read<Complete<Whole<Member>>> {
        self.whole(List::new(Path::members(team)), &format!("members of team {name}"), lane).await
    }

    /// `None` = this team has no such list: Heroku answers 403 or 404. It only counts together with a members list that
    /// was answered and in which we are admin. An old name is looked up before a 403 or 404 is believed, because the path
    /// holds the name.
    pub(super) async fn read_invitations(&self, team: TeamId, name: &str, age: Name, lane: Lane) -> Read<Invitations> {
        let what = invitations_of(name);
        let Some(path) = Path::invitations(name) else { return Ok(Err(unread(&what, "malformed"))) };
        let invitations: Complete<Whole<OfTeam<Invitation>>> =
            match self.attempt(&List::invitations(path), lane).await? {
                Ok(invitations) => invitations,
                Err(CallError::Forbidden | CallError::NotFound) => match age {
                    Name::Fresh => return Ok(Ok(None)),
                    Name::Old => match self.name_of(team, lane).await? {
                        Ok(current) if current == name => return Ok(Ok(None)),
                        Ok(current) => {
                            return Box::pin(self.read_invitations(team, &current, Name::Fresh, lane)).await;
                        }
                        Err(error) => return Ok(Err(unread(&what, error.code()))),
                    },
                },
                Err(error) => return Ok(Err(unread(&what, error.code()))),
            };
        // Somebody else's list, should the name have gone to another team.
        if invitations.entries.iter().any(|Whole(it)| it.team.is_some_and(|of| of != team)) {
            return Ok(Err(unread(&what, "of_another_team")));
        }
        Ok(Ok(Some(invitations)))
    }

    pub(super) async fn read_app(&self, app: AppId, name: &str, lane: Lane) -> Read<ListRead> {
        let what = format!("collaborators of app {name}");
        let read = self.whole::<Whole<Collaborator>>(List::new(Path::collaborators(app)), &what, lane).await?;
        Ok(read.map(|read| list(read, Entries::App)))
    }

    pub(super) async fn read_space(&self, space: SpaceId, name: &str, lane: Lane) -> Read<ListRead> {
        let what = format!("members of space {name}");
        let read = self.whole::<Whole<SpaceMember>>(List::new(Path::space_members(space)), &what, lane).await?;
        Ok(read.map(|read| list(read, Entries::Space)))
    }

    pub(super) async fn read_enterprise(&self, enterprise: EnterpriseId, name: &str, lane: Lane) -> Read<ListRead> {
        let what = format!("members of enterprise account {name}");
        let path = Path::enterprise_members(enterprise);
        let read = self.whole::<Whole<EnterpriseMember>>(List::new(path), &what, lane).await?;
        Ok(read.map(|read| list(read, Entries::Enterprise)))
    }

    /// Who we are; `None` when Heroku does not say just now. Then no list shows that we control it.
    pub(super) async fn us(&self, lane: Lane) -> Result<Option<Account>, AccountStopped> {
        match self.me(lane).await {
            Ok(account) => Ok(Some(account)),
            Err(error) => self.judge(error, lane).await.map(|_| None),
        }
    }

    /// One whole list, or why it is not.
    pub(super) async fn whole<T: DeserializeOwned>(&self, list: List, what: &str, lane: Lane) -> Read<Complete<T>> {
        Ok(self.attempt(&list, lane).await?.map_err(|error| unread(what, error.code())))
    }

    /// The same, with the error.
    pub(super) async fn attempt<T: DeserializeOwned>(
        &self,
        list: &List,
        lane: Lane,
    ) -> Result<Result<Complete<T>, CallError>, AccountStopped> {
        match read_list(self, list, lane).await {
            Ok(read) => Ok(Ok(read)),
            Err(error) => self.judge(error, lane).await.map(Err),
        }
    }

    async fn name_of(&self, team: TeamId, lane: Lane) -> Result<Result<String, CallError>, AccountStopped> {
        let path = Path::team(team);
        let answered = self.read(&Ask::get(&path), lane).await;
        match answered.and_then(|answered| answered.json::<wire::Named>()) {
            Ok(found) => Ok(Ok(found.name)),
            Err(error) => self.judge(error, lane).await.map(Err),
        }
    }
}

/// A team's two lists as one. That there is no list of invitations is known to an admin alone: others get the same
/// refusal for one that exists.
pub(super) fn team_list(
    name: &str,
    members: Complete<Whole<Member>>,
    invitations: Invitations,
    us: Option<&Account>,
) -> Result<ListRead, Unread> {
    let stands =
        |member: &&Member| us.is_some_and(|us| member.user.account == Some(us.id) || member.user.email == us.email);
    let ours = members.entries.iter().map(|Whole(member)| member).find(stands);
    let control = ours.is_some();
    if invitations.is_none() && ours.is_some_and(|ours| ours.role.as_deref() != Some(ADMIN)) {
        return Err(unread(&invitations_of(name), "not_admin"));
    }
    let began = invitations.as_ref().map_or(members.began, |invitations| invitations.began.min(members.began));
    let evidence = std::iter::once(members.evidence(control))
        .chain(invitations.as_ref().map(|invitations| invitations.evidence(control)))
        .collect();
    let entries = Entries::Team {
        members: members.entries.into_iter().map(|Whole(member)| member).collect(),
        invitations: invitations.map(|it| it.entries.into_iter().map(|Whole(it)| it.entry).collect()),
    };
    Ok(ListRead { began, entries, evidence })
}

fn invitations_of(team: &str) -> String {
    format!("invitations of team {team}")
}

/// Why a list is unknown.
pub(super) fn unread(what: &str, why: &str) -> Unread {
    Unread { what: what.to_owned(), why: why.to_owned() }
}

/// A list whose parent answered 200, because the list itself did.
fn list<T>(read: Complete<Whole<T>>, entries: impl FnOnce(Vec<T>) -> Entries) -> ListRead {
    let evidence = vec![read.evidence(true)];
    ListRead {
        began: read.began,
        entries: entries(read.entries.into_iter().map(|Whole(entry)| entry).collect()),
        evidence,
    }
}
