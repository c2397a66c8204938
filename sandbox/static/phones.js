// The list of phones, and the form that makes one.

import { post } from "./api.js";
import { face, form, h, shown } from "./dom.js";
import { words } from "./words.js";

export function phoneList(state, open, changed) {
  const children = [create(open, changed), h("h3", { class: "heading" }, words.phones)];
  if (state.phones.length) children.push(h("ul", { class: "list" }, state.phones.map((phone) => entry(state, phone, open))));
  else children.push(h("p", { class: "empty" }, h("strong", {}, words.noPhones), words.noPhonesHelp));
  return h("div", { class: "stack" }, ...children);
}

function entry(state, phone, open) {
  const online = phone.linkedDevices.filter((device) => device.online).length;
  const devices = phone.linkedDevices.length ? `${words.devices}: ${online}/${phone.linkedDevices.length}` : words.noDevices;
  return h("li", {}, h("button", { class: "entry", type: "button", "aria-current": String(phone.number === state.number),
    onclick: () => open(phone.number) },
  face(phone.name),
  h("span", { class: "who" }, h("strong", {}, phone.name), h("span", { class: "small soft" }, shown(phone.number)),
    h("span", { class: "small soft" }, h("span", { class: online ? "dot on" : "dot", "aria-hidden": "true" }), " ", devices)),
  phone.unread ? h("span", { class: "count" }, String(phone.unread)) : null));
}

function create(open, changed) {
  return form({ class: "card stack", id: "create" }, async (element) => {
    const made = await post("phones", { number: element.number.value, name: element.name_.value || null });
    element.reset();
    await changed();
    open(made.number);
  },
  h("h3", {}, words.newPhone),
  h("label", {}, words.number, h("input", { name: "number", type: "tel", required: true, placeholder: words.numberHint, autocomplete: "off" })),
  h("label", {}, words.name, h("input", { name: "name_", maxlength: "100", autocomplete: "off" })),
  h("button", {}, words.create));
}
