// The log-in.

import { SESSION_SECONDS } from "../config.js";
import { Away, issueToken, Left, Refused, send } from "../lib/api.js";
import { toBase32 } from "../lib/bytes.js";
import { wrongBy } from "../lib/clock.js";
import { fill, h, newId } from "../lib/dom.js";
import { duration, t } from "../lib/i18n.js";
import { actions, failure, field, form, message, mistake, passwordField } from "../lib/parts.js";
import { ADMIN, pathOf, store } from "../lib/session.js";

/**
 * @typedef {import("../lib/session.js").Session} Session
 * @typedef {import("../app.js").View} View
 */

/** How often to look whether the service answers again, in milliseconds. */
const RETRY = 10_000;

/** The beginning of the description of each access token of this page. */
export const DESCRIPTION = "Back office, in a browser";

/**
 * Logs in with a password.
 *
 * @param {string} root
 * @param {string} shop
 * @param {string} password
 * @returns {Promise<Session>}
 */
async function session(root, shop, password) {
  const mark = toBase32(crypto.getRandomValues(new Uint8Array(5)));
  const wish = { scope: "all", seconds: SESSION_SECONDS, description: `${DESCRIPTION} (${mark})` };
  const { access_token: token } = await issueToken(root, shop, password, wish);
  return { root, shop, token, mark };
}

/**
 * What to say about a log-in that failed.
 *
 * @param {unknown} error
 * @param {string} shop
 * @returns {HTMLElement}
 */
export function logInFailure(error, shop) {
  if (error instanceof Refused && error.status === 401) {
    return message("bad", t("login.wrong"), [t("login.wrong.do")]);
  }
  if (error instanceof Refused && error.status === 404) {
    return message("bad", t("login.unknown", { shop }), [t("login.unknown.do")]);
  }
  return failure(error);
}

/**
 * Asks for the password again if it was wrong.
 *
 * @param {unknown} error
 * @param {HTMLInputElement} input
 */
export function retype(error, input) {
  if (error instanceof Refused && error.status === 401) {
    mistake(input, t("login.retype"));
  }
}

/**
 * The messages about this computer: its clock, and its connection.
 *
 * @returns {HTMLElement[]}
 */
function warnings() {
  const wrong = wrongBy();
  const difference = duration(Math.abs(wrong));
  const title = t(wrong > 0 ? "clock.fast" : "clock.slow", { difference });
  return [
    ...(wrong === 0 ? [] : [message("warn", title, [t("clock.do")], { sign: "clock" })]),
    ...(isSecureContext ? [] : [message("bad", t("insecure.title"), [t("insecure.do")])]),
  ];
}

/**
 * Waits until another attempt is allowed; meanwhile the message counts down.
 *
 * @param {Refused} refused
 * @param {HTMLElement} said
 * @param {HTMLButtonElement} button
 * @param {AbortSignal} signal
 */
function countDown(refused, said, button, signal) {
  const until = Date.now() + Math.max(1, refused.wait) * 1000;
  button.disabled = true;
  const timer = setInterval(() => {
    const left = Math.ceil((until - Date.now()) / 1000);
    const title = said.querySelector("h2");
    if (left <= 0 || signal.aborted) {
      clearInterval(timer);
      button.disabled = false;
      fill(said);
    } else if (title !== null) {
      title.textContent = t("throttled.title", { wait: duration(left) });
    }
  }, 1000);
}

/**
 * The view.
 *
 * @param {{ root: string, shop: string | null }} here
 * @param {AbortSignal} signal
 * @param {(entered: Session) => Promise<void>} enter
 * @returns {View}
 */
export function logIn(here, signal, enter) {
  const said = h("div", { role: "alert" });
  const noted = h("div", { role: "status" });
  const shop = h("input", {
    value: here.shop ?? ADMIN,
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
  });
  const password = passwordField(t("login.password"), { autocomplete: "current-password" });
  const button = h("button", { class: "primary", type: "submit" }, t("login.button"));
  const look = async () => {
    const path = `${pathOf(here.root, shop.value.trim() || ADMIN)}/config`;
    try {
      await send({ path, signal });
      fill(noted, ...warnings());
    } catch (error) {
      if (error instanceof Away) {
        fill(noted, failure(error));
        setTimeout(() => signal.aborted || void look(), RETRY);
      } else if (error instanceof Refused) {
        fill(noted, ...warnings());
      }
    }
  };
  const submit = async () => {
    fill(said);
    const id = shop.value.trim();
    try {
      await enter(await session(here.root, id, password.input.value));
    } catch (error) {
      password.input.value = "";
      fill(said, logInFailure(error, id));
      if (error instanceof Refused && error.status === 429) {
        countDown(error, said, button, signal);
      } else if (error instanceof Refused && error.status === 404) {
        shop.focus();
      } else {
        retype(error, password.input);
      }
    }
  };
  void look();
  const content = [
    h("h1", {}, t("login.title")),
    noted,
    said,
    form(
      { class: "panel", submit },
      field(t("login.shop"), shop, { hint: t("login.shop.hint") }),
      password.element,
      actions(button),
    ),
    h("p", { class: "quiet" }, t("login.stay"), h("br"), t("login.forgotten")),
  ];
  return { title: t("login.title"), content, narrow: true, focus: password.input };
}

/**
 * Asks for the password again over the present view, whose fields stay as they are.
 *
 * @param {Session} old
 * @returns {Promise<Session>}
 */
export function logInAgain(old) {
  const titleId = newId();
  const said = h("div", { role: "alert" });
  const password = passwordField(t("login.password"), { autocomplete: "current-password" });
  return new Promise((resolve) => {
    const submit = async () => {
      try {
        resolve(await session(old.root, old.shop, password.input.value));
        dialog.remove();
      } catch (error) {
        if (error instanceof Left) {
          throw error;
        }
        password.input.value = "";
        fill(said, logInFailure(error, old.shop));
        retype(error, password.input);
      }
    };
    const cancel = (/** @type {Event} */ event) => event.preventDefault();
    const forget = () => {
      store(null);
      location.reload();
    };
    const user = { value: old.shop, autocomplete: "username", hidden: true, readonly: true };
    const dialog = h(
      "dialog",
      { "aria-labelledby": titleId, cancel },
      h("h2", { id: titleId }, t("again.title")),
      h("p", {}, t("again.do", { shop: old.shop })),
      said,
      form(
        { submit },
        h("input", user),
        password.element,
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", click: forget }, t("again.leave")),
          h("button", { class: "primary", type: "submit" }, t("login.button")),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
    password.input.focus();
  });
}
