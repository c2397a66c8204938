// Linking a device: by its QR, as text or picture, or by the code it shows.

import { post } from "./api.js";
import { act, asDataUrl, form, h, toast } from "./dom.js";
import { words } from "./words.js";

export function devices(phone, changed) {
  if (!phone.linkedDevices.length) return h("span", { class: "small soft" }, words.noDevices);
  return h("div", { class: "row" }, phone.linkedDevices.map((device) => h("span", { class: "device" },
    h("span", { class: device.online ? "dot on" : "dot", "aria-hidden": "true" }),
    `${device.platform || words.device} ${device.device}`,
    h("span", { class: "soft" }, device.online ? words.online : words.away),
    h("button", { type: "button", class: "danger", onclick: act(async () => {
      if (!confirm(words.unlinkSure)) return;
      await post(`phones/${phone.number}/unlink`, { device: device.device });
      await changed();
    }) }, words.unlink))));
}

export function linking(phone, open, changed) {
  return h("details", { class: "link", open },
    h("summary", {}, words.link),
    h("div", { class: "ways" }, byQR(phone, changed), byCode(phone, changed)));
}

async function linked(work, changed) {
  const { device } = await work;
  toast(`${words.linked} ${device}`);
  const panel = document.querySelector("details.link");
  panel.querySelectorAll("form").forEach((element) => element.reset());
  panel.open = false;
  await changed();
}

function byQR(phone, changed) {
  const scan = (qr) => linked(post(`phones/${phone.number}/scan`, { qr }), changed);
  const scanFile = async (file) => { try { await scan(await asDataUrl(file)); } catch (error) { toast(error.message, true); } };
  const picked = h("input", { type: "file", accept: "image/*", hidden: true, onchange: () => picked.files[0] && scanFile(picked.files[0]) });
  const area = form({ class: "drop stack", id: "scan" }, async (element) => { await scan(element.qr.value.trim()); },
    h("strong", {}, words.scan),
    h("p", { class: "small soft" }, words.scanHelp),
    h("label", {}, words.scanText, h("textarea", { name: "qr", rows: "2", required: true, spellcheck: "false" })),
    h("div", { class: "row" }, h("button", {}, words.scanGo),
      h("button", { type: "button", class: "quiet", onclick: () => picked.click() }, words.upload), picked));
  const image = (transfer) => [...(transfer?.files || [])].find((file) => file.type.startsWith("image/"));
  area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    if (image(event.dataTransfer)) scanFile(image(event.dataTransfer));
  });
  area.addEventListener("paste", (event) => {
    if (!image(event.clipboardData)) return;
    event.preventDefault();
    scanFile(image(event.clipboardData));
  });
  return area;
}

function byCode(phone, changed) {
  return form({ class: "drop stack", id: "pair" }, async (element) => {
    await linked(post(`phones/${phone.number}/pair`, { code: element.code.value }), changed);
  },
  h("strong", {}, words.code),
  h("p", { class: "small soft" }, words.codeHelp),
  h("input", { name: "code", class: "code", required: true, maxlength: "11", placeholder: "ABCD-EFGH", "aria-label": words.code,
    autocomplete: "off", spellcheck: "false" }),
  h("div", { class: "row" }, h("button", {}, words.codeGo)));
}
