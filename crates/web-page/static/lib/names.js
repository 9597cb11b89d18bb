// Short names of devices and shops.

/** The maximum length of a short name, in bytes. */
const MAX_BYTES = 255;

/** Letters that are written differently where only A to Z is usual. */
const LETTERS = { ä: "ae", ö: "oe", ü: "ue", ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d" };

/**
 * Suggests a short name: small letters, digits and dashes.
 *
 * @param {string} name
 * @param {Set<string>} [taken]
 * @returns {string}
 */
export function suggest(name, taken = new Set()) {
  const plain = name
    .normalize("NFC")
    .toLowerCase()
    .replace(/[äöüßæœøłđ]/g, (letter) => LETTERS[/** @type {keyof LETTERS} */ (letter)] ?? letter)
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .replace(/['’]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60)
    .replace(/-+$/, "");
  if (plain === "" || !taken.has(plain)) {
    return plain;
  }
  let number = 2;
  while (taken.has(`${plain}-${number}`)) {
    number += 1;
  }
  return `${plain}-${number}`;
}

/**
 * Whether the service accepts a short name of a device.
 *
 * @param {string} id
 * @returns {boolean}
 */
export function isDeviceId(id) {
  const bytes = new TextEncoder().encode(id).length;
  return bytes > 0 && bytes <= MAX_BYTES && !/[/\p{Cc}]/u.test(id) && id !== "." && id !== "..";
}

/**
 * Whether the service accepts a short name of a shop.
 *
 * @param {string} id
 * @returns {boolean}
 */
export function isShopId(id) {
  return /^[A-Za-z0-9][A-Za-z0-9_.@-]{1,254}$/.test(id) && id !== "default";
}
