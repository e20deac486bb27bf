//! Everything that the page of one experiment shows.

use anyhow::Result;
use pipeline::shell::StageContext;
use records::bound::{Pilots, Sufficient, SufficientRow, SweepFindings, TheoryDocument};
use records::fetch_data;
use store::manifest::Manifest;

use crate::read::bound::Setting;
use crate::read::eigen::Eigenpairs;
use crate::read::montecarlo::{self, Grid};
use crate::read::spectrum::Spectrum;
use crate::read::stream::Stream;
use crate::read::train::Model;
use crate::text::unit::Unit;

/// One experiment.
pub struct Experiment {
    pub name: String,
    pub data: fetch_data::Facts,
    pub model: Model,
    pub unit: Unit,
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
    pub pilots: Pilots,
    pub sweep: Option<SweepFindings>,
    /// of the stages before this one
    pub manifests: Vec<Manifest>,
}

impl Experiment {
    /// Reads all artifacts; each is checked against its manifest.
    pub fn read(ctx: &StageContext) -> Result<Self> {
        let inputs = &ctx.inputs;
        let theory: TheoryDocument = inputs.document()?;
        let measured: records::montecarlo::Facts = inputs.facts()?;
        let model = Model::read(inputs)?;
        Ok(Self {
            name: ctx.experiment.clone(),
            data: inputs.facts()?,
            unit: Unit::of(Some(model.facts.loss)),
            model,
            eigenpairs: Eigenpairs::read(inputs)?,
            step: measured.step,
            sizes: inputs.read_sizes("montecarlo", "prefix_sizes.npy")?,
            settings: theory.settings.into_iter().map(|s| Setting::read(inputs, s)).collect::<Result<_>>()?,
            grids: montecarlo::read_grids(inputs, measured.grids)?,
            spectrum: Spectrum::read(inputs)?,
            stream: Stream::read(inputs)?,
            confidence: theory.confidence,
            rows: inputs.document::<Sufficient>()?.rows,
            pilots: inputs.document()?,
            sweep: inputs.document_if_any()?,
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
