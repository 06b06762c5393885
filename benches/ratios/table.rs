//! The table at the end.

use std::fmt;

/// Every figure of a run.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

/// One figure beside its baseline.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) baseline: String,
    pub(crate) ratio: f64,
    pub(crate) goal: Goal,
}

/// What the ratio should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Only watched.
    None,
}

impl Goal {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
            Self::None => true,
        }
    }
}

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        println!("  {:<30} {:.2}", row.name, row.ratio);
        self.0.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<30} {:>18} {:>22} {:>7}  goal", "", "value", "baseline", "ratio")?;
        for Row { name, value, baseline, ratio, goal } in &self.0 {
            let missed = if goal.is_met(*ratio) { "" } else { "  missed" };
            writeln!(f, "{name:<30} {value:>18} {baseline:>22} {ratio:>7.2}  {goal}{missed}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::None => f.write_str("–"),
        }
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
