/** What every page runs. */

import { enhanceForms } from "./forms.js";
import { askAlone, stayConnected } from "./live.js";
import { dress, keepCounting } from "./moments.js";
import { followParts, refreshParts, remember } from "./parts.js";

// Before times are written: what the server drew is compared with what it draws later.
remember(document.querySelectorAll("[data-key]"));
followParts();
dress(document);
keepCounting();
enhanceForms(refreshParts);
if (document.querySelector("[data-alone]")) askAlone();
else if (document.querySelector("[data-part], [data-live]")) stayConnected();

// A page that is there to start something presses its own button, once.
const eager = document.querySelector("[data-press]");
if (eager) document.querySelector(eager.dataset.press)?.click();

// On a phone the menu is longer than the screen is wide.
document.querySelector(".top-nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest", behavior: "instant" });
