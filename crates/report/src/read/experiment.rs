//! Everything that the page of one experiment shows.

use anyhow::Result;
use pipeline::shell::StageContext;
use store::manifest::Manifest;

use crate::read::bound::{self, PilotDocument, Setting, SufficientRow, Sweep, TheoryDocument};
use crate::read::eigen::Eigenpairs;
use crate::read::fetch_data::Data;
use crate::read::montecarlo::{self, Grid};
use crate::read::spectrum::Spectrum;
use crate::read::stream::Stream;
use crate::read::train::Model;

/// One experiment.
pub struct Experiment {
    pub name: String,
    pub data: Data,
    pub model: Model,
    pub eigenpairs: Eigenpairs,
    /// s, samples
    pub step: usize,
    /// prefix sizes of every Δ_k curve, (n,)
    pub sizes: Vec<usize>,
    pub settings: Vec<Setting>,
    pub grids: Vec<Grid>,
    pub spectrum: Spectrum,
    pub stream: Option<Stream>,
    /// coverage of every interval
    pub confidence: f64,
    pub rows: Vec<SufficientRow>,
    pub pilots: PilotDocument,
    pub sweep: Option<Sweep>,
    /// of the stages before this one
    pub manifests: Vec<Manifest>,
}

impl Experiment {
    /// Reads all artifacts; each is checked against its manifest.
    pub fn read(ctx: &StageContext) -> Result<Self> {
        let inputs = &ctx.inputs;
        let theory: TheoryDocument = inputs.read_json("bound", "theory.json")?;
        Ok(Self {
            name: ctx.experiment.clone(),
            data: Data::read(inputs)?,
            model: Model::read(inputs)?,
            eigenpairs: Eigenpairs::read(inputs)?,
            step: inputs.fact("montecarlo", "step")?,
            sizes: inputs.read_sizes("montecarlo", "prefix_sizes.npy")?,
            settings: theory.settings.into_iter().map(|s| Setting::read(inputs, s)).collect::<Result<_>>()?,
            grids: montecarlo::read_grids(inputs)?,
            spectrum: Spectrum::read(inputs)?,
            stream: Stream::read(inputs)?,
            confidence: theory.confidence,
            rows: bound::read_sufficient(inputs)?,
            pilots: inputs.read_json("bound", "pilot.json")?,
            sweep: bound::read_sweep(inputs)?,
            manifests: ["fetch-data", "train", "eigen", "montecarlo", "bound", "spectrum", "stream"]
                .map(|s| inputs.manifest(s).clone())
                .to_vec(),
        })
    }

    /// K of `setting` by `method`, a row per tolerance.
    pub fn rows_of<'a>(
        &'a self,
        setting: &'a str,
        method: &'a str,
    ) -> impl Iterator<Item = &'a SufficientRow> {
        self.rows.iter().filter(move |r| r.setting == setting && r.method == method)
    }
}
