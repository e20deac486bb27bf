//! How much a packed file may unpack to: a bomb of a megabyte unpacks to a gigabyte, and to more where its members overlap.

use std::io::{Error as IoError, ErrorKind, Read, Result as IoResult};

use crate::error::{Error, Result};

/// What any packed array may unpack to, in bytes.
const ALWAYS: u64 = 1 << 30;
/// A larger array may unpack to so many times its packed bytes.
const TIMES: u64 = 100;

/// The most bytes that an array may unpack to from so many.
pub fn most(packed: u64) -> u64 {
    packed.saturating_mul(TIMES).max(ALWAYS)
}

/// The most bytes that so many packed ones can be: deflate reaches 1032 to 1.
pub(crate) fn reach(packed: u64) -> u64 {
    packed.saturating_mul(1032)
}

/// An error if an array of `bytes` is more than `packed` bytes may unpack to; before any memory is taken for it.
pub(crate) fn check(name: &str, bytes: u64, packed: u64) -> Result<()> {
    if bytes <= most(packed) {
        return Ok(());
    }
    Err(Error::Bomb { name: name.to_owned(), bytes, packed })
}

/// Unpacks the bytes of a `.gz` to at most `most`.
pub fn gunzip(packed: &[u8], most: u64) -> IoResult<Vec<u8>> {
    let mut unpacked = vec![];
    flate2::read::GzDecoder::new(packed).take(most.saturating_add(1)).read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 > most {
        return Err(IoError::new(ErrorKind::FileTooLarge, format!("it unpacks to more than {most} bytes")));
    }
    Ok(unpacked)
}

/// An error unless the numbers of an array end where the bytes do. Archives and packed files have their checksum there: it is compared
/// by whoever reads on to the end, and by no other.
pub(crate) fn check_end(rest: &mut impl Read, name: &str) -> Result<()> {
    let reason = match rest.read(&mut [0]) {
        Ok(0) => return Ok(()),
        Ok(_) => "it goes on after the numbers of its array".to_owned(),
        Err(e) => format!("damaged: {e}"),
    };
    let hint = "write or fetch the file again";
    Err(Error::Format { name: name.to_owned(), format: "a whole file", reason, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gigabyte_or_a_hundred_times_is_allowed() {
        assert_eq!((most(0), most(1 << 20), most(1 << 30)), (1 << 30, 1 << 30, 100 << 30));
        assert!(check("x", 1 << 30, 1).is_ok() && check("x", 100 << 30, 1 << 30).is_ok());
        let error = check("x.npz[x]", (1 << 30) + 1, 1 << 20).unwrap_err();
        assert!(error.to_string().contains("x.npz[x]: would unpack 1048576 bytes to 1073741825"), "{error}");
        assert!(error.hint().unwrap().contains("numpy.save"));
    }

    #[test]
    fn a_packed_file_stops_at_its_limit() {
        let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
        std::io::copy(&mut std::io::repeat(0).take(1 << 20), &mut gz).unwrap();
        let bomb = gz.finish().unwrap();
        assert!(bomb.len() < 2000);
        assert_eq!(gunzip(&bomb, 1 << 20).unwrap().len(), 1 << 20);
        assert!(gunzip(&bomb, 1000).unwrap_err().to_string().contains("more than 1000 bytes"));
    }
}
