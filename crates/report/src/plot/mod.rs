//! Pictures: charts and surfaces as SVG, and those as PNG.

pub mod axis;
pub mod bar;
pub mod chart;
pub mod colours;
pub mod panel;
pub mod png;
pub mod surface;
