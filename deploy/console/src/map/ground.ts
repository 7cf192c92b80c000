/** Plain geometry on the ground: bounds, graticule and circles in WGS 84, good to the size of a city. */

import type { Position } from '../wire.ts';

const METRES_PER_DEGREE = 111_320; // of latitude; of longitude times cos(latitude)
const LINES_MAX = 40;

export type Bounds = [west: number, south: number, east: number, north: number];

/** The smallest bounds around all positions; null of none. */
export function boundsOf(positions: Iterable<Position>): Bounds | null {
  const bounds: Bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [lon, lat] of positions) {
    bounds[0] = Math.min(bounds[0], lon);
    bounds[1] = Math.min(bounds[1], lat);
    bounds[2] = Math.max(bounds[2], lon);
    bounds[3] = Math.max(bounds[3], lat);
  }
  return bounds[0] <= bounds[2] ? bounds : null;
}

const metresPerLon = (lat: number): number => METRES_PER_DEGREE * Math.cos((lat * Math.PI) / 180);

/** Grid spacing in metres, 1-2-5 steps, with at most LINES_MAX lines across `extent_m`. */
export function gridStep(extent_m: number): number {
  for (let decade = 10; ; decade *= 10) {
    for (const factor of [1, 2, 5]) if (extent_m / (decade * factor) <= LINES_MAX) return decade * factor;
  }
}

/** Lines of a square grid over `bounds` and its surroundings, and the spacing in metres. */
export function graticule(bounds: Bounds): { lines: Position[][]; step_m: number } {
  const [west, south, east, north] = bounds;
  const lat = (south + north) / 2;
  const wide_m = Math.max((east - west) * metresPerLon(lat), (north - south) * METRES_PER_DEGREE, 100) * 3;
  const step_m = gridStep(wide_m);
  const step_lon = step_m / metresPerLon(lat);
  const step_lat = step_m / METRES_PER_DEGREE;
  const half = Math.ceil(wide_m / step_m / 2);
  const lon_0 = (west + east) / 2;
  const lines: Position[][] = [];
  for (let i = -half; i <= half; i++) {
    lines.push([
      [lon_0 + i * step_lon, lat - half * step_lat],
      [lon_0 + i * step_lon, lat + half * step_lat],
    ]);
    lines.push([
      [lon_0 - half * step_lon, lat + i * step_lat],
      [lon_0 + half * step_lon, lat + i * step_lat],
    ]);
  }
  return { lines, step_m };
}

/** Ring of a circle of `radius_m` around a position. */
export function circle(centre: Position, radius_m: number, corners = 48): Position[] {
  const [lon, lat] = centre;
  const ring: Position[] = [];
  for (let i = 0; i <= corners; i++) {
    const angle = (i / corners) * 2 * Math.PI;
    ring.push([
      lon + (Math.cos(angle) * radius_m) / metresPerLon(lat),
      lat + (Math.sin(angle) * radius_m) / METRES_PER_DEGREE,
    ]);
  }
  return ring;
}

/** Centre of area of a ring; the mean of its corners where the area is nil. Source: P. Bourke, polygon centroid (1988). */
export function centroid(ring: readonly Position[]): Position {
  const origin = ring[0] ?? [0, 0];
  let twice_area = 0;
  let lon = 0;
  let lat = 0;
  for (let i = 0; i + 1 < ring.length; i++) {
    // Relative to the first corner: degrees are large numbers, and zones are small.
    const [ax, ay] = [ring[i]![0] - origin[0], ring[i]![1] - origin[1]];
    const [bx, by] = [ring[i + 1]![0] - origin[0], ring[i + 1]![1] - origin[1]];
    const cross = ax * by - bx * ay;
    twice_area += cross;
    lon += (ax + bx) * cross;
    lat += (ay + by) * cross;
  }
  if (twice_area !== 0) return [origin[0] + lon / (3 * twice_area), origin[1] + lat / (3 * twice_area)];
  const count = Math.max(1, ring.length);
  return [ring.reduce((sum, p) => sum + p[0], 0) / count, ring.reduce((sum, p) => sum + p[1], 0) / count];
}
