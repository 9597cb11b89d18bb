// Keys of devices: made, read from what a person types or pastes, and written.

import { fromBase32, fromHex, toBase32 } from "./bytes.js";
import { DIGITS, STEP } from "./otp.js";

/** The maximum length of a key, in bytes, which is that of the service. */
const MAX_BYTES = 128;

/** The length of a key that is made here, in bytes: that of SHA-1, as RFC 4226 recommends. */
const NEW_BYTES = 20;

/**
 * Why a text is no usable key; `place` counts characters from 1.
 *
 * @typedef {{
 *   problem: "empty" | "character" | "long" | "hotp" | "digits" | "period" | "hash" | "link",
 *   place?: number,
 *   value?: string,
 * }} KeyProblem
 */

/**
 * What a text is: a key, a key that can be read in two ways, or a problem.
 *
 * @typedef {{ key: Uint8Array<ArrayBuffer>, incomplete: boolean }} ReadKey
 * @typedef {ReadKey | { base32: ReadKey, hex: ReadKey } | KeyProblem} Reading
 */

/**
 * Makes a random key.
 *
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function newKey() {
  return crypto.getRandomValues(new Uint8Array(NEW_BYTES));
}

/**
 * Reads a key in Base32 or hexadecimal, with blanks and dashes, or an `otpauth://` link.
 *
 * @param {string} text
 * @returns {Reading}
 */
export function readKey(text) {
  const trimmed = text.trim();
  return /^otpauth:/i.test(trimmed) ? readLink(trimmed) : readText(trimmed);
}

/**
 * @param {string} text
 * @returns {Reading}
 */
function readText(text) {
  const symbols = text.toUpperCase().replace(/[\s\p{Dash}:._]/gu, "").replace(/=+$/, "");
  if (symbols === "") {
    return { problem: "empty" };
  }
  const isBase32 = /^[A-Z2-7]+$/.test(symbols);
  const isHex = /^(?:[0-9A-F]{2})+$/.test(symbols);
  if (!isBase32 && !isHex) {
    return { problem: "character", place: placeOfStranger(text) };
  }
  const incomplete = [1, 3, 6].includes(symbols.length % 8);
  /** @type {ReadKey} */
  const base32 = { key: isBase32 ? fromBase32(symbols) : new Uint8Array(), incomplete };
  /** @type {ReadKey} */
  const hex = { key: isHex ? fromHex(symbols) : new Uint8Array(), incomplete: false };
  if ((isBase32 ? base32 : hex).key.length > MAX_BYTES) {
    return { problem: "long" };
  }
  if (isBase32 && isHex) {
    return { base32, hex };
  }
  const read = isBase32 ? base32 : hex;
  return read.key.length === 0 ? { problem: "empty" } : read;
}

/**
 * The place of the first character that fits neither alphabet; if each fits one of them, of the
 * first that is not Base32.
 *
 * @param {string} text
 * @returns {number}
 */
function placeOfStranger(text) {
  const characters = [...text.toUpperCase()];
  const first = (/** @type {RegExp} */ strange) =>
    characters.findIndex((character) => strange.test(character)) + 1;
  return first(/[^A-Z0-9\s\p{Dash}:._=]/u) || first(/[^A-Z2-7\s\p{Dash}:._=]/u) || 1;
}

/**
 * @param {string} text
 * @returns {Reading}
 */
function readLink(text) {
  const [address = "", query = ""] = text.split("?", 2);
  const kind = /^otpauth:\/\/([^/]*)/i.exec(address)?.[1]?.toLowerCase();
  if (kind === "hotp") {
    return { problem: "hotp" };
  }
  if (kind !== "totp") {
    return { problem: "link" };
  }
  const parameters = new URLSearchParams(query.split("#", 1)[0]);
  const digits = parameters.get("digits") ?? "6";
  if (digits !== String(DIGITS)) {
    return { problem: "digits", value: /^\d{1,2}$/.test(digits) ? digits : "?" };
  }
  const period = parameters.get("period") ?? String(STEP);
  if (period !== String(STEP)) {
    return { problem: "period", value: /^\d{1,5}$/.test(period) ? period : "?" };
  }
  const hash = (parameters.get("algorithm") ?? "SHA1").toUpperCase().replaceAll(/[^A-Z0-9]/g, "");
  if (!["SHA1", "HMACSHA1"].includes(hash)) {
    return { problem: "hash", value: hash.slice(0, 12) };
  }
  // In a link the key is always in Base32.
  const read = readText(parameters.get("secret") ?? "");
  if ("base32" in read) {
    return read.base32;
  }
  const isHex = "key" in read && !/^[A-Za-z2-7\s=-]*$/.test(parameters.get("secret") ?? "");
  return isHex || "problem" in read ? { problem: "link" } : read;
}

/**
 * The key in Base32, in groups of four.
 *
 * @param {Uint8Array} key
 * @returns {string[]}
 */
export function groups(key) {
  return toBase32(key).match(/.{1,4}/g) ?? [];
}

/**
 * The link that sets up an app (Key URI Format): the issuer is the name of the shop, the account
 * the id of the device.
 *
 * @param {Uint8Array} key
 * @param {string} shop
 * @param {string} device
 * @returns {string}
 */
export function link(key, shop, device) {
  const encode = (/** @type {string} */ text) =>
    encodeURIComponent(text).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const issuer = encode(shop);
  const settings = `issuer=${issuer}&algorithm=SHA1&digits=${DIGITS}&period=${STEP}`;
  return `otpauth://totp/${issuer}:${encode(device)}?secret=${toBase32(key)}&${settings}`;
}
