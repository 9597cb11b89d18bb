//! The report: ratios, goals and spread.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Result;
use serde_json::{Value, json};

/// The maximum spread of the rounds of a baseline in a good run, as a fraction of their median.
const MAX_SPREAD: f64 = 0.25;

/// The measured values of each round, by name.
#[derive(Default)]
pub(crate) struct Samples(BTreeMap<&'static str, Vec<f64>>);

/// A goal: a bound of a measured value, or of its ratio to another one.
struct Goal {
    number: u8,
    of: &'static str,
    /// The value that `of` is divided by; `None` for a bound of `of` itself.
    to: Option<&'static str>,
    bound: Bound,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

const fn ratio(number: u8, of: &'static str, to: &'static str, bound: Bound) -> Goal {
    Goal { number, of, to: Some(to), bound }
}

const fn bound(number: u8, of: &'static str, bound: Bound) -> Goal {
    Goal { number, of, to: None, bound }
}

const GOALS: &[Goal] = &[
    ratio(1, "PostgreSQL POST 64: rate", "pgbench insert 32: rate", AtLeast(1.4)),
    ratio(1, "PostgreSQL POST 64: p99 ms", "pgbench insert 32: mean ms", AtMost(2.5)),
    ratio(2, "PostgreSQL POST 256: rate", "empty handler 256: rate", AtLeast(0.5)),
    ratio(2, "PostgreSQL POST 256: p99 ms", "pgbench insert 32: mean ms", AtMost(8.0)),
    ratio(3, "PostgreSQL POST 1: median ms", "pgbench insert 1: mean ms", AtMost(1.5)),
    ratio(4, "PostgreSQL GET 64: rate", "pgbench select 32: rate", AtLeast(0.8)),
    ratio(5, "SQLite POST 64: rate", "SQLite insert: rate", AtLeast(6.0)),
    ratio(5, "SQLite POST 64: rate", "empty handler 64: rate", AtLeast(0.4)),
    ratio(
        6,
        "PostgreSQL million POST 64: rate",
        "PostgreSQL thousand POST 64: rate",
        AtLeast(0.87),
    ),
    ratio(6, "PostgreSQL million GET 64: rate", "PostgreSQL thousand GET 64: rate", AtLeast(0.87)),
    ratio(6, "SQLite million POST 64: rate", "SQLite thousand POST 64: rate", AtLeast(0.87)),
    ratio(6, "SQLite million GET 64: rate", "SQLite thousand GET 64: rate", AtLeast(0.87)),
    bound(6, "PostgreSQL million list: first byte ms", AtMost(10.0)),
    bound(6, "PostgreSQL million list: added MiB", AtMost(4.0)),
    bound(6, "SQLite million list: first byte ms", AtMost(10.0)),
    bound(6, "SQLite million list: added MiB", AtMost(4.0)),
    bound(7, "PostgreSQL: peak MiB", AtMost(40.0)),
    bound(7, "SQLite: peak MiB", AtMost(80.0)),
    bound(7, "SQLite: start ms", AtMost(150.0)),
];

impl Samples {
    pub(crate) fn add(&mut self, name: &'static str, value: f64) {
        self.0.entry(name).or_default().push(value);
    }

    fn median(&self, name: &str) -> Option<f64> {
        let mut values = self.0.get(name)?.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// The range of the values, as a fraction of their median; `None` if the median is 0.
    fn spread(&self, name: &str) -> Option<f64> {
        let values = self.0.get(name)?;
        let most = values.iter().copied().fold(f64::MIN, f64::max);
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        self.median(name).filter(|median| *median > 0.0).map(|median| (most - least) / median)
    }

    /// The baselines whose spread is too large.
    fn noisy(&self) -> Vec<&'static str> {
        let baseline = |name: &&str| {
            ["pgbench", "empty handler", "SQLite insert"].iter().any(|one| name.starts_with(one))
                && name.ends_with("rate")
        };
        let names = self.0.keys().copied().filter(baseline);
        names.filter(|name| self.spread(name).is_some_and(|spread| spread > MAX_SPREAD)).collect()
    }

    /// Prints the medians, the spreads and the goals as Markdown tables.
    pub(crate) fn print(&self, about: &[(&'static str, String)]) -> Result<()> {
        let mut output = io::stdout().lock();
        for (name, value) in about {
            writeln!(output, "- {name}: {value}")?;
        }
        writeln!(output, "\n| what | median | spread |\n| --- | ---: | ---: |")?;
        for name in self.0.keys() {
            let median = self.median(name).unwrap_or_default();
            let spread = self.spread(name).map(|spread| format!("{:.0} %", spread * 100.0));
            let digits = if median < 100.0 { 2 } else { 0 };
            writeln!(
                output,
                "| {name} | {median:.digits$} | {} |",
                spread.as_deref().unwrap_or("–")
            )?;
        }
        writeln!(
            output,
            "\n| goal | value | relative to | result | target | |\n| --- | --- | --- | ---: | --- | --- |"
        )?;
        for goal in GOALS {
            let Some((is, has_to_be, reached)) = self.judge(goal) else { continue };
            let (number, of, to) = (goal.number, goal.of, goal.to.unwrap_or("–"));
            let reached = if reached { "reached" } else { "missed" };
            writeln!(output, "| {number} | {of} | {to} | {is:.2} | {has_to_be} | {reached} |")?;
        }
        match &*self.noisy() {
            [] => writeln!(output, "\nThe baselines were stable, so this was a good run.")?,
            noisy => writeln!(
                output,
                "\nNot a good run: these lie more than {:.0} % apart: {}.",
                MAX_SPREAD * 100.0,
                noisy.join(", ")
            )?,
        }
        Ok(())
    }

    fn judge(&self, goal: &Goal) -> Option<(f64, String, bool)> {
        let of = self.median(goal.of)?;
        let is = match goal.to {
            Some(to) => of / self.median(to)?,
            None => of,
        };
        Some(match goal.bound {
            AtLeast(least) => (is, format!("≥ {least}"), is >= least),
            AtMost(most) => (is, format!("≤ {most}"), is <= most),
        })
    }

    /// Returns the values of each round and the goals as JSON.
    pub(crate) fn to_json(&self, about: &[(&'static str, String)]) -> Value {
        let goals = GOALS.iter().filter_map(|goal| {
            let (is, has_to_be, reached) = self.judge(goal)?;
            let (number, of, to) = (goal.number, goal.of, goal.to);
            Some(json!({
                "goal": number, "of": of, "to": to, "is": is, "has_to_be": has_to_be,
                "reached": reached
            }))
        });
        let about: BTreeMap<_, _> = about.iter().cloned().collect();
        json!({
            "about": about,
            "rounds": self.0,
            "goals": goals.collect::<Vec<_>>(),
            "noisy": self.noisy(),
        })
    }
}
