/** A measured value in words that do not promise more than was measured. */

import { LOCALE, text } from './strings.ts';
import type { Incident, Measurement, ZoneFacts } from './wire.ts';

const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 2 });

export const count = (value: number): string => whole.format(value);

/** A number at the precision that it deserves: persons are whole, small rates have two places. */
export function number(value: number, unit = ''): string {
  return unit === 'persons' || Math.abs(value) >= 100 ? whole.format(value) : fine.format(value);
}

export interface ValueText {
  value: string; // "~128 of 100 persons"
  interval: string; // "95 %: 104–150", or empty
  quality: string; // "estimated from foreground", or empty
}

function qualityText(measurement: Measurement, unit: string): string {
  if (measurement.not_measurable) return text.measure.not_measurable;
  if (!measurement.degraded) return '';
  const counted = unit === 'persons' || unit.startsWith('persons/');
  return counted && (measurement.method ?? 'foreground') === 'foreground'
    ? text.measure.foreground
    : text.measure.degraded;
}

/** The value of an incident against its zone's safe capacity, with its interval; "~" where it is an estimate. */
export function valueText(incident: Incident, zone: ZoneFacts | undefined): ValueText {
  const { value, unit, low, high, measurement } = incident;
  const quality = qualityText(measurement, unit);
  if (value === null) return { value: text.measure.none, interval: '', quality };
  const has_interval = low !== null && high !== null && high > low;
  const capacity = unit === 'persons' && zone?.safe_capacity ? text.measure.of(whole.format(zone.safe_capacity)) : '';
  const mark = has_interval || measurement.degraded ? '~' : '';
  const interval = has_interval
    ? text.measure.interval(number(low, unit), number(high, unit))
    : low !== null && high === null
      ? text.measure.at_least(number(low, unit))
      : '';
  return { value: `${mark}${number(value, unit)}${capacity} ${unit}`.trim(), interval, quality };
}

/** "~128 / 100" of a zone on the map. */
export function occupancyText(occupancy: number | null, low: number | null, high: number | null, capacity: number | null): string {
  if (occupancy === null) return text.map.no_measurement;
  const mark = low !== null && high !== null && high > low ? '~' : '';
  return `${mark}${whole.format(occupancy)}${capacity ? ` / ${whole.format(capacity)}` : ''}`;
}

/** "4.2 persons/m²" where people stand most densely; never a blank, which would read as "not dense". */
export const localDensityText = (local_per_m2: number | null | undefined): string =>
  local_per_m2 == null ? text.measure.not_measurable : `${number(local_per_m2)} persons/m²`;
