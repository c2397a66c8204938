// Fields that look things up as one types (select2) are announced by the words that stand beside them, and by no others.
function name(select) {
  const shown = select.parentElement.querySelector(".select2-selection:not([data-named])");
  const label = document.querySelector(`label[for="${CSS.escape(select.id)}"]`);
  if (!shown || !label) return;
  shown.dataset.named = "";
  label.id ||= `${select.id}-label`;
  const value = shown.querySelector(".select2-selection__rendered");
  value.setAttribute("aria-labelledby", label.id);
  shown.setAttribute("aria-labelledby", `${label.id} ${value.id}`);
}

// They come up at some time after the page, and again with each row that is added.
new MutationObserver(() => document.querySelectorAll("select.admin-autocomplete").forEach(name))
  .observe(document, { childList: true, subtree: true });
