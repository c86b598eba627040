//! The zip archives that Word, Excel and PowerPoint files are.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::decode;
use super::kind::find;
use super::{Limits, Unreadable};

/// A file's parts, whose sizes have been measured by unpacking all of them once.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    names: Vec<String>,
    unpacked: usize,
}

impl<'a> Archive<'a> {
    /// Opens a file and measures what it unpacks to; a size that an archive says may be a lie.
    ///
    /// # Errors
    ///
    /// It is encrypted, of an old format, damaged, or unpacks to too much.
    pub(super) fn open(
        bytes: &'a [u8],
        expected: &'static str,
        limits: &Limits,
    ) -> Result<Self, Unreadable> {
        if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
            return Err(in_compound_file(bytes));
        }
        if !bytes.starts_with(b"PK") {
            return Err(Unreadable::WrongKind { expected });
        }
        // Before the archive's directory is read into memory.
        let entries = bytes.windows(4).filter(|window| window == b"PK\x01\x02").count();
        if entries > limits.zip_entries {
            return Err(Unreadable::Bomb);
        }
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| damage(&e))?;
        if zip.len() > limits.zip_entries {
            return Err(Unreadable::Bomb);
        }
        let mut unpacked = 0;
        let mut names = Vec::with_capacity(zip.len());
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).map_err(|e| damage(&e))?;
            names.push(entry.name().map_err(|e| damage(&e))?.replace('\\', "/"));
            unpacked += measure(&mut entry, limits.unpacked - unpacked)?;
        }
        Ok(Self { zip, names, unpacked: limits.unpacked })
    }

    /// The names of the parts.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// A part as text; none if there is no such part.
    ///
    /// # Errors
    ///
    /// It is damaged.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, Unreadable> {
        let name = name.trim_start_matches('/');
        let same = |other: &String| other.trim_start_matches('/').eq_ignore_ascii_case(name);
        let Some(index) = self.names.iter().position(same) else { return Ok(None) };
        let entry = self.zip.by_index(index).map_err(|e| damage(&e))?;
        let mut bytes = Vec::new();
        let most = self.unpacked as u64;
        entry.take(most).read_to_end(&mut bytes).map_err(|e| Unreadable::Broken(e.to_string()))?;
        Ok(Some(decode::text(&bytes, None)))
    }
}

/// How much an entry unpacks to.
fn measure(entry: &mut impl Read, most: usize) -> Result<usize, Unreadable> {
    let mut buffer = [0; 16 << 10];
    let mut size = 0;
    loop {
        match entry.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(read) => size += read,
            // A part that is damaged may be one that is not needed, such as a picture.
            Err(_) => return Ok(size),
        }
        if size > most {
            return Err(Unreadable::Bomb);
        }
    }
}

fn damage(error: &ZipError) -> Unreadable {
    if error.to_string().to_ascii_lowercase().contains("password") {
        return Unreadable::Encrypted;
    }
    Unreadable::Broken(format!("its parts cannot be unpacked ({error})"))
}

/// Office 97 to 2003, or a newer file with a password, whose part `EncryptedPackage` is named in
/// UTF-16.
fn in_compound_file(bytes: &[u8]) -> Unreadable {
    let name: Vec<u8> = "EncryptedPackage".bytes().flat_map(|byte| [byte, 0]).collect();
    if find(bytes, &name).is_some() { Unreadable::Encrypted } else { Unreadable::OldOffice }
}
