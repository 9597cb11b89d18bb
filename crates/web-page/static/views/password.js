// The password of the shop.

import { CODES, Left, Refused } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import * as parts from "../lib/parts.js";

/** The minimum length of a new password, in characters. */
export const SHORTEST = 12;

/**
 * The view.
 *
 * @param {import("../app.js").App} app
 * @returns {import("../app.js").View}
 */
export function password(app) {
  const said = parts.status();
  const old = parts.passwordField(t("password.old"), { autocomplete: "current-password" });
  const hint = t("password.hint", { n: SHORTEST });
  const wanted = parts.passwordField(t("password.new"), { autocomplete: "new-password", hint });
  const submit = async () => {
    fill(said);
    if (wanted.input.value.length < SHORTEST) {
      parts.mistake(wanted.input, t("password.short", { n: SHORTEST }));
      return;
    }
    const body = {
      method: "token",
      password: wanted.input.value,
      old_password: old.input.value,
    };
    try {
      await app.api("/auth", { method: "POST", body });
      old.input.value = "";
      wanted.input.value = "";
      fill(said, parts.message("good", t("password.changed"), [t("password.changed.do")]));
    } catch (error) {
      if (error instanceof Left) {
        throw error;
      }
      if (error instanceof Refused && error.code === CODES.passwordWrong) {
        old.input.value = "";
        parts.mistake(old.input, t("password.old.wrong"));
      } else {
        fill(said, parts.failure(error));
      }
    }
  };
  const user = { value: app.session.shop, autocomplete: "username", hidden: true, readonly: true };
  const content = [
    h("h1", {}, t("password.title")),
    said,
    parts.form(
      { class: "panel", submit },
      h("input", user),
      old.element,
      wanted.element,
      parts.actions(h("button", { class: "primary", type: "submit" }, t("password.change"))),
    ),
    h(
      "p",
      { class: "quiet" },
      t("password.stay"),
      " ",
      h("a", { href: "#/access" }, t("access.title")),
    ),
  ];
  return { title: t("password.title"), content, narrow: true };
}
