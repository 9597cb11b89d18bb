// QR codes.

import { qrcode } from "../vendor/qrcode.mjs";

/** The border that scanners need, in modules. */
const BORDER = 4;

/**
 * The dark modules of a text's QR code as the path of an SVG picture, and the picture's width.
 *
 * @param {string} text ASCII only
 * @returns {{ path: string, size: number }}
 */
export function qrPath(text) {
  const code = qrcode(0, "L");
  code.addData(text, "Byte");
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) {
        path += `M${column + BORDER} ${row + BORDER}h1v1h-1z`;
      }
    }
  }
  return { path, size: count + 2 * BORDER };
}
