// A button of the list acts at once, on the page as the shop has it: what was typed and not saved would go without a word.
"use strict";

function isTyped(field) {
  if (field.type === "file") return field.files.length > 0;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.type !== "hidden" && "defaultValue" in field && field.value !== field.defaultValue;
}

document.addEventListener("submit", (event) => {
  const { page, question, unsaved } = event.target.dataset;
  if (!page) return;
  const isLost = unsaved !== undefined || [...document.getElementById(page).elements].some(isTyped);
  if (isLost && !window.confirm(question)) event.preventDefault();
});
