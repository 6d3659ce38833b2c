// MessagePack, as far as our messages use it: read only, bounded, and nothing of a message is trusted.

/** Bytes that are no message. */
export class Malformed extends Error {}

export type Value = null | boolean | number | string | Uint8Array | Value[] | { [name: string]: Value };

const DEEPEST = 8;
const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Reads exactly one value. Integers beyond 2^53 lose their lowest bits. */
export function decode(bytes: Uint8Array): Value {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.isAtEnd()) throw new Malformed("more than one value");
  return value;
}

class Reader {
  private readonly view: DataView;
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  isAtEnd(): boolean {
    return this.at === this.bytes.byteLength;
  }

  value(depth: number): Value {
    if (depth > DEEPEST) throw new Malformed("too deep");
    const tag = this.unsigned(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.list(tag & 0x0f, depth);
    if (tag < 0xc0) return this.text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.raw(this.unsigned(2 ** (tag - 0xc4)));
      case 0xca:
        return this.view.getFloat32(this.skip(4));
      case 0xcb:
        return this.view.getFloat64(this.skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.unsigned(2 ** (tag - 0xcc));
      case 0xd0:
        return this.view.getInt8(this.skip(1));
      case 0xd1:
        return this.view.getInt16(this.skip(2));
      case 0xd2:
        return this.view.getInt32(this.skip(4));
      case 0xd3:
        return Number(this.view.getBigInt64(this.skip(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.unsigned(2 ** (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.list(this.unsigned(2 ** (tag - 0xdb)), depth);
      case 0xde:
      case 0xdf:
        return this.map(this.unsigned(2 ** (tag - 0xdd)), depth);
      default:
        throw new Malformed(`no value begins with ${tag}`);
    }
  }

  /** Moves past `count` bytes and returns where they begin. */
  private skip(count: number): number {
    const start = this.at;
    if (count > this.bytes.byteLength - start) throw new Malformed("cut off");
    this.at += count;
    return start;
  }

  private unsigned(size: number): number {
    const start = this.skip(size);
    if (size === 1) return this.view.getUint8(start);
    if (size === 2) return this.view.getUint16(start);
    return size === 4 ? this.view.getUint32(start) : Number(this.view.getBigUint64(start));
  }

  private raw(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  private text(length: number): string {
    try {
      return UTF8.decode(this.raw(length));
    } catch (error) {
      throw error instanceof Malformed ? error : new Malformed("text is not UTF-8");
    }
  }

  private list(length: number, depth: number): Value[] {
    // Each item takes a byte at least: a length beyond that is refused before anything is made for it.
    if (length > this.bytes.byteLength - this.at) throw new Malformed("cut off");
    return Array.from({ length }, () => this.value(depth + 1));
  }

  private map(length: number, depth: number): Value {
    if (length * 2 > this.bytes.byteLength - this.at) throw new Malformed("cut off");
    const map: { [name: string]: Value } = Object.create(null);
    for (let index = 0; index < length; index += 1) {
      const name = this.value(depth + 1);
      if (typeof name !== "string") throw new Malformed("a name is no text");
      map[name] = this.value(depth + 1);
    }
    return map;
  }
}
