/** The incidents on this screen, as the server has told them, under what the operator has just done. */

import * as api from '../api.ts';
import { LEVEL_RANK, isLoud } from '../levels.ts';
import { inOrder, keepPlaces } from '../order.ts';
import { text } from '../strings.ts';
import { timeOfDay } from '../times.ts';
import type { AlertMessage, Incident } from '../wire.ts';
import { notices } from './notices.svelte.ts';
import { sound } from './sound.svelte.ts';

const FLUSH_MS = 60; // a burst of replayed alerts is one redraw
const HOLD_MS = 700;
const HOLD_MS_MAX = 3_000; // then the worst comes to the top whatever the hand does
const ACTOR = 'operator';

const isWaiting = (incident: Incident): boolean => incident.state === 'open' && !incident.muted_by;

class Incidents {
  private told = $state.raw<ReadonlyMap<string, Incident>>(new Map());
  /** Acknowledged here, not yet confirmed by the server. */
  private hoped = $state.raw<ReadonlyMap<string, Incident>>(new Map());
  private waiting: Incident[] = [];
  /** Ids as they lay when the hand came over the list; null while the order is free. */
  private held = $state.raw<readonly string[] | null>(null);
  private held_since_ms = 0;
  private release_due: ReturnType<typeof setTimeout> | undefined;
  private flush_due: ReturnType<typeof setTimeout> | undefined;

  loaded = $state(false);
  more = $state(false);

  list = $derived.by(() => {
    const shown = new Map(this.told);
    for (const [id, incident] of this.hoped) if (shown.has(id)) shown.set(id, incident);
    const list = inOrder(shown.values());
    return this.held === null ? list : keepPlaces(list, this.held);
  });
  unacknowledged = $derived(this.list.reduce((count, incident) => count + (isWaiting(incident) ? 1 : 0), 0));
  drills = $derived(this.list.reduce((count, incident) => count + (incident.drill ? 1 : 0), 0));

  /** The incident as it is shown; closed ones stay readable while their details are open. */
  find(id: string | null): Incident | undefined {
    return id === null ? undefined : (this.hoped.get(id) ?? this.told.get(id));
  }

  isPending(id: string): boolean {
    return this.hoped.has(id);
  }

  /** Keep the rows where they are while a pointer is at work, so that a click meets the alert it was meant for. */
  holdOrder(): void {
    const now_ms = performance.now();
    if (this.held === null) {
      this.held_since_ms = now_ms;
      this.held = this.list.map((incident) => incident.id);
    } else if (now_ms - this.held_since_ms > HOLD_MS_MAX) {
      this.held = null;
      return;
    }
    clearTimeout(this.release_due);
    this.release_due = setTimeout(() => (this.held = null), HOLD_MS);
  }

  replace(incidents: readonly Incident[], more: boolean): void {
    clearTimeout(this.flush_due);
    this.flush_due = undefined;
    this.waiting = [];
    this.told = new Map(incidents.map((incident) => [incident.id, incident]));
    this.more = more;
    this.loaded = true;
  }

  hear(message: AlertMessage): void {
    if (!message.replay) this.announce(message);
    this.waiting.push(message.incident);
    this.flush_due ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  /** Acknowledge at once on the screen, then at the server; take it back if the server says otherwise. */
  async acknowledge(id: string): Promise<void> {
    this.flush();
    const incident = this.told.get(id);
    if (incident === undefined || incident.state !== 'open' || this.hoped.has(id)) return;
    this.hope(id, { ...incident, state: 'acknowledged', acknowledged_by: ACTOR });
    try {
      const now = await api.acknowledge(incident, ACTOR);
      this.take([now]);
      // To acknowledge what is acknowledged is no fault, but the operator shall know whose it is.
      if (now.acknowledged_by !== ACTOR) this.tellWhoWasFaster(now);
    } catch (fault) {
      this.explain(incident, fault);
    } finally {
      this.hope(id, null);
    }
  }

  private explain(incident: Incident, fault: unknown): void {
    if (!(fault instanceof api.ApiError)) throw fault;
    const now = fault.incident;
    if (now !== null) {
      this.take([now]);
      this.tellWhoWasFaster(now);
    } else {
      const why = fault.code === 'unreachable' ? text.notices.unreachable : `${fault.message} ${fault.hint}`.trim();
      notices.say(text.notices.failed(incident.title, why), true);
    }
  }

  private tellWhoWasFaster(now: Incident): void {
    if (now.state === 'open') return notices.say(text.notices.changed(now.title), true);
    const who = now.acknowledged_by ?? text.notices.somebody;
    const when = timeOfDay(now.clocks.seen?.met_at ?? now.updated_at);
    notices.say(text.notices.conflict(now.title, who, text.did[now.state], when), true);
  }

  private announce({ type, incident }: AlertMessage): void {
    if (type === 'incident.recorded') return; // muted, or too old: written down, not shouted
    const known = this.waiting.findLast((other) => other.id === incident.id) ?? this.told.get(incident.id);
    const worse = known === undefined || Boolean(known.muted_by) || LEVEL_RANK[incident.level] > LEVEL_RANK[known.level];
    // A worse level is told again even of an incident that somebody has taken on.
    const over = incident.state === 'resolved' || incident.state === 'closed';
    const fresh = known !== undefined || incident.state === 'open';
    if (over || !fresh || !worse || !isLoud(incident.level)) return;
    sound.beep(incident.level);
    notices.spoken = text.list.new_alert(text.level[incident.level], incident.title);
  }

  private hope(id: string, incident: Incident | null): void {
    const next = new Map(this.hoped);
    if (incident === null) next.delete(id);
    else next.set(id, incident);
    this.hoped = next;
  }

  private flush(): void {
    clearTimeout(this.flush_due);
    this.flush_due = undefined;
    if (this.waiting.length === 0) return;
    const heard = this.waiting;
    this.waiting = [];
    this.take(heard);
  }

  /** Newer versions replace older ones; an incident that was merged into another leaves the list. */
  private take(incidents: readonly Incident[]): void {
    const next = new Map(this.told);
    for (const incident of incidents) {
      const known = next.get(incident.id);
      if (known !== undefined && known.version >= incident.version) continue;
      next.set(incident.id, incident);
      for (const merged of incident.merged_from ?? []) if (merged !== incident.id) next.delete(merged);
    }
    this.told = next;
  }
}

export const incidents = new Incidents();
