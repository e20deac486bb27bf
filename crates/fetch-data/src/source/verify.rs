//! The one gate for bytes from anywhere: their hash decides. Nothing else is ever parsed.

use catalogue::{Entry, File};
use store::{hash, packed};

use super::error::SourceError;
use crate::format;

/// Bytes after which a file, packed or not, is too long to be one of a data set.
pub const LONGEST: u64 = 200 << 20;
/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The bytes of `file` themselves, unpacked if they are packed, if hash and structure are right.
///
/// The name does not say whether they are packed: browsers and servers unpack a `.gz` and keep its name.
pub fn verify(entry: &Entry, file: &File, bytes: Vec<u8>) -> Result<Vec<u8>, SourceError> {
    let damaged = |error| SourceError::Packed { file: file.name.to_owned(), error };
    let bytes =
        if bytes.starts_with(&GZIP) { packed::gunzip(&bytes, LONGEST).map_err(damaged)? } else { bytes };
    let found = hash::of_bytes(&bytes);
    if let Some(fault) = format::fault(entry.format, file, &bytes) {
        return Err(SourceError::Structure { file: file.name, fault });
    }
    if found != file.sha256 {
        return Err(SourceError::OtherBytes { file: file.name, found, needed: file.sha256 });
    }
    Ok(bytes)
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
        // A bomb of 0.3 MB: nothing beyond the limit is unpacked.
        let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
        std::io::copy(&mut std::io::Read::take(std::io::repeat(0), LONGEST + 1), &mut gz).unwrap();
        assert!(message(gz.finish().unwrap()).contains("more than 209715200 bytes"));
        assert!(message(packed(&other)[..20].to_vec()).contains("not a whole gzip file"));
    }
}
