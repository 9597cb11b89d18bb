// The time of the service, as its answers report it.

/** The difference from which the clock of this computer is wrong, in seconds. */
const TOLERATED = 20;

/**
 * The bounds of how far the clock of the service is ahead of this computer's, in seconds. Each
 * answer narrows them.
 */
let bounds = { low: -Infinity, high: Infinity };

/** How far the clock of the service is ahead of this computer's, in seconds. */
let ahead = 0;

/**
 * Notes the header `Date` of an answer.
 *
 * @param {string | null} date
 * @param {number} sent when the request was sent, in milliseconds
 * @param {number} [received] when the answer came, in milliseconds
 */
export function note(date, sent, received = Date.now()) {
  const reported = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(reported)) {
    return;
  }
  // The header has whole seconds, and was written between the request and the answer.
  const [low, high] = [(reported - received) / 1000, (reported + 1000 - sent) / 1000];
  const narrowed = { low: Math.max(bounds.low, low), high: Math.min(bounds.high, high) };
  // Contradictory bounds: a clock was set meanwhile.
  bounds = narrowed.low <= narrowed.high ? narrowed : { low, high };
  const agree = bounds.low <= 0 && bounds.high >= 0;
  ahead = agree ? 0 : (bounds.low + bounds.high) / 2;
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
