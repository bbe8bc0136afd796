// A picture that is larger than the shop takes, with what else is in the form, is made smaller before it is sent.
"use strict";

const SIDES = [1600, 1280, 1024, 800, 640, 480, 320];
const QUALITIES = [0.85, 0.7, 0.5];
const SPARE_BYTES = 1024; // for the button that is pressed, and the name of the file
const PICTURE = "input[type=file][data-picture]";

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

// What the form, as it is now, leaves of a request.
async function roomFor(field) {
  const others = new FormData(field.form);
  others.set(field.name, new File([], "picture.webp", { type: "image/webp" }));
  const { size } = await new Response(others).blob();
  return Number(field.dataset.requestBytes) - size - SPARE_BYTES;
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
  const { busy, done, unfit } = field.dataset;
  field.dataset.picture = "busy";
  try {
    const most = await roomFor(field);
    if (field.files[0] !== file) return; // another one was chosen meanwhile, and is at it
    if (file.size > most) {
      say(field, busy);
      const blob = await fitting(file, most);
      if (field.files[0] !== file) return;
      const kept = new DataTransfer();
      if (blob) kept.items.add(new File([blob], "picture.webp", { type: blob.type }));
      field.files = kept.files;
      say(field, blob ? `${done} ${Math.ceil(blob.size / 1024)} KB` : unfit);
    }
  } catch {
    // What the browser cannot draw is too large to be sent, and nothing that the shop would take.
    if (field.files[0] !== file) return;
    field.value = "";
    say(field, unfit);
  }
  field.dataset.picture = "ready";
}

const works = new WeakMap(); // fields, and what is being done about the picture in each

document.addEventListener("change", ({ target: field }) => {
  if (!field.matches(PICTURE)) return;
  say(field, "");
  field.dataset.picture = "ready";
  if (field.files.length) works.set(field, shrink(field));
});

// Whoever is quick waits for it; and what was typed since then wants room, too.
const waiting = new WeakSet();
let isMeasured = false;

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  const field = form.querySelector(PICTURE);
  if (isMeasured || !field?.files.length) return;
  event.preventDefault();
  if (waiting.has(form)) return;
  waiting.add(form);
  await works.get(field);
  if (field.files.length) await shrink(field);
  waiting.delete(form);
  if (!field.files.length) return;
  setTimeout(() => { // once this event is over: before, a browser does not send the form
    isMeasured = true;
    form.requestSubmit(submitter);
    isMeasured = false;
  });
});
