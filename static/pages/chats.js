/** A conversation: it grows at both ends, its ticks follow what WhatsApp says, and what is sent is there at once. */

import { csrfToken, post } from "./forms.js";
import { hear } from "./live.js";
import { dayOf, dress } from "./moments.js";
import { ask, draw, replace } from "./parts.js";

/** More changes than this at once are one look at the newest page. */
const MANY = 8;
/** Milliseconds: what is said of typing is said again after AGAIN, and is over after silence or without news. */
const AGAIN = 4_000, SILENCE = 6_000, TYPING = 15_000;
/** Who looks is told who types, as long as they do something now and then. */
const LOOK = 10_000, IDLE = 300_000;

const room = document.getElementById("room");
const bubbles = document.getElementById("bubbles");
const scroll = document.getElementById("scroll");
const toNew = document.getElementById("to-new");
const compose = document.getElementById("compose");
const isNewest = room?.dataset.page === "0";

const waiting = new Set();
let isLooking = false;
let isStale = false;
/** Resolves when everything that is being sent has its row: until then a new row may be ours. */
let sending = Promise.resolve();

markCurrentChat();
document.getElementById("chats").addEventListener("shown", markCurrentChat);
searchAsTyped();
if (room) openRoom();

function openRoom() {
  separateDays();
  toBottom();
  bubbles.addEventListener("click", (event) => {
    const link = event.target.closest("[data-older]");
    if (link) { event.preventDefault(); loadOlder(link); }
  });
  scroll.addEventListener("scroll", () => { if (isAtBottom()) toNew.hidden = true; });
  toNew.addEventListener("click", toBottom);
  if (isNewest) hear(changed);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    if (isStale) lookAtNewest();
    markRead();
  });
  if (compose) enableCompose();
  keepLooking();
}

// -- what happens ---------------------------------------------------------------------------------------------------
function changed(topic, session, message) {
  if (topic === "everything") { lookAtNewest(); return; }
  if (session !== room.dataset.session) return;
  if (message.type === "chat.typing" && message.chatId === room.dataset.chat) showTyping(message);
  if (message.type === "message.new" && message.chat.id === room.dataset.chat) lookAt(message.message.id);
  if (["message.status", "message.reaction"].includes(message.type) && message.chatId === room.dataset.chat) lookAt(message.id);
}

function lookAt(id) {
  waiting.add(id);
  if (!isLooking) lookAround();
}

async function lookAround() {
  isLooking = true;
  await sending;
  while (waiting.size) {
    const ids = [...waiting];
    waiting.clear();
    try {
      if (ids.length > MANY) await lookAtNewest();
      else for (const html of await Promise.all(ids.map((id) => ask(`${room.dataset.room}/messages/${id}`)))) show(draw(html));
    } catch (error) {
      console.debug(error);
    }
  }
  isLooking = false;
}

/** For some readers to look is to have read, so nobody looks while the page is out of sight. */
async function lookAtNewest() {
  isStale = document.hidden;
  if (isStale) return;
  try {
    await sending;
    show(draw(await ask(`${room.dataset.room}?part=messages`)));
  } catch (error) {
    console.debug(error);
  }
}

/** Each bubble in its place: the one it had, or the one that its time gives it. */
function show(elements) {
  const wasAtBottom = isAtBottom();
  let hasNew = false;
  for (const element of elements.filter((one) => one.matches(".bubble"))) {
    const known = bubbleOf(element.dataset.key);
    if (known) { replace(known, element); continue; }
    dress(element);
    insert(element);
    hasNew = true;
  }
  separateDays();
  if (wasAtBottom) toBottom(); else if (hasNew) toNew.hidden = false;
  if (hasNew) markRead();
}

function bubbleOf(key) {
  return bubbles.querySelector(`.bubble[data-key="${CSS.escape(key)}"]`);
}

/** Where its time puts it; drafts stay last. */
function insert(element) {
  const at = Date.parse(element.dataset.at);
  const settled = [...bubbles.querySelectorAll(".bubble:not(.draft)")];
  const before = settled.findLast((one) => Date.parse(one.dataset.at) <= at);
  if (before) before.after(element);
  else if (settled.length) settled[0].before(element);
  else bubbles.prepend(element);
}

async function loadOlder(link) {
  link.ariaBusy = "true";
  try {
    const older = draw(await ask(`${room.dataset.room}?part=messages&page=${link.dataset.older}`));
    const height = scroll.scrollHeight, top = scroll.scrollTop;
    const first = link.closest("li");
    for (const element of older) {
      if (element.matches(".bubble") && bubbleOf(element.dataset.key)) continue;
      dress(element);
      first.before(element);
    }
    first.remove();
    separateDays();
    scroll.scrollTop = top + scroll.scrollHeight - height;
  } catch {
    link.ariaBusy = "false";
  }
}

function separateDays() {
  for (const line of bubbles.querySelectorAll(".day")) line.remove();
  let before = "";
  for (const bubble of bubbles.querySelectorAll(".bubble[data-at]")) {
    const { key, name } = dayOf(new Date(bubble.dataset.at), document.body.dataset);
    if (key !== before) bubble.before(dayLine(name));
    before = key;
  }
}

function dayLine(name) {
  const line = document.createElement("li");
  line.className = "day";
  const words = document.createElement("span");
  words.textContent = name;
  line.append(words);
  return line;
}

function isAtBottom() {
  return scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 90;
}

function toBottom() {
  scroll.scrollTop = scroll.scrollHeight;
  toNew.hidden = true;
}

/** Who reads has read, if the page says that this counts for them. */
function markRead() {
  if (!("marksRead" in room.dataset) || document.hidden) return;
  post(`${room.dataset.room}/read`, form({})).catch((error) => console.debug(error));
}

function form(fields) {
  const body = new FormData();
  for (const [name, value] of Object.entries({ csrfmiddlewaretoken: csrfToken(), ...fields })) body.set(name, value);
  return body;
}

// -- who types ------------------------------------------------------------------------------------------------------
let over = 0;

/** For a bounded time: that they have stopped may never be told. */
function showTyping({ isTyping, name }) {
  const line = document.getElementById("typing");
  clearTimeout(over);
  line.hidden = !isTyping;
  document.querySelector(".room-number")?.toggleAttribute("hidden", isTyping);
  line.querySelector("span").textContent = line.hasAttribute("data-named") && name ? `${name}: ` : "";
  if (isTyping) over = setTimeout(() => showTyping({ isTyping: false }), TYPING);
}

/** A number that is online has no notifications on its phone: it is only while somebody really is here. */
function keepLooking() {
  let active = Date.now();
  const look = () => {
    if (document.hidden || Date.now() - active > IDLE) return;
    post(`${room.dataset.room}/watching`, form({})).catch((error) => console.debug(error));
  };
  for (const event of ["pointermove", "keydown", "scroll"]) {
    addEventListener(event, () => {
      const wasAway = Date.now() - active > IDLE;
      active = Date.now();
      if (wasAway) look();
    }, { capture: true, passive: true });
  }
  document.addEventListener("visibilitychange", () => { active = Date.now(); look(); });
  setInterval(look, LOOK);
  look();
}

let saidAt = 0;
let silence = 0;

/** One after the other, or the word that they have stopped might come first. */
let saying = Promise.resolve();

function sayTyping(typing) {
  clearTimeout(silence);
  if (typing) silence = setTimeout(() => sayTyping(false), SILENCE);
  if (typing ? Date.now() - saidAt < AGAIN : !saidAt) return;
  saidAt = typing ? Date.now() : 0;
  saying = saying.then(() => post(`${room.dataset.room}/typing`, form({ typing }))).catch((error) => console.debug(error));
}

// -- writing --------------------------------------------------------------------------------------------------------
function enableCompose() {
  const field = compose.elements.text;
  field.addEventListener("input", () => { fit(field); sayTyping(Boolean(field.value.trim())); });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    compose.requestSubmit();
  });
  compose.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return;
    sayTyping(false);
    field.value = "";
    fit(field);
    field.focus();
    sendDraft(makeDraft(text), text);
  });
}

function fit(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, 160)}px`;
}

function makeDraft(text) {
  const draft = document.getElementById("draft").content.firstElementChild.cloneNode(true);
  draft.querySelector(".bubble-text").textContent = text;
  draft.querySelector("time").dateTime = draft.dataset.at = new Date().toISOString();
  draft.querySelector(".again").addEventListener("click", () => sendDraft(draft, text));
  dress(draft);
  bubbles.append(draft);
  separateDays();
  toBottom();
  return draft;
}

/** One after the other: what was written first leaves first. */
function sendDraft(draft, text) {
  fail(draft, "");
  sending = sending.then(async () => {
    try {
      const { id, bubble } = await post(compose.action, form({ text }));
      becomes(draft, id, draw(bubble)[0]);
    } catch (error) {
      fail(draft, error.message);
    }
  });
}

/** The draft becomes the real one, which may be here already. */
function becomes(draft, id, bubble) {
  if (bubbleOf(id)) { draft.remove(); separateDays(); return; }
  dress(bubble);
  draft.replaceWith(bubble);
  separateDays();
}

function fail(draft, reason) {
  draft.classList.toggle("failed", Boolean(reason));
  const words = draft.querySelector(".bubble-problem");
  words.textContent = reason;
  words.hidden = draft.querySelector(".again").hidden = !reason;
}

// -- the list -------------------------------------------------------------------------------------------------------
function markCurrentChat() {
  for (const link of document.querySelectorAll("#chats a.chat")) {
    if (new URL(link.href).pathname === location.pathname) link.setAttribute("aria-current", "page");
  }
}

function searchAsTyped() {
  const field = document.querySelector(".search input");
  const list = document.getElementById("chats");
  let pause = 0;
  const search = () => {
    const address = new URL(list.dataset.part, location);
    address.searchParams.set("q", field.value);
    list.dataset.part = address.pathname + address.search;
    list.dispatchEvent(new CustomEvent("stale"));
  };
  field.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(search, 250);
  });
  // What was typed before this script came, or put back by the browser on the way back, is searched as well.
  if (field.value !== field.defaultValue) search();
}
