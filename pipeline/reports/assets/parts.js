"use strict";
// What the pages are put together from. Every text of the data reaches a page as text, never as markup.
const pw = (() => {
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") node.addEventListener(key, value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }
  function svg(tag, attributes) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  }
  // Words of the data, shown in the page's language.
  const WORDS = {
    "new": () => t("new"), expanded: () => t("expanded"), reopened: () => t("reopened"), continuing: () => t("continuing"),
    recovered: () => t("recovered"), provisional: () => t("provisional"), confirmed: () => t("confirmed"), low: () => t("low"),
    high: () => t("high"), highest: () => t("highest"), unreviewed: () => t("unreviewed"), rejected: () => t("rejected"),
    unsure: () => t("unsure"), disputed: () => t("disputed"), before: () => t("before"), after: () => t("after"),
    workings: () => t("workings"), "river bar": () => t("river bar"), burn: () => t("burn"), field: () => t("field"), road: () => t("road"),
    settlement: () => t("settlement"), pond: () => t("pond"), cloud: () => t("cloud"), other: () => t("other"), medium: () => t("medium"),
  };
  const word = (key) => Object.hasOwn(WORDS, key) ? WORDS[key]() : key;
  const ha = (value) => t("{number}\u00a0ha", {number: number(value, Math.abs(value) < 10 ? 2 : 1)});
  const table = (rows) => el("table", {}, el("tbody", {}, ...rows.filter(([, value]) => value)
    .map(([name, value]) => el("tr", {}, el("th", {scope: "row"}, name), el("td", {}, value)))));
  const typing = (event) => event.ctrlKey || event.metaKey || event.altKey
    || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !/^(checkbox|radio|range)$/.test(event.target.type);

  // Lines on a picture: rings in percent of its sides, in white below the colour so that both dark and pale ground show them.
  function outline(rings, colour, width = 1.1) {
    const d = rings.map((ring) => "M" + ring.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L") + "Z").join("");
    const drawing = svg("svg", {viewBox: "0 0 100 100", "aria-hidden": "true"});
    drawing.append(svg("path", {d, fill: "none", stroke: "white", "stroke-width": 2 * width, "stroke-opacity": 0.8}),
      svg("path", {d, fill: "none", stroke: colour, "stroke-width": width}));
    return drawing;
  }
  // A side of a comparison: {src, when, title, text}; src is null where there is no picture.
  function picture(side) {
    return side.src ? el("img", {src: side.src, alt: t("Satellite picture, {when}: {dates}", {when: side.title, dates: side.text}), decoding: "async", draggable: "false"})
      : el("span", {class: "pw-blank"}, t("no picture"));
  }
  // Two pictures of one place, the later laid over the earlier to the right of a line that is moved by mouse, finger or arrow keys.
  function swipe(earlier, later, drawing, at) {
    const stage = el("div", {class: "pw-stage"});
    const range = el("input", {type: "range", min: 0, max: 100, step: 2, value: at ?? 50, class: "pw-handle",
      "aria-label": t("Line between the earlier picture (left) and the later one (right)")});
    const move = () => {
      stage.style.setProperty("--at", `${range.value}%`);
      range.setAttribute("aria-valuetext", t("{share} earlier picture", {share: share(range.value / 100)}));
    };
    range.addEventListener("input", move);
    const dates = (side, where) => el("span", {class: `pw-date pw-${where}`}, el("b", {}, side.title), el("br"), side.text, ...(side.more ? [el("br"), side.more] : []));
    stage.append(el("div", {class: "pw-under"}, picture(earlier)), el("div", {class: "pw-over"}, picture(later)));
    if (drawing) stage.append(drawing);
    stage.append(dates(earlier, "left"), dates(later, "right"), el("i", {class: "pw-line"}), range);
    move();
    return {stage, range};
  }
  // Pressed for one of several: a row of buttons of which one is on.
  function choice(label, options, chosen, act) {
    const bar = el("div", {class: "pw-choice", role: "group", "aria-label": label});
    for (const [key, text] of options)
      bar.append(el("button", {type: "button", "aria-pressed": String(key === chosen), "data-key": key, click: () => {
        for (const button of bar.children) button.setAttribute("aria-pressed", String(button.dataset.key === key));
        act(key);
      }}, text));
    return bar;
  }
  const renderings = () => [["true", t("true colour")], ["infrared", t("infrared")]];
  return {json, el, svg, word, ha, table, typing, outline, picture, swipe, choice, renderings};
})();
