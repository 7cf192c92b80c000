/** What the operator has before them: selection, open panels, where the map was asked to go. */

import { neighbour } from '../order.ts';
import type { Incident } from '../wire.ts';

export type Tab = 'list' | 'map';
export type Target = { kind: 'incident'; id: string } | { kind: 'district' };
export type Spot = { kind: 'zone' | 'camera'; id: string };

class Screen {
  selected = $state<string | null>(null);
  details_open = $state(false);
  keys_open = $state(false);
  tab = $state<Tab>('list');
  /** Counts up with each wish to see the selected row, so that the list scrolls to it. */
  reveal = $state(0);
  target = $state.raw<Target | null>(null);
  spot = $state.raw<Spot | null>(null);

  select(id: string | null): void {
    this.selected = id;
  }

  revealRow(id: string): void {
    this.selected = id;
    this.reveal += 1;
  }

  move(list: readonly Incident[], step: number): void {
    this.selected = neighbour(list, this.selected, step);
    this.reveal += 1;
  }

  flyTo(id: string): void {
    this.select(id);
    this.target = { kind: 'incident', id };
  }

  fitDistrict(): void {
    this.target = { kind: 'district' };
  }

  openDetails(): void {
    if (this.selected === null) return;
    this.details_open = true;
    this.flyTo(this.selected);
  }

  closeTopmost(): void {
    if (this.keys_open) this.keys_open = false;
    else if (this.details_open) this.details_open = false;
    else this.spot = null;
  }
}

export const screen_state = new Screen();
