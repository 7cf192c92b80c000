/** Short messages to the operator: what did not work, and who was faster. */

const SHOWN_MS = 12_000;
const KEPT = 4;

export interface Notice {
  key: number;
  words: string;
  urgent: boolean;
}

class Notices {
  all = $state.raw<Notice[]>([]);
  /** For screen readers: the last new alert. */
  spoken = $state('');
  private next_key = 1;

  say(words: string, urgent = false): void {
    const notice = { key: this.next_key++, words, urgent };
    const others = this.all.filter((other) => other.words !== words);
    this.all = [...others, notice].slice(-KEPT);
    setTimeout(() => this.dismiss(notice.key), SHOWN_MS);
  }

  dismiss(key: number): void {
    this.all = this.all.filter((notice) => notice.key !== key);
  }
}

export const notices = new Notices();
