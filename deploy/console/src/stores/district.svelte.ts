/** Zones and cameras: what they are, which seldom changes, apart from how they stand, which changes by the second. */

import { knownCameraState, knownZoneLevel } from '../levels.ts';
import type { Camera, CameraNow, CameraState, ZoneCollection, ZoneFacts, ZoneFeature, ZoneNow } from '../wire.ts';

const admitZone = (zone: ZoneNow): ZoneNow => ({ ...zone, level: knownZoneLevel(zone.level) });

const admitCamera = (camera: Camera): Camera => ({ ...camera, state: knownCameraState(camera.state) });

class District {
  name = $state('');
  version = $state('');
  demo = $state(false);

  /** Geometry and facts, replaced only by a reload. */
  zone_features = $state.raw<ZoneFeature[]>([]);
  zone_facts = $state.raw<ReadonlyMap<string, ZoneFacts>>(new Map());
  zone_now = $state.raw<ReadonlyMap<string, ZoneNow>>(new Map());
  cameras = $state.raw<ReadonlyMap<string, Camera>>(new Map());

  camera_counts = $derived.by(() => {
    const counts = new Map<CameraState, number>();
    for (const camera of this.cameras.values()) counts.set(camera.state, (counts.get(camera.state) ?? 0) + 1);
    return counts;
  });

  replaceZones(collection: ZoneCollection): void {
    this.zone_features = collection.features;
    this.zone_facts = new Map(collection.features.map((feature) => [feature.properties.id, feature.properties]));
    this.zone_now = new Map(collection.features.map(({ properties }) => [properties.id, admitZone(properties)]));
  }

  replaceCameras(cameras: readonly Camera[]): void {
    this.cameras = new Map(cameras.map((camera) => [camera.id, admitCamera(camera)]));
  }

  updateZones(zones: readonly ZoneNow[]): void {
    if (zones.length === 0) return;
    const next = new Map(this.zone_now);
    for (const zone of zones) if (this.zone_facts.has(zone.id)) next.set(zone.id, admitZone(zone));
    this.zone_now = next;
  }

  /** Take in changed states; false where a camera is unknown, so that the registry has grown and must be read again. */
  updateCameras(cameras: readonly CameraNow[]): boolean {
    if (cameras.length === 0) return true;
    const next = new Map(this.cameras);
    let all_known = true;
    for (const now of cameras) {
      const known = next.get(now.id);
      if (known === undefined) all_known = false;
      else next.set(now.id, admitCamera({ ...known, ...now }));
    }
    this.cameras = next;
    return all_known;
  }
}

export const district = new District();
