//! The embedded data set: 1,797 digits of 8 × 8 pixels, values 0 to 16.

use std::io::Read;
use std::path::Path;

use anyhow::Result;
use ndarray::{Array1, Array2};
use pipeline::Failure;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use store::rows::Rows;

use crate::{Images, Labels, Raw, Split};

const ROWS: usize = 1797;
const PIXELS: usize = 64;
const ATTRIBUTION: &str = "UCI Machine Learning Repository, Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998), test part; CC BY 4.0";

/// Reads the gzipped table: 64 pixels and the label a line, no header.
pub fn read(path: &Path) -> Result<Raw> {
    let name = path.display().to_string();
    let again = "take data/digits.csv.gz from the repository again: git checkout data/digits.csv.gz";
    let file = std::fs::File::open(path).map_err(|e| Failure::input(format!("{name}: {e}"), again))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .map_err(|e| Failure::input(format!("{name}: {e}"), again))?;
    let refuse = |found: String| Failure::input(format!("{name}: {found}"), again);
    let (mut pixels, mut labels) = (vec![], vec![]);
    for (number, line) in text.lines().enumerate() {
        let values = line.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>();
        match values.as_deref() {
            Ok([row @ .., label]) if row.len() == PIXELS && row.iter().all(|&v| v <= 16) && *label < 10 => {
                pixels.extend_from_slice(row);
                labels.push(i64::from(*label));
            }
            _ => {
                return Err(refuse(format!(
                    "line {}: 64 values of 0 to 16 and a label of 0 to 9 are needed",
                    number + 1
                ))
                .into());
            }
        }
    }
    if labels.len() != ROWS {
        return Err(refuse(format!("{} lines, but {ROWS} are needed", labels.len())).into());
    }
    let images = Images::U8(Rows::Memory(Array2::from_shape_vec((ROWS, PIXELS), pixels).expect("64 a line")));
    let train = Split { images, labels: Labels::Classes(Array1::from(labels)) };
    Ok(Raw { train, test: None, source: "digits.csv.gz".to_owned(), attribution: ATTRIBUTION })
}

/// Row numbers for training and for testing: `n_test` rows are drawn by `seed`, both parts ascend.
pub fn split(n: usize, n_test: usize, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    if n_test + 2 > n {
        let message = format!("fetch-data.n_test: {n_test} of {n} digits");
        return Err(Failure::config(message, "leave at least two for training").into());
    }
    let mut rows = (0..n).collect::<Vec<_>>();
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(1); // stream 0 draws the order
    rows.shuffle(&mut rng);
    let mut train = rows.split_off(n_test);
    train.sort_unstable();
    rows.sort_unstable();
    Ok((train, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_table_is_whole() {
        let raw = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/digits.csv.gz")).unwrap();
        assert_eq!(raw.train.shape(), (1797, 64));
        assert_eq!(raw.train.n_classes(&(0..1797).collect::<Vec<_>>()), 10);
    }

    #[test]
    fn the_split_has_no_overlap() {
        let (train, test) = split(50, 12, 3).unwrap();
        assert_eq!((train.len(), test.len()), (38, 12));
        let mut all = [train, test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert!(split(50, 49, 3).is_err());
    }

    #[test]
    fn a_damaged_table_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("digits.csv.gz");
        let write = |text: &str| {
            let mut gz = flate2::write::GzEncoder::new(
                std::fs::File::create(&path).unwrap(),
                flate2::Compression::fast(),
            );
            std::io::Write::write_all(&mut gz, text.as_bytes()).unwrap();
            gz.finish().unwrap();
        };
        let message = || read(&path).map(|_| ()).unwrap_err().to_string();
        let line = "0,".repeat(64) + "3\n";
        write(&line);
        assert!(message().contains("1 lines, but 1797 are needed"));
        write(&format!("{line}{}", line.replacen('0', "17", 1)));
        assert!(message().contains("line 2: 64 values of 0 to 16"));
        std::fs::write(&path, "not gzip").unwrap();
        assert!(message().contains("digits.csv.gz"));
    }
}
