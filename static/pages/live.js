/**
 * The live connection: one socket a page. What comes through it says that something has changed and not how it is
 * now: whoever hears it asks the server again. While the socket is down, everybody is told to ask every few seconds.
 */

import { whenReleased } from "./press.js";

const PATIENCE = 30_000;
/** Seconds between two questions without a socket, unless a part of the page is in more of a hurry. */
const POLL = 5;
const PING = 25_000;
/** A socket that is down for less is not worth a word. */
const GRACE = 2_000;

/** The part of the page that a message is about, by its type. */
const TOPICS = {
  "session.changed": "session", "session.created": "session", "session.challenge": "challenge",
  "message.new": "chat", "chat.changed": "chat", "message.status": "message", "message.reaction": "message",
  "chat.typing": "typing", "message.lost": "log", "webhook.disabled": "log",
  snapshot: "everything",
};

const listeners = new Set();
let socket = null;
let attempts = 0;
let answered = 0;
let retry = 0;
let poll = 0;
let grace = 0;
let noted = "";

/** Call `listener(topic, sessionId, message)` for every change; the topic "everything" is about all of them. */
export function hear(listener) {
  listeners.add(listener);
}

/** Connect, and stay so. */
export function stayConnected() {
  connect();
  setInterval(ping, PING);
  addEventListener("online", connectNow);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !isOpen()) { connectNow(); tell("everything"); }
  });
}

/** For guests, whom the socket does not know: ask every few seconds. */
export function askAlone() {
  askAgain();
}

function isOpen() {
  return socket?.readyState === WebSocket.OPEN;
}

function connectNow() {
  if (isOpen() || socket?.readyState === WebSocket.CONNECTING) return;
  attempts = 0;
  connect();
}

function connect() {
  clearTimeout(retry);
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/whatsapp/`);
  socket = mine;
  mine.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  mine.addEventListener("close", () => { if (socket === mine) lost(); });
}

function receive(message) {
  answered = Date.now();
  if (message.type === "snapshot") isUp();
  const topic = TOPICS[message.type];
  if (topic) tell(topic, sessionOf(message), message);
}

function sessionOf(message) {
  return message.session?.id ?? message.challenge?.sessionId ?? message.chat?.sessionId ?? message.sessionId ?? "";
}

function tell(topic, session = "", message = {}) {
  for (const listener of listeners) listener(topic, session, message);
}

function isUp() {
  attempts = 0;
  clearTimeout(grace);
  clearTimeout(poll);
  grace = poll = 0;
  note("");
}

/** Try again, each time later, and never all pages at the same moment. */
function lost() {
  const pause = Math.min(PATIENCE, 500 * 2 ** attempts) * (0.7 + Math.random() * 0.6);
  attempts += 1;
  retry = setTimeout(connect, pause);
  grace ||= setTimeout(goWithout, GRACE);
}

function goWithout() {
  note(document.body.dataset.liveDown);
  clearTimeout(poll);
  askAgain();
}

function askAgain() {
  if (!document.hidden) tell("everything");
  const hurried = document.querySelector("[data-every]:not(:has([data-over]))");
  poll = setTimeout(askAgain, (Number(hurried?.dataset.every) || POLL) * 1_000);
}

/** A connection can be gone without anybody saying so. */
function ping() {
  if (!isOpen()) return;
  const mine = socket, asked = Date.now();
  mine.send('{"type": "ping"}');
  setTimeout(() => {
    if (socket !== mine || answered >= asked) return;
    mine.close();
    socket = null;
    lost();
  }, 10_000);
}

/** It stands above everything, and moves all of it. */
async function note(text) {
  noted = text;
  await whenReleased();
  const line = document.getElementById("live-note");
  line.hidden = !noted;
  line.textContent = noted;
}
