/** Whether the map is there yet, drawn, or why it cannot be. */

import type { DistrictMap } from '../map/district_map.ts';
import type { Position } from '../wire.ts';

class MapStage {
  map = $state.raw<DistrictMap | null>(null);
  loaded = $state(false);
  zones_drawn = $state(false);
  fault = $state('');
  private fitted = false;

  fail(why: string): void {
    this.fault = why;
  }

  /** Show the whole district when it is first known; later the view belongs to the operator. */
  fitOnce(positions: () => Iterable<Position>): void {
    if (this.map === null || this.fitted) return;
    this.fitted = true;
    this.map.fit(positions(), false);
  }
}

export const map_stage = new MapStage();
