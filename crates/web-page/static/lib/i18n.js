// Texts, dates and numbers in the language of the person.

import { h } from "./dom.js";

/**
 * @typedef {import("../texts/en.js").Texts} Texts
 * @typedef {import("../texts/en.js").Key} Key
 * @typedef {Record<string, string | number>} Values
 */

/** The languages, each under its own name. */
export const LANGUAGES = { de: "Deutsch", en: "English", fr: "Français" };

/** @typedef {keyof typeof LANGUAGES} Language */

const STORED = "merchant-otp.language";

/** @type {Language} */
let language = "en";

/** @type {Texts | undefined} */
let texts;

/** @type {Record<Language, () => Promise<{ default: Texts }>>} */
const FILES = {
  de: () => import("../texts/de.js"),
  en: () => import("../texts/en.js"),
  fr: () => import("../texts/fr.js"),
};

/**
 * @param {string} tag
 * @returns {tag is Language}
 */
function isLanguage(tag) {
  return Object.hasOwn(LANGUAGES, tag);
}

/**
 * The language that the person chose, or the first of the browser's that the page has.
 *
 * @returns {Language}
 */
export function preferred() {
  const stored = localStorage.getItem(STORED);
  const wanted = navigator.languages.map((tag) => tag.split("-", 1)[0]?.toLowerCase() ?? "");
  return [stored ?? "", ...wanted].find(isLanguage) ?? "en";
}

/**
 * The language of the page.
 *
 * @returns {Language}
 */
export function current() {
  return language;
}

/**
 * Loads the texts of a language, and shows the page in it from now on.
 *
 * @param {Language} wanted
 */
export async function use(wanted) {
  texts = (await FILES[wanted]()).default;
  language = wanted;
  document.documentElement.lang = wanted;
}

/**
 * Remembers the language that the person chose.
 *
 * @param {Language} chosen
 */
export function remember(chosen) {
  localStorage.setItem(STORED, chosen);
}

/**
 * A text. `{name}` stands for a value; `n` decides between the forms of one and of several.
 *
 * @param {Key} key
 * @param {Values} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const found = texts?.[key] ?? key;
  const text = typeof found === "string" ? found : plural(found, Number(values["n"] ?? 0));
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : (value ?? placeholder);
  });
}

/**
 * @param {import("../texts/en.js").Forms} forms
 * @param {number} n
 * @returns {string}
 */
function plural(forms, n) {
  return new Intl.PluralRules(language).select(n) === "one" ? forms.one : forms.other;
}

/**
 * A text in which `*words*` are strong.
 *
 * @param {Key} key
 * @param {Values} [values]
 * @returns {(Node | string)[]}
 */
export function rich(key, values = {}) {
  // The values are put in afterwards: they may have asterisks.
  const parts = t(key).split("*");
  const fill = (/** @type {string} */ part) =>
    part.replace(/\{(\w+)\}/g, (placeholder, name) => String(values[name] ?? placeholder));
  return parts.map((part, i) => (i % 2 === 1 ? h("strong", {}, fill(part)) : fill(part)));
}

/**
 * @param {number} value
 * @returns {string}
 */
export function number(value) {
  return new Intl.NumberFormat(language).format(value);
}

/**
 * A number of seconds in the largest fitting unit: seconds, minutes, hours or days.
 *
 * @param {number} seconds
 * @returns {string}
 */
export function duration(seconds) {
  const units = /** @type {const} */ ([
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ]);
  // 90 seconds stay seconds; two minutes are minutes.
  const [unit, length] =
    units.find(([name, size]) => name === "second" || seconds >= 2 * size) ?? units[3];
  const options = /** @type {const} */ ({ style: "unit", unit, unitDisplay: "long" });
  return new Intl.NumberFormat(language, options).format(Math.round(seconds / length));
}

/**
 * A day, such as 25 November 2026.
 *
 * @param {number} seconds
 * @returns {string}
 */
export function day(seconds) {
  const form = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
    dateStyle: "long",
  });
  return form.format(seconds * 1000);
}

/**
 * A point in time, as short as it is clear: with "today" and "yesterday", and the year if it is
 * another one.
 *
 * @param {number} seconds
 * @param {{ time?: boolean }} [options]
 * @returns {string}
 */
export function moment(seconds, { time = true } = {}) {
  const date = new Date(seconds * 1000);
  const locale = language === "en" ? "en-GB" : language;
  const midnight = new Date().setHours(0, 0, 0, 0);
  const days = Math.round((new Date(date).setHours(0, 0, 0, 0) - midnight) / 86_400_000);
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short" }).format(date);
  if (Math.abs(days) <= 1) {
    const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(days, "day");
    return `${relative}, ${clock}`;
  }
  const text = new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(date);
  return time ? `${text}, ${clock}` : text;
}

/**
 * An amount of money, such as €12.50.
 *
 * @param {string} value
 * @param {string} currency
 * @returns {string}
 */
export function money(value, currency) {
  try {
    const options = /** @type {const} */ ({ style: "currency", currency });
    return new Intl.NumberFormat(language, options).format(Number(value));
  } catch {
    // Not a code of ISO 4217, such as KUDOS.
    return `${value} ${currency}`;
  }
}

/**
 * The name of a currency in a sentence, such as "euros", or its code.
 *
 * @param {string} code
 * @returns {string}
 */
export function currencyName(code) {
  return code === "EUR" ? t("price.euros") : code;
}
