//! Weights trained elsewhere: from a file of the user to the flat vector w.

mod advice;
mod archive;
mod order;
mod pair;
mod unsupported;

use std::path::Path;

use landscape::{Network, Real};
use ndarray::{Array1, Ix1, IxDyn, s};
use pipeline::{Failure, Result};
use store::npy;

use archive::{Archive, Kind};
use pair::Pair;

/// Weights of the user, and how they were read.
#[derive(Debug)]
pub struct Brought<R> {
    /// (p,)
    pub w: Array1<R>,
    /// names of the layers in the file, from input to output; none for a flat vector
    pub layers: Vec<String>,
    /// arrays of the file that no layer took, with their shapes
    pub unused: Vec<String>,
    /// what had to be guessed
    pub guesses: Vec<String>,
}

/// Weights from a flat `.npy` (p,), or by layer from a `.safetensors`, an `.npz` or a folder of `.npy` files. Which array is
/// which layer is decided by [`order::layers`], or by `given`: the names of the layers from input to output.
pub fn read<R: Real>(path: &Path, network: &Network, given: Option<&[String]>) -> Result<Brought<R>> {
    let name = path.display().to_string();
    let kind = Kind::of(path)?;
    if kind != Kind::Flat {
        return by_layer(&Archive::open(path, kind)?, network, given);
    }
    refuse_names_of_flat(&name, given)?;
    let w = experiment::to_real::<R, Ix1>(npy::read_any(path)?, &name)?;
    check_flat(&name, w.len(), network)?;
    Ok(Brought { w, layers: vec![], unused: vec![], guesses: vec![] })
}

fn refuse_names_of_flat(name: &str, given: Option<&[String]>) -> Result<()> {
    if given.is_none() {
        return Ok(());
    }
    let message = format!("train.weights_layers: {name} is one flat array without names");
    Err(Failure::config(message, "set weights_layers: null; a flat array is in the order W1, b1, W2, ...")
        .into())
}

fn check_flat(name: &str, found: usize, network: &Network) -> Result<()> {
    match advice::of_flat(network, found).filter(|_| found != network.n_params()) {
        Some(hint) => Err(experiment::other_params(name, found, network, &hint)),
        None => experiment::check_params(name, found, network),
    }
}

fn by_layer<R: Real>(archive: &Archive, network: &Network, given: Option<&[String]>) -> Result<Brought<R>> {
    let (pairs, guesses) = order::layers(network, archive, given)?;
    let mut w = Array1::zeros(network.n_params());
    for (l, pair) in network.affine_layers().zip(&pairs) {
        let (weights, bias) = network.offsets(l);
        let bias = network.layer(l).bias.then_some((&pair.bias, bias));
        for (array, range) in std::iter::once((&pair.weights, weights)).chain(bias) {
            let place = format!("{}: {array}", archive.name);
            let found = experiment::to_real::<R, IxDyn>(archive.read(array)?, &place)?;
            w.slice_mut(s![range]).assign(&found.flatten());
        }
    }
    let taken = |name: &String| pairs.iter().any(|p| p.weights == *name || p.bias == *name);
    let unused = archive.entries.iter().filter(|e| !taken(&e.name)).map(ToString::to_string).collect();
    Ok(Brought { w, layers: pairs.iter().map(Pair::label).collect(), unused, guesses })
}

#[cfg(test)]
mod tests;
