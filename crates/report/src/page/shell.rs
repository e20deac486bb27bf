//! What all pages share: style and scripts.

use askama::Template;
use pipeline::{Error, Result};

use crate::page::hero::QUESTION;

pub const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPTS: [&str; 5] = [
    include_str!("../../assets/common.js"),
    include_str!("../../assets/chart.js"),
    include_str!("../../assets/panels.js"),
    include_str!("../../assets/surface.js"),
    include_str!("../../assets/start.js"),
];

/// The HTML of a page.
pub fn text(page: &impl Template) -> Result<String> {
    page.render().map_err(|e| Error::fault("a page", e))
}

/// The scripts of a page, in one strict whole.
pub fn scripts() -> String {
    SCRIPTS.concat().replace("\"use strict\";\n", "")
}

/// The title of a page in the browser: the name, and the heading where it is another.
pub fn title(name: &str, heading: &str) -> String {
    if heading == QUESTION || heading == name {
        format!("{name}: {QUESTION}")
    } else {
        format!("{name}: {heading}")
    }
}
