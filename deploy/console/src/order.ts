/** The order of the alert list: what nobody has taken on first, then the worst, then the longest waiting. */

import { LEVEL_RANK } from './levels.ts';
import type { Incident, IncidentState } from './wire.ts';

const STATE_RANK: Readonly<Record<IncidentState, number>> = {
  open: 0,
  acknowledged: 1,
  dispatched: 1,
  on_scene: 1,
  resolved: 2,
  closed: 3,
};

/** What people are not told of stands behind all that they are. */
const isMuted = (incident: Incident): number => (incident.muted_by ? 1 : 0);

/** Negative where `a` comes before `b`; a total order, so that rows never swap without a cause. */
export function compare(a: Incident, b: Incident): number {
  return (
    isMuted(a) - isMuted(b) ||
    STATE_RANK[a.state] - STATE_RANK[b.state] ||
    LEVEL_RANK[b.level] - LEVEL_RANK[a.level] ||
    Date.parse(a.onset_at) - Date.parse(b.onset_at) ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

/** Incidents that are not closed, in order. */
export function inOrder(incidents: Iterable<Incident>): Incident[] {
  return [...incidents].filter((incident) => incident.state !== 'closed').sort(compare);
}

/** The same incidents with those of `held` in their former order and newcomers behind: nothing moves under a hand. */
export function keepPlaces(list: readonly Incident[], held: readonly string[]): Incident[] {
  const place = new Map(held.map((id, at) => [id, at]));
  const placeOf = (incident: Incident): number => place.get(incident.id) ?? held.length;
  return [...list].sort((a, b) => placeOf(a) - placeOf(b)); // stable: newcomers keep the order of the list
}

/** The id `step` rows away from `id`, held at both ends; the first where `id` is not in the list. */
export function neighbour(list: readonly Incident[], id: string | null, step: number): string | null {
  const at = list.findIndex((incident) => incident.id === id);
  const next = at < 0 ? 0 : Math.min(list.length - 1, Math.max(0, at + step));
  return list[next]?.id ?? null;
}
