//! What `family` is told and what it writes.

mod documents;
mod params;

pub use documents::{
    Curves, Fit, Flattening, Forecasts, Ladder, LadderForecast, MemberResult, MemberSize, Members, Rung,
    Spread,
};
pub use landscape::change::forecast::{
    AuditRow, Doubling, Fault, FaultName, Forecast, Form, FormName, Point, Row, TargetRow, TargetStatus,
};
pub use params::{Family, Goal, Member, Target, Variant};
