/** Calls of the server. Each returns what was asked for or throws ApiError. */

import type { Camera, ErrorBody, Incident, IncidentPage, Status, ZoneCollection } from './wire.ts';

const READ_MS_MAX = 60_000; // a large district over a bad line
const ACT_MS_MAX = 10_000; // the operator waits for this one
const PAGE_SIZE = 200;
const PAGES_MAX = 10; // 2,000 incidents: more than a screen or a person can hold

/** `code` is the server's, or `unreachable` where no answer came. `incident` is there on a conflict. */
export class ApiError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly incident: Incident | null;

  constructor(code: string, message: string, hint = '', incident: Incident | null = null) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.incident = incident;
  }
}

/** Address of an API path, beside the page and so on the same origin. */
export function address(path: string): string {
  return new URL(`api/${path}`, document.baseURI).href;
}

async function call<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await ask(path, init);
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && body !== null) return body as T;
  throw faultOf(path, response, body as ErrorBody | null);
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(address(path), {
      ...init,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(init.method === 'POST' ? ACT_MS_MAX : READ_MS_MAX),
    });
  } catch (cause) {
    throw new ApiError('unreachable', cause instanceof Error ? cause.message : String(cause));
  }
}

function faultOf(path: string, response: Response, fault: ErrorBody | null): ApiError {
  return new ApiError(
    fault?.error?.code ?? `http_${response.status}`,
    fault?.error?.message ?? `${path}: expected JSON, got status ${response.status}`,
    fault?.error?.hint ?? '',
    fault?.incident ?? null,
  );
}

export const status = (): Promise<Status> => call('status');

export const cameras = (): Promise<Camera[]> => call<{ cameras: Camera[] }>('cameras').then((body) => body.cameras);

export const zones = (): Promise<ZoneCollection> => call('zones');

/** All incidents that are not closed; `sequence` is that of the first page, so that the stream repeats rather than skips. */
export async function openIncidents(): Promise<IncidentPage> {
  const first = await call<IncidentPage>(`incidents?state=open&limit=${PAGE_SIZE}`);
  const incidents = [...first.incidents];
  let next = first.next;
  for (let page = 1; next !== null && page < PAGES_MAX; page++) {
    const more = await call<IncidentPage>(
      `incidents?state=open&limit=${PAGE_SIZE}&cursor=${encodeURIComponent(next)}`,
    );
    incidents.push(...more.incidents);
    next = more.next;
  }
  return { incidents, next, sequence: first.sequence };
}

/** The incident after it was acknowledged; a conflict carries the incident as somebody else left it. */
export function acknowledge(incident: Incident, actor: string): Promise<Incident> {
  return call(`incidents/${encodeURIComponent(incident.id)}/acknowledge`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Drumtower-Request': '1' },
    body: JSON.stringify({ actor, version: incident.version }),
  });
}

/** A picture of an incident, its persons covered; throws the server's reason where there is none. */
export async function evidence(incident_id: string, reference: string): Promise<Blob> {
  const path = `incidents/${encodeURIComponent(incident_id)}/evidence/${encodeURIComponent(reference)}`;
  const response = await ask(path, {});
  if (response.ok) return response.blob();
  throw faultOf(path, response, (await response.json().catch(() => null)) as ErrorBody | null);
}
