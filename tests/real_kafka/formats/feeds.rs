//! A feed of each format: the sample that its record is made from, about somebody and some time of the test's own.

use std::path::PathBuf;

use heroku_deprovisioner::kafka::OutgoingRecord;
use heroku_deprovisioner::sources::record_file::{RecordFile, SUFFIX};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// What stands for the leaver's address in [`Feed::changes`].
const ADDRESS: &str = "{address}";
/// An hour ago: date, `T` and time of day, in UTC.
const TIME: &str = "{time}";
/// The same in seconds since 1970.
const SECONDS: &str = "{seconds}";
/// The day before yesterday, in UTC.
const DAY: &str = "{day}";

/// One feed.
pub(crate) struct Feed {
    /// Also the name of its source and of its topic, and whose it is.
    pub(crate) format: &'static str,
    pub(crate) tenant: &'static str,
    /// A file in `tests/samples`.
    sample: &'static str,
    /// What of the sample becomes what.
    changes: &'static [(&'static str, &'static str)],
    /// Where its record speaks of the leaver.
    pub(crate) element: &'static str,
    /// What the sample must be read as where nothing else confirms the format.
    says: Option<&'static str>,
    /// The leaver's key where records name nobody's address.
    pub(crate) known_as: Option<&'static str>,
    /// More of its configuration.
    more: &'static str,
}

const FEED: Feed = Feed {
    format: "",
    tenant: "larkspur",
    sample: "",
    changes: &[],
    element: "",
    says: None,
    known_as: None,
    more: "",
};

/// What a mapping's page says of it.
const MAPPING_PAGE: &str = include_str!("../../../docs/sources/mapping.md");

pub(crate) const FEEDS: [Feed; 22] = [
    Feed {
        format: "canonical",
        tenant: "larkspur.okta.com",
        sample: "cloudevents-01-structured-canonical.json",
        // Otherwise it is the very event of the sample of Okta, by another way.
        changes: &[
            ("priya.raman@larkspur.example", ADDRESS),
            ("2026-05-29T14:03:11", TIME),
            ("2026-05-29T14:03:13", TIME),
            ("7a1df5c6", "0a1df5c6"),
        ],
        element: "data",
        more: "types = [\"com.example.offboarding.person.v1\"]\n",
        ..FEED
    },
    Feed {
        format: "okta",
        tenant: "larkspur.okta.com",
        sample: "okta-01-event-hook-deactivate.json",
        changes: &[("priya.raman@larkspur.example", ADDRESS), ("2026-05-29T14:03:11.902", TIME)],
        element: "data.events[0]",
        ..FEED
    },
    Feed {
        format: "entra",
        tenant: "6f0f9d0e-52f5-4c0a-9f50-3f9d5f1c7a10",
        sample: "entra-02-eventhub-delete.json",
        changes: &[("greta.lindqvist@larkspur.example", ADDRESS), ("2026-05-30T03:11:20.9912345", TIME)],
        element: "records[1]",
        ..FEED
    },
    Feed {
        format: "google",
        tenant: "C03az79cb",
        sample: "google-01-activity-suspend.json",
        changes: &[("kofi.mensah@larkspur.example", ADDRESS), ("2026-05-29T16:20:31.554", TIME)],
        element: "events[0]",
        more: "on_suspended = \"remove\"\n",
        ..FEED
    },
    Feed {
        format: "keycloak",
        tenant: "staff",
        sample: "keycloak-01-admin-update-disabled.json",
        changes: &[("tomas.oliveira@larkspur.example", ADDRESS), ("1780063391", SECONDS)],
        more: "on_suspended = \"remove\"\n",
        ..FEED
    },
    Feed {
        format: "auth0",
        tenant: "larkspur.eu.auth0.com",
        sample: "auth0-01-event-stream-user-deleted.json",
        changes: &[("idris.kone@larkspur.example", ADDRESS), ("2026-05-30T05:00:00.000", TIME)],
        element: "data.object",
        says: Some("deprovision idris.kone@larkspur.example"),
        ..FEED
    },
    Feed {
        format: "jump_cloud",
        tenant: "1234abcdef123456789abc01",
        sample: "jumpcloud-01-user-delete.json",
        changes: &[("2026-05-29T14:03:11.495", TIME)],
        says: Some("deprovision 5f0000000000000000000101"),
        known_as: Some("jump_cloud:1234abcdef123456789abc01:5f0000000000000000000101"),
        ..FEED
    },
    Feed {
        format: "one_login",
        tenant: "92920",
        sample: "onelogin-01-webhook-array.json",
        changes: &[("2026-05-29 14:03:11 UTC", "{time}Z")],
        element: "[0]",
        known_as: Some("one_login:92920:32916901"),
        ..FEED
    },
    Feed {
        format: "ping_one",
        tenant: "abc12abc-12ab-4234-8abc-abc123abc001",
        sample: "pingone-01-user-deleted.json",
        changes: &[
            ("priya.raman@larkspur.example", ADDRESS),
            ("2026-05-29T14:03:11.400", TIME),
            ("2026-05-29T14:03:11.697", TIME),
        ],
        element: "resources[0]",
        ..FEED
    },
    Feed {
        format: "bamboohr",
        tenant: "40218",
        sample: "bamboohr-01-field-based-updated.json",
        changes: &[("greta.lindqvist@larkspur.example", ADDRESS), ("2026-05-28T18:42:00", TIME), ("2026-06-30", DAY)],
        element: "employees[0]",
        says: Some("deprovision greta.lindqvist@larkspur.example"),
        ..FEED
    },
    Feed {
        format: "workday",
        sample: "workday-01-raas-report.json",
        // Of the others in the report nobody leaves.
        changes: &[("kofi.mensah@larkspur.example", ADDRESS), ("2026-05-29", DAY), ("2026-06-30", "")],
        element: "Report_Entry[0]",
        says: Some("deprovision kofi.mensah@larkspur.example"),
        ..FEED
    },
    Feed {
        format: "personio",
        tenant: "77120",
        sample: "personio-01-employment-terminated.json",
        changes: &[("2026-05-29T22:00:00", TIME)],
        known_as: Some("personio:77120:p-90117"),
        ..FEED
    },
    Feed {
        format: "hibob",
        tenant: "636192",
        sample: "hibob-01-employee-left.json",
        changes: &[("2026-05-29T00:00:03.915906", TIME)],
        known_as: Some("hibob:636192:3332883854254932701"),
        ..FEED
    },
    Feed {
        format: "gusto",
        tenant: "5df911a0-0000-4412-8aaf-a46ad193dd01",
        sample: "gusto-01-employee-terminated.json",
        changes: &[("employee.terminated", "employee.terminated_effective"), ("1780063391", SECONDS)],
        known_as: Some("gusto:5df911a0-0000-4412-8aaf-a46ad193dd01:bcfc9744-0ab3-4ef3-ab0d-e72825500001"),
        ..FEED
    },
    Feed {
        format: "merge",
        tenant: "c640b80b-fac9-409f-aa19-1f9221aec401",
        sample: "merge-01-employee-changed.json",
        changes: &[
            ("priya.raman@larkspur.example", ADDRESS),
            ("2026-05-29T09:30:00", TIME),
            ("2026-05-29T00:00:00Z", "{day}T00:00:00Z"),
        ],
        ..FEED
    },
    Feed {
        format: "adp",
        sample: "adp-01-work-assignment-terminate.json",
        changes: &[("wen.zhao@larkspur.example", ADDRESS), ("2026-05-27T13:00:00", TIME), ("2026-06-12", DAY)],
        element: "events[0]",
        says: Some("deprovision wen.zhao@larkspur.example"),
        ..FEED
    },
    Feed {
        format: "ukg",
        tenant: "G0311",
        sample: "ukg-01-termination-event.json",
        changes: &[("2026-05-29T15:51:52.64", TIME)],
        says: Some("schedule UWLN6:4W7QK90000K1"),
        known_as: Some("ukg:G0311:UWLN6:4W7QK90000K1"),
        ..FEED
    },
    Feed {
        format: "success_factors",
        sample: "successfactors-01-termination-xml.record.json",
        changes: &[("1780063391", SECONDS), ("1780063390", SECONDS), ("2026-07-01", DAY)],
        element: "ExternalEvent.events.event[0]",
        says: Some("deprovision 82117"),
        known_as: Some("success_factors:larkspur:82117"),
        ..FEED
    },
    // Signed when it is sent.
    Feed { format: "set", tenant: "idp.larkspur.example", element: "events", ..FEED },
    Feed {
        format: "scim",
        tenant: "scim.larkspur.example",
        sample: "scim-05-user-resource-inactive.json",
        changes: &[
            ("Kofi.Mensah@larkspur.example", ADDRESS),
            ("kofi.mensah@larkspur.example", ADDRESS),
            ("2026-05-29T16:20:35", TIME),
        ],
        ..FEED
    },
    Feed {
        format: "debezium",
        sample: "debezium-01-update-terminated.json",
        changes: &[("kofi.mensah@larkspur.example", ADDRESS), ("20602", "\"{day}\""), ("1780063391", SECONDS)],
        element: "after",
        more: "[[sources.tables]]\nname = \"public.employee\"\nid = \"employee_id\"\nemails = [\"work_email\"]\n\
               status = \"status\"\nleft = [\"TERMINATED\"]\ndate = \"termination_date\"\n",
        ..FEED
    },
    Feed {
        format: "mapping",
        changes: &[("kofi.mensah@larkspur.example", ADDRESS), ("2026-05-29T14:03:11", TIME), ("2026-05-29", DAY)],
        element: "changes[0]",
        more: "silent_after = \"2s\"\n",
        ..FEED
    },
];

impl Feed {
    /// Who leaves by its word.
    pub(crate) fn leaver(&self) -> String {
        format!("{}.leaver@larkspur.example", self.format.replace('_', "-"))
    }

    /// Its source in the configuration.
    pub(crate) fn source(&self, topic: &str) -> String {
        let Self { format, tenant, .. } = self;
        let mut source = format!(
            "\n[[sources]]\nname = \"{format}\"\ntopic = \"{topic}\"\nformat = \"{format}\"\ntenant = \"{tenant}\"\n\
             start_at = \"earliest\"\n"
        );
        if let Some(says) = self.says {
            source.push_str(&format!("sample = \"{}\"\nsample_says = \"{says}\"\n", file(self.sample).display()));
        }
        source.push_str(self.more);
        if self.format == "mapping" {
            let (_, mapping) = block("toml").split_once("[sources.mapping]").unwrap();
            source.push_str(&format!("[sources.mapping]{}", in_utc(mapping)));
        }
        source
    }

    /// Its record, of an hour before `now`.
    pub(crate) fn record(&self, now: Timestamp) -> OutgoingRecord {
        let hour_ago = now - SignedDuration::from_hours(1);
        let at = TimeZone::UTC.to_datetime(hour_ago);
        let day = TimeZone::UTC.to_datetime(now).date() - 2.days();
        let mut text = match self.format {
            "mapping" => block("json").to_owned(),
            _ => std::fs::read_to_string(file(self.sample)).unwrap(),
        };
        for (from, to) in self.changes {
            assert!(text.contains(from), "{}: the sample holds no {from}", self.format);
            text = text.replace(from, to);
        }
        let text = text
            .replace(ADDRESS, &self.leaver())
            .replace(TIME, &at.strftime("%Y-%m-%dT%H:%M:%S").to_string())
            .replace(SECONDS, &hour_ago.as_second().to_string())
            .replace(DAY, &day.to_string());
        if !self.sample.ends_with(SUFFIX) {
            return OutgoingRecord { key: None, value: Some(text.into_bytes()), headers: Vec::new() };
        }
        let record = RecordFile::parse(text.as_bytes()).unwrap();
        let headers = record.headers.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
        OutgoingRecord { key: record.key, value: record.value, headers }
    }
}

/// The mapping's own tests say when the day ends in the zone of the page.
fn in_utc(mapping: &str) -> String {
    mapping.replace("2026-05-29T22:00:00Z", "2026-05-30T00:00:00Z")
}

/// The first fenced block of a language on the page of mappings.
fn block(language: &str) -> &'static str {
    let (_, rest) = MAPPING_PAGE.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

fn file(sample: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/samples", sample].iter().collect()
}
