import { crc32 } from 'node:zlib';

export type ZipEntry = { name: string; content: Buffer };

/** A zip archive of executable files, stored without compression; the same bytes for the same entries. (PKWARE APPNOTE 4.3) */
export function zip(entries: readonly ZipEntry[]): Buffer {
  let offset = 0;
  const parts = entries.map((entry) => {
    const local = Buffer.concat([localHeader(entry), Buffer.from(entry.name), entry.content]);
    const central = Buffer.concat([centralHeader(entry, offset), Buffer.from(entry.name)]);
    offset += local.length;
    return { local, central };
  });
  const directory = Buffer.concat(parts.map(({ central }) => central));
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts.map(({ local }) => local), directory, end]);
}

/** What both headers share: version needed to flags, method, time, date, checksum, sizes, length of the name. */
function common({ name, content }: ZipEntry): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(0x5c21, 8); // 2026-01-01
  fields.writeUInt32LE(crc32(content), 10);
  fields.writeUInt32LE(content.length, 14);
  fields.writeUInt32LE(content.length, 18);
  fields.writeUInt16LE(Buffer.byteLength(name), 22);
  return fields;
}

function localHeader(entry: ZipEntry): Buffer {
  return Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common(entry)]);
}

function centralHeader(entry: ZipEntry, offset: number): Buffer {
  const made = Buffer.from('PK\x01\x02\x14\x03', 'latin1'); // by version 2.0 on Unix
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE(0o100755 * 0x10000, 6);
  rest.writeUInt32LE(offset, 10);
  return Buffer.concat([made, common(entry), rest]);
}
