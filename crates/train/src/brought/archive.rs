//! Named arrays in a file or folder of the user.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use pipeline::{Failure, Result};
use store::npy::AnyArray;
use store::safetensors::Tensor;
use store::{npy, npz, safetensors};

/// What a path of weights is, by its first bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// one `.npy` array
    Flat,
    /// an `.npz`
    Npz,
    /// a `.safetensors`
    Safetensors,
    /// a folder of `.npy` files
    Folder,
}

const TORCH: &str = "in PyTorch: safetensors.torch.save_file(model.state_dict(), \"w.safetensors\"), then weights: w.safetensors; \
    where there is only this file, torch.load(path, weights_only=True) gives its state_dict, or a dict with it under \"state_dict\"";
const KERAS: &str = "save its arrays, a pair per Dense layer, then weights: w.npz. In Keras: numpy.savez(\"w.npz\", \
    W1=model.layers[0].get_weights()[0].T, b1=model.layers[0].get_weights()[1], W2=..., b2=...)";
const PICKLE: &str = "pickles are never executed; save the arrays: numpy.savez(\"w.npz\", W1=..., b1=..., W2=...), or for PyTorch: \
    safetensors.torch.save_file(model.state_dict(), \"w.safetensors\")";

impl Kind {
    /// The kind of what lies at `path`; an error that says how to convert a file that is not read.
    pub fn of(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self::Folder);
        }
        let mut first = Vec::new();
        let unreadable = |e: std::io::Error| {
            Failure::input(format!("{}: {e}", path.display()), "check the path of train.weights")
        };
        let mut head = File::open(path).map_err(unreadable)?.take(9);
        head.read_to_end(&mut first).map_err(unreadable)?;
        let has = |name: &str, ending: &str| Path::new(name).extension().is_some_and(|e| e == ending);
        let refuse = |what: &str, hint: &str| {
            Err(Failure::input(format!("{}: {what}, which is not read", path.display()), hint).into())
        };
        match first.as_slice() {
            // First: the length of its header may read like the mark of another.
            [_, _, _, _, 0, 0, 0, 0, b'{'] => Ok(Self::Safetensors),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Ok(Self::Flat),
            [b'P', b'K', ..] => match npz::members(path)? {
                names if names.iter().any(|n| has(n, "npy")) => Ok(Self::Npz),
                names if names.iter().any(|n| n.ends_with("data.pkl")) => {
                    refuse("a PyTorch checkpoint", TORCH)
                }
                names if names.iter().any(|n| has(n, "h5")) => refuse("a Keras model", KERAS),
                _ => Ok(Self::Npz),
            },
            [0x80, 2..=5, ..] => refuse("a pickle, as torch.save of old and pickle.dump write it", PICKLE),
            [0x89, b'H', b'D', b'F', ..] => refuse("an HDF5 file, as Keras writes it", KERAS),
            // Damaged, or none of all: its reader says what is wrong.
            _ if path.extension().is_some_and(|e| e == "safetensors") => Ok(Self::Safetensors),
            _ if path.extension().is_some_and(|e| e == "npz") => Ok(Self::Npz),
            _ if path.extension().is_some_and(|e| e == "npy") => Ok(Self::Flat),
            _ => refuse("neither a .safetensors nor an .npz nor a .npy file", TORCH),
        }
    }
}

/// An array of the archive.
#[derive(Debug)]
pub struct Entry {
    /// as in the file
    pub name: String,
    /// lengths of its axes
    pub shape: Vec<usize>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.shape)
    }
}

/// Named arrays; their numbers are looked at only when they are asked for.
pub struct Archive {
    /// its path, for messages
    pub name: String,
    /// in the order of the file, or of their names
    pub entries: Vec<Entry>,
    /// whether the order of the entries is that in which they were written
    pub has_order: bool,
    path: PathBuf,
    tensors: Option<BTreeMap<String, Tensor>>,
}

impl Archive {
    /// What lies at `path`, which is of that kind.
    pub fn open(path: &Path, kind: Kind) -> Result<Self> {
        let mut tensors = None;
        let entries = match kind {
            Kind::Safetensors => {
                let read = tensors.insert(safetensors::read(path)?);
                read.iter().map(|(name, t)| Entry { name: name.clone(), shape: t.shape.clone() }).collect()
            }
            Kind::Folder => entries_of_folder(path)?,
            Kind::Npz | Kind::Flat => {
                let read = npz::entries(path)?.into_iter();
                read.map(|(name, shape, _)| Entry { name, shape }).collect()
            }
        };
        let (name, path) = (path.display().to_string(), path.to_owned());
        Ok(Self { name, entries, has_order: kind == Kind::Npz, path, tensors })
    }

    /// The array of that name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// All names with their shapes, for messages.
    pub fn list(&self) -> String {
        self.entries.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The numbers of an entry.
    pub fn read(&self, array: &str) -> Result<AnyArray> {
        if let Some(tensors) = &self.tensors {
            return match &tensors[array].values {
                Ok(values) => Ok(values.clone()),
                Err(error) => {
                    let hint = error.hint().unwrap_or("save it again");
                    Err(Failure::input(error.to_string(), hint).into())
                }
            };
        }
        if self.path.is_dir() {
            return Ok(npy::read_any(&self.path.join(format!("{array}.npy")))?);
        }
        Ok(npz::read(&self.path, array)?)
    }
}

/// Length of an array with at most one axis that is longer than 1, such as (n,), (n, 1) or (1, n).
pub fn vector(shape: &[usize]) -> Option<usize> {
    let n = shape.iter().product();
    (shape.iter().max() == Some(&n)).then_some(n)
}

fn entries_of_folder(path: &Path) -> Result<Vec<Entry>> {
    let mut entries = vec![];
    for (file, _) in pipeline::verify::entries(path)? {
        let Some(name) = file.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".npy"))
        else {
            continue;
        };
        let shape = npy::peek(&file).map(|(shape, _)| shape).unwrap_or_default();
        entries.push(Entry { name: name.to_owned(), shape });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
