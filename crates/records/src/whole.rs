//! What no section can check alone: values of several sections that do not go together. Known before any work.

use std::path::{Path, PathBuf};

use store::arrays;

use crate::{
    Answer, BasisName, Bound, Eigen, Family, FetchData, Loss, Member, MonteCarlo, OwnTolerance, Report,
    Sampling, Section, Setting, Stream, Train, Unfit, name_of,
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
            self.check_network(image)?;
        }
        self.check_labels(base).map_err(|u| (Train::STAGE, u))?;
        let own = self.rows_of_own_basis(base).map_err(|u| (Eigen::STAGE, u))?;
        self.check_directions(own).map_err(|u| (MonteCarlo::STAGE, u))?;
        self.check_own_draws(base).map_err(|u| (MonteCarlo::STAGE, u))?;
        if let Some(n) = n {
            self.check_samples(n).map_err(|u| (MonteCarlo::STAGE, u))?;
            self.check_arrivals(n).map_err(|u| (Stream::STAGE, u))?;
        }
        self.check_quick(n, own).map_err(|u| (Answer::STAGE, u))?;
        self.check_steps().map_err(|u| (Eigen::STAGE, u))?;
        self.check_answer().map_err(|u| (Report::STAGE, u))
    }

    /// The layers, and the directions asked for, of which there are no more than parameters.
    fn check_network(&self, image: [usize; 3]) -> Result<(), Fault> {
        let outputs = self.fetch_data.n_outputs();
        let network = self.train.network(image, outputs.unwrap_or(1)).map_err(|u| (Train::STAGE, u))?;
        let p = if outputs.is_some() { network.n_params() } else { usize::MAX };
        let unless = |stage: &'static str, ok: bool, dim: usize| {
            let reason = || format!("{dim} directions, but the network has {p} parameters");
            Unfit::unless(ok || dim <= p, "dim", reason).map_err(|u| (stage, u))
        };
        unless(Eigen::STAGE, self.eigen.basis.is_some(), self.eigen.dim)?;
        unless(Stream::STAGE, self.stream.seeds == 0, self.stream.dim)
    }

    /// Labels of the user that the loss cannot take; a file that cannot be read is named by `fetch-data`.
    fn check_labels(&self, base: &Path) -> Result<(), Unfit> {
        let Some(files) = self.fetch_data.files.as_ref().filter(|_| self.train.loss.needs_classes()) else {
            return Ok(());
        };
        let y = base.join(&files.train_y);
        let values = self.fetch_data.has_targets(base).then(|| arrays::read(&y, "y").ok()).flatten();
        values.map_or(Ok(()), |values| {
            let long = values.shape().iter().filter(|&&length| length != 1).count();
            Err(not_classes(self.train.loss, long > 1, values.to_f64().iter().all(|v| v.fract() == 0.0)))
        })
    }

    /// Directions that `eigen` has of a basis, of which the user's own has `own`; `None` where that is not known.
    fn directions(&self, basis: BasisName, own: Option<usize>) -> Option<usize> {
        match basis {
            BasisName::Hessian if self.eigen.basis.is_some() => own,
            BasisName::Hessian => Some(self.eigen.dim),
            BasisName::Random | BasisName::Filter => Some(self.eigen.random_dim),
            BasisName::Given => None,
        }
    }

    /// What says how many directions a basis has, and how to have `dim` of them.
    fn more_directions(&self, basis: BasisName, has: usize, dim: usize) -> String {
        let source = match (basis, &self.eigen.basis) {
            (BasisName::Hessian, Some(file)) => {
                return format!("{} has {has}; give it {dim} rows or more", file.display());
            }
            (BasisName::Hessian, None) => "eigen.dim",
            _ => "eigen.random_dim",
        };
        format!("{source} is {has}; set {source} to {dim} or more")
    }

    fn check_directions(&self, own: Option<usize>) -> Result<(), Unfit> {
        let enough = |key: &str, basis: BasisName, dim: usize, advice: &str| {
            let has = self.directions(basis, own).unwrap_or(dim);
            Unfit::unless(has >= dim, key, || {
                format!(
                    "{dim} directions are needed, but {}, or {advice}",
                    self.more_directions(basis, has, dim)
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
        let dim = sweep.dim.or(self.directions(BasisName::Hessian, own)).unwrap_or_default();
        let most = Sampling::SOBOL_LIMITS.0;
        Unfit::unless(dim <= most || !sweep.methods.contains(&Sampling::Sobol), "sweep.methods", || {
            format!(
                "sobol in {dim} directions; Sobol sequences have {most} at most: set sweep.dim, or take sobol from the methods"
            )
        })
    }

    /// Rows of the basis of the user, by the header of its file in `base`; one that cannot be read is named by `eigen`.
    fn rows_of_own_basis(&self, base: &Path) -> Result<Option<usize>, Unfit> {
        let Some((file, shape)) = peek(base, self.eigen.basis.as_ref(), "basis") else { return Ok(None) };
        let unfit =
            |reason: String| Unfit::new("basis", format!("{}: shape {shape:?} {reason}", file.display()));
        match shape[..] {
            [p, d] if p > d => {
                Err(unfit(format!("looks transposed: eigenvectors are its rows, (d, {p}); save V.T")))
            }
            [d, _] => match not_finite(base, file, "basis", &shape) {
                Some(place) => Err(Unfit::new("basis", place)),
                None => Ok(Some(d)),
            },
            _ => Err(unfit("is not (d, p), a row for each direction".into())),
        }
    }

    /// Draws of the user, by the headers of their files.
    fn check_own_draws(&self, base: &Path) -> Result<(), Unfit> {
        for (i, s) in self.montecarlo.settings.iter().enumerate() {
            let Some((file, shape)) = peek(base, s.theta.as_ref(), "theta") else { continue };
            let fits = shape.len() == 2 && shape[0] >= 2 && shape[1] == s.dim;
            Unfit::unless(fits, &format!("settings[{i}].theta"), || {
                format!(
                    "{}: shape {shape:?}; (T, {}) with at least two rows is needed: a row is one draw, with sigma already in it",
                    file.display(),
                    s.dim
                )
            })?;
            if let Some(place) = not_finite(base, file, "theta", &shape) {
                return Err(Unfit::new(format!("settings[{i}].theta"), place));
            }
        }
        Ok(())
    }

    fn check_quick(&self, n: Option<usize>, own: Option<usize>) -> Result<(), Unfit> {
        let Answer { half_width, basis, dim, step, sampling, .. } = self.answer;
        let (Some(_), Some(has)) = (half_width, self.directions(basis, own)) else { return Ok(()) };
        let dim_or_all = dim.unwrap_or(has);
        let needed = dim_or_all.max(1);
        Unfit::unless(has >= needed, "dim", || {
            let more = self.more_directions(basis, has, needed);
            format!("{needed} directions are needed, but {more}, or half_width to null")
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

    /// A member of a family: weights trained elsewhere are one network, whatever the member's samples or seed are, an answer alone
    /// leaves nothing to compare, and the ladder and the target must suit the data in `base`.
    ///
    /// # Errors
    /// If the members could not differ as the family means it, or another member will fail.
    pub fn check_member(&self, family: &Family, member: &Member, base: &Path) -> Result<(), Fault> {
        let all = self.fetch_data.all_samples(base).unwrap_or(usize::MAX);
        let beyond = family.ladder.iter().find(|&&k| k > all);
        Unfit::unless(beyond.is_none(), "ladder", || {
            format!("{} samples, but there are {all} in all", beyond.unwrap_or(&0))
        })
        .map_err(|u| (Family::STAGE, u))?;
        let asks_accuracy = family.target.is_some_and(|target| target.accuracy.is_some());
        Unfit::unless(!asks_accuracy || !self.fetch_data.has_targets(base), "target", || {
            "accuracy, but the labels are floats: regression has none; give {test_loss: …}, in squared units of the target".into()
        })
        .map_err(|u| (Family::STAGE, u))?;
        Unfit::unless(!self.answer.alone, "alone", || {
            "true, but a family compares the curves of its members, which would have none; set it to false"
                .into()
        })
        .map_err(|u| (Answer::STAGE, u))?;
        let alike = family.replicas > 1 && !self.has_other_replicas(&family.reseed);
        let Some(weights) = self.train.weights.as_deref() else {
            return Unfit::unless(!alike, "reseed", || self.why_alike(family))
                .map_err(|u| (Family::STAGE, u));
        };
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
        if alike {
            let what = "replicas have the same samples in the same order";
            return fault("replicas", &format!("{} {what}", family.replicas));
        }
        Ok(())
    }

    /// Whether other seeds in these sections make other networks, or other samples: what says how far a result is from another run's.
    fn has_other_replicas(&self, reseed: &[String]) -> bool {
        let has = |stage: &str| reseed.iter().any(|s| s == stage);
        let trained = self.train.weights.is_none() && has(Train::STAGE);
        trained || has(FetchData::STAGE) && self.fetch_data.draws()
    }

    /// Why the replicas of a family are one network.
    fn why_alike(&self, family: &Family) -> String {
        let Family { reseed, replicas, .. } = family;
        let seedless = reseed.iter().any(|s| s == FetchData::STAGE);
        let order = name_of(&self.fetch_data.order);
        let why = if seedless {
            format!(" (fetch-data.order is {order}, so its seed changes nothing)")
        } else {
            String::new()
        };
        format!(
            "[{}], but then all {replicas} replicas are one network on the same samples{why}, and their spread says nothing; name `train`, so that \
             each is trained from another seed, or set `replicas: 1`",
            reseed.join(", ")
        )
    }

    /// What a pilot must have to predict V and K: the first of the same samples, the same network, and all settings.
    ///
    /// # Errors
    /// If something is missing or is another.
    pub fn check_pilot(&self, place: usize, name: &str, pilot: &Self) -> Result<(), Fault> {
        let unless = |ok: bool, what: &dyn Fn() -> String| {
            let reason =
                || format!("{name} has {}: a pilot is this experiment on its first n samples", what());
            Unfit::unless(ok, &format!("pilots[{place}]"), reason).map_err(|u| (Bound::STAGE, u))
        };
        if !self.montecarlo.is_given() && !pilot.montecarlo.is_given() {
            let (own, other) = (&self.fetch_data, &pilot.fetch_data);
            unless(own.source() == other.source(), &|| "other samples, or another order of them".into())?;
            let is_part = other.n_samples.is_some_and(|n| own.n_samples.is_none_or(|all| n < all));
            unless(is_part, &|| "no fewer samples; give it a smaller fetch-data.n_samples".into())?;
            unless(self.train.function() == pilot.train.function(), &|| "another network or loss".into())?;
        }
        let same = |a: &Setting, b: &Setting| (a.basis, a.dim, a.sigma) == (b.basis, b.dim, b.sigma);
        for own in &self.montecarlo.settings {
            let found = pilot.montecarlo.settings.iter().find(|s| s.name == own.name);
            unless(found.is_some(), &|| format!("no setting {:?}", own.name))?;
            let is_same = found.is_some_and(|found| same(own, found));
            unless(is_same, &|| format!("other directions or another sigma in its setting {:?}", own.name))?;
        }
        Ok(())
    }
}

/// Labels that are floats where classes are needed; whether there are several for each sample, and whether all are whole numbers:
/// others are no classes.
fn not_classes(loss: Loss, are_columns: bool, are_whole: bool) -> Unfit {
    let otherwise = match (are_columns, are_whole) {
        (true, _) => ", or save the class of each sample, where the columns are probabilities: y.argmax(1)",
        (_, true) => ", or store the labels as integers: y.astype('<i8')",
        _ => "",
    };
    let loss = name_of(loss);
    let reason =
        format!("{loss} needs classes, but the labels are floats: set `loss: squared-error`{otherwise}");
    Unfit::new("loss", reason)
}

/// Numbers of an array that are read in no time; the stage that takes a larger one looks at all of them too.
const QUICK: usize = 1 << 22;

/// Where an array of the user has the first number that is not finite.
fn not_finite(base: &Path, file: &Path, array: &str, shape: &[usize]) -> Option<String> {
    let is_quick = shape.iter().product::<usize>() <= QUICK;
    let values = is_quick.then(|| arrays::read(&base.join(file), array).ok()).flatten()?;
    let place = values.first(|v| !v.is_finite())?;
    Some(format!("{}: {place}; finite numbers are needed", file.display()))
}

/// A file of the user and the shape of its array, where there is one that can be read.
fn peek<'a>(base: &Path, file: Option<&'a PathBuf>, array: &str) -> Option<(&'a Path, Vec<usize>)> {
    let file = file?;
    Some((file, arrays::peek(&base.join(file), array).ok()?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_that_are_no_classes_are_not_advised_to_be_cut() {
        let said =
            |are_columns, are_whole| not_classes(Loss::SoftmaxCrossEntropy, are_columns, are_whole).reason;
        assert!(said(false, true).contains("y.astype('<i8')"));
        assert!(said(false, false).ends_with("set `loss: squared-error`"));
        assert!(said(true, false).contains("y.argmax(1)"));
    }
}
