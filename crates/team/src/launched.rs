//! How this process was started: how many were, and whether they found each other.

use std::sync::Arc;

use crate::{Team, alone};

/// A launcher that started several processes which would not work together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// This build has no MPI.
    #[error(
        "started as {tasks} processes ({variable}={tasks}), but this build works in one: each would do the whole work"
    )]
    WithoutMpi {
        /// how many
        tasks: usize,
        /// the variable that says so
        variable: &'static str,
    },
    /// MPI and the launcher disagree.
    #[error(
        "started as {tasks} processes ({variable}={tasks}), but MPI joins {found}: each group would do the whole work"
    )]
    Disagree {
        /// how many the launcher started
        tasks: usize,
        /// the variable that says so
        variable: &'static str,
        /// how many found each other
        found: usize,
    },
    /// Not as many as were asked for.
    #[error("{wanted} processes were asked for (--ranks {wanted}), but this one works with {found} in all")]
    Missing {
        /// how many were asked for
        wanted: usize,
        /// how many found each other
        found: usize,
    },
    /// MPI itself failed.
    #[error("MPI does not start: {0}")]
    Mpi(String),
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::WithoutMpi { .. } => {
                "for one experiment over several processes use `make RANKS=4 ...`, which builds with the feature mpi; \
                 for one process each, LAUNCH='srun -n1 ...'"
            }
            Self::Disagree { .. } | Self::Missing { .. } => {
                "start them with the launcher of the MPI that this build links: `mpirun -n 4`, or `srun -n4 --mpi=pmix` \
                 (`srun --mpi=list` names what your Slurm has)"
            }
            Self::Mpi(_) => "compare `ldd` of this program with the MPI that `mpirun --version` names",
        }
    }
}

/// The processes that were started together, for as long as this lives.
pub struct Joined {
    /// this process among them
    pub team: Arc<dyn Team>,
    #[cfg(feature = "mpi")]
    _mpi: Option<ferrompi::Mpi>,
}

/// Where launchers say how many processes they started, the innermost first: `mpirun` of Open MPI, which may itself run below
/// `srun`; `mpiexec` of MPICH and Intel; `srun`, which sets it in each step. `SLURM_NTASKS` also stands in a batch script, which
/// is one process.
const COUNTS: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

/// How many processes were started together, and which variable says so; `None` for one without a launcher.
fn started(variable: impl Fn(&str) -> Option<String>) -> Option<(usize, &'static str)> {
    COUNTS.into_iter().find_map(|name| Some((variable(name)?.trim().parse().ok()?, name)))
}

/// Whether `srun` started processes that cannot find each other: MPI would end each with a page of its own advice.
#[cfg_attr(not(feature = "mpi"), allow(dead_code))]
fn are_strangers(started: (usize, &'static str), variable: impl Fn(&str) -> Option<String>) -> bool {
    started.0 > 1
        && started.1 == "SLURM_STEP_NUM_TASKS"
        && ["PMIX_RANK", "PMI_RANK", "PMI_FD"].iter().all(|name| variable(name).is_none())
}

/// Variable of the environment.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Joins the processes that were started together, `wanted` of them where that is given.
///
/// # Errors
/// If there are several that would not work together: they would all do the same work, and write over each other.
pub fn join(wanted: Option<usize>) -> Result<Joined, Refusal> {
    let joined = join_those(started(environment), wanted)?;
    let found = joined.team.size();
    match wanted {
        Some(wanted) if wanted != found => Err(Refusal::Missing { wanted, found }),
        _ => Ok(joined),
    }
}

#[cfg(not(feature = "mpi"))]
fn join_those(started: Option<(usize, &'static str)>, _wanted: Option<usize>) -> Result<Joined, Refusal> {
    match started {
        Some((tasks, variable)) if tasks > 1 => Err(Refusal::WithoutMpi { tasks, variable }),
        _ => Ok(Joined { team: alone() }),
    }
}

#[cfg(feature = "mpi")]
fn join_those(started: Option<(usize, &'static str)>, wanted: Option<usize>) -> Result<Joined, Refusal> {
    // Without a sign of others MPI is left alone: it would start helpers of its own, and in a step of one task end the process.
    if started.is_none_or(|started| started.0 == 1) && wanted.is_none_or(|wanted| wanted == 1) {
        return Ok(Joined { team: alone(), _mpi: None });
    }
    if let Some((tasks, variable)) = started.filter(|&started| are_strangers(started, environment)) {
        return Err(Refusal::Disagree { tasks, variable, found: 1 });
    }
    let (ranks, mpi) = crate::mpi::join().map_err(Refusal::Mpi)?;
    let found = ranks.size();
    match started {
        Some((tasks, variable)) if tasks != found => Err(Refusal::Disagree { tasks, variable, found }),
        _ => Ok(Joined { team: Arc::new(ranks), _mpi: Some(mpi) }),
    }
}

/// Threads that this process should compute with: `RAYON_NUM_THREADS`, else `OMP_NUM_THREADS`, else `SLURM_CPUS_PER_TASK`; else
/// `None`, or an equal part of the cores where `mpirun` started several processes on this machine.
pub fn threads() -> Option<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    threads_of(environment, cores)
}

fn threads_of(variable: impl Fn(&str) -> Option<String>, cores: usize) -> Option<usize> {
    let number = |name: &str| {
        // `OMP_NUM_THREADS=8,2` is for threads below threads.
        let value = variable(name)?;
        value.split(',').next()?.trim().parse::<usize>().ok().filter(|&n| n > 0)
    };
    ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"]
        .into_iter()
        .find_map(number)
        .or_else(|| number("OMPI_COMM_WORLD_LOCAL_SIZE").map(|local| (cores / local).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_owned())
    }

    #[test]
    fn the_innermost_launcher_says_how_many_there_are() {
        assert_eq!(started(of(&[])), None);
        // A batch script of four tasks is one process.
        assert_eq!(started(of(&[("SLURM_NTASKS", "4"), ("SLURM_JOB_ID", "7")])), None);
        let step = ("SLURM_STEP_NUM_TASKS", "2");
        assert_eq!(started(of(&[("SLURM_NTASKS", "4"), step])), Some((2, "SLURM_STEP_NUM_TASKS")));
        let below = [step, ("OMPI_COMM_WORLD_SIZE", "8")];
        assert_eq!(started(of(&below)), Some((8, "OMPI_COMM_WORLD_SIZE")));
    }

    #[test]
    fn processes_of_srun_need_a_way_to_find_each_other() {
        let step = |tasks| (tasks, "SLURM_STEP_NUM_TASKS");
        assert!(are_strangers(step(4), of(&[])) && !are_strangers(step(1), of(&[])));
        assert!(!are_strangers(step(4), of(&[("PMIX_RANK", "0")])));
        assert!(!are_strangers((4, "OMPI_COMM_WORLD_SIZE"), of(&[])));
    }

    #[test]
    fn threads_are_those_that_were_asked_for() {
        let omp = ("OMP_NUM_THREADS", "3,1");
        let slurm = ("SLURM_CPUS_PER_TASK", "6");
        let local = ("OMPI_COMM_WORLD_LOCAL_SIZE", "4");
        let cases: [(&[_], _); 7] = [
            (&[], None),
            (&[omp, slurm, ("RAYON_NUM_THREADS", "5")], Some(5)),
            (&[omp, slurm], Some(3)),
            (&[slurm, local], Some(6)),
            (&[("OMP_NUM_THREADS", "0"), slurm], Some(6)),
            (&[local], Some(4)),
            (&[("OMPI_COMM_WORLD_LOCAL_SIZE", "32")], Some(1)),
        ];
        for (variables, expected) in cases {
            assert_eq!(threads_of(of(variables), 16), expected, "{variables:?}");
        }
    }

    #[test]
    fn as_many_as_were_asked_for_or_none() {
        assert_eq!(join(Some(3)).err(), Some(Refusal::Missing { wanted: 3, found: 1 }));
    }

    #[cfg(not(feature = "mpi"))]
    #[test]
    fn several_processes_of_a_build_without_mpi_are_refused() {
        let refused = join_those(Some((4, "SLURM_STEP_NUM_TASKS")), None).err().expect("refused");
        assert!(
            refused.to_string().contains("SLURM_STEP_NUM_TASKS=4") && refused.hint().contains("make RANKS=")
        );
        for started in [None, Some((1, "SLURM_STEP_NUM_TASKS"))] {
            assert!(join_those(started, None).is_ok_and(|joined| joined.team.is_alone()));
        }
    }
}
