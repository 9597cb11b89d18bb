// The address of the page, and the log-in of this tab.

const STORED = "merchant-otp.session";

/** The shop whose addresses have no `/instances/$INSTANCE`. */
export const ADMIN = "admin";

/**
 * A log-in. `mark` is a part of the description of its access token.
 *
 * @typedef {{ root: string, shop: string, token: string, mark: string }} Session
 */

/**
 * The path of the service, without a slash at its end, and the shop, if the address names one.
 *
 * @param {string} path
 * @returns {{ root: string, shop: string | null }}
 */
export function place(path) {
  const base = path.replace(/\/webui(?:\/.*)?$/, "");
  const named = /^(.*)\/instances\/([^/]+)$/.exec(base);
  return named === null
    ? { root: base, shop: null }
    : { root: named[1] ?? "", shop: decodeURIComponent(named[2] ?? "") };
}

/**
 * The path below which a shop has its addresses.
 *
 * @param {string} root
 * @param {string} shop
 * @returns {string}
 */
export function pathOf(root, shop) {
  return [ADMIN, "default"].includes(shop) ? root : `${root}/instances/${encodeURIComponent(shop)}`;
}

/**
 * The log-in of this tab, if there is one that belongs to the address.
 *
 * @returns {Session | null}
 */
export function stored() {
  const here = place(location.pathname);
  try {
    /** @type {Session} */
    const session = JSON.parse(sessionStorage.getItem(STORED) ?? "null");
    const fits = session.root === here.root && (here.shop ?? session.shop) === session.shop;
    return fits ? session : null;
  } catch {
    return null;
  }
}

/**
 * Keeps a log-in until the tab is closed, or forgets it.
 *
 * @param {Session | null} session
 */
export function store(session) {
  if (session === null) {
    sessionStorage.removeItem(STORED);
  } else {
    sessionStorage.setItem(STORED, JSON.stringify(session));
  }
}
