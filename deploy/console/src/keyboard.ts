/** The keys of the console. Text fields and keys held with Ctrl, Alt or Meta belong to the browser. */

import { incidents } from './stores/incidents.svelte.ts';
import { screen_state } from './stores/screen.svelte.ts';
import { sound } from './stores/sound.svelte.ts';

const PAGE_ROWS = 8;

const acts: Readonly<Record<string, () => void>> = {
  j: () => screen_state.move(incidents.list, 1),
  ArrowDown: () => screen_state.move(incidents.list, 1),
  k: () => screen_state.move(incidents.list, -1),
  ArrowUp: () => screen_state.move(incidents.list, -1),
  PageDown: () => screen_state.move(incidents.list, PAGE_ROWS),
  PageUp: () => screen_state.move(incidents.list, -PAGE_ROWS),
  Home: () => screen_state.move(incidents.list, -Infinity),
  End: () => screen_state.move(incidents.list, Infinity),
  a: () => {
    if (screen_state.selected !== null) void incidents.acknowledge(screen_state.selected);
  },
  Enter: () => screen_state.openDetails(),
  Escape: () => screen_state.closeTopmost(),
  f: () => screen_state.fitDistrict(),
  m: () => (screen_state.tab = screen_state.tab === 'list' ? 'map' : 'list'),
  s: () => sound.toggle(),
  '?': () => (screen_state.keys_open = !screen_state.keys_open),
};

/** Enter and the arrows on a focused control are that control's own. */
function belongsToControl(event: KeyboardEvent): boolean {
  const at = event.target instanceof Element ? event.target : null;
  if (at?.closest('input, textarea, select, [contenteditable]')) return true;
  return (event.key === 'Enter' || event.key === ' ') && at?.closest('button, a') != null;
}

export function listenToKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || belongsToControl(event)) return;
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    // Behind the keys' own panel nothing is acknowledged by mistake.
    if (screen_state.keys_open && event.key !== 'Escape' && event.key !== '?') return;
    if (act === undefined || (event.repeat && event.key.toLowerCase() === 'a')) return;
    event.preventDefault();
    act();
  });
}
