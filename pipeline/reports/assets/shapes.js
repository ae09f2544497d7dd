"use strict";
// Outlines as the page holds them: rings of whole microdegrees, each vertex as the step from the one before.
const shapes = (() => {
  const SPAN = Math.PI / 180;
  const mercator = (lon, lat) => [(lon + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + lat * SPAN / 2)) / (2 * Math.PI)];
  function of(list) {
    const boxes = new Float64Array(4 * list.length), paths = new Array(list.length);
    list.forEach((rings, i) => {
      let west = Infinity, south = Infinity, east = -Infinity, north = -Infinity;
      for (const ring of rings) for (let k = 0, x = 0, y = 0; k < ring.length; k += 2) {
        x += ring[k]; y += ring[k + 1];
        if (x < west) west = x;
        if (x > east) east = x;
        if (y < south) south = y;
        if (y > north) north = y;
      }
      const [x0, y1] = mercator(west / 1e6, south / 1e6), [x1, y0] = mercator(east / 1e6, north / 1e6);
      boxes.set([x0, y0, x1, y1], 4 * i);
    });
    // Projected when a shape is first drawn: of ten thousand, few are in view.
    const path = (i) => paths[i] ||= list[i].map((ring) => {
      const out = new Float64Array(ring.length);
      for (let k = 0, x = 0, y = 0; k < ring.length; k += 2) {
        x += ring[k]; y += ring[k + 1];
        out.set(mercator(x / 1e6, y / 1e6), k);
      }
      return out;
    });
    const places = (i) => list[i].map((ring) => {
      const out = [];
      for (let k = 0, x = 0, y = 0; k < ring.length; k += 2) out.push([(x += ring[k]) / 1e6, (y += ring[k + 1]) / 1e6]);
      return out;
    });
    const middle = (i) => latlng((boxes[4 * i] + boxes[4 * i + 2]) / 2, (boxes[4 * i + 1] + boxes[4 * i + 3]) / 2);
    function holds(i, x, y) {
      if (x < boxes[4 * i] || y < boxes[4 * i + 1] || x > boxes[4 * i + 2] || y > boxes[4 * i + 3]) return false;
      let inside = false;
      for (const p of path(i)) for (let k = 0, j = p.length - 2; k < p.length; j = k, k += 2)
        if ((p[k + 1] > y) !== (p[j + 1] > y) && x < (p[j] - p[k]) * (y - p[k + 1]) / (p[j + 1] - p[k + 1]) + p[k]) inside = !inside;
      return inside;
    }
    return {boxes, path, places, middle, holds, count: list.length};
  }
  const latlng = (x, y) => L.latLng((2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2) / SPAN, x * 360 - 180);
  const bounds = (shape, i) => L.latLngBounds(latlng(shape.boxes[4 * i], shape.boxes[4 * i + 3]), latlng(shape.boxes[4 * i + 2], shape.boxes[4 * i + 1]));
  return {mercator, latlng, bounds, of};
})();
