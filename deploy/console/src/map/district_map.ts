/** The MapLibre map of the district: takes data, draws it at most once a second, reports clicks. Loaded as a chunk of its own. */

import type { FeatureCollection } from 'geojson';
import {
  type GeoJSONSource,
  Map as MapLibreMap,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
} from 'maplibre-gl';
import worker_url from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import 'maplibre-gl/dist/maplibre-gl.css';
import { CAMERA_SHAPE, LEVEL_RANK, type CameraGroup } from '../levels.ts';
import type { Place, Position, ZoneLevel } from '../wire.ts';
import { type Bounds, boundsOf, graticule } from './ground.ts';
import { PIXEL_RATIO, cameraPicture, levelPicture } from './shapes.ts';
import { type SourceId, nightStyle } from './style.ts';

const REDRAW_MS_MIN = 1_000;
const REDRAW_MS_MAX = 4_000;
const REDRAW_MS_PER_FEATURE = 0.5;
const ZOOM_MAX = 19;
const CLICK_REACH_PX = 6;
const CLICKABLE = ['incidents', 'cameras', 'zone-labels', 'zones'];

export interface MapEvents {
  loaded: () => void;
  zonesDrawn: () => void;
  clicked: (what: Clicked | null) => void;
}

export interface Clicked {
  layer: string;
  id: string;
}

setWorkerUrl(worker_url);

export class DistrictMap {
  private readonly map: MapLibreMap;
  private readonly events: MapEvents;
  private readonly due = new Map<SourceId, () => FeatureCollection>();
  private readonly rest_until_ms = new Map<SourceId, number>();
  private redraw: ReturnType<typeof setTimeout> | undefined;
  private loaded = false;
  private zones_told = false;
  private bounds: Bounds | null = null;

  constructor(container: HTMLElement, events: MapEvents) {
    this.events = events;
    this.map = new MapLibreMap({
      container,
      style: nightStyle(),
      attributionControl: false,
      fadeDuration: 0, // labels that change each second must not flicker
      dragRotate: false,
      pitchWithRotate: false,
      maxZoom: ZOOM_MAX,
      maxPitch: 0,
      renderWorldCopies: false,
      validateStyle: false,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disable(); // arrows belong to the alert list
    this.map.addControl(new NavigationControl({ showCompass: false }), 'top-right');
    this.map.addControl(new ScaleControl({ unit: 'metric', maxWidth: 140 }), 'bottom-left');
    this.map.on('load', () => {
      this.addPictures();
      this.loaded = true;
      this.drawDue();
      events.loaded();
    });
    this.map.on('click', (event) => {
      const { x, y } = event.point;
      const box: [[number, number], [number, number]] = [
        [x - CLICK_REACH_PX, y - CLICK_REACH_PX],
        [x + CLICK_REACH_PX, y + CLICK_REACH_PX],
      ];
      for (const layer of CLICKABLE) {
        const exact = layer === 'zones';
        const id: unknown = this.map.queryRenderedFeatures(exact ? event.point : box, { layers: [layer] })[0]?.properties.id;
        if (typeof id === 'string') return events.clicked({ layer, id });
      }
      events.clicked(null);
    });
  }

  /** Draw a source anew: at once if it has rested, for a second or for its size, else when it has. Only the newest counts. */
  draw(source: SourceId, features: () => FeatureCollection): void {
    this.due.set(source, features);
    if (this.loaded) this.drawDue();
  }

  /** The selection follows the hand and is not throttled. */
  drawNow(source: SourceId, features: () => FeatureCollection): void {
    this.rest_until_ms.delete(source);
    this.draw(source, features);
  }

  /** Fit to the whole district; the grid is laid under it. */
  fit(positions: Iterable<Position>, animate: boolean): void {
    const bounds = boundsOf(positions);
    if (bounds === null) return;
    if (bounds.join() !== this.bounds?.join()) {
      this.bounds = bounds;
      this.drawNow('graticule', () => ({
        type: 'FeatureCollection',
        features: graticule(bounds).lines.map((coordinates) => ({
          type: 'Feature',
          geometry: { type: 'LineString', coordinates },
          properties: {},
        })),
      }));
    }
    this.map.fitBounds(bounds, { padding: this.padding(), maxZoom: 18, animate, duration: 700 });
  }

  /** Fly to a place; `covered_px` on the right is hidden by the details. */
  flyTo(place: Place, covered_px: number): void {
    const { clientWidth } = this.map.getContainer();
    const padding = this.padding();
    const metres_lat = Math.max(60, place.radius_m * 3);
    const d_lat = metres_lat / 111_320;
    const d_lon = d_lat / Math.cos((place.lat * Math.PI) / 180);
    this.map.fitBounds([place.lon - d_lon, place.lat - d_lat, place.lon + d_lon, place.lat + d_lat], {
      padding: { top: padding, bottom: padding, left: padding, right: padding + (covered_px < clientWidth / 2 ? covered_px : 0) },
      maxZoom: 18,
      duration: 900,
      linear: false,
    });
  }

  resize(): void {
    this.map.resize();
  }

  remove(): void {
    clearTimeout(this.redraw);
    this.map.remove();
  }

  /** Not by `idle`: a large district that changes every second may never be idle. */
  private tellWhenZonesAreDrawn(): void {
    if (this.zones_told) return;
    this.zones_told = true;
    const look = (): void => {
      if (this.map.isSourceLoaded('zones')) {
        this.map.off('render', look);
        this.events.zonesDrawn();
      } else this.map.triggerRepaint();
    };
    this.map.on('render', look);
  }

  private padding(): number {
    const { clientWidth, clientHeight } = this.map.getContainer();
    return Math.max(10, Math.min(60, Math.min(clientWidth, clientHeight) / 8));
  }

  private addPictures(): void {
    for (const level of Object.keys(LEVEL_RANK) as ZoneLevel[]) {
      this.map.addImage(`level-${level}`, levelPicture(level), { pixelRatio: PIXEL_RATIO });
    }
    for (const group of Object.keys(CAMERA_SHAPE) as CameraGroup[]) {
      this.map.addImage(`camera-${group}`, cameraPicture(group), { pixelRatio: PIXEL_RATIO });
    }
  }

  private drawDue(): void {
    clearTimeout(this.redraw);
    const now_ms = performance.now();
    let wait_ms = Infinity;
    for (const [source, features] of this.due) {
      const rest_ms = (this.rest_until_ms.get(source) ?? -Infinity) - now_ms;
      if (rest_ms > 0) {
        wait_ms = Math.min(wait_ms, rest_ms);
        continue;
      }
      const drawn = features();
      void this.map.getSource<GeoJSONSource>(source)?.setData(drawn);
      if (source === 'zones' && drawn.features.length > 0) this.tellWhenZonesAreDrawn();
      const size_ms = drawn.features.length * REDRAW_MS_PER_FEATURE;
      this.rest_until_ms.set(source, now_ms + Math.min(REDRAW_MS_MAX, Math.max(REDRAW_MS_MIN, size_ms)));
      this.due.delete(source);
    }
    if (wait_ms < Infinity) this.redraw = setTimeout(() => this.drawDue(), wait_ms);
  }
}
