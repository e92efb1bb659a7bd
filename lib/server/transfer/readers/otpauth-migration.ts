import { toBase32 } from '../../factors/otp.js';
import type { LabelledFactor } from './otpauth.js';

// The message of Google Authenticator's "transfer accounts", as known from
// https://github.com/beemdevelopment/Aegis/pull/406: MigrationPayload { repeated OtpParameters otp_parameters = 1; … }
// OtpParameters { bytes secret = 1; string name = 2; string issuer = 3; Algorithm algorithm = 4; DigitCount digits = 5; OtpType type = 6; int64 counter = 7; }
const ALGORITHMS = ['SHA1', 'SHA1', 'SHA256', 'SHA512', 'MD5'];
const DIGITS = [6, 6, 8, 7];
const HOTP = 1;

/** The factors of an otpauth-migration:// URI; `undefined` if it is none. */
export function parseMigration(uri: string): LabelledFactor[] | undefined {
  const query = /^otpauth-migration:\/\/offline\/?\?(.*)$/is.exec(uri)?.[1];
  // "+" of base64 is a space in a query that does not encode it.
  const data = new URLSearchParams(query).get('data')?.replaceAll(' ', '+');
  if (!data) return undefined;
  try {
    return fieldsOf(Buffer.from(data, 'base64'))
      .filter(({ field, value }) => field === 1 && typeof value !== 'number')
      .map(({ value }) => factorOf(fieldsOf(value as Buffer)));
  } catch {
    return undefined;
  }
}

function factorOf(fields: readonly Field[]): LabelledFactor {
  const get = (field: number) =>
    fields.findLast((one) => one.field === field)?.value;
  const text = (field: number) => String(get(field) ?? '');
  const number = (field: number) => Number(get(field) ?? 0);
  const secret = get(1);
  return {
    label: text(2),
    issuer: text(3) || undefined,
    factor: {
      kind: number(6) === HOTP ? 'hotp' : 'totp',
      secret: Buffer.isBuffer(secret) ? toBase32(secret) : undefined,
      algorithm: ALGORITHMS[number(4)] ?? 'unknown',
      digits: DIGITS[number(5)] ?? 0,
      // The format has no period: Google Authenticator knows 30 seconds alone.
      period: 30,
    },
  };
}

interface Field {
  field: number;
  value: number | Buffer;
}

/** The fields of a protobuf message. @see https://protobuf.dev/programming-guides/encoding/ */
function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('The message ends in a number');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const bytes = (length: number) => {
    if (at + length > message.length) throw new Error('The message is cut off');
    return message.subarray(at, (at += length));
  };
  while (at < message.length) {
    const tag = varint();
    const [field, wireType] = [Math.floor(tag / 8), tag % 8];
    if (wireType === 0) fields.push({ field, value: varint() });
    else if (wireType === 1) bytes(8);
    else if (wireType === 2) fields.push({ field, value: bytes(varint()) });
    else if (wireType === 5) bytes(4);
    else throw new Error('A wire type that is not known');
  }
  return fields;
}
