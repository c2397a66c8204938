/**
 * Whether somebody is pressing on something. A click begins and ends on one element: if that is replaced or moved in
 * the tenth of a second between, nothing was clicked. So what comes meanwhile is shown a moment later.
 */

/** Milliseconds after which a press is no click any more, but the selection of a text. */
const PATIENCE = 3_000;
let release = null;
let released = null;

addEventListener("pointerdown", () => {
  released ||= new Promise((done) => { release = done; });
}, true);
for (const end of ["pointerup", "pointercancel", "dragend"]) addEventListener(end, over, true);
addEventListener("blur", over); // the window's, not its elements'

function over() {
  const done = release;
  released = release = null;
  if (done) setTimeout(done); // the click itself comes after this
}

/** Resolves when nothing is pressed. */
export async function whenReleased() {
  if (released) await Promise.race([released, new Promise((done) => setTimeout(done, PATIENCE))]);
}
