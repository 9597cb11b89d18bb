// The signs and pictures of the page.

import { s } from "./dom.js";

/** The lines of the signs, in a square of 24. */
const SIGNS = {
  add: "M12 5v14M5 12h14",
  back: "m15 5-7 7 7 7",
  bad: "M2.5 12a9.5 9.5 0 1 0 19 0a9.5 9.5 0 1 0-19 0M8.5 8.5l7 7m0-7-7 7",
  clock: "M2.5 12a9.5 9.5 0 1 0 19 0a9.5 9.5 0 1 0-19 0M12 6.5V12l4 2.5",
  copy: "M9 9h11v12H9zM5 15H4V3h11v2",
  file: "M6 2.5h8l4.5 4.5v14.5H6zM14 2.5V7h4.5M12 18v-6m-2.5 2.5L12 12l2.5 2.5",
  go: "m9 5 7 7-7 7",
  good: "M2.5 12a9.5 9.5 0 1 0 19 0a9.5 9.5 0 1 0-19 0M7.5 12.5l3 3 6-6.5",
  info: "M2.5 12a9.5 9.5 0 1 0 19 0a9.5 9.5 0 1 0-19 0M12 11v6m0-10v.1",
  menu: "M4 6h16M4 12h16M4 18h16",
  phone: "M7 2.5h10v19H7zM11 18.5h2",
  print: "M7 9V3h10v6M7 18H4v-8h16v8h-3M7 14h10v7H7z",
  same: "M2.5 12a9.5 9.5 0 1 0 19 0a9.5 9.5 0 1 0-19 0M8 10h8M8 14h8",
  save: "M12 3v12m-5-5 5 5 5-5M4 20h16",
  warn: "M12 3 1.8 20.5h20.4zM12 10v5m0 2.6v.1",
};

/** @typedef {keyof typeof SIGNS} Sign */

/**
 * A sign beside a text. Assistive software ignores it.
 *
 * @param {Sign} sign
 * @returns {SVGElement}
 */
export function icon(sign) {
  const attributes = { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" };
  return s("svg", attributes, s("path", { d: SIGNS[sign] }));
}

/**
 * The mark of the page: two rows of four digits.
 *
 * @returns {SVGElement}
 */
export function mark() {
  const dots = [13, 23].flatMap((cy) =>
    [8, 14.7, 21.4, 28.1].map((cx) => s("circle", { cx, cy, r: 2.2 })),
  );
  const square = s("rect", { width: 36, height: 36, rx: 8 });
  const attributes = { class: "mark", viewBox: "0 0 36 36", "aria-hidden": "true" };
  return s("svg", attributes, square, ...dots);
}

/**
 * Eight strokes in two groups, which stand for the digits of a code.
 *
 * @param {number} x
 * @param {number} y
 * @returns {SVGElement[]}
 */
function digits(x, y) {
  return [0, 5, 10, 15, 22, 27, 32, 37].map((offset) =>
    s("rect", { class: "solid", x: x + offset, y, width: 3, height: 9, rx: 1 }),
  );
}

/**
 * A phone with an app, and a code generator.
 *
 * @returns {SVGElement}
 */
export function pictureOfApp() {
  return s(
    "svg",
    { class: "picture", viewBox: "8 0 160 92", "aria-hidden": "true" },
    s("rect", { class: "face", x: 10, y: 3, width: 52, height: 86, rx: 8 }),
    s("path", { d: "M30 81h12M17 56h38M17 26h20" }),
    ...digits(17, 38).map((digit) => (digit.setAttribute("width", "2.6"), digit)),
    s("rect", { class: "face", x: 78, y: 26, width: 76, height: 40, rx: 20 }),
    s("circle", { cx: 89, cy: 46, r: 4 }),
    ...digits(99, 41),
  );
}

/**
 * A device with keys for digits, and a price on its display.
 *
 * @returns {SVGElement}
 */
export function pictureOfPriceDevice() {
  const keys = [45, 59, 73].flatMap((cy) =>
    [62, 80, 98].map((cx) => s("circle", { cx, cy, r: 4 })),
  );
  const euro = "M70 17.5c-6-2-9 1-9 4.5s3 6.5 9 4.5M58.5 20.8h8M58.5 23.8h7";
  return s(
    "svg",
    { class: "picture", viewBox: "44 0 160 92", "aria-hidden": "true" },
    s("rect", { class: "face", x: 46, y: 3, width: 68, height: 86, rx: 8 }),
    s("rect", { x: 54, y: 11, width: 52, height: 22, rx: 3 }),
    s("path", { d: euro }),
    ...[77, 82, 87, 92, 97].map((x) =>
      s("rect", { class: "solid", x, y: 17.5, width: 3, height: 9, rx: 1 }),
    ),
    ...keys,
  );
}

/**
 * A picture of a QR code; assistive software reads its name.
 *
 * @param {{ path: string, size: number }} code
 * @param {string} name
 * @returns {SVGElement}
 */
export function qrPicture({ path, size }, name) {
  const box = `0 0 ${size} ${size}`;
  return s(
    "svg",
    { class: "qr", viewBox: box, role: "img", "aria-label": name, "shape-rendering": "crispEdges" },
    s("path", { d: `M0 0h${size}v${size}h-${size}z`, fill: "#fff" }),
    s("path", { d: path, fill: "#000" }),
  );
}
