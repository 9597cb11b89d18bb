// The history: who did what, newest first.
//
// `GET [/instances/$INSTANCE]/private/audit-events` with `limit`, `before` and `after` (serials)
// answers `{"events": [Event]}`, newest first.

import { Left } from "../lib/api.js";
import { save, toCsv } from "../lib/csv.js";
import { h } from "../lib/dom.js";
import { moment, t } from "../lib/i18n.js";
import * as parts from "../lib/parts.js";
import { icon } from "../lib/pictures.js";
import { isOfBrowser } from "./access.js";
import { addressOf, list } from "./devices.js";

/**
 * @typedef {import("../app.js").App} App
 * @typedef {import("../lib/i18n.js").Key} Key
 *
 * `time` is in seconds. `actor` is `unknown`, `operator`, `password` or `token`; `actor_serial` and
 * `actor_scope` are of the token. `access_token` is the serial of a token that was issued or
 * revoked. `unrecorded` refusals before the event are not recorded.
 *
 * @typedef {{
 *   serial: number,
 *   time: { t_s: number },
 *   actor: string,
 *   actor_serial?: number | null,
 *   actor_scope?: string | null,
 *   address?: string | null,
 *   operation: string,
 *   device?: string | null,
 *   access_token?: number | null,
 *   outcome: string,
 *   unrecorded: number,
 * }} Event
 */

/** How many events are fetched at once. */
const PAGE = 50;

/** How many events a saved table has at most. */
const SAVED = 10_000;

/** @type {Record<string, Key>} */
const OPERATIONS = {
  "otp-device.add": "history.device.add",
  "otp-device.change": "history.device.change",
  "otp-device.remove": "history.device.remove",
  "access-token.issue": "history.token.issue",
  "access-token.revoke": "history.token.revoke",
  "access-token.revoke-all": "history.token.revoke-all",
  "instance.log-in": "history.login",
  "instance.add": "history.shop.add",
  "instance.rename": "history.shop.rename",
  "instance.change": "history.shop.change",
  "instance.set-password": "history.password",
  "instance.delete": "history.shop.delete",
  "instance.purge": "history.shop.delete",
};

/** @type {Record<string, Key>} */
const OUTCOMES = {
  unchanged: "history.unchanged",
  conflict: "history.refused",
  "not-found": "history.missing",
  invalid: "history.refused",
  unauthorized: "history.unauthorized",
  forbidden: "history.forbidden",
  throttled: "history.throttled",
  failed: "history.failed",
};

/**
 * The view.
 *
 * @param {App} app
 * @returns {Promise<import("../app.js").View>}
 */
export async function history(app) {
  const [devices, tokens] = await Promise.all([list(app), app.api("/tokens?limit=-1024")]);
  const names = new Map(devices.map(({ id, name }) => [id, name]));
  const programs = new Map(
    (tokens?.tokens ?? []).map((/** @type {any} */ token) => [token.serial, token.description]),
  );
  const labels = [t("history.when"), t("history.who"), t("history.what"), t("history.which")];
  const made = parts.table({ caption: t("history.caption"), class: "stack", head: labels }, []);
  const older = h("button", { type: "button" }, t("history.older"));
  const below = h("div", { class: "actions" }, older);
  const said = parts.status();
  let last = 0;
  const extend = async () => {
    const events = await page(app, last, PAGE);
    last = events.at(-1)?.serial ?? last;
    const shown = (/** @type {Event} */ event) => row(event, names, who(app, event, programs));
    made.body.append(...events.map(shown));
    below.hidden = events.length < PAGE;
  };
  const press = (/** @type {() => Promise<void>} */ act) => () => {
    act().catch((error) => {
      if (!(error instanceof Left)) {
        said.replaceChildren(parts.failure(error));
      }
    });
  };
  older.addEventListener("click", press(extend));
  await extend();
  const saving = press(() => saveAll(app, names, programs));
  const button = h("button", { type: "button", click: saving }, icon("save"), t("history.save"));
  const content = [
    h(
      "div",
      { class: "title" },
      h("h1", {}, t("history.title")),
      h("div", { class: "actions" }, button),
    ),
    h("p", {}, t("history.about")),
    said,
    made.table,
    below,
  ];
  return { title: t("history.title"), content };
}

/**
 * @param {App} app
 * @param {number} before
 * @param {number} limit
 * @returns {Promise<Event[]>}
 */
async function page(app, before, limit) {
  const from = before === 0 ? "" : `&before=${before}`;
  const found = await app.api(`/audit-events?limit=${limit}${from}`);
  return found?.events ?? [];
}

/**
 * @param {App} app
 * @param {Event} event
 * @param {Map<number, string | undefined>} programs
 * @returns {string}
 */
function who(app, event, programs) {
  switch (event.actor) {
    case "operator":
      return t("history.operator");
    case "password":
      return t("history.password.holder");
    case "token": {
      const description = programs.get(event.actor_serial ?? 0);
      const isHere = description?.includes(`(${app.session.mark})`) ?? false;
      const isBrowser = isOfBrowser(description === undefined ? {} : { description });
      const program = description || t("access.unnamed", { serial: event.actor_serial ?? 0 });
      return isHere ? t("history.here") : isBrowser ? t("history.browser") : program;
    }
    default:
      return t("history.unknown");
  }
}

/**
 * @param {Event} event
 * @returns {string}
 */
function what(event) {
  const key = OPERATIONS[event.operation];
  const operation = key === undefined ? t("history.other", { name: event.operation }) : t(key);
  const outcome = OUTCOMES[event.outcome];
  return outcome === undefined ? operation : `${operation}: ${t(outcome)}`;
}

/**
 * @param {Event} event
 * @param {Map<string, string>} names
 * @param {string} actor
 * @returns {HTMLElement}
 */
function row(event, names, actor) {
  const { device } = event;
  const name = device ? names.get(device) : undefined;
  const which = device && name ? h("a", { href: addressOf(device) }, name) : (device ?? "–");
  const skipped =
    event.unrecorded > 0 &&
    h("span", { class: "quiet small" }, t("history.unrecorded", { n: event.unrecorded }));
  return h(
    "tr",
    { role: "row" },
    parts.cell(moment(event.time.t_s), { class: "quiet" }),
    parts.cell([actor, event.address && h("span", { class: "quiet small from" }, event.address)], {
      label: t("history.who"),
    }),
    parts.cell([what(event), skipped], { head: true }),
    parts.cell(which),
  );
}

/**
 * @param {App} app
 * @param {Map<string, string>} names
 * @param {Map<number, string | undefined>} programs
 */
async function saveAll(app, names, programs) {
  /** @type {Event[]} */
  const all = [];
  for (;;) {
    const events = await page(app, all.at(-1)?.serial ?? 0, 1000);
    all.push(...events);
    if (events.length < 1000 || all.length >= SAVED) {
      break;
    }
  }
  const head = /** @type {const} */ ([
    "history.when",
    "history.who",
    "history.from",
    "history.what",
    "history.which",
  ]);
  const rows = all.map((event) => [
    new Date(event.time.t_s * 1000).toISOString(),
    who(app, event, programs),
    event.address ?? "",
    what(event),
    event.device ? (names.get(event.device) ?? event.device) : "",
  ]);
  save(`history-${app.session.shop}.csv`, toCsv([head.map((key) => t(key)), ...rows]));
}
