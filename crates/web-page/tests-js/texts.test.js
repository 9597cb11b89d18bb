// The texts: each language has every one, with the same values, and the page uses every one.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

const folder = new URL("../static/", import.meta.url);
const languages = readdirSync(new URL("texts/", folder)).map((name) => name.replace(".js", ""));
const load = async (language) => (await import(`../static/texts/${language}.js`)).default;
const english = await load("en");

const forms = (text) => (typeof text === "string" ? [text] : Object.values(text));
const names = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
const stars = (text) => text.split("*").length - 1;

/** The text of each module, without those of the languages. */
const code = readdirSync(folder, { recursive: true })
  .filter((path) => path.endsWith(".js") && !path.startsWith("texts"))
  .map((path) => readFileSync(new URL(path, folder), "utf8"))
  .join("\n");

test("there are English, German and French", () => {
  assert.deepEqual(languages.sort(), ["de", "en", "fr"]);
});

for (const language of languages) {
  test(`no text is missing or empty in ${language}`, async () => {
    const texts = await load(language);
    assert.deepEqual(Object.keys(texts).sort(), Object.keys(english).sort());
    for (const [key, text] of Object.entries(texts)) {
      assert.equal(typeof text, typeof english[key], key);
      for (const form of forms(text)) {
        assert.equal(form.trim(), form, key);
        assert.notEqual(form, "", key);
      }
    }
  });

  test(`each text has the values and strong words of the English one in ${language}`, async () => {
    const texts = await load(language);
    for (const [key, text] of Object.entries(texts)) {
      for (const [i, form] of forms(text).entries()) {
        const expected = forms(english[key])[i];
        assert.deepEqual(names(form), names(expected), key);
        assert.equal(stars(form), stars(expected), key);
        assert.equal(stars(form) % 2, 0, key);
      }
    }
  });
}

test("no line of French begins with a sign", async () => {
  for (const [key, text] of Object.entries(await load("fr"))) {
    for (const form of forms(text)) {
      assert.doesNotMatch(form, / [?!:;»]|« /, key);
    }
  }
});

test("the page uses every text", () => {
  const composed = /^help\.\w+(\.do)?$/;
  const isUsed = (key) => code.includes(`"${key}"`) || composed.test(key);
  assert.deepEqual(Object.keys(english).filter((key) => !isUsed(key)), []);
});
