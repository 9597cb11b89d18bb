// Adding a device in three steps. Nothing is saved before the code fits.

import { CODES, Left, Refused } from "../lib/api.js";
import { ACCEPTED, findOffset, otherSetting, readCode } from "../lib/check.js";
import { now } from "../lib/clock.js";
import { toBase32 } from "../lib/bytes.js";
import { fill, h } from "../lib/dom.js";
import { rich, t } from "../lib/i18n.js";
import { newKey } from "../lib/key.js";
import { isDeviceId, suggest } from "../lib/names.js";
import { canCompute, keyOfPrice } from "../lib/otp.js";
import * as parts from "../lib/parts.js";
import { pictureOfApp, pictureOfPriceDevice } from "../lib/pictures.js";
import { isClockOff, verdictMessage } from "../lib/verdict.js";
import { codeInput, compare } from "./device.js";
import { addressOf, list } from "./devices.js";
import { keyContent } from "./key.js";
import { priceField } from "./price.js";

/**
 * @typedef {import("../app.js").App} App
 * @typedef {import("../app.js").View} View
 * @typedef {import("../lib/verdict.js").Verdict} Verdict
 *
 * A device that is being added. Its key is wiped when it is registered, and when the steps are
 * left.
 *
 * @typedef {{
 *   algorithm: 1 | 2,
 *   name: string,
 *   id: string,
 *   key: Uint8Array<ArrayBuffer>,
 *   incomplete: boolean,
 *   own: boolean,
 *   registered: boolean,
 * }} Draft
 */

/** @type {Draft | null} */
let draft = null;

const STEPS = /** @type {const} */ (["add.step.device", "add.step.key", "add.step.check"]);

/** Forgets the device that is being added, and wipes its key. */
export function clear() {
  draft?.key.fill(0);
  draft = null;
}

/**
 * Returns to the first step: there is no device that is being added.
 *
 * @returns {View}
 */
function restart() {
  location.replace("#/add");
  return { title: t("add.title"), content: [], narrow: true };
}

/**
 * Step 1: the kind, the name and the short name.
 *
 * @param {App} app
 * @returns {Promise<View>}
 */
export async function kind(app) {
  if (draft?.registered) {
    clear();
  }
  const names = new Map((await list(app)).map(({ id, name }) => [id, name]));
  const taken = new Set(names.keys());
  const name = h("input", { required: true, autocomplete: "off", value: draft?.name });
  const id = h("input", {
    required: true,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    value: draft?.id,
  });
  // The short name follows the name until a person changes it.
  let follows = draft === null || draft.id === suggest(draft.name, taken);
  name.addEventListener("input", () => follows && (id.value = suggest(name.value, taken)));
  id.addEventListener("input", () => (follows = id.value === ""));
  const kinds = [
    choice(1, pictureOfApp(), t("add.kind.app"), t("add.kind.app.what")),
    choice(2, pictureOfPriceDevice(), t("add.kind.price"), t("add.kind.price.what")),
  ];
  const submit = async () => {
    const short = id.value.trim();
    const other = names.get(short);
    if (!isDeviceId(short)) {
      parts.mistake(id, t("add.short.wrong"));
      return;
    }
    if (other !== undefined) {
      const free = suggest(short, taken) || suggest(name.value, taken);
      parts.mistake(id, t("add.taken", { short, other, free }));
      return;
    }
    const chosen = kinds.findIndex((one) => one.querySelector("input")?.checked);
    const about = { algorithm: /** @type {1 | 2} */ (chosen + 1), id: short };
    draft ??= fresh();
    Object.assign(draft, about, { name: name.value.trim() });
    app.go("#/add/key");
  };
  const content = [
    h("h1", {}, t("add.title")),
    parts.steps([...STEPS], 1),
    parts.form(
      { class: "panel", submit },
      h(
        "fieldset",
        {},
        h("legend", {}, t("add.kind")),
        h("div", { class: "choices two" }, ...kinds),
      ),
      parts.field(t("add.name"), name, { hint: t("add.name.hint") }),
      parts.field(t("add.short"), id, { hint: t("add.short.hint") }),
      parts.actions(
        h("button", { class: "primary", type: "submit" }, t("add.continue")),
        parts.linkButton("#/devices", t("cancel"), { plain: true }),
      ),
    ),
  ];
  return { title: t("add.title"), content, narrow: true };
}

/** @returns {Draft} */
function fresh() {
  const key = newKey();
  const text = { name: "", id: "" };
  return { algorithm: 1, ...text, key, incomplete: false, own: false, registered: false };
}

/**
 * @param {1 | 2} algorithm
 * @param {Node} picture
 * @param {string} title
 * @param {string} what
 * @returns {HTMLElement}
 */
function choice(algorithm, picture, title, what) {
  const checked = (draft?.algorithm ?? 1) === algorithm;
  return h(
    "label",
    { class: "choice" },
    picture,
    h("input", { type: "radio", name: "kind", value: algorithm, checked }),
    h("span", {}, h("b", {}, title), " ", h("span", { class: "quiet" }, what)),
  );
}

/**
 * Step 2: the key, shown once.
 *
 * @param {App} app
 * @returns {Promise<View>}
 */
export async function key(app) {
  const present = draft;
  if (present === null || present.registered) {
    return restart();
  }
  const content = [
    h("h1", { class: "no-print" }, t("add.title")),
    parts.steps([...STEPS], 2),
    ...keyContent(app, present, (read) => {
      present.key.fill(0);
      Object.assign(present, { ...read, own: true });
      app.go("#/add/key");
    }),
  ];
  return { title: t("add.title"), content };
}

/**
 * Registers the device, and wipes the key here.
 *
 * @param {App} app
 * @param {Draft} device
 */
async function register(app, device) {
  if (device.registered) {
    return;
  }
  const body = {
    otp_device_id: device.id,
    otp_device_description: device.name,
    otp_key: toBase32(device.key),
    otp_algorithm: device.algorithm,
  };
  await app.api("/otp-devices", { method: "POST", body });
  device.registered = true;
  device.key.fill(0);
}

/**
 * Compares a code with the key in the browser, registers the device if it fits, and compares it
 * with the service.
 *
 * @param {App} app
 * @param {Draft} device
 * @param {string} code
 * @param {string | null} price
 * @returns {Promise<Verdict>}
 */
async function examine(app, device, code, price) {
  if (!device.registered) {
    const key = price === null ? device.key : await keyOfPrice(device.key, price);
    const offset = await findOffset(key, code, now());
    if (offset === null) {
      const setting = await otherSetting(key, code, now());
      return setting === null ? { kind: "none" } : { kind: "setting", setting };
    }
    if (Math.abs(offset) > ACCEPTED) {
      return { kind: "far", offset };
    }
    await register(app, device);
  }
  return compare(app, device.id, code, price);
}

/**
 * Step 3: the check. Only a code that fits registers the device.
 *
 * @param {App} app
 * @returns {Promise<View>}
 */
export async function check(app) {
  const device = draft;
  if (device === null) {
    return restart();
  }
  const price = device.algorithm === 2 ? await priceField(app) : null;
  const said = parts.status();
  const input = codeInput();
  const button = h("button", { class: "primary", type: "submit" }, t("check.button"));
  const returning = parts.linkButton("#/add/key", t("back"), { plain: true });
  const skip = skipSection(app, device, said);
  const steps = h("div", {}, parts.steps([...STEPS], 3));
  const below = h("div");
  const submit = async () => {
    fill(said);
    parts.mistake(input, null);
    const typed = readCode(input.value);
    const verdict = "digits" in typed ? wrongDigits(typed.digits) : null;
    const amount = price === null ? null : price.read();
    if (verdict === null && price !== null && amount === null) {
      return;
    }
    try {
      const result =
        verdict ?? (await examine(app, device, "code" in typed ? typed.code : "", amount));
      showResult(result);
    } catch (error) {
      if (error instanceof Left) {
        throw error;
      }
      fill(said, registrationFailure(error, device));
    }
  };
  const asking = parts.form(
    { class: "panel", submit },
    h("h2", {}, t("add.check.which")),
    price?.element(),
    parts.field(t("check.label"), input, { hint: t("check.hint") }),
    parts.actions(button, returning),
  );
  const showResult = (/** @type {Verdict} */ verdict) => {
    const options = /** @type {const} */ ({ shop: app.shopName, level: "h2" });
    // Such a device never fits, so it cannot be registered without a check either.
    const never = verdict.kind === "digits" && verdict.digits === 6;
    skip.hidden = never || device.registered;
    if (!device.registered) {
      const again = parts.linkButton("#/add/key", t("check.again.picture"));
      const extra = never || verdict.kind === "setting" ? [parts.actions(again)] : [];
      fill(said, verdictMessage(verdict, { ...options, extra }));
      if (verdict.kind === "digits") {
        parts.mistake(input, t("check.digits.short", { n: verdict.digits }));
      }
      input.focus();
      input.select();
      return;
    }
    fill(steps, parts.steps([...STEPS], 4));
    if (verdict.kind === "fits" && !isClockOff(verdict)) {
      asking.remove();
      const title = t("add.ready", { name: device.name });
      fill(said, parts.message("good", title, [t("add.ready.what")]));
      fill(below, ...afterwards(device));
      /** @type {HTMLElement | null} */ (below.querySelector("a"))?.focus();
      return;
    }
    const works = h("p", {}, t("add.clock.works", { name: device.name }));
    fill(said, verdictMessage(verdict, { ...options, extra: [works] }));
    button.textContent = t("check.again");
    returning.href = addressOf(device.id);
    returning.textContent = t("add.leave");
    input.value = "";
    input.focus();
  };
  const computes = canCompute();
  asking.hidden = !computes;
  if (!computes) {
    fill(said, parts.message("warn", t("insecure.title"), [t("insecure.check")]));
  }
  const content = [h("h1", {}, t("add.title")), steps, said, asking, below, skip];
  const focus = computes ? (price?.input ?? input) : undefined;
  return { title: t("add.title"), content, narrow: true, ...(focus && { focus }) };
}

/**
 * @param {number} digits
 * @returns {Verdict}
 */
function wrongDigits(digits) {
  return { kind: "digits", digits };
}

/**
 * @param {unknown} error
 * @param {Draft} device
 * @returns {HTMLElement}
 */
function registrationFailure(error, device) {
  if (error instanceof Refused && error.code === CODES.deviceTaken) {
    const change = parts.linkButton("#/add", t("add.conflict.change"));
    const title = t("add.conflict", { short: device.id });
    return parts.message("bad", title, [t("add.conflict.do"), parts.actions(change)]);
  }
  if (error instanceof Refused) {
    return parts.failure(error);
  }
  const title = t(device.registered ? "add.uncompared" : "add.unknown");
  return parts.message("warn", title, [t("add.unknown.do")]);
}

/**
 * @param {App} app
 * @param {Draft} device
 * @param {HTMLElement} said
 * @returns {HTMLElement}
 */
function skipSection(app, device, said) {
  const skip = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await register(app, device);
      const text = t("add.skipped", { name: device.name });
      app.flash(parts.message("warn", text, [t("add.skipped.do")]));
      app.go(addressOf(device.id));
    } catch (error) {
      if (!(error instanceof Left)) {
        fill(said, registrationFailure(error, device));
      }
    }
  };
  const link = parts.linkButton("#/add/check", t("add.skip"));
  link.setAttribute("aria-describedby", "skip-what");
  link.addEventListener("click", (event) => void skip(event));
  return h(
    "section",
    { "aria-labelledby": "skip", hidden: device.registered },
    h("h2", { class: "hidden", id: "skip" }, t("add.skip")),
    h("p", { class: "quiet", id: "skip-what" }, t("add.skip.what")),
    link,
  );
}

/**
 * What to do when a customer pays, and where to go on.
 *
 * @param {Draft} device
 * @returns {Node[]}
 */
function afterwards(device) {
  const items = /** @type {const} */ (["add.pay.1", "add.pay.2", "add.pay.3"]);
  return [
    h(
      "section",
      { class: "panel", "aria-labelledby": "pay" },
      h("h2", { id: "pay" }, t("add.pay")),
      h("ol", { class: "numbered" }, ...items.map((item) => h("li", {}, ...rich(item)))),
    ),
    parts.actions(
      parts.linkButton(addressOf(device.id), t("add.show"), { primary: true }),
      parts.linkButton("#/add", t("add.another"), { sign: "add" }),
    ),
  ];
}
