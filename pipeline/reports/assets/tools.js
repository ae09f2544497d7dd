"use strict";
// What surrounds the map: names of the controls, scale, north, the grid, the place under the cursor, and measuring.
const tools = (map, home) => {
  const {el, ha} = pw;
  const $ = (id) => document.getElementById(id);
  function ruler() {
    const drawing = pw.svg("svg", {viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true"});
    drawing.append(pw.svg("path", {d: "M1 13.5 13.5 1 19 6.5 6.5 19Z M4.5 10l2 2 M7 7.5l3 3 M9.5 5l2 2", fill: "none", stroke: "currentColor", "stroke-width": 1.6}));
    return drawing;
  }
  // What Leaflet writes in English.
  function nameControls() {
    for (const [name, text] of [["zoom-in", t("Zoom in")], ["zoom-out", t("Zoom out")], ["layers-toggle", t("Layers")]]) {
      const control = document.querySelector(`.leaflet-control-${name}`);
      control.title = text;
      control.setAttribute("aria-label", text);
      if (name === "layers-toggle") control.textContent = text;
    }
  }
  function add() {
    const Tools = L.Control.extend({onAdd: () => {
      const bar = el("div", {class: "pw-tools leaflet-bar"},
        el("button", {type: "button", title: t("All of the map"), "aria-label": t("All of the map"), click: home}, "⌂"),
        el("button", {type: "button", id: "pw-measure", title: t("Measure"), "aria-label": t("Measure"), "aria-pressed": "false", click: measure}, ruler()));
      L.DomEvent.disableClickPropagation(bar);
      return bar;
    }});
    new Tools({position: "topleft"}).addTo(map);
    const North = L.Control.extend({onAdd: () => {
      const arrow = pw.svg("svg", {viewBox: "0 0 24 34", class: "pw-north", role: "img", "aria-label": t("North is up")});
      arrow.append(pw.svg("path", {d: "M12 1 L20 24 L12 19 L4 24 Z", fill: "#14252b", stroke: "white", "stroke-width": 1.5}));
      const letter = pw.svg("text", {x: 12, y: 33, "text-anchor": "middle", "font-size": 10, "font-weight": 700, fill: "#14252b"});
      letter.textContent = t("N");
      arrow.append(letter);
      return arrow;
    }});
    new North({position: "bottomright"}).addTo(map);
    L.control.scale({imperial: false, maxWidth: 130, position: "bottomright"}).addTo(map);
  }
  let measured = null;
  function measure() {
    const on = measured === null;
    $("pw-measure").setAttribute("aria-pressed", String(on));
    $("pw-measured").hidden = !on;
    map.getContainer().classList.toggle("pw-measuring", on);
    if (measured) measured.line.remove();
    measured = on ? {places: [], line: L.polygon([], {color: "#14252b", weight: 2, dashArray: "4 3", fillOpacity: 0.08, interactive: false}).addTo(map)} : null;
    if (on) { tellMeasured(); $("pw-measured").querySelector("button").focus(); }
  }
  function addMeasured(place) {
    measured.places.push([place.lat, place.lng]);
    measured.line.setLatLngs(measured.places);
    tellMeasured();
  }
  function tellMeasured() {
    const {places} = measured, metres = earth.length(places);
    const long = metres < 10000 ? `${number(metres, 0)} m` : `${number(metres / 1000, 2)} km`;
    $("pw-length").textContent = places.length < 2 ? t("Click on the map, or use the buttons.")
      : places.length < 3 ? long : t("{length}; area {area}", {length: long, area: ha(earth.area(places) / 10000)});
  }
  function tellPlace(place) {
    const grid = earth.utm(place.lat, place.lng);
    $("pw-place").textContent = `${place.lat.toFixed(5)}, ${place.lng.toFixed(5)} · UTM ${grid.zone} ${Math.round(grid.easting)} ${Math.round(grid.northing)}`;
  }
  // Meridians and parallels: where the page is offline they are what places are found by.
  function drawFrame(frame, wanted) {
    const size = map.getSize(), ratio = L.Browser.retina ? 2 : 1, ctx = frame.getContext("2d"), view = map.getBounds();
    frame.width = size.x * ratio;
    frame.height = size.y * ratio;
    ctx.scale(ratio, ratio);
    ctx.clearRect(0, 0, size.x, size.y);
    if (!wanted) return;
    const width = view.getEast() - view.getWest(), steps = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
    const step = steps.find((s) => width / s >= 4) || 0.001, digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
    const name = (value, signs) => `${number(Math.abs(value), digits)}° ${value < 0 ? signs[1] : signs[0]}`;
    ctx.strokeStyle = "#b3c0ba";
    ctx.fillStyle = "#46565c";
    ctx.font = "11px system-ui, sans-serif";
    ctx.lineWidth = 1;
    for (let i = Math.ceil(view.getWest() / step); i * step < view.getEast(); i++) {
      const {x} = map.latLngToContainerPoint([view.getNorth(), i * step]);
      ctx.beginPath(); ctx.moveTo(Math.round(x) + 0.5, 0); ctx.lineTo(Math.round(x) + 0.5, size.y); ctx.stroke();
      ctx.fillText(name(i * step, [t("E"), t("W")]), x + 4, 12);
    }
    for (let i = Math.ceil(view.getSouth() / step); i * step < view.getNorth(); i++) {
      const {y} = map.latLngToContainerPoint([i * step, view.getWest()]);
      ctx.beginPath(); ctx.moveTo(0, Math.round(y) + 0.5); ctx.lineTo(size.x, Math.round(y) + 0.5); ctx.stroke();
      ctx.fillText(name(i * step, [t("N"), t("S")]), 52, y - 4);
    }
  }
  function start() {
    nameControls();
    add();
    $("pw-centre").addEventListener("click", () => addMeasured(map.getCenter()));
    $("pw-undo").addEventListener("click", () => { measured.places.pop(); measured.line.setLatLngs(measured.places); tellMeasured(); });
    $("pw-measureend").addEventListener("click", () => { measure(); $("pw-measure").focus(); });
    map.on("moveend", () => { if (!map.getContainer().matches(":hover")) tellPlace(map.getCenter()); });
    tellPlace(map.getCenter());
  }
  return {start, tellPlace, drawFrame, addMeasured, measuring: () => measured !== null};
};
