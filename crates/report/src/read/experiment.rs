//! Everything that the page of one experiment shows.

use pipeline::Result;
use pipeline::shell::StageContext;
use records::bound::{Pilots, Sufficient, SufficientRow, SweepFindings, TheoryDocument};
use records::montecarlo::SettingFact;
use records::{OwnTolerance, answer, fetch_data};
use store::artifact::Inputs;
use store::manifest::Manifest;

use crate::read::bound::Setting;
use crate::read::eigen::Eigenpairs;
use crate::read::montecarlo::{self, Grid};
use crate::read::spectrum::Spectrum;
use crate::read::stream::Stream;
use crate::read::train::Model;
use crate::read::unit::Unit;

/// Samples and network of an experiment whose losses are its own.
pub struct Trained {
    pub data: fetch_data::Facts,
    pub model: Model,
    pub eigenpairs: Eigenpairs,
    pub spectrum: Spectrum,
}

impl Trained {
    fn read(inputs: &Inputs) -> Result<Self> {
        Ok(Self {
            data: inputs.facts()?,
            model: Model::read(inputs)?,
            eigenpairs: Eigenpairs::read(inputs)?,
            spectrum: Spectrum::read(inputs)?,
        })
    }
}

/// One experiment.
pub struct Experiment {
    pub name: String,
    /// N
    pub n_samples: usize,
    /// none where the losses are given
    pub trained: Option<Trained>,
    /// settings whose losses are given
    pub given: Vec<SettingFact>,
    pub unit: Unit,
    /// s, samples
    pub step: usize,
    /// prefix sizes of every Δ_k curve, (n,)
    pub sizes: Vec<usize>,
    pub settings: Vec<Setting>,
    pub grids: Vec<Grid>,
    pub stream: Option<Stream>,
    /// V and K of some samples and draws, if it was asked for
    pub quick: Option<answer::Found>,
    /// coverage of every interval
    pub confidence: f64,
    pub rows: Vec<SufficientRow>,
    pub pilots: Pilots,
    pub sweep: Option<SweepFindings>,
    /// of the stages before this one
    pub manifests: Vec<Manifest>,
    /// what may make the numbers wrong, from all of them
    pub warnings: Vec<String>,
}

impl Experiment {
    /// Reads all artifacts; each is checked against its manifest.
    pub fn read(ctx: &StageContext) -> Result<Self> {
        let inputs = &ctx.inputs;
        let theory: TheoryDocument = inputs.document()?;
        let measured: records::montecarlo::Facts = inputs.facts()?;
        let given = measured.settings.iter().filter(|s| s.losses.is_some()).cloned().collect::<Vec<_>>();
        let trained = if given.is_empty() { Some(Trained::read(inputs)?) } else { None };
        Ok(Self {
            name: ctx.experiment.clone(),
            n_samples: measured.n_samples,
            unit: Unit::of(trained.as_ref().map(|t| t.model.facts.loss)),
            stream: if trained.is_some() { Stream::read(inputs)? } else { None },
            quick: if trained.is_some() { inputs.document_if_any()? } else { None },
            trained,
            given,
            step: measured.step,
            sizes: inputs.read_sizes("montecarlo", "prefix_sizes.npy")?,
            settings: theory.settings.into_iter().map(|s| Setting::read(inputs, s)).collect::<Result<_>>()?,
            grids: montecarlo::read_grids(inputs, measured.grids)?,
            confidence: theory.confidence,
            rows: inputs.document::<Sufficient>()?.rows,
            pilots: inputs.document()?,
            sweep: inputs.document_if_any()?,
            warnings: inputs.manifests().flat_map(|m| m.warnings.clone()).collect(),
            manifests: inputs.manifests().cloned().collect(),
        })
    }

    /// K of `setting` by the average over orders at the tolerance that the experiment names as its own; without one, the first.
    pub fn own_row<'a>(
        &'a self,
        setting: &'a str,
        tolerance: Option<OwnTolerance>,
    ) -> Option<&'a SufficientRow> {
        let mut rows = self.rows_of(setting, "order-average");
        rows.find(|row| tolerance.is_none_or(|own| own.is_of(row)))
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
