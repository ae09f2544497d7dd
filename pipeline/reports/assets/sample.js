"use strict";
// The sample page: one pixel after the other, what it was at each date.
const sample = (() => {
  const {el, word} = pw;
  const $ = (id) => document.getElementById(id);
  let facts, book, now = 0;
  const whole = (note) => facts.dates.every((date) => note[date]);
  const id = () => facts.points[now][0];

  function source(date, how) {
    if (!facts.pictured[now][date]) return null;
    if (facts.folder) return `${facts.folder}/${String(now).padStart(4, "0")}-${date}-${how}.png`;
    const block = $(`pw-chip-${now}`);
    return block ? `data:image/png;base64,${JSON.parse(block.textContent)[date][how]}` : null;
  }
  function pictures() {
    // Around the pixel, so that nothing covers it.
    const low = 49.3 - 50 / facts.side_px, high = 50.7 + 50 / facts.side_px, square = [[[low, low], [high, low], [high, high], [low, high]]];
    const stages = [];
    for (const [how, colours] of pw.renderings()) facts.periods.forEach((period, date) => {
      const dates = days(period.start, period.end), title = t("{name}: {told}", {name: word(facts.dates[date]), told: period.name});
      const side = {src: source(date, how), title: `${title}, ${colours}`, text: dates};
      stages.push(el("figure", {}, el("div", {class: "pw-stage"}, pw.picture(side), pw.outline(square, "#c2185b", 0.55),
        el("span", {class: "pw-date pw-left"}, el("b", {}, title), el("br"), dates, el("br"), colours))));
    });
    $("pw-pictures").classList.toggle("pw-two", facts.periods.length > 1);
    $("pw-pictures").replaceChildren(...stages);
  }
  function keep(change) {
    if (book.set(id(), change)) { $("pw-kept").textContent = book.blocked ? t("Noted, but not kept by this browser: save the file.") : t("Kept in this browser."); return true; }
    $("pw-kept").textContent = t("Write your initials first.");
    $("pw-initials").focus();
    return false;
  }
  function form() {
    const note = book.get(id()) || {};
    const sets = facts.dates.map((date, d) => el("fieldset", {}, el("legend", {}, `${word(date)} `, el("small", {}, facts.periods[d].name)),
      ...facts.seen.map((name, n) => {
        const key = 3 * (d + 2 - facts.dates.length) + n + 1;
        const input = el("input", {type: "radio", name: `pw-${date}`, value: name, checked: note[date] === name, "data-key": key, "aria-keyshortcuts": String(key)});
        input.addEventListener("change", () => { if (!keep({[date]: name})) input.checked = false; });
        return el("label", {}, input, word(name), el("kbd", {"aria-hidden": "true"}, String(key)));
      })));
    const sure = el("select", {id: "pw-sure", change: () => keep({confidence: sure.value})}, el("option", {value: ""}, t("not said")),
      ...facts.confidences.map((level) => el("option", {value: level, selected: note.confidence === level}, word(level))));
    const comment = el("textarea", {id: "pw-comment", rows: 2, maxlength: facts.max_text, dir: "auto", "aria-keyshortcuts": "C"});
    comment.value = note.comment || "";
    comment.addEventListener("input", () => keep({comment: comment.value}));
    $("pw-form").replaceChildren(...sets, el("label", {for: "pw-sure"}, t("How sure you are")), sure,
      el("label", {for: "pw-comment"}, t("Comment")), comment, el("p", {id: "pw-kept", class: "pw-said", role: "status"}));
  }
  function show(number, focus) {
    now = (number + facts.points.length) % facts.points.length;
    const [name, lon, lat] = facts.points[now], grid = earth.utm(lat, lon);
    $("pw-number").textContent = t("{number} of {total}", {number: now + 1, total: facts.points.length});
    $("pw-where").textContent = `${name} · ${lat.toFixed(5)}, ${lon.toFixed(5)} · ${grid.zone} ${Math.round(grid.easting)} ${Math.round(grid.northing)} · `
      + t("the pictures are {metres} m wide", {metres: facts.side_m});
    document.body.dataset.point = name;
    pictures();
    form();
    if (focus) $("pw-number").focus({preventScroll: true});
  }
  function unlabelled() {
    for (let k = 1; k <= facts.points.length; k++) {
      const number = (now + k) % facts.points.length, note = book.get(facts.points[number][0]);
      if (!note || !whole(note)) return show(number, true);
    }
  }
  function keys(event) {
    if (event.key === "Escape" && event.target.id === "pw-comment") { $("pw-number").focus(); return; }
    if (pw.typing(event)) return;
    const key = event.key.toLowerCase(), digit = /^(Digit|Numpad)([1-6])$/.exec(event.code);
    if (digit) { const input = document.querySelector(`[data-key="${digit[2]}"]`); if (input) input.click(); }
    else if (key === "n") show(now + 1, true);
    else if (key === "p") show(now - 1, true);
    else if (key === "u") unlabelled();
    else if (key === "c") $("pw-comment").focus();
    else return;
    event.preventDefault();
  }
  function save() {
    const labels = book.all().filter(([, note]) => whole(note)).map(([name, note]) => ({sample_id: name, interpreter: book.reviewer,
      ...Object.fromEntries(facts.dates.map((date) => [date, note[date]])), confidence: note.confidence || "", comment: note.comment || "", date: note.date}));
    notes.download(notes.fileName("labels", facts.run.programme, facts.run.run_id, book.reviewer) + ".json",
      {format: "placerwatch labels 1", role: facts.role, sample: facts.sample, sample_sha256: facts.sample_sha256, ...facts.run, labels});
  }
  function take(file) {
    if (file.format !== "placerwatch labels 1") return t("This is not a file that this page saved.");
    if (file.sample_sha256 !== facts.sample_sha256) return t("This file is of another sample ({other}).", {other: String(file.sample).slice(0, 60)});
    const rows = file.labels.map((label) => [String(label.sample_id), {...Object.fromEntries(facts.dates.map((date) =>
      [date, facts.seen.includes(label[date]) ? label[date] : ""])), confidence: String(label.confidence), comment: String(label.comment).slice(0, facts.max_text), date: String(label.date)}]);
    const taken = book.take(String(file.labels[0].interpreter).slice(0, 20), rows);
    show(now);
    return plural("{count} label taken from the file.", "{count} labels taken from the file.", taken);
  }
  function start() {
    facts = pw.json("pw-data");
    book = notes.open({key: facts.sample_sha256, maxText: facts.max_text, ids: new Set(facts.points.map(([name]) => name))});
    const bar = notes.bar(book, facts.points.length, whole, {save, read: take});
    bar.initials.addEventListener("change", () => show(now));
    $("pw-reviewbar").append(bar.node);
    $("pw-previous").addEventListener("click", () => show(now - 1));
    $("pw-next").addEventListener("click", () => show(now + 1));
    document.addEventListener("keydown", keys);
    const first = facts.points.findIndex(([name]) => { const note = book.get(name); return !note || !whole(note); });
    show(Math.max(0, first));
    document.addEventListener("DOMContentLoaded", () => { pictures(); document.body.dataset.whole = "yes"; });
    document.body.dataset.placerwatch = `${facts.points.length} points`;
  }
  return {start};
})();
