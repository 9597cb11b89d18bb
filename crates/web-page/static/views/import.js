// Import of a file with devices: what would happen, then the report.
//
// `POST [/instances/$INSTANCE]/private/otp-devices-import` with the file as its body, and with the
// parameters `dry_run=yes` or `no`, `digits=8` and `key_format=base32` or `hex`, answers
// `{"added": 4, "present": 1, "rejected": 3, "rows": [Row]}`. A dry run equals the run.

import { Left, Refused } from "../lib/api.js";
import { save, toCsv } from "../lib/csv.js";
import { fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import * as parts from "../lib/parts.js";
import { icon } from "../lib/pictures.js";

/**
 * @typedef {import("../app.js").App} App
 * @typedef {import("../lib/i18n.js").Key} Key
 *
 * A row of the file. `outcome` is `added` (or would be), `present` or `rejected`. `reason` is why a
 * row was rejected, and `detail` says it in English. `warnings` has what a person should check.
 *
 * @typedef {{ line: number }
 *   | { entry: number }
 *   | { sheet: string, row: number }
 *   | { sheet: string, cell: string }} Place
 * @typedef {{
 *   place: Place,
 *   otp_device_id: string | null,
 *   otp_device_description: string | null,
 *   outcome: "added" | "present" | "rejected",
 *   reason?: string,
 *   detail?: string,
 *   warnings?: string[],
 * }} Row
 * @typedef {{ digits?: "8", key_format?: string }} Options
 * @typedef {{ added: number, present: number, rejected: number, rows: Row[] }} Report
 */

/** The largest file that the service takes, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024;

/** How many rows are shown; the saved report has all. */
const SHOWN = 500;

const STEPS = /** @type {const} */ ([
  "import.step.file",
  "import.step.preview",
  "import.step.report",
]);

/** @type {Record<string, Key>} */
const REASONS = {
  digits: "import.why.digits",
  "digits-default": "import.why.digits",
  "digits-left-out": "import.why.left-out",
  period: "import.why.period",
  algorithm: "import.why.algorithm",
  hash: "import.why.algorithm",
  steam: "import.why.algorithm",
  "not-totp": "import.why.algorithm",
  counter: "import.why.counter",
  "counter-based": "import.why.counter",
  key: "import.why.key",
  "no-key": "import.why.no-key",
  "looks-like-hex": "import.why.hex",
  id: "import.why.id",
  "no-id": "import.why.id",
  "shortened-id": "import.why.id",
  duplicate: "import.why.duplicate",
  conflict: "import.why.conflict",
};

/** @type {Record<string, Key>} */
const WARNINGS = { "key-length": "import.warn.key", "key-bits": "import.warn.key" };

/**
 * The view.
 *
 * @param {App} app
 * @returns {import("../app.js").View}
 */
export function importFile(app) {
  const place = h("div");
  choose(app, place);
  return { title: t("import.title"), content: [place] };
}

/**
 * @param {HTMLElement} place
 * @param {number} step
 * @param {...import("../lib/dom.js").Child} content
 */
function showStep(place, step, ...content) {
  const isMoved = place.children.length > 0;
  const heading = h("h1", { tabindex: "-1" }, t("import.title"));
  fill(place, heading, parts.steps([...STEPS], step), ...content);
  if (isMoved) {
    scrollTo(0, 0);
    heading.focus();
  }
}

/**
 * @param {App} app
 * @param {File} file
 * @param {Options} options
 * @param {boolean} dry
 * @returns {Promise<Report>}
 */
function send(app, file, options, dry) {
  const query = new URLSearchParams({ ...options, dry_run: dry ? "yes" : "no" });
  return app.api(`/otp-devices-import?${query}`, { method: "POST", body: file });
}

/**
 * @param {App} app
 * @param {HTMLElement} place
 */
function choose(app, place) {
  const said = parts.status();
  const input = h("input", { type: "file", required: true });
  const digits = h("input", { type: "checkbox" });
  const formats = [
    ["", t("import.format.auto")],
    ["base32", t("key.own.base32")],
    ["hex", t("key.own.hex")],
  ];
  const format = h(
    "select",
    {},
    ...formats.map(([value, text]) => h("option", { value }, text)),
  );
  const submit = async () => {
    fill(said);
    const file = input.files?.[0];
    if (file === undefined) {
      return;
    }
    if (file.size > MAX_BYTES) {
      parts.mistake(input, t("import.large"));
      return;
    }
    /** @type {Options} */
    const options = {};
    if (digits.checked) {
      options.digits = "8";
    }
    if (format.value !== "") {
      options.key_format = format.value;
    }
    try {
      preview(app, place, file, options, await send(app, file, options, true));
    } catch (error) {
      showFailure(error, said);
    }
  };
  showStep(
    place,
    1,
    said,
    parts.form(
      { class: "panel", submit },
      parts.field(t("import.file"), input, { hint: t("import.file.hint") }),
      h(
        "details",
        {},
        h("summary", {}, t("import.options")),
        parts.field(t("import.format"), format),
        option(digits),
      ),
      parts.actions(
        h("button", { class: "primary", type: "submit" }, t("import.look")),
        parts.linkButton("#/devices", t("cancel"), { plain: true }),
      ),
    ),
    parts.message("info", null, [t("import.keys")]),
  );
}

/**
 * @param {HTMLInputElement} digits
 * @returns {HTMLElement}
 */
function option(digits) {
  const text = h("b", {}, t("import.digits"));
  const what = h("span", { class: "quiet" }, t("import.digits.what"));
  return h("label", { class: "choice" }, digits, h("span", {}, text, " ", what));
}

/**
 * @param {unknown} error
 * @param {HTMLElement} said
 */
function showFailure(error, said) {
  if (error instanceof Left) {
    throw error;
  }
  if (error instanceof Refused && error.status === 400) {
    const hint = h("p", {}, h("q", { lang: "en" }, error.hint));
    fill(said, parts.message("bad", t("import.unreadable"), [t("import.unreadable.do"), hint]));
  } else {
    fill(said, parts.failure(error));
  }
}

/**
 * @param {App} app
 * @param {HTMLElement} place
 * @param {File} file
 * @param {Options} options
 * @param {Report} report
 */
function preview(app, place, file, options, report) {
  const said = parts.status();
  const add = async () => {
    fill(said);
    try {
      finished(app, place, await send(app, file, options, false));
    } catch (error) {
      showFailure(error, said);
    }
  };
  const submit = h("button", { class: "primary", type: "submit" });
  submit.textContent = t("import.add", { n: report.added });
  const again = h("button", { type: "button", click: () => choose(app, place) });
  again.textContent = t("import.another");
  const buttons = [
    report.added > 0 ? submit : null,
    again,
    parts.linkButton("#/devices", t("cancel"), { plain: true }),
  ];
  const { rows } = report;
  const left = h("p", { class: "quiet small" }, t("import.left", { n: report.rejected }));
  const first = [...rows.filter(isRejected), ...rows.filter((row) => !isRejected(row))];
  showStep(
    place,
    2,
    h(
      "p",
      {},
      t("import.lines", { name: file.name, n: rows.length }),
      " ",
      h("strong", {}, t("import.nothing")),
    ),
    parts.status(sums(report)),
    said,
    parts.form({ submit: add }, parts.actions(...buttons)),
    report.rejected > 0 && left,
    rowTable(t("import.caption"), first, false),
  );
}

/**
 * @param {Row} row
 * @returns {boolean}
 */
function isRejected(row) {
  return row.outcome === "rejected";
}

/**
 * @param {Report} report
 * @returns {HTMLElement}
 */
function sums(report) {
  const items = /** @type {const} */ ([
    [report.added, "import.sum.added"],
    [report.present, "import.sum.present"],
    [report.rejected, "import.sum.rejected"],
  ]);
  return h(
    "ul",
    { class: "sums" },
    ...items.map(([n, key]) => h("li", {}, h("b", {}, String(n)), " ", t(key, { n }))),
  );
}

/**
 * Why a row was rejected, or what to check.
 *
 * @param {Row} row
 * @returns {string}
 */
function why(row) {
  if (!isRejected(row)) {
    const known = (row.warnings ?? []).flatMap((name) => WARNINGS[name] ?? []);
    return [...new Set(known)].map((key) => t(key)).join(" ");
  }
  const key = REASONS[row.reason ?? ""];
  return key === undefined ? (row.detail ?? "") : t(key, { short: row.otp_device_id ?? "" });
}

/**
 * @param {Place} place
 * @returns {string}
 */
function placeText(place) {
  if ("line" in place) {
    return String(place.line);
  }
  if ("entry" in place) {
    return t("import.place.entry", { n: place.entry });
  }
  const { sheet } = place;
  return "cell" in place
    ? t("import.place.cell", { sheet, cell: place.cell })
    : t("import.place.row", { sheet, row: place.row });
}

/**
 * @param {Row} row
 * @param {boolean} done
 * @returns {HTMLElement}
 */
function state(row, done) {
  const [kind, sign, key] = /** @type {const} */ ({
    added: ["is-good", "good", done ? "import.was.added" : "import.added"],
    present: ["is-same", "same", "import.present"],
    rejected: ["is-bad", "bad", done ? "import.was.rejected" : "import.rejected"],
  })[row.outcome];
  return h("span", { class: `state ${kind}` }, icon(sign), t(key));
}

/**
 * @param {string} caption
 * @param {Row[]} rows
 * @param {boolean} done whether the rows are those of a report
 * @returns {HTMLElement}
 */
function rowTable(caption, rows, done) {
  const last = t(done ? "import.why" : "import.would");
  const head = [t("import.line"), t("import.device"), last];
  const shown = rows.slice(0, SHOWN).map((row) => {
    const id = row.otp_device_id ?? "";
    const reason = why(row);
    const name = row.otp_device_description || id || "–";
    return h(
      "tr",
      { role: "row" },
      parts.cell(placeText(row.place), { label: t("import.line") }),
      parts.cell([name, id !== "" && h("span", { class: "quiet small" }, id)], { head: true }),
      parts.cell([state(row, done), reason !== "" && h("span", { class: "why" }, reason)]),
    );
  });
  const made = parts.table({ caption, captionHidden: false, class: "stack", head }, shown);
  const more = rows.length > SHOWN && h("p", { class: "quiet" }, t("import.more", { n: SHOWN }));
  return h("div", {}, made.table, more);
}

/**
 * @param {App} app
 * @param {HTMLElement} place
 * @param {Report} report
 */
function finished(app, place, report) {
  const rejected = report.rows.filter(isRejected);
  const store = () => {
    const head = [t("import.line"), t("devices.short"), t("devices.name"), t("import.why")];
    const rows = report.rows.map((row) => [
      placeText(row.place),
      row.otp_device_id ?? "",
      row.otp_device_description ?? "",
      [state(row, true).textContent, why(row)].filter(Boolean).join(": "),
    ]);
    save(`import-${app.session.shop}.csv`, toCsv([head, ...rows]));
  };
  const left = t("import.done.left", { n: report.rejected });
  const button = h("button", { class: "primary", type: "button", click: store });
  button.append(icon("save"), t("import.save"));
  const texts = [t("import.done.present", { n: report.present }), report.rejected > 0 && left];
  showStep(
    place,
    3,
    parts.status(
      parts.message(report.rejected > 0 ? "warn" : "good", t("import.done", { n: report.added }), [
        texts.filter(Boolean).join(" "),
      ]),
    ),
    rejected.length > 0 && rowTable(t("import.left.caption"), rejected, true),
    parts.message("info", null, [t("import.nokeys")]),
    parts.actions(button, parts.linkButton("#/devices", t("import.devices"))),
  );
}
