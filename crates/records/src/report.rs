//! What `report` is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::positive;
use crate::section::Section;

/// Parameters of `report`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// The setting whose K is the answer at the top; null: the first of `montecarlo.settings`.
    #[serde(default)]
    pub answer: Option<String>,
    /// Whether the page sets its numbers beside those that the paper printed.
    pub compare_with_paper: bool,
    /// Pixels of the PNG per unit of the SVG.
    #[schemars(transform = positive, range(max = 10))]
    pub png_scale: f64,
}

impl Section for Report {
    const STAGE: &'static str = "report";
}
