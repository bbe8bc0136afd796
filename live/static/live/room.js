// A page of a room, kept as it is now. Without this file the page works, too: it is then as old as it was loaded.
//
// The server alone knows how things look: what changes are the numbers of the product that is shown, and sections with
// `data-live`, which are taken out of a fresh copy of the page (`data-parts`) when the room's events say that something
// has changed. What somebody orders there is in orders.js.
"use strict";

const page = document.querySelector("[data-room]");
const SECOND = 1000;
const REFRESH_MS = 300; // within which sections are fetched, not by all at once
const WHOLE_MS = SECOND; // between two looks at a whole page, which costs more; for so long its sales may be old
const OLD_MS = 500; // after which they are fetched again when they were older than what we had heard
const OLD_TIMES = 4;
const LOOK_BACK = [4 * SECOND, 8 * SECOND]; // without a stream: at some time between
const STREAM_AGAIN = [10 * SECOND, 60 * SECOND]; // after it was refused
const AWAY_MS = 6 * SECOND; // without a stream, before the page says so: each ends now and then, and comes back by itself
const SEND_MS = 20 * SECOND;
const [FORBIDDEN, NOT_FOUND] = [403, 404];
const FOR_ALL = { credentials: "omit", headers: { "Accept-Language": document.documentElement.lang } };
const TICKER_LENGTH = 3;
const STEADY_MS = SECOND; // Buy rests for so long when another product or price has come under the finger

const offset = Date.parse(page.dataset.now) - Date.now(); // of the shop's clock
const titles = new Map();
const serverNow = () => Date.now() + offset;
const between = ([least, most]) => least + Math.random() * (most - least);
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const words = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const fresh = async (url, options = {}) => {
  const answer = await fetch(url, { signal: AbortSignal.timeout?.(SEND_MS), ...options });
  const copy = new DOMParser().parseFromString(await answer.text(), "text/html");
  showTimes(copy);
  return { answer, copy };
};

// Sections

const isWhole = "whole" in page.dataset; // the copy is the page itself, made for whoever is signed in
const signIn = document.querySelector("#link [data-link=signed-out]"); // where one who has to is led
let told = 0; // how often we heard that something has changed
let heard = ""; // the version of the room that the last event led to
let toldAt = 0;
let lookedAt = -WHOLE_MS;
let isLooking = false;
let soon = null;

async function refresh() {
  told += 1;
  toldAt = performance.now();
  if (isLooking || isOver) return;
  isLooking = true;
  let seen = 0;
  let isOld = false;
  for (let looks = 0; !isOver && (seen !== told || isEarly() || (isOld && looks < OLD_TIMES)); looks += 1) {
    await pause(isWhole ? wholePause() : looks ? OLD_MS : REFRESH_MS * Math.random());
    seen = told;
    lookedAt = performance.now();
    isOld = await fetchSections();
  }
  isLooking = false;
  lookSoon();
}

const wholePause = () => Math.max(REFRESH_MS * Math.random(), lookedAt + WHOLE_MS - performance.now());

// Whether what was sold may have been read before we heard of it.
const isEarly = () => isWhole && lookedAt < toldAt + WHOLE_MS;

// A section that changes without an event says so.
function lookSoon() {
  clearTimeout(soon);
  if (!isOver && document.querySelector("[data-live=soon]")) soon = setTimeout(refresh, SECOND);
}

// Returns whether what came is older than what we heard: another process keeps a copy for a moment.
async function fetchSections() {
  try {
    const { answer, copy } = await fresh(page.dataset.parts, isWhole ? {} : FOR_ALL);
    if (answer.status === NOT_FOUND) return end("gone");
    if (isWhole && new URL(answer.url).pathname === signIn.pathname) return end("signed-out");
    if (isWhole && answer.status === FORBIDDEN) location.assign(page.dataset.parts); // there it says so
    if (answer.ok) replaceLive(copy);
    const version = copy.getElementById("version")?.dataset.version;
    return answer.ok && version && heard && version !== heard;
  } catch {
    return false; // the stream says by itself that nobody is there
  }
}

// Whether somebody is about to use something in a section. Pictures that were touched are no reason to stand still.
function isInUse(section) {
  const focused = document.activeElement;
  return section.contains(focused) && focused.matches("a, button, input, select, textarea, summary");
}

// Whether somebody is typing, or has typed what is not sent yet.
function isTyped() {
  const fields = [...document.querySelectorAll("input[id]:not([type=hidden])")];
  return document.activeElement.matches("input, select, textarea") || fields.some(isOther);
}

const isOther = (field) => field.value !== (untouched.get(field) ?? field.defaultValue); // than it came

const resting = new WeakSet(); // buttons that take no press

const buttonsOf = (section) => [...section.querySelectorAll("a, button")].reverse(); // those that come and go are in front

// A button that has become another one under the finger rests for a moment.
function rest(old, found) {
  const before = buttonsOf(old);
  for (const [place, button] of buttonsOf(found).entries()) {
    if (!before[place] || before[place].formAction === button.formAction) continue;
    resting.add(button);
    setTimeout(() => resting.delete(button), STEADY_MS);
  }
}

function replaceLive(copy) {
  learnTitles(copy);
  const lives = (root) => [...root.querySelectorAll("[data-live]")].map((section) => section.id).join();
  const isAnother = isWhole && lives(copy) !== lives(document);
  if (isAnother && !isTyped()) {
    location.assign(page.dataset.parts); // the list is another one
    return;
  }
  for (const old of document.querySelectorAll("[data-live]")) {
    const found = copy.getElementById(old.id);
    if (found && !isInUse(old) && !found.isEqualNode(old)) {
      old.replaceWith(found);
      rest(old, found);
    }
  }
  steady();
  count();
}

// The product that is shown, and the form that orders it

function steady() {
  const product = document.getElementById("product");
  const form = document.getElementById("buy");
  if (!product?.dataset.goods) return;
  if (!form) {
    location.reload(); // the shelf was empty: only the page has a form for it
    return;
  }
  form.querySelector("button").classList.toggle("quiet", product.dataset.sale !== "open");
  const { goods_id: goods, price } = form.elements;
  if (goods.value === product.dataset.goods && price.value === product.dataset.price) return;
  goods.value = product.dataset.goods;
  price.value = product.dataset.price;
  announce(product.querySelector("h2").innerText);
  const button = form.querySelector("button");
  button.disabled = true;
  setTimeout(() => { button.disabled = false; }, STEADY_MS);
}

function announce(text) {
  document.getElementById("announcer").textContent = text;
}

function showStock(goods) {
  const product = document.getElementById("product");
  for (const one of goods) {
    if (one.ordered) tick(one);
    if (product?.dataset.goods !== one.goods_id) continue;
    const number = product.querySelector("[data-available]");
    if ((number.textContent === "1") !== (one.available === 1)) refresh(); // the words around it are others
    number.textContent = one.available;
    const bar = product.querySelector("meter");
    bar.max = one.available + one.reserved + one.sold;
    bar.value = one.available;
  }
}

function learnTitles(root) {
  for (const item of root.querySelectorAll("#shelf [data-goods]"))
    titles.set(item.dataset.goods, item.querySelector(".title").textContent);
}

function tick({ goods_id: goods, ordered }) {
  const ticker = document.getElementById("ticker");
  if (!ticker || !titles.has(goods)) return;
  const line = document.createElement("li");
  const text = ordered > 0 ? ticker.dataset.ordered : ticker.dataset.back;
  line.textContent = words(text, { pieces: Math.abs(ordered), title: titles.get(goods) });
  ticker.prepend(line);
  while (ticker.children.length > TICKER_LENGTH) ticker.lastElementChild.remove();
  ticker.hidden = false;
}

// Events

const OTHER_EVENTS = ["pinned", "shelf", "price", "sold_out", "back", "sale_planned", "sale_started", "sale_ended"];
let stream = null;
let looking = null;
let away = null;
let isOver = false; // there is nothing more to hear
let shown = page.dataset.version; // of the page, until it hears of the room for the first time

function link(state) {
  clearTimeout(away);
  away = null;
  if (isOver) return;
  page.dataset.link = state;
  const line = document.getElementById("link");
  line.hidden = state === "live";
  for (const text of line.children) text.hidden = text.dataset.link !== state;
}

// The page stays as it is, says why, and asks no more.
function end(state) {
  link(state);
  isOver = true;
  stream?.close();
  clearTimeout(looking);
  clearTimeout(soon);
}

function connect() {
  if (isOver) return;
  clearTimeout(looking);
  stream?.close();
  stream = new EventSource(page.dataset.events);
  stream.onopen = () => link("live");
  stream.onerror = () => {
    away ??= setTimeout(link, AWAY_MS, "away");
    if (stream.readyState === EventSource.CLOSED) lookBack(Date.now() + between(STREAM_AGAIN));
  };
  stream.addEventListener("room", (event) => {
    const room = JSON.parse(event.data);
    if (event.lastEventId !== shown) refresh();
    shown = "";
    showStock(room.goods);
  });
  stream.addEventListener("stock", (event) => {
    showStock(JSON.parse(event.data).goods);
    if (isWhole) refresh();
  });
  for (const name of OTHER_EVENTS) stream.addEventListener(name, refresh);
  for (const name of ["room", "stock", ...OTHER_EVENTS])
    stream.addEventListener(name, (event) => { heard = event.lastEventId || heard; });
}

function lookBack(until) {
  looking = setTimeout(() => {
    refresh();
    if (Date.now() > until) connect();
    else lookBack(until);
  }, between(LOOK_BACK));
}

// Time

function count() {
  for (const time of document.querySelectorAll("time[data-until]")) {
    const left = Math.max(0, Math.round((Date.parse(time.dateTime) - serverNow()) / SECOND));
    const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const two = (number) => String(number).padStart(2, "0");
    time.textContent = `${hours ? `${hours}:` : ""}${two(minutes)}:${two(seconds)}`;
  }
}

setInterval(count, SECOND);
addEventListener("online", connect);
addEventListener("offline", () => link("away"));
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
addEventListener("pagehide", () => stream?.close());
count();
learnTitles(document);
connect();
lookSoon();
