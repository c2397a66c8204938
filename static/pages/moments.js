/** Times as their reader knows them: in the browser's zone and the page's language, and counting where that helps. */

const language = document.documentElement.lang;
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const date = new Intl.DateTimeFormat(language, { dateStyle: "short" });
const wholeDay = new Intl.DateTimeFormat(language, { dateStyle: "full" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

/** How long a code may be over before somebody asks for the next: it usually comes by itself in that time. */
const OVERDUE = 3_000;

const SHOWN = {
  full: (at) => full.format(at),
  clock: (at) => clock.format(at),
  short: (at) => (isToday(at) ? clock : isThisYear(at) ? day : date).format(at),
  ago,
  countdown,
};

/** Write every time inside `root` for its reader, and keep those that count counting. */
export function dress(root) {
  for (const element of root.querySelectorAll("time[data-show]")) show(element);
}

export function keepCounting() {
  setInterval(() => {
    for (const element of document.querySelectorAll('time[data-show="countdown"]')) { show(element); overdue(element); }
  }, 500);
  setInterval(() => {
    for (const element of document.querySelectorAll('time[data-show="ago"]')) show(element);
  }, 10_000);
}

/** The name of a moment's day, and a key that is equal for moments of one day. */
export function dayOf(at, { today, yesterday }) {
  const key = `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`;
  const before = new Date();
  before.setDate(before.getDate() - 1);
  const name = isToday(at) ? today : at.toDateString() === before.toDateString() ? yesterday : wholeDay.format(at);
  return { key, name };
}

function show(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const text = SHOWN[element.dataset.show](at);
  if (element.textContent !== text) element.textContent = text;
  if (element.dataset.show !== "full" && !element.title) element.title = full.format(at);
}

function ago(at) {
  const seconds = Math.round((Date.now() - at) / 1_000);
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ["second", 0];
  return size ? relative.format(-Math.floor(seconds / size), unit) : relative.format(0, "second");
}

function countdown(at) {
  const left = Math.max(0, Math.ceil((at - Date.now()) / 1_000));
  const [hours, minutes, seconds] = [Math.floor(left / 3_600), Math.floor(left / 60) % 60, left % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

function overdue(element) {
  if (element.dataset.then !== "refresh" || Date.now() - new Date(element.dateTime) < OVERDUE) return;
  delete element.dataset.then;
  element.dispatchEvent(new CustomEvent("stale", { bubbles: true }));
}

function isToday(at) {
  return at.toDateString() === new Date().toDateString();
}

function isThisYear(at) {
  return at.getFullYear() === new Date().getFullYear();
}
