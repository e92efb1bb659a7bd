import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { asInteger } from './from-wire.js';
import { WireName } from './wire-name.decorator.js';

/** Query of `GET users/`. */
export class ListUsersDto {
  /** 1-based; all users where it is left out. */
  @WireName('page', asInteger)
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000_000_000)
  page?: number;

  /** Users a page, 1–1000. @default 100 */
  @WireName('page_size', asInteger)
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1000)
  pageSize?: number;
}
