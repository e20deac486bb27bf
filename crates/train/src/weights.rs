//! Weights by layer: how they leave, and how those trained elsewhere come in.

use std::path::Path;

use anyhow::Result;
use landscape::{Mlp, Real};
use ndarray::{Array1, ArrayD, Ix1, IxDyn};
use pipeline::Failure;
use pipeline::npy::{self, AnyArray};
use serde::Serialize;

/// Where one array lies in the flat vector of parameters.
#[derive(Serialize)]
pub struct Placed {
    name: String,
    shape: Vec<usize>,
    offset: usize,
}

/// `W1`, `b1`, `W2`, … with shape and offset.
pub fn layout(mlp: &Mlp) -> Vec<Placed> {
    let layer = |l: usize| {
        let (weights, bias) = mlp.offsets(l);
        let (n, below) = (mlp.layers()[l], mlp.layers()[l - 1]);
        [
            Placed { name: format!("W{l}"), shape: vec![n, below], offset: weights.start },
            Placed { name: format!("b{l}"), shape: vec![n], offset: bias.start },
        ]
    };
    (1..=mlp.depth()).flat_map(layer).collect()
}

/// The flat vector `w` (p,) as named arrays.
pub fn by_layer<R: Real>(mlp: &Mlp, w: &Array1<R>) -> Vec<(String, ArrayD<R>)> {
    let named = |p: Placed| {
        let n = p.shape.iter().product::<usize>();
        let values = w.slice(ndarray::s![p.offset..p.offset + n]).to_vec();
        (p.name, ArrayD::from_shape_vec(IxDyn(&p.shape), values).expect("n values"))
    };
    layout(mlp).into_iter().map(named).collect()
}

/// Weights from a flat `.npy` (p,), from an `.npz` with W1, b1, …, or from a directory with W1.npy, b1.npy, …
pub fn read<R: Real>(path: &Path, mlp: &Mlp) -> Result<Array1<R>> {
    let name = path.display().to_string();
    let w = if path.is_dir() {
        flatten(mlp, &name, |array| npy::read_any(&path.join(format!("{array}.npy"))))?
    } else if path.extension().is_some_and(|e| e == "npz") {
        flatten(mlp, &name, |array| npy::read_npz(path, array))?
    } else {
        let flat = experiment::to_real::<R, Ix1>(npy::read_any(path)?, &name)?;
        experiment::check_params(&name, flat.len(), mlp)?;
        flat
    };
    match w.iter().position(|v| !v.is_finite()) {
        None => Ok(w),
        Some(i) => {
            Err(Failure::input(format!("{name}: parameter {i} is {}", w[i]), "finite weights are needed")
                .into())
        }
    }
}

fn flatten<R: Real>(
    mlp: &Mlp,
    name: &str,
    mut array: impl FnMut(&str) -> Result<AnyArray>,
) -> Result<Array1<R>> {
    let mut w = Array1::zeros(mlp.n_params());
    for placed in layout(mlp) {
        let found =
            experiment::to_real::<R, IxDyn>(array(&placed.name)?, &format!("{name}: {}", placed.name));
        let found = found?;
        if found.shape() != placed.shape {
            return Err(Failure::input(
                format!("{name}: {} is {:?}, but layers {:?} need {:?}", placed.name, found.shape(), mlp.layers(), placed.shape),
                "weights are (out, in), as torch.nn.Linear keeps them; `train.hidden` sets the widths between input and output",
            )
            .into());
        }
        let n = found.len();
        w.slice_mut(ndarray::s![placed.offset..placed.offset + n]).assign(&found.flatten());
    }
    Ok(w)
}

#[cfg(test)]
mod tests {
    use super::*;
    use landscape::{Activation, Loss};

    #[test]
    fn weights_come_back_from_each_kind_of_file() {
        let mlp = Mlp::new(&[3, 4, 2], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let w = Array1::from_iter((0..mlp.n_params()).map(|i| i as f64 + 0.5));
        let dir = tempfile::tempdir().unwrap();
        let named = by_layer(&mlp, &w);
        npy::write_npz(&dir.path().join("w.npz"), &named).unwrap();
        npy::write(&dir.path().join("w.npy"), &w).unwrap();
        let folder = dir.path().join("layers");
        std::fs::create_dir(&folder).unwrap();
        for (name, array) in &named {
            npy::write(&folder.join(format!("{name}.npy")), array).unwrap();
        }
        for path in ["w.npz", "w.npy", "layers"] {
            assert_eq!(read::<f64>(&dir.path().join(path), &mlp).unwrap(), w, "{path}");
        }
        let other = Mlp::new(&[3, 5, 2], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let message = |path: &str| read::<f64>(&dir.path().join(path), &other).unwrap_err().to_string();
        assert!(message("w.npz").contains("W1 is [4, 3], but layers [3, 5, 2] need [5, 3]"));
        assert!(message("w.npy").contains("26 parameters, but layers [3, 5, 2] need 32"));
    }
}
