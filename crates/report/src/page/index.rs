//! All experiments and families, a row each.

use askama::Template;
use pipeline::Result;

use crate::export::summary::Summary;
use crate::page::compare::Entry;
use crate::page::hero::QUESTION;
use crate::page::shell;
use crate::plot::bar::spark;
use crate::text::numbers::{count, grouped, share, unknown};
use crate::text::own::Own;

const HEAD: [&str; 7] = ["experiment", "N, at hand", "K, enough", "for", "status", "test accuracy", "curve"];

#[derive(Template)]
#[template(path = "index.html")]
struct Page<'a> {
    title: &'a str,
    data: [(&'a str, &'a str); 0],
    entries: &'a [Entry],
}

/// One experiment or family.
struct Row {
    name: String,
    /// empty where it says nothing that the name does not
    title: String,
    warnings: String,
    n_samples: String,
    value: String,
    interval: String,
    purpose: String,
    status: String,
    class: &'static str,
    accuracy: String,
    curve: Option<String>,
}

/// The page.
pub fn html(entries: &[Entry]) -> Result<String> {
    shell::text(&Page { title: QUESTION, data: [], entries })
}

impl Page<'_> {
    fn rows(&self) -> Vec<Row> {
        self.entries.iter().map(Row::of).collect()
    }
}

impl Row {
    fn of(entry: &Entry) -> Self {
        let s = &entry.summary;
        let known = |title: &String| *title != s.experiment && title != QUESTION;
        // A family without a target says what it found in its first sentence.
        let first = || s.answer.first().cloned().unwrap_or_default();
        Self {
            name: s.experiment.clone(),
            title: Some(s.title.clone()).filter(known).unwrap_or_default(),
            warnings: if s.warnings.is_empty() { String::new() } else { count(s.warnings.len(), "warning") },
            n_samples: grouped(s.n_samples),
            value: s.own.as_ref().and_then(Own::number).unwrap_or_else(unknown),
            interval: s.own.as_ref().and_then(Own::interval).unwrap_or_default(),
            purpose: s.own.as_ref().map_or_else(first, |own| own.purpose.clone()),
            status: s.own.as_ref().map_or_else(|| s.headline.clone(), Own::status),
            class: s.own.as_ref().map_or("none", |own| own.class()),
            accuracy: s.test_accuracy.map_or_else(unknown, |a| share(a, 2)),
            curve: curve(s, entry),
        }
    }
}

/// The small curve: Δ_k, or the test loss of a family.
fn curve(s: &Summary, entry: &Entry) -> Option<String> {
    match &entry.curve {
        Some(c) => {
            let points = c.k.iter().copied().zip(c.delta.iter().copied()).collect::<Vec<_>>();
            spark(&points, &format!("Δ_k of {}", s.experiment))
        }
        None => spark(&s.learning_curve, &format!("test loss of {}", s.experiment)),
    }
}
