//! Parameters of `report`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::{Section, Unfit};

/// Parameters of `report`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// The setting whose K is the answer at the top; one of `montecarlo.settings`.
    pub answer: String,
    /// Whether the page sets its numbers beside those that the paper printed.
    pub compare_with_paper: bool,
    /// Pixels of the PNG per unit of the SVG.
    pub png_scale: f64,
}

impl Section for Report {
    const STAGE: &'static str = "report";

    fn check(&self) -> Result<(), Unfit> {
        Unfit::unless(self.png_scale > 0.0 && self.png_scale <= 10.0, "png_scale", || {
            format!("{}; a number above 0, at most 10, is needed: 2 gives sharp pictures", self.png_scale)
        })
    }
}
