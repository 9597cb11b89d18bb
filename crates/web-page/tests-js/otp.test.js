// Codes and keys: vectors of RFC 4226, RFC 4648, RFC 6238 and of the protocol.

import assert from "node:assert/strict";
import test from "node:test";

import { fromBase32, fromHex, toBase32, toBase64 } from "../static/lib/bytes.js";
import { findOffset, otherSetting, readCode } from "../static/lib/check.js";
import { groups, link, newKey, readKey } from "../static/lib/key.js";
import { codes, keyOfPrice } from "../static/lib/otp.js";

const ascii = (text) => new TextEncoder().encode(text);
const KEY = ascii("12345678901234567890");

test("the SHA-1 vectors of RFC 6238 appendix B", async () => {
  const codeOf = await codes(KEY);
  const vectors = [
    [59, "94287082"],
    [1111111109, "07081804"],
    [1111111111, "14050471"],
    [1234567890, "89005924"],
    [2000000000, "69279037"],
    [20000000000, "65353130"],
  ];
  for (const [time, code] of vectors) {
    assert.equal(await codeOf(Math.floor(time / 30)), code);
  }
});

test("the vectors of the protocol with a price", async () => {
  const other = fromBase32("JBSWY3DPEHPK3PXP");
  const vectors = [
    [KEY, "EUR:1.50", 1700000000, "25414867 50803371 84002102 81378344 14701362"],
    [KEY, "EUR:1.5", 1700000000, "25414867 50803371 84002102 81378344 14701362"],
    [other, "EUR:1.5", 1700000000, "86940584 23453159 03980114 58369495 11403771"],
    [KEY, "KUDOS:10", 1700000000, "67931382 60123304 35313021 96395995 52208115"],
    [KEY, "CHF:0.00000001", 59, "02350094 02350094 67774117 48776519 49178788"],
    [KEY, "EUR:4503599627370496", 1700000000, "31687695 41855931 23402196 47616364 87440846"],
  ];
  for (const [key, price, time, expected] of vectors) {
    const codeOf = await codes(await keyOfPrice(key, price));
    const seconds = [-60, -30, 0, 30, 60].map((offset) => Math.max(0, time + offset));
    const found = await Promise.all(seconds.map((second) => codeOf(Math.floor(second / 30))));
    assert.equal(found.join(" "), expected, price);
  }
});

test("the vectors of RFC 4648 in Base32", () => {
  for (const [text, base32] of [
    ["f", "MY"],
    ["fo", "MZXQ"],
    ["foo", "MZXW6"],
    ["foob", "MZXW6YQ"],
    ["fooba", "MZXW6YTB"],
    ["foobar", "MZXW6YTBOI"],
  ]) {
    assert.equal(toBase32(ascii(text)), base32);
    assert.deepEqual(fromBase32(base32), ascii(text));
  }
  assert.deepEqual(fromHex("00FF10"), Uint8Array.of(0, 255, 16));
  assert.equal(toBase64("Zürich:ø"), "WsO8cmljaDrDuA==");
});

test("a code is found behind and ahead of the clock, within a day", async () => {
  const codeOf = await codes(KEY);
  const now = 1700000000;
  for (const offset of [0, -1, 2, -24, 130, -2880]) {
    const code = await codeOf(Math.floor(now / 30) + offset);
    assert.equal(await findOffset(KEY, code, now), offset);
  }
  assert.equal(await findOffset(KEY, "00000000", now, 100), null);
});

test("a code of another hash or period is recognised", async () => {
  const now = 1700000000;
  const sha256 = await codes(KEY, "SHA-256");
  assert.equal(await otherSetting(KEY, await sha256(Math.floor(now / 30)), now), "hash");
  const codeOf = await codes(KEY);
  assert.equal(await otherSetting(KEY, await codeOf(Math.floor(now / 60)), now), "period");
  assert.equal(await otherSetting(KEY, "00000000", now), null);
});

test("a typed code may have blanks and dashes, and must have 8 digits", () => {
  assert.deepEqual(readCode(" 0123 4567 "), { code: "01234567" });
  assert.deepEqual(readCode("0123-4567"), { code: "01234567" });
  assert.deepEqual(readCode("０１２３４５６７"), { code: "01234567" });
  assert.deepEqual(readCode("019 490"), { digits: 6 });
  assert.deepEqual(readCode(""), { digits: 0 });
  assert.deepEqual(readCode("1234567x"), { digits: 7 });
});

test("a key is read in Base32, with blanks, dashes, padding and small letters", () => {
  for (const text of [
    "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    " gezd gnbv gy3t qojq gezd gnbv gy3t qojq ",
    "GEZDGNBV–GY3TQOJQ–GEZDGNBV–GY3TQOJQ====",
  ]) {
    assert.deepEqual(readKey(text), { key: KEY, incomplete: false }, text);
  }
  assert.equal(readKey("MZXW6Y").incomplete, true);
});

test("a key is read in hexadecimal", () => {
  const hex = Array.from(KEY, (byte) => byte.toString(16).padStart(2, "0"));
  assert.deepEqual(readKey(hex.join("")), { key: KEY, incomplete: false });
  assert.deepEqual(readKey(hex.join(":").toUpperCase()), { key: KEY, incomplete: false });
});

test("a key that is both Base32 and hexadecimal is not decided here", () => {
  const read = readKey("ABCDEF234567ABCD");
  assert.deepEqual(read.hex.key, fromHex("ABCDEF234567ABCD"));
  assert.deepEqual(read.base32.key, fromBase32("ABCDEF234567ABCD"));
});

test("what is no key is refused with its place", () => {
  assert.deepEqual(readKey("GEZDGNBV1Y3TQOJQ"), { problem: "character", place: 9 });
  assert.deepEqual(readKey("GEZD!NBV1"), { problem: "character", place: 5 });
  assert.deepEqual(readKey(" - "), { problem: "empty" });
  assert.deepEqual(readKey("A"), { problem: "empty" });
  assert.deepEqual(readKey("A".repeat(300)), { problem: "long" });
});

test("a link is read if its codes can fit", () => {
  const made = link(KEY, "Café: a & b's", "till 1?#%");
  assert.equal(
    made,
    "otpauth://totp/Caf%C3%A9%3A%20a%20%26%20b%27s:till%201%3F%23%25" +
      "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Caf%C3%A9%3A%20a%20%26%20b%27s" +
      "&algorithm=SHA1&digits=8&period=30",
  );
  assert.deepEqual(readKey(made), { key: KEY, incomplete: false });
  const of = (rest) => readKey(`otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ${rest}`);
  assert.equal(of("").problem, "digits");
  assert.deepEqual(of("&digits=6"), { problem: "digits", value: "6" });
  assert.deepEqual(of("&digits=8&period=60"), { problem: "period", value: "60" });
  assert.deepEqual(of("&digits=8&algorithm=SHA256"), { problem: "hash", value: "SHA256" });
  assert.equal(readKey("otpauth://hotp/x?secret=GEZDGNBV&digits=8").problem, "hotp");
  assert.equal(readKey("otpauth://steam/x?secret=GEZDGNBV&digits=8").problem, "link");
  assert.equal(readKey("otpauth://totp/x?digits=8").problem, "link");
});

test("a new key has 20 bytes, in eight groups of four", () => {
  const key = newKey();
  assert.equal(key.length, 20);
  assert.deepEqual(groups(key).map((group) => group.length), Array(8).fill(4));
  assert.notDeepEqual(newKey(), key);
});
