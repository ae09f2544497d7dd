"use strict";
// Places and sizes on the WGS 84 ellipsoid.
const earth = (() => {
  const A = 6378137, F = 1 / 298.257223563, E2 = F * (2 - F), E = Math.sqrt(E2), N = F / (2 - F), RAD = Math.PI / 180;
  // Krüger's series to the sixth order of n (Karney 2011, eq. 14 and 35): right to a micrometre within a UTM zone.
  const RADIUS = A / (1 + N) * (1 + N ** 2 / 4 + N ** 4 / 64 + N ** 6 / 256);
  const ALPHA = [
    N / 2 - 2 * N ** 2 / 3 + 5 * N ** 3 / 16 + 41 * N ** 4 / 180 - 127 * N ** 5 / 288 + 7891 * N ** 6 / 37800,
    13 * N ** 2 / 48 - 3 * N ** 3 / 5 + 557 * N ** 4 / 1440 + 281 * N ** 5 / 630 - 1983433 * N ** 6 / 1935360,
    61 * N ** 3 / 240 - 103 * N ** 4 / 140 + 15061 * N ** 5 / 26880 + 167603 * N ** 6 / 181440,
    49561 * N ** 4 / 161280 - 179 * N ** 5 / 168 + 6601661 * N ** 6 / 7257600,
    34729 * N ** 5 / 80640 - 3418889 * N ** 6 / 1995840,
    212378941 * N ** 6 / 319334400,
  ];

  // Easting and northing in metres; the zone is that of the longitude alone, as in the tool's lattice.
  function utm(lat, lon) {
    const wrapped = (lon + 180) % 360 - 180, zone = Math.min(60, Math.floor((wrapped + 180) / 6) + 1);
    const phi = lat * RAD, lambda = (wrapped - (6 * zone - 183)) * RAD, sin = Math.sin(phi);
    const tau = Math.sinh(Math.atanh(sin) - E * Math.atanh(E * sin));
    const xi = Math.atan2(tau, Math.cos(lambda)), eta = Math.asinh(Math.sin(lambda) / Math.hypot(tau, Math.cos(lambda)));
    let x = eta, y = xi;
    ALPHA.forEach((a, i) => {
      const k = 2 * (i + 1);
      x += a * Math.cos(k * xi) * Math.sinh(k * eta);
      y += a * Math.sin(k * xi) * Math.cosh(k * eta);
    });
    return {zone: `${String(zone).padStart(2, "0")}${lat < 0 ? "S" : "N"}`, easting: 500000 + 0.9996 * RADIUS * x,
      northing: (lat < 0 ? 10000000 : 0) + 0.9996 * RADIUS * y};
  }
  // Metres along the ellipsoid by Andoyer and Lambert: right to a few millionths.
  function distance([lat1, lon1], [lat2, lon2]) {
    const b1 = Math.atan((1 - F) * Math.tan(lat1 * RAD)), b2 = Math.atan((1 - F) * Math.tan(lat2 * RAD));
    const p = (b1 + b2) / 2, q = (b2 - b1) / 2, half = Math.sin((lon2 - lon1) * RAD / 2);
    const h = Math.sin(q) ** 2 + Math.cos(b1) * Math.cos(b2) * half ** 2, s = 2 * Math.asin(Math.sqrt(Math.min(1, h)));
    if (s === 0) return 0;
    const x = (s - Math.sin(s)) * (Math.sin(p) * Math.cos(q) / Math.cos(s / 2)) ** 2;
    const y = (s + Math.sin(s)) * (Math.cos(p) * Math.sin(q) / Math.sin(s / 2)) ** 2;
    return A * (s - F / 2 * (x + y));
  }
  const length = (places) => places.slice(1).reduce((sum, place, i) => sum + distance(places[i], place), 0);
  // Ground area in square metres, edges straight in the equal-area cylinder of the ellipsoid (Snyder 1987, eq. 3-12).
  function area(places) {
    const q = (lat) => { const s = Math.sin(lat * RAD); return (1 - E2) * (s / (1 - E2 * s * s) + Math.atanh(E * s) / E); };
    let sum = 0;
    places.forEach(([lat1, lon1], i) => {
      const [lat2, lon2] = places[(i + 1) % places.length];
      sum += (lon2 - lon1) * RAD * (q(lat1) + q(lat2));
    });
    return Math.abs(sum) * A * A / 4;
  }
  return {utm, distance, length, area};
})();
