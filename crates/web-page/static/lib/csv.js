// Tables to save.

/**
 * Writes rows as CSV (RFC 4180) that spreadsheets open without running anything as a formula.
 *
 * @param {string[][]} rows
 * @returns {string}
 */
export function toCsv(rows) {
  const cell = (/** @type {string} */ text) => {
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",;\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/**
 * Lets the browser save a text as a file. Starts with a byte order mark, so that spreadsheets
 * recognise UTF-8.
 *
 * @param {string} name
 * @param {string} text
 */
export function save(name, text) {
  const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
