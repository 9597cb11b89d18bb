// Access tokens of tills and programs.

import { ignoreMissing, issueToken, Left } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { duration, moment, t } from "../lib/i18n.js";
import { now } from "../lib/clock.js";
import * as parts from "../lib/parts.js";
import { icon, qrPicture } from "../lib/pictures.js";
import { qrPath } from "../lib/qr.js";
import { pathOf } from "../lib/session.js";
import { DESCRIPTION, logInFailure, retype } from "./log-in.js";

/**
 * @typedef {import("../app.js").App} App
 * @typedef {import("../app.js").View} View
 * @typedef {{
 *   serial: number,
 *   scope: string,
 *   description?: string,
 *   creation_time: { t_s: number },
 *   expiration: { t_s: number | "never" },
 * }} Token
 */

/** How many access tokens are fetched at once. */
const PAGE = 100;

const DAY = 86_400;

/** From when on an end is near, in seconds. */
const SOON = 14 * DAY;

/** What an access token begins with, which the point-of-sale app leaves out. */
const PREFIX = "secret-token:";

/**
 * The list.
 *
 * @param {App} app
 * @returns {Promise<View>}
 */
export async function access(app) {
  const labels = [t("access.what"), t("access.may"), t("access.since"), t("access.ends"), null];
  const made = parts.table({ caption: t("access.caption"), class: "stack", head: labels }, []);
  const more = h("button", { type: "button" }, t("access.older"));
  const below = h("div", { class: "actions" }, more);
  let last = 0;
  const extend = async () => {
    const offset = last === 0 ? "" : `&offset=${last}`;
    const found = await app.api(`/tokens?limit=-${PAGE}${offset}`);
    /** @type {Token[]} */
    const tokens = found?.tokens ?? [];
    last = tokens.at(-1)?.serial ?? last;
    const shown = tokens.filter((token) => !isOver(token) || !isOfBrowser(token));
    made.body.append(...shown.map((token) => row(app, token)));
    below.hidden = tokens.length < PAGE;
  };
  const press = () => {
    extend().catch((error) => {
      if (!(error instanceof Left)) {
        below.before(parts.status(parts.failure(error)));
      }
    });
  };
  more.addEventListener("click", press);
  await extend();
  const flash = app.takeFlash();
  const content = [
    h(
      "div",
      { class: "title" },
      h("h1", {}, t("access.title")),
      h(
        "div",
        { class: "actions" },
        parts.linkButton("#/access/new", t("access.connect"), { primary: true, sign: "add" }),
      ),
    ),
    h("p", {}, t("access.each")),
    parts.status(flash),
    made.table,
    below,
  ];
  return { title: t("access.title"), content };
}

/**
 * @param {Token} token
 * @returns {boolean}
 */
function isOver({ expiration }) {
  return expiration.t_s !== "never" && expiration.t_s <= now();
}

/**
 * Whether an access token is of a log-in to this page.
 *
 * @param {{ description?: string }} token
 * @returns {boolean}
 */
export function isOfBrowser({ description }) {
  return description?.startsWith(`${DESCRIPTION} (`) ?? false;
}

/**
 * The name of an access token for people.
 *
 * @param {App} app
 * @param {Token} token
 * @returns {{ name: string, mine: boolean }}
 */
function nameOf(app, { description, serial }) {
  const isBrowser = isOfBrowser(description === undefined ? {} : { description });
  const mine = isBrowser && description === `${DESCRIPTION} (${app.session.mark})`;
  const other = isBrowser ? t("access.browser") : description;
  return { name: mine ? t("access.this") : other || t("access.unnamed", { serial }), mine };
}

/**
 * @param {string} scope
 * @returns {string}
 */
function may(scope) {
  if (["all", "write"].includes(scope)) {
    return t("access.all");
  }
  return scope === "readonly" ? t("access.read") : t("access.orders");
}

/**
 * @param {number | "never"} end
 * @returns {import("../lib/dom.js").Child}
 */
function ends(end) {
  if (end === "never") {
    return t("access.never");
  }
  const left = end - now();
  if (left <= 0) {
    return h("span", { class: "quiet" }, t("access.ended", { when: moment(end, { time: false }) }));
  }
  if (left < DAY || left > SOON) {
    return moment(end, { time: false });
  }
  const text = t("access.soon", { time: duration(left) });
  return h("span", { class: "state is-warn" }, icon("clock"), text);
}

/**
 * @param {App} app
 * @param {Token} token
 * @returns {HTMLElement}
 */
function row(app, token) {
  const { name, mine } = nameOf(app, token);
  const end = token.expiration.t_s;
  const revoke = () =>
    parts.ask({
      title: t("access.ask", { name }),
      what: [h("p", {}, t("access.ask.then")), h("p", {}, t("access.ask.others"))],
      keep: t("access.keep"),
      confirm: t("access.yes", { name }),
      act: async () => {
        const path = `/tokens/${token.serial}`;
        await app.api(path, { method: "DELETE" }).catch(ignoreMissing);
        app.flash(parts.message("good", null, [t("access.gone", { name })]));
        app.go("#/access");
      },
    });
  const attributes = {
    class: "danger",
    type: "button",
    "aria-haspopup": "dialog",
    "aria-label": t("access.disconnect.name", { name }),
    click: revoke,
  };
  const button = h("button", attributes, t("access.disconnect"));
  const state = mine ? h("span", { class: "quiet" }, t("access.you")) : button;
  return h(
    "tr",
    { role: "row" },
    parts.cell(name, { head: true }),
    parts.cell(may(token.scope), { label: t("access.may") }),
    parts.cell(moment(token.creation_time.t_s, { time: false }), { label: t("access.since") }),
    parts.cell(ends(end), { label: t("access.ends") }),
    parts.cell(isOver(token) ? null : state, { class: "act" }),
  );
}

/**
 * Connecting a till or program. The new access token is shown in place of the form, once.
 *
 * @param {App} app
 * @returns {View}
 */
export function connect(app) {
  const said = h("div", { role: "alert" });
  const place = h("div");
  const what = h("input", { required: true, autocomplete: "off", maxlength: 200 });
  const scopes = [
    choice("readonly", t("access.read"), t("access.read.what"), true),
    choice("all", t("access.all.you"), t("access.all.what"), false),
  ];
  const terms = /** @type {const} */ ([
    [30 * DAY, "access.month"],
    [365 * DAY, "access.year"],
    ["forever", "access.forever"],
  ]);
  const term = h(
    "select",
    { class: "short" },
    ...terms.map(([value, text]) => h("option", { value, selected: value === 365 * DAY }, t(text))),
  );
  const password = parts.passwordField(t("access.password"), {
    autocomplete: "current-password",
    hint: t("access.password.hint"),
  });
  const submit = async () => {
    fill(said);
    const { root, shop } = app.session;
    const description = what.value.trim();
    const [first] = scopes;
    const scope = first?.querySelector("input")?.checked ? "readonly" : "all";
    const seconds = term.value === "forever" ? "forever" : Number(term.value);
    try {
      const wish = { scope, seconds: /** @type {number | "forever"} */ (seconds), description };
      const { access_token: token } = await issueToken(root, shop, password.input.value, wish);
      password.input.value = "";
      if (!app.signal.aborted) {
        fill(place, ...created(app, description, token));
        place.querySelector("h1")?.focus();
      }
    } catch (error) {
      password.input.value = "";
      fill(said, logInFailure(error, shop));
      retype(error, password.input);
    }
  };
  fill(
    place,
    parts.back("#/access", t("access.title")),
    h("h1", {}, t("access.connect")),
    said,
    parts.form(
      { class: "panel", submit },
      parts.field(t("access.which"), what, { hint: t("access.which.hint") }),
      h(
        "fieldset",
        {},
        h("legend", {}, t("access.rights")),
        h("div", { class: "choices" }, ...scopes),
      ),
      parts.field(t("access.long"), term),
      password.element,
      parts.actions(
        h("button", { class: "primary", type: "submit" }, t("access.go")),
        parts.linkButton("#/access", t("cancel"), { plain: true }),
      ),
    ),
  );
  return { title: t("access.connect"), content: [place], narrow: true };
}

/**
 * @param {string} value
 * @param {string} title
 * @param {string} what
 * @param {boolean} checked
 * @returns {HTMLElement}
 */
function choice(value, title, what, checked) {
  const text = h("span", {}, h("b", {}, title), " ", h("span", { class: "quiet" }, what));
  const input = h("input", { type: "radio", name: "scope", value, checked });
  return h("label", { class: "choice" }, input, text);
}

/**
 * @param {App} app
 * @param {string} name
 * @param {string} token
 * @returns {Node[]}
 */
function created(app, name, token) {
  const { root, shop } = app.session;
  const secret = token.startsWith(PREFIX) ? token.slice(PREFIX.length) : token;
  const user = encodeURIComponent(shop);
  const uri = `taler-pos://${location.host}${root}/#/username=${user}&password=${secret}`;
  const warning = parts.message("warn", t("access.once"), [t("access.once.do")]);
  const served = new URL(pathOf(root, shop) || "/", location.origin).href;
  return [
    parts.back("#/access", t("access.title")),
    h("h1", { tabindex: "-1" }, t("access.created", { name })),
    parts.status(warning),
    h(
      "section",
      { class: "panel", "aria-labelledby": "copy" },
      h("h2", { id: "copy" }, t("access.copy")),
      h("p", {}, t("access.copy.what")),
      h("code", { class: "long", role: "group", "aria-label": t("access.token") }, token),
      parts.copyButton(t("access.copy.button"), () => token, { primary: true }),
      h("p", { class: "hint" }, t("access.address")),
      h("code", { class: "long" }, served),
    ),
    h(
      "section",
      { class: "panel", "aria-labelledby": "scan" },
      h("h2", { id: "scan" }, t("access.scan")),
      h("p", {}, t("access.scan.what")),
      qrPicture(qrPath(uri), t("access.picture", { name })),
    ),
    parts.actions(parts.linkButton("#/access", t("access.done"))),
  ];
}
