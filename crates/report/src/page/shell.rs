//! What all pages share: style and scripts.

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
