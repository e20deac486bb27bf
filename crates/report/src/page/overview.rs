//! `artifacts/index.html` and `artifacts/compare.html`: all experiments whose report has finished, with the one in hand.

use std::path::Path;

use pipeline::{Error, Result, verify};
use store::artifact::{Document, replace};
use store::manifest::Manifest;

use crate::export::curve::Curve;
use crate::export::summary::{FORMAT, Summary};
use crate::page::compare::{self, Entry};
use crate::page::index;

/// Rewrites both pages; `current` and its results may not be in place yet. A member stands there through its family alone.
pub fn write(artifacts: &Path, summary: Summary, curve: Option<Curve>) -> Result<()> {
    let current = summary.experiment.clone();
    if current.contains('/') {
        return Ok(());
    }
    let mut entries = others(artifacts, &current)?;
    entries.push(Entry { summary, curve });
    put_both(artifacts, entries)
}

/// Writes both pages of what is there, as after an experiment was removed; without any there is no page.
pub fn rewrite(artifacts: &Path) -> Result<()> {
    let entries = others(artifacts, "")?;
    if !entries.is_empty() {
        return put_both(artifacts, entries);
    }
    for file in PAGES {
        let path = artifacts.join(file);
        if path.exists() {
            std::fs::remove_file(&path)
                .map_err(|e| Error::fault(format!("cannot remove {}", path.display()), e))?;
        }
    }
    Ok(())
}

const PAGES: [&str; 2] = ["index.html", "compare.html"];

/// All experiments with a finished report, but `current`.
fn others(artifacts: &Path, current: &str) -> Result<Vec<Entry>> {
    let names = verify::entries(artifacts)?.into_iter().map(|(_, name)| name);
    Ok(names.filter(|name: &String| name != current).filter_map(|name| read(artifacts, &name)).collect())
}

fn put_both(artifacts: &Path, mut entries: Vec<Entry>) -> Result<()> {
    entries.sort_by(|a, b| a.summary.experiment.cmp(&b.summary.experiment));
    put(artifacts, PAGES[0], &index::html(&entries)?);
    entries.retain(|e| e.curve.is_some());
    put(artifacts, PAGES[1], &compare::html(&entries)?);
    Ok(())
}

/// Where the folder is another user's, the report of the experiment is there all the same.
fn put(artifacts: &Path, file: &str, text: &str) {
    if let Err(error) = replace(&artifacts.join(file), text.as_bytes()) {
        tracing::warn!("report: {error}; this list of all experiments stays as it was");
    }
}

/// A finished report of this version; others appear again once they are made again.
fn read(artifacts: &Path, experiment: &str) -> Option<Entry> {
    let dir = artifacts.join(experiment);
    Manifest::find(&dir, Summary::STAGE).ok()??;
    let summary: Summary = document(&dir)?;
    (summary.format == FORMAT).then(|| Entry { summary, curve: document(&dir) })
}

fn document<D: Document>(experiment_dir: &Path) -> Option<D> {
    let text = std::fs::read(experiment_dir.join(D::STAGE).join(D::FILE)).ok()?;
    serde_json::from_slice(&text).ok()
}
