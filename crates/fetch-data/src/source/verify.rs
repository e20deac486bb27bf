//! The one gate for bytes from anywhere: their hash decides. Nothing else is ever parsed.

use std::io::Read;

use catalogue::{Entry, File};
use store::hash;

use super::error::SourceError;
use crate::format;

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The bytes of `file` themselves, unpacked if they are packed, if hash and structure are right.
///
/// The name does not say whether they are packed: browsers and servers unpack a `.gz` and keep its name.
pub fn verify(entry: &Entry, file: &File, bytes: Vec<u8>) -> Result<Vec<u8>, SourceError> {
    let bytes = if bytes.starts_with(&GZIP) { unpack(file.name, &bytes)? } else { bytes };
    let found = hash::of_bytes(&bytes);
    if let Some(fault) = format::fault(entry.format, file, &bytes) {
        return Err(SourceError::Structure { file: file.name, fault });
    }
    if found != file.sha256 {
        return Err(SourceError::OtherBytes { file: file.name, found, needed: file.sha256 });
    }
    Ok(bytes)
}

fn unpack(file: &str, bytes: &[u8]) -> Result<Vec<u8>, SourceError> {
    let mut unpacked = vec![];
    let read = flate2::read::GzDecoder::new(bytes).read_to_end(&mut unpacked);
    read.map_err(|error| SourceError::Packed { file: file.to_owned(), error })?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stub::{self, packed};

    #[test]
    fn other_bytes_are_refused() {
        let (entry, bytes) = stub::tiny();
        let file = &entry.files[1];
        assert_eq!(verify(&entry, file, bytes[1].clone()).unwrap(), bytes[1]);
        let mut other = bytes[1].clone();
        other[9] ^= 1;
        let message = |bytes: Vec<u8>| verify(&entry, file, bytes).unwrap_err().to_string();
        assert!(message(other.clone()).contains("SHA-256") && message(other.clone()).contains("refused"));
        assert!(message(packed(&other)).contains("SHA-256"));
        assert!(message(other[..9].to_vec()).contains("9 bytes, but its header means 10"));
        assert!(message(packed(&other)[..20].to_vec()).contains("not a whole gzip file"));
    }
}
