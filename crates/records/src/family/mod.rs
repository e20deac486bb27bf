//! What `family` is told and what it writes.

mod documents;
mod params;

pub use documents::{
    Curves, Fit, Flattening, Forecasts, KBeside, Ladder, LadderForecast, MemberResult, MemberSize, Members,
    Rung, Spread, ToleranceOfGain,
};
pub use landscape::change::forecast::{
    AtSize, AuditRow, Doubling, Fault, FaultName, Forecast, Form, FormName, GainStatus, LittleGain, Place,
    Point, Row, TargetRow, TargetStatus,
};
pub use params::{Family, Goal, Member, Target, Variant};
