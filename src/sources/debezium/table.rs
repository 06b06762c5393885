//! What the columns of a table mean, as the configuration says.

use serde::Deserialize;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// `schema.table`, `database.table` or `table`.
    pub name: String,
    pub(super) id: String,
    #[serde(default)]
    pub(super) emails: Vec<String>,
    pub(super) status: Option<String>,
    /// Values of the status that mean left.
    #[serde(default)]
    pub(super) left: Vec<String>,
    pub(super) date: Option<String>,
    pub(super) date_as: Option<DateAs>,
    pub(super) system: Option<String>,
}

/// What a number in the column of the date counts, since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DateAs {
    Days,
    Millis,
    Micros,
    Nanos,
}

impl Table {
    /// Values of a record that say something.
    pub(in crate::sources) fn words(&self) -> impl Iterator<Item = &String> {
        self.left.iter().chain([&self.name])
    }

    /// What does not fit together: the key at fault, what is wrong, and what to do.
    pub fn misfit(&self) -> Option<(&'static str, &'static str, &'static str)> {
        match (&self.status, self.left.is_empty(), &self.date) {
            (Some(_), true, _) => Some((
                "status",
                "is there, and `left` is missing",
                "list the values that mean left, as in left = [\"TERMINATED\"]",
            )),
            (None, false, _) => {
                Some(("left", "is there, and `status` is missing", "name the column that holds these values"))
            }
            (None, true, None) => Some((
                "name",
                "has neither `status` nor `date`: nothing says who leaves",
                "name the column of the status with the values that mean left, or that of the last day",
            )),
            (Some(_), false, _) | (None, true, Some(_)) => None,
        }
    }
}

impl DateAs {
    /// What a column is, by the name of its type in the schema beside the payload.
    pub(super) fn of_type(name: &str) -> Option<Self> {
        match name {
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Some(Self::Days),
            "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => Some(Self::Millis),
            "io.debezium.time.MicroTimestamp" => Some(Self::Micros),
            "io.debezium.time.NanoTimestamp" => Some(Self::Nanos),
            _ => None,
        }
    }
}
