// Prices as a person types them.

/** The maximum of whole units: 2^52, which is that of the protocol. */
const MAX_UNITS = 2n ** 52n;

/**
 * Converts a typed price, with a point or a comma, into an amount of the protocol, such as
 * `EUR:12.50`. Returns `null` if it is no price.
 *
 * @param {string} text
 * @param {string} currency
 * @param {number} [digits] the digits after the point that the currency has
 * @returns {string | null}
 */
export function readPrice(text, currency, digits = 2) {
  const match = /^(\d{1,16})(?:[.,](\d{1,8}))?$/.exec(text.normalize("NFKC").replace(/\s/g, ""));
  const fraction = match?.[2] ?? "";
  if (match?.[1] === undefined || fraction.length > digits || BigInt(match[1]) > MAX_UNITS) {
    return null;
  }
  const units = BigInt(match[1]);
  return fraction === "" ? `${currency}:${units}` : `${currency}:${units}.${fraction}`;
}
