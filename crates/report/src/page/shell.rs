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
    let text = page.render().map_err(|e| Error::fault("a page", e))?;
    Ok(text.split_inclusive(is_obeyed).map(visible).collect())
}

/// Whether a terminal, or a viewer that turns the rest of a line, would obey it: names of files may contain such.
fn is_obeyed(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A part that ends with such a character, which is shown as `\u{1b}`.
fn visible(part: &str) -> String {
    match part.strip_suffix(is_obeyed) {
        Some(before) => format!("{before}{}", part[before.len()..].escape_unicode()),
        None => part.to_owned(),
    }
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
