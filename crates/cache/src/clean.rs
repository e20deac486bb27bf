//! Making room in a folder: entries that were not used for long, then the oldest beyond a size, then files that no entry names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::entry::{Entry, is_sha256};
use crate::error::{Error, Result};

/// So old is a file that no entry names before it is removed: the entry that is written after its files may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(24 * 3600);

/// What was removed and what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// finished stages that were removed
    pub removed: usize,
    /// bytes that this gave back
    pub removed_bytes: u64,
    /// finished stages that are left
    pub left: usize,
    /// bytes of all that is left
    pub left_bytes: u64,
}

/// A file in one of the two folders.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Kept {
    fn is_older_than(&self, age: Duration) -> bool {
        self.used.elapsed().is_ok_and(|elapsed| elapsed > age)
    }
}

/// Removes from the cache in the folder `dir` what was not used for `age`, and then what was used longest ago until no more than
/// `most_bytes` are left.
///
/// # Errors
/// [`Error::Here`] where the folder cannot be read, or a file cannot be removed.
pub fn clean(dir: &Path, age: Duration, most_bytes: u64) -> Result<Cleaned> {
    std::fs::read_dir(dir).map_err(Error::here("list", dir))?;
    let mut files = list(&dir.join("cas"))?;
    let mut entries = list(&dir.join("ac"))?.into_iter().collect::<Vec<_>>();
    entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.used));
    let mut cleaned = Cleaned::default();
    let mut needed = BTreeSet::new();
    for (name, entry) in entries {
        // What is no entry is removed as if it was old: nobody can use it.
        let named = names_of(&entry.path)?.filter(|_| is_sha256(&name));
        let (is_usable, named) = (named.is_some(), named.unwrap_or_default());
        let size = |name: &String| files.get(name).map_or(0, |file| file.bytes);
        let more = entry.bytes + named.difference(&needed).map(size).sum::<u64>();
        if is_usable && !entry.is_older_than(age) && cleaned.left_bytes + more <= most_bytes {
            cleaned.left += 1;
            cleaned.left_bytes += more;
            needed.extend(named);
        } else if is_usable || entry.is_older_than(ON_ITS_WAY) {
            remove(&entry, &mut cleaned)?;
            cleaned.removed += usize::from(is_usable);
            // Its files go with it, unless another entry needs them.
            for name in named {
                if let Some(file) = files.get_mut(&name) {
                    file.used = SystemTime::UNIX_EPOCH;
                }
            }
        }
    }
    for (_, file) in files.iter().filter(|(name, _)| !needed.contains(*name)) {
        if file.is_older_than(ON_ITS_WAY) {
            remove(file, &mut cleaned)?;
        } else {
            cleaned.left_bytes += file.bytes;
        }
    }
    Ok(cleaned)
}

/// The files of a folder by name; none where there is no such folder.
fn list(dir: &Path) -> Result<BTreeMap<String, Kept>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.map_err(Error::here("list", dir))?,
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(Error::here("list", dir))?;
        // Removed by another meanwhile.
        let Ok(seen) = entry.metadata() else { continue };
        if seen.is_file() {
            let used = seen.modified().map_err(Error::here("look at", dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            found.insert(name, Kept { path: entry.path(), bytes: seen.len(), used });
        }
    }
    Ok(found)
}

/// The SHA-256 of each file that an entry names; `None` for what is no entry.
///
/// # Errors
/// Where it cannot be read, as another user's may not be: which files it needs is then not known.
fn names_of(entry: &Path) -> Result<Option<BTreeSet<String>>> {
    let text = match std::fs::read(entry) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None), // removed by another meanwhile
        text => text.map_err(Error::here("read", entry))?,
    };
    let Ok(entry) = serde_json::from_slice::<Entry>(&text) else { return Ok(None) };
    Ok(Some(entry.manifest.outputs.values().map(|output| output.sha256.clone()).collect()))
}

fn remove(file: &Kept, cleaned: &mut Cleaned) -> Result<()> {
    match std::fs::remove_file(&file.path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::here("remove", &file.path)(e)),
        _ => {
            cleaned.removed_bytes += file.bytes;
            Ok(())
        }
    }
}
