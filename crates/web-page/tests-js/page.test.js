// The address of the page, texts in a language, and QR codes.

import assert from "node:assert/strict";
import test from "node:test";

import { duration, moment, money, t, use } from "../static/lib/i18n.js";
import { qrPath } from "../static/lib/qr.js";
import { pathOf, place } from "../static/lib/session.js";

globalThis.document = { documentElement: { lang: "" } };

test("the shop and the service are found in the address", () => {
  for (const [path, root, shop] of [
    ["/webui/", "", null],
    ["/webui", "", null],
    ["/instances/cafe/webui/", "", "cafe"],
    ["/instances/a%40b/webui/", "", "a@b"],
    ["/otp/webui/", "/otp", null],
    ["/otp/instances/cafe/webui/", "/otp", "cafe"],
    ["/instances/instances/webui/", "", "instances"],
  ]) {
    assert.deepEqual(place(path), { root, shop }, path);
  }
  assert.equal(pathOf("/otp", "cafe"), "/otp/instances/cafe");
  assert.equal(pathOf("/otp", "a@b"), "/otp/instances/a%40b");
  assert.equal(pathOf("/otp", "admin"), "/otp");
});

test("texts have their values, and the form of their number", async () => {
  await use("de");
  assert.equal(document.documentElement.lang, "de");
  assert.equal(t("devices.count", { n: 1 }), "1 Gerät");
  assert.equal(t("devices.count", { n: 10000 }), "10.000 Geräte");
  assert.equal(t("devices.of", { shop: "{n} *$&" }), "Geräte von {n} *$&");
  await use("fr");
  assert.equal(t("devices.count", { n: 0 }), "0 appareil");
  await use("en");
  assert.equal(t("devices.count", { n: 0 }), "0 devices");
});

test("durations are in their largest fitting unit", async () => {
  await use("en");
  assert.equal(duration(1), "1 second");
  assert.equal(duration(90), "90 seconds");
  assert.equal(duration(720), "12 minutes");
  assert.equal(duration(7200), "2 hours");
  assert.equal(duration(6 * 86_400), "6 days");
  await use("de");
  assert.equal(duration(60), "60 Sekunden");
});

test("amounts and moments follow the language", async () => {
  await use("en");
  assert.equal(money("12.5", "EUR"), "€12.50");
  assert.match(moment(Date.now() / 1000), /^today, \d\d:\d\d$/);
  await use("de");
  assert.equal(money("12.5", "EUR").replace("\u00a0", " "), "12,50 €");
  assert.equal(money("12.5", "TESTKUDOS"), "12.5 TESTKUDOS");
  assert.match(moment(Date.now() / 1000 - 86_400), /^gestern, /);
  assert.match(moment(1_700_000_000, { time: false }), /^1[45]\.11\.2023$/);
});

test("a QR code has its three marks and a border of four modules", () => {
  const { path, size } = qrPath("otpauth://totp/a:b?secret=MZXW6YTBOI");
  const dark = new Set([...path.matchAll(/M(\d+) (\d+)h/g)].map(([, x, y]) => `${x},${y}`));
  assert.equal((size - 8 - 17) % 4, 0);
  const last = size - 5;
  for (const [x, y] of [[4, 4], [last, 4], [4, last]]) {
    assert.ok(dark.has(`${x},${y}`), `${x},${y}`);
  }
  for (let i = 0; i < size; i += 1) {
    assert.ok(!dark.has(`${i},3`) && !dark.has(`3,${i}`) && !dark.has(`${i},${size - 4}`));
  }
});
