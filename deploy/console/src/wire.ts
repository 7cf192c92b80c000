/** The words of the API, as the server sends them. Times are RFC 3339 in UTC. */

export type Level = 'notice' | 'amber' | 'red' | 'critical';
export type ZoneLevel = Level | 'normal' | 'unknown';
export type IncidentState = 'open' | 'acknowledged' | 'dispatched' | 'on_scene' | 'resolved' | 'closed';
export type Condition = 'active' | 'cleared' | 'unknown';
export type ClockName = 'seen' | 'on_scene' | 'resolved';
export type CameraState =
  | 'connecting'
  | 'live'
  | 'stalled'
  | 'no_video'
  | 'auth_failed'
  | 'refused'
  | 'unreachable'
  | 'quarantined'
  | 'off';

export interface Status {
  name: string;
  version: string;
  now: string;
  demo: boolean;
  sequence: number;
}

export interface Place {
  lon: number;
  lat: number;
  radius_m: number;
}

/** Fields at their default may be absent. */
export interface Measurement {
  noise_m?: number | null;
  recall?: number | null;
  calibration?: string | null;
  calibration_age_s?: number | null;
  degraded?: boolean;
  not_measurable?: boolean;
  method?: string | null;
}

export interface ResponseClock {
  target_at: string;
  met_at: string | null;
  breached: boolean;
}

export interface Incident {
  id: string;
  kind: string;
  title: string;
  level: Level;
  state: IncidentState;
  condition: Condition;
  site: string;
  zone: string | null;
  place: Place;
  onset_at: string;
  detected_at: string;
  updated_at: string;
  ended_at: string | null;
  value: number | null;
  unit: string;
  low: number | null;
  high: number | null;
  measurement: Measurement;
  cameras: string[];
  rule: string;
  rule_version: number;
  thresholds: Record<string, number>;
  finding_count: number;
  version: number;
  clocks: Partial<Record<ClockName, ResponseClock>>;
  acknowledged_by: string | null;
  /** Names of pictures; absent from a server that has none. */
  evidence?: string[];
  merged_from?: string[];
  drill: boolean;
  /** Why people are not told of it: `silence ID`, `camera ID`, `incident ID`, `storm ID`. */
  muted_by?: string | null;
  flapping?: boolean;
}

/** More begins than people can read; one incident of a site speaks for it meanwhile. */
export interface Storm {
  on: boolean;
  since_ns: number | null;
  findings_per_min: number;
  sites: number;
  folded: number;
}

export interface IncidentPage {
  incidents: Incident[];
  next: string | null;
  sequence: number;
}

export interface CameraNow {
  id: string;
  state: CameraState;
  cause: string | null;
  since: string | null;
  last_frame_at: string | null;
  picture: string[];
}

export interface Camera extends CameraNow {
  number: number;
  name: string;
  site: string;
  lon: number | null;
  lat: number | null;
  source: string;
}

export interface ZoneNow {
  id: string;
  level: ZoneLevel;
  occupancy: number | null;
  low: number | null;
  high: number | null;
  density_per_m2: number | null;
  capacity_use: number | null;
  degraded: boolean;
  observed_at: string | null;
  local_per_m2?: number | null; // where people stand most densely
  learning?: Record<string, string>; // detectors that still learn here: `9 of 42 days`
}

export interface ZoneFacts {
  id: string;
  name: string;
  site: string;
  zone_class: string;
  safe_capacity: number | null;
  area_m2: number | null;
}

export type Position = [lon: number, lat: number];

export interface ZoneFeature {
  type: 'Feature';
  geometry: { type: 'Polygon'; coordinates: Position[][] };
  properties: ZoneFacts & ZoneNow;
}

export interface ZoneCollection {
  type: 'FeatureCollection';
  features: ZoneFeature[];
}

export interface AlertMessage {
  sequence: number;
  id: string;
  type: string;
  replay: boolean;
  incident: Incident;
}

export interface BeatMessage {
  now: string;
  sequence: number;
}

export interface ErrorBody {
  error: { code: string; message: string; hint?: string };
  incident?: Incident;
}
