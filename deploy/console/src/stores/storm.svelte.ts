/** Whether it storms, as the server last said. */

import type { Storm } from '../wire.ts';

class StormNow {
  now = $state.raw<Storm | null>(null);
}

export const storm = new StormNow();
