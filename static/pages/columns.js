/** A table of check boxes: one more box above each column ticks all of it, or none. */

for (const form of document.querySelectorAll("[data-columns]")) {
  if (form.querySelectorAll("tbody tr").length < 2) continue;
  for (const head of form.querySelectorAll("th[data-column]")) enhance(form, head);
}

function enhance(form, head) {
  const boxes = [...form.querySelectorAll(`input[name="${head.dataset.column}"]`)];
  const label = document.createElement("label");
  const whole = document.createElement("input");
  label.className = "check";
  whole.type = "checkbox";
  label.append(whole, head.textContent);
  head.replaceChildren(label);
  const look = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    whole.checked = ticked === boxes.length;
    whole.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  whole.addEventListener("change", () => { for (const box of boxes) box.checked = whole.checked; });
  form.addEventListener("change", look);
  look();
}
