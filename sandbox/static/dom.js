// Elements out of plain words; text is always text, never HTML.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function toast(text, bad = false) {
  const shown = h("div", { class: bad ? "toast bad" : "toast" }, text);
  document.getElementById("toasts").append(shown);
  setTimeout(() => shown.remove(), bad ? 7000 : 3500);
}

// A form whose button rests while its work is done, and whose failures are said.
export function form(attributes, work, ...children) {
  return h("form", { ...attributes, onsubmit: async (event) => {
    event.preventDefault();
    const buttons = [...event.target.querySelectorAll("button")];
    buttons.forEach((button) => { button.disabled = true; });
    try { await work(event.target); } catch (error) { toast(error.message, true); }
    finally { buttons.forEach((button) => { button.disabled = false; }); }
  } }, ...children);
}

export function act(work) {
  return async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try { await work(event); } catch (error) { toast(error.message, true); }
    finally { button.disabled = false; }
  };
}

export function asDataUrl(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
}

export const face = (name) => h("span", { class: "face", "aria-hidden": "true" }, [...(name || "?")][0].toUpperCase());
export const shown = (number) => (/^\d+$/.test(number) ? `+${number}` : number);
