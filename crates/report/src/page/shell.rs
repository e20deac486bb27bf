//! What all pages share: style, scripts and tables.

pub const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPTS: [&str; 4] = [
    include_str!("../../assets/common.js"),
    include_str!("../../assets/chart.js"),
    include_str!("../../assets/surface.js"),
    include_str!("../../assets/start.js"),
];

/// The scripts of a page, in one strict whole.
pub fn scripts() -> String {
    SCRIPTS.concat().replace("\"use strict\";\n", "")
}

/// A table; the first cell of a row names it.
pub struct Table {
    /// an empty one heads nothing
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of `rows` under `head`.
    pub fn of<H: Into<String>>(
        head: impl IntoIterator<Item = H>,
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: rows.into_iter().collect() }
    }
}
