//! Reading the results of earlier stages, and writing one's own so that nothing half-written is ever seen.

use std::collections::BTreeMap;
use std::fs::{File, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ndarray::{Array, Array1, ArrayBase, ArrayD, Data, Dimension, Ix1};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::manifest::{Facts, Manifest, Output, make};
use crate::npy::{self, AnyArray, Element};
use crate::rows::{self, RowFile, RowWriter};
use crate::{hash, npz};

/// A JSON document that a stage writes and others read.
pub trait Document: Serialize + DeserializeOwned {
    /// the stage that writes it
    const STAGE: &'static str;
    /// its name in the folder of the stage
    const FILE: &'static str;
    /// what it is, in a few words
    const MEANING: &'static str;
}

/// The finished stages that a stage reads.
pub struct Inputs {
    experiment_dir: PathBuf,
    manifests: BTreeMap<&'static str, Manifest>,
    /// another process has checked the hashes
    are_checked: bool,
}

impl Inputs {
    /// Opens the manifests of `stages`, all of which must have finished.
    pub fn open(experiment_dir: &Path, stages: &[&'static str]) -> Result<Self> {
        let manifests = stages
            .iter()
            .map(|&stage| Ok((stage, Manifest::read(experiment_dir, stage)?)))
            .collect::<Result<_>>()?;
        Ok(Self { experiment_dir: experiment_dir.to_owned(), manifests, are_checked: false })
    }

    /// The same inputs, of which another process checks the hashes: of large arrays only the rows that are needed are read here.
    #[must_use]
    pub fn checked_elsewhere(self) -> Self {
        Self { are_checked: true, ..self }
    }

    /// Whether another process checks the hashes.
    pub fn are_checked_elsewhere(&self) -> bool {
        self.are_checked
    }

    /// The manifest of a stage that was opened.
    pub fn manifest(&self, stage: &str) -> &Manifest {
        self.manifests.get(stage).unwrap_or_else(|| panic!("{stage} is not among the inputs of this stage"))
    }

    /// All manifests, by stage.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.values()
    }

    /// An error where the results of a stage are others by now than those that were opened: what was read may be of either.
    pub fn check_unchanged(&self) -> Result<()> {
        for (stage, opened) in &self.manifests {
            let now = Manifest::find(&self.experiment_dir, stage).ok().flatten();
            if now.is_none_or(|now| now.content_hash() != opened.content_hash()) {
                let path = Manifest::path(&self.experiment_dir, stage);
                let message =
                    format!("{}: the results of {stage} changed while they were read", path.display());
                return Err(Error::stage(message, "nothing was written; run it again".to_owned()));
            }
        }
        Ok(())
    }

    /// The facts of a stage.
    pub fn facts<F: Facts>(&self) -> Result<F> {
        self.manifest(F::STAGE).facts().map_err(|e| {
            let path = Manifest::path(&self.experiment_dir, F::STAGE);
            Error::stage(
                format!("{}: not the facts that {} records ({e})", path.display(), F::STAGE),
                format!("run `{}` again", make(&self.experiment_dir, F::STAGE)),
            )
        })
    }

    /// A document of a stage.
    pub fn document<D: Document>(&self) -> Result<D> {
        let path = self.verified(D::STAGE, D::FILE)?;
        let text = std::fs::read(&path).map_err(Error::system("read", &path))?;
        serde_json::from_slice(&text).map_err(|source| {
            let what = format!("{} is not what {} writes", path.display(), D::STAGE);
            Error::Json { what, source }
        })
    }

    /// A document of a stage; `None` where the stage had no reason to write it.
    pub fn document_if_any<D: Document>(&self) -> Result<Option<D>> {
        self.has(D::STAGE, D::FILE).then(|| self.document()).transpose()
    }

    /// The parameters with which `stage` ran.
    pub fn params<T: DeserializeOwned>(&self, stage: &str) -> Result<T> {
        let params = self.manifest(stage).params.clone();
        serde_json::from_value(params)
            .map_err(|source| Error::Json { what: format!("parameters in the manifest of {stage}"), source })
    }

    /// Whether `stage` wrote `file`.
    pub fn has(&self, stage: &str, file: &str) -> bool {
        self.manifest(stage).outputs.contains_key(file)
    }

    /// Type of an array that `stage` wrote, as NumPy names it.
    pub fn dtype(&self, stage: &str, file: &str) -> Option<&str> {
        self.manifest(stage).outputs.get(file)?.dtype.as_deref()
    }

    /// Path of a file that `stage` wrote, once its hash is found to be that of the manifest.
    pub fn verified(&self, stage: &str, file: &str) -> Result<PathBuf> {
        let path = self.experiment_dir.join(stage).join(file);
        let again = || format!("run `{}` again", make(&self.experiment_dir, stage));
        let Some(output) = self.manifest(stage).outputs.get(file) else {
            return Err(Error::stage(
                format!("{}: not among the outputs in the manifest of {stage}", path.display()),
                again(),
            ));
        };
        if self.are_checked {
            return Ok(path);
        }
        if !path.exists() {
            return Err(Error::stage(
                format!("{}: is missing, but {stage} wrote it", path.display()),
                again(),
            ));
        }
        let found = hash::of_path(&path)?;
        if found != output.sha256 {
            return Err(Error::stage(
                format!(
                    "{}: changed after {stage} wrote it (SHA-256 {found:.12}…, manifest {:.12}…)",
                    path.display(),
                    output.sha256
                ),
                format!(
                    "delete {} and {}; to use your own file, name it in pipeline.yaml",
                    Manifest::path(&self.experiment_dir, stage).display(),
                    again()
                ),
            ));
        }
        Ok(path)
    }

    /// An array that `stage` wrote; hash, type and number of axes are checked.
    pub fn read<T: Element, D: Dimension>(&self, stage: &str, file: &str) -> Result<Array<T, D>> {
        npy::read(&self.verified(stage, file)?)
    }

    /// An array that `stage` wrote, of which some rows are read at a time; hash and type are checked.
    pub fn rows<T: Element>(&self, stage: &str, file: &str) -> Result<RowFile<T>> {
        Ok(RowFile::open(&self.verified(stage, file)?)?.expect("stages write in C order"))
    }

    /// The same for arrays whose type is the user's.
    pub fn read_any(&self, stage: &str, file: &str) -> Result<AnyArray> {
        npy::read_any(&self.verified(stage, file)?)
    }

    /// Sizes or row numbers that `stage` wrote, (n,).
    pub fn read_sizes(&self, stage: &str, file: &str) -> Result<Vec<usize>> {
        let sizes = self.read::<i64, Ix1>(stage, file)?;
        let negative = |k: i64| {
            let hint = format!("run `{}` again", make(&self.experiment_dir, stage));
            Error::stage(format!("{stage}/{file}: {k}; a size is not below 0"), hint)
        };
        sizes.iter().map(|&k| usize::try_from(k).map_err(|_| negative(k))).collect()
    }
}

/// The files of a running stage: they gather in a folder of their own, which replaces the old results at the end.
pub struct Outputs {
    /// where files gather
    staging: PathBuf,
    /// by name in the folder
    pub written: BTreeMap<String, Output>,
    /// by name
    pub facts: serde_json::Map<String, Value>,
}

impl Outputs {
    /// An empty folder `staging`, such as `.train.partial`, whatever an earlier run left there.
    pub fn new(staging: PathBuf) -> Result<Self> {
        empty_dir(&staging)?;
        Ok(Self { staging, written: BTreeMap::new(), facts: serde_json::Map::new() })
    }

    /// Writes an array. `file` may name a folder, as `fig8/delta.npy`; `unit` as `loss`, `samples`, `1`.
    pub fn write<T: Element, S: Data<Elem = T>, D: Dimension>(
        &mut self,
        file: &str,
        array: &ArrayBase<S, D>,
        unit: &str,
        meaning: &str,
    ) -> Result<()> {
        let path = self.place(file)?;
        rows::write(&path, array)?;
        self.record(file, Some((T::DTYPE, array.shape())), unit, meaning)
    }

    /// Begins an array of `shape` that is written some rows at a time; [`Outputs::end`] records it.
    pub fn begin_rows<T: Element>(&self, file: &str, shape: &[usize]) -> Result<RowOutput<T>> {
        let writer = RowWriter::create(&self.place(file)?, shape)?;
        Ok(RowOutput { writer, file: file.to_owned(), shape: shape.to_vec() })
    }

    /// Ends and records an array of rows.
    pub fn end<T: Element>(&mut self, rows: RowOutput<T>, unit: &str, meaning: &str) -> Result<()> {
        rows.writer.finish()?;
        self.record(&rows.file, Some((T::DTYPE, &rows.shape)), unit, meaning)
    }

    /// Writes sizes or row numbers, (n,) i64.
    pub fn write_sizes(&mut self, file: &str, sizes: &[usize], unit: &str, meaning: &str) -> Result<()> {
        let sizes = sizes.iter().map(|&k| i64::try_from(k).expect("sizes in memory are below 2^63"));
        let sizes = sizes.collect::<Array1<i64>>();
        self.write(file, &sizes, unit, meaning)
    }

    /// Writes named arrays into one `.npz`.
    pub fn write_npz<T: Element>(
        &mut self,
        file: &str,
        arrays: &[(String, ArrayD<T>)],
        unit: &str,
        meaning: &str,
    ) -> Result<()> {
        let path = self.place(file)?;
        npz::write(&path, arrays)?;
        self.record(file, None, unit, meaning)
    }

    /// Writes a file of another format: `write` is given its path.
    pub fn write_by(
        &mut self,
        file: &str,
        unit: &str,
        meaning: &str,
        write: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        write(&self.place(file)?)?;
        self.record(file, None, unit, meaning)
    }

    /// Writes bytes: a page, a picture, a table.
    pub fn write_bytes(&mut self, file: &str, bytes: &[u8], meaning: &str) -> Result<()> {
        let path = self.place(file)?;
        std::fs::write(&path, bytes).map_err(Error::system("write", &path))?;
        self.record(file, None, "", meaning)
    }

    /// Writes a JSON document of the stage.
    pub fn document<D: Document>(&mut self, document: &D) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(document).map_err(json(D::FILE))?;
        text.push(b'\n');
        self.write_bytes(D::FILE, &text, D::MEANING)
    }

    /// Records the facts of the stage, once.
    ///
    /// # Panics
    /// If they are no struct with named fields.
    pub fn facts<F: Facts>(&mut self, facts: &F) -> Result<()> {
        let Value::Object(facts) = serde_json::to_value(facts).map_err(json("facts"))? else {
            panic!("facts of {} are not named", F::STAGE)
        };
        assert!(self.facts.is_empty(), "facts of {} are recorded twice", F::STAGE);
        self.facts = facts;
        Ok(())
    }

    fn place(&self, file: &str) -> Result<PathBuf> {
        let path = self.staging.join(file);
        let dir = path.parent().expect("below the staging folder");
        std::fs::create_dir_all(dir).map_err(Error::system("create", dir))?;
        Ok(path)
    }

    fn record(
        &mut self,
        file: &str,
        array: Option<(&str, &[usize])>,
        unit: &str,
        meaning: &str,
    ) -> Result<()> {
        let output = Output {
            sha256: hash::of_path(&self.staging.join(file))?,
            dtype: array.map(|(dtype, _)| dtype.to_owned()),
            shape: array.map(|(_, shape)| shape.to_vec()),
            unit: unit.to_owned(),
            meaning: meaning.to_owned(),
        };
        let twice = self.written.insert(file.to_owned(), output);
        assert!(twice.is_none(), "{file} was written twice");
        Ok(())
    }

    /// Puts the manifest last and the folder in the place of `dir`. The time of the manifest is that at which its results were
    /// `asked` for: `make` asks again where something was edited later.
    pub fn finish(self, manifest: &Manifest, dir: &Path, asked: SystemTime) -> Result<()> {
        let path = self.staging.join("manifest.json");
        let mut text =
            serde_json::to_vec_pretty(&manifest.clone().sealed()).map_err(json("manifest.json"))?;
        text.push(b'\n');
        std::fs::write(&path, text).map_err(Error::system("write", &path))?;
        let file = File::options().write(true).open(&path).map_err(Error::system("write", &path))?;
        file.set_modified(asked).and_then(|()| file.sync_all()).map_err(Error::system("write", &path))?;
        let old = aside(&self.staging);
        match std::fs::rename(dir, &old) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            // A folder of a layer below, as of the image of a container, cannot be moved: it can be removed.
            Err(e) if e.kind() == ErrorKind::CrossesDevices => remove_dir(dir)?,
            moved => moved.map_err(Error::system("move aside", dir))?,
        }
        std::fs::rename(&self.staging, dir).map_err(Error::system("put in place", dir))?;
        // The results are there: old ones that stay, as those of another user may, are no fault. `make verify` finds them.
        for old in old_ones(&self.staging) {
            let _ = remove_dir(&old);
        }
        Ok(())
    }
}

/// What earlier runs moved aside, `.train.old` and so on.
pub fn old_ones(staging: &Path) -> Vec<PathBuf> {
    let first = staging.with_extension("old");
    let name = first.file_name().unwrap_or_default().as_encoded_bytes().to_owned();
    let beside = staging.parent().and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten();
    let paths = beside.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|p| p.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(&name))).collect()
}

/// A free place beside the folder where results gather: `.train.old`, or `.train.old-2` and so on where earlier ones are still there.
pub fn aside(staging: &Path) -> PathBuf {
    let numbered = (2..1000).map(|n| staging.with_extension(format!("old-{n}")));
    let mut all = std::iter::once(staging.with_extension("old")).chain(numbered);
    let free = |path: &PathBuf| path.symlink_metadata().is_err();
    all.find(free).unwrap_or_else(|| staging.with_extension("old"))
}

/// An output on its way to disk.
pub struct RowOutput<T: Element> {
    writer: RowWriter<T>,
    file: String,
    shape: Vec<usize>,
}

impl<T: Element> RowOutput<T> {
    /// The next rows.
    pub fn append<S: Data<Elem = T>, D: Dimension>(&mut self, rows: &ArrayBase<S, D>) -> Result<()> {
        self.writer.append(rows)
    }

    /// The rows from number `first` on, in any order of such parts.
    pub fn put<S: Data<Elem = T>, D: Dimension>(
        &mut self,
        first: usize,
        rows: &ArrayBase<S, D>,
    ) -> Result<()> {
        self.writer.put(first, rows)
    }
}

/// Names of files on their way begin so.
pub const NEW: &str = ".new-";

/// Writes a file whole or not at all, whoever may own the one that is there.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        remove_abandoned(dir);
        let mut file = begin(dir)?;
        file.write_all(bytes)?;
        // The name must not be there before the bytes are.
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)
    };
    write().map(drop).map_err(Error::system("write", path))
}

/// A new file in `dir`, locked where files can be: one without a lock has lost its writer.
fn begin(dir: &Path) -> std::io::Result<NamedTempFile> {
    // As any new file, for those whom the umask allows.
    let mode = Permissions::from_mode(0o666);
    loop {
        let file = tempfile::Builder::new().prefix(NEW).permissions(mode.clone()).tempfile_in(dir)?;
        match file.as_file().try_lock() {
            // Before it had its lock, another may have taken it for one that was left, and removed it.
            Ok(()) if file.as_file().metadata()?.nlink() == 0 => {}
            Err(TryLockError::WouldBlock) => {}
            _ => return Ok(file),
        }
    }
}

/// Removes files in `dir` whose writer was killed on the way, where their locks tell.
pub fn remove_abandoned(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(NEW.as_bytes()) {
            continue;
        }
        let Ok(file) = File::options().write(true).open(entry.path()) else { continue };
        // The lock lasts until it is gone: a writer that comes in between sees that.
        if file.try_lock().is_ok() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// An empty folder, such as `.train.partial`, whatever an earlier run left there. What another user left can be moved, though not removed.
pub fn empty_dir(dir: &Path) -> Result<()> {
    if let Err(error) = remove_dir(dir) {
        std::fs::rename(dir, aside(dir)).map_err(|_| error)?;
    }
    std::fs::create_dir_all(dir).map_err(Error::system("create", dir))
}

/// Removes a folder with all it holds, if it is there.
pub fn remove_dir(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e).map_err(Error::system("remove", dir)),
        _ => Ok(()),
    }
}

/// Hash over everything that decides the results of a stage.
pub fn fingerprint(
    stage: &str,
    params: &Value,
    code: &BTreeMap<String, String>,
    inputs: &BTreeMap<String, String>,
) -> String {
    hash::of_bytes(&serde_json::to_vec(&(stage, params, code, inputs)).expect("plain JSON"))
}

/// For `map_err`: what could not be written as JSON.
fn json(what: &str) -> impl FnOnce(serde_json::Error) -> Error {
    let what = what.to_owned();
    move |source| Error::Json { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// make soak: a killed `report` left a file beside index.html for ever.
    #[test]
    fn what_a_killed_writer_leaves_is_removed_and_what_another_writes_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str| dir.path().join(format!("{NEW}{name}"));
        std::fs::write(of("left"), "half").unwrap();
        let at_work = File::create(of("at-work")).unwrap();
        at_work.try_lock().unwrap();
        replace(&dir.path().join("index.html"), b"whole").unwrap();
        let mut names =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        names.sort();
        assert_eq!(names, [".new-at-work", "index.html"]);
        drop(at_work);
        remove_abandoned(dir.path());
        assert!(!of("at-work").exists());
    }

    /// A job of an array failed: another had taken its new file, not locked yet, for one that was left.
    #[test]
    fn many_may_write_in_one_folder_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for i in 0..8 {
                let path = dir.path().join(format!("{}.yaml", i % 2));
                scope.spawn(move || (0..100).for_each(|_| replace(&path, b"whole").unwrap()));
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "and nothing is left");
    }
}
