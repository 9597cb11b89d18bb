// What the page offers.

/**
 * Whether the service has the extensions of the API that the import and the history need:
 * `POST …/private/otp-devices-import` and `GET …/private/audit-events`.
 *
 * @type {boolean}
 */
export const EXTENSIONS = false;

/** How long a log-in lasts, in seconds. */
export const SESSION_SECONDS = 8 * 60 * 60;
