// A device: its codes, a check, its name, and its removal.

import { ignoreMissing, Left } from "../lib/api.js";
import { inGroups, readCode, stepOf } from "../lib/check.js";
import { now } from "../lib/clock.js";
import { fill, h } from "../lib/dom.js";
import { duration, money, t } from "../lib/i18n.js";
import { STEP } from "../lib/otp.js";
import { ask, back, failure, field, form, message, mistake, status } from "../lib/parts.js";
import { verdictMessage } from "../lib/verdict.js";
import { nameOf } from "./devices.js";
import { priceField } from "./price.js";

/**
 * @typedef {import("../app.js").App} App
 * @typedef {import("../app.js").View} View
 * @typedef {import("../lib/verdict.js").Verdict} Verdict
 * @typedef {{ description: string, algorithm: number, codes: string[], step: number }} Shown
 */

/** How often the time that is left is drawn, in milliseconds. */
const TICK = 250;

/** How long to wait before another attempt if the service does not answer, in milliseconds. */
const RETRY = 5000;

/** The number of codes that an answer has. */
const CODES = 5;

/** The index of the present code in an answer. */
const NOW = 2;

/** How many answers are searched before and after now: ten minutes. */
const SEARCHED = 4;

/**
 * The device with its five codes: two before the present one, and two after it.
 *
 * @param {App} app
 * @param {string} id
 * @param {{ price?: string | null, at?: number }} [options]
 * @returns {Promise<Shown>}
 */
export async function fetchDevice(app, id, { price, at } = {}) {
  const query = new URLSearchParams();
  if (price) {
    query.set("price", price);
  }
  if (at !== undefined) {
    query.set("faketime", String(at));
  }
  const rest = query.size > 0 ? `?${query}` : "";
  const found = await app.api(`/otp-devices/${encodeURIComponent(id)}${rest}`);
  const codes = (found.otp_code ?? "").split("\n").filter((/** @type {string} */ code) => code);
  return {
    description: found.device_description,
    algorithm: found.otp_algorithm,
    codes,
    step: stepOf(found.otp_timestamp ?? at ?? now()),
  };
}

/**
 * Compares a code with those that the service has for now and for ten minutes around.
 *
 * @param {App} app
 * @param {string} id
 * @param {string} code
 * @param {string | null} price
 * @returns {Promise<Verdict>}
 */
export async function compare(app, id, code, price) {
  const present = await fetchDevice(app, id, { price });
  const index = present.codes.indexOf(code);
  if (index >= 0) {
    return { kind: "fits", offset: index - NOW };
  }
  for (let distance = 1; distance <= SEARCHED; distance += 1) {
    for (const sign of [-1, 1]) {
      const at = (present.step + sign * distance * CODES) * STEP;
      const other = await fetchDevice(app, id, { price, at });
      const found = other.codes.indexOf(code);
      if (found >= 0) {
        return { kind: "far", offset: sign * distance * CODES + found - NOW };
      }
    }
  }
  return { kind: "none" };
}

/**
 * The view.
 *
 * @param {App} app
 * @returns {Promise<View>}
 */
export async function device(app) {
  const id = app.parameter;
  const shown = await fetchDevice(app, id).catch(ignoreMissing);
  if (shown === undefined) {
    return missing(id);
  }
  const flash = app.takeFlash();
  const name = nameOf(id, shown.description);
  const kind = { 1: t("kind.app"), 2: t("kind.price") }[shown.algorithm] ?? t("kind.none");
  const heading = h("h1", {}, name);
  const price = shown.algorithm === 2 ? await priceField(app) : null;
  const panels = [codesPanel(app, id, shown, price), checkPanel(app, id, shown, price)];
  const content = [
    back("#/devices", t("devices.back")),
    heading,
    h("p", { class: "quiet" }, id, " · ", kind),
    status(flash),
    shown.algorithm === 0 ? null : h("div", { class: "columns" }, ...panels),
    namePanel(app, id, shown.description, heading),
    deletionPanel(app, id, () => heading.textContent ?? id),
  ];
  return { title: name, content };
}

/**
 * @param {string} id
 * @returns {View}
 */
function missing(id) {
  const title = t("device.missing", { short: id });
  const content = [
    back("#/devices", t("devices.back")),
    h("h1", {}, t("devices.title")),
    message("warn", title, [t("device.missing.do")]),
  ];
  return { title, content };
}

/**
 * @param {string} title
 * @param {string} id
 * @param {...import("../lib/dom.js").Child} children
 * @returns {HTMLElement}
 */
function panel(title, id, ...children) {
  const heading = h("h2", { id }, title);
  return h("section", { class: "panel", "aria-labelledby": id }, heading, ...children);
}

/**
 * @param {App} app
 * @param {string} id
 * @param {Shown} first
 * @param {import("./price.js").PriceField | null} price
 * @returns {HTMLElement}
 */
function codesPanel(app, id, first, price) {
  const place = h("div");
  const said = status();
  let shown = first;
  /** @type {string | null} */
  let amount = null;
  let fetching = false;
  let notBefore = 0;
  const refresh = async () => {
    fetching = true;
    try {
      shown = await fetchDevice(app, id, { price: amount });
      fill(said);
      draw();
    } catch (error) {
      notBefore = Date.now() + RETRY;
      if (!(error instanceof Left)) {
        fill(said, failure(error, "h3"));
      }
    } finally {
      fetching = false;
    }
  };
  const { parts, draw: drawParts } = codeParts();
  const about = h("p", { class: "quiet small" });
  const draw = () => {
    if (shown.codes.length !== CODES) {
      return true;
    }
    const index = drawParts(shown);
    if (index < 0 || index >= CODES) {
      // Codes of another time would be taken for those of now.
      fill(place);
    } else if (place.children.length === 0) {
      fill(place, price !== null && about, ...parts);
    }
    return index === NOW;
  };
  const timer = setInterval(() => {
    if (app.signal.aborted) {
      clearInterval(timer);
    } else if (!draw() && !fetching && Date.now() >= notBefore) {
      void refresh();
    }
  }, TICK);
  draw();
  const submit = async () => {
    amount = price?.read() ?? null;
    if (amount !== null) {
      const [currency = "", value = ""] = amount.split(":");
      about.textContent = t("device.for", { price: money(value, currency) });
      await refresh();
    }
  };
  const asking =
    price !== null &&
    form({ submit }, price.element(h("button", { type: "submit" }, t("device.show"))));
  return panel(t("device.now"), "now", asking, place, said);
}

/**
 * The code, the time that is left, and the codes around it. `draw` returns the index of the present
 * step in the codes, which may be outside of them.
 *
 * @returns {{ parts: Node[], draw: (shown: Shown) => number }}
 */
function codeParts() {
  const code = h("p", { class: "code code-now" });
  const bar = h("progress", { "aria-label": t("device.left"), max: STEP });
  const left = h("p", { class: "quiet" });
  const around = h("dl", { class: "near" });
  let drawn = "";
  const draw = (/** @type {Shown} */ shown) => {
    const time = now();
    const index = NOW + stepOf(time) - shown.step;
    const seconds = Math.max(1, Math.ceil(STEP - (time % STEP)));
    const isKnown = index >= 0 && index < CODES;
    const state = `${index} ${shown.codes}`;
    if (isKnown && state !== drawn) {
      drawn = state;
      code.textContent = inGroups(shown.codes[index] ?? "");
      const near = [-1, 1, -2, 2].map((offset) => {
        const time = duration(Math.abs(offset) * STEP);
        const when = t(offset < 0 ? "device.ago" : "device.in", { time });
        const text = inGroups(shown.codes[index + offset] ?? "…");
        return h("div", {}, h("dt", {}, when), h("dd", { class: "code" }, text));
      });
      fill(around, ...near);
    }
    bar.value = seconds;
    left.textContent = t("device.seconds", { n: seconds });
    return index;
  };
  const title = h("h3", { class: "small quiet" }, t("device.around"));
  return { parts: [code, bar, left, title, around], draw };
}

/**
 * @param {App} app
 * @param {string} id
 * @param {Shown} shown
 * @param {import("./price.js").PriceField | null} price
 * @returns {HTMLElement}
 */
function checkPanel(app, id, shown, price) {
  const said = status();
  const input = codeInput();
  const submit = async () => {
    fill(said);
    const typed = readCode(input.value);
    const options = /** @type {const} */ ({ shop: app.shopName, level: "h3" });
    if ("digits" in typed) {
      fill(said, verdictMessage({ kind: "digits", digits: typed.digits }, options));
      return;
    }
    const amount = price?.read() ?? null;
    if (shown.algorithm === 2 && amount === null) {
      return;
    }
    try {
      fill(said, verdictMessage(await compare(app, id, typed.code, amount), options));
    } catch (error) {
      if (error instanceof Left) {
        throw error;
      }
      fill(said, failure(error, "h3"));
    }
  };
  const button = h("button", { class: "primary", type: "submit" }, t("check.button"));
  const asked = t(shown.algorithm === 2 ? "device.check.price" : "device.check.what");
  return panel(
    t("device.check"),
    "check",
    h("p", { class: "quiet" }, asked),
    form({ submit }, field(t("check.label"), input, { button })),
    said,
  );
}

/**
 * The field for a code.
 *
 * @returns {HTMLInputElement}
 */
export function codeInput() {
  const input = h("input", {
    class: "code",
    inputmode: "numeric",
    autocomplete: "off",
    maxlength: 14,
    required: true,
  });
  input.addEventListener("change", () => {
    const typed = readCode(input.value);
    input.value = "code" in typed ? typed.code.replace(/^.{4}/, "$& ") : input.value;
  });
  return input;
}

/**
 * @param {App} app
 * @param {string} id
 * @param {string} description
 * @param {HTMLElement} heading
 * @returns {HTMLElement}
 */
function namePanel(app, id, description, heading) {
  const said = status();
  // A description of several lines, which other programs can write, stays as it is.
  const lines = /\n/.test(description);
  const input = h(lines ? "textarea" : "input", { autocomplete: "off", required: true });
  input.value = description;
  const submit = async () => {
    fill(said);
    const name = input.value.trim();
    try {
      const body = { otp_device_description: name };
      await app.api(`/otp-devices/${encodeURIComponent(id)}`, { method: "PATCH", body });
      heading.textContent = nameOf(id, name);
      document.title = `${heading.textContent} – ${app.shopName}`;
      fill(said, message("good", null, [t("device.saved")]));
    } catch (error) {
      if (error instanceof Left) {
        throw error;
      }
      mistake(input, null);
      fill(said, failure(error, "h3"));
    }
  };
  const button = h("button", { type: "submit" }, t("device.save"));
  const naming = form({ submit }, field(t("add.name"), input, { button }));
  return panel(t("device.name"), "edit", naming, said);
}

/**
 * @param {App} app
 * @param {string} id
 * @param {() => string} nameNow
 * @returns {HTMLElement}
 */
function deletionPanel(app, id, nameNow) {
  const remove = () => {
    const name = nameNow();
    ask({
      title: t("device.delete.ask", { name }),
      what: [h("p", {}, t("device.delete.then")), h("p", {}, t("device.delete.undo"))],
      keep: t("device.keep"),
      confirm: t("device.delete.yes", { name }),
      act: async () => {
        const path = `/otp-devices/${encodeURIComponent(id)}`;
        await app.api(path, { method: "DELETE" }).catch(ignoreMissing);
        app.flash(message("good", null, [t("device.deleted", { name })]));
        app.go("#/devices");
      },
    });
  };
  const attributes = { class: "danger", type: "button", "aria-haspopup": "dialog", click: remove };
  return panel(
    t("device.lost"),
    "delete",
    h("p", {}, t("device.lost.what")),
    h("button", attributes, t("device.delete")),
  );
}
