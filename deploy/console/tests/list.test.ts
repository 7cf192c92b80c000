import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localDensityText, valueText } from '../src/measure.ts';
import { compare, inOrder, keepPlaces, neighbour } from '../src/order.ts';
import { readClock } from '../src/response.ts';
import { duration, minutesSeconds } from '../src/times.ts';
import type { Incident, IncidentState, Level, ZoneFacts } from '../src/wire.ts';

const T0 = Date.parse('2026-05-01T20:00:00Z');
const at = (s: number): string => new Date(T0 + s * 1000).toISOString();

function incident(changes: Partial<Incident> = {}): Incident {
  return {
    id: 'i', kind: 'crowd.capacity', title: 'North gate', level: 'amber', state: 'open', condition: 'active', site: 's',
    zone: 'z', place: { lon: 9, lat: 45, radius_m: 20 }, onset_at: at(0), detected_at: at(1), updated_at: at(1),
    ended_at: null, value: 128.4, unit: 'persons', low: 104.2, high: 150.1, measurement: {}, cameras: [], rule: 'r',
    rule_version: 1, thresholds: {}, finding_count: 1, version: 1, clocks: {}, acknowledged_by: null, drill: false,
    ...changes,
  };
}
const zone: ZoneFacts = { id: 'z', name: 'Z', site: 's', zone_class: 'open', safe_capacity: 100, area_m2: 50 };

const STATES: IncidentState[] = ['open', 'acknowledged', 'dispatched', 'on_scene', 'resolved'];
const LEVELS: Level[] = ['notice', 'amber', 'red', 'critical'];
const all = STATES.flatMap((state) =>
  LEVELS.flatMap((level) => [0, 5].map((s) => incident({ state, level, onset_at: at(s), id: `${state}${level}${s}` }))),
);

test('what people are not told of stands behind all that they are', () => {
  const muted = incident({ id: 'm', level: 'critical', muted_by: 'silence s' });
  const told = incident({ id: 't', level: 'notice', state: 'acknowledged' });
  assert.deepEqual(inOrder([muted, told]).map((each) => each.id), ['t', 'm']);
});

test('the order of the list is total, whatever order the incidents came in', () => {
  for (const a of all) {
    for (const b of all) {
      assert.equal(Math.sign(compare(a, b)), -Math.sign(compare(b, a)) + 0);
      for (const c of all) if (compare(a, b) < 0 && compare(b, c) < 0) assert.ok(compare(a, c) < 0);
    }
  }
  const ids = inOrder(all).map(({ id }) => id);
  for (let turn = 1; turn < all.length; turn++) {
    assert.deepEqual(inOrder([...all.slice(turn), ...all.slice(0, turn)]).map(({ id }) => id), ids);
  }
});

test('what nobody has taken on comes first, then the worst, then the longest waiting', () => {
  const list = inOrder(all);
  assert.deepEqual([list[0]?.id, list[1]?.id, list[2]?.id], ['opencritical0', 'opencritical5', 'openred0']);
  assert.equal(list.findIndex(({ state }) => state !== 'open'), 8);
  assert.equal(list.at(-1)?.state, 'resolved');
});

test('a closed incident is not in the list', () => {
  assert.deepEqual(inOrder([incident({ state: 'closed' })]), []);
});

test('while the order is held nothing moves, and newcomers wait behind', () => {
  const before = inOrder(all.slice(0, 20)).map(({ id }) => id);
  const held = keepPlaces(inOrder(all), before).map(({ id }) => id);
  assert.deepEqual(held.slice(0, 20), before);
  assert.deepEqual(held.slice(20), inOrder(all.slice(20)).map(({ id }) => id));
});

test('the selection stops at both ends of the list and begins at its top', () => {
  const list = [incident({ id: 'a' }), incident({ id: 'b' })];
  assert.equal(neighbour(list, 'b', 1), 'b');
  assert.equal(neighbour(list, 'a', -1), 'a');
  assert.equal(neighbour(list, 'b', -Infinity), 'a');
  assert.equal(neighbour(list, 'gone', 1), 'a');
  assert.equal(neighbour([], null, 1), null);
});

test('a clock is breached the moment its target passes, before the server says so', () => {
  const clock = { target_at: at(60), met_at: null, breached: false };
  assert.deepEqual(readClock(clock, T0), { stand: 'running', apart_ms: 60_000 });
  assert.equal(readClock(clock, T0 + 46_000).stand, 'soon');
  assert.deepEqual(readClock(clock, T0 + 73_000), { stand: 'breached', apart_ms: 13_000 });
  assert.equal(readClock({ ...clock, breached: true }, T0).stand, 'breached');
});

test('a clock that was met stands still', () => {
  const met = { target_at: at(60), met_at: at(25), breached: false };
  assert.deepEqual(readClock(met, T0 + 999_000), { stand: 'met', apart_ms: 35_000 });
  assert.deepEqual(readClock({ ...met, met_at: at(70), breached: true }, T0), { stand: 'late', apart_ms: 10_000 });
});

test('a count is shown with its capacity and its interval, and never more exact than it is', () => {
  assert.deepEqual(valueText(incident(), zone), { value: '~128 of 100 persons', interval: '95 %: 104–150', quality: '' });
  assert.equal(valueText(incident(), undefined).value, '~128 persons');
  assert.equal(valueText(incident({ unit: 'persons/m2', value: 3.456, low: null, high: null }), zone).value, '3.46 persons/m2');
});

test('a degraded count says that it was estimated from the foreground', () => {
  const degraded = valueText(incident({ measurement: { degraded: true }, low: null, high: null }), zone);
  assert.deepEqual(degraded, { value: '~128 of 100 persons', interval: '', quality: 'estimated from foreground' });
  assert.equal(valueText(incident({ measurement: { not_measurable: true } }), zone).quality, 'not measurable');
  assert.equal(valueText(incident({ value: null }), zone).value, 'no value');
});

test('times are read as minutes and seconds', () => {
  assert.equal(minutesSeconds(59_999), '00:59');
  assert.equal(minutesSeconds(-61_000), '01:01');
  assert.equal(minutesSeconds(100 * 60_000), '1:40:00');
  assert.equal(duration(-5), '0 s');
  assert.equal(duration(3_725_000), '1 h 02 min');
});

test('a local density that nobody can measure is said to be so, and never looks like an empty place', () => {
  assert.equal(localDensityText(4.21), '4.21 persons/m²');
  assert.equal(localDensityText(0), '0 persons/m²');
  for (const unknown of [null, undefined]) assert.equal(localDensityText(unknown), 'not measurable');
});
