/**
 * Levels by shape, word and colour: none of the three alone carries the meaning.
 *
 * Colours after Okabe and Ito, "Color Universal Design" (2008), lightened for a dark room.
 */

import type { CameraState, Level, ZoneLevel } from './wire.ts';

export const LEVEL_RANK: Readonly<Record<ZoneLevel, number>> = {
  unknown: -1,
  normal: 0,
  notice: 1,
  amber: 2,
  red: 3,
  critical: 4,
};

export const LEVEL_COLOUR: Readonly<Record<ZoneLevel, string>> = {
  unknown: '#8b98a9',
  normal: '#4f8a7c',
  notice: '#6cb9ee',
  amber: '#f2b134',
  red: '#f4733d',
  critical: '#ff8fc4',
};

/** Outlines in a 16 x 16 box, drawn as SVG in the list and on canvas for the map. */
export const LEVEL_SHAPE: Readonly<Record<ZoneLevel, string>> = {
  unknown: 'M2 2h4M10 2h4v4M14 10v4h-4M6 14H2v-4M2 6V2',
  normal: 'M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6z',
  notice: 'M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13z',
  amber: 'M8 1L15.5 14.8H.5z',
  red: 'M8 .4L15.6 8L8 15.6L.4 8z',
  critical: 'M5 .6h6L15.4 5v6L11 15.4H5L.6 11V5z',
};

/** Marks inside the outline: more strokes, more urgent. */
export const LEVEL_MARK: Readonly<Record<ZoneLevel, string>> = {
  unknown: 'M8 5v3M8 10.5v1',
  normal: '',
  notice: 'M8 7v4.5M8 4.4v1.2',
  amber: 'M8 5.5v4.5M8 11.6v1.4',
  red: 'M8 3.8v5.4M8 11v1.6',
  critical: 'M5.6 3.4v5.8M5.6 11v1.6M10.4 3.4v5.8M10.4 11v1.6',
};

export const isLoud = (level: Level): boolean => LEVEL_RANK[level] >= LEVEL_RANK.amber;

export type CameraGroup = 'live' | 'waiting' | 'blind' | 'refused' | 'off';

export const CAMERA_GROUP: Readonly<Record<CameraState, CameraGroup>> = {
  live: 'live',
  connecting: 'waiting',
  stalled: 'blind',
  no_video: 'blind',
  auth_failed: 'refused',
  refused: 'refused',
  unreachable: 'refused',
  quarantined: 'refused',
  off: 'off',
};

export const CAMERA_COLOUR: Readonly<Record<CameraGroup, string>> = {
  live: '#9fb3c8',
  waiting: '#6cb9ee',
  blind: '#f2b134',
  refused: '#f4733d',
  off: '#5b6878',
};

export const CAMERA_SHAPE: Readonly<Record<CameraGroup, string>> = {
  live: 'M8 4.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7z',
  waiting: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11zM8 5v3.5h2.5',
  blind: 'M1 2.5h14L8 14.5z',
  refused: 'M2.5 2.5L13.5 13.5M13.5 2.5L2.5 13.5',
  off: 'M3.5 8h9',
};

/** Shapes that are lines rather than areas. */
export const CAMERA_IS_LINE: Readonly<Record<CameraGroup, boolean>> = {
  live: false,
  waiting: true,
  blind: false,
  refused: true,
  off: true,
};

export const CAMERA_STATES: readonly CameraState[] = [
  'live',
  'connecting',
  'stalled',
  'no_video',
  'auth_failed',
  'refused',
  'unreachable',
  'quarantined',
  'off',
];

/** A newer server may know states that this page does not: such a camera is not known to see. */
export const knownCameraState = (state: string): CameraState => (state in CAMERA_GROUP ? (state as CameraState) : 'no_video');

export const knownZoneLevel = (level: string): ZoneLevel => (level in LEVEL_RANK ? (level as ZoneLevel) : 'unknown');
