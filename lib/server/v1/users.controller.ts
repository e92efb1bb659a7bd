import { Controller, Delete, Get, HttpCode, Post, Put } from '@nestjs/common';
import { CreateUserDto } from '../../contract/dto/create-user.dto.js';
import { ListUsersDto } from '../../contract/dto/list-users.dto.js';
import { UpdateUserDto } from '../../contract/dto/update-user.dto.js';
import { UserView } from '../users/user-view.js';
import { UsersService } from '../users/users.service.js';
import { Realm } from './api-key.guard.js';
import { Api } from './api.decorator.js';
import { OnRepetition } from './idempotency.interceptor.js';
import { PagedList } from './paged-list.js';
import { Params, UniqueId } from './params.decorator.js';

/** `users/` of the contract. */
@Api()
@Controller('v1/users')
export class UsersController {
  constructor(
    private readonly users: UsersService,
    private readonly view: UserView,
  ) {}

  @Post()
  @HttpCode(201)
  async create(@Realm() realm: string, @Params() user: CreateUserDto) {
    return this.view.show(await this.users.create(realm, user));
  }

  @Get()
  async list(@Realm() realm: string, @Params() page: ListUsersDto) {
    return await PagedList.of(this.users.list(realm, page), (user) =>
      this.view.show(user),
    );
  }

  @Get(':uniqueId')
  async get(@Realm() realm: string, @UniqueId() uniqueId: string) {
    return this.view.show(await this.users.get(realm, uniqueId));
  }

  @Put(':uniqueId')
  async update(
    @Realm() realm: string,
    @UniqueId() uniqueId: string,
    @Params() changes: UpdateUserDto,
  ) {
    return this.view.show(await this.users.update(realm, uniqueId, changes));
  }

  @Delete(':uniqueId')
  // The user as they were before the deletion: none of it is valid any longer.
  @OnRepetition({ afterChange: (kept) => kept })
  async delete(@Realm() realm: string, @UniqueId() uniqueId: string) {
    return this.view.show(await this.users.delete(realm, uniqueId));
  }
}
