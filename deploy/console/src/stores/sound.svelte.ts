/** The beep for a new alert. Browsers keep a page silent until the first key or click; the header says so. */

import { LEVEL_RANK } from '../levels.ts';
import type { Level } from '../wire.ts';

const MEMORY_KEY = 'drumtower.sound';
const TONE_S = 0.16;
const GAP_S = 0.08;
const PITCH_HZ: Readonly<Record<Level, number>> = { notice: 520, amber: 660, red: 880, critical: 1100 };

function remembered(): boolean {
  try {
    return localStorage.getItem(MEMORY_KEY) !== 'off';
  } catch {
    return true; // storage refused: the safe side is loud
  }
}

class Sound {
  on = $state(remembered());
  allowed = $state(false);
  private context: AudioContext | null = null;
  private busy_until_s = 0;

  /** To be called from a key or click: that is what lets a page make sound. */
  async wake(): Promise<void> {
    if (this.allowed || typeof AudioContext === 'undefined') return;
    this.context ??= new AudioContext();
    await this.context.resume().catch(() => undefined);
    this.allowed = this.context.state === 'running';
  }

  toggle(): void {
    this.on = !this.on;
    try {
      localStorage.setItem(MEMORY_KEY, this.on ? 'on' : 'off');
    } catch {
      // Not remembered: the next visit is loud again.
    }
    if (this.on) void this.wake().then(() => this.beep('amber'));
  }

  /** One tone for notice and amber, two for red, three for critical; a burst of alerts does not overlap. */
  beep(level: Level): void {
    const context = this.context;
    if (!this.on || !this.allowed || context === null || this.busy_until_s > context.currentTime) return;
    const tones = Math.max(1, LEVEL_RANK[level] - 1);
    let at_s = context.currentTime + 0.02;
    for (let tone = 0; tone < tones; tone++) {
      const oscillator = new OscillatorNode(context, { type: 'triangle', frequency: PITCH_HZ[level] });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, at_s);
      gain.gain.linearRampToValueAtTime(0.35, at_s + 0.01);
      gain.gain.linearRampToValueAtTime(0, at_s + TONE_S);
      oscillator.connect(gain).connect(context.destination);
      oscillator.start(at_s);
      oscillator.stop(at_s + TONE_S);
      at_s += TONE_S + GAP_S;
    }
    this.busy_until_s = at_s;
  }
}

export const sound = new Sound();
