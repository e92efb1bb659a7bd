import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { ValidationPipe } from '@nestjs/common';
import { instanceToPlain } from 'class-transformer';
import { CreateUserDto } from './create-user.dto.js';
import { toE164 } from './phone-number.js';
import { parseDto } from './parse-dto.js';
import { UpdateUserDto } from './update-user.dto.js';
import { wireNameOf } from './wire-name.decorator.js';

const minimal = { uniqueId: 'jane', displayName: 'Jane' };

/** The messages of what is wrong with a CreateUserDto of `minimal` and `plain`. */
const problems = (plain: object) =>
  parseDto(CreateUserDto, { ...minimal, ...plain }).problems?.map(
    ({ message }) => message,
  ) ?? [];

describe('reading a DTO', () => {
  it.each([
    [
      'the wire’s spelling',
      { unique_id: 'jane', display_name: 'Jane', sms_number: '9162627232' },
    ],
    [
      'camel case',
      { uniqueId: 'jane', displayName: 'Jane', smsNumber: '9162627232' },
    ],
  ])('takes %s', (_, plain) => {
    expect(parseDto(CreateUserDto, plain).value).toEqual({
      uniqueId: 'jane',
      displayName: 'Jane',
      smsNumber: '9162627232',
    });
  });

  it('works behind a strict ValidationPipe', async () => {
    const pipe = new ValidationPipe({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
    });
    const metadata = { type: 'body' as const, metatype: CreateUserDto };
    await expect(pipe.transform(minimal, metadata)).resolves.toMatchObject(
      minimal,
    );
    await expect(
      pipe.transform({ ...minimal, admin: true }, metadata),
    ).rejects.toMatchObject({
      status: 400,
    });
    await expect(
      pipe.transform({ uniqueId: 'jane' }, metadata),
    ).rejects.toMatchObject({
      response: { message: ['displayName is missing'] },
    });
  });

  it('reads numbers where ids and codes are meant', () => {
    expect(
      parseDto(CreateUserDto, { ...minimal, uniqueId: 42 }).value?.uniqueId,
    ).toBe('42');
  });

  it('reads an empty optional field as null and drops unknown ones', () => {
    expect(
      parseDto(CreateUserDto, { ...minimal, email: '', admin: 1 }).value,
    ).toEqual({
      ...minimal,
      email: null,
    });
  });

  it('reads meta from a JSON string and from an object', () => {
    for (const meta of ['{"a":{"b":1}}', { a: { b: 1 } }])
      expect(parseDto(CreateUserDto, { ...minimal, meta }).value?.meta).toEqual(
        { a: { b: 1 } },
      );
  });

  it.each([
    ['true', true],
    ['T', true],
    ['1', true],
    [1, true],
    [true, true],
    ['false', false],
    ['0', false],
    ['', false],
    [false, false],
  ])('reads reset_key %p as %p', (reset_key, expected) => {
    expect(parseDto(UpdateUserDto, { reset_key }).value?.resetKey).toBe(
      expected,
    );
  });
});

describe('validating a DTO', () => {
  it.each([
    [{ uniqueId: undefined }, 'uniqueId is missing'],
    [{ uniqueId: '' }, 'uniqueId must not be empty'],
    [{ uniqueId: {} }, 'uniqueId must be a string'],
    [
      { uniqueId: 'a'.repeat(256) },
      'uniqueId must be at most 255 characters, but is 256',
    ],
    [{ uniqueId: 'a\nb' }, 'uniqueId must not contain control characters'],
    [{ uniqueId: '\ud800' }, 'uniqueId must be well-formed Unicode'],
    [
      { uniqueId: '..' },
      'uniqueId must not be "." or "..", which no URL can carry',
    ],
    [{ email: 'jane' }, 'email must be an e-mail address'],
    [{ email: { a: 1 } }, 'email must be an e-mail address'],
    [
      { smsNumber: '123' },
      expect.stringContaining('smsNumber must be a valid phone number'),
    ],
    [{ meta: '[1]' }, 'meta must be a JSON object'],
    [{ meta: '{"a":' }, 'meta must be a JSON object'],
    [
      { meta: '{"a":{"__proto__":{"admin":true}}}' },
      'meta must not have the key __proto__',
    ],
    [
      { meta: { a: 'x'.repeat(9000) } },
      expect.stringContaining('meta must be at most 8192 bytes'),
    ],
    [
      { meta: `{"a":${'['.repeat(4000)}${']'.repeat(4000)}}` },
      'meta must be at most 32 levels deep',
    ],
  ])('refuses bad input %#', (plain, message) => {
    expect(problems(plain)).toEqual([message]);
  });

  it('takes numbers of other countries', () => {
    expect(problems({ smsNumber: '+442083661177' })).toEqual([]);
    // A form that did not encode the plus sign.
    expect(problems({ smsNumber: ' 442083661177' })).toEqual([]);
    expect(toE164(' 442083661177')).toBe('+442083661177');
    expect(toE164(' 6582345678')).toBe('+6582345678');
    expect(toE164(' 9162627232')).toBe('+19162627232');
  });

  it('does not let a display name be cleared, but leaves it out', () => {
    expect(
      parseDto(UpdateUserDto, { displayName: null }).problems,
    ).toHaveLength(1);
    expect(parseDto(UpdateUserDto, {}).value).toEqual({});
  });
});

it('writes the wire’s spelling, meta as JSON, and leaves out what is not set', () => {
  const { value } = parseDto(CreateUserDto, {
    ...minimal,
    email: null,
    meta: { a: 1 },
  });
  expect(instanceToPlain(value, { exposeUnsetFields: false })).toEqual({
    unique_id: 'jane',
    display_name: 'Jane',
    email: null,
    meta: '{"a":1}',
  });
  expect(wireNameOf(CreateUserDto, 'smsNumber')).toBe('sms_number');
});
