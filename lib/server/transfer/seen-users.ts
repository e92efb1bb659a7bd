import { hash as hashOnce } from 'node:crypto';

/**
 * The users that a file has named so far, in 16 bytes each: 64 bits of a hash, in a
 * table that is at most half full. Of a million users, two collide once in 30
 * million files.
 */
export class SeenUsers {
  private slots = new BigUint64Array(1 << 12);
  private count = 0;

  /** @returns `false` if the file has named the user before */
  add(realm: string, uniqueId: string): boolean {
    const hash = hashOnce('sha256', `${realm}\n${uniqueId}`, 'buffer');
    // 0 is an empty slot.
    const key = hash.readBigUInt64LE() || 1n;
    if (!this.put(key)) return false;
    this.count += 1;
    if (this.count * 2 > this.slots.length) this.grow();
    return true;
  }

  private put(key: bigint): boolean {
    const mask = this.slots.length - 1;
    let at = Number(key & BigInt(mask));
    for (; this.slots[at] !== 0n; at = (at + 1) & mask)
      if (this.slots[at] === key) return false;
    this.slots[at] = key;
    return true;
  }

  private grow(): void {
    const before = this.slots;
    this.slots = new BigUint64Array(before.length * 2);
    for (const key of before) if (key !== 0n) this.put(key);
  }
}
