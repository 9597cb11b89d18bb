//! Workbooks that the tests write: the smallest ones that Excel opens, and damaged ones.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{DeviceFile, FileError, Format, Options, Place, Reason, Unsupported, read};

const WORKBOOK: &str = "<workbook xmlns:r=\"r\"><sheets>\
    <sheet name=\"Notes\" sheetId=\"1\" state=\"hidden\" r:id=\"rId1\"/>\
    <sheet name=\"Tokens\" sheetId=\"2\" r:id=\"rId2\"/>\
    <sheet name=\"More\" sheetId=\"3\" r:id=\"rId3\"/></sheets></workbook>";

const RELATIONSHIPS: &str = "<Relationships>\
    <Relationship Id=\"rId2\" Target=\"worksheets/sheet1.xml\"/>\
    <Relationship Id=\"rId3\" Target=\"/xl/worksheets/sheet3.xml\"/></Relationships>";

/// Styles: 0 is General, 1 is text, 2 is eight zeros, 3 is a date, 4 is two decimals.
const STYLES: &str = "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"00000000\"/>\
    <numFmt numFmtId=\"165\" formatCode=\"0.00\"/></numFmts>\
    <cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs>\
    <cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"49\"/><xf numFmtId=\"164\"/><xf numFmtId=\"14\"/>\
    <xf numFmtId=\"165\"/></cellXfs></styleSheet>";

const STRINGS: &str = "<sst><si><t>otp_device_id</t></si><si><t>otp_device_description</t></si>\
    <si><t>otp_key</t></si><si><r><t>GEZDGNBVGY3TQOJQ</t></r><r><t>GEZDGNBVGY3TQOJQ</t></r>\
    <rPh><t>x</t></rPh></si><si/><si><t>K&#xE4;se &amp; mehr</t></si></sst>";

const HEADER: &str = "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c>\
    <c r=\"C1\" t=\"s\"><v>2</v></c></row>";

fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (path, text) in parts {
        writer.start_file(*path, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn workbook(rows: &str) -> Vec<u8> {
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    archive(&[
        ("[Content_Types].xml", "<Types/>"),
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONSHIPS),
        ("xl/styles.xml", STYLES),
        ("xl/sharedStrings.xml", STRINGS),
        ("xl/worksheets/sheet1.xml", &sheet),
        ("xl/worksheets/sheet3.xml", &sheet.replace("till-1", "other")),
    ])
}

fn file(rows: &str) -> DeviceFile {
    let file = read(&workbook(&format!("{HEADER}{rows}")), &Options::default()).unwrap();
    assert_eq!(file.format, Format::Workbook);
    file
}

/// A row with this id and a valid key.
fn row(id: &str) -> String {
    format!(
        "<row r=\"2\">{id}<c r=\"B2\" t=\"s\"><v>5</v></c><c r=\"C2\" t=\"s\"><v>3</v></c></row>"
    )
}

#[test]
fn texts_of_all_kinds_are_read_from_the_first_visible_sheet() {
    for id in [
        "<c r=\"A2\" t=\"inlineStr\"><is><t>till-1</t></is></c>",
        "<c t=\"str\"><f>A1</f><v>till-1</v></c>",
    ] {
        let rows = format!(
            "{}<row r=\"3\"/><row r=\"4\"><c r=\"A4\"/><c r=\"B4\" t=\"s\"></c></row>",
            row(id)
        );
        let file = file(&rows);
        assert_eq!(file.entries.len(), 1);
        let device = file.entries[0].outcome.as_ref().unwrap();
        assert_eq!(device.id().as_str(), "till-1");
        assert_eq!(device.description().as_str(), "Käse & mehr");
        assert_eq!(device.key().expose_bytes(), b"12345678901234567890");
    }
}

#[test]
fn another_sheet_is_named_by_the_options() {
    let rows = format!("{HEADER}{}", row("<c r=\"A2\" t=\"inlineStr\"><is><t>till-1</t></is></c>"));
    let bytes = workbook(&rows);
    let sheet = |name: &str| Options { sheet: Some(name.to_owned()), ..Options::default() };
    let file = read(&bytes, &sheet("More")).unwrap();
    assert_eq!(file.entries[0].outcome.as_ref().unwrap().id().as_str(), "other");
    assert_eq!(file.entries[0].place, Place::Row { sheet: "More".to_owned(), row: 2 });
    assert_eq!(read(&bytes, &sheet("Tills")).err(), Some(FileError::NoSuchSheet));
}

#[test]
fn numbers_are_ids_only_if_they_are_shown_as_they_are_stored() {
    for (cell, id) in [
        ("<c r=\"A2\"><v>60234567</v></c>", "60234567"),
        ("<c r=\"A2\" s=\"1\"><v>2600120000000</v></c>", "2600120000000"),
        ("<c r=\"A2\" s=\"2\"><v>4711</v></c>", "00004711"),
    ] {
        let file = file(&row(cell));
        assert_eq!(file.entries[0].outcome.as_ref().unwrap().id().as_str(), id);
    }
    for (cell, reason) in [
        ("<c r=\"A2\" s=\"3\"><v>45000</v></c>", Reason::NumberFormat),
        ("<c r=\"A2\" s=\"4\"><v>45000</v></c>", Reason::NumberFormat),
        ("<c r=\"A2\" s=\"9\"><v>45000</v></c>", Reason::NumberFormat),
        ("<c r=\"A2\"><v>2.6001200000001234E+18</v></c>", Reason::InexactNumber),
        ("<c r=\"A2\"><v>1.5</v></c>", Reason::InexactNumber),
        ("<c r=\"A2\" t=\"e\"><v>#REF!</v></c>", Reason::CellKind),
        ("<c r=\"A2\" t=\"b\"><v>1</v></c>", Reason::CellKind),
    ] {
        let file = file(&row(cell));
        let rejected = file.entries[0].outcome.as_ref().unwrap_err();
        assert_eq!(rejected.reasons, [reason], "{cell}");
        assert_eq!(rejected.place.to_string(), "sheet Tokens, cell A2");
    }
}

#[test]
fn a_reason_about_a_key_has_the_place_of_its_cell() {
    let rows = row("<c r=\"A2\" t=\"inlineStr\"><is><t>till-1</t></is></c>")
        .replace("<c r=\"C2\" t=\"s\"><v>3</v></c>", "<c r=\"C2\"><v>12345678</v></c>");
    let file = file(&rows);
    let rejected = file.entries[0].outcome.as_ref().unwrap_err();
    assert_eq!(rejected.reasons, [Reason::LooksLikeHex]);
    assert_eq!(rejected.place.to_string(), "sheet Tokens, cell C2");
}

#[test]
fn archives_that_are_no_workbooks_are_named() {
    let empty = archive(&[("[Content_Types].xml", "<x/>"), ("xl/workbook.xml", "<x/>")]);
    assert_eq!(read(&empty, &Options::default()).err(), Some(FileError::NoSheet));
    for (path, unsupported) in [
        ("seeds.csv", Unsupported::Archive),
        ("xl/workbook.bin", Unsupported::OldOffice),
        ("content.xml", Unsupported::OpenDocument),
    ] {
        let bytes = archive(&[(path, "x"), ("META-INF/manifest.xml", "x")]);
        let error = read(&bytes, &Options::default()).err();
        assert_eq!(error, Some(FileError::Unsupported(unsupported)));
    }
    let mut damaged = workbook(HEADER);
    damaged.truncate(damaged.len() / 2);
    assert!(read(&damaged, &Options::default()).is_err());
}

#[test]
fn the_expanded_size_is_bounded() {
    let spaces = format!("<row>{}</row>", " ".repeat(1 << 20));
    let bytes = archive(&[
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONSHIPS),
        ("xl/worksheets/sheet1.xml", &spaces),
    ]);
    assert!(bytes.len() < 1 << 14, "{}", bytes.len());
    let within = |budget| super::read_within(budget, &bytes, &Options::default()).err();
    assert_eq!(within(1 << 20), Some(FileError::WorkbookLimits));
    assert_eq!(within(1 << 21), Some(FileError::Empty));

    // Many cells share a long string.
    let strings = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(100_000));
    let sheet = "<row><c t=\"s\"><v>0</v></c></row>".repeat(10_000);
    let shared = archive(&[
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONSHIPS),
        ("xl/sharedStrings.xml", &strings),
        ("xl/worksheets/sheet1.xml", &sheet),
    ]);
    assert_eq!(read(&shared, &Options::default()).err(), Some(FileError::WorkbookLimits));
    // A far cell does not allocate the cells before it.
    let far = workbook("<row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row>");
    assert_eq!(read(&far, &Options::default()).err(), Some(FileError::WorkbookLimits));
}

#[test]
fn document_types_are_refused() {
    let sheet = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><row><c t=\"str\"><v>&a;</v></c></row>";
    let bytes = archive(&[
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONSHIPS),
        ("xl/worksheets/sheet1.xml", sheet),
    ]);
    assert_eq!(read(&bytes, &Options::default()).err(), Some(FileError::Workbook));
}
