/** The server's time, ticking by the second: targets are the server's, and a desk's own clock may be wrong. */

const TICK_MS = 200;
const BEATS = 30;

class Clock {
  /** Server time at the last whole second, ms since 1970. */
  now_ms = $state(Math.floor(Date.now() / 1000) * 1000);
  private offset_ms = 0;
  private readonly offsets: number[] = [];

  /** Learn from a time that the server has just sent. A slow line makes it look old, so the freshest of many counts. */
  learn(server_now: string): void {
    const offset_ms = Date.parse(server_now) - Date.now();
    if (Number.isNaN(offset_ms)) return;
    this.offsets.push(offset_ms);
    if (this.offsets.length > BEATS) this.offsets.shift();
    this.offset_ms = Math.max(...this.offsets);
  }

  /** Server time that belongs to a time of this desk. */
  atServer(desk_ms: number): number {
    return desk_ms + this.offset_ms;
  }

  start(): void {
    setInterval(() => {
      this.now_ms = Math.floor(this.atServer(Date.now()) / 1000) * 1000;
    }, TICK_MS);
  }
}

export const clock = new Clock();
