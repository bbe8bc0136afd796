// A button of the list acts at once, on the page as the shop has it: what was typed and not saved would go without a word.
"use strict";

function isTyped(field) {
  if (field.type === "file") return field.files.length > 0;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.type !== "hidden" && "defaultValue" in field && field.value !== field.defaultValue;
}

// `form`: the one of the buttons, which knows the page's.
function mayGoOn(form) {
  const { page, question, unsaved } = form.dataset;
  if (!page) return true;
  const isLost = unsaved !== undefined || [...document.getElementById(page).elements].some(isTyped);
  return !isLost || window.confirm(question);
}

document.addEventListener("submit", (event) => {
  if (!mayGoOn(event.target)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-leaves]");
  if (link && !mayGoOn(document.getElementById(link.dataset.leaves))) event.preventDefault();
});
