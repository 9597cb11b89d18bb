// Parts that several views have: messages, fields, dialogs, steps.

import { Away, CODES, Left, Refused } from "./api.js";
import { add, fill, h, newId } from "./dom.js";
import { duration, t } from "./i18n.js";
import { icon } from "./pictures.js";

/**
 * @typedef {import("./dom.js").Child} Child
 * @typedef {import("./i18n.js").Key} Key
 * @typedef {import("./pictures.js").Sign} Sign
 * @typedef {"good" | "warn" | "bad" | "info"} Kind
 */

/**
 * A message: a sign, what is the case, and what to do.
 *
 * @param {Kind} kind
 * @param {string | null} title
 * @param {Child[]} children
 * @param {{ sign?: Sign, level?: "h2" | "h3", role?: string }} [options]
 * @returns {HTMLElement}
 */
export function message(kind, title, children = [], { sign, level = "h2", role } = {}) {
  const paragraphs = children.map((child) =>
    typeof child === "string" ? h("p", {}, child) : child,
  );
  return h(
    "div",
    { class: kind === "info" ? "message" : `message ${kind}`, role },
    icon(sign ?? kind),
    title === null ? null : h(level, {}, title),
    ...paragraphs,
  );
}

/**
 * A region whose changes are announced.
 *
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function status(...children) {
  return h("div", { role: "status", "aria-live": "polite" }, ...children);
}

/**
 * What to say about a failed request.
 *
 * @param {unknown} error
 * @param {"h2" | "h3"} [level]
 * @returns {HTMLElement}
 */
export function failure(error, level = "h2") {
  if (error instanceof Away) {
    return message("bad", t("away.title"), [t("away.do")], { level });
  }
  if (error instanceof Refused && error.status === 429) {
    const title = t("throttled.title", { wait: duration(Math.max(1, error.wait)) });
    return message("warn", title, [t("throttled.do")], { level, sign: "clock" });
  }
  if (error instanceof Refused && error.status === 403 && error.code !== CODES.tokens) {
    return message("bad", t("forbidden.title"), [t("forbidden.do")], { level });
  }
  if (error instanceof Refused && error.code === CODES.tokens) {
    return message("bad", t("toomany.title"), [t("toomany.do")], { level });
  }
  const hint = error instanceof Refused ? error.hint : "";
  const said = hint === "" ? null : h("p", {}, t("failed.said"), " ", h("q", { lang: "en" }, hint));
  return message("bad", t("failed.title"), [t("failed.do"), said], { level });
}

/**
 * A link that looks like a button.
 *
 * @param {string} href
 * @param {Child} text
 * @param {{ primary?: boolean, plain?: boolean, sign?: Sign }} [options]
 * @returns {HTMLAnchorElement}
 */
export function linkButton(href, text, { primary, plain, sign } = {}) {
  const kind = primary ? "button primary" : plain ? "button plain" : "button";
  return h("a", { class: kind, href }, sign && icon(sign), text);
}

/**
 * The buttons below a form or a view.
 *
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function actions(...children) {
  const wide = children.map((child) =>
    child instanceof Element && !child.classList.contains("plain")
      ? h("span", { class: "wide" }, child)
      : child,
  );
  return h("div", { class: "actions" }, ...wide);
}

/**
 * A field with its label and a hint. The hint describes the field.
 *
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @param {{ hint?: string, button?: HTMLElement }} [options]
 * @returns {HTMLElement}
 */
export function field(label, input, { hint, button } = {}) {
  input.id ||= newId();
  const hintId = `${input.id}-hint`;
  if (hint !== undefined) {
    input.setAttribute("aria-describedby", hintId);
  }
  return h(
    "div",
    { class: "field" },
    h("label", { for: input.id }, label),
    hint !== undefined && h("p", { class: "hint", id: hintId }, hint),
    button === undefined ? input : h("div", { class: "with-button" }, input, button),
    h("p", { class: "error", id: `${input.id}-error`, hidden: true }),
  );
}

/**
 * Shows what is wrong with a field below it, and moves the focus there; `null` clears it.
 *
 * @param {HTMLElement} input
 * @param {string | null} text
 */
export function mistake(input, text) {
  const error = document.getElementById(`${input.id}-error`);
  const hint = document.getElementById(`${input.id}-hint`);
  if (error !== null) {
    error.hidden = text === null;
    error.textContent = text;
  }
  const described = [hint?.id, text === null ? undefined : error?.id].filter(Boolean).join(" ");
  input.toggleAttribute("aria-invalid", false);
  if (text !== null) {
    input.setAttribute("aria-invalid", "true");
  }
  if (described !== "") {
    input.setAttribute("aria-describedby", described);
  } else {
    input.removeAttribute("aria-describedby");
  }
  if (text !== null) {
    input.focus();
  }
}

/**
 * A field for a password, with a button that shows what is typed.
 *
 * @param {string} label
 * @param {{ autocomplete: string, hint?: string }} options
 * @returns {{ input: HTMLInputElement, element: HTMLElement }}
 */
export function passwordField(label, { autocomplete, hint }) {
  const input = h("input", {
    type: "password",
    autocomplete,
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
    id: newId(),
  });
  const button = h("button", { type: "button", "aria-pressed": "false" }, t("password.show"));
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
  const options = hint === undefined ? { button } : { button, hint };
  return { input, element: field(label, input, options) };
}

/**
 * A form whose button is busy until the submission has ended. The browser's own check of required
 * fields is replaced, so that it speaks the language of the page.
 *
 * @param {{ class?: string, submit: () => Promise<void>, role?: string }} options
 * @param {...Child} children
 * @returns {HTMLFormElement}
 */
export function form({ submit, ...attributes }, ...children) {
  let busy = false;
  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy) {
      return;
    }
    const fields = element.querySelectorAll("input[required], textarea[required]");
    const inputs = /** @type {NodeListOf<HTMLInputElement>} */ (fields);
    inputs.forEach((input) => mistake(input, null));
    const missing = [...inputs].find((input) => input.value.trim() === "");
    if (missing !== undefined) {
      mistake(missing, t("field.missing"));
      return;
    }
    busy = true;
    element.setAttribute("aria-busy", "true");
    try {
      await submit();
    } catch (error) {
      if (!(error instanceof Left)) {
        throw error;
      }
    } finally {
      busy = false;
      element.removeAttribute("aria-busy");
    }
  };
  const element = h("form", { novalidate: true, submit: onSubmit, ...attributes }, ...children);
  return element;
}

/**
 * The steps of a longer task.
 *
 * @param {Key[]} names
 * @param {number} present the number of the present step; one more than the last: all are done
 * @returns {HTMLElement}
 */
export function steps(names, present) {
  const items = names.map((name, i) => {
    const text = `${i + 1}. ${t(name)}`;
    return h(
      "li",
      { class: i + 1 < present && "done", "aria-current": i + 1 === present && "step" },
      text,
      i + 1 < present && h("span", { class: "hidden" }, ` (${t("steps.done")})`),
    );
  });
  return h("ol", { class: "steps", "aria-label": t("steps.progress") }, ...items);
}

/**
 * A link to the view above.
 *
 * @param {string} href
 * @param {string} text
 * @returns {HTMLElement}
 */
export function back(href, text) {
  return h("a", { class: "back", href }, icon("back"), text);
}

/**
 * A button that copies a text, and says so.
 *
 * @param {string} label
 * @param {() => string} text
 * @param {{ primary?: boolean }} [options]
 * @returns {HTMLElement}
 */
export function copyButton(label, text, { primary } = {}) {
  const said = status();
  said.className = "quiet copied";
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      fill(said, t("copy.done"));
    } catch {
      fill(said, t("copy.failed"));
    }
  };
  const attributes = { type: "button", class: primary && "primary", click: copy };
  return h("div", { class: "copy" }, h("button", attributes, icon("copy"), label), said);
}

/**
 * Asks before something is done that cannot be undone. The focus is on the button that keeps it.
 *
 * @param {{
 *   title: string,
 *   what: Child[],
 *   keep: string,
 *   confirm: string,
 *   typed?: { label: string, expected: string, wrong: string },
 *   act: () => Promise<void>,
 * }} question
 */
export function ask({ title, what, keep, confirm, typed, act }) {
  const [titleId, whatId] = [newId(), newId()];
  const said = h("div", { role: "alert" });
  const keeper = h("button", { type: "button", click: () => dialog.close() }, keep);
  const input = h("input", { autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  const submit = async () => {
    if (typed !== undefined && input.value.trim() !== typed.expected) {
      mistake(input, typed.wrong);
      return;
    }
    try {
      await act();
      dialog.close();
    } catch (error) {
      if (error instanceof Left) {
        dialog.close();
      } else {
        fill(said, failure(error));
      }
    }
  };
  const dialog = h(
    "dialog",
    { "aria-labelledby": titleId, "aria-describedby": whatId, close: () => dialog.remove() },
    h("h2", { id: titleId }, title),
    h("div", { id: whatId }, ...what),
    form(
      { submit },
      typed !== undefined && field(typed.label, input),
      said,
      h(
        "div",
        { class: "actions" },
        keeper,
        h("button", { class: "danger primary", type: "submit" }, confirm),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  keeper.focus();
}

/**
 * A table that becomes a list on a narrow window. The roles are given because `display` would
 * remove them.
 *
 * @param {{ caption: Child, captionHidden?: boolean, class: string, head: Child[] }} options
 * @param {HTMLElement[]} rows
 * @returns {{ table: HTMLTableElement, body: HTMLElement }}
 */
export function table({ caption, captionHidden = true, head, ...options }, rows) {
  const body = h("tbody", { role: "rowgroup" }, ...rows);
  const cells = head.map((cell) =>
    cell === null
      ? h("td", { role: "cell" })
      : h("th", { role: "columnheader", scope: "col" }, cell),
  );
  const element = h(
    "table",
    { class: options.class, role: "table" },
    h("caption", { class: captionHidden && "hidden" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...cells)),
    body,
  );
  return { table: element, body };
}

/**
 * A cell of a table; on a narrow window its label stands before it.
 *
 * @param {Child} content
 * @param {{ label?: string, class?: string, head?: boolean }} [options]
 * @returns {HTMLElement}
 */
export function cell(content, { label, head, ...options } = {}) {
  const attributes = head ? { role: "rowheader", scope: "row" } : { role: "cell" };
  const all = { ...attributes, class: options.class, "data-label": label };
  const element = h(head ? "th" : "td", all);
  add(element, content);
  return element;
}
