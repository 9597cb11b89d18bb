// The time of the service, as its answers report it.

/** The difference from which the clock of this computer is wrong, in seconds. */
const TOLERATED = 20;

/** How far the clock of the service is ahead of this computer's, in seconds. */
let ahead = 0;

/**
 * Notes the header `Date` of an answer.
 *
 * @param {string | null} date
 * @param {number} sent when the request was sent, in milliseconds
 */
export function note(date, sent) {
  const reported = date === null ? Number.NaN : Date.parse(date);
  if (!Number.isNaN(reported)) {
    // The header has whole seconds: on the average, half a second has passed.
    ahead = (reported + 500 - (sent + Date.now()) / 2) / 1000;
  }
}

/**
 * The time of the service, in seconds since 1970.
 *
 * @returns {number}
 */
export function now() {
  return Date.now() / 1000 + ahead;
}

/**
 * How far the clock of this computer is ahead of the service's, in seconds (negative: behind), or 0
 * if the difference does not matter.
 *
 * @returns {number}
 */
export function wrongBy() {
  return Math.abs(ahead) > TOLERATED ? -ahead : 0;
}
