/** Level and camera shapes as canvas pictures for the map; the same outlines as in the list. */

import {
  CAMERA_COLOUR,
  CAMERA_IS_LINE,
  CAMERA_SHAPE,
  LEVEL_COLOUR,
  LEVEL_MARK,
  LEVEL_SHAPE,
  type CameraGroup,
} from '../levels.ts';
import type { ZoneLevel } from '../wire.ts';

const BOX = 16;
export const PIXEL_RATIO = 3;
const DARK = '#0b0f14';

function draw(size_px: number, paint: (context: CanvasRenderingContext2D) => void): ImageData {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = Math.round(size_px * PIXEL_RATIO);
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('canvas: expected a 2D context, got none');
  const margin = 1.2; // room for the halo
  const scale = canvas.width / (BOX + 2 * margin);
  context.scale(scale, scale);
  context.translate(margin, margin);
  context.lineJoin = context.lineCap = 'round';
  paint(context);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Picture of a level: outline filled with its colour, its mark in dark, a dark halo around. */
export function levelPicture(level: ZoneLevel): ImageData {
  const outline = new Path2D(LEVEL_SHAPE[level]);
  return draw(20, (context) => {
    context.strokeStyle = DARK;
    context.lineWidth = 3;
    context.stroke(outline);
    if (level === 'unknown') {
      context.strokeStyle = LEVEL_COLOUR[level];
      context.lineWidth = 1.6;
      context.stroke(outline);
    } else {
      context.fillStyle = LEVEL_COLOUR[level];
      context.fill(outline);
      context.strokeStyle = DARK;
      context.lineWidth = 1.9;
    }
    context.stroke(new Path2D(LEVEL_MARK[level]));
  });
}

/** Picture of a camera's state group. */
export function cameraPicture(group: CameraGroup): ImageData {
  const outline = new Path2D(CAMERA_SHAPE[group]);
  return draw(group === 'live' || group === 'off' ? 11 : 14, (context) => {
    context.strokeStyle = DARK;
    context.lineWidth = CAMERA_IS_LINE[group] ? 5.5 : 3;
    context.stroke(outline);
    context.strokeStyle = context.fillStyle = CAMERA_COLOUR[group];
    context.lineWidth = 2.6;
    if (CAMERA_IS_LINE[group]) context.stroke(outline);
    else context.fill(outline);
  });
}
