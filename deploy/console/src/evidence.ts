/** The names of pictures: `CAMERA-MILLISECONDS`, the beginning of the slot that the picture was taken in. */

export interface Evidence {
  camera: string;
  from: string; // RFC 3339, UTC
}

const NAME = /^([A-Za-z0-9._-]{1,64})-(0|[1-9][0-9]{0,14})$/;

/** What a name says; null where it is none of ours. */
export function evidenceOf(reference: string): Evidence | null {
  const found = NAME.exec(reference);
  if (found === null) return null;
  return { camera: found[1]!, from: new Date(Number(found[2])).toISOString() };
}
