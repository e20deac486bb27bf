//! All experiments and families, each with its answer.

use anyhow::Result;
use askama::Template;

use crate::page::compare::Entry;
use crate::page::shell;

#[derive(Template)]
#[template(path = "index.html")]
struct Page<'a> {
    title: &'a str,
    data: [(&'a str, &'a str); 0],
    entries: &'a [Entry],
}

/// The page.
pub fn html(entries: &[Entry]) -> Result<String> {
    Ok(Page { title: "How many samples are enough?", data: [], entries }.render()?)
}
