// A picture that is larger than the shop takes is made smaller before it is sent.
"use strict";

const SIDES = [1600, 1280, 1024, 800, 640, 480, 320];
const QUALITIES = [0.85, 0.7, 0.5];

const toBlob = (canvas, quality) => new Promise((done) => canvas.toBlob(done, "image/webp", quality));

function drawn(bitmap, side) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// The largest that fits, or null.
async function fitting(file, most) {
  const bitmap = await createImageBitmap(file);
  for (const side of SIDES) {
    const canvas = drawn(bitmap, side);
    for (const quality of QUALITIES) {
      const blob = await toBlob(canvas, quality);
      if (blob && blob.size <= most) return blob;
    }
  }
  return null;
}

// What is said beside the field; what an answer said of the picture before is no longer so.
function say(field, words) {
  const row = field.closest(".form-row");
  row?.classList.remove("errors");
  row?.querySelectorAll(".errorlist").forEach((list) => list.remove());
  let told = field.parentElement.querySelector("[data-picture-told]");
  if (!told) {
    told = document.createElement("span");
    told.dataset.pictureTold = "";
    told.setAttribute("role", "status");
    field.after(told);
  }
  told.textContent = words;
}

async function shrink(field) {
  const [file] = field.files;
  const { mostBytes, busy, done, unfit } = field.dataset;
  field.dataset.picture = "ready";
  say(field, "");
  if (!file || file.size <= Number(mostBytes)) return;
  field.dataset.picture = "busy";
  say(field, busy);
  try {
    const blob = await fitting(file, Number(mostBytes));
    if (field.files[0] !== file) return; // another one was chosen meanwhile, and is at it
    const kept = new DataTransfer();
    if (blob) kept.items.add(new File([blob], "picture.webp", { type: blob.type }));
    field.files = kept.files;
    say(field, blob ? `${done} ${Math.ceil(blob.size / 1024)} KB` : unfit);
  } catch {
    // What the browser cannot draw is too large to be sent, and nothing that the shop would take.
    if (field.files[0] !== file) return;
    field.value = "";
    say(field, unfit);
  }
  field.dataset.picture = "ready";
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input[type=file][data-picture]")) shrink(event.target);
});

// Whoever is quick waits for it.
document.addEventListener("submit", (event) => {
  const busy = event.target.querySelector("[data-picture=busy]");
  if (!busy) return;
  event.preventDefault();
  setTimeout(() => event.target.requestSubmit(event.submitter), 100);
});
