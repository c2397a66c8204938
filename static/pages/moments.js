/**
 * Times as their reader knows them: in the company's time zone, or the browser's if it has chosen none, in the page's
 * language, and counting where that helps.
 */

const language = spoken(document.documentElement.lang);
const timeZone = known(document.documentElement.dataset.zone);
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", timeZone });
const precise = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone });
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", timeZone });
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone });
const date = new Intl.DateTimeFormat(language, { dateStyle: "short", timeZone });
const wholeDay = new Intl.DateTimeFormat(language, { dateStyle: "full", timeZone });
/** A moment's day as 2026-01-31. */
const isoDay = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit", timeZone });
const DAY = 86_400_000;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

/** How long a code may be over before somebody asks for the next: it usually comes by itself in that time. */
const OVERDUE = 3_000;

/** How far this device's clock is ahead of the server's, when that is more than the way of an answer explains. */
const ahead = clockError();

const SHOWN = {
  full: (at) => full.format(at),
  precise: (at) => precise.format(at),
  clock: (at) => clock.format(at),
  short: (at) => (isToday(at) ? clock : isThisYear(at) ? day : date).format(at),
  ago,
  countdown,
  seconds: (at, { dataset }) => dataset.words.replace("#", secondsTo(at)),
};

/** Write every time inside `root` for its reader, and keep those that count counting. */
export function dress(root) {
  for (const element of root.querySelectorAll("time[data-show]")) show(element);
}

export function keepCounting() {
  setInterval(() => {
    for (const element of document.querySelectorAll("time:is([data-show=countdown], [data-show=seconds])")) { show(element); overdue(element); }
  }, 500);
  setInterval(() => {
    for (const element of document.querySelectorAll('time[data-show="ago"]')) show(element);
  }, 10_000);
}

/** The name of a moment's day, and a key that is equal for moments of one day. */
export function dayOf(at, { today, yesterday }) {
  const key = isoDay.format(at);
  const before = new Date(Date.parse(isoDay.format(new Date())) - DAY).toISOString().slice(0, 10);
  const name = isToday(at) ? today : key === before ? yesterday : wholeDay.format(at);
  return { key, name };
}

function show(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const text = SHOWN[element.dataset.show](at, element);
  if (element.textContent !== text) element.textContent = text;
  if (element.dataset.show !== "full" && !element.title) element.title = full.format(at);
}

function ago(at) {
  const seconds = Math.round((Date.now() - at) / 1_000);
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ["second", 0];
  return size ? relative.format(-Math.floor(seconds / size), unit) : relative.format(0, "second");
}

function countdown(at) {
  const left = secondsTo(at);
  const [hours, minutes, seconds] = [Math.floor(left / 3_600), Math.floor(left / 60) % 60, left % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/**
 * What happens at the end of a countdown: data-then="refresh" asks for what comes next. data-then="lapse" also hides,
 * by itself, the element with `data-lasts` around it, and shows what stands beside it for that moment (`data-lapsed`).
 */
function overdue(element) {
  const then = element.dataset.then;
  if (!then || serverNow() - new Date(element.dateTime) < (then === "lapse" ? 0 : OVERDUE)) return;
  delete element.dataset.then;
  element.dispatchEvent(new CustomEvent("stale", { bubbles: true }));
  const over = then === "lapse" && element.closest("[data-lasts]");
  if (!over) return;
  over.hidden = true;
  over.parentElement.querySelector("[data-lapsed]").hidden = false;
}

function secondsTo(at) {
  return Math.max(0, Math.ceil((at - serverNow()) / 1_000));
}

function serverNow() {
  return Date.now() - ahead;
}

function clockError() {
  const [arrival] = performance.getEntriesByType("navigation");
  const server = Number(document.body.dataset.now) * 1_000;
  const error = server && arrival ? performance.timeOrigin + arrival.responseStart - server : 0;
  return Math.abs(error) > 3_000 ? error : 0;
}

function isToday(at) {
  return isoDay.format(at) === isoDay.format(new Date());
}

function isThisYear(at) {
  return isoDay.format(at).slice(0, 4) === isoDay.format(new Date()).slice(0, 4);
}

/** Some browsers know a language by name and none of its months: then Russian, like texts that nobody has translated. */
function spoken(name) {
  return /\d/.test(new Intl.DateTimeFormat(name, { month: "long" }).format()) ? "ru" : name;
}

/** A zone that this browser knows, else none: then it shows its own time. */
function known(zone) {
  try {
    return zone ? new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone : undefined;
  } catch {
    return undefined;
  }
}
