// The shops of the service, for its administrator.

import { toBase32 } from "../lib/bytes.js";
import { CODES, ignoreMissing, Left, Refused } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { current, t } from "../lib/i18n.js";
import { isShopId, suggest } from "../lib/names.js";
import * as parts from "../lib/parts.js";
import { index } from "../lib/search.js";
import { ADMIN, pathOf } from "../lib/session.js";
import { SHORTEST } from "./password.js";

/**
 * @typedef {import("../app.js").App} App
 * @typedef {import("../app.js").View} View
 * @typedef {{ id: string, name: string, deleted: boolean }} Shop
 */

/** How many rows are shown at first, and how many more at a press. */
const ROWS = 100;

/**
 * @param {App} app
 * @returns {Promise<Shop[]>}
 */
async function list(app) {
  const { instances } = await app.manage("");
  return instances.map((/** @type {any} */ shop) => ({
    id: shop.id,
    name: shop.id === ADMIN ? t("shops.admin") : shop.name,
    deleted: shop.deleted,
  }));
}

/**
 * The list, with a form for another shop.
 *
 * @param {App} app
 * @returns {Promise<View>}
 */
export async function shops(app) {
  const all = await list(app);
  const find = index(all, current());
  const labels = [t("shops.name"), t("shops.short"), null];
  const made = parts.table({ caption: t("shops.caption"), class: "stack", head: labels }, []);
  const counted = h("p", { class: "quiet", role: "status", "aria-live": "polite" });
  const search = h("input", {
    type: "search",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
  });
  const more = h("button", { type: "button" }, t("devices.more"));
  const below = h("div", { class: "actions" }, more);
  let found = all;
  const extend = () => {
    const shown = made.body.children.length;
    made.body.append(...found.slice(shown, shown + ROWS).map((shop) => row(app, shop)));
    below.hidden = made.body.children.length >= found.length;
  };
  const update = () => {
    found = find(search.value);
    made.body.replaceChildren();
    extend();
    made.table.hidden = found.length === 0;
    counted.textContent = t("shops.count", { n: found.length });
  };
  search.addEventListener("input", update);
  more.addEventListener("click", extend);
  update();
  const flash = app.takeFlash();
  const addition = addPanel(app, all);
  const jump = (/** @type {Event} */ event) => {
    event.preventDefault();
    addition.scrollIntoView();
    addition.querySelector("input")?.focus();
  };
  const link = parts.linkButton("#/shops", t("shops.add"), { sign: "add" });
  link.addEventListener("click", jump);
  const content = [
    h(
      "div",
      { class: "title" },
      h("h1", {}, t("shops.title")),
      h("div", { class: "actions" }, link),
    ),
    parts.status(flash),
    parts.form(
      { class: "search", role: "search", submit: async () => {} },
      parts.field(t("devices.search"), search),
    ),
    counted,
    made.table,
    below,
    addition,
  ];
  return { title: t("shops.title"), content };
}

/**
 * @param {App} app
 * @param {Shop} shop
 * @returns {HTMLElement}
 */
function row(app, shop) {
  const { id, name } = shop;
  const change = parts.linkButton(`#/shops/change/${encodeURIComponent(id)}`, t("shops.rename"), {
    plain: true,
  });
  change.setAttribute("aria-label", t("shops.rename.name", { name }));
  const attributes = {
    class: "danger",
    type: "button",
    "aria-haspopup": "dialog",
    "aria-label": t("shops.delete.name", { name }),
    click: () => remove(app, shop),
  };
  const button = h("button", attributes, t("shops.delete"));
  const deleted = h("span", { class: "quiet small" }, t("shops.deleted"));
  const buttons = shop.deleted ? [button] : [change, " ", button];
  const mine = h("span", { class: "quiet" }, t("access.you"));
  return h(
    "tr",
    { role: "row" },
    parts.cell(shop.deleted ? [name, " ", deleted] : name, { head: true }),
    parts.cell(id, { label: t("shops.short") }),
    parts.cell(id === ADMIN ? mine : buttons, { class: "act" }),
  );
}

/**
 * @param {App} app
 * @param {Shop} shop
 */
function remove(app, { id, name }) {
  const items = /** @type {const} */ (["shops.goes.1", "shops.goes.2", "shops.goes.3"]);
  parts.ask({
    title: t("shops.ask", { name }),
    what: [
      h("p", {}, t("shops.goes")),
      h("ul", {}, ...items.map((item) => h("li", {}, t(item)))),
      h("p", {}, t("shops.stays")),
    ],
    keep: t("shops.keep"),
    confirm: t("device.delete.yes", { name }),
    typed: { label: t("shops.sure", { short: id }), expected: id, wrong: t("shops.sure.wrong") },
    act: async () => {
      const path = `/${encodeURIComponent(id)}?purge=YES`;
      await app.manage(path, { method: "DELETE" }).catch(ignoreMissing);
      app.flash(parts.message("good", null, [t("device.deleted", { name })]));
      app.go("#/shops");
    },
  });
}

/**
 * A password field with a button that suggests one.
 *
 * @param {string} label
 * @param {string} hint
 * @returns {{ input: HTMLInputElement, element: HTMLElement }}
 */
function firstPassword(label, hint) {
  const made = parts.passwordField(label, { autocomplete: "new-password", hint });
  const suggestOne = () => {
    const random = toBase32(crypto.getRandomValues(new Uint8Array(10))).toLowerCase();
    made.input.type = "text";
    made.input.value = random.match(/.{4}/g)?.join("-") ?? random;
    made.input.focus();
  };
  const button = h("button", { type: "button", click: suggestOne }, t("shops.suggest"));
  made.element.querySelector(".with-button")?.append(button);
  return made;
}

/**
 * @param {App} app
 * @param {Shop[]} all
 * @returns {HTMLElement}
 */
function addPanel(app, all) {
  const taken = new Set(all.map(({ id }) => id));
  const said = parts.status();
  const name = h("input", { required: true, autocomplete: "off" });
  const id = h("input", {
    required: true,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
  });
  const first = firstPassword(t("shops.password"), t("shops.password.hint", { n: SHORTEST }));
  let follows = true;
  name.addEventListener("input", () => follows && (id.value = suggest(name.value, taken)));
  id.addEventListener("input", () => (follows = id.value === ""));
  const submit = async () => {
    fill(said);
    const short = id.value.trim();
    if (!isShopId(short)) {
      parts.mistake(id, t("shops.short.wrong"));
    } else if (taken.has(short)) {
      parts.mistake(id, t("shops.taken", { short }));
    } else if (first.input.value.length < SHORTEST) {
      parts.mistake(first.input, t("password.short", { n: SHORTEST }));
    } else {
      const auth = { method: "token", password: first.input.value };
      const body = { id: short, name: name.value.trim(), auth };
      try {
        await app.manage("", { method: "POST", body });
        const base = `${pathOf(app.session.root, short)}/webui/`;
        const address = new URL(base, location.origin).href;
        const link = h("p", {}, t("shops.added.do"), " ", h("a", { href: address }, address));
        const title = t("shops.added", { name: body.name });
        app.flash(parts.message("good", title, [link]));
        app.go("#/shops");
      } catch (error) {
        refuse(error, said, id, short);
      }
    }
  };
  return h(
    "section",
    { class: "panel", "aria-labelledby": "add-title" },
    h("h2", { id: "add-title" }, t("shops.add")),
    parts.form(
      { submit },
      h(
        "div",
        { class: "columns" },
        parts.field(t("shops.name"), name),
        parts.field(t("shops.short"), id),
      ),
      first.element,
      said,
      h("button", { class: "primary", type: "submit" }, t("shops.add.button")),
    ),
  );
}

/**
 * @param {unknown} error
 * @param {HTMLElement} said
 * @param {HTMLInputElement} id
 * @param {string} short
 */
function refuse(error, said, id, short) {
  if (error instanceof Left) {
    throw error;
  }
  if (error instanceof Refused && error.code === CODES.shopTaken) {
    parts.mistake(id, t("shops.taken", { short }));
  } else {
    fill(said, parts.failure(error, "h3"));
  }
}

/**
 * Another name or password of a shop.
 *
 * @param {App} app
 * @returns {Promise<View>}
 */
export async function change(app) {
  const id = app.parameter;
  const path = `/${encodeURIComponent(id)}`;
  const { name: old } = await app.manage(path);
  const name = h("input", { required: true, autocomplete: "off", value: old });
  const saidName = parts.status();
  const saidPassword = parts.status();
  const rename = async () => {
    try {
      await app.manage(path, { method: "PATCH", body: { name: name.value.trim() } });
      fill(saidName, parts.message("good", null, [t("device.saved")]));
    } catch (error) {
      refuse(error, saidName, name, id);
    }
  };
  const first = firstPassword(t("password.new"), t("shops.password.hint", { n: SHORTEST }));
  const set = async () => {
    fill(saidPassword);
    if (first.input.value.length < SHORTEST) {
      parts.mistake(first.input, t("password.short", { n: SHORTEST }));
      return;
    }
    try {
      const body = { method: "token", password: first.input.value };
      await app.manage(`${path}/auth`, { method: "POST", body });
      fill(saidPassword, parts.message("good", null, [t("shops.password.set")]));
    } catch (error) {
      refuse(error, saidPassword, first.input, id);
    }
  };
  const content = [
    parts.back("#/shops", t("shops.title")),
    h("h1", {}, old),
    h("p", { class: "quiet" }, id),
    h(
      "section",
      { class: "panel", "aria-labelledby": "name" },
      h("h2", { id: "name" }, t("shops.name")),
      parts.form(
        { submit: rename },
        parts.field(t("shops.new.name"), name, {
          button: h("button", { class: "primary", type: "submit" }, t("device.save")),
        }),
      ),
      saidName,
    ),
    h(
      "section",
      { class: "panel", "aria-labelledby": "password" },
      h("h2", { id: "password" }, t("shops.forgotten")),
      parts.form(
        { submit: set },
        first.element,
        h("button", { type: "submit" }, t("shops.password.button")),
      ),
      saidPassword,
    ),
  ];
  return { title: old, content, narrow: true };
}
