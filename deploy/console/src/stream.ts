/** The live stream: one EventSource at a time, opened again behind the last sequence that was taken in. */

import { address } from './api.ts';
import type { AlertMessage, BeatMessage, CameraNow, Storm, ZoneNow } from './wire.ts';

const REOPEN_MS = 8_000; // a connection that says nothing for so long is dead, whatever TCP thinks
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 4_000;

export interface StreamHandlers {
  opened: () => void;
  failed: () => void;
  heard: () => void;
  alert: (message: AlertMessage) => void;
  zones: (zones: ZoneNow[]) => void;
  cameras: (cameras: CameraNow[]) => void;
  storm: (storm: Storm) => void;
  beat: (message: BeatMessage) => void;
  reset: () => void;
}

export class LiveStream {
  /** Sequence of the last alert that was taken in. */
  sequence: number;
  private readonly handlers: StreamHandlers;
  private source: EventSource | null = null;
  private opened_at_ms = 0;
  private failures = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(sequence: number, handlers: StreamHandlers) {
    this.sequence = sequence;
    this.handlers = handlers;
  }

  open(): void {
    clearTimeout(this.retry);
    this.source?.close();
    this.opened_at_ms = Date.now();
    const source = new EventSource(address(`stream?last_event_id=${this.sequence}`));
    this.source = source;
    source.onopen = () => {
      this.failures = 0;
      this.handlers.opened();
    };
    source.onerror = () => {
      if (source !== this.source) return;
      // Not left to the browser: it retries behind a stale address, and gives up on an answer that is not a stream.
      source.close();
      this.handlers.failed();
      this.openLater();
    };
    this.listen<AlertMessage>(source, 'alert', (message) => this.handlers.alert(message));
    this.listen<{ zones: ZoneNow[] }>(source, 'zones', (message) => this.handlers.zones(message.zones));
    this.listen<{ cameras: CameraNow[] }>(source, 'cameras', (message) => this.handlers.cameras(message.cameras));
    this.listen<Storm>(source, 'storm', (message) => this.handlers.storm(message));
    this.listen<BeatMessage>(source, 'beat', (message) => this.handlers.beat(message));
    source.addEventListener('reset', () => {
      this.handlers.heard();
      this.handlers.reset();
    });
  }

  /** Open again if the connection has had its time and nothing came; `silent_ms` since the last message. */
  reopenIfDead(silent_ms: number): void {
    if (silent_ms >= REOPEN_MS && Date.now() - this.opened_at_ms >= REOPEN_MS) this.open();
  }

  close(): void {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  private openLater(): void {
    const pause_ms = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.failures);
    this.failures += 1;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), pause_ms * (0.75 + Math.random() / 2)); // not all screens at once
  }

  private listen<T>(source: EventSource, type: string, take: (message: T) => void): void {
    source.addEventListener(type, (event: MessageEvent<string>) => {
      if (source !== this.source) return;
      let message: T;
      try {
        message = JSON.parse(event.data) as T;
      } catch {
        return; // a torn message is no sign of life
      }
      this.handlers.heard();
      take(message);
    });
  }
}
