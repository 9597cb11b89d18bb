//! The page: its HTML, its version and its files.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::files::{FILES, HTML};

/// The `Content-Security-Policy` of the page and of its files.
///
/// Permits scripts and styles of the service only, none of them inline, and no conversion of text
/// into HTML or scripts (trusted types).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src \
    'self'; connect-src 'self'; img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; \
    base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The media type of [`Page::html`].
pub const HTML_MEDIA_TYPE: &str = "text/html; charset=utf-8";

/// What stands for the version in the HTML.
const VERSION: &str = "{version}";

/// The number of characters of a version: 80 bits of a hash.
const VERSION_LENGTH: usize = 20;

static PAGE: LazyLock<Page> = LazyLock::new(Page::new);

/// The page. The first call hashes the files.
#[must_use]
pub fn page() -> &'static Page {
    &PAGE
}

/// The HTML of the page, and the files that it loads.
#[derive(Debug)]
pub struct Page {
    /// The folder of the files, in hexadecimal digits. It changes with every file.
    pub version: String,
    /// The HTML, which refers to the files below the version.
    pub html: String,
    /// The strong `ETag` of the HTML, with its quotation marks.
    pub html_etag: String,
    /// The files, in the order of their paths.
    pub files: Vec<File>,
}

/// A file of the page.
#[derive(Clone, Debug)]
pub struct File {
    /// The path below the folder of the version, such as `lib/dom.js`.
    pub path: &'static str,
    /// The media type, with the character set.
    pub media_type: &'static str,
    /// The content.
    pub bytes: &'static [u8],
    /// The strong `ETag`, with its quotation marks.
    pub etag: String,
}

impl Page {
    fn new() -> Self {
        let mut all = Sha256::new_with_prefix(HTML);
        let mut files = Vec::with_capacity(FILES.len());
        for (path, bytes) in FILES {
            let hash = HEXLOWER.encode(&Sha256::digest(bytes));
            all.update(format!("{path} {hash}\n"));
            let media_type = media_type(path);
            files.push(File { path, media_type, bytes, etag: etag(&hash) });
        }
        let mut version = HEXLOWER.encode(&all.finalize());
        version.truncate(VERSION_LENGTH);
        let html = HTML.replace(VERSION, &version);
        let html_etag = etag(&HEXLOWER.encode(&Sha256::digest(&html)));
        Self { version, html, html_etag, files }
    }

    /// Finds a file by its path below the folder of the version.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        let index = self.files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        self.files.get(index)
    }
}

fn etag(hash: &str) -> String {
    format!("\"{hash}\"")
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The paths of the files below a folder, except notes and declarations of types.
    fn served(folder: &Path, below: &str) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                found.extend(served(folder, &format!("{path}/")));
            } else if ![".md", ".d.mts"].iter().any(|ending| path.ends_with(ending)) {
                found.push(path);
            }
        }
        found.sort();
        found
    }

    #[test]
    fn the_table_has_every_file_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
        let mut paths: Vec<_> = page().files.iter().map(|file| file.path.to_owned()).collect();
        paths.push("index.html".to_owned());
        paths.sort();
        assert_eq!(paths, served(&folder, ""));
        assert!(page().files.is_sorted_by_key(|file| file.path));
        for file in &page().files {
            assert_eq!(file.bytes, fs::read(folder.join(file.path)).unwrap(), "{}", file.path);
            assert_eq!(page().file(file.path).unwrap().etag, file.etag);
        }
        assert!(page().file("index.html").is_none());
        assert!(page().file("../Cargo.toml").is_none());
    }

    #[test]
    fn the_html_refers_to_files_of_its_version_only() {
        let html = &page().html;
        assert!(!html.contains(VERSION));
        let folder = format!("{}/", page().version);
        let references = html.split('"').filter(|text| text.contains('/') && text.contains('.'));
        let references: Vec<_> = references.filter(|text| !text.contains('<')).collect();
        assert!(references.len() > 3, "{references:?}");
        for reference in references {
            let path = reference.strip_prefix(&folder).unwrap();
            assert!(page().file(path).is_some(), "{path}");
        }
    }

    #[test]
    fn nothing_in_the_html_is_inline() {
        let html = page().html.to_lowercase();
        for inline in ["<style", " style=", " onload", " onclick", "javascript:"] {
            assert!(!html.contains(inline), "{inline}");
        }
        for script in html.split("<script").skip(1) {
            let (attributes, rest) = script.split_once('>').unwrap();
            assert!(attributes.contains(" src=") && rest.starts_with("</script>"), "{script}");
        }
    }

    #[test]
    fn etags_are_strong_and_differ() {
        let mut etags: Vec<_> = page().files.iter().map(|file| file.etag.as_str()).collect();
        etags.push(&page().html_etag);
        assert!(etags.iter().all(|etag| etag.starts_with('"') && etag.len() == 66));
        etags.sort_unstable();
        etags.dedup();
        assert_eq!(etags.len(), page().files.len() + 1);
    }
}
