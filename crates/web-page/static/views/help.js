// Help: why codes do not match, and what to do.

import { h } from "../lib/dom.js";
import { rich, t } from "../lib/i18n.js";
import { back } from "../lib/parts.js";

const TOPICS = /** @type {const} */ (["use", "six", "entry", "clock", "price", "lost", "logout"]);

/**
 * The view.
 *
 * @param {import("../app.js").App} app
 * @returns {import("../app.js").View}
 */
export function help(app) {
  const topics = TOPICS.map((topic) =>
    h(
      "section",
      { class: "panel", "aria-labelledby": topic },
      h("h2", { id: topic }, t(`help.${topic}`)),
      h("p", {}, ...rich(`help.${topic}.do`)),
    ),
  );
  const content = [
    back(app.before || "#/devices", t("back")),
    h("h1", {}, t("help.title")),
    ...topics,
  ];
  return { title: t("help.title"), content, narrow: true };
}
