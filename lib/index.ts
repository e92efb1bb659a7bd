export { CheckAuthDto } from './dto/check-auth.dto.js';
export { type AuthMethod, CheckResult } from './dto/check-result.dto.js';
export { CreateUserDto } from './dto/create-user.dto.js';
export { GAuthifyUser } from './dto/gauthify-user.dto.js';
export { ListUsersDto } from './dto/list-users.dto.js';
export { SendEmailDto } from './dto/send-email.dto.js';
export { SendSmsDto } from './dto/send-sms.dto.js';
export { SendVoiceDto } from './dto/send-voice.dto.js';
export { TokenDto } from './dto/token.dto.js';
export { UpdateUserDto } from './dto/update-user.dto.js';
export { ApiKeyError } from './errors/api-key.error.js';
export { ConflictError } from './errors/conflict.error.js';
export {
  GAuthifyError,
  type GAuthifyErrorDetails,
  isGAuthifyError,
} from './errors/gauthify.error.js';
export { NotFoundError } from './errors/not-found.error.js';
export { ParameterError } from './errors/parameter.error.js';
export { RateLimitError } from './errors/rate-limit.error.js';
export { ServerError } from './errors/server.error.js';
export { GAuthifyModule } from './gauthify.module.js';
export {
  GAUTHIFY_MODULE_OPTIONS,
  type GAuthifyModuleExtras,
} from './gauthify.module-definition.js';
export { GAuthifyService } from './gauthify.service.js';
export { GAuthifyHealthIndicator } from './health/gauthify-health.indicator.js';
export {
  getGAuthifyToken,
  InjectGAuthify,
} from './inject-gauthify.decorator.js';
export type {
  AccessPointHealth,
  HealthOptions,
} from './interfaces/access-point-health.interface.js';
export type { CallOptions } from './interfaces/call-options.interface.js';
export type { CheckAuthOptions } from './interfaces/check-auth-options.interface.js';
export type {
  GAuthifyModuleOptions,
  RetryPolicy,
} from './interfaces/gauthify-module-options.interface.js';
export type { GAuthifyOptionsFactory } from './interfaces/gauthify-options-factory.interface.js';
export type {
  MfaEvent,
  MfaEventType,
} from './interfaces/mfa-event.interface.js';
export type {
  MfaOptions,
  MfaProofOptions,
  MfaRoutesOption,
  MfaVerification,
  RequireMfaOptions,
} from './interfaces/mfa-options.interface.js';
export type {
  QuickTestOptions,
  QuickTestStep,
} from './interfaces/quick-test.interface.js';
export { MFA_METHOD_STRENGTH } from './mfa/method-strength.js';
export type {
  MfaDenialBody,
  MfaDenialCode,
  MfaDenialDetails,
} from './mfa/mfa-denials.js';
export type { MfaExchange, MfaRequest } from './mfa/mfa-exchange.js';
export { MfaGuard } from './mfa/mfa.guard.js';
export { type MfaChannel, MfaService } from './mfa/mfa.service.js';
export { Mfa, RequireMfa, SkipMfa } from './mfa/require-mfa.decorator.js';
export type { UsersOptions } from './interfaces/users-options.interface.js';
export type { GAuthifyResolvedOptions } from './transport/normalize-options.js';
