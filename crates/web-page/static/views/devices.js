// The list of devices.

import { EXTENSIONS } from "../config.js";
import { fill, h } from "../lib/dom.js";
import { current, t } from "../lib/i18n.js";
import { cell, field, form, linkButton, status, table } from "../lib/parts.js";
import { icon, pictureOfApp } from "../lib/pictures.js";
import { index } from "../lib/search.js";

/**
 * @typedef {import("../app.js").App} App
 * @typedef {import("../app.js").View} View
 * @typedef {{ id: string, name: string }} Device
 */

/** How many rows are shown at first, and how many more at a press. */
const ROWS = 100;

/** The maximum length of a name in a list, in characters. */
const SHOWN = 200;

/**
 * A name for people: that of the device, or its short name.
 *
 * @param {string} id
 * @param {string} description
 * @returns {string}
 */
export function nameOf(id, description) {
  const name = description.trim();
  return name === "" ? id : name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name;
}

/**
 * The devices of the shop.
 *
 * @param {App} app
 * @returns {Promise<Device[]>}
 */
export async function list(app) {
  const { otp_devices: found } = await app.api("/otp-devices");
  return found.map((/** @type {any} */ device) => ({
    id: device.otp_device_id,
    name: nameOf(device.otp_device_id, device.device_description),
  }));
}

/**
 * The address of a device's view.
 *
 * @param {string} id
 * @returns {string}
 */
export function addressOf(id) {
  return `#/device/${encodeURIComponent(id)}`;
}

/**
 * The view.
 *
 * @param {App} app
 * @returns {Promise<View>}
 */
export async function devices(app) {
  const all = await list(app);
  const flash = app.takeFlash();
  const content = all.length === 0 ? empty(flash) : filled(app, all, flash);
  return { title: t("devices.title"), content, narrow: all.length === 0 };
}

/**
 * @param {HTMLElement | null} flash
 * @returns {Node[]}
 */
function empty(flash) {
  return [
    h("h1", {}, t("devices.title")),
    status(flash),
    h(
      "section",
      { class: "panel empty", "aria-labelledby": "none" },
      pictureOfApp(),
      h("h2", { id: "none" }, t("devices.none")),
      h("p", {}, t("devices.none.what")),
      h(
        "div",
        { class: "actions" },
        linkButton("#/add", t("devices.first"), { primary: true, sign: "add" }),
        EXTENSIONS && linkButton("#/import", t("devices.import"), { sign: "file" }),
      ),
      h("p", { class: "quiet small" }, t("devices.none.time")),
    ),
  ];
}

/**
 * @param {App} app
 * @param {Device[]} all
 * @param {HTMLElement | null} flash
 * @returns {Node[]}
 */
function filled(app, all, flash) {
  const find = index(all, current());
  const search = h("input", {
    type: "search",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    placeholder: t("devices.search.example"),
  });
  const counted = h("p", { class: "quiet", role: "status", "aria-live": "polite" });
  const nothing = h("div");
  const { table: rows, body } = table(
    {
      caption: t("devices.of", { shop: app.shopName }),
      class: "rows",
      head: [t("devices.name"), t("devices.short"), null],
    },
    [],
  );
  const more = h("button", { type: "button" }, t("devices.more"));
  const below = h("div", { class: "actions" }, more);
  let found = find("");
  const extend = () => {
    const shown = body.children.length;
    const added = found.slice(shown, shown + ROWS).map(row);
    body.append(...added);
    below.hidden = body.children.length >= found.length;
    counted.textContent = count(search.value.trim() !== "", found.length, body.children.length);
    return added[0];
  };
  const update = () => {
    found = find(search.value);
    body.replaceChildren();
    extend();
    rows.hidden = found.length === 0;
    fill(nothing, found.length === 0 && h("p", {}, t("devices.nothing.do"), " ", showAll));
  };
  const reset = (/** @type {Event} */ event) => {
    event.preventDefault();
    search.value = "";
    update();
    search.focus();
  };
  const showAll = h("a", { href: "#/devices", click: reset }, t("devices.all", { n: all.length }));
  search.addEventListener("input", update);
  more.addEventListener("click", () => extend()?.querySelector("a")?.focus());
  update();
  const head = h(
    "div",
    { class: "title" },
    h("h1", {}, t("devices.title")),
    h(
      "div",
      { class: "actions" },
      linkButton("#/add", t("devices.add"), { primary: true, sign: "add" }),
      EXTENSIONS && linkButton("#/import", t("devices.import"), { sign: "file" }),
    ),
  );
  const searching = form(
    { class: "search", role: "search", submit: async () => {} },
    field(t("devices.search"), search),
  );
  return [head, status(flash), searching, counted, nothing, rows, below];
}

/**
 * @param {boolean} searched
 * @param {number} found
 * @param {number} shown
 * @returns {string}
 */
function count(searched, found, shown) {
  if (found === 0) {
    return t("devices.nothing");
  }
  const text = t(searched ? "devices.found" : "devices.count", { n: found });
  return shown < found ? `${text} ${t("devices.shown", { shown })}` : text;
}

/**
 * @param {Device} device
 * @returns {HTMLElement}
 */
function row(device) {
  return h(
    "tr",
    { role: "row" },
    cell(h("a", { href: addressOf(device.id) }, device.name), { head: true }),
    cell(device.id, { class: "quiet" }),
    cell(icon("go"), { class: "go" }),
  );
}
