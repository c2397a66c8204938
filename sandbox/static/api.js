// The control API.

import { words } from "./words.js";

export class Refused extends Error {
  constructor(code, message) { super(words.errors[code] || message); this.code = code; }
}

async function ask(path, options) {
  let answer, body;
  try {
    answer = await fetch(path, options);
    body = await answer.json();
  } catch { throw new Refused("network", ""); }
  if (!answer.ok) throw new Refused(body.code, body.message);
  return body;
}

export const get = (path) => ask(path);
export const post = (path, body = {}) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
