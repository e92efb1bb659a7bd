import {
  Body,
  Controller,
  createParamDecorator,
  type ExecutionContext,
  ForbiddenException,
  Get,
  Header,
  HttpCode,
  Inject,
  type OnModuleInit,
  Post,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { firstValueFrom } from 'rxjs';
import { GAUTHIFY_MODULE_OPTIONS } from '../client/client.options.js';
import { ParameterError } from '../contract/errors/parameter.error.js';
import { checkRoutes } from './check-options.js';
import { isMissing } from './code-checks.js';
import { denied, type MfaDenied, type SecondFactorResult } from './denials.js';
import { displayNameOf, Enrolment } from './enrolment.js';
import { KnownUsers } from './known-users.js';
import type { MfaAttempt } from './mfa-context.js';
import { MfaGuard } from './mfa.guard.js';
import {
  type GAuthifyResolvedOptions,
  type MfaRoutesOption,
  type RequireMfaOptions,
} from './mfa.options.js';
import { MFA_CHANNELS, MfaService } from './mfa.service.js';
import { usesHeader } from './proof-headers.js';
import { otpauthUriOf, QrCodes } from './qr-codes.js';
import { SkipMfa } from './require-mfa.decorator.js';
import { SecondFactorService } from './second-factor.service.js';

const Execution = createParamDecorator(
  (_: unknown, execution: ExecutionContext) => execution,
);

/**
 * The controller behind `mfa.routes`. Each route serves the signed-in user
 * alone, whom the guard reads from the request, never from the body. POSTs take
 * JSON only, which a form of another site cannot send. Never in safe mode: these
 * routes create and change the second factor.
 */
export function createMfaController(
  option: Exclude<MfaRoutesOption, false>,
): Type<unknown> {
  const { path, guard: Guard, guards, recoverBy } = checkRoutes(option);

  // A guard of the whole application would ask for what is only set up here.
  @SkipMfa()
  @Controller(path)
  @UseGuards(...guards)
  class MfaController implements OnModuleInit {
    private guard!: MfaGuard;

    constructor(
      @Inject(MfaService) private readonly mfa: MfaService,
      @Inject(SecondFactorService)
      private readonly secondFactor: SecondFactorService,
      @Inject(KnownUsers) private readonly users: KnownUsers,
      @Inject(Enrolment) private readonly enrolment: Enrolment,
      @Inject(QrCodes) private readonly qrCodes: QrCodes,
      @Inject(GAUTHIFY_MODULE_OPTIONS)
      private readonly options: GAuthifyResolvedOptions,
      @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    ) {}

    async onModuleInit(): Promise<void> {
      this.guard = await guardOf(Guard, this.moduleRef);
    }

    /** Whether the user is enrolled, the kinds of code they can be asked for, and their second factor that counts now. */
    @Get('status')
    @Header('Cache-Control', 'no-store')
    async status(@Execution() execution: ExecutionContext) {
      const attempt = await this.begin(execution);
      const user = await this.translate(attempt, () =>
        this.users.find(attempt.userId),
      );
      const earlier = await this.secondFactor.recognize(attempt);
      return {
        enrolled: user !== undefined && user.enrolled !== false,
        methods: user?.methods ?? [],
        verifiedAt: earlier?.verifiedAt.toISOString() ?? null,
        method: earlier?.method ?? null,
      };
    }

    /** Sends the user a code: `{ "method": "email" | "sms" | "voice" }`. */
    @Post('challenge')
    @HttpCode(200)
    async challenge(
      @Execution() execution: ExecutionContext,
      @Body() body: { method?: unknown } | undefined,
    ) {
      const attempt = await this.begin(execution);
      const sent = MFA_CHANNELS.find((channel) => channel === body?.method);
      if (!sent) return await this.deny(attempt, denied('mfa_unknown_method'));
      await this.translate(
        attempt,
        () => firstValueFrom(this.mfa.challenge(attempt.userId, sent)),
        (error) => denied('mfa_method_unavailable', {}, error),
      );
      return { sent };
    }

    /** Checks `{ "code" }` and hands over a proof, as the guard does. */
    @Post('verify')
    @HttpCode(200)
    @Header('Cache-Control', 'no-store')
    async verify(
      @Execution() execution: ExecutionContext,
      @Body() body: { code?: unknown } | undefined,
    ) {
      return await this.check(await this.begin(execution), body?.code);
    }

    /**
     * A new secret for a user without a working one; see `Enrolment.enrol` for
     * who may have it. The old secret ends at once. The user is enrolled when
     * `enroll/confirm` gets a first code. Shown once: `key` (base32, to type),
     * `otpauthUri` (to open on the same device), `qr` (SVG, to scan).
     */
    @Post('enroll')
    @HttpCode(200)
    @Header('Cache-Control', 'no-store')
    async enroll(@Execution() execution: ExecutionContext) {
      const attempt = await this.begin(execution);
      const name = displayNameOf(attempt.request.user ?? {}, attempt.userId);
      const result = await this.translate(attempt, () =>
        this.enrolment.enrol(attempt, name, recoverBy),
      );
      const isEnrolled = result.outcome === 'enrolled';
      const decision = isEnrolled ? result.allowedBy : result;
      if (decision) await this.guard.answer(attempt, decision);
      if (!isEnrolled) throw new ForbiddenException();
      const otpauthUri = otpauthUriOf(result.user);
      const qr = await this.qrCodes.draw(otpauthUri);
      return { key: result.user.key, otpauthUri, qr };
    }

    /** Checks the first code of the authenticator app: `{ "code" }`. */
    @Post('enroll/confirm')
    @HttpCode(200)
    @Header('Cache-Control', 'no-store')
    async confirm(
      @Execution() execution: ExecutionContext,
      @Body() body: { code?: unknown } | undefined,
    ) {
      const attempt = await this.begin(execution, { methods: ['totp'] });
      return await this.check(attempt, body?.code);
    }

    private async begin(
      execution: ExecutionContext,
      policy: RequireMfaOptions = {},
    ): Promise<MfaAttempt> {
      const attempt = await this.guard.attempt(execution, {
        ...policy,
        safeMode: false,
      });
      const { method, headers } = execution.switchToHttp().getRequest<{
        method: string;
        headers: Record<string, unknown>;
      }>();
      // A form of another site is sent with any type but this one.
      const isJson = /^application\/json\s*(;|$)/i.test(
        String(headers['content-type']),
      );
      if (method === 'POST' && !isJson)
        await this.deny(attempt, denied('mfa_not_json'));
      return attempt;
    }

    private async check(attempt: MfaAttempt, code: unknown) {
      if (isMissing(code)) await this.deny(attempt, denied('mfa_code_missing'));
      if (typeof code !== 'string')
        await this.deny(attempt, denied('mfa_code_not_text'));
      const result = await this.secondFactor.verify(attempt, code);
      await this.guard.answer(attempt, result);
      if (result.outcome !== 'admitted') throw new ForbiddenException();
      const { method, verifiedAt, proof = null } = result.verification;
      const { proof: options } = this.options.mfa;
      return {
        method,
        verifiedAt: verifiedAt.toISOString(),
        // In a cookie it is out of reach of scripts, and must stay so.
        ...((!options || usesHeader(options)) && { proof }),
      };
    }

    /** Turns an error of GAuthify into what a browser may see; `refusal` for a `ParameterError` that the person can act on. */
    private async translate<T>(
      attempt: MfaAttempt,
      call: () => Promise<T>,
      refusal: (error: ParameterError) => MfaDenied = (error) =>
        this.secondFactor.denyOutage(error),
    ): Promise<T> {
      try {
        return await call();
      } catch (error) {
        return await this.deny(
          attempt,
          error instanceof ParameterError
            ? refusal(error)
            : await this.secondFactor.resultOf(attempt, error),
        );
      }
    }

    private async deny(
      attempt: MfaAttempt,
      result: SecondFactorResult,
    ): Promise<never> {
      await this.guard.answer(attempt, result);
      throw new ForbiddenException();
    }
  }
  return MfaController;
}

/** The application's own instance: its dependencies may be out of reach of this module. */
async function guardOf(
  Guard: Type<MfaGuard>,
  moduleRef: ModuleRef,
): Promise<MfaGuard> {
  if (Guard === MfaGuard) return await moduleRef.create(MfaGuard);
  try {
    return moduleRef.get(Guard, { strict: false });
  } catch (cause) {
    throw new Error(
      `GAuthifyModule: mfa.routes.guard: there is no ${Guard.name} in the application: add it to the providers of a module, or to @UseGuards().`,
      { cause },
    );
  }
}
