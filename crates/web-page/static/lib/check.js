// Comparison of a code that a person typed with the codes of a key.

import { codes, DIGITS, STEP } from "./otp.js";

/** How many steps a code may be off, which is what the service accepts. */
export const ACCEPTED = 2;

/** How many steps around now are searched: a day. */
const SEARCHED = 2880;

/** How many steps around now are searched with other settings of a device. */
const SEARCHED_OTHERWISE = 4;

/**
 * What a typed text is: a code, or the number of digits that it has.
 *
 * @typedef {{ code: string } | { digits: number }} Typed
 */

/**
 * Reads a typed code; blanks and dashes are allowed.
 *
 * @param {string} text
 * @returns {Typed}
 */
export function readCode(text) {
  const digits = [...text.normalize("NFKC").replace(/[\s\p{Dash}.]/gu, "")];
  const isCode = digits.length === DIGITS && digits.every((digit) => /[0-9]/.test(digit));
  return isCode
    ? { code: digits.join("") }
    : { digits: digits.filter((digit) => /[0-9]/.test(digit)).length };
}

/**
 * The step of a time, in seconds since 1970.
 *
 * @param {number} seconds
 * @returns {number}
 */
export function stepOf(seconds) {
  return Math.floor(seconds / STEP);
}

/**
 * How many steps a code is ahead of a time (negative: behind), searched from the time outwards over
 * a day; `null` if it is no code of the key.
 *
 * @param {Uint8Array<ArrayBuffer>} key
 * @param {string} code
 * @param {number} seconds
 * @param {number} [range] the number of steps to each side
 * @returns {Promise<number | null>}
 */
export async function findOffset(key, code, seconds, range = SEARCHED) {
  const codeOf = await codes(key);
  const now = stepOf(seconds);
  const batch = 120;
  for (let from = 0; from <= range; from += batch) {
    const distances = Array.from({ length: Math.min(batch, range - from + 1) }, (_, i) => from + i);
    const offsets = distances.flatMap((distance) =>
      distance === 0 ? [0] : [-distance, distance],
    );
    const found = await Promise.all(offsets.map((offset) => codeOf(now + offset)));
    const index = found.indexOf(code);
    if (index >= 0) {
      return offsets[index] ?? null;
    }
  }
  return null;
}

/**
 * The setting of a device with which its code would be right: another hash, or another period.
 *
 * @param {Uint8Array<ArrayBuffer>} key
 * @param {string} code
 * @param {number} seconds
 * @returns {Promise<"hash" | "period" | null>}
 */
export async function otherSetting(key, code, seconds) {
  /** @type {["hash" | "period", string, number][]} */
  const settings = [
    ["hash", "SHA-256", STEP],
    ["hash", "SHA-512", STEP],
    ["period", "SHA-1", 60],
  ];
  for (const [setting, hash, period] of settings) {
    const codeOf = await codes(key, hash);
    const now = Math.floor(seconds / period);
    for (let offset = -SEARCHED_OTHERWISE; offset <= SEARCHED_OTHERWISE; offset += 1) {
      if ((await codeOf(now + offset)) === code) {
        return setting;
      }
    }
  }
  return null;
}

/**
 * Writes a code in two groups of four.
 *
 * @param {string} code
 * @returns {string}
 */
export function inGroups(code) {
  return code.replace(/^(\d{4})(\d{4})$/, "$1\u00a0$2");
}
