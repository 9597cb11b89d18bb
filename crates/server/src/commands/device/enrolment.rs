//! Enrolment of a device's key in an authenticator app.

use anyhow::Context;
use merchant_otp_domain::{Instance, OtpCode, OtpDevice};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use zeroize::Zeroizing;

/// Characters to percent-encode: all but the unreserved ones (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns the URI that authenticator apps read, in the Key URI Format.
///
/// The issuer is the name of the instance, the account is the id of the device.
pub(crate) fn uri(instance: &Instance, device: &OtpDevice) -> Zeroizing<String> {
    let issuer = utf8_percent_encode(instance.name.as_str(), ENCODED);
    let account = utf8_percent_encode(device.id().as_str(), ENCODED);
    let secret = device.key().to_base32();
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=8\
         &period={}",
        *secret,
        OtpCode::SECONDS
    ))
}

/// Renders a text as a QR code in light blocks for a dark background, with the border that scanners
/// need.
pub(crate) fn qr_code(text: &str) -> anyhow::Result<Zeroizing<String>> {
    let code = QrCode::new(text).context("the URI is too long for a QR code")?;
    let image = code
        .render::<Dense1x2>()
        // The names assume dark ink on light paper; here, dark modules are left blank.
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build();
    Ok(Zeroizing::new(image))
}

#[cfg(test)]
mod tests {
    use merchant_otp_domain::{
        InstanceId, InstanceName, InstanceSettings, OtpAlgorithm, OtpCounter, OtpDeviceDescription,
        OtpDeviceId, OtpKey,
    };

    use super::*;

    /// Reads the code as a scanner does, on a dark background.
    #[test]
    fn the_qr_code_is_read_by_a_scanner() {
        const SCALE: usize = 4;
        let text = "otpauth://totp/Caf%C3%A9:till?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8";
        let code = qr_code(text).unwrap();
        let lines: Vec<Vec<char>> = code.lines().map(|line| line.chars().collect()).collect();
        let (width, height) = (lines[0].len() * SCALE, lines.len() * 2 * SCALE);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            let row = y / SCALE;
            let light = match lines[row / 2][x / SCALE] {
                '█' => true,
                '▀' => row.is_multiple_of(2),
                '▄' => !row.is_multiple_of(2),
                _ => false,
            };
            if light { 255 } else { 0 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "{}", *code);
        assert_eq!(grids[0].decode().unwrap().1, text);
    }

    #[test]
    fn the_uri_is_encoded() {
        let instance = Instance {
            id: InstanceId::parse("cafe").unwrap(),
            name: InstanceName::parse("Café: a & b").unwrap(),
            settings: InstanceSettings::default(),
        };
        let device = OtpDevice::new(
            OtpDeviceId::parse("till 1?#%").unwrap(),
            OtpDeviceDescription::parse("").unwrap(),
            OtpKey::from_base32("MZXW6===").unwrap(),
            OtpAlgorithm::TotpWithoutPrice,
            OtpCounter::default(),
        );
        assert_eq!(
            *uri(&instance, &device.unwrap()),
            "otpauth://totp/Caf%C3%A9%3A%20a%20%26%20b:till%201%3F%23%25?secret=MZXW6\
             &issuer=Caf%C3%A9%3A%20a%20%26%20b&algorithm=SHA1&digits=8&period=30"
        );
    }
}
