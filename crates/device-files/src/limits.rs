//! The limits that bound the time and the memory of reading a file.

/// The maximum size of a file, in bytes: 64 MiB.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

/// The maximum number of entries of a file.
pub const MAX_ENTRIES: usize = 1_000_000;

/// The maximum size of a JSON document, in bytes: 16 MiB. Its tree is several times larger.
pub const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// The maximum depth of an XML document, below its root.
pub const MAX_XML_DEPTH: usize = 32;

/// The maximum number of tags and texts of a part of an XML document, which is one key.
pub const MAX_XML_PART: usize = 10_000;

/// The maximum number of attributes of an XML element.
pub const MAX_XML_ATTRIBUTES: usize = 64;

/// The maximum number of iterations of a key derivation: some seconds.
pub const MAX_ITERATIONS: u32 = 5_000_000;

/// The maximum size of a workbook, in bytes: 16 MiB.
pub const MAX_WORKBOOK_BYTES: usize = 16 * 1024 * 1024;

/// The maximum size of the parts of a workbook after they are expanded, in bytes: 256 MiB.
pub const MAX_EXPANDED_BYTES: u64 = 256 * 1024 * 1024;

/// The maximum number of strings that the cells of a workbook share.
pub const MAX_SHARED_STRINGS: usize = 2_000_000;

/// The maximum number of columns of a table.
pub const MAX_COLUMNS: usize = 256;

/// The maximum number of cells of a table: [`MAX_ENTRIES`] rows of all columns of the project.
pub const MAX_CELLS: usize = 10_000_000;

/// The maximum number of lines of a quoted field.
pub const MAX_FIELD_LINES: usize = 100;

/// The maximum length of a field, in bytes: twice the longest description.
pub const MAX_FIELD_BYTES: usize = 128 * 1024;
