//! `fetch-data`: samples from wherever they can be had, checked, in one stored order.

mod order;
mod source;
mod write;

use std::path::Path;
use std::process::ExitCode;

use fetch_data::{error, format, split};
use pipeline::Result;
use pipeline::shell::{Stage, StageContext};
use records::{Dataset, FetchData};

use crate::error::FetchError;
use crate::split::Splits;

struct FetchDataStage;

impl Stage for FetchDataStage {
    type Params = FetchData;
    const ABOUT: &'static str = "Fetches the samples, checks them and stores them in one fixed order";
    const CODE: &'static str = env!("CODE");

    fn run(params: &FetchData, ctx: &mut StageContext) -> Result<String> {
        Ok(run(params, ctx)?)
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<FetchDataStage>()
}

fn run(params: &FetchData, ctx: &mut StageContext) -> Result<String, FetchError> {
    let splits = load(params, &ctx.base)?;
    let chosen = order::choose(params, &splits, &ctx.base)?;
    for warning in &chosen.warnings {
        ctx.warn(format!("fetch-data: {warning}"));
    }
    write::arrays(ctx, &splits.train, &chosen)?;
    write::facts(ctx, params, &splits.train, &chosen)
}

/// The data set of the section, whole.
fn load(params: &FetchData, base: &Path) -> Result<Splits, FetchError> {
    match params.dataset {
        Dataset::Known(entry) => {
            let found = source::fetch(entry, params, base)?;
            format::read(entry, &found.files, found.folder.as_deref(), params.labels)
        }
        Dataset::Files => {
            let files = params.files.as_ref().expect("checked with the section");
            format::arrays::read(files, base, (params.records(), params.labels))
        }
    }
}
