/**
 * Whether somebody is pressing on something. A click begins and ends on one element: if that is replaced or moved in
 * the tenth of a second between, nothing was clicked. So what comes meanwhile is shown a moment later.
 */

/** Milliseconds after which a press is no click any more: a text is being selected, or the end went elsewhere. */
const PATIENCE = 3_000;
let released = null;
let release = null;
let timer = 0;

addEventListener("pointerdown", (event) => {
  if (event.button || released) return;
  released = new Promise((done) => { release = done; });
  timer = setTimeout(over, PATIENCE);
}, true);
for (const end of ["pointerup", "pointercancel", "dragend"]) addEventListener(end, over, true);
addEventListener("blur", over); // the window's, not its elements'

function over() {
  if (!released) return;
  clearTimeout(timer);
  setTimeout(release); // the click itself comes after this
  released = release = null;
}

/** Resolves when nothing is pressed. */
export async function whenReleased() {
  await released;
}
