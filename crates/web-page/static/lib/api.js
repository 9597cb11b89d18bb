// Requests to the service.

import { toBase64 } from "./bytes.js";
import { note } from "./clock.js";
import { pathOf } from "./session.js";

/** How long an answer may take, in milliseconds. */
const PATIENCE = 30_000;

/** The codes of the protocol that the page distinguishes. */
export const CODES = { deviceTaken: 2851, passwordWrong: 2604, shopTaken: 2600, tokens: 44 };

/** The service refused a request. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {{ code?: number, hint?: string, detail?: string, field?: string }} body
   * @param {number} wait how long to wait before another attempt, in seconds
   */
  constructor(status, body, wait) {
    super(`refused with ${status}`);
    this.status = status;
    this.code = body.code ?? 0;
    this.hint = [body.hint, body.detail].filter(Boolean).join(" ");
    this.field = body.field;
    this.wait = wait;
  }
}

/**
 * Ignores that something does not exist: another window may have deleted it.
 *
 * @param {unknown} error
 */
export function ignoreMissing(error) {
  if (!(error instanceof Refused) || error.status !== 404) {
    throw error;
  }
}

/** The service did not answer, or is busy. */
export class Away extends Error {}

/** The person logged out, or the view was left, before an answer came. */
export class Left extends Error {}

/**
 * @typedef {{
 *   path: string,
 *   method?: string,
 *   authorization?: string,
 *   body?: unknown,
 *   signal?: AbortSignal | undefined,
 * }} Request
 */

/**
 * Sends a request, and returns the JSON of the answer; `null` if the answer is empty.
 *
 * @param {Request} request
 * @returns {Promise<any>}
 */
export async function send({ path, method = "GET", authorization, body, signal }) {
  const patience = AbortSignal.timeout(PATIENCE);
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (authorization !== undefined) {
    headers["Authorization"] = authorization;
  }
  const isFile = body instanceof Blob;
  if (body !== undefined) {
    headers["Content-Type"] = isFile ? "application/octet-stream" : "application/json";
  }
  const sent = Date.now();
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined || isFile ? (body ?? null) : JSON.stringify(body),
      signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
      cache: "no-store",
      // Otherwise the browser asks for a password by itself.
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    note(response.headers.get("Date"), sent);
    text = await response.text();
  } catch (error) {
    throw signal?.aborted ? new Left() : new Away("no answer", { cause: error });
  }
  if ([502, 503, 504].includes(response.status)) {
    throw new Away(`answered ${response.status}`);
  }
  const json = parse(text);
  if (!response.ok) {
    const wait = Number(response.headers.get("Retry-After") ?? 0);
    throw new Refused(response.status, json ?? {}, Number.isFinite(wait) ? wait : 0);
  }
  return json;
}

/**
 * @param {string} text
 * @returns {any}
 */
function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Issues an access token with a password.
 *
 * @param {string} root
 * @param {string} shop
 * @param {string} password
 * @param {{ scope: string, seconds: number | "forever", description: string }} wish
 * @returns {Promise<{ access_token: string, expiration: { t_s: number | "never" } }>}
 */
export function issueToken(root, shop, password, { scope, seconds, description }) {
  const duration = { d_us: seconds === "forever" ? seconds : seconds * 1_000_000 };
  return send({
    path: `${pathOf(root, shop)}/private/token`,
    method: "POST",
    authorization: `Basic ${toBase64(`${shop}:${password}`)}`,
    body: { scope, duration, description },
  });
}
