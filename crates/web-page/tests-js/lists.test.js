// Names, prices, search and tables.

import assert from "node:assert/strict";
import test from "node:test";

import { toCsv } from "../static/lib/csv.js";
import { isDeviceId, isShopId, suggest } from "../static/lib/names.js";
import { readPrice } from "../static/lib/price.js";
import { index } from "../static/lib/search.js";

test("a short name is suggested from a name", () => {
  assert.equal(suggest("Till by the door"), "till-by-the-door");
  assert.equal(suggest("Café Größe Nº 3 – Œuvre"), "cafe-groesse-n-3-oeuvre");
  assert.equal(suggest("Anna’s phone"), "annas-phone");
  assert.equal(suggest("收银机"), "");
  assert.equal(suggest("Till", new Set(["till", "till-2"])), "till-3");
});

test("short names are those that the service accepts", () => {
  for (const id of ["a", "till 1", "ü?#%&", "...", "é".repeat(127)]) {
    assert.ok(isDeviceId(id), id);
  }
  for (const id of ["", ".", "..", "a/b", "a\nb", "é".repeat(128)]) {
    assert.ok(!isDeviceId(id), id);
  }
  assert.ok(isShopId("cafe_7.b@c-d"));
  for (const id of ["a", "-a", "default", "a b", "café"]) {
    assert.ok(!isShopId(id), id);
  }
});

test("prices are read with a point or a comma", () => {
  assert.equal(readPrice("12.50", "EUR"), "EUR:12.50");
  assert.equal(readPrice(" 12,5 ", "CHF"), "CHF:12.5");
  assert.equal(readPrice("007", "EUR"), "EUR:7");
  for (const text of ["", "1.234,50", "12.505", "-1", "1e3", "12.", "4503599627370497"]) {
    assert.equal(readPrice(text, "EUR"), null, text);
  }
  assert.equal(readPrice("100", "JPY", 0), "JPY:100");
  assert.equal(readPrice("100.5", "JPY", 0), null);
});

test("the search ignores capitals, accents and the order of words", () => {
  const items = [
    { id: "t10", name: "Till 10" },
    { id: "t2", name: "Till 2" },
    { id: "cafe", name: "CAFÉ, door" },
  ];
  const find = index(items, "en");
  assert.deepEqual(find("").map((item) => item.id), ["cafe", "t2", "t10"]);
  assert.deepEqual(find("door cafe").map((item) => item.id), ["cafe"]);
  assert.deepEqual(find("T1").map((item) => item.id), ["t10"]);
  assert.deepEqual(find("none"), []);
});

test("a table quotes what needs it and starts no formula", () => {
  assert.equal(toCsv([["a", 'b"c', "d,e"], ["=1+1", "-x", ""]]), 'a,"b""c","d,e"\r\n\'=1+1,\'-x,\r\n');
});
