// The field for a price.

import { h } from "../lib/dom.js";
import { currencyName, t } from "../lib/i18n.js";
import { field, mistake } from "../lib/parts.js";
import { readPrice } from "../lib/price.js";

/**
 * `read` returns the price, or shows what is wrong with it and returns `null`.
 *
 * @typedef {{
 *   element: (button?: HTMLElement) => HTMLElement,
 *   read: () => string | null,
 *   input: HTMLInputElement,
 * }} PriceField
 */

/**
 * Makes a field for a price in a currency of the service.
 *
 * @param {import("../app.js").App} app
 * @returns {Promise<PriceField>}
 */
export async function priceField(app) {
  const currencies = await app.currencies();
  const input = h("input", {
    class: "short",
    inputmode: "decimal",
    autocomplete: "off",
    required: true,
  });
  const choice = h(
    "select",
    { class: "currency", "aria-label": t("price.currency") },
    ...currencies.map(({ code }) => h("option", { value: code }, code)),
  );
  const several = currencies.length > 1;
  const label = several
    ? t("price.label.several")
    : t("price.label", { currency: currencyName(currencies[0]?.code ?? "") });
  const read = () => {
    const currency = currencies.find(({ code }) => code === choice.value) ?? currencies[0];
    const price = readPrice(input.value, currency?.code ?? "", currency?.digits);
    mistake(input, price === null ? t("price.wrong") : null);
    return price;
  };
  const element = (/** @type {HTMLElement | undefined} */ button) => {
    const hint = t("price.hint");
    const made = field(label, input, button === undefined ? { hint } : { hint, button });
    if (several) {
      input.after(choice);
    }
    return made;
  };
  return { element, read, input };
}
