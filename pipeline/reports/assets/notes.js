"use strict";
// What reviewers decide: kept in this browser under the hash of the run or sample, and saved as a file.
const notes = (() => {
  const MAX_NAME = 20, REMIND_AFTER = 10;
  // `book` tells which page this is: {key, maxText, fields, ids}. Each reviewer has a page of the book.
  function open(book) {
    const name = `placerwatch review ${book.key}`;
    let kept = {reviewer: "", by: {}}, blocked = false, unsaved = 0;
    const watchers = [];
    const known = (id) => book.ids.has(id);
    try {
      const found = JSON.parse(localStorage.getItem(name) || "null");
      if (found && typeof found.by === "object") kept = {reviewer: String(found.reviewer || ""), by: found.by || {}};
    } catch (error) { blocked = !(error instanceof SyntaxError); }
    const own = () => Object.hasOwn(kept.by, kept.reviewer) ? kept.by[kept.reviewer] : {};
    function keep() {
      try { localStorage.setItem(name, JSON.stringify(kept)); blocked = false; } catch { blocked = true; }
      for (const watcher of watchers) watcher();
    }
    window.addEventListener("beforeunload", (event) => { if (blocked && unsaved) event.preventDefault(); });
    // Another tab of the same page must not be written over with older notes.
    window.addEventListener("storage", (event) => {
      if (event.key !== name || !event.newValue) return;
      kept = {...JSON.parse(event.newValue), reviewer: kept.reviewer};
      for (const watcher of watchers) watcher();
    });
    return {
      maxText: book.maxText,
      get reviewer() { return kept.reviewer; },
      set reviewer(text) { kept.reviewer = text.replace(/\s+/g, " ").replace(/\p{C}|^_+/gu, "").trim().slice(0, MAX_NAME); keep(); },
      get blocked() { return blocked; },
      get unsaved() { return unsaved; },
      get remind() { return blocked && unsaved >= REMIND_AFTER; },
      get: (id) => Object.hasOwn(own(), id) ? own()[id] : null,
      count: (whole) => Object.entries(own()).filter(([id, note]) => known(id) && whole(note)).length,
      set(id, change) {
        if (!kept.reviewer || !known(id)) return false;
        const page = kept.by[kept.reviewer] = own();
        page[id] = {...page[id], ...change, date: new Date().toISOString().slice(0, 19) + "Z"};
        unsaved += 1;
        keep();
        return true;
      },
      all: () => Object.entries(own()).filter(([id]) => known(id)),
      // Notes of a file saved before; what is newer here stays.
      take(reviewer, rows) {
        const page = Object.hasOwn(kept.by, reviewer) ? kept.by[reviewer] : {};
        let taken = 0;
        for (const [id, note] of rows) {
          if (!known(id) || Object.hasOwn(page, id) && String(page[id].date) >= String(note.date)) continue;
          page[id] = note;
          taken += 1;
        }
        kept.by[reviewer] = page;
        kept.reviewer = reviewer;
        keep();
        return taken;
      },
      saved() { unsaved = 0; keep(); },
      watch: (watcher) => watchers.push(watcher),
    };
  }
  // Half of a sign, which a limit of length may leave, is no text that others can read.
  const clean = (value) => JSON.parse(JSON.stringify(value, (_, part) => typeof part === "string" ? part.replace(/\p{Surrogate}/gu, "") : part));
  function download(name, value) {
    const text = JSON.stringify(clean(value), null, 1) + "\n";
    const link = pw.el("a", {href: URL.createObjectURL(new Blob([text], {type: "application/json"})), download: name});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
  const fileName = (...parts) => parts.map((part) => part.normalize("NFD").replace(/[^A-Za-z0-9.-]+/g, "-")).join("-");

  // Initials, progress, and the buttons that save and open a file; `tell` says what happened.
  function bar(book, total, whole, {save, read}) {
    const initials = pw.el("input", {id: "pw-initials", maxlength: MAX_NAME, autocomplete: "off", value: book.reviewer, size: 6});
    initials.addEventListener("input", () => { book.reviewer = initials.value; });
    const progress = pw.el("span", {class: "pw-progress", role: "status"}), meter = pw.el("progress", {max: total || 1, "aria-label": t("decided")});
    const warning = pw.el("p", {class: "pw-warning", role: "alert", hidden: true}), said = pw.el("p", {class: "pw-said", role: "status"});
    const file = pw.el("input", {type: "file", accept: ".json,.geojson", hidden: true, tabindex: -1, "aria-label": t("Open a file saved before")});
    file.addEventListener("change", async () => {
      const [chosen] = file.files;
      file.value = "";
      if (!chosen) return;
      try {
        if (chosen.size > 64 * 2 ** 20) throw new Error();
        said.textContent = read(JSON.parse(await chosen.text()));
      } catch { said.textContent = t("This is not a file that this page saved."); }
    });
    const draw = () => {
      const done = book.count(whole);
      progress.textContent = t("{done} of {total} decided", {done, total});
      meter.value = done;
      if (document.activeElement !== initials) initials.value = book.reviewer;
      warning.hidden = !book.blocked;
      warning.textContent = book.remind ? plural("This browser keeps nothing: {count} decision is not saved. Save the file now.",
        "This browser keeps nothing: {count} decisions are not saved. Save the file now.", book.unsaved)
        : t("This browser keeps nothing for a page opened from a file: save the file before you close or reload it.");
    };
    book.watch(draw);
    const node = pw.el("div", {class: "pw-bar"},
      pw.el("label", {for: "pw-initials"}, t("Your initials")), initials, progress, meter,
      pw.el("span", {class: "pw-files"},
        pw.el("button", {type: "button", class: "pw-primary", id: "pw-save", click: () => {
          if (!book.reviewer) { said.textContent = t("Write your initials first."); initials.focus(); return; }
          save();
          book.saved();
          said.textContent = t("Saved: hand the file to whoever runs `placerwatch`.");
        }}, t("Save the file")),
        pw.el("button", {type: "button", click: () => file.click()}, t("Open a file"))), file, said, warning);
    draw();
    return {node, initials};
  }
  return {open, bar, clean, download, fileName};
})();
