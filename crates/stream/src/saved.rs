//! Finished runs in a checkpoint.

use landscape::Real;
use ndarray::Array1;
use store::checkpoint::Checkpoint;

use crate::rules::{COLUMNS, RULES};
use crate::run::{Found, Setup, Stop};

/// Numbers of a stop; NaN where there was none.
const OF_STOP: usize = 3;

/// The runs; of the parameters where they stopped those of the first, which alone are written.
pub fn of<R: Real>(runs: &[Found<R>]) -> Checkpoint {
    let stops = runs.iter().flat_map(|run| run.stops.iter());
    let numbers = |stop: &Option<Stop>| {
        stop.as_ref().map_or([f64::NAN; OF_STOP], |s| [s.k as f64, s.truth, s.test_loss])
    };
    Checkpoint::new(&runs.len())
        .with("stops", stops.flat_map(numbers))
        .with("trajectories", runs.iter().flat_map(|run| run.trajectory.iter().flatten().copied()))
        .with("end_losses", runs.iter().map(|run| run.end_loss))
        .with("w_stop", runs.iter().take(1).flat_map(|run| run.w_stop.iter().map(|&v| R::wide(v))))
}

/// What [`of`] saved.
pub fn read<R: Real>(saved: &Checkpoint, setup: &Setup) -> Option<Vec<Found<R>>> {
    let n: usize = saved.facts()?;
    let arrivals = (setup.samples.len() - setup.params.first) / setup.params.batch;
    let stops = saved.array("stops", n * RULES.len() * OF_STOP)?.as_chunks::<OF_STOP>().0;
    let rows = saved.array("trajectories", n * arrivals * COLUMNS.len())?.as_chunks().0;
    let end_losses = saved.array("end_losses", n)?;
    let w_stop = saved.array("w_stop", setup.network.n_params())?;
    let w_stop = w_stop.iter().map(|&v| R::narrow(v)).collect::<Array1<R>>();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a number of samples
    let stop = |[k, truth, test_loss]: [f64; OF_STOP]| {
        (!k.is_nan()).then_some(Stop { k: k as usize, truth, test_loss })
    };
    let one = |i: usize| Found {
        stops: std::array::from_fn(|rule| stop(stops[i * RULES.len() + rule])),
        trajectory: rows[i * arrivals..(i + 1) * arrivals].to_vec(),
        w_stop: if i == 0 { w_stop.clone() } else { Array1::default(0) },
        end_loss: end_losses[i],
    };
    Some((0..n).map(one).collect())
}
