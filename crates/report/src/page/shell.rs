//! What all pages share: style and scripts.

use crate::page::hero::QUESTION;

pub const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPTS: [&str; 5] = [
    include_str!("../../assets/common.js"),
    include_str!("../../assets/chart.js"),
    include_str!("../../assets/panels.js"),
    include_str!("../../assets/surface.js"),
    include_str!("../../assets/start.js"),
];

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
