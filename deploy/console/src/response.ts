/** The response clocks of an incident against their targets. */

import type { ClockName, Incident, ResponseClock } from './wire.ts';

export const CLOCKS: readonly ClockName[] = ['seen', 'on_scene', 'resolved'];
const SOON_MS = 15_000;

/** `running` with time in hand, `soon` with little, `breached` while unmet, `met` in time, `late` met after the target. */
export type ClockStand = 'running' | 'soon' | 'breached' | 'met' | 'late';

/** Whether the target was passed before it was met. */
export const isOver = (stand: ClockStand): boolean => stand === 'breached' || stand === 'late';

export interface ClockReading {
  stand: ClockStand;
  apart_ms: number; // between target and now, or target and met; never negative
}

/** How a clock stands at `now_ms`: a target that has passed is breached here, even before the server says so. */
export function readClock(clock: ResponseClock, now_ms: number): ClockReading {
  const target_ms = Date.parse(clock.target_at);
  if (clock.met_at !== null) {
    const early_ms = target_ms - Date.parse(clock.met_at);
    return { stand: early_ms >= 0 ? 'met' : 'late', apart_ms: Math.abs(early_ms) };
  }
  const left_ms = target_ms - now_ms;
  if (clock.breached || left_ms <= 0) return { stand: 'breached', apart_ms: Math.max(0, -left_ms) };
  return { stand: left_ms <= SOON_MS ? 'soon' : 'running', apart_ms: left_ms };
}

/** The clocks that an incident has, in the order of the response. */
export function clocksOf(incident: Incident): [ClockName, ResponseClock][] {
  const present: [ClockName, ResponseClock][] = [];
  for (const name of CLOCKS) {
    const clock = incident.clocks[name];
    if (clock !== undefined) present.push([name, clock]);
  }
  return present;
}
