/** What the map draws, as GeoJSON made from the stores' words. */

import type { Feature, FeatureCollection, Point, Polygon } from 'geojson';
import { CAMERA_GROUP, LEVEL_RANK, type CameraGroup } from '../levels.ts';
import { occupancyText } from '../measure.ts';
import { text } from '../strings.ts';
import type { Camera, Incident, ZoneFeature, ZoneNow } from '../wire.ts';
import { centroid, circle } from './ground.ts';

const GROUP_RANK: Readonly<Record<CameraGroup, number>> = { off: 0, live: 1, waiting: 2, blind: 3, refused: 4 };
const RADIUS_M_MIN = 8;

const collection = <G extends Point | Polygon>(features: Feature<G>[]): FeatureCollection<G> => ({
  type: 'FeatureCollection',
  features,
});

const point = (lon: number, lat: number, properties: Record<string, string | number>): Feature<Point> => ({
  type: 'Feature',
  geometry: { type: 'Point', coordinates: [lon, lat] },
  properties,
});

export function zoneAreas(zones: readonly ZoneFeature[], now: ReadonlyMap<string, ZoneNow>): FeatureCollection<Polygon> {
  return collection(
    zones.map(({ geometry, properties: { id } }) => ({
      type: 'Feature',
      geometry,
      properties: { id, level: now.get(id)?.level ?? 'unknown' },
    })),
  );
}

export function zoneLabels(zones: readonly ZoneFeature[], now: ReadonlyMap<string, ZoneNow>): FeatureCollection<Point> {
  return collection(
    zones.map(({ geometry, properties: facts }) => {
      const zone = now.get(facts.id) ?? facts;
      const [lon, lat] = centroid(geometry.coordinates[0] ?? []);
      const occupancy = occupancyText(zone.occupancy, zone.low, zone.high, facts.safe_capacity);
      const estimated = zone.degraded && zone.occupancy !== null ? ` ${text.map.estimated}` : '';
      const word = zone.level === 'normal' ? '' : `\n${text.level[zone.level]}`;
      return point(lon, lat, {
        id: facts.id,
        level: zone.level,
        rank: LEVEL_RANK[zone.level],
        label: `${facts.name}\n${occupancy}${estimated}${word}`,
      });
    }),
  );
}

export function cameraPoints(cameras: ReadonlyMap<string, Camera>): FeatureCollection<Point> {
  const features: Feature<Point>[] = [];
  for (const camera of cameras.values()) {
    if (camera.lon === null || camera.lat === null) continue;
    const group = CAMERA_GROUP[camera.state];
    const word = camera.state === 'live' ? '' : `\n${text.camera[camera.state].toUpperCase()}`;
    features.push(
      point(camera.lon, camera.lat, {
        id: camera.id,
        group,
        rank: GROUP_RANK[group],
        label: `${camera.name}${word}`,
      }),
    );
  }
  return collection(features);
}

/** Incidents that no zone shows: a camera's own trouble, a place outside every zone. */
export function incidentPoints(list: readonly Incident[]): FeatureCollection<Point> {
  return collection(
    list
      .filter((incident) => incident.zone === null && incident.state !== 'resolved')
      .map((incident) =>
        point(incident.place.lon, incident.place.lat, {
          id: incident.id,
          level: incident.level,
          rank: LEVEL_RANK[incident.level],
        }),
      ),
  );
}

export function selectionRing(incident: Incident | undefined): FeatureCollection<Polygon> {
  if (incident === undefined) return collection<Polygon>([]);
  const { lon, lat, radius_m } = incident.place;
  const ring = circle([lon, lat], Math.max(RADIUS_M_MIN, radius_m * 1.15));
  return collection<Polygon>([{ type: 'Feature', geometry: { type: 'Polygon', coordinates: [ring] }, properties: {} }]);
}
