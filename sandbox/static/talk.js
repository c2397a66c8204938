// Conversations of one phone: who there is to talk to, what was said, and the line to write on.

import { post } from "./api.js";
import { act, asDataUrl, face, form, h, shown } from "./dom.js";
import { language, words } from "./words.js";

const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
// Milliseconds between two words about typing, and until silence counts as having stopped.
const SAY = 3000, PAUSE = 5000;

export function peersOf(state) {
  const peers = new Map();
  for (const message of state.messages) {
    const known = peers.get(message.peer) || { peer: message.peer, unread: 0 };
    known.last = message;
    if (!message.fromMe && !message.read) known.unread += 1;
    peers.set(message.peer, known);
  }
  if (state.peer && !peers.has(state.peer)) peers.set(state.peer, { peer: state.peer, unread: 0, last: null });
  return [...peers.values()].sort((a, b) => (b.last?.seq ?? Infinity) - (a.last?.seq ?? Infinity));
}

export const nameOf = (state, peer) =>
  state.phones.find((phone) => phone.number === peer)?.name || state.groups.find((group) => group.jid === peer)?.subject || shown(peer);

export function peerList(state, choose) {
  const list = h("ul", { class: "list" }, peersOf(state).map(({ peer, last, unread }) => h("li", {},
    h("button", { class: "entry", type: "button", "aria-current": String(peer === state.peer), onclick: () => choose(peer) },
      face(nameOf(state, peer)),
      h("span", { class: "who" }, h("strong", {}, nameOf(state, peer)), h("span", { class: "small soft last" }, last ? summary(last) : "")),
      unread ? h("span", { class: "count" }, String(unread)) : null))));
  return h("div", { class: "stack" }, h("h3", {}, words.startChat), start(state, choose), list);
}

function start(state, choose) {
  const known = [...state.phones.filter((phone) => phone.number !== state.number).map((phone) => [phone.number, phone.name]),
    ...state.groups.filter((group) => group.members.includes(state.number)).map((group) => [group.jid, group.subject])];
  return form({ class: "row", id: "start" }, async (element) => {
    const to = element.to.value.trim();
    element.reset();
    choose(to.endsWith("@g.us") ? to : to.replace(/[\s+()-]/g, ""));
  },
  h("input", { name: "to", list: "known", required: true, placeholder: words.toHint, "aria-label": words.startChat, autocomplete: "off" }),
  h("datalist", { id: "known" }, known.map(([value, name]) => h("option", { value }, name))));
}

const summary = (message) => (message.fromMe ? `${words.you}: ` : "") + content(message);

function content(message) {
  if (message.kind === "text") return message.text;
  const kind = words.kinds[message.kind] || words.kinds.other;
  return message.text ? `${kind}: ${message.text}` : kind;
}

export function chat(state, changed) {
  if (!state.peer) {
    const nobody = !state.messages.length;
    return h("p", { class: "empty" }, h("strong", {}, nobody ? words.noChats : words.conversations), words.noChatsHelp);
  }
  const messages = state.messages.filter((message) => message.peer === state.peer);
  const unread = messages.filter((message) => !message.fromMe && !message.read).map((message) => message.id);
  return h("div", { class: "chat" },
    h("div", { class: "chat-head" },
      h("span", { class: "who" }, h("strong", {}, nameOf(state, state.peer)),
        h("span", { class: "small soft", role: "status" }, whoTypes(state) || shown(state.peer))),
      unread.length ? h("button", { type: "button", class: "quiet", id: "read", onclick: act(async () => {
        await post(`phones/${state.number}/read`, { ids: unread });
        await changed();
      }) }, words.markRead) : null),
    h("div", { class: "thread", tabindex: "0", "aria-label": words.conversations },
      messages.length ? messages.map((message) => bubble(state, message, changed)) : h("p", { class: "empty" }, words.noMessages)),
    composer(state, changed));
}

const TICKS = { sent: "✓", delivered: "✓✓", read: "✓✓", played: "✓✓" };

function whoTypes(state) {
  const phone = state.phones.find((one) => one.number === state.number);
  const writers = (phone?.typing || []).filter((one) => one.peer === state.peer).map((one) => nameOf(state, one.by));
  return writers.length ? `${writers.join(", ")} ${words.types}` : "";
}

function reactions(state, message, changed) {
  const mine = message.reactions.find((one) => one.from === state.number)?.emoji;
  const put = (emoji) => act(async () => {
    await post(`phones/${state.number}/react`, { id: message.id, emoji: emoji === mine ? "" : emoji });
    await changed();
  });
  return h("span", { class: "reactions" },
    message.reactions.map((one) => h("span", { class: "reaction", title: nameOf(state, one.from) }, one.emoji)),
    h("details", { class: "pick", "data-of": message.id }, h("summary", { title: words.react, "aria-label": words.react }, "☺"),
      h("span", { class: "row" }, EMOJI.map((emoji) => h("button", { type: "button", class: "quiet", "aria-pressed": String(emoji === mine),
        onclick: put(emoji) }, emoji)))));
}

function bubble(state, message, changed) {
  const at = new Date(message.at);
  const time = at.toLocaleString(language, { hour: "2-digit", minute: "2-digit", day: "numeric", month: "short" });
  return h("div", { class: `bubble${message.fromMe ? " mine" : ""}${!message.fromMe && !message.read ? " new" : ""}` },
    message.group && !message.fromMe ? h("span", { class: "author" }, nameOf(state, message.from)) : null,
    content(message),
    h("span", { class: "foot" }, h("time", { datetime: message.at }, time),
      message.fromMe ? h("span", { class: `tick ${message.status}`, title: words[message.status] || "",
        "aria-label": words[message.status] || "" }, TICKS[message.status] || "") : null),
    reactions(state, message, changed));
}

// What somebody writes here is told while they write; of one conversation at a time.
const said = { to: "", from: "", at: 0, pause: 0 };

function saysTyping(state, typing) {
  if (typing && said.to === state.peer && Date.now() - said.at < SAY) { again(state); return; }
  if (!typing && !said.to) return;
  const to = typing ? state.peer : said.to, from = typing ? state.number : said.from;
  Object.assign(said, typing ? { to, from, at: Date.now() } : { to: "", from: "", at: 0 });
  clearTimeout(said.pause);
  if (typing) again(state);
  post(`phones/${from}/typing`, { to, typing }).catch(() => {});
}

function again(state) {
  clearTimeout(said.pause);
  said.pause = setTimeout(() => saysTyping(state, false), PAUSE);
}

function composer(state, changed) {
  const line = h("textarea", { name: "text", rows: "1", required: true, placeholder: words.write, "aria-label": words.write });
  line.value = state.drafts.get(state.peer) || "";
  line.addEventListener("input", () => { state.drafts.set(state.peer, line.value); saysTyping(state, Boolean(line.value)); });
  line.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    line.form.requestSubmit();
  });
  const send = async (more) => {
    const [to, text] = [state.peer, line.value];
    await post(`phones/${state.number}/send`, { to, ...(text ? { text } : {}), ...more });
    state.drafts.delete(to);
    line.value = "";  // before the page is drawn anew
    saysTyping(state, false);
    await changed();
  };
  const picked = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": words.attach, onchange: act(async () => {
    if (picked.files[0]) await send({ image: await asDataUrl(picked.files[0]) });
  }) });
  return form({ class: "write", id: "write" }, () => send({}), picked,
    h("button", { type: "button", class: "quiet", title: words.attach, "aria-label": words.attach, onclick: () => picked.click() }, "+"),
    line, h("button", {}, words.send));
}
