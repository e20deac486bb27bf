//! What no section can check alone: values of several sections that do not go together. Known before any work.

use std::path::{Path, PathBuf};

use store::arrays;

use crate::{
    Answer, BasisName, Bound, Eigen, Family, FetchData, Member, MonteCarlo, OwnTolerance, Report, Sampling,
    Section, Setting, Stream, Train, Unfit,
};

/// The sections of one experiment.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each is the section of that name
pub struct Whole {
    pub fetch_data: FetchData,
    pub train: Train,
    pub eigen: Eigen,
    pub montecarlo: MonteCarlo,
    pub bound: Bound,
    pub answer: Answer,
    pub stream: Stream,
    pub report: Report,
}

/// A fault, with the stage whose section has it.
pub type Fault = (&'static str, Unfit);

impl Whole {
    /// The first fault; `n`: how many samples there are at most, and `image`: the shape of one, where these are known.
    ///
    /// # Errors
    /// If a stage would fail, after those before it have worked.
    pub fn check(&self, n: Option<usize>, image: Option<[usize; 3]>, base: &Path) -> Result<(), Fault> {
        if let Some(image) = image {
            self.train.network(image, 1).map_err(|u| (Train::STAGE, u))?;
        }
        self.check_directions().map_err(|u| (MonteCarlo::STAGE, u))?;
        self.check_own_directions(base)?;
        if let Some(n) = n {
            self.check_samples(n).map_err(|u| (MonteCarlo::STAGE, u))?;
            self.check_arrivals(n).map_err(|u| (Stream::STAGE, u))?;
        }
        self.check_quick(n).map_err(|u| (Answer::STAGE, u))?;
        self.check_steps().map_err(|u| (Eigen::STAGE, u))?;
        self.check_answer().map_err(|u| (Report::STAGE, u))
    }

    /// Directions that `eigen` has of a basis; `None` where a file of the user says it.
    fn directions(&self, basis: BasisName) -> Option<usize> {
        match basis {
            BasisName::Hessian => self.eigen.basis.is_none().then_some(self.eigen.dim),
            BasisName::Random | BasisName::Filter => Some(self.eigen.random_dim),
            BasisName::Given => None,
        }
    }

    fn check_directions(&self) -> Result<(), Unfit> {
        let enough = |key: &str, basis: BasisName, dim: usize, advice: &str| {
            let source = if basis == BasisName::Hessian { "eigen.dim" } else { "eigen.random_dim" };
            let has = self.directions(basis).unwrap_or(dim);
            Unfit::unless(has >= dim, key, || {
                format!(
                    "{dim} directions are needed, but {source} is {has}; set {source} to {dim} or more, or {advice}"
                )
            })
        };
        for (i, s) in self.montecarlo.settings.iter().enumerate() {
            enough(&format!("settings[{i}].dim"), s.basis, s.dim, "lower this")?;
        }
        for (i, g) in self.montecarlo.grids.iter().enumerate() {
            enough(&format!("grids[{i}].basis"), g.basis, 2, "take this landscape from montecarlo.grids")?;
        }
        let Some(sweep) = &self.montecarlo.sweep else { return Ok(()) };
        if let Some(dim) = sweep.dim {
            enough("sweep.dim", BasisName::Hessian, dim, "lower this")?;
        }
        let dim = sweep.dim.or(self.directions(BasisName::Hessian)).unwrap_or_default();
        let most = Sampling::SOBOL_LIMITS.0;
        Unfit::unless(dim <= most || !sweep.methods.contains(&Sampling::Sobol), "sweep.methods", || {
            format!(
                "sobol in {dim} directions; Sobol sequences have {most} at most: set sweep.dim, or take sobol from the methods"
            )
        })
    }

    /// Directions and draws of the user, by the headers of their files in `base`; one that cannot be read is named by its stage.
    fn check_own_directions(&self, base: &Path) -> Result<(), Fault> {
        let shape =
            |path: &PathBuf, name: &str| arrays::peek(&base.join(path), name).ok().map(|(shape, _)| shape);
        let mut own = None;
        if let Some((path, found)) =
            self.eigen.basis.as_ref().and_then(|path| Some((path, shape(path, "basis")?)))
        {
            let unfit = |reason: String| {
                Err((Eigen::STAGE, Unfit::new("basis", format!("{}: {reason}", path.display()))))
            };
            match found[..] {
                [p, d] if p > d => {
                    return unfit(format!(
                        "shape {found:?} looks transposed: eigenvectors are its rows, (d, {p}); save V.T"
                    ));
                }
                [d, _] => own = Some((path, d)),
                _ => return unfit(format!("shape {found:?}; (d, p) is needed, a row for each direction")),
            }
        }
        for (i, s) in self.montecarlo.settings.iter().enumerate() {
            if let Some((path, d)) = own.filter(|&(_, d)| s.basis == BasisName::Hessian && d < s.dim) {
                let reason =
                    format!("{} directions are needed, but {} has {d}; lower this", s.dim, path.display());
                return Err((MonteCarlo::STAGE, Unfit::new(format!("settings[{i}].dim"), reason)));
            }
            let Some((path, found)) = s.theta.as_ref().and_then(|path| Some((path, shape(path, "theta")?)))
            else {
                continue;
            };
            if found.len() != 2 || found[0] < 2 || found[1] != s.dim {
                let reason = format!(
                    "{}: shape {found:?}; (T, {}) with at least two rows is needed: a row is one draw, with sigma already in it",
                    path.display(),
                    s.dim
                );
                return Err((MonteCarlo::STAGE, Unfit::new(format!("settings[{i}].theta"), reason)));
            }
        }
        Ok(())
    }

    fn check_quick(&self, n: Option<usize>) -> Result<(), Unfit> {
        let Answer { half_width, basis, dim, step, sampling, .. } = self.answer;
        let (Some(_), Some(has)) = (half_width, self.directions(basis)) else { return Ok(()) };
        let source = if basis == BasisName::Hessian { "eigen.dim" } else { "eigen.random_dim" };
        let dim_or_all = dim.unwrap_or(has);
        Unfit::unless(has >= dim_or_all.max(1), "dim", || {
            format!(
                "{} directions are needed, but {source} is {has}; set {source} to as many or more, or half_width to null",
                dim_or_all.max(1)
            )
        })?;
        let most = Sampling::SOBOL_LIMITS.0;
        Unfit::unless(dim_or_all <= most || sampling != Some(Sampling::Sobol), "sampling", || {
            format!(
                "sobol in {dim_or_all} directions; Sobol sequences have {most} at most: set sampling to null or plain, or dim to {most}"
            )
        })?;
        Unfit::unless(n.is_none_or(|n| n / step >= 2), "step", || {
            format!(
                "{step}; at least two steps of the samples are needed, of which there are {}",
                n.unwrap_or(0)
            )
        })
    }

    fn check_steps(&self) -> Result<(), Unfit> {
        let (own, other) = (self.eigen.step, self.montecarlo.step);
        Unfit::unless(own == other || self.eigen.prefix_count == 0, "step", || {
            format!(
                "{own}, but montecarlo.step is {other}; set both to the same step, or eigen.prefix_count to 0"
            )
        })
    }

    /// Setting and tolerance of the answer.
    ///
    /// # Errors
    /// If there is no such setting or tolerance.
    pub fn check_answer(&self) -> Result<(), Unfit> {
        self.check_own_tolerance()?;
        let names = self.montecarlo.settings.iter().map(|s| s.name.as_str()).collect::<Vec<_>>();
        let known = self.report.answer.as_deref().is_none_or(|answer| names.contains(&answer));
        Unfit::unless(known, "answer", || {
            let answer = self.report.answer.as_deref().unwrap_or_default();
            format!(
                "montecarlo has no setting {answer:?}; it has: {}; null takes the first",
                names.join(", ")
            )
        })
    }

    fn check_own_tolerance(&self) -> Result<(), Unfit> {
        let (key, known, own) = match self.report.tolerance {
            None => return Ok(()),
            Some(OwnTolerance::Absolute(own)) => ("tolerances", &self.bound.tolerances, own),
            Some(OwnTolerance::Relative(r)) => {
                ("relative_tolerances", &self.bound.relative_tolerances, r.relative)
            }
        };
        Unfit::unless(known.iter().any(|t| t.to_bits() == own.to_bits()), "tolerance", || {
            let known = known.iter().map(|t| format!("{t:e}")).collect::<Vec<_>>().join(", ");
            format!(
                "{own:e}; one of bound.{key} is needed: {known}; null takes the first of bound.tolerances"
            )
        })
    }

    fn check_samples(&self, n: usize) -> Result<(), Unfit> {
        let step = self.montecarlo.step;
        Unfit::unless(n / step >= 2, "step", || {
            format!(
                "{step}, but there are {n} samples in all; at least two steps are needed: {} or less",
                n / 2
            )
        })?;
        let sweep = self.montecarlo.sweep.as_ref().map_or(n, |sweep| sweep.n_samples.min(n));
        Unfit::unless(sweep / step >= 2, "sweep.n_samples", || {
            format!("{sweep} samples, but one step has {step}; at least two steps are needed")
        })
    }

    fn check_arrivals(&self, n: usize) -> Result<(), Unfit> {
        let Stream { seeds, first, batch, .. } = self.stream;
        Unfit::unless(seeds == 0 || first + batch <= n, "first", || {
            format!(
                "{first} samples at the start and {batch} an arrival, but there are {n} in all; lower `first` or `batch`"
            )
        })
    }

    /// A member of a family: weights trained elsewhere are one network, whatever the member's samples or seed are, and an answer
    /// alone leaves nothing to compare.
    ///
    /// # Errors
    /// If the members could not differ as the family means it.
    pub fn check_member(&self, family: &Family, member: &Member) -> Result<(), Fault> {
        Unfit::unless(!self.answer.alone, "alone", || {
            "true, but a family compares the curves of its members, which would have none; set it to false"
                .into()
        })
        .map_err(|u| (Answer::STAGE, u))?;
        let Some(weights) = self.train.weights.as_deref() else { return Ok(()) };
        let fault = |key: &str, what: &str| {
            let reason = format!(
                "{what}, but train.weights is {}: every member would be that one network; set `weights: null`, so that each is trained, \
                 or name a file per member in `family.variants`",
                weights.display()
            );
            Err((Family::STAGE, Unfit::new(key, reason)))
        };
        if let Some(k) = member.k {
            return fault("ladder", &format!("a member is trained on {k} samples"));
        }
        if family.replicas > 1 && family.reseed.iter().all(|s| s == Train::STAGE) {
            return fault(
                "replicas",
                &format!("{} members differ in the seed of training alone", family.replicas),
            );
        }
        Ok(())
    }

    /// Settings of `self` that a pilot must have, to predict V and K of them.
    ///
    /// # Errors
    /// If one is missing or is another.
    pub fn check_pilot(&self, place: usize, name: &str, pilot: &MonteCarlo) -> Result<(), Fault> {
        let same = |a: &Setting, b: &Setting| (a.basis, a.dim, a.sigma) == (b.basis, b.dim, b.sigma);
        for own in &self.montecarlo.settings {
            let found = pilot.settings.iter().find(|s| s.name == own.name);
            let fault = |what: &str| {
                let reason =
                    format!("{name} has {what} {:?}; give it the settings of this experiment", own.name);
                (Bound::STAGE, Unfit::new(format!("pilots[{place}]"), reason))
            };
            let found = found.ok_or_else(|| fault("no setting"))?;
            if !same(own, found) {
                return Err(fault("other directions or another sigma in its setting"));
            }
        }
        Ok(())
    }
}
