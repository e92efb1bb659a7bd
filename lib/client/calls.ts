import type { ClassConstructor } from 'class-transformer';
import { CheckAuthDto } from '../contract/dto/check-auth.dto.js';
import { CreateFactorDto } from '../contract/dto/create-factor.dto.js';
import { CreateUserDto } from '../contract/dto/create-user.dto.js';
import { ListUsersDto } from '../contract/dto/list-users.dto.js';
import { SendEmailDto } from '../contract/dto/send-email.dto.js';
import { SendSmsDto } from '../contract/dto/send-sms.dto.js';
import { SendVoiceDto } from '../contract/dto/send-voice.dto.js';
import { TokenDto } from '../contract/dto/token.dto.js';
import { UpdateFactorDto } from '../contract/dto/update-factor.dto.js';
import { UpdateUserDto } from '../contract/dto/update-user.dto.js';
import { factorPath, formOf, toParams, userPath } from './transport/codec.js';
import { HARMLESS_CALL, type WireCall } from './transport/http-client.js';

/**
 * The calls of the API in the terms of the wire, their arguments checked.
 * Public as the methods of `GAuthifyService`.
 *
 * @throws ParameterError, each of them, naming a bad argument
 */
export const calls = {
  createUser: (user: CreateUserDto) => post('users/', CreateUserDto, user),
  updateUser: (uniqueId: string, changes: UpdateUserDto): WireCall => ({
    ...ofUser('PUT', uniqueId),
    params: toParams(UpdateUserDto, changes),
  }),
  deleteUser: (uniqueId: string) => ofUser('DELETE', uniqueId),
  getUser: (uniqueId: string) => ofUser('GET', uniqueId),
  users: (page: ListUsersDto): WireCall => ({
    method: 'GET',
    path: 'users/',
    // Pages in two ways at once: our server reads `after`, others read `page`.
    query: formOf(toParams(ListUsersDto, page)),
  }),
  userByToken: (token: string) => post('token/', TokenDto, { token }),
  check: (uniqueId: string, authCode: string) =>
    post('check/', CheckAuthDto, { uniqueId, authCode }),
  sendEmail: (uniqueId: string, email?: string) =>
    post('email/', SendEmailDto, { uniqueId, email }),
  sendSms: (uniqueId: string, smsNumber?: string) =>
    post('sms/', SendSmsDto, { uniqueId, smsNumber }),
  sendVoice: (uniqueId: string, voiceNumber?: string) =>
    post('voice/', SendVoiceDto, { uniqueId, voiceNumber }),
  factors: (uniqueId: string) => ofUser('GET', uniqueId, 'factors/'),
  createFactor: (uniqueId: string, factor: CreateFactorDto): WireCall => ({
    ...ofUser('POST', uniqueId, 'factors/'),
    params: toParams(CreateFactorDto, factor),
  }),
  updateFactor: (
    uniqueId: string,
    factorId: string,
    changes: UpdateFactorDto,
  ): WireCall => ({
    method: 'PUT',
    ...factorPath(uniqueId, factorId),
    params: toParams(UpdateFactorDto, changes),
  }),
  deleteFactor: (uniqueId: string, factorId: string): WireCall => ({
    method: 'DELETE',
    ...factorPath(uniqueId, factorId),
  }),
  renewRecoveryCodes: (uniqueId: string) =>
    ofUser('POST', uniqueId, 'recovery_codes/'),
  unlockUser: (uniqueId: string) => ofUser('POST', uniqueId, 'unlock/'),
  realm: (): WireCall => ({ method: 'GET', path: 'realm/' }),
  apiErrors: () => HARMLESS_CALL,
};

function ofUser(
  method: WireCall['method'],
  given: string,
  below = '',
): WireCall {
  const { path, uniqueId } = userPath(given);
  return { method, path: path + below, uniqueId };
}

function post<T extends object>(
  path: string,
  type: ClassConstructor<T>,
  args: unknown,
) {
  const params = toParams(type, args);
  const uniqueId = params['unique_id'] ?? undefined;
  return { method: 'POST' as const, path, params, uniqueId };
}
