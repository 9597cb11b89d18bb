// The second step of adding a device: the key as a QR code, in groups, and as a link.

import { toBase32 } from "../lib/bytes.js";
import { fill, h } from "../lib/dom.js";
import { day, rich, t } from "../lib/i18n.js";
import { groups, link, readKey } from "../lib/key.js";
import { now } from "../lib/clock.js";
import * as parts from "../lib/parts.js";
import { icon, qrPicture } from "../lib/pictures.js";
import { qrPath } from "../lib/qr.js";

/**
 * @typedef {import("../app.js").App} App
 * @typedef {import("./add.js").Draft} Draft
 * @typedef {import("../lib/key.js").ReadKey} ReadKey
 */

/**
 * The content of the step.
 *
 * @param {App} app
 * @param {Draft} draft
 * @param {(read: ReadKey) => void} use takes a key of the person's own
 * @returns {Node[]}
 */
export function keyContent(app, draft, use) {
  const isApp = draft.algorithm === 1;
  const uri = link(draft.key, app.shopName, draft.id);
  const once = parts.message("info", null, [t("key.once")]);
  once.classList.add("no-print");
  const own = ownKey(draft, use);
  return [
    ...(draft.own ? [accepted(draft)] : []),
    isApp ? scanPanel(draft, uri) : pricePanel(draft),
    once,
    isApp ? typePanel(draft, uri, own) : h("section", { class: "panel no-print" }, own),
    h("div", { class: "actions" }, parts.linkButton("#/add", t("back"))),
    card(app, draft, isApp ? uri : null),
  ];
}

/**
 * @param {Draft} draft
 * @returns {HTMLElement}
 */
function accepted(draft) {
  const text = draft.incomplete ? t("key.own.incomplete") : t("key.own.used");
  const said = parts.message(draft.incomplete ? "warn" : "good", null, [text]);
  const region = parts.status(said);
  region.classList.add("no-print");
  return region;
}

/** @returns {HTMLElement[]} */
function forward() {
  const print = h("button", { type: "button", click: () => globalThis.print() });
  print.append(icon("print"), t("key.print"));
  return [parts.linkButton("#/add/check", t("key.continue"), { primary: true }), print];
}

/**
 * @param {Draft} draft
 * @param {string} uri
 * @returns {HTMLElement}
 */
function scanPanel(draft, uri) {
  const open = parts.linkButton(uri, t("key.open"), { sign: "phone" });
  const buttons = parts.actions(...forward(), open);
  buttons.lastElementChild?.classList.add("on-phone");
  const items = /** @type {const} */ (["key.scan.1", "key.scan.2", "key.scan.3"]);
  return h(
    "section",
    { class: "panel no-print", "aria-labelledby": "scan" },
    h(
      "div",
      { class: "columns scan" },
      qrPicture(qrPath(uri), t("key.picture", { name: draft.name })),
      h(
        "div",
        {},
        h("h2", { id: "scan" }, t("key.scan")),
        h("ol", { class: "numbered" }, ...items.map((item) => h("li", {}, ...rich(item)))),
        buttons,
      ),
    ),
  );
}

/**
 * @param {Draft} draft
 * @returns {HTMLElement}
 */
function pricePanel(draft) {
  const hex = Array.from(draft.key, (byte) => byte.toString(16).padStart(2, "0").toUpperCase());
  const hexGroups = hex.join("").match(/.{1,4}/g) ?? [];
  return h(
    "section",
    { class: "panel no-print", "aria-labelledby": "enter" },
    h("h2", { id: "enter" }, t("key.price")),
    h("p", {}, t("key.price.what")),
    inGroups(groups(draft.key)),
    parts.copyButton(t("key.copy"), () => toBase32(draft.key)),
    h(
      "details",
      {},
      h("summary", {}, t("key.hex")),
      h("p", { class: "key", role: "group", "aria-label": t("key.hex") }, ...spans(hexGroups)),
    ),
    parts.actions(...forward()),
  );
}

/**
 * @param {string[]} texts
 * @returns {(Node | string)[]}
 */
function spans(texts) {
  return texts.flatMap((text) => [h("span", {}, text), " "]);
}

/**
 * @param {string[]} texts
 * @returns {HTMLElement}
 */
function inGroups(texts) {
  const label = t("key.groups");
  return h("p", { class: "key", role: "group", "aria-label": label }, ...spans(texts));
}

/**
 * @param {Draft} draft
 * @param {string} uri
 * @param {HTMLElement} own
 * @returns {HTMLElement}
 */
function typePanel(draft, uri, own) {
  const facts = [
    [t("key.kind"), t("key.kind.totp")],
    [t("key.digits"), "8"],
    [t("key.seconds"), "30"],
    [t("key.method"), "SHA-1"],
  ];
  const list = facts.map(([name = "", value = ""]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value)),
  );
  return h(
    "section",
    { class: "panel no-print", "aria-labelledby": "type" },
    h("h2", { id: "type" }, t("key.type")),
    h("p", {}, t("key.type.what")),
    h("dl", { class: "facts" }, ...list),
    inGroups(groups(draft.key)),
    parts.copyButton(t("key.copy"), () => toBase32(draft.key)),
    h(
      "details",
      {},
      h("summary", {}, t("key.link")),
      h("code", { class: "long", role: "group", "aria-label": t("key.link.label") }, uri),
      parts.copyButton(t("key.link.copy"), () => uri),
    ),
    own,
  );
}

/**
 * The field for a key that the device came with.
 *
 * @param {Draft} draft
 * @param {(read: ReadKey) => void} use
 * @returns {HTMLElement}
 */
function ownKey(draft, use) {
  const said = parts.status();
  const input = h("input", {
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
  });
  const submit = async () => {
    fill(said);
    const read = readKey(input.value);
    if ("key" in read) {
      input.value = "";
      use(read);
    } else if ("base32" in read) {
      fill(said, undecided(read, use));
    } else {
      parts.mistake(input, problem(read));
    }
  };
  const button = h("button", { type: "submit" }, t("key.own.use"));
  return h(
    "details",
    { open: draft.algorithm === 2 && !draft.own },
    h("summary", {}, t("key.own")),
    parts.form(
      { submit },
      parts.field(t("key.own.label"), input, { hint: t("key.own.hint"), button }),
    ),
    said,
  );
}

/**
 * @param {{ base32: ReadKey, hex: ReadKey }} read
 * @param {(read: ReadKey) => void} use
 * @returns {HTMLElement}
 */
function undecided({ base32, hex }, use) {
  const choose = (/** @type {string} */ text, /** @type {ReadKey} */ read) =>
    h("button", { type: "button", click: () => use(read) }, text);
  const buttons = [choose(t("key.own.base32"), base32), choose(t("key.own.hex"), hex)];
  const content = [t("key.own.which.do"), parts.actions(...buttons)];
  return parts.message("warn", t("key.own.which"), content, { level: "h3" });
}

/**
 * @param {import("../lib/key.js").KeyProblem} read
 * @returns {string}
 */
function problem({ problem, place, value }) {
  switch (problem) {
    case "empty":
      return t("key.wrong.empty");
    case "character":
      return t("key.wrong.character", { place: place ?? 1 });
    case "long":
      return t("key.wrong.long");
    case "hotp":
      return t("key.wrong.hotp");
    case "digits":
      return t("key.wrong.digits", { value: value ?? "6" });
    case "period":
      return t("key.wrong.period", { value: value ?? "" });
    case "hash":
      return t("key.wrong.hash", { value: value ?? "" });
    case "link":
      return t("key.wrong.link");
  }
}

/**
 * The card, which only the printer shows.
 *
 * @param {App} app
 * @param {Draft} draft
 * @param {string | null} uri
 * @returns {HTMLElement}
 */
function card(app, draft, uri) {
  const texts = [app.shopName, draft.id, day(now())];
  const key =
    uri === null
      ? inGroups(groups(draft.key))
      : qrPicture(qrPath(uri), t("key.picture", { name: draft.name }));
  const about = texts.flatMap((text, i) => (i === 0 ? [text] : [h("br"), text]));
  return h(
    "div",
    { class: "print-only" },
    h("p", { class: "sheet-note" }, icon("warn"), h("span", {}, ...rich("card.keep"))),
    h(
      "ul",
      { class: "cards" },
      h(
        "li",
        { class: uri === null ? "card typed" : "card" },
        h("h2", {}, draft.name),
        key,
        h(
          "div",
          {},
          h("p", {}, ...about),
          uri !== null && h("p", {}, t("card.digits")),
          h("p", { class: "blank" }),
          h("p", {}, t("card.code")),
        ),
      ),
    ),
  );
}
