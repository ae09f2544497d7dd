"use strict";
// Texts, numbers and dates in the page's language: t("English text with {name}", {name: value}).
const {t, plural, number, share, day, days} = (() => {
  let read;
  const facts = () => read || (read = JSON.parse(document.getElementById("pw-language").textContent));
  const shown = (value) => typeof value === "number" ? number(value, 0) : String(value);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => Object.hasOwn(values, name) ? shown(values[name]) : whole);
  const find = (message) => Object.hasOwn(facts().messages, message) ? facts().messages[message] : message;
  const t = (message, values) => fill(find(message), values || {});
  function plural(one, many, count, values) {
    const forms = find(one), n = count < 200 ? count : 100 + count % 100;
    return fill(Array.isArray(forms) ? forms[Number(facts().forms[n])] : n === 1 ? one : many, {count, ...values});
  }
  const number = (value, digits) => value.toLocaleString(facts().locale, {minimumFractionDigits: digits, maximumFractionDigits: digits});
  const share = (value) => t("{number}\u00a0%", {number: number(value >= 0.9995 && value < 1 ? 99.9 : 100 * value, value === 0 || value === 1 ? 0 : 1)});
  const form = () => new Intl.DateTimeFormat(facts().locale, {day: "numeric", month: "short", year: "numeric", timeZone: "UTC"});
  const day = (iso) => form().format(new Date(`${iso}T00:00:00Z`));
  const days = (first, last) => form().formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));
  return {t, plural, number, share, day, days};
})();
