// One-time codes, computed in the browser with WebCrypto.

import { bigEndian, join } from "./bytes.js";

/** The length of a time step, in seconds (RFC 6238 section 5.2). */
export const STEP = 30;

/** The number of digits of a code. */
export const DIGITS = 8;

/**
 * Whether the browser can compute codes: only on an encrypted connection, or on this machine.
 *
 * @returns {boolean}
 */
export function canCompute() {
  return typeof crypto !== "undefined" && crypto.subtle !== undefined;
}

/**
 * @param {string} hash
 * @param {Uint8Array<ArrayBuffer>} key
 * @returns {Promise<(message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>>}
 */
async function hmac(hash, key) {
  const algorithm = { name: "HMAC", hash };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return async (message) => new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}

/**
 * Returns a function that computes the code of a time step (RFC 4226 section 5.3, 8 digits).
 *
 * @param {Uint8Array<ArrayBuffer>} key
 * @param {string} [hash]
 * @returns {Promise<(step: number) => Promise<string>>}
 */
export async function codes(key, hash = "SHA-1") {
  const sign = await hmac(hash, key);
  return async (step) => {
    const digest = await sign(bigEndian(Math.max(0, step)));
    const offset = (digest.at(-1) ?? 0) & 15;
    const word = new DataView(digest.buffer).getUint32(offset) & 0x7fffffff;
    return String(word % 10 ** DIGITS).padStart(DIGITS, "0");
  };
}

/**
 * Derives the key of a payment from the key of a device that asks for the price: HKDF that extracts
 * with SHA-512 and expands with SHA-256, as GNUnet does. The salt is the price in binary.
 *
 * @param {Uint8Array<ArrayBuffer>} key
 * @param {string} price such as `EUR:1.50`
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function keyOfPrice(key, price) {
  const extract = await hmac("SHA-512", amountBytes(price));
  const expand = await hmac("SHA-256", await extract(key));
  const first = await expand(Uint8Array.of(1));
  return join(first, await expand(join(first, Uint8Array.of(2))));
}

/**
 * The binary form of an amount: whole units and hundred-millionths in big-endian, then the currency
 * padded with zeros to 12 bytes.
 *
 * @param {string} price
 * @returns {Uint8Array<ArrayBuffer>}
 */
function amountBytes(price) {
  const [currency = "", number = ""] = price.split(":");
  const [units = "0", fraction = ""] = number.split(".");
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(units));
  view.setUint32(8, Number(fraction.padEnd(8, "0")));
  bytes.set(new TextEncoder().encode(currency).subarray(0, 12), 12);
  return bytes;
}
