import assert from 'node:assert/strict';
import { test } from 'node:test';

import { evidenceOf } from '../src/evidence.ts';

test('a name says which camera and from when', () => {
  assert.deepEqual(evidenceOf('north-gate-7-1780000003500'), {
    camera: 'north-gate-7',
    from: '2026-05-28T20:26:43.500Z',
  });
});

test('what is no name of ours says nothing', () => {
  for (const text of ['', 'gate', '-5', 'gate/7-5', 'gate-7-05', `gate-${'9'.repeat(20)}`, '../5-5']) {
    assert.equal(evidenceOf(text), null, text);
  }
});
