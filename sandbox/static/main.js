// Keeps what is shown in step with the sandbox: one long poll tells when to look again.

import { get } from "./api.js";
import { h } from "./dom.js";
import { devices, linking } from "./linking.js";
import { phoneList } from "./phones.js";
import { chat, peerList, peersOf } from "./talk.js";
import { language, switchLanguage, words } from "./words.js";

const state = { phones: [], groups: [], messages: [], number: "", peer: "", drafts: new Map() };
const byId = (id) => document.getElementById(id);

function open(number) { location.hash = number ? `#/${number}` : ""; }

async function refresh() {
  [state.phones, state.groups] = await Promise.all([get("phones"), get("groups")]);
  if (state.number && !state.phones.some((phone) => phone.number === state.number)) open("");
  await refreshMessages();
}

async function refreshMessages() {
  const number = state.number;
  const messages = number ? (await get(`phones/${number}/inbox?limit=500`)).messages : [];
  if (number !== state.number) return;
  state.messages = messages;
  if (!state.peer) state.peer = peersOf(state)[0]?.peer || "";
  draw();
}

// A press of which the half is done: what it began on must be there when it ends, or it is no click.
const press = { isDown: false, isDue: false, patience: 3000, timer: 0 };

// Redrawing keeps what a person is in the middle of: focus, typed text, what is open, where the thread stands.
function draw() {
  press.isDue = press.isDown;
  if (press.isDown) return;
  const kept = remember();
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = words[element.dataset.word];
  document.title = `${words.title} · ${words.mark}`;
  byId("phones").setAttribute("aria-label", words.phones);
  byId("language").textContent = words.otherLanguage;
  byId("language").title = words.language;
  byId("phones").replaceChildren(phoneList(state, open, refresh));
  byId("phone").replaceChildren(...phoneView());
  document.body.classList.toggle("inside", Boolean(state.number));
  restore(kept);
}

function phoneView() {
  const phone = state.phones.find((one) => one.number === state.number);
  if (!phone) return [h("p", { class: "empty" }, h("strong", {}, words.choose), words.chooseHelp)];
  const choose = (peer) => { state.peer = peer; draw(); byId("write")?.elements.text.focus(); };
  return [
    h("div", { class: "head" },
      h("div", { class: "row" }, h("button", { type: "button", class: "quiet back", onclick: () => open("") }, words.back),
        h("h2", {}, phone.name), h("span", { class: "soft" }, `+${phone.number}`), h("span", { class: "spacer" }), devices(phone, refresh)),
      linking(phone, !phone.linkedDevices.length && !state.messages.length, refresh)),
    h("div", { class: "talk" }, h("div", { class: "peers" }, peerList(state, choose)), chat(state, refresh)),
  ];
}

function remember() {
  const active = document.activeElement;
  const thread = document.querySelector(".thread");
  const typed = [...document.querySelectorAll("form")].flatMap((element) => [...element.elements]
    .filter((field) => field.name && field.type !== "file" && field.name !== "text").map((field) => [element.id, field.name, field.value]));
  return {
    focus: active?.form && active.name ? [active.form.id, active.name, active.selectionStart, active.selectionEnd] : null,
    typed, number: draw.number, peer: draw.peer, panel: document.querySelector("details.link")?.open, picks: openPicks(),
    bottom: !thread || thread.scrollHeight - thread.scrollTop - thread.clientHeight < 40, top: thread?.scrollTop || 0,
  };
}

function restore(kept) {
  const same = kept.number === state.number;
  for (const [formId, name, value] of kept.typed) {
    const field = byId(formId)?.elements[name];
    if (field && value && (same || formId === "create")) field.value = value;
  }
  const panel = document.querySelector("details.link");
  if (panel && same && kept.panel !== undefined) panel.open = kept.panel;
  if (same && kept.peer === state.peer) kept.picks.forEach(reopen);
  const thread = document.querySelector(".thread");
  if (thread) thread.scrollTop = kept.bottom || !same || kept.peer !== state.peer ? thread.scrollHeight : kept.top;
  [draw.number, draw.peer] = [state.number, state.peer];
  const field = kept.focus && byId(kept.focus[0])?.elements[kept.focus[1]];
  if (field) {
    field.focus();
    try { field.setSelectionRange(kept.focus[2], kept.focus[3]); } catch { /* not a field with a caret */ }
  }
}

// Of each message whose emoji are on offer: its id, and which of its buttons has the focus, -1 for none.
function openPicks() {
  return [...document.querySelectorAll("details.pick[open]")].map((pick) =>
    [pick.dataset.of, [...pick.querySelectorAll("summary, button")].indexOf(document.activeElement)]);
}

function reopen([id, focused]) {
  const pick = document.querySelector(`details.pick[data-of="${CSS.escape(id)}"]`);
  if (!pick) return;
  pick.open = true;
  pick.querySelectorAll("summary, button")[focused]?.focus();
}

function release() {
  clearTimeout(press.timer);
  press.isDown = false;
  if (press.isDue) setTimeout(draw);  // after the click
}

async function follow() {
  let next = null;
  for (;;) {
    try {
      const first = next === null;
      const news = await get(first ? "events" : `events?after=${next}&wait=25`);
      next = news.next;
      if (first || news.events.length) await refresh();
      byId("status").textContent = "";
    } catch {
      byId("status").textContent = words.offline;
      next = null;
      await new Promise((again) => setTimeout(again, 1500));
    }
  }
}

function route() {
  const number = location.hash.replace(/^#\//, "");
  if (number !== state.number) Object.assign(state, { number, peer: "", messages: [] });
  if (!number) draw();
  refreshMessages().catch(() => {});
}

addEventListener("pointerdown", (event) => {
  if (event.button) return;
  press.isDown = true;
  clearTimeout(press.timer);
  press.timer = setTimeout(release, press.patience);  // whose end went elsewhere
}, true);
for (const end of ["pointerup", "pointercancel", "dragend"]) addEventListener(end, release, true);
addEventListener("blur", release);  // the window's, not its elements'
byId("language").addEventListener("click", () => { switchLanguage(); draw(); });
window.addEventListener("hashchange", route);
route();
follow();
