//! `.safetensors` files: named arrays, as PyTorch and others exchange weights.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ::safetensors::tensor::{TensorView, serialize};
use ::safetensors::{Dtype, SafeTensors};
use ndarray::{ArrayD, IxDyn};

use crate::error::{Error, Result};
use crate::header::count;
use crate::npy::{AnyArray, Element};
use crate::regular;

/// An array of a file: its shape, and its numbers or why they cannot be read.
pub struct Tensor {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// F32 and F64 are read; of another type, an error that does no harm to the other arrays.
    pub values: Result<AnyArray>,
}

/// Every array of the file, by name.
pub fn read(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let name = path.display().to_string();
    let hint = "check the path: one in a pipeline file is relative to the folder of that file";
    let bytes = regular::read(path, u64::MAX).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
        hint,
    })?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&name, e.to_string()))?;
    let one = |(array, view): (&str, TensorView)| {
        let tensor = Tensor { shape: view.shape().to_vec(), values: convert(&name, array, &view) };
        (array.to_owned(), tensor)
    };
    Ok(tensors.iter().map(one).collect())
}

fn damaged(name: &str, reason: String) -> Error {
    let hint = "write it with safetensors.torch.save_file(model.state_dict(), path)";
    Error::Format { name: name.to_owned(), format: "a safetensors file", reason, hint }
}

fn convert(file: &str, array: &str, view: &TensorView) -> Result<AnyArray> {
    // The library takes a length beyond any memory beside a length of 0.
    count(view.shape()).map_err(|reason| damaged(&format!("{file}: {array}"), reason))?;
    let (shape, bytes) = (IxDyn(view.shape()), view.data());
    let found = match view.dtype() {
        Dtype::F32 => {
            let values = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            AnyArray::F32(ArrayD::from_shape_vec(shape, values).expect("a length that the library checked"))
        }
        Dtype::F64 => {
            let values = bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
            AnyArray::F64(ArrayD::from_shape_vec(shape, values).expect("a length that the library checked"))
        }
        other => {
            return Err(Error::Type {
                name: format!("{file}: {array}"),
                found: format!("{other:?}"),
                needed: "F32 or F64",
                hint: "convert the model first: model.float()".to_owned(),
            });
        }
    };
    Ok(found)
}

/// Writes named arrays. Same arrays, same bytes: the library sorts them.
pub fn write<T: Element>(path: &Path, arrays: &[(String, ArrayD<T>)]) -> Result<()> {
    let dtype = if size_of::<T>() == 4 { Dtype::F32 } else { Dtype::F64 };
    let standard = arrays.iter().map(|(name, a)| (name, a.shape().to_vec(), a.as_standard_layout()));
    let standard = standard.collect::<Vec<_>>();
    let views = standard.iter().map(|(name, shape, a)| {
        let bytes = bytemuck::cast_slice(a.as_slice().expect("standard layout"));
        let view = TensorView::new(dtype, shape.clone(), bytes).expect("as many bytes as the shape needs");
        (name.as_str(), view)
    });
    let nothing: Option<HashMap<String, String>> = None;
    let bytes =
        serialize(views, nothing).map_err(|e| Error::system("write", path)(std::io::Error::other(e)))?;
    // Not by `serialize_to_file`, whose file only its owner may read, whatever the umask.
    std::fs::write(path, bytes).map_err(Error::system("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn an_array_comes_back_and_faults_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        let w = array![[1.5_f32, -2.0, 3.0]].into_dyn();
        write(&path, &[("0.weight".into(), w.clone())]).unwrap();
        assert_eq!(read(&path).unwrap()["0.weight"].values.as_ref().unwrap().to_f64(), w.mapv(f64::from));
        let half = TensorView::new(Dtype::F16, vec![1], &[0, 60]).unwrap();
        std::fs::write(&path, serialize([("a", half)], None).unwrap()).unwrap();
        let error = read(&path).unwrap()["a"].values.as_ref().unwrap_err().to_string();
        assert!(error.contains("a: contains F16, but F32 or F64 is needed"), "{error}");
        // A hostile header: the product of its lengths is 0, one of them is beyond any memory.
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":[0,{}],"data_offsets":[0,0]}}}}"#, usize::MAX);
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(&path, [&length[..], header.as_bytes()].concat()).unwrap();
        let error = read(&path).unwrap()["a"].values.as_ref().unwrap_err().to_string();
        assert!(
            error.contains("a: not a safetensors file") && error.contains("beyond any memory"),
            "{error}"
        );
        std::fs::write(&path, b"hello").unwrap();
        assert!(read(&path).err().unwrap().to_string().contains("not a safetensors file"));
    }
}
