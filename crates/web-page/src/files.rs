//! The files, as they are in `static/`.

/// The HTML, in which `{version}` stands for the folder of the files.
pub(crate) const HTML: &str = include_str!("../static/index.html");

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!("../static/", $path)))),+]
    };
}

/// The path and the content of each other file, in the order of the paths.
pub(crate) const FILES: &[(&str, &[u8])] = files![
    "app.js",
    "config.js",
    "icon.svg",
    "lib/api.js",
    "lib/bytes.js",
    "lib/check.js",
    "lib/clock.js",
    "lib/csv.js",
    "lib/dom.js",
    "lib/i18n.js",
    "lib/key.js",
    "lib/names.js",
    "lib/otp.js",
    "lib/parts.js",
    "lib/pictures.js",
    "lib/price.js",
    "lib/qr.js",
    "lib/search.js",
    "lib/session.js",
    "lib/verdict.js",
    "style.css",
    "texts/de.js",
    "texts/en.js",
    "texts/fr.js",
    "vendor/qrcode.mjs",
    "views/access.js",
    "views/add.js",
    "views/device.js",
    "views/devices.js",
    "views/help.js",
    "views/history.js",
    "views/import.js",
    "views/key.js",
    "views/log-in.js",
    "views/password.js",
    "views/price.js",
    "views/shops.js",
];
