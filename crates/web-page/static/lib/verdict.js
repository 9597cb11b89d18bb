// What the comparison of a code ended with, in words.

import { STEP } from "./otp.js";
import { h } from "./dom.js";
import { duration, t } from "./i18n.js";
import { message } from "./parts.js";

/**
 * `offset` counts steps: how far the code is ahead of the time (negative: behind).
 *
 * @typedef {{ kind: "fits" | "far", offset: number }
 *   | { kind: "none" }
 *   | { kind: "digits", digits: number }
 *   | { kind: "setting", setting: "hash" | "period" }} Verdict
 */

/**
 * Whether the clock of the device is off by as much as is just accepted.
 *
 * @param {Verdict} verdict
 * @returns {boolean}
 */
export function isClockOff(verdict) {
  return verdict.kind === "fits" && Math.abs(verdict.offset) > 1;
}

/**
 * The message about a verdict.
 *
 * @param {Verdict} verdict
 * @param {{ shop: string, level: "h2" | "h3", extra?: HTMLElement[] }} options
 * @returns {HTMLElement}
 */
export function verdictMessage(verdict, { shop, level, extra = [] }) {
  switch (verdict.kind) {
    case "fits":
      return fits(verdict.offset, level, extra);
    case "far": {
      const time = duration(Math.abs(verdict.offset) * STEP);
      const behind = verdict.offset < 0;
      const title = t(behind ? "check.old" : "check.early", { time });
      const text = t(behind ? "check.old.do" : "check.early.do", { time });
      return message("bad", title, [text, ...extra], { level, sign: "clock" });
    }
    case "none":
      return message("bad", t("check.none"), [t("check.none.do", { shop }), ...extra], { level });
    case "setting": {
      const title = t(verdict.setting === "hash" ? "check.hash" : "check.period");
      return message("bad", title, [t("check.setting.do"), ...extra], { level });
    }
    case "digits":
      return digits(verdict.digits, level, extra);
  }
}

/**
 * @param {number} offset
 * @param {"h2" | "h3"} level
 * @param {HTMLElement[]} extra
 * @returns {HTMLElement}
 */
function fits(offset, level, extra) {
  const time = duration(Math.abs(offset) * STEP);
  if (Math.abs(offset) > 1) {
    const title = t(offset < 0 ? "check.slow" : "check.fast", { time });
    return message("warn", title, [...extra, t("check.clock.do")], { level, sign: "clock" });
  }
  const near = offset < 0 ? t("check.past", { time }) : t("check.future", { time });
  const text = offset === 0 ? t("check.right") : near;
  return message("good", t("check.fits"), [text, ...extra], { level });
}

/**
 * @param {number} count
 * @param {"h2" | "h3"} level
 * @param {HTMLElement[]} extra
 * @returns {HTMLElement}
 */
function digits(count, level, extra) {
  if (count === 6) {
    const list = h("ol", {}, h("li", {}, t("check.six.1")), h("li", {}, t("check.six.2")));
    const help = h("p", {}, h("a", { href: "#/help" }, t("check.six.which")));
    return message("bad", t("check.six"), [t("check.six.do"), list, help, ...extra], { level });
  }
  const title = count === 7 ? t("check.seven") : t("check.digits", { n: count });
  return message("bad", title, [t("check.digits.do"), ...extra], { level });
}
