/**
 * Forms and buttons, sent without leaving the page. Each works without this too: it is an ordinary form or link.
 *
 *   data-deed    on a form, or on a button of the form #deeds: send it from here
 *   data-go      on a form: afterwards go where the answer says
 *   data-dialog  on a link to a page with one form: show the form in a dialog
 *   data-busy    on a button: what it is called while its form is being sent
 *   data-invalid on a field: what is said beside it instead of the browser's own words
 *   data-copy    on a button: what to copy; data-copied is what is said then
 */

let underWay = 0;
/** Where a sentence waits for the page that somebody is sent to. */
const SAID = "said";

/** Whether something is being sent: what has gone missing meanwhile may be its doing. */
export function isUnderWay() {
  return underWay > 0;
}

export function csrfToken() {
  return document.querySelector("#deeds input[name=csrfmiddlewaretoken]")?.value ?? "";
}

/** Send `body` and return the answer. Throws an Error with words for people. */
export async function post(address, body) {
  underWay += 1;
  try {
    const response = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
    // The log-in has ended: its page says so, and leads back to this one.
    if (response.redirected) location.assign(response.url);
    const answer = await response.json().catch(() => null);
    if (!response.ok || !answer) throw new Error(answer?.message || document.body.dataset.failed);
    return answer;
  } catch (error) {
    throw error instanceof TypeError ? new Error(document.body.dataset.failed) : error;
  } finally {
    underWay -= 1;
  }
}

export function toast(text, kind = "success", pause = 6_000) {
  if (!text) return;
  const note = document.createElement("p");
  note.className = `note ${kind}`;
  note.textContent = text;
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), pause);
}

/** `changed` is called after everything that was done. */
export function enhanceForms(changed) {
  toast(sessionStorage.getItem(SAID));
  sessionStorage.removeItem(SAID);
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (!form.matches("[data-deed]") && !submitter?.matches("[data-deed]")) return;
    event.preventDefault();
    send(form, submitter, changed);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); openSheet(link.href); }
    if (event.target.closest("dialog [data-close]")) { event.preventDefault(); sheet().close(); }
    if (event.target === sheet()) sheet().close();
    const copier = event.target.closest("[data-copy]");
    if (copier) copy(document.querySelector(copier.dataset.copy), copier.dataset.copied);
    closeMenus(event.target);
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeMenus(document.body); });
  document.addEventListener("invalid", explain, { capture: true });
}

function explain(event) {
  const field = event.target, problem = field.form?.querySelector("[data-error]");
  if (!field.dataset.invalid || !problem) return;
  event.preventDefault();
  problem.textContent = field.dataset.invalid;
  problem.hidden = false;
  field.focus();
}

async function send(form, submitter, changed) {
  const address = submitter?.hasAttribute("formaction") ? submitter.formAction : form.action;
  const problem = form.querySelector("[data-error]");
  const body = new FormData(form, submitter);
  const name = submitter?.textContent;
  if (submitter) submitter.disabled = true;
  if (submitter?.dataset.busy) submitter.textContent = submitter.dataset.busy;
  try {
    const answer = await post(address, body);
    if (problem) problem.hidden = true;
    if (form.hasAttribute("data-go") && new URL(answer.url, location).pathname !== location.pathname) {
      // Until the next page is there, what has gone missing from this one is that deed's doing too.
      underWay += 1;
      if (answer.message) sessionStorage.setItem(SAID, answer.message);
      location.assign(answer.url);
      return;
    }
    if (sheet().open) sheet().close();
    toast(answer.message);
    changed();
  } catch (error) {
    if (problem) { problem.textContent = error.message; problem.hidden = false; } else toast(error.message, "error");
  } finally {
    if (submitter?.dataset.busy) submitter.textContent = name;
    if (submitter) submitter.disabled = false;
  }
}

function sheet() {
  return document.getElementById("sheet");
}

async function openSheet(address) {
  const asked = new URL(address);
  asked.searchParams.set("part", "form");
  const response = await fetch(asked).catch(() => null);
  // Whatever it is that is not the form, the page itself explains.
  if (!response?.ok || response.redirected) { location.assign(address); return; }
  sheet().innerHTML = await response.text();
  sheet().setAttribute("aria-label", sheet().querySelector("h1").textContent);
  sheet().showModal();
  sheet().querySelector("[autofocus]")?.select?.();
}

function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}

async function copy(source, said = document.body.dataset.copied) {
  const text = source.value ?? source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS there is no clipboard: select it, the rest is a keystroke.
    if (source.select) source.select(); else getSelection().selectAllChildren(source);
    if (!document.execCommand("copy")) return;
  }
  toast(said, "success", 3_000);
}
