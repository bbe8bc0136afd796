// The buttons of a desk, without leaving it: forms with `data-in-place` are sent one after the other, and what they change
// is taken out of the page that answers. What is typed elsewhere stays, and so does the place that one looks at.
"use strict";

let turn = Promise.resolve(); // of the next form
let pressed = null; // the last button

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("inPlace" in form.dataset)) return;
  event.preventDefault();
  const button = event.submitter;
  if (button.ariaBusy || resting.has(button)) return;
  button.ariaBusy = "true";
  pressed = button;
  const address = button.getAttribute("formaction") ?? form.action;
  const body = new URLSearchParams(new FormData(form, button));
  const done = () => { button.ariaBusy = null; };
  turn = turn.then(() => send(form, address, body)).then(done, done);
});

async function send(form, address, body) {
  const panel = form.closest(".panel");
  for (const old of panel.querySelectorAll(".answer > *")) old.dataset.old = "yes"; // the next may say the same
  const fields = replaceable(form);
  try {
    const { answer, copy } = await fresh(address, { method: "POST", body });
    if (copy.querySelector("[data-room], .told")) show(panel, copy, fields);
    else if (new URL(answer.url).pathname === signIn.pathname) leave("signed-out");
    else if (answer.status === NOT_FOUND) leave("gone");
    else if (answer.status === FORBIDDEN) refuse(panel, textOf("outdated")); // of the form: somebody has signed in elsewhere
    else throw new Error(answer.statusText); // of a proxy, say: nobody knows what became of it
  } catch {
    refuse(panel, textOf("unheard"));
  }
}

function show(panel, copy, fields) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const found = copy.getElementById(old.id);
    if (found && !found.isEqualNode(old)) replaceSection(old, found);
  }
  for (const [field, value] of fields) renew(field, value, copy.getElementById(field.id));
  const answer = panel.querySelector(".answer");
  answer.replaceChildren(...(copy.getElementById(answer.id)?.childNodes ?? []));
  clear(panel);
  const refusal = copy.querySelector(".told");
  if (refusal) refuse(panel, refusal);
  else if (answer.firstChild) answer.scrollIntoView({ block: "nearest" });
  lookSoon();
}

// Whoever stands on a button stands on the one that takes its place.
function replaceSection(old, found) {
  const place = buttonsOf(old).indexOf(document.activeElement);
  old.replaceWith(found);
  rest(old, found);
  if (place >= 0) (buttonsOf(found)[place] ?? buttonsOf(found)[0])?.focus({ preventScroll: true });
}

function leave(state) {
  end(state);
  document.querySelector("#link a:not([hidden])")?.focus({ preventScroll: true });
}

// Refusals

const textOf = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

function clear(panel) {
  for (const old of document.querySelectorAll(".desk > .told")) old.remove(); // of a page that came without this file
  panel.querySelector(".told")?.remove();
}

function refuse(panel, refusal) {
  clear(panel);
  const answer = panel.querySelector(".answer");
  answer.replaceChildren();
  answer.after(refusal);
  refusal.tabIndex = -1;
  refusal.focus({ preventScroll: true });
  refusal.scrollIntoView({ block: "nearest" });
}

// Forms that are out of date are made anew. What was typed stays, and so do the keys.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-renew]");
  if (!link) return;
  event.preventDefault();
  try {
    const { copy } = await fresh(page.dataset.parts);
    const token = copy.querySelector("[data-room] [name=csrfmiddlewaretoken]").value;
    for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
    const panel = link.closest(".panel");
    clear(panel);
    (pressed?.isConnected ? pressed : panel.querySelector("button"))?.focus({ preventScroll: true });
  } catch {
    location.reload();
  }
});

// Fields

// What a fresh page may put into: the fields of the form that is sent, and those that nobody has touched.
function replaceable(form) {
  return [...document.querySelectorAll("input[id]")]
    .filter((field) => form.contains(field) || (field.type !== "hidden" && !isOther(field)))
    .map((field) => [field, field.value]);
}

function renew(field, value, found) {
  if (!found || field.value !== value) return; // somebody has typed meanwhile
  const isTime = field.matches(FIELD);
  field.defaultValue = found.defaultValue;
  field.value = isTime && found.defaultValue ? inThisZone(found.defaultValue) : found.defaultValue;
  if (isTime) untouched.set(field, field.value);
}
