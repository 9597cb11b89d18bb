// The QR encoder is the file of the package, unchanged.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url));

test("the QR encoder equals that of the npm package", () => {
  const folder = "node_modules/qrcode-generator";
  const { version, license } = JSON.parse(read(`${folder}/package.json`).toString());
  assert.ok(read("../static/vendor/qrcode.mjs").equals(read(`${folder}/dist/qrcode.mjs`)));
  const note = read("../static/vendor/README.md").toString();
  assert.ok(note.includes(`\`qrcode-generator\` ${version}`), version);
  assert.equal(license, "MIT");
});
