"use strict";
// Every text of the data reaches the page as text, never as markup.
const placerwatch = (() => {
  const data = () => JSON.parse(document.getElementById("pw-data").textContent);
  let map, facts, rendering = "true", view = "after";
  const changes = new Map(), polygons = new Map(), dots = [];
  const DOTS_UNTIL_ZOOM = 13.5;

  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }
  function svg(tag, attributes) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  }
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  function day(iso) {
    if (!iso) return "not known";
    const [y, m, d] = iso.split("-").map(Number);
    return `${d} ${MONTHS[m - 1]} ${y}`;
  }
  const ha = (value) => `${value.toLocaleString("en", {maximumFractionDigits: value < 10 ? 2 : value < 1000 ? 1 : 0})} ha`;
  const percent = (share) => `${(100 * share).toFixed(share < 0.9995 && share > 0 ? 1 : 0)} %`;
  function began(p) {
    if (p.last_clear_undisturbed && p.first_clear_disturbed)
      return `after ${day(p.last_clear_undisturbed)}, not later than ${day(p.first_clear_disturbed)}`;
    if (p.first_clear_disturbed) return `not later than ${day(p.first_clear_disturbed)} (no clear look before)`;
    return p.last_clear_undisturbed ? `after ${day(p.last_clear_undisturbed)}` : "not known";
  }

  const table = (rows) => el("table", {}, el("tbody", {},
    ...rows.filter(([, value]) => value).map(([name, value]) => el("tr", {}, el("th", {}, name), el("td", {}, value)))));

  // Outline of a feature on its picture; over a kilometre or two, latitude is as good as linear.
  function outline(geometry, bounds, colour) {
    const [[south, west], [north, east]] = bounds;
    const rings = geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat();
    const d = rings.map((ring) => "M" + ring.map(([x, y]) =>
      `${(100 * (x - west) / (east - west)).toFixed(2)} ${(100 * (north - y) / (north - south)).toFixed(2)}`).join("L") + "Z").join("");
    const drawing = svg("svg", {viewBox: "0 0 100 100", "aria-hidden": "true"});
    drawing.append(svg("path", {d, fill: "none", stroke: "white", "stroke-width": 2.4, "stroke-opacity": 0.75}),
      svg("path", {d, fill: "none", stroke: colour, "stroke-width": 1.3}));
    return drawing;
  }
  function chip(id, when, outlined) {
    const pictures = facts.pictures[id], feature = changes.get(id);
    const image = el("img", {src: pictures[when][rendering], alt: `${when}: satellite picture of ${id}`});
    const frame = el("span", {class: "pw-chip"}, image);
    if (outlined && feature) frame.append(outline(feature.geometry, pictures.bounds, facts.colours[feature.properties.state]));
    return frame;
  }
  function pair(id, p) {
    const pictures = facts.pictures[id];
    if (!pictures) return null;
    const box = el("div", {});
    const draw = () => {
      const figures = ["before", "after"].filter((when) => pictures[when]).map((when) => {
        const span = facts.periods[when];
        return el("figure", {}, chip(id, when, true), el("figcaption", {}, el("b", {}, `${when}: ${span.name}`), el("br"),
          `${day(span.start)} to ${day(span.end)}`, el("br"), `${p["clear_looks_" + when]} clear looks`));
      });
      const other = rendering === "true" ? "infrared" : "true";
      const button = el("button", {type: "button"}, other === "true" ? "true colour" : "infrared (B11 B8 B4)");
      button.addEventListener("click", (event) => { event.stopPropagation(); paint(other); draw(); });
      box.replaceChildren(el("div", {class: "pw-pair"}, ...figures),
        el("div", {class: "pw-switch"}, `${pictures.side_m} m wide`, button));
    };
    draw();
    return box;
  }
  function card(id) {
    const p = changes.get(id).properties;
    const zone = p.zone_id === null ? "unassigned ground"
      : `${p.zone_name}: ${p.zone_status} on ${day(facts.as_of)}` + (p.boundary_vintage ? `; boundaries ${p.boundary_vintage}` : "");
    const rows = [
      ["ground", ha(p.area_ha) + (p.probability === null ? "" : ` (bare ${ha(p.bare_ha)}, pond ${ha(p.pond_ha)})`)],
      ["change", [p.area_gain_ha ? `+${ha(p.area_gain_ha)}` : "", p.area_loss_ha ? `−${ha(p.area_loss_ha)}` : ""].filter(Boolean).join(", ") || "none"],
      ["digging began", began(p)],
      ["last observed", day(p.last_observed)],
      ["clear looks", `${p.clear_looks_before} before, ${p.clear_looks_after} after`],
      ["observed", `${percent(p.observed_share)} of its ground`],
      ["confidence", p.confidence + (p.probability === null ? "; claimed by radar alone, not seen by optical imagery"
        : `; mean probability ${p.probability.toFixed(2)}`)],
      ["zone", zone],
      ["within 1 km", `${p.sites_within_1km} other ${p.sites_within_1km === 1 ? "site" : "sites"}`],
      ["sensors", p.sensors.join(", ")],
      ["review", p.review.state],
      ["change id", p.change_id],
    ];
    return el("div", {class: "pw-card"},
      el("h3", {}, el("i", {class: `pw-swatch pw-${p.state}`}), ` ${p.state}, ${ha(p.area_ha)}`),
      el("p", {class: "pw-lead"}, `${p.site_id} · ${p.status}`),
      pair(id, p),
      el("p", {class: "pw-caution"}, "Ground that looks disturbed from orbit. Who works there, whether it is legal, what is dug "
        + "and how much cannot be seen." + (p.review.state === "unreviewed" ? " No one has checked it yet." : "")),
      table(rows));
  }
  const width = () => Math.min(330, window.innerWidth - 60);
  const popupOptions = () => ({maxWidth: width(), minWidth: width(), maxHeight: 0.78 * map.getSize().y, autoPanPadding: [12, 12]});
  const bind = (layer, id) => layer.on("click", (event) => { L.DomEvent.stop(event); open(id, event.latlng); });
  function open(id, place) {
    L.popup(popupOptions()).setLatLng(place).setContent(card(id)).openOn(map);
  }

  function under(layer, feature, pane, style) {
    const copy = L.geoJSON(feature, {pane, style, interactive: false});
    layer.on("add", () => copy.addTo(layer._map)).on("remove", () => copy.remove());
  }
  function area(feature, layer) {
    const p = feature.properties, zone = p.role === "zone";
    // The fill lies below the pictures; the outline above them takes the clicks.
    under(layer, feature, "ground", {stroke: false, fillColor: zone ? "#ffffff" : "#f3f5f1", fillOpacity: zone ? 0.7 : 0.6});
    if (zone) {
      layer.bindTooltip(() => el("span", {}, p.name, el("small", {}, p.status)),
        {permanent: true, direction: "center", className: "pw-zone"});
    }
    layer.bindPopup(() => el("div", {class: "pw-card"}, el("h3", {}, p.name),
      el("p", {class: "pw-lead"}, zone ? `declared zone · ${p.status} on ${day(facts.as_of)}` : "watched, counted as unassigned ground"),
      table([
        ["disturbed", p.disturbed_ha === null ? null : `${ha(p.disturbed_ha)} of ${ha(p.watched_ha)} watched, ${facts.periods.after.name}`],
        ["observed", p.observed_share === null ? null : `${percent(p.observed_share)} of the watched ground`],
        ["boundaries", [p.vintage, p.source].filter(Boolean).join("; ")],
        ["id", p.zone_id],
      ])), {maxWidth: 300, minWidth: 220});
  }
  function change(feature, layer) {
    const p = feature.properties;
    if (p.part === "site") {
      changes.set(p.change_id, feature);
      polygons.set(p.change_id, layer);
      // A pale edge keeps every colour apart from forest, soil and water alike.
      under(layer, feature, "edges", {color: "white", weight: 4.5, opacity: 0.85, fill: false});
    }
    bind(layer, p.change_id);
  }

  // A site is smaller than a screen pixel when a whole zone is in view: a dot stands for it.
  function addDots(layers) {
    // What is new is drawn last and lies on top.
    const order = Object.keys(facts.colours).reverse();
    const rank = (id) => order.indexOf(changes.get(id).properties.state);
    for (const [id, layer] of [...polygons].sort((a, b) => rank(a[0]) - rank(b[0]))) {
      const p = changes.get(id).properties;
      const dot = L.circleMarker(layer.getBounds().getCenter(), {radius: 4 + Math.min(5, Math.sqrt(p.area_ha)), weight: 1.5,
        color: "white", fillColor: facts.colours[p.state], fillOpacity: 0.95});
      bind(dot, id);
      dots.push([dot, layers[p.state]]);
    }
    const show = () => {
      const far = map.getZoom() < DOTS_UNTIL_ZOOM;
      for (const [dot, layer] of dots) if (layer.hasLayer(dot) !== far) far ? layer.addLayer(dot) : layer.removeLayer(dot);
    };
    map.on("zoomend", show);
    show();
  }

  const overlays = [];
  function paint(name) {
    rendering = name || rendering;
    for (const [id, overlay] of overlays) {
      const pictures = facts.pictures[id][view];
      if (pictures) { overlay.setUrl(pictures[rendering]); overlay.addTo(map); } else overlay.remove();
    }
    for (const button of document.querySelectorAll(".pw-views button"))
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
  function addPictures() {
    if (!facts.order.length) return;
    map.createPane("pictures").style.zIndex = 350;
    for (const id of [...facts.order].reverse())
      overlays.push([id, L.imageOverlay(facts.pictures[id].after[rendering], facts.pictures[id].bounds, {pane: "pictures", className: "pw-picture"})]);
    const Views = L.Control.extend({onAdd: () => {
      const bar = el("div", {class: "pw-views", role: "group", "aria-label": "pictures on the map"});
      for (const key of ["before", "after"].filter((when) => facts.periods[when]).concat("none")) {
        const text = key === "none" ? "no pictures" : `${key} ${facts.periods[key].name}`;
        const button = el("button", {type: "button", "data-view": key}, text);
        button.addEventListener("click", () => { view = key; paint(); });
        bar.append(button);
      }
      L.DomEvent.disableClickPropagation(bar);
      return bar;
    }});
    new Views({position: "bottomright"}).addTo(map);
    paint();
  }
  function addList() {
    const list = document.getElementById("pw-list");
    if (!list) return;
    for (const id of facts.order) {
      const feature = changes.get(id);
      if (!feature) continue;
      const p = feature.properties;
      const size = p.area_gain_ha ? `+${ha(p.area_gain_ha)}` : p.area_loss_ha ? `−${ha(p.area_loss_ha)}` : ha(p.area_ha);
      const button = el("button", {type: "button"}, ...["before", "after"].filter((w) => facts.pictures[id][w]).map((w) => chip(id, w, false)),
        el("span", {}, el("i", {class: `pw-swatch pw-${p.state}`}), ` ${p.state} ${size}`,
          el("small", {}, `${p.zone_id === null ? "unassigned" : p.zone_name} · ${p.confidence} confidence`)));
      button.addEventListener("click", () => {
        map.fitBounds(facts.pictures[id].bounds, {maxZoom: 16, animate: false});
        open(id, polygons.get(id).getBounds().getCenter());
        if (window.innerWidth <= 760) window.scrollTo(0, 0);
      });
      list.append(el("li", {}, button));
    }
    document.getElementById("pw-all").addEventListener("click", home);
  }
  const home = () => { map.closePopup(); map.fitBounds(facts.bounds, {padding: [40, 40], maxZoom: 14.5, animate: false}); };

  // Meridians and parallels: where the page is offline they are what places are found by.
  function addGrid() {
    const lines = L.layerGroup().addTo(map);
    const pane = map.createPane("grid");
    pane.style.zIndex = 340;
    pane.style.pointerEvents = "none";
    const renderer = L.svg({pane: "grid"});
    const label = (place, text, direction) => L.tooltip({permanent: true, direction, className: "pw-grid", pane: "grid", offset: [0, 0]})
      .setLatLng(place).setContent(text).addTo(lines);
    const name = (value, step, signs) =>
      `${Math.abs(value).toFixed(Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)))}° ${signs[value < 0 ? 1 : 0]}`;
    const draw = () => {
      lines.clearLayers();
      const view = map.getBounds(), span = view.getEast() - view.getWest();
      const steps = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
      const step = steps.find((s) => span / s >= 4) || 0.001;
      const style = {color: "#b9c4bf", weight: 1, interactive: false, renderer, pane: "grid"};
      const corner = map.containerPointToLatLng([0, map.getSize().y]);
      for (let i = Math.ceil(view.getWest() / step); i * step < view.getEast(); i++) {
        L.polyline([[view.getSouth(), i * step], [view.getNorth(), i * step]], style).addTo(lines);
        label([view.getNorth(), i * step], name(i * step, step, "EW"), "bottom");
      }
      for (let i = Math.ceil(view.getSouth() / step); i * step < view.getNorth(); i++) {
        L.polyline([[i * step, view.getWest()], [i * step, view.getEast()]], style).addTo(lines);
        label([i * step, corner.lng], name(i * step, step, "NS"), "right");
      }
    };
    map.on("moveend resize", draw);
    draw();
  }

  function start(theMap, layers) {
    map = theMap;
    facts = data();
    map.attributionControl.setPrefix(false);
    home();
    L.control.scale({imperial: false, maxWidth: 140}).addTo(map);
    addGrid();
    addPictures();
    addDots(layers);
    addList();
    let drawn = 0;
    for (const layer of polygons.values()) if (map.hasLayer(layer)) drawn += 1;
    document.body.dataset.placerwatch = `${drawn} of ${facts.changes} changes on the map`;
  }
  return {area, change, start};
})();
