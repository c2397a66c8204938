// Keeps a list of the admin fresh: fetches the page again every few seconds and puts its table in place.
// Not while rows are ticked or the page is hidden: nothing may move under somebody's hands.
const EVERY = 4000;

async function refresh() {
  const table = document.querySelector("#result_list");
  if (!table || document.hidden || table.querySelector("input.action-select:checked")) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("#result_list tbody") ?? page.querySelector("#result_list");
  const old = table.querySelector("tbody") ?? table;
  if (fresh && old.innerHTML !== fresh.innerHTML && !table.querySelector("input.action-select:checked")) {
    old.replaceWith(document.importNode(fresh, true));
  }
}

setInterval(() => refresh().catch(() => {}), EVERY);
