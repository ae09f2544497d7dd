"use strict";
// What lies on the map: changes of the last period or sites of an earlier one, and ground that was not seen. A canvas of
// each is drawn anew where the map moves, and only what is in view. `scene` tells what there is and what is chosen.
const drawing = (scene) => {
  const {el} = pw, {mercator} = shapes;
  const WEIGHT = {low: 1.4, high: 2.2, highest: 3.4}, FILL = {low: 0.04, high: 0.12, highest: 0.22};
  const DOT_BELOW_PX = 11;
  const sprites = new Map();
  function sprite(colour, confidence, radius) {
    const key = `${colour} ${confidence} ${radius}`;
    if (!sprites.has(key)) {
      const ratio = L.Browser.retina ? 2 : 1, side = 2 * radius + 8, dot = el("canvas", {width: side * ratio, height: side * ratio});
      const ctx = dot.getContext("2d");
      ctx.scale(ratio, ratio);
      ctx.beginPath();
      ctx.arc(side / 2, side / 2, radius, 0, 2 * Math.PI);
      ctx.fillStyle = confidence === "low" ? "white" : colour;
      ctx.fill();
      ctx.lineWidth = 4.4; ctx.strokeStyle = "white"; ctx.stroke();
      ctx.lineWidth = confidence === "low" ? 2.2 : 1.4; ctx.strokeStyle = confidence === "highest" ? "#14252b" : colour; ctx.stroke();
      sprites.set(key, {dot, side});
    }
    return sprites.get(key);
  }
  const dotRadius = (hectares) => 4 + Math.min(4, Math.round(Math.sqrt(hectares || 0)));
  function hatching(ctx) {
    const tile = el("canvas", {width: 8, height: 8}), pen = tile.getContext("2d");
    pen.strokeStyle = "rgba(70, 82, 88, 0.6)";
    for (const d of [-8, 0, 8]) { pen.moveTo(d, 8); pen.lineTo(d + 8, 0); }
    pen.stroke();
    return ctx.createPattern(tile, "repeat");
  }
  const Drawing = L.Canvas.extend({
    options: {padding: 0.4},
    _initContainer() { this._container = el("canvas", {"aria-hidden": "true"}); this._ctx = this._container.getContext("2d"); },
    _destroyContainer() { this._container.remove(); },
    _draw() {},
    _redraw() {},
    // A margin is drawn beyond the view: while the view stays in it, there is nothing to do.
    _update() {
      const seen = scene.map.getPixelBounds(), origin = scene.map.getPixelOrigin();
      if (this._origin && this._origin.equals(origin) && this._zoom === scene.map.getZoom()
        && this._bounds.contains(L.bounds(seen.min.subtract(origin), seen.max.subtract(origin)))) return;
      this._origin = origin;
      L.Canvas.prototype._update.call(this);
    },
    _updatePaths() { if (!this._postponeUpdatePaths && this._bounds) this.paint(); },
    paint() {
      const ctx = this._ctx, scale = 256 * 2 ** this._zoom, origin = scene.map.getPixelOrigin();
      const {min, max} = this._bounds;
      ctx.clearRect(min.x, min.y, max.x - min.x, max.y - min.y);
      this.view = {scale, x: origin.x, y: origin.y, west: (min.x + origin.x) / scale, east: (max.x + origin.x) / scale,
        north: (min.y + origin.y) / scale, south: (max.y + origin.y) / scale};
      this.draw(ctx);
    },
  });
  const Ground = Drawing.extend({
    draw(ctx) { if (scene.period === scene.last) this.drawChanges(ctx); else this.drawSites(ctx); },
    inView({boxes}, i) {
      const v = this.view;
      return boxes[4 * i] <= v.east && boxes[4 * i + 2] >= v.west && boxes[4 * i + 1] <= v.south && boxes[4 * i + 3] >= v.north;
    },
    isDot({boxes}, i) { return Math.max(boxes[4 * i + 2] - boxes[4 * i], boxes[4 * i + 3] - boxes[4 * i + 1]) * this.view.scale < DOT_BELOW_PX; },
    trace(ctx, paths) {
      const {scale, x, y} = this.view;
      ctx.beginPath();
      for (const p of paths) {
        for (let k = 0; k < p.length; k += 2) {
          if (k) ctx.lineTo(p[k] * scale - x, p[k + 1] * scale - y); else ctx.moveTo(p[k] * scale - x, p[k + 1] * scale - y);
        }
        ctx.closePath();
      }
    },
    stamp(ctx, {boxes}, i, colour, confidence, radius) {
      const {dot, side} = sprite(colour, confidence, radius), {scale, x, y} = this.view;
      ctx.drawImage(dot, Math.round((boxes[4 * i] + boxes[4 * i + 2]) / 2 * scale - x - side / 2),
        Math.round((boxes[4 * i + 1] + boxes[4 * i + 3]) / 2 * scale - y - side / 2), side, side);
    },
    drawChanges(ctx) {
      const {state, confidence, area_ha} = scene.facts.changes;
      for (const i of scene.facts.painted) {
        if (!scene.changes.wanted[i] || !this.inView(scene.changes, i)) continue;
        const colour = scene.facts.colours[state[i]];
        if (this.isDot(scene.changes, i)) { this.stamp(ctx, scene.changes, i, colour, confidence[i], dotRadius(area_ha[i])); continue; }
        this.trace(ctx, scene.changes.path(i));
        ctx.fillStyle = colour;
        ctx.globalAlpha = FILL[confidence[i]];
        ctx.fill("evenodd");
        ctx.globalAlpha = 0.85;
        ctx.strokeStyle = "white";
        ctx.lineWidth = WEIGHT[confidence[i]] + 2.6;
        ctx.stroke();
        ctx.globalAlpha = 1;
        ctx.strokeStyle = colour;
        ctx.lineWidth = WEIGHT[confidence[i]];
        ctx.setLineDash(state[i] === "recovered" ? [6, 4] : []);
        ctx.stroke();
        ctx.setLineDash([]);
        const gain = scene.facts.gains[i];
        if (gain) {
          this.trace(ctx, gain.path(0));
          ctx.globalAlpha = 0.22;
          ctx.fill("evenodd");
          ctx.globalAlpha = 1;
        }
      }
      if (scene.chosen !== null) this.ring(ctx);
    },
    drawSites(ctx) {
      for (let i = 0; i < scene.sites.count; i++) {
        if (!this.inView(scene.sites, i)) continue;
        const state = scene.siteState(i, scene.period);
        const colour = state === "disturbed" ? "#4a2c6d" : "#6b7a80";
        if (this.isDot(scene.sites, i)) { this.stamp(ctx, scene.sites, i, colour, state === "disturbed" ? "high" : "low", 5); continue; }
        this.trace(ctx, scene.sites.path(i));
        if (state === "disturbed") { ctx.fillStyle = "rgba(74, 44, 109, 0.25)"; ctx.fill("evenodd"); }
        if (state === "unseen") { ctx.fillStyle = this.pattern ||= hatching(ctx); ctx.fill("evenodd"); }
        ctx.strokeStyle = "rgba(255, 255, 255, 0.85)"; ctx.lineWidth = 4.6; ctx.stroke();
        ctx.strokeStyle = colour; ctx.lineWidth = state === "disturbed" ? 2.2 : 1.4;
        ctx.setLineDash(state === "disturbed" ? [] : [3, 3]); ctx.stroke(); ctx.setLineDash([]);
      }
      if (scene.chosen !== null) this.ring(ctx);
    },
    ring(ctx) {
      const {boxes} = scene.changes, {scale, x, y} = this.view, i = scene.chosen;
      const cx = (boxes[4 * i] + boxes[4 * i + 2]) / 2 * scale - x, cy = (boxes[4 * i + 1] + boxes[4 * i + 3]) / 2 * scale - y;
      const radius = Math.max(14, Math.hypot(boxes[4 * i + 2] - boxes[4 * i], boxes[4 * i + 3] - boxes[4 * i + 1]) * scale / 2 + 8);
      for (const [colour, width] of [["white", 5], ["#14252b", 2]]) {
        ctx.beginPath(); ctx.arc(cx, cy, radius, 0, 2 * Math.PI); ctx.strokeStyle = colour; ctx.lineWidth = width; ctx.stroke();
      }
    },
    // The change or site under a place of the map, what is drawn on top first; null if there is none.
    under(place) {
      const [x, y] = mercator(place.lng, place.lat), shape = scene.period === scene.last ? scene.changes : scene.sites, near = 9 / this.view.scale;
      let best = null, reach = near;
      const candidates = scene.period === scene.last ? scene.facts.painted : scene.sites.all;
      for (let k = candidates.length - 1; k >= 0; k--) {
        const i = candidates[k];
        if (shape === scene.changes && !scene.changes.wanted[i]) continue;
        if (!this.isDot(shape, i)) { if (best === null && shape.holds(i, x, y)) return i; continue; }
        const away = Math.hypot((shape.boxes[4 * i] + shape.boxes[4 * i + 2]) / 2 - x, (shape.boxes[4 * i + 1] + shape.boxes[4 * i + 3]) / 2 - y);
        if (away < reach) { best = i; reach = away; }
      }
      return best;
    },
  });
  // Ground that a period did not see: cells of a tile, whose corners lie where the tile's projection puts them.
  const Unseen = Drawing.extend({
    draw(ctx) {
      if (!scene.shown.unseen) return;
      const {scale, x, y} = this.view;
      ctx.fillStyle = this.pattern ||= hatching(ctx);
      ctx.beginPath();
      for (const {corners, periods, side} of scene.facts.unseen) {
        const cells = periods[scene.period];
        if (!cells) continue;
        const at = (row, col) => {
          const v = row / side, u = col / side, [a, b, c, d] = corners;
          return [0, 1].map((k) => ((1 - v) * ((1 - u) * a[k] + u * b[k]) + v * ((1 - u) * d[k] + u * c[k])) * scale - (k ? y : x));
        };
        for (let k = 0; k < cells.length; k += 4) {
          const [r0, c0, r1, c1] = cells.slice(k, k + 4);
          [[r0, c0], [r0, c1], [r1, c1], [r1, c0]].forEach(([r, c], n) => n ? ctx.lineTo(...at(r, c)) : ctx.moveTo(...at(r, c)));
          ctx.closePath();
        }
      }
      ctx.fill();
    }
  });
  return {ground: new Ground({pane: "changes"}), unseen: new Unseen({pane: "unseen"})};
};
