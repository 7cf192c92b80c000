import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundsOf, centroid, circle, graticule, gridStep } from '../src/map/ground.ts';
import type { Position } from '../src/wire.ts';

test('the centroid of a ring moves with the ring and lies in its middle', () => {
  const square: Position[] = [[0, 0], [2, 0], [2, 4], [0, 4], [0, 0]];
  assert.deepEqual(centroid(square), [1, 2]);
  const moved = square.map(([x, y]): Position => [x / 1e4 + 9.18, y / 1e4 + 45.46]);
  const [lon, lat] = centroid(moved);
  assert.ok(Math.abs(lon - 9.1801) < 1e-9 && Math.abs(lat - 45.4602) < 1e-9);
  assert.deepEqual(centroid([[1, 1], [3, 1], [1, 1]]).map(Math.round), [2, 1]);
});

test('a circle closes and keeps its radius in metres', () => {
  const ring = circle([9, 60], 100);
  assert.ok(Math.abs(ring[0]![0] - ring.at(-1)![0]) < 1e-12);
  for (const [lon, lat] of ring) {
    const metres = Math.hypot((lon - 9) * 111_320 * Math.cos(Math.PI / 3), (lat - 60) * 111_320);
    assert.ok(Math.abs(metres - 100) < 1e-6);
  }
});

test('the grid is a round number of metres and has a bounded number of lines at any extent', () => {
  for (let extent_m = 10; extent_m < 1e6; extent_m *= 1.7) {
    assert.ok(extent_m / gridStep(extent_m) <= 40);
    assert.match(String(gridStep(extent_m)), /^[125]0+$/);
  }
  const { lines, step_m } = graticule([9.18, 45.46, 9.2, 45.47]);
  assert.ok(lines.length <= 2 * 43 && step_m > 0);
});

test('nothing has no bounds', () => {
  assert.equal(boundsOf([]), null);
  assert.deepEqual(boundsOf([[1, 2], [0, 5]]), [0, 2, 1, 5]);
});
