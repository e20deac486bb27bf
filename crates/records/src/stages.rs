//! The one list of stages. One name, five places: binary and crate, section of `pipeline.yaml`, folder of an experiment's
//! results, target of `make`.

/// What an experiment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// samples, and a network of our own
    Samples,
    /// losses that another program computed: `losses` of `montecarlo.settings`
    Losses,
    /// members, each an experiment
    Members,
}

/// A stage and what it reads.
#[derive(Debug)]
pub struct Row {
    /// its name
    pub name: &'static str,
    /// stages of the same experiment whose results it reads; `None`: it does not run for an experiment that is no family
    pub reads: Option<&'static [&'static str]>,
    /// the same where the losses are given; `None`: it has nothing to do there
    pub reads_of_losses: Option<&'static [&'static str]>,
    /// the same where the experiment is a family; `None`: it does not run for a family, but for each member
    pub reads_of_family: Option<&'static [&'static str]>,
    /// stages of each member that it reads where the experiment is a family
    pub reads_of_members: &'static [&'static str],
    /// whether its results contain the name of the experiment; those of the others serve every experiment with the same parameters
    /// and inputs
    pub names_experiment: bool,
}

const fn row(name: &'static str, reads: &'static [&'static str]) -> Row {
    Row {
        name,
        reads: Some(reads),
        reads_of_losses: None,
        reads_of_family: None,
        reads_of_members: &[],
        names_experiment: false,
    }
}

/// Every stage, in the order in which they run.
pub const ROWS: &[Row] = &[
    row("fetch-data", &[]),
    row("train", &["fetch-data"]),
    row("eigen", &["fetch-data", "train"]),
    Row { reads_of_losses: Some(&[]), ..row("montecarlo", &["fetch-data", "train", "eigen"]) },
    Row { reads_of_losses: Some(&["montecarlo"]), ..row("bound", &["eigen", "montecarlo"]) },
    row("answer", &["fetch-data", "train", "eigen"]),
    row("spectrum", &["fetch-data", "train", "eigen"]),
    row("stream", &["fetch-data", "train"]),
    Row {
        reads: None,
        reads_of_family: Some(&[]),
        reads_of_members: &["fetch-data", "train", "eigen", "montecarlo", "bound"],
        ..row("family", &[])
    },
    Row {
        reads_of_losses: Some(&["montecarlo", "bound"]),
        reads_of_family: Some(&["family"]),
        names_experiment: true,
        ..row(
            "report",
            &["fetch-data", "train", "eigen", "montecarlo", "bound", "answer", "spectrum", "stream"],
        )
    },
];

/// Calls the macro `with` for the type of the section of every stage, in the order of `ROWS`.
#[macro_export]
macro_rules! for_each_section {
    ($with:ident) => {
        $with!($crate::FetchData);
        $with!($crate::Train);
        $with!($crate::Eigen);
        $with!($crate::MonteCarlo);
        $with!($crate::Bound);
        $with!($crate::Answer);
        $with!($crate::Spectrum);
        $with!($crate::Stream);
        $with!($crate::Family);
        $with!($crate::Report);
    };
}

impl Row {
    /// What a stage reads of the experiment itself; `None` where it does not run for it.
    pub fn reads_of(&self, kind: Kind) -> Option<&'static [&'static str]> {
        match kind {
            Kind::Samples => self.reads,
            Kind::Losses => self.reads_of_losses,
            Kind::Members => self.reads_of_family,
        }
    }

    /// The same; nothing where it does not run for it.
    pub fn reads(&self, kind: Kind) -> &'static [&'static str] {
        self.reads_of(kind).unwrap_or_default()
    }
}

/// The row of a stage.
///
/// # Panics
/// If there is no such stage.
pub fn row_of(name: &str) -> &'static Row {
    ROWS.iter().find(|r| r.name == name).unwrap_or_else(|| panic!("{name} is no stage"))
}

/// Names of all stages, which are those of the sections of `pipeline.yaml`.
pub fn names() -> Vec<&'static str> {
    ROWS.iter().map(|r| r.name).collect()
}

/// The stages of an experiment that is no family, in their order.
pub fn of_experiment() -> Vec<&'static str> {
    ROWS.iter().filter(|r| r.reads.is_some()).map(|r| r.name).collect()
}

/// The stages of an experiment whose losses are given, in their order.
pub fn of_losses() -> Vec<&'static str> {
    ROWS.iter().filter(|r| r.reads_of_losses.is_some()).map(|r| r.name).collect()
}

/// The stages of a family, in their order.
pub fn of_family() -> Vec<&'static str> {
    ROWS.iter().filter(|r| r.reads_of_family.is_some()).map(|r| r.name).collect()
}

/// The stages of a member that the join of its family reads, in their order.
pub fn of_member() -> Vec<&'static str> {
    let read = |name: &&str| ROWS.iter().any(|r| r.reads_of_members.contains(name));
    names().into_iter().filter(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_reads_only_those_before_it() {
        for (i, row) in ROWS.iter().enumerate() {
            let before = names()[..i].to_vec();
            let kinds = [Kind::Samples, Kind::Losses, Kind::Members].map(|kind| row.reads(kind));
            let read = [&kinds.concat(), row.reads_of_members].concat();
            assert!(read.iter().all(|s| before.contains(s)), "{row:?}");
            assert!(row.reads.is_some() || row.reads_of_family.is_some(), "{row:?} never runs");
        }
    }

    #[test]
    fn a_member_has_every_stage_that_its_stages_read() {
        let member = of_member();
        for name in &member {
            assert!(row_of(name).reads(Kind::Samples).iter().all(|s| member.contains(s)), "{name}");
        }
        assert_eq!(of_family(), ["family", "report"]);
        assert!(!of_experiment().contains(&"family"));
    }
}
