// Times in the zone of whoever looks. The server writes UTC, and reads UTC.
"use strict";

const DAY = { year: "numeric", month: "short", day: "numeric" };
const MINUTE = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };
const SECOND_TOO = { ...MINUTE, second: "2-digit" };
const FORMS = { day: { ...DAY, ...MINUTE }, moment: { ...DAY, ...SECOND_TOO }, minute: MINUTE, second: SECOND_TOO };
const language = document.documentElement.lang;
const written = (form) => new Intl.DateTimeFormat(language, FORMS[form]);

// In the page, or in a fresh copy of it before the two are compared.
function showTimes(root) {
  for (const time of root.querySelectorAll("time[data-when]"))
    time.textContent = written(time.dataset.when).format(Date.parse(time.dateTime));
}

// Fields show this zone's time, and their forms send UTC

const FIELD = "input[type=datetime-local]";
const untouched = new WeakMap();

function inThisZone(utc) {
  const moment = new Date(`${utc}Z`);
  const digits = (number, length = 2) => String(number).padStart(length, "0");
  const date = [digits(moment.getFullYear(), 4), digits(moment.getMonth() + 1), digits(moment.getDate())];
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map((part) => digits(part));
  return `${date.join("-")}T${time.join(":")}`;
}

function inUtc(field) {
  if (!field.value) return "";
  // An hour that comes twice, at the end of summer time, would be taken for the first of the two.
  if (field.value === untouched.get(field)) return field.defaultValue;
  return new Date(field.value).toISOString().replace(/\.\d+Z$/, "");
}

for (const field of document.querySelectorAll(FIELD)) {
  if (field.defaultValue) field.value = inThisZone(field.defaultValue);
  untouched.set(field, field.value);
}
for (const zone of document.querySelectorAll("[data-zone]"))
  zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
document.addEventListener("formdata", ({ target: form, formData }) => {
  for (const field of form.querySelectorAll(FIELD)) formData.set(field.name, inUtc(field));
});
showTimes(document);
