/**
 * Whether this screen is live. A screen that has gone stale must never look live, so "live" is earned by each message
 * and lost by silence, not by an error that may never be reported.
 */

import * as api from '../api.ts';
import { LiveStream } from '../stream.ts';
import { text } from '../strings.ts';
import type { BeatMessage, CameraNow, ZoneNow } from '../wire.ts';
import { clock } from './clock.svelte.ts';
import { district } from './district.svelte.ts';
import { incidents } from './incidents.svelte.ts';
import { storm } from './storm.svelte.ts';
import { notices } from './notices.svelte.ts';

const SILENCE_MS_MAX = 8_000;
const RECENT_MS = 2_500; // a little more than one beat
const WATCH_MS = 500;
const RELOAD_PAUSE_MS = 2_000;
const GAP_RELOAD_MS_MIN = 30_000;

type Part = 'incidents' | 'district';
export type ConnectionState = 'connecting' | 'live' | 'lost';

class Connection {
  state = $state<ConnectionState>('connecting');
  /** Server time at which the screen was last live; null before the first. */
  heard_at_ms = $state<number | null>(null);

  private stream: LiveStream | null = null;
  private heard_desk_ms = Date.now(); // wall clock: it runs on while the desk sleeps
  private fresh_desk_ms = Date.now(); // the last message that found everything read: what is shown was true then
  private heard_any = false;
  private loading = false;
  private readonly wanted = new Set<Part>();
  private district_read = false;
  private held: (() => void)[] = []; // what came during a load is newer than the load
  private sequence_before: number | null = null;
  private gap_reload_ms = 0;

  start(): void {
    clock.start();
    setInterval(() => this.watch(), WATCH_MS);
    addEventListener('online', () => this.stream?.open());
    document.addEventListener('visibilitychange', () => this.watch());
    this.want('incidents');
  }

  /** Have parts read anew; what is asked for while a read is under way is read once more after it. */
  private want(...parts: Part[]): void {
    for (const part of parts) this.wanted.add(part);
    if (!this.loading) void this.load();
  }

  private async load(): Promise<void> {
    this.loading = true;
    while (this.wanted.size > 0) {
      const parts = [...this.wanted];
      this.wanted.clear();
      try {
        await Promise.all(parts.map((part) => (part === 'incidents' ? this.loadIncidents() : this.loadDistrict())));
      } catch (fault) {
        if (!(fault instanceof api.ApiError)) throw fault;
        if (fault.code !== 'unreachable') notices.say(text.notices.reload_failed(fault.message), true);
        for (const part of parts) this.wanted.add(part);
        await new Promise((resolve) => setTimeout(resolve, RELOAD_PAUSE_MS));
      }
    }
    this.loading = false;
    for (const take of this.held.splice(0)) take();
    if (this.heard_any && Date.now() - this.heard_desk_ms < RECENT_MS) this.heard();
  }

  private async loadDistrict(): Promise<void> {
    const [status, zones, cameras] = await Promise.all([api.status(), api.zones(), api.cameras()]);
    clock.learn(status.now);
    district.name = status.name;
    district.version = status.version;
    district.demo = status.demo;
    district.replaceZones(zones);
    district.replaceCameras(cameras);
    this.district_read = true;
  }

  private async loadIncidents(): Promise<void> {
    const page = await api.openIncidents();
    incidents.replace(page.incidents, page.next !== null);
    if (this.stream === null) this.follow(page.sequence);
    else this.stream.sequence = page.sequence;
  }

  private follow(sequence: number): void {
    const stream = new LiveStream(sequence, {
      // Alerts resume by their sequence. Zones and cameras have none and are read once the stream is there: what
      // changes in between is held, not missed.
      opened: () => this.want('district'),
      failed: () => {
        if (!this.district_read) this.want('district'); // better one that says it is not live than none
        if (this.state === 'live') this.state = 'connecting';
      },
      heard: () => this.heard(),
      alert: (message) =>
        this.take(() => {
          stream.sequence = Math.max(stream.sequence, message.sequence);
          incidents.hear(message);
        }),
      zones: (zones: ZoneNow[]) => this.take(() => district.updateZones(zones)),
      cameras: (cameras: CameraNow[]) =>
        this.take(() => {
          if (!district.updateCameras(cameras)) this.want('district');
        }),
      storm: (message) => (storm.now = message),
      beat: (message) => this.beat(message),
      reset: () => this.want('incidents', 'district'),
    });
    this.stream = stream;
    stream.open();
  }

  private take(act: () => void): void {
    if (!this.loading) act();
    else this.held.push(act);
  }

  private heard(): void {
    this.heard_any = true;
    this.heard_desk_ms = Date.now();
    if (this.loading) return;
    this.fresh_desk_ms = this.heard_desk_ms;
    this.heard_at_ms = clock.atServer(this.heard_desk_ms);
    this.state = 'live';
  }

  /** A sequence that the server had a beat ago and we still have not is an alert that we missed. */
  private beat(message: BeatMessage): void {
    clock.learn(message.now);
    const mine = this.stream?.sequence ?? 0;
    const missed = this.sequence_before !== null && mine < this.sequence_before;
    const restarted = message.sequence < mine; // another casebook than the one that we read
    this.sequence_before = message.sequence;
    if ((missed || restarted) && Date.now() - this.gap_reload_ms >= GAP_RELOAD_MS_MIN) {
      this.gap_reload_ms = Date.now();
      this.want('incidents', 'district');
    }
  }

  private watch(): void {
    const now_ms = Date.now();
    if (now_ms - this.fresh_desk_ms >= SILENCE_MS_MAX) this.state = 'lost';
    this.stream?.reopenIfDead(now_ms - this.heard_desk_ms);
  }
}

export const connection = new Connection();
