// The clock of the service.

import assert from "node:assert/strict";
import test from "node:test";

import { note, now, wrongBy } from "../static/lib/clock.js";

const date = (milliseconds) => new Date(milliseconds).toUTCString();
const isNear = (seconds, expected, tolerance) => Math.abs(seconds - expected) <= tolerance;

test("clocks that agree within a second are taken as equal", () => {
  const time = Date.now();
  note(date(time), time - 20, time + 20);
  assert.ok(isNear(now(), Date.now() / 1000, 0.01));
  assert.equal(wrongBy(), 0);
  note(null, time, time);
  note("no date", time, time);
  assert.equal(wrongBy(), 0);
});

test("a difference is measured, and narrowed by each answer", () => {
  const time = Date.now();
  const ahead = 240_000;
  for (const moment of [0, 300, 600, 900, 1200]) {
    const sent = time + moment;
    note(date(Math.floor((sent + 5 + ahead) / 1000) * 1000), sent, sent + 10);
  }
  assert.ok(isNear(now() - Date.now() / 1000, 240, 0.2), String(now() - Date.now() / 1000));
  assert.ok(isNear(wrongBy(), -240, 0.2));
});

test("after a clock was set, the former answers do not count", () => {
  const time = Date.now();
  note(date(time - 90_000), time, time + 10);
  assert.ok(isNear(wrongBy(), 90, 1.1));
});
