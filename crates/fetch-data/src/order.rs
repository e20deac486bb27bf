//! The order in which samples arrive, drawn once: it gives a prefix its meaning.

use std::path::Path;

use anyhow::Result;
use pipeline::Failure;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use records::SampleOrder;
use store::npy;
use store::npy::AnyArray;

/// The rows `candidates` of the source in the order that `order` asks for.
pub fn decide(
    order: &SampleOrder,
    mut candidates: Vec<usize>,
    given: Option<&Path>,
    seed: u64,
) -> Result<Vec<usize>> {
    match (order, given) {
        (SampleOrder::File, _) => {}
        (SampleOrder::Shuffled, _) => candidates.shuffle(&mut ChaCha20Rng::seed_from_u64(seed)),
        (SampleOrder::Given, path) => {
            candidates = read(path.expect("checked with the section"), &candidates)?;
        }
    }
    Ok(candidates)
}

/// Row numbers from a file: each a candidate, none twice.
fn read(path: &Path, candidates: &[usize]) -> Result<Vec<usize>> {
    let name = path.display().to_string();
    let refuse = |found: String| {
        Failure::input(
            format!("{name}: {found}"),
            "an order is a .npy (N,) of different row numbers of the source, from 0",
        )
    };
    let AnyArray::I64(rows) = npy::read_any(path)? else {
        return Err(refuse("holds no signed or wide integers".to_owned()).into());
    };
    if rows.len() < 2 {
        return Err(refuse(format!("{} entries; at least two samples are needed", rows.len())).into());
    }
    let known = candidates.iter().collect::<std::collections::HashSet<_>>();
    let mut seen = std::collections::HashSet::new();
    let check = |(position, &row): (usize, &i64)| {
        let found = usize::try_from(row).ok().filter(|row| known.contains(row));
        let found =
            found.ok_or_else(|| refuse(format!("entry {position} is {row}, which is no training row")))?;
        if !seen.insert(found) {
            return Err(refuse(format!("entry {position}, row {row}, stands there twice")).into());
        }
        Ok(found)
    };
    rows.iter().enumerate().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use store::rows;

    #[test]
    fn a_shuffle_is_a_permutation_that_the_seed_decides() {
        let rows = (0..100).collect::<Vec<_>>();
        let shuffled = decide(&SampleOrder::Shuffled, rows.clone(), None, 5).unwrap();
        assert_ne!(shuffled, rows);
        assert_eq!(shuffled, decide(&SampleOrder::Shuffled, rows.clone(), None, 5).unwrap());
        assert_ne!(shuffled, decide(&SampleOrder::Shuffled, rows.clone(), None, 6).unwrap());
        let mut sorted = shuffled;
        sorted.sort_unstable();
        assert_eq!(sorted, rows);
    }

    #[test]
    fn a_given_order_is_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("order.npy");
        let read = |rows: ndarray::Array1<i64>| {
            rows::write(&path, &rows).unwrap();
            decide(&SampleOrder::Given, vec![0, 1, 2, 4], Some(&path), 0).map_err(|e| e.to_string())
        };
        assert_eq!(read(array![4, 0, 2]).unwrap(), [4, 0, 2]);
        assert!(read(array![]).unwrap_err().contains("0 entries; at least two samples"));
        assert!(read(array![4]).unwrap_err().contains("1 entries; at least two samples"));
        assert!(read(array![4, 3]).unwrap_err().contains("entry 1 is 3, which is no training row"));
        assert!(read(array![4, -1]).unwrap_err().contains("entry 1 is -1"));
        assert!(read(array![4, 4]).unwrap_err().contains("entry 1, row 4, stands there twice"));
    }
}
