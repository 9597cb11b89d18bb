//! The back-office page: static files, and the table from which a transport serves them.
//!
//! The page is plain HTML, CSS and ES modules, so nothing is built. A transport serves
//! [`Page::html`] at the address of the page, `webui/`, and the [`File`]s below a folder that is
//! named after [`Page::version`], `webui/$VERSION/$PATH`. The version is a hash of all files, so
//! browsers may keep the files below it forever, and never mix files of two versions. The HTML
//! itself must be revalidated at each visit.
//!
//! ```
//! use merchant_otp_web_page::{CONTENT_SECURITY_POLICY, page};
//!
//! let file = page().file("app.js").unwrap();
//! assert_eq!(file.media_type, "text/javascript; charset=utf-8");
//! assert!(page().html.contains(&format!("src=\"{}/app.js\"", page().version)));
//! assert!(CONTENT_SECURITY_POLICY.starts_with("default-src 'none';"));
//! ```

mod files;
mod page;

pub use page::{CONTENT_SECURITY_POLICY, File, HTML_MEDIA_TYPE, Page, page};
