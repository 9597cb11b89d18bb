//! The number formats of cells: what a person sees of a number.

use std::collections::HashMap;

use quick_xml::events::Event;

use super::package::{Package, attribute};
use crate::{FileError, Reason};

/// A number format, as far as ids and keys may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberFormat {
    /// General or text: the digits as they are.
    Plain,
    /// Zeros: the minimum number of digits.
    Zeros(usize),
    Other,
}

/// The maximum number of styles; Excel has 65,490.
const MAX_STYLES: usize = 65_536;

/// The number formats of the styles of cells, by the index of the style.
pub(super) fn read(package: &mut Package<'_>) -> Result<Vec<NumberFormat>, FileError> {
    const PATH: &str = "xl/styles.xml";
    let mut codes: HashMap<String, NumberFormat> = HashMap::new();
    let mut formats = Vec::new();
    let mut is_in_cells = false;
    if !package.has(PATH) {
        return Ok(formats);
    }
    package.read(PATH, |event| {
        match event {
            Event::Start(start) | Event::Empty(start) => match start.local_name().as_ref() {
                "numFmt" if codes.len() < MAX_STYLES => {
                    let code = attribute(start, "formatCode").unwrap_or_default();
                    let id = attribute(start, "numFmtId").unwrap_or_default();
                    codes.insert(id, of_code(&code));
                }
                "cellXfs" => is_in_cells = matches!(event, Event::Start(_)),
                "xf" if is_in_cells && formats.len() < MAX_STYLES => {
                    let id = attribute(start, "numFmtId").unwrap_or_default();
                    let format = codes.get(&id).copied().unwrap_or_else(|| of_id(&id));
                    formats.push(format);
                }
                _ => {}
            },
            Event::End(end) if end.local_name().as_ref() == "cellXfs" => is_in_cells = false,
            _ => {}
        }
        Ok(())
    })?;
    Ok(formats)
}

/// The formats that a workbook does not define: ECMA-376 part 1, section 18.8.30.
fn of_id(id: &str) -> NumberFormat {
    match id {
        "" | "0" | "49" => NumberFormat::Plain,
        "1" => NumberFormat::Zeros(1),
        _ => NumberFormat::Other,
    }
}

fn of_code(code: &str) -> NumberFormat {
    match code {
        "@" => NumberFormat::Plain,
        _ if code.eq_ignore_ascii_case("general") => NumberFormat::Plain,
        _ if !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte == b'0') => {
            NumberFormat::Zeros(code.len())
        }
        _ => NumberFormat::Other,
    }
}

/// The text of a number, as a person sees it.
pub(super) fn show(number: &str, format: NumberFormat) -> Result<String, Reason> {
    // A spreadsheet keeps 15 digits; further ones are 0, and the text that was typed is lost.
    let is_exact = number.len() <= 15 && number.bytes().all(|byte| byte.is_ascii_digit());
    match format {
        NumberFormat::Other => Err(Reason::NumberFormat),
        _ if !is_exact => Err(Reason::InexactNumber),
        NumberFormat::Plain => Ok(number.to_owned()),
        NumberFormat::Zeros(width) => Ok(format!("{number:0>width$}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_a_person_sees_or_refused() {
        let zeros = of_code("00000000");
        assert_eq!(show("60234567", of_id("0")), Ok("60234567".to_owned()));
        assert_eq!(show("123", zeros), Ok("00000123".to_owned()));
        assert_eq!(show("123456789", zeros), Ok("123456789".to_owned()));
        assert_eq!(show("2600120000000", of_code("General")), Ok("2600120000000".to_owned()));
        for number in ["2.60012E+12", "1.5", "-1", "1234567890123456"] {
            assert_eq!(show(number, of_id("49")), Err(Reason::InexactNumber), "{number}");
        }
        for format in [of_code("0.00"), of_code("#,##0"), of_id("14"), of_code("0;0"), of_code("")]
        {
            assert_eq!(show("5", format), Err(Reason::NumberFormat));
        }
    }
}
