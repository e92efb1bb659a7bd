import type { ServerResponse } from 'node:http';
import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Post,
  Put,
  Res,
} from '@nestjs/common';
import { CreateUserDto } from '../../contract/dto/create-user.dto.js';
import { ListUsersDto } from '../../contract/dto/list-users.dto.js';
import { UpdateUserDto } from '../../contract/dto/update-user.dto.js';
import { UserView } from '../users/user-view.js';
import { UsersService } from '../users/users.service.js';
import type { AuditEvent } from '../audit/audit-event.js';
import { AuditLog } from '../audit/audit-log.js';
import type { UserRow } from '../store/schema.js';
import { Api } from './api.decorator.js';
import { type Call, CurrentCall } from './call.decorator.js';
import { Calls } from './calls.js';
import { PagedList } from './paged-list.js';
import { Params, UniqueId } from './params.decorator.js';
import { rawOf, type WithRaw } from './raw-request.js';

/** `users/` of the contract. */
@Api()
@Controller('v1/users')
export class UsersController {
  constructor(
    private readonly calls: Calls,
    private readonly users: UsersService,
    private readonly view: UserView,
    private readonly audit: AuditLog,
  ) {}

  @Post()
  @HttpCode(201)
  create(@CurrentCall() call: Call, @Params() user: CreateUserDto) {
    return this.calls.once(call, async (unit, note) => {
      // Version 1.2 replaces a user who exists.
      const { replaced, created } = call.isLegacy
        ? await this.users.replace(unit, call.realm, user)
        : {
            replaced: undefined,
            created: await this.users.create(unit, call.realm, user),
          };
      if (replaced) note(this.named('user.delete', replaced));
      note(this.named('user.create', created));
      return this.view.show(created, call.settings);
    });
  }

  @Get()
  async list(
    @CurrentCall() call: Call,
    @Params() page: ListUsersDto,
    @Res({ passthrough: true }) response: WithRaw<ServerResponse>,
  ) {
    const list = await PagedList.of(
      this.users.list((work) => this.calls.read(work), call.realm, page),
      (user) => this.view.show(user, call.settings),
    );
    return this.calls.stream(call, list, rawOf(response));
  }

  @Get(':uniqueId')
  async get(@CurrentCall() call: Call, @UniqueId() uniqueId: string) {
    const user = await this.calls.read((db) =>
      this.users.get(db, call.realm, uniqueId),
    );
    return this.calls.answer(call, this.view.show(user, call.settings));
  }

  @Put(':uniqueId')
  update(
    @CurrentCall() call: Call,
    @UniqueId() id: string,
    @Params() changes: UpdateUserDto,
  ) {
    return this.calls.once(call, async (unit, note) => {
      const user = await this.users.update(unit, call.realm, id, changes);
      const fields = Object.keys(changes).filter(
        (name) => changes[name as keyof UpdateUserDto] !== undefined,
      );
      note({
        action: changes.resetKey ? 'user.reset' : 'user.update',
        user: user.id,
        details: { fields },
      });
      return this.view.show(user, call.settings);
    });
  }

  @Delete(':uniqueId')
  delete(@CurrentCall() call: Call, @UniqueId() id: string) {
    return this.calls.once(
      call,
      async (unit, note) => {
        const deleted = await this.users.delete(unit, call.realm, id);
        note(this.named('user.delete', deleted));
        return this.view.show(deleted, call.settings);
      },
      // The user as they were before the deletion: none of it is valid any longer.
      (kept) => kept,
    );
  }

  /** Forgives failures, so that the user need not wait. Not in the contract. */
  @Post(':uniqueId/unlock')
  @HttpCode(200)
  unlock(@CurrentCall() call: Call, @UniqueId() id: string) {
    return this.calls.once(call, async (unit, note) => {
      const user = await this.users.unlock(unit, call.realm, id);
      note({ action: 'user.unlock', user: user.id });
      return this.view.show(user, call.settings);
    });
  }

  /** An event by which the history of a `unique_id` is found. */
  private named(
    action: 'user.create' | 'user.delete',
    { id, realm, unique_id }: UserRow,
  ): AuditEvent {
    const name = this.audit.nameOf(realm, unique_id);
    return { action, user: id, details: { name } };
  }
}
