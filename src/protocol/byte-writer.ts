/**
 * A growing scratch buffer that batches are encoded into before they are handed to a ring. Reused for every batch: `reset`
 * keeps the memory. One thread.
 */
export class ByteWriter {
  bytes: Buffer;
  /** Bytes written so far; also where the next write goes. */
  length: number;
  /** Over the same memory as {@link bytes}. */
  view: DataView;

  constructor(initialCapacityBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(initialCapacityBytes);
    this.view = new DataView(this.bytes.buffer);
    this.length = 0;
  }

  reset(): void {
    this.length = 0;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count > this.bytes.length) this.#grow(this.length + count);
  }

  /** The `write…` methods below need room made by {@link reserve}: a check on each would cost more than the write. */
  writeU8(value: number): void {
    this.bytes[this.length] = value;
    this.length += 1;
  }

  writeU16(value: number): void {
    this.view.setUint16(this.length, value, true);
    this.length += 2;
  }

  writeU32(value: number): void {
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  writeI32(value: number): void {
    this.view.setInt32(this.length, value, true);
    this.length += 4;
  }

  writeF64(value: number): void {
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** Sets a u32 written before, such as a length that is known only afterwards. */
  patchU32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }

  /** Copies bytes. Makes its own room. */
  writeBytes(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  /**
   * A byte, a u8 length and the characters, one by one: for short texts cheaper than a call into native code.
   *
   * @returns false when a character is beyond ASCII: nothing was written
   */
  writeShortAscii(first: number, text: string): boolean {
    const { bytes } = this;
    const start = this.length + 2;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[start + index] = code;
    }
    bytes[start - 2] = first;
    bytes[start - 1] = text.length;
    this.length = start + text.length;
    return true;
  }

  /** UTF-8, at most three bytes per code unit. @returns how many bytes it took */
  writeUtf8(text: string): number {
    const written = this.bytes.write(text, this.length, 'utf8');
    this.length += written;
    return written;
  }

  /** UTF-8 with a u16 length before it. Makes its own room. Longer than 65,535 bytes is cut: only for our own short texts. */
  writeShortText(text: string): void {
    this.reserve(2 + text.length * 3);
    const written = this.bytes.write(text, this.length + 2, Math.min(text.length * 3, 0xffff), 'utf8');
    this.view.setUint16(this.length, written, true);
    this.length += 2 + written;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}
