//! What `report` is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bound::SufficientRow;
use crate::section::Section;
use crate::units::SquaredLoss;

/// A tolerance as `bound` lists it.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OwnTolerance {
    /// One of `bound.tolerances`, in the squared unit of the loss.
    Absolute(SquaredLoss),
    /// One of `bound.relative_tolerances`.
    Relative(RelativeTolerance),
}

/// Of √Δ_k as a fraction of the mean perturbed loss.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RelativeTolerance {
    /// The fraction.
    pub relative: f64,
}

impl OwnTolerance {
    /// Whether a row of K is at this tolerance.
    pub fn is_of(self, row: &SufficientRow) -> bool {
        self.is_at(row.tolerance, row.relative)
    }

    /// Whether it is this one: an absolute tolerance, or the fraction that it follows from.
    pub fn is_at(self, absolute: SquaredLoss, relative: Option<f64>) -> bool {
        match self {
            Self::Absolute(own) => relative.is_none() && absolute.to_bits() == own.to_bits(),
            Self::Relative(own) => relative.is_some_and(|r| r.to_bits() == own.relative.to_bits()),
        }
    }
}

/// Parameters of `report`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// The setting whose K is the answer at the top; null: the first of `montecarlo.settings`.
    #[serde(default)]
    pub answer: Option<String>,
    /// The tolerance whose K is the number at the top: one of `bound.tolerances`, or {relative: r} with r one of
    /// `bound.relative_tolerances`; null: the first of `bound.tolerances`.
    #[serde(default)]
    pub tolerance: Option<OwnTolerance>,
    /// Whether the page is kept apart from others: it then has no links to the pages over all experiments.
    #[serde(default)]
    pub alone: bool,
    /// Whether the page sets its numbers beside those that the paper printed.
    pub compare_with_paper: bool,
    /// Pixels of the PNG per unit of the SVG.
    #[schemars(range(min = 0.1, max = 10))]
    pub png_scale: f64,
}

impl Section for Report {
    const STAGE: &'static str = "report";
}
