// The page: its frame, its views, and the log-in of the tab.

import { EXTENSIONS } from "./config.js";
import { Away, CODES, Left, Refused, send } from "./lib/api.js";
import { fill, h } from "./lib/dom.js";
import { current, LANGUAGES, preferred, remember, t, use } from "./lib/i18n.js";
import { actions, failure, status } from "./lib/parts.js";
import { icon, mark } from "./lib/pictures.js";
import { ADMIN, pathOf, place, store, stored } from "./lib/session.js";
import { devices } from "./views/devices.js";
import { logIn, logInAgain } from "./views/log-in.js";

/**
 * @typedef {import("./lib/session.js").Session} Session
 * @typedef {import("./lib/i18n.js").Language} Language
 * @typedef {import("./lib/dom.js").Child} Child
 *
 * @typedef {{
 *   code: string,
 *   digits: number,
 * }} Currency
 *
 * What a view gets. `api` sends a request below the path of the shop, and `manage` one that only
 * the administrator may send; both ask for the password again if the log-in has ended. `signal` is
 * aborted when the view is left. `flash` is shown by the next view. `before` is the address before
 * the help.
 *
 * @typedef {{
 *   session: Session,
 *   signal: AbortSignal,
 *   parameter: string,
 *   shopName: string,
 *   currencies: () => Promise<Currency[]>,
 *   api: (path: string, request?: { method?: string, body?: unknown }) => Promise<any>,
 *   manage: (path: string, request?: { method?: string, body?: unknown }) => Promise<any>,
 *   go: (address: string) => void,
 *   flash: (message: HTMLElement | null) => void,
 *   takeFlash: () => HTMLElement | null,
 *   before: string,
 * }} App
 *
 * What a view returns: its title, its content, and what gets the focus instead of the heading.
 *
 * @typedef {{
 *   title: string,
 *   content: Child[],
 *   narrow?: boolean,
 *   focus?: HTMLElement,
 *   bare?: boolean,
 * }} View
 *
 * @typedef {(app: App) => View | Promise<View>} Show
 *
 * @typedef {{ group: string, load: () => Promise<Show>, leave?: () => Promise<void> }} Route
 */

/** How long to wait before another attempt if the service does not answer, in milliseconds. */
const RETRY = 10_000;

const here = place(location.pathname);
let session = stored();
let shopName = session?.shop ?? "";
/** @type {HTMLElement | null} */
let flash = null;
let leaving = new AbortController();
/** @type {Route | null} */
let present = null;
/** @type {Promise<void> | null} */
let again = null;
/**
 * What to do when the views of a group are left. The help does not leave them.
 *
 * @type {Route | null}
 */
let unfinished = null;
/** The address before the help. */
let before = "#/devices";

const addition = () => import("./views/add.js");
const clearAddition = async () => (await addition()).clear();

/** @type {Record<string, Route>} */
const ROUTES = {
  devices: { group: "devices", load: async () => devices },
  device: { group: "devices", load: async () => (await import("./views/device.js")).device },
  add: { group: "add", load: async () => (await addition()).kind, leave: clearAddition },
  "add/key": { group: "add", load: async () => (await addition()).key, leave: clearAddition },
  "add/check": { group: "add", load: async () => (await addition()).check, leave: clearAddition },
  access: { group: "access", load: async () => (await import("./views/access.js")).access },
  "access/new": { group: "access", load: async () => (await import("./views/access.js")).connect },
  password: { group: "password", load: async () => (await import("./views/password.js")).password },
  shops: { group: "shops", load: async () => (await import("./views/shops.js")).shops },
  "shops/change": { group: "shops", load: async () => (await import("./views/shops.js")).change },
  help: { group: "help", load: async () => (await import("./views/help.js")).help },
  ...(EXTENSIONS && {
    import: { group: "import", load: async () => (await import("./views/import.js")).importFile },
    history: { group: "history", load: async () => (await import("./views/history.js")).history },
  }),
};

/**
 * The route and the parameter of an address such as `#/device/till-1`.
 *
 * @returns {{ route: Route, parameter: string }}
 */
function address() {
  const path = location.hash.replace(/^#\/?/, "");
  const whole = ROUTES[path];
  if (whole !== undefined) {
    return { route: whole, parameter: "" };
  }
  const cut = path.lastIndexOf("/");
  const route = ROUTES[path.slice(0, cut)];
  try {
    const parameter = decodeURIComponent(path.slice(cut + 1));
    return { route: route ?? /** @type {Route} */ (ROUTES["devices"]), parameter };
  } catch {
    return { route: /** @type {Route} */ (ROUTES["devices"]), parameter: "" };
  }
}

/**
 * @param {string} path
 * @param {{ method?: string, body?: unknown }} request
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
async function authorized(path, request, signal) {
  for (;;) {
    if (session === null) {
      throw new Left();
    }
    const { token } = session;
    try {
      return await send({ path, ...request, authorization: `Bearer ${token}`, signal });
    } catch (error) {
      const ended = error instanceof Refused && error.status === 401;
      if (!ended || error.code === CODES.passwordWrong) {
        throw error;
      }
    }
    if (token === session?.token) {
      again ??= logInAgain(session).then((renewed) => {
        again = null;
        session = renewed;
        store(session);
      });
      await again;
    }
  }
}

/**
 * @param {string} parameter
 * @param {AbortSignal} signal
 * @param {Session} of
 * @returns {App}
 */
function appFor(parameter, signal, of) {
  const base = pathOf(of.root, of.shop);
  return {
    get session() {
      return session ?? of;
    },
    signal,
    parameter,
    get shopName() {
      return shopName;
    },
    currencies: async () => {
      const { currencies } = await send({ path: `${base}/config`, signal });
      return Object.entries(currencies).map(([code, about]) => ({
        code,
        digits: /** @type {any} */ (about).num_fractional_input_digits ?? 2,
      }));
    },
    api: (path, request = {}) => authorized(`${base}/private${path}`, request, signal),
    manage: (path, request = {}) =>
      authorized(`${of.root}/management/instances${path}`, request, signal),
    go,
    flash: (message) => (flash = message),
    takeFlash: () => {
      const taken = flash;
      flash = null;
      return taken;
    },
    before,
  };
}

/** @param {string} to */
function go(to) {
  if (location.hash === to) {
    void show();
  } else {
    location.hash = to;
  }
}

const frame = {
  skip: h("a", { class: "skip", href: "#main" }),
  top: h("header", { class: "top" }),
  main: h("main", { id: "main", tabindex: "-1" }),
  foot: h("footer", { class: "foot" }),
};

/** @returns {string} */
function nameOfShop() {
  return shopName === ADMIN ? t("shops.admin") : shopName;
}

/** Shows the head, the menu and the foot. */
function showFrame() {
  fill(frame.skip, t("frame.skip"));
  const brand = h(
    "a",
    { class: "brand", href: "#/devices" },
    mark(),
    h("span", {}, session === null ? t("frame.title") : nameOfShop()),
  );
  fill(frame.top, h("div", {}, brand, ...(session === null ? [] : menu(session))));
  const languages = Object.entries(LANGUAGES).map(([tag, own]) => {
    const choose = () => void speak(/** @type {Language} */ (tag));
    const attributes = {
      type: "button",
      class: "plain",
      lang: tag,
      "aria-current": tag === current() && "true",
      click: choose,
    };
    return h("li", {}, h("button", attributes, own));
  });
  const chooser = h(
    "nav",
    { "aria-label": t("frame.language") },
    h("ul", { class: "languages" }, ...languages),
  );
  const help = h("p", {}, h("a", { href: "#/help" }, t("frame.help")));
  fill(frame.foot, h("div", {}, chooser, help));
}

/**
 * @param {Session} of
 * @returns {Child[]}
 */
function menu(of) {
  const isOfDevices = ["add", "device", "import"].includes(present?.group ?? "");
  const group = isOfDevices ? "devices" : present?.group;
  const entry = (/** @type {string} */ name, /** @type {string} */ text) =>
    h(
      "li",
      {},
      h("a", { href: `#/${name}`, "aria-current": name === group && "page", click: close }, text),
    );
  const close = () => /** @type {any} */ (navigation).hidePopover?.();
  const logOutLink = h("a", { href: "#/", click: logOut }, t("menu.logout"));
  const navigation = h(
    "nav",
    { class: "menu", id: "menu", popover: "", "aria-label": t("menu.main") },
    h(
      "ul",
      {},
      entry("devices", t("menu.devices")),
      entry("access", t("menu.access")),
      EXTENSIONS && entry("history", t("menu.history")),
      entry("password", t("menu.password")),
      of.shop === ADMIN && entry("shops", t("menu.shops")),
      h("li", {}, logOutLink),
    ),
  );
  const attributes = { class: "menu-button", type: "button", popovertarget: "menu" };
  return [h("button", attributes, icon("menu"), t("menu.button")), navigation];
}

/** @param {Event} event */
async function logOut(event) {
  event.preventDefault();
  const { root, shop, token } = session ?? {};
  await end();
  if (root !== undefined && shop !== undefined) {
    const path = `${pathOf(root, shop)}/private/token`;
    // If the service is away, the token ends by itself.
    await send({ path, method: "DELETE", authorization: `Bearer ${token}` }).catch(() => {});
  }
}

/** Forgets the log-in, and shows the view for another one. */
async function end() {
  session = null;
  store(null);
  shopName = "";
  history.replaceState(null, "", "#/devices");
  await show();
}

/** @param {Language} language */
async function speak(language) {
  remember(language);
  await use(language);
  await show({ keep: true });
  const chosen = frame.foot.querySelector("[aria-current]");
  /** @type {HTMLElement | null} */ (chosen)?.focus();
}

/**
 * What a person typed, by the order of the fields. Passwords are not kept.
 *
 * @returns {string[]}
 */
function typed() {
  return fields().map((input) => input.value);
}

/** @returns {HTMLInputElement[]} */
function fields() {
  const found = frame.main.querySelectorAll("input:not([type=radio], [type=file]), textarea");
  const inputs = /** @type {NodeListOf<HTMLInputElement>} */ (found);
  return [...inputs].filter((input) => !input.autocomplete.endsWith("-password"));
}

/**
 * Shows the view of the address. `keep`: the present view in another language.
 *
 * @param {{ keep?: boolean }} [options]
 */
async function show({ keep = false } = {}) {
  const values = keep ? typed() : [];
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { route, parameter } = address();
  if (route.group !== "help") {
    before = location.hash;
  }
  const stays = session !== null && ["help", unfinished?.group].includes(route.group);
  if (!stays) {
    await unfinished?.leave?.();
    unfinished = null;
  }
  unfinished = route.leave === undefined ? unfinished : route;
  present = route;
  showFrame();
  frame.main.setAttribute("aria-busy", "true");
  try {
    const view = await viewOf(route, parameter, signal);
    if (signal.aborted) {
      return;
    }
    frame.main.className = view.narrow ? "narrow" : "";
    fill(frame.main, ...view.content);
    document.title = session === null ? view.title : `${view.title} – ${nameOfShop()}`;
    fields().forEach((input, i) => (input.value = values[i] ?? input.value));
    scrollTo(0, 0);
    if (!keep) {
      focus(view);
    }
  } catch (error) {
    if (!signal.aborted && !(error instanceof Left)) {
      showFailure(error, signal);
    }
  } finally {
    if (!signal.aborted) {
      frame.main.removeAttribute("aria-busy");
    }
  }
}

/** @param {View} view */
function focus(view) {
  const heading = frame.main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  (view.focus ?? heading ?? frame.main).focus();
}

/**
 * @param {Route} route
 * @param {string} parameter
 * @param {AbortSignal} signal
 * @returns {Promise<View>}
 */
async function viewOf(route, parameter, signal) {
  if (session === null && route.group !== "help") {
    return logIn(here, signal, enter);
  }
  const of = session ?? { root: here.root, shop: "", token: "", mark: "" };
  return (await route.load())(appFor(parameter, signal, of));
}

/** @param {Session} entered */
async function enter(entered) {
  session = entered;
  store(session);
  await findName();
  await show();
}

async function findName() {
  if (session !== null) {
    shopName = session.shop;
    const path = `${pathOf(session.root, session.shop)}/private`;
    const { name } = await authorized(path, {}, new AbortController().signal);
    shopName = name;
  }
}

/**
 * @param {unknown} error
 * @param {AbortSignal} signal
 */
function showFailure(error, signal) {
  // A file of the page that cannot be loaded: the service was updated, or it is away.
  const isFile = error instanceof TypeError;
  const retry = () => (isFile ? location.reload() : void show());
  const button = h("button", { type: "button", class: "primary", click: retry }, t("failed.again"));
  const heading = h("h1", { class: "hidden" }, t("failed.heading"));
  fill(frame.main, heading, status(failure(isFile ? new Away() : error)), actions(button));
  if (error instanceof Away) {
    setTimeout(() => signal.aborted || void show(), RETRY);
  }
}

addEventListener("hashchange", () => void show());
// What is kept in memory when the page is left could be shown again by "back".
addEventListener("pagehide", () => {
  void unfinished?.leave?.();
  leaving.abort();
  fill(frame.main);
});
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    session = stored();
    void show();
  }
});
frame.skip.addEventListener("click", (event) => {
  event.preventDefault();
  frame.main.focus();
});

await use(preferred());
document.body.replaceChildren(frame.skip, frame.top, frame.main, frame.foot);
await findName().catch(() => {});
await show();
