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
  ) {}

  @Post()
  @HttpCode(201)
  create(@CurrentCall() call: Call, @Params() user: CreateUserDto) {
    return this.calls.once(call, async (unit) =>
      this.view.show(await this.users.create(unit, call.realm, user)),
    );
  }

  @Get()
  async list(
    @CurrentCall() { realm }: Call,
    @Params() page: ListUsersDto,
    @Res({ passthrough: true }) response: WithRaw<ServerResponse>,
  ) {
    const list = await PagedList.of(
      this.users.list((work) => this.calls.read(work), realm, page),
      (user) => this.view.show(user),
    );
    return this.calls.stream(list, rawOf(response));
  }

  @Get(':uniqueId')
  async get(@CurrentCall() { realm }: Call, @UniqueId() uniqueId: string) {
    const user = await this.calls.read((db) =>
      this.users.get(db, realm, uniqueId),
    );
    return this.calls.answer(this.view.show(user));
  }

  @Put(':uniqueId')
  update(
    @CurrentCall() call: Call,
    @UniqueId() id: string,
    @Params() changes: UpdateUserDto,
  ) {
    return this.calls.once(call, async (unit) =>
      this.view.show(await this.users.update(unit, call.realm, id, changes)),
    );
  }

  @Delete(':uniqueId')
  delete(@CurrentCall() call: Call, @UniqueId() id: string) {
    return this.calls.once(
      call,
      async (unit) =>
        this.view.show(await this.users.delete(unit, call.realm, id)),
      // The user as they were before the deletion: none of it is valid any longer.
      (kept) => kept,
    );
  }

  /** Forgives failures, so that the user need not wait. Not in the contract. */
  @Post(':uniqueId/unlock')
  @HttpCode(200)
  unlock(@CurrentCall() call: Call, @UniqueId() id: string) {
    return this.calls.once(call, async (unit) =>
      this.view.show(await this.users.unlock(unit, call.realm, id)),
    );
  }
}
