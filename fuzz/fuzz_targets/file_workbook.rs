//! No parts of a workbook make its reader panic.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use merchant_otp_device_files::{Options, read};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const PATHS: [&str; 5] = [
    "xl/worksheets/sheet1.xml",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
];

const WORKBOOK: &str = "<w xmlns:r=\"r\"><sheets><sheet name=\"T\" r:id=\"i\"/></sheets></w>";

const RELATIONSHIPS: &str = "<r><Relationship Id=\"i\" Target=\"worksheets/sheet1.xml\"/></r>";

// The parts are separated by NUL; those that are missing are valid.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for path in PATHS {
        let valid = match path {
            "xl/workbook.xml" => WORKBOOK.as_bytes(),
            "xl/_rels/workbook.xml.rels" => RELATIONSHIPS.as_bytes(),
            _ => b"<x/>",
        };
        writer.start_file(path, options).unwrap();
        writer.write_all(parts.next().unwrap_or(valid)).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let _ = read(&bytes, &Options::default());
});
