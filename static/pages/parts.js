/**
 * Parts of a page that follow what happens. The server draws them, at first and ever after: a part that hears of a
 * change asks for itself again, and replaces those of its keyed children that are drawn differently now.
 *
 *   data-part    where to ask         data-hears   the topics that concern it
 *   data-of      the session it is about (none: all of them)
 *   data-every   seconds between two questions while there is no socket, as long as nothing in it is `data-over`
 *   data-renew   seconds after which it asks again by itself, for what no message tells
 *   data-trouble what to show as long as asking fails
 */

import { hear } from "./live.js";
import { dress } from "./moments.js";
import { isUnderWay } from "./forms.js";
import { whenReleased } from "./press.js";

/** What the server drew last, by element: the page itself has changed since, as times count on. */
const drawn = new WeakMap();
/** A form's token is another one each time, and means the same. */
const TOKEN = /name="csrfmiddlewaretoken" value="\w+"/g;
/** Milliseconds after which what could not be asked is asked again. */
const RETRY = 3_000;
const parts = [];

export function followParts() {
  for (const element of document.querySelectorAll("[data-part]")) parts.push(new Part(element));
  hear((topic, session) => {
    for (const part of parts) if (part.isConcernedBy(topic, session)) part.refresh();
  });
}

export function refreshParts() {
  for (const part of parts) part.refresh();
}

export function say(text) {
  document.getElementById("announcer").textContent = text;
}

/** Ask for a piece of HTML, to show it at once. Whoever may not have it any more is shown why, by the page itself. */
export async function ask(address) {
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  const gone = response.redirected || [401, 403, 404].includes(response.status);
  if (gone && !isUnderWay()) location.reload();
  if (gone || !response.ok) throw new Error(`${address}: ${response.status}`);
  const html = await response.text();
  await whenReleased();
  return html;
}

/** Note what the server drew, before anything changes it. */
export function remember(elements) {
  for (const element of elements) drawn.set(element, element.outerHTML.replace(TOKEN, ""));
}

/** The elements that `html` draws, not yet in the page. */
export function draw(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const elements = [...template.content.children];
  remember(elements);
  return elements;
}

/** Put `after` in the place of `before`, unless they are drawn alike. What somebody has typed or opened stays. */
export function replace(before, after) {
  if (drawn.get(before) === drawn.get(after)) return before;
  const finish = carryOver(before, after);
  before.replaceWith(after);
  dress(after);
  finish();
  if (after.dataset.say && after.dataset.say !== before.dataset.say) say(after.dataset.say);
  return after;
}

class Part {
  #element;
  #isAsking = false;
  #askAgain = false;
  #retry = 0;

  constructor(element) {
    this.#element = element;
    element.addEventListener("stale", () => this.refresh());
    const seconds = Number(element.dataset.renew);
    if (seconds) setInterval(() => { if (!document.hidden) this.refresh(); }, seconds * 1_000);
  }

  isConcernedBy(topic, session) {
    if (topic === "everything") return true;
    const { hears, of } = this.#element.dataset;
    return hears.split(" ").includes(topic) && (!of || of === session);
  }

  /** Many changes at once are one question, and one more for those that come while it is asked. */
  async refresh() {
    if (this.#isAsking) { this.#askAgain = true; return; }
    this.#isAsking = true;
    try {
      do {
        this.#askAgain = false;
        this.#show(draw(await ask(this.#element.dataset.part)));
      } while (this.#askAgain);
      this.#isInTrouble(false);
    } catch (error) {
      // With a socket nobody else might ask again: what has changed is told once.
      console.debug(error);
      await whenReleased();
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.refresh(), RETRY);
      this.#isInTrouble(true);
    } finally {
      this.#isAsking = false;
    }
  }

  #isInTrouble(is) {
    const note = document.querySelector(this.#element.dataset.trouble || null);
    if (note) note.hidden = !is;
  }

  #show(fresh) {
    const before = new Map([...this.#element.children].map((child) => [child.dataset.key, child]));
    let place = null;
    for (const element of fresh) {
      const known = before.get(element.dataset.key);
      before.delete(element.dataset.key);
      const now = known ? replace(known, element) : element;
      const next = place ? place.nextElementSibling : this.#element.firstElementChild;
      if (now !== next) this.#element.insertBefore(now, next);
      if (!known) { dress(now); if (now.dataset.say) say(now.dataset.say); }
      place = now;
    }
    for (const element of before.values()) element.remove();
    this.#element.dispatchEvent(new CustomEvent("shown"));
  }
}

/** Keep what a person has typed and opened and where they are; returns what is left to do once `after` is in the page. */
function carryOver(before, after) {
  for (const field of before.querySelectorAll("input[id]:not([readonly]), textarea[id]")) {
    const other = after.querySelector(`#${CSS.escape(field.id)}`);
    if (other) other.value = field.value;
  }
  const details = after.querySelectorAll("details");
  before.querySelectorAll("details").forEach((each, n) => { if (details[n]) details[n].open = each.open; });
  const active = before.contains(document.activeElement) ? document.activeElement : null;
  const name = active && (active.id ? `#${CSS.escape(active.id)}` : sameTarget(active));
  return () => { if (name) after.querySelector(name)?.focus({ preventScroll: true }); };
}

function sameTarget(element) {
  for (const attribute of ["formaction", "href"]) {
    const value = element.getAttribute(attribute);
    if (value) return `[${attribute}="${CSS.escape(value)}"]`;
  }
  return "";
}
