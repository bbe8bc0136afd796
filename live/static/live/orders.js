// What somebody orders on the page of a room: forms with `data-in-place` are sent without leaving it, and an order that is
// not paid yet is looked at.
"use strict";

const ORDER_MS = 3 * SECOND; // an unpaid order is looked at
const ASK_MS = 6 * SECOND; // between two questions to the provider
const FAILED = 500; // a status from here on

// Forms that leave the page where it is

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("inPlace" in form.dataset)) return;
  event.preventDefault();
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  form.setAttribute("aria-busy", "true");
  try {
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const { answer, copy } = await fresh(form.action, { method: "POST", body });
    if (copy.querySelector("[data-room]")) show(copy, answer.url);
    else if (answer.status === FORBIDDEN) tell("outdated", "conflict"); // of the form: somebody has signed in elsewhere
    else if (answer.status < FAILED) location.assign(answer.url); // where one signs in
    else throw new Error(answer.statusText); // of a proxy, say: nobody knows what became of the order
  } catch {
    tell("unheard", "busy");
  } finally {
    delete form.dataset.sending;
    form.removeAttribute("aria-busy");
  }
});

function show(copy, url) {
  for (const id of ["product", "shelf", "mine", "waiting", "buy"]) {
    const found = copy.getElementById(id);
    if (found) document.getElementById(id)?.replaceWith(found);
  }
  if (new URL(url).pathname === location.pathname) history.replaceState(null, "", url);
  showOrder(copy.getElementById("order"));
  count();
}

function tell(id, state) {
  const text = document.getElementById(id).content.cloneNode(true);
  Object.assign(text.firstElementChild.dataset, { testid: "order-status", state });
  showOrder(text);
}

function showOrder(found) {
  const order = document.getElementById("order");
  order.replaceWith(found);
  const now = document.getElementById("order");
  now.tabIndex = -1;
  now.focus({ preventScroll: true });
  now.scrollIntoView({ block: "nearest" });
}

// A page that is out of date is made anew. What was typed stays, and so does the key of the order.

document.addEventListener("click", async (event) => {
  if (!event.target.closest("[data-renew]")) return;
  event.preventDefault();
  try {
    const { copy } = await fresh(location.href);
    for (const field of document.getElementById("buy").elements) {
      const found = copy.getElementById("buy").elements[field.name];
      if (found && field.name !== "csrfmiddlewaretoken") found.value = field.value;
    }
    show(copy, location.href);
    document.querySelector("#order[hidden] ~ #buy button")?.focus();
  } catch {
    location.reload();
  }
});

// Unpaid orders are paid elsewhere, or their time runs out

let isAsking = false; // one look at a time: of two, the older might come last

async function lookAtOrders() {
  const order = document.getElementById("order");
  const address = order?.dataset.state === "unpaid" ? order.dataset.address : page.dataset.here;
  const isWaiting = order?.dataset.state === "unpaid" || document.querySelector("[data-waits]");
  if (isOver || isAsking || !isWaiting || document.hidden) return;
  isAsking = true;
  try {
    const { answer, copy } = await fresh(address);
    if (answer.ok && !copy.getElementById("mine")) return end("signed-out");
    for (const id of ["mine", "waiting"]) {
      const old = document.getElementById(id);
      const found = copy.getElementById(id);
      if (found && !isInUse(old)) old.replaceWith(found);
    }
    const found = copy.getElementById("order");
    const isAnother = found?.dataset.step && found.dataset.step !== order.dataset.step;
    if (isAnother && address === order.dataset.address && order.isConnected) renewOrder(order, found);
    count();
  } catch {
    // in a moment again
  } finally {
    isAsking = false;
  }
}

// Nobody has pressed anything: what is typed stays, and so does the focus, unless it stood there.
function renewOrder(order, found) {
  if (order.contains(document.activeElement)) showOrder(found);
  else order.replaceWith(found);
}

// Whoever comes back from the provider has paid, maybe, and its news may be late or lost.

let askedAt = -ASK_MS;

async function comeBack() {
  const form = document.querySelector("[data-ask]");
  if (form && !document.hidden && performance.now() > askedAt + ASK_MS) {
    askedAt = performance.now();
    const body = new URLSearchParams(new FormData(form));
    const options = { method: "POST", body, redirect: "manual", signal: AbortSignal.timeout?.(SEND_MS) };
    await fetch(form.action, options).catch(() => null);
  }
  return lookAtOrders();
}

setInterval(lookAtOrders, ORDER_MS);
document.addEventListener("visibilitychange", comeBack);
addEventListener("focus", comeBack);
