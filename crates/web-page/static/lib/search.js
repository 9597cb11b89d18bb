// Search in a list while typing.

/**
 * Writes a text so that capitals and accents do not matter.
 *
 * @param {string} text
 * @returns {string}
 */
function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * Sorts items by their names, and returns a function that finds those whose name or id contains
 * each word of a query.
 *
 * @template {{ id: string, name: string }} Item
 * @param {Item[]} items
 * @param {string} language
 * @returns {(query: string) => Item[]}
 */
export function index(items, language) {
  const { compare } = new Intl.Collator(language, { numeric: true });
  const sorted = items.toSorted((a, b) => compare(a.name, b.name) || compare(a.id, b.id));
  const texts = sorted.map((item) => `${plain(item.name)}\n${plain(item.id)}`);
  return (query) => {
    const words = plain(query).split(/\s+/).filter((word) => word !== "");
    return sorted.filter((_, i) => words.every((word) => texts[i]?.includes(word)));
  };
}
