"use strict";
const placerwatch = (() => {
  const {el, ha, word} = pw, {mercator, bounds} = shapes;
  const MAX_NOTE = 5000, ROWS = 60, CLASSES = ["workings", "river bar", "burn", "field", "road", "settlement", "pond", "cloud", "other"];
  const DECISIONS = ["confirmed", "rejected", "unsure"];
  let map, facts, ground, drawings = [], frame, aids, book, changes, sites, siteOf, chosen = null, period, left, right, at = 50, rendering = "true";
  let order = [], rows = ROWS, reviewing = false, shown = {};
  const $ = (id) => document.getElementById(id);
  const last = () => facts.periods.length - 1;
  const span = (i) => days(facts.periods[i].start, facts.periods[i].end);

  const record = (columns, i) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]]));

  const repaint = () => { for (const one of drawings) if (one._bounds) one.paint(); };

  function siteState(i, when) {
    const {observed, hectares} = facts.sites;
    if (!(observed[i][when] > 0)) return "unseen";
    return hectares[i][when] > 0 ? "disturbed" : "undisturbed";
  }
  const STATE_THEN = {disturbed: () => t("disturbed"), undisturbed: () => t("not disturbed"), unseen: () => t("not observed")};

  // ---- pictures: in the page as text until they are looked at, or files beside it
  const read = new Map();
  function source(i, when, how) {
    const number = facts.chips.numbers[i];
    if (number === undefined || number < 0) return null;
    if (facts.chips.folder) return `${facts.chips.folder}/${String(number).padStart(4, "0")}-${when}-${how}.png`;
    if (!read.has(number)) {
      const block = $(`pw-chip-${number}`);
      if (!block) return null;
      read.set(number, JSON.parse(block.textContent));
    }
    const data = read.get(number)[when];
    return data ? `data:image/png;base64,${data[how]}` : null;
  }
  const pictured = (i) => facts.chips.numbers[i] >= 0;
  const chipBox = (i) => facts.chips.bounds[facts.chips.numbers[i]];
  function side(i, when, clear) {
    return {src: source(i, when, rendering), title: facts.periods[when].name, text: span(when),
      more: clear === null ? "" : plural("{count} clear look", "{count} clear looks", clear)};
  }
  const overlays = new Map();
  function drawPictures() {
    const want = new Set(), view = map.getBounds();
    if (shown.pictures && map.getZoom() >= 12)
      for (const i of facts.chips.order) {
        if (want.size >= 60) break;
        if (changes.wanted[i] && view.intersects(chipBox(i))) want.add(i);
      }
    for (const [i, overlay] of overlays) if (!want.has(i)) { overlay.remove(); overlays.delete(i); }
    for (const i of want) {
      const url = source(i, period, rendering);
      if (!url) continue;
      if (overlays.has(i)) { if (overlays.get(i)._url !== url) overlays.get(i).setUrl(url); continue; }
      overlays.set(i, L.imageOverlay(url, chipBox(i), {pane: "pictures", className: "pw-picture", interactive: false}).addTo(map));
    }
  }

  // ---- filters, search and list
  const plain = (text) => String(text).normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  const zoneName = (i) => facts.changes.zone[i] < 0 ? t("unassigned") : facts.zones[facts.changes.zone[i]].name;
  function decision(i) {
    const note = reviewing && book ? book.get(facts.changes.change_id[i]) : null;
    return note && note.decision || shared(i).state;
  }
  const shared = (i) => facts.reviews[facts.changes.change_id[i]] || {state: "unreviewed", reviewer: null, date: null, by: []};
  function filter() {
    const c = facts.changes, states = new Set(), levels = new Set();
    for (const box of document.querySelectorAll("[data-state]:checked")) states.add(box.dataset.state);
    for (const box of document.querySelectorAll("[data-confidence]:checked")) levels.add(box.dataset.confidence);
    const words = plain($("pw-search").value).split(/\s+/).filter(Boolean), zone = $("pw-zone").value;
    const least = Number($("pw-size").value) || 0, review = $("pw-decided").value;
    order = facts.bySize.filter((i) => {
      if (!states.has(c.state[i]) || !levels.has(c.confidence[i]) || c.area_ha[i] < least) return false;
      if (zone !== "" && c.zone[i] !== Number(zone)) return false;
      if (review && decision(i) !== review) return false;
      if (!words.length) return true;
      const text = plain(`${c.change_id[i]} ${c.site_id[i]} ${zoneName(i)}`);
      return words.every((part) => text.includes(part));
    });
    changes.wanted.fill(0);
    for (const i of order) changes.wanted[i] = 1;
    rows = ROWS;
    list();
    repaint();
    drawPictures();
    document.body.dataset.listed = order.length;
  }
  const lazy = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) if (isIntersecting) {
      lazy.unobserve(target);
      const i = Number(target.dataset.change), src = source(i, Number(target.dataset.when), "true");
      if (src) target.replaceChildren(el("img", {src, alt: "", decoding: "async"}));
    }
  });
  function row(i) {
    const c = facts.changes;
    const size = c.area_gain_ha[i] ? `+${ha(c.area_gain_ha[i])}` : c.area_loss_ha[i] ? `−${ha(c.area_loss_ha[i])}` : ha(c.area_ha[i]);
    const thumbs = pictured(i) ? [left, right].filter((when) => when !== null).map((when) => {
      const frame = el("span", {class: "pw-thumb", "data-change": i, "data-when": when});
      lazy.observe(frame);
      return frame;
    }) : [];
    const state = decision(i);
    return el("li", {}, el("button", {type: "button", "data-change": i, "aria-current": chosen === i ? "true" : null, click: () => open(i, true)},
      el("span", {class: "pw-thumbs", "aria-hidden": "true"}, ...thumbs),
      el("span", {}, el("i", {class: `pw-swatch pw-${c.state[i]}`}), ` ${word(c.state[i])} `, el("b", {}, size),
        el("small", {}, zoneName(i), " · ", t("confidence {level}", {level: word(c.confidence[i])}),
          state === "unreviewed" ? null : el("em", {class: `pw-mark pw-mark-${state}`}, word(state))))));
  }
  function list() {
    $("pw-list").replaceChildren(...order.slice(0, rows).map(row));
    $("pw-more").hidden = order.length <= rows;
    $("pw-count").textContent = order.length === facts.changes.change_id.length
      ? plural("{count} place", "{count} places", order.length)
      : t("{count} of {total} places", {count: order.length, total: facts.changes.change_id.length});
    const words = plain($("pw-search").value).trim();
    const zones = words ? facts.zones.map((zone, i) => [zone, i]).filter(([zone]) => plain(`${zone.name} ${zone.zone_id}`).includes(words)).slice(0, 6) : [];
    $("pw-zones").replaceChildren(...zones.map(([zone, i]) => el("li", {}, el("button", {type: "button", click: () => openZone(i, true)},
      el("b", {}, zone.name), ` ${zone.status}`))));
  }

  // ---- one place, or one zone, in the panel
  function show(node, focus) {
    const home = chosen === null && node === null;
    $("pw-home").hidden = !home;
    $("pw-detail").hidden = home;
    $("pw-panel").classList.toggle("pw-open", !home);
    $("pw-detail").replaceChildren(...(node ? [node] : []));
    if (node) { $("pw-panel").scrollTop = 0; if (focus) node.querySelector("h2").focus({preventScroll: true}); }
  }
  function close() {
    const was = chosen;
    chosen = null;
    show(null);
    list();
    repaint();
    const button = was === null ? null : document.querySelector(`#pw-list [data-change="${was}"]`);
    (button || $("pw-search")).focus();
  }
  const back = () => el("button", {type: "button", class: "pw-back", click: close}, el("span", {"aria-hidden": "true"}, "‹ "), t("All places"));
  function step(by) {
    if (!order.length) return;
    const now = order.indexOf(chosen);
    open(order[now < 0 ? (by > 0 ? 0 : order.length - 1) : (now + by + order.length) % order.length], true);
  }
  function open(i, move) {
    chosen = i;
    if (move) go(pictured(i) ? L.latLngBounds(chipBox(i)) : bounds(changes, i).pad(1));
    show(card(i), true);
    document.body.dataset.chosen = facts.changes.change_id[i];
    repaint();
  }
  const go = (box) => { map.fitBounds(box, {maxZoom: 16, animate: false}); if (window.innerWidth <= 760) window.scrollTo(0, 0); };
  function began(p) {
    if (p.last_clear_undisturbed && p.first_clear_disturbed)
      return t("after {first}, not later than {last}", {first: day(p.last_clear_undisturbed), last: day(p.first_clear_disturbed)});
    if (p.first_clear_disturbed) return t("not later than {last} (no clear look before)", {last: day(p.first_clear_disturbed)});
    return p.last_clear_undisturbed ? t("after {first}", {first: day(p.last_clear_undisturbed)}) : t("not known");
  }
  function marks(i) {
    const box = chipBox(i), [south, west] = box[0], [north, east] = box[1];
    // Over a kilometre or two, latitude is as good as linear.
    const rings = changes.places(i).map((ring) => ring.map(([lon, lat]) => [100 * (lon - west) / (east - west), 100 * (north - lat) / (north - south)]));
    return pw.outline(rings, facts.colours[facts.changes.state[i]]);
  }
  function comparison(i, p) {
    if (!pictured(i)) return facts.run.public ? null : el("p", {class: "pw-hint"}, t("No pictures of this place are in the map: it holds those of the places that changed most."));
    const box = el("div", {class: "pw-compare"});
    const looks = (when) => when === last() ? p.clear_looks_after : when === last() - 1 ? p.clear_looks_before : null;
    const draw = () => {
      const own = pw.swipe(side(i, left ?? right, looks(left ?? right)), side(i, right, looks(right)), marks(i), at);
      own.range.addEventListener("input", () => { at = Number(own.range.value); });
      box.replaceChildren(own.stage);
      return own;
    };
    draw();
    const pick = (label, value, act) => {
      const select = el("select", {"aria-label": label, change: () => { act(Number(select.value)); draw(); }},
        ...facts.periods.map((one, n) => el("option", {value: n, selected: n === value}, one.name)));
      return select;
    };
    return el("div", {}, box, el("div", {class: "pw-switch"},
      left === null ? null : pick(t("Period of the picture on the left"), left, (n) => { left = n; }),
      pw.choice(t("Colours"), pw.renderings(), rendering, (key) => { rendering = key; draw(); drawPictures(); }),
      left === null ? null : pick(t("Period of the picture on the right"), right, (n) => { right = n; })),
      el("p", {class: "pw-hint"}, t("{metres} m wide; the median of the clear looks of each period. True colour: B4 B3 B2; infrared: B11 B8 B4. Hatched: not observed.",
        {metres: facts.chips.side_m[facts.chips.numbers[i]]})));
  }
  function history(i) {
    const s = siteOf.get(facts.changes.site_id[i]);
    if (s === undefined) return null;
    const {hectares, observed} = facts.sites, most = Math.max(0.01, ...hectares[s].filter((value) => value !== null));
    return el("table", {class: "pw-history"}, el("caption", {}, t("Disturbed ground of the site by period")), el("tbody", {}, ...facts.periods.map((one, n) =>
      el("tr", {}, el("th", {scope: "row"}, one.name), el("td", {}, siteState(s, n) === "unseen" ? el("span", {class: "pw-unseen"}, t("not observed"))
        : el("span", {class: "pw-column"}, el("i", {style: `width:${(100 * hectares[s][n] / most).toFixed(1)}%`}))),
      el("td", {}, siteState(s, n) === "unseen" ? "" : ha(hectares[s][n])), el("td", {}, observed[s][n] > 0 && observed[s][n] < 0.9995 ? t("{share} seen", {share: share(observed[s][n])}) : "")))));
  }
  function card(i) {
    const p = record(facts.changes, i), zone = p.zone < 0 ? null : facts.zones[p.zone], place = changes.middle(i), told = shared(i);
    const grid = earth.utm(place.lat, place.lng);
    // In a public release this is a cell, without pictures and without what reviewers said.
    const rows = [
      [t("sites"), facts.run.public ? number(p.sites) : ""],
      [t("ground"), p.probability === null ? ha(p.area_ha) : t("{area} (bare {bare}, pond {pond})", {area: ha(p.area_ha), bare: ha(p.bare_ha), pond: ha(p.pond_ha)})],
      [t("change"), [p.area_gain_ha ? `+${ha(p.area_gain_ha)}` : "", p.area_loss_ha ? `−${ha(p.area_loss_ha)}` : ""].filter(Boolean).join(", ") || t("none")],
      [t("digging began"), began(p)],
      [t("last observed"), p.last_observed ? day(p.last_observed) : t("not known")],
      [t("clear looks"), t("{before} before, {after} after", {before: p.clear_looks_before, after: p.clear_looks_after})],
      [t("observed"), t("{share} of its ground", {share: share(p.observed_share)})],
      [t("confidence"), p.probability === null ? t("{level}; claimed by radar alone, not seen by optical imagery", {level: word(p.confidence)})
        : t("{level}; mean probability {value}", {level: word(p.confidence), value: number(p.probability, 2)})],
      [t("zone"), zone ? t("{name}: {status} on {day}", {name: zone.name, status: zone.status, day: day(facts.run.as_of)}) : t("unassigned ground")],
      [t("boundaries"), zone ? zone.vintage : ""],
      [t("within 1 km"), plural("{count} other site", "{count} other sites", p.sites_within_1km)],
      [t("sensors"), p.sensors.join(", ")],
      [t("place"), `${place.lat.toFixed(5)}, ${place.lng.toFixed(5)}; ${grid.zone} ${Math.round(grid.easting)} ${Math.round(grid.northing)}`],
      [t("review"), facts.run.public ? "" : told.state === "unreviewed" ? word(told.state) : el("span", {}, t("{name}: {told}", {name: word(told.state), told: `${told.reviewer}, ${day(told.date)}`}),
        ...(told.by || []).map((one) => el("span", {class: "pw-vote"}, t("{name}: {told}", {name: one.reviewer, told: [one.decision, one.class].filter(Boolean).map(word).join(", ")}), one.comment ? el("q", {dir: "auto"}, one.comment) : null)))],
      [t("site"), p.site_id],
      [t("change id"), p.change_id],
    ];
    const now = order.indexOf(i);
    return el("article", {class: "pw-card"},
      el("div", {class: "pw-nav"}, back(), el("span", {}, now < 0 ? "" : t("{number} of {total}", {number: now + 1, total: order.length})),
        el("button", {type: "button", click: () => step(-1), "aria-label": t("Previous place"), "aria-keyshortcuts": "P"}, "‹"),
        el("button", {type: "button", click: () => step(1), "aria-label": t("Next place"), "aria-keyshortcuts": "N"}, "›")),
      el("h2", {tabindex: -1}, el("i", {class: `pw-swatch pw-${p.state}`}), ` ${word(p.state)}, ${ha(p.area_ha)}`),
      el("p", {class: "pw-lead"}, `${p.site_id} · ${word(p.status)} · ${t("confidence {level}", {level: word(p.confidence)})}`),
      comparison(i, p),
      reviewing ? form(i) : null,
      el("p", {class: "pw-caution"}, t("Ground that looks disturbed from orbit. Who works there, whether it is legal, what is dug and how much cannot be seen."),
        told.state === "unreviewed" && !facts.run.public ? el("b", {}, " ", t("No one has checked it yet.")) : null),
      history(i), pw.table(rows));
  }
  function openZone(i, move) {
    const zone = facts.zones[i];
    chosen = null;
    if (move) go(L.latLngBounds(zone.bounds));
    show(el("article", {class: "pw-card"}, el("div", {class: "pw-nav"}, back()), el("h2", {tabindex: -1}, zone.name),
      el("p", {class: "pw-lead"}, zone.role === "zone" ? t("declared zone · {status} on {day}", {status: zone.status, day: day(facts.run.as_of)})
        : t("watched, counted as unassigned ground")),
      pw.table([
        [t("disturbed"), zone.disturbed_ha === null ? null : t("{area} of {watched} watched, {period}", {area: ha(zone.disturbed_ha), watched: ha(zone.watched_ha), period: facts.periods[last()].name})],
        [t("observed"), zone.observed_share === null ? null : t("{share} of the watched ground", {share: share(zone.observed_share)})],
        [t("boundaries"), [zone.vintage, zone.source].filter(Boolean).join("; ")],
        [t("zone id"), zone.zone_id],
      ]),
      el("button", {type: "button", class: "pw-link", click: () => { $("pw-zone").value = String(i); filter(); close(); }}, t("Only the places in this zone"))), true);
    repaint();
  }
  function zoneUnder(place) {
    const [x, y] = mercator(place.lng, place.lat);
    const hits = facts.zones.map((_, i) => i).filter((i) => facts.zoneShapes.holds(i, x, y));
    return hits.find((i) => facts.zones[i].role === "zone") ?? hits[0];
  }

  // ---- review
  function form(i) {
    const id = facts.changes.change_id[i], note = book.get(id) || {};
    const said = el("p", {class: "pw-said", role: "status"});
    const keep = (change) => {
      if (!book.set(id, change)) { said.textContent = t("Write your initials first."); $("pw-initials").focus(); return false; }
      said.textContent = book.blocked ? t("Noted, but not kept by this browser: save the file.") : t("Kept in this browser.");
      return true;
    };
    const radios = DECISIONS.map((name, n) => {
      const input = el("input", {type: "radio", name: "pw-decision", value: name, checked: note.decision === name, "aria-keyshortcuts": String(n + 1)});
      input.addEventListener("change", () => { if (!keep({decision: name})) input.checked = false; });
      return el("label", {}, input, [t("confirm"), t("reject"), t("unsure")][n], el("kbd", {"aria-hidden": "true"}, String(n + 1)));
    });
    const kind = el("select", {id: "pw-class", change: () => keep({class: kind.value})}, el("option", {value: ""}, t("not said")),
      ...CLASSES.map((name) => el("option", {value: name, selected: note.class === name}, word(name))));
    const comment = el("textarea", {id: "pw-comment", rows: 1, maxlength: MAX_NOTE, dir: "auto"});
    comment.value = note.comment || "";
    comment.addEventListener("input", () => keep({comment: comment.value}));
    return el("form", {class: "pw-form", submit: (event) => event.preventDefault()},
      el("fieldset", {}, el("legend", {}, t("What do you see here?")), el("div", {class: "pw-decide"}, ...radios)),
      el("label", {for: "pw-class"}, t("What the ground is")), kind,
      el("label", {for: "pw-comment"}, t("Comment")), comment, said);
  }
  function decide(number) {
    const input = document.querySelectorAll("[name=pw-decision]")[number];
    if (input && reviewing) input.click();
  }
  function save() {
    const features = book.all().filter(([, note]) => note.decision).map(([id, note]) => {
      const i = facts.changes.change_id.indexOf(id), place = changes.middle(i);
      return {type: "Feature", geometry: {type: "Point", coordinates: [Number(place.lng.toFixed(6)), Number(place.lat.toFixed(6))]},
        properties: {change_id: id, decision: note.decision, class: note.class || "", comment: note.comment || "", date: note.date}};
    });
    notes.download(notes.fileName("review", facts.run.programme, facts.run.run_id, book.reviewer) + ".geojson",
      {type: "FeatureCollection", format: "placerwatch review 1", programme: facts.run.programme, run_id: facts.run.run_id,
        changes_sha256: facts.run.changes_sha256, reviewer: book.reviewer, features});
  }
  function take(file) {
    if (file.format !== "placerwatch review 1") return t("This is not a file that this page saved.");
    if (file.changes_sha256 !== facts.run.changes_sha256) return t("This file is of another run ({other}); this page is of {run}.", {other: String(file.run_id).slice(0, 60), run: facts.run.run_id});
    const rows = file.features.map(({properties: p}) => [String(p.change_id), {decision: DECISIONS.includes(p.decision) ? p.decision : "", class: String(p.class),
      comment: String(p.comment).slice(0, MAX_NOTE), date: String(p.date)}]);
    const taken = book.take(String(file.reviewer).slice(0, 20), rows);
    filter();
    return plural("{count} decision taken from the file.", "{count} decisions taken from the file.", taken);
  }
  function review(on) {
    reviewing = on;
    $("pw-review").setAttribute("aria-pressed", String(on));
    $("pw-reviewbar").hidden = !on;
    if (chosen !== null) show(card(chosen)); else list();
  }

  // ---- period, tools, frame
  function setPeriod(value) {
    period = value;
    $("pw-period").value = value;
    const one = facts.periods[value];
    $("pw-period").setAttribute("aria-valuetext", `${one.name}, ${span(value)}`);
    $("pw-when").replaceChildren(el("b", {}, one.name), ` ${span(value)}`);
    const seen = facts.sites.observed.filter((row) => row[value] > 0).length;
    const dug = sites.all.filter((i) => siteState(i, value) === "disturbed").length;
    $("pw-then").replaceChildren(...(value === last() ? [t("changes since the period before")]
      : [...Object.entries(STATE_THEN).map(([name, text]) => el("span", {class: "pw-key"}, el("i", {class: `pw-then-${name}`}), text())),
        // In a public release what lies there are cells, and how many of their sites were disturbed is not told.
        facts.run.public ? "" : t("{dug} of {seen} sites seen were disturbed", {dug, seen})]));
    document.body.dataset.period = one.name;
    repaint();
    drawPictures();
  }
  const home = () => map.fitBounds(facts.bounds, {padding: [30, 30], maxZoom: 14.5, animate: false});

  // Layers that folium lists in its control and this script draws: each is told when it is put on the map or taken off.
  const groups = {};
  const layer = (name) => groups[name] = L.layerGroup().on("add", () => { shown[name] = true; refresh(); }).on("remove", () => { shown[name] = false; refresh(); });
  function drawAreas() {
    facts.zones.forEach((zone, i) => {
      const rings = facts.zoneShapes.places(i).map((ring) => ring.map(([lon, lat]) => [lat, lon]));
      const style = zone.role === "zone" ? {color: "#37474f", weight: 1.8, fillColor: "white", fillOpacity: 0.55}
        : {color: "#6f868f", weight: 1.2, dashArray: "2 5", fillColor: "#f6f8f4", fillOpacity: 0.5};
      L.polygon(rings, {pane: "ground", interactive: false, ...style}).addTo(groups.areas);
      if (zone.role === "zone")
        labels.push([L.latLngBounds(zone.bounds), L.tooltip({permanent: true, direction: "center", className: "pw-zone"})
          .setLatLng(L.latLngBounds(zone.bounds).getCenter()).setContent(el("span", {}, zone.name, el("small", {}, zone.status)))]);
    });
    map.on("zoomend", nameAreas);
    groups.areas.on("add", nameAreas);
    nameAreas();
  }
  // A zone too narrow on the screen for its name would have it lie upon its neighbours'.
  const labels = [];
  function nameAreas() {
    for (const [box, label] of labels) {
      const wide = map.latLngToLayerPoint(box.getSouthEast()).x - map.latLngToLayerPoint(box.getSouthWest()).x > 150;
      if (wide) groups.areas.addLayer(label); else groups.areas.removeLayer(label);
    }
  }
  const refresh = () => { if (!ground) return; repaint(); drawPictures(); aids.drawFrame(frame, shown.grid); };
  // A background from the network that does not answer is taken off again, so that no grey page is left.
  function background(tiles, plainLayer) {
    tiles.on("tileerror", () => {
      if (!map.hasLayer(tiles)) return;
      tiles.remove();
      plainLayer.addTo(map);
      $("pw-note").textContent = t("The background map needs a network and did not answer; it was put away.");
    });
  }
  function keys(event) {
    if (pw.typing(event) || !$("pw-keys").checked) return;
    const key = event.key.toLowerCase();
    if (key === "n") step(1);
    else if (key === "p") step(-1);
    else if (key === "/") { close(); $("pw-search").focus(); }
    else if (key === "escape" && !$("pw-detail").hidden) close();
    else if (/^(Digit|Numpad)[123]$/.test(event.code) && event.target.type !== "radio") decide(Number(event.code.slice(-1)) - 1);
    else return;
    event.preventDefault();
  }

  function start(theMap) {
    map = theMap;
    facts = pw.json("pw-data");
    facts.reviews = pw.json("pw-reviews");
    period = last();
    [left, right] = [last() > 0 ? last() - 1 : null, last()];
    changes = shapes.of(facts.changes.rings);
    delete facts.changes.rings;
    changes.wanted = new Uint8Array(changes.count);
    facts.gains = facts.changes.gain.map((rings) => rings && shapes.of([rings]));
    delete facts.changes.gain;
    sites = shapes.of(facts.sites.rings);
    sites.all = facts.sites.site_id.map((_, i) => i);
    siteOf = new Map(facts.sites.site_id.map((id, i) => [id, i]));
    facts.zoneShapes = shapes.of(facts.zones.map((zone) => zone.rings));
    facts.unseen = facts.unseen.map((tile) => ({...tile, corners: tile.corners.map(([lon, lat]) => mercator(lon, lat))}));
    const ranks = Object.keys(facts.colours), c = facts.changes, all = c.change_id.map((_, i) => i);
    // What is new is drawn last and lies on top.
    facts.painted = [...all].sort((a, b) => ranks.indexOf(c.state[b]) - ranks.indexOf(c.state[a]) || a - b);
    const size = (i) => Math.max(c.area_gain_ha[i], c.area_loss_ha[i]);
    facts.bySize = all.sort((a, b) => (c.state[a] === "continuing") - (c.state[b] === "continuing") || size(b) - size(a) || a - b);
    facts.chips.order = facts.bySize.filter(pictured);
    book = notes.open({key: facts.run.changes_sha256, maxText: MAX_NOTE, ids: new Set(c.change_id)});

    map.attributionControl.setPrefix(false);
    const box = map.getContainer();
    box.setAttribute("role", "application");
    box.setAttribute("aria-label", t("Map. Arrow keys move it, plus and minus zoom; the places are in the list beside it."));
    frame = el("canvas", {class: "pw-frame", "aria-hidden": "true"});
    box.prepend(frame);
    home();
    drawAreas();
    aids = tools(map, home);
    aids.start();
    const drawn = drawing({get facts() { return facts; }, get changes() { return changes; }, get sites() { return sites; }, get shown() { return shown; },
      get period() { return period; }, get chosen() { return chosen; }, get last() { return last(); }, map, siteState});
    ground = drawn.ground;
    drawings = [drawn.unseen, ground];
    for (const one of drawings) one.addTo(map);
    map.on("move zoom resize viewreset", () => aids.drawFrame(frame, shown.grid));
    map.on("moveend", drawPictures);
    // A long drag leaves the drawn margin before it ends.
    map.on("move", () => { for (const one of drawings) one._update(); });
    map.on("mousemove", ({latlng}) => { aids.tellPlace(latlng); if (!map.dragging.moving()) box.classList.toggle("pw-hit", !aids.measuring() && ground.under(latlng) !== null); });
    map.on("click", ({latlng}) => {
      if (aids.measuring()) { aids.addMeasured(latlng); return; }
      const hit = ground.under(latlng);
      if (hit !== null && period === last()) open(hit, false);
      else if (hit !== null) { const i = c.site_id.indexOf(facts.sites.site_id[hit]); if (i >= 0) open(i, false); }
      else { const zone = zoneUnder(latlng); if (zone !== undefined) openZone(zone, false); }
    });

    for (const box of document.querySelectorAll("[data-state], [data-confidence]")) box.addEventListener("change", filter);
    for (const id of ["pw-zone", "pw-decided"]) $(id).addEventListener("change", filter);
    for (const id of ["pw-search", "pw-size"]) $(id).addEventListener("input", filter);
    $("pw-search").addEventListener("keydown", (event) => { if (event.key === "Enter" && order.length) open(order[0], true); });
    $("pw-more").addEventListener("click", () => {
      const first = rows;
      rows += ROWS;
      list();
      $("pw-list").children[first].firstElementChild.focus();
    });
    $("pw-period").addEventListener("input", () => setPeriod(Number($("pw-period").value)));
    document.addEventListener("keydown", keys);
    document.querySelector("#pw-strip a").addEventListener("click", () => { if ($("pw-home").hidden) close(); });
    $("pw-review").addEventListener("click", () => review(!reviewing));
    const bar = notes.bar(book, c.change_id.length, (note) => Boolean(note.decision), {save, read: take});
    bar.initials.addEventListener("change", () => { if (chosen !== null) show(card(chosen)); });
    $("pw-reviewbar").append(bar.node);
    book.watch(() => { if (chosen === null) list(); });
    setPeriod(last());
    filter();
    // Pictures stand at the end of the page and are read while it is looked at.
    document.addEventListener("DOMContentLoaded", () => { filter(); if (chosen !== null) show(card(chosen)); document.body.dataset.whole = "yes"; });
    const named = c.change_id.findIndex((id) => location.hash === `#${encodeURIComponent(id)}`);
    if (named >= 0) open(named, true);
    document.body.dataset.placerwatch = `${changes.count} changes`;
  }
  return {start, layer, background, map: () => map};
})();
