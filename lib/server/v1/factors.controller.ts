import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Put,
} from '@nestjs/common';
import { CreateFactorDto } from '../../contract/dto/create-factor.dto.js';
import { UpdateFactorDto } from '../../contract/dto/update-factor.dto.js';
import { FactorsService } from '../factors/factors.service.js';
import { RecoveryCodes } from '../factors/recovery-codes.js';
import { UserView } from '../users/user-view.js';
import { UsersService } from '../users/users.service.js';
import { drawSvg } from '../users/qr-code.js';
import type { AuditEvent } from '../audit/audit-event.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import { Api } from './api.decorator.js';
import { type Call, CurrentCall } from './call.decorator.js';
import { Calls } from './calls.js';
import { Params, UniqueId } from './params.decorator.js';

/** `users/{unique_id}/factors/` and `recovery_codes/`. Not in the contract. */
@Api()
@Controller('v1/users/:uniqueId')
export class FactorsController {
  constructor(
    private readonly calls: Calls,
    private readonly users: UsersService,
    private readonly factors: FactorsService,
    private readonly recoveryCodes: RecoveryCodes,
    private readonly view: UserView,
  ) {}

  @Get('factors')
  async list(@CurrentCall() call: Call, @UniqueId() uniqueId: string) {
    const factors = await this.calls.read(async (db) =>
      this.factors.list(db, await this.users.get(db, call.realm, uniqueId)),
    );
    return this.calls.answer(
      call,
      factors.map((factor) => this.view.showFactor(factor)),
    );
  }

  @Post('factors')
  @HttpCode(201)
  async create(
    @CurrentCall() call: Call,
    @UniqueId() uniqueId: string,
    @Params() wanted: CreateFactorDto,
  ) {
    const answer = await this.calls.once(call, async (unit, note) => {
      const row = await this.users.lock(unit, call.realm, uniqueId);
      const factor = await this.factors.add(unit, row, wanted);
      note(eventOf('factor.add', row, factor));
      const enrolment = this.view.enrolment(row, factor, call.settings);
      return {
        ...this.view.showFactor(factor),
        ...enrolment,
        unique_id: row.unique_id,
        epoch: row.epoch,
      };
    });
    // After the unit of work: drawing takes longer than all the rest.
    const data = answer.data as { otpauth_uri: string };
    const qr = await drawSvg(data.otpauth_uri);
    return { ...answer, data: { ...data, qr } };
  }

  @Put('factors/:factor')
  update(
    @CurrentCall() call: Call,
    @UniqueId() uniqueId: string,
    @Param('factor') id: string,
    @Params() { name }: UpdateFactorDto,
  ) {
    return this.calls.once(call, async (unit, note) => {
      const row = await this.users.lock(unit, call.realm, uniqueId);
      const factor = await this.factors.rename(unit, row, id, name);
      note(eventOf('factor.rename', row, factor));
      return this.view.showFactor(factor);
    });
  }

  @Delete('factors/:factor')
  delete(
    @CurrentCall() call: Call,
    @UniqueId() uniqueId: string,
    @Param('factor') id: string,
  ) {
    return this.calls.once(call, async (unit, note) => {
      const row = await this.users.lock(unit, call.realm, uniqueId);
      const factor = await this.factors.delete(unit, row, id);
      note(eventOf('factor.delete', row, factor));
      return this.view.showFactor(factor);
    });
  }

  /** Ten recovery codes, shown this once; they replace the ones before. */
  @Post('recovery_codes')
  @HttpCode(201)
  renewRecoveryCodes(@CurrentCall() call: Call, @UniqueId() uniqueId: string) {
    return this.calls.once(call, async (unit, note) => {
      const row = await this.users.lock(unit, call.realm, uniqueId);
      note({ action: 'recovery_codes.renew', user: row.id });
      return {
        unique_id: row.unique_id,
        epoch: row.epoch,
        recovery_codes: await this.recoveryCodes.renew(unit, row),
      };
    });
  }
}

const eventOf = (
  action: 'factor.add' | 'factor.rename' | 'factor.delete',
  user: UserRow,
  { id, kind }: FactorRow,
): AuditEvent => ({ action, user: user.id, details: { factor: id, kind } });
