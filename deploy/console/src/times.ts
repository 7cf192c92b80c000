/** Times and durations as people read them: local time, mm:ss. */

import { LOCALE, text } from './strings.ts';

const SECOND_MS = 1000;
const DAY_S = 86_400;

const time_of_day = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day_and_time = new Intl.DateTimeFormat(LOCALE, {
  day: '2-digit',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

const two = (value: number): string => String(value).padStart(2, '0');

/** `mm:ss` of a duration, sign dropped; hours run on as minutes up to 99:59, then `h:mm:ss`. */
export function minutesSeconds(duration_ms: number): string {
  const total_s = Math.floor(Math.abs(duration_ms) / SECOND_MS);
  const seconds = two(total_s % 60);
  const minutes = Math.floor(total_s / 60);
  return minutes < 100 ? `${two(minutes)}:${seconds}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${seconds}`;
}

/** A duration in words, coarser as it grows; a negative one counts as none. */
export function duration(duration_ms: number): string {
  const s = Math.max(0, Math.floor(duration_ms / SECOND_MS));
  if (s < 60) return text.duration.seconds(s);
  if (s < 3600) return text.duration.minutes(Math.floor(s / 60), two(s % 60));
  if (s < DAY_S) return text.duration.hours(Math.floor(s / 3600), two(Math.floor((s % 3600) / 60)));
  return text.duration.days(Math.floor(s / DAY_S), Math.floor((s % DAY_S) / 3600));
}

export const timeOfDay = (at: number | string): string => time_of_day.format(new Date(at));

export const dayAndTime = (at: number | string): string => day_and_time.format(new Date(at));
