export { CheckAuthDto } from './contract/dto/check-auth.dto.js';
export {
  type AuthMethod,
  CheckResult,
} from './contract/dto/check-result.dto.js';
export { CreateFactorDto } from './contract/dto/create-factor.dto.js';
export { CreateUserDto } from './contract/dto/create-user.dto.js';
export {
  GAuthifyFactor,
  NewGAuthifyFactor,
} from './contract/dto/gauthify-factor.dto.js';
export { GAuthifyRealm } from './contract/dto/gauthify-realm.dto.js';
export { GAuthifyUser } from './contract/dto/gauthify-user.dto.js';
export { ListUsersDto } from './contract/dto/list-users.dto.js';
export { SendEmailDto } from './contract/dto/send-email.dto.js';
export { SendSmsDto } from './contract/dto/send-sms.dto.js';
export { SendVoiceDto } from './contract/dto/send-voice.dto.js';
export { TokenDto } from './contract/dto/token.dto.js';
export { UpdateFactorDto } from './contract/dto/update-factor.dto.js';
export { UpdateUserDto } from './contract/dto/update-user.dto.js';
export type { GAuthifyErrorCode } from './contract/error-codes.js';
export { ApiKeyError } from './contract/errors/api-key.error.js';
export { ConflictError } from './contract/errors/conflict.error.js';
export {
  GAuthifyError,
  type GAuthifyErrorDetails,
  isGAuthifyError,
} from './contract/errors/gauthify.error.js';
export { NotFoundError } from './contract/errors/not-found.error.js';
export { ParameterError } from './contract/errors/parameter.error.js';
export { RateLimitError } from './contract/errors/rate-limit.error.js';
export { ServerError } from './contract/errors/server.error.js';
export { GAuthifyModule } from './gauthify.module.js';
export type {
  GAuthifyModuleExtras,
  GAuthifyModuleOptions,
  GAuthifyOptionsFactory,
} from './gauthify.module-definition.js';
export {
  type CallOptions,
  GAUTHIFY_MODULE_OPTIONS,
  type GAuthifyClientOptions,
  type RetryPolicy,
} from './client/client.options.js';
export type { CheckAuthOptions } from './client/check.js';
export type { UsersOptions } from './client/users.js';
export { GAuthifyService } from './client/gauthify.service.js';
export { GAuthifyHealthIndicator } from './client/health.indicator.js';
export {
  getGAuthifyToken,
  InjectGAuthify,
} from './client/inject-gauthify.decorator.js';
export type { AccessPointHealth, HealthOptions } from './client/health.js';
export type { MfaEvent, MfaEventType } from './mfa/mfa-events.js';
export type {
  GAuthifyResolvedOptions,
  MfaOptions,
  MfaProofOptions,
  MfaRoutesOption,
  MfaVerification,
  RequireMfaOptions,
} from './mfa/mfa.options.js';
export type { QuickTestOptions, QuickTestStep } from './client/quick-test.js';
export { MFA_METHOD_STRENGTH, type MfaPolicy } from './mfa/mfa-policy.js';
export type {
  MfaDenialBody,
  MfaDenialCode,
  MfaDenialDetails,
  MfaDenied,
  SecondFactorResult,
} from './mfa/denials.js';
export type {
  MfaAttempt,
  MfaContext,
  MfaRequest,
  SecondFactorAttempt,
} from './mfa/mfa-context.js';
export { MfaGuard } from './mfa/mfa.guard.js';
export { type MfaChannel, MfaService } from './mfa/mfa.service.js';
export { Mfa, RequireMfa, SkipMfa } from './mfa/require-mfa.decorator.js';
export { SecondFactorService } from './mfa/second-factor.service.js';
