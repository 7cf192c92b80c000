/** The map's style, made in code: no tiles, no glyph server, no sprite; letters come from the desk's own fonts. */

import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from 'maplibre-gl';
import { LEVEL_COLOUR } from '../levels.ts';

export const SOURCES = ['graticule', 'zones', 'zone-labels', 'cameras', 'incidents', 'selection'] as const;
export type SourceId = (typeof SOURCES)[number];

const byLevel = (of: (level: keyof typeof LEVEL_COLOUR) => string | number): ExpressionSpecification => {
  const pairs = (Object.keys(LEVEL_COLOUR) as (keyof typeof LEVEL_COLOUR)[]).flatMap((level) => [level, of(level)]);
  return ['match', ['get', 'level'], ...pairs, of('unknown')] as unknown as ExpressionSpecification;
};

const OPACITY = { unknown: 0.1, normal: 0.14, notice: 0.22, amber: 0.32, red: 0.42, critical: 0.55 } as const;
const WIDTH_PX = { unknown: 1, normal: 1, notice: 1.5, amber: 2, red: 2.5, critical: 3.5 } as const;
const FONT = ['system-ui', 'Noto Sans', 'sans-serif'];
const INK = '#e8eef6';
const NIGHT = '#0b0f14';

const layers: LayerSpecification[] = [
  { id: 'background', type: 'background', paint: { 'background-color': '#10161e' } },
  { id: 'graticule', type: 'line', source: 'graticule', paint: { 'line-color': '#1d2733', 'line-width': 1 } },
  {
    id: 'zones',
    type: 'fill',
    source: 'zones',
    paint: { 'fill-color': byLevel((level) => LEVEL_COLOUR[level]), 'fill-opacity': byLevel((level) => OPACITY[level]) },
  },
  {
    id: 'zone-edges',
    type: 'line',
    source: 'zones',
    layout: { 'line-join': 'round' },
    paint: { 'line-color': byLevel((level) => LEVEL_COLOUR[level]), 'line-width': byLevel((level) => WIDTH_PX[level]) },
  },
  {
    id: 'zone-edges-unknown',
    type: 'line',
    source: 'zones',
    filter: ['==', ['get', 'level'], 'unknown'],
    paint: { 'line-color': '#10161e', 'line-width': 2, 'line-dasharray': [2, 3] },
  },
  {
    id: 'cameras',
    type: 'symbol',
    source: 'cameras',
    layout: {
      'icon-image': ['concat', 'camera-', ['get', 'group']],
      'icon-allow-overlap': true,
      'icon-ignore-placement': true,
      'symbol-sort-key': ['get', 'rank'],
      'icon-size': ['interpolate', ['linear'], ['zoom'], 11, 0.55, 15, 0.9, 18, 1.2],
    },
  },
  {
    id: 'selection-fill',
    type: 'fill',
    source: 'selection',
    paint: { 'fill-color': '#ffffff', 'fill-opacity': 0.05 },
  },
  {
    id: 'selection',
    type: 'line',
    source: 'selection',
    paint: { 'line-color': '#ffffff', 'line-width': 2.5, 'line-dasharray': [3, 2] },
  },
  {
    id: 'camera-names',
    type: 'symbol',
    source: 'cameras',
    minzoom: 14.5,
    filter: ['any', ['!=', ['get', 'group'], 'live'], ['>=', ['zoom'], 17.5]],
    layout: {
      'text-field': ['get', 'label'],
      'text-font': FONT,
      'text-size': 10.5,
      'text-offset': [0, 0.9],
      'text-anchor': 'top',
      'text-max-width': 14,
      'symbol-sort-key': ['-', ['get', 'rank']],
      'text-optional': true,
    },
    paint: { 'text-color': '#a9b8c9', 'text-halo-color': NIGHT, 'text-halo-width': 1.2 },
  },
  {
    id: 'zone-labels',
    type: 'symbol',
    source: 'zone-labels',
    // From afar only what is not normal: a city's worth of quiet zones would bury it.
    filter: ['any', ['!=', ['get', 'level'], 'normal'], ['>=', ['zoom'], 14]],
    layout: {
      'icon-image': ['concat', 'level-', ['get', 'level']],
      'icon-anchor': 'bottom',
      'icon-offset': [0, 2],
      'text-field': ['get', 'label'],
      'text-font': FONT,
      'text-size': ['match', ['get', 'level'], 'critical', 13.5, 'red', 13, 'amber', 12.5, 11.5],
      'text-anchor': 'top',
      'text-offset': [0, 0.25],
      'text-max-width': 12,
      'text-optional': true,
      'symbol-sort-key': ['-', ['get', 'rank']],
    },
    paint: { 'text-color': INK, 'text-halo-color': NIGHT, 'text-halo-width': 1.6 },
  },
  {
    id: 'incidents',
    type: 'symbol',
    source: 'incidents',
    layout: {
      'icon-image': ['concat', 'level-', ['get', 'level']],
      'icon-allow-overlap': true,
      'icon-ignore-placement': true,
      'icon-size': 1.15,
      'symbol-sort-key': ['get', 'rank'],
    },
  },
];

export function nightStyle(): StyleSpecification {
  const empty = { type: 'FeatureCollection' as const, features: [] };
  return {
    version: 8,
    name: 'night',
    sources: Object.fromEntries(SOURCES.map((id) => [id, { type: 'geojson' as const, data: empty, maxzoom: 16, tolerance: 0.2 }])),
    layers,
  };
}
