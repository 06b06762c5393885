//! A plan for people's eyes, and as JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::commands::page::{counted, labelled, paragraph, table};
use crate::engine::rehearsal::Rehearsed;
use crate::model::outcome::{AccessAfter, CoveragePart, Decision, GrantPart, Mode};
use crate::model::{Email, Parent};

/// What offboardings would do.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    /// Whose eyes saw it.
    pub(crate) heroku_account: Email,
    /// Where the token comes from.
    pub(crate) token_from: &'static str,
    /// Of the installation.
    pub(crate) mode: Mode,
    /// In the order in which they were named.
    pub(crate) people: Vec<PersonPlan>,
    /// What was looked at; absent = nothing had to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<CoveragePart>,
    /// What the reader should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// What offboarding one person would do.
#[derive(Debug, Serialize)]
pub(crate) struct PersonPlan {
    /// The person.
    pub(crate) address: Email,
    /// What it would come to.
    #[serde(flatten)]
    pub(crate) outlook: Rehearsed,
}

impl Plan {
    /// In 80 columns.
    pub(crate) fn page(&self) -> String {
        let mut page = labelled("Account  ", &format!("{} ({})", self.heroku_account.expose(), self.token_from));
        let mode = match self.mode {
            Mode::Observe => "observe: the service would record this plan and remove nothing",
            Mode::Enforce => "enforce",
        };
        page += &labelled("Mode     ", mode);
        if let Some(coverage) = &self.coverage {
            page += &labelled("Read     ", &read(coverage));
            for unread in &coverage.not_read {
                page += &labelled("Unread   ", &format!("{} ({})", unread.what, unread.why));
            }
        }
        for person in &self.people {
            page.push('\n');
            person.write(&mut page);
        }
        if !self.notes.is_empty() {
            page.push('\n');
            self.notes.iter().for_each(|note| page += &paragraph(note));
        }
        page
    }
}

impl PersonPlan {
    fn write(&self, page: &mut String) {
        let it = &self.outlook;
        *page += &paragraph(&format!("{}: {}", self.address.expose(), self.sentence()));
        if !it.grants.is_empty() {
            let rows = it.grants.iter().map(|grant| {
                [grant.surface.as_str().replace('_', " "), place(&grant.parent), grant.before.clone(), fate(grant)]
            });
            *page += &table(["WHAT", "ON", "AS", "WOULD"], rows);
        }
        for hold in &it.holds {
            *page += &labelled("held     ", &format!("{}: {}", hold.reason.as_str(), hold.detail));
            *page += &labelled("         ", &format!("to go on: {}", hold.remedy));
        }
        for residual in &it.residuals {
            *page += &labelled("stays    ", &format!("{}: {}", place(&residual.parent), residual.remedy));
        }
        for follow_up in &it.follow_ups {
            let what = format!("{} of {}", follow_up.advice.replace('_', " "), counted(follow_up.apps.len(), "app"));
            *page += &labelled("then     ", &format!("{what}: {}", follow_up.apps.join(", ")));
        }
    }

    fn sentence(&self) -> String {
        let it = &self.outlook;
        if let Some(refused) = &it.refused {
            return refused.clone();
        }
        if it.grants.is_empty() {
            return match it.access {
                AccessAfter::None => "no access that can be seen".to_owned(),
                AccessAfter::Remaining | AccessAfter::Unknown => {
                    "no access was found, but not everything could be read".to_owned()
                }
            };
        }
        let count = |wanted| it.grants.iter().filter(|grant| grant.decision == wanted).count();
        let mut sentence = counted(it.grants.len(), "grant");
        let stay = count(Decision::Keep) + count(Decision::Report);
        for (number, fate) in
            [(count(Decision::Revoke), "would go"), (count(Decision::Hold), "held"), (stay, "would stay")]
        {
            if number > 0 {
                let _ = write!(sentence, ", {number} {fate}");
            }
        }
        sentence
    }
}

fn read(coverage: &CoveragePart) -> String {
    let teams = counted(coverage.teams_read.len(), "team");
    let expected = match coverage.expected_from.as_str() {
        "visible_teams" => "every team that this account can see",
        _ => "the enterprise account's teams and heroku.expected_teams",
    };
    let whole = if coverage.complete { "complete" } else { "NOT complete" };
    format!("{teams}, {whole}; expected: {expected}")
}

/// What it is on, with its kind.
pub(crate) fn place(parent: &Parent) -> String {
    let kind = match parent {
        Parent::Team { .. } => "team",
        Parent::App { .. } => "app",
        Parent::Space { .. } => "space",
        Parent::Enterprise { .. } => "enterprise",
        Parent::Pipeline { .. } => "pipeline",
    };
    format!("{kind} {}", parent.name())
}

fn fate(grant: &GrantPart) -> String {
    let why = grant.reason.as_deref().unwrap_or_default().replace('_', " ");
    match grant.decision {
        Decision::Revoke => "go".to_owned(),
        Decision::Hold => format!("wait: {why}"),
        Decision::Keep | Decision::Report => format!("stay: {why}"),
    }
}
