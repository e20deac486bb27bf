//! What `montecarlo` reports beside its curves: the landscapes.

use ndarray::{Array1, Array3, Ix1, Ix3};
use pipeline::Result;
use records::MonteCarlo;
use records::montecarlo::GridFact;
use store::artifact::Inputs;

use crate::read::eigen::Basis;

/// One landscape.
pub struct Grid {
    pub name: String,
    pub basis: Basis,
    /// (G,), parameter units
    pub axis: Array1<f64>,
    /// (m,), samples
    pub sizes: Vec<usize>,
    /// those of them that `pipeline.yaml` lists: each has a picture of its own
    pub asked: Vec<usize>,
    /// (m, G, G), loss
    pub loss: Array3<f64>,
    /// (m, G, G), loss²
    pub change: Array3<f64>,
}

/// The landscapes `grids`.
pub fn read_grids(inputs: &Inputs, grids: Vec<GridFact>) -> Result<Vec<Grid>> {
    let params: MonteCarlo = inputs.params("montecarlo")?;
    grids.into_iter().map(|grid| read_grid(inputs, grid, &params)).collect()
}

fn read_grid(inputs: &Inputs, grid: GridFact, params: &MonteCarlo) -> Result<Grid> {
    let file = |file: &str| format!("grid_{}/{file}", grid.name);
    let asked = params.grids.iter().find(|g| g.name == grid.name);
    Ok(Grid {
        asked: asked.map_or(vec![], |g| g.prefix_sizes.clone()),
        axis: inputs.read::<f64, Ix1>("montecarlo", &file("axis.npy"))?,
        sizes: inputs.read_sizes("montecarlo", &file("prefix_sizes.npy"))?,
        loss: inputs.read::<f64, Ix3>("montecarlo", &file("loss.npy"))?,
        change: inputs.read::<f64, Ix3>("montecarlo", &file("change.npy"))?,
        name: grid.name,
        basis: Basis::read(inputs, grid.basis)?,
    })
}
