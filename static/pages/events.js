/**
 * The event log as it grows: what is new is put on top and what is far down goes, so that the page stays quick for days.
 * The server draws the rows; the socket only says that there is something new, and without it live.js asks now and then.
 */

import { hear } from "./live.js";
import { dress } from "./moments.js";
import { ask, draw } from "./parts.js";

/** Rows that are kept, and milliseconds from one question to the next, however much happens. */
const KEPT = 200, PAUSE = 1_000;

const list = document.querySelector("#events[data-live]");
const older = document.getElementById("older");
const button = document.getElementById("pause");
const state = document.getElementById("live-state");

let top = list?.querySelector("[data-top]").dataset.top;
let isPaused = false;
let isAsking = false;
let isStale = false;

if (list) follow();

function follow() {
  document.getElementById("live-tools").hidden = false;
  button.addEventListener("click", () => { isPaused = !isPaused; tellState(); if (isStale) look(); });
  document.addEventListener("visibilitychange", () => { if (isStale) look(); });
  hear((topic, session, message) => { if (topic === "everything" || message.event) look(); });
}

/** Ask for what is new, unless nobody wants to see it now. */
async function look() {
  isStale = true;
  if (isPaused || document.hidden || isAsking) { tellState(); return; }
  isAsking = true;
  isStale = false;
  try {
    show(draw(await ask(`${list.dataset.live}&part=news&after=${top}`)));
  } catch (error) {
    console.debug(error);
    isStale = true;
  }
  setTimeout(() => { isAsking = false; if (isStale) look(); }, PAUSE);
}

function show(rows) {
  // The cursor stands last.
  const head = rows.pop();
  top = head.dataset.top;
  // More came than is told at once: what is shown has no holes.
  if ("gap" in head.dataset) list.replaceChildren();
  for (const row of rows) dress(row);
  list.prepend(...rows);
  const all = list.querySelectorAll("[data-cursor]");
  for (const row of [...all].slice(KEPT)) row.remove();
  if (rows.length) document.getElementById("no-events").hidden = true;
  if (all.length > KEPT || "gap" in head.dataset) leadOnFromLast();
}

/** What went from the page is found further back. */
function leadOnFromLast() {
  const address = new URL(older.href);
  address.searchParams.set("before", [...list.querySelectorAll("[data-cursor]")].at(-1).dataset.cursor);
  older.href = address;
  older.parentElement.hidden = false;
}

function tellState() {
  button.textContent = isPaused ? button.dataset.continue : button.dataset.pause;
  const { live, paused, waiting } = state.dataset;
  const text = isPaused ? (isStale ? waiting : paused) : live;
  if (state.textContent !== text) state.textContent = text;
  state.previousElementSibling.className = `dot ${isPaused ? "idle" : "good"}`;
}
