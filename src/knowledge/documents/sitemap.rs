//! The pages that a website lists for crawls (sitemaps.org).

use std::io::Read;

use flate2::read::GzDecoder;
use url::Url;

use super::decode;
use super::xml::{Events, Met};

/// Bytes of a sitemap, unpacked: what the protocol allows.
const BYTES_MAX: u64 = 50 << 20;
/// Entries that are read: what the protocol allows.
const ENTRIES_MAX: usize = 50_000;
/// A longer address or date is none.
const ADDRESS_MAX: usize = 2_048;

/// A sitemap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sitemap {
    /// Pages.
    pub pages: Vec<Entry>,
    /// Other sitemaps, which this one lists.
    pub sitemaps: Vec<Entry>,
    /// Whether more is in it than was read.
    pub cut_off: bool,
}

/// A page or a sitemap that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its address, without a fragment.
    pub url: Url,
    /// When it changed last, as it is written there: a date, mostly with a time.
    pub changed: Option<String>,
}

/// Reads a sitemap, packed with gzip or not. What is damaged ends it; addresses that are none are
/// left out. A text file with an address on each line is a sitemap, too.
#[must_use]
pub fn read(bytes: &[u8]) -> Sitemap {
    let mut sitemap = Sitemap::default();
    let unpacked = unpack(bytes, &mut sitemap);
    let text = decode::text(unpacked.as_deref().unwrap_or(bytes), None);
    if text.trim_start().starts_with('<') {
        read_xml(&text, &mut sitemap);
    } else {
        for line in text.lines() {
            put(line, String::new(), false, &mut sitemap);
        }
    }
    sitemap
}

fn unpack(bytes: &[u8], sitemap: &mut Sitemap) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"\x1F\x8B") {
        return None;
    }
    let mut unpacked = Vec::new();
    // What was unpacked before the damage is read.
    let whole = GzDecoder::new(bytes).take(BYTES_MAX).read_to_end(&mut unpacked).is_ok();
    sitemap.cut_off |= !whole || unpacked.len() as u64 == BYTES_MAX;
    Some(unpacked)
}

fn read_xml(text: &str, sitemap: &mut Sitemap) {
    let mut events = Events::new(text);
    let (mut address, mut changed) = (String::new(), String::new());
    let mut within = Within::Nothing;
    loop {
        match events.next() {
            // `image:loc` stands deeper, within `image`.
            Ok(Some(Met::Start(element))) => {
                within = match (element.name(), &within) {
                    ("url" | "sitemap", _) => {
                        address.clear();
                        changed.clear();
                        Within::Entry
                    }
                    ("loc", Within::Entry) => Within::Address,
                    ("lastmod", Within::Entry) => Within::Changed,
                    (_, Within::Entry) => Within::Other(1),
                    (_, Within::Other(depth)) => Within::Other(depth + 1),
                    _ => within,
                };
            }
            Ok(Some(Met::Text(text))) => match within {
                Within::Address if address.len() <= ADDRESS_MAX => address.push_str(&text),
                Within::Changed if changed.len() <= ADDRESS_MAX => changed.push_str(&text),
                _ => {}
            },
            Ok(Some(Met::End(name))) => {
                within = match within {
                    Within::Address | Within::Changed | Within::Other(1) => Within::Entry,
                    Within::Other(depth) => Within::Other(depth - 1),
                    Within::Entry if matches!(&*name, "url" | "sitemap") => {
                        let changed = std::mem::take(&mut changed);
                        if !put(&address, changed, name == "sitemap", sitemap) {
                            return;
                        }
                        Within::Nothing
                    }
                    other => other,
                };
            }
            Ok(None) => return,
            Err(_) => {
                sitemap.cut_off = true;
                return;
            }
        }
    }
}

enum Within {
    Nothing,
    Entry,
    Address,
    Changed,
    /// Another element of an entry, this deep.
    Other(usize),
}

/// Puts an entry; false when there are too many.
fn put(address: &str, changed: String, is_sitemap: bool, sitemap: &mut Sitemap) -> bool {
    if sitemap.pages.len() + sitemap.sitemaps.len() >= ENTRIES_MAX {
        sitemap.cut_off = true;
        return false;
    }
    let address = address.trim();
    if address.len() <= ADDRESS_MAX
        && let Ok(mut url) = Url::parse(address)
        && matches!(url.scheme(), "http" | "https")
    {
        url.set_fragment(None);
        let changed = Some(changed.trim().to_owned()).filter(|c| !c.is_empty() && c.len() <= 64);
        let to = if is_sitemap { &mut sitemap.sitemaps } else { &mut sitemap.pages };
        to.push(Entry { url, changed });
    }
    true
}
